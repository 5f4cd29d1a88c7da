//! The daemon's one clock.
//!
//! Owns the choice of `CLOCK_BOOTTIME`: it never goes back and does not stand still while the machine sleeps, so a pause
//! is seen as one.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use vrrp_core::Time;

/// Now.
#[must_use]
pub fn now() -> Time {
    Time::from_start(read(ClockId::CLOCK_BOOTTIME))
}

/// How long the kernel has been up, without sleep: the clock of the kernel's own time stamps.
pub(crate) fn uptime() -> Duration {
    read(ClockId::CLOCK_MONOTONIC)
}

fn read(clock: ClockId) -> Duration {
    // Linux has both clocks since 2.6.39, and the buffer is the library's own, so this does not fail.
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}
