//! The daemon's life: start, serve, reload, end.
//!
//! Owns the order of starting (configuration, socket, watcher, readiness) and the main loop with its watchdog.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use agent_api::config::{Config, Status};
use agent_daemon::{Signal, Signals, Start, Watchdog, load_config, ready, reloading, stopping, take_config};
use agent_link::Watcher;
use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{App, Settings};
use crate::gather::Gatherer;
use crate::peer::{Asking, INTERVAL};
use crate::protection::Protection;
use crate::server;

/// Threads for what may take its time: passwords, host names, the configuration.
const BLOCKING: usize = 2;

/// What a signal or the watcher asked for.
#[derive(Debug, Default)]
struct Asked {
    stop: Notify,
    reload: Notify,
    refresh: Notify,
}

/// Runs until a signal ends it.
pub fn run(start: &Start) -> anyhow::Result<()> {
    let config = load_config(&start.common.config)?;
    let asked = Arc::new(Asked::default());
    let for_signals = Arc::clone(&asked);
    let _signals = Signals::start(move |signal| match signal {
        Signal::Stop => for_signals.stop.notify_one(),
        Signal::Reload => for_signals.reload.notify_one(),
    })
    .context("can't catch signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING)
        .build()
        .context("can't start the main loop")?;
    let result = runtime.block_on(main_loop(start, &config, &asked));
    runtime.shutdown_background();
    result
}

async fn main_loop(start: &Start, config: &Config, asked: &Arc<Asked>) -> anyhow::Result<()> {
    let Status { listen, .. } = &config.status;
    let settings = settings(&config.status)?;
    let scheme = if settings.protection.tls.is_some() { "https" } else { "http" };
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("can't listen on {listen}; see `ss -ltnp`, or write another listen in [status]")
    })?;
    let for_watcher = Arc::clone(asked);
    let watcher = Watcher::start(&start.common.socket, None, move || for_watcher.refresh.notify_one())
        .context("can't watch the agent")?;
    let mut gatherer = Gatherer::new(watcher, &start.state);
    let app = Arc::new(App::new(gatherer.first(), settings));
    tokio::spawn(server::accept(listener, Arc::clone(&app)));
    tokio::spawn(follow_peer(Arc::clone(&app), Arc::clone(asked)));
    let watchdog = Watchdog::from_environment();
    ready();
    tracing::info!("serving {scheme}://{listen}/");
    loop {
        tokio::select! {
            biased;
            () = asked.stop.notified() => break,
            () = asked.reload.notified() => reload(&start.common.config, *listen, &app).await,
            () = sleep_until(Instant::from_std(gatherer.due())) => gatherer.refresh(&app),
            () = asked.refresh.notified() => gatherer.note_change(),
        }
        watchdog.progress();
    }
    tracing::info!("ending");
    stopping();
    Ok(())
}

/// What the configuration says, with the files that it names.
fn settings(status: &Status) -> anyhow::Result<Settings> {
    let peer = status.peer.as_ref().map(Asking::load).transpose().context("[status.peer]")?;
    Ok(Settings {
        title: status.title.clone(),
        protection: Protection::load(status).context("[status]")?,
        peer: peer.map(Arc::new),
    })
}

/// Asks the other director for ever, when there is one.
async fn follow_peer(app: Arc<App>, asked: Arc<Asked>) {
    loop {
        if let Some(peer) = app.settings().peer.clone() {
            let answer = peer.ask().await;
            let known = app.peer().filter(|known| known.is_of(&peer));
            let mut facts = known.map_or_else(|| peer.unheard(), |known| known.as_ref().clone());
            if facts.take(answer, Timestamp::now()) {
                asked.refresh.notify_one();
            }
            app.set_peer(Some(facts));
        } else if app.peer().is_some() {
            app.set_peer(None);
            asked.refresh.notify_one();
        }
        sleep(INTERVAL).await;
    }
}

/// Reads the configuration again. One with mistakes changes nothing.
async fn reload(path: &Path, listen: SocketAddr, app: &App) {
    reloading();
    let path = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || {
        load_config(&path).map(|config| {
            let settings = settings(&config.status);
            (config.status.listen, settings)
        })
    });
    match loaded.await {
        Ok(Ok((_, Err(error)))) => tracing::error!("{error:#}; the former configuration stays"),
        Ok(loaded) => take_config(loaded, |(wanted, settings)| {
            let Ok(mut settings) = settings else { return };
            if wanted != listen {
                tracing::warn!("the page stays on {listen}: restart statusd to serve it on {wanted}");
                // What is enough for the other address may not be for this one.
                settings.protection = app.settings().protection.clone();
            }
            app.set_settings(settings);
        }),
        Err(error) => tracing::error!("can't read the configuration: {error}; the former one stays"),
    }
    ready();
}
