//! The library against the IPVS of a real kernel, with `ipvsadm` as the second opinion.
//!
//! Outside of the test kernel this program runs itself again inside of it (`tests/testkernel.sh` at the top of the
//! repository) and takes over the outcome. Inside, each case runs in a network namespace of its own. Arguments that are
//! no options choose the cases whose name contains one of them.
// The whole program is a test: it may fail loudly.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
#![allow(missing_docs)]

#[path = "kernel/bed.rs"]
mod bed;
// It is shown to people, so it must work.
#[path = "kernel/edits.rs"]
mod edits;
#[allow(dead_code)]
#[path = "../examples/table.rs"]
mod example;
#[path = "kernel/races.rs"]
mod races;
#[path = "kernel/tables.rs"]
mod random;
#[path = "kernel/reading.rs"]
mod reading;
#[path = "kernel/refusals.rs"]
mod refusals;
mod tables;

use std::env;
use std::panic;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A case and its name.
type Case = (&'static str, fn());

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn())),*]
    };
}

/// Those that reload the module come last: they stop at nothing else's table.
const CASES: &[Case] = cases![
    reading::version_and_empty_table,
    reading::timeouts,
    reading::sync_daemons,
    reading::adopts_what_ipvsadm_made,
    reading::missing_objects,
    reading::namespaces_are_apart,
    reading::statistics,
    edits::every_feature_as_ipvsadm_shows_it,
    edits::what_ipvsadm_has_no_words_for,
    edits::ipv6_and_mixed_families,
    edits::firewall_marks,
    edits::persistence,
    edits::in_place_keeps_connections_and_statistics,
    edits::ten_thousand_destinations,
    edits::dry_run_text_is_understood_by_ipvsadm,
    refusals::each_has_its_cause,
    refusals::do_not_stop_the_rest,
    refusals::more_than_a_default_buffer_holds,
    refusals::an_overrun_is_told_and_over_with_the_next_call,
    refusals::without_capability,
    races::foreign_removal_between_reading_and_writing,
    races::reading_while_others_write,
    races::fifty_thousand_destinations_while_others_write,
    random::tables_are_what_ipvsadm_shows,
    random::from_one_table_to_another,
    refusals::module_unloaded_and_back,
];

fn main() -> ExitCode {
    if env::var_os(bed::DENIED).is_some() {
        return refusals::in_denied_child();
    }
    if env::var_os("TESTKERNEL").is_none() {
        return in_guest();
    }
    let chosen: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (mut passed, mut failed) = (0, 0);
    for (name, case) in CASES {
        if !chosen.is_empty() && !chosen.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let start = Instant::now();
        let outcome = panic::catch_unwind(|| {
            bed::fresh_namespace();
            case();
        });
        let verdict = if outcome.is_ok() { "ok  " } else { "FAIL" };
        println!("{verdict} {name} ({} ms)", start.elapsed().as_millis());
        if outcome.is_ok() { passed += 1 } else { failed += 1 }
    }
    println!("{passed} passed, {failed} failed");
    // A filter that chooses nothing is a mistake, not a success.
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs this very program in the test kernel.
fn in_guest() -> ExitCode {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/testkernel.sh");
    let program = env::current_exe().expect("the path of this program");
    let status = Command::new(&script)
        .arg("--")
        .arg(program)
        .args(env::args().skip(1))
        .status()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    match status.code() {
        Some(0) => ExitCode::SUCCESS,
        code => {
            eprintln!("the test kernel ended with status {code:?}");
            ExitCode::FAILURE
        }
    }
}
