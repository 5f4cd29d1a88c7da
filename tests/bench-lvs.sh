#!/bin/bash
# What lvsd's reconciler costs on a real kernel, beside ipvsadm and, where it is installed, keepalived: prints a Markdown table. Runs in the test kernel (tests/testkernel.sh),
# in which only the ratios mean something.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --release --package lvsd --example bench
cargo build --quiet --release --package agentd --package lvsd --bins
export PROGRAMS
PROGRAMS=$(realpath "${CARGO_TARGET_DIR:-target}")/release
PROGRAM=$(realpath "${CARGO_TARGET_DIR:-target}")/release/examples/bench
echo '| table | what | ms | requests |'
echo '| --- | --- | --- | --- |'
# A namespace needs an address, or every destination looks like a broadcast address to the kernel.
exec tests/testkernel.sh --timeout 420 -- sh -c '
  for table in "1 10" "100 100" "1 10000"; do
    for way in batch ipvsadm keepalived lvsd; do
      [ "$way" != keepalived ] || command -v keepalived >/dev/null || continue
      unshare --net sh -c "ip link set lo up && exec $0 $table $way" || exit
    done
  done
  for table in "1 10" "1 10000"; do
    unshare --net sh -c "ip link set lo up && exec $0 $table whole" || exit
  done' "$PROGRAM"
