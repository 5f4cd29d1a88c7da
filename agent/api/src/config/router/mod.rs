//! `[[virtual_router]]`: an address that moves between machines, and how it does.
//!
//! Owns what a virtual router is once its file is read: everything `vipd` needs, checked, with what each mode means as a
//! configuration of its core. It reads no secret and touches no network.

mod addresses;
mod announce;
mod arp;
mod failover;
mod hooks;
mod read;
mod track;
mod vrrp;

use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::RouterConfig;
use vrrp_core::arp::ArpConfig;
use vrrp_core::codec::Family;
use vrrp_core::track::{Effect, Tracker};

use crate::id::{Name, RealServerId};

pub use failover::Failover;
pub(super) use failover::read_failover;
pub(super) use read::{Routers, virtual_router};

/// One `[[virtual_router]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualRouter {
    /// `name`, unique.
    pub name: Name,
    /// `interface`: where the addresses go unless they say otherwise, and where the others are heard.
    pub interface: String,
    /// `mode` and what belongs to it.
    pub mode: RouterMode,
    /// `addresses`, in the order of the file.
    pub addresses: Vec<VirtualAddress>,
    /// `unlisted`: addresses that move along but stand in no advert.
    pub unlisted: Vec<VirtualAddress>,
    /// `routes` that are there while Active.
    pub routes: Vec<Route>,
    /// `rules` that are there while Active.
    pub rules: Vec<Rule>,
    /// `announce`, apart from what is in the core's configuration.
    pub announce: Announce,
    /// `track`, in the order of the file.
    pub track: Vec<Track>,
    /// `notify`.
    pub notify: Notify,
    /// `on_exit`: what becomes of the addresses when `vipd` ends.
    pub on_exit: OnExit,
    /// `sync_group`: routers of one group are Active together or not at all.
    pub sync_group: Option<Name>,
}

impl VirtualRouter {
    /// All its addresses, the listed ones first.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.unlisted)
    }

    /// The core's trackers, in the order of `track`.
    pub fn trackers(&self) -> impl Iterator<Item = Tracker> + '_ {
        self.track.iter().map(|track| track.tracker)
    }
}

/// `mode`: how it is decided who has the addresses. A third, `"route"`, is for sites that announce them by a routing protocol;
/// this version refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterMode {
    /// `"vrrp"`.
    Vrrp(Box<Vrrp>),
    /// `"arp"`: a standby watches the director's own addresses.
    Arp(Box<Arp>),
}

/// What belongs to `mode = "vrrp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vrrp {
    /// One router of the protocol for each family of `addresses`, IPv4 first. Two of them are Active together, like a sync group.
    /// Without a secret: that comes from [`Self::authentication`].
    pub routers: Vec<RouterConfig>,
    /// `authentication`; version 2 over IPv4 only.
    pub authentication: Option<AuthenticationFile>,
    /// `unicast.source` and `source`: the address adverts come from, for each family at most one. Default: the interface's primary
    /// IPv4 or link-local IPv6 address.
    pub sources: Vec<IpAddr>,
    /// `unicast.ttl`: TTL or hop limit of unicast adverts. Default 255.
    pub ttl: u8,
    /// `virtual_mac`: adverts and addresses on a macvlan with the virtual router's own MAC address.
    pub virtual_mac: bool,
}

impl Vrrp {
    /// The address adverts of that family come from, if it is configured.
    #[must_use]
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        self.sources.iter().copied().find(|source| Family::of(*source) == family)
    }
}

/// `authentication = { type = "pass", file = "/etc/holdfast/vrrp.secret" }`. The secret is never in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationFile {
    /// `type`.
    pub kind: AuthenticationKind,
    /// `file`: absolute path of a file whose first line is the secret, 1 to 8 octets.
    pub file: String,
}

/// `type` of `authentication`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationKind {
    /// `"pass"`: the secret itself is in every advert, for all to read.
    Pass,
    /// `"ah"`: an Authentication Header (HMAC-MD5).
    Ah,
}

/// What belongs to `mode = "arp"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// The core's configuration.
    pub config: ArpConfig,
    /// `watch.check`: the real server whose verdict also says whether the director serves. Down is a reason to take over; unknown
    /// is none.
    pub check: Option<RealServerId>,
}

/// One of `addresses` or `unlisted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length. Default 32 or 128.
    pub prefix: u8,
    /// `interface`: where it goes. Default the router's.
    pub interface: Option<String>,
    /// `label` of an IPv4 address, as old tools show it: the interface's name, or with a colon and a word behind it.
    pub label: Option<String>,
    /// `scope`. Default global, link for link-local addresses.
    pub scope: Scope,
    /// `prefix_route`: whether the kernel makes a route to the address's network with it. Default false.
    pub prefix_route: bool,
    /// `dad`: whether an IPv6 address waits for duplicate address detection, which takes over a second. Default the router's
    /// `dad`, which is false.
    pub dad: bool,
}

/// `scope` of an address or a route (`linux/rtnetlink.h`, `RT_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// `"global"`.
    #[default]
    Global,
    /// `"link"`.
    Link,
    /// `"host"`.
    Host,
}

impl Scope {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Global => 0,
            Self::Link => 253,
            Self::Host => 254,
        }
    }
}

/// A network: address and prefix length, host bits zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

/// One of `routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `to`: the network; `"default"` is 0.0.0.0/0, or ::/0 when `via` or `source` is IPv6.
    pub to: Network,
    /// `via`: the next hop.
    pub via: Option<IpAddr>,
    /// `interface`. Default the router's.
    pub interface: Option<String>,
    /// `source`: the address preferred for packets that take it.
    pub source: Option<IpAddr>,
    /// `table`. Default 254, main.
    pub table: u32,
    /// `metric`. Default the kernel's.
    pub metric: Option<u32>,
    /// `scope`. Default global with `via`, link without.
    pub scope: Scope,
}

/// One of `rules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The family it is for.
    pub family: Family,
    /// `from`.
    pub from: Option<Network>,
    /// `to`.
    pub to: Option<Network>,
    /// `iif`: the interface packets come in by.
    pub iif: Option<String>,
    /// `fwmark`: the packets' mark.
    pub fwmark: Option<u32>,
    /// `table`: the table they look in.
    pub table: u32,
    /// `priority`. Default the kernel's.
    pub priority: Option<u32>,
}

/// What of `announce` is not in the core's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// `reply`: also a gratuitous ARP in reply form each time. Default false.
    pub reply: bool,
    /// `rate`: frames a second on one interface, 1 to 10000; the lowest of its routers holds. Default 1000.
    pub rate: u32,
}

impl Default for Announce {
    fn default() -> Self {
        Self { reply: false, rate: 1_000 }
    }
}

/// `on_exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExit {
    /// `"remove"`: the others are told, and the addresses removed.
    #[default]
    Remove,
    /// `"keep"`: nobody is told, and the addresses stay until their lease is over: a restart within it moves nothing.
    Keep,
}

/// One of `track`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What is tracked.
    pub what: Tracked,
    /// What follows.
    pub tracker: Tracker,
}

/// What can be tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tracked {
    /// `virtual_server` with `when = "below_quorum"`: bad while too few of its real servers serve.
    Quorum(Name),
    /// `virtual_server` with `when = "score"`: how many of its real servers serve.
    Score(Name),
    /// `director = "blind"`: bad while `checkd` says this machine can't see.
    Blind,
    /// `interface`: bad while it has no carrier.
    Interface(String),
    /// `script`: bad when it ends with another code than 0, or is not done in time.
    Script(Script),
    /// `process`: bad while fewer than `count` processes of that name run.
    Process {
        /// The name as in `/proc/PID/comm`, at most 15 octets, or the absolute path of the program.
        name: String,
        /// How many there must be. Default 1.
        count: u32,
    },
    /// `file`: the number in the first line of a file; 0 while there is none.
    File(String),
}

impl std::fmt::Display for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quorum(name) => write!(f, "quorum of {name}"),
            Self::Score(name) => write!(f, "score of {name}"),
            Self::Blind => f.write_str("director's sight"),
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Script(script) => {
                write!(f, "script {}", script.command.first().map_or("", String::as_str))
            }
            Self::Process { name, .. } => write!(f, "process {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// A script that is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The program's absolute path and its arguments.
    pub command: Vec<String>,
    /// `interval`. Default 1 s, 100 ms to 1 h.
    pub interval: Duration,
    /// `timeout`. Default the interval; not above it.
    pub timeout: Duration,
}

/// `notify`: who is told of changes of state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// `active`: run on becoming Active.
    pub active: Option<Vec<String>>,
    /// `backup`: run on becoming Backup.
    pub backup: Option<Vec<String>>,
    /// `fault`: run when the router can't take part.
    pub fault: Option<Vec<String>>,
    /// `stop`: run when it is stopped.
    pub stop: Option<Vec<String>>,
    /// `any`: run on every change, with the new state as argument.
    pub any: Option<Vec<String>>,
    /// `fifo`: absolute path of a FIFO that gets one line for each change.
    pub fifo: Option<String>,
    /// `timeout`: how long one of them may take. Default 10 s, 100 ms to 10 min.
    pub timeout: NotifyTimeout,
}

/// How long a notify script may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyTimeout(pub Duration);

impl Default for NotifyTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// The effect of `priority` or, without it, of its absence.
fn effect_of(priority: Option<i16>) -> Effect {
    priority.map_or(Effect::Fixed, Effect::Priority)
}
