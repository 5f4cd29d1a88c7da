//! Where everything meets: the ledger, who is told, and when the state is written.
//!
//! Owns the ledger of this process, the live reporter of each section and the rhythm of the state file. An order is in
//! force only when it is on disk; observations are written together, at most once a second. It reads no socket.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use agent_api::config::Config;
use agent_api::wire::{AgentError, Report};
use agent_core::ledger::{Action, Input, Ledger, Order, Outcome, Refusal, Role, Urgency};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::document::document;
use crate::people::People;
use crate::places::{Id, Places};
use crate::saver::Saver;

/// The least time between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// The same when a verdict, a table or an event changed: whoever is killed next must come back to what was last known.
const URGENT_PAUSE: Duration = Duration::from_millis(50);
/// No write begins sooner after what asked for it. Whoever was told of a change acts on it in this time, and a small machine has no processor for both:
/// an ejection does not wait for a disk, nor for the text that goes there.
const SETTLE: Duration = Duration::from_millis(10);
/// The most that such a change waits because former writes took long.
const URGENT_MOST: Duration = Duration::from_millis(250);
/// The same when nothing but signs of life came.
const IDLE_PAUSE: Duration = Duration::from_secs(10);
/// A write may cost this share of the time: one in so many.
const SHARE: u32 = 20;
/// The longest pause between attempts while the file can't be written.
const RETRY: Duration = Duration::from_secs(30);
/// How long an order waits for the disk.
const ORDER: Duration = Duration::from_secs(10);

/// What all connections share.
#[derive(Debug)]
pub struct Hub {
    pub people: People,
    pub places: RefCell<Places>,
    ledger: RefCell<Ledger>,
    config: RefCell<Config>,
    clock: Clock,
    generation: watch::Sender<u64>,
    reporters: RefCell<BTreeMap<Role, (Id, Rc<Notify>)>>,
    saver: Saver,
    /// Whoever holds it may write: no file is written between an order's file and the order's coming into force.
    pen: Mutex<()>,
    wanted: Cell<Option<Urgency>>,
    /// Since when so urgently.
    wanted_since: Cell<Instant>,
    want: Notify,
}

/// How a write went on the clock.
#[derive(Debug, Clone, Copy)]
struct Written {
    at: Instant,
    pause: Duration,
}

impl Hub {
    pub fn new(ledger: Ledger, config: Config, people: People, clock: Clock, saver: Saver) -> Self {
        let generation = watch::Sender::new(ledger.state().generation);
        Self {
            people,
            places: RefCell::default(),
            ledger: RefCell::new(ledger),
            config: RefCell::new(names_of(config)),
            clock,
            generation,
            reporters: RefCell::default(),
            saver,
            pen: Mutex::new(()),
            wanted: Cell::new(None),
            wanted_since: Cell::new(Instant::now()),
            want: Notify::new(),
        }
    }

    /// Looks at the ledger.
    pub fn look<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.ledger.borrow())
    }

    /// Looks at the configuration.
    pub fn config<R>(&self, look: impl FnOnce(&Config) -> R) -> R {
        look(&self.config.borrow())
    }

    /// Takes a new configuration.
    pub fn set_config(&self, config: Config) {
        *self.config.borrow_mut() = names_of(config);
    }

    /// Says when the generation changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Takes a report from connection `id`, which is closed by `close` when a newer one takes over. Returns the generation
    /// with the report in it.
    pub fn report(&self, report: Report, id: Id, first: bool, close: &Rc<Notify>) -> Result<u64, Refusal> {
        let role = Role::of(&report)?;
        // What a replaced connection had sent before it was closed is older than what its successor said.
        if !first && self.reporters.borrow().get(&role).is_none_or(|(live, _)| *live != id) {
            return Err(Refusal::NotWhole);
        }
        self.handle(Input::Reported { report: Box::new(report), first })?;
        if first {
            let former = self.reporters.borrow_mut().insert(role, (id, Rc::clone(close)));
            // Two connections of one section: a process that was started anew before the kernel had told the end of the
            // old one, or that lost its connection. Whoever came last knows more.
            if let Some((_, former)) = former {
                tracing::info!("a new connection of {} replaces the former one", role.as_str());
                former.notify_one();
            }
        }
        Ok(self.look(|ledger| ledger.state().generation))
    }

    /// Connection `id` is gone.
    pub fn left(&self, id: Id) {
        self.places.borrow_mut().leave(id);
        let roles: Vec<Role> = {
            let reporters = self.reporters.borrow();
            reporters.iter().filter(|(_, (live, _))| *live == id).map(|(role, _)| *role).collect()
        };
        for role in roles {
            self.reporters.borrow_mut().remove(&role);
            tracing::info!("{} is gone", role.as_str());
            self.note(Input::ReporterLeft(role));
        }
    }

    /// Handles what can't be refused.
    fn note(&self, input: Input) {
        if let Err(refusal) = self.handle(input) {
            tracing::error!("the ledger refused what it must take: {refusal}");
        }
    }

    fn handle(&self, input: Input) -> Result<(), Refusal> {
        let mut ledger = self.ledger.borrow_mut();
        ledger.handle(input, self.clock.now())?;
        while let Some(action) = ledger.poll_action() {
            match action {
                Action::Publish => drop(self.generation.send_replace(ledger.state().generation)),
                Action::Save(urgency) => self.wants_save(urgency),
            }
        }
        Ok(())
    }

    /// When the next deadline of the ledger is, at most `longest` from now.
    pub fn next_deadline(&self, longest: Duration) -> Instant {
        let left = self
            .look(|ledger| ledger.deadline(self.clock.now()))
            .map_or(longest, |(left, _)| left.min(longest));
        Instant::now() + left
    }

    /// Does what is due.
    pub fn pass_deadlines(&self) {
        let due =
            self.look(|ledger| ledger.deadline(self.clock.now())).is_some_and(|(left, _)| left.is_zero());
        if due {
            self.note(Input::DeadlinePassed);
        }
    }

    /// Gives an order: writes the state as it will be, and only then is the order in force.
    pub async fn order(self: &Rc<Self>, order: Order) -> Result<Outcome, AgentError> {
        let slow = |()| AgentError::NotSaved {
            detail: format!(
                "the state file was not written within {} s; see that its disk is healthy, then try again",
                ORDER.as_secs()
            ),
        };
        let hub = Rc::clone(self);
        let give_up = Rc::new(Cell::new(false));
        let given_up = Rc::clone(&give_up);
        // A task of its own: a caller that leaves must not leave the order in between.
        let task = tokio::task::spawn_local(async move {
            let _pen = hub.pen.lock().await;
            if given_up.get() {
                return Err(slow(()));
            }
            let (outcome, bytes) = hub.draft(&order)?;
            let result = hub.saver.save(bytes).await;
            if given_up.get() {
                // The caller was told that it is not in force; what is on disk must say the same.
                hub.want_save();
                return Err(slow(()));
            }
            match result {
                Ok(()) => {
                    hub.note(Input::Ordered(order));
                    hub.note(Input::StorageWorked);
                    Ok(outcome)
                }
                Err(detail) => {
                    hub.storage_failed(&detail);
                    Err(AgentError::NotSaved { detail })
                }
            }
        });
        match tokio::time::timeout(ORDER, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(AgentError::NotSaved { detail: error.to_string() }),
            Err(_) => {
                give_up.set(true);
                Err(slow(()))
            }
        }
    }

    fn draft(&self, order: &Order) -> Result<(Outcome, Vec<u8>), AgentError> {
        let (state, outcome) = self
            .look(|ledger| ledger.preview(order, self.clock.now()))
            .map_err(|refusal| AgentError::Refused { detail: refusal.to_string() })?;
        let bytes =
            serde_json::to_vec(&state).map_err(|error| AgentError::NotSaved { detail: error.to_string() })?;
        Ok((outcome, bytes))
    }

    /// Has the state written even if nothing changed.
    pub fn want_save(&self) {
        self.wants_save(Urgency::Now);
    }

    fn wants_save(&self, urgency: Urgency) {
        let wanted = self.wanted.get();
        if wanted < Some(urgency) {
            self.wanted_since.set(Instant::now());
        }
        self.wanted.set(wanted.max(Some(urgency)));
        self.want.notify_one();
    }

    /// Writes the state whenever it is due, for ever.
    pub async fn keep_saving(&self) {
        let mut last: Option<Written> = None;
        let mut failures = 0;
        loop {
            let Some(urgency) = self.wanted.get() else {
                self.want.notified().await;
                continue;
            };
            let due = due(last, urgency, failures).max(self.wanted_since.get() + SETTLE);
            if due > Instant::now() {
                // Something more urgent may come meanwhile.
                let _ = tokio::time::timeout_at(due, self.want.notified()).await;
                continue;
            }
            let started = Instant::now();
            failures = if self.save().await { 0 } else { failures + 1 };
            last = Some(Written { at: Instant::now(), pause: started.elapsed() * SHARE });
        }
    }

    /// Writes the state, if anything changed since it was written. Says whether it is on disk.
    pub async fn save(&self) -> bool {
        let _pen = self.pen.lock().await;
        let Some(urgency) = self.wanted.take() else { return true };
        let bytes = document(&self.ledger, self.clock.now().wall).await;
        let result = match bytes {
            Ok(bytes) => self.save_patiently(bytes).await,
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(()) => {
                if self.look(|ledger| ledger.state().storage.failing_since.is_some()) {
                    tracing::info!("the state file is written again");
                }
                self.note(Input::StorageWorked);
                true
            }
            Err(detail) => {
                self.storage_failed(&detail);
                self.wanted.set(self.wanted.get().max(Some(urgency)));
                false
            }
        }
    }

    /// Waits for the disk as long as it takes, but says so.
    async fn save_patiently(&self, bytes: Vec<u8>) -> Result<(), String> {
        let mut save = std::pin::pin!(self.saver.save(bytes));
        if let Ok(result) = tokio::time::timeout(ORDER, &mut save).await {
            return result;
        }
        let detail = format!(
            "writing the state file takes longer than {} s; see that its disk is healthy",
            ORDER.as_secs()
        );
        self.storage_failed(&detail);
        save.await
    }

    fn storage_failed(&self, detail: &str) {
        if self.look(|ledger| ledger.state().storage.detail != detail) {
            tracing::error!("{detail}; until then the state is in memory only, and orders are refused");
        }
        self.note(Input::StorageFailed(detail.to_owned()));
    }
}

/// `config` without what is done to real servers: here it only says which there are, and of thousands the checks are megabytes.
fn names_of(mut config: Config) -> Config {
    for server in config.virtual_servers.iter_mut().flat_map(|pool| &mut pool.real_servers) {
        server.checks = Vec::new();
    }
    agent_daemon::give_back();
    config
}

/// When the next write is due.
fn due(last: Option<Written>, urgency: Urgency, failures: u32) -> Instant {
    let Some(Written { at, pause }) = last else { return Instant::now() };
    let least = match urgency {
        Urgency::Idle => IDLE_PAUSE.max(pause.min(RETRY)),
        Urgency::Soon => PAUSE.max(pause.min(RETRY)),
        Urgency::Now => URGENT_PAUSE.max(pause.min(URGENT_MOST)),
    };
    let retry = if failures == 0 { Duration::ZERO } else { (PAUSE * (1 << failures.min(5))).min(RETRY) };
    at + least.max(retry)
}
