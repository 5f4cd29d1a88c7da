#!/bin/bash
# What lvsd's reconciler costs on a real kernel, beside ipvsadm and, where it is installed, keepalived; and the whole way of an ejection, over agentd.
# Prints a Markdown table. Runs in the test kernel (tests/testkernel.sh), in which only the ratios mean something.
#
#   tests/bench-lvs.sh ["SERVICES SERVERS" ...]     default: "1 10" "100 100" "1 10000", some five minutes
#
# PROGRAMS=DIR takes agentd, lvsd and examples/bench from there instead of building them.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${PROGRAMS:-}" ]; then
  cargo build --quiet --release --package lvsd --example bench
  cargo build --quiet --release --package agentd --package lvsd --bins
  PROGRAMS=$(realpath "${CARGO_TARGET_DIR:-target}")/release
fi
export PROGRAMS
[ $# -gt 0 ] || set -- "1 10" "100 100" "1 10000"
echo '| table | what | ms | requests |'
echo '| --- | --- | --- | --- |'
# A namespace needs an address, or every destination looks like a broadcast address to the kernel.
exec tests/testkernel.sh --timeout 420 -- sh -c '
  for table in "$@"; do
    for way in batch ipvsadm keepalived lvsd whole; do
      [ "$way" != keepalived ] || command -v keepalived >/dev/null || continue
      # Over a hundred services nothing else is shown than over one.
      [ "$way" != whole ] || [ "${table% *}" = 1 ] || continue
      unshare --net sh -c "ip link set lo up && exec $0 $table $way" || exit
    done
  done' "$PROGRAMS/examples/bench" "$@"
