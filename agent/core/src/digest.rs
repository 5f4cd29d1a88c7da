//! The digest: from events to incidents, from incidents to what people are told.
//!
//! Owns which troubles stand, which of them are one incident for which route, and when that is told: after a gathering
//! time, seldom while it lasts, once when it is over; later in quiet hours; never while silenced; by one director of several.
//! It catches up by event number and holds what it knows against the state, so that a restart or a lost event opens and
//! closes everything once. It sends nothing, does no I/O and reads no clock. Times are wall-clock times, because they outlive
//! a restart; a clock that was set back makes nothing wait for longer than it would have.
//!
//! Use: [`Digest::handle`], then [`Digest::poll_action`] until it is empty, then [`Digest::deadline`]. [`Digest::saved`] is what
//! has to be on disk before an action is carried out.

mod against;
mod classify;
mod evidence;
mod incident;
pub mod notice;
pub mod outbox;
mod peer;
mod quiet;
mod saved;
mod speak;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use agent_api::config::{AlertRoute, Standby, StandingSilence};
use agent_api::router::RouterState;
use agent_api::{Hours, Name, Severity, State};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use incident::Incident;
pub use notice::{Kind, Notice};
pub use peer::{Over, PeerTold};
pub use saved::Saved;
pub use trouble::Key;

use evidence::Row;
use trouble::{Change, Standing};

/// The agent may be away for so long before that is trouble.
pub const AGENT_AWAY: SignedDuration = SignedDuration::from_secs(60);
/// A trouble that came back so often within one incident is flapping.
pub const FLAPS: u32 = 3;
/// An incident with a flapping trouble is not closed before all were well for so long.
pub const FLAP_SETTLE: SignedDuration = SignedDuration::from_mins(10);
/// A trouble that happens and does not last counts as over so long after it last happened.
pub const PASSES: SignedDuration = SignedDuration::from_mins(5);
/// The longest pause between two mails on one incident that changes.
pub const PACE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How many incidents of one route may be open; more troubles join the latest.
pub const INCIDENTS_MAX: usize = 64;
/// How often the table is remembered as what it was before.
const REMEMBER_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What the configuration says, for the digest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What this director calls itself.
    pub host: String,
    /// The time zone of hours.
    pub zone: TimeZone,
    /// See [`agent_api::config::Alert`]; so are the others.
    pub gather: SignedDuration,
    /// How long all must be well.
    pub settle: SignedDuration,
    /// The shortest pause between two mails.
    pub update_every: SignedDuration,
    /// How often an open incident is recalled.
    pub remind_every: Option<SignedDuration>,
    /// When incidents wait.
    pub quiet_hours: Hours,
    /// Which do not.
    pub quiet_break: Option<Severity>,
    /// What a standby does.
    pub standby: Standby,
    /// How long a standby waits.
    pub step_in: SignedDuration,
    /// Whether there is another director to ask.
    pub has_peer: bool,
    /// The routes; the last one takes what no other takes.
    pub routes: Vec<AlertRoute>,
    /// Silences of the configuration.
    pub silences: Vec<StandingSilence>,
}

/// Whether it is this director's part to tell of what all directors see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duty {
    /// It is: it is Active, or there is no virtual router.
    #[default]
    Tells,
    /// Another director is Active, as far as this one knows.
    StandsBy,
}

/// Whose part it is, from the state: the first virtual router by name decides, which is the same on all directors. Without one, and
/// while `vipd` is not heard, every director tells: better twice than never.
#[must_use]
pub fn duty(state: &State) -> Duty {
    let first = state.vipd.items.values().next().filter(|_| state.vipd.connected);
    match first {
        Some(router) if router.state != RouterState::Active => Duty::StandsBy,
        _ => Duty::Tells,
    }
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The state was looked at: after every change of it, and when a deadline has passed.
    Looked {
        /// The state as last heard; absent when nothing ever was.
        state: Option<&'a State>,
        /// Whether the agent is being heard.
        heard: bool,
        /// Whose part it is to tell.
        duty: Duty,
    },
    /// A peer answered.
    PeerTells(&'a PeerTold),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Somebody is to be told.
    Tell(Box<Notice>),
    /// The other director is to be asked what it has told.
    AskPeer,
}

/// Why a deadline is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An incident is to be told, recalled or closed.
    Incident(u64),
    /// A trouble that does not last is over, or a silence ends.
    Trouble,
    /// The agent has been away for too long.
    AgentAway,
}

/// What the digest is about, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Incidents that are open.
    pub open: usize,
    /// Of them those that wait: for quiet hours to end, for a route's hours, for the Active director.
    pub waiting: usize,
    /// Troubles that are told of and stand, for peers.
    pub told: Vec<Key>,
    /// Those that were told of and are over, the latest first.
    pub told_over: Vec<Over>,
    /// Troubles that a silence or a drain keeps from being told.
    pub silenced: usize,
    /// Events that were never seen because the agent keeps only the latest.
    pub missed_events: u64,
}

/// Events to incidents, incidents to notices.
#[derive(Debug, Clone)]
pub struct Digest {
    settings: Settings,
    saved: Saved,
    duty: Duty,
    /// What the kernel's table was when nothing was going on, by virtual server.
    before: BTreeMap<Name, Vec<Row>>,
    remembered_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    actions: VecDeque<Action>,
    changed: bool,
}

impl Digest {
    /// A digest that takes up where `saved` ends.
    #[must_use]
    pub fn new(settings: Settings, saved: Saved) -> Self {
        Self {
            settings,
            saved,
            duty: Duty::default(),
            before: BTreeMap::new(),
            remembered_at: None,
            asked_at: None,
            actions: VecDeque::new(),
            changed: false,
        }
    }

    /// Takes another configuration. Incidents of routes that are no more end without a word.
    pub fn configure(&mut self, settings: Settings) {
        self.saved.incidents.retain(|incident| settings.routes.iter().any(|r| r.name == incident.route));
        self.settings = settings;
        self.changed = true;
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What has to be kept, and whether it changed since this was last called.
    pub fn saved(&mut self) -> (&Saved, bool) {
        let changed = std::mem::take(&mut self.changed);
        (&self.saved, changed)
    }

    /// A notice on `incident` was lost on its way: it is told once more. Says whether it is open still.
    pub fn retell(&mut self, incident: u64) -> bool {
        let open = self.saved.incidents.iter_mut().find(|open| open.number == incident);
        let known = open.is_some();
        if let Some(open) = open {
            open.fresh = true;
            self.changed = true;
        }
        known
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        match input {
            Input::PeerTells(told) => self.note_peer(told, now),
            Input::Looked { state, heard, duty } => {
                self.set_duty(duty, now);
                self.agent_is_heard(heard && state.is_some(), now);
                if let Some(state) = state {
                    self.remember(state, now);
                    self.take_events(state, now);
                    self.hold_against(state, heard, now);
                    self.review(state, now);
                    self.integrate(state, now);
                    self.speak(state, now);
                } else {
                    self.speak(&State::new(String::new(), now), now);
                }
            }
        }
    }

    /// What is to be done next, until there is nothing more.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Looked`] is due even if nothing changes, and why.
    #[must_use]
    pub fn deadline(&self, now: Timestamp) -> Option<(Timestamp, Reason)> {
        let incidents =
            self.saved.incidents.iter().filter_map(|i| Some((self.due(i, now)?, Reason::Incident(i.number))));
        let troubles = self.saved.standing.values().filter_map(|standing| {
            let review = standing.reviewed_until.map(|at| at.max(now));
            let passes = standing.passing.then(|| later(standing.last, PASSES));
            Some((review.into_iter().chain(passes).min()?, Reason::Trouble))
        });
        let away = self.saved.agent_away_since.filter(|_| !self.saved.standing.contains_key(&Key::Agent));
        let away = away.map(|since| (later(since, AGENT_AWAY), Reason::AgentAway));
        incidents.chain(troubles).chain(away).min_by_key(|(at, _)| *at)
    }

    /// What it is about.
    #[must_use]
    pub fn status(&self) -> Status {
        let incidents = &self.saved.incidents;
        Status {
            open: incidents.len(),
            waiting: incidents.iter().filter(|i| i.waits()).count(),
            told: self.told(),
            told_over: self.told_over(),
            silenced: self.saved.standing.values().filter(|standing| standing.silenced).count(),
            missed_events: self.saved.missed_events,
        }
    }

    /// The incidents that are open.
    #[must_use]
    pub fn incidents(&self) -> &[Incident] {
        &self.saved.incidents
    }

    /// Handles every event that is new.
    fn take_events(&mut self, state: &State, now: Timestamp) {
        let (Some(first), Some(last)) = (state.events.front(), state.events.back()) else {
            if !self.saved.started {
                self.saved.started = true;
                self.saved.hold_all = true;
                self.changed = true;
            }
            return;
        };
        if !self.saved.started {
            // The past is not told; what stands is.
            self.saved.started = true;
            self.saved.hold_all = true;
            self.saved.last_event = last.number;
            self.saved.last_event_at = last.what.at;
            self.changed = true;
            return;
        }
        let mut since = self.saved.last_event;
        let mut newer_than = None;
        if last.number < since {
            // The agent lost its numbers: what is younger than the last one that was handled is new.
            since = 0;
            newer_than = Some(self.saved.last_event_at);
            self.saved.hold_all = true;
        } else if first.number > since.saturating_add(1) {
            self.saved.missed_events += first.number - since - 1;
            self.saved.hold_all = true;
        }
        if last.number == since {
            return;
        }
        let new = state.events.iter().rev().take_while(|event| event.number > since).count();
        for event in state.events.iter().skip(state.events.len() - new) {
            if newer_than.is_some_and(|at| event.what.at <= at) {
                continue;
            }
            for change in classify::changes(&event.what) {
                self.apply(change, state, now);
            }
        }
        self.saved.last_event = last.number;
        self.saved.last_event_at = last.what.at.max(self.saved.last_event_at);
        self.changed = true;
    }

    fn apply(&mut self, change: Change, state: &State, now: Timestamp) {
        match change {
            Change::Begins(begun) => self.begins(begun, state, now),
            Change::Ends { key, at, text } => self.ends(&key, at, &text, now),
        }
    }

    /// Whether the agent is heard is trouble of its own.
    fn agent_is_heard(&mut self, heard: bool, now: Timestamp) {
        if heard {
            if self.saved.agent_away_since.take().is_some() {
                self.changed = true;
                self.ends(&Key::Agent, now, "the agent answers again", now);
            }
            return;
        }
        let since = *self.saved.agent_away_since.get_or_insert_with(|| {
            self.changed = true;
            now
        });
        if now.duration_since(since) >= AGENT_AWAY && !self.saved.standing.contains_key(&Key::Agent) {
            let begun = trouble::Begun {
                key: Key::Agent,
                severity: Severity::Critical,
                passing: false,
                at: since,
                cause: None,
                text: "agentd does not answer: nothing is known of the real servers; see `systemctl status holdfast-agentd`"
                    .to_owned(),
            };
            self.begins(begun, &State::new(String::new(), now), now);
        }
    }

    fn set_duty(&mut self, duty: Duty, now: Timestamp) {
        if duty == self.duty {
            return;
        }
        self.duty = duty;
        let recent = self.settings.gather.saturating_add(self.settings.step_in);
        for incident in self.saved.incidents.iter_mut().filter(|incident| incident.shared()) {
            match duty {
                Duty::StandsBy if incident.told > 0 => incident.by_peer = true,
                Duty::StandsBy => {}
                Duty::Tells => {
                    // What is young may never have been told by the one that was Active; what is old was.
                    let adopt = incident.by_peer && now.duration_since(incident.seen) > recent;
                    if adopt && incident.told == 0 {
                        incident.told = 1;
                        incident.fresh = false;
                        incident.told_severity = incident.severity;
                        incident.last_told = Some(now);
                    }
                    incident.by_peer = false;
                }
            }
        }
        self.changed = true;
    }

    /// Remembers the table as it is while nothing is going on.
    fn remember(&mut self, state: &State, now: Timestamp) {
        let gathering = self.saved.incidents.iter().any(|incident| incident.told == 0);
        let lately = self.remembered_at.is_some_and(|at| {
            now >= at && now.duration_since(at) < REMEMBER_EVERY && !self.before.is_empty()
        });
        if gathering || lately || !state.lvsd.connected {
            return;
        }
        // Events that are not handled yet may have changed it already.
        if state.events.back().is_some_and(|event| event.number != self.saved.last_event)
            && !self.before.is_empty()
        {
            return;
        }
        self.before = evidence::tables(state);
        self.remembered_at = Some(now);
    }
}

/// `at` plus `span`, at most the end of the calendar.
fn later(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A configured span.
#[must_use]
pub fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

impl Settings {
    /// From the configuration, with the time zone looked up.
    #[must_use]
    pub fn new(alert: &agent_api::config::Alert, has_peer: bool, host: String, zone: TimeZone) -> Self {
        Self {
            host,
            zone,
            gather: span(alert.gather),
            settle: span(alert.settle),
            update_every: span(alert.update_every),
            remind_every: alert.remind_every.map(span),
            quiet_hours: alert.quiet_hours.clone(),
            quiet_break: alert.quiet_break,
            standby: alert.standby,
            step_in: span(alert.step_in),
            has_peer,
            routes: alert.routes.clone(),
            silences: alert.silences.clone(),
        }
    }
}

type Standings = BTreeMap<Key, Standing>;
