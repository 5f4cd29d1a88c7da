//! A moment on the monotonic clock, as an argument.
//!
//! Owns the one type in which time comes into the core. It never reads a clock; the shell makes a [`Time`] from
//! a monotonic clock that does not stand still while the machine sleeps (`CLOCK_BOOTTIME`), so that a pause is seen
//! as one. Only differences of two moments mean anything.

use std::ops::Add;
use std::time::Duration;

/// A moment, as the span since an arbitrary start that never changes while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// The start of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A moment from its distance to the start of the clock.
    #[must_use]
    pub const fn from_start(span: Duration) -> Self {
        Self(span)
    }

    /// The distance to the start of the clock.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `span` before this one, but not before the start of the clock.
    #[must_use]
    pub const fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}
