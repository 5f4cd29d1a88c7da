//! Waiting for things to come true, with a deadline, and knowing how long the machine itself kept us waiting.
//!
//! Owns every pause of the tests. Never sleeps a fixed time in the hope that something has happened by then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long between two looks. A look costs some microseconds, so that this is the precision of all measured times.
pub const LOOK: Duration = Duration::from_millis(5);

/// Looks until `seen` gives something, for `limit` at most.
///
/// # Errors
/// What did not come true in time, or the first error of `seen`.
pub fn wait_for<T>(what: &str, limit: Duration, mut seen: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = seen()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("not within {:.1} s: {what}", limit.as_secs_f64());
        }
        thread::sleep(LOOK);
    }
}

/// Looks for `length` that `holds` stays true.
///
/// # Errors
/// What ceased to be true, or the first error of `holds`.
pub fn stays(what: &str, length: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let (start, mut looks) = (Instant::now(), 0_u32);
    while start.elapsed() < length || looks < 2 {
        if !holds()? {
            bail!("not true any more after {:.1} s: {what}", start.elapsed().as_secs_f64());
        }
        looks += 1;
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Measures how late this machine runs what is due: a thread that sleeps in short steps and notes the longest delay.
///
/// What Holdfast promises in seconds holds for a machine that runs its processes when they are due. A test adds the delays seen here to
/// the promised time, so that a busy machine does not fail it and a slow daemon does.
#[derive(Debug)]
pub struct Stalls {
    worst_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stalls {
    /// Starts measuring.
    #[must_use]
    pub fn watch() -> Self {
        let worst_us = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (worst, ended) = (Arc::clone(&worst_us), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let before = Instant::now();
                thread::sleep(LOOK);
                let late = before.elapsed().saturating_sub(LOOK);
                worst.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { worst_us, stop, thread: Some(thread) }
    }

    /// The longest delay since the last call.
    #[must_use]
    pub fn take_worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.swap(0, Ordering::Relaxed))
    }

    /// The longest delay since the last [`Stalls::take_worst`].
    #[must_use]
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
