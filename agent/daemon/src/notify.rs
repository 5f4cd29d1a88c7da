//! The talk with systemd: readiness, status, watchdog (`sd_notify(3)`).
//!
//! Owns the messages and how often the watchdog is fed. Without systemd every call does nothing. Nothing here decides
//! whether a daemon works: [`Watchdog::progress`] is called from where work got done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The longest status text, in bytes.
const STATUS_MAX: usize = 400;

/// Tells systemd that the daemon does its work, after its start or after a reload.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Tells systemd that the configuration is being read again; [`ready`] must follow, whatever came of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// Tells systemd that the daemon is ending.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub fn status(text: &str) {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    send(&[NotifyState::Status(line.get(..line.floor_char_boundary(STATUS_MAX)).unwrap_or_default())]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be notified");
    }
}

/// Feeds systemd's watchdog while there is progress. When there is none for the time that `WatchdogSec=` says,
/// systemd ends the daemon and starts it anew.
#[derive(Debug)]
pub struct Watchdog {
    /// `None` when nobody watches.
    timeout: Option<Duration>,
    started: Instant,
    /// When the next message is due, in milliseconds since `started`.
    due_ms: AtomicU64,
}

impl Watchdog {
    /// The watchdog that systemd asked for in the environment, if it did.
    #[must_use]
    pub fn from_environment() -> Self {
        Self { timeout: sd_notify::watchdog_enabled(), started: Instant::now(), due_ms: AtomicU64::new(0) }
    }

    /// How long there may be no progress, at least, before systemd acts: a daemon that may have nothing to do for longer
    /// wakes up in between and makes sure that it could work. `None` when nobody watches.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout / 2)
    }

    /// Says that work got done. Cheap enough for every turn of a loop: systemd hears of it at most twice in its timeout.
    pub fn progress(&self) {
        let Some(timeout) = self.timeout else { return };
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if due(&self.due_ms, elapsed, timeout) {
            send(&[NotifyState::Watchdog]);
        }
    }
}

/// Whether a message is due `elapsed_ms` after the start; if it is, the next one is due half a timeout later.
fn due(due_ms: &AtomicU64, elapsed_ms: u64, timeout: Duration) -> bool {
    let due = due_ms.load(Ordering::Relaxed);
    let half = u64::try_from(timeout.as_millis() / 2).unwrap_or(u64::MAX);
    // Of several threads that find it due at once, one sends.
    elapsed_ms >= due
        && due_ms
            .compare_exchange(due, elapsed_ms.saturating_add(half), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::due;

    #[test]
    fn at_most_twice_per_timeout() {
        let state = AtomicU64::new(0);
        let timeout = Duration::from_secs(10);
        let sent: Vec<u64> = (0..30_000).step_by(100).filter(|now| due(&state, *now, timeout)).collect();
        assert_eq!(sent, [0, 5_000, 10_000, 15_000, 20_000, 25_000]);
    }

    #[test]
    fn a_pause_is_no_debt() {
        let state = AtomicU64::new(0);
        let timeout = Duration::from_secs(10);
        assert!(due(&state, 60_000, timeout));
        assert!(!due(&state, 60_001, timeout), "one message, not one for each missed half");
    }
}
