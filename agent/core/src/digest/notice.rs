//! A notice: all that one mail, one web hook or one command is told.
//!
//! Owns its form, which is also the JSON that web hooks and commands get. It is a whole: a later notice on the same incident
//! says everything an earlier one said, so that an earlier one that could not be delivered may be left out. Bounded. No text
//! in it is trusted: bytes from the network are in there, and whoever renders it has to make them harmless.

use agent_api::{Name, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the JSON form. It rises when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;
/// How many troubles are listed.
pub const TROUBLES_MAX: usize = 50;
/// How many incidents one notice sums up.
pub const SUMMARIES_MAX: usize = 100;

/// What kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An incident begins.
    Opened,
    /// It changed.
    Updated,
    /// It still lasts.
    Reminder,
    /// It is over.
    Closed,
    /// What happened in quiet hours.
    Digest,
    /// Somebody tries whether it works.
    Test,
}

impl Kind {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Reminder => "reminder",
            Self::Closed => "closed",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }
}

/// All that is told at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What kind.
    pub kind: Kind,
    /// The incident's number; a digest and a test have one of their own.
    pub incident: u64,
    /// The route.
    pub route: Name,
    /// Identity of this notice, and with a host behind it of its mail.
    pub id: String,
    /// Identity of the notice that opened the incident; absent in that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Identity of the notice before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The director that tells.
    pub host: String,
    /// When it was made.
    pub at: Timestamp,
    /// How grave the incident is at its worst.
    pub severity: Severity,
    /// What it is about, in one short line; the same in all notices of one incident unless it grows.
    pub title: String,
    /// When it began.
    pub began: Timestamp,
    /// When it was over; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Whether one of the troubles comes and goes.
    #[serde(default)]
    pub flapping: bool,
    /// The troubles, those that stand first.
    #[serde(default)]
    pub troubles: Vec<TroubleLine>,
    /// Troubles that are not listed.
    #[serde(default)]
    pub troubles_more: usize,
    /// What happened, in order.
    #[serde(default)]
    pub history: Vec<Line>,
    /// Lines in the middle of it that are not shown.
    #[serde(default)]
    pub history_left_out: u64,
    /// What clients lost, by virtual server.
    #[serde(default)]
    pub losses: Vec<LossLine>,
    /// What it rests on.
    #[serde(default)]
    pub evidence: Evidence,
    /// The incidents of a digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Summary>,
    /// Incidents that are not listed.
    #[serde(default)]
    pub incidents_more: usize,
    /// Remarks on the telling itself, such as that something was not delivered before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// One trouble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TroubleLine {
    /// Its stable name, `server:resolver/dns1`.
    pub key: String,
    /// What people call it.
    pub subject: String,
    /// How grave it is.
    pub severity: Severity,
    /// The cause code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// One line for people.
    pub text: String,
    /// When it first began.
    pub began: Timestamp,
    /// When it ended; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How often it began.
    pub falls: u32,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// How grave; absent for what is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What.
    pub text: String,
    /// Whether it is news since the last notice.
    #[serde(default)]
    pub news: bool,
}

/// What clients of a virtual server lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossLine {
    /// The virtual server.
    pub virtual_server: Name,
    /// Its real servers.
    pub total: usize,
    /// How many serve now.
    pub serving: usize,
    /// The fewest that served at a time.
    pub fewest: usize,
    /// The quorum.
    pub quorum: u32,
    /// How long none served, in milliseconds.
    pub none_ms: u64,
    /// How long fewer than the quorum served, in milliseconds.
    pub below_ms: u64,
}

/// What it rests on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The real servers concerned.
    pub servers: Vec<ServerEvidence>,
    /// Who is Active, a line for each virtual router.
    pub routers: Vec<String>,
    /// The table before and after.
    pub table: Vec<TableLine>,
    /// Lines of it that are not shown.
    pub table_more: usize,
    /// What to run next.
    pub next: Vec<String>,
}

/// The last results of one real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerEvidence {
    /// `resolver/dns1`.
    pub server: String,
    /// The address that is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The verdict now.
    pub verdict: String,
    /// Why.
    pub detail: String,
    /// What is asked.
    pub check: String,
    /// The latest probes, oldest first.
    pub probes: Vec<Probes>,
}

/// Probes in a row that ended alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// How each ended.
    pub verdict: String,
    /// How many.
    pub count: u64,
    /// When the first ended.
    pub since: Timestamp,
    /// When the last ended.
    pub until: Timestamp,
    /// What the latest saw.
    pub detail: String,
    /// How long the latest answer took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
}

/// One destination, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableLine {
    /// The service.
    pub service: String,
    /// Where packets go.
    pub address: String,
    /// The real server.
    pub server: String,
    /// Its weight before; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
    /// Its weight now; absent when it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// Whether it is known what was there before.
    pub before_known: bool,
}

/// One incident of a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its number.
    pub incident: u64,
    /// How grave it was at its worst.
    pub severity: Severity,
    /// What it is about.
    pub title: String,
    /// When it began.
    pub began: Timestamp,
    /// When it was over; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The troubles that were in it, a few of them.
    pub lines: Vec<String>,
}
