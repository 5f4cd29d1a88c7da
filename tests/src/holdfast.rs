//! Holdfast's own programs, started, killed and asked as an operator would.
//!
//! Owns their processes, their files and the configuration that the bed gives them. Knows nothing of their insides: what they
//! think is read from `holdfast status --json`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::network::Namespace;
use crate::patience::wait_for;

/// The daemons, in the order in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Daemon {
    /// Probes.
    Checkd,
    /// Keeps the facts.
    Agentd,
    /// Edits the kernel's table.
    Lvsd,
    /// Holds the virtual addresses, where some are configured.
    Vipd,
}

impl Daemon {
    /// Those that every director has.
    pub const ALL: [Self; 3] = [Self::Checkd, Self::Agentd, Self::Lvsd];

    /// Its name, which is its program's too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkd => "checkd",
            Self::Agentd => "agentd",
            Self::Lvsd => "lvsd",
            Self::Vipd => "vipd",
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The suite on one director.
#[derive(Debug)]
pub struct Suite {
    directory: PathBuf,
    running: BTreeMap<Daemon, Child>,
}

impl Suite {
    /// Prepares one with its files in `directory`; nothing is started.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn prepare(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { directory, running: BTreeMap::new() })
    }

    /// The configuration's place.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("holdfast.toml")
    }

    /// The agent's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent.sock")
    }

    /// The state file.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    /// Writes the configuration. A running daemon does not read it before it gets a SIGHUP.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        fs::write(self.config(), text).with_context(|| format!("cannot write {}", self.config().display()))
    }

    /// Starts a daemon, without waiting for anything.
    ///
    /// # Errors
    /// It runs already, or its program cannot be started.
    pub fn start(&mut self, namespace: &Namespace, daemon: Daemon) -> Result<()> {
        ensure!(!self.running.contains_key(&daemon), "{daemon} runs already");
        let log = File::options().create(true).append(true).open(self.log(daemon))?;
        let mut command = Command::new(program(daemon.name())?);
        command
            .arg("--config")
            .arg(self.config())
            .arg("--socket")
            .arg(self.socket())
            .arg("--state")
            .arg(self.state())
            .env("RUNTIME_DIRECTORY", &self.directory);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.running.insert(daemon, namespace.spawn(&mut command)?);
        Ok(())
    }

    /// Starts those that do not run, in the order given.
    ///
    /// # Errors
    /// As for [`Suite::start`].
    pub fn start_all(&mut self, namespace: &Namespace, order: &[Daemon]) -> Result<()> {
        let missing: Vec<Daemon> =
            order.iter().copied().filter(|daemon| !self.running.contains_key(daemon)).collect();
        missing.into_iter().try_for_each(|daemon| self.start(namespace, daemon))
    }

    /// Ends a daemon with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, daemon: Daemon) -> Result<()> {
        self.end(daemon, Signal::SIGKILL).map(drop)
    }

    /// Ends a daemon with SIGTERM and waits until it is gone.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop(&mut self, daemon: Daemon) -> Result<ExitStatus> {
        self.end(daemon, Signal::SIGTERM)
    }

    fn end(&mut self, daemon: Daemon, signal: Signal) -> Result<ExitStatus> {
        self.signal(daemon, signal)?;
        let mut child = self.running.remove(&daemon).ok_or_else(|| anyhow!("{daemon} does not run"))?;
        Ok(child.wait()?)
    }

    /// Sends a daemon a signal.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, daemon: Daemon, signal: Signal) -> Result<()> {
        let child = self.running.get(&daemon).ok_or_else(|| anyhow!("{daemon} does not run"))?;
        kill(Pid::from_raw(i32::try_from(child.id())?), signal)
            .with_context(|| format!("cannot signal {daemon}"))
    }

    /// The process id of a running daemon.
    #[must_use]
    pub fn pid(&self, daemon: Daemon) -> Option<u32> {
        self.running.get(&daemon).map(Child::id)
    }

    /// An error if a daemon ended that nobody ended.
    ///
    /// # Errors
    /// Which, how, and the end of its log.
    pub fn all_alive(&mut self) -> Result<()> {
        let directory = self.directory.clone();
        for (daemon, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                let log = end_of(&directory.join(format!("{daemon}.log")));
                bail!("{daemon} ended by itself ({status}):\n{log}");
            }
        }
        Ok(())
    }

    /// Forgets a daemon that ended by itself.
    pub fn reap(&mut self, daemon: Daemon) {
        if let Some(mut child) = self.running.remove(&daemon) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills what runs and forgets configuration, state and logs: as if it had never been there.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn forget(&mut self) -> Result<()> {
        for daemon in self.running.keys().copied().collect::<Vec<_>>() {
            self.kill(daemon)?;
        }
        fs::remove_dir_all(&self.directory)?;
        fs::create_dir_all(&self.directory)?;
        Ok(())
    }

    /// Runs `holdfast ARGUMENTS` with this suite's socket.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn order(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program("holdfast")?);
        command.arg("--socket").arg(self.socket()).args(arguments).stdin(Stdio::null());
        command.output().context("cannot start holdfast")
    }

    /// The same, and it has to succeed.
    ///
    /// # Errors
    /// It fails; the error has its stderr.
    pub fn obeyed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.order(arguments)?;
        ensure!(
            output.status.success(),
            "holdfast {}: {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `holdfast status NAME` shows, whatever it thinks of it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn shown(&self, name: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.order(&["status", name])?.stdout).into_owned())
    }

    /// What `holdfast status --json` says.
    ///
    /// # Errors
    /// It says nothing, or no JSON.
    pub fn status(&self) -> Result<Status> {
        let state = self.state();
        let output = self.order(&["status", "--json", "--state", &state.display().to_string()])?;
        let value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "holdfast status --json: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })?;
        Ok(Status(value))
    }

    /// Asks for the status until it is as wanted.
    ///
    /// # Errors
    /// It is not within `limit`; the error has the last status, or why there was none.
    pub fn status_when(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let mut last = String::new();
        wait_for(what, limit, || {
            Ok(match self.status() {
                Ok(status) if wanted(&status) => Some(status),
                Ok(status) => {
                    last = status.short();
                    None
                }
                Err(error) => {
                    last = format!("{error:#}");
                    None
                }
            })
        })
        .with_context(|| format!("the last status was {last}\n{}", self.log_ends()))
    }

    fn log(&self, daemon: Daemon) -> PathBuf {
        self.directory.join(format!("{daemon}.log"))
    }

    /// The last lines that each daemon wrote.
    #[must_use]
    pub fn log_ends(&self) -> String {
        Daemon::ALL.iter().map(|daemon| format!("--- {daemon}\n{}", end_of(&self.log(*daemon)))).collect()
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        for daemon in Daemon::ALL {
            if self.running.contains_key(&daemon) {
                let _ = self.kill(daemon);
            }
        }
    }
}

/// What `holdfast status --json` said.
#[derive(Debug, Clone)]
pub struct Status(pub Value);

impl Status {
    /// A real server of the first virtual server that has it.
    #[must_use]
    pub fn real_server(&self, name: &str) -> Option<&Value> {
        let servers = self
            .list("/virtual_servers")
            .flat_map(|server| server["real_servers"].as_array().map(Vec::as_slice).unwrap_or_default());
        servers.into_iter().find(|server| server["name"] == name)
    }

    /// The verdict about a real server.
    #[must_use]
    pub fn verdict(&self, name: &str) -> &str {
        self.real_server(name).and_then(|server| server["verdict"].as_str()).unwrap_or_default()
    }

    /// The cause code of a real server that is not up.
    #[must_use]
    pub fn cause(&self, name: &str) -> &str {
        self.real_server(name).and_then(|server| server["cause"].as_str()).unwrap_or_default()
    }

    /// Whether all daemons that report are connected.
    #[must_use]
    pub fn all_connected(&self) -> bool {
        let mut reporters = self.list("/daemons").peekable();
        reporters.peek().is_some() && reporters.all(|daemon| daemon["status"] == "connected")
    }

    /// The events that were recorded, as `KIND REAL_SERVER: TEXT`.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.list("/events").map(event_line).collect()
    }

    /// The same, after the event of that number.
    #[must_use]
    pub fn events_after(&self, number: u64) -> Vec<String> {
        self.list("/events").filter(|event| event["number"].as_u64() > Some(number)).map(event_line).collect()
    }

    /// The number of the last event, 0 when there was none.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.list("/events").filter_map(|event| event["number"].as_u64()).max().unwrap_or(0)
    }

    fn list(&self, pointer: &str) -> impl Iterator<Item = &Value> {
        self.0.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
    }

    /// What is said of a daemon.
    #[must_use]
    pub fn daemon(&self, name: &str) -> Option<&Value> {
        self.list("/daemons").find(|daemon| daemon["name"] == name)
    }

    /// Verdicts and causes in one line, for error texts.
    #[must_use]
    pub fn short(&self) -> String {
        let servers = self
            .list("/virtual_servers")
            .flat_map(|server| server["real_servers"].as_array().map(Vec::as_slice).unwrap_or_default());
        let servers = servers.map(|server| {
            format!(
                "{} {} {} in table {}",
                server["name"], server["verdict"], server["cause"], server["in_table"]
            )
        });
        let daemons = self.list("/daemons").map(|daemon| format!("{} {}", daemon["name"], daemon["status"]));
        let reasons = self.list("/reasons").map(|reason| reason["text"].to_string());
        servers.chain(daemons).chain(reasons).collect::<Vec<_>>().join("; ").replace('"', "")
    }
}

fn event_line(event: &Value) -> String {
    format!("{} {}: {}", event["kind"], event["real_server"], event["text"]).replace('"', "")
}

/// A program of this workspace: it lies beside this one, or one folder above a test.
///
/// # Errors
/// It was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let here = own.parent().unwrap_or(Path::new("."));
    let folder = if here.ends_with("deps") { here.parent().unwrap_or(here) } else { here };
    let path = folder.join(name);
    ensure!(path.exists(), "{} is not there: cargo build --workspace --bins", path.display());
    Ok(path)
}

/// The last lines of a log.
pub(crate) fn end_of(path: &Path) -> String {
    const MOST: u64 = 3000;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST)))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({}: {error})\n", path.display()))
}
