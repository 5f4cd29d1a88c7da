#!/bin/bash
# Runs a test program if it is of the lane that LANE names, for cargo (as its "runner"), so that the programs that mostly wait,
# those in test kernels, run beside the others:
#
#   LANE=kernel|other CARGO_TARGET_<TRIPLE>_RUNNER=tests/lane.sh cargo test --workspace
case $1 in
  */kernel_path-* | */lvs_kernel-*) lane=kernel ;;
  *) lane=other ;;
esac
[ "$lane" = "${LANE:-$lane}" ] || exit 0
exec "$@"
