#!/bin/bash
# Failover of vipd beside keepalived, in one bed of network namespaces: two routers with a name server each, a client that pings
# the virtual address and asks DNS through it every 2 ms. Says medians and the longest. For a quiet machine; ten minutes for 30
# runs.
#
#   tests/bench-failover.sh [times|false|many ...]     default: all three
#
#   times   death (SIGKILL) and graceful stop (SIGTERM) of the active one, RUNS each (30), at INTERVALS (1 0.1 0.01 seconds).
#           "takeover" is from the signal to the other one's first answer to the client; "above the least" is what that is
#           above the protocol's own time (from the last advert, or for SIGTERM the skew from the signal)
#   false   takeovers that should not be: 10 ms adverts, LOOPS busy loops (8) at NICE (0), SPAN seconds (40); keepalived also
#           with real-time priority
#   many    255 routers at 1 s and 50 at 100 ms: CPU time and memory of both sides, SPAN seconds
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
RUNS=${RUNS:-30}
INTERVALS=${INTERVALS:-1 0.1 0.01}
SPAN=${SPAN:-40}
LOOPS=${LOOPS:-8}
NICE=${NICE:-0}
TOOLS=${TOOLS:-}
VIPD=${VIPD:-${CARGO_TARGET_DIR:-$PWD/target}/release/vipd}
[ -x "$VIPD" ] || { echo "vipd is not built: make build" >&2; exit 1; }
WORK=$(mktemp -d)
VIP=10.9.8.50
BED=hfb$$
. tests/packages.sh
install_packages "$WORK/apt.log" gcc libc6-dev iproute2 keepalived nsd procps || exit

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
  number=$([ $end = a ] && echo 1 || echo 2)
  mkdir "$WORK/nsd.$end"
  printf '$TTL 60\n@ SOA ns root 1 60 60 60 60\n@ NS ns\nns A 192.0.2.9\nwho A 192.0.2.%d\n' $number >"$WORK/nsd.$end/zone"
  # By default NSD answers one client 200 times a second, which would look like loss.
  printf '%s\n' 'server:' "  ip-address: $VIP" '  rrl-ratelimit: 0' '  ip-freebind: yes' '  server-count: 1' '  username: ""' '  minimal-responses: yes' \
    "  zonesdir: $WORK/nsd.$end" "  pidfile: $WORK/nsd.$end/pid" '  database: ""' "  xfrdfile: $WORK/nsd.$end/xfrd" \
    "  zonelistfile: $WORK/nsd.$end/list" "  cookie-secret-file: $WORK/nsd.$end/cookie" 'remote-control:' '  control-enable: no' \
    'zone:' '  name: test' '  zonefile: zone' >"$WORK/nsd.$end/conf"
  ip netns exec $BED$end nsd -d -c "$WORK/nsd.$end/conf" 2>"$WORK/nsd.$end/log" & PIDS+=($!)
done

# Writes the configuration of one side: END PRIORITY INTERVAL ROUTERS.
configure() {
  local end=$1 priority=$2 interval=$3 routers=$4 n
  mkdir -p "$WORK/$end"
  {
    for ((n = 1; n <= routers; n++)); do
      local address=10.9.$((n == 1 ? 8 : 7)).$((n == 1 ? 50 : n))
      printf '[[virtual_router]]\nname = "r%d"\ninterface = "eth0"\nvrid = %d\npriority = %d\n' $n $n "$priority"
      printf 'preempt = %s\nadvert_interval = "%dms"\naddresses = ["%s"]\n' "${PREEMPT:-true}" "$(awk -v s="$interval" 'BEGIN { print s * 1000 }')" $address
    done
  } >"$WORK/$end/holdfast.toml"
  {
    printf 'global_defs {\n  vrrp_version 3\n  script_user root\n%s}\n' "${RT:+  vrrp_rt_priority $RT
}"
    for ((n = 1; n <= routers; n++)); do
      local address=10.9.$((n == 1 ? 8 : 7)).$((n == 1 ? 50 : n))
      printf 'vrrp_instance r%d {\n  state BACKUP\n  interface eth0\n  virtual_router_id %d\n  priority %d\n' $n $n "$priority"
      [ "${PREEMPT:-true}" = true ] || echo '  nopreempt'
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

# Ends one side and says when it got the signal: TOOL END SIGNAL.
finish() {
  local main
  main=$(cat "$WORK/$2/main" 2>/dev/null) || return 0
  if [ "$1" = keepalived ] && [ "$3" = KILL ]; then
    "$WORK/failover" kill KILL "$main" "$(cat "$WORK/$2/vrrp.pid")"
  else
    "$WORK/failover" kill "$3" "$main"
  fi
  wait "$main" 2>/dev/null || true
  rm -f "$WORK/$2/main"
}

# The number in the answers of END.
number() { [ "$1" = a ] && echo 1 || echo 2; }

# Waits until the answers in FILE come from END.
answered_by() {
  local file=$1 end=$2 tries
  for ((tries = 0; tries < 400; tries++)); do
    [ "$(tail -n 200 "$file" | awk '$1 == "d" && NF == 3 { last = $3 } END { print last }')" != "$(number "$end")" ] || return 0
    sleep 0.05
  done
  echo "not answered by $end; the end of its log:" >&2
  tail -5 "$WORK/$end/log" >&2
  exit 1
}

spread() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%8.1f %8.1f %8.1f", v[1], v[int((NR + 1) / 2)], v[NR] }'; }

times() {
  printf '%-11s %-7s %-5s %28s %28s %28s %14s\n' tool interval "" "takeover ms min/med/max" "above the least min/med/max" \
    "longest gap min/med/max" "DNS lost of"
  local tool interval signal run active other
  for interval in $INTERVALS; do
    for signal in KILL TERM; do
      for tool in ${TOOLS:-vipd keepalived}; do
        # Alike and without preemption, so that each failover leaves the bed ready for the next one.
        PREEMPT=false configure a 100 "$interval" 1
        PREEMPT=false configure b 100 "$interval" 1
        active=a other=b
        : >"$WORK/takeover" >"$WORK/above" >"$WORK/gap" >"$WORK/lost" >"$WORK/answers"
        ip netns exec ${BED}c stdbuf -oL "$WORK/failover" ask $VIP 2 >"$WORK/answers" & local asker=$!
        PIDS+=($asker)
        start "$tool" $active
        answered_by "$WORK/answers" $active
        start "$tool" $other
        for ((run = 0; run < RUNS; run++)); do
          # The other one has to hear the active one first, and the instant is any within an interval.
          sleep "$(awk -v interval="$interval" -v dice=$RANDOM 'BEGIN { print 0.3 + interval * (1 + dice / 32768) }')"
          local killed
          finish "$tool" $active $signal >"$WORK/killed"
          killed=$(cat "$WORK/killed")
          answered_by "$WORK/answers" $other
          sleep 0.05
          awk -v killed="$killed" -v from="$(number $active)" -v to="$(number $other)" -v interval="$interval" -v signal=$signal '
            # From the last word of the old one: three intervals and the skew of priority 100, or the skew alone.
            $1 == "v" && $3 == from && NF == 3 && !taken { last = $2 }
            $1 == "d" && $3 == to && $2 > killed && !taken { taken = $2 }
            $2 > killed - 20000 && ($1 == "d") && before && $2 - before > most { most = $2 - before }
            $1 == "d" { before = $2 }
            END {
              skew = interval * 1e6 * 156 / 256
              least = signal == "TERM" ? killed + skew : last + 3e6 * interval + skew
              printf "%.1f\n", (taken - killed) / 1000 >"'"$WORK"'/takeover.new"
              printf "%.1f\n", (taken - least) / 1000 >"'"$WORK"'/above.new"
              printf "%.1f\n", most / 1000 >"'"$WORK"'/gap.new"
            }' "$WORK/answers"
          for figure in takeover above gap; do cat "$WORK/$figure.new" >>"$WORK/$figure"; done
          start "$tool" $active
          # What was killed leaves its address; keepalived removes it at its start, vipd as well.
          [ "$active" = a ] && { active=b other=a; } || { active=a other=b; }
        done
        kill $asker
        wait $asker || true
        finish "$tool" $other TERM >/dev/null
        finish "$tool" $active TERM >/dev/null
        printf '%-11s %-7s %-5s %28s %28s %28s %14s\n' "$tool" "$interval s" "$signal" "$(spread <"$WORK/takeover")" "$(spread <"$WORK/above")" \
          "$(spread <"$WORK/gap")" "$(awk '$1 == "=" { print $2 - $3 " of " $2 }' "$WORK/answers")"
        for end in a b; do ip -n $BED$end address delete $VIP/32 dev eth0 2>/dev/null || true; done
      done
    done
  done
}

false_takeovers() {
  local tool loops=() n
  for ((n = 0; n < LOOPS; n++)); do
    nice -n "$NICE" bash -c 'while :; do :; done' & loops+=($!)
  done
  PIDS+=("${loops[@]}")
  for tool in ${TOOLS:-vipd keepalived keepalived-rt}; do
    RT=
    [ "$tool" != keepalived-rt ] || RT=20
    configure a 150 0.01 1
    configure b 100 0.01 1
    : >"$WORK/a/log" >"$WORK/b/log"
    start "${tool%-rt}" a
    sleep 2
    start "${tool%-rt}" b
    sleep 2
    local before after
    before=$(grep -cE 'backup -> active|Entering MASTER STATE' "$WORK/b/log" || true)
    sleep "$SPAN"
    after=$(grep -cE 'backup -> active|Entering MASTER STATE' "$WORK/b/log" || true)
    echo "$tool: $((after - before)) false takeovers in $SPAN s at 10 ms with $LOOPS busy loops at nice $NICE"
    finish "${tool%-rt}" b TERM >/dev/null
    finish "${tool%-rt}" a TERM >/dev/null
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
    for tool in ${TOOLS:-vipd keepalived}; do
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
      finish "$tool" a TERM >/dev/null
      finish "$tool" b TERM >/dev/null
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
