//! The moments a virtual router waits for.
//!
//! Owns the table of deadlines, one slot each. The next one is the minimum; nothing is ever queued.

use crate::time::Time;

/// Why the router wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// The start delay is over.
    StartDelay,
    /// The addresses could not be claimed or kept; time for another try.
    ClaimRetry,
    /// The Active router of lower priority has been left alone long enough.
    PreemptDelay,
    /// Active_Down_Timer: no advert for too long (RFC 9568, 6.2).
    ActiveDown,
    /// Two intervals, and no advert yet: time to see whether it is we who are late.
    Overdue,
    /// Adver_Timer: our next advert is due (RFC 9568, 6.2).
    Adver,
    /// A better router has the addresses; time to take ours off.
    LetGo,
    /// The addresses' lifetime is to be given anew.
    LeaseRenewal,
    /// The next round of announcements.
    Announcement,
}

impl Deadline {
    const COUNT: usize = 9;

    /// All of them, in the order in which those due at one moment are served.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::StartDelay,
        Self::ClaimRetry,
        Self::PreemptDelay,
        Self::ActiveDown,
        Self::Overdue,
        Self::Adver,
        Self::LetGo,
        Self::LeaseRenewal,
        Self::Announcement,
    ];
}

/// The deadlines that are set.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Time>; Deadline::COUNT]);

impl Timers {
    // `Deadline as usize` is below `COUNT`: the enum has that many variants, numbered from 0.

    pub(super) fn set(&mut self, deadline: Deadline, at: Time) {
        self.0[deadline as usize] = Some(at);
    }

    pub(super) fn stop(&mut self, deadline: Deadline) {
        self.0[deadline as usize] = None;
    }

    pub(super) fn stop_all(&mut self) {
        self.0 = [None; Deadline::COUNT];
    }

    pub(super) fn at(&self, deadline: Deadline) -> Option<Time> {
        self.0[deadline as usize]
    }

    /// Clears a deadline that is due and says when it was.
    pub(super) fn take_due(&mut self, deadline: Deadline, now: Time) -> Option<Time> {
        self.0[deadline as usize].take_if(|at| *at <= now)
    }

    /// The next deadline and what it is for.
    pub(super) fn next(&self) -> Option<(Time, Deadline)> {
        Deadline::ALL.into_iter().filter_map(|deadline| Some((self.at(deadline)?, deadline))).min()
    }
}
