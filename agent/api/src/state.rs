//! The state: one document with everything that is known, and the updates that carry its changes.
//!
//! Owns the schema of `state.json` and of the watch stream, which are the same words. It never writes the file
//! and never decides: `agentd` is its one writer, through the ledger.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::order::Orders;
use crate::router::{RouterSection, RouterUpdate};
use crate::section::{CheckSection, CheckUpdate, LvsSection, LvsUpdate};
use crate::telling::{AlertSection, AlertUpdate};

/// Version of the document's schema. A reader refuses a newer one.
pub const SCHEMA: u32 = 1;

/// How many events are kept.
pub const EVENTS_KEPT: usize = 1_000;

/// Everything that is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Rises with every change.
    pub generation: u64,
    /// The kernel's boot id when it was written: observations of another boot are worth nothing.
    pub boot_id: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// What operators ordered.
    #[serde(default)]
    pub orders: Orders,
    /// What `checkd` saw.
    #[serde(default)]
    pub checkd: CheckSection,
    /// What `lvsd` did.
    #[serde(default)]
    pub lvsd: LvsSection,
    /// What `vipd` holds.
    #[serde(default)]
    pub vipd: RouterSection,
    /// What `alertd` told.
    #[serde(default)]
    pub alertd: AlertSection,
    /// How far each reporter's own events were taken.
    #[serde(default)]
    pub sequences: Sequences,
    /// Whether all this is kept on disk.
    #[serde(default)]
    pub storage: Storage,
    /// What happened, oldest first, at most [`EVENTS_KEPT`].
    #[serde(default)]
    pub events: VecDeque<Event>,
}

impl State {
    /// A state that knows nothing yet.
    #[must_use]
    pub fn new(boot_id: String, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            generation: 0,
            boot_id,
            written_at: now,
            orders: Orders::default(),
            checkd: CheckSection::default(),
            lvsd: LvsSection::default(),
            vipd: RouterSection::default(),
            alertd: AlertSection::default(),
            sequences: Sequences::default(),
            storage: Storage::default(),
            events: VecDeque::new(),
        }
    }

    /// Merges what a watcher was sent. The first update of a stream is whole and replaces everything.
    pub fn apply(&mut self, update: Update) {
        self.generation = update.generation;
        if let Some(orders) = update.orders {
            self.orders = orders;
        }
        if let Some(checkd) = update.checkd {
            self.checkd.apply(checkd);
        }
        if let Some(lvsd) = update.lvsd {
            self.lvsd.apply(lvsd);
        }
        if let Some(vipd) = update.vipd {
            self.vipd.apply(vipd);
        }
        if let Some(alertd) = update.alertd {
            self.alertd.apply(alertd);
        }
        if let Some(storage) = update.storage {
            self.storage = storage;
        }
        let last = self.events.back().map_or(0, |event| event.number);
        self.events.extend(update.events.into_iter().filter(|event| event.number > last));
        let excess = self.events.len().saturating_sub(EVENTS_KEPT);
        self.events.drain(..excess);
    }
}

/// The highest sequence number taken of each reporter's events, so that one that is sent again is recorded once. For the
/// agent alone: watchers are not told. It starts again when another process reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sequences {
    /// Of `checkd`.
    pub checkd: u64,
    /// Of `lvsd`.
    pub lvsd: u64,
    /// Of `vipd`.
    pub vipd: u64,
    /// Of `alertd`.
    pub alertd: u64,
}

/// Whether the agent can keep the state on disk. While it can't, it lives in memory and no order is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// Since when it can't; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// What goes wrong and what to do about it, in one line; empty when nothing does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A change of the [`State`], as a watcher gets it. Parts that did not change are absent; one without any part is a sign of
/// life, which comes at least every ten seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Generation of the state that the watcher has after this.
    pub generation: u64,
    /// All orders, when one changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<Orders>,
    /// Changes of `checkd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkd: Option<CheckUpdate>,
    /// Changes of `lvsd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lvsd: Option<LvsUpdate>,
    /// Changes of `vipd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vipd: Option<RouterUpdate>,
    /// Changes of `alertd`'s section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertd: Option<AlertUpdate>,
    /// Whether the state is kept on disk, when that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// New events, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}
