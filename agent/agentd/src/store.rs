//! The state file.
//!
//! Owns who may write it (one process, by a lock on a file beside it), how (a new file, synced, in place of the old one),
//! and what becomes of one that can't be used: it is kept aside, never overwritten and never deleted. It knows the state
//! only as bytes to write, and as what [`read_state_file`] makes of it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use agent_api::State;
use agent_link::{StateFileError, read_state_file};
use jiff::{Timestamp, tz::TimeZone};
use nix::fcntl::OFlag;

use crate::listener;

/// How many unusable state files are kept. With that many nothing is written until somebody has looked at them.
pub const KEPT_ASIDE: usize = 10;

/// Another process writes this state file.
#[derive(Debug, thiserror::Error)]
#[error("another agent{} uses the state file {}: stop it, or use another --state", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), path.display())]
pub struct InUse {
    path: PathBuf,
    pid: Option<u32>,
}

/// Why the lock was not taken.
enum LockError {
    InUse(InUse),
    Io(io::Error),
}

/// The state file, of which this process is the one writer.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Held as long as the process lives; absent when the lock file can't be made.
    lock: Option<File>,
    /// The file at [`Self::path`] can't be used and must be kept.
    unusable: bool,
}

impl Store {
    /// Takes the state file at `path`. Trouble with the directory is no obstacle: it is tried again with every
    /// [`Self::save`].
    ///
    /// # Errors
    /// Another process has it.
    pub fn open(path: &Path) -> Result<Self, InUse> {
        let lock = match take_lock(path) {
            Ok(lock) => Some(lock),
            Err(LockError::InUse(error)) => return Err(error),
            Err(LockError::Io(error)) => {
                tracing::warn!("can't make the lock file of {}: {error}; trying on", path.display());
                None
            }
        };
        Ok(Self { path: path.to_owned(), lock, unusable: false })
    }

    /// What a former run left. What can't be used is kept aside, and said.
    pub fn load(&mut self, now: Timestamp) -> Option<State> {
        let error = match read_state_file(&self.path) {
            Ok(state) => {
                tracing::info!(
                    drains = state.orders.drains.len(),
                    events = state.events.len(),
                    "read the state file {}",
                    self.path.display()
                );
                return Some(state);
            }
            Err(error @ StateFileError::Missing(_)) => {
                tracing::info!("{error}: starting without orders and history");
                return None;
            }
            Err(error) => error,
        };
        let lost = match error {
            StateFileError::Newer { .. } => {
                "starting without its orders and history; install that version again to use it, or give the orders anew"
            }
            _ => "starting without its orders and history; give the orders anew",
        };
        self.unusable = true;
        match self.set_aside(now) {
            Ok(aside) => tracing::error!("{error}; it is kept as {}; {lost}", aside.display()),
            Err(why) => tracing::error!("{error}; {why}; {lost}"),
        }
        None
    }

    /// Replaces the file's content. The error says what to do.
    pub fn save(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), String> {
        if self.lock.is_none() {
            self.lock = Some(take_lock(&self.path).map_err(|error| match error {
                LockError::InUse(error) => error.to_string(),
                LockError::Io(error) => explained("lock", &self.path, &error),
            })?);
        }
        if self.unusable {
            self.set_aside(now)?;
        }
        let new = beside(&self.path, "new");
        let result = write_new(&new, bytes).and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = result {
            // Give the space back. What is there stays there.
            let _already_told = fs::remove_file(&new);
            return Err(explained("write", &self.path, &error));
        }
        sync_directory(&self.path).map_err(|error| explained("write", &self.path, &error))
    }

    /// Renames the unusable file.
    fn set_aside(&mut self, now: Timestamp) -> Result<PathBuf, String> {
        let directory = directory(&self.path);
        let prefix = beside(&self.path, "bad-");
        let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
        let kept = fs::read_dir(directory)
            .map_err(|error| explained("list", directory, &error))?
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix))
            .count();
        if kept >= KEPT_ASIDE {
            return Err(format!(
                "{kept} unusable state files are kept beside {} already, and none is deleted: look at them, and move them away",
                self.path.display()
            ));
        }
        let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        let names = (0..=KEPT_ASIDE)
            .map(|n| if n == 0 { format!("bad-{stamp}") } else { format!("bad-{stamp}-{n}") });
        for name in names {
            let aside = beside(&self.path, &name);
            if fs::symlink_metadata(&aside).is_ok() {
                continue;
            }
            match fs::rename(&self.path, &aside) {
                Ok(()) => {}
                // Somebody has moved it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(explained("set aside", &self.path, &error)),
            }
            self.unusable = false;
            return Ok(aside);
        }
        Err(format!("there is no free name to keep {} aside", self.path.display()))
    }
}

/// `state.json` → `state.json.SUFFIX`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Locks the file beside `path`. The lock goes with the process, however it ends; the file stays.
fn take_lock(path: &Path) -> Result<File, LockError> {
    let lock_path = beside(path, "lock");
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut open = OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false).mode(0o640).custom_flags(flags);
    let mut file = open.open(&lock_path).map_err(LockError::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _unreadable = file.take(20).read_to_string(&mut text);
            return Err(LockError::InUse(InUse { path: path.to_owned(), pid: text.trim().parse().ok() }));
        }
        Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
    }
    // For people, and for the text of `InUse`; a full disk is no obstacle.
    let _not_told =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Writes `bytes` to a file of their own, down to the disk. There is one such name, so a crash leaves one file at most.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o640).custom_flags(OFlag::O_NOFOLLOW.bits());
    let mut file = open.open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o640))?;
    if let Some(group) = listener::group()
        && file.metadata()?.gid() != group
    {
        // Then only our own user and root can read it; the socket says the same.
        let _not_a_member = fchown(&file, None, Some(group));
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// What went wrong and what to do.
fn explained(action: &str, path: &Path, error: &io::Error) -> String {
    let directory = directory(path).display();
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => format!("make the directory {directory}, and let this user write there"),
        io::ErrorKind::PermissionDenied => format!("let this user write to {directory}"),
        io::ErrorKind::ReadOnlyFilesystem => format!("mount the file system of {directory} for writing"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("make room on the file system of {directory}")
        }
        _ => format!("see that {directory} is on a healthy disk and that this user may write there"),
    };
    format!("can't {action} {}: {error}; {remedy}", path.display())
}

#[cfg(test)]
mod tests;
