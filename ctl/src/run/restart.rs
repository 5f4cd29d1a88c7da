//! When a daemon that died is started again.
//!
//! Owns the delays alone: at once the first time, then ever later up to ten seconds, and from the start again for one
//! that had run well. It starts nothing and reads no clock.

use std::time::Duration;

/// One that has run for this long did not die of how it was started.
const RAN_WELL: Duration = Duration::from_secs(30);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(10);

/// How often in a row a daemon has died young.
#[derive(Debug, Default)]
pub struct Restarts {
    deaths: u32,
}

impl Restarts {
    /// The daemon died after having run for `ran`. Returns how long to wait before it is started again.
    pub fn died(&mut self, ran: Duration) -> Duration {
        if ran >= RAN_WELL {
            self.deaths = 0;
        }
        let delay = match self.deaths {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(10)).min(LONGEST),
        };
        self.deaths = self.deaths.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_are_forgotten() {
        let mut restarts = Restarts::default();
        let young = Duration::from_millis(10);
        let delays: Vec<u64> = (0..8).map(|_| restarts.died(young).as_secs()).collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(restarts.died(RAN_WELL), Duration::ZERO);
        assert_eq!(restarts.died(young), Duration::from_secs(1));
        restarts.deaths = u32::MAX;
        assert_eq!(restarts.died(young), LONGEST);
    }
}
