#!/bin/bash
# Process 1 of the guest: makes the guest's own /proc /sys /dev /run, loads modules, runs the command, stores its exit status,
# powers off. TESTKERNEL_RUN (kernel command line) is the run directory; `settings` there comes from testkernel.sh.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN=$TESTKERNEL_RUN
. "$RUN/settings" # BACKEND MODULE_ROOT MODULES DIRECTORY TTY ROWS COLUMNS COMMAND

power_off() {
  sync
  perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)' # reboot(2), RB_POWER_OFF on amd64
  echo o >/proc/sysrq-trigger
  poweroff -f
}

set_up() {
  mountpoint -q /proc || mount -t proc proc /proc
  mount -t sysfs sys /sys
  mountpoint -q /dev || mount -t devtmpfs dev /dev
  mkdir -p /dev/pts /dev/shm
  mount -t devpts devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t tmpfs run /run
  mkdir -p /run/lock /run/netns /run/tmp
  chmod 1777 /run/tmp
  mount -t cgroup2 cgroup /sys/fs/cgroup
  # The kernel's own requests for modules (generic-netlink family, schedulers) must find the right tree too.
  printf '#!/bin/sh\nexec /sbin/modprobe -d %q "$@"\n' "$MODULE_ROOT" >/run/modprobe
  chmod +x /run/modprobe
  echo /run/modprobe >/proc/sys/kernel/modprobe
  modprobe -a -d "$MODULE_ROOT" $MODULES
  ip link set lo up
  hostname testkernel
}

run_command() {
  local variable environment=() path=$PATH tunables='' input=/dev/null
  while IFS= read -r -d '' variable; do
    case $variable in
      PATH=*) path=${variable#PATH=}:/usr/sbin:/sbin ;;
      GLIBC_TUNABLES=*) tunables=:${variable#GLIBC_TUNABLES=} ;;
      TMPDIR=* | TMP=* | TEMP=*) ;;
      *) environment+=("$variable") ;;
    esac
  done <"$RUN/environment"
  environment+=(PATH="$path" TMPDIR=/run/tmp TESTKERNEL="$BACKEND" MODPROBE_OPTIONS="-d $MODULE_ROOT")
  if [ "$BACKEND" = uml ]; then
    # UML keeps only 832 bytes of vector state over a signal: AVX-512 registers would be lost, so keep libraries off them.
    tunables=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW$tunables
    environment+=(OPENSSL_ia32cap=:0)
  fi
  environment+=(GLIBC_TUNABLES="${tunables#:}")
  cd "$DIRECTORY" || exit 126
  if [ -n "$TTY" ]; then
    stty sane -F "$TTY"
    stty rows "$ROWS" cols "$COLUMNS" -F "$TTY"
    [ "$BACKEND" != qemu ] || stty -onlcr -F "$TTY" # QEMU leaves that to the terminal
    exec env -i "${environment[@]}" setsid --ctty --wait "${COMMAND[@]}" <"$TTY" >"$TTY" 2>&1
  fi
  [ ! -e "$RUN/stdin" ] || input=$RUN/stdin
  exec env -i "${environment[@]}" "${COMMAND[@]}" <"$input" >>"$RUN/stdout" 2>>"$RUN/stderr"
}

set_up >"$RUN/setup" 2>&1
read -r up _ </proc/uptime
echo "$up" >"$RUN/uptime"
(run_command) 2>>"$RUN/stderr"
status=$?
read -r up _ </proc/uptime
echo "$up" >>"$RUN/uptime"
echo $status >"$RUN/status.new"
sync
mv "$RUN/status.new" "$RUN/status" # from here on the host may end the guest
power_off
