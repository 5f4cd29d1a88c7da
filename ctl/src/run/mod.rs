//! `holdfast run`: the daemons as children in the foreground.
//!
//! Owns starting, restarting, reloading and ending them. One thread owns all children, so no signal ever goes to
//! a process that is not ours. It does nothing to the kernel's table: that stays as it is when this ends.

mod child;
mod restart;

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use agent_core::view::length;
use agent_daemon::{DEFAULT_SOCKET, DEFAULT_STATE, load_config};
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Outcome;
use crate::args::Run;
use crate::check_config;
use crate::output::complain;
use restart::Restarts;

pub use child::{become_daemon, find as find_daemon};

/// What is run.
const DAEMONS: [&str; 4] = ["agentd", "checkd", "lvsd", "statusd"];
/// How long the daemons have to end by themselves.
const PATIENCE: Duration = Duration::from_secs(5);
/// A socket's path, with its ending NUL, must fit into 108 bytes (`sun_path` in unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Where everything goes.
struct Places {
    config: PathBuf,
    socket: PathBuf,
    state: PathBuf,
}

/// One daemon and what became of it.
struct Daemon {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    restarts: Restarts,
    state: Life,
}

enum Life {
    Runs { child: Child, since: Instant },
    Waits { until: Instant },
}

/// Runs the daemons until a signal ends it.
pub fn execute(socket: Option<&Path>, args: &Run) -> anyhow::Result<Outcome> {
    if !check_config::is_valid(&args.config) {
        return Ok(Outcome::Misused);
    }
    let places = places(socket, args)?;
    let mut daemons = Vec::new();
    for name in DAEMONS {
        daemons.push(Daemon::new(name, &places)?);
    }
    // Without a virtual router there is nothing for it to do, and it asks for rights that a container may not have.
    let config = load_config(&args.config).ok();
    if config.as_ref().is_some_and(|config| !config.virtual_routers.is_empty()) {
        daemons.push(Daemon::new("vipd", &places)?);
    }
    // Nor without anybody to tell for this one.
    if config.is_some_and(|config| config.alert.is_some()) {
        daemons.push(Daemon::new("alertd", &places)?);
    }
    // Before the first child, so that no death is missed.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGCHLD]).context("listening for signals")?;
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    return;
                }
            }
        })
        .context("starting the thread that listens for signals")?;
    complain(&format!(
        "running with configuration {}, socket {}, state {}",
        places.config.display(),
        places.socket.display(),
        places.state.display()
    ));
    for daemon in &mut daemons {
        daemon.start();
    }
    supervise(&mut daemons, &receiver, &places.config);
    end(&mut daemons, &receiver);
    complain("ended; the kernel's table is left as it is");
    Ok(Outcome::Well)
}

fn places(socket: Option<&Path>, args: &Run) -> anyhow::Result<Places> {
    let absolute = |path: &Path| {
        std::path::absolute(path).with_context(|| format!("making {} an absolute path", path.display()))
    };
    let directory = args.runtime_dir.as_deref().map(absolute).transpose()?;
    let in_directory = |name: &str, otherwise: &str| {
        directory.as_ref().map_or_else(|| PathBuf::from(otherwise), |directory| directory.join(name))
    };
    let socket = match (socket, &directory) {
        (Some(socket), _) => absolute(socket)?,
        (None, _) => in_directory("agent.sock", DEFAULT_SOCKET),
    };
    let state = match &args.state {
        Some(state) => absolute(state)?,
        None => in_directory("state.json", DEFAULT_STATE),
    };
    if socket.as_os_str().len() > SOCKET_PATH_MAX {
        bail!(
            "the socket's path {} is longer than {SOCKET_PATH_MAX} bytes, which the kernel does not take; \
             give a shorter --runtime-dir or --socket",
            socket.display()
        );
    }
    for path in [&socket, &state] {
        let parent = path.parent().unwrap_or(Path::new("/"));
        std::fs::DirBuilder::new().recursive(true).mode(0o750).create(parent).with_context(|| {
            format!("making the directory {} (--runtime-dir names another place)", parent.display())
        })?;
    }
    Ok(Places { config: absolute(&args.config)?, socket, state })
}

impl Daemon {
    fn new(name: &'static str, places: &Places) -> anyhow::Result<Self> {
        let arguments: Vec<OsString> = vec![
            "--config".into(),
            places.config.clone().into(),
            "--socket".into(),
            places.socket.clone().into(),
        ];
        let (flag, path) = match name {
            "alertd" => ("--spool", places.state.with_file_name("alert")),
            _ => ("--state", places.state.clone()),
        };
        let arguments: Vec<OsString> = arguments.into_iter().chain([flag.into(), path.into()]).collect();
        Ok(Self {
            name,
            program: child::find(name)?,
            arguments,
            restarts: Restarts::default(),
            state: Life::Waits { until: Instant::now() },
        })
    }

    fn start(&mut self) {
        match child::start(self.name, &self.program, &self.arguments) {
            Ok(child) => {
                complain(&format!("started {} as process {}", self.name, child.id()));
                self.state = Life::Runs { child, since: Instant::now() };
            }
            Err(error) => self.died(&format!("could not be started: {error:#}"), Duration::ZERO),
        }
    }

    fn died(&mut self, how: &str, ran: Duration) {
        let delay = self.restarts.died(ran);
        let when = if delay.is_zero() { "now".to_owned() } else { format!("in {}s", delay.as_secs()) };
        complain(&format!("{} {how}; starting it again {when}", self.name));
        self.state = Life::Waits { until: Instant::now() + delay };
    }

    /// How it ended and how long it had run, if it has ended.
    fn reap(&mut self) -> Option<(String, Duration)> {
        let Life::Runs { child, since } = &mut self.state else { return None };
        match child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some((describe(status), since.elapsed())),
            Err(error) => Some((format!("was lost: {error}"), since.elapsed())),
        }
    }

    /// Sends `signal`, if it runs. It has not been reaped, so its process id is its own.
    fn signal(&self, signal: Signal) {
        let Life::Runs { child, .. } = &self.state else { return };
        let Ok(pid) = i32::try_from(child.id()) else { return };
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            complain(&format!("sending {signal} to {}: {error}", self.name));
        }
    }

    fn runs(&self) -> bool {
        matches!(self.state, Life::Runs { .. })
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// Keeps the daemons running until a signal asks to end.
fn supervise(daemons: &mut [Daemon], signals: &Receiver<i32>, config: &Path) {
    loop {
        for daemon in daemons.iter_mut() {
            if let Some((how, ran)) = daemon.reap() {
                let ran_for = length(jiff::SignedDuration::try_from(ran).unwrap_or_default());
                daemon.died(&format!("{how} after {ran_for}"), ran);
            }
            if matches!(daemon.state, Life::Waits { until } if until <= Instant::now()) {
                daemon.start();
            }
        }
        let next = daemons
            .iter()
            .filter_map(|daemon| match daemon.state {
                Life::Waits { until } => Some(until),
                Life::Runs { .. } => None,
            })
            .min();
        let signal = match next {
            None => signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => signals.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match signal {
            Ok(SIGHUP) => reload(daemons, config),
            Ok(SIGCHLD) | Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn reload(daemons: &[Daemon], config: &Path) {
    if !check_config::is_valid(config) {
        complain("not reloaded: the daemons keep the configuration they have");
        return;
    }
    complain("reloading");
    for daemon in daemons {
        daemon.signal(Signal::SIGHUP);
    }
}

/// Ends all daemons: asks first, and kills those that do not end in time or when asked again.
fn end(daemons: &mut [Daemon], signals: &Receiver<i32>) {
    // The agent last, so that the others need not wonder where it is.
    for daemon in daemons.iter().rev() {
        daemon.signal(Signal::SIGTERM);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut killed = false;
    loop {
        for daemon in daemons.iter_mut() {
            if daemon.reap().is_some() {
                daemon.state = Life::Waits { until: deadline };
            }
        }
        if !daemons.iter().any(Daemon::runs) {
            return;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let again = match signals.recv_timeout(if killed { PATIENCE } else { left }) {
            Ok(SIGCHLD | SIGHUP) => false,
            Ok(_) | Err(_) => true,
        };
        if again && killed {
            return; // The kernel does not let go of it; it dies with us when it can.
        }
        if again {
            for daemon in daemons.iter().filter(|daemon| daemon.runs()) {
                complain(&format!("{} has not ended; killing it", daemon.name));
                daemon.signal(Signal::SIGKILL);
            }
            killed = true;
        }
    }
}
