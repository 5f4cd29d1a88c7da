//! The `holdfast` command as a library, so that its definition can be read by what makes man pages and completions.
//!
//! Owns the operator's commands ([`args`]) and what each does ([`execute`]). It decides nothing about the network:
//! it shows what the agent knows, and passes orders on. What comes from elsewhere is made harmless before it
//! reaches a terminal ([`text`]).

#![forbid(unsafe_code)]

mod agent;
mod alert;
pub mod args;
mod check_config;
mod diff;
mod drain;
mod explain;
mod export;
mod handover;
pub mod import;
mod lvs;
mod output;
mod run;
mod silence;
mod status;
pub mod text;
mod timeline;

use args::{Args, Command};

/// How the command ended: the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0: done, and all is well.
    Well,
    /// 1: something is wrong, or it could not be done.
    Wrong,
    /// 2: the command line or the configuration is wrong; nothing was done.
    Misused,
}

impl Outcome {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Wrong => 1,
            Self::Misused => 2,
        }
    }
}

/// Does what `args` ask for.
///
/// # Errors
/// It could not be done; the text says why and what to do. The exit code is then 1.
pub fn execute(args: Args) -> anyhow::Result<Outcome> {
    let socket = args.socket();
    match args.command {
        Command::Status(status) => status::execute(&socket, &status),
        Command::Explain(explain) => explain::execute(&socket, &explain),
        Command::Lvs(args) => lvs::execute(&socket, &args),
        Command::Export(args) => export::execute(&args),
        Command::Import(args) => import::execute(&args),
        Command::Timeline(timeline) => timeline::execute(&socket, &timeline),
        Command::Diff(args) => diff::execute(&socket, &args),
        Command::CheckConfig(check) => check_config::execute(&check),
        Command::Drain(drain) => drain::drain(&socket, &drain),
        Command::Undrain(undrain) => drain::undrain(&socket, &undrain),
        Command::Takeover(order) => handover::execute(&socket, agent_api::HandoverKind::Takeover, &order),
        Command::Yield(order) => handover::execute(&socket, agent_api::HandoverKind::Yield, &order),
        Command::Silence(args) => silence::execute(&socket, &args.verb),
        Command::Alert(args) => alert::execute(&socket, &args.verb),
        Command::Run(run) => run::execute(args.socket.as_deref(), &run),
        Command::BecomeDaemon(daemon) => Err(run::become_daemon(&daemon)),
    }
}
