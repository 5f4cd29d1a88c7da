//! What a reply must be to pass.
//!
//! Owns the checked types of an expectation: response codes, flags, records of each section, serial, signatures, identity,
//! latency. Everything not asked for is left open. It never looks at a reply: that is judging.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::answer::ExpectedAnswer;
use super::ask::Flags;
use super::bounds::Bounds;
use super::dnssec::TrustAnchor;
use super::kind::{Rcode, RcodeSet};
use super::pattern::Pattern;
use super::prefix::Prefix;

/// What a reply must be to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The response codes that pass. Default: NOERROR. When empty, every one passes that is not forbidden.
    pub rcodes: RcodeSet,
    /// Response codes that never pass.
    pub forbidden_rcodes: RcodeSet,
    /// Flags that must be set.
    pub flags: Flags,
    /// Flags that must not be set.
    pub forbidden_flags: Flags,
    /// The records of the type asked for the name asked, aliases followed. They are looked for only in a reply with NOERROR;
    /// another response code that is expected has none.
    pub answer: Records,
    /// What a NOERROR reply without a record of the type asked is, when it is no referral.
    pub empty: Empty,
    /// The records of the authority section.
    pub authority: Records,
    /// The records of the additional section, without EDNS.
    pub additional: Records,
    /// The least serial of the zone, by RFC 1982 arithmetic.
    pub serial: Option<u32>,
    /// What signatures must be like.
    pub signatures: Option<Signatures>,
    /// What must vouch for the answer, or for the proof that there is none. When empty, nothing is validated.
    pub anchors: Arc<[TrustAnchor]>,
    /// What the server must call itself, by NSID.
    pub nsid: Option<Pattern>,
    /// How long the zone must still be good, by EDNS EXPIRE, in seconds.
    pub expire: Option<u32>,
    /// Latencies.
    pub latency: Latency,
}

impl Default for Expectation {
    fn default() -> Self {
        Self {
            rcodes: RcodeSet::from_iter([Rcode::NOERROR]),
            forbidden_rcodes: RcodeSet::default(),
            flags: Flags::default(),
            forbidden_flags: Flags::default(),
            answer: Records::default(),
            empty: Empty::default(),
            authority: Records::default(),
            additional: Records::default(),
            serial: None,
            signatures: None,
            anchors: Arc::default(),
            nsid: None,
            expire: None,
            latency: Latency::default(),
        }
    }
}

impl Expectation {
    /// Whether a response code passes.
    #[must_use]
    pub fn admits(&self, rcode: Rcode) -> bool {
        (self.rcodes.is_empty() || self.rcodes.contains(rcode)) && !self.forbidden_rcodes.contains(rcode)
    }

    /// The response codes that pass, in words.
    pub(super) fn rcodes_in_words(&self) -> String {
        match (self.rcodes.is_empty(), self.forbidden_rcodes.is_empty()) {
            (true, _) => format!("anything but {}", self.forbidden_rcodes),
            (false, true) => self.rcodes.to_string(),
            (false, false) => {
                let left: RcodeSet = self.rcodes.iter().filter(|rcode| self.admits(*rcode)).collect();
                left.to_string()
            }
        }
    }
}

/// What a NOERROR reply without a record of the type asked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Empty {
    /// A failure.
    #[default]
    Fails,
    /// As good as one with records.
    Passes,
    /// What must come; records are a failure.
    Expected,
}

/// What the records of one section must be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// What is wanted. When empty, anything goes.
    pub wanted: Vec<Wanted>,
    /// How the records and what is wanted must fit.
    pub fit: Fit,
    /// How many records there must be.
    pub count: Option<Bounds<u32>>,
    /// The time to live that all of them must have, in seconds.
    pub ttl: Option<Bounds<u32>>,
}

impl Records {
    /// Whether nothing is asked of them.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.wanted.is_empty() && self.count.is_none() && self.ttl.is_none()
    }
}

/// How records and what is wanted must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fit {
    /// One record is wanted; others do not matter.
    #[default]
    Any,
    /// All that is wanted is there; other records do not matter.
    All,
    /// All that is wanted is there, and nothing else.
    Exact,
}

/// What a record may be wanted to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// These data.
    Data(ExpectedAnswer),
    /// An A or AAAA record with an address in this network.
    Network(Prefix),
    /// Data that match this, as text: `192.0.2.1`, `10 mail.test`; the strings of a TXT joined and without quotes. In the
    /// authority and additional sections the type stands before it: `NS ns1.test`.
    Pattern(Pattern),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(data) => data.fmt(f),
            Self::Network(network) => write!(f, "an address in {network}"),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// What signatures must be like: there, begun, and not about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signatures {
    /// How long the first to expire must still be good, in seconds.
    pub must_last: u32,
    /// How long it should still be good, in seconds; else the server is degraded.
    pub should_last: u32,
}

/// How long an answer may take from its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Latency {
    /// Outside of this the server is degraded.
    pub should: Option<Bounds<Duration>>,
    /// Outside of this it is down.
    pub must: Option<Bounds<Duration>>,
}
