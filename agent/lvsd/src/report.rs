//! The kernel's table as `lvsd` reports it.
//!
//! Owns the translation from kernel objects to the section's words, and how often mere figures travel. It decides
//! nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use agent_api::{DestinationReport, ServiceAddress, ServiceReport, Traffic};
use agent_core::blueprint::{Blueprint, Member, service_address};
use agent_core::plan::Plan;
use agent_ipvs::{DestinationKey, DestinationStatus, ServiceKey, ServiceStatus, Snapshot, Stats, Table};

/// Our services as `table` has them. Figures are those of `former` unless `fresh`: they change all the time, and only changes and
/// slow summaries travel. What `figures` does not have is new and has none.
#[must_use]
pub fn services(
    blueprint: &Blueprint,
    plan: &Plan,
    (table, figures): (&Table, &Snapshot),
    former: &BTreeMap<ServiceAddress, ServiceReport>,
    fresh: bool,
) -> BTreeMap<ServiceAddress, ServiceReport> {
    let statuses: HashMap<&ServiceKey, &ServiceStatus> = match fresh {
        true => figures.services.iter().map(|status| (status.service.key(), status)).collect(),
        false => HashMap::new(),
    };
    let mut reports = BTreeMap::new();
    for pool in &blueprint.pools {
        for (index, service) in pool.services.iter().enumerate() {
            let Some(there) = table.get(service.key()) else { continue };
            let Some(address) = service_address(service.key()) else { continue };
            let members: BTreeMap<DestinationKey, (&Member, u32)> = pool
                .members
                .iter()
                .filter_map(|member| member.destinations.get(index).map(|there| (member, there)))
                .map(|(member, there)| (there.key, (member, there.weight.get())))
                .collect();
            let sorry = pool.sorry.get(index).copied().flatten().map(|sorry| sorry.key);
            let former = former.get(&address);
            let status = statuses.get(service.key());
            let counted: HashMap<DestinationKey, &DestinationStatus> = status
                .iter()
                .flat_map(|one| &one.destinations)
                .map(|one| (one.destination.key, one))
                .collect();
            let destinations = there.destinations.values().map(|there| {
                let at = SocketAddr::new(there.key.address, there.key.port);
                let mut report = match former.and_then(|service| service.destinations.get(&at)) {
                    Some(known) => known.clone(),
                    None => DestinationReport::default(),
                };
                let member = members.get(&there.key);
                report.real_server = member.map(|(member, _)| member.id.real_server.clone());
                report.kept = member.and_then(|(member, _)| plan.kept.get(&member.id).copied());
                let configured = member.map(|(_, weight)| *weight);
                report.configured = configured.filter(|weight| *weight != there.weight.get());
                report.sorry = report.real_server.is_none() && sorry == Some(there.key);
                report.weight = there.weight.get();
                if let Some(counted) = counted.get(&there.key) {
                    report.active_connections = counted.connections.active;
                    report.inactive_connections = counted.connections.inactive;
                    report.traffic = traffic(&counted.stats);
                }
                (at, report)
            });
            let before = former.map(|service| service.traffic).unwrap_or_default();
            let report = ServiceReport {
                virtual_server: pool.name.clone(),
                scheduler: there.service.scheduler.as_str().to_owned(),
                quorum: pool.quorum,
                fail_open: plan.fail_open.contains_key(&pool.name),
                quorum_lost: plan.quorum_lost.contains(&pool.name),
                traffic: status.map_or(before, |status| traffic(&status.stats)),
                destinations: destinations.collect(),
            };
            reports.insert(address, report);
        }
    }
    reports
}

fn traffic(stats: &Stats) -> Traffic {
    Traffic {
        connections: stats.connections,
        packets_in: stats.packets_in,
        packets_out: stats.packets_out,
        bytes_in: stats.bytes_in,
        bytes_out: stats.bytes_out,
        connections_per_sec: stats.connections_per_sec,
        packets_in_per_sec: stats.packets_in_per_sec,
        packets_out_per_sec: stats.packets_out_per_sec,
        bytes_in_per_sec: stats.bytes_in_per_sec,
        bytes_out_per_sec: stats.bytes_out_per_sec,
    }
}
