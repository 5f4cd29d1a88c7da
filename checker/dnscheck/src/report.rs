//! The one line of output.
//!
//! Owns its wording: verdict, what was asked of whom, what came of it, how long it took. It never decides anything.

use std::time::Duration;

use checker_core::dns::{DnsCheck, Outcome, Transport, summary};

use crate::args::Job;

/// The line for an outcome.
pub(crate) fn line(job: &Job, outcome: &Outcome) -> String {
    let question = &job.check.question;
    let asked = format!("{}: {question} @{}", outcome.verdict, server(&job.server, job.check.port));
    let took = span(outcome.elapsed);
    match outcome.cause {
        None => {
            let reply = outcome.reply.as_deref().map_or(String::new(), |reply| summary(question, reply));
            let over = if outcome.transport == Transport::Tcp { " over TCP" } else { "" };
            let again =
                if outcome.attempts > 1 { format!(" at try {}", outcome.attempts) } else { String::new() };
            format!("{asked}: {reply}{over} in {took}{again}")
        }
        Some(cause) => format!("{asked}: {cause}: {} (after {took})", outcome.detail),
    }
}

fn server(address: &str, port: u16) -> String {
    match (port, address.contains(':')) {
        (DnsCheck::PORT, _) => address.to_owned(),
        (_, true) => format!("[{address}]:{port}"),
        (_, false) => format!("{address}:{port}"),
    }
}

fn span(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1000.0;
    match span.as_millis() {
        0..10 => format!("{ms:.1} ms"),
        10..10_000 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}
