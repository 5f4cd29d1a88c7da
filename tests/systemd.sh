#!/bin/bash
# Installs Holdfast and lets a real systemd run its units, as they are shipped, in a container of their own: all six daemons, killed,
# reloaded, misconfigured, stopped. For a throw-away guest (tests/testkernel.sh); prints its results in the form of Rust's tests.
#
#   tests/systemd.sh PROGRAMS      PROGRAMS/release holds what `make build` makes
set -u
[ -n "${TESTKERNEL:-}" ] || { echo "run it with tests/testkernel.sh: it is not for a machine that is used" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
PROGRAMS=$1 TOP=/run/units ROOT=/run/units/root
DAEMONS="agentd checkd lvsd vipd statusd alertd"

# A copy of this tree in memory, with Holdfast in it and no unit but systemd's own.
install_into_copy() {
  modprobe overlay && mkdir -p "$ROOT" "$TOP/upper" "$TOP/work" &&
    mount -t overlay -o "lowerdir=/,upperdir=$TOP/upper,workdir=$TOP/work" overlay "$ROOT" || exit
  make -s install DESTDIR="$ROOT" CARGO=none TARGET="$PROGRAMS" >"$TOP/install.log" || exit
  rm -rf "$ROOT/etc/systemd/system" && mkdir -p "$ROOT/etc/systemd/system/-.slice.d"
  : >"$ROOT/etc/machine-id"
  local unit
  for unit in systemd-{resolved,networkd,timesyncd,udevd,udev-trigger,logind,sysctl,modules-load}.service getty@tty1.service \
    console-getty.service dbus.service dbus.socket; do
    ln -s /dev/null "$ROOT/etc/systemd/system/$unit"
  done
  # This kernel is built with RT_GROUP_SCHED, with which nobody in a group with a processor controller may be real-time.
  printf '[Slice]\nDisableControllers=cpu\n' >"$ROOT/etc/systemd/system/-.slice.d/processor.conf"
  ln -s /lib/systemd/system/multi-user.target "$ROOT/etc/systemd/system/default.target"
}

set_up() {
  ip link set lo up
  ip link add net0 type dummy && ip address add 10.9.0.2/24 dev net0 && ip link set net0 up || exit
  sysctl -qp "$ROOT/usr/lib/sysctl.d/60-holdfast.conf"
  cat >"$ROOT/etc/holdfast/holdfast.toml" <<'C'
[lvs]
[checks]
[status]
[alert]
to = ["root@localhost"]
from = "holdfast@localhost"
smtp = "smtp://127.0.0.1:2525"
[[virtual_server]]
name = "resolver"
address = "10.9.0.53"
services = ["udp/53", "tcp/53"]
  [virtual_server.check.dns]
  qname = "resolve.test"
  expect_answer = ["192.0.2.80"]
  interval = "500ms"
  port = 5300
  [[virtual_server.real_server]]
  name = "dns1"
  address = "10.9.0.2"
[failover]
[[virtual_router]]
name = "vip"
vrid = 53
interface = "net0"
addresses = ["10.9.0.53/24"]
advert_interval = "200ms"
C
  mkdir "$ROOT/etc/nsd-here"
  printf '$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n@ A 192.0.2.80\nns A 10.9.0.2\n' >"$ROOT/etc/nsd-here/zone"
  cat >"$ROOT/etc/nsd-here/nsd.conf" <<'C'
server:
  ip-address: 10.9.0.2@5300
  username: ""
  pidfile: ""
  zonelistfile: "/run/nsd.list"
  xfrdfile: ""
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: resolve.test
  zonefile: /etc/nsd-here/zone
C
}

# Begins systemd as the first process of a container over the copy.
begin() {
  cat >"$TOP/begin" <<'C'
cd "$1" && mount --make-rprivate / && mount -t proc proc proc && mount --rbind /dev dev && mount -t sysfs sys sys &&
  mount -t cgroup2 cgroup sys/fs/cgroup && mount -t tmpfs -o mode=755 run run && mount -t tmpfs -o mode=1777 tmp tmp &&
  mkdir .former && pivot_root . .former && umount -l .former &&
  exec env -i container=holdfast PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console --show-status=no
C
  unshare --pid --fork --mount --uts --ipc --kill-child bash "$TOP/begin" "$ROOT" >"$TOP/console" 2>&1 </dev/null &
  local shell=$!
  until_true 30 begun "$shell" || { cat "$TOP/console"; exit 1; }
}

begun() {
  INIT=$(pgrep -P "$1") && [ "$(cat "/proc/$INIT/comm")" = systemd ] && inside systemctl is-system-running | grep -qE 'running|degraded'
}

inside() { nsenter -t "$INIT" -m -p -u -i "$@" 2>&1; }

# until_true SECONDS COMMAND...
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}

PASSED=0 FAILED=0
# check NAME COMMAND...: a test, with some patience.
check() {
  local name=$1
  shift
  if until_true 30 "$@"; then
    PASSED=$((PASSED + 1))
    echo "test $name ... ok"
  else
    FAILED=$((FAILED + 1))
    echo "test $name ... FAILED"
    inside systemctl status 'holdfast*' --no-pager -l -n 12
    inside holdfast status
    ipvsadm -Ln
  fi
}

active() {
  local daemon
  for daemon in $DAEMONS; do inside systemctl is-active -q "holdfast-$daemon" || return; done
}
main_pid() { inside systemctl show -p MainPID --value "holdfast-$1"; }
status_is() { [ "$(inside holdfast status | head -1)" = "holdfast: $1" ]; }
weight_is() { ipvsadm -Ln | grep -qE "10.9.0.2:53 +[A-Za-z]+ +$1 "; }
holds() { ip -4 address show dev net0 | grep -q 10.9.0.53; }
holds_not() { ! holds; }
without_server() { ! ipvsadm -Ln | grep -q 10.9.0.2; }
real_time() { inside chrt -ap "$(main_pid vipd)" | grep -q SCHED_RR; }
locked() { [ "$(awk '/^VmLck/ {print $2}' "/proc/$(pgrep -x vipd)/status")" -gt 0 ]; }
no_capability() {
  local daemon pid
  for daemon in agentd checkd statusd alertd; do
    pid=$(main_pid $daemon)
    inside grep -qE '^CapEff:\s0+$' "/proc/$pid/status" && inside grep -qE '^Seccomp:\s2$' "/proc/$pid/status" || return
  done
}
all_new() {
  local daemon
  active || return
  for daemon in $DAEMONS; do [ "$(main_pid $daemon)" != "${OLD[$daemon]}" ] || return; done
}
# One that is tried again is never "failed", it waits for its next start.
failed_for_good() { inside systemctl is-failed -q holdfast-checkd && inside systemctl show -p ExecMainStatus holdfast-checkd | grep -qx ExecMainStatus=2; }

install_into_copy
set_up
begin
inside systemd-sysusers >/dev/null
inside systemd-tmpfiles --create >/dev/null
check "the configuration is good" inside holdfast check-config
inside systemctl enable --now holdfast.target >/dev/null
check "the units start" active
inside systemd-run -q --unit=nsd-here nsd -d -c /etc/nsd-here/nsd.conf
check "a server that answers is put in" weight_is 1
check "the address is put on" holds
check "all is well" status_is ok
check "the router is real-time" real_time
check "its memory is locked" locked
check "four daemons have no capability and a filter" no_capability
for daemon in $DAEMONS; do check "systemctl reload holdfast-$daemon" inside systemctl reload "holdfast-$daemon"; done
declare -A OLD
for daemon in $DAEMONS; do OLD[$daemon]=$(main_pid $daemon); done
for daemon in $DAEMONS; do inside kill -KILL "${OLD[$daemon]}"; done
check "killed, they are started again" all_new
check "the server is still in" weight_is 1
check "the address is still there" holds
inside systemctl stop nsd-here
check "a server that is gone is put out" without_server
check "it is told" status_is critical
echo '[nonsense]' >>"$ROOT/etc/holdfast/holdfast.toml"
inside systemctl kill -s KILL holdfast-checkd
check "a mistake in the configuration is not tried again and again" failed_for_good
inside systemctl stop holdfast.target
check "stopped, the address is taken off" holds_not
echo
[ $FAILED = 0 ] && word=ok || word=FAILED
echo "test result: $word. $PASSED passed; $FAILED failed"
kill -KILL "$INIT"
[ $FAILED = 0 ]
