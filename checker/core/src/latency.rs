//! How long a check that passed may have taken.
//!
//! Owns the two limits that any kind of check may have, and what exceeding them means. DNS and ping judge their own latency and need none of
//! this. It measures nothing.

use std::borrow::Cow;
use std::time::Duration;

use crate::finding::Finding;
use crate::verdict::{Cause, Verdict};

/// What a pass may have taken. `None`: any time within the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LatencyLimits {
    /// `latency_warn`: what takes longer is degraded.
    pub warn: Option<Duration>,
    /// `latency_max`: what takes longer is a failure.
    pub max: Option<Duration>,
}

impl LatencyLimits {
    /// What is found when these limits hold, too. They make nothing better: what failed stays as it is, and what was degraded before keeps
    /// its cause unless it is a failure now.
    #[must_use]
    pub fn judge<'f>(&self, finding: &'f Finding) -> Cow<'f, Finding> {
        let Some(latency) = finding.latency.filter(|_| finding.verdict.passes()) else {
            return Cow::Borrowed(finding);
        };
        let exceeded = |limit: Option<Duration>| limit.filter(|limit| latency > *limit);
        let (verdict, limit) = match (exceeded(self.max), exceeded(self.warn)) {
            (Some(limit), _) => (Verdict::Down, limit),
            (None, Some(limit)) if finding.verdict == Verdict::Up => (Verdict::Degraded, limit),
            _ => return Cow::Borrowed(finding),
        };
        let ms = |span: Duration| span.as_secs_f64() * 1_000.0;
        let detail = format!("it passed, but took {:.1} ms, expected at most {} ms", ms(latency), ms(limit));
        Cow::Owned(Finding { verdict, cause: Some(Cause::TooSlow), detail, ..finding.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_takes_too_long_is_degraded_or_fails() {
        let limits = LatencyLimits { warn: Some(100 * MS), max: Some(300 * MS) };
        let found = |latency: u32| {
            let finding = Finding::passed(latency * MS, "status 200".into());
            let judged = limits.judge(&finding).into_owned();
            assert_eq!((judged.latency, judged.reply.as_str()), (finding.latency, "status 200"));
            (judged.verdict, judged.cause, judged.detail)
        };
        let slow = Some(Cause::TooSlow);
        assert_eq!(found(100), (Verdict::Up, None, String::new()));
        let detail = "it passed, but took 101.0 ms, expected at most 100 ms";
        assert_eq!(found(101), (Verdict::Degraded, slow, detail.into()));
        let detail = "it passed, but took 301.0 ms, expected at most 300 ms";
        assert_eq!(found(301), (Verdict::Down, slow, detail.into()));
        let finding = Finding::passed(500 * MS, String::new());
        assert_eq!(*LatencyLimits::default().judge(&finding), finding);
    }

    #[test]
    fn they_make_nothing_better() {
        let limits = LatencyLimits { warn: Some(MS), max: None };
        let failed =
            Finding { latency: Some(9 * MS), ..Finding::failed(Cause::HttpStatus, "status 500".into()) };
        assert_eq!(*limits.judge(&failed), failed);
        let degraded = Finding {
            verdict: Verdict::Degraded,
            cause: Some(Cause::TlsCertificateExpiring),
            ..Finding::passed(9 * MS, String::new())
        };
        assert_eq!(*limits.judge(&degraded), degraded);
        let limits = LatencyLimits { warn: None, max: Some(MS) };
        assert_eq!(limits.judge(&degraded).verdict, Verdict::Down);
    }
}
