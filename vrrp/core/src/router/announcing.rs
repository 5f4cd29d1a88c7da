//! When the next round of announcements is due.
//!
//! Owns the course of one batch after a takeover or a repair: rounds at once, a second batch, then refreshes. It knows
//! neither addresses nor frames.

use crate::config::Announcements;
use crate::time::Time;

/// The rounds that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Announcing {
    /// Rounds left in the running batch.
    left: u8,
    next_round: Option<Time>,
    second_batch: Option<Time>,
    refresh: Option<Time>,
}

impl Announcing {
    /// Begins anew; the first round is due now.
    pub(crate) fn begin(&mut self, plan: &Announcements, now: Time) {
        *self = Self {
            left: plan.rounds,
            next_round: Some(now),
            second_batch: plan.repeat_after.map(|span| now + span),
            refresh: plan.refresh.map(|span| now + plan.repeat_after.unwrap_or_default() + span),
        };
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// When the next round is due.
    pub(crate) fn next(&self) -> Option<Time> {
        [self.next_round, self.second_batch, self.refresh].into_iter().flatten().min()
    }

    /// Whether a round is due now; if so, plans the one behind it.
    pub(crate) fn take_due(&mut self, plan: &Announcements, now: Time) -> bool {
        let mut due = false;
        if self.refresh.take_if(|at| *at <= now).is_some() {
            due = true;
            self.refresh = plan.refresh.map(|span| now + span);
        }
        if self.second_batch.take_if(|at| *at <= now).is_some() {
            self.left = plan.rounds;
            self.next_round = Some(now);
        }
        if self.next_round.take_if(|at| *at <= now).is_some() {
            due = true;
            self.left = self.left.saturating_sub(1);
            self.next_round = (self.left > 0).then(|| now + plan.spacing);
        }
        due
    }
}
