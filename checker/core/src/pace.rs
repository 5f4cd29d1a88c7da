//! How long to wait between the probes of one server.
//!
//! Owns the three intervals and the rule which of them applies: the fast one while a verdict may be about to change, growing
//! ones up to a limit while a server stays down, the normal one otherwise. It never decides a verdict and keeps no time.

use std::time::Duration;

use crate::thresholds::{Standing, Thresholds};
use crate::verdict::Verdict;

/// The intervals of one check, from the start of one probe to the start of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// While nothing changes.
    pub normal: Duration,
    /// While results speak against the verdict, so that it changes or is borne out soon.
    pub fast: Duration,
    /// The longest while a server stays down.
    pub down: Duration,
}

impl Pace {
    /// The same interval always.
    #[must_use]
    pub const fn steady(interval: Duration) -> Self {
        Self { normal: interval, fast: interval, down: interval }
    }

    /// The interval to the next probe. `failures` is how many probes in a row have failed.
    ///
    /// A server that is down is probed as often as ever for the first `fall` failures more; from then on the interval
    /// doubles with each, up to `down`. The first pass ends that.
    #[must_use]
    pub fn next(self, standing: &Standing, thresholds: Thresholds, failures: u64) -> Duration {
        let memory = standing.memory();
        if memory.silent > 0 {
            // Probing faster does not mend our own end.
            return self.normal;
        }
        if standing.in_transition() {
            return self.fast;
        }
        if memory.settled != Verdict::Down || memory.passing {
            return self.normal;
        }
        let patient = u64::from(thresholds.fall()) * 2;
        let doublings = u32::try_from(failures.saturating_sub(patient)).unwrap_or(u32::MAX).min(20);
        self.normal.saturating_mul(1 << doublings).min(self.down.max(self.normal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Down, Unknown, Up};

    const MS: Duration = Duration::from_millis(1);

    fn pace() -> Pace {
        Pace { normal: 1000 * MS, fast: 200 * MS, down: 10_000 * MS }
    }

    fn after(results: &[Verdict]) -> Duration {
        let (mut standing, thresholds) = (Standing::new(), Thresholds::default());
        let mut failures = 0;
        for result in results {
            standing.observe(*result, thresholds);
            failures = if *result == Down { failures + 1 } else { 0 };
        }
        pace().next(&standing, thresholds, failures)
    }

    #[test]
    fn it_is_fast_while_a_verdict_may_change() {
        assert_eq!(after(&[]), 1000 * MS);
        assert_eq!(after(&[Up]), 1000 * MS);
        assert_eq!(after(&[Up, Down]), 200 * MS);
        assert_eq!(after(&[Up, Down, Down]), 200 * MS);
        assert_eq!(after(&[Up, Down, Up]), 1000 * MS);
        // The first verdict is worth haste, too.
        assert_eq!(after(&[Down]), 200 * MS);
        assert_eq!(after(&[Up, Down, Down, Down, Up]), 200 * MS);
    }

    #[test]
    fn local_trouble_is_not_hurried() {
        assert_eq!(after(&[Up, Down, Unknown]), 1000 * MS);
        assert_eq!(after(&[Unknown; 5]), 1000 * MS);
    }

    #[test]
    fn it_slows_down_while_a_server_stays_down() {
        let mut results = vec![Up];
        let mut seen = Vec::new();
        for _ in 0..14 {
            results.push(Down);
            seen.push(after(&results).as_millis());
        }
        assert_eq!(
            seen,
            [200, 200, 1000, 1000, 1000, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000, 10_000]
        );
        results.push(Up);
        assert_eq!(after(&results), 200 * MS);
        // Without a down interval nothing slows down.
        let steady = Pace::steady(1000 * MS);
        let standing = Standing::starting(Down);
        assert_eq!(steady.next(&standing, Thresholds::default(), u64::MAX), 1000 * MS);
    }
}
