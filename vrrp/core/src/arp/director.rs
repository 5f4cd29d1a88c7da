//! The director: it has the addresses whenever nobody else answers for them.
//!
//! Owns the probing before it claims (RFC 5227, 2.1) and what it does when another machine claims what it has: it defends the
//! addresses once, and yields to one that insists, which is a standby that took over on purpose.

use std::time::Duration;

use super::config::Role;
use super::machine::Takeover;
use super::words::{ArpReason, ArpWhy};
use crate::router::{Order, State};
use crate::time::Time;

/// Rounds in a row without an answer after which nobody has the addresses.
const QUIET_ROUNDS: u32 = 2;
/// Claims of another machine within [`INSISTS_WITHIN`] that are more than an accident.
const INSISTS_AT: u32 = 3;
const INSISTS_WITHIN: Duration = Duration::from_secs(10);
/// Addresses that somebody removed within a minute after which it gives up for a while.
const LOST_AT: u32 = 6;
const LOST_WITHIN: Duration = Duration::from_secs(60);

/// What was heard of the virtual addresses.
#[derive(Debug, Default)]
pub(super) struct Probing {
    somebody_has_it: bool,
    quiet: u32,
    claims: u32,
    first_claim: Option<Time>,
    lost: u32,
    first_lost: Option<Time>,
}

impl Probing {
    pub(super) fn begin_round(&mut self) {
        self.somebody_has_it = false;
    }

    pub(super) fn somebody_has_it(&mut self) {
        self.somebody_has_it = true;
    }

    pub(super) fn lost_once_more(&mut self, now: Time) {
        count(&mut self.lost, &mut self.first_lost, LOST_WITHIN, now);
    }

    pub(super) const fn lost_too_often(&self) -> bool {
        self.lost >= LOST_AT
    }
}

/// Counts one more within a span that begins with the first.
fn count(number: &mut u32, first: &mut Option<Time>, span: Duration, now: Time) {
    if first.is_none_or(|first| now.since(first) > span) {
        (*number, *first) = (0, Some(now));
    }
    *number = number.saturating_add(1);
}

impl Takeover {
    pub(super) fn director_round_over(&mut self, late: bool, now: Time) {
        if self.state != State::Backup || late {
            return;
        }
        self.probing.quiet = if self.probing.somebody_has_it { 0 } else { self.probing.quiet + 1 };
        if self.probing.quiet >= QUIET_ROUNDS {
            self.become_active(ArpReason::NobodyHasThem, now);
        }
    }

    /// The standby gives the addresses to us.
    pub(super) fn handed_over(&mut self, now: Time) {
        if self.config.settings().role == Role::Director && self.state == State::Backup {
            self.become_active(ArpReason::HandedOver, now);
        }
    }

    /// Another machine says it has what we have.
    pub(super) fn dispute(&mut self, now: Time) {
        let (claims, first) = (&mut self.probing.claims, &mut self.probing.first_claim);
        count(claims, first, INSISTS_WITHIN, now);
        let claims = *claims;
        if claims == 1 {
            self.announce_anew(now);
        }
        let yields = self.config.settings().role == Role::Director && self.order != Some(Order::TakeOver);
        if claims >= INSISTS_AT && yields {
            self.act(super::words::ArpAction::ReleaseAddresses);
            self.become_backup(ArpReason::Claimed, now);
        }
    }

    pub(super) fn asked_to_yield(&mut self, now: Time) {
        // A director keeps the addresses until the standby takes them: otherwise nobody would have them.
        if self.config.settings().role == Role::Standby {
            self.standby_asked_to_yield(now);
        }
    }

    pub(super) const fn why_not_director(&self) -> ArpWhy {
        if self.probing.somebody_has_it || self.probing.quiet == 0 && self.probing.claims > 0 {
            ArpWhy::OtherHasThem
        } else {
            ArpWhy::Listening
        }
    }
}
