//! Calling the agent from a thread that may wait.
//!
//! Owns one connection, calls with a timeout, and the stream of updates. Errors say what to do. It never reconnects:
//! that is what [`Reporter`](crate::Reporter) and [`Watcher`](crate::Watcher) are for.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent_api::Update;
use agent_api::wire::{AgentError, WATCH, Watch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::frame::to_frame;
use crate::message::{IncomingReply, OutgoingCall, ReplyError, error_of};
use crate::socket::{Heed, Socket, SocketError};

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no way to the agent.
    #[error("can't reach the agent at {path}: {source}; {}", remedy(source))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("lost the agent while calling {method}: {source}")]
    Io {
        /// What was called.
        method: String,
        /// Why.
        source: io::Error,
    },
    /// No reply in time.
    #[error("the agent did not answer {method} within {} ms; see whether agentd is overloaded or stopped", .after.as_millis())]
    Timeout {
        /// What was called.
        method: String,
        /// How long was waited.
        after: Duration,
    },
    /// The reply is not what it should be.
    #[error(
        "the agent's reply to {method} is not understood: {detail}; see that both are of the same version"
    )]
    Protocol {
        /// What was called.
        method: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The agent refused.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "agentd is not running, or uses another socket"
        }
        io::ErrorKind::PermissionDenied => "only root and members of group holdfast may open it",
        io::ErrorKind::TimedOut => "agentd takes no connections: see whether it is stopped",
        _ => "see the log of agentd",
    }
}

impl CallError {
    /// Whether the agent could not be reached at all: it has not done what was asked.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }

    fn of_socket(error: SocketError, method: &str, timeout: Duration) -> Self {
        let method = method.to_owned();
        match error {
            SocketError::Late => Self::Timeout { method, after: timeout },
            SocketError::Io(source) => Self::Io { method, source },
            SocketError::Frame(error) => Self::Protocol { method, detail: error.to_string() },
            SocketError::Closed | SocketError::Stopped | SocketError::Woken => {
                Self::Io { method, source: io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string()) }
            }
        }
    }
}

/// A connection to the agent.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    timeout: Duration,
}

impl Connection {
    /// Connects to the socket at `path`. Connecting, and later each call, takes at most `timeout`.
    ///
    /// # Errors
    /// [`CallError::Connect`].
    pub fn open(path: &Path, timeout: Duration) -> Result<Self, CallError> {
        let socket =
            Socket::connect(path, None, Instant::now() + timeout).map_err(|error| CallError::Connect {
                path: path.to_owned(),
                source: match error {
                    SocketError::Io(source) => source,
                    SocketError::Late => io::ErrorKind::TimedOut.into(),
                    other => io::Error::other(other.to_string()),
                },
            })?;
        Ok(Self { socket, timeout })
    }

    /// Calls `method` and waits for its reply. After an error other than [`CallError::Agent`] the connection is of no
    /// more use.
    ///
    /// # Errors
    /// Everything in [`CallError`] but `Connect`.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: &impl Serialize,
    ) -> Result<R, CallError> {
        let deadline = Instant::now() + self.timeout;
        exchange(&mut self.socket, method, parameters, deadline)
            .map_err(|error| error.into_call(method, self.timeout))
    }

    /// Starts to watch. The first update comes within the connection's timeout and is whole.
    ///
    /// # Errors
    /// The call could not be sent.
    pub fn watch(mut self, watch: &Watch) -> Result<Updates, CallError> {
        let deadline = Instant::now() + self.timeout;
        ask(&mut self.socket, WATCH, watch, true, deadline)
            .map_err(|error| error.into_call(WATCH, self.timeout))?;
        Ok(Updates { socket: self.socket, timeout: self.timeout, began: false, ended: false })
    }
}

/// The updates of a watch, each as it comes. An agent that lives sends one at least every ten seconds, an empty one if need be.
#[derive(Debug)]
pub struct Updates {
    socket: Socket,
    timeout: Duration,
    began: bool,
    ended: bool,
}

/// How long a stream may be silent before it counts as lost.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

impl Updates {
    /// Waits for the next update, at most until `deadline`. None when there was none; the stream goes on.
    ///
    /// # Errors
    /// The stream is over.
    pub fn next_before(&mut self, deadline: Instant) -> Result<Option<Update>, CallError> {
        match next_update(&mut self.socket, Heed::Stop, deadline) {
            Ok(update) => {
                self.began = true;
                Ok(Some(update))
            }
            Err(ExchangeError::Socket(SocketError::Late)) => Ok(None),
            Err(error) => {
                self.ended = true;
                Err(error.into_call(WATCH, self.timeout))
            }
        }
    }
}

impl Iterator for Updates {
    type Item = Result<Update, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let wait = if self.began { SILENCE } else { self.timeout };
        match self.next_before(Instant::now() + wait) {
            Ok(Some(update)) => Some(Ok(update)),
            Ok(None) => {
                self.ended = true;
                Some(Err(CallError::Timeout { method: WATCH.to_owned(), after: wait }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Why an exchange over a socket failed.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    Socket(SocketError),
    Protocol(String),
    Agent(AgentError),
}

impl ExchangeError {
    fn into_call(self, method: &str, timeout: Duration) -> CallError {
        match self {
            Self::Socket(error) => CallError::of_socket(error, method, timeout),
            Self::Protocol(detail) => CallError::Protocol { method: method.to_owned(), detail },
            Self::Agent(error) => CallError::Agent(error),
        }
    }
}

impl std::fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(error) => error.fmt(f),
            Self::Protocol(detail) => write!(f, "the agent's reply is not understood: {detail}"),
            Self::Agent(error) => error.fmt(f),
        }
    }
}

impl From<SocketError> for ExchangeError {
    fn from(error: SocketError) -> Self {
        Self::Socket(error)
    }
}

/// Sends a call.
pub(crate) fn ask(
    socket: &mut Socket,
    method: &str,
    parameters: &impl Serialize,
    more: bool,
    deadline: Instant,
) -> Result<(), ExchangeError> {
    let call = OutgoingCall { method, parameters, more };
    let bytes = to_frame(&call).map_err(|error| ExchangeError::Protocol(error.to_string()))?;
    let Err(error) = socket.send(&bytes, deadline) else { return Ok(()) };
    // Whoever refuses a connection says why and closes, perhaps before it has read the call.
    if matches!(error, SocketError::Closed)
        && let Ok(message) = socket.receive(Heed::Stop, deadline)
    {
        answer::<serde::de::IgnoredAny>(&message)?;
    }
    Err(error.into())
}

/// Sends a call and waits for its reply.
pub(crate) fn exchange<R: DeserializeOwned>(
    socket: &mut Socket,
    method: &str,
    parameters: &impl Serialize,
    deadline: Instant,
) -> Result<R, ExchangeError> {
    ask(socket, method, parameters, false, deadline)?;
    answer(&socket.receive(Heed::Stop, deadline)?)
}

/// Waits for the next update of a stream.
pub(crate) fn next_update(
    socket: &mut Socket,
    heed: Heed,
    deadline: Instant,
) -> Result<Update, ExchangeError> {
    answer(&socket.receive(heed, deadline)?)
}

fn answer<R: DeserializeOwned>(message: &[u8]) -> Result<R, ExchangeError> {
    let reply: IncomingReply<'_> = parse(message)?;
    if let Some(name) = &reply.error {
        return Err(match error_of(message, name) {
            ReplyError::Agent(error) => ExchangeError::Agent(error),
            ReplyError::Service(detail) => ExchangeError::Protocol(detail),
        });
    }
    parse(reply.parameters.map_or("{}", RawValue::get).as_bytes())
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, ExchangeError> {
    serde_json::from_slice(json).map_err(|error| ExchangeError::Protocol(error.to_string()))
}
