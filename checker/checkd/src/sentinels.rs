//! The sentinels: machines that show whether this director can see at all.
//!
//! Owns when they are asked and what counts as an answer: that one accepts a TCP connection or refuses it, for both need a machine
//! that is there. What failures are held back while they are asked is kept here, too, and bounded. The rule itself is
//! [`checker_core::blind`]'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_api::CheckHead;
use checker_core::blind::{Ruling, Watch};
use checker_core::dns::Timeout;
use checker_core::{Cause, Finding, TalkCheck, Time, Verdict};
use checker_probe::Target;

use crate::runner::Finished;
use crate::work::{Kind, Work};

/// Tokens from here on are sentinels'; no probe of a server has a place this high.
const TOKENS: u64 = 0xffff_ffff << 32;
/// How often they are asked, and how often while it matters.
const CALM: Duration = Duration::from_secs(1);
const URGENT: Duration = Duration::from_millis(250);
/// How long one has to answer.
const PATIENCE: Duration = Duration::from_millis(300);
/// Failures that are held back at most; what exceeds that counts.
const HELD_MAX: usize = 200_000;

/// The sentinels and what they show.
#[derive(Debug)]
pub(crate) struct Sentinels {
    works: Vec<Work>,
    watch: Watch,
    /// The next round, and how many of this round have not ended.
    due: Time,
    outstanding: usize,
    round: u32,
    answered: bool,
    held: Vec<Finished>,
}

impl Sentinels {
    /// Sentinels at these addresses, as a former run left them if they were the same then.
    pub(crate) fn new(addresses: &[SocketAddr], left: Option<&CheckHead>, now: Time) -> Self {
        let timeout = Timeout::new(PATIENCE).unwrap_or_default();
        let check = TalkCheck::connects(timeout);
        let check = Arc::new(check);
        let left = left.filter(|left| !addresses.is_empty() && left.sentinels == addresses);
        let work = |address: &SocketAddr| {
            let target = Target::new(*address, None).ok()?;
            Some(Work { target, kind: Kind::Talk(Arc::clone(&check)) })
        };
        Self {
            works: addresses.iter().filter_map(work).collect(),
            watch: left.map_or_else(Watch::default, |left| Watch::restored(left.blind_since.is_some())),
            due: now,
            outstanding: 0,
            round: 0,
            answered: false,
            held: Vec::new(),
        }
    }

    /// Takes other addresses. What the former ones showed is forgotten only when they change; what is held back stays.
    pub(crate) fn reload(&mut self, addresses: &[SocketAddr], now: Time) {
        if self.addresses().eq(addresses.iter().copied()) {
            return;
        }
        let former = std::mem::replace(self, Self::new(addresses, None, now));
        self.round = former.round;
        self.held = former.held;
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.works.iter().map(|work| work.target.server())
    }

    /// Whether one of them ever answered.
    pub(crate) fn have_answered(&self) -> bool {
        self.watch.has_seen_one()
    }

    /// Their addresses once one of them has answered, for [`Sentinels::new`] after a restart.
    pub(crate) fn proven(&self) -> Vec<SocketAddr> {
        if self.have_answered() { self.addresses().collect() } else { Vec::new() }
    }

    /// When the next round is due; `None` when there is none to ask.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.works.is_empty() && self.outstanding == 0).then_some(self.due)
    }

    /// What is to be asked now.
    pub(crate) fn begin(&mut self, now: Time) -> Vec<(u64, Work)> {
        if self.deadline().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let urgent = self.watch.is_asking() || self.watch.is_blind();
        self.due = now + if urgent { URGENT } else { CALM };
        self.round = self.round.wrapping_add(1);
        self.outstanding = self.works.len();
        self.answered = false;
        let token = TOKENS | u64::from(self.round);
        self.works.iter().map(|work| (token, work.clone())).collect()
    }

    /// Takes what was found. `servers` is how many there are and how many of them fail, with this one.
    ///
    /// `None` when it was a sentinel's, or is held back; otherwise what is to be counted.
    pub(crate) fn take(
        &mut self,
        finished: Finished,
        servers: (usize, usize),
        now: Time,
    ) -> Option<Finished> {
        if finished.token >= TOKENS {
            self.ended(&finished, now);
            return None;
        }
        if self.works.is_empty() {
            return Some(finished);
        }
        let (total, failing) = servers;
        if finished.finding.verdict != Verdict::Down {
            // A probe that could not be run shows nothing.
            let passed = finished.finding.verdict.passes();
            if passed && failing.saturating_mul(2) <= total && self.watch.is_blind() {
                self.watch.servers_answered();
            }
            return Some(finished);
        }
        match self.watch.rule(failing, total, now) {
            Ruling::Counts => Some(finished),
            Ruling::Discarded => Some(discarded(finished)),
            Ruling::Held if self.held.len() < HELD_MAX => {
                if self.outstanding == 0 {
                    self.due = now;
                }
                self.held.push(finished);
                None
            }
            Ruling::Held => Some(finished),
        }
    }

    /// A sentinel has answered or has not.
    fn ended(&mut self, finished: &Finished, now: Time) {
        if finished.token != TOKENS | u64::from(self.round) || self.outstanding == 0 {
            return;
        }
        self.outstanding -= 1;
        let there = [None, Some(Cause::TcpRefused), Some(Cause::TcpReset)].contains(&finished.finding.cause);
        if there {
            self.answered = true;
            self.watch.sentinel_answered(now);
        } else if self.outstanding == 0 && !self.answered {
            self.watch.sentinels_were_silent();
        }
    }

    /// What was held back and is to be counted now, one way or the other.
    pub(crate) fn released(&mut self) -> Vec<Finished> {
        if self.watch.is_asking() || self.held.is_empty() {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        if self.watch.is_blind() { held.into_iter().map(discarded).collect() } else { held }
    }

    /// Whether failures are discarded.
    pub(crate) fn is_blind(&self) -> bool {
        self.watch.is_blind()
    }
}

fn discarded(finished: Finished) -> Finished {
    let detail = format!("no sentinel answers; this probe: {}", finished.finding.detail);
    Finished { finding: Finding::failed(Cause::DirectorBlind, detail), ..finished }
}

#[cfg(test)]
mod tests;
