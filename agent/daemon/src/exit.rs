//! `main`: the command line, the exit codes, and the last words when it failed.
//!
//! Owns which error means which code: 0 all was well, 1 it failed, 2 it was called or configured wrongly.

use std::process::ExitCode;

use crate::args::LogLevel;
use crate::load::LoadError;
use crate::logging;

/// The exit code of a failure.
pub const EXIT_FAILURE: u8 = 1;
/// The exit code of a usage or configuration error: trying again changes nothing.
pub const EXIT_USAGE: u8 = 2;

/// The command line or the environment asks for something that makes no sense; exit code [`EXIT_USAGE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(
    /// What is wrong and what to do instead, in one line.
    pub String,
);

/// A daemon's `main`: reads the command line `A`, logs from the level that it asks for, then [`run`]s `life`.
pub fn main<A: clap::Parser>(
    level: fn(&A) -> LogLevel,
    life: impl FnOnce(A) -> anyhow::Result<()>,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        // Prints what was asked for, or what is wrong.
        Err(error) => error.exit(),
    };
    logging::init_logging(level(&args));
    run(|| life(args))
}

/// Runs `main`, prints its error as one line (a configuration's mistakes as one line each) and says with which code to
/// exit.
///
/// A [`LoadError`] or [`UsageError`] anywhere in the chain means [`EXIT_USAGE`], any other error [`EXIT_FAILURE`].
pub fn run(main: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    crate::memory::keep_small();
    let Err(error) = main() else { return ExitCode::SUCCESS };
    logging::print_error(&words(&error));
    ExitCode::from(code(&error))
}

/// The error with its causes; a cause that its predecessor's text has already is not repeated.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if words.ends_with(&text) {
            continue;
        }
        if !words.is_empty() {
            // Each mistake of a configuration has a line of its own.
            words.push_str(if text.contains('\n') { ":\n" } else { ": " });
        }
        words.push_str(&text);
    }
    words
}

fn code(error: &anyhow::Error) -> u8 {
    let usage = error.chain().any(|cause| cause.is::<LoadError>() || cause.is::<UsageError>());
    if usage { EXIT_USAGE } else { EXIT_FAILURE }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;

    use super::{UsageError, code, words};

    #[test]
    fn a_chain_is_one_line() {
        let error = Err::<(), _>(io::Error::other("no such thing")).context("can't start").unwrap_err();
        assert_eq!(words(&error), "can't start: no such thing");
        assert_eq!(code(&error), 1);
    }

    #[test]
    fn usage_errors_are_found_in_the_chain() {
        let error = anyhow::Error::new(UsageError("--state is empty".into())).context("can't start");
        assert_eq!(code(&error), 2);
        assert_eq!(words(&error), "can't start: --state is empty");
    }

    #[test]
    fn a_cause_is_not_said_twice() {
        let error = anyhow::anyhow!("no route").context("can't ask 10.0.0.1: no route");
        assert_eq!(words(&error), "can't ask 10.0.0.1: no route");
    }
}
