#!/bin/bash
# What `make demo` runs: builds, and plays the demonstration in the test kernel. Options go to the demonstration:
# --short for a quicker run. With KEEP=1 in the environment there is a shell in the guest at the end.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. tests/packages.sh

TARGET=${CARGO_TARGET_DIR:-target}
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
LIMIT=300
GUEST=()

if [ -n "${KEEP:-}" ] && [ "$KEEP" != 0 ]; then
  [ -t 0 ] && [ -t 1 ] || { echo "KEEP=1 gives you a shell, and needs a terminal for it" >&2; exit 2; }
  set -- "$@" --keep
  GUEST+=(--tty)
  LIMIT=0
fi
[ ! -t 1 ] || set -- "$@" --live

mkdir -p "$TARGET"
install_packages "$TARGET/apt.log" gcc libc6-dev iproute2 ipvsadm kmod bind9 nsd knot unbound bind9-dnsutils || exit
command -v cargo >/dev/null || { echo "no cargo: install Rust 1.95 or later, for instance with https://rustup.rs" >&2; exit 1; }
BUILD=(cargo build --locked --bins)
# Only what it needs, but the short run is a part of `make test`, which has built everything.
if [ "${1:-}" = --short ]; then BUILD+=(--workspace); else BUILD+=(-p holdfast-tests -p agentd -p checkd -p lvsd -p holdfast -p dnscheck); fi
if [ -t 2 ]; then "${BUILD[@]}" || exit; else "${BUILD[@]}" --quiet || exit; fi
exec tests/testkernel.sh ${GUEST[@]+"${GUEST[@]}"} --timeout $LIMIT -- "$TARGET/debug/demo" "$@"
