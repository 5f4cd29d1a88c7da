//! How many may be connected.
//!
//! Owns the places: so many for each user, so many for all readers together, and separate ones for our own users. When all
//! that are allowed are taken, the one that has been idle longest makes room; who reports, watches or is being answered
//! is never sent away. It closes nothing itself.

use std::collections::BTreeMap;

/// Connections of one user.
pub const PER_USER: usize = 64;
/// Connections of all users together that are not ours.
pub const READERS: usize = 256;

/// A connection's number.
pub type Id = u64;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing, since this turn.
    Idle(u64),
    /// A call, a report or a stream.
    Busy,
}

#[derive(Debug)]
struct Place {
    uid: u32,
    ours: bool,
    doing: Doing,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It has a place.
    Granted(Id),
    /// It has the place of another one, which is to be closed.
    Instead {
        /// Its own number.
        id: Id,
        /// The one to close.
        evicted: Id,
    },
    /// This user has as many connections as it may have, and all are in use.
    UserFull,
    /// So have all readers together.
    Full,
}

/// The places that are taken.
#[derive(Debug, Default)]
pub struct Places {
    turn: u64,
    taken: BTreeMap<Id, Place>,
}

impl Places {
    /// Seats a new connection of `uid`.
    pub fn admit(&mut self, uid: u32, ours: bool) -> Admission {
        let of_user = self.taken.values().filter(|place| place.uid == uid).count();
        let readers = self.taken.values().filter(|place| !place.ours).count();
        let evicted = if of_user >= PER_USER {
            let Some(idle) = self.longest_idle(|place| place.uid == uid) else { return Admission::UserFull };
            Some(idle)
        } else if !ours && readers >= READERS {
            // Whoever has most gives first; never somebody who has less than the newcomer will have.
            let greediest = self.greediest_reader().filter(|(_, count)| *count > of_user + 1);
            let idle = greediest.and_then(|(greedy, _)| self.longest_idle(|place| place.uid == greedy));
            let Some(idle) = idle else { return Admission::Full };
            Some(idle)
        } else {
            None
        };
        self.turn += 1;
        let id = self.turn;
        self.taken.insert(id, Place { uid, ours, doing: Doing::Idle(id) });
        match evicted {
            Some(evicted) => {
                self.taken.remove(&evicted);
                Admission::Instead { id, evicted }
            }
            None => Admission::Granted(id),
        }
    }

    /// The connection has something to do.
    pub fn busy(&mut self, id: Id) {
        if let Some(place) = self.taken.get_mut(&id) {
            place.doing = Doing::Busy;
        }
    }

    /// It has nothing to do any more.
    pub fn idle(&mut self, id: Id) {
        self.turn += 1;
        if let Some(place) = self.taken.get_mut(&id) {
            place.doing = Doing::Idle(self.turn);
        }
    }

    /// It is gone.
    pub fn leave(&mut self, id: Id) {
        self.taken.remove(&id);
    }

    fn longest_idle(&self, candidate: impl Fn(&Place) -> bool) -> Option<Id> {
        self.taken
            .iter()
            .filter(|(_, place)| candidate(place))
            .filter_map(|(id, place)| match place.doing {
                Doing::Idle(since) => Some((since, *id)),
                Doing::Busy => None,
            })
            .min()
            .map(|(_, id)| id)
    }

    fn greediest_reader(&self) -> Option<(u32, usize)> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for place in self.taken.values().filter(|place| !place.ours) {
            *counts.entry(place.uid).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests;
