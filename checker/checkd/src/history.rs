//! What the latest probes of one server saw.
//!
//! Owns the evidence: probes in a row that ended alike are one run, and the last [`RUNS_MAX`] runs are kept. So a server that is
//! well for a week costs one entry, and one that flaps is told by its last changes. It never judges.

use std::sync::Arc;
use std::time::Duration;

use agent_api::basis::RUNS_MAX;
use agent_api::{CauseCode, ProbeRun};
use checker_core::{Cause, Finding, Verdict};
use jiff::Timestamp;

/// The latest probes of one server, oldest first. There are thousands of servers and nearly all have one run: room for more is
/// made when there are more.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Vec<Run>);

/// Probes in a row that ended alike, as small as can be: [`ProbeRun`] is how it is told.
#[derive(Debug, Clone)]
struct Run {
    since: Timestamp,
    until: Timestamp,
    detail: Text,
    reply: Text,
    cause: Option<Why>,
    count: u32,
    latency: Micros,
    fastest: Micros,
    slowest: Micros,
    verdict: Verdict,
}

/// A text that is empty more often than not.
type Text = Option<Arc<str>>;

fn text(line: &str) -> Text {
    (!line.is_empty()).then(|| line.into())
}

fn shown(text: &Text) -> String {
    text.as_deref().unwrap_or_default().to_owned()
}

/// Why a probe did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Known(Cause),
    /// A word of another version, from before a restart.
    Foreign(Box<CauseCode>),
}

impl Why {
    fn of(code: &CauseCode) -> Self {
        code.as_str().parse().map_or_else(|_| Self::Foreign(Box::new(code.clone())), Self::Known)
    }

    fn code(&self) -> CauseCode {
        match self {
            Self::Known(cause) => (*cause).into(),
            Self::Foreign(code) => CauseCode::clone(code),
        }
    }
}

/// Microseconds up to an hour, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Micros(u32);

impl Micros {
    const NONE: Self = Self(u32::MAX);

    fn of(micros: Option<u64>) -> Self {
        micros.map_or(Self::NONE, |micros| Self(u32::try_from(micros).unwrap_or(u32::MAX).min(u32::MAX - 1)))
    }

    fn get(self) -> Option<u64> {
        (self != Self::NONE).then(|| self.0.into())
    }
}

impl Run {
    fn restored(run: &ProbeRun) -> Self {
        Self {
            since: run.since,
            until: run.until,
            detail: text(&run.detail),
            reply: text(&run.reply),
            cause: run.cause.as_ref().map(Why::of),
            count: u32::try_from(run.count).unwrap_or(u32::MAX),
            latency: Micros::of(run.latency_us),
            fastest: Micros::of(run.fastest_us),
            slowest: Micros::of(run.slowest_us),
            verdict: run.verdict,
        }
    }

    fn told(&self) -> ProbeRun {
        ProbeRun {
            verdict: self.verdict,
            cause: self.cause.as_ref().map(Why::code),
            detail: shown(&self.detail),
            reply: shown(&self.reply),
            count: self.count.into(),
            since: self.since,
            until: self.until,
            latency_us: self.latency.get(),
            fastest_us: self.fastest.get(),
            slowest_us: self.slowest.get(),
        }
    }
}

impl History {
    /// The history as it was told before.
    pub(crate) fn restored(runs: &[ProbeRun]) -> Self {
        let surplus = runs.len().saturating_sub(RUNS_MAX);
        Self(runs.iter().skip(surplus).map(Run::restored).collect())
    }

    /// Takes what a probe found. Says whether a new run has begun.
    pub(crate) fn take(&mut self, finding: &Finding, now: Timestamp) -> bool {
        let latency = Micros::of(finding.latency.map(micros));
        let cause = finding.cause.map(Why::Known);
        if let Some(run) = self.0.last_mut()
            && run.verdict == finding.verdict
            && run.cause == cause
        {
            run.count = run.count.saturating_add(1);
            run.until = now;
            if run.detail.as_deref().unwrap_or_default() != finding.detail {
                run.detail = text(&finding.detail);
            }
            if latency != Micros::NONE {
                run.latency = latency;
                // None is the largest of all.
                run.fastest = run.fastest.min(latency);
                run.slowest = if run.slowest == Micros::NONE { latency } else { run.slowest.max(latency) };
            }
            return false;
        }
        if self.0.len() >= RUNS_MAX {
            self.0.remove(0);
        }
        self.0.reserve_exact(1);
        self.0.push(Run {
            since: now,
            until: now,
            detail: text(&finding.detail),
            reply: text(&finding.told()),
            cause,
            count: 1,
            latency,
            fastest: latency,
            slowest: latency,
            verdict: finding.verdict,
        });
        true
    }

    /// The runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<ProbeRun> {
        self.0.iter().map(Run::told).collect()
    }

    /// The latest run.
    pub(crate) fn latest(&self) -> Option<ProbeRun> {
        self.0.last().map(Run::told)
    }

    /// How many probes in a row have failed, the latest included.
    pub(crate) fn failures(&self) -> u64 {
        let failed = self.0.iter().rev().take_while(|run| run.verdict == Verdict::Down);
        failed.map(|run| u64::from(run.count)).sum()
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
