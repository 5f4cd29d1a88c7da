//! `statusd`: shows what the agent knows: a page, JSON and metrics.
//!
//! Owns one HTTP socket on a loopback address and a short history of latencies in memory. It reads the agent and changes
//! nothing: no order goes out from here, and no request makes it write, connect or start anything.

#![forbid(unsafe_code)]

mod api;
mod app;
mod assets;
mod connection;
mod daemon;
mod gather;
mod history;
mod html;
mod metrics;
mod page;
mod patience;
mod reply;
mod routes;
mod server;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;

use agent_daemon::{Common, DEFAULT_STATE};
use clap::Parser;

/// Shows what the agent knows: a page, JSON and metrics. Read-only.
#[derive(Debug, Parser)]
#[command(name = "statusd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// The agent's state file, read while the agent has not answered yet.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    state: PathBuf,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    agent_daemon::init_logging(args.common.log_level);
    let start = daemon::Start { config: args.common.config, socket: args.common.socket, state: args.state };
    agent_daemon::run(|| daemon::run(&start))
}
