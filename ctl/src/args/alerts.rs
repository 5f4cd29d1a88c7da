//! The command line of `holdfast silence` and `holdfast alert`.
//!
//! Owns the definition alone, as the module above does.

use std::time::Duration;

use agent_api::{Name, Severity, SilenceTarget};
use clap::{Args, Subcommand};

use super::drain_length;

/// `holdfast silence`.
#[derive(Debug, Args)]
#[command(
    after_help = "A silence keeps troubles from being told; it changes nothing in the network. It ends by itself, outlives restarts, and is \
    shown by holdfast status, on the page and in every mail meanwhile.\n\
    Exit codes: 0 done; 1 not done, or nothing to remove; 2 wrong command line."
)]
pub struct Silence {
    /// What to do
    #[command(subcommand)]
    pub verb: SilenceVerb,
}

/// What `holdfast silence` does.
#[derive(Debug, Subcommand)]
pub enum SilenceVerb {
    /// Tell nobody of these troubles for a time
    Add(SilenceAdd),
    /// Show the silences in force
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell of them again
    Remove(SilenceTargetArgs),
}

/// `holdfast silence add`.
#[derive(Debug, Args)]
pub struct SilenceAdd {
    /// What it is about
    #[command(flatten)]
    pub target: SilenceTargetArgs,
    /// Only troubles no graver than this: info, warning or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// How long, as in 30m, 2h, 1d 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = drain_length)]
    pub lasting: Duration,
    /// Why, for whoever looks at it next
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub why: String,
}

/// What a silence is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct SilenceTargetArgs {
    /// Troubles of this virtual server, and of its real servers
    #[arg(long, value_name = "NAME")]
    pub virtual_server: Option<Name>,
    /// Troubles of this real server, in every virtual server or in the one named
    #[arg(long, value_name = "NAME")]
    pub server: Option<Name>,
    /// Troubles of this virtual router
    #[arg(long, value_name = "NAME", conflicts_with_all = ["virtual_server", "server"])]
    pub virtual_router: Option<Name>,
    /// All troubles
    #[arg(long, conflicts_with_all = ["virtual_server", "server", "virtual_router"])]
    pub everything: bool,
}

impl SilenceTargetArgs {
    /// The target.
    #[must_use]
    pub fn target(&self) -> SilenceTarget {
        SilenceTarget {
            virtual_server: self.virtual_server.clone(),
            real_server: self.server.clone(),
            virtual_router: self.virtual_router.clone(),
        }
    }
}

/// `holdfast alert`.
#[derive(Debug, Args)]
pub struct Alert {
    /// What to do
    #[command(subcommand)]
    pub verb: AlertVerb,
}

/// What `holdfast alert` does.
#[derive(Debug, Subcommand)]
pub enum AlertVerb {
    /// Send a test through every channel of every route, and show what each answered
    #[command(
        after_help = "Exit codes: 0 every channel took it; 1 one did not, or did not answer in time; 2 wrong command line."
    )]
    Test {
        /// How long to wait for answers
        #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = drain_length)]
        wait: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn severity(text: &str) -> Result<Severity, String> {
    let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
    known.ok_or_else(|| "it is info, warning or critical".to_owned())
}
