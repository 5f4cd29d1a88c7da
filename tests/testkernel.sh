#!/bin/bash
# Runs a command as root in a throw-away guest whose kernel has IPVS, over this machine's own file tree, and returns the
# command's output and exit status. The running kernel is not touched and needs no IPVS, no KVM and no image.
#
#   tests/testkernel.sh [OPTION...] [--] COMMAND [ARGUMENT...]
#
#   --uml | --qemu   user-mode Linux, or QEMU without KVM and with Debian's stock kernel
#                    (default: $TESTKERNEL_BACKEND, else uml where it runs, else qemu)
#   --timeout S      end the guest after S seconds with status 124; 0: never (default $TESTKERNEL_TIMEOUT, else 300)
#   --tty            give COMMAND this terminal (a shell, for instance); without it, stdin is /dev/null
#   --stdin          read all of stdin first and give it to COMMAND
#   --mem MB         memory of the guest (default 1024)
#   --smp N          processors, qemu only (default 2; user-mode Linux has one)
#   --modules "A B"  modules to load first (default: ip_vs, its usual schedulers, veth, bridge and the like)
#   --cache DIR      where the kernels are kept (default $TESTKERNEL_CACHE, else ~/.cache/holdfast-testkernel)
#   --console FILE   keep the guest's console output there
#   --prepare        only install and fetch what the backend needs
#   --verbose        say how long boot and command took
#
# COMMAND gets the caller's directory and environment; TMPDIR is /run/tmp and TESTKERNEL names the backend. /proc, /sys,
# /dev and /run are the guest's own, everything else is this machine's tree with the caller's rights. Nothing reaches a network.
# stdout and stderr arrive as they are written (the order between the two is not kept).
# Status: COMMAND's own; 124 timeout; 125 the guest itself failed (its console follows on stderr); 126/127 as in a shell.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/packages.sh"

BACKEND=${TESTKERNEL_BACKEND:-auto}
LIMIT=${TESTKERNEL_TIMEOUT:-300}
CACHE=${TESTKERNEL_CACHE:-${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache}/holdfast-testkernel}
MODULES="ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh veth bridge dummy macvlan sch_netem ipv6"
MEMORY=1024 PROCESSORS=2 STDIN=0 TTY=0 CONSOLE='' PREPARE=0 VERBOSE=0

say() { echo "testkernel: $*" >&2; }
die() { say "$*"; exit 125; }

parse_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --timeout | --mem | --smp | --cache | --modules | --console)
        [ $# -gt 1 ] || die "$1 needs a value (see --help)" ;;&
      --uml) BACKEND=uml ;;
      --qemu) BACKEND=qemu ;;
      --timeout) LIMIT=$2; shift ;;
      --mem) MEMORY=$2; shift ;;
      --smp) PROCESSORS=$2; shift ;;
      --cache) CACHE=$2; shift ;;
      --modules) MODULES=$2; shift ;;
      --console) CONSOLE=$2; shift ;;
      --stdin) STDIN=1 ;;
      --tty) TTY=1 ;;
      --prepare) PREPARE=1 ;;
      --verbose) VERBOSE=1 ;;
      -h | --help) sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
      --) shift; break ;;
      -*) die "unknown option $1 (see --help)" ;;
      *) break ;;
    esac
    shift
  done
  COMMAND=("$@")
  local number
  for number in "$LIMIT" "$MEMORY" "$PROCESSORS"; do
    case $number in '' | *[!0-9]*) die "not a number: '$number' (see --help)" ;; esac
  done
  [ $# -gt 0 ] || [ $PREPARE = 1 ] || die "no command given (see --help)"
  if [ $TTY = 1 ] && ! { [ -t 0 ] && [ -t 1 ]; }; then die "--tty needs a terminal on stdin and stdout"; fi
  [ "$(uname -m)" = x86_64 ] || die "only amd64 machines are supported, this one is $(uname -m)"
}

# ---- what must be on this machine -------------------------------------------------------------------------------------

need() { install_packages "$CACHE/apt.log" "$@" || die "cannot go on without: $*"; }

# unpack_package PACKAGE DIRECTORY: fetch a Debian package and unpack it there; nothing is installed and no root needed.
unpack_package() {
  local work rc own=(-o APT::Sandbox::User=root)
  work=$(mktemp -d "$CACHE/fetch.XXXXXX") || die "cannot write to $CACHE"
  say "fetching Debian package $1"
  (
    cd "$work" || exit 1
    apt-get "${own[@]}" download "$1" && exit 0
    # No package lists on this machine, or stale ones: use lists of our own.
    mkdir -p lists/partial
    own+=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work")
    apt-get "${own[@]}" update && apt-get "${own[@]}" download "$1"
  ) >>"$CACHE/apt.log" 2>&1 && mkdir -p "$2" && dpkg-deb -x "$work"/*.deb "$2" >>"$CACHE/apt.log" 2>&1
  rc=$?
  rm -rf "$work"
  [ $rc = 0 ] || die "cannot fetch Debian package $1; see $CACHE/apt.log"
}

prepare_uml() {
  local kept=$CACHE/uml new=$CACHE/uml.new shim=$HERE/testkernel/xstate.c
  need gcc libc6-dev iproute2 ipvsadm kmod
  if [ ! -e "$kept/complete" ]; then
    rm -rf "$new"
    unpack_package user-mode-linux "$new"
    mkdir -p "$new/modroot/lib"
    ln -s ../../usr/lib/uml/modules "$new/modroot/lib/modules"
    touch "$new/complete"
    rm -rf "$kept"
    mv "$new" "$kept"
  fi
  if [ ! -e "$kept/xstate.so" ] || ! cmp -s "$shim" "$kept/xstate.c"; then
    gcc -O2 -Wall -shared -fPIC -o "$kept/xstate.so" "$shim" || die "cannot compile $shim"
    cp "$shim" "$kept/xstate.c"
  fi
}

prepare_qemu() {
  local kept=$CACHE/qemu new=$CACHE/qemu.new image version module
  need qemu-system-x86 cpio iproute2 ipvsadm kmod
  if [ -e "$kept/complete" ] && cmp -s "$HERE/testkernel/initramfs.sh" "$kept/initramfs/init"; then return; fi
  stock_kernel() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }'; }
  image=$(stock_kernel)
  [ -n "$image" ] || { apt_get update >>"$CACHE/apt.log" 2>&1; image=$(stock_kernel); }
  [ -n "$image" ] || die "apt knows no linux-image-amd64; see $CACHE/apt.log"
  rm -rf "$new"
  unpack_package "$image" "$new"
  unpack_package busybox-static "$new/busybox"
  version=$(ls "$new/lib/modules")
  PATH=$PATH:/usr/sbin:/sbin depmod -b "$new" "$version" || die "depmod failed for $image"
  mkdir -p "$new/modroot" "$new"/initramfs/{bin,modules,root,proc,dev}
  ln -s ../lib "$new/modroot/lib"
  cp "$new/busybox/bin/busybox" "$new/initramfs/bin/"
  ln -s busybox "$new/initramfs/bin/sh"
  for module in drivers/virtio/{virtio_ring,virtio,virtio_pci_legacy_dev,virtio_pci_modern_dev,virtio_pci} \
    net/9p/{9pnet,9pnet_virtio} fs/netfs/netfs fs/fscache/fscache fs/9p/9p; do
    cp "$new/lib/modules/$version/kernel/$module.ko" "$new/initramfs/modules/" 2>/dev/null # built in, in some versions
  done
  install -m 755 "$HERE/testkernel/initramfs.sh" "$new/initramfs/init"
  (cd "$new/initramfs" && find . | cpio -o -H newc --quiet | gzip -1) >"$new/initramfs.gz" || die "cannot pack the initramfs"
  touch "$new/complete"
  rm -rf "$kept"
  mv "$new" "$kept"
}

# Try user-mode Linux once (it needs ptrace, which some containers forbid) and remember the answer until the next boot.
choose_backend() {
  local boot choice try
  boot=$(cat /proc/sys/kernel/random/boot_id)
  choice=$CACHE/choice.$boot
  if [ ! -e "$choice" ]; then
    rm -f "$CACHE"/choice.*
    prepare_uml
    for try in 1 2; do
      if "$HERE/testkernel.sh" --uml --cache "$CACHE" --timeout 60 --modules ip_vs ipvsadm -Ln 9>&- >"$CACHE/trial" 2>&1; then
        echo uml >"$choice"
        break
      fi
    done
    if [ ! -e "$choice" ]; then
      say "user-mode Linux does not run here (see $CACHE/trial): using qemu, which is slower"
      echo qemu >"$choice"
    fi
  fi
  read -r BACKEND <"$choice"
}

prepare() {
  mkdir -p "$CACHE" || die "cannot make $CACHE"
  CACHE=$(cd "$CACHE" && pwd -P)
  case $CACHE in
    *[[:space:]]*) die "the cache directory may have no blanks in its name: $CACHE" ;;
    /run/* | /dev/* | /proc/* | /sys/*) die "the cache directory cannot be there, the guest has its own: $CACHE" ;;
  esac
  local auto=0
  [ "$BACKEND" != auto ] || auto=1
  if [ $auto = 1 ]; then
    exec 9>"$CACHE/lock.choice"
    flock 9
    choose_backend
    exec 9>&-
  fi
  exec 9>"$CACHE/lock"
  flock 9
  case $BACKEND in
    uml | qemu) "prepare_$BACKEND" ;;
    *) die "no backend '$BACKEND': uml or qemu" ;;
  esac
  exec 9>&-
}

# ---- one run ----------------------------------------------------------------------------------------------------------

RUN='' VM='' TERMINAL=''

finish() {
  [ -z "$VM" ] || kill -KILL -- "-$VM" 2>/dev/null # the guest has a session of its own
  [ -z "$TERMINAL" ] || stty "$TERMINAL" <&3
  if [ -n "$RUN" ]; then
    [ -z "$CONSOLE" ] || cp "$RUN/console" "$CONSOLE" 2>/dev/null
    rm -rf "$RUN"
  fi
}

# The janitor ends the guest when this script is killed without a chance to do so itself: it waits for the end of a pipe
# whose writing end only this script holds.
start_janitor() {
  mkfifo "$RUN/alive"
  setsid bash -c 'read -r _ <"$1/alive"; [ ! -e "$1/pid" ] || kill -KILL -- "-$(cat "$1/pid")"; rm -rf "$1"' janitor "$RUN" \
    </dev/null >/dev/null 2>&1 &
  exec 8>"$RUN/alive"
}

write_settings() {
  touch "$RUN/stdout" "$RUN/stderr" "$RUN/console"
  cp "$HERE/testkernel/guest.sh" "$RUN/guest.sh"
  chmod +x "$RUN/guest.sh"
  [ $STDIN = 0 ] || cat >"$RUN/stdin"
  cat /proc/$$/environ >"$RUN/environment" # as the caller gave it
  local tty='' size=(24 80)
  if [ $TTY = 1 ]; then
    read -r -a size < <(stty size)
    case $BACKEND in uml) tty=/dev/tty0 ;; qemu) tty=/dev/ttyS1 ;; esac
  fi
  {
    printf '%s=%q\n' BACKEND "$BACKEND" MODULE_ROOT "$CACHE/$BACKEND/modroot" MODULES "$MODULES" DIRECTORY "$PWD" \
      TTY "$tty" ROWS "${size[0]}" COLUMNS "${size[1]}"
    echo "COMMAND=($(printf '%q ' "${COMMAND[@]}"))"
  } >"$RUN/settings"
}

# memory_directory: where user-mode Linux keeps the guest's memory file: in memory, if there is room and mmap may execute.
memory_directory() {
  local shm=/dev/shm
  if [ -w $shm ] && ! grep -q ' /dev/shm .*noexec' /proc/mounts && [ "$(df -Pm $shm | awk 'NR == 2 { print $4 }')" -gt "$MEMORY" ]; then
    echo $shm
  else
    echo "$RUN"
  fi
}

start_uml() {
  local memory consoles=(con=null con0=null,fd:1 ssl=null)
  [ $TTY = 0 ] || consoles=(con=null con0=fd:0,fd:1 con1=null,fd:2 console=tty1 ssl=null)
  memory=$(memory_directory)
  LD_PRELOAD=$CACHE/uml/xstate.so TMPDIR=$memory TMP=$memory TEMP=$memory exec setsid "$CACHE/uml/usr/bin/linux.uml" \
    mem="${MEMORY}M" uml_dir="$RUN/" root=/dev/root rootfstype=hostfs rootflags=/ rw quiet "${consoles[@]}" \
    init="$RUN/guest.sh" TESTKERNEL_RUN="$RUN"
}

start_qemu() {
  local serial=(-serial "file:$RUN/console")
  [ $TTY = 0 ] || serial+=(-chardev stdio,id=terminal,signal=off -serial chardev:terminal)
  exec setsid qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp "$PROCESSORS" -m "$MEMORY" -display none \
    "${serial[@]}" -monitor none -nic none -no-reboot \
    -kernel "$(echo "$CACHE"/qemu/boot/vmlinuz-*)" -initrd "$CACHE/qemu/initramfs.gz" \
    -fsdev local,id=host,path=/,security_model=none,multidevs=remap -device virtio-9p-pci,fsdev=host,mount_tag=host \
    -fsdev local,id=run,path="$RUN",security_model=none -device virtio-9p-pci,fsdev=run,mount_tag=run \
    -append "console=ttyS0 quiet panic=-1 TESTKERNEL_RUN=$RUN"
}

run_guest() {
  local started=$EPOCHREALTIME input=/dev/null tails=() deadline status='' ticks=0
  RUN=$(mktemp -d "$CACHE/run.XXXXXX") || die "cannot write to $CACHE"
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  write_settings
  start_janitor
  exec 3<&0
  if [ $TTY = 1 ]; then
    TERMINAL=$(stty -g)
    ("start_$BACKEND") <&3 2>>"$RUN/console" 8>&- &
  else
    ("start_$BACKEND") </dev/null >>"$RUN/console" 2>&1 3>&- 8>&- &
  fi
  VM=$!
  echo $VM >"$RUN/pid"
  if [ $TTY = 0 ]; then
    tail -q -n +1 -f --pid=$VM -s 0.1 "$RUN/stdout" 2>/dev/null 8>&- &
    tails+=($!)
    tail -q -n +1 -f --pid=$VM -s 0.1 "$RUN/stderr" >&2 2>/dev/null 8>&- &
    tails+=($!)
  fi
  deadline=$((SECONDS + LIMIT))
  exec 7<>"$RUN/alive" # never read to its end: a sleep that starts no process
  while kill -0 $VM 2>/dev/null; do
    read -r -t 0.1 -u 7
    if [ -e "$RUN/status" ] && [ $((ticks += 1)) -gt 10 ]; then break; fi # finished, but not off within a second
    if [ "$LIMIT" -gt 0 ] && [ $SECONDS -ge $deadline ]; then status=124; break; fi
  done
  kill -KILL -- "-$VM" 2>/dev/null
  wait $VM 2>/dev/null
  VM=''
  [ ${#tails[@]} = 0 ] || wait "${tails[@]}" 2>/dev/null
  [ $VERBOSE = 0 ] || say "$BACKEND: ready after $(sed -n 1p "$RUN/uptime" 2>/dev/null) s of guest time, command ended at \
$(sed -n 2p "$RUN/uptime" 2>/dev/null) s; $((${EPOCHREALTIME/./} / 1000 - ${started/./} / 1000)) ms in all"
  if [ -n "$status" ]; then
    say "not finished after $LIMIT s: guest ended"
  elif [ -e "$RUN/status" ]; then
    status=$(cat "$RUN/status")
    [ $TTY = 0 ] || cat "$RUN/stderr" >&2
  else
    status=125
    say "the guest ended without a status; its console and set-up said:"
    tail -n 40 "$RUN/console" "$RUN/setup" >&2 2>/dev/null
  fi
  exit "$status"
}

# With stdin, stdout or stderr closed, files opened later would take their numbers.
[ -e /proc/$$/fd/0 ] || exec </dev/null
[ -e /proc/$$/fd/1 ] || exec >/dev/null
[ -e /proc/$$/fd/2 ] || exec 2>/dev/null
parse_options "$@"
prepare
[ ${#COMMAND[@]} -gt 0 ] || exit 0
run_guest
