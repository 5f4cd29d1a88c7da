//! The Initialize state: what must be true before a router takes part, and how it begins (RFC 9568, 6.4.1).
//!
//! Owns the facts that keep a router out, one by one, so that it takes part exactly while none of them holds. It judges
//! no advert.

use std::net::IpAddr;
use std::time::Duration;

use super::action::{Action, Reason};
use super::timers::Deadline;
use super::{Blocked, State, VirtualRouter};
use crate::codec::{Family, PRIORITY_LEAVING, PRIORITY_OWNER};
use crate::interval::shortest_down_interval;
use crate::time::Time;

/// What is known about our ability to take part.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) started: bool,
    pub(super) stopped: bool,
    pub(super) link_up: bool,
    pub(super) has_source: bool,
    pub(super) tracker_failed: bool,
    pub(super) group_fault: bool,
    /// Failed claims in a row.
    pub(super) failed_claims: u32,
}

impl VirtualRouter {
    /// What keeps the router from taking part, apart from its sync group.
    pub(super) fn blocked_by_itself(&self) -> Option<Blocked> {
        let facts = &self.facts;
        if facts.stopped {
            Some(Blocked::Stopped)
        } else if !facts.started {
            Some(Blocked::NotStarted)
        } else if !facts.link_up {
            Some(Blocked::LinkDown)
        } else if !facts.has_source {
            Some(Blocked::NoSource)
        } else if facts.tracker_failed {
            Some(Blocked::TrackerFailed)
        } else if self.timers.at(Deadline::ClaimRetry).is_some() {
            Some(Blocked::AddressesNotHeld)
        } else if self.timers.at(Deadline::StartDelay).is_some() {
            Some(Blocked::StartDelay)
        } else {
            None
        }
    }

    /// What keeps the router from taking part.
    pub(super) fn blocked(&self) -> Option<Blocked> {
        self.blocked_by_itself().or(self.facts.group_fault.then_some(Blocked::GroupFault))
    }

    /// Begins or ends taking part, after a fact changed.
    pub(super) fn reconsider(&mut self, now: Time) {
        match (self.blocked(), self.state) {
            (None, State::Initialize) => self.begin(now),
            (Some(blocked), State::Backup | State::Active) => {
                let reason = match blocked {
                    Blocked::Stopped | Blocked::NotStarted | Blocked::StartDelay => Reason::Stopped,
                    Blocked::LinkDown => Reason::LinkWentDown,
                    Blocked::NoSource => Reason::SourceLost,
                    Blocked::TrackerFailed => Reason::TrackerFailed,
                    Blocked::AddressesNotHeld => Reason::ClaimFailed,
                    Blocked::GroupFault => Reason::GroupFault,
                };
                self.give_up(reason, now);
            }
            (None, _) | (Some(_), State::Initialize) => (),
        }
    }

    pub(super) fn started(&mut self, held: Option<Duration>, now: Time) {
        if self.facts.started {
            return;
        }
        self.facts.started = true;
        let settings = self.config.settings();
        let patience = shortest_down_interval(settings.version, self.config.interval());
        let can_resume = held.is_some_and(|age| age < settings.lease.min(patience));
        if can_resume && self.grouped {
            // The group resumes as one, or not at all.
            self.resuming = true;
            self.reconsider(now);
            return;
        }
        if can_resume && self.blocked().is_none() {
            self.become_active(Reason::Resumed, now);
            return;
        }
        if settings.start_delay > Duration::ZERO {
            self.timers.set(Deadline::StartDelay, now + settings.start_delay);
        }
        // Whatever an earlier run left behind is not ours now, and two hosts would answer for it.
        self.actions.push(Action::ReleaseAddresses);
        self.reconsider(now);
    }

    pub(super) fn link_went_up(&mut self, source: IpAddr, now: Time) {
        let fits = Family::of(source) == self.config.settings().family;
        self.facts.link_up = true;
        self.facts.has_source = fits;
        if fits {
            self.source = Some(source);
        }
        self.reconsider(now);
    }

    pub(super) fn link_went_down(&mut self, now: Time) {
        self.facts.link_up = false;
        self.facts.has_source = false;
        self.reconsider(now);
    }

    pub(super) fn source_lost(&mut self, now: Time) {
        self.facts.has_source = false;
        self.reconsider(now);
    }

    pub(super) fn claim_failed(&mut self, now: Time) {
        if self.state == State::Active {
            self.lose_hold(Reason::ClaimFailed, now);
        }
    }

    /// The addresses cannot be held: gives up, and takes part again after a pause that grows each time.
    pub(super) fn lose_hold(&mut self, reason: Reason, now: Time) {
        self.facts.failed_claims = self.facts.failed_claims.saturating_add(1);
        self.give_up(reason, now);
        // 1, 2, 4 .. 32 s.
        let pause = Duration::from_secs(1 << (self.facts.failed_claims - 1).min(5));
        self.timers.set(Deadline::ClaimRetry, now + pause);
    }

    /// Another member of the sync group can, or cannot, take part.
    pub(crate) fn set_group_fault(&mut self, fault: bool, now: Time) {
        if self.facts.group_fault != fault {
            self.facts.group_fault = fault;
            self.reconsider(now);
        }
    }

    fn begin(&mut self, now: Time) {
        let reason = if self.priority() == PRIORITY_OWNER { Reason::Owner } else { Reason::Started };
        self.active_interval = self.config.interval();
        if reason == Reason::Owner && !self.grouped {
            self.become_active(reason, now);
            return;
        }
        self.become_backup(reason, self.down_interval(), now);
        if self.resuming {
            self.want_active(Reason::Resumed, now);
        } else if reason == Reason::Owner {
            self.want_active(reason, now);
        }
    }

    /// The sync group has begun. A member that found its addresses held, but did not become Active, lets go of them.
    pub(crate) fn end_resumption(&mut self, now: Time) {
        if !std::mem::take(&mut self.resuming) || self.state == State::Active {
            return;
        }
        self.actions.push(Action::ReleaseAddresses);
        if self.state == State::Backup && self.ready.take().is_some() {
            self.wait_for_advert(self.down_interval(), now);
        }
    }

    /// Stops taking part: says so to the others if the link still carries it, then lets go of the addresses.
    fn give_up(&mut self, reason: Reason, now: Time) {
        if self.state == State::Active {
            if reason != Reason::LinkWentDown {
                self.actions.push(Action::SendAdvert { priority: PRIORITY_LEAVING });
            }
            self.actions.push(Action::ReleaseAddresses);
        }
        self.become_state(State::Initialize, reason, now);
    }
}
