//! The command line of `vipd`; what it does is in the library beside it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use agent_daemon::{Common, DEFAULT_STATE};
use clap::Parser;
use vipd::daemon;

/// Holds the virtual addresses of this machine while it is the one to hold them.
#[derive(Debug, Parser)]
#[command(name = "vipd", version, about, max_term_width = 100)]
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
    agent_daemon::run(|| {
        daemon::run(daemon::Start {
            config: args.common.config,
            socket: args.common.socket,
            state: args.state,
        })
    })
}
