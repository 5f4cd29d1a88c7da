//! What all requests share: the latest snapshot, the history, the figures about ourselves.
//!
//! Owns the [`Snapshot`], what is rendered from it once for everybody, and the limits that keep memory bounded. It gathers
//! nothing and answers nobody.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use agent_api::{CheckHead, Event};
use agent_core::view::View;
use axum::body::Bytes;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::history::History;
use crate::peer::{Asking, PeerFacts};
use crate::protection::Protection;

/// Answers that grow with the cluster: so many may be under way at a time.
pub const LARGE_AT_ONCE: usize = 16;
/// Pages that are made for one client alone: so many may be under way at a time.
pub const PAGES_AT_ONCE: usize = 256;

/// All that is shown, as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Rises when something that is shown has changed.
    pub version: u64,
    /// What people read.
    pub view: View,
    /// Whether the agent is being heard.
    pub connected: bool,
    /// All events that the agent keeps, oldest first.
    pub events: Arc<VecDeque<Event>>,
    /// `checkd`'s figures.
    pub checks: CheckHead,
    /// What is rendered once and shared by all who ask.
    pub rendered: Rendered,
}

/// Whole answers made from one snapshot, each at most once.
#[derive(Debug, Default)]
pub struct Rendered {
    /// `/`.
    pub overview: OnceLock<Bytes>,
    /// `/metrics`, for those who ask for OpenMetrics.
    pub metrics: OnceLock<Bytes>,
    /// `/metrics`, for others.
    pub classic_metrics: OnceLock<Bytes>,
    /// `/api/v1/status`.
    pub status: OnceLock<Bytes>,
    /// `/api/v1/real-servers`.
    pub real_servers: OnceLock<Bytes>,
}

/// What the configuration says of the page.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What the page calls the cluster.
    pub title: String,
    /// What stands between strangers and the page.
    pub protection: Protection,
    /// How the other director is asked.
    pub peer: Option<Arc<Asking>>,
}

/// Figures about this process, for `/metrics`.
#[derive(Debug, Default)]
pub struct Figures {
    /// Connections that stand.
    pub connections: AtomicUsize,
    /// Streams that stand.
    pub streams: AtomicUsize,
    /// Requests answered.
    pub requests: AtomicU64,
    /// Connections that were closed to make room.
    pub evicted: AtomicU64,
    /// Requests refused because of a limit.
    pub refused: AtomicU64,
    /// Requests without a right name and password.
    pub denied: AtomicU64,
}

/// What all requests share.
#[derive(Debug)]
pub struct App {
    latest: watch::Sender<Arc<Snapshot>>,
    settings: Mutex<Arc<Settings>>,
    history: Mutex<History>,
    peer: Mutex<Option<Arc<PeerFacts>>>,
    /// This machine's name.
    pub host: String,
    /// About this process.
    pub figures: Figures,
    /// A permit per large answer.
    pub large: Arc<Semaphore>,
    /// A permit per page that is made for one client alone.
    pub pages: Arc<Semaphore>,
    /// When this process started.
    pub started_at: Timestamp,
}

impl App {
    pub fn new(first: Snapshot, settings: Settings) -> Self {
        Self {
            latest: watch::Sender::new(Arc::new(first)),
            peer: Mutex::new(settings.peer.as_ref().map(|peer| Arc::new(peer.unheard()))),
            settings: Mutex::new(Arc::new(settings)),
            history: Mutex::default(),
            host: nix::unistd::gethostname()
                .map_or_else(|_| "this director".to_owned(), |name| name.to_string_lossy().into_owned()),
            figures: Figures::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
            pages: Arc::new(Semaphore::new(PAGES_AT_ONCE)),
            started_at: Timestamp::now(),
        }
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.borrow())
    }

    /// Tells of every new snapshot from now on.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.latest.subscribe()
    }

    /// Makes `snapshot` the latest; streams hear of it when its version is new.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.latest.send_if_modified(|latest| {
            let news = latest.version != snapshot.version;
            *latest = snapshot;
            news
        });
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// What is known of the other director; `None` when there is none.
    pub fn peer(&self) -> Option<Arc<PeerFacts>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_peer(&self, facts: Option<PeerFacts>) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = facts.map(Arc::new);
    }

    /// The latencies of the last minutes. Don't stay.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
