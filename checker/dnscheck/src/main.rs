//! `dnscheck`: asks name servers, gives one verdict and one exit code.
//!
//! Owns its command line and its output. The probe itself is `checker-probe`'s, the judging `checker-core`'s.
//! It reads no configuration and keeps no state. It exits with 0 when the server is up or degraded and with 1 for everything
//! else, a wrong command line too: a caller that takes 2 and more for weights must never see them by mistake.

#![forbid(unsafe_code)]

mod args;
mod job;
mod report;
mod run;

use std::io::Write as _;
use std::process::ExitCode;

use checker_core::Verdict;
use clap::Parser as _;

use args::{Args, Format, OutputArgs};
use job::Job;
use report::Report;
use run::Runner;

/// What a monitoring plugin exits with when it could not check.
const PLUGIN_UNKNOWN: u8 = 3;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { complaint(plugin_is_meant()) } else { ExitCode::SUCCESS };
        }
    };
    if let Some(what) = &args.output.generate {
        return match report::generate(what) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, false),
        };
    }
    let plugin = args.output.format == Format::Plugin;
    let job = match Job::try_from(args) {
        Ok(job) => job,
        Err(error) => return complain(&error, plugin),
    };
    match run(&job) {
        Ok(code) => code,
        Err(error) => complain(&error, plugin),
    }
}

/// Says why there is no verdict.
fn complain(error: &dyn std::fmt::Display, plugin: bool) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "dnscheck: {error}");
    complaint(plugin)
}

fn complaint(plugin: bool) -> ExitCode {
    if plugin { ExitCode::from(PLUGIN_UNKNOWN) } else { ExitCode::FAILURE }
}

/// Whether a command line that could not be read asks for the exit codes of a plugin.
fn plugin_is_meant() -> bool {
    let words: Vec<_> = std::env::args_os().collect();
    words.iter().any(|word| word == "--format=plugin")
        || words
            .windows(2)
            .any(|pair| matches!(pair, [option, value] if option == "--format" && value == "plugin"))
}

fn run(job: &Job) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut runner = Runner::new(job)?;
    let mut report = Report::new(job);
    for _ in 0..job.count {
        let round = runner.round()?;
        report.round(round)?;
    }
    Ok(exit_code(&job.output, report.end()?))
}

fn exit_code(output: &OutputArgs, verdict: Verdict) -> ExitCode {
    match (output.format, output.weight, verdict) {
        (Format::Plugin, _, Verdict::Up) => ExitCode::SUCCESS,
        (Format::Plugin, _, Verdict::Degraded) => ExitCode::from(1),
        (Format::Plugin, _, Verdict::Down) => ExitCode::from(2),
        (Format::Plugin, _, Verdict::Unknown) => ExitCode::from(PLUGIN_UNKNOWN),
        (_, Some(weight), Verdict::Up) => ExitCode::from(weight.up + 2),
        (_, Some(weight), Verdict::Degraded) => ExitCode::from(weight.degraded + 2),
        (_, None, verdict) if verdict.passes() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
