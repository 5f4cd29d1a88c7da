//! A ledger from what a former run left.
//!
//! Owns what is believed of it: orders and events always, observations only of the same boot, and everything only within
//! the bounds. Any state that parses becomes a ledger.

use std::collections::BTreeSet;

use agent_api::router::RouterSection;
use agent_api::section::{CheckSection, LvsSection, Section};
use agent_api::state::{EVENTS_KEPT, Sequences, Storage};
use agent_api::telling::AlertSection;
use agent_api::{CauseCode, Event, EventKind, SCHEMA, State};

use super::bounds::{Bounded, ITEMS_MAX, WEIGHT_MAX};
use super::orders::{DRAINS_MAX, HANDOVERS_MAX, SILENCES_MAX};
use super::trace::Trace;
use super::verdicts::Announced;
use super::{Ledger, Now, Role};

/// Larger counts are no counts: JSON of other makes holds them only up to here.
const COUNT_MAX: u64 = 1 << 53;

impl Ledger {
    /// Takes up what a former run left. Observations of another boot are dropped: nothing is connected, and reporters have
    /// [`super::SILENT_AFTER`] to come back.
    #[must_use]
    pub fn restore(mut state: State, boot_id: String, now: Now) -> Self {
        if state.boot_id != boot_id {
            state.checkd = CheckSection::default();
            state.lvsd = LvsSection::default();
            state.vipd = RouterSection::default();
            state.alertd = AlertSection::default();
            state.sequences = Sequences::default();
            state.boot_id = boot_id;
        }
        state.schema = SCHEMA;
        if state.generation > COUNT_MAX {
            state.generation = 0;
        }
        state.storage = Storage::default();
        bound_section(&mut state.checkd);
        bound_section(&mut state.lvsd);
        bound_section(&mut state.vipd);
        bound_section(&mut state.alertd);
        bound_orders(&mut state);
        bound_events(&mut state);
        let generation = state.generation;
        let checkd = trace(Role::Checkd, &state.checkd, &state, now);
        let lvsd = trace(Role::Lvsd, &state.lvsd, &state, now);
        let vipd = trace(Role::Vipd, &state.vipd, &state, now);
        let alertd = trace(Role::Alertd, &state.alertd, &state, now);
        let announced = Announced::restore(&state.checkd.items, &state.events);
        let events_at = state.events.iter().map(|_| generation).collect();
        Self {
            state,
            checkd,
            lvsd,
            vipd,
            alertd,
            announced,
            orders_at: generation,
            storage_at: generation,
            events_at,
            publish: false,
            save: None,
        }
    }
}

fn trace<K: Ord + Clone, H, I: Bounded>(
    role: Role,
    section: &Section<K, H, I>,
    state: &State,
    now: Now,
) -> Trace<K> {
    let told = role.silence();
    let last = state.events.iter().rev().find(|event| concerns(event, told.as_ref()));
    let silent = last.is_some_and(|event| event.what.kind == EventKind::ReporterFellSilent);
    Trace::new(section, state.generation, section.heard_at.map(|_| now.steady), silent)
}

fn concerns(event: &Event, told: Option<&CauseCode>) -> bool {
    matches!(event.what.kind, EventKind::ReporterFellSilent | EventKind::ReporterReturned)
        && event.what.cause.as_ref() == told
}

fn bound_section<K: Ord + Clone, H: Bounded, I: Bounded>(section: &mut Section<K, H, I>) {
    section.connected = false;
    section.head.bound();
    if let Some(reporter) = &mut section.reporter {
        reporter.bound();
    }
    let mut weight = 0;
    let mut count = 0;
    section.items.retain(|_, item| {
        item.bound();
        count += 1;
        weight += item.weight();
        count <= ITEMS_MAX && weight <= WEIGHT_MAX
    });
}

/// One drain for each target and one order for each virtual router; of several the last.
fn bound_orders(state: &mut State) {
    let mut seen = BTreeSet::new();
    let mut drains: Vec<_> = std::mem::take(&mut state.orders.drains);
    drains.reverse();
    drains.retain(|drain| seen.insert(drain.target.clone()));
    drains.truncate(DRAINS_MAX);
    drains.reverse();
    drains.iter_mut().for_each(Bounded::bound);
    state.orders.drains = drains;
    let mut seen = BTreeSet::new();
    let mut handovers = std::mem::take(&mut state.orders.handovers);
    handovers.reverse();
    handovers.retain(|order| seen.insert(order.virtual_router.clone()));
    handovers.truncate(HANDOVERS_MAX);
    handovers.reverse();
    handovers.iter_mut().for_each(Bounded::bound);
    state.orders.handovers = handovers;
    let mut seen = BTreeSet::new();
    let mut silences = std::mem::take(&mut state.orders.silences);
    silences.reverse();
    silences.retain(|silence| seen.insert(silence.target.clone()));
    silences.truncate(SILENCES_MAX);
    silences.reverse();
    silences.iter_mut().for_each(Bounded::bound);
    state.orders.silences = silences;
    state.orders.alert_test.iter_mut().for_each(Bounded::bound);
}

/// Numbers that rise, and no more than are kept.
fn bound_events(state: &mut State) {
    let mut last = 0;
    state.events.retain_mut(|event| {
        event.what.bound();
        let fits = event.number > last && event.number <= COUNT_MAX;
        if fits {
            last = event.number;
        }
        fits
    });
    let excess = state.events.len().saturating_sub(EVENTS_KEPT);
    state.events.drain(..excess);
}
