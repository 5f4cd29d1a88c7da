//! `dnscheck`: one DNS probe, one verdict, one exit code.
//!
//! Owns its command line and its one line of output. The probe itself is `checker-probe`'s, the judging `checker-core`'s.
//! It reads no configuration and keeps no state. It exits with 0 when the server is up and with 1 for everything else, a
//! wrong command line too: a caller that takes 2 and more for weights must never see them by mistake.

#![forbid(unsafe_code)]

mod args;
mod report;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use checker_core::Verdict;
use checker_probe::{Finished, ProbeError, Prober, Settings, clock};
use clap::Parser as _;

use args::{Args, Job};

fn main() -> ExitCode {
    let job = match Args::try_parse() {
        Ok(args) => Job::try_from(args),
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let job = match job {
        Ok(job) => job,
        Err(error) => return complain(&error),
    };
    match probe(&job) {
        Ok(finished) => {
            let line = report::line(&job, &finished.outcome);
            let told = writeln!(std::io::stdout(), "{line}");
            let up = finished.outcome.verdict == Verdict::Up && told.is_ok();
            if up { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => complain(&error),
    }
}

/// Says why there is no verdict.
fn complain(error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "dnscheck: {error}");
    ExitCode::FAILURE
}

fn probe(job: &Job) -> Result<Finished, ProbeError> {
    let mut prober = Prober::new(Settings { keep_replies: true, ..Settings::default() })?;
    prober.start(0, &Arc::new(job.check.clone()), job.target);
    loop {
        if let Some(finished) = prober.next_finished() {
            return Ok(finished);
        }
        prober.poll(clock::now() + job.check.timeout.get())?;
    }
}
