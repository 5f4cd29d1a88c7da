//! The standby: when it takes the director's addresses, and when it gives them back.
//!
//! Owns the counting of rounds. A round speaks against the director only if a sentinel answered in it: a standby that hears
//! nobody has lost its own network, and two machines with one address are worse than none for a while.

use std::net::IpAddr;

use super::config::{ArpConfig, GiveBack};
use super::machine::Takeover;
use super::words::{ArpAction, ArpEvent, ArpReason, ArpWhy};
use crate::announce::Mac;
use crate::router::{Order, State};
use crate::time::Time;

/// What was heard of the director and of the sentinels.
#[derive(Debug, Default)]
pub(super) struct Watch {
    director_answered: bool,
    sentinel_answered: bool,
    /// Rounds in a row in which the director was silent and a sentinel, if there is one, was not.
    silent: u32,
    /// Rounds in a row in which it answered.
    answered: u32,
    /// Rounds in a row in which nobody did.
    deaf: u32,
    gone: bool,
    back: bool,
    cut_off: bool,
    back_since: Option<Time>,
    service: Option<bool>,
    /// Where the director was on this segment when it answered last.
    mac: Option<Mac>,
}

impl Watch {
    pub(super) fn answered(&mut self, config: &ArpConfig, address: IpAddr, mac: Option<Mac>) {
        let settings = config.settings();
        if settings.targets.contains(&address) {
            self.director_answered = true;
            self.mac = mac.or(self.mac);
        }
        self.sentinel_answered |= settings.sentinels.contains(&address);
    }

    pub(super) fn service_seen(&mut self, good: Option<bool>, now: Time) {
        if self.service == Some(false) && good == Some(true) {
            // Back without a break means with its service.
            self.back_since = self.back_since.and(Some(now));
        }
        // What is not known changes nothing.
        self.service = good.or(self.service);
    }

    pub(super) fn begin_round(&mut self) {
        (self.director_answered, self.sentinel_answered) = (false, false);
    }

    /// Nothing is known any more, except what a check says of the service and where the director was.
    pub(super) fn forget(&mut self) {
        *self = Self { service: self.service, mac: self.mac, ..Self::default() };
    }

    /// Whether the director is known to be there and to serve.
    pub(super) const fn is_back(&self) -> bool {
        self.back && !matches!(self.service, Some(false))
    }
}

impl Takeover {
    pub(super) fn standby_round_over(&mut self, late: bool, now: Time) {
        let settings = self.config.settings();
        let (fall, rise) = (u32::from(settings.fall), u32::from(settings.rise));
        let guarded = !settings.sentinels.is_empty();
        let watch = &mut self.watch;
        let mut events = Vec::new();
        if watch.director_answered {
            (watch.silent, watch.deaf) = (0, 0);
            watch.answered = watch.answered.saturating_add(1);
        } else if late {
            // Proves nothing, and ends no run.
        } else if guarded && !watch.sentinel_answered {
            watch.answered = 0;
            watch.deaf = watch.deaf.saturating_add(1);
            if watch.deaf >= fall && !watch.cut_off {
                watch.cut_off = true;
                // What it heard before is worth nothing now: the director gets a whole new chance.
                watch.silent = 0;
                events.push(ArpEvent::CutOff);
            }
        } else {
            (watch.answered, watch.deaf) = (0, 0);
            watch.silent = watch.silent.saturating_add(1);
        }
        if watch.cut_off && watch.deaf == 0 {
            watch.cut_off = false;
            events.push(ArpEvent::Reconnected);
        }
        if watch.answered >= rise && !watch.back {
            (watch.back, watch.back_since) = (true, Some(now));
            if std::mem::take(&mut watch.gone) {
                events.push(ArpEvent::DirectorReturned);
            }
        }
        if watch.silent >= fall && !watch.gone {
            (watch.gone, watch.back, watch.back_since) = (true, false, None);
            events.push(ArpEvent::DirectorFellSilent);
        } else if watch.answered == 0 {
            // A director that is back without a break is one that missed no round.
            watch.back_since = watch.back_since.and(Some(now));
        }
        events.into_iter().for_each(|event| self.report(event));
        match self.state {
            State::Backup => self.consider_taking(now),
            State::Active => self.consider_giving_back(now),
            State::Initialize => (),
        }
    }

    fn consider_taking(&mut self, now: Time) {
        if self.watch.cut_off {
            return;
        }
        if self.watch.gone {
            self.become_active(ArpReason::DirectorGone, now);
        } else if self.watch.service == Some(false) && self.watch.back && self.order != Some(Order::Yield) {
            self.become_active(ArpReason::ServiceGone, now);
        }
    }

    fn consider_giving_back(&mut self, now: Time) {
        if self.order == Some(Order::TakeOver) || !self.watch.is_back() {
            return;
        }
        let since = self.watch.back_since.unwrap_or(now);
        let due = match self.config.settings().give_back {
            GiveBack::AtOnce => true,
            GiveBack::After(delay) => now.since(since) >= delay,
            GiveBack::ByHand => false,
        };
        if due || self.order == Some(Order::Yield) {
            self.give_back(ArpReason::DirectorBack, now);
        }
    }

    /// Lets go of the addresses and tells the segment that they are at the director's from now on.
    fn give_back(&mut self, reason: ArpReason, now: Time) {
        self.act(ArpAction::ReleaseAddresses);
        if let Some(mac) = self.watch.mac {
            self.act(ArpAction::AnnounceFor(mac));
        }
        let (back, since) = (self.watch.back, self.watch.back_since);
        self.change_to(State::Backup, reason, now);
        self.watch.forget();
        (self.watch.back, self.watch.back_since) = (back, since);
    }

    /// An operator wants the addresses at the director's. It gets them if it is there; otherwise they stay, for nobody else
    /// would have them.
    pub(super) fn standby_asked_to_yield(&mut self, now: Time) {
        if self.watch.back || self.watch.director_answered {
            self.give_back(ArpReason::Ordered, now);
        }
    }

    pub(super) fn why_not_standby(&self) -> ArpWhy {
        if self.watch.cut_off {
            ArpWhy::CutOff
        } else if self.watch.back || self.watch.answered > 0 {
            ArpWhy::DirectorAnswers
        } else {
            ArpWhy::Listening
        }
    }
}
