//! The methods of the agent's socket: names, parameters, replies and errors.
//!
//! Owns the Rust form of `org.holdfast.Agent.varlink` beside the crate, which is what other languages use. A test
//! holds the two together. It never frames or sends anything: that is `agent-link`.

use serde::{Deserialize, Serialize};

use crate::alert::{Severity, Silence, SilenceTarget};
use crate::event::NewEvent;
use crate::id::Name;
use crate::order::{AlertTest, Drain, DrainTarget, Handover, HandoverKind};
use crate::router::RouterUpdate;
use crate::section::{CheckUpdate, LvsUpdate};
use crate::state::State;
use crate::telling::AlertUpdate;

/// The interface definition, as `org.varlink.service.GetInterfaceDescription` returns it.
pub const DESCRIPTION: &str = include_str!("../org.holdfast.Agent.varlink");
/// The interface's name.
pub const INTERFACE: &str = "org.holdfast.Agent";

/// Returns the whole state. Parameters none, reply [`StateReply`].
pub const GET_STATE: &str = "org.holdfast.Agent.GetState";
/// With `more`: a stream of [`crate::Update`]s, the first one whole. Parameters [`Watch`].
pub const WATCH: &str = "org.holdfast.Agent.Watch";
/// Reports one daemon's section. Parameters [`Report`], reply [`ReportReply`].
pub const REPORT: &str = "org.holdfast.Agent.Report";
/// Orders a drain. Parameters [`DrainOrder`], reply [`DrainReply`].
pub const DRAIN: &str = "org.holdfast.Agent.Drain";
/// Ends a drain. Parameters [`UndrainOrder`], reply [`UndrainReply`].
pub const UNDRAIN: &str = "org.holdfast.Agent.Undrain";
/// Orders a virtual router to take over or to yield. Parameters [`HandoverOrder`], reply [`HandoverReply`].
pub const HANDOVER: &str = "org.holdfast.Agent.Handover";
/// Ends such an order. Parameters [`EndHandoverOrder`], reply [`EndHandoverReply`].
pub const END_HANDOVER: &str = "org.holdfast.Agent.EndHandover";
/// Keeps alerts about something from being told. Parameters [`SilenceOrder`], reply [`SilenceReply`].
pub const SILENCE: &str = "org.holdfast.Agent.Silence";
/// Ends silences. Parameters [`UnsilenceOrder`], reply [`UnsilenceReply`].
pub const UNSILENCE: &str = "org.holdfast.Agent.Unsilence";
/// Has a test sent through every channel. Parameters [`AlertTestOrder`], reply [`AlertTestReply`].
pub const TEST_ALERTS: &str = "org.holdfast.Agent.TestAlerts";

/// The sections that a watcher can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Operators' orders.
    Orders,
    /// `checkd`'s section.
    Checkd,
    /// `lvsd`'s section.
    Lvsd,
    /// `vipd`'s section.
    Vipd,
    /// `alertd`'s section.
    Alertd,
    /// Whether the state is kept on disk.
    Storage,
    /// Events.
    Events,
}

/// Reply to [`GET_STATE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateReply {
    /// All that is known.
    pub state: State,
}

/// Parameters of [`WATCH`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Only these parts; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Part>>,
}

/// Parameters of [`REPORT`]: exactly one section, and events that only its reporter could see.
///
/// A reporter's first report on a connection is whole. Events carry the reporter's own sequence number, so that one
/// sent again after a lost reply is recorded once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `checkd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkd: Option<CheckUpdate>,
    /// `lvsd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lvsd: Option<LvsUpdate>,
    /// `vipd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vipd: Option<RouterUpdate>,
    /// `alertd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertd: Option<AlertUpdate>,
    /// Events with their sequence numbers, in order. Numbers count from 1 for each run of the reporter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ReportedEvent>,
}

/// An event in a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedEvent {
    /// The reporter's own count.
    pub sequence: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: NewEvent,
}

/// Reply to [`REPORT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportReply {
    /// Generation of the state with the report in it.
    pub generation: u64,
}

/// Parameters of [`DRAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainOrder {
    /// Which real servers.
    #[serde(flatten)]
    pub target: DrainTarget,
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// For how long, in seconds; until ended by hand when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    /// On whose behalf the caller says it acts (`SUDO_USER`); recorded as a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`DRAIN`]: the order as it is on disk now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReply {
    /// The order.
    pub drain: Drain,
    /// Whether it replaced an order for the same target.
    pub replaced: bool,
}

/// Parameters of [`UNDRAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndrainOrder {
    /// Which order: the target it was given with. Without a virtual server every order for the real server is ended.
    #[serde(flatten)]
    pub target: DrainTarget,
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`UNDRAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndrainReply {
    /// The orders that were ended.
    pub ended: Vec<Drain>,
}

/// Parameters of [`HANDOVER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverOrder {
    /// The virtual router.
    pub virtual_router: Name,
    /// What it shall do.
    pub what: HandoverKind,
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// For how long, in seconds; until ended by hand when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`HANDOVER`]: the order as it is on disk now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverReply {
    /// The order.
    pub handover: Handover,
    /// Whether it replaced an order for the same router.
    pub replaced: bool,
}

/// Parameters of [`END_HANDOVER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndHandoverOrder {
    /// The virtual router.
    pub virtual_router: Name,
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`END_HANDOVER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndHandoverReply {
    /// The order that was ended.
    pub ended: Handover,
}

/// Parameters of [`SILENCE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceOrder {
    /// What is not told of; with no name in it everything.
    #[serde(flatten)]
    pub target: SilenceTarget,
    /// Only troubles no graver than this; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Why, in the operator's words; at most 500 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// For how long, in seconds, at most a year: a silence always has an end.
    pub for_seconds: u64,
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`SILENCE`]: the order as it is on disk now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceReply {
    /// The order.
    pub silence: Silence,
    /// Whether it replaced an order for the same target.
    pub replaced: bool,
}

/// Parameters of [`UNSILENCE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsilenceOrder {
    /// Which: the target it was given with.
    #[serde(flatten)]
    pub target: SilenceTarget,
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`UNSILENCE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsilenceReply {
    /// The order that was ended.
    pub ended: Silence,
}

/// Parameters of [`TEST_ALERTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTestOrder {
    /// As in [`DrainOrder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// Reply to [`TEST_ALERTS`]: what came of it is in `alertd`'s section, under the order's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTestReply {
    /// The order.
    pub test: AlertTest,
}

/// The interface's errors; on the wire `org.holdfast.Agent.` and the variant's name, with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum AgentError {
    /// The kernel says that the caller is someone who may not do this.
    #[error("user {user} may not {action}: {remedy}")]
    #[serde(rename = "org.holdfast.Agent.PermissionDenied")]
    PermissionDenied {
        /// The caller, as the kernel names it.
        user: String,
        /// What was asked.
        action: String,
        /// Who may.
        remedy: String,
    },
    /// No real server of that name is configured.
    #[error("no real server {target} is configured{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    #[serde(rename = "org.holdfast.Agent.NoSuchRealServer")]
    NoSuchRealServer {
        /// What was asked for.
        target: String,
        /// A name that is near it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suggestion: Option<String>,
    },
    /// No virtual router of that name is configured.
    #[error("no virtual router {name} is configured{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    #[serde(rename = "org.holdfast.Agent.NoSuchVirtualRouter")]
    NoSuchVirtualRouter {
        /// What was asked for.
        name: String,
        /// A name that is near it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suggestion: Option<String>,
    },
    /// The virtual router is under no order.
    #[error("{name} is under no order: it goes by its priority")]
    #[serde(rename = "org.holdfast.Agent.NotOrdered")]
    NotOrdered {
        /// What was asked for.
        name: String,
    },
    /// There is no such order.
    #[error("{target} is not drained")]
    #[serde(rename = "org.holdfast.Agent.NotDrained")]
    NotDrained {
        /// What was asked for.
        target: String,
    },
    /// No virtual server of that name is configured.
    #[error("no virtual server {name} is configured{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    #[serde(rename = "org.holdfast.Agent.NoSuchVirtualServer")]
    NoSuchVirtualServer {
        /// What was asked for.
        name: String,
        /// A name that is near it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suggestion: Option<String>,
    },
    /// There is no such silence.
    #[error("{target} is not silenced")]
    #[serde(rename = "org.holdfast.Agent.NotSilenced")]
    NotSilenced {
        /// What was asked for.
        target: String,
    },
    /// The order could not be written to disk, so it is not in force.
    #[error("the order is not in force: {detail}")]
    #[serde(rename = "org.holdfast.Agent.NotSaved")]
    NotSaved {
        /// What went wrong, and what to do.
        detail: String,
    },
    /// The request makes no sense; nothing was changed.
    #[error("{detail}")]
    #[serde(rename = "org.holdfast.Agent.Refused")]
    Refused {
        /// Why.
        detail: String,
    },
}
