//! The clocks.
//!
//! Owns the only reading of clocks in probing. Spans come from the monotonic one; the time of day, which may jump, is only for
//! what is dated: the times of signatures and names that hold it.

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

/// The time of day in seconds since 1970.
#[must_use]
pub fn epoch() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
