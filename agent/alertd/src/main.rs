//! `alertd`: tells staff of trouble, by mail, web hook or command.
//!
//! Owns the spool directory and the secrets of the mail server. It watches the agent, holds what it says against what was told
//! already, and delivers what is to be told. It reads no socket of anybody else, obeys nobody, and changes no network.

#![forbid(unsafe_code)]

mod clean;
mod daemon;
mod engine;
mod letter;
mod peer;
mod post;
mod program;
mod report;
mod secret;
mod smtp;
mod store;
mod trust;
mod ways;
mod web;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use agent_daemon::Common;
use clap::Parser;

/// Tells staff of trouble, by mail, web hook or command.
#[derive(Debug, Parser)]
#[command(name = "alertd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// The directory that keeps what is still to be told.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/holdfast-alert")]
    spool: PathBuf,
}

fn main() -> ExitCode {
    agent_daemon::main(|args: &Args| args.common.log_level, |args| daemon::run(&args.common, &args.spool))
}
