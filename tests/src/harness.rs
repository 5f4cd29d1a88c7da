//! Runs the cases of one test program and prints what Rust's own test harness would print.
//!
//! Owns the command line (`--list`, names to choose by, `--exact`, `--skip`) and the summary. A guest and a bed are costly, so
//! many cases share them, one after the other; each begins with [`Bed::reset`]. The cases mostly wait, so there are as many
//! guests at a time as this machine has processors, each with its part of the cases.

use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};

use crate::bed::Bed;
use crate::guest;

/// The most guests at a time.
const GUESTS: usize = 3;

/// What a running case has noted.
static NOTES: Mutex<String> = Mutex::new(String::new());

/// One case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name: what is true when it passes.
    pub name: &'static str,
    /// What it does. Notes may be printed with [`note`].
    pub run: fn(&mut Bed) -> Result<()>,
}

/// Keeps a line of measured figures, to be printed under the case.
pub fn note(text: &str) {
    NOTES.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(&format!("    {text}\n"));
}

/// The `main` of a test program: on this machine it starts the guests, and in a guest it runs its part of the cases.
#[must_use]
pub fn main(cases: &[Case], seconds: u32, build: fn() -> Result<Bed>) -> ExitCode {
    let choice = Choice::from_arguments(std::env::args().skip(1));
    let chosen: Vec<&Case> = cases.iter().filter(|case| choice.has(case.name)).collect();
    if choice.list {
        let names: String = chosen.iter().map(|case| format!("{}: test\n", case.name)).collect();
        print(&names);
        return ExitCode::SUCCESS;
    }
    if guest::is_inside() {
        return run(&choice.part(&chosen), build);
    }
    let start = Instant::now();
    print(&format!("\nrunning {} tests\n", chosen.len()));
    let sum = if chosen.is_empty() { Ok(Sum::default()) } else { in_guests(chosen.len(), seconds) };
    let sum = sum.unwrap_or_else(|error| Sum { passed: 0, failures: format!("{error:#}\n") });
    let failed = chosen.len() - sum.passed.min(chosen.len());
    if failed > 0 {
        print(&format!("\nfailures:\n\n{}", sum.failures));
    }
    print(&format!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n\n",
        if failed == 0 { "ok" } else { "FAILED" },
        sum.passed,
        cases.len() - chosen.len(),
        start.elapsed().as_secs_f64()
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of some cases.
#[derive(Debug, Default)]
struct Sum {
    passed: usize,
    failures: String,
}

/// Starts the guests and passes on what they say as it comes.
fn in_guests(cases: usize, seconds: u32) -> Result<Sum> {
    guest::build_programs()?;
    let guests = thread::available_parallelism().map_or(1, usize::from).min(GUESTS).min(cases);
    let parts: Vec<Result<Sum>> = thread::scope(|scope| {
        let running: Vec<_> =
            (0..guests).map(|number| scope.spawn(move || in_guest(number, guests, seconds))).collect();
        running
            .into_iter()
            .map(|guest| guest.join().unwrap_or_else(|_| Err(anyhow!("following a guest panicked"))))
            .collect()
    });
    let mut sum = Sum::default();
    for part in parts {
        let part = part.unwrap_or_else(|error| Sum { passed: 0, failures: format!("{error:#}\n") });
        sum.passed += part.passed;
        sum.failures.push_str(&part.failures);
    }
    Ok(sum)
}

fn in_guest(number: usize, guests: usize, seconds: u32) -> Result<Sum> {
    let part = ["--part".to_owned(), format!("{number}/{guests}")];
    let mut child = guest::again_inside(seconds, &part)?
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the guest")?;
    let mut sum = Sum::default();
    // A case and its notes are printed together, so that guests do not speak into each other's words.
    let (mut block, mut in_failures) = (String::new(), false);
    for line in BufReader::new(child.stdout.take().context("no output of the guest")?).lines() {
        let line = line?;
        if in_failures || line == FAILURES {
            if in_failures {
                sum.failures.push_str(&format!("{line}\n"));
            }
            in_failures = true;
            continue;
        }
        if line.starts_with("test ") {
            print(&std::mem::take(&mut block));
            sum.passed += usize::from(line.contains(" ... ok"));
        }
        block.push_str(&format!("{line}\n"));
    }
    print(&block);
    let status = child.wait()?;
    if !status.success() && sum.failures.is_empty() {
        sum.failures = format!("guest {number} of {guests} ended with {status}\n");
    }
    Ok(sum)
}

/// What separates the cases from the reports about the failed ones, in the output of a guest.
const FAILURES: &str = "failures:";

fn run(cases: &[&Case], build: fn() -> Result<Bed>) -> ExitCode {
    let mut bed = match build() {
        Ok(bed) => bed,
        Err(error) => {
            print(&format!("{FAILURES}\nthe bed cannot be built: {error:#}\n"));
            return ExitCode::FAILURE;
        }
    };
    let mut failures = Vec::new();
    for case in cases {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| bed.reset().and_then(|()| (case.run)(&mut bed))))
            .unwrap_or_else(|_| Err(anyhow!("panicked")));
        let notes = std::mem::take(&mut *NOTES.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        print(&format!("test {} ... {word} ({:.1} s)\n{notes}", case.name, begun.elapsed().as_secs_f64()));
        if let Err(error) = outcome {
            failures.push(format!("---- {}\n{error:#}\n{}\n", case.name, bed.evidence()));
        }
    }
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    print(&format!("{FAILURES}\n{}", failures.join("\n")));
    ExitCode::FAILURE
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
    /// Which part of the cases, of how many: every so many-th one.
    part: Option<(usize, usize)>,
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
                "--part" => {
                    choice.part = arguments.next().and_then(|text| {
                        let (number, of) = text.split_once('/')?;
                        Some((number.parse().ok()?, of.parse().ok().filter(|of| *of > 0)?))
                    });
                }
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(arguments.next()),
                option if option.starts_with('-') => {}
                name => choice.names.push(name.to_owned()),
            }
        }
        choice
    }

    fn part<'a>(&self, cases: &[&'a Case]) -> Vec<&'a Case> {
        let (number, of) = self.part.unwrap_or((0, 1));
        cases.iter().skip(number).step_by(of).copied().collect()
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
        assert_eq!(choice("--part 1/3").part, Some((1, 3)));
        assert_eq!(choice("--part 1/0").part, None);
    }

    #[test]
    fn the_parts_together_are_all_cases_once() {
        let names = ["a", "b", "c", "d", "e"];
        let cases = names.map(|name| Case { name, run: |_| Ok(()) });
        let cases: Vec<&Case> = cases.iter().collect();
        for guests in 1..=6 {
            let mut found: Vec<&str> = (0..guests)
                .flat_map(|number| choice(&format!("--part {number}/{guests}")).part(&cases))
                .map(|case| case.name)
                .collect();
            found.sort_unstable();
            assert_eq!(found, names, "{guests} guests");
        }
    }
}
