#!/bin/bash
# What `make soak` runs: the simulations of virtual routers and of a takeover by ARP over worlds that no test has seen yet, and the
# decoders' fuzzers, in turn, until the time is over or something fails. The seed of what failed is printed.
#
#   tests/soak.sh [HOURS]     default: 1
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
HOURS=${1:-1}
CARGO=$(command -v cargo || echo "$HOME/.cargo/bin/cargo")
SEEDS=${SEEDS:-100000}
FUZZ=${FUZZ:-120}
first=$(($(date +%s) * 1000))

"$CARGO" test --release --locked -p vrrp-core -p checker-core --no-run
# Building is not soaking.
end=$(($(date +%s) + $(awk -v hours="$HOURS" 'BEGIN { printf "%d", hours * 3600 }')))
rounds=0
while [ "$(date +%s)" -lt "$end" ]; do
  VRRP_SIM_FIRST=$first VRRP_SIM_SEEDS=$SEEDS "$CARGO" test --release --locked -q -p vrrp-core --test simulation
  ARP_FIRST=$first ARP_SEEDS=$((SEEDS / 20)) "$CARGO" test --release --locked -q -p vrrp-core --lib arp::
  for crate in vrrp-core checker-core; do
    FUZZ_SECONDS=$FUZZ "$CARGO" test --release --locked -q -p "$crate" --test fuzz -- --nocapture
  done
  first=$((first + SEEDS)) rounds=$((rounds + 1))
  echo "soak: round $rounds is over, seeds up to $((first - 1)) are well, $(((end - $(date +%s)) / 60)) minutes left"
done
