//! What `lvsd` does once and then ends: a pass, or the end of our services.
//!
//! Owns what an operator's command asks for. Each prints the edits in ipvsadm's words, and with `dry_run` makes none. What is not
//! ours is never touched.

use std::collections::BTreeSet;
use std::io::Write as _;

use agent_core::blueprint::{Blueprint, service_key};
use agent_core::diff::diff;
use agent_daemon::Start;
use agent_ipvs::{Edit, ServiceKey, Table, Weight};
use anyhow::{Context as _, ensure};
use jiff::Timestamp;

use crate::daemon::{former, former_reconciler, heard, load};
use crate::kernel::{Kernel as _, LinuxKernel};

/// What is to be done once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// What the next pass would do.
    Pass,
    /// Remove our services.
    Remove,
    /// Give weight 0 to every real server of our services: connections that are there go on, new ones are refused.
    Drain,
}

/// Does it, or only prints what would be done.
///
/// # Errors
/// The configuration is wrong, the table can't be read or written, or an edit is refused.
pub fn run(start: &Start, task: Task, dry_run: bool) -> anyhow::Result<()> {
    let asked = load(&start.common.config)?;
    let former = former(start);
    let mut kernel = LinuxKernel::default();
    let actual = kernel.read()?.table();
    let edits = match task {
        Task::Pass => {
            let checked = former.as_ref().is_some_and(|state| !state.checkd.items.is_empty());
            let flows_move = asked.settings.flows_move();
            let lvsd = former.as_ref().map(|state| &state.lvsd);
            if checked || dry_run {
                let reconciler = former_reconciler(asked.blueprint, lvsd);
                let heard = heard(former.as_ref(), flows_move);
                reconciler.plan(heard, &actual, Timestamp::now()).1.into_vec()
            } else {
                // Nobody checks anything: then everybody serves, as in a script.
                diff(&asked.blueprint.full_table(), &actual, &BTreeSet::new()).into_vec()
            }
        }
        Task::Remove | Task::Drain => {
            let items = former.iter().flat_map(|state| state.lvsd.items.keys());
            let known = items.filter_map(|address| service_key(*address).ok());
            end(&asked.blueprint, known, &actual, task)
        }
    };
    let mut out = std::io::stdout().lock();
    for edit in &edits {
        writeln!(out, "{edit}").context("can't write to standard output")?;
    }
    if !dry_run {
        let refusals = kernel.apply(&edits)?;
        for refusal in &refusals {
            tracing::error!("{}", refusal.why);
        }
        ensure!(refusals.is_empty(), "the kernel refused {} of {} edits", refusals.len(), edits.len());
    }
    Ok(())
}

/// The edits that end our services: those of the configuration, and those that a former run is known to have made.
fn end(
    blueprint: &Blueprint,
    known: impl Iterator<Item = ServiceKey>,
    actual: &Table,
    task: Task,
) -> Vec<Edit> {
    let configured = blueprint.pools.iter().flat_map(|pool| pool.services.iter().map(|one| *one.key()));
    let ours: BTreeSet<ServiceKey> = known.chain(configured).collect();
    let there = ours.iter().filter_map(|key| actual.get(key).map(|entry| (key, entry)));
    if task == Task::Remove {
        return there.map(|(key, _)| Edit::RemoveService(*key)).collect();
    }
    let silenced = there.flat_map(|(key, entry)| {
        let serving = entry.destinations.values().filter(|one| one.weight > Weight::ZERO);
        serving.map(move |one| {
            let destination = agent_ipvs::Destination { weight: Weight::ZERO, ..*one };
            Edit::SetDestination { service: *key, destination }
        })
    });
    silenced.collect()
}
