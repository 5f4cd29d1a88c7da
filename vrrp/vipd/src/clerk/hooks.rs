//! Notify scripts and FIFOs, told of changes of state in keepalived's words.
//!
//! Owns that the scripts of one virtual router run one after another, that only the last state counts when several
//! changed meanwhile, and that none runs longer than its time. There is no shell; a script has no capability of ours.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_api::config::Notify;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, User, mkfifo};
use vrrp_core::State;

/// The user that scripts run as when this program is root.
const USER: &str = "holdfast-vip";
/// How often a running script is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A state in the words of a notify script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It holds the addresses.
    Master,
    /// It watches.
    Backup,
    /// It cannot take part.
    Fault,
    /// It was stopped.
    Stop,
}

impl Word {
    /// The word for a state that was entered.
    #[must_use]
    pub const fn of(state: State, stopped: bool) -> Self {
        match (state, stopped) {
            (State::Active, _) => Self::Master,
            (State::Backup, _) => Self::Backup,
            (State::Initialize, true) => Self::Stop,
            (State::Initialize, false) => Self::Fault,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

/// One change of a virtual router (`INSTANCE`) or of a sync group (`GROUP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `INSTANCE` or `GROUP`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The new state.
    pub word: Word,
    /// Its priority.
    pub priority: u8,
}

impl Change {
    /// The line that a FIFO gets.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} \"{}\" {} {}\n", self.kind, self.name, self.word.text(), self.priority)
    }
}

/// What is still to be run for a virtual router.
#[derive(Debug, Default)]
struct Queue {
    running: bool,
    next: Option<(Change, Notify)>,
}

/// All hooks.
#[derive(Debug, Default)]
pub struct Hooks {
    queues: Arc<(Mutex<BTreeMap<String, Queue>>, Condvar)>,
    /// FIFOs that could not be written to, so that it is said once.
    deaf: BTreeMap<String, Errno>,
}

fn lock(queues: &Mutex<BTreeMap<String, Queue>>) -> MutexGuard<'_, BTreeMap<String, Queue>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hooks {
    /// Tells of a change. Does not wait for a script.
    pub fn tell(&mut self, change: &Change, notify: &Notify) {
        if let Some(fifo) = &notify.fifo {
            self.write(fifo, change);
        }
        if commands(change, notify).next().is_none() {
            return;
        }
        let key = format!("{} {}", change.kind, change.name);
        let mut queues = lock(&self.queues.0);
        let queue = queues.entry(key.clone()).or_default();
        if let Some((skipped, _)) = queue.next.replace((change.clone(), notify.clone())) {
            tracing::debug!("{}: {} is past before its script ran", skipped.name, skipped.word.text());
        }
        if std::mem::replace(&mut queue.running, true) {
            return;
        }
        drop(queues);
        let shared = Arc::clone(&self.queues);
        let thread = std::thread::Builder::new().name("hook".to_owned()).spawn(move || work(&shared, &key));
        if let Err(error) = thread {
            tracing::error!("{}: its scripts can't be run: {error}", change.name);
            self.queues.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Waits for the scripts that run, at most so long. For the end of the daemon.
    pub fn finish(&self, wait: Duration) {
        let deadline = Instant::now() + wait;
        let mut queues = lock(&self.queues.0);
        while queues.values().any(|queue| queue.running) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("a notify script is still running; not waiting for it any longer");
                return;
            }
            queues = self.queues.1.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// One line into a FIFO, if somebody reads it.
    fn write(&mut self, path: &str, change: &Change) {
        let result = write_line(path, &change.line());
        match result {
            Ok(()) => drop(self.deaf.remove(path)),
            Err(error) => {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                if self.deaf.insert(path.to_owned(), errno) != Some(errno) {
                    let why = match errno {
                        Errno::ENXIO => "nobody reads it".to_owned(),
                        errno => errno.desc().to_owned(),
                    };
                    tracing::warn!("the FIFO {path} is not told: {why}");
                }
            }
        }
    }
}

fn write_line(path: &str, line: &str) -> std::io::Result<()> {
    let open = || {
        let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
        OpenOptions::new().write(true).custom_flags(flags).open(path)
    };
    let mut file = match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP)?;
            open()?
        }
        other => other?,
    };
    if std::os::unix::fs::FileTypeExt::is_fifo(&file.metadata()?.file_type()) {
        file.write_all(line.as_bytes())
    } else {
        Err(Errno::EINVAL.into())
    }
}

/// The commands for a change, each with its arguments: the one for this state, then the one for all.
fn commands<'n>(change: &Change, notify: &'n Notify) -> impl Iterator<Item = &'n Vec<String>> {
    let own = match change.word {
        Word::Master => &notify.active,
        Word::Backup => &notify.backup,
        Word::Fault => &notify.fault,
        Word::Stop => &notify.stop,
    };
    own.iter().chain(&notify.any)
}

/// Runs what is queued for one virtual router until nothing is.
fn work(shared: &(Mutex<BTreeMap<String, Queue>>, Condvar), key: &str) {
    loop {
        let next = {
            let mut queues = lock(&shared.0);
            let Some(queue) = queues.get_mut(key) else { break };
            let next = queue.next.take();
            if next.is_none() {
                queue.running = false;
            }
            next
        };
        let Some((change, notify)) = next else { break };
        for command in commands(&change, &notify) {
            run(command, &change, notify.timeout.0);
        }
    }
    shared.1.notify_all();
}

fn run(command: &[String], change: &Change, limit: Duration) {
    let Some((program, arguments)) = command.split_first() else { return };
    let mut start = Command::new(program);
    start
        .args(arguments)
        .args([change.kind, &change.name, change.word.text(), &change.priority.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        // So that what it starts ends with it.
        .process_group(0);
    if nix::unistd::geteuid().is_root()
        && let Ok(Some(user)) = User::from_name(USER)
    {
        start.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let child = match start.spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::error!("{}: {program} can't be run: {error}", change.name);
            return;
        }
    };
    wait(child, program, change, limit);
}

fn wait(mut child: Child, program: &str, change: &Change, limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return,
            Ok(Some(status)) => {
                tracing::warn!("{}: {program} for {} ended with {status}", change.name, change.word.text());
                return;
            }
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
            Ok(None) => {
                tracing::warn!(
                    "{}: {program} for {} took longer than {limit:?}; ended it",
                    change.name,
                    change.word.text()
                );
                // It has not been waited for, so the number is still its own.
                if let Ok(pid) = i32::try_from(child.id()) {
                    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
                }
                let _ = child.wait();
                return;
            }
            Err(error) => {
                tracing::warn!("{}: {program} was lost: {error}", change.name);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(word: Word) -> Change {
        Change { kind: "INSTANCE", name: "vip".to_owned(), word, priority: 150 }
    }

    #[test]
    fn lines_are_keepalived_s() {
        assert_eq!(change(Word::Master).line(), "INSTANCE \"vip\" MASTER 150\n");
        assert_eq!(Word::of(State::Initialize, false).text(), "FAULT");
        assert_eq!(Word::of(State::Initialize, true).text(), "STOP");
    }

    #[test]
    fn scripts_run_in_turn_and_the_last_state_wins() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = directory.path().join("script");
        // The shebang of the script itself, not a shell of ours.
        let text = format!("#!/bin/sh\necho \"$@\" >>{0}\nsleep 0.3\necho end >>{0}\n", log.display());
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        std::fs::write(&log, "").unwrap();
        std::fs::set_permissions(&log, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let notify =
            Notify { any: Some(vec![script.display().to_string(), "x".to_owned()]), ..Notify::default() };
        let mut hooks = Hooks::default();
        hooks.tell(&change(Word::Backup), &notify);
        // Only when the first runs are there states to be past.
        while std::fs::read_to_string(&log).unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        hooks.tell(&change(Word::Master), &notify);
        hooks.tell(&change(Word::Fault), &notify);
        hooks.finish(Duration::from_secs(20));
        let lines = std::fs::read_to_string(&log).unwrap();
        assert_eq!(lines, "x INSTANCE vip BACKUP 150\nend\nx INSTANCE vip FAULT 150\nend\n");
    }

    #[test]
    fn a_script_that_hangs_is_ended() {
        let words = ["/usr/bin/env", "sh", "-c", "sleep 1000"];
        let notify = Notify {
            active: Some(words.map(str::to_owned).to_vec()),
            timeout: agent_api::config::NotifyTimeout(Duration::from_millis(100)),
            ..Notify::default()
        };
        let mut hooks = Hooks::default();
        let begin = Instant::now();
        hooks.tell(&change(Word::Master), &notify);
        hooks.finish(Duration::from_secs(20));
        assert!(begin.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_fifo_is_made_and_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        let notify = Notify { fifo: Some(path.display().to_string()), ..Notify::default() };
        let mut hooks = Hooks::default();
        // Nobody reads: nothing hangs.
        hooks.tell(&change(Word::Backup), &notify);
        let mut reader = OpenOptions::new()
            .read(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(&path)
            .unwrap();
        hooks.tell(&change(Word::Master), &notify);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).ok();
        assert_eq!(text, "INSTANCE \"vip\" MASTER 150\n");
    }
}
