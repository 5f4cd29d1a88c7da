//! The Backup state: watching the Active router (RFC 9568, 6.4.2).
//!
//! Owns the Active_Down_Timer, what adverts do to it, the preemption delay, and the decision to take over. It sends
//! nothing.

use std::net::IpAddr;
use std::time::Duration;

use super::action::{Event, Reason};
use super::status::HeardActive;
use super::timers::Deadline;
use super::{State, VirtualRouter};
use crate::codec::{Advert, PRIORITY_LEAVING, Version};
use crate::interval::skew;
use crate::time::Time;

/// What a Backup keeps in mind.
#[derive(Debug, Default)]
pub(super) struct Watch {
    preemption: Preemption,
    /// Why the Active_Down_Timer runs as it does: the reason for the takeover if it fires.
    expecting: Expecting,
    /// The Active router heard last, ourselves excluded.
    pub(super) heard: Option<HeardActive>,
    /// How often in a row a takeover was put off because we were late.
    postponed: u8,
}

/// How far the preemption delay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Preemption {
    /// No Active router of lower priority has been heard.
    #[default]
    Idle,
    /// One has, and is left alone for the time being.
    Delayed,
    /// It has been left alone long enough.
    Due,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expecting {
    #[default]
    Silence,
    Leaving,
    Preemption,
}

/// Late takeovers that are put off in a row. A machine that is always late must still serve in the end.
const POSTPONEMENTS: u8 = 3;
/// By this share of an interval we may be late and still trust what we did not hear. The Active router may run on a machine that
/// stood still when ours did, and has to have its say first.
const TRUSTED_SHARE: u32 = 4;

impl VirtualRouter {
    pub(super) fn become_backup(&mut self, reason: Reason, patience: Duration, now: Time) {
        self.become_state(State::Backup, reason, now);
        self.backup.preemption = Preemption::Idle;
        self.backup.expecting = Expecting::Silence;
        self.backup.postponed = 0;
        self.wait_for_advert(patience, now);
    }

    /// Sets the Active_Down_Timer, and a look at the clock its skew and an interval before: earlier than an Active router that
    /// stood still as long as we did would think that another has taken over.
    pub(super) fn wait_for_advert(&mut self, patience: Duration, now: Time) {
        let interval = self.active_interval;
        let ahead = interval.span() + skew(self.config.settings().version, self.priority(), interval);
        let down = now + patience;
        self.timers.set(Deadline::ActiveDown, down);
        self.timers.set(Deadline::Overdue, down.before(ahead).max(now));
    }

    pub(super) fn heard_as_backup(&mut self, source: IpAddr, advert: &Advert<'_>, now: Time) {
        if advert.priority == PRIORITY_LEAVING {
            self.active_leaves(now);
            return;
        }
        self.backup.heard =
            Some(HeardActive { source, priority: advert.priority, interval: advert.interval, last: now });
        // Equal priority never preempts, whatever the addresses.
        if advert.priority < self.priority() && self.preempts(now) {
            if self.backup.expecting == Expecting::Silence {
                self.backup.expecting = Expecting::Preemption;
            }
            return;
        }
        if advert.priority >= self.priority() {
            self.backup.preemption = Preemption::Idle;
            self.timers.stop(Deadline::PreemptDelay);
        }
        self.follow(advert, now);
    }

    /// Takes the sender for the Active router.
    fn follow(&mut self, advert: &Advert<'_>, now: Time) {
        self.learn(advert);
        self.ready = None;
        self.backup.postponed = 0;
        self.backup.expecting = Expecting::Silence;
        self.wait_for_advert(self.down_interval(), now);
    }

    /// Whether a router of lower priority is not to be left alone any longer.
    fn preempts(&mut self, now: Time) -> bool {
        let settings = self.config.settings();
        if !settings.preempt {
            return false;
        }
        if self.backup.preemption == Preemption::Idle {
            if settings.preempt_delay == Duration::ZERO {
                self.backup.preemption = Preemption::Due;
            } else {
                self.backup.preemption = Preemption::Delayed;
                self.timers.set(Deadline::PreemptDelay, now + settings.preempt_delay);
            }
        }
        self.backup.preemption == Preemption::Due
    }

    pub(super) fn preempt_delay_over(&mut self) {
        if self.state == State::Backup {
            self.backup.preemption = Preemption::Due;
        }
    }

    /// Priority 0 was heard. It can only bring the takeover nearer: a flood of them must not put it off.
    fn active_leaves(&mut self, now: Time) {
        self.backup.heard = None;
        self.backup.preemption = Preemption::Idle;
        self.timers.stop(Deadline::PreemptDelay);
        let settings = self.config.settings();
        let soon = now + skew(settings.version, self.priority(), self.active_interval);
        if self.timers.at(Deadline::ActiveDown).is_some_and(|at| soon < at) {
            self.backup.expecting = Expecting::Leaving;
            self.timers.set(Deadline::ActiveDown, soon);
            self.timers.stop(Deadline::Overdue);
        }
    }

    /// Two adverts are missing. If this is seen late we did not run meanwhile, and what we did not hear says nothing.
    pub(super) fn overdue(&mut self, at: Time, now: Time) {
        let down = self.timers.at(Deadline::ActiveDown);
        if self.state == State::Backup && down.is_some_and(|down| down < now + self.listening_interval()) {
            self.listen_again_if_late(at, now);
        }
    }

    fn listen_again_if_late(&mut self, at: Time, now: Time) -> bool {
        let late = now.since(at);
        let interval = self.active_interval.span();
        // One that leaves, or is worse, need not be given time to speak.
        let trusted = match self.backup.expecting {
            Expecting::Leaving | Expecting::Preemption => interval,
            Expecting::Silence => interval / TRUSTED_SHARE,
        };
        if late <= trusted || self.backup.postponed >= POSTPONEMENTS {
            return false;
        }
        self.backup.postponed += 1;
        self.report(Event::TimerLate { late });
        self.wait_for_advert(self.listening_interval(), now);
        true
    }

    pub(super) fn active_down(&mut self, at: Time, now: Time) {
        // A look at the clock that is due as well was missed, and that is how late we are.
        let at = self.timers.at(Deadline::Overdue).unwrap_or(at);
        if self.listen_again_if_late(at, now) {
            return;
        }
        self.timers.stop(Deadline::Overdue);
        let reason = match self.backup.expecting {
            Expecting::Silence => Reason::ActiveFellSilent,
            Expecting::Leaving => Reason::ActiveLeft,
            Expecting::Preemption => Reason::Preempted,
        };
        self.want_active(reason, now);
    }

    /// Becomes Active, or says to the sync group that it would.
    pub(super) fn want_active(&mut self, reason: Reason, now: Time) {
        if self.grouped {
            self.timers.stop(Deadline::ActiveDown);
            self.ready = Some(reason);
        } else {
            self.become_active(reason, now);
        }
    }

    /// Keeps the Active router's interval in mind, up to the limit (version 3).
    pub(super) fn learn(&mut self, advert: &Advert<'_>) {
        if advert.version == Version::V3 {
            self.active_interval = advert.interval.min(self.config.learned_interval_limit());
        }
    }

    /// Moves a running Active_Down_Timer along with the skew.
    pub(super) fn shift_down_timer(&mut self, before: Duration, after: Duration, now: Time) {
        if let Some(at) = self.timers.at(Deadline::ActiveDown) {
            self.timers.set(Deadline::ActiveDown, (at.before(before) + after).max(now));
        }
    }
}
