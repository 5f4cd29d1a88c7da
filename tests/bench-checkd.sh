#!/bin/bash
# checkd and 10,000 DNS servers on loopback, each probed once a second: CPU beside the bare C loop, memory, and how long it takes
# until all of them are down after they stopped, and up after they returned. Needs gcc and libc6-dev; agentd wants root.
#
#   tests/bench-checkd.sh [SERVERS]     default: 10000
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SERVERS=${1:-10000}
SECONDS_EACH=${SECONDS_EACH:-20}
RELEASE=$PWD/${CARGO_TARGET_DIR:-target}/release
[[ ${CARGO_TARGET_DIR:-} != /* ]] || RELEASE=$CARGO_TARGET_DIR/release
WORK=$(mktemp -d)
PORT=$((20000 + RANDOM % 10000))
PIDS=()
trap 'for pid in "${PIDS[@]}"; do kill -CONT "$pid" 2>/dev/null || true; kill "$pid" 2>/dev/null || true; done; rm -rf "$WORK"' EXIT

for program in answer loop; do gcc -O2 -static -o "$WORK/$program" "tests/bench/$program.c"; done
for program in checkd agentd holdfast; do
  [ -x "$RELEASE/$program" ] || { echo "$program is not built: make build" >&2; exit 1; }
done

{
  printf '[[virtual_server]]\nname = "bench"\naddress = "127.0.0.99"\nservices = ["udp/%d"]\n' $PORT
  printf '[virtual_server.check.dns]\nqname = "resolve.test"\nexpect_answer = "192.0.2.80"\ninterval = "1s"\ntimeout = "500ms"\n'
  printf 'rise = 2\nfall = 3\n'
  for ((n = 1; n <= SERVERS; n++)); do
    printf '[[virtual_server.real_server]]\nname = "s%d"\naddress = "127.1.%d.%d"\n' $n $((n >> 8)) $((n & 255))
  done
} >"$WORK/holdfast.toml"

"$WORK/answer" $PORT & answer=$!; PIDS+=($answer)
"$RELEASE/agentd" --config "$WORK/holdfast.toml" --socket "$WORK/agent.sock" --state "$WORK/state.json" >"$WORK/agentd.log" 2>&1 &
agentd=$!; PIDS+=($agentd)
"$RELEASE/checkd" --config "$WORK/holdfast.toml" --socket "$WORK/agent.sock" --state "$WORK/state.json" >"$WORK/checkd.log" 2>&1 &
checkd=$!; PIDS+=($checkd)

ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
memory() { awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$1/status"; }
now() { date +%s.%N; }
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
# Waits until all are VERDICT; prints when the last became so, and the generation.
all_are() {
  local deadline=$((SECONDS + 120)) count at generation
  while ((SECONDS < deadline)); do
    read -r count at generation < <(seen "$1")
    ((count == SERVERS)) && { echo "$at $generation"; return; }
    sleep 1
  done
  echo "not all $SERVERS servers became $1: $count did" >&2
  exit 1
}

all_are up >/dev/null
sleep 5
before=$(ticks $checkd); agent_before=$(ticks $agentd)
sleep "$SECONDS_EACH"
after=$(ticks $checkd); agent_after=$(ticks $agentd)
hertz=$(getconf CLK_TCK)
bare=$("$WORK/loop" "$SERVERS" "$SECONDS_EACH" $PORT)
# Probes come up to a tenth earlier than the interval, 0.95 s apart on average.
awk -v own=$((after - before)) -v agent=$((agent_after - agent_before)) -v hertz="$hertz" -v servers="$SERVERS" \
  -v span="$SECONDS_EACH" -v bare="$bare" -v rss="$(memory $checkd)" -v agent_rss="$(memory $agentd)" 'BEGIN {
  probe = own / hertz * 1000 / (servers * span / 0.95)
  printf "%d servers, each once a second, all well:\n", servers
  printf "  checkd %.3f core, %.1f MiB; agentd %.3f core, %.1f MiB\n", own / hertz / span, rss, agent / hertz / span, agent_rss
  printf "  %.4f ms CPU per probe; bare loop %.4f ms; ratio %.2f\n", probe, bare, probe / bare
}'

read -r _ generation < <(all_are up)
stopped=$(now)
kill -STOP $answer
read -r at last < <(all_are down)
awk -v at="$at" -v stopped="$stopped" -v told=$((last - generation)) -v rss="$(memory $checkd)" 'BEGIN {
  printf "all silent: the last is down after %.2f s (3 x 1 s + 0.5 s + 1 s = 4.5 s allowed); %d reports, checkd %.1f MiB\n", at - stopped, told, rss
}'
sleep 5
generation=$last
kill -KILL $answer
"$WORK/answer" $PORT & PIDS+=($!)
returned=$(now)
read -r at last < <(all_are up)
awk -v at="$at" -v returned="$returned" -v told=$((last - generation)) 'BEGIN {
  printf "all back: the last is up after %.2f s (2 x 1 s + 0.5 s + 1 s = 3.5 s allowed); %d reports\n", at - returned, told
}'
grep -c "probes began late" "$WORK/checkd.log" | sed 's/^/warnings of late probes: /' || true
