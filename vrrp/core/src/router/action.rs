//! What a virtual router wants done, and what it has to report.
//!
//! Owns the commands, their bounded queue and the events. An action needs no decision from whoever carries it out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::State;
use super::sightings::Discrepancy;

/// A command. To be carried out in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send an advert with this priority to every destination; [`super::VirtualRouter::outgoing`] makes it.
    SendAdvert {
        /// 0 when giving up.
        priority: u8,
    },
    /// Put all virtual addresses on the interface, each with this lifetime. Those already there are renewed.
    ClaimAddresses {
        /// Valid lifetime to give them. They vanish by themselves when nobody renews them.
        lifetime: Duration,
    },
    /// Give the addresses this lifetime anew.
    RenewAddresses {
        /// Valid lifetime to give them.
        lifetime: Duration,
    },
    /// Take all virtual addresses off the interface; those that are not there are no error.
    ReleaseAddresses,
    /// One round of gratuitous ARP and unsolicited neighbour advertisements, one frame for each address.
    Announce,
    /// Tell people and other programs.
    Report(Event),
}

/// Something worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The state changed.
    StateChanged {
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why.
        reason: Reason,
    },
    /// The effective priority changed.
    PriorityChanged {
        /// Before.
        from: u8,
        /// Now.
        to: u8,
    },
    /// Another router on the segment does something else than we expect; said once for each sender and kind.
    DiscrepancySeen {
        /// Who.
        source: IpAddr,
        /// What.
        what: Discrepancy,
    },
    /// A router that should yield to us spoke as Active; we answered and announced the addresses again.
    LosingAdvertAnswered {
        /// Who.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// This program ran so late that it listens again before it takes over.
    TimerLate {
        /// By how much.
        late: Duration,
    },
    /// The lease of the addresses had run out; they were claimed again.
    LeaseLapsed,
    /// Somebody removed a virtual address. It is put back, unless that happened too often.
    AddressLost {
        /// The address.
        address: IpAddr,
        /// How many were lost since the router became Active.
        count: u64,
    },
    /// Another host says it has a virtual address.
    DuplicateSeen {
        /// The address.
        address: IpAddr,
        /// The other host.
        mac: [u8; 6],
        /// How many times since the router became Active.
        count: u64,
    },
}

/// Why a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The router began to take part.
    Started,
    /// Found its addresses still held, the lease and the peers' patience not yet over: goes on where it was.
    Resumed,
    /// Priority 255.
    Owner,
    /// No advert for the Active down interval.
    ActiveFellSilent,
    /// The Active router gave up with priority 0.
    ActiveLeft,
    /// The Active router has a lower priority.
    Preempted,
    /// A better router spoke.
    BetterRouter {
        /// Who.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// This program did not run for so long that another may be Active by now.
    Stalled {
        /// Time since our last advert.
        silent: Duration,
    },
    /// The interface went down.
    LinkWentDown,
    /// The interface lost its last usable address.
    SourceLost,
    /// A tracker without weight failed.
    TrackerFailed,
    /// Another member of the sync group cannot take part.
    GroupFault,
    /// Another member of the sync group yielded.
    GroupYielded,
    /// The addresses could not be claimed.
    ClaimFailed,
    /// Somebody kept removing the addresses.
    AddressesRemoved,
    /// An operator's order.
    Ordered,
    /// The router was stopped.
    Stopped,
}

impl Reason {
    /// The reason's stable code, as in logs and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Resumed => "resumed",
            Self::Owner => "owner",
            Self::ActiveFellSilent => "active_fell_silent",
            Self::ActiveLeft => "active_left",
            Self::Preempted => "preempted",
            Self::BetterRouter { .. } => "better_router",
            Self::Stalled { .. } => "stalled",
            Self::LinkWentDown => "link_went_down",
            Self::SourceLost => "source_lost",
            Self::TrackerFailed => "tracker_failed",
            Self::GroupFault => "group_fault",
            Self::GroupYielded => "group_yielded",
            Self::ClaimFailed => "claim_failed",
            Self::AddressesRemoved => "addresses_removed",
            Self::Ordered => "ordered",
            Self::Stopped => "stopped",
        }
    }
}

/// The commands not yet taken, at most [`Self::LIMIT`].
#[derive(Debug)]
pub(super) struct Actions(VecDeque<Action>);

impl Actions {
    /// A driver that drains after every input never has more than a dozen waiting.
    const USUAL: usize = 14;
    const LIMIT: usize = 64;

    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(Self::USUAL))
    }

    /// Adds a command. If nobody drains, what can be missed goes first; of the commands about addresses only the last
    /// one counts.
    pub(super) fn push(&mut self, action: Action) {
        if self.0.len() >= Self::LIMIT {
            let missable = |action: &Action| {
                matches!(action, Action::SendAdvert { .. } | Action::Announce | Action::Report(_))
            };
            match self.0.iter().position(missable) {
                Some(at) => drop(self.0.remove(at)),
                None => self.0.clear(),
            }
        }
        self.0.push_back(action);
    }

    pub(super) fn pop(&mut self) -> Option<Action> {
        self.0.pop_front()
    }
}
