//! Waking a thread that waits in `poll(2)`.
//!
//! Owns two eventfds, one for news and one for the end. Ringing never blocks.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Two bells that another thread can ring: one for news, one that it is time to end.
#[derive(Debug)]
pub struct Wake {
    news: EventFd,
    stop: EventFd,
    stopping: AtomicBool,
}

impl Wake {
    pub fn new() -> nix::Result<Self> {
        let bell = || EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        Ok(Self { news: bell()?, stop: bell()?, stopping: AtomicBool::new(false) })
    }

    /// There is news. Ringing twice is as good as once.
    pub fn ring(&self) {
        let _rings_already = self.news.write(1);
    }

    /// The thread is to end. This bell is never silenced.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let _rings_already = self.stop.write(1);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Silences the bell for news.
    pub fn hush(&self) {
        let _was_silent = self.news.read();
    }

    /// Waits until `deadline` or the end; news have time.
    pub fn sleep(&self, deadline: Instant) {
        while !self.is_stopping() && Instant::now() < deadline {
            if wait_any(&[(self.stop_bell(), PollFlags::POLLIN)], deadline).is_err() {
                return;
            }
        }
    }

    pub fn news_bell(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    pub fn stop_bell(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }
}

/// Waits until one of `sources` has what it waits for (or has failed), or `deadline`. Says which.
pub fn wait_any(sources: &[(BorrowedFd<'_>, PollFlags)], deadline: Instant) -> nix::Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = sources.iter().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    match poll(&mut polled, timeout(left)) {
        Ok(_) => Ok(polled.iter().map(|fd| fd.any() != Some(false)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; sources.len()]),
        Err(error) => Err(error),
    }
}

/// `left` in whole milliseconds, rounded up so that a wait never turns into a busy loop.
fn timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000).min(60_000);
    u16::try_from(millis).map_or(PollTimeout::MAX, PollTimeout::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_ring_until_hushed_and_the_end_ends_a_sleep() {
        let wake = Wake::new().unwrap();
        let rings = || {
            let soon = Instant::now() + Duration::from_millis(5);
            wait_any(&[(wake.news_bell(), PollFlags::POLLIN)], soon).unwrap() == [true]
        };
        assert!(!rings());
        wake.ring();
        wake.ring();
        assert!(rings());
        wake.hush();
        assert!(!rings(), "two rings are one");
        let end = Instant::now() + Duration::from_millis(20);
        wake.ring();
        wake.sleep(end);
        assert!(Instant::now() >= end, "news do not end a sleep");
        wake.stop();
        wake.sleep(Instant::now() + Duration::from_secs(600));
    }
}
