//! What a virtual router says about itself.
//!
//! Owns the snapshot for `status` and `explain`, the reason why it is not Active, and the last transitions. It is made on
//! request; nothing here is on the way of an advert.

use std::fmt;
use std::net::IpAddr;

use super::action::Reason;
use super::sightings::Sighting;
use super::timers::Deadline;
use super::{Order, State, VirtualRouter};
use crate::codec::{AdvertInterval, Rejection};
use crate::time::Time;

/// What keeps a router in Initialize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Not yet started.
    NotStarted,
    /// Stopped for good.
    Stopped,
    /// The interface is down.
    LinkDown,
    /// The interface has no usable address.
    NoSource,
    /// A tracker without weight fails.
    TrackerFailed,
    /// The addresses could not be claimed, or somebody kept removing them; it will be tried again.
    AddressesNotHeld,
    /// The start delay is not over.
    StartDelay,
    /// Another member of the sync group cannot take part.
    GroupFault,
}

/// The Active router as heard last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardActive {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval, as it says.
    pub interval: AdvertInterval,
    /// When its last advert came.
    pub last: Time,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Time,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// Why the router is, or is not, Active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is Active.
    WeAreActive,
    /// It takes no part.
    Blocked(Blocked),
    /// The Active router's priority is higher, or equal.
    OtherIsNotWorse(HeardActive),
    /// The Active router's priority is lower, but we do not preempt.
    NoPreemption(HeardActive),
    /// The Active router's priority is lower, and the preemption delay runs.
    PreemptionDelayed(HeardActive),
    /// The Active router's priority is lower; we are about to take over.
    Preempting(HeardActive),
    /// Nobody was heard yet, and the Active down interval is not over.
    Listening,
    /// It would take over, but another member of the sync group hears an Active router.
    WaitingForGroup,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeAreActive => f.write_str("this router is active"),
            Self::Blocked(Blocked::NotStarted) => f.write_str("not started yet"),
            Self::Blocked(Blocked::Stopped) => f.write_str("stopped"),
            Self::Blocked(Blocked::LinkDown) => f.write_str("the interface is down"),
            Self::Blocked(Blocked::NoSource) => f.write_str("the interface has no address to send from"),
            Self::Blocked(Blocked::TrackerFailed) => f.write_str("something it tracks has failed"),
            Self::Blocked(Blocked::AddressesNotHeld) => {
                f.write_str("the addresses could not be added, or kept being removed; it tries again")
            }
            Self::Blocked(Blocked::StartDelay) => f.write_str("the start delay is not over"),
            Self::Blocked(Blocked::GroupFault) => {
                f.write_str("another member of its sync group cannot take part")
            }
            Self::OtherIsNotWorse(active) => {
                write!(
                    f,
                    "{} is active with priority {}, which is not below ours",
                    active.source, active.priority
                )
            }
            Self::NoPreemption(active) => {
                write!(
                    f,
                    "{} is active with priority {}, and we do not preempt",
                    active.source, active.priority
                )
            }
            Self::PreemptionDelayed(active) => write!(
                f,
                "{} is active with priority {}, and the preemption delay runs",
                active.source, active.priority
            ),
            Self::Preempting(active) => {
                write!(f, "{} is active with priority {}; about to take over", active.source, active.priority)
            }
            Self::Listening => f.write_str("listening whether another router is active"),
            Self::WaitingForGroup => {
                f.write_str("ready, but another member of its sync group hears an active router")
            }
        }
    }
}

/// Counters since the router was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Discarded datagrams by cause, in the order of [`Rejection::CODES`].
    pub rejections: [u64; Rejection::CODES.len()],
    /// Discrepancies of any kind.
    pub discrepancies: u64,
    /// New discrepancies that were not reported, because others had just been.
    pub unreported: u64,
    /// Changes of state.
    pub transitions: u64,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// State.
    pub state: State,
    /// Since when; `None` if it never changed.
    pub since: Option<Time>,
    /// Why it is as it is.
    pub why: Why,
    /// Configured priority.
    pub base_priority: u8,
    /// Priority it speaks with.
    pub priority: u8,
    /// Operator's order.
    pub order: Option<Order>,
    /// Active_Adver_Interval: the interval of the Active router, as far as it is believed.
    pub active_interval: AdvertInterval,
    /// The Active router as heard last, if it is not us.
    pub heard: Option<HeardActive>,
    /// What it waits for next.
    pub deadline: Option<(Time, Deadline)>,
    /// Senders heard, in no particular order.
    pub senders: Vec<Sighting>,
    /// The last transitions, oldest first.
    pub transitions: Vec<Transition>,
    /// Counters.
    pub counters: Counters,
}

/// The last transitions.
#[derive(Debug, Default)]
pub(super) struct History {
    last: [Option<Transition>; Self::LENGTH],
    count: u64,
}

impl History {
    const LENGTH: usize = 16;

    pub(super) fn record(&mut self, transition: Transition) {
        self.last.rotate_left(1);
        if let Some(slot) = self.last.last_mut() {
            *slot = Some(transition);
        }
        self.count += 1;
    }
}

impl VirtualRouter {
    /// A snapshot of everything a person may ask for.
    #[must_use]
    pub fn status(&self) -> Status {
        let (discrepancies, unreported) = self.sightings.discrepancies();
        Status {
            state: self.state,
            since: self.history.last.last().copied().flatten().map(|transition| transition.at),
            why: self.why(),
            base_priority: self.config.settings().priority,
            priority: self.priority(),
            order: self.order,
            active_interval: self.active_interval,
            heard: self.backup.heard,
            deadline: self.deadline(),
            senders: self.sightings.senders().to_vec(),
            transitions: self.history.last.iter().flatten().copied().collect(),
            counters: Counters {
                rejections: *self.sightings.rejections(),
                discrepancies,
                unreported,
                transitions: self.history.count,
            },
        }
    }

    /// Why the router is, or is not, Active.
    #[must_use]
    pub fn why(&self) -> Why {
        match (self.state, self.blocked(), self.backup.heard) {
            (State::Active, ..) => Why::WeAreActive,
            (_, Some(blocked), _) => Why::Blocked(blocked),
            _ if self.ready.is_some() => Why::WaitingForGroup,
            (_, _, None) => Why::Listening,
            (_, _, Some(heard)) if heard.priority >= self.priority() => Why::OtherIsNotWorse(heard),
            (_, _, Some(heard)) if !self.config.settings().preempt => Why::NoPreemption(heard),
            (_, _, Some(heard)) if self.timers.at(Deadline::PreemptDelay).is_some() => {
                Why::PreemptionDelayed(heard)
            }
            (_, _, Some(heard)) => Why::Preempting(heard),
        }
    }
}
