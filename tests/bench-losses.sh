#!/bin/bash
# What clients lose when one of three UDP servers is drained or killed: Holdfast and keepalived in one run, direct, tunnel and nat, from one fixed
# port and from fresh ones, 500 queries a second. Prints a Markdown table. Runs in the test kernel (tests/testkernel.sh), some five minutes.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/packages.sh
install_packages /dev/null knot keepalived ipvsadm iproute2
cargo build --quiet --package agentd --package checkd --package lvsd --package holdfast --package holdfast-tests --bins
exec tests/testkernel.sh --timeout 900 -- "$(realpath "${CARGO_TARGET_DIR:-target}")/debug/losses"
