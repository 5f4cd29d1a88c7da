//! The difference between the wanted and the actual table, as the least edits in a safe order.
//!
//! Owns the order (nothing is removed before what replaces it is there) and the question which differences
//! are somebody else's doing. It never writes: the edits are applied by `lvsd`.

use std::collections::BTreeSet;

use crate::cursor::Cursor;

use agent_ipvs::{Destination, DestinationKey, Edit, ServiceEntry, ServiceKey, Table, Weight};

#[cfg(test)]
mod tests;

/// A service with no more edits than this is done with as fast as a single ejection would be.
const SMALL: usize = 64;

/// What must be done, in the order in which it is safe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Ejections, and what must go with them: clients are being lost until these are made.
    pub urgent: Vec<Edit>,
    /// Everything else, in whatever number.
    pub bulk: Vec<Edit>,
}

impl Difference {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.bulk.is_empty()
    }

    /// All edits, the urgent ones first.
    #[must_use]
    pub fn into_vec(self) -> Vec<Edit> {
        let mut edits = self.urgent;
        edits.extend(self.bulk);
        edits
    }
}

/// The edits that make `wanted` of `actual`, and remove the services in `surplus`. Empty when nothing differs.
///
/// Within a service additions come first, then changes (those to weight 0 last), then removals, so that it is never empty on the way
/// from one full state to another. Services that go, go last. Services that send clients where they should not go come before
/// all others; of one with very many edits only the ejections do, if somebody is left to serve.
#[must_use]
pub fn diff(wanted: &Table, actual: &Table, surplus: &BTreeSet<ServiceKey>) -> Difference {
    let mut difference = Difference::default();
    for (key, entry) in wanted {
        match actual.get(key) {
            Some(there) => {
                let mut edits = Vec::new();
                change(key, entry, there, &mut edits);
                sort(edits, entry, there, &mut difference);
            }
            None => {
                difference.bulk.push(Edit::AddService(entry.service));
                let add = |destination: &Destination| Edit::AddDestination {
                    service: *key,
                    destination: *destination,
                };
                difference.bulk.extend(entry.destinations.values().map(add));
            }
        }
    }
    let gone = surplus.iter().filter(|key| actual.contains_key(key) && !wanted.contains_key(key));
    difference.bulk.extend(gone.map(|key| Edit::RemoveService(*key)));
    difference
}

/// Files the edits of one service under urgent or not.
fn sort(edits: Vec<Edit>, wanted: &ServiceEntry, actual: &ServiceEntry, difference: &mut Difference) {
    let serves = |entry: &ServiceEntry, key: &DestinationKey| {
        entry.destinations.get(key).is_some_and(|there| there.weight > Weight::ZERO)
    };
    let ejects = |edit: &Edit| match edit {
        Edit::RemoveDestination { destination, .. } => serves(actual, destination),
        Edit::SetDestination { destination, .. } => {
            destination.weight == Weight::ZERO && serves(actual, &destination.key)
        }
        _ => false,
    };
    if !edits.iter().any(ejects) {
        difference.bulk.extend(edits);
    } else if edits.len() <= SMALL {
        difference.urgent.extend(edits);
    } else {
        let stays = actual.destinations.keys().any(|key| serves(actual, key) && serves(wanted, key));
        let (urgent, bulk) = edits.into_iter().partition::<Vec<_>, _>(|edit| stays && ejects(edit));
        difference.urgent.extend(urgent);
        difference.bulk.extend(bulk);
    }
}

fn change(key: &ServiceKey, wanted: &ServiceEntry, actual: &ServiceEntry, edits: &mut Vec<Edit>) {
    if wanted.service != actual.service {
        edits.push(Edit::SetService(wanted.service));
    }
    // Who comes to serve before who stops: a service may live by one of them alone.
    let (mut serving, mut silenced) = (Vec::new(), Vec::new());
    let mut there = Cursor::new(Some(&actual.destinations));
    for (target, want) in &wanted.destinations {
        match there.get(target) {
            None => edits.push(Edit::AddDestination { service: *key, destination: *want }),
            Some(there) if there == want => {}
            Some(_) => {
                let list = if want.weight == Weight::ZERO { &mut silenced } else { &mut serving };
                list.push(Edit::SetDestination { service: *key, destination: *want });
            }
        }
    }
    edits.extend(serving.into_iter().chain(silenced));
    let mut stays = Cursor::new(Some(&wanted.destinations));
    let gone = actual.destinations.keys().filter(|target| stays.get(target).is_none());
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
