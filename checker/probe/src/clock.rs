//! The monotonic clock.
//!
//! Owns the only reading of a clock in probing. It never looks at the time of day, which may jump.

use checker_core::Time;
use nix::time::{ClockId, clock_gettime};

/// The present moment on `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Time {
    // The kernel has this clock since 2.6; there is nothing to be done without it.
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return Time::ZERO };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    Time::from_nanos(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0))
}
