//! `agentd`: keeps the facts that the other daemons report and the orders that operators give.
//!
//! Owns the socket and the state file. It decides nothing about the network: what is reported is kept, what is ordered is
//! written down, and whoever may read is told. One thread serves all connections, another one writes the file.

#![forbid(unsafe_code)]

mod calls;
mod clock;
mod connection;
mod daemon;
mod hub;
mod listener;
mod output;
mod people;
mod places;
mod saver;
mod store;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;

use agent_daemon::{Common, DEFAULT_STATE};
use clap::Parser;

/// Keeps the facts that the other daemons report and the orders that operators give.
#[derive(Debug, Parser)]
#[command(name = "agentd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// The state file.
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
