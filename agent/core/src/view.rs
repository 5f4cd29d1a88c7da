//! The state as people and scripts read it.
//!
//! Owns the shape of what `holdfast status --json` prints ([`View`], schema [`SCHEMA`]) and the one judgement
//! over everything ([`Level`] with its [`Reason`]s). Old facts are not passed off as new ones: a verdict of a
//! daemon that has not been heard of lately is shown as unknown, with what it was beside it, and a kernel table that
//! nobody reports is unknown, never empty. It reads only the state: no configuration, no file, no clock.

mod alerts;
mod build;
mod judge;
mod routers;
mod select;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use agent_api::id::verdict;
use agent_api::{DrainTarget, Event, KeptBy, Name, RealServerId, ServiceAddress, Setting, Traffic, Verdict};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use alerts::{AlertsView, ChannelView, DELIVERED_WITHIN, SilenceView};
pub use build::length;
pub use judge::REASON_CODES;
pub use routers::RouterView;
pub use select::Selection;

/// Version of the JSON form. It rises when a field changes its meaning or goes; new fields may come without.
pub const SCHEMA: u32 = 1;
/// A section that was not heard for longer than this is not believed any more.
pub const SILENT_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// The same for a daemon whose connection is gone as well: long enough for a restart, shorter than [`SILENT_AFTER`].
pub const GONE_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How long verdicts, orders and the kernel table may differ before that is called trouble.
pub const SETTLES_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// How many of the latest events are shown.
pub const EVENTS_SHOWN: usize = 20;

/// Everything that is known, as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When the view was made.
    pub generated_at: Timestamp,
    /// Where the state came from.
    pub source: Source,
    /// When the state was written, for a state that was read from the file.
    pub written_at: Timestamp,
    /// Generation of the state.
    pub generation: u64,
    /// The worst of [`Self::reasons`].
    pub status: Level,
    /// All that is wrong, the worst first. Empty when nothing is.
    pub reasons: Vec<Reason>,
    /// The virtual servers, by name.
    pub virtual_servers: Vec<VirtualServerView>,
    /// The virtual routers, by name. Absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub virtual_routers: Vec<RouterView>,
    /// The drains in force.
    pub drains: Vec<OrderView>,
    /// The silences in force.
    pub silences: Vec<SilenceView>,
    /// What `alertd` says; null until it was heard.
    pub alerts: Option<AlertsView>,
    /// The kernel's IPVS.
    pub kernel: KernelView,
    /// The daemons that report: `checkd` and `lvsd`, and `vipd` and `alertd` where they ever did.
    pub daemons: Vec<DaemonView>,
    /// Whether the agent can keep all this on disk.
    pub storage: StorageView,
    /// The latest [`EVENTS_SHOWN`] events, oldest first.
    pub events: Vec<Event>,
}

/// Where the state came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From the agent, now.
    Agent,
    /// From the agent, which has stopped answering since.
    LastHeard,
    /// From the state file, because the agent does not answer.
    StateFile,
    /// From nowhere: neither the agent nor the state file says anything.
    Nowhere,
}

/// How bad it is. In order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All well.
    Ok,
    /// Something should be looked at; clients are served.
    Warning,
    /// It can't be said whether clients are served.
    Unknown,
    /// Clients are not served, or the one thing that protects them does not work.
    Critical,
}

impl Level {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub level: Level,
    /// A stable word for scripts, such as `no_server_serving`.
    pub code: &'static str,
    /// The virtual server concerned, if one is.
    pub virtual_server: Option<Name>,
    /// The real server concerned, if one is.
    pub real_server: Option<Name>,
    /// One line for people: what is wrong and, where it is not plain, what to do.
    pub text: String,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VirtualServerView {
    /// Its name.
    pub name: Name,
    /// The worst of the reasons that concern it.
    pub status: Level,
    /// How many real servers it has.
    pub total: usize,
    /// How many of them are up.
    pub up: usize,
    /// How many are degraded.
    pub degraded: usize,
    /// How many are down.
    pub down: usize,
    /// How many are unknown.
    pub unknown: usize,
    /// How many are drained, whatever their verdict.
    pub drained: usize,
    /// How many are up or degraded, and not drained.
    pub serving: usize,
    /// How many must serve for it to count as working; 0 when `lvsd` has not reported.
    pub quorum: u32,
    /// Whether `min_serving`, `max_ejected` or `ejection_rate` keeps servers in the table that are down.
    pub fail_open: bool,
    /// Whether it has lost its quorum and not regained it, hysteresis included.
    pub quorum_lost: bool,
    /// Whether the sorry server answers, because no real server does.
    pub sorry: bool,
    /// Its services, as `lvsd` last reported them; empty when it has not.
    pub services: Vec<ServiceView>,
    /// Its real servers, by name.
    pub real_servers: Vec<RealServerView>,
}

/// One service of a virtual server in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceView {
    /// `udp/192.0.2.1:53`.
    pub service: ServiceAddress,
    /// Scheduler in the kernel.
    pub scheduler: String,
    /// Whether `min_serving` keeps servers in it that are down.
    pub fail_open: bool,
    /// What passed through it; figures that are 0 are left out.
    pub traffic: Traffic,
    /// Destinations that are no real server of ours.
    pub unconfigured: Vec<DestinationView>,
}

/// One destination in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DestinationView {
    /// The service it belongs to.
    pub service: ServiceAddress,
    /// Where packets go.
    pub address: SocketAddr,
    /// Weight in the kernel.
    pub weight: u32,
    /// The weight that is configured, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured: Option<u32>,
    /// What keeps it in though it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptBy>,
    /// Connections the kernel calls active.
    pub active_connections: u32,
    /// Connections the kernel calls inactive; all of UDP.
    pub inactive_connections: u32,
    /// What passed to it; figures that are 0 are left out.
    pub traffic: Traffic,
}

/// One real server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealServerView {
    /// Its name.
    pub name: Name,
    /// The address and port that is probed; of its first destination when it is not probed.
    pub address: Option<SocketAddr>,
    /// The verdict, `unknown` when what is known is too old.
    #[serde(with = "verdict")]
    pub verdict: Verdict,
    /// Why it is not up: a stable code.
    pub cause: Option<String>,
    /// The same in one line for people.
    pub detail: String,
    /// When it came to this verdict.
    pub since: Option<Timestamp>,
    /// What was known before it became unknown for lack of news.
    pub last_known: Option<LastKnown>,
    /// Probes in a row that agree with the latest one.
    pub in_a_row: u32,
    /// Whether the latest probe passed.
    pub passing: bool,
    /// How long the latest answer took, in microseconds.
    pub latency_us: Option<u64>,
    /// Whether it is in the kernel's table.
    pub in_table: InTable,
    /// Its destinations in the kernel, as `lvsd` last reported them.
    pub destinations: Vec<DestinationView>,
    /// The drain that applies to it.
    pub drain: Option<DrainView>,
    /// The weight that its checks ask for in place of the configured one.
    pub weight: Option<u32>,
    /// When it last came back from being down.
    pub returned: Option<Timestamp>,
    /// Its checks one by one, where there are several or advisory ones.
    pub checks: Vec<CheckView>,
}

/// One of several checks of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// Whether it only warns.
    pub advisory: bool,
    /// What it alone says.
    #[serde(with = "verdict")]
    pub verdict: Verdict,
    /// Why it is not up: a stable code.
    pub cause: Option<String>,
    /// The same in one line for people.
    pub detail: String,
    /// When it came to this verdict.
    pub since: Timestamp,
    /// How long the latest answer took, in microseconds.
    pub latency_us: Option<u64>,
}

impl RealServerView {
    /// The verdict, or the last one there was when there is no news.
    #[must_use]
    pub fn last_verdict(&self) -> Verdict {
        self.last_known.as_ref().map_or(self.verdict, |known| known.verdict)
    }
}

/// A verdict that is too old to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastKnown {
    /// The verdict.
    #[serde(with = "verdict")]
    pub verdict: Verdict,
    /// When it had come to it.
    pub since: Timestamp,
    /// When `checkd` last stood by it.
    pub heard_at: Option<Timestamp>,
    /// Why it was not up.
    pub cause: Option<String>,
    /// The same in one line for people.
    pub detail: String,
}

/// Whether a real server is in the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InTable {
    /// In every service of its virtual server.
    Yes,
    /// In some only.
    Partly,
    /// In none.
    No,
    /// The table is not reported.
    Unknown,
}

/// A drain in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrainView {
    /// What it was given for, `dns1` or `resolver/dns1`: how to end it.
    pub target: String,
    /// Who gave it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself; never when null.
    pub until: Option<Timestamp>,
}

/// A drain in force, with what it means now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderView {
    /// The order.
    #[serde(flatten)]
    pub drain: DrainView,
    /// The real servers that it applies to; empty when the real server is configured no more.
    pub real_servers: Vec<RealServerId>,
}

/// The kernel's IPVS, as `lvsd` reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelView {
    /// Whether its table can be read.
    pub status: KernelStatus,
    /// Version of the kernel's IPVS.
    pub version: Option<String>,
    /// Stable cause when it is not present: `ipvs_missing`, `ipvs_denied`, `ipvs_error`, `not_reported`.
    pub cause: Option<String>,
    /// What was tried and what came of it.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// Kernel settings that are not as they should be.
    pub wrong_settings: Vec<Setting>,
    /// Services in the kernel that are not ours.
    pub foreign_services: u64,
    /// Edits since `lvsd` started.
    pub edits: u64,
    /// Edits that undid somebody else's change, since `lvsd` started.
    pub drift_mended: u64,
}

/// Whether the kernel's table can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelStatus {
    /// Read and compared.
    Present,
    /// The kernel has no IPVS.
    Missing,
    /// It has, but we may not use it or it fails.
    Unusable,
    /// Nobody reports.
    Unknown,
}

/// Whether the agent can keep the state on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageView {
    /// Since when it can't; null when it can.
    pub failing_since: Option<Timestamp>,
    /// What goes wrong and what to do about it.
    pub detail: String,
}

/// A daemon that reports to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonView {
    /// `checkd` or `lvsd`.
    pub name: &'static str,
    /// Whether it is heard.
    pub status: DaemonStatus,
    /// When it was last heard.
    pub heard_at: Option<Timestamp>,
    /// Its version.
    pub version: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// Digest of the configuration it runs with.
    pub config: Option<String>,
    /// Whether all daemons run with the same configuration; null while only one has reported.
    pub config_agrees: Option<bool>,
}

/// Whether a daemon is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonStatus {
    /// Its connection stands and it talks.
    Connected,
    /// Its connection is gone, but it was heard a moment ago.
    Disconnected,
    /// It was not heard for so long that its facts are not believed any more.
    Silent,
    /// It was never heard.
    NeverHeard,
}

impl DaemonStatus {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Silent => "silent",
            Self::NeverHeard => "never_heard",
        }
    }

    /// Whether what it last said may be believed.
    #[must_use]
    pub fn is_believed(self) -> bool {
        matches!(self, Self::Connected | Self::Disconnected)
    }
}

impl View {
    /// The virtual router of that name.
    #[must_use]
    pub fn router(&self, name: &Name) -> Option<&RouterView> {
        self.virtual_routers.iter().find(|router| router.name == *name)
    }

    /// The daemon of that name.
    #[must_use]
    pub fn daemon(&self, name: &str) -> Option<&DaemonView> {
        self.daemons.iter().find(|daemon| daemon.name == name)
    }

    /// Every real server that `target` means, with its virtual server.
    pub fn covered<'a>(
        &'a self,
        target: &'a DrainTarget,
    ) -> impl Iterator<Item = (&'a VirtualServerView, &'a RealServerView)> {
        self.virtual_servers
            .iter()
            .filter(|pool| target.virtual_server.as_ref().is_none_or(|name| *name == pool.name))
            .flat_map(|pool| pool.real_servers.iter().map(move |server| (pool, server)))
            .filter(|(_, server)| server.name == target.real_server)
    }
}
