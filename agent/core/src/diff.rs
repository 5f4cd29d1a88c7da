//! The difference between the wanted and the actual table, as the least edits in a safe order.
//!
//! Owns the order (nothing is removed before what replaces it is there) and the question which differences
//! are somebody else's doing. It never writes: the edits are applied by `lvsd`.

use std::collections::BTreeSet;

use agent_ipvs::{Destination, Edit, ServiceEntry, ServiceKey, Table};

#[cfg(test)]
mod tests;

/// The edits that make `wanted` of `actual`, and remove the services in `surplus`. Empty when nothing differs.
///
/// Within a service additions come first, then changes, then removals, so that it is never empty on the way
/// from one full state to another. Services that go, go last.
#[must_use]
pub fn diff(wanted: &Table, actual: &Table, surplus: &BTreeSet<ServiceKey>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (key, entry) in wanted {
        match actual.get(key) {
            Some(there) => change(key, entry, there, &mut edits),
            None => {
                edits.push(Edit::AddService(entry.service));
                let add = |destination: &Destination| Edit::AddDestination {
                    service: *key,
                    destination: *destination,
                };
                edits.extend(entry.destinations.values().map(add));
            }
        }
    }
    let gone = surplus.iter().filter(|key| actual.contains_key(key) && !wanted.contains_key(key));
    edits.extend(gone.map(|key| Edit::RemoveService(*key)));
    edits
}

fn change(key: &ServiceKey, wanted: &ServiceEntry, actual: &ServiceEntry, edits: &mut Vec<Edit>) {
    if wanted.service != actual.service {
        edits.push(Edit::SetService(wanted.service));
    }
    let new = wanted.destinations.iter().filter(|(target, _)| !actual.destinations.contains_key(target));
    edits.extend(new.map(|(_, add)| Edit::AddDestination { service: *key, destination: *add }));
    let kept = wanted.destinations.iter().filter_map(|(target, want)| {
        let there = actual.destinations.get(target)?;
        (want != there).then_some(Edit::SetDestination { service: *key, destination: *want })
    });
    edits.extend(kept);
    let gone = actual.destinations.keys().filter(|target| !wanted.destinations.contains_key(target));
    edits.extend(gone.map(|target| Edit::RemoveDestination { service: *key, destination: *target }));
}

/// Those of `edits` that undo what somebody else did since `before` was in the kernel: the object was as `before` has it,
/// is wanted unchanged, and yet must be edited.
#[must_use]
pub fn drift(before: &Table, wanted: &Table, edits: &[Edit]) -> Vec<Edit> {
    let undoes = |edit: &&Edit| match edit {
        Edit::AddService(service) | Edit::SetService(service) => {
            before.get(service.key()).is_some_and(|entry| entry.service == *service)
        }
        Edit::AddDestination { service, destination } | Edit::SetDestination { service, destination } => {
            before.get(service).and_then(|entry| entry.destinations.get(&destination.key))
                == Some(destination)
        }
        Edit::RemoveDestination { service, destination } => {
            let had =
                |table: &Table| table.get(service).map(|entry| entry.destinations.contains_key(destination));
            had(before) == Some(false) && had(wanted) == Some(false)
        }
        Edit::RemoveService(_) => false,
    };
    edits.iter().filter(undoes).copied().collect()
}
