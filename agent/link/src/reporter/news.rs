//! What was said and the agent does not know yet.
//!
//! Owns the newest value for each key and the queue of events. Everything is bounded: values by the number of
//! keys, events by [`EVENTS_WAITING`]. It does no I/O.

use std::collections::{BTreeMap, VecDeque};

use agent_api::NewEvent;
use agent_api::section::SectionUpdate;
use agent_api::wire::ReportedEvent;

use super::Daemon;

/// How many events wait for the agent. The oldest is lost first, which the gap in the numbers shows.
pub const EVENTS_WAITING: usize = 256;

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
}

impl<D: Daemon> News<D> {
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
        }
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
        let update = known.merge(self.identity.take(), self.head.take(), std::mem::take(&mut self.items));
        let events: Vec<ReportedEvent> = self.events.iter().cloned().collect();
        Parcel { update: if whole { known.whole() } else { update }, events, said: self.said }
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

/// The whole section, as the thread knows it.
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
