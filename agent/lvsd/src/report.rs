//! The kernel's table as `lvsd` reports it.
//!
//! Owns the translation from kernel objects to the section's words, and how often mere figures travel. It decides
//! nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use agent_api::{DestinationReport, Name, ServiceAddress, ServiceReport};
use agent_core::blueprint::{Blueprint, Member, service_address};
use agent_core::plan::Plan;
use agent_ipvs::{DestinationKey, Snapshot};

/// Our services as `after` has them. Connection counts are those of `former` unless `fresh`: they change all the time, and
/// only changes and slow summaries travel.
#[must_use]
pub fn services(
    blueprint: &Blueprint,
    plan: &Plan,
    after: &Snapshot,
    former: &BTreeMap<ServiceAddress, ServiceReport>,
    fresh: bool,
) -> BTreeMap<ServiceAddress, ServiceReport> {
    let mut pools = BTreeMap::new();
    for pool in &blueprint.pools {
        pools.extend(pool.services.iter().enumerate().map(|(index, service)| (service.key(), (pool, index))));
    }
    let mut reports = BTreeMap::new();
    for status in &after.services {
        let Some((pool, index)) = pools.get(status.service.key()) else { continue };
        let Some(address) = service_address(status.service.key()) else { continue };
        let member = |member: &'_ Member| {
            member.destinations.get(*index).map(|there| (there.key, member.id.real_server.clone()))
        };
        let members: BTreeMap<DestinationKey, Name> = pool.members.iter().filter_map(member).collect();
        let former = former.get(&address);
        let destinations = status.destinations.iter().map(|there| {
            let key = there.destination.key;
            let at = SocketAddr::new(key.address, key.port);
            let known = former.and_then(|service| service.destinations.get(&at));
            let (active, inactive) = match known {
                Some(known) if !fresh => (known.active_connections, known.inactive_connections),
                _ => (there.connections.active, there.connections.inactive),
            };
            let report = DestinationReport {
                real_server: members.get(&key).cloned(),
                sorry: false,
                weight: there.destination.weight.get(),
                active_connections: active,
                inactive_connections: inactive,
            };
            (at, report)
        });
        let report = ServiceReport {
            virtual_server: pool.name.clone(),
            scheduler: status.service.scheduler.as_str().to_owned(),
            quorum: pool.quorum,
            quorum_lost: false,
            fail_open: plan.fail_open.contains_key(&pool.name),
            destinations: destinations.collect(),
        };
        reports.insert(address, report);
    }
    reports
}
