//! Real name servers of four makes, each in its namespace, and what can be done to them.
//!
//! Owns their processes and files. A server belongs to one process group, so that killing or freezing it takes all of its processes.
//! What it answers is changed as an operator would: by its files and SIGHUP, without a pause in its service.

mod settings;

use std::fmt;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::network::Namespace;
use crate::patience::wait_for;
use crate::question::{self, Answer};

/// How long a server may take to start or to reload: far more than it needs, so that only a real fault fails.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// ISC BIND 9.
    Bind,
    /// NLnet Labs NSD.
    Nsd,
    /// CZ.NIC Knot DNS.
    Knot,
    /// NLnet Labs Unbound.
    Unbound,
}

impl Make {
    /// Whether it goes over to SERVFAIL with a reload; the others have to be started anew for that.
    fn fails_on_reload(self) -> bool {
        matches!(self, Self::Bind | Self::Unbound)
    }
}

impl fmt::Display for Make {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "BIND",
            Self::Nsd => "NSD",
            Self::Knot => "Knot",
            Self::Unbound => "Unbound",
        })
    }
}

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// The right address.
    Right,
    /// Another address.
    Wrong,
    /// SERVFAIL.
    ServFail,
}

impl Behaviour {
    /// The answer that shows it.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::Right => Answer::Address(question::RIGHT),
            Self::Wrong => Answer::Address(question::WRONG),
            Self::ServFail => Answer::Code(2),
        }
    }
}

/// One name server.
#[derive(Debug)]
pub struct NameServer {
    make: Make,
    directory: PathBuf,
    /// Its own address first; it listens on all of them.
    addresses: Vec<IpAddr>,
    behaviour: Behaviour,
    frozen: bool,
    serial: u32,
    child: Option<Child>,
}

impl NameServer {
    /// Prepares one that keeps its files in `directory` and listens on port 53 of `addresses`, of which the first is its own.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn prepare(make: Make, directory: PathBuf, addresses: Vec<IpAddr>) -> Result<Self> {
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self {
            make,
            directory,
            addresses,
            behaviour: Behaviour::Right,
            frozen: false,
            serial: 0,
            child: None,
        })
    }

    /// Whose program it is.
    #[must_use]
    pub fn make(&self) -> Make {
        self.make
    }

    /// What it answers, when it answers.
    #[must_use]
    pub fn behaviour(&self) -> Behaviour {
        self.behaviour
    }

    /// Whether its process is there and not frozen.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.child.is_some() && !self.frozen
    }

    /// Its process id, which is its process group's too.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it, without waiting until it answers.
    ///
    /// # Errors
    /// Its files cannot be written, or its program cannot be started.
    pub fn launch(&mut self, namespace: &Namespace) -> Result<()> {
        self.write_files()?;
        let log = File::options().create(true).append(true).open(self.directory.join("log"))?;
        let (program, arguments) = settings::command(self.make, &self.directory);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(namespace.spawn(&mut command)?);
        Ok(())
    }

    /// Waits until it answers as it should.
    ///
    /// # Errors
    /// It does not in time; the error has the end of its log.
    pub fn wait_ready(&self, namespace: &Namespace) -> Result<()> {
        let wanted = self.behaviour.answer();
        let what = format!("{} answers {wanted:?}", self.make);
        namespace
            .run(|| wait_for(&what, STARTS_WITHIN, || Ok((self.ask()? == Some(wanted)).then_some(()))))?
            .with_context(|| format!("{} said:\n{}", self.make, self.log_end()))
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// As for [`NameServer::launch`] and [`NameServer::wait_ready`].
    pub fn start(&mut self, namespace: &Namespace) -> Result<()> {
        self.launch(namespace)?;
        self.wait_ready(namespace)
    }

    /// SIGKILL to all of its processes. Returns when they are gone, with the time at which it happened.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<Instant> {
        let mut child = self.child.take().ok_or_else(|| anyhow!("{} does not run", self.make))?;
        let now = Instant::now();
        killpg(group(&child)?, Signal::SIGKILL).with_context(|| format!("cannot kill {}", self.make))?;
        child.wait()?;
        self.frozen = false;
        Ok(now)
    }

    /// SIGSTOP to all of its processes: the port stays open, and nobody answers. Returns when that was.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&mut self) -> Result<Instant> {
        let child = self.child.as_ref().ok_or_else(|| anyhow!("{} does not run", self.make))?;
        let now = Instant::now();
        killpg(group(child)?, Signal::SIGSTOP).with_context(|| format!("cannot freeze {}", self.make))?;
        self.frozen = true;
        Ok(now)
    }

    /// SIGCONT to all of its processes. Returns when that was.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&mut self) -> Result<Instant> {
        let child = self.child.as_ref().ok_or_else(|| anyhow!("{} does not run", self.make))?;
        let now = Instant::now();
        killpg(group(child)?, Signal::SIGCONT).with_context(|| format!("cannot thaw {}", self.make))?;
        self.frozen = false;
        Ok(now)
    }

    /// Changes what it answers, and returns the time of the last answer that was still the old one, or of the change itself.
    ///
    /// # Errors
    /// It does not run, or does not answer as wanted in time.
    pub fn behave(&mut self, namespace: &Namespace, behaviour: Behaviour) -> Result<Instant> {
        if self.behaviour == behaviour {
            return Ok(Instant::now());
        }
        let anew = !self.make.fails_on_reload() && [behaviour, self.behaviour].contains(&Behaviour::ServFail);
        self.behaviour = behaviour;
        let mut since = Instant::now();
        if anew {
            self.kill()?;
            self.launch(namespace)?;
        } else {
            self.write_files()?;
            let child = self.child.as_ref().ok_or_else(|| anyhow!("{} does not run", self.make))?;
            kill(pid(child)?, Signal::SIGHUP).with_context(|| format!("cannot reload {}", self.make))?;
        }
        let wanted = behaviour.answer();
        let what = format!("{} answers {wanted:?}", self.make);
        namespace
            .run(|| {
                wait_for(&what, STARTS_WITHIN, || {
                    let asked = Instant::now();
                    let answer = self.ask()?;
                    // A server that is reloading may be slow: no answer yet tells nothing. One that is started anew
                    // has failed from when it was ended.
                    if answer != Some(wanted) && (answer.is_some() || !anew) {
                        since = asked;
                    }
                    Ok((answer == Some(wanted)).then_some(()))
                })
            })?
            .with_context(|| format!("{} said:\n{}", self.make, self.log_end()))?;
        Ok(since)
    }

    /// Asks it once, from the calling thread's namespace; nothing when no answer came.
    fn ask(&self) -> Result<Option<Answer>> {
        let own = self.addresses.first().ok_or_else(|| anyhow!("{} has no address", self.make))?;
        let wildcard: IpAddr = match own {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((wildcard, 0))?;
        socket.connect(SocketAddr::new(*own, 53))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let id = socket.local_addr()?.port();
        let mut reply = [0; 1232];
        // Refused (the port is closed as yet) and silence are both no answer.
        let received = socket.send(&question::query(id)).and_then(|_| socket.recv(&mut reply));
        Ok(received.ok().and_then(|length| question::read(reply.get(..length)?, id)))
    }

    fn write_files(&mut self) -> Result<()> {
        self.serial += 1;
        for (name, text) in
            settings::files(self.make, &self.directory, &self.addresses, self.behaviour, self.serial)
        {
            let path = self.directory.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// The last lines that it wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        crate::holdfast::end_of(&self.directory.join("log"))
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.kill();
        }
    }
}

fn pid(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

/// Its process group has its own number, because it was started with a new one.
fn group(child: &Child) -> Result<Pid> {
    pid(child)
}
