//! IPVS in the test kernel: what clients lose when a server dies or is drained, and whether the table always converges.

mod drains;
mod flows;
mod moving_in;
mod random;
mod round_trip;
mod sync;
mod troubles;
mod vrf;

use std::process::ExitCode;

use holdfast_tests::bed::Bed;
use holdfast_tests::harness::{self, Case};
use holdfast_tests::name_server::Make;

/// The real servers: three that answer one client as often as it asks (NSD answers 200 times a second).
const MAKES: [Make; 3] = [Make::Knot, Make::Knot, Make::Knot];

fn main() -> ExitCode {
    // The troubles last: they take the module away.
    let cases: Vec<Case> = [
        flows::CASES,
        drains::CASES,
        random::CASES,
        moving_in::CASES,
        round_trip::CASES,
        sync::CASES,
        vrf::CASES,
        troubles::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect();
    harness::main(&cases, 900, || Bed::build(&MAKES))
}
