#!/bin/bash
# Checks the systemd units: `systemd-analyze verify` finds nothing, and each daemon's sandbox is at least as tight as promised.
# Then a real systemd runs them in a test kernel (tests/systemd.sh). Prints its results in the form of Rust's tests. Nothing is installed here:
# the units are looked at in a directory of their own.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
WORK=$(mktemp -d) || exit
trap 'rm -rf "$WORK"' EXIT
PASSED=0 FAILED=0

# result NAME STATUS
result() {
  if [ "$2" = 0 ]; then
    PASSED=$((PASSED + 1))
    echo "test $1 ... ok"
  else
    FAILED=$((FAILED + 1))
    echo "test $1 ... FAILED"
  fi
}

# The programs that the units start are not installed here: let them be some program, so that only the units are judged.
for unit in etc/systemd/*; do
  sed -E 's#^(Exec[A-Za-z]*=[-@:+!]*)/usr/(libexec/holdfast|bin)/[a-z]+#\1/bin/true#' "$unit" >"$WORK/${unit##*/}"
done

# exposure UNIT MOST: the score of `systemd-analyze security`, in tenths, may not be above MOST.
exposure() {
  local text
  text=$(systemd-analyze security --offline=yes --no-pager --threshold="$2" "$WORK/$1" 2>&1)
  result "exposure of $1 is at most $2/10" $? || true
  grep -i 'overall exposure' <<<"$text" || echo "$text"
}

for unit in "$WORK"/*; do
  text=$(SYSTEMD_UNIT_PATH=$WORK: systemd-analyze verify --man=no "$unit" 2>&1)
  status=$?
  [ -z "$text" ] || status=1
  result "systemd-analyze verify ${unit##*/}" $status
  [ $status = 0 ] || echo "$text"
done
exposure holdfast-agentd.service 15
exposure holdfast-alertd.service 15
exposure holdfast-checkd.service 15
exposure holdfast-lvsd.service 20
exposure holdfast-statusd.service 15
exposure holdfast-vipd.service 20
echo
[ $FAILED = 0 ] && word=ok || word=FAILED
echo "test result: $word. $PASSED passed; $FAILED failed"

# They would not fit into the guest's memory with all that a debugger wants.
TARGET=${CARGO_TARGET_DIR:-target}/debug
cargo build -q --locked --workspace --bins || exit
mkdir -p "$WORK/programs/release"
for program in holdfast dnscheck agentd checkd lvsd vipd statusd alertd; do
  strip -o "$WORK/programs/release/$program" "$TARGET/$program" || exit
done
tests/testkernel.sh --timeout 400 --mem 1536 -- tests/systemd.sh "$WORK/programs" || FAILED=$((FAILED + 1))
[ $FAILED = 0 ]
