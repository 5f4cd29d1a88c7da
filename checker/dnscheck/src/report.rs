//! The output: text, JSON, a monitoring plugin's line, Prometheus.
//!
//! Owns what is printed when, and the figures over several rounds. The formats have a module each. It never decides whether
//! a server is up.

mod json;
mod plugin;
mod prometheus;
mod text;

use std::io::{self, Write as _};
use std::time::Duration;

use checker_core::Verdict;
use checker_core::dns::{DnsCheck, Need, Outcome};

use crate::args::Format;
use crate::job::Job;
use crate::run::{Round, Seen};

/// Latencies that are kept of one server for percentiles.
const LATENCIES_MAX: usize = 100_000;

/// What there is to say.
pub(crate) struct Report<'j> {
    job: &'j Job,
    /// Of each server, over all rounds.
    tallies: Vec<Tally>,
    last: Option<Round>,
    /// The verdicts of all rounds.
    verdicts: Vec<Verdict>,
}

/// One server over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    probes: u32,
    passed: u32,
    latencies: Vec<Duration>,
}

impl Tally {
    /// The latency that this share of answers did not exceed.
    fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied()
    }
}

/// One server's part of the output.
struct Line<'a> {
    server: &'a str,
    /// The check and the outcome of the question that says most: the first that does not pass, else the first.
    check: &'a DnsCheck,
    outcome: &'a Outcome,
    seen: &'a Seen,
    tally: &'a Tally,
}

impl<'j> Report<'j> {
    pub(crate) fn new(job: &'j Job) -> Self {
        let tallies = job.servers.iter().map(|_| Tally::default()).collect();
        Self { job, tallies, last: None, verdicts: Vec::new() }
    }

    /// Takes a round; prints it when there are several and people read them.
    pub(crate) fn round(&mut self, round: Round) -> io::Result<()> {
        for (tally, seen) in self.tallies.iter_mut().zip(&round.servers) {
            tally.probes += 1;
            tally.passed += u32::from(seen.verdict.passes());
            let latency = seen.outcomes.first().and_then(|outcome| outcome.latency);
            if tally.latencies.len() < LATENCIES_MAX {
                tally.latencies.extend(latency);
            }
        }
        self.verdicts.push(round.verdict);
        self.last = Some(round);
        if self.job.count > 1 && self.job.output.format() == Format::Text {
            self.print(&text::round(&self.lines(), self.job))?;
        }
        Ok(())
    }

    /// Prints what is left to say, and gives the verdict over all rounds.
    pub(crate) fn end(&mut self) -> io::Result<Verdict> {
        for tally in &mut self.tallies {
            tally.latencies.sort_unstable();
        }
        let verdict = Need::All.combine(self.verdicts.iter().copied(), []);
        let lines = self.lines();
        let output = match self.job.output.format() {
            Format::Text if self.job.count > 1 => text::figures(&lines),
            Format::Text => text::round(&lines, self.job),
            Format::Json => json::document(&lines, self.job, verdict),
            Format::Plugin => plugin::line(&lines, self.job, verdict),
            Format::Prometheus => prometheus::metrics(&lines, self.job),
        };
        self.print(&output)?;
        Ok(verdict)
    }

    fn print(&self, text: &str) -> io::Result<()> {
        io::stdout().lock().write_all(text.as_bytes())
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let seen = self.last.iter().flat_map(|round| &round.servers);
        let servers = self.job.servers.iter().zip(seen).zip(&self.tallies);
        servers
            .filter_map(|((server, seen), tally)| {
                let outcomes = || self.job.questions.iter().zip(&seen.outcomes);
                let (asked, outcome) = outcomes()
                    .find(|(_, outcome)| outcome.verdict != Verdict::Up)
                    .filter(|_| seen.verdict != Verdict::Up)
                    .or_else(|| outcomes().next())?;
                Some(Line { server: &server.shown, check: &asked.check, outcome, seen, tally })
            })
            .collect()
    }
}

/// Milliseconds as people read them.
fn span(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1000.0;
    match span.as_millis() {
        0..10 => format!("{ms:.1} ms"),
        10..10_000 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}
