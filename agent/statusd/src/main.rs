//! `statusd`: shows what the agent knows: a page, JSON and metrics.
//!
//! Owns one HTTP socket, a short history of latencies in memory, and the question to the other director. It reads the agent and
//! changes nothing: no order goes out from here, and no request makes it write, connect or start anything.

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
mod peer;
mod protection;
mod reply;
mod routes;
mod server;
mod stream;
mod summary;

use std::process::ExitCode;

use agent_daemon::Start;
use clap::Parser;

/// Shows what the agent knows: a page, JSON and metrics. Read-only.
#[derive(Debug, Parser)]
#[command(name = "statusd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    start: Start,
}

fn main() -> ExitCode {
    agent_daemon::main(|args: &Args| args.start.common.log_level, |args| daemon::run(&args.start))
}
