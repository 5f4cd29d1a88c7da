//! Keeping a copy of the state.
//!
//! Owns one thread that watches the agent and merges what comes. When the agent is gone the last facts stay: how old they
//! are stands in each section. It never asks anybody else and never decides what a fact means.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent_api::wire::{Part, WATCH, Watch};
use agent_api::{State, Update};
use jiff::Timestamp;

use crate::backoff::Backoff;
use crate::changed::Changed;
use crate::client::{ExchangeError, SILENCE, ask, next_update};
use crate::socket::{Heed, Socket, SocketError};
use crate::wake::Wake;

/// How long the agent may take to send the first update.
const FIRST: Duration = Duration::from_secs(30);
/// How often the same trouble is told again.
const REMIND: Duration = Duration::from_secs(600);

/// What a [`Watcher`] knows.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The state, as last heard; absent until anything was heard. Parts that are not watched are empty.
    pub state: Option<&'a State>,
    /// Whether the agent is being heard now.
    pub connected: bool,
}

#[derive(Debug, Default)]
struct Copy {
    state: Option<State>,
    connected: bool,
    changed: Changed,
}

#[derive(Debug)]
struct Shared {
    copy: Mutex<Copy>,
    wake: Arc<Wake>,
}

impl Shared {
    fn copy(&self) -> MutexGuard<'_, Copy> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the agent for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts to watch `parts` (all when absent) of the agent at `socket`. `on_change` runs on the watcher's thread after
    /// every change and when the connection comes or goes; it may call [`Self::read`] and must not wait for long.
    ///
    /// # Errors
    /// The system has no thread or descriptor left.
    pub fn start(
        socket: &Path,
        parts: Option<Vec<Part>>,
        on_change: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { copy: Mutex::default(), wake: Arc::new(Wake::new()?) });
        let worker = Worker {
            shared: Arc::clone(&shared),
            path: socket.to_owned(),
            watch: Watch { parts },
            on_change: Box::new(on_change),
            told: None,
        };
        let thread = std::thread::Builder::new().name("watcher".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Looks at what is known. Updates wait meanwhile: don't stay.
    pub fn read<R>(&self, look: impl FnOnce(Watched<'_>) -> R) -> R {
        let copy = self.shared.copy();
        look(Watched { state: copy.state.as_ref(), connected: copy.connected })
    }

    /// The same, with what has changed since this was last called.
    pub fn read_changed<R>(&self, look: impl FnOnce(Watched<'_>, &Changed) -> R) -> R {
        let mut copy = self.shared.copy();
        let changed = std::mem::replace(&mut copy.changed, Changed::nothing());
        look(Watched { state: copy.state.as_ref(), connected: copy.connected }, &changed)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.wake.stop();
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped by `on_change`, on the thread itself.
            if thread.thread().id() != std::thread::current().id() {
                let _panicked = thread.join();
            }
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    path: PathBuf,
    watch: Watch,
    on_change: Box<dyn Fn() + Send>,
    told: Option<(String, Instant)>,
}

impl Worker {
    fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.shared.wake.is_stopping() {
            let error = match self.follow(&mut backoff) {
                Ok(never) => match never {},
                Err(ExchangeError::Socket(SocketError::Stopped)) => return,
                Err(error) => error,
            };
            self.tell(&error);
            let was_connected = std::mem::take(&mut self.shared.copy().connected);
            if was_connected {
                (self.on_change)();
            }
            self.shared.wake.sleep(Instant::now() + backoff.pause());
        }
    }

    /// Connects and takes updates until something fails.
    fn follow(&mut self, backoff: &mut Backoff) -> Result<std::convert::Infallible, ExchangeError> {
        let deadline = Instant::now() + FIRST;
        let mut socket = Socket::connect(&self.path, Some(Arc::clone(&self.shared.wake)), deadline)?;
        ask(&mut socket, WATCH, &self.watch, true, deadline)?;
        let first = next_update(&mut socket, Heed::Stop, deadline)?;
        // The agent may have been started anew and know less than before: begin afresh.
        let mut state = State::new(String::new(), Timestamp::now());
        state.apply(first);
        *self.shared.copy() = Copy { state: Some(state), connected: true, changed: Changed::Everything };
        backoff.reset();
        self.told = None;
        tracing::info!(socket = %self.path.display(), "watching the agent");
        (self.on_change)();
        loop {
            let update = next_update(&mut socket, Heed::Stop, Instant::now() + SILENCE)?;
            if self.merge(update) {
                (self.on_change)();
            }
        }
    }

    /// Merges an update; says whether it was more than a sign of life.
    fn merge(&self, update: Update) -> bool {
        let mut copy = self.shared.copy();
        let Copy { state: Some(state), changed: noted, .. } = &mut *copy else { return false };
        let changed = update != Update { generation: state.generation, ..Update::default() };
        noted.note(&update);
        state.apply(update);
        changed
    }

    fn tell(&mut self, error: &ExchangeError) {
        let text = error.to_string();
        let now = Instant::now();
        if self.told.as_ref().is_some_and(|(told, at)| *told == text && now.duration_since(*at) < REMIND) {
            return;
        }
        tracing::warn!(socket = %self.path.display(), "can't watch the agent, trying on: {text}");
        self.told = Some((text, now));
    }
}
