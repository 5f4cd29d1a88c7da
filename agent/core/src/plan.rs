//! Facts and configuration into the wanted table.
//!
//! Owns the one place where a verdict becomes a weight: who is in the table, with what weight, and why. A pure function of
//! the configuration, the verdicts, the operators' orders, the time and the kernel's table. The kernel's table matters only
//! where a verdict is unknown (what is there is held) and for services that are to go. It never edits anything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use agent_api::config::Adopt;
use agent_api::section::CheckSection;
use agent_api::{Name, Orders, RealServerHealth, Verdict};
use agent_ipvs::{
    Destination, DestinationKey, Forwarding, Protocol, Service, ServiceEntry, ServiceKey, Table, Weight,
};
use jiff::{SignedDuration, Timestamp};

use crate::blueprint::{Blueprint, Member, Pool};
use crate::cursor::Cursor;

#[cfg(test)]
mod tests;

/// Facts of a reporter that was not heard for longer than this are worth nothing: its verdicts count as unknown.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(30);

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The configuration, as kernel objects.
    pub blueprint: &'a Blueprint,
    /// `checkd`'s section, as last heard; absent before anything was heard.
    pub checks: Option<&'a CheckSection>,
    /// The operators' orders, as last heard; absent before anything was heard.
    pub orders: Option<&'a Orders>,
    /// The kernel's table.
    pub actual: &'a Table,
    /// Services that are known to be ours from before: they go when the configuration no longer has them.
    pub ours: &'a BTreeSet<ServiceKey>,
    /// Services of others that have been warned of for long enough, where all are claimed.
    pub warned: &'a BTreeSet<ServiceKey>,
    /// Whether the kernel lets the flows of a removed destination go on elsewhere with their next packet:
    /// `net.ipv4.vs.expire_nodest_conn=1`. With 0 it drops them until they time out.
    pub flows_move: bool,
    /// The time.
    pub now: Timestamp,
}

/// The wanted table, and what there is to say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Our services as they should be.
    pub wanted: Table,
    /// Services that should go: ours of a former configuration or, where all are claimed, anybody's.
    pub surplus: BTreeSet<ServiceKey>,
    /// Services of others that are left alone, for now or for good.
    pub foreign: BTreeSet<ServiceKey>,
    /// Virtual servers where `min_serving` keeps servers in the table that are down, with how many it keeps.
    pub fail_open: BTreeMap<Name, usize>,
}

/// How long a drained destination behind address translation stays in a UDP service: the answers to queries under way need the
/// flow to be translated back.
pub const ANSWERS_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// What is to become of one real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the table with its configured weight.
    Serving,
    /// Since then: in the table with weight 0 where what it holds will end, out of it where that never would.
    Draining(Timestamp),
    /// As the kernel has it.
    Held,
    /// The same, but served where the kernel does not have the service yet: the verdict is good, and not borne out.
    Unproven,
    /// In or out as the kernel has it, and then as if drained since then.
    HeldDraining(Timestamp),
    /// Not in the table.
    Out,
}

/// Makes the plan.
#[must_use]
pub fn plan(facts: &Facts<'_>) -> Plan {
    let mut plan = Plan::default();
    for pool in &facts.blueprint.pools {
        let (places, kept) = places(facts, pool);
        if kept > 0 {
            *plan.fail_open.entry(pool.name.clone()).or_default() += kept;
        }
        let replaced = takes_over(facts, pool, &places);
        for (index, service) in pool.services.iter().enumerate() {
            let mut entry = ServiceEntry::new(*service);
            let there = facts.actual.get(service.key());
            let mut present = Cursor::new(there.map(|entry| &entry.destinations));
            // Filled in one go, which is much faster than one by one.
            let mut destinations = Vec::with_capacity(pool.members.len());
            for (member, place) in pool.members.iter().zip(&places) {
                let Some(configured) = member.destinations.get(index) else { continue };
                let present = present.get(&configured.key);
                let place = if replaced { leaving(facts, *place, service, configured) } else { *place };
                // A table that is not there remembers nothing.
                let place = match place {
                    Place::Unproven if there.is_some() => Place::Held,
                    Place::Unproven => Place::Serving,
                    other => other,
                };
                if let Some(weight) = weight(place, configured.weight, present.map(|there| there.weight)) {
                    let destination = Destination { weight, ..*configured };
                    destinations.push((destination.key, destination));
                }
            }
            entry.destinations = destinations.into_iter().collect();
            plan.wanted.insert(*service.key(), entry);
        }
    }
    for key in facts.actual.keys().filter(|key| !plan.wanted.contains_key(key)) {
        let claimed = facts.blueprint.adopt == Adopt::Exclusive && facts.warned.contains(key);
        let list = if facts.ours.contains(key) || claimed { &mut plan.surplus } else { &mut plan.foreign };
        list.insert(*key);
    }
    plan
}

/// Whether `health` may change the table. What a former run of the daemons left, and none of this run has borne out, may not:
/// if all were killed at once, what they did last may be known to the kernel alone.
fn is_proven(facts: &Facts<'_>, health: &RealServerHealth) -> bool {
    health.unconfirmed == 0 && facts.checks.is_some_and(|checks| checks.connected)
}

/// What `checkd` says of each member, as far as it can still be trusted.
fn healths<'a>(facts: &Facts<'a>, pool: &Pool) -> Vec<Option<&'a RealServerHealth>> {
    let trusted = |checks: &&CheckSection| {
        checks.heard_at.is_some_and(|heard_at| facts.now.duration_since(heard_at) <= SILENCE)
    };
    let mut found = Cursor::new(facts.checks.filter(trusted).map(|checks| &checks.items));
    let mut healths = vec![None; pool.members.len()];
    for index in &pool.by_name {
        if let (Some(member), Some(health)) = (pool.members.get(*index), healths.get_mut(*index)) {
            *health = found.get(&member.id);
        }
    }
    healths
}

/// The place of each member, in order, and how many of them only `min_serving` keeps.
fn places(facts: &Facts<'_>, pool: &Pool) -> (Vec<Place>, usize) {
    let mut places = Vec::with_capacity(pool.members.len());
    let mut fallen = Vec::new();
    let mut serving = 0;
    for ((index, member), health) in pool.members.iter().enumerate().zip(healths(facts, pool)) {
        let drained = facts.orders.and_then(|orders| orders.drain_of(&member.id, facts.now));
        let drained = drained.map(|drain| drain.since);
        let proven = health.is_none_or(|health| is_proven(facts, health));
        let place = match (health.map_or(Verdict::Unknown, |health| health.verdict), drained) {
            (Verdict::Up | Verdict::Degraded, None) if !proven => Place::Unproven,
            (Verdict::Down, None) if !proven => Place::Held,
            (Verdict::Down, Some(since)) if !proven => Place::HeldDraining(since),
            (Verdict::Up | Verdict::Degraded, None) => Place::Serving,
            (Verdict::Up | Verdict::Degraded, Some(since)) => Place::Draining(since),
            (Verdict::Unknown, None) => Place::Held,
            (Verdict::Unknown, Some(since)) => Place::HeldDraining(since),
            (Verdict::Down, _) => Place::Out,
        };
        // A real server that is configured with weight 0 serves nobody, whatever its verdict.
        let can_serve = member.destinations.iter().all(|configured| configured.weight > Weight::ZERO);
        if can_serve
            && (place == Place::Serving
                || (matches!(place, Place::Held | Place::Unproven) && is_serving(facts.actual, pool, member)))
        {
            serving += 1;
        }
        if let (Place::Out, None, true, Some(health)) = (place, drained, can_serve, health) {
            fallen.push((Reverse(health.since), index));
        }
        places.push(place);
    }
    // Fail open. Who fell last has the best chance to work still; of equals, who comes first in the file.
    fallen.sort_unstable();
    let kept = pool.min_serving.saturating_sub(serving).min(fallen.len());
    for (_, index) in fallen.into_iter().take(kept) {
        if let Some(place) = places.get_mut(index) {
            *place = Place::Serving;
        }
    }
    (places, kept)
}

/// Whether another real server of the pool takes over what a drained one would lose.
fn takes_over(facts: &Facts<'_>, pool: &Pool, places: &[Place]) -> bool {
    pool.members.iter().zip(places).any(|(member, place)| {
        let can_serve = member.destinations.iter().all(|configured| configured.weight > Weight::ZERO);
        let held =
            || matches!(place, Place::Held | Place::Unproven) && is_serving(facts.actual, pool, member);
        (*place == Place::Serving && can_serve) || held()
    })
}

/// What becomes of a drained real server in one service, where others take over.
///
/// A UDP flow never ends as long as its client keeps the port, so weight 0 would hold the client here for ever; removed, its next
/// packet goes to another server and nothing is lost. A TCP connection ends by itself, or at the deadline.
fn leaving(facts: &Facts<'_>, place: Place, service: &Service, configured: &Destination) -> Place {
    let (Place::Draining(since) | Place::HeldDraining(since)) = place else { return place };
    let lasted = facts.now.duration_since(since);
    let flows = matches!(service.key(), ServiceKey::Address { protocol: Protocol::Udp, .. });
    let goes = if flows {
        let answered = configured.forwarding != Forwarding::Masquerade || lasted >= ANSWERS_WITHIN;
        facts.flows_move && answered
    } else {
        facts.blueprint.drain_deadline.is_some_and(|deadline| lasted >= deadline)
    };
    if goes { Place::Out } else { place }
}

/// Whether the kernel sends new work to `member` in every service of its pool.
fn is_serving(actual: &Table, pool: &Pool, member: &Member) -> bool {
    pool.services.iter().zip(&member.destinations).all(|(service, configured)| {
        destination(actual, service.key(), &configured.key).is_some_and(|there| there.weight > Weight::ZERO)
    })
}

fn destination<'a>(table: &'a Table, service: &ServiceKey, key: &DestinationKey) -> Option<&'a Destination> {
    table.get(service)?.destinations.get(key)
}

/// The weight that `place` means, or none if the real server is not to be in the table.
///
/// Holding keeps a server in or out. One that is in gets its configured weight, unless it was silenced with 0: to
/// give it work again would be to admit it unseen.
fn weight(place: Place, configured: Weight, present: Option<Weight>) -> Option<Weight> {
    match (place, present) {
        (Place::Serving, _) => Some(configured),
        (Place::Draining(_), _)
        | (Place::HeldDraining(_), Some(_))
        | (Place::Held | Place::Unproven, Some(Weight::ZERO)) => Some(Weight::ZERO),
        (Place::Held | Place::Unproven, Some(_)) => Some(configured),
        (Place::Held | Place::Unproven | Place::HeldDraining(_), None) | (Place::Out, _) => None,
    }
}
