//! The command line: every command, option and its help.
//!
//! Owns the definition alone, so that help, man pages and completions say the same. It never acts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_api::config::parse_duration;
use agent_api::{DrainTarget, Name, RealServerId};
use agent_core::view::Selection;
use agent_daemon::{DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STATE};
use clap::{Parser, Subcommand};

mod alerts;

pub use alerts::{Alert, AlertVerb, Silence, SilenceAdd, SilenceTargetArgs, SilenceVerb};

/// A drain that lasts longer than this is better given without an end.
const LONGEST_DRAIN: Duration = Duration::from_secs(366 * 86_400);

/// Shows and orders what Holdfast does on this director.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 all well, 1 something is wrong or could not be done, 2 wrong command line or configuration."
)]
pub struct Args {
    /// The agent's socket [default: /run/holdfast/agent.sock]
    #[arg(long, global = true, value_name = "PATH", env = "HOLDFAST_SOCKET", hide_env_values = true)]
    pub socket: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// The agent's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| Path::new(DEFAULT_SOCKET).to_owned())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show virtual servers and routers, real servers, the kernel's table and the daemons
    Status(Status),
    /// Say why a real server is in or out, or who has a virtual router's addresses, and what would change it
    Explain(Explain),
    /// Show who was up, who was Active, and what clients lost, as text or as a picture
    Timeline(TimelineArgs),
    /// Check a configuration without touching anything
    CheckConfig(CheckConfig),
    /// Show what the next pass would change in the kernel's table, in ipvsadm's words
    Diff(Diff),
    /// Make a configuration of what ipvsadm or keepalived has
    Import(Import),
    /// Print the configuration in another program's language
    Export(Export),
    /// Start, stop or restart the virtual servers: only ours, and with the question first
    Lvs(Lvs),
    /// Send a real server no new work
    Drain(Drain),
    /// End a drain
    Undrain(Undrain),
    /// Have a virtual router's addresses on this machine
    Takeover(Handover),
    /// Have a virtual router's addresses on another machine
    Yield(Handover),
    /// Keep alerts from being told: add, list, remove
    Silence(Silence),
    /// Try whether alerts arrive
    Alert(Alert),
    /// Run the daemons in the foreground, for containers and trials
    Run(Run),
    /// What `run` starts first for each daemon
    #[command(hide = true)]
    BecomeDaemon(BecomeDaemon),
}

/// `holdfast status`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all well; 1 something is wrong, or the agent does not answer, or NAME is not known; \
    2 wrong command line."
)]
pub struct Status {
    /// Only this: a virtual server, a real server, or VIRTUAL_SERVER/REAL_SERVER
    #[arg(value_name = "NAME")]
    pub name: Option<Selection>,
    /// Print JSON (one document; with --watch one a line)
    #[arg(long)]
    pub json: bool,
    /// Show it again at every change, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// The state file to read when the agent does not answer
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// `holdfast explain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 it is up and in the kernel's table; 1 it is not, or it is not known; 2 wrong command line."
)]
pub struct Explain {
    /// The real server: dns1 (in every virtual server that has it) or resolver/dns1; or a virtual router
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// Only in this virtual server
    #[arg(long, value_name = "NAME")]
    pub virtual_server: Option<Name>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The state file to read when the agent does not answer
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// `holdfast timeline`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The agent keeps the latest 1,000 events; where they begin later than asked for, that is said.\n\
    Exit codes: 0 shown; 1 nothing to show, or it could not be written; 2 wrong command line."
)]
pub struct TimelineArgs {
    /// Only this: a virtual router, a virtual server, a real server, or VIRTUAL_SERVER/REAL_SERVER
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How far back, as in 30m, 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = timeline_length)]
    pub since: Duration,
    /// Write a picture (SVG) to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The state file to read when the agent does not answer
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// `holdfast check-config`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no mistake; 2 mistakes, or the file can't be read.")]
pub struct CheckConfig {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `holdfast import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The configuration goes to standard output; what could not be carried over, or means something else now, to standard \
    error with its line. It changes nothing.\n\n\
    Exit codes: 0 everything was carried over; 1 something was not; 2 wrong command line, or there is nothing in the file."
)]
pub struct Import {
    /// Where from
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// A table as `ipvsadm -Sn` prints it
    Ipvsadm {
        /// The file; - is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// A configuration of keepalived
    Keepalived {
        /// The file
        #[arg(value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
        file: PathBuf,
    },
}

/// `holdfast export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done; 1 it could not be read; 2 wrong command line.")]
pub struct Export {
    /// What for
    #[command(subcommand)]
    pub to: ExportTo,
}

/// What can be exported to.
#[derive(Debug, Subcommand)]
pub enum ExportTo {
    /// The table with every real server in it, as lines for `ipvsadm -R`
    Ipvsadm {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
}

/// `holdfast lvs`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Where systemd runs lvsd, start and restart are systemctl's; a restart changes nothing in the table. Elsewhere the \
    table is made once. Services of others are never touched.\n\n\
    Exit codes: 0 done; 1 it could not be done; 2 wrong command line, or the answer was no."
)]
pub struct Lvs {
    /// What to do
    #[command(subcommand)]
    pub verb: LvsVerb,
    /// The configuration
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The state file to read when the agent does not answer
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// What `holdfast lvs` does.
#[derive(Debug, Subcommand)]
pub enum LvsVerb {
    /// Start lvsd, which makes the table
    Start,
    /// Stop lvsd and remove our services from the kernel's table
    Stop {
        /// Don't ask
        #[arg(long)]
        yes: bool,
        /// Give our real servers weight 0 instead: what is there goes on
        #[arg(long)]
        drain: bool,
    },
    /// Restart lvsd; the table stays as it is
    Restart,
}

/// `holdfast diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Changes nothing. Needs root, as `ipvsadm` does.\n\
    Exit codes: 0 nothing differs; 1 something differs, or it can't be compared; 2 wrong command line or configuration.")]
pub struct Diff {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The state file to read when the agent does not answer
    #[arg(long, value_name = "FILE", default_value = DEFAULT_STATE)]
    pub state: PathBuf,
}

/// `holdfast drain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The real server keeps the connections it has and gets no new ones. The order outlives restarts and \
    reboots.\nExit codes: 0 in force; 1 not in force; 2 wrong command line."
)]
pub struct Drain {
    /// The real server: dns1 (in every virtual server that has it) or resolver/dns1
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// Why, for whoever looks at it next
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub why: String,
    /// End it by itself after this time, as in 30m, 2h, 1d 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = drain_length)]
    pub lasting: Option<Duration>,
    /// Only in this virtual server
    #[arg(long, value_name = "NAME")]
    pub virtual_server: Option<Name>,
    /// Do it even where no server would be left to serve
    #[arg(long)]
    pub force: bool,
}

/// `holdfast undrain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 ended; 1 not ended, or nothing to end; 2 wrong command line.")]
pub struct Undrain {
    /// What the drain was given for: dns1 or resolver/dns1
    #[arg(value_name = "TARGET")]
    pub target: Target,
    /// Only in this virtual server
    #[arg(long, value_name = "NAME")]
    pub virtual_server: Option<Name>,
}

/// `holdfast takeover` and `holdfast yield`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The machines change places by the protocol, without a gap: the new one announces itself first. The order \
    outlives restarts and reboots.\nExit codes: 0 in force, or ended; 1 not; 2 wrong command line."
)]
pub struct Handover {
    /// The virtual router
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// Why, for whoever looks at it next
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub why: String,
    /// End it by itself after this time, as in 30m, 2h, 1d 12h
    #[arg(long = "for", value_name = "DURATION", value_parser = drain_length)]
    pub lasting: Option<Duration>,
    /// End the order there is: it goes by its priority again
    #[arg(long)]
    pub end: bool,
}

/// `holdfast run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "SIGHUP reloads, SIGTERM and SIGINT end it. The kernel's table is left as it is.\n\
    Exit codes: 0 ended by a signal; 1 could not start; 2 wrong command line or configuration.")]
pub struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// Where the socket goes, and the state file too unless --state says otherwise; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// The state file [default: /var/lib/holdfast/state.json, or state.json in --runtime-dir]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

/// `holdfast become-daemon`, which only [`Run`] calls.
#[derive(Debug, clap::Args)]
pub struct BecomeDaemon {
    /// The process id of the caller
    #[arg(long)]
    pub parent: i32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// A real server as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(DrainTarget);

impl std::str::FromStr for Target {
    type Err = agent_api::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            let id: RealServerId = text.parse()?;
            return Ok(Self(DrainTarget {
                virtual_server: Some(id.virtual_server),
                real_server: id.real_server,
            }));
        }
        Ok(Self(DrainTarget { virtual_server: None, real_server: text.parse()? }))
    }
}

impl Target {
    /// The target, narrowed to `virtual_server` where that is given.
    ///
    /// # Errors
    /// Both name a virtual server, and not the same one.
    pub fn narrowed(&self, virtual_server: Option<&Name>) -> Result<DrainTarget, String> {
        let mut target = self.0.clone();
        match (&target.virtual_server, virtual_server) {
            (Some(named), Some(also)) if named != also => {
                return Err(format!(
                    "{target} and --virtual-server {also} contradict each other; give one of them"
                ));
            }
            (None, Some(name)) => target.virtual_server = Some(name.clone()),
            _ => {}
        }
        Ok(target)
    }
}

fn drain_length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|error| error.to_string())?;
    if length < Duration::from_secs(1) {
        return Err("an order lasts at least one second".to_owned());
    }
    if length > LONGEST_DRAIN {
        return Err(
            "an order ends within 366 days; leave --for out for one that stays until you end it".to_owned()
        );
    }
    Ok(length)
}

fn timeline_length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|error| error.to_string())?;
    if length < Duration::from_secs(60) || length > LONGEST_DRAIN {
        return Err("a timeline is one minute to 366 days long".to_owned());
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
