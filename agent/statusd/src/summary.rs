//! What one director says of itself in a few lines: `/api/v1/summary`, which the other one shows beside its own page.
//!
//! Owns the form and its bounds. It holds this director's own facts alone, never what it heard of another: two that ask each
//! other can't go in circles.

use std::net::IpAddr;

use agent_api::{RouterState, ToldOver};
use agent_core::view::{Level, RouterView, Source, VirtualServerView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Snapshot;

/// How many reasons and virtual servers are told.
const REASONS: usize = 5;
const VIRTUAL_SERVERS: usize = 50;
/// How many virtual routers, and addresses of each, are told.
const ROUTERS: usize = 24;
const ADDRESSES: usize = 4;
/// The longest text that is told, in bytes.
const TEXT: usize = 300;

/// One director.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The machine's name.
    pub host: String,
    /// What its page calls the cluster.
    pub title: String,
    /// Version of its `statusd`.
    pub version: String,
    /// When this was said.
    pub generated_at: Timestamp,
    /// Where its facts come from.
    pub source: Source,
    /// Its judgement.
    pub status: Level,
    /// What is wrong, the worst first, at most [`REASONS`].
    pub reasons: Vec<SummaryReason>,
    /// How many reasons there are.
    pub reasons_total: usize,
    /// Virtual servers, the worst first, at most [`VIRTUAL_SERVERS`].
    pub virtual_servers: Vec<SummaryPool>,
    /// How many virtual servers there are.
    pub virtual_servers_total: usize,
    /// Virtual routers, by name, at most [`ROUTERS`].
    #[serde(default)]
    pub virtual_routers: Vec<SummaryRouter>,
    /// Real servers that serve.
    pub serving: usize,
    /// All real servers.
    pub real_servers_total: usize,
    /// What its `alertd` told; absent when that was never heard.
    #[serde(default)]
    pub alerts: Option<SummaryAlerts>,
}

/// What its `alertd` told: a standby that hears its Active director tell keeps quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryAlerts {
    /// Whether that `alertd` is heard.
    pub heard: bool,
    /// Whether what it has to tell arrives.
    pub delivers: bool,
    /// The troubles that it told and that stand, by their stable names.
    pub told: Vec<String>,
    /// Those that it told and that are over, the latest first.
    #[serde(default)]
    pub told_over: Vec<ToldOver>,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryRouter {
    /// Its name.
    pub name: String,
    /// Whether vipd was heard of lately: otherwise all this is old.
    pub fresh: bool,
    /// State on that machine.
    pub state: RouterState,
    /// The first of its addresses.
    pub addresses: Vec<IpAddr>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryReason {
    /// How bad it is.
    pub level: Level,
    /// One line for people.
    pub text: String,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryPool {
    /// Its name.
    pub name: String,
    /// Its judgement.
    pub status: Level,
    /// Real servers that serve.
    pub serving: usize,
    /// All of them.
    pub total: usize,
    /// How many must serve.
    pub quorum: u32,
}

impl Summary {
    /// What this director says of itself.
    pub fn of(snapshot: &Snapshot, host: &str, title: &str) -> Self {
        let view = &snapshot.view;
        let mut pools: Vec<&VirtualServerView> = view.virtual_servers.iter().collect();
        // Stable: equally bad ones stay in the order of their names.
        pools.sort_by_key(|pool| std::cmp::Reverse(pool.status));
        let reason = |reason: &agent_core::view::Reason| SummaryReason {
            level: reason.level,
            text: cut(&reason.text),
        };
        Self {
            host: host.to_owned(),
            title: title.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generated_at: view.generated_at,
            source: view.source,
            status: view.status,
            reasons: view.reasons.iter().take(REASONS).map(reason).collect(),
            reasons_total: view.reasons.len(),
            virtual_servers: pools.iter().take(VIRTUAL_SERVERS).map(|pool| SummaryPool::of(pool)).collect(),
            virtual_servers_total: pools.len(),
            virtual_routers: view.virtual_routers.iter().take(ROUTERS).map(SummaryRouter::of).collect(),
            serving: pools.iter().map(|pool| pool.serving).sum(),
            real_servers_total: pools.iter().map(|pool| pool.total).sum(),
            alerts: view.alerts.as_ref().map(|alerts| SummaryAlerts {
                // Old news is no news: what the agent said before it fell silent tells nobody.
                heard: view.source == Source::Agent
                    && view.daemon("alertd").is_some_and(|alertd| alertd.status.is_believed()),
                delivers: alerts.delivers,
                told: alerts.told.clone(),
                told_over: alerts.told_over.clone(),
            }),
        }
    }

    /// The same without the moment: whether two say something different.
    pub fn is_news(&self, before: &Self) -> bool {
        Self { generated_at: before.generated_at, ..self.clone() } != *before
    }
}

impl SummaryRouter {
    fn of(router: &RouterView) -> Self {
        let report = &router.report;
        Self {
            name: router.name.to_string(),
            fresh: router.fresh,
            state: report.state,
            addresses: report.addresses.iter().take(ADDRESSES).copied().collect(),
        }
    }
}

impl SummaryPool {
    fn of(pool: &VirtualServerView) -> Self {
        Self {
            name: pool.name.to_string(),
            status: pool.status,
            serving: pool.serving,
            total: pool.total,
            quorum: pool.quorum,
        }
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT)).unwrap_or_default().to_owned()
}
