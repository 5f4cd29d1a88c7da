//! `holdfast`: the operator's command. Reads the command line, does it, says how it went by the exit code.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use holdfast_ctl::args::Args;
use holdfast_ctl::text::harmless;

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => match holdfast_ctl::execute(args) {
            Ok(outcome) => ExitCode::from(outcome.code()),
            Err(error) => failed(&error),
        },
        Err(error) => {
            // Help and version go to stdout and are no error; the rest is usage, exit code 2.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Whoever read our output has seen enough (`holdfast status | head`).
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<io::Error>().is_some_and(gone) {
        return ExitCode::FAILURE;
    }
    let _ = writeln!(io::stderr().lock(), "holdfast: {}", harmless(&format!("{error:#}")));
    ExitCode::FAILURE
}
