//! What an IPVS table is made of: services, destinations, their keys and figures.
//!
//! Every value here is one that the kernel can hold. What a caller writes down comes in through checked
//! constructors (`new`), which refuse what the kernel would refuse late, silently change, or dump back
//! differently; what the kernel dumps is taken as it is. Nothing here does I/O.

mod destination;
mod figures;
mod key;
mod name;
mod service;
mod sync;

#[cfg(test)]
mod tests;

pub use destination::{Checksum, Destination, DestinationKey, Encapsulation, Forwarding, Thresholds, Weight};
pub use figures::{
    ConnectionCounts, DestinationStatus, Info, ServiceStatus, Snapshot, Stats, Timeouts, Version,
};
pub use key::{Family, Protocol, ServiceKey};
pub use name::{Interface, PersistenceEngine, Scheduler};
pub use service::{Flags, Granularity, Persistence, Service, ServiceEntry, Table};
pub use sync::{SyncDaemon, SyncRole};

/// The longest time that may be asked for, in seconds: 31 days, the limit of `ipvsadm` too.
///
/// The kernel takes more, but multiplies by its tick rate in 32 bits, so what it dumps back differs from what it was
/// given (50,000,000 s become 15,640,261 s at 250 Hz) and a comparison with the wanted value would never end.
pub const MAX_TIMEOUT_SECS: u32 = 31 * 24 * 60 * 60;

/// Why a value cannot be part of an IPVS table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A scheduler or persistence engine name is empty, longer than 15 characters, or has odd characters.
    #[error("{what} name `{name}`: give 1 to 15 printable characters without blanks")]
    Name {
        /// `scheduler` or `persistence engine`.
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// A weight above [`Weight::MAX`].
    #[error("weight {0}: give 0 to 65535")]
    Weight(u32),
    /// A lower threshold above the upper one.
    #[error(
        "lower threshold {lower} is above the upper threshold {upper}: give an upper threshold that is at least as high"
    )]
    Thresholds {
        /// Connections at which the destination is overloaded; 0 is none.
        upper: u32,
        /// Connections below which it is not any more.
        lower: u32,
    },
    /// A threshold of 2³¹ or more, which newer kernels refuse.
    #[error("threshold {0}: give at most 2147483647")]
    Threshold(u32),
    /// A persistence timeout of 0 or above [`MAX_TIMEOUT_SECS`].
    #[error("persistence timeout {0} s: give 1 to 2678400 (31 days)")]
    PersistenceTimeout(u32),
    /// A connection timeout above [`MAX_TIMEOUT_SECS`].
    #[error("{which} timeout {secs} s: give at most 2678400 (31 days), or 0 to leave it as it is")]
    Timeout {
        /// `tcp`, `tcp fin` or `udp`.
        which: &'static str,
        /// What was given.
        secs: u32,
    },
    /// A persistence prefix length outside 1 to 128.
    #[error("persistence prefix length {0}: give 1 to 128")]
    PrefixLength(u8),
    /// A persistence mask that is 0.0.0.0 or has holes.
    #[error("persistence mask {0}: give a netmask such as 255.255.255.0")]
    Mask(std::net::Ipv4Addr),
    /// A persistence mask of one family on a service of the other.
    #[error("the persistence granularity is for {granularity}, but the service is {service}")]
    GranularityFamily {
        /// The family of the mask.
        granularity: Family,
        /// The family of the service.
        service: Family,
    },
    /// A firewall mark of 0, which the kernel would take for TCP 0.0.0.0:0.
    #[error("firewall mark 0: give 1 to 4294967295")]
    FirewallMark,
    /// A service address that no packet can carry.
    #[error("service address {0}: give a unicast address")]
    ServiceAddress(std::net::IpAddr),
    /// A destination address that the kernel refuses.
    #[error("destination address {0}: give a unicast address that is neither unspecified nor link-local")]
    DestinationAddress(std::net::IpAddr),
    /// A protocol that IPVS does not balance.
    #[error("protocol {0}: give tcp, udp or sctp")]
    Protocol(u16),
    /// Port 0 (all ports) without persistence.
    #[error("port 0 (every port) needs persistence")]
    PortZero,
    /// One-packet scheduling on something else than UDP or a firewall mark.
    #[error("one-packet scheduling works for udp and firewall-mark services only")]
    OnePacketProtocol,
    /// One-packet scheduling with masquerading: replies would leave with the server's own address.
    #[error(
        "one-packet scheduling cannot masquerade: replies would leave with the server's address; use direct or tunnel"
    )]
    OnePacketMasquerade,
    /// A destination of the other address family that is not reached through a tunnel.
    #[error(
        "the service is {service}, the destination {destination}: only tunnel forwarding may cross families"
    )]
    MixedFamily {
        /// The family of the service.
        service: Family,
        /// The family of the destination.
        destination: Family,
    },
    /// Direct and tunnel forwarding cannot change the port.
    #[error(
        "port {destination} on a {forwarding} destination: it must be the service's port {service}, only masquerade can change it"
    )]
    ForeignPort {
        /// The port of the service.
        service: u16,
        /// The port of the destination.
        destination: u16,
        /// How packets are forwarded.
        forwarding: Forwarding,
    },
    /// A forwarding method that can be read but not asked for.
    #[error("forwarding method {0} cannot be asked for: give masquerade, tunnel or direct")]
    Forwarding(Forwarding),
    /// An encapsulation that can be read but not asked for.
    #[error("tunnel type {0} cannot be asked for: give ipip, gue or gre")]
    Encapsulation(u8),
    /// A multicast group that is none, or an id above 255.
    #[error("sync daemon: {0}")]
    SyncDaemon(&'static str),
    /// A checksum setting that does not go with the encapsulation.
    #[error("tunnel checksum {checksum} does not go with {encapsulation}")]
    Checksum {
        /// `gue` or `gre`.
        encapsulation: &'static str,
        /// What was given.
        checksum: Checksum,
    },
}
