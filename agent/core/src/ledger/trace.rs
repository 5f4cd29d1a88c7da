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
    /// What the section's items cost to keep, together.
    weight: usize,
}

impl<K: Ord + Clone> Trace<K> {
    /// Everything is as it is in `section` since `generation`. A reporter of a former run of the agent counts as heard `now`,
    /// unless it was silent already.
    pub fn new<H, I: Bounded>(
        section: &Section<K, H, I>,
        generation: u64,
        heard: Option<Time>,
        silent: bool,
    ) -> Self {
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
            weight: section.items.values().map(I::weight).sum(),
        }
    }

    /// Merges a report. `on_item` sees each item that changed, or none for one that is gone.
    pub fn apply<H: PartialEq, I: PartialEq + Bounded>(
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
                self.weight += item.weight();
                let former = section.items.insert(key, item);
                self.weight -= former.as_ref().map_or(0, I::weight);
                changed = true;
            }
        }
        for key in gone {
            if let Some(former) = section.items.remove(&key) {
                self.weight -= former.weight();
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

    /// What the section would have with `update`: so many items, that cost so much together. Costs as much as the update is long,
    /// however long the section is, unless it comes in parts just now.
    fn size_with<H, I: Bounded>(
        &self,
        section: &Section<K, H, I>,
        update: &SectionUpdate<K, H, I>,
    ) -> (usize, usize) {
        let (mut items, mut weight) = (update.items.len(), update.items.values().map(I::weight).sum());
        if update.whole {
            return (items, weight);
        }
        if self.unnamed.is_empty() {
            let replaced = update.items.keys().filter_map(|key| section.items.get(key));
            let (count, less) = replaced.fold((0, 0), |(count, sum), item| (count + 1, sum + item.weight()));
            return (items + section.items.len() - count, weight + self.weight - less);
        }
        let stays = |key: &K| !update.items.contains_key(key) && !self.unnamed.contains(key);
        for (_, item) in section.items.iter().filter(|(key, _)| stays(key)) {
            items += 1;
            weight += item.weight();
        }
        (items, weight)
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
    trace: &Trace<K>,
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
    let (items, weight) = trace.size_with(section, update);
    bounds::check(items, weight)?;
    if let Some(reporter) = &mut update.reporter {
        reporter.bound();
    }
    if let Some(head) = &mut update.head {
        head.bound();
    }
    update.items.values_mut().for_each(Bounded::bound);
    Ok(())
}

#[cfg(test)]
mod tests {
    use agent_api::{CheckReport, RealServerHealth, Verdict};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    type Items = Vec<(u8, usize)>;

    fn health(checks: usize) -> RealServerHealth {
        let plain = RealServerHealth::new(Verdict::Up, Timestamp::UNIX_EPOCH, ([10, 0, 0, 1], 53).into());
        let check = CheckReport { name: String::new(), advisory: false, health: plain.clone() };
        RealServerHealth { checks: vec![check; checks], ..plain }
    }

    /// Few keys, so that updates meet again what is there.
    fn updates() -> impl Strategy<Value = Vec<(Items, Vec<u8>, bool, bool)>> {
        let items = proptest::collection::vec((0..12_u8, 0..4_usize), 0..6);
        let removed = proptest::collection::vec(0..12_u8, 0..3);
        proptest::collection::vec((items, removed, any::<bool>(), any::<bool>()), 1..20)
    }

    proptest! {
        /// The size of a section is kept count of and not counted, and must be right whatever came and went.
        #[test]
        fn the_size_that_is_kept_count_of_is_the_size(updates in updates()) {
            let mut section = Section::<u8, (), RealServerHealth>::default();
            let mut trace = Trace::new(&section, 0, None, false);
            let now = Now { steady: Time::from_nanos(0), wall: Timestamp::UNIX_EPOCH };
            for (items, removed, whole, unfinished) in updates {
                let items = items.into_iter().map(|(key, checks)| (key, health(checks))).collect();
                let mut update = SectionUpdate { whole, unfinished, items, ..SectionUpdate::default() };
                let size = trace.size_with(&section, &update);
                update.removed = removed;
                let unnamed = trace.unnamed.clone();
                let (mut all, named) = (section.items.clone(), update.items.clone());
                all.retain(|key, _| !whole && !unnamed.contains(key) || named.contains_key(key));
                all.extend(named);
                prop_assert_eq!(size, (all.len(), all.values().map(Bounded::weight).sum()));
                trace.apply(&mut section, update, 1, now, |_, _| ());
                prop_assert_eq!(trace.weight, section.items.values().map(Bounded::weight).sum::<usize>());
                prop_assert_eq!(trace.weight, Trace::new(&section, 1, None, false).weight);
            }
        }
    }
}
