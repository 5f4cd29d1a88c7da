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
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::app::{App, Settings};
use crate::gather::Gatherer;
use crate::server;

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
        .max_blocking_threads(1)
        .build()
        .context("can't start the main loop")?;
    let result = runtime.block_on(main_loop(start, &config, &asked));
    runtime.shutdown_background();
    result
}

async fn main_loop(start: &Start, config: &Config, asked: &Arc<Asked>) -> anyhow::Result<()> {
    let Status { listen, .. } = &config.status;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("can't listen on {listen}; see `ss -ltnp`, or write another listen in [status]")
    })?;
    let for_watcher = Arc::clone(asked);
    let watcher = Watcher::start(&start.common.socket, None, move || for_watcher.refresh.notify_one())
        .context("can't watch the agent")?;
    let mut gatherer = Gatherer::new(watcher, &start.state);
    let app = Arc::new(App::new(gatherer.first(), settings(config)));
    tokio::spawn(server::accept(listener, Arc::clone(&app)));
    let watchdog = Watchdog::from_environment();
    ready();
    tracing::info!("serving http://{listen}/");
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

fn settings(config: &Config) -> Settings {
    Settings { title: config.status.title.clone() }
}

/// Reads the configuration again. One with mistakes changes nothing.
async fn reload(path: &Path, listen: SocketAddr, app: &App) {
    reloading();
    let path = path.to_owned();
    let take = |config: Config| {
        if config.status.listen != listen {
            tracing::warn!(
                "the page stays on {listen}: restart statusd to serve it on {}",
                config.status.listen
            );
        }
        app.set_settings(settings(&config));
    };
    match tokio::task::spawn_blocking(move || load_config(&path)).await {
        Ok(loaded) => take_config(loaded, take),
        Err(error) => tracing::error!("can't read the configuration: {error}; the former one stays"),
    }
    ready();
}
