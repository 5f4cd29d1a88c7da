//! Virtual routers as `vipd` reports them: who has the addresses, why, and what was seen.
//!
//! Owns the words of `vipd`'s section. Nothing here decides who is Active: that is [`vrrp_core`]'s, and it needs no agent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{CauseCode, Name};
use crate::order::HandoverKind;
use crate::section::{Section, SectionUpdate};

/// `vipd`'s section: its virtual routers by name.
pub type RouterSection = Section<Name, VipHead, RouterReport>;
/// A report of `vipd`.
pub type RouterUpdate = SectionUpdate<Name, VipHead, RouterReport>;

/// How many transitions of a router are kept.
pub const TRANSITIONS_MAX: usize = 16;
/// How many other senders, discrepancies and parts of a priority are kept of a router.
pub const SEEN_MAX: usize = 64;

/// `vipd`'s single facts, sent as a slow summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VipHead {
    /// Whether it runs with real-time scheduling.
    pub realtime: bool,
    /// Whether its memory is locked.
    pub memory_locked: bool,
    /// Adverts sent since it started.
    pub adverts_sent: u64,
    /// Datagrams heard since it started, good or not.
    pub adverts_heard: u64,
    /// The latest that a timer was served after it was due, in the last summary's span, in microseconds.
    pub lateness_us: u64,
    /// How often it did not run for so long that it listened again before it spoke.
    pub stalls: u64,
    /// What is not as it should be at its own end, one line each: no right to real-time scheduling, for instance.
    pub remarks: Vec<String>,
}

/// How it is decided who has the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterKind {
    /// By VRRP.
    Vrrp,
    /// By a standby that watches the director.
    Arp,
}

/// State of a virtual router (RFC 9568, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterState {
    /// It takes no part.
    Initialize,
    /// It watches who is Active.
    Backup,
    /// It has the addresses.
    Active,
}

impl RouterState {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
        }
    }
}

impl From<vrrp_core::State> for RouterState {
    fn from(state: vrrp_core::State) -> Self {
        match state {
            vrrp_core::State::Initialize => Self::Initialize,
            vrrp_core::State::Backup => Self::Backup,
            vrrp_core::State::Active => Self::Active,
        }
    }
}

/// What `vipd` says of one virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterReport {
    /// How it is decided who has the addresses.
    pub kind: RouterKind,
    /// State on this machine.
    pub state: RouterState,
    /// Since when.
    pub since: Timestamp,
    /// Why it is, or is not, Active, as a stable code: `active`, `other_is_not_worse`, `blocked_link_down`.
    pub why: CauseCode,
    /// The same in one line for people.
    pub detail: String,
    /// The interface.
    pub interface: String,
    /// VRID, in VRRP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrid: Option<u8>,
    /// The virtual addresses, the listed ones first.
    pub addresses: Vec<IpAddr>,
    /// Those of them that this machine has now.
    #[serde(default)]
    pub held: Vec<IpAddr>,
    /// Configured priority, in VRRP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_priority: Option<u8>,
    /// Priority it speaks with, in VRRP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What the difference is made of.
    #[serde(default)]
    pub parts: Vec<PriorityPart>,
    /// Advertisement interval, in VRRP, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// The Active router as heard last, if it is another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<HeardRouter>,
    /// The group it moves with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_group: Option<Name>,
    /// The operator's order that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<HandoverKind>,
    /// The last changes of state, oldest first, at most [`TRANSITIONS_MAX`].
    #[serde(default)]
    pub transitions: Vec<RouterTransition>,
    /// How often the state changed since `vipd` started.
    #[serde(default)]
    pub changes: u64,
    /// Who was heard, at most [`SEEN_MAX`].
    #[serde(default)]
    pub senders: Vec<RouterSender>,
    /// What was not as it should be, at most [`SEEN_MAX`].
    #[serde(default)]
    pub discrepancies: Vec<RouterDiscrepancy>,
    /// Discarded datagrams by cause, those that occurred.
    #[serde(default)]
    pub rejected: BTreeMap<CauseCode, u64>,
}

/// One part of a router's priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityPart {
    /// What is tracked: `quorum of resolver`, `interface eth1`.
    pub what: String,
    /// What was seen of it last, in a word or a number: `good`, `bad`, `unknown`, `3 of 4`, `-7`.
    pub seen: String,
    /// What it adds to the priority.
    pub adds: i64,
    /// Whether it keeps the router from being Active.
    pub forbids: bool,
}

/// Another router, as its last advert showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardRouter {
    /// Where its adverts come from.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval, in milliseconds.
    pub interval_ms: u64,
    /// When it was heard last.
    pub heard_at: Timestamp,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterTransition {
    /// When.
    pub at: Timestamp,
    /// State before.
    pub from: RouterState,
    /// State after.
    pub to: RouterState,
    /// Why, as a stable code ([`vrrp_core::Reason::code`]).
    pub reason: CauseCode,
    /// The same in one line for people.
    pub detail: String,
}

/// A sender of adverts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSender {
    /// Where its adverts come from.
    pub source: IpAddr,
    /// When it was heard last.
    pub heard_at: Timestamp,
    /// Adverts of it that were taken.
    pub accepted: u64,
    /// Datagrams of it that were not.
    pub rejected: u64,
    /// Priority of its last advert that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Interval of the same, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// Why its last datagram that was not taken was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rejection: Option<CauseCode>,
}

/// Something about another router that is not as this one is set to. Said once, then counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterDiscrepancy {
    /// What, as a stable code: `address_list`, `interval`, `checksum`.
    pub what: CauseCode,
    /// Who.
    pub source: IpAddr,
    /// One line for people, with what to do about it.
    pub detail: String,
    /// When it was seen first.
    pub since: Timestamp,
}
