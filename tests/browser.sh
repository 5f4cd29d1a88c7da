#!/bin/bash
# Looks at the status page with a real browser (Debian's chromium, headless, with an empty profile of its own), over loopback only.
#
#   tests/browser.sh [HISTORY_SECONDS]
#   tests/browser.sh --essential       what `make test` looks at: a good day, hostile texts, a large cluster, pictures
#
# Pictures go to target/browser, or to PICTURES. With HISTORY_SECONDS (600 fills the curves) they show latencies over that time.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. tests/packages.sh
TARGET=${CARGO_TARGET_DIR:-target}
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin

mkdir -p "$TARGET/browser"
install_packages "$TARGET/browser/apt.log" chromium python3 fonts-dejavu-core || exit
# As `make test` has built them: alone they would be built with other features, and so once more.
cargo build --quiet --locked --workspace --bins || exit
cargo build --quiet --locked --workspace --example scene || exit
exec python3 tests/browser/page.py "$TARGET/debug" "${PICTURES:-$TARGET/browser}" "${1:-0}"
