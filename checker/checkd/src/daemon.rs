//! The running daemon: one loop that probes, judges and reports.
//!
//! Owns the loop, its signals and its talk with systemd. The watchdog is fed by turns of the loop that did their work, so
//! that a prober that hangs is ended even if other threads live. The loop never waits for the agent.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use agent_api::{CheckHead, EventKind, NewEvent, Reporter};
use agent_daemon::{
    LoadError, Signal, Signals, UsageError, Watchdog, load_config, ready, reloading, status, stopping,
};
use agent_link::Checkd;
use anyhow::Context as _;
use checker_core::{Cause, Time, Verdict, schedule};
use checker_probe::{DescriptorLimit, Settings, clock};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::pool::{Note, Pool, Start, Subject};
use crate::runner::{Finished, Runner};
use crate::sentinels::Sentinels;

/// How long the agent may take to say what was before.
const FORMER_WAIT: Duration = Duration::from_secs(3);
/// How often a summary is sent.
const SUMMARY: Duration = Duration::from_secs(5);
/// Every so many summaries freed memory goes back to the system: a minute. What an outage or the first report took is not kept.
const GIVE_BACK: u64 = 12;
/// How long the agent may take to hear the last words.
const FAREWELL: Duration = Duration::from_millis(500);
/// After a wake-up, answers that come within this span are taken with one more.
const GATHER: Duration = Duration::from_millis(1);
/// A probe begun this late is worth a word.
const LATE: Duration = Duration::from_millis(250);

/// What another thread wants.
enum Command {
    Stop,
    Reload(Box<Result<agent_api::config::Config, LoadError>>),
}

/// Runs until it is told to stop.
pub(crate) fn run(config_path: &Path, socket: &Path, state: &Path) -> anyhow::Result<()> {
    let config = load_config(config_path)?;
    let boot = agent_daemon::boot_id().context("can't tell this boot from another")?;
    let former = agent_link::former_state(socket, state, &boot, FORMER_WAIT);
    let checks = former.as_ref().map(|state| &state.checkd);

    let limit = DescriptorLimit::raise()?;
    let settings = Settings { max_sockets: limit.for_sockets(), gather: GATHER, keep_replies: false };
    let mut runner = Runner::new(settings)?;
    let (tell, commands) = channel();
    let waker = runner.waker();
    let path = config_path.to_owned();
    let _signals = Signals::start(move |signal| {
        let command = match signal {
            Signal::Stop => Command::Stop,
            Signal::Reload => {
                reloading();
                Command::Reload(Box::new(load_config(&path)))
            }
        };
        // The loop is gone only when the process ends.
        let _ = tell.send(command);
        waker.wake();
    })
    .context("can't listen to signals")?;

    let planned = clock::now();
    let mut pool =
        Pool::new(&config, checks, schedule::seed(&boot), planned, Timestamp::now()).map_err(UsageError)?;
    let threads = runner.fit(pool.dns_per_second()).context("can't make room for all probes")?;
    let identity = Reporter {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: Timestamp::now(),
        config: config.digest.clone(),
    };
    let sentinels = Sentinels::new(&config.sentinels, checks.map(|checks| &checks.head), clock::now());
    let blind = sentinels.is_blind();
    let head = CheckHead {
        blind_since: checks.and_then(|checks| checks.head.blind_since).filter(|_| blind),
        sentinels: sentinels.proven(),
        dependencies: pool.dependencies(),
        ..CheckHead::default()
    };
    // The pool holds what it needs; of thousands of servers the rest is megabytes.
    drop((config, former));
    agent_daemon::give_back();
    let waker = runner.waker();
    let asked = move || waker.wake();
    let reporter = agent_link::Reporter::start_asking(socket, identity.clone(), head.clone(), asked)
        .context("can't start to report to the agent")?;
    let (servers, probes) = (pool.count().iter().sum::<usize>(), pool.probes());
    info!(servers, probes, threads, sockets = settings.max_sockets, "probing");
    // Else all would begin at once that came due meanwhile.
    pool.put_off(clock::now().since(planned));
    let mut daemon = Daemon {
        sentinels,
        blind,
        pool,
        runner,
        reporter,
        identity,
        head,
        next_summary: clock::now(),
        watchdog: Watchdog::from_environment(),
        words: Words::default(),
        summaries: 0,
        config_path: config_path.to_owned(),
    };
    ready();
    let ended = daemon.serve(&commands);
    stopping();
    if !daemon.take_leave() {
        info!("ending without the agent's having heard the last results");
    }
    ended
}

struct Daemon {
    pool: Pool,
    sentinels: Sentinels,
    /// What was last said of it.
    blind: bool,
    runner: Runner,
    reporter: agent_link::Reporter<Checkd>,
    identity: Reporter,
    head: CheckHead,
    next_summary: Time,
    watchdog: Watchdog,
    words: Words,
    summaries: u64,
    config_path: PathBuf,
}

/// How many changes of a verdict are logged one by one: when all servers fall at once, one line each helps nobody.
#[derive(Debug, Default)]
struct Words {
    /// Logged since the last summary, and how many were not.
    spoken: u32,
    swallowed: u32,
}

impl Words {
    /// The most between two summaries.
    const MAX: u32 = 100;

    fn take(&mut self) -> bool {
        let room = self.spoken < Self::MAX;
        *if room { &mut self.spoken } else { &mut self.swallowed } += 1;
        room
    }
}

impl Daemon {
    fn serve(&mut self, commands: &Receiver<Command>) -> anyhow::Result<()> {
        loop {
            let now = clock::now();
            self.start_probes(now);
            if now >= self.next_summary {
                self.summarize(now);
            }
            let mut until = self.next_summary;
            if let Some(due) = self.pool.deadline() {
                until = until.min(due);
            }
            if let Some(due) = self.sentinels.deadline() {
                until = until.min(due);
            }
            if let Some(patience) = self.watchdog.patience() {
                until = until.min(now + patience / 2);
            }
            self.runner.poll(until).context("can't go on probing")?;
            self.take_outcomes();
            self.report();
            for command in commands.try_iter() {
                match command {
                    Command::Stop => return Ok(()),
                    Command::Reload(loaded) => self.reload(*loaded),
                }
            }
            let patience = self.watchdog.patience().unwrap_or(Duration::MAX);
            if self.runner.is_turning(clock::now(), patience).context("can't go on probing")? {
                self.watchdog.progress();
            }
        }
    }

    fn start_probes(&mut self, now: Time) {
        while let Some(Start { token, work, late }) = self.pool.poll_start(now) {
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            self.head.lateness_ms = self.head.lateness_ms.max(late_ms);
            self.runner.start(token, &work);
        }
        for (token, work) in self.sentinels.begin(now) {
            self.runner.start(token, &work);
        }
    }

    fn take_outcomes(&mut self) {
        let mut read = None;
        // What is taken together was over at the same time, near enough for everything that is told of it.
        let mut clocks = || *read.get_or_insert_with(|| (clock::now(), Timestamp::now()));
        while let Some(finished) = self.runner.next_finished() {
            let moment = clocks();
            let servers = self.pool.failing(finished.token, finished.finding.verdict == Verdict::Down);
            if let Some(finished) = self.sentinels.take(finished, servers, moment.0) {
                self.count(&finished, moment);
            }
        }
        for finished in self.sentinels.released() {
            self.count(&finished, clocks());
        }
        self.say_whether_blind();
    }

    /// Counts what a probe found for the servers that it is for.
    fn count(&mut self, finished: &Finished, (now, stamp): (Time, Timestamp)) {
        self.head.probes += 1;
        if finished.finding.verdict == Verdict::Unknown {
            self.head.local_failures += 1;
        }
        let (token, started) = (finished.token, finished.started);
        for note in self.pool.finished(token, started, &finished.finding, now, stamp) {
            self.tell(note, stamp);
        }
    }

    /// A change: a line in the log, and an event where the agent does not find it by itself.
    fn tell(&mut self, note: Note, stamp: Timestamp) {
        let Note { subject, change, cause, detail } = note;
        let (from, to) = (change.from, change.to);
        if self.words.take() {
            let server = match &subject {
                Subject::Server(id) => id.to_string(),
                Subject::Advisory(id, check) => format!("{id}, advisory check {check}"),
                Subject::Dependency(name) => format!("dependency {name}"),
            };
            match &cause {
                Some(cause) if to != Verdict::Up => warn!(server, %from, %to, %cause, "{detail}"),
                _ => info!(server, %from, %to, "passes its check"),
            }
        }
        let why = match &cause {
            Some(cause) if detail.is_empty() => format!(": {cause}"),
            Some(cause) => format!(": {detail} ({cause})"),
            None => String::new(),
        };
        let (kind, (id, dependency), text) = match subject {
            Subject::Server(_) => return,
            Subject::Dependency(name) => {
                // Whoever reads the event finds the fact, too.
                self.head.dependencies = self.pool.dependencies();
                self.reporter.set_head(self.head.clone());
                let (kind, text) = match (from, to) {
                    (_, Verdict::Down) => (
                        EventKind::DependencyWentDown,
                        format!(
                            "{name} is down{why}; what depends on it can't be judged, and is held as it is"
                        ),
                    ),
                    (Verdict::Down, to) if to.passes() => (
                        EventKind::DependencyWentUp,
                        format!("{name} works again; what depends on it is judged again"),
                    ),
                    _ => return,
                };
                (kind, (None, Some(name)), text)
            }
            Subject::Advisory(id, check) => {
                let (kind, text) = match (from, to) {
                    (_, Verdict::Down | Verdict::Degraded) => (
                        EventKind::AdvisoryCheckFailed,
                        format!("check {check} of {id}, which only warns, is {to}{why}"),
                    ),
                    (Verdict::Down | Verdict::Degraded, Verdict::Up) => (
                        EventKind::AdvisoryCheckPassed,
                        format!("check {check} of {id}, which only warns, passes again"),
                    ),
                    _ => return,
                };
                (kind, (Some(id), None), text)
            }
        };
        let (virtual_server, real_server) =
            id.map_or((None, None), |id| (Some(id.virtual_server), Some(id.real_server)));
        self.reporter.event(NewEvent {
            at: stamp,
            kind,
            virtual_server,
            real_server,
            virtual_router: None,
            dependency,
            cause,
            text,
        });
    }

    /// One word when this director becomes blind, and one when it sees again.
    fn say_whether_blind(&mut self) {
        if self.head.sentinels.is_empty() && self.sentinels.have_answered() {
            // A restart right after this must know it.
            self.head.sentinels = self.sentinels.proven();
            self.reporter.set_head(self.head.clone());
        }
        let blind = self.sentinels.is_blind();
        if blind == self.blind {
            return;
        }
        self.blind = blind;
        self.head.blind_since = blind.then(Timestamp::now);
        // Whoever moves addresses wants to know at once.
        self.reporter.set_head(self.head.clone());
        let text = if blind {
            "this director is blind: most servers fail and no sentinel answers, so failures do not count and the table is held"
        } else {
            "this director sees again: failures count"
        };
        warn!("{text}");
        self.reporter.event(NewEvent {
            at: Timestamp::now(),
            kind: if blind { EventKind::DirectorWentBlind } else { EventKind::DirectorSawAgain },
            virtual_server: None,
            real_server: None,
            cause: blind.then(|| Cause::DirectorBlind.into()),
            virtual_router: None,
            dependency: None,
            text: text.to_owned(),
        });
    }

    fn report(&mut self) {
        for id in self.pool.take_removed() {
            self.reporter.remove_item(id);
        }
        let asked = self.reporter.ask();
        if asked.whole {
            self.pool.want_all();
        }
        let (changed, unfinished) = self.pool.take_changed(asked.room);
        if asked.whole || !changed.is_empty() {
            self.reporter.hand(changed, unfinished);
        }
    }

    /// Tells the agent what it does not know yet, if it listens. Says whether it does.
    fn take_leave(&mut self) -> bool {
        let end = clock::now() + FAREWELL;
        while clock::now() < end && self.pool.has_news() {
            self.report();
            if !self.reporter.flush(end.since(clock::now())) {
                return false;
            }
        }
        !self.pool.has_news() && self.reporter.flush(end.since(clock::now()))
    }

    fn summarize(&mut self, now: Time) {
        self.next_summary = now + SUMMARY;
        let between = u64::try_from(self.runner.take_late().as_millis()).unwrap_or(u64::MAX);
        self.head.lateness_ms = self.head.lateness_ms.max(between);
        if self.head.lateness_ms >= u64::try_from(LATE.as_millis()).unwrap_or(u64::MAX) {
            warn!(
                ms = self.head.lateness_ms,
                "probes began late: this machine or process was busy or stalled"
            );
        }
        if self.head.local_failures > 0 {
            warn!(
                probes = self.head.local_failures,
                "probes could not be run: trouble at this machine's own end"
            );
        }
        self.head.waiting = self.say_who_waits();
        let Words { swallowed, .. } = std::mem::take(&mut self.words);
        if swallowed > 0 {
            warn!("{swallowed} more real servers changed their verdict");
        }
        self.summaries += 1;
        if self.summaries % GIVE_BACK == 2 {
            agent_daemon::give_back();
        }
        self.pool.refresh();
        self.head.dependencies = self.pool.dependencies();
        self.head.sentinels = self.sentinels.proven();
        self.reporter.set_head(self.head.clone());
        let [up, degraded, down, unknown] = self.pool.count();
        status(&format!("{up} up, {degraded} degraded, {down} down, {unknown} unknown"));
        self.head.lateness_ms = 0;
        self.head.local_failures = 0;
    }

    /// Says once that probes wait for their turn, and once that none does any more. Returns how many do.
    fn say_who_waits(&mut self) -> u64 {
        let (running, programs) = self.runner.programs();
        let others = self.runner.waiting();
        let waiting = programs + others;
        match (waiting > 0, self.head.waiting > 0) {
            (true, false) if programs > 0 => {
                warn!(running, waiting, "programs wait for their turn: checks by program run late");
            }
            (true, false) => warn!(
                waiting,
                "probes wait for their turn: as many of their kind as may be are under way, so checks run late"
            ),
            (false, true) => info!("no probe waits for its turn any more"),
            _ => {}
        }
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    fn reload(&mut self, loaded: Result<agent_api::config::Config, LoadError>) {
        let path = self.config_path.display().to_string();
        let applied = loaded.map_err(|error| error.to_string()).and_then(|config| {
            let reload = self.pool.reload(&config, clock::now(), Timestamp::now())?;
            self.sentinels.reload(&config.sentinels, clock::now());
            // More than there is room for run late, which is told.
            if let Err(error) = self.runner.fit(self.pool.dns_per_second()) {
                warn!("can't make room for all probes: {error}");
            }
            Ok((config.digest, reload))
        });
        match applied {
            Ok((digest, reload)) => {
                self.identity.config = digest;
                self.reporter.set_identity(self.identity.clone());
                self.report();
                let (added, changed, kept, removed) =
                    (reload.added, reload.changed, reload.kept, reload.removed);
                info!(added, changed, kept, removed, "reloaded {path}");
            }
            Err(error) => {
                warn!("{path} is not reloaded, what was before stays in force");
                error.lines().for_each(|line| warn!("{line}"));
            }
        }
        // What was loaded is gone, and so may be many servers.
        agent_daemon::give_back();
        ready();
    }
}
