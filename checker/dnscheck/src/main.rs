//! `dnscheck`: asks name servers, gives one verdict and one exit code.
//!
//! Owns its command line and its output. The probe itself is `checker-probe`'s, the judging `checker-core`'s.
//! It reads no configuration and keeps no state. It exits with 0 when the server is up or degraded and with 1 for everything
//! else, a wrong command line too: a caller that takes 2 and more for weights must never see them by mistake.

#![forbid(unsafe_code)]

mod args;
#[cfg(test)]
mod generated;
mod job;
mod report;
mod run;

use std::io::Write as _;

use checker_core::Verdict;

use args::{Call, Format, OutputArgs};
use job::Job;
use report::Report;
use run::Runner;

/// What a monitoring plugin exits with when it could not check.
const PLUGIN_UNKNOWN: u8 = 3;

fn main() {
    // Ends without handing back what was allocated: the kernel is quicker at that.
    std::process::exit(check().into())
}

/// Reads the command line, probes, reports; returns the exit code.
fn check() -> u8 {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Call::Probe(args)) => args,
        Ok(Call::Help) => return print(&args::help()),
        Ok(Call::Version) => return print(concat!("dnscheck ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => return complain(&error, plugin_is_meant()),
    };
    let plugin = args.output.format() == Format::Plugin;
    let job = match Job::try_from(*args) {
        Ok(job) => job,
        Err(error) => return complain(&error, plugin),
    };
    match run(&std::mem::ManuallyDrop::new(job)) {
        Ok(code) => code,
        Err(error) => complain(&error, plugin),
    }
}

/// Prints what was asked for.
fn print(text: &str) -> u8 {
    // Whoever reads no further than the first page has what they wanted.
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}

/// Says why there is no verdict.
fn complain(error: &dyn std::fmt::Display, plugin: bool) -> u8 {
    let _ = writeln!(std::io::stderr(), "dnscheck: {error}");
    if plugin { PLUGIN_UNKNOWN } else { 1 }
}

/// Whether a command line that could not be read asks for the exit codes of a plugin.
fn plugin_is_meant() -> bool {
    let words: Vec<_> = std::env::args_os().collect();
    words.iter().any(|word| word == "--format=plugin")
        || words
            .windows(2)
            .any(|pair| matches!(pair, [option, value] if option == "--format" && value == "plugin"))
}

fn run(job: &Job) -> Result<u8, Box<dyn std::error::Error>> {
    let mut runner = std::mem::ManuallyDrop::new(Runner::new(job)?);
    let mut report = Report::new(job);
    for _ in 0..job.count {
        let round = runner.round()?;
        report.round(round)?;
    }
    Ok(exit_code(&job.output, report.end()?))
}

fn exit_code(output: &OutputArgs, verdict: Verdict) -> u8 {
    match (output.format(), output.weight, verdict) {
        (Format::Plugin, _, Verdict::Up) => 0,
        (Format::Plugin, _, Verdict::Degraded) => 1,
        (Format::Plugin, _, Verdict::Down) => 2,
        (Format::Plugin, _, Verdict::Unknown) => PLUGIN_UNKNOWN,
        (_, Some(weight), Verdict::Up) => weight.up + 2,
        (_, Some(weight), Verdict::Degraded) => weight.degraded + 2,
        (_, None, verdict) if verdict.passes() => 0,
        _ => 1,
    }
}
