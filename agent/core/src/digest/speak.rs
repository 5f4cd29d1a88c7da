//! When an incident is told, and in which notice.
//!
//! Owns the rules of telling: gathering, pace, reminders, closing, quiet hours, a route's hours, the standby's wait. It never
//! decides what is trouble.

use std::collections::BTreeMap;

use agent_api::config::Standby;
use agent_api::{Name, Severity, State};
use jiff::{SignedDuration, Timestamp};

use super::incident::{Held, Incident, Trouble};
use super::notice::{
    Evidence, Kind, LossLine, Notice, SCHEMA, SUMMARIES_MAX, Summary, TROUBLES_MAX, TroubleLine,
};
use super::peer::ANSWERS_WITHIN;
use super::trouble::Key;
use super::{Action, Digest, Duty, FLAP_SETTLE, PACE_MAX, evidence, later};

/// How many names a title has.
const TITLE_NAMES: usize = 3;
/// How many lines an incident has in a digest.
const SUMMARY_LINES: usize = 4;

/// Whether an incident may be told now.
enum Gate {
    Open,
    /// Not yet, and when to look again.
    Shut(Held, Option<Timestamp>),
    /// Another director tells it.
    Elsewhere,
}

impl Digest {
    /// When something is to be done about `incident`.
    pub(super) fn due(&self, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
        let (at, _) = self.wanted(incident)?;
        if at > now {
            return Some(at);
        }
        match self.gate(incident, at, now) {
            Gate::Open | Gate::Elsewhere => Some(now),
            Gate::Shut(Held::Standby, until) => {
                let ask = self.asked_at.map_or(now, |at| later(at, self.settings.ask_every()));
                until.into_iter().chain([ask]).min()
            }
            Gate::Shut(_, until) => until,
        }
    }

    /// What is to be said of `incident` next, and when.
    fn wanted(&self, incident: &Incident) -> Option<(Timestamp, Kind)> {
        let settings = &self.settings;
        if let Some(since) = incident.well_since {
            let settle = if incident.flaps() { settings.settle.max(FLAP_SETTLE) } else { settings.settle };
            let gathered = (incident.told == 0).then(|| later(incident.seen, settings.gather));
            return Some((later(since, settle).max(gathered.unwrap_or(since)), Kind::Closed));
        }
        if incident.by_peer {
            return None;
        }
        let Some(last) = incident.last_told.filter(|_| incident.told > 0) else {
            return Some((later(incident.seen, settings.gather), Kind::Opened));
        };
        let graver = incident.severity > incident.told_severity;
        let pace = if graver { settings.gather } else { pace(settings.update_every, incident.told) };
        let update = incident.fresh.then(|| (later(last, pace), Kind::Updated));
        let worth = incident.open_keys().any(|key| self.saved.standing.get(key).is_none_or(|s| !s.silenced));
        let remind =
            settings.remind_every.filter(|_| worth).map(|every| (later(last, every), Kind::Reminder));
        update.into_iter().chain(remind).min_by_key(|(at, _)| *at)
    }

    /// Whether what was due `at` may be said now.
    fn gate(&self, incident: &Incident, at: Timestamp, now: Timestamp) -> Gate {
        let settings = &self.settings;
        if incident.by_peer {
            return Gate::Elsewhere;
        }
        let route = settings.routes.iter().find(|route| route.name == incident.route);
        if let Some(route) = route.filter(|route| incident.told == 0 && !route.hours.is_empty())
            && !route.hours.contain(now, &settings.zone)
        {
            return Gate::Shut(Held::Hours, route.hours.change_after(now, &settings.zone));
        }
        if self.duty == Duty::StandsBy
            && settings.standby == Standby::Quiet
            && incident.told == 0
            && incident.shared()
        {
            if !settings.has_peer {
                return Gate::Elsewhere;
            }
            // What was over soon is due late: there is time for an answer then too.
            let answered = later(at, ANSWERS_WITHIN.min(settings.step_in));
            let until = later(later(incident.seen, settings.gather), settings.step_in).max(answered);
            if now < until {
                return Gate::Shut(Held::Standby, Some(until));
            }
        }
        if self.duty == Duty::Tells
            && incident.told == 0
            && incident.shared()
            && settings.is_late(incident, now)
        {
            let until = later(at, ANSWERS_WITHIN);
            if now < until {
                return Gate::Shut(Held::Standby, Some(until));
            }
        }
        let breaks = settings.quiet_break.is_some_and(|least| incident.severity >= least);
        if !settings.quiet_hours.is_empty() && !breaks && settings.quiet_hours.contain(now, &settings.zone) {
            return Gate::Shut(Held::Quiet, settings.quiet_hours.change_after(now, &settings.zone));
        }
        Gate::Open
    }

    /// Says what is due.
    pub(super) fn speak(&mut self, state: &State, now: Timestamp) {
        let mut incidents = std::mem::take(&mut self.saved.incidents);
        let mut waited: BTreeMap<Name, Vec<(usize, Kind)>> = BTreeMap::new();
        let mut gone = vec![false; incidents.len()];
        let mut ask = false;
        for (index, incident) in incidents.iter_mut().enumerate() {
            // A clock that was set back makes nothing wait for longer than it would have.
            incident.seen = incident.seen.min(now);
            incident.last_told = incident.last_told.map(|at| at.min(now));
            incident.well_since = incident.well_since.map(|at| at.min(now));
            let Some((at, kind)) = self.wanted(incident).filter(|(at, _)| *at <= now) else { continue };
            let is_gone = gone.get_mut(index);
            match self.gate(incident, at, now) {
                Gate::Elsewhere => {
                    self.changed |= !incident.by_peer;
                    incident.by_peer = true;
                    if let Some(is_gone) = is_gone.filter(|_| incident.well_since.is_some()) {
                        *is_gone = kind == Kind::Closed;
                    }
                }
                Gate::Shut(held, _) => {
                    self.changed |= incident.held != Some(held);
                    incident.held = Some(held);
                    ask |= held == Held::Standby;
                    // What is over before the hours of a route begin is not its concern.
                    if held == Held::Hours
                        && kind == Kind::Closed
                        && let Some(is_gone) = is_gone
                    {
                        *is_gone = true;
                    }
                }
                Gate::Open if incident.held == Some(Held::Quiet) => {
                    waited.entry(incident.route.clone()).or_default().push((index, kind));
                }
                Gate::Open => {
                    self.tell(incident, kind, state, now);
                    if let Some(is_gone) = is_gone {
                        *is_gone = kind == Kind::Closed;
                    }
                }
            }
        }
        for (route, due) in waited {
            if let [(index, kind)] = due.as_slice() {
                if let Some(incident) = incidents.get_mut(*index) {
                    self.tell(incident, *kind, state, now);
                }
            } else {
                self.tell_together(&route, &due, &mut incidents, now);
            }
            for (index, kind) in due {
                if let Some(is_gone) = gone.get_mut(index) {
                    *is_gone = kind == Kind::Closed;
                }
            }
        }
        let any_gone = gone.contains(&true);
        self.changed |= any_gone;
        let mut gone = gone.into_iter();
        incidents.retain(|incident| {
            let stays = !gone.next().unwrap_or_default();
            if !stays {
                self.remember_over(incident, now);
            }
            stays
        });
        self.saved.incidents = incidents;
        let asked_lately =
            self.asked_at.is_some_and(|at| now >= at && now.duration_since(at) < self.settings.ask_every());
        if ask && !asked_lately {
            self.asked_at = Some(now);
            self.actions.push_back(Action::AskPeer);
        }
    }

    /// Makes a notice of one incident.
    fn tell(&mut self, incident: &mut Incident, kind: Kind, state: &State, now: Timestamp) {
        let mut remarks = Vec::new();
        if incident.held == Some(Held::Standby) && self.duty == Duty::StandsBy {
            remarks.push(
                "this director is not the Active one; it steps in because the Active one did not show that it told this"
                    .to_owned(),
            );
        }
        if incident.told == 0 && kind == Kind::Closed {
            remarks.push("it was over before it was told".to_owned());
        }
        if self.saved.missed_events > 0 && incident.told == 0 {
            remarks.push(format!(
                "{} events so far were never seen here, because the agent keeps only the latest",
                self.saved.missed_events
            ));
        }
        remarks.extend(self.silence_remarks(state, now));
        let id = format!("{}.{}.{}", self.saved.install, incident.number, incident.told);
        let (troubles, troubles_more) = lines(incident);
        let notice = Notice {
            schema: SCHEMA,
            kind,
            incident: incident.number,
            route: incident.route.clone(),
            id: id.clone(),
            root: incident.root.clone(),
            previous: incident.previous.clone(),
            host: self.settings.host.clone(),
            at: now,
            severity: incident.severity,
            title: title(&incident.troubles),
            began: incident.began,
            ended: ended(incident),
            flapping: incident.flaps(),
            troubles,
            troubles_more,
            history: incident.history.clone(),
            history_left_out: incident.left_out,
            losses: losses(incident),
            evidence: evidence::gather(incident, state),
            incidents: Vec::new(),
            incidents_more: 0,
            remarks,
        };
        self.actions.push_back(Action::Tell(Box::new(notice)));
        told(incident, &id, now);
        self.changed = true;
    }

    /// Makes one notice of several incidents that waited.
    fn tell_together(
        &mut self,
        route: &Name,
        due: &[(usize, Kind)],
        incidents: &mut [Incident],
        now: Timestamp,
    ) {
        self.saved.next_number += 1;
        let number = self.saved.next_number;
        let id = format!("{}.{number}.0", self.saved.install);
        let mut summaries = Vec::new();
        let (mut severity, mut began) = (Severity::Info, now);
        for (index, _) in due {
            let Some(incident) = incidents.get_mut(*index) else { continue };
            severity = severity.max(incident.severity);
            began = began.min(incident.began);
            summaries.push(Summary {
                incident: incident.number,
                severity: incident.severity,
                title: title(&incident.troubles),
                began: incident.began,
                ended: ended(incident),
                lines: incident.troubles.values().take(SUMMARY_LINES).map(|t| t.text.clone()).collect(),
            });
            told(incident, &id, now);
        }
        // What still lasts comes first, the worst of it on top.
        summaries.sort_by_key(|s| (s.ended.is_some(), std::cmp::Reverse(s.severity), s.began));
        let open = summaries.iter().filter(|summary| summary.ended.is_none()).count();
        let incidents_more = summaries.len().saturating_sub(SUMMARIES_MAX);
        let title = format!("{} incidents in quiet hours, {open} of them still open", summaries.len());
        summaries.truncate(SUMMARIES_MAX);
        let notice = Notice {
            kind: Kind::Digest,
            incident: number,
            id,
            at: now,
            severity,
            title,
            began,
            incidents: summaries,
            incidents_more,
            ..self.blank(route, now)
        };
        self.actions.push_back(Action::Tell(Box::new(notice)));
        self.changed = true;
    }

    /// A notice that tries whether `route` is reached.
    pub fn test(&mut self, route: &Name, who: &str, now: Timestamp) -> Notice {
        self.saved.next_number += 1;
        self.changed = true;
        Notice {
            title: "a test: nothing is wrong".to_owned(),
            remarks: vec![format!("{who} asked for this with `holdfast alert test`")],
            ..self.blank(route, now)
        }
    }

    fn blank(&self, route: &Name, now: Timestamp) -> Notice {
        let number = self.saved.next_number;
        Notice {
            schema: SCHEMA,
            kind: Kind::Test,
            incident: number,
            route: route.clone(),
            id: format!("{}.{number}.0", self.saved.install),
            root: None,
            previous: None,
            host: self.settings.host.clone(),
            at: now,
            severity: Severity::Info,
            title: String::new(),
            began: now,
            ended: None,
            flapping: false,
            troubles: Vec::new(),
            troubles_more: 0,
            history: Vec::new(),
            history_left_out: 0,
            losses: Vec::new(),
            evidence: Evidence::default(),
            incidents: Vec::new(),
            incidents_more: 0,
            remarks: Vec::new(),
        }
    }
}

/// The pause after the `told`th mail.
fn pace(first: SignedDuration, told: u32) -> SignedDuration {
    let doublings = told.saturating_sub(1).min(12);
    first.saturating_mul(1 << doublings).min(PACE_MAX.max(first))
}

fn told(incident: &mut Incident, id: &str, now: Timestamp) {
    incident.told += 1;
    incident.told_severity = incident.severity;
    incident.last_told = Some(now);
    incident.fresh = false;
    incident.held = None;
    incident.root.get_or_insert_with(|| id.to_owned());
    incident.previous = Some(id.to_owned());
    incident.history.iter_mut().for_each(|line| line.news = false);
    for trouble in incident.troubles.values_mut() {
        trouble.flap_told |= trouble.flaps();
    }
}

fn ended(incident: &Incident) -> Option<Timestamp> {
    incident.is_well().then(|| incident.troubles.values().filter_map(|trouble| trouble.ended).max())?
}

fn lines(incident: &Incident) -> (Vec<TroubleLine>, usize) {
    let mut all: Vec<(&Key, &Trouble)> = incident.troubles.iter().collect();
    all.sort_by_key(|(_, trouble)| (trouble.ended.is_some(), std::cmp::Reverse(trouble.severity)));
    let more = all.len().saturating_sub(TROUBLES_MAX);
    let lines = all.into_iter().take(TROUBLES_MAX).map(|(key, trouble)| TroubleLine {
        key: key.to_string(),
        subject: key.subject(),
        severity: trouble.severity,
        cause: trouble.cause.as_ref().map(ToString::to_string),
        text: trouble.text.clone(),
        began: trouble.began,
        ended: trouble.ended,
        falls: trouble.falls,
    });
    (lines.collect(), more)
}

fn losses(incident: &Incident) -> Vec<LossLine> {
    let lines = incident.losses.iter().map(|(name, loss)| LossLine {
        virtual_server: name.clone(),
        total: loss.total,
        serving: loss.serving,
        fewest: loss.fewest,
        quorum: loss.quorum,
        none_ms: loss.none_ms,
        below_ms: loss.below_ms,
    });
    lines.take(TROUBLES_MAX).collect()
}

/// What an incident is about, in one line.
fn title(troubles: &BTreeMap<Key, Trouble>) -> String {
    if let [(key, trouble)] = troubles.iter().collect::<Vec<_>>().as_slice() {
        return match &trouble.cause {
            Some(cause) => format!("{} ({cause})", key.subject()),
            None => key.subject(),
        };
    }
    let pools: Vec<String> = troubles
        .keys()
        .filter(|key| matches!(key, Key::Pool(_)))
        .take(TITLE_NAMES)
        .map(|key| format!("{} below quorum", key.subject()))
        .collect();
    let others: Vec<&Key> = troubles.keys().filter(|key| !matches!(key, Key::Pool(_))).collect();
    let mut parts = pools;
    parts.extend(others.iter().take(TITLE_NAMES).map(|key| key.subject()));
    let more = others.len().saturating_sub(TITLE_NAMES);
    let mut title = parts.join(", ");
    if more > 0 {
        title.push_str(&format!(" and {more} more"));
    }
    title
}
