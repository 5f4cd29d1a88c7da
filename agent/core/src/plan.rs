//! Facts and configuration into the wanted table.
//!
//! Owns the one place where a verdict becomes a weight: who is in the table, with what weight, and why. A pure function of
//! the configuration, the verdicts, the operators' orders, the time and the kernel's table. The kernel's table matters only
//! where a verdict is unknown (what is there is held) and for services that are to go. It never edits anything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use agent_api::config::Adopt;
use agent_api::section::CheckSection;
use agent_api::{KeptBy, Name, Orders, RealServerHealth, RealServerId, Verdict};
use agent_ipvs::{
    Destination, DestinationKey, Forwarding, Protocol, Service, ServiceEntry, ServiceKey, Table, Weight,
};
use jiff::{SignedDuration, Timestamp};

use crate::blueprint::{Blueprint, Member, Pool};
use crate::cursor::Cursor;

mod standing;
#[cfg(test)]
mod tests;

pub use standing::{Ejections, Standing};

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
    /// Virtual servers that had lost their quorum.
    pub quorum_lost: &'a BTreeSet<Name>,
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
    /// Virtual servers where `min_serving`, `max_ejected` or `ejection_rate` keeps servers in the table that are down, with how many
    /// it keeps.
    pub fail_open: BTreeMap<Name, usize>,
    /// Who these are, and which limit keeps each.
    pub kept: BTreeMap<RealServerId, KeptBy>,
    /// Virtual servers that have lost their quorum.
    pub quorum_lost: BTreeSet<Name>,
    /// Virtual servers for which the sorry server answers.
    pub sorry: BTreeSet<Name>,
    /// How many members of each pool, in the blueprint's order, serve because they work.
    pub serving: Vec<usize>,
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

/// Makes the plan. docs/decisions.md has its rules in one table.
#[must_use]
pub fn plan(facts: &Facts<'_>) -> Plan {
    let mut plan = Plan::default();
    for pool in &facts.blueprint.pools {
        let said = said(facts, pool);
        let decision = decide(facts, pool, &said);
        plan.serving.push(decision.serving);
        if !decision.kept.is_empty() {
            *plan.fail_open.entry(pool.name.clone()).or_default() += decision.kept.len();
            let members =
                decision.kept.iter().filter_map(|(index, by)| Some((pool.members.get(*index)?, by)));
            plan.kept.extend(members.map(|(member, by)| (member.id.clone(), *by)));
        }
        if has_lost_quorum(facts, pool, &decision) {
            plan.quorum_lost.insert(pool.name.clone());
        }
        let places = &decision.places;
        let replaced = takes_over(facts, pool, places, &said);
        for (index, service) in pool.services.iter().enumerate() {
            let mut entry = ServiceEntry::new(*service);
            let there = facts.actual.get(service.key());
            let mut present = Cursor::new(there.map(|entry| &entry.destinations));
            // Filled in one go, which is much faster than one by one.
            let mut destinations = Vec::with_capacity(pool.members.len());
            for ((member, place), said) in pool.members.iter().zip(places).zip(&said) {
                let Some(configured) = member.destinations.get(index) else { continue };
                let present = present.get(&configured.key);
                let place = if replaced { leaving(facts, *place, service, configured) } else { *place };
                // A table that is not there remembers nothing.
                let place = match place {
                    Place::Unproven if there.is_some() => Place::Held,
                    Place::Unproven => Place::Serving,
                    other => other,
                };
                let present = present.map(|there| there.weight);
                let full = match place {
                    // While a server can't be judged, its weight stays what it was.
                    Place::Held if weights_vary(pool, *said) => present.unwrap_or(configured.weight),
                    Place::Held => configured.weight,
                    _ => weighed(facts, pool, *said, configured.weight),
                };
                if let Some(weight) = weight(place, full, present) {
                    let destination = Destination { weight, ..*configured };
                    destinations.push((destination.key, destination));
                }
            }
            entry.destinations = destinations.into_iter().collect();
            if let Some(Some(sorry)) = pool.sorry.get(index)
                && needs_sorry_server(facts, service, &entry, sorry, decision.known)
            {
                entry.destinations.entry(sorry.key).or_insert(*sorry);
                plan.sorry.insert(pool.name.clone());
            }
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

/// Whether no real server gets new clients in this service. Before anything is known of any of them nobody is sorry yet; a sorry server
/// that is there stays.
fn needs_sorry_server(
    facts: &Facts<'_>,
    service: &Service,
    wanted: &ServiceEntry,
    sorry: &Destination,
    known: bool,
) -> bool {
    let served = wanted.destinations.values().any(|there| there.weight > Weight::ZERO);
    !served && (known || destination(facts.actual, service.key(), &sorry.key).is_some())
}

/// Whether `health` may change the table. What a former run of the daemons left, and none of this run has borne out, may not:
/// if all were killed at once, what they did last may be known to the kernel alone.
fn is_proven(facts: &Facts<'_>, health: &RealServerHealth) -> bool {
    health.unconfirmed == 0 && facts.checks.is_some_and(|checks| checks.connected)
}

/// What `checkd` last said of a real server, if it did.
type Said<'a> = Option<&'a RealServerHealth>;

/// What it last said of each member.
fn said<'a>(facts: &Facts<'a>, pool: &Pool) -> Vec<Said<'a>> {
    let mut found = Cursor::new(facts.checks.map(|checks| &checks.items));
    let mut all = vec![None; pool.members.len()];
    for index in &pool.by_name {
        if let (Some(member), Some(said)) = (pool.members.get(*index), all.get_mut(*index)) {
            *said = found.get(&member.id);
        }
    }
    all
}

/// Whether that can still be trusted.
fn is_heard(facts: &Facts<'_>) -> bool {
    let heard = facts.checks.and_then(|checks| checks.heard_at);
    heard.is_some_and(|heard| facts.now.duration_since(heard) <= SILENCE)
}

/// What is decided for a pool.
struct Decision {
    /// The place of each member, in order.
    places: Vec<Place>,
    /// Those of them, by number, that are down and stay all the same.
    kept: Vec<(usize, KeptBy)>,
    /// How many serve because they work, and how many more may.
    serving: usize,
    maybe: usize,
    /// Whether anything is known of any of them.
    known: bool,
}

/// The place of each member: by its verdict and orders, then by what the pool as a whole can bear.
fn decide(facts: &Facts<'_>, pool: &Pool, said: &[Said<'_>]) -> Decision {
    let mut decision = Decision {
        places: Vec::with_capacity(pool.members.len()),
        kept: Vec::new(),
        serving: 0,
        maybe: 0,
        known: false,
    };
    let (mut fallen, heard) = (Vec::new(), is_heard(facts));
    for (index, (member, said)) in pool.members.iter().zip(said).enumerate() {
        let drained = facts.orders.and_then(|orders| orders.drain_of(&member.id, facts.now));
        let drained = drained.map(|drain| drain.since);
        let health = said.filter(|_| heard);
        let proven = health.is_none_or(|health| is_proven(facts, health));
        let verdict = health.map_or(Verdict::Unknown, |health| health.verdict);
        let place = match (verdict, drained) {
            (Verdict::Up | Verdict::Degraded, None) if !proven => Place::Unproven,
            (Verdict::Down, None) if !proven => Place::Held,
            (Verdict::Down, Some(since)) if !proven => Place::HeldDraining(since),
            (Verdict::Up | Verdict::Degraded, None) => Place::Serving,
            (Verdict::Up | Verdict::Degraded, Some(since)) => Place::Draining(since),
            (Verdict::Unknown, None) => Place::Held,
            (Verdict::Unknown, Some(since)) => Place::HeldDraining(since),
            (Verdict::Down, _) => Place::Out,
        };
        decision.known |= verdict != Verdict::Unknown || drained.is_some();
        if can_serve(facts, pool, member, *said) {
            let holds = matches!(place, Place::Held | Place::Unproven);
            if place == Place::Serving || (holds && is_serving(facts.actual, pool, member)) {
                decision.serving += 1;
            } else if holds {
                decision.maybe += 1;
            }
            if let (Place::Out, None, Some(health)) = (place, drained, health) {
                fallen.push((Reverse(health.since), index));
            }
        }
        decision.places.push(place);
    }
    // Fail open. Who fell last has the best chance to work still; of equals, who comes first in the file.
    fallen.sort_unstable();
    let kept = pool.min_serving.saturating_sub(decision.serving).min(fallen.len());
    let out = fallen.split_off(kept);
    for (_, index) in fallen {
        if let Some(place) = decision.places.get_mut(index) {
            *place = Place::Serving;
            decision.kept.push((index, KeptBy::Share));
        }
    }
    for index in waiting(facts, pool, &out) {
        if let (Some(place), Some(member)) = (decision.places.get_mut(index), pool.members.get(index)) {
            *place = Place::Held;
            if is_serving(facts.actual, pool, member) {
                decision.kept.push((index, KeptBy::Rate));
            }
        }
    }
    decision
}

/// Those of `out`, latest first, whose turn to be ejected has not come: each goes no earlier than `per` after the one that went so
/// many before it. Who is out already has had its turn, though others may be said to have failed before.
fn waiting(facts: &Facts<'_>, pool: &Pool, out: &[(Reverse<Timestamp>, usize)]) -> Vec<usize> {
    let Some((servers, per)) = pool.ejection_rate else { return Vec::new() };
    let mut turns: Vec<Timestamp> = Vec::with_capacity(out.len());
    let mut waiting = Vec::new();
    let is_in = |index: usize| pool.members.get(index).is_some_and(|one| is_serving(facts.actual, pool, one));
    let (staying, gone): (Vec<_>, Vec<_>) = out.iter().rev().partition(|(_, index)| is_in(*index));
    for (Reverse(since), index) in gone.into_iter().chain(staying) {
        // A clock that was set back makes nobody wait.
        let since = since.min(facts.now);
        let before = turns.len().checked_sub(servers.max(1)).and_then(|at| turns.get(at));
        let turn = before.map_or(since, |before| before.saturating_add(per).unwrap_or(since).max(since));
        if turn > facts.now {
            waiting.push(index);
        }
        turns.push(turn);
    }
    waiting
}

/// Whether the pool has its quorum, given whether it had lost it.
fn has_lost_quorum(facts: &Facts<'_>, pool: &Pool, decision: &Decision) -> bool {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if facts.quorum_lost.contains(&pool.name) {
        let enough = pool.quorum.saturating_add(pool.quorum_hysteresis).min(count(pool.members.len()));
        count(decision.serving) < enough
    } else {
        let least = pool.quorum.saturating_sub(pool.quorum_hysteresis);
        count(decision.serving.saturating_add(decision.maybe)) < least
    }
}

/// Whether a real server has weight in every service when it is in the table. One that is configured with weight 0, or whose checks ask
/// for it, serves nobody, whatever its verdict.
fn can_serve(facts: &Facts<'_>, pool: &Pool, member: &Member, said: Said<'_>) -> bool {
    member.destinations.iter().all(|configured| weighed(facts, pool, said, configured.weight) > Weight::ZERO)
}

/// In how many steps a returning real server comes to its full weight.
pub const SLOW_START_STEPS: i64 = 10;

/// The weight of a real server that serves: what its checks ask for or the configured one, less while it is degraded or has only
/// just returned. A pure function of what is known now; never 0 unless that was asked for.
fn weighed(facts: &Facts<'_>, pool: &Pool, said: Said<'_>, configured: Weight) -> Weight {
    let Some(health) = said else { return configured };
    let base = if configured == Weight::ZERO { 0 } else { health.weight.unwrap_or(configured.get()) };
    let degraded = if health.verdict == Verdict::Degraded { u64::from(pool.degraded_percent) } else { 100 };
    let steps = match health.returned {
        Some(returned) if pool.slow_start > SignedDuration::ZERO => {
            let lasted = facts.now.duration_since(returned);
            // A clock that was set back ends it.
            if lasted.is_negative() || lasted >= pool.slow_start {
                SLOW_START_STEPS
            } else {
                let part =
                    lasted.as_millis() * i128::from(SLOW_START_STEPS) / pool.slow_start.as_millis().max(1);
                (i64::try_from(part).unwrap_or(SLOW_START_STEPS) + 1).clamp(1, SLOW_START_STEPS)
            }
        }
        _ => SLOW_START_STEPS,
    };
    let steps = u64::try_from(steps).unwrap_or(1);
    let all = 100 * u64::try_from(SLOW_START_STEPS).unwrap_or(1);
    let weight = (u64::from(base) * degraded * steps).div_ceil(all);
    u32::try_from(weight).ok().and_then(|weight| Weight::new(weight).ok()).unwrap_or(configured)
}

/// Whether the weights of this pool's members change with what is known of them.
fn weights_vary(pool: &Pool, said: Said<'_>) -> bool {
    let asked = || said.is_some_and(|health| health.weight.is_some());
    pool.slow_start > SignedDuration::ZERO || pool.degraded_percent < 100 || asked()
}

/// Whether another real server of the pool takes over what a drained one would lose.
fn takes_over(facts: &Facts<'_>, pool: &Pool, places: &[Place], said: &[Said<'_>]) -> bool {
    pool.members.iter().zip(places).zip(said).any(|((member, place), said)| match place {
        Place::Serving => can_serve(facts, pool, member, *said),
        Place::Held | Place::Unproven => is_serving(facts.actual, pool, member),
        Place::Draining(_) | Place::HeldDraining(_) | Place::Out => false,
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
