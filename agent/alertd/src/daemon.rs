//! The daemon's life: start, look, tell, reload, end.
//!
//! Owns the order of starting (configuration, spool, watcher, readiness), the main loop with its watchdog, and that what was
//! handled is on disk before anybody is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_api::config::Config;
use agent_core::digest::outbox::{Destination, Outbox};
use agent_core::digest::{Action, Digest, Input, Notice, Saved, duty, span};
use agent_daemon::{
    Common, Signal, Signals, UsageError, Watchdog, load_config, ready, reloading, stopping, take_config,
};
use agent_link::Watcher;
use anyhow::Context;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::peers;
use crate::post::{self, Job, Post};
use crate::store::Store;
use crate::ways::Ways;

/// The longest sleep: the agent's silence shows within it, and a clock that was set does no harm.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How many web hooks and commands may be under way at a time.
const AT_ONCE: usize = 8;
/// How often the same failure to write is told.
const REMIND_SECONDS: i64 = 300;

/// What a signal or the watcher asked for.
#[derive(Debug, Default)]
struct Asked {
    stop: Notify,
    reload: Notify,
    look: Notify,
}

/// Runs until a signal ends it.
pub fn run(common: &Common, spool: &Path) -> anyhow::Result<()> {
    let config = load_config(&common.config)?;
    let ways = Ways::new(config.alert).map_err(|error| UsageError(format!("{error:#}")))?;
    let asked = Arc::new(Asked::default());
    let for_signals = Arc::clone(&asked);
    let _signals = Signals::start(move |signal| match signal {
        Signal::Stop => for_signals.stop.notify_one(),
        Signal::Reload => for_signals.reload.notify_one(),
    })
    .context("can't catch signals")?;
    let (store, former) = Store::open(spool).context("can't use the spool")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("can't start the main loop")?;
    let result = runtime.block_on(main_loop(common, store, former, ways, &asked));
    runtime.shutdown_background();
    result
}

async fn main_loop(
    common: &Common,
    store: Store,
    former: Option<(Saved, Outbox)>,
    ways: Ways,
    asked: &Arc<Asked>,
) -> anyhow::Result<()> {
    let for_watcher = Arc::clone(asked);
    let watcher = Watcher::start(&common.socket, None, move || for_watcher.look.notify_one())
        .context("can't watch the agent")?;
    let (post, mut results) = Post::start();
    let (told_tx, mut told) = mpsc::channel(1);
    let mut engine = Engine::new(store, former, ways, post)?;
    let watchdog = Watchdog::from_environment();
    ready();
    match &engine.ways.alert {
        Some(alert) => {
            tracing::info!("{} routes; {} notices wait", alert.routes.len(), engine.outbox.entries.len())
        }
        None => tracing::info!("there is no [alert]: nobody is told"),
    }
    loop {
        engine.look(&watcher);
        if std::mem::take(&mut engine.ask_peers)
            && let Some(alert) = &engine.ways.alert
        {
            let (peers, answer) = (alert.peers.clone(), told_tx.clone());
            tokio::spawn(async move {
                // While one answer waits, another is of no use.
                let _full = answer.try_send(peers::told(&peers).await);
            });
        }
        engine.dispatch();
        watchdog.progress();
        tokio::select! {
            biased;
            () = asked.stop.notified() => break,
            () = asked.reload.notified() => reload(&common.config, &mut engine).await,
            Some(result) = results.recv() => engine.came_back(result),
            Some(keys) = told.recv() => {
                engine.digest.handle(Input::PeerTells(&keys), Timestamp::now());
            }
            () = asked.look.notified() => {}
            () = sleep(engine.pause(&watchdog)) => {}
        }
    }
    tracing::info!("ending");
    stopping();
    engine.commit();
    Ok(())
}

/// Reads the configuration again. One with mistakes changes nothing.
async fn reload(path: &Path, engine: &mut Engine) {
    reloading();
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || load_config(&path)).await {
        Ok(loaded) => take_config(loaded, |config: Config| match Ways::new(config.alert) {
            Ok(ways) => {
                engine.digest.configure(ways.settings());
                engine.ways = Arc::new(ways);
            }
            Err(error) => tracing::error!("{error:#}; the former [alert] stays"),
        }),
        Err(error) => tracing::error!("can't read the configuration: {error}; the former one stays"),
    }
    ready();
}

/// What the loop works on.
struct Engine {
    store: Store,
    digest: Digest,
    outbox: Outbox,
    ways: Arc<Ways>,
    post: Post,
    /// Notices that wait, as they are on disk.
    notices: BTreeMap<u64, Arc<Notice>>,
    busy: BTreeSet<Destination>,
    ask_peers: bool,
    /// What is in memory and not on disk yet.
    dirty: bool,
    /// When the last failure to write was told.
    complained_at: Option<Timestamp>,
}

impl Engine {
    fn new(store: Store, former: Option<(Saved, Outbox)>, ways: Ways, post: Post) -> anyhow::Result<Self> {
        let (saved, mut outbox) = match former {
            Some(former) => former,
            None => (Saved::new(random_word()?), Outbox::default()),
        };
        let mut notices = BTreeMap::new();
        for file in outbox.files() {
            match store.get(file) {
                Ok(notice) => drop(notices.insert(file, Arc::new(notice))),
                Err(error) => tracing::error!("a notice is lost: {error}"),
            }
        }
        let lost = outbox.entries.len();
        outbox.entries.retain(|entry| notices.contains_key(&entry.file));
        outbox.given_up += u64::try_from(lost - outbox.entries.len()).unwrap_or_default();
        store.sweep(&outbox.files());
        let digest = Digest::new(ways.settings(), saved);
        Ok(Self {
            store,
            digest,
            outbox,
            ways: Arc::new(ways),
            post,
            notices,
            busy: BTreeSet::new(),
            ask_peers: false,
            dirty: true,
            complained_at: None,
        })
    }

    /// Looks at what the agent says, and takes note of what is to be told.
    fn look(&mut self, watcher: &Watcher) {
        let now = Timestamp::now();
        let digest = &mut self.digest;
        watcher.read(|watched| {
            let duty = watched.state.map(duty).unwrap_or_default();
            digest.handle(Input::Looked { state: watched.state, heard: watched.connected, duty }, now);
        });
        while let Some(action) = self.digest.poll_action() {
            match action {
                Action::AskPeers => self.ask_peers = true,
                Action::Tell(notice) => self.take(*notice, now),
            }
        }
        if let Some(alert) = &self.ways.alert {
            let ways = &self.ways;
            for entry in self.outbox.expire(span(alert.keep), |to| ways.knows(to), now) {
                tracing::error!("given up: incident {} was not told to {} in time", entry.incident, entry.to);
                self.dirty = true;
            }
        }
        self.commit();
    }

    fn take(&mut self, notice: Notice, now: Timestamp) {
        let to = self.ways.destinations(&notice.route);
        let file = self.outbox.add(&notice, &to, now);
        tracing::info!(
            "incident {} {}: {}",
            notice.incident,
            notice.kind.as_str(),
            crate::clean::line(&notice.title)
        );
        if let Err(error) = self.store.put(file, &notice) {
            tracing::error!("{error}; it is delivered from memory");
        }
        self.notices.insert(file, Arc::new(notice));
        self.dirty = true;
    }

    /// Puts on disk what changed. When that fails, people are told all the same: mail from a director whose disk is full is
    /// worth more than one that is surely not sent twice.
    fn commit(&mut self) {
        let (saved, changed) = self.digest.saved();
        if !changed && !self.dirty {
            return;
        }
        match self.store.commit(saved, &self.outbox) {
            Ok(()) => {
                self.dirty = false;
                self.complained_at = None;
                let needed = self.outbox.files();
                let before = self.notices.len();
                self.notices.retain(|file, _| needed.contains(file));
                if self.notices.len() != before {
                    self.store.sweep(&needed);
                }
            }
            Err(error) => {
                self.dirty = true;
                let now = Timestamp::now();
                if self
                    .complained_at
                    .is_none_or(|at| (now.as_second() - at.as_second()).abs() > REMIND_SECONDS)
                {
                    tracing::error!("{error}; after a restart something may be told twice");
                    self.complained_at = Some(now);
                }
            }
        }
    }

    /// Begins every delivery that may begin.
    fn dispatch(&mut self) {
        let now = Timestamp::now();
        loop {
            let mail = self.busy.iter().any(|to| matches!(to, Destination::Mail(_)));
            let full = self.busy.len() >= AT_ONCE;
            let busy = &self.busy;
            let held = |to: &Destination| match to {
                Destination::Mail(_) => mail,
                other => full || busy.contains(other),
            };
            let Some(entry) = self.outbox.next(held, now).cloned() else { return };
            let Some(notice) = self.notices.get(&entry.file) else {
                // It can't be: entries without a notice are dropped at the start.
                self.outbox.entries.retain(|other| other.number != entry.number);
                continue;
            };
            let mut notice = Notice::clone(notice);
            post::remark(&mut notice, entry.stands_for, now);
            self.busy.insert(entry.to.clone());
            self.post.begin(Job {
                number: entry.number,
                file: entry.file,
                to: entry.to,
                notice: Arc::new(notice),
                ways: Arc::clone(&self.ways),
            });
        }
    }

    fn came_back(&mut self, result: post::Result) {
        use agent_core::digest::outbox::Outcome;
        let post::Result { number, file, to, outcome } = result;
        match &outcome {
            Outcome::Delivered => tracing::info!("told {to}"),
            Outcome::Failed { why, .. } => tracing::warn!("can't tell {to} now, it is tried again: {why}"),
            Outcome::Refused { why } => tracing::error!("can't tell {to}, and never will: {why}"),
        }
        self.busy.remove(&to);
        let mut jitter = [0_u8];
        let _unlucky = rustix::rand::getrandom(&mut jitter, rustix::rand::GetRandomFlags::empty());
        self.outbox.handle(number, file, outcome, jitter[0], Timestamp::now());
        self.dirty = true;
        self.commit();
    }

    /// How long nothing is to be done.
    fn pause(&self, watchdog: &Watchdog) -> Duration {
        let now = Timestamp::now();
        let digest = self.digest.deadline(now).map(|(at, _)| at);
        let until = [digest, self.outbox.deadline(now)].into_iter().flatten().min();
        let left =
            until.map_or(LONGEST_SLEEP, |at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        // A moment too late is better than one too early and once more.
        let left = left.max(Duration::from_millis(20));
        left.min(LONGEST_SLEEP).min(watchdog.patience().unwrap_or(LONGEST_SLEEP))
    }
}

fn random_word() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 6];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context("no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
