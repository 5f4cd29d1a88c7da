//! The configuration: `holdfast.toml`, parsed once into types that need no second look.
//!
//! Owns every key of the file, its default and its check. [`parse`] takes the texts of the file and of what it
//! includes and returns either a [`Config`] or every mistake at once, each with file, line, column and remedy.
//! It never opens a file: the caller hands the texts in (see [`includes`]).

mod address;
mod alert;
mod book;
mod care;
mod check;
mod checks;
mod dependency;
mod duration;
mod exec;
mod fields;
mod file;
mod http;
mod keys;
mod kinds;
mod lvs;
mod marks;
mod objects;
mod peer_url;
mod ping;
mod probed;
mod raw;
mod real_server;
mod rhythm;
mod router;
mod scheduling;
mod server;
mod smtp;
mod status;
mod suggest;
mod syntax;
mod table;
mod talk;
#[cfg(test)]
mod tests;
mod tls;
mod tunnel;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::id::{AddressFamily, Name, Protocol, RealServerId, ServiceAddress};

pub use alert::{
    Alert, AlertRoute, Hook, Mail, Secret, Security, Smtp, Standby, StandingSilence, Transport, Url, Webhook,
};
pub use duration::{DurationError, format_duration, parse_duration};
pub use lvs::{Adopt, Lvs, SyncDaemon, SyncRoles, Sysctls, Timeouts};
pub use marks::ProbeMarks;
pub use probed::{Check, CheckKind, Rhythm};
pub use raw::{includes, parse};
pub use router::{
    Announce, Arp, AuthenticationFile, AuthenticationKind, Failover, Network, Notify, NotifyTimeout, OnExit,
    Route, RouterMode, Rule, Scope, Script, Track, Tracked, VirtualAddress, VirtualRouter, Vrrp,
};
pub use status::{PageTls, Peer, PeerUrl, Status};
pub use suggest::nearest;

/// One text of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path it came from, as messages name it.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// One mistake, `holdfast.toml:12:3: unknown key "schedular"; did you mean "scheduler"?`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct Mistake {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to write instead, in one line.
    pub message: String,
}

/// All mistakes of a configuration, in the order of the files. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// One pattern of `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// A path relative to the main file's folder, or an absolute one; the last part may hold `*` and `?`.
    pub pattern: String,
    /// Where it stands in the main file: line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A whole configuration that is free of mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The virtual servers, in the order of the file; names and service addresses are unique.
    pub virtual_servers: Vec<VirtualServer>,
    /// `[lvs]`.
    pub lvs: Lvs,
    /// `[status]`. No part of the digest: what is served does not depend on it.
    pub status: Status,
    /// `checks.sentinels`: machines that have nothing to do with the services, such as the gateway. At most 16. No part of the
    /// digest: no verdict depends on it while this machine sees.
    pub sentinels: Vec<SocketAddr>,
    /// `[failover]`. No part of the digest: it changes no decision.
    pub failover: Failover,
    /// The virtual routers, in the order of the file; names, addresses and the VRIDs of an interface are unique.
    pub virtual_routers: Vec<VirtualRouter>,
    /// `[[dependency]]`: what real servers depend on, such as the router of a site. Names are unique; at most
    /// [`DEPENDENCIES_MAX`].
    pub dependencies: Vec<Dependency>,
    /// `[alert]`. No part of the digest.
    pub alert: Option<Alert>,
    /// Short digest of the meaningful content: two daemons that show the same one run with the same file.
    pub digest: String,
}

impl Config {
    /// The virtual server of that name.
    #[must_use]
    pub fn virtual_server(&self, name: &Name) -> Option<&VirtualServer> {
        self.virtual_servers.iter().find(|server| server.name == *name)
    }

    /// The virtual router of that name.
    #[must_use]
    pub fn virtual_router(&self, name: &Name) -> Option<&VirtualRouter> {
        self.virtual_routers.iter().find(|router| router.name == *name)
    }

    /// Every real server with the virtual server it belongs to.
    pub fn real_servers(&self) -> impl Iterator<Item = (&VirtualServer, &RealServer)> {
        self.virtual_servers.iter().flat_map(|virtual_server| {
            virtual_server.real_servers.iter().map(move |real_server| (virtual_server, real_server))
        })
    }
}

/// One `[[virtual_server]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualServer {
    /// `name`.
    pub name: Name,
    /// `address`: the virtual IPs, ranges spelt out, without doubles. None where all services are firewall marks.
    pub addresses: Vec<IpAddr>,
    /// `services`: protocol and port, ranges spelt out, without doubles. At least one of these or of `marks`.
    pub services: Vec<Service>,
    /// Those of `services` that are firewall marks.
    pub marks: Vec<Mark>,
    /// `scheduler` with `scheduler_flags`, `one_packet`, `persistence`.
    pub scheduling: Scheduling,
    /// `quorum`: real servers that must be up for the pool to count as working. Default 1.
    pub quorum: u32,
    /// `min_serving`: the share of real servers that is never undercut by ejection, in percent. Default 0.
    pub min_serving_percent: u8,
    /// `quorum_hysteresis`: so many more than the quorum must be up before it counts as regained, and so many fewer before it
    /// counts as lost. Below `quorum`. Default 0.
    pub quorum_hysteresis: u32,
    /// `max_ejected`: the largest share of real servers that failing checks may take out, in percent. Default 100.
    pub max_ejected_percent: u8,
    /// `ejection_rate`: how many real servers failing checks may take out within which time. Default: any number.
    pub ejection_rate: Option<EjectionRate>,
    /// `slow_start`: how long a real server that returns from being down takes to its full weight. Default 0, at once.
    pub slow_start: Duration,
    /// `degraded_weight`: the weight of a degraded real server, in percent of its own. Default 100.
    pub degraded_weight_percent: u8,
    /// `sorry_server`: who answers while no real server does; at most one of each address family.
    pub sorry_servers: Vec<SorryServer>,
    /// The real servers, at least one; names and addresses are unique.
    pub real_servers: Vec<RealServer>,
}

impl VirtualServer {
    /// The kernel services of this virtual server: every service at every address, then the firewall marks. At most
    /// [`MAX_SERVICES`].
    pub fn service_addresses(&self) -> impl Iterator<Item = ServiceAddress> {
        let at = |address: &IpAddr| {
            let address = *address;
            self.services.iter().map(move |service| ServiceAddress::Address {
                protocol: service.protocol,
                address: SocketAddr::new(address, service.port),
            })
        };
        let marked = |mark: &Mark| ServiceAddress::FirewallMark { family: mark.family, mark: mark.mark };
        self.addresses.iter().flat_map(at).chain(self.marks.iter().map(marked))
    }

    /// Whether some of its services take packets of this family.
    #[must_use]
    pub fn serves(&self, family: AddressFamily) -> bool {
        self.addresses.iter().any(|address| AddressFamily::of(*address) == family)
            || self.marks.iter().any(|mark| mark.family == family)
    }

    /// How many of so many real servers must stay in the table: [`Self::min_serving_percent`], rounded up, and all but
    /// [`Self::max_ejected_percent`], rounded down.
    #[must_use]
    pub fn min_serving_of(&self, real_servers: usize) -> usize {
        let kept = (real_servers * usize::from(self.min_serving_percent)).div_ceil(100);
        kept.max(real_servers - real_servers * usize::from(self.max_ejected_percent.min(100)) / 100)
    }

    /// The identity of one of its real servers.
    #[must_use]
    pub fn id_of(&self, real_server: &RealServer) -> RealServerId {
        RealServerId { virtual_server: self.name.clone(), real_server: real_server.name.clone() }
    }
}

/// The most kernel services of one virtual server: addresses times services, and marks.
pub const MAX_SERVICES: usize = 4_096;

/// One of `services`, `"fwmark/53"` or, for IPv6, `"fwmark6/53"`: whatever the firewall has given this mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The family of the packets.
    pub family: AddressFamily,
    /// The mark.
    pub mark: NonZeroU32,
}

/// `ejection_rate = { servers = 2, per = "10s" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRate {
    /// `servers`: at most so many, at least 1.
    pub servers: u32,
    /// `per`: within this time, 1 s to 1 h.
    pub per: Duration,
}

/// `sorry_server = { address = "192.0.2.99" }`: who answers while no real server does. It is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SorryServer {
    /// `address`. It answers for services of its family, by tunnel for those of the other one that have none of their own.
    pub address: IpAddr,
    /// `port`, only with address translation. Default the service's own.
    pub port: Option<u16>,
    /// `forwarding`, its own or the virtual server's.
    pub forwarding: Forwarding,
}

/// One of `services`, `"udp/53"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// UDP, TCP or SCTP.
    pub protocol: Protocol,
    /// The port clients use; 0 is every port, which needs persistence.
    pub port: u16,
}

/// How the kernel chooses a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduling {
    /// `scheduler`: a name the kernel knows, `wrr`. Default `wlc`.
    pub scheduler: String,
    /// `scheduler_flags`: the kernel's three scheduler bits as 1, 2, 4 (`sh-fallback` and `mh-fallback` are 1, `sh-port`
    /// and `mh-port` 2, `flag-1` 1, `flag-2` 2, `flag-3` 4). Default none.
    pub flags: u8,
    /// `one_packet`: each UDP packet is scheduled alone. Only UDP services are marked. Default false.
    pub one_packet: bool,
    /// `persistence`: clients stay with their real server.
    pub persistence: Option<Persistence>,
}

/// `persistence = { timeout = "5m", prefix = 24 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// Whole seconds, 1 to 31 days.
    pub timeout: Duration,
    /// Clients of one network of this prefix length stay together. Default 32 or 128; always that where both families are
    /// served.
    pub prefix: u8,
    /// `engine`: what recognises a client beside its address.
    pub engine: Option<Engine>,
}

/// `engine`: what recognises a client when its address does not (`struct ip_vs_pe` in the kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `"sip"`: the Call-ID of SIP over UDP.
    Sip,
}

/// `forwarding`: how packets reach a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// `"direct"`: direct routing, same network, VIP on the real server.
    Direct,
    /// `"tunnel"`: IP in IP.
    Tunnel,
    /// `"nat"`: address translation, replies come back through the director.
    Nat,
}

impl Forwarding {
    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
            Self::Nat => "nat",
        }
    }
}

/// `tunnel = { type = "gue", port = 6080, checksum = "remote" }`: how a packet is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tunnel {
    /// `"ipip"`: IP in IP. The default.
    #[default]
    Ipip,
    /// `"gue"`: generic UDP encapsulation, Linux 5.2 and later.
    Gue {
        /// `port`: the UDP port that the real server listens on.
        port: NonZeroU16,
        /// `checksum`.
        checksum: Checksum,
    },
    /// `"gre"`: generic routing encapsulation, Linux 5.4 and later.
    Gre {
        /// `checksum`; not [`Checksum::Remote`].
        checksum: Checksum,
    },
}

/// `checksum`: what protects a wrapped packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// `"none"`. The default.
    #[default]
    None,
    /// `"full"`: a checksum over the wrapped packet.
    Full,
    /// `"remote"`: remote checksum offload, GUE only.
    Remote,
}

/// One `[[virtual_server.real_server]]`, with what it inherits filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct RealServer {
    /// `name`.
    pub name: Name,
    /// `address`. It takes the services of its own family, and with `forwarding = "tunnel"` all.
    pub address: IpAddr,
    /// `port`, only with `forwarding = "nat"`: the port it serves on, for every service; the service's own otherwise.
    pub port: Option<u16>,
    /// `weight`, 0 to 65535. Default 1.
    pub weight: u32,
    /// `upper_threshold`: connections at which it gets no new ones; 0 is never. Default 0.
    pub upper_threshold: u32,
    /// `lower_threshold`: connections below which it gets new ones again, not above the upper one; 0 is three quarters of
    /// that. Default 0.
    pub lower_threshold: u32,
    /// `forwarding`, its own or the virtual server's. Default direct.
    pub forwarding: Forwarding,
    /// `tunnel`, its own or the virtual server's; means something with [`Forwarding::Tunnel`] only.
    pub tunnel: Tunnel,
    /// How it is checked: at least one check, at most [`CHECKS_MAX`], each with a name of its own.
    pub checks: Vec<Check>,
    /// `parent`, its own or the virtual server's: the dependency without which nothing can be said about it.
    pub parent: Option<Name>,
    /// `check.require`: how many of the checks that are not advisory must pass, 1 to their number. Default all.
    pub require: u32,
}

/// One `[[dependency]]`: what real servers can't be reached or judged without.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    /// `name`.
    pub name: Name,
    /// `address`.
    pub address: IpAddr,
    /// As [`RealServer::checks`].
    pub checks: Vec<Check>,
    /// As [`RealServer::require`].
    pub require: u32,
}

/// The most dependencies.
pub const DEPENDENCIES_MAX: usize = 64;

/// The most checks of one real server.
pub const CHECKS_MAX: usize = 8;

impl RealServer {
    /// Where `service` goes on this real server. Port 0 is the port that the client has chosen.
    #[must_use]
    pub fn destination(&self, service: ServiceAddress) -> SocketAddr {
        let port = match service {
            ServiceAddress::Address { address, .. } => address.port(),
            ServiceAddress::FirewallMark { .. } => 0,
        };
        SocketAddr::new(self.address, self.port.unwrap_or(port))
    }
}
