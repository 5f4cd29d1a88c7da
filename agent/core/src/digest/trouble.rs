//! Troubles: what can be wrong, and that it stands.
//!
//! Owns the names of troubles and the memory of those that stand now, told or not. It never decides who hears of one.

use std::fmt;
use std::str::FromStr;

use agent_api::{CauseCode, Name, RealServerId, Severity, SilenceTarget};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be wrong. Its text form is `server:resolver/dns1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Fewer real servers than the quorum serve.
    Pool(Name),
    /// `min_serving` keeps servers in the table that are down.
    FailOpen(Name),
    /// The sorry server answers.
    Sorry(Name),
    /// A real server is not up.
    Server(RealServerId),
    /// A check of a real server that only warns fails.
    Advisory(RealServerId),
    /// What real servers depend on does not work.
    Dependency(Name),
    /// This director sees nothing: the trouble is at its own end.
    Blind,
    /// A virtual router moved its addresses, or saw something.
    Router(Name),
    /// A virtual router can't take part.
    RouterFault(Name),
    /// The kernel's IPVS can't be used.
    Ipvs,
    /// The kernel refused an edit.
    Edits,
    /// Somebody else changed the kernel's table.
    Drift,
    /// A daemon is silent.
    Daemon(Name),
    /// The agent does not answer.
    Agent,
    /// The state can't be kept on disk.
    Storage,
    /// An operator's drain.
    Drain(String),
    /// Something that this version has no word for.
    Other,
}

impl Key {
    /// The virtual server that it is about.
    #[must_use]
    pub fn pool(&self) -> Option<&Name> {
        match self {
            Self::Pool(name) | Self::FailOpen(name) | Self::Sorry(name) => Some(name),
            Self::Server(id) | Self::Advisory(id) => Some(&id.virtual_server),
            _ => None,
        }
    }

    /// Whether every director sees it, so that one of them tells.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(
            self,
            Self::Pool(_)
                | Self::FailOpen(_)
                | Self::Sorry(_)
                | Self::Server(_)
                | Self::Advisory(_)
                | Self::Dependency(_)
        )
    }

    /// Whether a silence about `target` covers it.
    #[must_use]
    pub fn is_covered(&self, target: &SilenceTarget) -> bool {
        match self {
            Self::Server(id) | Self::Advisory(id) => target.covers_server(id),
            Self::Pool(name) | Self::FailOpen(name) | Self::Sorry(name) => target.covers_pool(name),
            Self::Router(name) | Self::RouterFault(name) => target.covers_router(name),
            _ => target.covers_all(),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Pool(name) => name.to_string(),
            Self::FailOpen(name) => format!("{name} (fail open)"),
            Self::Sorry(name) => format!("{name} (sorry server)"),
            Self::Server(id) => id.to_string(),
            Self::Advisory(id) => format!("{id} (advisory check)"),
            Self::Dependency(name) => format!("{name}, on which real servers depend"),
            Self::Blind => "this director's own network".to_owned(),
            Self::Router(name) | Self::RouterFault(name) => format!("virtual router {name}"),
            Self::Ipvs => "the kernel's IPVS".to_owned(),
            Self::Edits => "an edit of the kernel's table".to_owned(),
            Self::Drift => "the kernel's table".to_owned(),
            Self::Daemon(name) => name.to_string(),
            Self::Agent => "agentd".to_owned(),
            Self::Storage => "the state file".to_owned(),
            Self::Drain(target) => format!("drain of {target}"),
            Self::Other => "an event".to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(name) => write!(f, "pool:{name}"),
            Self::FailOpen(name) => write!(f, "fail_open:{name}"),
            Self::Sorry(name) => write!(f, "sorry:{name}"),
            Self::Server(id) => write!(f, "server:{id}"),
            Self::Advisory(id) => write!(f, "advisory:{id}"),
            Self::Dependency(name) => write!(f, "dependency:{name}"),
            Self::Blind => f.write_str("blind"),
            Self::Router(name) => write!(f, "router:{name}"),
            Self::RouterFault(name) => write!(f, "router_fault:{name}"),
            Self::Ipvs => f.write_str("ipvs"),
            Self::Edits => f.write_str("edits"),
            Self::Drift => f.write_str("drift"),
            Self::Daemon(name) => write!(f, "daemon:{name}"),
            Self::Agent => f.write_str("agent"),
            Self::Storage => f.write_str("storage"),
            Self::Drain(target) => write!(f, "drain:{target}"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// A text that names no trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no trouble")]
pub struct NoKey(String);

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let no = || NoKey(text.chars().take(80).collect());
        let Some((kind, name)) = text.split_once(':') else {
            return match text {
                "blind" => Ok(Self::Blind),
                "ipvs" => Ok(Self::Ipvs),
                "edits" => Ok(Self::Edits),
                "drift" => Ok(Self::Drift),
                "agent" => Ok(Self::Agent),
                "storage" => Ok(Self::Storage),
                "other" => Ok(Self::Other),
                _ => Err(no()),
            };
        };
        match kind {
            "pool" => name.parse().map(Self::Pool).map_err(|_| no()),
            "fail_open" => name.parse().map(Self::FailOpen).map_err(|_| no()),
            "sorry" => name.parse().map(Self::Sorry).map_err(|_| no()),
            "advisory" => name.parse().map(Self::Advisory).map_err(|_| no()),
            "dependency" => name.parse().map(Self::Dependency).map_err(|_| no()),
            "server" => name.parse().map(Self::Server).map_err(|_| no()),
            "router_fault" => name.parse().map(Self::RouterFault).map_err(|_| no()),
            "router" => name.parse().map(Self::Router).map_err(|_| no()),
            "daemon" => name.parse().map(Self::Daemon).map_err(|_| no()),
            "drain" if name.len() <= 200 => Ok(Self::Drain(name.to_owned())),
            _ => Err(no()),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A trouble that begins, or happens once more, or changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// What is wrong.
    pub key: Key,
    /// How grave it is by itself.
    pub severity: Severity,
    /// Whether it happens and does not last.
    pub passing: bool,
    /// Since when.
    pub at: Timestamp,
    /// The cause code.
    pub cause: Option<CauseCode>,
    /// One line for people.
    pub text: String,
}

/// What an event means.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A trouble begins.
    Begins(Begun),
    /// One ends.
    Ends {
        /// Which.
        key: Key,
        /// When.
        at: Timestamp,
        /// One line for people.
        text: String,
    },
}

/// A trouble that stands, told or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// How grave it is.
    pub severity: Severity,
    /// Whether it happens and does not last.
    #[serde(default)]
    pub passing: bool,
    /// Since when.
    pub since: Timestamp,
    /// When it last changed or happened.
    pub last: Timestamp,
    /// The cause code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseCode>,
    /// One line for people.
    pub text: String,
    /// Whether a silence or a drain keeps it from being told.
    #[serde(default)]
    pub silenced: bool,
    /// When a silence that keeps it from being told may end.
    #[serde(skip)]
    pub reviewed_until: Option<Timestamp>,
}
