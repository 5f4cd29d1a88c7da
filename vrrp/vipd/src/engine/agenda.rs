//! When each group wants to be served, and whether any has news.
//!
//! Owns no decision: it repeats what the cores said last, side by side in memory, because it is looked through in every turn and
//! a group itself is some kilobytes. With 255 virtual routers that was a third of a turn.

use vrrp_core::Time;

use super::Group;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: Vec<Option<Time>>,
    /// Something about a group changed that is to be told at the end of the turn.
    pub(super) news: bool,
}

impl Agenda {
    /// Takes down everything anew; there may be other groups than before, or in another order.
    pub(super) fn rewrite(&mut self, groups: &[Group]) {
        self.due = groups.iter().map(|group| group.core.deadline()).collect();
        self.news = true;
    }

    /// The group at this place wants to be served then.
    pub(super) fn set(&mut self, group: usize, at: Option<Time>) {
        if let Some(slot) = self.due.get_mut(group) {
            *slot = at;
        }
    }

    /// When the next one of all wants to be served.
    pub(super) fn next(&self) -> Option<Time> {
        self.due.iter().flatten().min().copied()
    }

    /// Since when this one is due, if it is by now.
    pub(super) fn due(&self, group: usize, now: Time) -> Option<Time> {
        self.due.get(group).copied().flatten().filter(|at| *at <= now)
    }
}
