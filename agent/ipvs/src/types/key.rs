//! What tells one virtual service from another.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::ValueError;

/// An address family of the Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`.
    Ipv6,
}

impl Family {
    /// The family of an address. An IPv4-mapped IPv6 address is IPv6, as it is for IPVS.
    pub const fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

/// The transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, 6.
    Tcp,
    /// UDP, 17.
    Udp,
    /// SCTP, 132.
    Sctp,
    /// Any other: the kernel stores it without complaint and never balances it. Read only; never 6, 17 or 132.
    Other(u16),
}

impl Protocol {
    /// The protocol of an IP protocol number.
    pub const fn from_number(number: u16) -> Protocol {
        match number {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            132 => Protocol::Sctp,
            other => Protocol::Other(other),
        }
    }

    /// The IP protocol number.
    pub const fn number(self) -> u16 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Other(other) => other,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Tcp => f.pad("tcp"),
            Protocol::Udp => f.pad("udp"),
            Protocol::Sctp => f.pad("sctp"),
            Protocol::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

/// What a virtual service is known by. Everything else about it can be edited in place.
///
/// Displayed as `udp 10.0.0.1:53`, `tcp [2001:db8::1]:53`, `fwmark 7` or `fwmark 7 (IPv6)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceKey {
    /// Packets to an address, a port and a protocol.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 is every port and needs persistence.
        port: u16,
    },
    /// Packets of a family that the firewall has marked. Looked up before address services.
    FirewallMark {
        /// The address family.
        family: Family,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl ServiceKey {
    /// The key of an address service.
    ///
    /// # Errors
    /// An unspecified, multicast or broadcast address, or a protocol that IPVS does not balance: the kernel takes
    /// both and then never matches a packet.
    pub fn new(protocol: Protocol, address: IpAddr, port: u16) -> Result<ServiceKey, ValueError> {
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            return Err(ValueError::ServiceAddress(address));
        }
        match Protocol::from_number(protocol.number()) {
            Protocol::Other(number) => Err(ValueError::Protocol(number)),
            protocol => Ok(ServiceKey::Address { protocol, address, port }),
        }
    }

    /// The key of a firewall-mark service.
    ///
    /// # Errors
    /// [`ValueError::FirewallMark`] for mark 0.
    pub fn firewall_mark(family: Family, mark: u32) -> Result<ServiceKey, ValueError> {
        match NonZeroU32::new(mark) {
            Some(mark) => Ok(ServiceKey::FirewallMark { family, mark }),
            None => Err(ValueError::FirewallMark),
        }
    }

    /// The family of the packets that the service takes.
    pub const fn family(&self) -> Family {
        match self {
            ServiceKey::Address { address, .. } => Family::of(*address),
            ServiceKey::FirewallMark { family, .. } => *family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address { protocol, address: IpAddr::V4(v4), port } => {
                write!(f, "{protocol} {v4}:{port}")
            }
            ServiceKey::Address { protocol, address: IpAddr::V6(v6), port } => {
                write!(f, "{protocol} [{v6}]:{port}")
            }
            ServiceKey::FirewallMark { family: Family::Ipv4, mark } => write!(f, "fwmark {mark}"),
            ServiceKey::FirewallMark { family: Family::Ipv6, mark } => write!(f, "fwmark {mark} (IPv6)"),
        }
    }
}
