//! When the next probe is due.
//!
//! Owns the due times of many recurring probes: their phases are spread over the interval, jitter keeps them from falling
//! into step, and with one that is due go those that are within a small window after it, so that they share one wake-up. It never
//! runs a probe and never reads a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::time::{Time, nanos};

/// A probe goes with an earlier one by at most this part of its interval: what is repeated soon keeps its distance, and needs no narrower
/// window for all others.
const EARLY_PART: u32 = 10;

/// Which probe: its place in the schedule, and a count that tells a place's users apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId {
    place: u32,
    turn: u32,
}

impl ProbeId {
    /// The id as one number, for carrying through another's API.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.place as u64) << 32 | self.turn as u64
    }

    /// The id from its number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { place: (bits >> 32) as u32, turn: bits as u32 }
    }

    /// A small number that no other probe in the schedule has at the same time.
    #[must_use]
    pub const fn place(self) -> usize {
        self.place as usize
    }
}

/// A probe that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub id: ProbeId,
    /// How late it is handed out; zero when on time or within the window.
    pub late: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    turn: u32,
    interval: Duration,
    /// Spreads phase and jitter; the same for the same key on every start.
    hash: u64,
    /// Probes so far.
    round: u64,
    used: bool,
    /// When it is due; `None` while it runs.
    due: Option<Time>,
}

/// Due times of recurring probes. Every operation takes at most time logarithmic in their number.
#[derive(Debug)]
pub struct Schedule {
    seed: u64,
    window: Duration,
    /// Due times, the earliest first; entries of probes that were moved or removed are skipped.
    queue: BinaryHeap<Reverse<(Time, ProbeId)>>,
    places: Vec<Place>,
    free: Vec<u32>,
    /// Whether one was due since [`Schedule::poll_due`] last found none: then the window goes with it.
    open: bool,
}

impl Schedule {
    /// An empty schedule. `seed` makes phases differ between machines; what is due within `window` after one that is due
    /// is handed out with it, earlier by a tenth of its interval at most.
    #[must_use]
    pub fn new(seed: u64, window: Duration) -> Self {
        Self { seed, window, queue: BinaryHeap::new(), places: Vec::new(), free: Vec::new(), open: false }
    }

    /// Changes the window.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
    }

    /// Adds a probe to be run every `interval`, for the first time within one interval from `now`: when exactly follows
    /// from the seed and `key` alone.
    pub fn insert(&mut self, key: &str, interval: Duration, now: Time) -> ProbeId {
        let hash = fnv1a(self.seed, key.as_bytes());
        let phase = now + Duration::from_nanos(scale(nanos(interval), mix(hash)));
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.places.push(Place { turn: 0, interval, hash, round: 0, used: false, due: None });
                // A schedule of four thousand million probes does not fit in memory.
                (self.places.len() - 1) as u32
            }
        };
        let mut id = ProbeId { place, turn: 0 };
        if let Some(slot) = self.places.get_mut(place as usize) {
            let turn = slot.turn.wrapping_add(1);
            *slot = Place { turn, interval, hash, round: 0, used: true, due: Some(phase) };
            id.turn = turn;
        }
        self.queue.push(Reverse((phase, id)));
        id
    }

    /// Puts off everything that is due: what was planned some time before anything could begin.
    pub fn put_off(&mut self, by: Duration) {
        let moved = self.queue.drain().map(|Reverse((at, id))| Reverse((at + by, id))).collect();
        self.queue = moved;
        for due in self.places.iter_mut().filter_map(|place| place.due.as_mut()) {
            *due += by;
        }
    }

    /// Removes a probe. Unknown ids are ignored.
    pub fn remove(&mut self, id: ProbeId) {
        if let Some(place) = self.place_mut(id) {
            place.used = false;
            place.due = None;
            self.free.push(id.place);
        }
    }

    /// Whether the probe is in the schedule.
    #[must_use]
    pub fn contains(&self, id: ProbeId) -> bool {
        self.places.get(id.place()).is_some_and(|place| place.used && place.turn == id.turn)
    }

    /// How many probes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the next probe is due; `None` when none is, because there is none or all are running.
    pub fn deadline(&mut self) -> Option<Time> {
        self.skip_stale();
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Hands out one probe that is due at `now`; and after it those that are due within the window after `now`, but not these alone: whoever
    /// was woken for something else would else begin them one by one. None is handed out again before [`Schedule::started`] has said when
    /// it was started. To be called until it returns `None`.
    pub fn poll_due(&mut self, now: Time) -> Option<Due> {
        self.skip_stale();
        let next = self.queue.peek().map(|Reverse(next)| *next);
        let early = |id: ProbeId| match self.places.get(id.place()) {
            Some(place) if self.open => self.window.min(place.interval / EARLY_PART),
            _ => Duration::ZERO,
        };
        let Some((at, id)) = next.filter(|(at, id)| *at <= now + early(*id)) else {
            self.open = false;
            return None;
        };
        self.open = true;
        self.queue.pop();
        if let Some(place) = self.place_mut(id) {
            place.due = None;
        }
        Some(Due { id, late: now.since(at) })
    }

    /// Changes the interval of a probe from its next run on.
    pub fn set_interval(&mut self, id: ProbeId, interval: Duration) {
        if let Some(place) = self.place_mut(id) {
            place.interval = interval;
        }
    }

    /// Sets when a probe that was handed out is due next: nine to ten tenths of its interval after `start`, the moment it
    /// was started, but not before `now`, when it is over.
    pub fn started(&mut self, id: ProbeId, start: Time, now: Time) {
        let Some(place) = self.place_mut(id).filter(|place| place.due.is_none()) else { return };
        place.round += 1;
        let interval = nanos(place.interval);
        let shorter = scale(
            interval / 10,
            mix(place.hash.wrapping_add(place.round.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        );
        let due = (start + Duration::from_nanos(interval - shorter)).max(now);
        place.due = Some(due);
        self.queue.push(Reverse((due, id)));
    }

    fn place_mut(&mut self, id: ProbeId) -> Option<&mut Place> {
        self.places.get_mut(id.place()).filter(|place| place.used && place.turn == id.turn)
    }

    fn skip_stale(&mut self) {
        while let Some(Reverse((at, id))) = self.queue.peek() {
            let current = self
                .places
                .get(id.place())
                .is_some_and(|p| p.used && p.turn == id.turn && p.due == Some(*at));
            if current {
                return;
            }
            self.queue.pop();
        }
    }
}

/// A seed from a text that differs between machines.
#[must_use]
pub fn seed(text: &str) -> u64 {
    fnv1a(0, text.as_bytes())
}

/// `whole` times a fraction of which `random` gives the 64 bits behind the point.
fn scale(whole: u64, random: u64) -> u64 {
    ((u128::from(whole) * u128::from(random)) >> 64) as u64
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo), begun with a seed.
fn fnv1a(seed: u64, octets: &[u8]) -> u64 {
    let prime = 0x0000_0100_0000_01b3u64;
    let start = 0xcbf2_9ce4_8422_2325u64 ^ mix(seed);
    octets.iter().fold(start, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(prime))
}

/// Spreads the bits of a number over all 64: the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
