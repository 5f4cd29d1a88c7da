//! The flags that all daemons have.
//!
//! Owns their names and defaults. It reads no file.

use std::path::PathBuf;

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/holdfast/holdfast.toml";
/// Where the agent's socket is unless `--socket` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/holdfast/agent.sock";
/// Where the state file is unless `--state` says otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/holdfast/state.json";

/// Flags of every daemon, for `#[command(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Common {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The agent's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// How much is logged.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t)]
    pub log_level: LogLevel,
}

/// Flags of a daemon that reads or writes the agent's state file as well.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Start {
    /// What every daemon has.
    #[command(flatten)]
    pub common: Common,
    /// The agent's state file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// How much is logged: messages of this level and graver ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, clap::ValueEnum)]
pub enum LogLevel {
    /// What the daemon can't do.
    Error,
    /// What needs a look.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// What was decided, and why.
    Debug,
    /// Every step.
    Trace,
}
