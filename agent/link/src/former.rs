//! What was known before this daemon started.
//!
//! Owns the reading of the state file and the choice between the agent and the file. What another boot saw is not given
//! out. It never writes.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_api::wire::{GET_STATE, StateReply};
use agent_api::{SCHEMA, State};
use nix::fcntl::OFlag;
use serde::Deserialize;

use crate::client::{CallError, Connection};
use crate::frame::REPLY_MAX;

/// Why a state file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// There is none.
    #[error("there is no state file {}", .0.display())]
    Missing(PathBuf),
    /// It can't be read.
    #[error("can't read state file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no content.
    #[error("state file {} is empty", .0.display())]
    Empty(PathBuf),
    /// It ends in the middle.
    #[error("state file {} is cut off after {length} bytes", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How long it is.
        length: usize,
    },
    /// It is something else.
    #[error("{} is not a state file: {detail}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where it is not what it should be.
        detail: String,
    },
    /// A later version wrote it.
    #[error("state file {} has schema {schema}, this version knows up to {SCHEMA}: a newer Holdfast wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: u64,
    },
}

/// Reads a state file, whatever is in there.
///
/// # Errors
/// It is missing, unreadable, empty, cut off, something else, or of a later version.
pub fn read_state_file(path: &Path) -> Result<State, StateFileError> {
    let unreadable = |source| StateFileError::Unreadable { path: path.to_owned(), source };
    // Nobody writes to a pipe of that name, so opening it must not wait.
    let mut file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(
        |source| match source.kind() {
            io::ErrorKind::NotFound => StateFileError::Missing(path.to_owned()),
            _ => unreadable(source),
        },
    )?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(REPLY_MAX).unwrap_or(u64::MAX);
    file.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > REPLY_MAX {
        let detail = format!("it is longer than {REPLY_MAX} bytes");
        return Err(StateFileError::Foreign { path: path.to_owned(), detail });
    }
    parse_state_file(path, &bytes)
}

/// What every version of the document has.
#[derive(Deserialize)]
struct Versioned {
    schema: u64,
}

fn parse_state_file(path: &Path, bytes: &[u8]) -> Result<State, StateFileError> {
    let path = || path.to_owned();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(StateFileError::Empty(path()));
    }
    let wrong = |error: serde_json::Error| {
        if error.is_eof() {
            StateFileError::Truncated { path: path(), length: bytes.len() }
        } else {
            StateFileError::Foreign { path: path(), detail: error.to_string() }
        }
    };
    let Versioned { schema } = serde_json::from_slice(bytes).map_err(wrong)?;
    if schema > u64::from(SCHEMA) {
        return Err(StateFileError::Newer { path: path(), schema });
    }
    serde_json::from_slice(bytes).map_err(wrong)
}

/// The state as it was last known, for a daemon that comes back: from the agent at `socket` if it answers within
/// `wait`, else from `state_file`. None when there is none of this boot.
///
/// An agent that is not there costs no wait: then the file is all there is.
#[must_use]
pub fn former_state(socket: &Path, state_file: &Path, boot_id: &str, wait: Duration) -> Option<State> {
    match ask_agent(socket, wait) {
        Ok(state) => return of_this_boot(state, boot_id, "the agent"),
        Err(error) if error.is_unreachable() => {
            tracing::info!(socket = %socket.display(), "the agent is not there yet, reading the state file: {error}");
        }
        Err(error) => tracing::warn!(socket = %socket.display(), "reading the state file instead: {error}"),
    }
    match read_state_file(state_file) {
        Ok(mut state) => {
            // Whoever wrote the file heard them; nobody does now.
            (state.checkd.connected, state.lvsd.connected) = (false, false);
            (state.vipd.connected, state.alertd.connected) = (false, false);
            of_this_boot(state, boot_id, "the state file")
        }
        Err(error @ StateFileError::Missing(_)) => {
            tracing::info!("nothing is known from before: {error}");
            None
        }
        Err(error) => {
            tracing::warn!("nothing is known from before: {error}");
            None
        }
    }
}

fn ask_agent(socket: &Path, wait: Duration) -> Result<State, CallError> {
    let mut connection = Connection::open(socket, wait)?;
    let reply: StateReply = connection.call(GET_STATE, &serde_json::Map::new())?;
    Ok(reply.state)
}

fn of_this_boot(state: State, boot_id: &str, source: &str) -> Option<State> {
    if state.schema > SCHEMA {
        tracing::warn!(schema = state.schema, "nothing is known from before: {source} is of a newer version");
        return None;
    }
    if state.boot_id != boot_id {
        tracing::info!("nothing is known from before: what {source} has is of another boot");
        return None;
    }
    Some(state)
}

#[cfg(test)]
mod tests;
