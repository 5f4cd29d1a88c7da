//! From what the agent says to the snapshot that is shown.
//!
//! Owns when a new snapshot is due (soon after a change, and now and then because time itself changes the judgement) and
//! what counts as news. How often it looks depends on what looking costs, so that a large cluster takes a small share of
//! one processor. It asks nobody but the watcher, and the state file once.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_api::{CheckSection, Event, LvsSection, State};
use agent_core::view::{Source, View};
use agent_daemon::boot_id;
use agent_link::{Watcher, read_state_file};
use jiff::Timestamp;

use crate::app::{App, Rendered, Snapshot};
use crate::history::STEP;

/// How soon after the last snapshot a change is shown.
const SOON: Duration = Duration::from_millis(200);
/// How long a snapshot stands when nothing changes.
const IDLE: Duration = Duration::from_secs(1);
/// A change is shown after so many times what the last snapshot took at least, and an idle look is taken after so many.
const SOON_SHARE: u32 = 4;
const IDLE_SHARE: u32 = 40;

/// Makes snapshots.
#[derive(Debug)]
pub struct Gatherer {
    watcher: Watcher,
    /// What the state file said, until the agent is heard.
    former: Option<State>,
    began: Instant,
    took: Duration,
    /// Whether the watcher told of a change since the last snapshot.
    changed: bool,
    sample_due: Instant,
}

impl Gatherer {
    pub fn new(watcher: Watcher, state_file: &Path) -> Self {
        let now = Instant::now();
        let former = from_file(state_file);
        Self { watcher, former, began: now, took: Duration::ZERO, changed: true, sample_due: now }
    }

    /// Something has changed.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// When the next snapshot is due.
    pub fn due(&self) -> Instant {
        let wait =
            if self.changed { SOON.max(self.took * SOON_SHARE) } else { IDLE.max(self.took * IDLE_SHARE) };
        self.began + wait
    }

    /// Makes the first snapshot.
    pub fn first(&mut self) -> Snapshot {
        self.make(None)
    }

    /// Makes a snapshot and publishes it.
    pub fn refresh(&mut self, app: &App) {
        let last = app.snapshot();
        let mut snapshot = self.make(Some(&last));
        let now = Instant::now();
        if now >= self.sample_due {
            app.history().take(&snapshot.view);
            // A fixed step, unless the process stood still for longer.
            self.sample_due = (self.sample_due + STEP).max(now);
            snapshot.version = last.version + 1;
        }
        app.publish(snapshot);
    }

    fn make(&mut self, last: Option<&Snapshot>) -> Snapshot {
        self.began = Instant::now();
        let changed = std::mem::take(&mut self.changed);
        let now = Timestamp::now();
        let kept = last.map(|last| &last.events);
        let former = &mut self.former;
        let (view, connected, events, checks) =
            self.watcher.read(|watched| match (watched.state, &*former) {
                (Some(state), _) => {
                    *former = None;
                    let source = if watched.connected { Source::Agent } else { Source::LastHeard };
                    let view = View::of(state, now).from_source(source);
                    (view, watched.connected, events(state, kept), state.checkd.head.clone())
                }
                (None, Some(state)) => {
                    let view = View::of(state, now).from_source(Source::StateFile);
                    (view, false, events(state, kept), state.checkd.head.clone())
                }
                (None, None) => {
                    let nothing = State::new(String::new(), now);
                    let view = View::of(&nothing, now).from_source(Source::Nowhere);
                    (view, false, events(&nothing, kept), nothing.checkd.head)
                }
            });
        let version = match last {
            None => u64::try_from(now.as_millisecond()).unwrap_or(1),
            Some(last) => {
                let (then, stood) = (view.generated_at, last.view.generated_at);
                let same = !changed && same_but_for_time(&view, &last.view, then, stood);
                if same { last.version } else { last.version + 1 }
            }
        };
        self.took = self.began.elapsed();
        Snapshot { version, view, connected, events, checks, rendered: Rendered::default() }
    }
}

/// Whether two views differ in nothing but when they were made.
fn same_but_for_time(view: &View, last: &View, now: Timestamp, then: Timestamp) -> bool {
    now >= then
        && view.source == last.source
        && view.generation == last.generation
        && view.reasons == last.reasons
        && view.daemons == last.daemons
        && view.virtual_servers == last.virtual_servers
        && view.virtual_routers == last.virtual_routers
        && view.drains == last.drains
}

/// The events, copied only when there are new ones.
fn events(state: &State, kept: Option<&Arc<VecDeque<Event>>>) -> Arc<VecDeque<Event>> {
    let edge = |events: &VecDeque<Event>| (events.front().cloned(), events.back().cloned());
    match kept {
        Some(kept) if edge(kept) == edge(&state.events) => Arc::clone(kept),
        _ => Arc::new(state.events.clone()),
    }
}

/// What the state file says. Of another boot only orders and events count.
fn from_file(path: &Path) -> Option<State> {
    let mut state = match read_state_file(path) {
        Ok(state) => state,
        Err(error) => {
            tracing::debug!("no former state: {error}");
            return None;
        }
    };
    if boot_id().is_ok_and(|id| id != state.boot_id) {
        state.checkd = CheckSection::default();
        state.lvsd = LvsSection::default();
        state.vipd = agent_api::RouterSection::default();
    }
    // Nobody is connected to a file.
    state.checkd.connected = false;
    state.lvsd.connected = false;
    state.vipd.connected = false;
    Some(state)
}
