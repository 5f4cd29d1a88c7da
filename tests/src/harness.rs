//! Runs the cases of one test program one after the other and prints what Rust's own test harness would print.
//!
//! Owns the command line (`--list`, names to choose by, `--exact`, `--skip`) and the summary. The cases share one guest and one
//! bed, because both are costly; each begins with [`Bed::reset`].

use std::io::{Write as _, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::bed::Bed;
use crate::guest;

/// One case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name: what is true when it passes.
    pub name: &'static str,
    /// What it does. Notes may be printed with [`note`].
    pub run: fn(&mut Bed) -> Result<()>,
}

/// Prints a line of measured figures under the running case.
pub fn note(text: &str) {
    print(&format!("    {text}\n"));
}

/// The `main` of a test program: on this machine it starts the guest, and in the guest it runs the cases.
#[must_use]
pub fn main(cases: &[Case], seconds: u32, build: fn() -> Result<Bed>) -> ExitCode {
    let choice = Choice::from_arguments(std::env::args().skip(1));
    let chosen: Vec<&Case> = cases.iter().filter(|case| choice.has(case.name)).collect();
    if choice.list {
        let names: String = chosen.iter().map(|case| format!("{}: test\n", case.name)).collect();
        print(&names);
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        print(&format!("\nrunning 0 tests\n\n{}", result_line(0, 0, cases.len(), Instant::now())));
        return ExitCode::SUCCESS;
    }
    if !guest::is_inside() {
        return guest::run_again_inside(seconds).unwrap_or_else(|error| {
            print(&format!("\ntest result: FAILED. 0 passed; {} failed: {error:#}\n", chosen.len()));
            ExitCode::FAILURE
        });
    }
    run(&chosen, cases.len() - chosen.len(), build)
}

fn run(cases: &[&Case], left_out: usize, build: fn() -> Result<Bed>) -> ExitCode {
    let start = Instant::now();
    print(&format!("\nrunning {} tests\n", cases.len()));
    let mut bed = match build() {
        Ok(bed) => bed,
        Err(error) => {
            print(&format!(
                "the bed cannot be built: {error:#}\n{}",
                result_line(0, cases.len(), left_out, start)
            ));
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut failures) = (0, Vec::new());
    for case in cases {
        print(&format!("test {} ... \n", case.name));
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| bed.reset().and_then(|()| (case.run)(&mut bed))))
            .unwrap_or_else(|_| Err(anyhow!("panicked")));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        print(&format!("test {} ... {word} ({:.1} s)\n", case.name, begun.elapsed().as_secs_f64()));
        match outcome {
            Ok(()) => passed += 1,
            Err(error) => failures.push(format!("---- {}\n{error:#}\n{}\n", case.name, bed.evidence())),
        }
    }
    if !failures.is_empty() {
        print(&format!("\nfailures:\n\n{}", failures.join("\n")));
    }
    print(&format!("\n{}", result_line(passed, failures.len(), left_out, start)));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn result_line(passed: usize, failed: usize, left_out: usize, start: Instant) -> String {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    format!(
        "test result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {left_out} filtered out; \
         finished in {:.2}s\n\n",
        start.elapsed().as_secs_f64()
    )
}

/// At once, because it is followed while it runs. Where nobody reads any more, there is nobody to tell.
fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Which cases are wanted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    list: bool,
    exact: bool,
    ignored_only: bool,
    names: Vec<String>,
    skipped: Vec<String>,
}

impl Choice {
    /// As for Rust's own harness; options that make no difference here are passed over.
    fn from_arguments(arguments: impl Iterator<Item = String>) -> Self {
        let mut choice = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => choice.list = true,
                "--exact" => choice.exact = true,
                "--ignored" => choice.ignored_only = true,
                "--skip" => choice.skipped.extend(arguments.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(arguments.next()),
                option if option.starts_with('-') => {}
                name => choice.names.push(name.to_owned()),
            }
        }
        choice
    }

    fn has(&self, name: &str) -> bool {
        let fits = |wanted: &String| if self.exact { wanted == name } else { name.contains(wanted.as_str()) };
        !self.ignored_only
            && (self.names.is_empty() || self.names.iter().any(fits))
            && !self.skipped.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(text: &str) -> Choice {
        Choice::from_arguments(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn cases_are_chosen_as_by_the_usual_harness() {
        assert!(choice("").has("anything"));
        assert!(choice("thin --nocapture --test-threads 1").has("anything"));
        assert!(!choice("thin --exact").has("anything"));
        assert!(!choice("--skip any").has("anything"));
        assert!(!choice("--ignored").has("anything"));
        assert!(choice("--list --format terse").list);
    }
}
