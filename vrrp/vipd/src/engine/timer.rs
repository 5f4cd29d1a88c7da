//! The one timer.
//!
//! Owns a timer descriptor on `CLOCK_BOOTTIME` and what it is set to, so that it is set only when that changes.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use vrrp_core::Time;

#[derive(Debug)]
pub(super) struct Timer {
    fd: TimerFd,
    set: Option<Time>,
}

impl Timer {
    pub(super) fn new() -> nix::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { fd: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?, set: None })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Wakes up at `at` or earlier, or not at all. A moment that has passed wakes up at once. A timer that is set for earlier
    /// is left alone: most deadlines move away before they come, and one wake-up for nothing costs less than setting it anew
    /// each time.
    pub(super) fn set(&mut self, at: Option<Time>) -> nix::Result<()> {
        if self.set.is_some_and(|set| at.is_some_and(|at| set <= at)) {
            return Ok(());
        }
        match at {
            Some(at) => {
                // Zero would switch it off.
                let at = TimeSpec::from(at.since_start().max(Duration::from_nanos(1)));
                self.fd.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.fd.unset()?,
        }
        self.set = at;
        Ok(())
    }

    /// Takes note that it has fired. Its descriptor stays readable until it is set again, which it is before each wait.
    pub(super) fn fired(&mut self) {
        self.set = None;
    }
}
