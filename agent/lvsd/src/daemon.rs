//! The daemon around the reconciler: when a pass is made, what it is made from, who is told.
//!
//! Owns the loop, the connection to the agent and the reload. Everything it knows at the start it has from its former
//! self through the agent or the state file; without either it holds what the kernel has.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use agent_api::wire::Part;
use agent_api::{
    EventKind, KernelTable, LvsHead, LvsSection, NewEvent, ServiceAddress, ServiceReport, Setting, State,
};
use agent_core::blueprint::{Blueprint, service_key};
use agent_core::plan::Ejections;
use agent_daemon::{Signal, Signals, Start, Watchdog, boot_id, load_config};
use agent_link::{Changed, Lvsd, Reporter, Watcher, former_state};
use anyhow::Context as _;
use jiff::Timestamp;

use crate::kernel::{Beside, Held, KernelError, LinuxKernel};
use crate::reconcile::{Heard, Pass, Reconciler, Told, list};
use crate::report;
use crate::settings::Settings;
use crate::sync::Sync;

/// How long the agent may take to tell what a former run knew.
const FORMER_WAIT: Duration = Duration::from_secs(1);
/// How often a kernel without IPVS is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// How often figures and settings are looked at anew.
const SUMMARY: Duration = Duration::from_secs(10);

/// The least time between two looks at the sync daemons.
const SYNC_PAUSE: Duration = Duration::from_secs(1);

/// Why the loop wakes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Facts,
    Reload,
    Stop,
}

/// What a configuration file asks of this daemon.
pub(crate) struct Asked {
    pub(crate) blueprint: Blueprint,
    interval: Duration,
    pub(crate) settings: Settings,
    beside: Beside,
    sync: Option<Sync>,
    digest: String,
}

pub(crate) fn load(path: &std::path::Path) -> anyhow::Result<Asked> {
    let config = load_config(path)?;
    let blueprint =
        Blueprint::of(&config).context("the configuration asks for what the kernel can't hold")?;
    let settings = Settings::of(&config);
    let sync = config.lvs.sync.as_ref().map(Sync::of).transpose().context("[lvs.sync]")?;
    let beside = Beside { timeouts: config.lvs.timeouts, sync: None };
    Ok(Asked { blueprint, interval: config.lvs.interval, settings, beside, sync, digest: config.digest })
}

/// Runs until it is told to stop.
///
/// # Errors
/// The configuration is wrong, or the process can't be set up.
pub fn run(start: Start) -> anyhow::Result<()> {
    let asked = load(&start.common.config)?;
    // One wake-up of each kind at most is waiting, so that a full channel loses nothing.
    let (wake, wakes) = sync_channel(16);
    let signal_wake = wake.clone();
    let _signals = Signals::start(move |signal| {
        let wake = match signal {
            Signal::Stop => Wake::Stop,
            Signal::Reload => Wake::Reload,
        };
        // The loop always comes back to the channel, so this waits for a pass at most.
        let _ = signal_wake.send(wake);
    })
    .context("can't handle signals")?;
    let former = former(&start);
    let identity = identity(&asked.digest);
    // What the former run reported stands until the first pass: the first report replaces all that the agent has.
    let lvsd = former.as_ref().map(|state| &state.lvsd);
    let services = lvsd.map(|section| section.items.clone()).unwrap_or_default();
    let kernel = lvsd.map(|section| section.head.kernel.clone()).unwrap_or_default();
    let head = LvsHead { kernel, ..LvsHead::default() };
    let reporter =
        Reporter::<Lvsd>::start(&start.common.socket, identity.clone(), head.clone(), services.clone())
            .context("can't start reporting")?;
    let follows = asked.sync.as_ref().is_some_and(Sync::follows);
    let watcher = watch(&start.common.socket, follows, &wake)?;
    let daemon = Daemon {
        reconciler: former_reconciler(asked.blueprint, lvsd),
        kernel: LinuxKernel::default(),
        beside_kernel: LinuxKernel::default(),
        head,
        services,
        summary_due: Instant::now(),
        interval: asked.interval,
        settings: asked.settings,
        beside: asked.beside,
        sync: asked.sync,
        follows,
        beside_due: Instant::now(),
        held: Held::default(),
        urgent_news: false,
        flows_moved: false,
        identity,
        config: start.common.config,
        socket: start.common.socket,
        wake,
        former,
        reporter,
        watcher,
    };
    daemon.run(&wakes)
}

/// What a former run left: from the agent, or else from its state file.
pub(crate) fn former(start: &Start) -> Option<State> {
    match boot_id() {
        Ok(boot_id) => former_state(&start.common.socket, &start.state, &boot_id, FORMER_WAIT),
        Err(error) => {
            tracing::warn!("a former run's facts are not used: {error}");
            None
        }
    }
}

/// Watches what decides about the table, and the virtual routers only where they decide something: they change often.
fn watch(socket: &std::path::Path, routers: bool, wake: &SyncSender<Wake>) -> anyhow::Result<Watcher> {
    let mut parts = vec![Part::Orders, Part::Checkd];
    parts.extend(routers.then_some(Part::Vipd));
    Watcher::start(socket, Some(parts), facts_waker(wake.clone())).context("can't watch the agent")
}

/// A full channel means that the loop will look at the facts anyway.
fn facts_waker(wake: SyncSender<Wake>) -> impl Fn() + Send + 'static {
    move || {
        let _ = wake.try_send(Wake::Facts);
    }
}

fn identity(digest: &str) -> agent_api::Reporter {
    agent_api::Reporter {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: Timestamp::now(),
        config: digest.to_owned(),
    }
}

pub(crate) fn heard(state: Option<&State>, flows_move: bool) -> Heard<'_> {
    let (checks, orders) = (state.map(|state| &state.checkd), state.map(|state| &state.orders));
    Heard { checks, orders, flows_move }
}

/// A reconciler that knows what its former self had done.
pub(crate) fn former_reconciler(blueprint: Blueprint, former: Option<&LvsSection>) -> Reconciler {
    let items = || former.into_iter().flat_map(|section| &section.items);
    let ours = items().filter_map(|(address, _)| service_key(*address).ok()).collect();
    let all = |which: fn(&ServiceReport) -> bool| {
        let of = items().filter(|(_, service)| which(service));
        of.map(|(_, service)| service.virtual_server.clone()).collect()
    };
    let told = Told {
        fail_open: all(|service| service.fail_open),
        quorum_lost: all(|service| service.quorum_lost),
        sorry: all(|service| service.destinations.values().any(|to| to.sorry)),
    };
    Reconciler::new(blueprint, ours, told)
}

struct Daemon {
    reconciler: Reconciler,
    kernel: LinuxKernel,
    /// The same over a second connection, for what can't wait until the first one is free.
    beside_kernel: LinuxKernel,
    /// As last reported.
    head: LvsHead,
    /// As last reported.
    services: BTreeMap<ServiceAddress, ServiceReport>,
    summary_due: Instant,
    interval: Duration,
    settings: Settings,
    beside: Beside,
    sync: Option<Sync>,
    /// Whether the virtual routers are watched for it.
    follows: bool,
    /// Before this the sync daemons are left as they are: they bear no quick changes.
    beside_due: Instant,
    /// What was last done beside the table, so that the same trouble is not logged again and again.
    held: Held,
    /// Facts came since the last pass: ejections first.
    urgent_news: bool,
    /// Whether the kernel let flows move at the last pass.
    flows_moved: bool,
    identity: agent_api::Reporter,
    config: PathBuf,
    socket: PathBuf,
    wake: SyncSender<Wake>,
    /// What a former run left, until the agent is heard.
    former: Option<State>,
    reporter: Reporter<Lvsd>,
    watcher: Watcher,
}

impl Daemon {
    fn run(mut self, wakes: &Receiver<Wake>) -> anyhow::Result<()> {
        let watchdog = Watchdog::from_environment();
        agent_daemon::ready();
        self.doubt();
        let mut pending = None;
        loop {
            let wait = self.pass(&mut pending, wakes);
            watchdog.progress();
            let wait = watchdog.patience().map_or(wait, |patience| wait.min(patience));
            let wake = pending.take().map_or_else(|| wakes.recv_timeout(wait), Ok);
            match wake {
                Ok(Wake::Facts) => self.urgent_news = true,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Wake::Reload) => self.reload(),
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        agent_daemon::stopping();
        tracing::info!("stopped; the kernel's table stays as it is");
        Ok(())
    }

    fn reload(&mut self) {
        agent_daemon::reloading();
        match load(&self.config) {
            Ok(asked) => {
                self.reconciler.reconfigure(asked.blueprint);
                self.interval = asked.interval;
                self.settings = asked.settings;
                self.beside = asked.beside;
                self.sync = asked.sync;
                self.watch_anew();
                self.identity.config = asked.digest;
                self.reporter.set_identity(self.identity.clone());
                self.summary_due = Instant::now();
                tracing::info!("reloaded the configuration");
                self.doubt();
            }
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
        agent_daemon::ready();
    }

    /// After a reload other parts of the state may matter.
    fn watch_anew(&mut self) {
        let follows = self.sync.as_ref().is_some_and(Sync::follows);
        if follows == self.follows {
            return;
        }
        match watch(&self.socket, follows, &self.wake) {
            Ok(watcher) => {
                // The new one has heard nothing yet: until then what the old one knew stands.
                self.former = self.watcher.read(|watched| watched.state.cloned()).or(self.former.take());
                (self.watcher, self.follows) = (watcher, follows);
            }
            Err(error) => tracing::error!("the virtual routers are not followed: {error:#}"),
        }
    }

    /// Logs what the configuration asks for and hardly means.
    fn doubt(&self) {
        for doubt in self.reconciler.blueprint().doubts() {
            tracing::warn!("{doubt}");
        }
    }

    /// Makes a pass and tells of it. Returns when the next one is due. A wake-up that came meanwhile goes to `pending`.
    fn pass(&mut self, pending: &mut Option<Wake>, wakes: &Receiver<Wake>) -> Duration {
        let now = Timestamp::now();
        let hasty = std::mem::take(&mut self.urgent_news);
        let done = self.make_pass(hasty, now, pending, wakes);
        let summary = Instant::now() >= self.summary_due;
        if summary {
            self.summary_due = Instant::now() + SUMMARY;
        }
        match done {
            Ok(pass) => {
                let wait = if pass.unfinished { Duration::ZERO } else { self.interval };
                if self.sync_changes(now) || summary {
                    self.hold_beside();
                }
                self.tell(pass, summary, now);
                wait
            }
            Err(error) => {
                self.reconciler.doubt();
                self.tell_unusable(&error, now);
                if error.cause == "ipvs_error" { self.interval } else { RETRY }
            }
        }
    }

    /// The facts are looked at and let go again before anything is read or written: news must be able to come in meanwhile.
    fn make_pass(
        &mut self,
        hasty: bool,
        now: Timestamp,
        pending: &mut Option<Wake>,
        wakes: &Receiver<Wake>,
    ) -> Result<Pass, KernelError> {
        let Self { reconciler, kernel, beside_kernel, watcher, former, settings, flows_moved, .. } = self;
        // To look at the setting takes as long as to eject: that is done by what the last pass saw.
        let flows_move = *flows_moved;
        let ejections = |reconciler: &Reconciler, former: &Option<State>| {
            watcher.read_changed(|watched, changed| {
                let changed = match changed {
                    Changed::RealServers(changed) => Some(changed),
                    Changed::Everything => None,
                };
                let state = watched.state.or(former.as_ref());
                reconciler.ejections(heard(state, flows_move), changed, now)
            })
        };
        let mut hastened = Vec::new();
        if hasty {
            hastened = reconciler.hasten(kernel, ejections(reconciler, former))?;
        }
        let flows_move = settings.flows_move();
        *flows_moved = flows_move;
        let mut come = || {
            let wake = if pending.is_some() { None } else { wakes.try_recv().ok() };
            wake.inspect(|wake| *pending = Some(*wake).filter(|wake| *wake != Wake::Facts))
        };
        let news = |reconciler: &Reconciler| (come()? == Wake::Facts).then(|| ejections(reconciler, former));
        let (before, actual, meanwhile) = reconciler.read(kernel, beside_kernel, news)?;
        hastened.extend(meanwhile);
        let planned = watcher.read(|watched| {
            if watched.state.is_some() {
                *former = None;
            }
            reconciler.plan(heard(watched.state.or(former.as_ref()), flows_move), &actual, now)
        });
        let news = |reconciler: &Reconciler| match come()? {
            Wake::Facts => Some(ejections(reconciler, former)),
            Wake::Reload | Wake::Stop => Some(Ejections::default()),
        };
        let mut pass = reconciler.carry_out(kernel, (before, actual), planned, now, news)?;
        pass.edits.splice(0..0, hastened);
        Ok(pass)
    }

    fn tell(&mut self, pass: Pass, summary: bool, now: Timestamp) {
        if !pass.edits.is_empty() {
            tracing::info!("{} edits: {}", pass.edits.len(), list(&pass.edits, |edit| format!("`{edit}`")));
        }
        for event in pass.events {
            self.event(event);
        }
        for warning in pass.warnings {
            tracing::warn!("{warning}");
        }
        let version = self.kernel.version().unwrap_or_default();
        self.kernel_is(KernelTable::Present { version }, now);
        let blueprint = self.reconciler.blueprint();
        let table = self.reconciler.settled();
        let services =
            report::services(blueprint, &pass.plan, (table, &pass.figures), &self.services, summary);
        for (address, service) in &services {
            if self.services.get(address) != Some(service) {
                self.reporter.set_item(*address, service.clone());
            }
        }
        for address in self.services.keys().filter(|address| !services.contains_key(address)) {
            self.reporter.remove_item(*address);
        }
        self.services = services;
        let settings = if summary { self.settings() } else { self.head.settings.clone() };
        let head = LvsHead {
            kernel: self.head.kernel.clone(),
            settings,
            foreign_services: pass.plan.foreign.len() as u64,
            edits: self.reconciler.edits,
            drift_mended: self.reconciler.drift_mended,
        };
        self.head_is(head);
    }

    /// Whether other sync daemons are to run than before. One that was started just now is not stopped at once.
    fn sync_changes(&mut self, now: Timestamp) -> bool {
        let Some(sync) = &self.sync else { return false };
        let wanted = self.watcher.read(|watched| sync.wanted(watched.state.map(|state| &state.vipd), now));
        // What is not known changes nothing, and what runs is not looked at either.
        let changes = wanted != self.beside.sync && Instant::now() >= self.beside_due;
        if changes {
            self.beside.sync = wanted;
        }
        changes
    }

    /// Timeouts and sync daemons; what is refused is logged when it is new.
    fn hold_beside(&mut self) {
        self.beside_due = Instant::now() + SYNC_PAUSE;
        match self.kernel.hold(&self.beside) {
            Ok(held) => {
                held.done.iter().for_each(|done| tracing::info!("{done}"));
                for refused in held.refused.iter().filter(|refused| !self.held.refused.contains(refused)) {
                    tracing::warn!("{refused}");
                }
                self.held = held;
            }
            Err(error) => tracing::warn!("timeouts and sync daemons are not looked at: {error}"),
        }
    }

    /// The settings that are wrong; each is logged when it is new.
    fn settings(&self) -> Vec<Setting> {
        let settings = self.settings.wrong();
        for setting in settings.iter().filter(|setting| !self.head.settings.contains(setting)) {
            let value = setting.value.as_deref().unwrap_or("not readable");
            tracing::warn!("{} is {value} and should be {}: {}", setting.name, setting.wanted, setting.why);
        }
        settings
    }

    fn tell_unusable(&mut self, error: &KernelError, now: Timestamp) {
        self.kernel_is(error.to_report(), now);
        self.head_is(self.head.clone());
    }

    /// Notes whether IPVS can be used; a change is an event.
    fn kernel_is(&mut self, kernel: KernelTable, now: Timestamp) {
        if self.head.kernel == kernel {
            return;
        }
        let event = |kind, cause, text| NewEvent {
            at: now,
            kind,
            virtual_server: None,
            real_server: None,
            cause,
            virtual_router: None,
            dependency: None,
            text,
        };
        match (&self.head.kernel, &kernel) {
            (KernelTable::Unusable { .. }, KernelTable::Present { version }) => {
                let text = format!("the kernel's IPVS {version} can be used again");
                self.event(event(EventKind::IpvsFound, None, text));
            }
            (_, KernelTable::Unusable { cause, detail, remedy }) => {
                let text = format!("{detail}; {remedy}");
                self.event(event(EventKind::IpvsLost, Some(cause.clone()), text));
            }
            _ => {}
        }
        self.head.kernel = kernel;
        // The next summary is not worth waiting for.
        self.summary_due = Instant::now();
        self.reporter.set_head(self.head.clone());
    }

    fn head_is(&mut self, head: LvsHead) {
        if self.head != head {
            self.head = head;
            self.reporter.set_head(self.head.clone());
        }
    }

    fn event(&self, event: NewEvent) {
        match event.kind {
            EventKind::FailOpenEnded
            | EventKind::QuorumRegained
            | EventKind::SorryServerLeft
            | EventKind::IpvsFound => tracing::info!("{}", event.text),
            _ => tracing::warn!("{}", event.text),
        }
        self.reporter.event(event);
    }
}
