//! The socket file.
//!
//! Owns making it (nobody else answers there, the right group and mode before anyone can use it) and removing it. A
//! socket that still answers is never touched. It accepts nothing.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::Group;

/// The group whose members may read.
pub const GROUP: &str = "holdfast";

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another agent lives.
    #[error("another agent answers on {}: stop it, or use another --socket", .0.display())]
    Answered(PathBuf),
    /// The path is something else.
    #[error("{} is there and is no socket: remove it, or use another --socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("can't listen on {}: {source}; see that its directory exists and that this user may write there", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The listening socket, with its file.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Listens at `path`. Call it before other threads make files: it changes the process's umask for a moment.
pub fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |source| ListenError::Io { path: path.to_owned(), source };
    clear(path)?;
    // Nobody can connect before group and mode are right.
    let former = umask(Mode::from_bits_truncate(0o777));
    let bound = UnixListener::bind(path);
    umask(former);
    let listener = bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Answered(path.to_owned()),
        _ => failed(source),
    })?;
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    if let Some(group) = group()
        && metadata.gid() != group
        && let Err(error) = chown(path, None, Some(group))
    {
        tracing::warn!(
            "members of group {GROUP} can't read: can't give {} to it: {error}; run agentd as a member",
            path.display()
        );
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let file = SocketFile { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
    Ok((listener, file))
}

/// The group whose members may read, if there is one.
pub fn group() -> Option<u32> {
    Group::from_name(GROUP).ok().flatten().map(|group| group.gid.as_raw())
}

/// Removes a socket that nobody answers on.
fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Answered(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!("removing the socket {} of a former run", path.display());
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

impl SocketFile {
    /// Removes the file, unless it is somebody else's by now.
    pub fn remove(&self) {
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return };
        if (metadata.dev(), metadata.ino()) == self.identity
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!("can't remove {}: {error}", self.path.display());
        }
    }
}
