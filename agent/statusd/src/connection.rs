//! Seats: who is connected, and who has to leave when there is no room.
//!
//! Owns the number of connections and the choice of the one that is closed for a new one: whoever has been sitting there
//! longest without asking anything, then whoever takes longest to read an answer, never a stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long an answer may take to be read before it counts as slow when there is no room.
const SLOW: Duration = Duration::from_secs(5);

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// It has asked nothing, or everything that it asked is answered.
    Idle,
    /// It is being answered.
    Busy,
    /// It is being told of changes.
    Streaming,
}

/// One connection.
#[derive(Debug)]
pub struct Seat {
    state: Mutex<(Doing, Instant)>,
    /// Rings when it has to leave.
    pub leave: Notify,
}

impl Seat {
    fn new() -> Self {
        Self { state: Mutex::new((Doing::Idle, Instant::now())), leave: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, (Doing, Instant)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, doing: Doing) {
        *self.state() = (doing, Instant::now());
    }

    pub fn is_idle(&self) {
        self.set(Doing::Idle);
    }

    pub fn is_busy(&self) {
        self.set(Doing::Busy);
    }

    pub fn is_streaming(&self) {
        self.set(Doing::Streaming);
    }
}

/// All connections.
#[derive(Debug)]
pub struct Floor {
    seats: Mutex<(u64, BTreeMap<u64, Arc<Seat>>)>,
    limit: usize,
}

/// A taken seat; free again when dropped.
#[derive(Debug)]
pub struct Taken {
    floor: Arc<Floor>,
    number: u64,
    /// The seat.
    pub seat: Arc<Seat>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.floor.seats().1.remove(&self.number);
    }
}

impl Floor {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { seats: Mutex::default(), limit })
    }

    fn seats(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Seat>>)> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat, and says whether somebody had to leave for it. None when nobody can be asked to.
    pub fn take(self: &Arc<Self>) -> Option<(Taken, bool)> {
        let mut seats = self.seats();
        let full = seats.1.len() >= self.limit;
        if full {
            let number = dispensable(&seats.1, Instant::now())?;
            if let Some(seat) = seats.1.remove(&number) {
                seat.leave.notify_one();
            }
        }
        seats.0 += 1;
        let number = seats.0;
        let seat = Arc::new(Seat::new());
        seats.1.insert(number, Arc::clone(&seat));
        Some((Taken { floor: Arc::clone(self), number, seat }, full))
    }
}

/// Who can leave with the least harm.
fn dispensable(seats: &BTreeMap<u64, Arc<Seat>>, now: Instant) -> Option<u64> {
    let since = |wanted: Doing| {
        seats
            .iter()
            .filter_map(move |(number, seat)| {
                let (doing, since) = *seat.state();
                (doing == wanted).then_some((since, *number))
            })
            .min()
    };
    let slow = || since(Doing::Busy).filter(|(since, _)| now.duration_since(*since) > SLOW);
    since(Doing::Idle).or_else(slow).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_one_leaves() {
        let floor = Floor::new(3);
        let (a, _) = floor.take().unwrap();
        let (b, _) = floor.take().unwrap();
        let (c, full) = floor.take().unwrap();
        assert!(!full);
        a.seat.is_streaming();
        b.seat.is_idle();
        let (d, full) = floor.take().unwrap();
        assert!(full);
        // c had been idle since before b was.
        assert!(!floor.seats().1.contains_key(&c.number));
        assert!(floor.seats().1.contains_key(&b.number));
        b.seat.is_busy();
        d.seat.is_streaming();
        assert!(floor.take().is_none(), "nobody is idle, and nobody slow yet");
        drop(d);
        assert_eq!(floor.seats().1.len(), 2);
        assert!(floor.take().is_some());
    }

    #[test]
    fn a_slow_reader_leaves_when_nobody_is_idle() {
        let floor = Floor::new(2);
        let (a, _) = floor.take().unwrap();
        let (b, _) = floor.take().unwrap();
        a.seat.is_streaming();
        b.seat.is_busy();
        let late = Instant::now() + 2 * SLOW;
        assert_eq!(dispensable(&floor.seats().1, late), Some(b.number));
    }
}
