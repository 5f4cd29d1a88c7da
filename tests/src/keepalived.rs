//! A real keepalived on the director, checkers only.
//!
//! Owns its process and files. What it is configured to do comes from whoever starts it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::network::Namespace;

/// keepalived, until it is dropped.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
    directory: PathBuf,
}

impl Keepalived {
    /// Starts it in `namespace` with `config` and its files in `directory`.
    ///
    /// # Errors
    /// A file cannot be written, or it cannot be started.
    pub fn start(namespace: &Namespace, directory: &Path, config: &str) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let file = |name: &str| directory.join(name);
        fs::write(file("keepalived.conf"), config)?;
        let log = File::create(file("log"))?;
        let mut command = Command::new("keepalived");
        command
            .args(["--dont-fork", "--log-console", "--log-detail", "--check", "--use-file"])
            .arg(file("keepalived.conf"))
            .arg("--pid")
            .arg(file("pid"))
            .arg("--checkers_pid")
            .arg(file("checkers-pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = namespace.spawn(&mut command)?;
        Ok(Self { child, directory: directory.to_owned() })
    }

    /// Gives it another configuration.
    ///
    /// # Errors
    /// It cannot be written, or keepalived is gone.
    pub fn reload(&self, config: &str) -> Result<()> {
        fs::write(self.directory.join("keepalived.conf"), config)?;
        self.signal(Signal::SIGHUP)
    }

    /// What it has said.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("keepalived is gone")
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // It ends its children itself.
        let _ = self.signal(Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
