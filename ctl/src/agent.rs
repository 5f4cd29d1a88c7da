//! Reaching the agent, and the state file when it can't be reached.
//!
//! Owns the words for everything that can go wrong on the way, with what to do about it. It never retries: an
//! operator is waiting.

use std::io;
use std::path::Path;
use std::time::Duration;

use agent_api::section::{CheckSection, LvsSection};
use agent_api::wire::{AgentError, GET_STATE, StateReply};
use agent_api::{SCHEMA, State};
use agent_link::{CallError, Connection, StateFileError, read_state_file};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the agent has to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Where to look when the agent does not answer.
const LOOK: &str = "see: systemctl status holdfast-agentd";

/// Why the agent did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AgentFailure {
    /// It was reached and said no.
    #[error(transparent)]
    Said(AgentError),
    /// It was not reached, or makes no sense.
    #[error("{0}")]
    Unreachable(String),
}

/// Calls `method` of the agent at `socket`.
pub fn call<R: DeserializeOwned>(
    socket: &Path,
    method: &str,
    parameters: &impl Serialize,
) -> Result<R, AgentFailure> {
    Connection::open(socket, ANSWERS_WITHIN)
        .and_then(|mut connection| connection.call(method, parameters))
        .map_err(failure)
}

/// The state, from the agent.
pub fn state(socket: &Path) -> Result<State, AgentFailure> {
    let StateReply { state } = call(socket, GET_STATE, &serde_json::Map::new())?;
    if state.schema > SCHEMA {
        return Err(AgentFailure::Unreachable(format!(
            "the agent's state has schema {}, and this holdfast knows up to {SCHEMA}: use the newer one",
            state.schema
        )));
    }
    Ok(state)
}

fn failure(error: CallError) -> AgentFailure {
    AgentFailure::Unreachable(match error {
        CallError::Agent(said) => return AgentFailure::Said(said),
        CallError::Connect { path, source } => {
            let socket = path.display();
            match source.kind() {
                io::ErrorKind::NotFound => format!(
                    "the agent does not run: its socket {socket} is not there; {LOOK} (--socket names another socket)"
                ),
                io::ErrorKind::ConnectionRefused => {
                    format!("the agent does not run: nobody listens on its socket {socket}; {LOOK}")
                }
                io::ErrorKind::PermissionDenied => format!(
                    "you may not open the agent's socket {socket}: run this as root, or join the group holdfast"
                ),
                io::ErrorKind::TimedOut => {
                    format!("the agent takes no connections on its socket {socket}: is it stopped? {LOOK}")
                }
                _ => format!("can't reach the agent at its socket {socket}: {source}; {LOOK}"),
            }
        }
        CallError::Timeout { .. } | CallError::Io { .. } => format!("{error}; {LOOK}"),
        CallError::Protocol { .. } => error.to_string(),
    })
}

/// The state from the file at `path`. Of another boot than `boot_id`, only what operators ordered and the events count:
/// what was observed then is left out.
pub fn state_from_file(path: &Path, boot_id: Option<&str>) -> Result<State, StateFileError> {
    let mut state = read_state_file(path)?;
    if boot_id.is_some_and(|id| id != state.boot_id) {
        state.checkd = CheckSection::default();
        state.lvsd = LvsSection::default();
        state.vipd = agent_api::RouterSection::default();
        state.alertd = agent_api::AlertSection::default();
    }
    // Nobody is connected to a file.
    state.checkd.connected = false;
    state.lvsd.connected = false;
    state.vipd.connected = false;
    state.alertd.connected = false;
    Ok(state)
}
