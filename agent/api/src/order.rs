//! Orders: what an operator said, by whom, why and until when.
//!
//! Owns the words of an order and the rule when it is in force. Orders outlive restarts and reboots. They
//! change no network by themselves: `lvsd` reads them as facts.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::Silence;
use crate::id::{Name, RealServerId};

/// Which real servers a drain means: `dns1` in every virtual server that has it, or in one only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DrainTarget {
    /// The only virtual server meant; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<Name>,
    /// The real server.
    pub real_server: Name,
}

impl DrainTarget {
    /// Whether the real server `id` is meant.
    #[must_use]
    pub fn covers(&self, id: &RealServerId) -> bool {
        self.real_server == id.real_server
            && self.virtual_server.as_ref().is_none_or(|name| *name == id.virtual_server)
    }
}

impl std::fmt::Display for DrainTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.virtual_server {
            Some(virtual_server) => write!(f, "{virtual_server}/{}", self.real_server),
            None => write!(f, "{}", self.real_server),
        }
    }
}

/// An order to send a real server no new work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Which real servers.
    #[serde(flatten)]
    pub target: DrainTarget,
    /// Who gave the order: the user name the kernel vouches for, and in brackets whom it says it acts for.
    pub who: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Drain {
    /// Whether the order is in force at `now`.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What an operator wants of a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoverKind {
    /// This machine shall have the addresses.
    Takeover,
    /// Another machine shall have them; this one keeps them until one takes them.
    Yield,
}

impl HandoverKind {
    /// The word in JSON, which is the command's too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Takeover => "takeover",
            Self::Yield => "yield",
        }
    }
}

impl std::fmt::Display for HandoverKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An order to a virtual router of this machine. `vipd` reads it as a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The virtual router.
    pub virtual_router: Name,
    /// What it shall do.
    pub what: HandoverKind,
    /// Who gave the order: as in a [`Drain`].
    pub who: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Handover {
    /// Whether the order is in force at `now`.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// An order to send a test through every channel of `alertd`. Its time is its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTest {
    /// Who gave the order: as in a [`Drain`].
    pub who: String,
    /// When it was given.
    pub since: Timestamp,
}

impl AlertTest {
    /// How long `alertd` may take note of it.
    pub const KEPT: SignedDuration = SignedDuration::from_mins(2);

    /// When it ends by itself.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.since.checked_add(Self::KEPT).unwrap_or(Timestamp::MAX)
    }
}

/// All orders in force. At most one drain and one silence per target, one handover per virtual router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The drains.
    #[serde(default)]
    pub drains: Vec<Drain>,
    /// The orders to virtual routers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The silences, at most one per target.
    #[serde(default)]
    pub silences: Vec<Silence>,
    /// The latest test of the alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_test: Option<AlertTest>,
}

impl Orders {
    /// The order that the virtual router is under at `now`.
    #[must_use]
    pub fn handover_of(&self, router: &Name, now: Timestamp) -> Option<&Handover> {
        self.handovers.iter().find(|order| order.virtual_router == *router && order.in_force(now))
    }

    /// The drain that applies to `id` at `now`; of several, the one that lasts longest.
    #[must_use]
    pub fn drain_of(&self, id: &RealServerId, now: Timestamp) -> Option<&Drain> {
        self.drains
            .iter()
            .filter(|drain| drain.target.covers(id) && drain.in_force(now))
            .max_by_key(|drain| drain.until.unwrap_or(Timestamp::MAX))
    }
}
