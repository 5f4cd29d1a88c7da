#!/bin/bash
# Failover of vipd beside keepalived, in one bed of network namespaces: two routers, a client that pings the virtual address and
# asks a service on it every 2 ms. Says medians and the longest. For a quiet machine.
#
#   tests/bench-failover.sh [times|false|many ...]     default: all three
#
#   times   death (SIGKILL) and graceful stop (SIGTERM) of the active one, RUNS each (30), at INTERVALS (1 0.1 0.01 seconds)
#   false   takeovers that should not be: 10 ms adverts, LOOPS busy loops (8), SPAN seconds (40)
#   many    255 routers at 1 s and 50 at 100 ms: CPU time and memory of both sides, SPAN seconds
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
RUNS=${RUNS:-30}
INTERVALS=${INTERVALS:-1 0.1 0.01}
SPAN=${SPAN:-40}
LOOPS=${LOOPS:-8}
TOOLS=${TOOLS:-vipd keepalived}
VIPD=${VIPD:-${CARGO_TARGET_DIR:-$PWD/target}/release/vipd}
[ -x "$VIPD" ] || { echo "vipd is not built: make build" >&2; exit 1; }
WORK=$(mktemp -d)
VIP=10.9.8.50
BED=hfb$$
. tests/packages.sh
install_packages "$WORK/apt.log" gcc libc6-dev iproute2 keepalived procps || exit

PIDS=()
clean() {
  local pid
  for pid in "${PIDS[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  for end in a b c s; do ip netns delete $BED$end 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap clean EXIT

gcc -O2 -o "$WORK/failover" tests/bench/failover.c
for end in s a b c; do ip netns add $BED$end; done
ip -n ${BED}s link add name sw0 type bridge mcast_snooping 0 forward_delay 0
ip -n ${BED}s link set sw0 up
number=0
for end in a b c; do
  number=$((number + 1))
  ip -n ${BED}s link add name $end type veth peer name eth0 netns $BED$end
  ip -n ${BED}s link set dev $end master sw0 up
  ip -n $BED$end link set lo up
  ip -n $BED$end link set eth0 up
  ip -n $BED$end address add 10.9.8.$number/24 dev eth0
done
for end in a b; do
  ip netns exec $BED$end "$WORK/failover" serve $VIP 5300 $end & PIDS+=($!)
done

# Writes the configuration of one side: END PRIORITY INTERVAL ROUTERS.
configure() {
  local end=$1 priority=$2 interval=$3 routers=$4 n
  mkdir -p "$WORK/$end"
  {
    for ((n = 1; n <= routers; n++)); do
      local address=10.9.$((n == 1 ? 8 : 7)).$((n == 1 ? 50 : n))
      printf '[[virtual_router]]\nname = "r%d"\ninterface = "eth0"\nvrid = %d\npriority = %d\n' $n $n "$priority"
      printf 'advert_interval = "%dms"\naddresses = ["%s"]\n' "$(awk -v s="$interval" 'BEGIN { print s * 1000 }')" $address
    done
  } >"$WORK/$end/holdfast.toml"
  {
    printf 'global_defs {\n  vrrp_version 3\n  script_user root\n%s}\n' "${RT:+  vrrp_rt_priority $RT
}"
    for ((n = 1; n <= routers; n++)); do
      local address=10.9.$((n == 1 ? 8 : 7)).$((n == 1 ? 50 : n))
      printf 'vrrp_instance r%d {\n  state BACKUP\n  interface eth0\n  virtual_router_id %d\n  priority %d\n' $n $n "$priority"
      printf '  advert_int %s\n  virtual_ipaddress {\n    %s\n  }\n}\n' "$interval" $address
    done
  } >"$WORK/$end/keepalived.conf"
}

# Starts one side: TOOL END.
start() {
  local tool=$1 end=$2 folder=$WORK/$2
  rm -f "$folder/pid" "$folder/vrrp.pid"
  if [ "$tool" = vipd ]; then
    ip netns exec $BED$end "$VIPD" --config "$folder/holdfast.toml" --socket "$folder/agent.sock" --state "$folder/state.json" \
      >>"$folder/log" 2>&1 &
  else
    ip netns exec $BED$end keepalived --use-file "$folder/keepalived.conf" --vrrp --dont-fork --log-console --log-detail \
      --pid "$folder/pid" --vrrp_pid "$folder/vrrp.pid" >>"$folder/log" 2>&1 &
  fi
  PIDS+=($!)
  echo $! >"$folder/main"
}

# The process that speaks: TOOL END.
speaker() { if [ "$1" = vipd ]; then cat "$WORK/$2/main"; else cat "$WORK/$2/vrrp.pid"; fi; }

# Ends one side: TOOL END SIGNAL.
finish() {
  local main
  main=$(cat "$WORK/$2/main" 2>/dev/null) || return 0
  if [ "$1" = keepalived ] && [ "$3" = KILL ]; then
    kill -KILL "$main" "$(cat "$WORK/$2/vrrp.pid")" 2>/dev/null || true
  else
    kill -"$3" "$main" 2>/dev/null || true
  fi
  wait "$main" 2>/dev/null || true
  rm -f "$WORK/$2/main"
}

# Waits until the service of END answers.
answered_by() {
  local end=$1 tries
  for ((tries = 0; tries < 150; tries++)); do
    ip netns exec ${BED}c timeout 0.2 "$WORK/failover" ask $VIP 5300 10 2>/dev/null | awk '$1 == "u" { last = $3 } END { print last }' | grep -q "^$end$" && return
  done
  echo "not answered by $end; the end of its log:" >&2
  tail -5 "$WORK/$end/log" >&2
  exit 1
}

spread() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%8.1f %8.1f %8.1f", v[1], v[int((NR + 1) / 2)], v[NR] }'; }

times() {
  printf '%-11s %-8s %-8s %28s %28s\n' tool interval signal "takeover ms min/med/max" "longest gap ms min/med/max"
  local tool interval signal run
  for interval in $INTERVALS; do
    for signal in KILL TERM; do
      for tool in $TOOLS; do
        configure a 150 "$interval" 1
        configure b 100 "$interval" 1
        start "$tool" b
        start "$tool" a
        : >"$WORK/takeover" >"$WORK/gap"
        for ((run = 0; run < RUNS; run++)); do
          answered_by a
          ip netns exec ${BED}c "$WORK/failover" ask $VIP 5300 2 >"$WORK/answers" & local asker=$!
          sleep "0.$((RANDOM % 900 + 100))"
          local killed
          killed=$("$WORK/failover" now)
          finish "$tool" a $signal
          answered_by b
          kill $asker
          wait $asker || true
          awk -v killed="$killed" '$1 == "u" && $3 == "b" && $2 > killed && !seen { printf "%.1f\n", ($2 - killed) / 1000; seen = 1 }' "$WORK/answers" >>"$WORK/takeover"
          awk '{ if (last[$1] && $2 - last[$1] > most) most = $2 - last[$1]; last[$1] = $2 } END { printf "%.1f\n", most / 1000 }' "$WORK/answers" >>"$WORK/gap"
          start "$tool" a
        done
        finish "$tool" a TERM
        finish "$tool" b TERM
        printf '%-11s %-8s %-8s %28s %28s\n' "$tool" "$interval s" "$signal" "$(spread <"$WORK/takeover")" "$(spread <"$WORK/gap")"
        sleep 4 # What was killed left its address for as long as its lease.
        ip -n ${BED}a address delete $VIP/32 dev eth0 2>/dev/null || true
      done
    done
  done
}

false_takeovers() {
  local tool loops=() n
  for ((n = 0; n < LOOPS; n++)); do
    (while :; do :; done) & loops+=($!)
  done
  PIDS+=("${loops[@]}")
  for tool in $TOOLS "keepalived rt"; do
    RT=
    [ "$tool" != "keepalived rt" ] || RT=20
    configure a 150 0.01 1
    configure b 100 0.01 1
    : >"$WORK/a/log" >"$WORK/b/log"
    start "${tool% rt}" a
    sleep 2
    start "${tool% rt}" b
    sleep 2
    local before after
    before=$(grep -cE 'backup -> active|Entering MASTER STATE' "$WORK/b/log" || true)
    sleep "$SPAN"
    after=$(grep -cE 'backup -> active|Entering MASTER STATE' "$WORK/b/log" || true)
    echo "$tool: $((after - before)) false takeovers in $SPAN s at 10 ms with $LOOPS busy loops"
    finish "${tool% rt}" b TERM
    finish "${tool% rt}" a TERM
    RT=
  done
  kill "${loops[@]}"
}

# User and system ticks, and resident KiB: PID.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"; }

many() {
  local set tool end
  for set in "255 1" "50 0.1"; do
    for tool in $TOOLS; do
      configure a 150 "${set#* }" "${set% *}"
      configure b 100 "${set#* }" "${set% *}"
      start "$tool" a
      start "$tool" b
      sleep 8
      local before=() line="$tool, ${set% *} routers at ${set#* } s:"
      for end in a b; do before+=("$(ticks "$(speaker "$tool" $end)")"); done
      sleep "$SPAN"
      local side=0
      for end in a b; do
        local pid
        pid=$(speaker "$tool" $end)
        line+=$(awk -v end=$end -v used=$(($(ticks "$pid") - before[side])) -v hertz="$(getconf CLK_TCK)" -v span="$SPAN" -v kib="$(resident "$pid")" \
          'BEGIN { printf "  %s %.2f %% CPU, %d KiB", end == "a" ? "active" : "backup", used / hertz / span * 100, kib }')
        side=$((side + 1))
      done
      echo "$line"
      finish "$tool" a TERM
      finish "$tool" b TERM
    done
  done
}

[ $# -gt 0 ] || set -- times false many
for part; do
  case $part in
    times) times ;;
    false) false_takeovers ;;
    many) many ;;
    *) echo "unknown part $part: times, false, many" >&2; exit 2 ;;
  esac
done
