//! JSON: one document, one line.
//!
//! Owns its keys, which stay as they are once released. Verdicts and cause codes are those of `holdfast status --json`.

use std::fmt::Write as _;
use std::time::Duration;

use checker_core::Verdict;
use checker_core::dns::{Outcome, summary};

use super::Line;
use crate::job::{Asked, Job};

/// The document.
pub(super) fn document(lines: &[Line<'_>], job: &Job, verdict: Verdict) -> String {
    let mut json = format!("{{\"verdict\":\"{verdict}\",\"servers\":[");
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        json.push_str("{\"server\":");
        string(&mut json, line.server);
        let _ = write!(
            json,
            ",\"verdict\":\"{}\",\"probes\":{},\"passed\":{}",
            line.seen.verdict, line.tally.probes, line.tally.passed
        );
        if job.count > 1 {
            for (key, percent) in [("min", 0), ("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)] {
                let _ = write!(json, ",\"latency_{key}_us\":{}", micros(line.tally.percentile(percent)));
            }
        }
        json.push_str(",\"questions\":[");
        for (n, (asked, outcome)) in job.questions.iter().zip(&line.seen.outcomes).enumerate() {
            if n > 0 {
                json.push(',');
            }
            question(&mut json, asked, outcome);
        }
        json.push_str("]}");
    }
    json.push_str("]}\n");
    json
}

fn question(json: &mut String, asked: &Asked, outcome: &Outcome) {
    let question = &asked.check.question;
    json.push_str("{\"question\":");
    string(json, &question.to_string());
    let _ = write!(json, ",\"advisory\":{},\"verdict\":\"{}\",\"cause\":", asked.advisory, outcome.verdict);
    match outcome.cause {
        Some(cause) => string(json, cause.code()),
        None => json.push_str("null"),
    }
    json.push_str(",\"detail\":");
    string(json, &outcome.detail);
    json.push_str(",\"reply\":");
    match outcome.reply.as_deref() {
        Some(reply) => string(json, &summary(question, reply)),
        None => json.push_str("null"),
    }
    let _ = write!(
        json,
        ",\"transport\":\"{}\",\"tries\":{},\"ignored\":{},\"elapsed_us\":{},\"connect_us\":{},\"tls_us\":{},\"latency_us\":{}}}",
        outcome.transport.as_str(),
        outcome.attempts,
        outcome.strays,
        micros(Some(outcome.elapsed)),
        micros(outcome.connect),
        micros(outcome.tls),
        micros(outcome.latency),
    );
}

fn micros(span: Option<Duration>) -> String {
    span.map_or_else(|| "null".to_owned(), |span| span.as_micros().to_string())
}

/// A string with its quotes, RFC 8259 section 7.
pub(super) fn string(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
