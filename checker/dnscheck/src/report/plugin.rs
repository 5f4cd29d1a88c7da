//! The line of a monitoring plugin, with performance data.
//!
//! Owns its form: `DNS OK - text | 'label'=value;warn;crit;min`. What is after the bar comes from us alone.

use std::fmt::Write as _;
use std::time::Duration;

use checker_core::Verdict;
use checker_core::dns::Bounds;

use super::{Line, text};
use crate::job::Job;

/// The line, and with `-v` more lines before the performance data's end.
pub(super) fn line(lines: &[Line<'_>], job: &Job, verdict: Verdict) -> String {
    let status = match verdict {
        Verdict::Up => "OK",
        Verdict::Degraded => "WARNING",
        Verdict::Down => "CRITICAL",
        Verdict::Unknown => "UNKNOWN",
    };
    // A bar would begin the performance data.
    let said = match lines {
        [line] => text::one(line),
        lines => {
            let up = lines.iter().filter(|line| line.seen.verdict == Verdict::Up).count();
            let mut said = format!("{up} of {} servers up", lines.len());
            for line in lines.iter().filter(|line| line.seen.verdict != Verdict::Up).take(4) {
                let _ = write!(said, "; {}", text::one(line));
            }
            said
        }
    };
    let mut output = format!("DNS {status} - {} |", said.replace('|', "/"));
    let latency = job.questions.first().map(|asked| asked.check.expect.latency).unwrap_or_default();
    let range = |bounds: Option<Bounds<Duration>>| bounds.map_or(String::new(), |bounds| bounds.to_string());
    for line in lines {
        let label = if lines.len() == 1 { "time".to_owned() } else { format!("time_{}", line.server) };
        let took = line
            .tally
            .percentile(50)
            .map_or_else(|| "U".to_owned(), |took| format!("{:.6}s", took.as_secs_f64()));
        let _ = write!(
            output,
            " '{}'={took};{};{};0",
            label.replace(['\'', '='], "_"),
            range(latency.should),
            range(latency.must)
        );
    }
    output.push('\n');
    if job.output.verbose {
        output.push_str(&text::round(lines, job).replace('|', "/"));
    }
    output
}
