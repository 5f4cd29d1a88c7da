//! The open sockets by interface.
//!
//! Owns which sockets are open: those that a virtual router on an existing interface needs, and no others. Each is in the
//! epoll set while it is open.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use nix::sys::epoll::Epoll;
use vrrp_core::codec::{Authentication, Family};

use super::{Group, token, watch};
use crate::links::Links;
use crate::ping::Ping;
use crate::port::{Carries, Port};
use crate::segment::Segment;

/// Whom an advert is for: interface, family, virtual router id → group and member.
type Routes = BTreeMap<(u32, Family, u8), (usize, usize)>;

#[derive(Debug, Default)]
pub(super) struct Ports {
    ports: BTreeMap<(u32, Carries), Port>,
    segments: BTreeMap<u32, Segment>,
    pings: BTreeMap<Family, Ping>,
    routes: Routes,
    /// What could not be opened, so that it is told once.
    troubles: BTreeMap<(u32, Option<Carries>), String>,
}

fn ipv4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

/// The token of a port in the epoll set.
pub(super) fn port_token(interface: u32, carries: Carries) -> u64 {
    token::PORT * (1 + carries as u64) + u64::from(interface)
}

/// Which port a token means.
pub(super) fn of_token(token: u64) -> Option<(u32, Carries)> {
    let carries = match (token >> 32).checked_sub(1)? {
        0 => Carries::Ipv4,
        1 => Carries::Ipv6,
        2 => Carries::Ah,
        _ => return None,
    };
    // The lower half.
    Some((token as u32, carries))
}

#[derive(Debug, Default)]
struct Wanted {
    vrids: BTreeSet<u8>,
}

impl Ports {
    pub(super) fn port(&self, interface: u32, carries: Carries) -> Option<&Port> {
        self.ports.get(&(interface, carries))
    }

    pub(super) fn segment(&mut self, interface: u32) -> Option<&mut Segment> {
        self.segments.get_mut(&interface)
    }

    pub(super) fn segments(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.segments.values_mut()
    }

    /// Whom an advert is for.
    pub(super) fn route(&self, interface: u32, family: Family, vrid: u8) -> Option<(usize, usize)> {
        self.routes.get(&(interface, family, vrid)).copied()
    }

    /// Opens what is missing and closes what nobody needs any more. `tell` hears of what could not be opened, once.
    pub(super) fn settle(
        &mut self,
        epoll: &Epoll,
        links: &Links,
        groups: &[Group],
        rate: u32,
        mut tell: impl FnMut(String),
    ) {
        let mut ports: BTreeMap<(u32, Carries), Wanted> = BTreeMap::new();
        let mut segments: BTreeMap<u32, Vec<Ipv4Addr>> = BTreeMap::new();
        let mut pings: BTreeSet<Family> = BTreeSet::new();
        self.routes.clear();
        for (at, group) in groups.iter().enumerate() {
            for (place, member) in group.members.iter().enumerate() {
                let Some(index) = member.on else { continue };
                if let Some(config) = member.plan.vrrp() {
                    let (vrid, family) = (config.vrid().get(), member.plan.family());
                    self.routes.insert((index, family, vrid), (at, place));
                    let carries = if family == Family::Ipv4 { Carries::Ipv4 } else { Carries::Ipv6 };
                    ports.entry((index, carries)).or_default().vrids.insert(vrid);
                    if matches!(config.settings().authentication, Authentication::Header(_)) {
                        ports.entry((index, Carries::Ah)).or_default().vrids.insert(vrid);
                    }
                }
                if let Some(config) = member.plan.arp() {
                    let settings = config.settings();
                    let watched = settings.targets.iter().chain(&settings.sentinels).filter_map(ipv4);
                    segments.entry(index).or_default().extend(watched);
                    let all = settings.addresses.iter().chain(&settings.targets).chain(&settings.sentinels);
                    pings.extend(all.map(|address| Family::of(*address)));
                }
                for placed in &member.plan.addresses {
                    let Some(on) = links.by_name(member.interface_of(placed)) else { continue };
                    if on.link.mac.is_none() || on.link.loopback {
                        continue;
                    }
                    let listen = segments.entry(on.link.index).or_default();
                    if let IpAddr::V4(address) = placed.lease.address {
                        listen.push(address);
                    }
                }
            }
        }
        self.ports.retain(|key, _| ports.contains_key(key));
        self.segments.retain(|index, _| segments.contains_key(index));
        self.settle_pings(epoll, &pings, &mut tell);
        self.troubles.retain(|(index, _), _| links.get(*index).is_some());
        for ((index, carries), wanted) in ports {
            let vrids: Vec<u8> = wanted.vrids.into_iter().collect();
            if let Some(port) = self.ports.get(&(index, carries)) {
                let _ = port.admit(&vrids);
                continue;
            }
            let Some(interface) = links.get(index) else { continue };
            let opened = Port::open(&interface.link.name, index, carries, &vrids).and_then(|port| {
                watch(epoll, port.fd(), port_token(index, carries))?;
                Ok(port)
            });
            let key = (index, Some(carries));
            match opened {
                Ok(port) => {
                    self.troubles.remove(&key);
                    self.ports.insert((index, carries), port);
                }
                Err(error) => {
                    let text = format!("no socket for adverts on {}: {error}", interface.link.name);
                    self.trouble(key, text, &mut tell);
                }
            }
        }
        for (index, addresses) in segments {
            let Some(interface) = links.get(index) else { continue };
            self.settle_segment(epoll, index, &interface.link.name, &addresses, rate, &mut tell);
        }
    }

    fn settle_pings(&mut self, epoll: &Epoll, wanted: &BTreeSet<Family>, tell: &mut impl FnMut(String)) {
        self.pings.retain(|family, _| wanted.contains(family));
        for family in wanted {
            if self.pings.contains_key(family) {
                continue;
            }
            // Any number that other programs hardly choose.
            let identifier = (std::process::id() & 0xffff) as u16 ^ 0x4866;
            let opened = Ping::open(*family, identifier).and_then(|ping| {
                watch(epoll, ping.fd(), token::PING + *family as u64)?;
                Ok(ping)
            });
            match opened {
                Ok(ping) => drop(self.pings.insert(*family, ping)),
                Err(error) => self.trouble((0, None), format!("no socket for ICMP: {error}"), tell),
            }
        }
    }

    pub(super) fn ping(&self, family: Family) -> Option<&Ping> {
        self.pings.get(&family)
    }

    fn settle_segment(
        &mut self,
        epoll: &Epoll,
        index: u32,
        name: &str,
        addresses: &[Ipv4Addr],
        rate: u32,
        tell: &mut impl FnMut(String),
    ) {
        if let Some(segment) = self.segments.get(&index) {
            let _ = segment.listen_for(addresses);
            return;
        }
        let opened = Segment::open(index, rate).and_then(|segment| {
            segment.listen_for(addresses)?;
            watch(epoll, segment.fd(), token::SEGMENT + u64::from(index))?;
            Ok(segment)
        });
        match opened {
            Ok(segment) => drop(self.segments.insert(index, segment)),
            Err(error) => self.trouble((index, None), format!("no packet socket on {name}: {error}"), tell),
        }
    }

    fn trouble(&mut self, key: (u32, Option<Carries>), text: String, tell: &mut impl FnMut(String)) {
        if self.troubles.get(&key) != Some(&text) {
            tell(text.clone());
            self.troubles.insert(key, text);
        }
    }
}
