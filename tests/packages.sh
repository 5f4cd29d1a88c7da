# Debian packages for the scripts beside this file (sourced, bash).
#
# Installs only what is missing, says what, asks nothing, and leaves no service running or enabled that was not
# there before. Never upgrades anything and never touches a package that is installed already.

# run_as_root COMMAND...: directly when root, else through sudo without a password prompt.
run_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -- "$@"; fi
}

# missing_packages PACKAGE...: those of them that dpkg does not have installed.
missing_packages() {
  local p
  for p in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) in
      installed) ;;
      *) echo "$p" ;;
    esac
  done
}

# apt_get ARGUMENT...: apt-get that asks nothing, waits for another apt, and starts no service.
apt_get() {
  run_as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_SUSPEND=1 \
    apt-get -o DPkg::Lock::Timeout=600 -o APT::Install-Recommends=false -y "$@" </dev/null
}

# install_packages LOG PACKAGE...: make sure that all of them are installed. The output of apt goes to LOG.
install_packages() {
  local log=$1 policy=/usr/sbin/policy-rc.d missing unit rc=0 made_policy=0
  shift
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing Debian packages: ${missing[*]}" >&2
  if ! command -v apt-get >/dev/null; then
    echo "this is not a Debian system: install what provides ${missing[*]} yourself" >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    echo "not root, and sudo wants a password; please run: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  # Debian starts a service as soon as it is installed. A name server for a test must not run on this machine.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | run_as_root tee $policy >/dev/null && run_as_root chmod 755 $policy && made_policy=1
  fi
  { apt_get update && apt_get install "${missing[@]}"; } >>"$log" 2>&1 || rc=1
  [ $made_policy = 0 ] || run_as_root rm -f $policy
  # Nor may it come up with the next boot. Only units of packages that this call brought are touched.
  if command -v systemctl >/dev/null; then
    while read -r unit; do
      run_as_root systemctl disable --quiet "${unit##*/}" >>"$log" 2>&1
    done < <(printf '%s\n' "${missing[@]}" | grep -xE 'bind9|nsd|knot|unbound|knot-resolver|keepalived|nginx-common' | xargs -r dpkg -L 2>/dev/null |
      grep -E '^(/usr)?/lib/systemd/system/[^/]+\.service$')
  fi
  [ $rc = 0 ] || { echo "apt-get failed; the end of $log:" >&2; tail -n 20 "$log" >&2; }
  return $rc
}
