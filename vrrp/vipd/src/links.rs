//! The interfaces of this machine and the addresses on them, as the kernel told last.
//!
//! Owns that picture and the choice of the address we speak from. It asks nobody and changes nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::codec::Family;

use crate::netlink::Notice;
use crate::netlink::message::{Address, Lease, Link, OURS};

/// An interface and its addresses, in the kernel's order.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) link: Link,
    pub(crate) addresses: Vec<Address>,
    /// Whether the machine forwards IPv6 packets that come in here: an advertisement has to say so.
    pub(crate) forwards: bool,
}

/// All interfaces by index.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<u32, Interface>);

impl Links {
    /// Takes note of a notice. Says whether it changes anything for a virtual router: an address that was given its lifetime
    /// anew does not.
    pub(crate) fn apply(&mut self, notice: Notice) -> bool {
        match notice {
            Notice::Link(link) => {
                let index = link.index;
                match self.0.get_mut(&index) {
                    Some(known) => known.link = link,
                    None => {
                        drop(self.0.insert(index, Interface { link, addresses: Vec::new(), forwards: false }))
                    }
                }
                true
            }
            Notice::LinkGone { index } => self.0.remove(&index).is_some(),
            Notice::Address(address) => {
                let Some(interface) = self.0.get_mut(&address.interface) else { return false };
                match interface.addresses.iter_mut().find(|known| is_same(known, &address)) {
                    Some(known) => {
                        let Address { left, stamp, .. } = address;
                        let changed = Address { left, stamp, ..*known } != address;
                        *known = address;
                        changed
                    }
                    None => {
                        interface.addresses.push(address);
                        true
                    }
                }
            }
            Notice::AddressGone(address) => {
                let Some(interface) = self.0.get_mut(&address.interface) else { return false };
                let before = interface.addresses.len();
                interface.addresses.retain(|known| !is_same(known, &address));
                interface.addresses.len() != before
            }
        }
    }

    /// Takes note of an address that the kernel just accepted. Its notice may come later, of IPv6 after other notices.
    pub(crate) fn accepted(&mut self, interface: u32, lease: &Lease, lifetime: Duration) {
        let address = Address {
            interface,
            address: lease.address,
            prefix: lease.prefix,
            scope: lease.scope,
            secondary: false,
            tentative: lease.dad && lease.address.is_ipv6(),
            dad_failed: false,
            permanent: false,
            origin: OURS,
            left: lifetime,
            stamp: Duration::ZERO,
        };
        let known =
            self.get(interface).is_some_and(|on| on.addresses.iter().any(|one| is_same(one, &address)));
        if !known {
            self.apply(Notice::Address(address));
        }
    }

    /// Asks the kernel which interfaces forward IPv6.
    pub(crate) fn look_up_forwarding(&mut self) {
        for interface in self.0.values_mut() {
            // A name may hold anything but a slash; the kernel has a folder of that very name.
            let path = format!("/proc/sys/net/ipv6/conf/{}/forwarding", interface.link.name);
            interface.forwards = std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
        }
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Interface> {
        self.0.values().find(|interface| interface.link.name == name)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Interface> {
        self.0.get(&index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.0.values()
    }
}

fn is_same(one: &Address, other: &Address) -> bool {
    (one.address, one.prefix) == (other.address, other.prefix)
}

impl Interface {
    /// The address a virtual router speaks from: `wanted` if it is there, else the first own one of the family. For IPv6 a
    /// link-local one, unless its peers are further away (`wide`). Never one that `is_virtual`.
    pub(crate) fn source(
        &self,
        family: Family,
        wanted: Option<IpAddr>,
        wide: bool,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let is_local = |address: IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let fits = |known: &&Address| {
            Family::of(known.address) == family
                && !known.tentative
                && !known.dad_failed
                && !is_virtual(known.address)
        };
        let mut usable = self.addresses.iter().filter(fits);
        match wanted {
            Some(wanted) => usable.find(|known| known.address == wanted),
            None => {
                let right_kind = |known: &&Address| family == Family::Ipv4 || is_local(known.address) != wide;
                let first = usable.clone().find(|known| right_kind(known) && !known.secondary);
                first.or_else(|| usable.find(right_kind))
            }
        }
        .map(|known| known.address)
    }

    /// The address, if it is on the interface.
    pub(crate) fn address(&self, address: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|known| known.address == address)
    }
}
