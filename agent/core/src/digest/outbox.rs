//! The outbox: what is to be delivered where, in which order, and when it is tried again.
//!
//! Owns one queue for each destination. A newer notice on an incident takes the place of an older one that still waits, so
//! that after days without a mail server each incident is one mail, in the order in which they began. It delivers nothing.
//!
//! Use: [`Outbox::add`], then [`Outbox::next`] for what may be tried now, then [`Outbox::handle`] with what came of it.

use std::collections::{BTreeMap, BTreeSet};

use agent_api::Channel;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::later;
use super::notice::{Kind, Notice};

/// How many notices wait at most; then the oldest that are over are given up.
pub const ENTRIES_MAX: usize = 2_000;
/// The first pause after a failure.
pub const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(15);
/// The longest one.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(15);

/// A notice that waits for one destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the order.
    pub number: u64,
    /// Where it goes.
    pub to: Channel,
    /// The incident it is about.
    pub incident: u64,
    /// What kind of notice.
    pub kind: Kind,
    /// The file that holds the notice.
    pub file: u64,
    /// Since when the incident waits to be told there.
    pub since: Timestamp,
    /// How many notices before this one it stands for.
    #[serde(default)]
    pub stands_for: u32,
}

/// How a destination does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Failures in a row.
    pub failures: u32,
    /// When it may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When something was last delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<Timestamp>,
    /// What the last failure was; empty when the last delivery went well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Timestamp>,
}

impl Standing {
    fn went_well(&mut self, now: Timestamp) {
        *self = Self { last_delivered: Some(now), ..Self::default() };
    }

    fn went_wrong(&mut self, why: &str, now: Timestamp) {
        why.clone_into(&mut self.last_error);
        self.last_error_at = Some(now);
    }
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Delivered,
    /// It failed and may work later; with `all` the way to every destination of this kind is shut.
    Failed {
        /// Why.
        why: String,
        /// Whether the failure is not this destination's own.
        all: bool,
    },
    /// It was refused for good.
    Refused {
        /// Why.
        why: String,
    },
}

/// What is to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outbox {
    /// The entries in their order.
    pub entries: Vec<Entry>,
    /// How the channels do that were ever tried.
    pub standing: BTreeMap<Channel, Standing>,
    /// The last number given to an entry.
    pub next_number: u64,
    /// The last number given to a file.
    pub next_file: u64,
    /// The latest test that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_test: Option<Timestamp>,
    /// Notices delivered.
    pub delivered: u64,
    /// Notices that were given up: too old, refused, or too many.
    pub given_up: u64,
}

impl Outbox {
    /// Queues `notice` for `destinations`. Returns the number of the file that it has to be kept in before anything else
    /// happens.
    pub fn add(&mut self, notice: &Notice, destinations: &[Channel], now: Timestamp) -> u64 {
        self.next_file += 1;
        let file = self.next_file;
        for to in destinations {
            let waits = self.entries.iter_mut().find(|e| e.to == *to && e.incident == notice.incident);
            if let Some(entry) = waits {
                entry.kind = notice.kind;
                entry.file = file;
                entry.stands_for = entry.stands_for.saturating_add(1);
                continue;
            }
            self.next_number += 1;
            self.entries.push(Entry {
                number: self.next_number,
                to: to.clone(),
                incident: notice.incident,
                kind: notice.kind,
                file,
                since: now,
                stands_for: 0,
            });
        }
        while self.entries.len() > ENTRIES_MAX {
            let over = self.entries.iter().position(|entry| entry.kind == Kind::Closed).unwrap_or(0);
            self.entries.remove(over);
            self.given_up += 1;
        }
        file
    }

    /// Gives up what waits for longer than `keep`, and what goes to destinations that are no more. Returns how many.
    pub fn expire(
        &mut self,
        keep: SignedDuration,
        is_known: impl Fn(&Channel) -> bool,
        now: Timestamp,
    ) -> Vec<Entry> {
        let gone = |entry: &Entry| now.duration_since(entry.since) > keep || !is_known(&entry.to);
        let (gone, stay): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.entries).into_iter().partition(gone);
        self.entries = stay;
        self.given_up += u64::try_from(gone.len()).unwrap_or_default();
        self.standing.retain(|to, _| is_known(to));
        gone
    }

    /// The first entry that may be tried now, of a destination that is not busy.
    #[must_use]
    pub fn next(&self, is_busy: impl Fn(&Channel) -> bool, now: Timestamp) -> Option<&Entry> {
        let mut passed: BTreeSet<&Channel> = BTreeSet::new();
        self.entries.iter().find(|entry| {
            // Of each destination the first entry alone may go, so that order is kept.
            passed.insert(&entry.to) && !is_busy(&entry.to) && self.may_try(&entry.to, now)
        })
    }

    fn may_try(&self, to: &Channel, now: Timestamp) -> bool {
        let retry_at = self.standing.get(to).and_then(|standing| standing.retry_at);
        // A clock that was set back does not make it wait for longer than the longest pause.
        retry_at.is_none_or(|at| at <= now || at > later(now, LONGEST_PAUSE))
    }

    /// When something may be tried that may not be now.
    #[must_use]
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting: BTreeSet<&Channel> = self.entries.iter().map(|entry| &entry.to).collect();
        let times = waiting.into_iter().filter_map(|to| self.standing.get(to)?.retry_at);
        times.filter(|at| *at > now).min()
    }

    /// Takes note of what came of delivering entry `number` from `file`. `jitter` is from 0 to 255.
    pub fn handle(&mut self, number: u64, file: u64, outcome: Outcome, jitter: u8, now: Timestamp) {
        let Some(index) = self.entries.iter().position(|entry| entry.number == number) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let to = entry.to.clone();
        match outcome {
            Outcome::Delivered => {
                self.delivered += 1;
                self.standing.entry(to).or_default().went_well(now);
                if entry.file == file {
                    self.entries.remove(index);
                } else {
                    // A newer notice came meanwhile: that one still has to go.
                    entry.since = now;
                    entry.stands_for = 0;
                }
            }
            Outcome::Refused { why } => {
                self.given_up += 1;
                if entry.file == file {
                    self.entries.remove(index);
                }
                let standing = self.standing.entry(to).or_default();
                (standing.failures, standing.retry_at) = (0, None);
                standing.went_wrong(&format!("refused for good: {why}"), now);
            }
            Outcome::Failed { why, all } => {
                let concerned: BTreeSet<Channel> = if all {
                    let alike =
                        |other: &Channel| std::mem::discriminant(other) == std::mem::discriminant(&to);
                    self.entries.iter().map(|entry| &entry.to).filter(|other| alike(other)).cloned().collect()
                } else {
                    BTreeSet::from([to])
                };
                for to in concerned {
                    let standing = self.standing.entry(to).or_default();
                    let waits = standing.retry_at.is_some_and(|at| at > now);
                    if waits && all {
                        continue;
                    }
                    standing.failures = standing.failures.saturating_add(1);
                    standing.went_wrong(&why, now);
                    standing.retry_at = Some(later(now, pause(standing.failures, jitter)));
                }
            }
        }
    }

    /// Takes note of what came of a test of `to`: one that was accepted opens the way for what waits.
    pub fn tested(&mut self, to: &Channel, outcome: &Outcome, now: Timestamp) {
        let standing = self.standing.entry(to.clone()).or_default();
        match outcome {
            Outcome::Delivered => standing.went_well(now),
            Outcome::Refused { why } => standing.went_wrong(&format!("refused for good: {why}"), now),
            Outcome::Failed { why, .. } => standing.went_wrong(why, now),
        }
    }

    /// The files that are needed.
    #[must_use]
    pub fn files(&self) -> BTreeSet<u64> {
        self.entries.iter().map(|entry| entry.file).collect()
    }
}

/// The pause after so many failures: doubling from the first to the longest, with up to a quarter taken off, so that two
/// directors do not come at once.
fn pause(failures: u32, jitter: u8) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(10);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    whole.saturating_sub(whole.saturating_mul(i32::from(jitter)) / 1024)
}
