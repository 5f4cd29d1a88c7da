//! What NSEC records prove (RFC 4035 section 5.4, RFC 6840 section 4, RFC 9824 for compact answers).
//!
//! Owns the order of names and the gaps in it. All records here are genuine and of one zone.

use std::cmp::Ordering;

use super::denial::{gives_away, has_type, lacks};
use crate::dns::kind::RecordType;
use crate::dns::name::Name;

/// Says of a name that it is made up for one answer and does not exist, RFC 9824.
const NXNAME: RecordType = RecordType::new(128);

/// A name, the next one of its zone, and the types that it has.
#[derive(Debug)]
pub(super) struct Nsec {
    pub(super) zone: Name,
    owner: Name,
    next: Name,
    types: Vec<u8>,
}

impl Nsec {
    pub(super) fn parse(owner: &Name, zone: &Name, data: &[u8]) -> Option<Self> {
        let mut end = 0;
        while let Some(&length @ 1..) = data.get(end) {
            end += 1 + usize::from(length);
        }
        let (next, types) = data.split_at_checked(end + 1)?;
        let next = Name::from_wire(next)?;
        Some(Self { zone: zone.clone(), owner: owner.clone(), next, types: types.to_vec() })
    }

    /// Whether `name` lies between its owner and the next name.
    fn covers(&self, name: &Name) -> bool {
        let behind = self.owner.canonical_cmp(name) == Ordering::Less;
        // The last one leads back to the first, which is the zone itself.
        let before = self.next == self.zone || name.canonical_cmp(&self.next) == Ordering::Less;
        behind && before && !(name.is_within(&self.owner) && gives_away(&self.types))
    }

    /// The labels of the longest name that exists above `name`, which it covers.
    fn encloser(&self, name: &Name) -> usize {
        name.common_labels(&self.owner).max(name.common_labels(&self.next))
    }
}

/// The wildcard below the last `labels` labels of `name`.
fn wildcard(name: &Name, labels: usize) -> Option<Name> {
    name.last_labels(labels).with_label(b"*")
}

/// Whether `name` does not exist, and no wildcard stands for it.
pub(super) fn no_name(records: &[Nsec], name: &Name) -> bool {
    if records.iter().any(|nsec| nsec.owner == *name && has_type(&nsec.types, NXNAME)) {
        return true;
    }
    records.iter().any(|nsec| {
        nsec.covers(name)
            && !nsec.next.is_within(name)
            && wildcard(name, nsec.encloser(name)).is_some_and(|wildcard| {
                records.iter().any(|nsec| nsec.covers(&wildcard) && !nsec.next.is_within(&wildcard))
            })
    })
}

/// Whether `name` exists, or a wildcard stands for it, but without a record of type `rtype`.
pub(super) fn no_data(records: &[Nsec], name: &Name, rtype: RecordType) -> bool {
    if let Some(nsec) = records.iter().find(|nsec| nsec.owner == *name) {
        return lacks(&nsec.types, rtype);
    }
    records.iter().filter(|nsec| nsec.covers(name)).any(|nsec| {
        // A name that only has others below it.
        nsec.next.is_within(name)
            || wildcard(name, nsec.encloser(name)).is_some_and(|wildcard| {
                records.iter().any(|nsec| nsec.owner == wildcard && lacks(&nsec.types, rtype))
            })
    })
}

/// Whether nothing between `name` and the wildcard below its last `labels` labels exists.
pub(super) fn no_closer(records: &[Nsec], name: &Name, labels: usize) -> bool {
    records
        .iter()
        .any(|nsec| nsec.covers(name) && !nsec.next.is_within(name) && nsec.encloser(name) == labels)
}
