#!/bin/bash
# What `make bench` runs: the cost of one dnscheck beside dig, kdig and the least that a C program can do, and the cost of one
# probe in checkd beside a bare C loop. Everything on loopback; says medians and their ratios. Installs what is missing.
#
#   tests/bench.sh [ROUNDS]     default: 200
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROUNDS=${1:-200}
SECONDS_EACH=${SECONDS_EACH:-20}
RELEASE=$PWD/${CARGO_TARGET_DIR:-target}/release
[[ ${CARGO_TARGET_DIR:-} != /* ]] || RELEASE=$CARGO_TARGET_DIR/release
WORK=$(mktemp -d)
PORT=$((20000 + RANDOM % 10000))
PIDS=()
trap 'for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$WORK"' EXIT

. tests/packages.sh
install_packages "$WORK/apt.log" gcc libc6-dev bind9-dnsutils knot-dnsutils || exit

for program in query answer spawn loop; do
  gcc -O2 -static -o "$WORK/$program" "tests/bench/$program.c"
done
"$WORK/answer" $PORT "$WORK/answers" & PIDS+=($!)
for ((n = 0; n < 100; n++)); do
  "$WORK/query" 127.0.0.1 $PORT resolve.test >/dev/null && break
  sleep 0.05
done

commands=("$WORK/query" 127.0.0.1 $PORT resolve.test
  -- "$RELEASE/dnscheck" --server 127.0.0.1 --port $PORT --qname resolve.test)
for tool in dig kdig; do
  commands+=(-- $tool -p $PORT +time=1 @127.0.0.1 resolve.test)
done

# Once for the caches, three times for the figures.
"$WORK/spawn" 5 "${commands[@]}" >/dev/null
for run in 1 2 3; do
  echo "one process, $ROUNDS runs each, in turn (run $run of 3):"
  "$WORK/spawn" "$ROUNDS" "${commands[@]}" | awk '
    { name[NR] = $1; cpu[NR] = $2; memory[NR] = $3; if ($1 == "dnscheck") own = NR }
    END {
      printf "  %-10s %10s %12s %16s\n", "", "CPU ms", "peak KiB", "dnscheck / it"
      for (n = 1; n <= NR; n++)
        printf "  %-10s %10.3f %12d %9.3f (1/%.1f)\n", name[n], cpu[n], memory[n], cpu[own] / cpu[n], cpu[n] / cpu[own]
    }'
done

# checkd's own CPU time over a span, by /proc: user and system ticks.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# How many questions were answered so far.
answers() { od -An -t u8 -N 8 "$WORK/answers" | tr -d ' '; }

for servers in 1000 10000; do
  [ -x "$RELEASE/checkd" ] || { echo "checkd is not built: make build" >&2; break; }
  {
    printf '[[virtual_server]]\nname = "bench"\naddress = "127.0.0.99"\nservices = ["udp/%d"]\n' $PORT
    printf '[virtual_server.check.dns]\nqname = "resolve.test"\nexpect_answer = "192.0.2.80"\ninterval = "1s"\ntimeout = "500ms"\n'
    for ((n = 1; n <= servers; n++)); do
      printf '[[virtual_server.real_server]]\nname = "s%d"\naddress = "127.1.%d.%d"\n' $n $((n >> 8)) $((n & 255))
    done
  } >"$WORK/holdfast.toml"
  "$RELEASE/checkd" --config "$WORK/holdfast.toml" --socket "$WORK/agent.sock" >"$WORK/checkd.log" 2>&1 & checkd=$!
  PIDS+=($checkd)
  # Begin when it is in its stride: every server asked three times.
  first=$(answers)
  for ((n = 0; n < 600 && $(answers) - first < 3 * servers; n++)); do sleep 0.1; done
  before=$(ticks $checkd) asked=$(answers)
  sleep "$SECONDS_EACH"
  after=$(ticks $checkd) asked=$(($(answers) - asked))
  kill $checkd
  wait $checkd || true
  hertz=$(getconf CLK_TCK)
  bare=$("$WORK/loop" $servers "$SECONDS_EACH" $PORT)
  awk -v ticks=$((after - before)) -v hertz="$hertz" -v servers=$servers -v span="$SECONDS_EACH" -v asked=$asked -v bare="$bare" 'BEGIN {
    own = ticks / hertz * 1000 / asked
    printf "checkd, %d servers, %.0f probes a second: %.4f ms CPU per probe; bare loop %.4f ms; ratio %.2f\n", servers, asked / span, own, bare, own / bare
  }'
done
