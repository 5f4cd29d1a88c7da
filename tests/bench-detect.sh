#!/bin/bash
# How long it takes from a fault of a name server to its being known, checkd beside keepalived's DNS_CHECK in its best configurations at the
# same probe rate: 20 servers, ROUNDS times each fault, everything in a network namespace of its own. Prints a Markdown table. Wants root.
# keepalived ends its checkers where the kernel has no IPVS, so tests/bench/ipvs.c stands in for it: it is asked only when something changes.
#
#   tests/bench-detect.sh [ROUNDS [COURSE...]]     default: 1, which is 20 faults a row, and all courses, four minutes:
#                         best, equal-pauses, once, three-times, usual
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
RELEASE=$PWD/${CARGO_TARGET_DIR:-target}/release
[[ ${CARGO_TARGET_DIR:-} != /* ]] || RELEASE=$CARGO_TARGET_DIR/release
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
. tests/packages.sh
install_packages "$WORK/apt.log" gcc libc6-dev keepalived nftables python3 || exit
for program in checkd agentd; do
  [ -x "$RELEASE/$program" ] || { echo "$program is not built: make build" >&2; exit 1; }
done
gcc -O2 -static -o "$WORK/answer" tests/bench/answer.c
gcc -O2 -shared -fPIC -o "$WORK/ipvs.so" tests/bench/ipvs.c -ldl
unshare --net python3 tests/bench/detect.py "$RELEASE" "$WORK" "$WORK" "${1:-1}" "${@:2}"
