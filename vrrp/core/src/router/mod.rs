//! The virtual router's state machine (RFC 9568, 6.4; RFC 3768, 6.4).
//!
//! ```text
//!                    +------------+
//!         +--------->| Initialize |<---------+
//!         |          +------------+          |
//!   fault, stop         |      |       fault, stop
//!         |    priority |      | owner,      |
//!         |       < 255 |      | resumed     |
//!         |             v      v             |
//!      +--------+   silence,    +--------+   |
//!      | Backup |--- leaving -->| Active |---+
//!      |        |<-- better ----|        |
//!      +--------+   or stall    +--------+
//! ```
//!
//! Owns every decision about holding the addresses. The driver does as it is told: [`VirtualRouter::handle`] one input,
//! drain [`VirtualRouter::poll_action`], wait until [`VirtualRouter::deadline`] or the next input. The rules of each
//! state are in `initialize`, `backup` and `active`. It never decides for other members of its sync group: that is
//! [`crate::SyncGroup`].

mod action;
mod active;
mod admit;
pub(crate) mod announcing;
mod backup;
mod initialize;
mod input;
mod sightings;
mod status;
mod timers;

pub use action::{Action, Event, Reason};
pub use active::LINGERING;
pub use input::{Input, Order};
pub use sightings::{Discrepancy, Sighting};
pub use status::{Blocked, Counters, HeardActive, Status, Transition, Why};
pub use timers::Deadline;

use std::net::IpAddr;
use std::time::Duration;

use action::Actions;
use announcing::Announcing;
use initialize::Facts;
use sightings::Sightings;
use timers::Timers;

use crate::codec::{AdvertInterval, Datagram, Outgoing, PRIORITY_OWNER};
use crate::config::RouterConfig;
use crate::interval::{down_interval, listening_interval, skew};
use crate::time::Time;

/// State of a virtual router (RFC 9568, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Takes no part.
    Initialize,
    /// Watches the Active router.
    Backup,
    /// Holds the addresses.
    Active,
}

/// Why another configuration cannot be taken over in place: the router must be stopped and a new one started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityChanged;

impl std::fmt::Display for IdentityChanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the virtual router id, the family or the version changed: stop the router and start a new one",
        )
    }
}

impl std::error::Error for IdentityChanged {}

/// One virtual router on one interface.
#[derive(Debug)]
pub struct VirtualRouter {
    config: RouterConfig,
    state: State,
    facts: Facts,
    /// Our own address on the interface; the last one while it has none.
    source: Option<IpAddr>,
    weight: i32,
    order: Option<Order>,
    /// Whether a sync group decides when this router becomes Active.
    grouped: bool,
    /// Found its addresses held, and waits whether the sync group goes on where it was.
    resuming: bool,
    /// Would be Active, but the sync group is not ready.
    ready: Option<Reason>,
    /// Interval of the Active router as learned; our own until then (Active_Adver_Interval).
    active_interval: AdvertInterval,
    timers: Timers,
    backup: backup::Watch,
    active: active::Holding,
    announcing: Announcing,
    /// Before this moment no losing advert is answered again.
    next_answer: Time,
    actions: Actions,
    sightings: Sightings,
    history: status::History,
}

impl VirtualRouter {
    /// A router that waits for [`Input::Started`].
    #[must_use]
    pub fn new(config: RouterConfig) -> Self {
        Self {
            active_interval: config.interval(),
            config,
            state: State::Initialize,
            facts: Facts::default(),
            source: None,
            weight: 0,
            order: None,
            grouped: false,
            resuming: false,
            ready: None,
            timers: Timers::default(),
            backup: backup::Watch::default(),
            active: active::Holding::default(),
            announcing: Announcing::default(),
            next_answer: Time::ZERO,
            actions: Actions::new(),
            sightings: Sightings::new(),
            history: status::History::default(),
        }
    }

    /// Takes note of something that happened at `now`. Drain [`Self::poll_action`] afterwards. `now` must not go back.
    pub fn handle(&mut self, input: Input<'_>, now: Time) {
        self.notice_time(now);
        match input {
            Input::Started { held } => self.started(held, now),
            Input::DeadlinePassed => self.deadlines_passed(now),
            Input::DatagramReceived(datagram) => self.datagram_received(&datagram, now),
            Input::LinkWentUp { source } => self.link_went_up(source, now),
            Input::LinkWentDown => self.link_went_down(now),
            Input::SourceLost => self.source_lost(now),
            Input::TrackingChanged { weight, failed } => {
                let before = self.priority();
                self.weight = weight;
                self.facts.tracker_failed = failed;
                self.priority_changed(before, now);
                self.reconsider(now);
            }
            Input::AddressLost(address) => self.address_lost(address, now),
            Input::ClaimFailed => self.claim_failed(now),
            Input::DuplicateSeen { address, mac } => self.duplicate_seen(address, mac, now),
            Input::OrderGiven(order) => self.ordered(Some(order), now),
            Input::OrderLifted => self.ordered(None, now),
            Input::StopRequested => {
                self.facts.stopped = true;
                self.reconsider(now);
                self.timers.stop_all();
            }
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// When to say [`Input::DeadlinePassed`], and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Time, Deadline)> {
        self.timers.next()
    }

    /// State.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Configuration.
    #[must_use]
    pub const fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Our own address on the interface, as far as it is known.
    #[must_use]
    pub const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The priority we speak with: the configured one, lowered or raised by trackers within 1 to 254, or the operator's.
    /// The owner's 255 yields to an order only.
    #[must_use]
    pub fn priority(&self) -> u8 {
        let base = self.config.settings().priority;
        match self.order {
            Some(Order::Yield) => 1,
            Some(Order::TakeOver) => base.max(PRIORITY_OWNER - 1),
            None if base == PRIORITY_OWNER => base,
            None => {
                let sum = i32::from(base).saturating_add(self.weight).clamp(1, 254);
                u8::try_from(sum).unwrap_or(base)
            }
        }
    }

    /// The advert to send for [`Action::SendAdvert`] to one of the configuration's destinations; `None` while no address
    /// of our own is known.
    #[must_use]
    pub fn outgoing(&self, priority: u8, destination: IpAddr) -> Option<Outgoing<'_>> {
        let settings = self.config.settings();
        Some(Outgoing {
            version: settings.version,
            vrid: self.config.vrid(),
            priority,
            interval: self.config.interval(),
            addresses: &settings.addresses,
            authentication: &settings.authentication,
            checksum: settings.checksum,
            source: self.source?,
            destination,
        })
    }

    /// Takes over another configuration without leaving the state: an Active router goes on, claims what is new and
    /// announces all its addresses. The driver removes addresses that are configured no longer.
    ///
    /// # Errors
    ///
    /// [`IdentityChanged`], and nothing is changed.
    pub fn reconfigure(&mut self, config: RouterConfig, now: Time) -> Result<(), IdentityChanged> {
        let identity =
            |config: &RouterConfig| (config.vrid(), config.settings().family, config.settings().version);
        if identity(&self.config) != identity(&config) {
            return Err(IdentityChanged);
        }
        self.notice_time(now);
        let before = self.priority();
        let old = std::mem::replace(&mut self.config, config);
        self.priority_changed(before, now);
        if old.interval() != self.config.interval() {
            self.interval_changed(old.interval(), now);
        }
        if self.state == State::Active && old != self.config {
            self.claim(now);
            self.announce_anew(now);
        }
        Ok(())
    }

    /// Puts the router under a sync group, before anything else.
    pub(crate) fn set_grouped(&mut self, grouped: bool) {
        self.grouped = grouped;
    }

    /// Whether the router itself cannot take part, whatever its group.
    pub(crate) fn is_blocked_by_itself(&self) -> bool {
        self.blocked_by_itself().is_some()
    }

    /// Whether the router is Active or waits only for its group.
    pub(crate) fn would_be_active(&self) -> bool {
        self.state == State::Active || self.ready.is_some()
    }

    /// The whole group takes over.
    pub(crate) fn follow_group(&mut self, now: Time) {
        if let Some(reason) = self.ready.take() {
            self.become_active(reason, now);
        }
    }

    fn datagram_received(&mut self, datagram: &Datagram<'_>, now: Time) {
        let Some(advert) = self.admit(datagram, now) else { return };
        match self.state {
            State::Initialize => (),
            State::Backup => self.heard_as_backup(datagram.source, &advert, now),
            State::Active => self.heard_as_active(datagram.source, &advert, now),
        }
    }

    fn deadlines_passed(&mut self, now: Time) {
        for deadline in Deadline::ALL {
            let Some(at) = self.timers.take_due(deadline, now) else { continue };
            match deadline {
                Deadline::StartDelay | Deadline::ClaimRetry => self.reconsider(now),
                Deadline::PreemptDelay => self.preempt_delay_over(),
                Deadline::ActiveDown => self.active_down(at, now),
                Deadline::Overdue => self.overdue(at, now),
                Deadline::Adver => self.adver_due(at, now),
                Deadline::LetGo => self.let_go(),
                Deadline::LeaseRenewal => self.renew(now),
                Deadline::Announcement => self.announce_due(now),
            }
        }
    }

    fn ordered(&mut self, order: Option<Order>, now: Time) {
        let before = self.priority();
        self.order = order;
        self.priority_changed(before, now);
        if order == Some(Order::TakeOver) && self.state == State::Backup {
            self.want_active(Reason::Ordered, now);
        }
    }

    fn priority_changed(&mut self, before: u8, now: Time) {
        let priority = self.priority();
        if priority == before {
            return;
        }
        self.report(Event::PriorityChanged { from: before, to: priority });
        match self.state {
            State::Initialize => (),
            State::Backup => {
                let version = self.config.settings().version;
                let of = |priority| skew(version, priority, self.active_interval);
                self.shift_down_timer(of(before), of(priority), now);
            }
            // The others need not wait for the next regular advert to hear of it.
            State::Active => drop(self.answer(now)),
        }
    }

    /// Our own interval is another one now.
    fn interval_changed(&mut self, before: AdvertInterval, now: Time) {
        match self.state {
            State::Active => {
                self.active_interval = self.config.interval();
                self.send_advert(now);
            }
            // Learned from another router, it stays; never heard one, it is our own.
            State::Initialize | State::Backup if self.active_interval == before => {
                self.active_interval = self.config.interval();
                if self.timers.at(Deadline::ActiveDown).is_some() {
                    self.wait_for_advert(self.down_interval(), now);
                }
            }
            State::Initialize | State::Backup => (),
        }
    }

    /// Changes the state and everything that hangs on it, except what the new state begins with.
    fn become_state(&mut self, to: State, reason: Reason, now: Time) {
        let from = self.state;
        self.state = to;
        self.ready = None;
        if self.is_letting_go() && to != State::Active {
            self.actions.push(Action::ReleaseAddresses);
        }
        self.timers.stop_all();
        self.announcing.stop();
        self.history.record(Transition { at: now, from, to, reason });
        self.report(Event::StateChanged { from, to, reason });
    }

    fn down_interval(&self) -> Duration {
        down_interval(self.config.settings().version, self.priority(), self.active_interval)
    }

    fn listening_interval(&self) -> Duration {
        listening_interval(self.config.settings().version, self.priority(), self.active_interval)
    }

    fn report(&mut self, event: Event) {
        self.actions.push(Action::Report(event));
    }
}

#[cfg(test)]
mod tests;
