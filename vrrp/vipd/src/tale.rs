//! What the engine tells: facts, on their way to people and other programs.
//!
//! Owns the words and the bounded channel. Telling never waits and allocates nothing for an event; what finds the channel
//! full is dropped and counted. It knows no format.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use nix::errno::Errno;
use vrrp_core::arp::{ArpEvent, ArpTransition, ArpWhy};
use vrrp_core::codec::Family;
use vrrp_core::track::Fact;
use vrrp_core::{Event, Order, State, Status, Time};

use crate::realtime::Grants;

/// Tales that wait at most, at least and for each virtual router. All of the room is in memory from the start.
const ROOM: usize = 512;
const ROOM_EACH: usize = 8;

/// Something to tell.
#[derive(Debug)]
pub enum Tale {
    /// A core reports.
    Event {
        /// Virtual router.
        router: Arc<str>,
        /// Family of its adverts.
        family: Family,
        /// What.
        event: Event,
        /// The priority it speaks with.
        priority: u8,
        /// When.
        at: Time,
    },
    /// A takeover by ARP reports.
    ArpEvent {
        /// Virtual router.
        router: Arc<str>,
        /// What.
        event: ArpEvent,
        /// When.
        at: Time,
    },
    /// How a virtual router is.
    Snapshot(Box<Snapshot>),
    /// The engine itself noticed something.
    Note {
        /// Virtual router concerned.
        router: Option<Arc<str>>,
        /// What.
        note: Note,
    },
    /// The same, without a word of its own.
    Trouble(String),
    /// SIGHUP came.
    ReloadWanted,
    /// The engine does its work; told at least every ten seconds.
    Alive {
        /// What it counted.
        figures: Figures,
    },
    /// An interface that is tracked works, or does not.
    Link {
        /// Its name.
        interface: String,
        /// Whether it works.
        works: bool,
    },
    /// The agent told something new.
    FactsChanged,
    /// Something that is tracked was looked at.
    Fact {
        /// Virtual router.
        router: Arc<str>,
        /// Number of the tracker.
        index: usize,
        /// What was seen.
        fact: Fact,
    },
    /// What the kernel granted.
    Granted(Grants),
    /// There is nothing more to tell.
    End,
}

/// What the engine itself notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Adverts cannot be sent. Said when it begins and when the reason changes.
    AdvertNotSent {
        /// Why.
        errno: Errno,
    },
    /// The kernel refuses an address.
    AddressRefused {
        /// Which.
        address: IpAddr,
        /// Why.
        errno: Errno,
    },
    /// The kernel refuses to take an address away.
    AddressNotRemoved {
        /// Why.
        errno: Errno,
    },
    /// Duplicate address detection found an address in use.
    AddressInUse {
        /// Which.
        address: IpAddr,
    },
    /// The kernel refuses a route or a rule.
    RouteRefused {
        /// Why.
        errno: Errno,
    },
    /// What comes for addresses that must not be accepted is accepted.
    PacketsNotRefused {
        /// Why.
        errno: Errno,
    },
    /// An address with our mark that nobody is set to have was removed.
    StrayRemoved {
        /// Which.
        address: IpAddr,
    },
    /// The kernel had more notices for us than it could keep; everything was read anew.
    NoticesLost,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdvertNotSent { errno } => write!(f, "adverts can't be sent: {}", errno.desc()),
            Self::AddressRefused { address, errno } => {
                write!(f, "the kernel refuses {address}: {}", errno.desc())
            }
            Self::AddressInUse { address } => {
                write!(
                    f,
                    "{address} is another host's, says duplicate address detection; it does not work here"
                )
            }
            Self::RouteRefused { errno } => {
                write!(f, "the kernel refuses a route or a rule: {}", errno.desc())
            }
            Self::PacketsNotRefused { errno } => write!(
                f,
                "accept = false, but packets to the addresses can't be refused ({}): that needs nftables and Linux 5.12",
                errno.desc()
            ),
            Self::AddressNotRemoved { errno } => {
                write!(f, "an address can't be taken off its interface: {}", errno.desc())
            }
            Self::StrayRemoved { address } => {
                write!(f, "removed {address}, which an earlier run left and no virtual router has")
            }
            Self::NoticesLost => f.write_str("too many changes of interfaces at once; read them all anew"),
        }
    }
}

/// What the engine counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Adverts sent.
    pub sent: u64,
    /// Datagrams heard.
    pub heard: u64,
    /// The latest that a deadline was served since the last time.
    pub lateness: Duration,
}

/// How a virtual router is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Name.
    pub router: Arc<str>,
    /// Sync group.
    pub group: Arc<str>,
    /// Family of its adverts.
    pub family: Family,
    /// Interface.
    pub interface: String,
    /// Its number in adverts, in VRRP.
    pub vrid: Option<u8>,
    /// Its interval, in VRRP.
    pub interval: Option<Duration>,
    /// Its addresses, the listed ones first.
    pub addresses: Vec<IpAddr>,
    /// Those of them that this machine has by it.
    pub held: Vec<IpAddr>,
    /// What the core says.
    pub standing: Standing,
    /// When this was so.
    pub at: Time,
}

/// What a core says of itself.
#[derive(Debug, Clone)]
pub enum Standing {
    /// A router of VRRP.
    Vrrp(Box<Status>),
    /// A takeover by ARP.
    Arp(ArpStanding),
}

/// What a takeover by ARP says of itself.
#[derive(Debug, Clone)]
pub struct ArpStanding {
    /// State.
    pub state: State,
    /// Why it is as it is.
    pub why: ArpWhy,
    /// Operator's order.
    pub order: Option<Order>,
    /// The last transitions, oldest first.
    pub transitions: Vec<ArpTransition>,
}

/// The engine's end.
#[derive(Debug, Clone)]
pub struct Teller {
    sender: SyncSender<Tale>,
    dropped: Arc<AtomicU64>,
}

impl Teller {
    /// A channel with room for what so many virtual routers tell at once; the other end is for a thread that may take its time.
    #[must_use]
    pub fn new(routers: usize) -> (Self, Receiver<Tale>) {
        let (sender, receiver) = sync_channel(ROOM.max(routers.saturating_mul(ROOM_EACH)));
        (Self { sender, dropped: Arc::new(AtomicU64::new(0)) }, receiver)
    }

    /// Tells, unless too much waits already.
    pub fn tell(&self, tale: Tale) {
        if self.sender.try_send(tale).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
