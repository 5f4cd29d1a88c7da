//! Evidence: what a mail shows beside the news.
//!
//! Owns the choice of it: the last results of the servers concerned, the table before and after, what to run next. It is
//! bounded: a mail about ten thousand servers is as long as one about fifty.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use agent_api::router::RouterState;
use agent_api::{Name, ServiceAddress, State, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::incident::Incident;
use super::notice::{Evidence, Probes, ServerEvidence, TableLine};
use super::trouble::Key;

/// How many real servers have their evidence shown.
const SERVERS_MAX: usize = 8;
/// How many lines of the table are shown.
const TABLE_MAX: usize = 24;
/// How many virtual routers are shown.
const ROUTERS_MAX: usize = 8;
/// How many runs of probes are shown of each server.
const RUNS_MAX: usize = 4;

/// One destination in the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The service.
    pub service: ServiceAddress,
    /// Where packets go.
    pub address: SocketAddr,
    /// The real server it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server: Option<Name>,
    /// Its weight.
    pub weight: u32,
}

/// The kernel's table, by virtual server.
pub fn tables(state: &State) -> BTreeMap<Name, Vec<Row>> {
    let mut tables: BTreeMap<Name, Vec<Row>> = BTreeMap::new();
    for (service, report) in &state.lvsd.items {
        let rows = tables.entry(report.virtual_server.clone()).or_default();
        rows.extend(report.destinations.iter().map(|(address, destination)| Row {
            service: *service,
            address: *address,
            real_server: destination.real_server.clone(),
            weight: destination.weight,
        }));
    }
    tables
}

/// How a virtual server stands.
#[derive(Debug, Clone, Default)]
pub struct PoolStanding {
    /// Real servers.
    pub total: usize,
    /// Those up or degraded, and not drained.
    pub serving: usize,
    /// Those that can't be judged.
    pub unknown: usize,
    /// The quorum.
    pub quorum: u32,
    /// Whether `lvsd` says that it is lost, hysteresis included.
    pub lost: bool,
    /// When the latest verdict came.
    pub latest: Option<Timestamp>,
}

/// How every virtual server stands.
pub fn pools(state: &State, now: Timestamp) -> BTreeMap<Name, PoolStanding> {
    let mut pools: BTreeMap<Name, PoolStanding> = BTreeMap::new();
    let drains = !state.orders.drains.is_empty();
    for (id, health) in &state.checkd.items {
        // Not `entry`: it would copy the name of every server.
        let pool = match pools.get_mut(&id.virtual_server) {
            Some(pool) => pool,
            None => pools.entry(id.virtual_server.clone()).or_default(),
        };
        pool.total += 1;
        pool.latest = pool.latest.max(Some(health.since));
        match health.verdict {
            Verdict::Up | Verdict::Degraded if !drains || state.orders.drain_of(id, now).is_none() => {
                pool.serving += 1;
            }
            Verdict::Unknown => pool.unknown += 1,
            _ => {}
        }
    }
    for report in state.lvsd.items.values() {
        if let Some(pool) = pools.get_mut(&report.virtual_server) {
            pool.quorum = pool.quorum.max(report.quorum);
            pool.lost |= report.quorum_lost;
        }
    }
    pools
}

/// The evidence for an incident as it stands.
pub fn gather(incident: &Incident, state: &State) -> Evidence {
    let servers = incident.troubles.keys().filter_map(|key| match key {
        Key::Server(id) | Key::Advisory(id) => Some(id),
        _ => None,
    });
    let servers = servers.filter_map(|id| {
        let health = state.checkd.items.get(id)?;
        let basis = health.basis.as_deref();
        let runs = basis.map(|basis| basis.runs.as_slice()).unwrap_or_default();
        Some(ServerEvidence {
            server: id.to_string(),
            address: Some(health.address.to_string()),
            verdict: health.verdict.to_string(),
            detail: health.detail.clone(),
            check: basis.map(|basis| basis.check.clone()).unwrap_or_default(),
            probes: runs
                .iter()
                .rev()
                .take(RUNS_MAX)
                .rev()
                .map(|run| Probes {
                    verdict: run.verdict.to_string(),
                    count: run.count,
                    since: run.since,
                    until: run.until,
                    detail: if run.detail.is_empty() { run.reply.clone() } else { run.detail.clone() },
                    latency_us: run.latency_us,
                })
                .collect(),
        })
    });
    let servers: Vec<ServerEvidence> = servers.take(SERVERS_MAX).collect();
    let (table, table_more) = table(incident, state);
    Evidence { servers, routers: routers(state), table, table_more, next: next(incident) }
}

/// Who is Active, a line for each virtual router.
fn routers(state: &State) -> Vec<String> {
    let lines = state.vipd.items.iter().take(ROUTERS_MAX).map(|(name, router)| {
        let heard = router.active.as_ref().map(|other| {
            format!(
                "; {} is Active, priority {}, heard at {:.0}",
                other.source, other.priority, other.heard_at
            )
        });
        let here = match router.state {
            RouterState::Active => "Active here",
            RouterState::Backup => "Backup here",
            RouterState::Initialize => "takes no part here",
        };
        format!("{name}: {here} since {:.0} ({}){}", router.since, router.detail, heard.unwrap_or_default())
    });
    lines.collect()
}

/// The table before and after; lines that changed come first when there is no room for all.
fn table(incident: &Incident, state: &State) -> (Vec<TableLine>, usize) {
    let pools = incident.pools();
    let mut lines: BTreeMap<(ServiceAddress, SocketAddr), TableLine> = BTreeMap::new();
    let known_before: BTreeSet<ServiceAddress> = incident.before.iter().map(|row| row.service).collect();
    for row in &incident.before {
        lines.insert(
            (row.service, row.address),
            TableLine {
                service: row.service.to_string(),
                address: row.address.to_string(),
                server: row.real_server.as_ref().map(ToString::to_string).unwrap_or_default(),
                before: Some(row.weight),
                after: None,
                before_known: true,
            },
        );
    }
    for (service, report) in state.lvsd.items.iter().filter(|(_, r)| pools.contains(&r.virtual_server)) {
        for (address, destination) in &report.destinations {
            let line = lines.entry((*service, *address)).or_insert_with(|| TableLine {
                service: service.to_string(),
                address: address.to_string(),
                server: destination.real_server.as_ref().map(ToString::to_string).unwrap_or_default(),
                before: None,
                after: None,
                before_known: known_before.contains(service),
            });
            line.after = Some(destination.weight);
        }
    }
    let total = lines.len();
    let mut lines: Vec<TableLine> = lines.into_values().collect();
    if total > TABLE_MAX {
        lines.sort_by_key(|line| line.before == line.after);
        lines.truncate(TABLE_MAX);
    }
    (lines, total.saturating_sub(TABLE_MAX))
}

/// What to run next.
fn next(incident: &Incident) -> Vec<String> {
    let mut next = Vec::new();
    let mut add = |line: String| {
        if next.len() < 6 && !next.contains(&line) {
            next.push(line);
        }
    };
    for key in incident.troubles.keys() {
        match key {
            Key::Server(id) | Key::Advisory(id) => add(format!("holdfast explain {id}")),
            Key::Blind => add("ip -br addr; ip route".to_owned()),
            Key::Pool(name) | Key::FailOpen(name) | Key::Sorry(name) => {
                add(format!("holdfast status {name}"))
            }
            Key::Router(name) | Key::RouterFault(name) => add(format!("holdfast explain {name}")),
            Key::Ipvs | Key::Edits | Key::Drift => {
                add("holdfast diff".to_owned());
                add("journalctl -u holdfast-lvsd --since -1h".to_owned());
            }
            Key::Daemon(name) => add(format!("systemctl status holdfast-{name}")),
            Key::Agent => add("systemctl status holdfast-agentd".to_owned()),
            Key::Storage => add("df -h /var/lib/holdfast".to_owned()),
            Key::Drain(target) => add(format!("holdfast undrain {target}")),
            Key::Other | Key::Dependency(_) => add("holdfast status".to_owned()),
        }
    }
    next
}
