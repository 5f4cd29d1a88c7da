#!/bin/bash
# What `make test` runs: every check, one after the other, each announced with its time. Goes on after a failure, ends with
# "N passed, N failed" and a matching status. A test counts for itself; any other step counts as one.
#
#   tests/check.sh [STEP...]     steps: format lints documentation build tests units browser demo (default: all; tests includes units)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. tests/packages.sh

# A compiler and its C library to link with; what the test kernel needs; the name servers that are tested against;
# what checks the systemd units, and what the units call.
PACKAGES=(gcc libc6-dev iproute2 ipvsadm kmod bind9 nsd knot unbound bind9-dnsutils systemd procps openssl)
# The mail server that alertd is tested against.
PACKAGES+=(python3-aiosmtpd msmtp groff)
# Signed zones, and what dnscheck is tested with and measured against.
PACKAGES+=(bind9-utils knot-resolver knot-dnsutils keepalived frr nftables)
# The web server that checks by HTTP are tested against, and what loads a unit's system call filter where there is no systemd.
PACKAGES+=(nginx-light nginx-common python3-seccomp)
LOGS=${CARGO_TARGET_DIR:-target}/check
PASSED=0 FAILED=0 FAILURES=()

# Nothing is compiled twice there, and nobody opens a debugger.
[ -z "${CI:-}" ] || export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=none
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin

prepare() {
  mkdir -p "$LOGS"
  install_packages "$LOGS/apt.log" "${PACKAGES[@]}" || exit 1
  if ! command -v cargo >/dev/null; then
    echo "no cargo: install Rust 1.95 or later, for instance with https://rustup.rs" >&2
    exit 1
  fi
  local component
  for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    echo "installing the toolchain's component for cargo $component" >&2
    rustup component add "${component/fmt/rustfmt}" </dev/null || exit 1
  done
}

# report NAME START PASSED FAILED
report() {
  PASSED=$((PASSED + $3)) FAILED=$((FAILED + $4))
  [ "$4" = 0 ] || FAILURES+=("$1")
  printf '==> %s: %s, %d s\n' "$1" "$([ "$4" = 0 ] && echo ok || echo FAILED)" $((SECONDS - $2))
}

# quietly NAME COMMAND...: a step that says something only when it fails, or when it takes long (cargo, on a terminal).
quietly() {
  local name=$1 start=$SECONDS
  shift
  printf '==> %s\n' "$name"
  if "$@" >"$LOGS/$name.log" 2>&1 </dev/null; then
    report "$name" $start 1 0
  else
    cat "$LOGS/$name.log"
    report "$name" $start 0 1
  fi
}

# openly NAME COMMAND...: a step that is followed while it runs.
openly() {
  local name=$1 start=$SECONDS
  shift
  printf '==> %s\n' "$name"
  "$@" 2>&1 </dev/null | tee "$LOGS/$name.log"
  if [ "${PIPESTATUS[0]}" = 0 ]; then report "$name" $start 1 0; else report "$name" $start 0 1; fi
}

# counted NAME COMMAND...: test programs, whose own last lines ("test result: …", "N passed, N failed") are summed up.
counted() {
  local name=$1 start=$SECONDS
  shift
  printf '==> %s\n' "$name"
  "$@" 2>&1 </dev/null | tee "$LOGS/$name.log" | of_interest
  sum_up "$name" $start "${PIPESTATUS[0]}"
}

of_interest() { grep --line-buffered -vE '^(running 0 tests|test .* \.\.\. ok|test result: ok\. 0 passed.*|)$'; }

# sum_up NAME START STATUS
sum_up() {
  local passed failed
  read -r passed failed < <(awk '/^test result:/ || /^[0-9]+ passed, [0-9]+ failed$/ { for (i = 2; i <= NF; i++) {
      if ($i ~ /^passed[;,]$/) p += $(i - 1); if ($i ~ /^failed;?$/) f += $(i - 1) } } END { print p + 0, f + 0 }' "$LOGS/$1.log")
  # A test program that did not compile, or died, has no count.
  if [ "$3" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
  if [ "$3" = 0 ] && [ "$passed" = 0 ]; then failed=1; fi
  report "$1" "$2" "$passed" "$failed"
}

# What runs in test kernels waits for real seconds most of the time: it runs beside the others (tests/lane.sh), one after the other.
tests() {
  local start=$SECONDS runner beside name
  quietly test-programs cargo test --locked --workspace --no-run
  runner=CARGO_TARGET_$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')_RUNNER
  {
    env LANE=kernel "$runner=$PWD/tests/lane.sh" cargo test --locked --workspace --no-fail-fast --tests >"$LOGS/kernel-tests.log" 2>&1
    echo $? >"$LOGS/kernel-tests.status"
    tests/units.sh >"$LOGS/units.log" 2>&1
    echo $? >"$LOGS/units.status"
  } </dev/null &
  beside=$!
  counted tests env LANE=other "$runner=$PWD/tests/lane.sh" cargo test --locked --workspace --no-fail-fast
  wait $beside
  for name in kernel-tests units; do
    printf '==> %s\n' "$name"
    of_interest <"$LOGS/$name.log" | grep -v '^ *Running '
    sum_up "$name" $start "$(cat "$LOGS/$name.status")"
  done
}

step() {
  case $1 in
    format) quietly format cargo fmt --all --check ;;
    lints) quietly lints cargo clippy --locked --workspace --all-targets -- -D warnings ;;
    documentation) RUSTDOCFLAGS='-D warnings' quietly documentation cargo doc --locked --workspace --no-deps ;;
    build) quietly build cargo build --locked --workspace --bins ;;
    tests) tests ;; # and the units
    units) counted units tests/units.sh ;;
    browser) counted browser tests/browser.sh --essential ;;
    demo) openly demo tests/demo.sh --short ;;
    *) echo "no step '$1': format lints documentation build tests units browser demo" >&2; exit 2 ;;
  esac
}

prepare
[ $# -gt 0 ] || set -- format lints documentation build tests browser demo
for name in "$@"; do
  step "$name"
done
[ $FAILED = 0 ] || printf 'failed: %s (output in %s)\n' "${FAILURES[*]}" "$LOGS"
echo "$PASSED passed, $FAILED failed"
[ $FAILED = 0 ]
