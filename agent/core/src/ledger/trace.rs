//! When which part of a section changed.
//!
//! Owns the merging of a report into its section and a bounded journal of the keys that changed, from which any watcher
//! that is not too far behind is told exactly what it lacks. Whoever is too far behind gets the whole section.

use std::collections::{BTreeSet, VecDeque};

use agent_api::{Reporter, Section, SectionUpdate};
use checker_core::Time;

use super::bounds::{self, Bounded};
use super::{Now, Refusal, Role, SILENT_AFTER, Urgency};

/// How many changes of items are remembered.
pub const JOURNAL_MAX: usize = 8_192;

/// What is remembered of one section's changes.
#[derive(Debug, Clone)]
pub struct Trace<K> {
    reporter_at: u64,
    connected_at: u64,
    heard_at: u64,
    head_at: u64,
    /// Changed keys with the generation of the change, oldest first.
    journal: VecDeque<(u64, K)>,
    /// Whoever has this generation can be told from the journal.
    complete_since: u64,
    /// When the reporter was last heard; absent when nobody ever was.
    heard: Option<Time>,
    silent: bool,
    /// While a whole section comes in parts: the keys that it has not named yet. They are gone when it ends without.
    unnamed: BTreeSet<K>,
}

impl<K: Ord + Clone> Trace<K> {
    /// Everything is as it is since `generation`. A reporter of a former run of the agent counts as heard `now`, unless it
    /// was silent already.
    pub fn new(generation: u64, heard: Option<Time>, silent: bool) -> Self {
        Self {
            reporter_at: generation,
            connected_at: generation,
            heard_at: generation,
            head_at: generation,
            journal: VecDeque::new(),
            complete_since: generation,
            heard,
            silent,
            unnamed: BTreeSet::new(),
        }
    }

    /// Keys of which it is open whether they are still there.
    pub fn unnamed(&self) -> &BTreeSet<K> {
        &self.unnamed
    }

    /// Merges a report. `on_item` sees each item that changed, or none for one that is gone.
    pub fn apply<H: PartialEq, I: PartialEq>(
        &mut self,
        section: &mut Section<K, H, I>,
        update: SectionUpdate<K, H, I>,
        generation: u64,
        now: Now,
        mut on_item: impl FnMut(&K, Option<&I>),
    ) -> Option<Urgency> {
        let SectionUpdate { whole, unfinished, reporter, head, items, removed, .. } = update;
        let mut urgency = None;
        self.heard = Some(now.steady);
        if section.heard_at != Some(now.wall) {
            section.heard_at = Some(now.wall);
            self.heard_at = generation;
            urgency = Some(Urgency::Idle);
        }
        // Before a section is complete, some of what is there is of a former connection: nobody stands for it.
        let mut changed = self.set_connected(section, !unfinished, generation);
        if reporter.is_some() && reporter != section.reporter {
            section.reporter = reporter;
            self.reporter_at = generation;
            changed = true;
        }
        if let Some(head) = head.filter(|head| *head != section.head) {
            section.head = head;
            self.head_at = generation;
            changed = true;
        }
        // A key that is in both is gone: that is what applying the update would leave.
        let mut gone: BTreeSet<K> = removed.into_iter().collect();
        if whole {
            self.unnamed = section.items.keys().cloned().collect();
        }
        if !self.unnamed.is_empty() {
            for key in items.keys() {
                self.unnamed.remove(key);
            }
        }
        if !unfinished {
            gone.append(&mut self.unnamed);
        }
        for (key, item) in items {
            if section.items.get(&key) != Some(&item) && !gone.contains(&key) {
                on_item(&key, Some(&item));
                self.note(key.clone(), generation);
                section.items.insert(key, item);
                changed = true;
            }
        }
        for key in gone {
            if section.items.remove(&key).is_some() {
                on_item(&key, None);
                self.note(key, generation);
                changed = true;
            }
        }
        urgency.max(changed.then_some(Urgency::Soon))
    }

    /// Whether that changed anything.
    pub fn set_connected<H, I>(
        &mut self,
        section: &mut Section<K, H, I>,
        connected: bool,
        generation: u64,
    ) -> bool {
        let changed = section.connected != connected;
        if changed {
            section.connected = connected;
            self.connected_at = generation;
        }
        changed
    }

    fn note(&mut self, key: K, generation: u64) {
        if self.journal.len() >= JOURNAL_MAX
            && let Some((dropped, _)) = self.journal.pop_front()
        {
            self.complete_since = dropped;
        }
        self.journal.push_back((generation, key));
    }

    /// What a watcher that has generation `since` lacks.
    pub fn update_since<H: Clone, I: Clone>(
        &self,
        section: &Section<K, H, I>,
        since: Option<u64>,
    ) -> Option<SectionUpdate<K, H, I>> {
        let Some(since) = since.filter(|since| *since >= self.complete_since) else {
            return Some(section.to_update());
        };
        let known = self.journal.partition_point(|(at, _)| *at <= since);
        let keys: BTreeSet<&K> = self.journal.iter().skip(known).map(|(_, key)| key).collect();
        let mut update = SectionUpdate {
            reporter: section.reporter.clone().filter(|_| self.reporter_at > since),
            connected: Some(section.connected).filter(|_| self.connected_at > since),
            heard_at: section.heard_at.filter(|_| self.heard_at > since),
            head: (self.head_at > since).then(|| section.head.clone()),
            ..SectionUpdate::default()
        };
        for key in keys {
            match section.items.get(key) {
                Some(item) => drop(update.items.insert(key.clone(), item.clone())),
                None => update.removed.push(key.clone()),
            }
        }
        let SectionUpdate { reporter, connected, heard_at, head, items, removed, .. } = &update;
        let empty = reporter.is_none()
            && connected.is_none()
            && heard_at.is_none()
            && head.is_none()
            && items.is_empty()
            && removed.is_empty();
        (!empty).then_some(update)
    }

    /// Since when the reporter is awaited, if it is and has not fallen silent yet.
    pub fn awaited_since(&self) -> Option<Time> {
        self.heard.filter(|_| !self.silent)
    }

    /// Whether the reporter falls silent just now.
    pub fn falls_silent(&mut self, now: Time) -> bool {
        let falls = self.awaited_since().is_some_and(|heard| now.since(heard) >= SILENT_AFTER);
        self.silent |= falls;
        falls
    }

    /// Whether the reporter had been silent until now.
    pub fn returned(&mut self) -> bool {
        std::mem::take(&mut self.silent)
    }
}

/// Whether `new` is another process than `old`.
pub fn is_other_process(old: Option<&Reporter>, new: Option<&Reporter>) -> bool {
    new.is_some_and(|new| old.is_none_or(|old| (old.pid, old.started_at) != (new.pid, new.started_at)))
}

/// Sees that `update` may be merged into `section`, and bounds what is in it.
pub fn admit<K: Ord + Clone, H: Bounded, I: Bounded>(
    role: Role,
    section: &Section<K, H, I>,
    unnamed: &BTreeSet<K>,
    update: &mut SectionUpdate<K, H, I>,
    first: bool,
) -> Result<(), Refusal> {
    if first {
        let Some(reporter) = update.reporter.as_ref().filter(|_| update.whole) else {
            return Err(Refusal::NotWhole);
        };
        if let Some(other) = section.reporter.as_ref().filter(|_| section.connected)
            && is_other_process(Some(other), Some(reporter))
            && other.started_at > reporter.started_at
        {
            return Err(Refusal::Newer { role, pid: other.pid, started_at: other.started_at });
        }
    }
    bounds::check(section, unnamed, update)?;
    if let Some(reporter) = &mut update.reporter {
        reporter.bound();
    }
    if let Some(head) = &mut update.head {
        head.bound();
    }
    update.items.values_mut().for_each(Bounded::bound);
    Ok(())
}
