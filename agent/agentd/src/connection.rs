//! One connection: bytes in, calls in order, replies out.
//!
//! Owns the limits of a connection: how long a message may be and take, how long one may be connected without a word. What
//! is no call is told why and closed. One call at a time is served; what comes meanwhile waits in the kernel, so that a
//! caller who sends without reading stops itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use agent_api::wire::{AgentError, REPORT};
use agent_core::ledger::Role;
use agent_link::frame::{CALL_MAX, CHUNK, FrameError, Frames, REPORT_MAX, to_frame};
use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::calls;
use crate::hub::Hub;
use crate::output::{self, Budget, Gone};
use crate::places::{Admission, Id, PER_USER, READERS};
use crate::stream;

/// How long a connection may be without a first call.
const FIRST_CALL: Duration = Duration::from_secs(30);
/// How long a message may be on its way.
const MESSAGE: Duration = Duration::from_secs(30);
/// How long the last words to a caller may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What all connections share beside the hub.
#[derive(Debug)]
pub struct Limits {
    pub replies: Budget,
    /// One long report at a time is read: two are as slow and cost twice the memory.
    reports: Semaphore,
    /// How to close each connection.
    closers: RefCell<BTreeMap<Id, Rc<Notify>>>,
}

impl Limits {
    pub fn new() -> Self {
        Self { replies: Budget::new(), reports: Semaphore::new(1), closers: RefCell::default() }
    }
}

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The caller closed, or takes nothing more.
    Gone,
    /// It is told why.
    Refused(String),
    /// Another connection took its place as reporter.
    Replaced,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// The connection, as the calls see it.
#[derive(Debug)]
pub struct Connection {
    pub hub: Rc<Hub>,
    pub limits: Rc<Limits>,
    pub id: Id,
    pub uid: u32,
    pub ours: bool,
    /// Whose section it reports, once it does.
    pub role: Option<Role>,
    /// Rings when the connection is to be closed.
    pub close: Rc<Notify>,
    pub reader: OwnedReadHalf,
    pub writer: OwnedWriteHalf,
    pub frames: Frames,
}

/// Gives a new connection its place and serves it, or says why there is none.
pub async fn serve(hub: Rc<Hub>, limits: Rc<Limits>, stream: UnixStream) {
    let Ok(credentials) = stream.peer_cred() else { return };
    let uid = credentials.uid();
    let ours = hub.people.is_ours(uid);
    let admission = hub.places.borrow_mut().admit(uid, ours);
    let (reader, mut writer) = stream.into_split();
    let id = match admission {
        Admission::Granted(id) => id,
        Admission::Instead { id, evicted } => {
            if let Some(close) = limits.closers.borrow_mut().remove(&evicted) {
                close.notify_one();
            }
            id
        }
        Admission::UserFull => {
            let detail = format!("user {uid} has {PER_USER} connections in use already; close some");
            return last_words(&mut writer, detail).await;
        }
        Admission::Full => {
            let detail = format!("{READERS} connections are in use already; try again later");
            return last_words(&mut writer, detail).await;
        }
    };
    let seat = Seat { hub: Rc::clone(&hub), limits: Rc::clone(&limits), id };
    let close = Rc::new(Notify::new());
    limits.closers.borrow_mut().insert(id, Rc::clone(&close));
    let frames = Frames::new(CALL_MAX);
    let mut connection = Connection {
        hub: Rc::clone(&hub),
        limits: Rc::clone(&limits),
        id,
        uid,
        ours,
        role: None,
        close,
        reader,
        writer,
        frames,
    };
    let end = connection.run().await;
    drop(seat);
    match end {
        End::Gone | End::Replaced => {}
        End::Refused(detail) => {
            tracing::debug!(uid, "closing a connection: {detail}");
            last_words(&mut connection.writer, detail).await;
        }
    }
}

/// A place that is taken. It is given back however the connection ends.
struct Seat {
    hub: Rc<Hub>,
    limits: Rc<Limits>,
    id: Id,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.limits.closers.borrow_mut().remove(&self.id);
        self.hub.left(self.id);
    }
}

/// Says why, to whoever will listen, and closes.
async fn last_words(writer: &mut OwnedWriteHalf, detail: String) {
    if let Ok(bytes) = to_frame(&AgentError::Refused { detail }) {
        let _gone = timeout(LAST_WORDS, output::send(writer, &bytes)).await;
    }
}

impl Connection {
    async fn run(&mut self) -> End {
        let mut first = Some(Instant::now() + FIRST_CALL);
        loop {
            let message = match self.message(first).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            first = None;
            self.hub.places.borrow_mut().busy(self.id);
            match calls::answer(self, &message).await {
                Ok(calls::Next::Call) => {}
                Ok(calls::Next::Watch(watch)) => {
                    drop(message);
                    return stream::run(self, &watch).await;
                }
                Err(end) => return end,
            }
            // A reporter is at work even when it is silent.
            if self.role.is_none() {
                self.hub.places.borrow_mut().idle(self.id);
            }
        }
    }

    /// Receives the next message.
    async fn message(&mut self, first: Option<Instant>) -> Result<Vec<u8>, End> {
        let limits = Rc::clone(&self.limits);
        let mut _long_report: Option<SemaphorePermit<'_>> = None;
        let mut begun: Option<Instant> = None;
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.frames.take() {
                Ok(Some(message)) => {
                    self.frames.set_limit(CALL_MAX);
                    return Ok(message);
                }
                Ok(None) => {}
                Err(FrameError::TooLong { limit }) if limit < REPORT_MAX && self.may_be_long() => {
                    _long_report = limits.reports.acquire().await.ok();
                    self.frames.set_limit(REPORT_MAX);
                    // The wait for the others was not its own fault.
                    begun = None;
                    // All of it may be there already: whoever waits for more waits in vain.
                    continue;
                }
                Err(error) => return Err(End::Refused(error.to_string())),
            }
            let (deadline, late) = if self.frames.pending() > 0 {
                let begun = *begun.get_or_insert_with(Instant::now);
                (Some(begun + MESSAGE), format!("a message was not complete after {} s", MESSAGE.as_secs()))
            } else {
                (first, format!("no call came within {} s", FIRST_CALL.as_secs()))
            };
            match self.read(&mut chunk, deadline).await? {
                Some(0) if self.frames.pending() > 0 => {
                    return Err(End::Refused("the connection ended in the middle of a message".to_owned()));
                }
                Some(0) => return Err(End::Gone),
                Some(read) => self.frames.push(chunk.get(..read).unwrap_or_default()),
                None => return Err(End::Refused(late)),
            }
        }
    }

    /// Reads some bytes; none when the deadline passed.
    async fn read(&mut self, chunk: &mut [u8], deadline: Option<Instant>) -> Result<Option<usize>, End> {
        let Self { reader, close, role, .. } = self;
        let read = async {
            match deadline {
                Some(deadline) => timeout_at(deadline, reader.read(chunk)).await.ok(),
                None => Some(reader.read(chunk).await),
            }
        };
        tokio::select! {
            biased;
            () = close.notified() => Err(match role {
                Some(_) => End::Replaced,
                None => End::Refused("closed, because it was idle and its user wants a new connection".to_owned()),
            }),
            read = read => match read {
                Some(Ok(read)) => Ok(Some(read)),
                Some(Err(_)) => Err(End::Gone),
                None => Ok(None),
            },
        }
    }

    /// Whether what has come so far is a long report of somebody who may report.
    fn may_be_long(&self) -> bool {
        self.ours && self.frames.begins_with_call(REPORT)
    }

    /// Replies to the call.
    pub async fn reply(&mut self, reply: &impl Serialize) -> Result<(), End> {
        let bytes = to_frame(reply).map_err(|error| End::Refused(error.to_string()))?;
        Ok(output::send(&mut self.writer, &bytes).await?)
    }
}
