#!/bin/bash
# CPU, memory and lateness of vipd with many virtual routers on one interface, beside keepalived: 255 routers at 1 s and 50 at
# 100 ms, one active and one backup in network namespaces. Lateness is by the adverts' time stamps on the wire: how far from
# its interval each one of a router is from the one before. SECONDS_EACH says how long each is watched. Needs root; builds
# target/release/vipd unless VIPD names another one.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SECONDS_EACH=${SECONDS_EACH:-30}
[ -n "${VIPD:-}" ] || cargo build --release --locked -q -p vipd --config 'profile.release.opt-level="s"' --config 'profile.release.lto="fat"'
VIPD=${VIPD:-$PWD/target/release/vipd}
WORK=$(mktemp -d)
. tests/packages.sh
install_packages "$WORK/apt.log" iproute2 keepalived tcpdump || exit
A=bv$$a B=bv$$b
PIDS=()
end() {
  for pid in "${PIDS[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  ip netns delete $A 2>/dev/null || true
  ip netns delete $B 2>/dev/null || true
  rm -rf "$WORK"
}
trap end EXIT

# network: two hosts, one cable.
network() {
  ip netns add $A
  ip netns add $B
  ip link add name eth0 netns $A type veth peer name eth0 netns $B
  local last=1 host
  for host in $A $B; do
    ip -n $host link set lo up
    ip -n $host link set eth0 up
    ip -n $host address add 10.77.0.$last/16 dev eth0
    last=2
  done
}

# holdfast COUNT INTERVAL PRIORITY
holdfast() {
  for ((i = 1; i <= $1; i++)); do
    printf '[[virtual_router]]\nname = "r%d"\ninterface = "eth0"\nvrid = %d\npriority = %d\nadvert_interval = "%s"\naddresses = ["10.77.9.%d"]\n' \
      $i $i "$3" "$2" $i
  done
}

# keepalived_conf COUNT INTERVAL PRIORITY
keepalived_conf() {
  printf 'global_defs {\n vrrp_version 3\n}\n'
  for ((i = 1; i <= $1; i++)); do
    printf 'vrrp_instance r%d {\n interface eth0\n virtual_router_id %d\n priority %d\n advert_int %s\n virtual_ipaddress {\n 10.77.9.%d\n }\n}\n' \
      $i $i "$3" "$2" $i
  done
}

# Microseconds of processor time that a process used, by the scheduler's own account of each thread: PID. Ticks miss most of what
# wakes up for some microseconds.
used() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d\n", sum / 1000 }'; }

# Resident memory, and its share of what is shared: PID.
memory() { awk '/^Rss:|^Pss:/ { printf "  %s %.1f MiB", toupper(substr($1, 1, 3)), $2 / 1024 }' "/proc/$1/smaps_rollup"; }

# watch INTERVAL NAME PID...: CPU in percent of one processor and memory of each, and the adverts' lateness.
watch() {
  local interval=$1 pid before=() at=0 dump
  shift
  # The switch's side of the cable would be better, but there is no switch: what the backup's interface gets, with the kernel's
  # time stamps.
  ip netns exec $B tcpdump -i eth0 -n -w "$WORK/adverts" --immediate-mode -s 64 'ip proto 112' 2>/dev/null & dump=$!
  for pid in "${@:2:2}"; do before+=("$(used "$pid")"); done
  sleep "$SECONDS_EACH"
  for side in active backup; do
    pid=${*:$((at + 2)):1}
    awk -v name="$1, $side" -v used=$(($(used "$pid") - before[at])) -v span="$SECONDS_EACH" -v memory="$(memory "$pid")" \
      'BEGIN { printf "  %-22s %5.2f %% CPU%s\n", name, used / 1e4 / span, memory }'
    at=$((at + 1))
  done
  kill $dump
  wait $dump 2>/dev/null || true
  tcpdump -r "$WORK/adverts" -n -tt 2>/dev/null | awk -v interval="$interval" -v name="$1" '
    match($0, /vrid [0-9]+/) {
      id = substr($0, RSTART + 5, RLENGTH - 5)
      if (id in last) { late = ($1 - last[id] - interval) * 1e6; print late < 0 ? -late : late }
      last[id] = $1
    }' | sort -n | awk -v name="$1" '{ v[NR] = $1 }
      END { if (NR) printf "  %-22s %d adverts, off their beat by: median %d µs, 99 %% below %d µs, most %d µs\n", name, NR, v[int((NR + 1) / 2)], v[int(NR * 0.99) + (NR < 100)], v[NR] }'
}

# held COUNT: waits until the active host has all addresses.
held() {
  local tries=0
  until [ "$(ip -n $A -o address show dev eth0 | grep -c ' 10\.77\.9\.')" = "$1" ]; do
    sleep 0.2
    tries=$((tries + 1))
    [ $tries -lt ${TRIES:-300} ] || { echo "the addresses did not come" >&2; tail -n 3 "$WORK"/*.log >&2; exit 1; }
  done
}

stop() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  PIDS=()
  ip netns delete $A
  ip netns delete $B
}

run() { # COUNT INTERVAL SECONDS
  echo "$1 virtual routers at $2:"
  network
  for side in $A:150 $B:100; do
    host=${side%:*}
    holdfast "$1" "$2" "${side#*:}" >"$WORK/$host.toml"
    ip netns exec $host "$VIPD" --config "$WORK/$host.toml" --socket "$WORK/no.sock" --state "$WORK/no.json" \
      --log-level debug 2>"$WORK/$host.log" &
    PIDS+=($!)
  done
  held "$1"
  watch "$3" vipd "${PIDS[@]}"
  stop
  network
  for side in $A:150 $B:100; do
    host=${side%:*}
    keepalived_conf "$1" "$3" "${side#*:}" >"$WORK/$host.conf"
    ip netns exec $host keepalived --vrrp --dont-fork --log-console --use-file "$WORK/$host.conf" \
      --pid "$WORK/$host.pid" --vrrp_pid "$WORK/$host.vrrp" >"$WORK/$host.keepalived.log" 2>&1 &
    PIDS+=($!)
  done
  held "$1"
  watch "$3" keepalived "$(cat "$WORK/$A.vrrp")" "$(cat "$WORK/$B.vrrp")"
  echo "  (keepalived's other process, which speaks no VRRP, has another$(memory "$(cat "$WORK/$A.pid")"))"
  stop
}

run 255 1s 1
run 50 100ms 0.1
