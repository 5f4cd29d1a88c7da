#!/bin/bash
# checkd and thousands of DNS servers on loopback, each probed once a second:
#   - CPU, wake-ups and memory at 1,000, 10,000 and 51,000, beside the bare C loop (with a wake-up for each probe, and in bursts) and, up to
#     10,000, keepalived's DNS_CHECK, one right after the other; and how late the latest probe of checkd began;
#   - the same of keepalived's MISC_CHECK with dig, and dnsdist's checks, per 1,000 probes that were answered;
#   - how long it takes until all are down after they stopped, and up after they returned, and how many reports that takes.
# Wants root (agentd, namespaces). Installs gcc, libc6-dev, dig, keepalived and dnsdist where they are missing. keepalived ends its checkers where
# the kernel has no IPVS, so tests/bench/ipvs.c stands in for it: it is asked only when something changes, so steady cost is untouched.
#
#   tests/bench-checkd.sh [SERVERS...]     default: 1000 10000 51000; the outage is made with 10000
#   SECONDS_EACH=20 ALONE=1                how long each is measured; checkd only
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- 1000 10000 51000
SECONDS_EACH=${SECONDS_EACH:-20}
RELEASE=$PWD/${CARGO_TARGET_DIR:-target}/release
[[ ${CARGO_TARGET_DIR:-} != /* ]] || RELEASE=$CARGO_TARGET_DIR/release
# In a namespace of its own: nobody else's ports, and nobody hears of it.
if [ -z "${BENCH_INSIDE:-}" ]; then
  exec env BENCH_INSIDE=1 unshare --net "tests/${0##*/}" "$@"
fi
ip link set lo up
WORK=$(mktemp -d)
PORT=5353
PIDS=()
# Beside the table, as soon as it is known.
tell() { echo "$1" >&2; }
stop() { kill -CONT "$@" 2>/dev/null || true; kill "$@" 2>/dev/null || true; wait "$@" 2>/dev/null || true; }
trap 'stop "${PIDS[@]}"; rm -rf "$WORK"' EXIT

if [ -z "${ALONE:-}" ]; then
  . tests/packages.sh
  install_packages "$WORK/apt.log" gcc libc6-dev bind9-dnsutils keepalived dnsdist python3 || exit
fi
for program in checkd agentd holdfast; do
  [ -x "$RELEASE/$program" ] || { echo "$program is not built: make build" >&2; exit 1; }
done
for program in answer loop; do gcc -O2 -static -o "$WORK/$program" "tests/bench/$program.c"; done
gcc -O2 -shared -fPIC -o "$WORK/ipvs.so" tests/bench/ipvs.c -ldl
HERTZ=$(getconf CLK_TCK)
# Thousands of sockets at once.
ulimit -n "$(ulimit -Hn)"

"$WORK/answer" $PORT "$WORK/count" & answer=$!; PIDS+=($answer)
answered() { od -An -tu8 "$WORK/count" | tr -d ' '; }
# CPU ticks of the processes and of the children that they have waited for.
ticks() { local sum=0 pid t; for pid in "$@"; do t=$(awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/$pid/stat"); sum=$((sum + t)); done; echo $sum; }
memory() { local pid; for pid in "$@"; do awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; done | awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }'; }
# How often they have gone to sleep, which is how often they were woken.
wakes() { local pid; for pid in "$@"; do cat "/proc/$pid"/task/*/status; done | awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }'; }
now() { date +%s.%N; }
address() { echo "127.1.$(($1 >> 8)).$(($1 & 255))"; }

# row NAME PIDS...: measures for SECONDS_EACH and prints a line.
row() {
  local name=$1 before count after woken; shift
  before=$(ticks "$@") count=$(answered) woken=$(wakes "$@")
  sleep "$SECONDS_EACH"
  after=$(ticks "$@") woken=$(($(wakes "$@") - woken))
  awk -v name="$name" -v ticks=$((after - before)) -v woken=$woken -v count=$(($(answered) - count)) -v hertz="$HERTZ" -v span="$SECONDS_EACH" -v rss="$(memory "$@")" 'BEGIN {
    printf "| %s | %.0f | %.1f | %.0f | %.3f | %s |\n", name, count / span, ticks / hertz * 1e6 / count, woken / span, ticks / hertz / span, rss
  }'
}

# bare HOW SERVERS [BURST]: the C loop, with a fresh socket for each probe.
bare() {
  local cpu
  cpu=$("$WORK/loop" "$2" "$SECONDS_EACH" $PORT ${3:-}) || tell "the C loop, $1, got fewer than 99 of 100 answers"
  awk -v cpu="$cpu" -v how="$1" -v servers="$2" 'BEGIN {
    printf "| bare C loop, a fresh port each, %s | %d | %.1f | | %.3f | |\n", how, servers, cpu * 1e3, cpu * servers / 1e3
  }'
}

configure() {
  printf '[[virtual_server]]\nname = "bench"\naddress = "127.0.0.99"\nservices = ["udp/%d"]\n' $PORT
  printf '[virtual_server.check.dns]\nqname = "resolve.test"\nexpect_answer = "192.0.2.80"\ninterval = "1s"\ntimeout = "500ms"\n'
  printf 'rise = 2\nfall = 3\n'
  for ((n = 1; n <= $1; n++)); do
    printf '[[virtual_server.real_server]]\nname = "s%d"\naddress = "127.1.%d.%d"\n' $n $((n >> 8)) $((n & 255))
  done
}
begin() {
  configure "$1" >"$WORK/holdfast.toml"
  rm -f "$WORK/state.json"
  "$RELEASE/agentd" --config "$WORK/holdfast.toml" --socket "$WORK/agent.sock" --state "$WORK/state.json" >"$WORK/agentd.log" 2>&1 & agentd=$!
  "$RELEASE/checkd" --config "$WORK/holdfast.toml" --socket "$WORK/agent.sock" --state "$WORK/state.json" >"$WORK/checkd.log" 2>&1 & checkd=$!
  PIDS+=($agentd $checkd)
}

# How many are VERDICT, when the last of them became so, and the generation of the state.
seen() {
  "$RELEASE/holdfast" --socket "$WORK/agent.sock" status --json 2>/dev/null | python3 -c '
import datetime, json, sys
view = json.load(sys.stdin)
servers = [s for pool in view["virtual_servers"] for s in pool["real_servers"] if s["verdict"] == sys.argv[1]]
last = max((s["since"] for s in servers), default="1970-01-01T00:00:00Z")
whole, _, rest = last.rstrip("Z").partition(".")
at = datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (rest or "0"))
print(len(servers), f"{at:.3f}", view["generation"])' "$1" || echo "0 0 0"
}
# Waits until all of COUNT are VERDICT; prints when the last became so, and the generation.
all_are() {
  local deadline=$((SECONDS + 120)) count at generation
  while ((SECONDS < deadline)); do
    read -r count at generation < <(seen "$2")
    ((count == $1)) && { echo "$at $generation"; return; }
    sleep $((1 + $1 / 10000))
  done
  echo "not all $1 servers became $2: $count did" >&2
  exit 1
}

keepalived_with() { # SERVERS DELAY CHECK
  {
    printf 'virtual_server 127.0.0.99 %d {\n delay_loop %s\n lvs_sched rr\n lvs_method DR\n protocol UDP\n' $PORT "$2"
    awk -v count="$1" -v port=$PORT -v check="$3" 'BEGIN {
      for (n = 1; n <= count; n++) {
        address = sprintf("127.1.%d.%d", int(n / 256), n % 256)
        own = check
        gsub("ADDRESS", address, own)
        printf " real_server %s %d {\n  weight 1\n  %s\n }\n", address, port, own
      }
      print "}"
    }'
  } >"$WORK/keepalived.conf"
  IPVS_LOG=$WORK/ipvs.log LD_PRELOAD=$WORK/ipvs.so keepalived --dont-fork --check --use-file "$WORK/keepalived.conf" \
    --pid "$WORK/k.pid" --checkers_pid "$WORK/c.pid" >"$WORK/keepalived.log" 2>&1 & keepalived=$!
  PIDS+=($keepalived)
  sleep 8
  mapfile -t tree < <(echo $keepalived; pgrep -P $keepalived)
}
echo "| who | answers/s | CPU ms per 1,000 | wake-ups/s | cores | MiB |"
echo "| --- | --- | --- | --- | --- | --- |"
for servers in "$@"; do
  begin "$servers"
  all_are "$servers" up >/dev/null
  sleep 5
  row "checkd, $servers servers" $checkd
  # As of the latest five seconds. The state is on disk a moment later.
  latest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["checkd"]["head"]["lateness_ms"])' "$WORK/state.json" || true)
  row "agentd beside it" $agentd
  bare "a wake-up each" "$servers"
  # As many at a time as checkd has.
  bare "in bursts of 40 ms, or of 200" "$servers" $((servers < 5000 ? servers / 25 : 200))
  if [ "$servers" = 10000 ]; then
    read -r _ generation < <(all_are "$servers" up)
    stopped=$(now)
    kill -STOP $answer
    read -r at last < <(all_are "$servers" down)
    tell "$(awk -v at="$at" -v stopped="$stopped" -v told=$((last - generation)) -v rss="$(memory $checkd)" 'BEGIN {
      printf "all 10,000 silent: the last is down after %.2f s (3 x 1 s + 0.5 s + 1 s = 4.5 s allowed); %d reports, checkd %.1f MiB", at - stopped, told, rss
    }')"
    sleep 5
    generation=$last
    kill -KILL $answer
    wait $answer 2>/dev/null || true
    "$WORK/answer" $PORT "$WORK/count" & answer=$!; PIDS+=($answer)
    returned=$(now)
    read -r at last < <(all_are "$servers" up)
    tell "$(awk -v at="$at" -v returned="$returned" -v told=$((last - generation)) 'BEGIN {
      printf "all 10,000 back: the last is up after %.2f s (2 x 1 s + 0.5 s + 1 s = 3.5 s allowed); %d reports", at - returned, told
    }')"
  fi
  late=$(grep -c "probes began late" "$WORK/checkd.log" || true)
  tell "$servers servers: the latest probe of the last seconds began ${latest:-?} ms late; $late summaries had one that was 250 ms late or more"
  stop $checkd $agentd
  if [ -z "${ALONE:-}" ] && ((servers <= 10000)); then
    keepalived_with $servers 1 "DNS_CHECK {
   type A
   name resolve.test
   connect_timeout 1
   retry 0
  }"
    row "keepalived DNS_CHECK, $servers servers" "${tree[@]}"
    stop $keepalived
  fi
done

if [ -z "${ALONE:-}" ]; then
  keepalived_with 40 1 "MISC_CHECK {
   misc_path \"/usr/bin/dig -p $PORT +time=1 +tries=1 @ADDRESS resolve.test\"
   misc_timeout 2
  }"
  row "keepalived MISC_CHECK with dig, 40 servers" "${tree[@]}"
  stop $keepalived
  {
    printf 'setLocal("127.0.0.98:%d")\nsetSecurityPollSuffix("")\n' $((PORT + 1))
    for ((n = 1; n <= 1000; n++)); do
      printf 'newServer({address="%s:%d", checkName="resolve.test.", checkType="A", checkInterval=1, checkTimeout=500, maxCheckFailures=3})\n' "$(address $n)" $PORT
    done
  } >"$WORK/dnsdist.conf"
  sed -i '1i setMaxUDPOutstanding(10)' "$WORK/dnsdist.conf"
  dnsdist --supervised --disable-syslog --config "$WORK/dnsdist.conf" >"$WORK/dnsdist.log" 2>&1 & dnsdist=$!
  PIDS+=($dnsdist)
  sleep 10
  row "dnsdist, 1000 servers, 10 outstanding" $dnsdist
  stop $dnsdist
fi
