//! The Active state: holding the addresses and saying so (RFC 9568, 6.4.3).
//!
//! Owns the Adver_Timer, the lease, the announcements, the answer to losing adverts, how the addresses are let go of, and
//! the noticing of our own stalls.
//! A router that was silent longer than its peers wait does not speak again before it has listened.

use std::net::IpAddr;
use std::time::Duration;

use super::action::{Action, Event, Reason};
use super::status::HeardActive;
use super::timers::Deadline;
use super::{State, VirtualRouter};
use crate::codec::{Advert, PRIORITY_LEAVING};
use crate::interval::shortest_down_interval;
use crate::time::Time;

/// What an Active router keeps in mind.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Since when the router is Active.
    since: Time,
    /// When our last advert was sent.
    last_advert: Time,
    /// When the addresses vanish unless they are renewed.
    lease_end: Time,
    /// When addresses were put back last, and how often they may be put back before the router gives up.
    restored: Option<Time>,
    restores_left: u8,
    addresses_lost: u64,
    duplicates: u64,
    /// Before this moment a losing advert is not answered by announcements again.
    next_repair: Time,
    /// Before this moment a duplicate is not answered by announcements again.
    next_defence: Time,
}

/// For so long a router that yielded keeps its addresses. The better one has them by then and has said so, and new packets
/// go there; what came before that is answered still. A client that knew no MAC address and asked just then may have
/// learned ours: the last advert makes the winner announce again.
pub const LINGERING: Duration = Duration::from_millis(20);
/// Within this time after a takeover the former Active router may have spoken once more before it heard of it or let go.
const LAST_WORDS: Duration = Duration::from_millis(120);
/// Removed addresses are put back so often before there is a quiet [`RESTORE_SPACING`]; then the router gives up.
const RESTORES_AT_ONCE: u8 = 4;
const RESTORE_SPACING: Duration = Duration::from_secs(1);
/// At most one batch of announcements in this time because of losing adverts. A batch with its repetition outlasts the
/// loser's letting go.
const REPAIR_SPACING: Duration = Duration::from_secs(1);
/// At most one defence of an address in this time (RFC 5227, 2.4).
const DEFENCE_SPACING: Duration = Duration::from_secs(10);

impl VirtualRouter {
    /// Speaks first, so that the old Active router lets go, then takes the addresses, then says where they are.
    pub(super) fn become_active(&mut self, reason: Reason, now: Time) {
        self.become_state(State::Active, reason, now);
        self.active = Holding { since: now, restores_left: RESTORES_AT_ONCE, ..Holding::default() };
        self.active_interval = self.config.interval();
        self.backup.heard = None;
        self.send_advert(now);
        self.claim(now);
        self.announce_anew(now);
    }

    /// What has become overdue while we did not run comes before anything else: addresses that another has go, and if
    /// others may have taken over, ours do, and we listen.
    pub(crate) fn notice_time(&mut self, now: Time) {
        if self.timers.take_due(Deadline::LetGo, now).is_some() {
            self.let_go();
        }
        if self.state != State::Active {
            return;
        }
        let silent = now.since(self.active.last_advert);
        let patience = shortest_down_interval(self.config.settings().version, self.config.interval());
        if silent >= patience {
            self.actions.push(Action::ReleaseAddresses);
            self.become_backup(Reason::Stalled { silent }, self.listening_interval(), now);
        } else if now >= self.active.lease_end {
            self.report(Event::LeaseLapsed);
            self.claim(now);
            self.announce_anew(now);
        }
    }

    pub(super) fn heard_as_active(&mut self, source: IpAddr, advert: &Advert<'_>, now: Time) {
        if advert.priority == PRIORITY_LEAVING {
            self.answer(now);
            return;
        }
        let priority = self.priority();
        let is_better = advert.priority > priority
            || advert.priority == priority && self.source.is_some_and(|own| source > own);
        if is_better {
            self.yield_to(source, advert, now);
        } else if self.answer(now) && now >= self.active.next_repair {
            self.active.next_repair = now + REPAIR_SPACING;
            // The last advert of the one that just yielded is no second Active router.
            if now >= self.active.since + LAST_WORDS {
                self.report(Event::LosingAdvertAnswered { source, priority: advert.priority });
            }
            self.announce_anew(now);
        }
    }

    /// Is silent from now on. The addresses go a little later.
    fn yield_to(&mut self, source: IpAddr, advert: &Advert<'_>, now: Time) {
        self.learn(advert);
        let reason = Reason::BetterRouter { source, priority: advert.priority };
        self.become_backup(reason, self.down_interval(), now);
        self.timers.set(Deadline::LetGo, now + LINGERING);
        self.backup.heard =
            Some(HeardActive { source, priority: advert.priority, interval: advert.interval, last: now });
    }

    /// The sync group gave the addresses up elsewhere.
    pub(crate) fn yield_with_group(&mut self, now: Time) {
        if self.state == State::Active {
            self.become_backup(Reason::GroupYielded, self.down_interval(), now);
            self.timers.set(Deadline::LetGo, now + LINGERING);
        }
    }

    /// Whether the addresses are still there although the router yielded.
    pub(super) fn is_letting_go(&self) -> bool {
        self.timers.at(Deadline::LetGo).is_some()
    }

    /// Lets go first, then speaks once more, so that the winner announces again when nobody else answers.
    pub(super) fn let_go(&mut self) {
        self.actions.push(Action::ReleaseAddresses);
        let priority = self.priority();
        // Nothing that could make the winner yield in turn: an order may have been lifted meanwhile.
        let loses = |heard: &HeardActive| {
            let (own, theirs) = ((priority, self.source), (heard.priority, Some(heard.source)));
            theirs > own
        };
        let lost = self.backup.heard.as_ref().is_some_and(loses);
        if self.config.settings().last_advert && lost {
            self.actions.push(Action::SendAdvert { priority });
        }
    }

    /// Sends an advert at once, but not oftener than twice an interval: two routers that both think they win must not
    /// drive each other.
    pub(super) fn answer(&mut self, now: Time) -> bool {
        if now < self.next_answer {
            return false;
        }
        self.next_answer = now + self.config.interval().span() / 2;
        self.send_advert(now);
        true
    }

    pub(super) fn send_advert(&mut self, now: Time) {
        self.actions.push(Action::SendAdvert { priority: self.priority() });
        self.active.last_advert = now;
        self.timers.set(Deadline::Adver, now + self.config.interval().span());
    }

    pub(super) fn adver_due(&mut self, at: Time, now: Time) {
        self.send_advert(now);
        // Keep the beat if we are only a little late.
        let next = at + self.config.interval().span();
        if next > now {
            self.timers.set(Deadline::Adver, next);
        }
    }

    pub(super) fn claim(&mut self, now: Time) {
        let lifetime = self.lease(now);
        self.actions.push(Action::ClaimAddresses { lifetime });
    }

    pub(super) fn renew(&mut self, now: Time) {
        let lifetime = self.lease(now);
        self.facts.failed_claims = 0;
        self.actions.push(Action::RenewAddresses { lifetime });
    }

    fn lease(&mut self, now: Time) -> Duration {
        let lifetime = self.config.settings().lease;
        self.active.lease_end = now + lifetime;
        self.timers.set(Deadline::LeaseRenewal, now + lifetime / 3);
        lifetime
    }

    pub(super) fn announce_anew(&mut self, now: Time) {
        self.announcing.begin(&self.config.settings().announcements, now);
        self.announce_due(now);
    }

    pub(super) fn announce_due(&mut self, now: Time) {
        if self.announcing.take_due(&self.config.settings().announcements, now) {
            self.actions.push(Action::Announce);
        }
        match self.announcing.next() {
            Some(at) => self.timers.set(Deadline::Announcement, at),
            None => self.timers.stop(Deadline::Announcement),
        }
    }

    pub(super) fn address_lost(&mut self, address: IpAddr, now: Time) {
        if self.state != State::Active {
            return;
        }
        self.active.addresses_lost += 1;
        self.report(Event::AddressLost { address, count: self.active.addresses_lost });
        if self.active.restored.is_none_or(|at| now >= at + RESTORE_SPACING) {
            self.active.restores_left = RESTORES_AT_ONCE;
        }
        if self.active.restores_left == 0 {
            // Somebody here keeps removing it: better a peer serves than nobody.
            self.lose_hold(Reason::AddressesRemoved, now);
            return;
        }
        self.active.restores_left -= 1;
        self.active.restored = Some(now);
        self.claim(now);
        self.announce_anew(now);
    }

    pub(super) fn duplicate_seen(&mut self, address: IpAddr, mac: [u8; 6], now: Time) {
        if self.state != State::Active {
            return;
        }
        self.active.duplicates += 1;
        if now >= self.active.next_defence {
            self.active.next_defence = now + DEFENCE_SPACING;
            self.report(Event::DuplicateSeen { address, mac, count: self.active.duplicates });
            self.announce_anew(now);
        }
    }
}
