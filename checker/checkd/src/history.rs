//! What the latest probes of one server saw.
//!
//! Owns the evidence: probes in a row that ended alike are one run, and the last [`RUNS_MAX`] runs are kept. So a server that is
//! well for a week costs one entry, and one that flaps is told by its last changes. It never judges.

use std::collections::VecDeque;
use std::time::Duration;

use agent_api::basis::RUNS_MAX;
use agent_api::{CauseCode, ProbeRun};
use checker_core::Finding;
use jiff::Timestamp;

/// The latest probes of one server, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(VecDeque<ProbeRun>);

impl History {
    /// The history as it was told before.
    pub(crate) fn restored(runs: &[ProbeRun]) -> Self {
        let surplus = runs.len().saturating_sub(RUNS_MAX);
        Self(runs.iter().skip(surplus).cloned().collect())
    }

    /// Takes what a probe found. Says whether a new run has begun.
    pub(crate) fn take(&mut self, finding: &Finding, now: Timestamp) -> bool {
        let latency = finding.latency.map(micros);
        let code = finding.cause.map(|cause| cause.code());
        if let Some(run) = self.0.back_mut()
            && run.verdict == finding.verdict
            && run.cause.as_ref().map(CauseCode::as_str) == code
        {
            run.count = run.count.saturating_add(1);
            run.until = now;
            if run.detail != finding.detail {
                run.detail.clone_from(&finding.detail);
            }
            if latency.is_some() {
                run.latency_us = latency;
                run.fastest_us = run.fastest_us.into_iter().chain(latency).min();
                run.slowest_us = run.slowest_us.max(latency);
            }
            return false;
        }
        if self.0.len() >= RUNS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(ProbeRun {
            verdict: finding.verdict,
            cause: finding.cause.map(Into::into),
            detail: finding.detail.clone(),
            reply: finding.reply.clone(),
            count: 1,
            since: now,
            until: now,
            latency_us: latency,
            fastest_us: latency,
            slowest_us: latency,
        });
        true
    }

    /// The runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<ProbeRun> {
        self.0.iter().cloned().collect()
    }

    /// How many probes in a row have failed, the latest included.
    pub(crate) fn failures(&self) -> u64 {
        self.0
            .iter()
            .rev()
            .take_while(|run| run.verdict == agent_api::Verdict::Down)
            .fold(0, |sum, run| sum.saturating_add(run.count))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A span in whole microseconds.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use checker_core::Cause;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pass(us: u64) -> Finding {
        Finding::passed(Duration::from_micros(us), "NOERROR".into())
    }

    fn fail(detail: &str) -> Finding {
        Finding::failed(Cause::DnsServfail, detail.into())
    }

    #[test]
    fn equal_probes_are_one_run() {
        let mut history = History::default();
        let begun: Vec<bool> = [pass(300), pass(100), pass(200), fail("a"), fail("b"), pass(50)]
            .iter()
            .enumerate()
            .map(|(n, finding)| history.take(finding, at(n as i64)))
            .collect();
        assert_eq!(begun, [true, false, false, true, false, true]);
        let runs = history.runs();
        assert_eq!(runs.iter().map(|run| run.count).collect::<Vec<_>>(), [3, 2, 1]);
        let first = &runs[0];
        assert_eq!((first.since, first.until), (at(0), at(2)));
        assert_eq!((first.latency_us, first.fastest_us, first.slowest_us), (Some(200), Some(100), Some(300)));
        assert_eq!((first.reply.as_str(), runs[1].detail.as_str()), ("NOERROR", "b"));
        assert_eq!(history.failures(), 0);
        history.take(&fail("c"), at(9));
        history.take(&Finding::failed(Cause::DnsTimeout, String::new()), at(10));
        assert_eq!(history.failures(), 2);
    }

    #[test]
    fn it_is_bounded_and_survives_a_restart() {
        let mut history = History::default();
        for n in 0..1_000 {
            history.take(&if n % 2 == 0 { pass(1) } else { fail("x") }, at(n));
        }
        assert_eq!(history.len(), RUNS_MAX);
        let again = History::restored(&history.runs());
        assert_eq!(again.runs(), history.runs());
        // Whoever tells more than may be told is cut.
        let many: Vec<ProbeRun> = history.runs().into_iter().cycle().take(100).collect();
        assert_eq!(History::restored(&many).len(), RUNS_MAX);
    }
}
