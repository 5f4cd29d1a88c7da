//! Engines on threads of their own, for more probes than one thread can run.
//!
//! Owns the threads, and what goes to each and comes back under a lock that is held for moments only. Probes go to them in turn. How many
//! there are says whoever drives them; they are started when they are first wanted, and stay. It judges nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use checker_core::Time;
use checker_core::dns::DnsCheck;

use crate::clock;
use crate::prober::{Finished, ProbeError, Prober, Settings, Waker};
use crate::socket::Target;

/// A lane with nothing to do turns this often, so that one that hangs is known from one that rests.
const TURN: Duration = Duration::from_secs(1);

/// Engines on threads of their own. See the module.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// Whose the next probe is.
    next: usize,
    /// Which was last asked for what is over.
    asked: usize,
    /// Wakes whoever waits for what ends.
    waker: Waker,
    finished: VecDeque<Finished>,
}

#[derive(Debug)]
struct Lane {
    shared: Arc<Mutex<Shared>>,
    waker: Waker,
    thread: Option<JoinHandle<Result<(), ProbeError>>>,
    /// To be handed over with [`Lanes::flush`].
    starts: Vec<Start>,
}

/// What both sides see.
#[derive(Debug)]
struct Shared {
    starts: Vec<Start>,
    /// Since when the first of them lies here.
    handed: Option<Time>,
    finished: Vec<Finished>,
    /// Probes that wait for a socket.
    waiting: usize,
    /// The longest that a probe lay here before it was begun.
    late: Duration,
    /// When the lane last turned.
    turned: Time,
    stop: bool,
}

#[derive(Debug)]
struct Start {
    token: u64,
    check: Arc<DnsCheck>,
    target: Target,
}

impl Lanes {
    /// None yet. `waker` is used when a probe is over.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self { lanes: Vec::new(), next: 0, asked: 0, waker, finished: VecDeque::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Starts as many as are missing to `count`, each with these settings.
    ///
    /// # Errors
    /// The kernel refuses a thread or what an engine needs.
    pub fn grow(&mut self, count: usize, settings: Settings) -> Result<(), ProbeError> {
        while self.lanes.len() < count {
            let prober = Prober::new(settings)?;
            let shared = Arc::new(Mutex::new(Shared {
                starts: Vec::new(),
                handed: None,
                finished: Vec::new(),
                waiting: 0,
                late: Duration::ZERO,
                turned: clock::now(),
                stop: false,
            }));
            let (waker, own, tell) = (prober.waker(), Arc::clone(&shared), self.waker.clone());
            let thread = std::thread::Builder::new()
                .name(format!("lane{}", self.lanes.len()))
                .spawn(move || serve(prober, &own, &tell))
                .map_err(ProbeError::Thread)?;
            self.lanes.push(Lane { shared, waker, thread: Some(thread), starts: Vec::new() });
        }
        Ok(())
    }

    /// Lets one of them begin a probe, as soon as [`Lanes::flush`] is called. There must be one.
    pub fn start(&mut self, token: u64, check: &Arc<DnsCheck>, target: Target) {
        self.next = (self.next + 1) % self.lanes.len().max(1);
        if let Some(lane) = self.lanes.get_mut(self.next) {
            lane.starts.push(Start { token, check: Arc::clone(check), target });
        }
    }

    /// Hands over what was started.
    pub fn flush(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| !lane.starts.is_empty()) {
            let mut shared = lock(&lane.shared);
            shared.handed.get_or_insert_with(clock::now);
            shared.starts.append(&mut lane.starts);
            drop(shared);
            lane.waker.wake();
        }
    }

    /// The next probe that is over.
    pub fn next_finished(&mut self) -> Option<Finished> {
        for _ in 0..self.lanes.len() {
            if !self.finished.is_empty() {
                break;
            }
            // In turn, and with the room it took: an hour of many is not remembered.
            self.asked = (self.asked + 1) % self.lanes.len();
            if let Some(lane) = self.lanes.get(self.asked) {
                self.finished = std::mem::take(&mut lock(&lane.shared).finished).into();
            }
        }
        self.finished.pop_front()
    }

    /// How many probes wait for a socket.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lock(&lane.shared).waiting).sum()
    }

    /// The longest that a probe lay in a lane before it was begun, since this was last asked.
    pub fn take_late(&mut self) -> Duration {
        let late = self.lanes.iter().map(|lane| std::mem::take(&mut lock(&lane.shared).late));
        late.max().unwrap_or_default()
    }

    /// Since when the one that turned longest ago has not turned; `None` when there is none.
    ///
    /// # Errors
    /// One has ended. The lanes are of no more use.
    pub fn turned(&mut self) -> Result<Option<Time>, ProbeError> {
        for lane in &mut self.lanes {
            if let Some(thread) = lane.thread.take_if(|thread| thread.is_finished()) {
                let ended = thread.join().unwrap_or(Err(ProbeError::LaneEnded));
                return Err(ended.err().unwrap_or(ProbeError::LaneEnded));
            }
        }
        Ok(self.lanes.iter().map(|lane| lock(&lane.shared).turned).min())
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lock(&lane.shared).stop = true;
            lane.waker.wake();
        }
        for thread in self.lanes.iter_mut().filter_map(|lane| lane.thread.take()) {
            // What it ended with is of no more interest.
            let _ = thread.join();
        }
    }
}

/// Nothing under this lock can be left half done.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one lane until it is to stop. What is under way then is dropped.
fn serve(mut prober: Prober, shared: &Mutex<Shared>, tell: &Waker) -> Result<(), ProbeError> {
    let (mut starts, mut finished) = (Vec::new(), Vec::new());
    loop {
        let now = clock::now();
        let is_news = {
            let mut shared = lock(shared);
            if shared.stop {
                return Ok(());
            }
            std::mem::swap(&mut shared.starts, &mut starts);
            let late = shared.handed.take().map(|handed| now.since(handed));
            shared.late = shared.late.max(late.unwrap_or_default());
            (shared.waiting, shared.turned) = (prober.stats().waiting, now);
            // Whoever has not yet looked is awake already.
            let is_news = shared.finished.is_empty() && !finished.is_empty();
            shared.finished.append(&mut finished);
            is_news
        };
        if is_news {
            tell.wake();
        }
        for Start { token, check, target } in starts.drain(..) {
            prober.start(token, &check, target);
        }
        prober.poll(now + TURN)?;
        finished.extend(std::iter::from_fn(|| prober.next_finished()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_ended_is_told() {
        let prober = Prober::new(Settings::default()).unwrap();
        let mut lanes = Lanes::new(prober.waker());
        lanes.grow(2, Settings::default()).unwrap();
        assert!(lanes.turned().unwrap().is_some());
        lock(&lanes.lanes[1].shared).stop = true;
        lanes.lanes[1].waker.wake();
        let begun = clock::now();
        let error = loop {
            assert!(clock::now().since(begun) < Duration::from_secs(30), "nobody says so");
            match lanes.turned() {
                Ok(_) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "a thread that runs probes has ended");
    }
}
