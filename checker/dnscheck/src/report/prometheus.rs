//! Metrics for Prometheus, as for a textfile collector.
//!
//! Owns their names and labels, which stay as they are once released. Units are seconds.

use std::fmt::Write as _;

use checker_core::dns::{Outcome, Question};

use super::{Line, json};
use crate::job::Job;

type Value = fn(&Outcome) -> Option<f64>;

/// All metrics of a run.
pub(super) fn metrics(lines: &[Line<'_>], job: &Job) -> String {
    let mut text = String::new();
    let metrics: [(&str, &str, Value); 5] = [
        ("dnscheck_up", "Whether the server passed: 1 for up and degraded.", |o| {
            Some(f64::from(u8::from(o.verdict.passes())))
        }),
        ("dnscheck_latency_seconds", "From the query to its answer.", |o| {
            o.latency.map(|span| span.as_secs_f64())
        }),
        ("dnscheck_elapsed_seconds", "From the start of the probe to its end.", |o| {
            Some(o.elapsed.as_secs_f64())
        }),
        ("dnscheck_tries", "Queries sent.", |o| Some(f64::from(o.attempts))),
        ("dnscheck_ignored_messages", "Messages that were not our reply.", |o| Some(f64::from(o.strays))),
    ];
    for (name, help, value) in metrics {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        each(lines, job, |server, question, outcome| {
            if let Some(value) = value(outcome) {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels(server, question));
            }
        });
    }
    text.push_str(
        "# HELP dnscheck_verdict The verdict and the code of its cause.\n# TYPE dnscheck_verdict gauge\n",
    );
    each(lines, job, |server, question, outcome| {
        let cause = outcome.cause.map_or("", |cause| cause.code());
        let labels = labels(server, question);
        let _ = writeln!(
            text,
            "dnscheck_verdict{{{labels},verdict=\"{}\",cause=\"{cause}\"}} 1",
            outcome.verdict
        );
    });
    text
}

fn each(lines: &[Line<'_>], job: &Job, mut visit: impl FnMut(&str, &Question, &Outcome)) {
    for line in lines {
        for (asked, outcome) in job.questions.iter().zip(&line.seen.outcomes) {
            visit(line.server, &asked.check.question, outcome);
        }
    }
}

fn labels(server: &str, question: &Question) -> String {
    let mut labels = String::from("server=");
    // A label's value has the escapes of JSON for what can stand here: no control characters do.
    json::string(&mut labels, server);
    labels.push_str(",question=");
    json::string(&mut labels, &question.to_string());
    labels
}
