//! From the state to the timeline.
//!
//! Owns which event means which change, and what is assumed before the first one.

use std::collections::BTreeMap;

use agent_api::router::{RouterReport, RouterState};
use agent_api::{Event, EventKind, Name, RealServerId, State, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::spans::{Span, Window, at};
use super::{Lane, Loss, Mark, Subject, Timeline};
use crate::view::SILENT_AFTER;

impl Timeline {
    /// The timeline of `state`, which is from `now`, since `from`.
    #[must_use]
    pub fn of(state: &State, from: Timestamp, now: Timestamp) -> Self {
        let from = from.min(now);
        let window = Window { from, to: now };
        let first = state.events.front();
        // Without any event there is nothing that could be missing from now on, and nothing is known of before.
        let recorded_from = first.map_or(now, |event| event.what.at).clamp(from, now);
        let mut events: Vec<&Event> = state.events.iter().collect();
        events.sort_by_key(|event| event.what.at);
        let past = Past { state, window, recorded_from, events };
        let mut lanes = past.routers();
        let mut losses = Vec::new();
        for (name, servers) in past.pools() {
            let own: Vec<Lane> = servers.iter().map(|id| past.real_server(id)).collect();
            let pool = past.virtual_server(&name, &own);
            losses.push(past.loss(&name, &pool));
            lanes.push(pool);
            lanes.extend(own);
        }
        let older_dropped = first.is_some_and(|event| event.number > 1);
        Self { from, to: now, recorded_from, older_dropped, lanes, losses }
    }
}

/// What the state tells of the past.
struct Past<'a> {
    state: &'a State,
    window: Window,
    recorded_from: Timestamp,
    /// In the order of their times.
    events: Vec<&'a Event>,
}

impl Past<'_> {
    fn pools(&self) -> BTreeMap<Name, Vec<RealServerId>> {
        let mut pools: BTreeMap<Name, Vec<RealServerId>> = BTreeMap::new();
        for id in self.state.checkd.items.keys() {
            pools.entry(id.virtual_server.clone()).or_default().push(id.clone());
        }
        pools
    }

    /// When `daemon` was not heard: by its events, and until now when it still is not.
    fn silences(&self, daemon: &str, connected: bool, heard_at: Option<Timestamp>) -> Vec<Span<()>> {
        let mut spans = Vec::new();
        let mut since = None;
        for event in &self.events {
            let is_its = event.what.text.split(' ').next() == Some(daemon);
            match event.what.kind {
                EventKind::ReporterFellSilent if is_its => since = Some(event.what.at),
                EventKind::ReporterReturned if is_its => {
                    // It had not been heard for a while when that was noticed.
                    let from = since.take().and_then(|since| since.checked_sub(SILENT_AFTER).ok());
                    let from = from.unwrap_or(self.recorded_from);
                    self.window.push(&mut spans, Span { from, to: event.what.at, what: () });
                }
                _ => {}
            }
        }
        let gone = heard_at.is_none_or(|at| self.window.to.duration_since(at) > SILENT_AFTER);
        if gone || (since.is_some() && !connected) {
            let from = heard_at.or(since).unwrap_or(self.window.from);
            self.window.push(&mut spans, Span { from, to: self.window.to, what: () });
        }
        spans
    }

    fn real_server(&self, id: &RealServerId) -> Lane {
        let mut changes: Vec<(Timestamp, Mark)> = Vec::new();
        for Event { what, .. } in &self.events {
            let is_its = what.real_server.as_ref() == Some(&id.real_server)
                && what.virtual_server.as_ref() == Some(&id.virtual_server);
            if let (true, Some(mark)) = (is_its, verdict_of(what.kind)) {
                changes.push((what.at, mark));
            }
        }
        let before = match changes.first() {
            // It fell from something: from up, or from not being judged yet.
            Some((_, mark)) if *mark != Mark::Up => Mark::Quiet,
            _ => Mark::Unrecorded,
        };
        let early = changes.first().map_or(self.window.to, |(at, _)| *at);
        let section = &self.state.checkd;
        if let Some(health) = section.items.get(id) {
            let mark = mark_of(health.verdict);
            if changes.last().is_none_or(|(at, last)| *last != mark && *at <= health.since) {
                changes.push((health.since, mark));
            }
        }
        let mut spans = self.window.fill(before, &changes);
        if before == Mark::Quiet {
            let to = self.recorded_from.min(early);
            let unrecorded = [Span { from: self.window.from, to, what: () }];
            spans = self.window.overlaid(&spans, &unrecorded, Mark::Unrecorded);
        }
        let silences = self.silences("checkd", section.connected, section.heard_at);
        let spans = self.window.overlaid(&spans, &silences, Mark::Unknown);
        Lane { subject: Subject::RealServer, name: id.to_string(), spans, drained: self.drains(id) }
    }

    fn drains(&self, id: &RealServerId) -> Vec<Span<()>> {
        let mut spans = Vec::new();
        let mut since: Option<Timestamp> = None;
        for Event { what, .. } in &self.events {
            let is_its = what.real_server.as_ref() == Some(&id.real_server)
                && what.virtual_server.as_ref().is_none_or(|name| *name == id.virtual_server);
            match what.kind {
                EventKind::DrainOrdered if is_its => {
                    since.get_or_insert(what.at);
                }
                EventKind::DrainEnded if is_its => {
                    let from = since.take().unwrap_or(self.window.from);
                    self.window.push(&mut spans, Span { from, to: what.at, what: () });
                }
                _ => {}
            }
        }
        if let Some(drain) = self.state.orders.drain_of(id, self.window.to) {
            let from = since.unwrap_or(drain.since);
            self.window.push(&mut spans, Span { from, to: self.window.to, what: () });
        }
        spans
    }

    fn quorum(&self, pool: &Name) -> usize {
        let services = self.state.lvsd.items.values().filter(|service| service.virtual_server == *pool);
        services.map(|service| service.quorum as usize).max().unwrap_or(1).max(1)
    }

    fn virtual_server(&self, name: &Name, servers: &[Lane]) -> Lane {
        let quorum = self.quorum(name).min(servers.len().max(1));
        let mut moments: Vec<Timestamp> = servers
            .iter()
            .flat_map(|lane| {
                let spans = lane.spans.iter().map(|span| span.from);
                spans.chain(lane.drained.iter().flat_map(|span| [span.from, span.to]))
            })
            .chain([self.window.from])
            .filter(|at| *at < self.window.to)
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let mark = |moment: Timestamp| {
            let (mut serving, mut unsure) = (0, 0);
            for lane in servers.iter().filter(|lane| at(&lane.drained, moment).is_none()) {
                match at(&lane.spans, moment) {
                    Some(Mark::Up | Mark::Quiet | Mark::Degraded) => serving += 1,
                    Some(Mark::Down) => {}
                    _ => unsure += 1,
                }
            }
            match serving {
                _ if serving == servers.len() => Mark::Up,
                _ if serving >= quorum => Mark::Degraded,
                _ if serving + unsure >= quorum => Mark::Unknown,
                0 => Mark::Down,
                _ => Mark::BelowQuorum,
            }
        };
        let changes: Vec<(Timestamp, Mark)> = moments.iter().map(|at| (*at, mark(*at))).collect();
        let spans = self.window.fill(Mark::Unrecorded, &changes);
        Lane { subject: Subject::VirtualServer, name: name.to_string(), spans, drained: Vec::new() }
    }

    fn routers(&self) -> Vec<Lane> {
        let section = &self.state.vipd;
        let silences = self.silences("vipd", section.connected, section.heard_at);
        let lane = |(name, report): (&Name, &RouterReport)| {
            let told = self.events.iter().filter(|event| event.what.virtual_router.as_ref() == Some(name));
            let mut changes: Vec<(Timestamp, Mark)> = told
                .filter_map(|event| match event.what.kind {
                    EventKind::RouterBecameActive => Some((event.what.at, Mark::Active)),
                    EventKind::RouterBecameBackup => Some((event.what.at, Mark::Backup)),
                    EventKind::RouterFaulted => Some((event.what.at, Mark::Initialize)),
                    _ => None,
                })
                .chain(report.transitions.iter().map(|change| (change.at, state_of(change.to))))
                .chain([(report.since, state_of(report.state))])
                .collect();
            changes.sort_by_key(|(at, _)| *at);
            // What vipd remembers itself may reach back further than the events, with the state before.
            let before = match (report.transitions.first(), changes.first()) {
                (Some(oldest), Some((first, _))) if oldest.at <= *first => state_of(oldest.from),
                _ => Mark::Unrecorded,
            };
            // Initialize is what it began in: before that it did not run.
            let before = if before == Mark::Initialize { Mark::Unrecorded } else { before };
            let spans = self.window.overlaid(&self.window.fill(before, &changes), &silences, Mark::Unknown);
            Lane { subject: Subject::VirtualRouter, name: name.to_string(), spans, drained: Vec::new() }
        };
        section.items.iter().map(lane).collect()
    }

    fn loss(&self, name: &Name, pool: &Lane) -> Loss {
        let mut sorry = Vec::new();
        let mut since = None;
        for event in self.events.iter().filter(|event| event.what.virtual_server.as_ref() == Some(name)) {
            match event.what.kind {
                EventKind::SorryServerTookOver => since = Some(event.what.at),
                EventKind::SorryServerLeft => {
                    let from = since.take().unwrap_or(self.window.from);
                    self.window.push(&mut sorry, Span { from, to: event.what.at, what: () });
                }
                _ => {}
            }
        }
        if let Some(from) = since {
            self.window.push(&mut sorry, Span { from, to: self.window.to, what: () });
        }
        let nobody = pool.spans.iter().filter(|span| span.what == Mark::Down);
        let helped = nobody.flat_map(|span| {
            sorry.iter().map(|sorry| {
                let both = sorry.to.min(span.to).duration_since(sorry.from.max(span.from));
                both.max(SignedDuration::ZERO)
            })
        });
        let helped = helped.fold(SignedDuration::ZERO, |sum, one| sum.saturating_add(one));
        let services = self.state.lvsd.items.values().filter(|service| service.virtual_server == *name);
        let counted: Vec<_> = services.filter(|service| !service.traffic.is_none()).collect();
        Loss {
            virtual_server: name.clone(),
            nobody: pool.lasted(&[Mark::Down]),
            sorry: helped,
            below_quorum: pool.lasted(&[Mark::BelowQuorum]),
            not_known: pool.lasted(&[Mark::Unknown, Mark::Unrecorded]),
            rate_now: (!counted.is_empty())
                .then(|| counted.iter().map(|service| service.traffic.connections_per_sec).sum()),
        }
    }
}

fn verdict_of(kind: EventKind) -> Option<Mark> {
    match kind {
        EventKind::RealServerWentUp => Some(Mark::Up),
        EventKind::RealServerWentDown => Some(Mark::Down),
        EventKind::RealServerDegraded => Some(Mark::Degraded),
        EventKind::RealServerBecameUnknown => Some(Mark::Unknown),
        _ => None,
    }
}

fn mark_of(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Up => Mark::Up,
        Verdict::Degraded => Mark::Degraded,
        Verdict::Down => Mark::Down,
        Verdict::Unknown => Mark::Unknown,
    }
}

fn state_of(state: RouterState) -> Mark {
    match state {
        RouterState::Active => Mark::Active,
        RouterState::Backup => Mark::Backup,
        RouterState::Initialize => Mark::Initialize,
    }
}
