//! `checkd`: says of every real server whether it works.
//!
//! Owns the verdicts. It probes each real server on its schedule, applies rise and fall, and reports what changed to the
//! agent. It decides nothing about the network: what becomes of a verdict is `lvsd`'s. It needs no privilege, and comes back
//! into the state it left.

#![forbid(unsafe_code)]

mod checked;
mod daemon;
mod history;
mod pool;
mod runner;
mod sentinels;
mod server;
mod work;

use std::process::ExitCode;

use agent_daemon::{Common, DEFAULT_STATE};
use clap::Parser;

/// Probes the real servers of the configuration and reports a verdict on each to the agent.
#[derive(Debug, Parser)]
#[command(name = "checkd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// The agent's state file, read at the start when the agent does not answer.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    state: std::path::PathBuf,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    agent_daemon::init_logging(args.common.log_level);
    agent_daemon::run(|| daemon::run(&args.common.config, &args.common.socket, &args.state))
}
