//! Silences: what is not told, and that those who are told something know it.
//!
//! Owns which silence or drain covers a trouble, and the words about silences in a notice. When a silence ends is found again
//! through the deadlines of the troubles it covers.

use agent_api::{Severity, State};
use jiff::{Timestamp, Unit};

use super::Digest;
use super::trouble::Key;

/// How many silences a notice names.
const NAMED: usize = 5;

impl Digest {
    /// Whether `key` is kept from being told now, and when to look again.
    pub(super) fn silenced(
        &self,
        key: &Key,
        severity: Severity,
        state: &State,
        now: Timestamp,
    ) -> (bool, Option<Timestamp>) {
        let mut again: Option<Timestamp> = None;
        let mut silenced = false;
        let mut note = |until: Option<Timestamp>| {
            silenced = true;
            again = again.into_iter().chain(until).min();
        };
        for silence in &state.orders.silences {
            let mild = silence.severity.is_none_or(|most| severity <= most);
            if mild && silence.in_force(now) && key.is_covered(&silence.target) {
                note(Some(silence.until));
            }
        }
        for silence in &self.settings.silences {
            let lasts = silence.until.is_none_or(|until| now < until);
            let zone = &self.settings.zone;
            let in_hours = silence.hours.is_empty() || silence.hours.contain(now, zone);
            let mild = silence.severity.is_none_or(|most| severity <= most);
            if mild && lasts && in_hours && key.is_covered(&silence.target) {
                let change =
                    (!silence.hours.is_empty()).then(|| silence.hours.change_after(now, zone)).flatten();
                note(silence.until.into_iter().chain(change).min());
            }
        }
        // Whoever drains a server knows that it may be off.
        if let Key::Server(id) = key
            && let Some(drain) = state.orders.drain_of(id, now)
        {
            note(drain.until);
        }
        (silenced, again)
    }

    /// What a notice says of the silences in force: whoever reads it shall know what else there may be.
    pub(super) fn silence_remarks(&self, state: &State, now: Timestamp) -> Vec<String> {
        let in_force: Vec<_> = state.orders.silences.iter().filter(|silence| silence.in_force(now)).collect();
        let mut remarks: Vec<String> = in_force
            .iter()
            .take(NAMED)
            .map(|silence| {
                let until = silence.until.round(Unit::Second).unwrap_or(silence.until);
                let why = if silence.why.is_empty() { String::new() } else { format!(": {}", silence.why) };
                format!("alerts about {silence} are silenced until {until} by {}{why}", silence.who)
            })
            .collect();
        if in_force.len() > NAMED {
            remarks.push(format!("and {} more silences are in force", in_force.len() - NAMED));
        }
        let silenced = self.saved.standing.values().filter(|standing| standing.silenced).count();
        if silenced > 0 {
            remarks.push(format!("silences and drains keep {silenced} standing troubles from being told"));
        }
        remarks
    }
}
