//! How long to wait before the next attempt.
//!
//! Owns the growing pause between attempts to reach the agent. It never waits itself.

use std::time::Duration;

/// The first pause.
pub const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(1);

/// Pauses that double from [`FIRST`] to [`LONGEST`].
#[derive(Debug)]
pub struct Backoff(Duration);

impl Backoff {
    pub fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }

    /// The agent answered: the next pause is short again.
    pub fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_again() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> = (0..7).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.pause(), FIRST);
    }
}
