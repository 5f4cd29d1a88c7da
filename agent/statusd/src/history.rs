//! The latencies of the last minutes, in memory.
//!
//! Owns one ring of samples per real server, with a limit for each and for all together. What is not known is no sample of
//! zero. Nothing is kept over a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::{RealServerId, Verdict};
use agent_core::view::View;

/// How far apart samples are.
pub const STEP: Duration = Duration::from_secs(10);
/// How many are kept of each real server: ten minutes.
pub const KEPT: usize = 60;
/// Of so many real servers at most, the first by name: 5 MB.
const TRACKED: usize = 20_000;

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// An answer after so many microseconds.
    Answer(u32),
    /// No good answer.
    Failure,
    /// Not judged at that time.
    Unknown,
}

/// Samples of one real server, oldest first once read out.
#[derive(Debug, Clone)]
struct Ring {
    samples: [Sample; KEPT],
    next: usize,
    length: usize,
}

impl Ring {
    const EMPTY: Self = Self { samples: [Sample::Unknown; KEPT], next: 0, length: 0 };

    fn push(&mut self, sample: Sample) {
        if let Some(place) = self.samples.get_mut(self.next) {
            *place = sample;
        }
        self.next = (self.next + 1) % KEPT;
        self.length = (self.length + 1).min(KEPT);
    }

    fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        let start = (self.next + KEPT - self.length) % KEPT;
        self.samples.iter().cycle().skip(start).take(self.length).copied()
    }
}

/// The samples of all real servers.
#[derive(Debug, Default)]
pub struct History {
    rings: BTreeMap<RealServerId, Ring>,
}

impl History {
    /// Takes one sample of everything that `view` shows, and forgets what it shows no more.
    pub fn take(&mut self, view: &View) {
        let mut former = std::mem::take(&mut self.rings);
        let servers =
            view.virtual_servers.iter().flat_map(|pool| pool.real_servers.iter().map(move |s| (pool, s)));
        for (pool, server) in servers.take(TRACKED) {
            let id = RealServerId { virtual_server: pool.name.clone(), real_server: server.name.clone() };
            let sample = match (server.verdict, server.latency_us) {
                (Verdict::Unknown, _) => Sample::Unknown,
                (_, Some(latency)) if server.passing => {
                    Sample::Answer(u32::try_from(latency).unwrap_or(u32::MAX))
                }
                (_, None) if server.passing => Sample::Unknown,
                _ => Sample::Failure,
            };
            let mut ring = former.remove(&id).unwrap_or(Ring::EMPTY);
            ring.push(sample);
            self.rings.insert(id, ring);
        }
    }

    /// The samples of one real server, oldest first; none when it is not tracked.
    pub fn of(&self, id: &RealServerId) -> Vec<Sample> {
        self.rings.get(id).map(|ring| ring.iter().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_latest_in_order() {
        let mut ring = Ring::EMPTY;
        assert_eq!(ring.iter().count(), 0);
        for n in 0..3 {
            ring.push(Sample::Answer(n));
        }
        assert_eq!(ring.iter().collect::<Vec<_>>(), [0, 1, 2].map(Sample::Answer));
        for n in 3..200 {
            ring.push(Sample::Answer(n));
        }
        let kept: Vec<Sample> = ring.iter().collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0], kept[KEPT - 1]), (Sample::Answer(140), Sample::Answer(199)));
    }
}
