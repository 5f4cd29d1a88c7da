//! What the kernel is told to do (`linux/rtnetlink.h`, `if_link.h`, `if_addr.h`, `fib_rules.h`).
//!
//! Owns the messages that put an address, a route, a rule or a virtual interface there, and those that take it away. It
//! sends nothing.

use std::net::IpAddr;
use std::time::Duration;

use agent_api::config::{Network, Route, Rule};
use vrrp_core::codec::Family;

use super::codec::Batch;
use super::message::{
    IFA_ADDRESS, IFA_CACHEINFO, IFA_FLAGS, IFA_LABEL, IFA_LOCAL, IFA_PROTO, IFF_UP, IFLA_ADDRESS,
    IFLA_IFNAME, Lease, OURS, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

const IFA_F_NODAD: u32 = 0x02;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

/// One change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order<'a> {
    /// Put an address there, or give it this lifetime anew.
    PutAddress { interface: u32, address: &'a Lease, lifetime: Duration },
    /// Take it off.
    RemoveAddress { interface: u32, address: IpAddr, prefix: u8 },
    /// Put a route there.
    PutRoute { interface: u32, route: &'a Route },
    /// Take it away.
    RemoveRoute { interface: u32, route: &'a Route },
    /// Put a rule there.
    PutRule { rule: &'a Rule },
    /// Take it away.
    RemoveRule { rule: &'a Rule },
    /// Make a macvlan in private mode, which is down.
    MakeMacvlan { name: &'a str, parent: u32, mac: [u8; 6] },
    /// Set an interface up.
    SetUp { interface: u32 },
    /// Remove a virtual interface.
    RemoveLink { interface: u32 },
}

impl Order<'_> {
    /// Adds the order to a batch. Unless it is `acked` the kernel answers only if it refuses.
    pub(crate) fn write(&self, batch: &mut Batch, sequence: u32, acked: bool) {
        let (kind, flags) = match self {
            Self::PutAddress { .. } => (RTM_NEWADDR, CREATE | REPLACE),
            Self::RemoveAddress { .. } => (RTM_DELADDR, 0),
            Self::PutRoute { .. } => (RTM_NEWROUTE, CREATE | REPLACE),
            Self::RemoveRoute { .. } => (RTM_DELROUTE, 0),
            Self::PutRule { .. } => (RTM_NEWRULE, CREATE | EXCLUSIVE),
            Self::RemoveRule { .. } => (RTM_DELRULE, 0),
            Self::MakeMacvlan { .. } => (RTM_NEWLINK, CREATE | EXCLUSIVE),
            Self::SetUp { .. } => (RTM_NEWLINK, 0),
            Self::RemoveLink { .. } => (RTM_DELLINK, 0),
        };
        let flags = REQUEST | flags | if acked { ACK } else { 0 };
        batch.add(kind, flags, sequence, |batch| match *self {
            Self::PutAddress { interface, address, lifetime } => {
                address_header(batch, interface, address.address, address.prefix, address.scope);
                put_address(batch, address, lifetime);
            }
            Self::RemoveAddress { interface, address, prefix } => {
                address_header(batch, interface, address, prefix, 0);
            }
            Self::PutRoute { interface, route } | Self::RemoveRoute { interface, route } => {
                write_route(batch, interface, route);
            }
            Self::PutRule { rule } | Self::RemoveRule { rule } => write_rule(batch, rule),
            Self::MakeMacvlan { name, parent, mac } => make_macvlan(batch, name, parent, mac),
            Self::SetUp { interface } => link_header(batch, interface, IFF_UP),
            Self::RemoveLink { interface } => link_header(batch, interface, 0),
        });
    }
}

fn address_header(batch: &mut Batch, interface: u32, address: IpAddr, prefix: u8, scope: u8) {
    let [a, b, c, d] = interface.to_ne_bytes();
    batch.fixed(&[family(Family::of(address)), prefix, 0, scope, a, b, c, d]);
    write_ip(batch, IFA_LOCAL, address);
    if address.is_ipv4() {
        write_ip(batch, IFA_ADDRESS, address);
    }
}

fn put_address(batch: &mut Batch, lease: &Lease, lifetime: Duration) {
    // Whole seconds, and never 0, which means "remove it".
    let valid = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX - 1).max(1);
    // An IPv6 address that is not preferred is never chosen as a source, but answers all the same. For IPv4 the kernel
    // would only show it as deprecated.
    let preferred = if lease.address.is_ipv6() { 0 } else { valid };
    let mut info = [0; 16];
    for (slot, byte) in info.iter_mut().zip(preferred.to_ne_bytes().into_iter().chain(valid.to_ne_bytes())) {
        *slot = byte;
    }
    let mut flags = 0;
    if lease.address.is_ipv6() && !lease.dad {
        flags |= IFA_F_NODAD;
    }
    if !lease.prefix_route {
        flags |= IFA_F_NOPREFIXROUTE;
    }
    if let Some(label) = &lease.label {
        batch.text(IFA_LABEL, label);
    }
    batch.number(IFA_FLAGS, flags);
    batch.attribute(IFA_CACHEINFO, &info);
    batch.attribute(IFA_PROTO, &[OURS]);
}

fn write_route(batch: &mut Batch, interface: u32, route: &Route) {
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_GATEWAY: u16 = 5;
    const RTA_PRIORITY: u16 = 6;
    const RTA_PREFSRC: u16 = 7;
    const RTA_TABLE: u16 = 15;
    const RTN_UNICAST: u8 = 1;
    let family = family(Family::of(route.to.address));
    // The table is an attribute: the byte in the header is too small for most.
    batch.fixed(&[family, route.to.prefix, 0, 0, 0, OURS, route.scope.number(), RTN_UNICAST, 0, 0, 0, 0]);
    if route.to.prefix > 0 {
        write_ip(batch, RTA_DST, route.to.address);
    }
    batch.number(RTA_OIF, interface);
    if let Some(via) = route.via {
        write_ip(batch, RTA_GATEWAY, via);
    }
    if let Some(source) = route.source {
        write_ip(batch, RTA_PREFSRC, source);
    }
    if let Some(metric) = route.metric {
        batch.number(RTA_PRIORITY, metric);
    }
    batch.number(RTA_TABLE, route.table);
}

fn write_rule(batch: &mut Batch, rule: &Rule) {
    const FRA_DST: u16 = 1;
    const FRA_SRC: u16 = 2;
    const FRA_IIFNAME: u16 = 3;
    const FRA_PRIORITY: u16 = 6;
    const FRA_FWMARK: u16 = 10;
    const FRA_TABLE: u16 = 15;
    const FRA_PROTOCOL: u16 = 21;
    const TO_TABLE: u8 = 1;
    let length = |network: Option<Network>| network.map_or(0, |network| network.prefix);
    let (to, from) = (length(rule.to), length(rule.from));
    batch.fixed(&[family(rule.family), to, from, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0]);
    for (kind, network) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        if let Some(network) = network.filter(|network| network.prefix > 0) {
            write_ip(batch, kind, network.address);
        }
    }
    if let Some(iif) = &rule.iif {
        batch.text(FRA_IIFNAME, iif);
    }
    if let Some(mark) = rule.fwmark {
        batch.number(FRA_FWMARK, mark);
    }
    if let Some(priority) = rule.priority {
        batch.number(FRA_PRIORITY, priority);
    }
    batch.number(FRA_TABLE, rule.table);
    batch.attribute(FRA_PROTOCOL, &[OURS]);
}

fn link_header(batch: &mut Batch, interface: u32, flags: u32) {
    let mut header = [0; 16];
    let bytes = [interface.to_ne_bytes(), flags.to_ne_bytes(), flags.to_ne_bytes()];
    for (slot, byte) in header.iter_mut().skip(4).zip(bytes.into_iter().flatten()) {
        *slot = byte;
    }
    batch.fixed(&header);
}

fn make_macvlan(batch: &mut Batch, name: &str, parent: u32, mac: [u8; 6]) {
    const IFLA_LINK: u16 = 5;
    const IFLA_LINKINFO: u16 = 18;
    const INFO_KIND: u16 = 1;
    const INFO_DATA: u16 = 2;
    const MACVLAN_MODE: u16 = 1;
    const MODE_PRIVATE: u32 = 1;
    link_header(batch, 0, 0);
    batch.text(IFLA_IFNAME, name);
    batch.number(IFLA_LINK, parent);
    batch.attribute(IFLA_ADDRESS, &mac);
    batch.nested(IFLA_LINKINFO, |batch| {
        batch.text(INFO_KIND, "macvlan");
        batch.nested(INFO_DATA, |batch| batch.number(MACVLAN_MODE, MODE_PRIVATE));
    });
}

fn write_ip(batch: &mut Batch, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => batch.attribute(kind, &address.octets()),
        IpAddr::V6(address) => batch.attribute(kind, &address.octets()),
    }
}

fn family(family: Family) -> u8 {
    // The values are 2 and 10.
    match family {
        Family::Ipv4 => libc::AF_INET as u8,
        Family::Ipv6 => libc::AF_INET6 as u8,
    }
}
