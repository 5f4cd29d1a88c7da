//! What our own lateness makes of a result.
//!
//! Owns the two limits of a probe's end: silence that is noticed late proves nothing, and neither does a pass, for nobody can say any more
//! whether it came in time. It never reads a clock.

use std::time::Duration;

use crate::finding::Finding;
use crate::verdict::{Cause, Verdict};

/// How late the end of a probe may be noticed. Beyond that this process was stalled, and silence proves nothing.
pub const LATE_MAX: Duration = Duration::from_millis(250);

/// What is said of a reply that was read this long after the end of the probe.
#[must_use]
pub fn read_late(late: Duration) -> String {
    format!(
        "the reply was read {} ms after the end of the probe: too late to tell whether it came in time",
        ms(late)
    )
}

/// What is found when silence is noticed this long after the end of the probe, if that is too late.
#[must_use]
pub fn noticed_late(late: Duration) -> Option<Finding> {
    (late > LATE_MAX).then(|| {
        Finding::failed(Cause::LateTimer, format!("the end of the probe was noticed {} ms late", ms(late)))
    })
}

/// What was found by a probe whose result was there this long after its end: nothing passes that late. What failed is a failure still,
/// for a wrong answer is wrong at any time.
#[must_use]
pub fn in_time(finding: Finding, late: Duration) -> Finding {
    if late.is_zero() || !finding.verdict.passes() {
        return finding;
    }
    Finding { verdict: Verdict::Unknown, cause: Some(Cause::LateTimer), detail: read_late(late), ..finding }
}

/// Whole milliseconds, at least one.
fn ms(late: Duration) -> u128 {
    late.as_millis().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_passes_after_its_time() {
        let passed = Finding::passed(40 * MS, "status 200".to_owned());
        assert_eq!(in_time(passed.clone(), Duration::ZERO), passed);
        let late = in_time(passed, 2_780 * MS);
        assert_eq!((late.verdict, late.cause), (Verdict::Unknown, Some(Cause::LateTimer)));
        assert!(late.detail.contains("2780 ms after"), "{late:?}");
        assert_eq!(late.reply, "status 200");
        let wrong = Finding::failed(Cause::HttpStatus, "status 500".to_owned());
        assert_eq!(in_time(wrong.clone(), 2_780 * MS), wrong);
    }

    #[test]
    fn silence_counts_unless_it_is_noticed_late() {
        assert_eq!(noticed_late(LATE_MAX), None);
        assert_eq!(noticed_late(LATE_MAX + MS).unwrap().verdict, Verdict::Unknown);
    }
}
