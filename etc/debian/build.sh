#!/bin/bash
# Builds the Debian package from what `make install` installs: target/debian/holdfast_VERSION_ARCH.deb.
#
#   etc/debian/build.sh
#
# Needs dpkg-deb alone. The configuration is a conffile; users, folders and units are set up by postinst.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
TARGET=${CARGO_TARGET_DIR:-target}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
ARCH=$(dpkg --print-architecture)
OUT=$TARGET/debian
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
chmod 755 "$STAGE"

mkdir -p "$OUT"
# The words of the install step are of no interest unless it fails.
make --no-print-directory install DESTDIR="$STAGE" ${CARGO:+CARGO="$CARGO"} >"$OUT/install.log" 2>&1 || { cat "$OUT/install.log" >&2; exit 1; }

# Debian's places and forms: licences in one file, compressed change log and man pages.
doc=$STAGE/usr/share/doc/holdfast
{
  printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n'
  printf 'Copyright: the authors of Holdfast\nLicense: Expat or Apache-2.0\n\nLicense: Expat\n'
  sed 's/^$/./; s/^/ /' LICENSE-MIT
  printf '\nLicense: Apache-2.0\n The full text is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$doc/copyright"
rm -f "$doc"/LICENSE-*
printf 'holdfast (%s) unstable; urgency=medium\n\n  * See the history of the sources.\n\n -- Holdfast <root@localhost>  %s\n' \
  "$VERSION" "$(date -R -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}")" |
  gzip -9n >"$doc/changelog.gz"
find "$STAGE/usr/share/man" -type f -exec gzip -9n {} +

mkdir "$STAGE/DEBIAN"
for script in postinst prerm postrm; do install -m 755 "etc/debian/$script" "$STAGE/DEBIAN/$script"; done
echo /etc/holdfast/holdfast.toml >"$STAGE/DEBIAN/conffiles"
# The oldest C library that has every symbol that is used.
libc=$(find "$STAGE/usr" -type f -path '*/bin/*' -o -type f -path '*/libexec/*' | xargs grep -aohE 'GLIBC_2\.[0-9]+' | sort -uV | tail -1)
cat >"$STAGE/DEBIAN/control" <<END
Package: holdfast
Version: $VERSION
Architecture: $ARCH
Maintainer: Holdfast <root@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$STAGE" | cut -f1)
Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1, systemd (>= 252), kmod
Recommends: ca-certificates
Suggests: ipvsadm, apache2-utils
Section: net
Priority: optional
Description: health checks and failover for Linux Virtual Server
 Holdfast keeps a service address answering: it probes the real servers with
 real questions, keeps the kernel's IPVS table as the facts demand, moves the
 virtual address between two directors, and shows what it knows and why.
 .
 Nothing is started by the installation, and no upgrade, restart or removal
 takes anything out of the kernel's table.
END
(cd "$STAGE" && find usr etc -type f ! -path etc/holdfast/holdfast.toml -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zxz --build "$STAGE" "$OUT/holdfast_${VERSION}_$ARCH.deb"
