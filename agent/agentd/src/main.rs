//! `agentd`: keeps the facts that the other daemons report and the orders that operators give.
//!
//! Owns the socket and the state file. It decides nothing about the network: what is reported is kept, what is ordered is
//! written down, and whoever may read is told. One thread serves all connections, another one writes the file.

#![forbid(unsafe_code)]

mod calls;
mod clock;
mod connection;
mod daemon;
mod document;
mod hub;
mod listener;
mod output;
mod people;
mod places;
mod saver;
mod store;
mod stream;

use std::process::ExitCode;

use agent_daemon::Start;
use clap::Parser;

/// Keeps the facts that the other daemons report and the orders that operators give.
#[derive(Debug, Parser)]
#[command(name = "agentd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    start: Start,
}

fn main() -> ExitCode {
    agent_daemon::main(|args: &Args| args.start.common.log_level, |args| daemon::run(&args.start))
}
