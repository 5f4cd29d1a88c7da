//! Sections: what each daemon knows, in its own words, and how a report changes it.
//!
//! Owns the shape of a section and the one rule by which an update is merged into it (whole sections replace,
//! single items overwrite). It never judges what is in there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use checker_core::Verdict;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::basis::Basis;
use crate::id::{CauseCode, Name, RealServerId, ServiceAddress, verdict};
use crate::traffic::Traffic;

/// Which process a section comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporter {
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Digest of the configuration it runs with ([`crate::config::Config::digest`]).
    pub config: String,
}

/// What one daemon reported: a head of single facts, and items by key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, H: Serialize, I: Serialize",
    deserialize = "K: Ord + DeserializeOwned, H: Default + DeserializeOwned, I: DeserializeOwned"
))]
pub struct Section<K: Ord, H, I> {
    /// Who reported; absent until someone did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<Reporter>,
    /// Whether the reporter's connection stands.
    #[serde(default)]
    pub connected: bool,
    /// When it was last heard; absent until it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// Single facts.
    #[serde(default)]
    pub head: H,
    /// Facts by key.
    #[serde(default = "BTreeMap::new")]
    pub items: BTreeMap<K, I>,
}

impl<K: Ord, H: Default, I> Default for Section<K, H, I> {
    fn default() -> Self {
        Self { reporter: None, connected: false, heard_at: None, head: H::default(), items: BTreeMap::new() }
    }
}

/// A change to a [`Section`]: all of it, or some items. Applying one twice changes nothing more.
///
/// The same words go from a reporter to the agent and from the agent to whoever watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, H: Serialize, I: Serialize",
    deserialize = "K: Ord + DeserializeOwned, H: DeserializeOwned, I: DeserializeOwned"
))]
pub struct SectionUpdate<K: Ord, H, I> {
    /// Whether `items` is all there is: keys not in it are gone.
    #[serde(default)]
    pub whole: bool,
    /// Whether a whole section is not finished with this: more of its items follow in the next updates, and only the one that
    /// finishes it takes away the keys that none of them named. So a section of many thousands never is in memory as one text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// The reporter, when it is new or has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<Reporter>,
    /// Whether the reporter's connection stands (only from the agent; ignored in a report).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<bool>,
    /// When the reporter was last heard (only from the agent; ignored in a report).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Timestamp>,
    /// The head, when it has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<H>,
    /// New and changed items.
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<K, I>,
    /// Keys that are gone.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<K>,
}

impl<K: Ord, H, I> Default for SectionUpdate<K, H, I> {
    fn default() -> Self {
        Self {
            whole: false,
            unfinished: false,
            reporter: None,
            connected: None,
            heard_at: None,
            head: None,
            items: BTreeMap::new(),
            removed: Vec::new(),
        }
    }
}

impl<K: Ord + Clone, H: Clone, I: Clone> Section<K, H, I> {
    /// Merges `update`: the last report wins, replay is harmless.
    pub fn apply(&mut self, update: SectionUpdate<K, H, I>) {
        // Only reporters send a section in parts, and the ledger puts those together.
        let SectionUpdate { whole, unfinished: _, reporter, connected, heard_at, head, items, removed } =
            update;
        if let Some(reporter) = reporter {
            self.reporter = Some(reporter);
        }
        if let Some(connected) = connected {
            self.connected = connected;
        }
        if let Some(heard_at) = heard_at {
            self.heard_at = Some(heard_at);
        }
        if let Some(head) = head {
            self.head = head;
        }
        if whole {
            self.items = items;
        } else {
            self.items.extend(items);
        }
        for key in removed {
            self.items.remove(&key);
        }
    }

    /// The whole section as an update, as a watcher gets it first.
    #[must_use]
    pub fn to_update(&self) -> SectionUpdate<K, H, I> {
        SectionUpdate {
            whole: true,
            unfinished: false,
            reporter: self.reporter.clone(),
            connected: Some(self.connected),
            heard_at: self.heard_at,
            head: Some(self.head.clone()),
            items: self.items.clone(),
            removed: Vec::new(),
        }
    }
}

/// `checkd`'s section: a verdict on every real server.
pub type CheckSection = Section<RealServerId, CheckHead, RealServerHealth>;
/// A report of `checkd`.
pub type CheckUpdate = SectionUpdate<RealServerId, CheckHead, RealServerHealth>;
/// `lvsd`'s section: every service of ours as it stands in the kernel.
pub type LvsSection = Section<ServiceAddress, LvsHead, ServiceReport>;
/// A report of `lvsd`.
pub type LvsUpdate = SectionUpdate<ServiceAddress, LvsHead, ServiceReport>;

/// `checkd`'s single facts, sent as a slow summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckHead {
    /// Probes finished since the daemon started.
    pub probes: u64,
    /// The latest that a probe started after it was due, in the last summary's span, in milliseconds.
    pub lateness_ms: u64,
    /// Probes that could not be run in the last summary's span: trouble at our own end.
    pub local_failures: u64,
    /// Probes that wait for their turn, since as many of their kind as may be are under way: their checks run late.
    #[serde(skip_serializing_if = "is_none")]
    pub waiting: u64,
    /// Since when this director is blind: most servers fail and no sentinel answers. Absent when it sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blind_since: Option<Timestamp>,
    /// The sentinels, from when one of them has answered since this machine started: only then their silence means anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentinels: Vec<SocketAddr>,
    /// What real servers depend on, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<Name, RealServerHealth>,
}

/// What `checkd` says of one real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerHealth {
    /// The judgement after rise and fall.
    #[serde(with = "verdict")]
    pub verdict: Verdict,
    /// When the judgement last changed.
    pub since: Timestamp,
    /// The address and port that is probed.
    pub address: SocketAddr,
    /// Why it is not up; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseCode>,
    /// The same in one line for people, with what was seen; bytes from the network are escaped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Probes in a row that agree with the latest one: towards `rise` when it passed, towards `fall` when not.
    #[serde(default)]
    pub in_a_row: u32,
    /// Whether the latest probe passed.
    #[serde(default)]
    pub passing: bool,
    /// How long the latest answer took, in microseconds; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// What the verdict rests on; absent from a daemon that does not tell, and where [`Self::checks`] do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Box<Basis>>,
    /// When it last came back from being down; absent when it never did. Slow start counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Timestamp>,
    /// The weight that its checks ask for in place of the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Results of this run of `checkd` that are still needed to bear out a verdict that a former run left; 0 when it is borne out.
    /// What happened just before all daemons were killed may not be known any more: until then the table is held as it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unconfirmed: u32,
    /// Its checks one by one, where there are several or advisory ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckReport>,
    /// How many of [`Self::checks`] that are not advisory must pass; 0 where there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub require: u32,
}

/// One of the checks of a real server that has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name, unique among the checks of the server.
    pub name: String,
    /// Whether it only warns and never takes the server out.
    #[serde(default)]
    pub advisory: bool,
    /// What is known by it alone; [`RealServerHealth::checks`] in here is empty.
    pub health: RealServerHealth,
}

impl RealServerHealth {
    /// A verdict of which nothing else is known.
    #[must_use]
    pub fn new(verdict: Verdict, since: Timestamp, address: SocketAddr) -> Self {
        Self {
            verdict,
            since,
            address,
            cause: None,
            detail: String::new(),
            in_a_row: 0,
            passing: verdict.passes(),
            latency_us: None,
            basis: None,
            returned: None,
            weight: None,
            unconfirmed: 0,
            checks: Vec::new(),
            require: 0,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How the kernel's table can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum KernelTable {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// Read and compared.
    Present {
        /// Version of the kernel's IPVS, `1.2.1`.
        version: String,
    },
    /// The kernel has no IPVS, we may not use it, or reading it failed; the table's content is not known.
    Unusable {
        /// Stable cause: `ipvs_missing`, `ipvs_denied`, `ipvs_error`.
        cause: CauseCode,
        /// What was tried and what came of it, in one line.
        detail: String,
        /// What to do about it, in one line.
        remedy: String,
    },
}

/// A kernel setting that decides whether clients leave a dead server, as it is and as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name, `net.ipv4.vs.expire_nodest_conn`.
    pub name: String,
    /// Its value; absent when it can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value it should have.
    pub wanted: String,
    /// What goes wrong otherwise, in one line.
    pub why: String,
}

/// `lvsd`'s single facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LvsHead {
    /// Whether the kernel's table can be read.
    pub kernel: KernelTable,
    /// Settings that are not as they should be.
    pub settings: Vec<Setting>,
    /// Services in the kernel that are not ours.
    pub foreign_services: u64,
    /// Edits made since the daemon started.
    pub edits: u64,
    /// Edits that undid somebody else's change, since the daemon started.
    pub drift_mended: u64,
}

/// One service as it stands in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// The virtual server it belongs to.
    pub virtual_server: Name,
    /// Scheduler in the kernel.
    pub scheduler: String,
    /// Real servers that must be up for the virtual server to count as working.
    #[serde(default)]
    pub quorum: u32,
    /// Whether `min_serving`, `max_ejected` or `ejection_rate` keeps servers in the table that are down.
    #[serde(default)]
    pub fail_open: bool,
    /// Whether the virtual server has lost its quorum and not regained it, hysteresis included.
    #[serde(default)]
    pub quorum_lost: bool,
    /// What passed through it, as of the last summary.
    #[serde(default, skip_serializing_if = "Traffic::is_none")]
    pub traffic: Traffic,
    /// The destinations in the kernel.
    pub destinations: BTreeMap<SocketAddr, DestinationReport>,
}

/// The limit that keeps a real server in the kernel's table though it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptBy {
    /// `min_serving` or `max_ejected`: too few would be left.
    Share,
    /// `ejection_rate`: its turn has not come.
    Rate,
}

/// One destination as it stands in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationReport {
    /// The real server it is; absent when nobody configured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server: Option<Name>,
    /// Whether it is the sorry server.
    #[serde(default)]
    pub sorry: bool,
    /// Weight in the kernel.
    pub weight: u32,
    /// The weight that is configured for it; absent where that is the one in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured: Option<u32>,
    /// What keeps it in though it is down; absent when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptBy>,
    /// Connections the kernel calls active, as of the last summary.
    #[serde(default)]
    pub active_connections: u32,
    /// Connections the kernel calls inactive (all UDP ones), as of the last summary.
    #[serde(default)]
    pub inactive_connections: u32,
    /// What passed to it, as of the last summary.
    #[serde(default, skip_serializing_if = "Traffic::is_none")]
    pub traffic: Traffic,
}
