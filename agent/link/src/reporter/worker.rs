//! The reporter's thread.
//!
//! Owns the connection, the rhythm of reports (at once, but not more than one every [`GAP`]; a sign of life every
//! [`HEARTBEAT`]) and the attempts to come back. Every wait ends when the reporter is dropped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agent_api::wire::{REPORT, ReportReply};

use super::news::{Known, Parcel};
use super::{Daemon, Shared};
use crate::backoff::Backoff;
use crate::client::{ExchangeError, exchange};
use crate::socket::{Heed, Socket, SocketError};

/// A report goes out this often even if nothing changed.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// The least time between two reports: what changes meanwhile travels together.
const GAP: Duration = Duration::from_millis(10);
/// How long the agent may take to answer a report.
const ANSWER: Duration = Duration::from_secs(30);
/// How often the same trouble is told again.
const REMIND: Duration = Duration::from_secs(600);

pub fn run<D: Daemon>(shared: &Shared<D>, path: &Path) {
    let mut known = Known::new();
    let mut backoff = Backoff::new();
    let mut trouble = Trouble::default();
    while !shared.wake.is_stopping() {
        let result = stay_connected(shared, path, &mut known, &mut backoff, &mut trouble);
        shared.connected.store(false, Ordering::Release);
        shared.news().end();
        if let Err(error) = result {
            if matches!(error, ExchangeError::Socket(SocketError::Stopped)) {
                return;
            }
            trouble.tell::<D>(&error, path);
        }
        shared.wake.sleep(Instant::now() + backoff.pause());
    }
}

/// Connects and reports until something fails.
fn stay_connected<D: Daemon>(
    shared: &Shared<D>,
    path: &Path,
    known: &mut Known<D>,
    backoff: &mut Backoff,
    trouble: &mut Trouble,
) -> Result<(), ExchangeError> {
    let mut socket = Socket::connect(path, Some(Arc::clone(&shared.wake)), Instant::now() + ANSWER)?;
    let mut whole = true;
    let mut finished = false;
    let mut heartbeat = Instant::now();
    if shared.news().begin() {
        shared.ask();
    }
    loop {
        shared.wake.hush();
        if shared.news().is_silent() {
            match socket.receive(Heed::News, Instant::now() + HEARTBEAT) {
                Err(SocketError::Late | SocketError::Woken) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(ExchangeError::Protocol("a reply that answers nothing".to_owned())),
            }
        }
        let parcel = shared.news().take(known, whole);
        if shared.news().take_waiting() {
            shared.ask();
        }
        let unfinished = parcel.update.unfinished;
        if !finished && !unfinished {
            finished = true;
            heartbeat = Instant::now();
        }
        if Instant::now() >= heartbeat || !parcel.is_empty() {
            send(shared, &mut socket, parcel)?;
            heartbeat = Instant::now() + HEARTBEAT;
        } else {
            shared.news().acknowledge(parcel.said, None);
            shared.acknowledged.notify_all();
        }
        if whole {
            whole = false;
            backoff.reset();
            trouble.over::<D>(path);
        }
        let looked_at = Instant::now();
        match socket.receive(Heed::News, heartbeat) {
            Err(SocketError::Late) => {}
            Err(SocketError::Woken) if shared.news().is_full() => {}
            Err(SocketError::Woken) => shared.wake.sleep(looked_at + GAP),
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(ExchangeError::Protocol("a reply that answers nothing".to_owned())),
        }
    }
}

fn send<D: Daemon>(shared: &Shared<D>, socket: &mut Socket, parcel: Parcel<D>) -> Result<(), ExchangeError> {
    let Parcel { update, events, said } = parcel;
    let unfinished = update.unfinished;
    let last_event = events.last().map(|event| event.sequence);
    let report = D::report(update, events);
    let _reply: ReportReply = exchange(socket, REPORT, &report, Instant::now() + ANSWER)?;
    shared.connected.store(!unfinished, Ordering::Release);
    shared.news().acknowledge(said, last_event);
    shared.acknowledged.notify_all();
    Ok(())
}

/// Tells trouble once, and again when it changes or stays for long.
#[derive(Debug, Default)]
struct Trouble {
    told: Option<(String, Instant)>,
}

impl Trouble {
    fn tell<D: Daemon>(&mut self, error: &ExchangeError, path: &Path) {
        let text = error.to_string();
        let now = Instant::now();
        if self.told.as_ref().is_some_and(|(told, at)| *told == text && now.duration_since(*at) < REMIND) {
            return;
        }
        tracing::warn!(daemon = D::NAME, socket = %path.display(), "can't report to the agent, trying on: {text}");
        self.told = Some((text, now));
    }

    fn over<D: Daemon>(&mut self, path: &Path) {
        self.told = None;
        tracing::info!(daemon = D::NAME, socket = %path.display(), "reporting to the agent");
    }
}
