//! Two directors: what the other one has told need not be told here.
//!
//! Owns what is remembered of told troubles for the other director, and which incidents its answer takes care of. It asks nobody
//! itself, and keeps quiet about nothing that the other one does not name.

use std::collections::BTreeSet;

use agent_api::telling::TOLD_OVER_MAX;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::incident::Incident;
use super::notice::TROUBLES_MAX;
use super::trouble::Key;
use super::{Digest, Duty, Settings, later};

/// How often the other director is asked while a standby waits; five times within `step_in` at least.
const ASK_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How long the other director may take to say that it stepped in.
pub(super) const ANSWERS_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// How long they are.
const OVER_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A trouble that was told and is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// Which.
    pub key: Key,
    /// When it first began.
    pub began: Timestamp,
    /// When it last ended.
    pub ended: Timestamp,
}

/// What the other director has told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerTold {
    /// Troubles that stand.
    pub open: BTreeSet<Key>,
    /// Troubles that are over.
    pub over: Vec<Over>,
}

impl PeerTold {
    /// Whether it told of `incident`, whose directors see what happens up to `apart` apart.
    fn covers(&self, incident: &Incident, apart: SignedDuration) -> bool {
        let well = incident.is_well();
        incident.troubles.iter().all(|(key, trouble)| match trouble.ended {
            None => self.open.contains(key),
            // The end of what still lasts is told with the rest.
            Some(_) if !well => true,
            Some(ended) => {
                let meets = |over: &Over| {
                    over.began <= later(ended, apart) && trouble.began <= later(over.ended, apart)
                };
                self.open.contains(key) || self.over.iter().any(|over| over.key == *key && meets(over))
            }
        })
    }
}

/// Whether this director told of it, and every director sees it.
fn is_ours(incident: &Incident) -> bool {
    incident.told > 0 && !incident.by_peer && incident.shared()
}

fn ends_of(incident: &Incident) -> impl Iterator<Item = Over> + '_ {
    incident.troubles.iter().filter_map(|(key, trouble)| {
        Some(Over { key: key.clone(), began: trouble.began, ended: trouble.ended? })
    })
}

impl Digest {
    pub(super) fn note_peer(&mut self, told: &PeerTold, now: Timestamp) {
        let (duty, settings) = (self.duty, &self.settings);
        for incident in self.saved.incidents.iter_mut().filter(|i| i.shared() && i.told == 0 && !i.by_peer) {
            let asked = duty == Duty::StandsBy || settings.is_late(incident, now);
            if asked && told.covers(incident, settings.gather) {
                incident.by_peer = true;
                self.changed = true;
            }
        }
    }

    /// `incident` is closed and forgotten: what is kept of it for the other director.
    pub(super) fn remember_over(&mut self, incident: &Incident, now: Timestamp) {
        if !is_ours(incident) {
            return;
        }
        self.saved.over.retain(|over| now.duration_since(over.ended) < OVER_KEPT);
        self.saved.over.extend(ends_of(incident));
        self.saved.over.drain(..self.saved.over.len().saturating_sub(TOLD_OVER_MAX));
    }

    pub(super) fn told(&self) -> Vec<Key> {
        let ours = self.saved.incidents.iter().filter(|i| is_ours(i));
        let keys: BTreeSet<&Key> = ours.flat_map(Incident::open_keys).collect();
        keys.into_iter().take(TROUBLES_MAX).cloned().collect()
    }

    pub(super) fn told_over(&self) -> Vec<Over> {
        let lasting = self.saved.incidents.iter().filter(|i| is_ours(i)).flat_map(ends_of);
        lasting.chain(self.saved.over.iter().rev().cloned()).take(TOLD_OVER_MAX).collect()
    }
}

impl Settings {
    /// How often the other director is asked.
    pub(super) fn ask_every(&self) -> SignedDuration {
        ASK_EVERY.min(self.step_in / 5)
    }

    /// Whether the other director may have stepped in for this one, which was away when the incident began.
    pub(super) fn is_late(&self, incident: &Incident, now: Timestamp) -> bool {
        let allowed = self.gather.saturating_add(self.step_in);
        self.has_peer && now.duration_since(incident.began) > allowed
    }
}
