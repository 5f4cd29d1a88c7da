//! Text for people: one line for one server, a table for several, percentiles for several rounds.
//!
//! Owns the wording: verdict, what was asked of whom, what came of it, how long it took.

use std::fmt::Write as _;

use checker_core::Verdict;
use checker_core::dns::{Transport, details, summary};

use super::{Line, span};
use crate::job::Job;

/// One round.
pub(super) fn round(lines: &[Line<'_>], job: &Job) -> String {
    let mut text = match lines {
        [line] => format!("{}\n", one(line)),
        lines => table(lines),
    };
    if job.output.verbose {
        for line in lines {
            verbose(&mut text, line, job);
        }
    }
    text
}

/// The line for one server.
pub(super) fn one(line: &Line<'_>) -> String {
    format!("{}: {} @{}: {}", line.seen.verdict, line.check.question, line.server, came(line))
}

/// What came of it.
pub(super) fn came(line: &Line<'_>) -> String {
    let outcome = line.outcome;
    let took = span(outcome.elapsed);
    match outcome.cause {
        None => {
            let question = &line.check.question;
            let reply = outcome.reply.as_deref().map_or(String::new(), |reply| summary(question, reply));
            let over = match outcome.transport {
                Transport::Udp => String::new(),
                other => format!(" over {}", other.name()),
            };
            let again =
                if outcome.attempts > 1 { format!(" at try {}", outcome.attempts) } else { String::new() };
            let passed = line.seen.outcomes.iter().filter(|outcome| outcome.verdict.passes()).count();
            let more = match line.seen.outcomes.len() {
                1 => String::new(),
                all => format!("; {passed} of {all} questions passed"),
            };
            format!("{reply}{over} in {took}{again}{more}")
        }
        Some(cause) => format!("{cause}: {} (after {took})", outcome.detail),
    }
}

fn table(lines: &[Line<'_>]) -> String {
    let width = lines.iter().map(|line| line.server.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(
            text,
            "{:<8}  {:<width$}  {}: {}",
            line.seen.verdict,
            line.server,
            line.check.question,
            came(line)
        );
    }
    let up = lines.iter().filter(|line| line.seen.verdict == Verdict::Up).count();
    let _ = writeln!(text, "{up} of {} servers up", lines.len());
    text
}

fn verbose(text: &mut String, line: &Line<'_>, job: &Job) {
    for (asked, outcome) in job.questions.iter().zip(&line.seen.outcomes) {
        let _ = writeln!(text, "\n{} @{}: {}", asked.check.question, line.server, outcome.verdict);
        let _ = write!(text, "{} after {}", outcome.transport.name(), span(outcome.elapsed));
        if let Some(connect) = outcome.connect {
            let _ = write!(text, ", connected in {}", span(connect));
        }
        if let Some(tls) = outcome.tls {
            let _ = write!(text, ", secured in {}", span(tls));
        }
        if let Some(latency) = outcome.latency {
            let _ = write!(text, ", answered in {}", span(latency));
        }
        let _ = writeln!(text, ", {} tries, {} messages ignored", outcome.attempts, outcome.strays);
        if let Some(reply) = &outcome.reply {
            text.push_str(&details(reply));
        }
    }
}

/// The figures over all rounds.
pub(super) fn figures(lines: &[Line<'_>]) -> String {
    let width = lines.iter().map(|line| line.server.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let tally = line.tally;
        let _ = write!(text, "{:<width$}  {} probes, {} passed", line.server, tally.probes, tally.passed);
        let figures = [("min", 0), ("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)];
        for (n, (name, percent)) in figures.into_iter().enumerate() {
            if let Some(latency) = tally.percentile(percent) {
                let _ = write!(text, "{}{name} {}", if n == 0 { "; " } else { ", " }, span(latency));
            }
        }
        text.push('\n');
    }
    text
}
