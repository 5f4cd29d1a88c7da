//! All real servers, and which one is to be probed when.
//!
//! Owns the servers by the place of their probe in the schedule, what has changed of them since it was last reported, and
//! the reload. Time and outcomes come in as arguments, probes to be begun and reports go out. It opens no socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::config::Config;
use agent_api::{CheckSection, RealServerHealth, RealServerId};
use checker_core::dns::{DnsCheck, Outcome};
use checker_core::schedule::ProbeId;
use checker_core::thresholds::Change;
use checker_core::{Schedule, Time, Verdict};
use checker_probe::Target;
use jiff::Timestamp;

use crate::server::{Plan, Server};

/// Probes due within this part of the shortest interval share a wake-up.
const WINDOW_PART: u32 = 100;
/// The window's bounds: long enough to be worth it, and not longer than anyone would notice.
const WINDOW_MIN: Duration = Duration::from_millis(2);
const WINDOW_MAX: Duration = Duration::from_millis(20);

/// Items whose latest figures are sent again at each summary, in turn, though their verdicts have not changed.
const REFRESHED: usize = 100;

/// A probe to be begun.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) token: u64,
    pub(crate) dns: Arc<DnsCheck>,
    pub(crate) target: Target,
    /// How late it is.
    pub(crate) late: Duration,
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reload {
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) kept: usize,
    pub(crate) removed: usize,
}

#[derive(Debug)]
struct Entry {
    id: RealServerId,
    probe: ProbeId,
    server: Server,
}

/// All real servers.
#[derive(Debug)]
pub(crate) struct Pool {
    schedule: Schedule,
    /// By place in the schedule.
    entries: Vec<Option<Entry>>,
    places: BTreeMap<RealServerId, usize>,
    /// Whose report is out of date, and who is to be taken out of it.
    changed: BTreeSet<RealServerId>,
    removed: Vec<RealServerId>,
    /// Where the refreshing of unchanged items has got to.
    refreshed: usize,
}

impl Pool {
    /// The servers of `config`, as `former` left them; `seed` makes phases differ between machines.
    pub(crate) fn new(
        config: &Config,
        former: Option<&CheckSection>,
        seed: u64,
        now: Time,
        stamp: Timestamp,
    ) -> Result<Self, String> {
        let mut pool = Self {
            schedule: Schedule::new(seed, WINDOW_MIN),
            entries: Vec::new(),
            places: BTreeMap::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            refreshed: 0,
        };
        for (id, plan) in plans(config)? {
            let left = former
                .and_then(|section| section.items.get(&id))
                // Another address is another server.
                .filter(|health| health.address == plan.target.server());
            let server = match left {
                Some(health) => Server::restored(plan, health),
                None => Server::new(plan, stamp),
            };
            pool.insert(id, server, now);
        }
        pool.fit_window();
        // All of them are in the first report.
        pool.changed.clear();
        Ok(pool)
    }

    /// Takes another configuration. A server whose check has not changed keeps its counters and its place in the schedule;
    /// one whose check has changed keeps its verdict.
    pub(crate) fn reload(&mut self, config: &Config, now: Time, stamp: Timestamp) -> Result<Reload, String> {
        let plans = plans(config)?;
        let mut reload = Reload::default();
        let wanted: BTreeSet<&RealServerId> = plans.iter().map(|(id, _)| id).collect();
        let gone: Vec<RealServerId> = self.places.keys().filter(|id| !wanted.contains(id)).cloned().collect();
        for id in gone {
            self.take(&id);
            self.changed.remove(&id);
            self.removed.push(id);
            reload.removed += 1;
        }
        for (id, plan) in plans {
            match self.get(&id).map(|entry| &entry.server) {
                Some(server) if server.plan == plan => reload.kept += 1,
                Some(server) => {
                    let same = server.plan.target.server() == plan.target.server();
                    let server = if same { server.replanned(plan) } else { Server::new(plan, stamp) };
                    self.take(&id);
                    self.insert(id, server, now);
                    reload.changed += 1;
                }
                None => {
                    self.insert(id, Server::new(plan, stamp), now);
                    reload.added += 1;
                }
            }
        }
        self.fit_window();
        Ok(reload)
    }

    /// When the next probe is due.
    pub(crate) fn deadline(&mut self) -> Option<Time> {
        self.schedule.deadline()
    }

    /// The next probe to begin, if one is due.
    pub(crate) fn poll_start(&mut self, now: Time) -> Option<Start> {
        loop {
            let due = self.schedule.poll_due(now)?;
            if let Some(Some(entry)) = self.entries.get(due.id.place()) {
                let Plan { dns, target, .. } = &entry.server.plan;
                let (dns, target) = (Arc::clone(dns), *target);
                return Some(Start { token: due.id.to_bits(), dns, target, late: due.late });
            }
        }
    }

    /// Takes the outcome of a probe that was begun at `started`. Returns the server and the change of its verdict, if it
    /// made one. The outcome of a check that is no more changes nothing.
    pub(crate) fn finished(
        &mut self,
        token: u64,
        started: Time,
        outcome: Outcome,
        now: Time,
        stamp: Timestamp,
    ) -> Option<(RealServerId, Change, RealServerHealth)> {
        let probe = ProbeId::from_bits(token);
        let entry = self.entries.get_mut(probe.place())?.as_mut().filter(|entry| entry.probe == probe)?;
        self.schedule.started(probe, started, now);
        let before = told(&entry.server);
        let change = entry.server.observe(outcome, stamp);
        if told(&entry.server) != before {
            self.changed.insert(entry.id.clone());
        }
        change.map(|change| (entry.id.clone(), change, entry.server.health()))
    }

    /// What has changed since this was last called.
    pub(crate) fn take_changed(&mut self) -> Vec<(RealServerId, RealServerHealth)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|id| self.get(&id).map(|e| e.server.health()).map(|h| (id, h)))
            .collect()
    }

    /// Servers that are no more since this was last called.
    pub(crate) fn take_removed(&mut self) -> Vec<RealServerId> {
        std::mem::take(&mut self.removed)
    }

    /// Some servers whose latest figures are worth sending again, another lot each time.
    pub(crate) fn refresh(&mut self) {
        let total = self.entries.len();
        for _ in 0..REFRESHED.min(total) {
            self.refreshed = (self.refreshed + 1) % total;
            if let Some(Some(entry)) = self.entries.get(self.refreshed) {
                self.changed.insert(entry.id.clone());
            }
        }
    }

    /// Everything that is known.
    pub(crate) fn all(&self) -> BTreeMap<RealServerId, RealServerHealth> {
        self.entries.iter().flatten().map(|entry| (entry.id.clone(), entry.server.health())).collect()
    }

    /// How many servers have each verdict, in the order of [`Verdict::ALL`].
    pub(crate) fn count(&self) -> [usize; 4] {
        Verdict::ALL
            .map(|verdict| self.entries.iter().flatten().filter(|e| e.server.verdict() == verdict).count())
    }

    fn get(&self, id: &RealServerId) -> Option<&Entry> {
        self.entries.get(*self.places.get(id)?)?.as_ref()
    }

    fn insert(&mut self, id: RealServerId, server: Server, now: Time) {
        let probe = self.schedule.insert(&id.to_string(), server.plan.interval, now);
        let place = probe.place();
        if self.entries.len() <= place {
            self.entries.resize_with(place + 1, || None);
        }
        self.places.insert(id.clone(), place);
        self.changed.insert(id.clone());
        if let Some(slot) = self.entries.get_mut(place) {
            *slot = Some(Entry { id, probe, server });
        }
    }

    fn take(&mut self, id: &RealServerId) -> Option<Entry> {
        let entry =
            self.places.remove(id).and_then(|place| self.entries.get_mut(place)).and_then(Option::take)?;
        self.schedule.remove(entry.probe);
        Some(entry)
    }

    fn fit_window(&mut self) {
        let shortest = self.entries.iter().flatten().map(|entry| entry.server.plan.interval).min();
        let window = shortest.unwrap_or_default() / WINDOW_PART;
        self.schedule.set_window(window.clamp(WINDOW_MIN, WINDOW_MAX));
    }
}

/// What of a server is reported at once when it changes: all but the latency.
fn told(server: &Server) -> RealServerHealth {
    RealServerHealth { latency_us: None, ..server.health() }
}

/// The plan of every real server; equal questions are kept once.
fn plans(config: &Config) -> Result<Vec<(RealServerId, Plan)>, String> {
    let mut plans: Vec<(RealServerId, Plan)> = Vec::new();
    for (virtual_server, real_server) in config.real_servers() {
        let check = &real_server.check;
        let shared = plans.last().map(|(_, plan)| &plan.dns).filter(|dns| ***dns == check.dns);
        let dns = shared.map_or_else(|| Arc::new(check.dns.clone()), Arc::clone);
        let id = virtual_server.id_of(real_server);
        let plan = Plan::new(check, dns).map_err(|error| format!("real server {id}: {error}"))?;
        plans.push((id, plan));
    }
    Ok(plans)
}

#[cfg(test)]
mod tests;
