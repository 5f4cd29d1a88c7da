//! `dnscheck`: asks name servers, gives one verdict and one exit code.
//!
//! Owns its command line and its output. The probe itself is `checker-probe`'s, the judging `checker-core`'s.
//! It reads no configuration and keeps no state. It exits with 0 when the server is up or degraded and with 1 for everything
//! else, a wrong command line too: a caller that takes 2 and more for weights must never see them by mistake.

#![deny(unsafe_code)]
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code, reason = "the test harness has a main of its own"))]

mod args;
#[cfg(test)]
mod generated;
mod job;
mod report;
mod run;

use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use checker_core::Verdict;
use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Args, Format, OutputArgs};
use job::Job;
use report::Report;
use run::Runner;

/// What a monitoring plugin exits with when it could not check.
const PLUGIN_UNKNOWN: u8 = 3;

/// Where the C library begins. The standard library's own `main` would read `/proc/self/maps` and set up a second stack for
/// overflows first, which is a tenth of what one check costs.
#[cfg(not(test))]
// SAFETY: the program has no other symbol of this name, and this is the signature that the C library calls.
#[allow(unsafe_code, reason = "the name that the C library calls; nothing else here is unsafe")]
#[unsafe(no_mangle)]
extern "C" fn main(_: std::ffi::c_int, _: *const *const std::ffi::c_char) -> std::ffi::c_int {
    keep_standard_descriptors();
    // Ends without handing back what was allocated: the kernel is quicker at that.
    std::process::exit(check().into())
}

/// Opens what is closed of standard input, output and error: a socket must not get their numbers, and what is printed.
fn keep_standard_descriptors() {
    while let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > 2 {
            return;
        }
        std::mem::forget(null);
    }
}

/// Reads the command line, probes, reports; returns the exit code.
fn check() -> u8 {
    let args = match parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { complaint(plugin_is_meant()) } else { 0 };
        }
    };
    let plugin = args.output.format() == Format::Plugin;
    let job = match Job::try_from(args) {
        Ok(job) => job,
        Err(error) => return complain(&error, plugin),
    };
    match run(&std::mem::ManuallyDrop::new(job)) {
        Ok(code) => code,
        Err(error) => complain(&error, plugin),
    }
}

/// The command line. What clap keeps of its own is left to the end of the process.
fn parse() -> Result<Args, clap::Error> {
    let mut command = std::mem::ManuallyDrop::new(Args::command());
    let mut matches = std::mem::ManuallyDrop::new(command.try_get_matches_from_mut(std::env::args_os())?);
    Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Says why there is no verdict.
fn complain(error: &dyn std::fmt::Display, plugin: bool) -> u8 {
    let _ = writeln!(std::io::stderr(), "dnscheck: {error}");
    complaint(plugin)
}

fn complaint(plugin: bool) -> u8 {
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
