//! The ledger: what was reported and ordered, merged into one state.
//!
//! Owns the [`State`], the finding of events (a verdict that changed, an order, a reporter that fell silent), their numbers,
//! and the knowledge of what changed since which generation, so that a slow watcher needs no queue. Everything in it is
//! bounded. It decides nothing about the network, does no I/O and reads no clock.
//!
//! Use: [`Ledger::handle`], then [`Ledger::poll_action`] until it is empty, then [`Ledger::deadline`].

mod bounds;
mod orders;
mod restore;
mod role;
#[cfg(test)]
mod tests;
mod trace;
mod verdicts;

use std::collections::VecDeque;
use std::time::Duration;

use agent_api::section::{CheckUpdate, Section, SectionUpdate};
use agent_api::state::{EVENTS_KEPT, Sequences, Storage};
use agent_api::wire::{Part, Report, ReportedEvent};
use agent_api::{
    AlertTest, Channel, Event, EventKind, Name, NewEvent, RealServerId, ServiceAddress, State, Update,
};
use checker_core::Time;
use jiff::{SignedDuration, Timestamp};

pub use bounds::{ITEMS_MAX, WEIGHT_MAX};
pub use orders::{Order, Outcome};
pub use role::Role;
pub use trace::JOURNAL_MAX;

use bounds::Bounded;
use trace::Trace;
use verdicts::Announced;

/// A reporter that was not heard for longer than this has fallen silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(30);

/// The time, on both clocks: `steady` measures spans, `wall` is what people read and what orders end by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub steady: Time,
    /// The wall clock.
    pub wall: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A reporter reported.
    Reported {
        /// What it said.
        report: Box<Report>,
        /// Whether it is the first report on its connection.
        first: bool,
    },
    /// The connection of the live reporter is gone.
    ReporterLeft(Role),
    /// An order was given and is on disk.
    Ordered(Order),
    /// The state could not be written: why, and what to do.
    StorageFailed(String),
    /// The state was written.
    StorageWorked,
    /// The time that [`Ledger::deadline`] named has come.
    DeadlinePassed,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Watchers are to be told.
    Publish,
    /// The state is to be written.
    Save(Urgency),
}

/// How soon the state is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Only signs of life came.
    Idle,
    /// Facts changed.
    Soon,
    /// Something happened.
    Now,
}

/// Why a deadline is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A drain or an order to a virtual router ends.
    OrderEnds,
    /// A reporter counts as silent.
    ReporterFallsSilent(Role),
}

/// Why a report changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No section or two.
    #[error("a report carries exactly one section: checkd, lvsd, vipd or alertd")]
    NotOneSection,
    /// The first report must replace what a former connection said.
    #[error("the first report on a connection must be whole and say who reports")]
    NotWhole,
    /// A process that started later reports the same section.
    #[error(
        "a newer {} reports already (pid {pid}, started {started_at}): only the newest may; stop this one, or that one",
        .role.as_str()
    )]
    Newer {
        /// The section.
        role: Role,
        /// Process id of the newer one.
        pid: u32,
        /// When it started.
        started_at: Timestamp,
    },
    /// More than the agent keeps.
    #[error("{what}: {count} are more than the {limit} that are kept")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How many there would be.
        count: usize,
        /// How many are kept.
        limit: usize,
    },
}

/// Everything that is known, and when which part of it changed.
#[derive(Debug, Clone)]
pub struct Ledger {
    state: State,
    checkd: Trace<RealServerId>,
    lvsd: Trace<ServiceAddress>,
    vipd: Trace<Name>,
    alertd: Trace<Channel>,
    announced: Announced,
    orders_at: u64,
    storage_at: u64,
    /// The generation that each of the state's events came with.
    events_at: VecDeque<u64>,
    publish: bool,
    save: Option<Urgency>,
}

impl Ledger {
    /// A ledger that knows nothing yet.
    #[must_use]
    pub fn new(boot_id: String, now: Now) -> Self {
        Self::restore(State::new(boot_id.clone(), now.wall), boot_id, now)
    }

    /// All that is known.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// All that is known, to be written at `at`.
    pub fn document(&mut self, at: Timestamp) -> &State {
        self.state.written_at = at;
        &self.state
    }

    /// Takes note of what happened.
    ///
    /// # Errors
    /// A report that may not be; it changed nothing.
    pub fn handle(&mut self, input: Input, now: Now) -> Result<(), Refusal> {
        let generation = self.state.generation.saturating_add(1);
        let saves = match input {
            Input::Reported { report, first } => self.reported(*report, first, generation, now)?,
            Input::ReporterLeft(role) => self.set_connected(role, false, generation).then_some(Urgency::Soon),
            Input::Ordered(order) => {
                let outcome = order.apply(&mut self.state.orders, now.wall);
                self.orders_at = generation;
                self.record_all(outcome.events, generation);
                Some(Urgency::Now)
            }
            Input::StorageFailed(detail) => {
                let failing_since = Some(self.state.storage.failing_since.unwrap_or(now.wall));
                self.set_storage(Storage { failing_since, detail: bounds::line(&detail) }, generation)
            }
            Input::StorageWorked => self.set_storage(Storage::default(), generation),
            Input::DeadlinePassed => self.deadlines(generation, now),
        };
        if let Some(urgency) = saves {
            self.state.generation = generation;
            self.publish = true;
            self.save = self.save.max(Some(urgency));
        }
        Ok(())
    }

    /// What is to be done next, until there is nothing more.
    pub fn poll_action(&mut self) -> Option<Action> {
        if std::mem::take(&mut self.publish) {
            return Some(Action::Publish);
        }
        self.save.take().map(Action::Save)
    }

    /// How long after `now` [`Input::DeadlinePassed`] is due, and why.
    #[must_use]
    pub fn deadline(&self, now: Now) -> Option<(Duration, Reason)> {
        let orders = &self.state.orders;
        let ends = orders.drains.iter().filter_map(|drain| drain.until);
        let ends = ends.chain(orders.handovers.iter().filter_map(|order| order.until));
        let ends = ends.chain(orders.silences.iter().map(|silence| silence.until));
        let ends = ends.chain(orders.alert_test.iter().map(AlertTest::until)).min();
        let ends = ends.map(|until| {
            let left = until.duration_since(now.wall).max(SignedDuration::ZERO);
            (Duration::try_from(left).unwrap_or_default(), Reason::OrderEnds)
        });
        let silence = |heard: Option<Time>, role| {
            heard.map(|heard| {
                let left = (heard + SILENT_AFTER).since(now.steady);
                (left, Reason::ReporterFallsSilent(role))
            })
        };
        let silent = Role::ALL.into_iter().filter_map(|role| {
            silence(
                match role {
                    Role::Checkd => self.checkd.awaited_since(),
                    Role::Lvsd => self.lvsd.awaited_since(),
                    Role::Vipd => self.vipd.awaited_since(),
                    Role::Alertd => self.alertd.awaited_since(),
                },
                role,
            )
        });
        ends.into_iter().chain(silent).min_by_key(|(left, _)| *left)
    }

    /// What a watcher of `parts` (all when absent) that has generation `since` (none when absent) is to be told. None when
    /// nothing that it watches changed; it then has [`State::generation`] too.
    #[must_use]
    pub fn update_since(&self, since: Option<u64>, parts: Option<&[Part]>) -> Option<Update> {
        let wanted = |part| parts.is_none_or(|parts| parts.contains(&part));
        let newer = |at: u64| since.is_none_or(|since| at > since);
        let state = &self.state;
        let update = Update {
            generation: state.generation,
            orders: (wanted(Part::Orders) && newer(self.orders_at)).then(|| state.orders.clone()),
            checkd: if wanted(Part::Checkd) { self.checkd.update_since(&state.checkd, since) } else { None },
            lvsd: if wanted(Part::Lvsd) { self.lvsd.update_since(&state.lvsd, since) } else { None },
            vipd: if wanted(Part::Vipd) { self.vipd.update_since(&state.vipd, since) } else { None },
            alertd: if wanted(Part::Alertd) { self.alertd.update_since(&state.alertd, since) } else { None },
            storage: (wanted(Part::Storage) && newer(self.storage_at)).then(|| state.storage.clone()),
            events: if wanted(Part::Events) { self.events_since(since) } else { Vec::new() },
        };
        let Update { orders, checkd, lvsd, vipd, alertd, storage, events, .. } = &update;
        let empty = orders.is_none()
            && checkd.is_none()
            && lvsd.is_none()
            && vipd.is_none()
            && alertd.is_none()
            && storage.is_none()
            && events.is_empty();
        (!empty || since.is_none()).then_some(update)
    }

    /// The state as it would be with `order`, and what the order would come to. Nothing is in force yet.
    ///
    /// # Errors
    /// There are too many orders.
    pub fn preview(&self, order: &Order, now: Now) -> Result<(State, Outcome), Refusal> {
        order.check(&self.state.orders)?;
        let outcome = order.clone().apply(&mut self.state.orders.clone(), now.wall);
        let mut draft = self.clone();
        draft.handle(Input::Ordered(order.clone()), now)?;
        draft.state.written_at = now.wall;
        Ok((draft.state, outcome))
    }

    fn reported(
        &mut self,
        report: Report,
        first: bool,
        generation: u64,
        now: Now,
    ) -> Result<Option<Urgency>, Refusal> {
        let role = Role::of(&report)?;
        let Report { checkd, lvsd, vipd, alertd, events } = report;
        let state = &mut self.state;
        let (anew, urgency) = match (checkd, lvsd, vipd, alertd) {
            (Some(update), ..) => self.checkd_reported(update, first, generation, now)?,
            (_, Some(update), ..) => {
                merge(role, &mut self.lvsd, &mut state.lvsd, update, first, generation, now)?
            }
            (.., Some(update), _) => {
                merge(role, &mut self.vipd, &mut state.vipd, update, first, generation, now)?
            }
            (.., Some(update)) => {
                merge(role, &mut self.alertd, &mut state.alertd, update, first, generation, now)?
            }
            (None, None, None, None) => return Err(Refusal::NotOneSection),
        };
        let mut taken = if anew { 0 } else { *sequence(&mut self.state.sequences, role) };
        let told = self.take_events(events, &mut taken, generation);
        *sequence(&mut self.state.sequences, role) = taken;
        let urgency = urgency.max(told.then_some(Urgency::Now));
        Ok(self.returned(role, generation, now).max(urgency))
    }

    fn checkd_reported(
        &mut self,
        mut update: CheckUpdate,
        first: bool,
        generation: u64,
        now: Now,
    ) -> Result<(bool, Option<Urgency>), Refusal> {
        let section = &mut self.state.checkd;
        trace::admit(Role::Checkd, section, &self.checkd, &mut update, first)?;
        let anew = trace::is_other_process(section.reporter.as_ref(), update.reporter.as_ref());
        let mut changes = Vec::new();
        let announced = &mut self.announced;
        let urgency =
            self.checkd.apply(section, update, generation, now, |id: &RealServerId, health| match health {
                Some(health) => changes.extend(announced.event(id, health, now.wall)),
                None => announced.forget(id),
            });
        let changed = self.record_all(changes, generation);
        Ok((anew, urgency.max(changed.then_some(Urgency::Now))))
    }

    /// Records the events that were not taken before, and says whether there were any.
    fn take_events(&mut self, events: Vec<ReportedEvent>, taken: &mut u64, generation: u64) -> bool {
        let mut any = false;
        for ReportedEvent { sequence, what } in events {
            if sequence <= *taken {
                continue;
            }
            *taken = sequence;
            // Events of verdicts, orders and reporters are found here; nobody else may claim them.
            if verdicts::reporters_may_tell(what.kind) {
                self.record(what, generation);
                any = true;
            }
        }
        any
    }

    /// A silent reporter is heard again.
    fn returned(&mut self, role: Role, generation: u64, now: Now) -> Option<Urgency> {
        let was_silent = match role {
            Role::Checkd => self.checkd.returned(),
            Role::Lvsd => self.lvsd.returned(),
            Role::Vipd => self.vipd.returned(),
            Role::Alertd => self.alertd.returned(),
        };
        let text = format!("{} reports again", role.as_str());
        was_silent.then(|| {
            self.record(reporter_event(EventKind::ReporterReturned, role, now.wall, text), generation);
            Urgency::Now
        })
    }

    fn set_connected(&mut self, role: Role, connected: bool, generation: u64) -> bool {
        match role {
            Role::Checkd => self.checkd.set_connected(&mut self.state.checkd, connected, generation),
            Role::Lvsd => self.lvsd.set_connected(&mut self.state.lvsd, connected, generation),
            Role::Vipd => self.vipd.set_connected(&mut self.state.vipd, connected, generation),
            Role::Alertd => self.alertd.set_connected(&mut self.state.alertd, connected, generation),
        }
    }

    fn set_storage(&mut self, storage: Storage, generation: u64) -> Option<Urgency> {
        if self.state.storage == storage {
            return None;
        }
        self.state.storage = storage;
        self.storage_at = generation;
        Some(Urgency::Soon)
    }

    fn deadlines(&mut self, generation: u64, now: Now) -> Option<Urgency> {
        let (mut events, fewer) = orders::end_those_over(&mut self.state.orders, now.wall);
        if fewer {
            self.orders_at = generation;
        }
        let silent = [
            (Role::Checkd, self.checkd.falls_silent(now.steady)),
            (Role::Lvsd, self.lvsd.falls_silent(now.steady)),
            (Role::Vipd, self.vipd.falls_silent(now.steady)),
            (Role::Alertd, self.alertd.falls_silent(now.steady)),
        ];
        for (role, _) in silent.into_iter().filter(|(_, falls)| *falls) {
            let text = format!(
                "{} was not heard for {} s: what it reported counts as unknown; see that it runs, and read its log",
                role.as_str(),
                SILENT_AFTER.as_secs()
            );
            events.push(reporter_event(EventKind::ReporterFellSilent, role, now.wall, text));
        }
        (self.record_all(events, generation) || fewer).then_some(Urgency::Now)
    }

    fn record_all(&mut self, events: Vec<NewEvent>, generation: u64) -> bool {
        let any = !events.is_empty();
        events.into_iter().for_each(|event| self.record(event, generation));
        any
    }

    /// Numbers an event and keeps it.
    fn record(&mut self, mut what: NewEvent, generation: u64) {
        what.bound();
        let number = self.state.events.back().map_or(0, |event| event.number).saturating_add(1);
        self.state.events.push_back(Event { number, what });
        self.events_at.push_back(generation);
        while self.state.events.len() > EVENTS_KEPT {
            self.state.events.pop_front();
            self.events_at.pop_front();
        }
    }

    fn events_since(&self, since: Option<u64>) -> Vec<Event> {
        let known = since.map_or(0, |since| self.events_at.partition_point(|at| *at <= since));
        self.state.events.iter().skip(known).cloned().collect()
    }
}

/// Merges a report of a section that has nothing peculiar. Says whether another process reports.
fn merge<K: Ord + Clone, H: Bounded + PartialEq, I: Bounded + PartialEq>(
    role: Role,
    trace: &mut Trace<K>,
    section: &mut Section<K, H, I>,
    mut update: SectionUpdate<K, H, I>,
    first: bool,
    generation: u64,
    now: Now,
) -> Result<(bool, Option<Urgency>), Refusal> {
    trace::admit(role, section, trace, &mut update, first)?;
    let anew = trace::is_other_process(section.reporter.as_ref(), update.reporter.as_ref());
    Ok((anew, trace.apply(section, update, generation, now, |_, _| {})))
}

fn sequence(sequences: &mut Sequences, role: Role) -> &mut u64 {
    match role {
        Role::Checkd => &mut sequences.checkd,
        Role::Lvsd => &mut sequences.lvsd,
        Role::Vipd => &mut sequences.vipd,
        Role::Alertd => &mut sequences.alertd,
    }
}

fn reporter_event(kind: EventKind, role: Role, at: Timestamp, text: String) -> NewEvent {
    NewEvent {
        at,
        kind,
        virtual_server: None,
        real_server: None,
        cause: role.silence(),
        virtual_router: None,
        dependency: None,
        text,
    }
}
