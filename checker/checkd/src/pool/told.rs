//! What the agent is told of the servers.
//!
//! Owns whose report is out of date, and the order in which reports are made: a few at a time, when the agent takes them, so that no
//! second copy of everything is kept. It judges nothing.

use std::collections::BTreeMap;

use agent_api::{Name, RealServerHealth, RealServerId};
use checker_core::Verdict;

use super::{Key, Pool, Slot};

/// Items whose latest figures are sent again at each summary, in turn, though their verdicts have not changed.
const REFRESHED: usize = 100;

impl Pool {
    /// Real servers whose report is out of date, at most `most` of them, those first that wait longest; and whether some are
    /// still missing from the whole report that [`Pool::want_all`] began.
    pub(crate) fn take_changed(&mut self, most: usize) -> (Vec<(RealServerId, RealServerHealth)>, bool) {
        let mut reports = Vec::with_capacity(most.min(self.changed.len()));
        while reports.len() < most
            && let Some(number) = self.changed.pop_front()
        {
            self.unfinished = self.unfinished.saturating_sub(1);
            // Whoever took the number of one that is gone is told once, too.
            if let Some(slot) = self.slots.get_mut(number)
                && std::mem::take(&mut slot.stale)
            {
                reports.extend(slot.report());
            }
        }
        (reports, self.unfinished > 0)
    }

    /// Whether some report is out of date.
    pub(crate) fn has_news(&self) -> bool {
        !self.changed.is_empty() || !self.removed.is_empty()
    }

    /// Counts every report as out of date: somebody knows nothing yet.
    pub(crate) fn want_all(&mut self) {
        for number in 0..self.slots.places() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if let Some(slot) = self.slots.get_mut(number)
                && !std::mem::replace(&mut slot.stale, true)
            {
                self.changed.push_back(number);
            }
        }
        self.unfinished = self.changed.len();
    }

    /// Servers that are no more since this was last called.
    pub(crate) fn take_removed(&mut self) -> Vec<RealServerId> {
        std::mem::take(&mut self.removed)
    }

    /// Some servers whose latest figures are worth sending again, another lot each time.
    pub(crate) fn refresh(&mut self) {
        let total = self.slots.places();
        for _ in 0..REFRESHED.min(total) {
            self.refreshed = (self.refreshed + 1) % total;
            let number = u32::try_from(self.refreshed).unwrap_or(u32::MAX);
            if let Some(slot) = self.slots.get_mut(number)
                && !std::mem::replace(&mut slot.stale, true)
            {
                self.changed.push_back(number);
            }
        }
    }

    /// Everything that is known of what they depend on.
    pub(crate) fn dependencies(&self) -> BTreeMap<Name, RealServerHealth> {
        let told = |slot: &Slot| match &slot.key {
            Key::Dependency(name) => Some((name.clone(), slot.server.health())),
            Key::Server(_) => None,
        };
        self.slots.iter().filter_map(told).collect()
    }

    /// How many real servers have each verdict, in the order of [`Verdict::ALL`].
    pub(crate) fn count(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for slot in self.slots.iter().filter(|slot| matches!(slot.key, Key::Server(_))) {
            let verdict = slot.server.verdict();
            if let Some(at) = Verdict::ALL.iter().position(|one| *one == verdict)
                && let Some(count) = counts.get_mut(at)
            {
                *count += 1;
            }
        }
        counts
    }

    /// Everything that is known of real servers.
    #[cfg(test)]
    pub(crate) fn all(&self) -> BTreeMap<RealServerId, RealServerHealth> {
        self.slots.iter().filter_map(Slot::report).collect()
    }
}

impl Slot {
    fn report(&self) -> Option<(RealServerId, RealServerHealth)> {
        match &self.key {
            Key::Server(id) => Some((id.clone(), self.server.health())),
            Key::Dependency(_) => None,
        }
    }
}
