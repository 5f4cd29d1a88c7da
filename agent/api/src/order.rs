//! Orders: what an operator said, by whom, why and until when.
//!
//! Owns the words of an order and the rule when it is in force. Orders outlive restarts and reboots. They
//! change no network by themselves: `lvsd` reads them as facts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

/// All orders in force. At most one drain per target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The drains.
    #[serde(default)]
    pub drains: Vec<Drain>,
}

impl Orders {
    /// The drain that applies to `id` at `now`; of several, the one that lasts longest.
    #[must_use]
    pub fn drain_of(&self, id: &RealServerId, now: Timestamp) -> Option<&Drain> {
        self.drains
            .iter()
            .filter(|drain| drain.target.covers(id) && drain.in_force(now))
            .max_by_key(|drain| drain.until.unwrap_or(Timestamp::MAX))
    }
}
