//! What must not wait: ejections, made by what the last pass saw, before, during and between the parts of the next one.
//!
//! Owns the way of an ejection past readings and bulk changes, and how large a part of a bulk change is. What it does is only ever
//! what the next plan would do too; a pass that compares with the kernel always follows.

use std::collections::BTreeSet;

use agent_api::RealServerId;
use agent_core::plan::Ejections;
use agent_ipvs::{Edit, ServiceKey, Snapshot, Table};
use jiff::Timestamp;

use super::{BULK, Heard, Reconciler, list};
use crate::kernel::{Kernel, KernelError};

/// Destinations of a service for which one edit takes as long again: the kernel looks for each in a list.
const LIST: usize = 200;

/// Edits in parts of a millisecond or two each.
pub(super) fn parts<'e>(edits: &'e [Edit], actual: &'e Table) -> impl Iterator<Item = &'e [Edit]> {
    let mut rest = edits;
    // How long the list is that the kernel looks through now: edits on one service come one after the other.
    let mut list: Option<(&ServiceKey, usize)> = None;
    std::iter::from_fn(move || {
        let (mut cost, mut count) = (0, 0);
        for edit in rest {
            let service = edit.service();
            let length = match list {
                Some((same, length)) if same == service => length,
                _ => actual.get(service).map_or(0, |entry| entry.destinations.len()),
            };
            cost += 1 + length / LIST;
            if cost > BULK && count > 0 {
                break;
            }
            count += 1;
            list = Some((service, length_after(edit, length)));
        }
        let (part, more) = rest.split_at_checked(count).filter(|_| count > 0)?;
        rest = more;
        Some(part)
    })
}

fn length_after(edit: &Edit, length: usize) -> usize {
    match edit {
        Edit::AddDestination { .. } => length + 1,
        Edit::RemoveDestination { .. } => length.saturating_sub(1),
        _ => length,
    }
}

impl Reconciler {
    /// The ejections that new facts ask for, by the table as the last pass left it: to read a large one takes longer than
    /// clients should wait. Where only the verdicts on `changed` are new, the others are not even looked at if that can be helped.
    #[must_use]
    pub fn ejections(
        &self,
        heard: Heard<'_>,
        changed: Option<&BTreeSet<RealServerId>>,
        now: Timestamp,
    ) -> Ejections {
        let facts = self.facts(heard, &self.settled, now);
        let certain = self.standing.as_ref().zip(changed);
        certain
            .and_then(|(standing, changed)| standing.ejections(&facts, changed))
            .unwrap_or_else(|| Ejections::of_a_plan(self.plan(heard, &self.settled, now).1.urgent))
    }

    /// Makes such ejections. A pass must follow; it sees what the kernel really has.
    ///
    /// # Errors
    /// The kernel could not be written to.
    pub fn hasten(
        &mut self,
        kernel: &mut impl Kernel,
        ejections: Ejections,
    ) -> Result<Vec<Edit>, KernelError> {
        if ejections.edits.is_empty() {
            return Ok(Vec::new());
        }
        let standing = self.standing.take();
        // What is refused is not as it was: the pass will see.
        let refusals = kernel.apply(&ejections.edits)?;
        if refusals.is_empty() {
            self.standing = standing.and_then(|standing| standing.without(&ejections));
        }
        let mut edits = ejections.edits;
        edits.retain(|edit| !refusals.iter().any(|refusal| refusal.edit == *edit));
        tracing::debug!("made at once: {}", list(&edits, |edit| format!("`{edit}`")));
        for edit in &edits {
            // The kernel took it, so the memory does too; where it differs, the pass will see that as well.
            let _ = edit.apply_to(&mut self.settled);
        }
        self.edits += edits.len() as u64;
        Ok(edits)
    }

    /// Forgets what may be concluded from the last pass: the one after it has failed.
    pub fn doubt(&mut self) {
        self.standing = None;
    }

    /// Reads the table. `news` is asked all the while whether something has come, and what must be ejected for it: that is done at
    /// once over the other connection `beside`. Returns the reading, the table with what was ejected meanwhile taken out, and the
    /// edits that did so.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(
        &mut self,
        kernel: &mut impl Kernel,
        beside: &mut impl Kernel,
        mut news: impl FnMut(&Self) -> Option<Ejections>,
    ) -> Result<(Snapshot, Table, Vec<Edit>), KernelError> {
        let mut hastened = Vec::new();
        let reading = kernel.read_while(&mut || {
            if let Some(ejections) = news(self) {
                match self.hasten(beside, ejections) {
                    Ok(edits) => hastened.extend(edits),
                    // The plan that follows this reading comes to the same, and says what is wrong.
                    Err(error) => tracing::warn!("an ejection has to wait for the reading to end: {error}"),
                }
            }
        })?;
        let mut table = reading.table();
        for edit in &hastened {
            // Read before or after, it is so now.
            let _ = edit.apply_to(&mut table);
        }
        Ok((reading, table, hastened))
    }
}
