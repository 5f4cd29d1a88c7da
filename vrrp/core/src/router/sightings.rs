//! What was heard on the segment, by sender.
//!
//! Owns a bounded table of senders and the counters of everything that was off. Each kind of discrepancy is reported
//! once for each sender, and at most once a second in all, so that a flood of forged adverts fills no log.

use std::net::IpAddr;
use std::time::Duration;

use crate::codec::{Advert, AdvertInterval, ChecksumForm, Rejection};
use crate::time::Time;

/// Something that is not as this router is set to. An advert is discarded only for a [`Discrepancy::Rejected`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discrepancy {
    /// The advert was discarded.
    Rejected(Rejection),
    /// It lists other addresses than ours. Some implementations discard such adverts of ours.
    AddressList,
    /// Version 3 with another interval than ours.
    Interval(AdvertInterval),
    /// Its interval is above the limit and was learned only up to there.
    IntervalLimited(AdvertInterval),
    /// Another form of checksum than the one we send. Some implementations take only their own.
    Checksum(ChecksumForm),
    /// It says it owns the addresses (priority 255), and so do we.
    SecondOwner,
    /// It has our own priority: which of us is Active depends on who was first.
    SamePriority,
}

impl Discrepancy {
    /// Bit in a sender's set of discrepancies already reported.
    const fn bit(self) -> u64 {
        match self {
            Self::Rejected(cause) => 1 << cause.index(),
            Self::AddressList => 1 << 32,
            Self::Interval(_) => 1 << 33,
            Self::IntervalLimited(_) => 1 << 34,
            Self::Checksum(_) => 1 << 35,
            Self::SecondOwner => 1 << 36,
            Self::SamePriority => 1 << 37,
        }
    }
}

/// A sender of adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Who.
    pub source: IpAddr,
    /// When it was heard last.
    pub last: Time,
    /// Its adverts that were taken.
    pub accepted: u64,
    /// Its datagrams that were not.
    pub rejected: u64,
    /// Priority and interval of its last advert that was taken.
    pub said: Option<(u8, AdvertInterval)>,
    /// Why its last rejected datagram was.
    pub last_rejection: Option<Rejection>,
    reported: u64,
}

/// The senders heard, and the counters.
#[derive(Debug)]
pub(super) struct Sightings {
    senders: Vec<Sighting>,
    rejections: [u64; Rejection::CODES.len()],
    discrepancies: u64,
    unreported: u64,
    next_report: Time,
}

impl Sightings {
    const LIMIT: usize = 32;
    /// Room from the start: more routers than that on one segment are rare.
    const USUAL: usize = 4;
    const REPORT_SPACING: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self {
            senders: Vec::with_capacity(Self::USUAL),
            rejections: [0; Rejection::CODES.len()],
            discrepancies: 0,
            unreported: 0,
            next_report: Time::ZERO,
        }
    }

    pub(super) fn senders(&self) -> &[Sighting] {
        &self.senders
    }

    pub(super) const fn rejections(&self) -> &[u64; Rejection::CODES.len()] {
        &self.rejections
    }

    /// Discrepancies seen, and those of them that were new but not reported because of the limit.
    pub(super) const fn discrepancies(&self) -> (u64, u64) {
        (self.discrepancies, self.unreported)
    }

    pub(super) fn accept(&mut self, source: IpAddr, advert: &Advert<'_>, now: Time) {
        let sender = self.sender(source, now);
        sender.accepted += 1;
        sender.said = Some((advert.priority, advert.interval));
    }

    pub(super) fn reject(&mut self, source: IpAddr, cause: Rejection, now: Time) {
        if let Some(counter) = self.rejections.get_mut(cause.index()) {
            *counter += 1;
        }
        let sender = self.sender(source, now);
        sender.rejected += 1;
        sender.last_rejection = Some(cause);
    }

    /// Counts a discrepancy; true if it is to be reported.
    pub(super) fn note(&mut self, source: IpAddr, what: Discrepancy, now: Time) -> bool {
        self.discrepancies += 1;
        let may_report = now >= self.next_report;
        let sender = self.sender(source, now);
        if sender.reported & what.bit() != 0 {
            return false;
        }
        if !may_report {
            self.unreported += 1;
            return false;
        }
        sender.reported |= what.bit();
        self.next_report = now + Self::REPORT_SPACING;
        true
    }

    /// The sender's row; a new one takes the place of the one not heard for longest, first of one never accepted.
    fn sender(&mut self, source: IpAddr, now: Time) -> &mut Sighting {
        let row = Sighting {
            source,
            last: now,
            accepted: 0,
            rejected: 0,
            said: None,
            last_rejection: None,
            reported: 0,
        };
        let known = self.senders.iter().position(|sender| sender.source == source);
        let at = known.unwrap_or_else(|| {
            if self.senders.len() < Self::LIMIT {
                self.senders.push(row);
                return self.senders.len() - 1;
            }
            let oldest = (0..self.senders.len())
                .min_by_key(|&at| self.senders.get(at).map(|sender| (sender.accepted > 0, sender.last)))
                .unwrap_or_default();
            if let Some(slot) = self.senders.get_mut(oldest) {
                *slot = row;
            }
            oldest
        });
        // `at` was found in the table or put there just now.
        let sender = &mut self.senders[at];
        sender.last = now;
        sender
    }
}
