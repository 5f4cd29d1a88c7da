//! The messages about links and addresses (`linux/rtnetlink.h`, `if_link.h`, `if_addr.h`).
//!
//! Owns which attribute means what when the kernel tells; what it is told is in [`super::order`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::codec::{Message, attributes, number, text};

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
pub(crate) const RTM_GETADDR: u16 = 22;

pub(super) const IFA_ADDRESS: u16 = 1;
pub(super) const IFA_LOCAL: u16 = 2;
pub(super) const IFA_LABEL: u16 = 3;
pub(super) const IFA_CACHEINFO: u16 = 6;
pub(super) const IFA_FLAGS: u16 = 8;
pub(super) const IFA_PROTO: u16 = 11;

const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_PERMANENT: u32 = 0x80;
const IFA_F_SECONDARY: u32 = 0x01;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;

pub(super) const IFF_UP: u32 = 0x1;
const IFF_RUNNING: u32 = 0x40;
const IFF_LOOPBACK: u32 = 0x8;

/// The mark (`IFA_PROTO`) of the addresses we put on an interface: the IP protocol number of VRRP.
pub(crate) const OURS: u8 = 112;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Absent where it is not six bytes long: there is no ARP then.
    pub(crate) mac: Option<[u8; 6]>,
    /// Set up, and with a carrier.
    pub(crate) works: bool,
    /// Set up, with a carrier or without.
    pub(crate) is_up: bool,
    pub(crate) loopback: bool,
}

/// An address as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) interface: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) scope: u8,
    /// Behind another one of the same network (IPv4).
    pub(crate) secondary: bool,
    /// IPv6: being checked for duplicates, or found to be one.
    pub(crate) tentative: bool,
    pub(crate) dad_failed: bool,
    /// It never ends.
    pub(crate) permanent: bool,
    /// `IFA_PROTO`: who put it there.
    pub(crate) origin: u8,
    /// What is left of its valid lifetime, in whole seconds.
    pub(crate) left: Duration,
    /// When it was made or changed last, on the clock of [`crate::clock::uptime`].
    pub(crate) stamp: Duration,
}

/// What the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Link(Link),
    LinkGone { index: u32 },
    Address(Address),
    AddressGone(Address),
}

impl Notice {
    /// Whether an interface came, went or changed, not only its addresses.
    pub(crate) fn is_structural(&self) -> bool {
        matches!(self, Self::Link(_) | Self::LinkGone { .. })
    }

    /// Reads a message; `None` for those of no interest and those that make no sense.
    pub(crate) fn read(message: Message<'_>) -> Option<Self> {
        match message.kind {
            RTM_NEWLINK => read_link(message.payload).map(Self::Link),
            RTM_DELLINK => read_link(message.payload).map(|link| Self::LinkGone { index: link.index }),
            RTM_NEWADDR => read_address(message.payload).map(Self::Address),
            RTM_DELADDR => read_address(message.payload).map(Self::AddressGone),
            _ => None,
        }
    }
}

fn read_link(payload: &[u8]) -> Option<Link> {
    let (header, rest) = payload.split_first_chunk::<16>()?;
    let [family, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    // A bridge speaks of its ports in messages of its own family, also when a port leaves the bridge: not of the link.
    if family != 0 {
        return None;
    }
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let mut link = Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: String::new(),
        mac: None,
        is_up: flags & IFF_UP != 0,
        works: flags & IFF_UP != 0 && flags & IFF_RUNNING != 0,
        loopback: flags & IFF_LOOPBACK != 0,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_IFNAME => link.name = text(value)?.to_owned(),
            IFLA_ADDRESS => link.mac = value.try_into().ok(),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn read_address(payload: &[u8]) -> Option<Address> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    let [_, prefix, flags, scope, i0, i1, i2, i3] = *header;
    let mut flags = u32::from(flags);
    let (mut local, mut other, mut origin) = (None, None, 0);
    let (mut left, mut stamp) = (Duration::ZERO, Duration::ZERO);
    for (kind, value) in attributes(rest) {
        match kind {
            IFA_ADDRESS => other = ip(value),
            IFA_LOCAL => local = ip(value),
            IFA_FLAGS => flags = number(value)?,
            IFA_PROTO => origin = value.first().copied()?,
            IFA_CACHEINFO => {
                left = Duration::from_secs(number(value.get(4..8)?)?.into());
                stamp = Duration::from_millis(u64::from(number(value.get(12..16)?)?) * 10);
            }
            _ => {}
        }
    }
    Some(Address {
        interface: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: local.or(other)?,
        prefix,
        scope,
        secondary: flags & IFA_F_SECONDARY != 0,
        tentative: flags & IFA_F_TENTATIVE != 0,
        dad_failed: flags & IFA_F_DADFAILED != 0,
        permanent: flags & IFA_F_PERMANENT != 0,
        origin,
        left,
        stamp,
    })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// An address that is held for a time, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// Length of its network's prefix.
    pub prefix: u8,
    /// `RT_SCOPE_*`: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// IPv4: the label that `ip address` shows.
    pub label: Option<String>,
    /// Whether the kernel makes a route to the prefix.
    pub prefix_route: bool,
    /// IPv6: whether the kernel looks for duplicates before the address works.
    pub dad: bool,
}
