//! All real servers, and which one is to be probed when.
//!
//! Owns the servers by the place of their probe in the schedule, what has changed of them since it was last reported, and
//! the reload. Servers with equal work and pace share one probe, whichever virtual servers they belong to. Time and findings
//! come in as arguments, probes to be begun and reports go out. It opens no socket.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use agent_api::config::Config;
use agent_api::{CheckSection, RealServerHealth, RealServerId};
use checker_core::schedule::ProbeId;
use checker_core::thresholds::Change;
use checker_core::{Finding, Pace, Schedule, Time, Verdict};
use checker_probe::Target;
use jiff::Timestamp;

use crate::server::{Plan, Server};
use crate::work::{Kind, Work};

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
    pub(crate) work: Work,
    /// How late it is.
    pub(crate) late: Duration,
}

/// A change of a verdict.
pub(crate) type Changed = (RealServerId, Change, RealServerHealth);

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reload {
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) kept: usize,
    pub(crate) removed: usize,
}

/// One probe and the servers that it is for, at least one.
#[derive(Debug)]
struct Entry {
    probe: ProbeId,
    work: Work,
    pace: Pace,
    servers: Vec<(RealServerId, Server)>,
}

impl Entry {
    fn get_mut(&mut self, id: &RealServerId) -> Option<&mut Server> {
        self.servers.iter_mut().find(|(own, _)| own == id).map(|(_, server)| server)
    }

    /// How long it is to the next probe: as soon as one of the servers wants it.
    fn interval(&self) -> Duration {
        self.servers.iter().map(|(_, server)| server.interval()).min().unwrap_or(self.pace.normal)
    }
}

/// All real servers.
#[derive(Debug)]
pub(crate) struct Pool {
    schedule: Schedule,
    /// By place in the schedule.
    entries: Vec<Option<Entry>>,
    places: BTreeMap<RealServerId, usize>,
    /// Where the probes of one address are: those that may be shared.
    by_target: HashMap<Target, Vec<usize>>,
    /// Whose report is out of date, and who is to be taken out of it.
    changed: BTreeSet<RealServerId>,
    removed: Vec<RealServerId>,
    /// Where the refreshing of unchanged items has got to.
    refreshed: usize,
    /// How many servers fail now.
    failing: usize,
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
            by_target: HashMap::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            refreshed: 0,
            failing: 0,
        };
        for (id, plan) in plans(config)? {
            let left = former
                .and_then(|section| section.items.get(&id))
                // Another address is another server.
                .filter(|health| health.address == plan.work.target.server());
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
            match self.get(&id) {
                Some(server) if server.plan == plan => reload.kept += 1,
                Some(server) => {
                    let same = server.plan.work.target.server() == plan.work.target.server();
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
                return Some(Start { token: due.id.to_bits(), work: entry.work.clone(), late: due.late });
            }
        }
    }

    /// Takes what a probe found that was begun at `started`. Returns the servers whose verdict it changed. What a check
    /// found that is no more changes nothing.
    pub(crate) fn finished(
        &mut self,
        token: u64,
        started: Time,
        finding: &Finding,
        now: Time,
        stamp: Timestamp,
    ) -> Vec<Changed> {
        let probe = ProbeId::from_bits(token);
        let mut changes = Vec::new();
        let entry = self.entries.get_mut(probe.place()).and_then(Option::as_mut);
        let Some(entry) = entry.filter(|entry| entry.probe == probe) else { return changes };
        for (id, server) in &mut entry.servers {
            self.failing -= usize::from(server.is_failing());
            let observed = server.observe(finding, stamp);
            self.failing += usize::from(server.is_failing());
            if observed.news {
                self.changed.insert(id.clone());
            }
            if let Some(change) = observed.change {
                changes.push((id.clone(), change, server.health()));
            }
        }
        self.schedule.set_interval(probe, entry.interval());
        self.schedule.started(probe, started, now);
        changes
    }

    /// What has changed since this was last called.
    pub(crate) fn take_changed(&mut self) -> Vec<(RealServerId, RealServerHealth)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|id| self.get(&id).map(Server::health).map(|h| (id, h))).collect()
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
                self.changed.extend(entry.servers.iter().map(|(id, _)| id.clone()));
            }
        }
    }

    /// Everything that is known.
    pub(crate) fn all(&self) -> BTreeMap<RealServerId, RealServerHealth> {
        self.servers().map(|(id, server)| (id.clone(), server.health())).collect()
    }

    /// How many servers have each verdict, in the order of [`Verdict::ALL`].
    pub(crate) fn count(&self) -> [usize; 4] {
        Verdict::ALL.map(|verdict| self.servers().filter(|(_, s)| s.verdict() == verdict).count())
    }

    /// How many servers there are, and how many of them fail if this probe has failed, too.
    pub(crate) fn failing(&self, token: u64) -> (usize, usize) {
        let entry = self.entries.get(ProbeId::from_bits(token).place()).and_then(Option::as_ref);
        let more = entry.map_or(0, |e| e.servers.iter().filter(|(_, server)| !server.is_failing()).count());
        (self.places.len(), self.failing + more)
    }

    /// How many probes there are for them.
    pub(crate) fn probes(&self) -> usize {
        self.schedule.len()
    }

    fn servers(&self) -> impl Iterator<Item = &(RealServerId, Server)> {
        self.entries.iter().flatten().flat_map(|entry| &entry.servers)
    }

    fn get(&self, id: &RealServerId) -> Option<&Server> {
        let entry = self.entries.get(*self.places.get(id)?)?.as_ref()?;
        entry.servers.iter().find(|(own, _)| own == id).map(|(_, server)| server)
    }

    fn insert(&mut self, id: RealServerId, mut server: Server, now: Time) {
        self.changed.insert(id.clone());
        self.failing += usize::from(server.is_failing());
        let target = server.plan.work.target;
        for &place in self.by_target.get(&target).into_iter().flatten() {
            let Some(Some(entry)) = self.entries.get_mut(place) else { continue };
            if entry.work == server.plan.work && entry.pace == server.plan.pace {
                server.plan.work = entry.work.clone();
                self.places.insert(id.clone(), place);
                entry.servers.push((id, server));
                return;
            }
        }
        let probe = self.schedule.insert(&id.to_string(), server.plan.pace.normal, now);
        let place = probe.place();
        if self.entries.len() <= place {
            self.entries.resize_with(place + 1, || None);
        }
        self.by_target.entry(target).or_default().push(place);
        self.places.insert(id.clone(), place);
        if let Some(slot) = self.entries.get_mut(place) {
            let (work, pace) = (server.plan.work.clone(), server.plan.pace);
            *slot = Some(Entry { probe, work, pace, servers: vec![(id, server)] });
        }
    }

    fn take(&mut self, id: &RealServerId) {
        let Some(place) = self.places.remove(id) else { return };
        let Some(slot) = self.entries.get_mut(place) else { return };
        let Some(entry) = slot.as_mut() else { return };
        self.failing -= usize::from(entry.get_mut(id).is_some_and(|server| server.is_failing()));
        entry.servers.retain(|(own, _)| own != id);
        if !entry.servers.is_empty() {
            return;
        }
        self.schedule.remove(entry.probe);
        if let Some(places) = self.by_target.get_mut(&entry.work.target) {
            places.retain(|other| *other != place);
            if places.is_empty() {
                self.by_target.remove(&entry.work.target);
            }
        }
        *slot = None;
    }

    fn fit_window(&mut self) {
        let shortest =
            self.entries.iter().flatten().map(|entry| entry.pace.normal.min(entry.pace.fast)).min();
        let window = shortest.unwrap_or_default() / WINDOW_PART;
        self.schedule.set_window(window.clamp(WINDOW_MIN, WINDOW_MAX));
    }
}

/// The plan of every real server; equal questions are kept once.
fn plans(config: &Config) -> Result<Vec<(RealServerId, Plan)>, String> {
    let mut plans: Vec<(RealServerId, Plan)> = Vec::new();
    for (virtual_server, real_server) in config.real_servers() {
        let id = virtual_server.id_of(real_server);
        let mut plan = Plan::new(&real_server.check).map_err(|error| format!("real server {id}: {error}"))?;
        if let Some((_, last)) = plans.last() {
            share(&mut plan.work.kind, &last.work.kind);
        }
        plans.push((id, plan));
    }
    Ok(plans)
}

/// Lets `kind` be the same in memory as `other` when it is equal.
fn share(kind: &mut Kind, other: &Kind) {
    if kind == other {
        *kind = other.clone();
    }
}

#[cfg(test)]
mod tests;
