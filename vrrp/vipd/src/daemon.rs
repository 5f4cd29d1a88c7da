//! The daemon around the engine.
//!
//! Owns the order of starting and ending: signals are blocked before the first thread, memory is locked before the
//! engine's sockets are busy, and whatever ends the engine, its virtual routers say that they leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use anyhow::{Context as _, bail};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::clerk;
use crate::clerk::desk::{self, Desk, Line};
use crate::engine::{Controls, Engine};
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
    let asked = desk::load(&start.config)?;
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        signals.add(signal);
    }
    // What a panic leaves is tested from outside; a release knows no such signal.
    if cfg!(debug_assertions) {
        signals.add(Signal::SIGUSR2);
    }
    // Inherited by every thread, so that only the engine hears them.
    signals.thread_block().context("can't block signals")?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&signals, flags).context("can't listen for signals")?;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let bell = Arc::new(EventFd::from_flags(flags).context("can't make an event descriptor")?);
    let (commands, inbox) = channel();
    let routers = asked.plan.groups.iter().map(|group| group.members.len()).sum();
    let (teller, tales) = Teller::new(routers);
    let line = Line { commands, bell: Arc::clone(&bell) };
    let mut desk = Desk::open(start.config, &start.socket, &asked, line, teller.clone())?;
    let clerk = std::thread::Builder::new()
        .name("clerk".to_owned())
        .spawn(move || clerk::work(&tales, &mut desk))
        .context("can't start a thread")?;
    // systemd's `RuntimeDirectory=`; it may name several.
    let directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let end = teller.clone();
    let controls = Controls { signals, inbox, bell };
    let mut engine = Engine::start(asked.plan, directory.as_deref(), controls, teller)?;
    let grants = realtime::ask(asked.failover.realtime_priority, asked.failover.lock_memory);
    engine.start_renewing(grants.priority).context("can't start a thread")?;
    end.tell(Tale::Granted(grants));
    agent_daemon::ready();
    // A panic must not keep the routers from saying that they leave; what it leaves behind is used for that only.
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.run()));
    if !matches!(outcome, Ok(Ok(()))) {
        let _ = catch_unwind(AssertUnwindSafe(|| engine.farewell()));
    }
    agent_daemon::stopping();
    drop(engine);
    end.tell(Tale::End);
    let _ = clerk.join();
    match outcome {
        Ok(result) => Ok(result?),
        Err(_) => bail!("the engine failed; its virtual routers have left"),
    }
}
