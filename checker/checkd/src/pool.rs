//! All real servers, and which probe is due when.
//!
//! Owns the servers and what they depend on, the place of their probes in the schedule, what has changed since it was last reported,
//! and the reload. Checks with equal work and pace share one probe, whichever virtual servers they belong to. Time and findings
//! come in as arguments, probes to be begun and reports go out. It opens no socket.

mod slots;
mod told;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use agent_api::config::{Check, Config};
use agent_api::{CauseCode, CheckSection, Name, RealServerId};
use checker_core::schedule::ProbeId;
use checker_core::thresholds::Change;
use checker_core::{Finding, Pace, Schedule, Time, Verdict};
use checker_probe::Target;
use jiff::Timestamp;

use crate::checked::Plan;
use crate::server::{CheckPlan, Server, ServerPlan, orphaned};
use crate::work::{Kind, Work};
use slots::Slots;

/// Probes due within this part of the shortest interval share a wake-up, but no more than so many: a burst has to fit into queues on the
/// way.
const WINDOW_PART: u32 = 25;
const BURST: f64 = 200.0;
/// The window's bounds: long enough to be worth it, and not longer than anyone would notice.
const WINDOW_MIN: Duration = Duration::from_millis(2);
const WINDOW_MAX: Duration = Duration::from_millis(40);

/// A probe to be begun.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) token: u64,
    pub(crate) work: Arc<Work>,
    /// How late it is.
    pub(crate) late: Duration,
}

/// A change worth a word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    /// Of whom.
    pub(crate) subject: Subject,
    /// What it was and what it is.
    pub(crate) change: Change,
    /// Why it is not up.
    pub(crate) cause: Option<CauseCode>,
    /// The same in one line.
    pub(crate) detail: String,
}

/// Whose verdict changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A real server's.
    Server(RealServerId),
    /// That of a check which only warns.
    Advisory(RealServerId, String),
    /// That of what real servers depend on.
    Dependency(Name),
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reload {
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) kept: usize,
    pub(crate) removed: usize,
}

/// One probe and the checks that it is for, at least one: each the number of its server and its own there.
#[derive(Debug)]
struct Entry {
    probe: ProbeId,
    work: Arc<Work>,
    pace: Pace,
    checks: Vec<(u32, u8)>,
}

/// Who is checked: real servers, and what they depend on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Dependency(Name),
    Server(RealServerId),
}

/// One of them.
#[derive(Debug)]
struct Slot {
    key: Key,
    server: Server,
    /// What it depends on.
    parent: Option<u32>,
    /// Whether its report is out of date.
    stale: bool,
}

/// One that was taken out, whose probes are still there: what its number was, and where its probes go.
#[derive(Debug)]
struct Detached {
    number: u32,
    server: Option<Server>,
    targets: Vec<u64>,
}

/// All real servers.
#[derive(Debug)]
pub(crate) struct Pool {
    schedule: Schedule,
    /// By place in the schedule.
    entries: Vec<Option<Entry>>,
    slots: Slots<Slot>,
    numbers: BTreeMap<Key, u32>,
    /// Where the probes of one target are, which is known by its hash: those that may be shared.
    by_target: BTreeSet<(u64, usize)>,
    /// Whose report is out of date, the longest first, and who is to be taken out of it.
    changed: VecDeque<u32>,
    /// How many of the first of them make the whole report complete.
    unfinished: usize,
    removed: Vec<RealServerId>,
    /// Where the refreshing of unchanged items has got to.
    refreshed: usize,
    /// How many real servers there are, and how many of them fail now.
    servers: usize,
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
            slots: Slots::default(),
            numbers: BTreeMap::new(),
            by_target: BTreeSet::new(),
            changed: VecDeque::new(),
            unfinished: 0,
            removed: Vec::new(),
            refreshed: 0,
            servers: 0,
            failing: 0,
        };
        let plans = plans(config)?;
        pool.slots.reserve(plans.len());
        pool.entries.reserve_exact(plans.len());
        for Planned { key, parent, plan } in plans {
            let left = former.and_then(|section| match &key {
                Key::Server(id) => section.items.get(id),
                Key::Dependency(name) => section.head.dependencies.get(name),
            });
            let server = Server::new(plan, left, stamp);
            pool.insert(key, server, parent, now);
        }
        pool.fit_window();
        Ok(pool)
    }

    /// Puts off every probe: the pool was made so long before the first one could begin.
    pub(crate) fn put_off(&mut self, by: Duration) {
        self.schedule.put_off(by);
    }

    /// Takes another configuration. A check that has not changed keeps its counters and its place in the schedule, under another name, too;
    /// one that has changed keeps its verdict.
    pub(crate) fn reload(&mut self, config: &Config, now: Time, stamp: Timestamp) -> Result<Reload, String> {
        let plans = plans(config)?;
        let mut reload = Reload::default();
        let wanted: BTreeSet<&Key> = plans.iter().map(|planned| &planned.key).collect();
        let gone: Vec<Key> = self.numbers.keys().filter(|key| !wanted.contains(key)).cloned().collect();
        let mut left = Vec::with_capacity(gone.len());
        for key in gone {
            left.extend(self.detach(&key));
            if let Key::Server(id) = key {
                self.removed.push(id);
            }
            reload.removed += 1;
        }
        // What it was called before it was renamed does not matter to what is checked alike.
        let mut renamed: BTreeMap<u64, Vec<Server>> = BTreeMap::new();
        for Detached { server, targets, .. } in &mut left {
            if let (Some(server), Some(target)) = (server.take(), targets.first()) {
                renamed.entry(*target).or_default().push(server);
            }
        }
        for Planned { key, parent, plan } in plans {
            let parent = parent.and_then(|name| self.numbers.get(&Key::Dependency(name)).copied());
            let number = self.numbers.get(&key).copied();
            match number.and_then(|number| self.slots.get_mut(number)) {
                Some(slot) if slot.server.has(&plan) => {
                    slot.parent = parent;
                    reload.kept += 1;
                }
                Some(_) => {
                    // The former one is released only afterwards: so a probe that both have goes on.
                    let Some(mut former) = self.detach(&key) else { continue };
                    let Some(server) = former.server.take() else { continue };
                    let number = self.slots.next();
                    self.put(number, key, server.replanned(plan, stamp), parent, now);
                    left.push(former);
                    reload.changed += 1;
                }
                None => {
                    let target = plan.checks.first().map(|check| hash(&check.plan.work.target));
                    let alike = target.and_then(|target| renamed.get_mut(&target));
                    let alike = alike.and_then(|all| {
                        let at = all.iter().position(|server| server.has(&plan))?;
                        Some(all.swap_remove(at))
                    });
                    let server = alike.unwrap_or_else(|| Server::new(plan, None, stamp));
                    let number = self.slots.next();
                    self.put(number, key, server, parent, now);
                    reload.added += 1;
                }
            }
        }
        for Detached { number, targets, .. } in left {
            self.release(number, &targets);
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

    /// Takes what a probe found that was begun at `started`. Returns what is worth a word. What a check found that is no more
    /// changes nothing.
    pub(crate) fn finished(
        &mut self,
        token: u64,
        started: Time,
        finding: &Finding,
        now: Time,
        stamp: Timestamp,
    ) -> Vec<Note> {
        let probe = ProbeId::from_bits(token);
        let mut notes = Vec::new();
        let entry = self.entries.get(probe.place()).and_then(Option::as_ref);
        let Some(entry) = entry.filter(|entry| entry.probe == probe) else { return notes };
        let mut interval: Option<Duration> = None;
        for &(number, index) in &entry.checks {
            let orphaned = orphan(&self.slots, number, finding);
            let Some(slot) = self.slots.get_mut(number) else { continue };
            let index = usize::from(index);
            let counts = usize::from(matches!(slot.key, Key::Server(_)));
            self.failing -= counts * usize::from(slot.server.is_failing());
            let seen = slot.server.observe(index, orphaned.as_ref().unwrap_or(finding), stamp);
            self.failing += counts * usize::from(slot.server.is_failing());
            if seen.news && !std::mem::replace(&mut slot.stale, true) {
                self.changed.push_back(number);
            }
            if let Some(change) = seen.change {
                notes.push(Note::of(slot, change, None));
            }
            if let Some(change) = seen.advisory {
                notes.push(Note::of(slot, change, Some(index)));
            }
            // As soon as one of the servers wants it.
            if let Some((_, check)) = slot.server.check(index) {
                interval = Some(interval.map_or(check.interval(), |other| other.min(check.interval())));
            }
        }
        self.schedule.set_interval(probe, interval.unwrap_or(entry.pace.normal));
        self.schedule.started(probe, started, now);
        notes
    }

    /// How many real servers there are, and how many of them fail; those that this probe is for included, if it failed.
    pub(crate) fn failing(&self, token: u64, failed: bool) -> (usize, usize) {
        if !failed {
            return (self.servers, self.failing);
        }
        let entry = self.entries.get(ProbeId::from_bits(token).place()).and_then(Option::as_ref);
        let fails_anew = |(number, _): &&(u32, u8)| {
            let slot = self.slots.get(*number);
            slot.is_some_and(|slot| matches!(slot.key, Key::Server(_)) && !slot.server.is_failing())
        };
        let more = entry.map_or(0, |entry| entry.checks.iter().filter(fails_anew).count());
        (self.servers, self.failing + more)
    }

    /// How many probes there are for them.
    pub(crate) fn probes(&self) -> usize {
        self.schedule.len()
    }

    fn insert(&mut self, key: Key, server: Server, parent: Option<Name>, now: Time) {
        let parent = parent.and_then(|name| self.numbers.get(&Key::Dependency(name)).copied());
        let number = self.slots.next();
        self.put(number, key, server, parent, now);
    }

    /// Puts `server` at its number, and gives its checks their probes.
    fn put(&mut self, number: u32, key: Key, mut server: Server, parent: Option<u32>, now: Time) {
        if matches!(key, Key::Server(_)) {
            self.servers += 1;
            self.failing += usize::from(server.is_failing());
        }
        for (index, (name, plan)) in server.plans_mut().enumerate() {
            // There are never more checks than that.
            let check = (number, u8::try_from(index).unwrap_or(u8::MAX));
            if self.shares(plan, check) {
                continue;
            }
            let phase = match (&key, index) {
                (Key::Server(id), 0) => id.to_string(),
                (Key::Server(id), _) => format!("{id} {name}"),
                (Key::Dependency(dependency), _) => format!("{dependency} {name}"),
            };
            let probe = self.schedule.insert(&phase, plan.pace.normal, now);
            let place = probe.place();
            if self.entries.len() <= place {
                self.entries.resize_with(place + 1, || None);
            }
            self.by_target.insert((hash(&plan.work.target), place));
            if let Some(slot) = self.entries.get_mut(place) {
                let (work, pace) = (plan.work.clone(), plan.pace);
                *slot = Some(Entry { probe, work, pace, checks: vec![check] });
            }
        }
        self.slots.put(number, Slot { key: key.clone(), server, parent, stale: true });
        self.numbers.insert(key, number);
        self.changed.push_back(number);
    }

    /// Lets a check share a probe that is made already, if there is one.
    fn shares(&mut self, plan: &mut Plan, check: (u32, u8)) -> bool {
        let hash = hash(&plan.work.target);
        for &(_, place) in self.by_target.range((hash, 0)..=(hash, usize::MAX)) {
            let Some(Some(entry)) = self.entries.get_mut(place) else { continue };
            if entry.work == plan.work && entry.pace == plan.pace {
                plan.work = entry.work.clone();
                entry.checks.push(check);
                return true;
            }
        }
        false
    }

    /// Takes a server out. Its checks stay in the schedule, and its number is nobody's, until [`Pool::release`].
    fn detach(&mut self, key: &Key) -> Option<Detached> {
        let number = self.numbers.remove(key)?;
        let Slot { mut server, .. } = self.slots.take(number)?;
        if matches!(key, Key::Server(_)) {
            self.servers -= 1;
            self.failing -= usize::from(server.is_failing());
        }
        let targets = server.plans_mut().map(|(_, plan)| hash(&plan.work.target)).collect();
        Some(Detached { number, server: Some(server), targets })
    }

    /// Takes the checks of a server that is gone out of the schedule, those that nobody shares, and frees its number.
    fn release(&mut self, number: u32, targets: &[u64]) {
        for target in targets {
            let places: Vec<(u64, usize)> =
                self.by_target.range((*target, 0)..=(*target, usize::MAX)).copied().collect();
            for place in places {
                let Some(slot) = self.entries.get_mut(place.1) else { continue };
                let Some(entry) = slot.as_mut() else { continue };
                entry.checks.retain(|(other, _)| *other != number);
                if entry.checks.is_empty() {
                    self.schedule.remove(entry.probe);
                    *slot = None;
                    self.by_target.remove(&place);
                }
            }
        }
        self.slots.give_back(number);
    }

    /// How many DNS probes there are per second. In doubt there are more, but a few for each server.
    pub(crate) fn dns_per_second(&self) -> f64 {
        let dns = self.entries.iter().flatten().filter(|entry| matches!(entry.work.kind, Kind::Dns(_)));
        dns.map(|entry| entry.pace.normal.as_secs_f64().recip()).sum()
    }

    fn fit_window(&mut self) {
        // Probes of a server in transition are few and see to themselves.
        let intervals = || self.entries.iter().flatten().map(|entry| entry.pace.normal);
        let shortest = intervals().min().unwrap_or_default();
        let per_second: f64 = intervals().map(|interval| interval.as_secs_f64().recip()).sum();
        let burst = Duration::try_from_secs_f64(BURST / per_second).unwrap_or(WINDOW_MAX);
        self.schedule.set_window((shortest / WINDOW_PART).min(burst).clamp(WINDOW_MIN, WINDOW_MAX));
    }
}

impl Note {
    /// What is said of `slot`, or of its advisory check of that number.
    fn of(slot: &Slot, change: Change, advisory: Option<usize>) -> Self {
        let check = advisory.and_then(|index| slot.server.check(index));
        let health = check.map_or_else(|| slot.server.health(), |(_, check)| check.health());
        let subject = match (&slot.key, check) {
            (Key::Server(id), None) => Subject::Server(id.clone()),
            (Key::Server(id), Some((name, _))) => Subject::Advisory(id.clone(), name.to_owned()),
            (Key::Dependency(name), _) => Subject::Dependency(name.clone()),
        };
        Self { subject, change, cause: health.cause, detail: health.detail }
    }
}

/// What is to be counted in place of a failure when what the server depends on fails itself.
fn orphan(slots: &Slots<Slot>, number: u32, finding: &Finding) -> Option<Finding> {
    if finding.verdict != Verdict::Down {
        return None;
    }
    let parent = slots.get(slots.get(number)?.parent?)?;
    let Key::Dependency(name) = &parent.key else { return None };
    let fails = parent.server.is_failing() || parent.server.verdict() == Verdict::Down;
    fails.then(|| orphaned(name.as_str(), finding))
}

/// How one of them is checked.
struct Planned {
    key: Key,
    parent: Option<Name>,
    plan: ServerPlan,
}

/// The plan of everything that is checked, dependencies first; equal questions are kept once.
fn plans(config: &Config) -> Result<Vec<Planned>, String> {
    let mut plans: Vec<Planned> = Vec::with_capacity(config.dependencies.len());
    let mut add = |key: Key, shown: String, parent: Option<Name>, checks: &[Check], require: u32| {
        let mut all = Vec::with_capacity(checks.len());
        for check in checks {
            let mut plan = Plan::new(check).map_err(|error| format!("{shown}: {error}"))?;
            let last = plans.last().and_then(|last: &Planned| last.plan.checks.get(all.len()));
            if let Some(last) = last {
                share(&mut Arc::make_mut(&mut plan.work).kind, &last.plan.work.kind);
            }
            all.push(CheckPlan { name: check.name.as_str().into(), advisory: check.advisory, plan });
        }
        plans.push(Planned { key, parent, plan: ServerPlan { checks: all, require } });
        Ok::<(), String>(())
    };
    for one in &config.dependencies {
        let shown = format!("dependency {}", one.name);
        add(Key::Dependency(one.name.clone()), shown, None, &one.checks, one.require)?;
    }
    let mut pool: Option<Name> = None;
    for (virtual_server, real_server) in config.real_servers() {
        // The configuration goes; its names must not keep its memory.
        let pool = match &pool {
            Some(pool) if *pool == virtual_server.name => pool.clone(),
            _ => pool.insert(virtual_server.name.detached()).clone(),
        };
        let id = RealServerId { virtual_server: pool, real_server: real_server.name.detached() };
        let shown = format!("real server {id}");
        let (parent, checks) = (real_server.parent.clone(), &real_server.checks);
        add(Key::Server(id), shown, parent, checks, real_server.require)?;
    }
    Ok(plans)
}

/// What a target is found by. Two that are not equal may have the same, so whoever finds one looks again.
fn hash(target: &Target) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    hasher.finish()
}

/// Lets `kind` be the same in memory as `other` when it is equal.
fn share(kind: &mut Kind, other: &Kind) {
    if kind == other {
        *kind = other.clone();
    }
}

#[cfg(test)]
mod tests;
