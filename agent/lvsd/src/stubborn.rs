//! What a kernel takes and does not keep: attributes that it does not know are ignored without a word.
//!
//! Owns the telling apart from drift. An edit that is needed again right after it was made is made once more and looked at
//! at once: if the kernel still has something else, nobody else did it. Then the object is left as it is, with a warning, for an edit
//! in every pass would help nobody. It is tried again when the configuration asks for something else or the object changes.

use std::collections::{HashMap, HashSet};

use agent_core::diff::Difference;
use agent_ipvs::{Edit, Table};

/// The memory of it.
#[derive(Debug, Default)]
pub(crate) struct Stubborn {
    /// What the last pass stated, each as the edit that states it again.
    stated: HashSet<Edit>,
    /// What the kernel has in spite of an edit.
    kept: HashMap<Edit, Edit>,
}

impl Stubborn {
    /// Takes out of `difference` what the kernel does not keep anyway.
    pub(crate) fn leave_out(&self, difference: &mut Difference, actual: &Table) {
        if self.kept.is_empty() {
            return;
        }
        let vain =
            |edit: &Edit| self.kept.get(edit).is_some_and(|kept| found(edit, actual).as_ref() == Some(kept));
        difference.urgent.retain(|edit| !vain(edit));
        difference.bulk.retain(|edit| !vain(edit));
    }

    /// Whether one of `edits` states what the last pass had stated already.
    pub(crate) fn repeats(&self, edits: &[Edit]) -> bool {
        edits.iter().any(|edit| self.stated.contains(edit))
    }

    /// Remembers what a pass stated.
    pub(crate) fn stated(&mut self, edits: &[Edit]) {
        self.stated = edits.iter().filter_map(restated).collect();
    }

    /// Compares what was stated for the second time with `table`, which was read right after it. Returns the edits that were in
    /// vain, and a line for each that was not known.
    pub(crate) fn judge(&mut self, edits: &[Edit], table: &Table) -> (HashSet<Edit>, Vec<String>) {
        let (mut vain, mut lines) = (HashSet::new(), Vec::new());
        for edit in edits.iter().filter(|edit| self.stated.contains(edit)) {
            let Some(there) = found(edit, table).filter(|there| there != edit) else { continue };
            vain.insert(*edit);
            if self.kept.insert(*edit, there) != Some(there) {
                lines.push(format!(
                    "the kernel takes `{edit}` and keeps `{there}`: it does not know what differs, so that is left out; a newer kernel \
                     may know it (gue: 5.2, its checksum: 5.3, gre: 5.4)"
                ));
            }
        }
        (vain, lines)
    }

    /// Forgets what no kernel was found to keep: with another configuration everything is tried again.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The edit that states again what `edit` states.
fn restated(edit: &Edit) -> Option<Edit> {
    match *edit {
        Edit::AddService(service) | Edit::SetService(service) => Some(Edit::SetService(service)),
        Edit::AddDestination { service, destination } | Edit::SetDestination { service, destination } => {
            Some(Edit::SetDestination { service, destination })
        }
        Edit::RemoveService(_) | Edit::RemoveDestination { .. } => None,
    }
}

/// What `table` has where `edit` states something, in the same words.
pub(crate) fn found(edit: &Edit, table: &Table) -> Option<Edit> {
    match edit {
        Edit::SetService(service) => table.get(service.key()).map(|entry| Edit::SetService(entry.service)),
        Edit::SetDestination { service, destination } => {
            let found = table.get(service).and_then(|entry| entry.destinations.get(&destination.key));
            found.map(|found| Edit::SetDestination { service: *service, destination: *found })
        }
        _ => None,
    }
}
