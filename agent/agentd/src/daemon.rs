//! The daemon's life: start, serve, reload, end.
//!
//! Owns the order of starting (configuration, state, socket, readiness), the main loop and its watchdog. What is served is
//! elsewhere.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use agent_core::ledger::Ledger;
use agent_daemon::{
    Signal, Signals, Start, Watchdog, boot_id, load_config, ready, reloading, stopping, take_config,
};
use anyhow::Context;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, sleep_until, timeout};

use crate::clock::Clock;
use crate::connection::{self, Limits};
use crate::hub::Hub;
use crate::listener;
use crate::people::People;
use crate::saver::Saver;
use crate::store::Store;

/// The main loop turns at least this often.
const TURN: Duration = Duration::from_secs(1);
/// How long to wait when the system has no descriptor for a new connection.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What a signal asked for.
#[derive(Debug, Default)]
struct Asked {
    stop: Notify,
    reload: Notify,
}

/// Runs until a signal ends it.
pub fn run(start: &Start) -> anyhow::Result<()> {
    let config = load_config(&start.common.config)?;
    let clock = Clock::start();
    let boot_id = boot_id().context("can't tell this boot from another")?;
    let people = People::look_up();
    let mut store = Store::open(&start.state)?;
    let (socket, file) = listener::listen(&start.common.socket)?;
    let now = clock.now();
    let ledger = match store.load(now.wall) {
        Some(state) => Ledger::restore(state, boot_id, now),
        None => Ledger::new(boot_id, now),
    };
    let result = Saver::start(store, start.state.clone())
        .context("can't start a thread")
        .and_then(|saver| serve(start, socket, Hub::new(ledger, config, people, clock, saver)));
    file.remove();
    result
}

fn serve(start: &Start, socket: std::os::unix::net::UnixListener, hub: Hub) -> anyhow::Result<()> {
    let asked = Arc::new(Asked::default());
    let for_signals = Arc::clone(&asked);
    let _signals = Signals::start(move |signal| match signal {
        Signal::Stop => for_signals.stop.notify_one(),
        Signal::Reload => for_signals.reload.notify_one(),
    })
    .context("can't catch signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("can't start the main loop")?;
    let result = runtime.block_on(LocalSet::new().run_until(main_loop(start, socket, Rc::new(hub), &asked)));
    // Somebody's name may still be looked up, for as long as the system likes.
    runtime.shutdown_background();
    result
}

async fn main_loop(
    start: &Start,
    socket: std::os::unix::net::UnixListener,
    hub: Rc<Hub>,
    asked: &Asked,
) -> anyhow::Result<()> {
    let socket = UnixListener::from_std(socket).context("can't serve the socket")?;
    let mut accepting = spawn_local(accept(socket, Rc::clone(&hub)));
    let saving = Rc::clone(&hub);
    let mut saving = spawn_local(async move { saving.keep_saving().await });
    // The file may not be writable: better known now than with the first order.
    hub.want_save();
    let watchdog = Watchdog::from_environment();
    let turn = watchdog.patience().map_or(TURN, |patience| TURN.min(patience));
    ready();
    tracing::info!(socket = %start.common.socket.display(), state = %start.state.display(), "serving");
    loop {
        tokio::select! {
            biased;
            () = asked.stop.notified() => break,
            () = asked.reload.notified() => reload(&start.common.config, &hub).await,
            // Neither ends by itself. An agent that is deaf or forgetful is better started anew.
            _ = &mut accepting => anyhow::bail!("the task that accepts connections has ended"),
            _ = &mut saving => anyhow::bail!("the task that writes the state file has ended"),
            () = sleep_until(hub.next_deadline(turn)) => hub.pass_deadlines(),
        }
        watchdog.progress();
    }
    tracing::info!("ending");
    stopping();
    if timeout(LAST_WRITE, hub.save()).await.is_err() {
        tracing::warn!("the state file could not be written within {} s", LAST_WRITE.as_secs());
    }
    Ok(())
}

/// Accepts connections for ever.
async fn accept(socket: UnixListener, hub: Rc<Hub>) {
    let limits = Rc::new(Limits::new());
    let mut told = false;
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                told = false;
                spawn_local(connection::serve(Rc::clone(&hub), Rc::clone(&limits), stream));
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!("can't accept a connection, trying on: {error}");
                }
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
}

/// Reads the configuration again. One with mistakes changes nothing.
async fn reload(path: &Path, hub: &Hub) {
    reloading();
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || load_config(&path)).await {
        Ok(loaded) => take_config(loaded, |config| hub.set_config(config)),
        Err(error) => tracing::error!("can't read the configuration: {error}; the former one stays"),
    }
    ready();
}
