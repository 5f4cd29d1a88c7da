//! What a virtual router is told: past facts, and the orders of an operator.
//!
//! Owns the words only. What follows from them is in the state's own file.

use std::net::IpAddr;
use std::time::Duration;

use crate::codec::Datagram;

/// Something that happened. Tell link, source and trackers before [`Input::Started`], so that the router does not have to
/// begin twice. Read the sockets before telling [`Input::DeadlinePassed`]: an advert that lies there still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// The daemon is ready. With the addresses still on the interface from an earlier run, and within the lease and the
    /// patience of the peers, the router goes on as Active at once; otherwise it has them removed and listens.
    Started {
        /// If all virtual addresses are still held: how long ago the earlier run spoke last. Where that is not known, how
        /// long ago it renewed their lease, which is at most an interval less.
        held: Option<Duration>,
    },
    /// The time of [`super::VirtualRouter::deadline`] has come.
    DeadlinePassed,
    /// A datagram for this VRID, family and interface arrived.
    DatagramReceived(Datagram<'a>),
    /// The interface works, and adverts are sent from this address of its own. Also told when the address changes.
    LinkWentUp {
        /// Primary IPv4 or link-local IPv6 address; never a virtual one.
        source: IpAddr,
    },
    /// The interface lost its carrier, was set down or is gone.
    LinkWentDown,
    /// The interface works, but has no usable address of its own any more.
    SourceLost,
    /// What the trackers say, all taken together.
    TrackingChanged {
        /// Sum of the weights that apply now. The owner of the addresses ignores it.
        weight: i32,
        /// Whether something failed that has no weight: the router must not be Active.
        failed: bool,
    },
    /// Somebody else removed a virtual address while we are Active.
    AddressLost(IpAddr),
    /// The addresses could not be claimed or renewed.
    ClaimFailed,
    /// Another host says it has a virtual address while we are Active.
    DuplicateSeen {
        /// The address.
        address: IpAddr,
        /// The other host's MAC address.
        mac: [u8; 6],
    },
    /// An operator wants the router here or elsewhere, until told otherwise.
    OrderGiven(Order),
    /// The order no longer holds.
    OrderLifted,
    /// The daemon ends, or the router is taken out of its configuration.
    StopRequested,
}

/// What an operator wants. It works by priority, so any peer that preempts follows without a gap: the new Active router
/// announces itself before the old one lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Be Active: speak with priority 254, at once.
    TakeOver,
    /// Let another be Active: speak with priority 1, but serve until one takes over.
    Yield,
}
