//! Incidents: troubles that belong together, for one route.
//!
//! Owns which incident a trouble joins, the history that is told, and what was lost meanwhile. When it is told is `speak`'s.

use std::collections::{BTreeMap, BTreeSet};

use agent_api::config::AlertRoute;
use agent_api::{CauseCode, Name, Severity, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::evidence::Row;
use super::notice::Line;
use super::trouble::{Begun, Key, Standing};
use super::{Digest, FLAPS, INCIDENTS_MAX, PASSES, later};

/// How many lines of history are kept.
pub const HISTORY_MAX: usize = 60;
/// How many rows of the table before are kept.
const ROWS_MAX: usize = 200;

/// One trouble of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// How grave it was at its worst.
    pub severity: Severity,
    /// When it first began.
    pub began: Timestamp,
    /// When it ended; absent while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The cause code, as last heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseCode>,
    /// One line for people, as last heard.
    pub text: String,
    /// How often it began.
    pub falls: u32,
    /// Whether it was told that it flaps: single changes are news no more.
    #[serde(default)]
    pub flap_told: bool,
}

impl Trouble {
    /// Whether it comes and goes.
    #[must_use]
    pub fn flaps(&self) -> bool {
        self.falls >= FLAPS
    }
}

/// What clients of a virtual server lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Its real servers.
    pub total: usize,
    /// The fewest that served at a time.
    pub fewest: usize,
    /// The quorum.
    pub quorum: u32,
    /// How long none served, in milliseconds.
    pub none_ms: u64,
    /// How long fewer than the quorum served, in milliseconds.
    pub below_ms: u64,
    /// How many serve since [`Self::last_at`].
    pub serving: usize,
    /// When that was last looked at.
    pub last_at: Timestamp,
}

/// Why an incident is not told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Quiet hours.
    Quiet,
    /// The route's hours have not begun.
    Hours,
    /// The Active director is to tell it.
    Standby,
}

/// Troubles that belong together, for one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, never used twice.
    pub number: u64,
    /// The route it is told to.
    pub route: Name,
    /// When the first trouble began.
    pub began: Timestamp,
    /// When it was first seen here.
    pub seen: Timestamp,
    /// How grave it was at its worst.
    pub severity: Severity,
    /// Its troubles, over ones too.
    pub troubles: BTreeMap<Key, Trouble>,
    /// What happened, in order.
    pub history: Vec<Line>,
    /// Lines that were left out of [`Self::history`].
    #[serde(default)]
    pub left_out: u64,
    /// How often it was told.
    #[serde(default)]
    pub told: u32,
    /// How grave it was when last told.
    #[serde(default)]
    pub told_severity: Severity,
    /// When it was last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_told: Option<Timestamp>,
    /// Whether something happened since.
    #[serde(default)]
    pub fresh: bool,
    /// Since when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well_since: Option<Timestamp>,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Another director tells it.
    #[serde(default)]
    pub by_peer: bool,
    /// Identity of the mail that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Identity of the latest mail on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The table before it began.
    #[serde(default)]
    pub before: Vec<Row>,
    /// What was lost, by virtual server.
    #[serde(default)]
    pub losses: BTreeMap<Name, Loss>,
}

impl Incident {
    /// The troubles that stand.
    pub fn open_keys(&self) -> impl Iterator<Item = &Key> {
        self.troubles.iter().filter(|(_, trouble)| trouble.ended.is_none()).map(|(key, _)| key)
    }

    /// Whether nothing stands.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.open_keys().next().is_none()
    }

    /// Whether it waits for something other than more of the same.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.held.is_some() || self.by_peer
    }

    /// Whether every director sees all of it.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.troubles.keys().all(Key::is_shared)
    }

    /// Whether one of its troubles flaps.
    #[must_use]
    pub fn flaps(&self) -> bool {
        self.troubles.values().any(Trouble::flaps)
    }

    /// The virtual servers that it is about.
    #[must_use]
    pub fn pools(&self) -> BTreeSet<&Name> {
        self.troubles.keys().filter_map(Key::pool).collect()
    }

    fn note(&mut self, at: Timestamp, severity: Option<Severity>, text: &str) {
        if self.history.len() >= HISTORY_MAX {
            // The beginning explains most, the end is news: what is between goes.
            self.history.remove(HISTORY_MAX / 2);
            self.left_out += 1;
        }
        self.history.push(Line { at, severity, text: text.to_owned(), news: true });
        self.fresh = true;
    }

    fn take(&mut self, begun: &Begun) {
        let trouble = self.troubles.get_mut(&begun.key);
        let (again, quiet) = match trouble {
            None => {
                let trouble = Trouble {
                    severity: begun.severity,
                    began: begun.at,
                    ended: None,
                    cause: begun.cause.clone(),
                    text: begun.text.clone(),
                    falls: 1,
                    flap_told: false,
                };
                self.troubles.insert(begun.key.clone(), trouble);
                (false, false)
            }
            Some(trouble) => {
                let came_back = trouble.ended.take().is_some() || begun.passing;
                trouble.falls = trouble.falls.saturating_add(u32::from(came_back));
                trouble.severity = trouble.severity.max(begun.severity);
                trouble.cause = begun.cause.clone();
                trouble.text.clone_from(&begun.text);
                (true, trouble.flap_told)
            }
        };
        self.well_since = None;
        self.severity = self.severity.max(begun.severity);
        if !(again && quiet) {
            self.note(begun.at, Some(begun.severity), &begun.text);
        }
    }
}

/// What a trouble that is to be told of looks like.
fn matches(route: &AlertRoute, key: &Key, severity: Severity) -> bool {
    let all = route.virtual_servers.is_empty() && route.virtual_routers.is_empty();
    let named = match key {
        Key::Router(name) | Key::RouterFault(name) => route.virtual_routers.contains(name),
        _ => key.pool().is_some_and(|pool| route.virtual_servers.contains(pool)),
    };
    severity >= route.severity && (all || named)
}

impl Digest {
    /// A trouble begins, changes or happens again.
    pub(super) fn begins(&mut self, begun: Begun, state: &State, now: Timestamp) {
        let (silenced, reviewed_until) = self.silenced(&begun.key, begun.severity, state, now);
        let since = self.saved.standing.get(&begun.key).map_or(begun.at, |standing| standing.since);
        let standing = Standing {
            severity: begun.severity,
            passing: begun.passing,
            since,
            last: begun.at,
            cause: begun.cause.clone(),
            text: begun.text.clone(),
            silenced,
            reviewed_until,
        };
        self.saved.standing.insert(begun.key.clone(), standing);
        self.changed = true;
        if !silenced {
            self.join(&begun, now);
        }
    }

    /// A trouble ends, if it stood.
    pub(super) fn ends(&mut self, key: &Key, at: Timestamp, text: &str, now: Timestamp) {
        if self.saved.standing.remove(key).is_none() {
            return;
        }
        self.changed = true;
        for incident in &mut self.saved.incidents {
            let Some(trouble) = incident.troubles.get_mut(key).filter(|t| t.ended.is_none()) else {
                continue;
            };
            trouble.ended = Some(at.max(trouble.began));
            let quiet = trouble.flap_told;
            if !quiet {
                incident.note(at, None, text);
            }
            if incident.is_well() {
                incident.well_since = Some(now);
            }
        }
    }

    fn join(&mut self, begun: &Begun, now: Timestamp) {
        let mut served: Vec<Name> = Vec::new();
        for incident in self.saved.incidents.iter_mut().filter(|i| i.troubles.contains_key(&begun.key)) {
            incident.take(begun);
            served.push(incident.route.clone());
        }
        for route in self.routes_of(&begun.key, begun.severity, now) {
            if !served.contains(&route) {
                self.join_route(&route, begun, now);
            }
        }
    }

    /// The routes that a trouble goes to.
    fn routes_of(&self, key: &Key, severity: Severity, now: Timestamp) -> Vec<Name> {
        let Some((rest, routes)) = self.settings.routes.split_last() else { return Vec::new() };
        let wanted: Vec<&AlertRoute> = routes.iter().filter(|route| matches(route, key, severity)).collect();
        let on_duty =
            |route: &&&AlertRoute| route.hours.is_empty() || route.hours.contain(now, &self.settings.zone);
        let taken = wanted.iter().any(|route| on_duty(&route));
        let tells = !(rest.to.is_empty() && rest.webhooks.is_empty() && rest.commands.is_empty());
        let rest = (!taken && tells && matches(rest, key, severity)).then_some(rest);
        wanted.into_iter().chain(rest).map(|route| route.name.clone()).collect()
    }

    fn join_route(&mut self, route: &Name, begun: &Begun, now: Timestamp) {
        let gather = self.settings.gather;
        let shared = begun.key.is_shared();
        let own: Vec<usize> = (0..self.saved.incidents.len())
            .filter(|index| self.saved.incidents.get(*index).is_some_and(|i| i.route == *route))
            .collect();
        let incidents = &self.saved.incidents;
        let find = |fits: &dyn Fn(&Incident) -> bool| {
            own.iter().rev().find(|index| incidents.get(**index).is_some_and(fits)).copied()
        };
        let gathering = |i: &Incident| i.told == 0 && i.shared() == shared && now < later(i.seen, gather);
        let same_pool = |i: &Incident| {
            begun.key.pool().is_some_and(|pool| i.pools().contains(pool)) && i.shared() == shared
        };
        let found = find(&gathering).or_else(|| find(&same_pool));
        let found = found.or_else(|| (own.len() >= INCIDENTS_MAX).then(|| own.last().copied()).flatten());
        let index = found.unwrap_or_else(|| {
            self.saved.next_number += 1;
            self.saved.incidents.push(Incident {
                number: self.saved.next_number,
                route: route.clone(),
                began: begun.at,
                seen: now,
                severity: begun.severity,
                troubles: BTreeMap::new(),
                history: Vec::new(),
                left_out: 0,
                told: 0,
                told_severity: begun.severity,
                last_told: None,
                fresh: false,
                well_since: None,
                held: None,
                by_peer: false,
                root: None,
                previous: None,
                before: Vec::new(),
                losses: BTreeMap::new(),
            });
            self.saved.incidents.len() - 1
        });
        let Some(incident) = self.saved.incidents.get_mut(index) else { return };
        incident.began = incident.began.min(begun.at);
        if let Some(pool) = begun.key.pool()
            && !incident.pools().contains(pool)
            && let Some(rows) = self.before.get(pool)
        {
            let room = ROWS_MAX.saturating_sub(incident.before.len());
            incident.before.extend(rows.iter().take(room).cloned());
        }
        incident.take(begun);
    }

    /// Looks at the troubles that stand: what is silenced no more, what has passed.
    pub(super) fn review(&mut self, state: &State, now: Timestamp) {
        let keys: Vec<Key> = self
            .saved
            .standing
            .iter()
            .filter(|(_, standing)| standing.passing && now >= later(standing.last, PASSES))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let at = self.saved.standing.get(&key).map_or(now, |standing| standing.last);
            self.ends(&key, at, &format!("{}: it did not happen again", key.subject()), now);
        }
        let none = state.orders.silences.is_empty() && state.orders.drains.is_empty();
        if none && self.settings.silences.is_empty() && !self.saved.standing.values().any(|s| s.silenced) {
            return;
        }
        let mut told: Vec<Begun> = Vec::new();
        let mut standings = std::mem::take(&mut self.saved.standing);
        for (key, standing) in &mut standings {
            let (silenced, until) = self.silenced(key, standing.severity, state, now);
            standing.reviewed_until = until;
            if standing.silenced == silenced {
                continue;
            }
            standing.silenced = silenced;
            self.changed = true;
            if !silenced {
                told.push(Begun {
                    key: key.clone(),
                    severity: standing.severity,
                    passing: standing.passing,
                    at: standing.since,
                    cause: standing.cause.clone(),
                    text: standing.text.clone(),
                });
            }
        }
        self.saved.standing = standings;
        for begun in told {
            // An incident that has it open already needs no second beginning.
            let known = |i: &Incident| i.troubles.get(&begun.key).is_some_and(|t| t.ended.is_none());
            if !self.saved.incidents.iter().any(known) {
                self.join(&begun, now);
            }
        }
    }
}
