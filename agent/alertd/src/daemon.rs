//! The daemon's life: start, look, tell, reload, end.
//!
//! Owns the order of starting (configuration, spool, watcher, readiness), the main loop with its watchdog, and that what was
//! handled is on disk before anybody is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_api::config::Config;
use agent_api::wire::Part;
use agent_core::digest::outbox::Outbox;
use agent_core::digest::{Input, Saved};
use agent_daemon::{
    Common, Signal, Signals, UsageError, Watchdog, load_config, ready, reloading, stopping, take_config,
};
use agent_link::{Alertd, Reporter, Watcher};
use anyhow::Context;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::engine::Engine;
use crate::peer;
use crate::post::Post;
use crate::store::Store;
use crate::ways::Ways;

/// How long the agent may take, at the end, to hear the last of it.
const FAREWELL: Duration = Duration::from_millis(500);
/// What is watched: all but what alertd says itself.
const PARTS: [Part; 6] = [Part::Orders, Part::Checkd, Part::Lvsd, Part::Vipd, Part::Storage, Part::Events];

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
    let ways = Ways::new(config).map_err(|error| UsageError(format!("{error:#}")))?;
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
    let watcher = Watcher::start(&common.socket, Some(PARTS.to_vec()), move || for_watcher.look.notify_one())
        .context("can't watch the agent")?;
    let (post, mut results) = Post::start();
    let (told_tx, mut told) = mpsc::channel(1);
    let mut engine = Engine::new(store, former, ways, post)?;
    let (head, channels) = engine.section();
    let reporter = Reporter::start(&common.socket, engine.identity(), head, channels)
        .context("can't report to the agent")?;
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
        if std::mem::take(&mut engine.ask_peer) {
            let (ways, answer) = (Arc::clone(&engine.ways), told_tx.clone());
            tokio::spawn(async move {
                // While one answer waits, another is of no use.
                let _full = answer.try_send(peer::told(&ways).await);
            });
        }
        engine.dispatch();
        engine.report(&reporter);
        watchdog.progress();
        tokio::select! {
            biased;
            () = asked.stop.notified() => break,
            () = asked.reload.notified() => reload(&common.config, &mut engine, &reporter).await,
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
    engine.report(&reporter);
    let _heard = reporter.flush(FAREWELL);
    Ok(())
}

/// Reads the configuration again. One with mistakes changes nothing.
async fn reload(path: &Path, engine: &mut Engine, reporter: &Reporter<Alertd>) {
    reloading();
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || load_config(&path)).await {
        Ok(loaded) => take_config(loaded, |config: Config| match Ways::new(config) {
            Ok(ways) => {
                engine.configure(ways);
                reporter.set_identity(engine.identity());
            }
            Err(error) => tracing::error!("{error:#}; the former [alert] stays"),
        }),
        Err(error) => tracing::error!("can't read the configuration: {error}; the former one stays"),
    }
    ready();
}
