//! What a takeover by ARP is told, what it wants done, and what it reports.
//!
//! Owns the words only. What follows from them is in `machine`, `standby` and `director`.

use std::net::IpAddr;
use std::time::Duration;

use crate::announce::Mac;
use crate::router::{Order, State};

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpInput {
    /// The daemon is ready. Tell the link and the check before.
    Started {
        /// Whether all virtual addresses are on the interface from an earlier run, within their lease.
        held: bool,
    },
    /// The time of [`super::Takeover::deadline`] has come.
    DeadlinePassed,
    /// A watched address or a sentinel answered, by ARP (then with its MAC), neighbour advertisement or ICMP echo.
    Answered {
        /// Which.
        address: IpAddr,
        /// Where it is on this segment, if the answer told.
        mac: Option<Mac>,
    },
    /// Another machine says that it has a virtual address, asked or not. Never our own frames.
    Claimed {
        /// The virtual address.
        address: IpAddr,
        /// Who.
        mac: Mac,
    },
    /// Another machine announced a virtual address at our own MAC: it gives the address to us.
    HandedOver,
    /// The interface works.
    LinkWentUp,
    /// The interface lost its carrier, was set down or is gone.
    LinkWentDown,
    /// The director's service, as a check sees it; `None` while that is not known, which changes nothing.
    ServiceSeen(Option<bool>),
    /// Somebody else removed a virtual address while we are Active.
    AddressLost(IpAddr),
    /// The addresses could not be claimed or renewed.
    ClaimFailed,
    /// An operator wants the addresses here or elsewhere, until told otherwise.
    OrderGiven(Order),
    /// The order no longer holds.
    OrderLifted,
    /// Something without weight that is tracked failed, or works again: this machine must not be Active.
    TrackerFailed(bool),
    /// The daemon ends.
    StopRequested,
}

/// A command. To be carried out in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpAction {
    /// Ask a watched address or a sentinel whether it is there: by ARP or neighbour solicitation where it is on the segment, and by
    /// ICMP echo.
    Probe(IpAddr),
    /// Ask whether anybody has a virtual address, without claiming it (RFC 5227, 2.1.1).
    ProbeAddress(IpAddr),
    /// Put all virtual addresses on the interface, each with this lifetime. Those already there are renewed.
    ClaimAddresses {
        /// Valid lifetime to give them.
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
    /// The same with another machine's MAC in them: the addresses are there from now on.
    AnnounceFor(Mac),
    /// Tell people and other programs.
    Report(ArpEvent),
}

/// Something worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpEvent {
    /// The state changed.
    StateChanged {
        /// State before.
        from: State,
        /// State now.
        to: State,
        /// Why.
        reason: ArpReason,
    },
    /// The director answers no more.
    DirectorFellSilent,
    /// The director answers again.
    DirectorReturned,
    /// Neither the director nor a sentinel answers: this machine is cut off, and takes nothing.
    CutOff,
    /// It is not cut off any more.
    Reconnected,
    /// Another machine says it has a virtual address while we have it.
    DuplicateSeen {
        /// The address.
        address: IpAddr,
        /// The other machine.
        mac: Mac,
    },
    /// Somebody removed a virtual address; it is put back.
    AddressLost(IpAddr),
}

/// Why a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpReason {
    /// It began to take part.
    Started,
    /// Found its addresses still held, and goes on where it was.
    Resumed,
    /// The director does not answer.
    DirectorGone,
    /// The director answers, but its service fails.
    ServiceGone,
    /// Nobody has the addresses.
    NobodyHasThem,
    /// The director is back.
    DirectorBack,
    /// The standby gave the addresses to us.
    HandedOver,
    /// Another machine insists on having the addresses.
    Claimed,
    /// The interface went down.
    LinkWentDown,
    /// Something that is tracked failed.
    TrackerFailed,
    /// The addresses could not be claimed, or somebody kept removing them.
    ClaimFailed,
    /// An operator's order.
    Ordered,
    /// It was stopped.
    Stopped,
}

impl ArpReason {
    /// The reason's stable code, as in logs and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Resumed => "resumed",
            Self::DirectorGone => "director_gone",
            Self::ServiceGone => "service_gone",
            Self::NobodyHasThem => "nobody_has_them",
            Self::DirectorBack => "director_back",
            Self::HandedOver => "handed_over",
            Self::Claimed => "claimed",
            Self::LinkWentDown => "link_went_down",
            Self::TrackerFailed => "tracker_failed",
            Self::ClaimFailed => "claim_failed",
            Self::Ordered => "ordered",
            Self::Stopped => "stopped",
        }
    }
}

/// Why the addresses are, or are not, here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpWhy {
    /// They are.
    WeAreActive,
    /// They are, though the director is back: it is not time to give them back yet.
    NotGivenBackYet,
    /// Not started, or stopped.
    NotRunning,
    /// The interface is down.
    LinkDown,
    /// Something that is tracked failed.
    TrackerFailed,
    /// The addresses could not be claimed; it tries again.
    AddressesNotHeld,
    /// The start delay is not over.
    StartDelay,
    /// The director answers.
    DirectorAnswers,
    /// Listening whether the director answers.
    Listening,
    /// Neither the director nor a sentinel answers: this machine is cut off.
    CutOff,
    /// Another machine has the addresses.
    OtherHasThem,
}

impl ArpWhy {
    /// Stable code, as in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WeAreActive => "active",
            Self::NotGivenBackYet => "not_given_back_yet",
            Self::NotRunning => "not_running",
            Self::LinkDown => "link_down",
            Self::TrackerFailed => "tracker_failed",
            Self::AddressesNotHeld => "addresses_not_held",
            Self::StartDelay => "start_delay",
            Self::DirectorAnswers => "director_answers",
            Self::Listening => "listening",
            Self::CutOff => "cut_off",
            Self::OtherHasThem => "other_has_them",
        }
    }
}

impl std::fmt::Display for ArpWhy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WeAreActive => "this machine has the addresses",
            Self::NotGivenBackYet => {
                "this machine has the addresses; the director is back, and gets them after the delay or by hand"
            }
            Self::NotRunning => "not started, or stopped",
            Self::LinkDown => "the interface is down",
            Self::TrackerFailed => "something it tracks has failed",
            Self::AddressesNotHeld => {
                "the addresses could not be added, or kept being removed; it tries again"
            }
            Self::StartDelay => "the start delay is not over",
            Self::DirectorAnswers => "the director answers",
            Self::Listening => "listening whether anybody else has the addresses",
            Self::CutOff => {
                "neither the director nor a sentinel answers: this machine is cut off and takes nothing"
            }
            Self::OtherHasThem => "another machine has the addresses",
        })
    }
}
