//! What was when: who was up, who was Active, and for how long clients had nobody to ask, out of the state alone.
//!
//! Owns the reading of the kept events back into spans, and what is said where they do not reach: what is not recorded is
//! never drawn as well. The agent keeps the latest events only, so a busy day may begin later than was asked for; that is
//! told by [`Timeline::recorded_from`]. It draws nothing and reads no clock.

mod build;
mod spans;
#[cfg(test)]
mod tests;

use agent_api::Name;
use jiff::{SignedDuration, Timestamp};

pub use spans::Span;

/// What something was like over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A real server was up; a virtual server had all of its real servers.
    Up,
    /// Nothing happened to it within the record: it was up, or not judged yet.
    Quiet,
    /// A real server was degraded; a virtual server had fewer real servers than it has, but its quorum.
    Degraded,
    /// A virtual server had fewer real servers than its quorum, but some.
    BelowQuorum,
    /// A real server was down; a virtual server had no real server at all.
    Down,
    /// It could not be judged.
    Unknown,
    /// The record does not reach so far.
    Unrecorded,
    /// A virtual router was Active: its addresses were on this machine.
    Active,
    /// A virtual router was Backup.
    Backup,
    /// A virtual router took no part.
    Initialize,
}

impl Mark {
    /// How it is said.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Quiet => "nothing happened",
            Self::Degraded => "degraded",
            Self::BelowQuorum => "below quorum",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Unrecorded => "not recorded",
            Self::Active => "Active here",
            Self::Backup => "Backup",
            Self::Initialize => "took no part",
        }
    }
}

/// What a lane is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A virtual router of this machine.
    VirtualRouter,
    /// A virtual server.
    VirtualServer,
    /// A real server of the virtual server before it.
    RealServer,
}

/// One thing over the whole time: its spans, in order and without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What it is about.
    pub subject: Subject,
    /// Its name; `resolver/dns1` for a real server.
    pub name: String,
    /// What it was like.
    pub spans: Vec<Span<Mark>>,
    /// When an operator had taken it out.
    pub drained: Vec<Span<()>>,
}

impl Lane {
    /// For how long it was like one of `marks`.
    #[must_use]
    pub fn lasted(&self, marks: &[Mark]) -> SignedDuration {
        self.spans
            .iter()
            .filter(|span| marks.contains(&span.what))
            .fold(SignedDuration::ZERO, |sum, span| sum.saturating_add(span.length()))
    }

    /// Whether anything was ever the matter, or not known.
    #[must_use]
    pub fn is_eventful(&self) -> bool {
        !self.drained.is_empty() || self.spans.iter().any(|span| !matches!(span.what, Mark::Up | Mark::Quiet))
    }
}

/// What the clients of one virtual server lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The virtual server.
    pub virtual_server: Name,
    /// For how long no real server served.
    pub nobody: SignedDuration,
    /// For how much of that its sorry server answered.
    pub sorry: SignedDuration,
    /// For how long fewer served than the quorum, but some.
    pub below_quorum: SignedDuration,
    /// For how long it is not known whether enough served.
    pub not_known: SignedDuration,
    /// Connections a second in the kernel now, over all services; `None` when the kernel counts none.
    pub rate_now: Option<u64>,
}

/// What was when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// The first moment that was asked for.
    pub from: Timestamp,
    /// The last one: when the state is from.
    pub to: Timestamp,
    /// Since when all events are kept. Before it only what has not changed since is known.
    pub recorded_from: Timestamp,
    /// Whether older events were there and had to make room.
    pub older_dropped: bool,
    /// Virtual routers, then each virtual server with its real servers, by name.
    pub lanes: Vec<Lane>,
    /// What clients lost, by virtual server.
    pub losses: Vec<Loss>,
}
