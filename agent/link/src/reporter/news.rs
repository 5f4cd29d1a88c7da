//! What was said and the agent does not know yet.
//!
//! Owns the newest value for each key and the queue of events. Everything is bounded: values by the number of
//! keys or, where they are asked for, by [`BATCH`], events by [`EVENTS_WAITING`]. It does no I/O.

use std::collections::{BTreeMap, VecDeque};

use agent_api::NewEvent;
use agent_api::section::SectionUpdate;
use agent_api::wire::ReportedEvent;

use super::Daemon;

/// How many events wait for the agent. The oldest is lost first, which the gap in the numbers shows.
pub const EVENTS_WAITING: usize = 256;

/// How many items travel in one report of a daemon that is asked for them.
pub const BATCH: usize = 512;

/// An update of a daemon's section.
pub type UpdateOf<D> = SectionUpdate<<D as Daemon>::Key, <D as Daemon>::Head, <D as Daemon>::Item>;

/// Changes since the last [`News::take`], and events since the last acknowledgement.
#[derive(Debug)]
pub struct News<D: Daemon> {
    identity: Option<agent_api::Reporter>,
    head: Option<D::Head>,
    items: BTreeMap<D::Key, Option<D::Item>>,
    events: VecDeque<ReportedEvent>,
    last_sequence: u64,
    dropped_events: u64,
    said: u64,
    acknowledged: u64,
    /// Where the daemon keeps its items itself: what it is asked for.
    asking: Option<Asking>,
}

/// What is asked of a daemon that keeps its items itself. A connection is without a section until all of them were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asking {
    /// A connection stands.
    open: bool,
    /// All items are wanted, and the daemon has not been told.
    whole: bool,
    /// Items of the whole section are still to come.
    unfinished: bool,
    /// The daemon has more, and is to be told when there is room.
    waits: bool,
}

/// What a daemon that keeps its items itself is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// All items are wanted from now on, whatever was handed over before.
    pub whole: bool,
    /// How many may be handed over now. When there is none, the daemon is woken as soon as there is.
    pub room: usize,
}

impl<D: Daemon> News<D> {
    /// Items that are asked for when a connection stands.
    pub fn asked(identity: agent_api::Reporter, head: D::Head) -> Self {
        let asking = Some(Asking { open: false, whole: false, unfinished: true, waits: false });
        Self { asking, ..Self::new(identity, head, BTreeMap::new()) }
    }

    pub fn new(identity: agent_api::Reporter, head: D::Head, items: BTreeMap<D::Key, D::Item>) -> Self {
        Self {
            identity: Some(identity),
            head: Some(head),
            items: items.into_iter().map(|(key, item)| (key, Some(item))).collect(),
            events: VecDeque::new(),
            last_sequence: 0,
            dropped_events: 0,
            said: 1,
            acknowledged: 0,
            asking: None,
        }
    }

    /// A new connection: whatever was handed over is void. Says whether the daemon is to be asked.
    pub fn begin(&mut self) -> bool {
        let Some(asking) = &mut self.asking else { return false };
        *asking = Asking { open: true, whole: true, unfinished: true, waits: false };
        self.items.clear();
        true
    }

    /// The connection is gone: nothing is asked for until there is another.
    pub fn end(&mut self) {
        if let Some(asking) = &mut self.asking {
            *asking = Asking { open: false, whole: false, unfinished: true, waits: false };
            self.items.clear();
        }
    }

    /// Whether nothing may be said yet: the daemon does not know that its section is wanted.
    pub fn is_silent(&self) -> bool {
        self.asking.is_some_and(|asking| asking.whole)
    }

    /// What is asked of the daemon.
    pub fn ask(&mut self) -> Ask {
        let room = BATCH.saturating_sub(self.items.len());
        let Some(asking) = self.asking.as_mut().filter(|asking| asking.open) else {
            return Ask { whole: false, room: 0 };
        };
        asking.waits |= room == 0;
        Ask { whole: std::mem::take(&mut asking.whole), room }
    }

    /// Takes items that were asked for; `unfinished` while some of the whole section are still to come.
    pub fn hand(&mut self, items: impl IntoIterator<Item = (D::Key, D::Item)>, unfinished: bool) {
        self.said += 1;
        let Some(asking) = self.asking.as_mut().filter(|asking| asking.open) else { return };
        self.items.extend(items.into_iter().map(|(key, item)| (key, Some(item))));
        asking.unfinished = unfinished;
        asking.waits |= unfinished || self.items.len() >= BATCH;
    }

    /// Whether a report is full: nothing is gained by waiting for more.
    pub fn is_full(&self) -> bool {
        self.asking.is_some() && self.items.len() >= BATCH
    }

    /// Whether the daemon waits for room, and is to be told that there is some.
    pub fn take_waiting(&mut self) -> bool {
        self.asking.as_mut().is_some_and(|asking| std::mem::take(&mut asking.waits))
    }

    pub fn set_identity(&mut self, identity: agent_api::Reporter) {
        self.identity = Some(identity);
        self.said += 1;
    }

    pub fn set_head(&mut self, head: D::Head) {
        self.head = Some(head);
        self.said += 1;
    }

    pub fn set_item(&mut self, key: D::Key, item: Option<D::Item>) {
        self.items.insert(key, item);
        self.said += 1;
    }

    pub fn push_event(&mut self, what: NewEvent) {
        if self.events.len() >= EVENTS_WAITING {
            self.events.pop_front();
            self.dropped_events += 1;
        }
        self.last_sequence += 1;
        self.events.push_back(ReportedEvent { sequence: self.last_sequence, what });
        self.said += 1;
    }

    pub fn dropped_events(&self) -> u64 {
        self.dropped_events
    }

    /// Counts what was said.
    pub fn said(&self) -> u64 {
        self.said
    }

    /// How much of it the agent has.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Moves the changes into `known` and returns what is to be sent: all of it, or the changes.
    pub fn take(&mut self, known: &mut Known<D>, whole: bool) -> Parcel<D> {
        let items = std::mem::take(&mut self.items);
        let (identity, head) = (self.identity.take(), self.head.take());
        let update = if let Some(asking) = self.asking {
            let update = known.merge(identity, head, BTreeMap::new());
            let mut update = if whole { known.whole() } else { update };
            for (key, item) in items {
                match item {
                    Some(item) => drop(update.items.insert(key, item)),
                    None => update.removed.push(key),
                }
            }
            update.unfinished = asking.unfinished;
            update
        } else {
            let update = known.merge(identity, head, items);
            if whole { known.whole() } else { update }
        };
        let events: Vec<ReportedEvent> = self.events.iter().cloned().collect();
        Parcel { update, events, said: self.said }
    }

    /// The agent has what `said` and `last_event` stand for.
    pub fn acknowledge(&mut self, said: u64, last_event: Option<u64>) {
        self.acknowledged = said;
        if let Some(last) = last_event {
            while self.events.front().is_some_and(|event| event.sequence <= last) {
                self.events.pop_front();
            }
        }
    }
}

/// What one report carries.
#[derive(Debug)]
pub struct Parcel<D: Daemon> {
    pub update: UpdateOf<D>,
    pub events: Vec<ReportedEvent>,
    /// [`News::said`] with this report.
    pub said: u64,
}

impl<D: Daemon> Parcel<D> {
    /// Whether it says nothing but that the daemon lives.
    pub fn is_empty(&self) -> bool {
        let SectionUpdate { whole, reporter, head, items, removed, .. } = &self.update;
        !whole
            && reporter.is_none()
            && head.is_none()
            && items.is_empty()
            && removed.is_empty()
            && self.events.is_empty()
    }
}

/// The whole section, as the thread knows it; without its items where the daemon keeps them itself.
#[derive(Debug)]
pub struct Known<D: Daemon> {
    identity: Option<agent_api::Reporter>,
    head: Option<D::Head>,
    items: BTreeMap<D::Key, D::Item>,
}

impl<D: Daemon> Known<D> {
    pub fn new() -> Self {
        Self { identity: None, head: None, items: BTreeMap::new() }
    }

    fn whole(&self) -> UpdateOf<D> {
        SectionUpdate {
            whole: true,
            unfinished: false,
            reporter: self.identity.clone(),
            connected: None,
            heard_at: None,
            head: self.head.clone(),
            items: self.items.clone(),
            removed: Vec::new(),
        }
    }

    /// Takes the changes in and returns those that change anything.
    fn merge(
        &mut self,
        identity: Option<agent_api::Reporter>,
        head: Option<D::Head>,
        items: BTreeMap<D::Key, Option<D::Item>>,
    ) -> UpdateOf<D> {
        let mut update = SectionUpdate {
            reporter: identity.filter(|new| self.identity.as_ref() != Some(new)),
            head: head.filter(|new| self.head.as_ref() != Some(new)),
            ..SectionUpdate::default()
        };
        if update.reporter.is_some() {
            self.identity.clone_from(&update.reporter);
        }
        if update.head.is_some() {
            self.head.clone_from(&update.head);
        }
        for (key, item) in items {
            match item {
                Some(item) if self.items.get(&key) != Some(&item) => {
                    self.items.insert(key.clone(), item.clone());
                    update.items.insert(key, item);
                }
                Some(_) => {}
                None => {
                    if self.items.remove(&key).is_some() {
                        update.removed.push(key);
                    }
                }
            }
        }
        update
    }
}

#[cfg(test)]
mod tests;
