//! The clerk's desk: what is known of every virtual router beside the engine, and what is passed on.
//!
//! Owns the report to the agent, the facts and orders from it, the trackers and the hooks. Without the agent all of it
//! works on, but for what only the agent knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use agent_api::config::{Failover, Notify, Track, Tracked};
use agent_api::wire::Part;
use agent_api::{Name, PriorityPart, RealServerId, Reporter as Identity, RouterReport, VipHead};
use agent_daemon::{Watchdog, load_config};
use agent_link::{Reporter, Vipd, Watcher};
use anyhow::Context as _;
use jiff::Timestamp;
use nix::sys::eventfd::EventFd;
use vrrp_core::arp::{ArpEvent, ArpReason};
use vrrp_core::codec::Family;
use vrrp_core::track::{Effect, Fact, Sum, Trackers};
use vrrp_core::{Event, Order};

use super::hooks::{Change, Hooks, Word};
use super::report::{self, Calendar, Noted};
use super::watch::{Watches, tracked};
use super::{Office, events, facts};
use crate::engine::Command;
use crate::plan::{Mode, Plan};
use crate::realtime::Grants;
use crate::tale::{Snapshot, Tale, Teller};

/// How long the scripts that are running at the end may go on.
const LAST_SCRIPTS: Duration = Duration::from_secs(5);
/// How long the agent may take to hear the last report.
const LAST_REPORT: Duration = Duration::from_millis(500);

/// What a configuration file asks of this daemon.
pub(crate) struct Asked {
    pub(crate) plan: Plan,
    pub(crate) failover: Failover,
    pub(crate) digest: String,
}

/// Reads the configuration and the secrets it names.
pub(crate) fn load(path: &Path) -> anyhow::Result<Asked> {
    let config = load_config(path)?;
    let plan = Plan::of(&config)?;
    Ok(Asked { plan, failover: config.failover, digest: config.digest })
}

/// The way into the engine.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) commands: Sender<Command>,
    pub(crate) bell: Arc<EventFd>,
}

impl Line {
    fn say(&self, command: Command) {
        // Both fail only when the engine has ended.
        if self.commands.send(command).is_ok() {
            let _ = self.bell.write(1);
        }
    }
}

/// What is known of one virtual router.
struct Router {
    snapshots: BTreeMap<Family, Box<Snapshot>>,
    noted: Vec<Noted>,
    trackers: Trackers,
    track: Vec<Track>,
    sum: Sum,
    order: Option<Order>,
    notify: Notify,
    group: Arc<str>,
    /// The real server whose verdict is the director's service's, and what was said of it last.
    check: Option<RealServerId>,
    service: Option<Option<bool>>,
    /// The family whose state is the router's.
    lead: Family,
    /// The state its hooks were told last.
    told: Option<Word>,
}

/// The desk.
pub(crate) struct Desk {
    config: PathBuf,
    line: Line,
    teller: Teller,
    watchdog: Watchdog,
    routers: BTreeMap<Arc<str>, Router>,
    groups: BTreeMap<Arc<str>, Option<Word>>,
    watches: Watches,
    hooks: Hooks,
    identity: Identity,
    head: VipHead,
    reporter: Reporter<Vipd>,
    watcher: Watcher,
}

impl Desk {
    pub(crate) fn open(
        config: PathBuf,
        socket: &Path,
        asked: &Asked,
        line: Line,
        teller: Teller,
    ) -> anyhow::Result<Self> {
        let identity = Identity {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: Timestamp::now(),
            config: asked.digest.clone(),
        };
        let head = VipHead::default();
        let reporter = Reporter::<Vipd>::start(socket, identity.clone(), head.clone(), BTreeMap::new())
            .context("can't start reporting")?;
        let parts = Some(vec![Part::Orders, Part::Checkd, Part::Lvsd]);
        let for_facts = teller.clone();
        let watcher = Watcher::start(socket, parts, move || for_facts.tell(Tale::FactsChanged))
            .context("can't watch the agent")?;
        let mut desk = Self {
            config,
            line,
            watchdog: Watchdog::from_environment(),
            routers: BTreeMap::new(),
            groups: BTreeMap::new(),
            watches: Watches::default(),
            hooks: Hooks::default(),
            identity,
            head,
            reporter,
            watcher,
            teller,
        };
        desk.take_up(&asked.plan);
        Ok(desk)
    }

    /// Takes up a plan: routers that stay keep what is known of them.
    fn take_up(&mut self, plan: &Plan) {
        let mut old = std::mem::take(&mut self.routers);
        for group in &plan.groups {
            for member in group.members.iter().filter(|member| member.leads) {
                let mut router = old.remove(&member.name).unwrap_or_else(Router::new);
                if router.track != member.track {
                    router.trackers = Trackers::new(member.track.iter().map(|track| track.tracker));
                    router.track = member.track.clone();
                }
                router.notify = member.notify.clone();
                router.group = group.name.clone();
                router.lead = member.family();
                router.check = match &member.mode {
                    Mode::Arp { check, .. } => check.clone(),
                    Mode::Vrrp(_) => None,
                };
                router.service = None;
                let families: Vec<Family> = group
                    .members
                    .iter()
                    .filter(|other| other.name == member.name)
                    .map(crate::plan::MemberPlan::family)
                    .collect();
                router.snapshots.retain(|family, _| families.contains(family));
                self.routers.insert(member.name.clone(), router);
            }
        }
        for gone in old.keys().filter_map(|name| name.parse().ok()) {
            self.reporter.remove_item(gone);
        }
        self.watches = Watches::start(plan, &self.teller);
        self.read_facts();
        for name in self.routers.keys().cloned().collect::<Vec<_>>() {
            self.say_sum(&name, true);
        }
    }

    fn reload(&mut self) {
        agent_daemon::reloading();
        match load(&self.config) {
            Ok(asked) => {
                self.line.say(Command::Reconfigure(Box::new(asked.plan.clone())));
                self.identity.config = asked.digest;
                self.reporter.set_identity(self.identity.clone());
                self.take_up(&asked.plan);
                tracing::info!("reloaded the configuration");
            }
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
        agent_daemon::ready();
    }

    /// What the kernel granted, for the report.
    pub(crate) fn granted(&mut self, grants: &Grants) {
        self.head.realtime = grants.priority.is_some();
        self.head.memory_locked = grants.locked;
        self.head.remarks.clone_from(&grants.refusals);
        self.reporter.set_head(self.head.clone());
    }

    /// Reads what the agent knows, and says what changed for whom.
    fn read_facts(&mut self) {
        let now = Timestamp::now();
        let mut orders: Vec<(Arc<str>, Option<Order>)> = Vec::new();
        let mut services: Vec<(Arc<str>, Option<bool>)> = Vec::new();
        let mut found: Vec<(Arc<str>, usize, Fact)> = Vec::new();
        self.watcher.read(|watched| {
            let Some(state) = watched.state else { return };
            for (name, router) in &self.routers {
                for (index, track) in router.track.iter().enumerate() {
                    let fact = match &track.what {
                        // Facts of an agent that is gone are no facts.
                        _ if !watched.connected => Fact::Unknown,
                        Tracked::Quorum(server) => facts::quorum(state, server),
                        Tracked::Score(server) => facts::score(state, server),
                        Tracked::Blind => facts::sight(state),
                        _ => continue,
                    };
                    let from_agent =
                        matches!(track.what, Tracked::Quorum(_) | Tracked::Score(_) | Tracked::Blind);
                    if from_agent {
                        found.push((name.clone(), index, fact));
                    }
                }
                if let Some(check) = &router.check {
                    let works = if watched.connected { facts::service(state, check) } else { None };
                    services.push((name.clone(), works));
                }
                // Orders are on disk with the agent; its silence ends none.
                if let Ok(key) = name.parse::<Name>() {
                    orders.push((name.clone(), facts::order(state, &key, now)));
                }
            }
        });
        for (name, index, fact) in found {
            self.take_fact(&name, index, fact);
        }
        for (name, works) in services {
            let Some(router) = self.routers.get_mut(&name) else { continue };
            if router.service != Some(works) {
                router.service = Some(works);
                self.line.say(Command::Service { router: name.to_string(), works });
            }
        }
        for (name, order) in orders {
            let Some(router) = self.routers.get_mut(&name) else { continue };
            if router.order != order {
                router.order = order;
                self.line.say(Command::Order { router: name.to_string(), order });
            }
        }
    }

    fn take_fact(&mut self, name: &Arc<str>, index: usize, fact: Fact) {
        let Some(router) = self.routers.get_mut(name) else { return };
        let parts = |router: &Router| router.trackers.parts().nth(index).map(|part| part.told);
        let before = parts(router);
        router.trackers.tell(index, fact);
        let changed = parts(router) != before;
        self.say_sum(name, false);
        if changed {
            self.send_report(name);
        }
    }

    fn say_sum(&mut self, name: &Arc<str>, again: bool) {
        let Some(router) = self.routers.get_mut(name) else { return };
        let sum = router.trackers.sum();
        if router.sum == sum && !again {
            return;
        }
        router.sum = sum;
        let Sum { weight, failed } = sum;
        self.line.say(Command::Tracking { router: name.to_string(), weight, failed });
    }

    fn send_report(&mut self, name: &Arc<str>) {
        let Some(router) = self.routers.get(name) else { return };
        let (Some(report), Ok(key)) = (router.report(), name.parse::<Name>()) else { return };
        self.reporter.set_item(key, report);
    }

    fn heard_event(
        &mut self,
        name: &Arc<str>,
        family: Family,
        what: &Event,
        priority: u8,
        at: vrrp_core::Time,
    ) {
        let calendar = Calendar::now();
        // Both families of a router move together: one event for both.
        let both = matches!(what, Event::StateChanged { .. } | Event::PriorityChanged { .. });
        let leads = self.routers.get(name).is_none_or(|router| router.lead == family);
        if let Some(event) = events::of(name, what, priority, calendar.at(at)).filter(|_| leads || !both) {
            self.reporter.event(event);
        }
        match what {
            Event::DiscrepancySeen { source, what } => {
                if let Some(router) = self.routers.get_mut(name) {
                    let noted = Noted { source: *source, what: *what, since: calendar.at(at) };
                    router.noted.push(noted);
                    let surplus = router.noted.len().saturating_sub(agent_api::router::SEEN_MAX);
                    router.noted.drain(..surplus);
                }
            }
            Event::TimerLate { .. } => self.head.stalls += 1,
            Event::StateChanged { to, reason, .. } => {
                if matches!(reason, vrrp_core::Reason::Stalled { .. }) {
                    self.head.stalls += 1;
                }
                let stopped = matches!(reason, vrrp_core::Reason::Stopped);
                self.call_hooks(name, family, Word::of(*to, stopped), priority);
            }
            _ => {}
        }
    }

    fn heard_arp_event(&mut self, name: &Arc<str>, what: &ArpEvent, at: vrrp_core::Time) {
        if let Some(event) = events::of_arp(name, what, Calendar::now().at(at)) {
            self.reporter.event(event);
        }
        if let ArpEvent::StateChanged { to, reason, .. } = what {
            let lead = self.routers.get(name).map_or(Family::Ipv4, |router| router.lead);
            let stopped = matches!(reason, ArpReason::Stopped);
            self.call_hooks(name, lead, Word::of(*to, stopped), 0);
        }
    }

    /// Tells the hooks, once for both families of a router.
    fn call_hooks(&mut self, name: &Arc<str>, family: Family, word: Word, priority: u8) {
        let Some(router) = self.routers.get_mut(name) else { return };
        if router.lead != family || router.told == Some(word) {
            return;
        }
        router.told = Some(word);
        let (notify, group) = (router.notify.clone(), router.group.clone());
        let change = Change { kind: "INSTANCE", name: name.to_string(), word, priority };
        self.hooks.tell(&change, &notify);
        let mut words = self.routers.values().filter(|other| other.group == group).map(|other| other.told);
        let is_group = group != *name;
        if is_group && words.all(|other| other == Some(word)) {
            let known = self.groups.entry(group.clone()).or_default();
            if *known != Some(word) {
                *known = Some(word);
                // A group has no scripts of its own here; whoever reads the FIFO hears of it.
                let change = Change { kind: "GROUP", name: group.to_string(), word, priority: 0 };
                self.hooks.tell(&change, &Notify { fifo: notify.fifo, ..Notify::default() });
            }
        }
    }

    fn took_snapshot(&mut self, snapshot: &Snapshot) {
        let name = snapshot.router.clone();
        if let Some(router) = self.routers.get_mut(&name) {
            router.snapshots.insert(snapshot.family, Box::new(snapshot.clone()));
            self.send_report(&name);
        }
    }
}

impl Router {
    fn new() -> Self {
        Self {
            snapshots: BTreeMap::new(),
            noted: Vec::new(),
            trackers: Trackers::default(),
            track: Vec::new(),
            sum: Sum::default(),
            order: None,
            notify: Notify::default(),
            group: "".into(),
            check: None,
            service: None,
            lead: Family::Ipv4,
            told: None,
        }
    }

    fn report(&self) -> Option<RouterReport> {
        let snapshots: Vec<&Snapshot> = self.snapshots.values().map(Box::as_ref).collect();
        let parts = self.trackers.parts().zip(&self.track).map(|(part, track)| PriorityPart {
            what: track.what.to_string(),
            seen: match part.told {
                Fact::Unknown => "unknown".to_owned(),
                Fact::Good => "good".to_owned(),
                Fact::Bad => "bad".to_owned(),
                Fact::Share { up, total } => format!("{up} of {total}"),
                Fact::Number(number) => number.to_string(),
            },
            adds: part.weight.into(),
            forbids: part.effect == Effect::Fixed && part.failed,
        });
        report::report(&snapshots, parts.collect(), &self.noted, Calendar::now())
    }
}

impl Office for Desk {
    fn told(&mut self, tale: &Tale) {
        self.watchdog.progress();
        match tale {
            Tale::ReloadWanted => self.reload(),
            Tale::FactsChanged => self.read_facts(),
            Tale::Fact { router, index, fact } => self.take_fact(router, *index, *fact),
            Tale::Link { interface, works } => {
                let fact = if *works { Fact::Good } else { Fact::Bad };
                let concerned: Vec<(Arc<str>, usize)> = self
                    .routers
                    .iter()
                    .flat_map(|(name, router)| {
                        let is_it = |track: &Track| track.what == Tracked::Interface(interface.clone());
                        let indices = (0..router.track.len()).filter(move |at| is_it(&router.track[*at]));
                        indices.map(|index| (name.clone(), index))
                    })
                    .collect();
                for (name, index) in concerned {
                    self.take_fact(&name, index, fact);
                }
            }
            Tale::Event { router, family, event, priority, at } => {
                self.heard_event(router, *family, event, *priority, *at);
            }
            Tale::ArpEvent { router, event, at } => self.heard_arp_event(router, event, *at),
            Tale::Snapshot(snapshot) => self.took_snapshot(snapshot),
            Tale::Alive { figures } => {
                // An order may have ended by its time.
                self.read_facts();
                self.head.adverts_sent = figures.sent;
                self.head.adverts_heard = figures.heard;
                self.head.lateness_us = u64::try_from(figures.lateness.as_micros()).unwrap_or(u64::MAX);
                self.reporter.set_head(self.head.clone());
            }
            Tale::Granted(grants) => self.granted(grants),
            Tale::End => {
                self.hooks.finish(LAST_SCRIPTS);
                let _ = self.reporter.flush(LAST_REPORT);
            }
            Tale::Note { .. } | Tale::Trouble(_) => {}
        }
    }
}

/// The interfaces that a plan's routers track.
pub(crate) fn tracked_interfaces(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = tracked(plan)
        .filter_map(|(_, _, what)| match what {
            Tracked::Interface(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
