//! The daemon around the engine.
//!
//! Owns the order of starting and ending: signals are blocked before the first thread, memory is locked before the
//! engine's sockets are busy, and whatever ends the engine, its virtual routers say that they leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use agent_api::config::Failover;
use agent_daemon::{Watchdog, load_config};
use anyhow::{Context as _, bail};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::clerk::{self, Office};
use crate::engine::{Command, Controls, Engine};
use crate::plan::Plan;
use crate::realtime;
use crate::tale::{Tale, Teller};

/// Where everything is.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub config: PathBuf,
    /// The agent's socket.
    pub socket: PathBuf,
    /// The agent's state file.
    pub state: PathBuf,
}

/// Runs until it is told to stop.
///
/// # Errors
/// The configuration is wrong, or the process can't be set up, or it met something it cannot go on with.
pub fn run(start: Start) -> anyhow::Result<()> {
    let asked = load(&start.config)?;
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Inherited by every thread, so that only the engine hears them.
    signals.thread_block().context("can't block signals")?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&signals, flags).context("can't listen for signals")?;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let bell = Arc::new(EventFd::from_flags(flags).context("can't make an event descriptor")?);
    let (commands, inbox) = channel();
    let (teller, tales) = Teller::new();
    let line = Line { commands, bell: Arc::clone(&bell) };
    let mut desk = Desk { watchdog: Watchdog::from_environment(), config: start.config, line };
    let clerk = std::thread::Builder::new()
        .name("clerk".to_owned())
        .spawn(move || clerk::work(&tales, &mut desk))
        .context("can't start a thread")?;
    // systemd's `RuntimeDirectory=`; it may name several.
    let directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let controls = Controls { signals, inbox, bell };
    let mut engine = Engine::start(asked.plan, directory.as_deref(), controls, teller)?;
    let grants = realtime::ask(asked.failover.realtime_priority, asked.failover.lock_memory);
    for refusal in &grants.refusals {
        tracing::warn!("{refusal}");
    }
    agent_daemon::ready();
    // A panic must not keep the routers from saying that they leave; what it leaves behind is used for that only.
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.run()));
    if !matches!(outcome, Ok(Ok(()))) {
        let _ = catch_unwind(AssertUnwindSafe(|| engine.farewell()));
    }
    agent_daemon::stopping();
    drop(engine);
    let _ = clerk.join();
    match outcome {
        Ok(result) => Ok(result?),
        Err(_) => bail!("the engine failed; its virtual routers have left"),
    }
}

/// What a configuration file asks of this daemon.
struct Asked {
    plan: Plan,
    failover: Failover,
}

fn load(path: &std::path::Path) -> anyhow::Result<Asked> {
    let config = load_config(path)?;
    let plan = Plan::of(&config)?;
    Ok(Asked { plan, failover: config.failover })
}

/// The way into the engine.
struct Line {
    commands: Sender<Command>,
    bell: Arc<EventFd>,
}

impl Line {
    fn say(&self, command: Command) {
        // Both fail only when the engine has ended.
        if self.commands.send(command).is_ok() {
            let _ = self.bell.write(1);
        }
    }
}

struct Desk {
    watchdog: Watchdog,
    config: PathBuf,
    line: Line,
}

impl Desk {
    fn reload(&self) {
        agent_daemon::reloading();
        match load(&self.config) {
            Ok(asked) => {
                self.line.say(Command::Reconfigure(Box::new(asked.plan)));
                tracing::info!("reloaded the configuration");
            }
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
        agent_daemon::ready();
    }
}

impl Office for Desk {
    fn told(&mut self, tale: &Tale) {
        self.watchdog.progress();
        if matches!(tale, Tale::ReloadWanted) {
            self.reload();
        }
    }
}
