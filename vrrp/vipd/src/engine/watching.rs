//! The probes of a takeover by ARP, and what is heard of those it watches.
//!
//! Owns which frame or packet a probe is, and whom an answer or a claim is for. What follows is the core's to say.

use std::net::{IpAddr, Ipv4Addr};

use vrrp_core::Time;
use vrrp_core::announce::{ArpForm, ArpFrame, Mac, arp_probe, arp_request, gratuitous_arp, unsolicited_na};
use vrrp_core::arp::{ArpEvent, ArpInput};
use vrrp_core::codec::Family;

use super::{Engine, Told};
use crate::clock;
use crate::tale::Tale;

/// Answers that are read in one turn.
const AT_ONCE: usize = 256;

impl Engine {
    /// Asks a watched host whether it is there: by ICMP, and by ARP if it is on the segment.
    pub(super) fn probe(&mut self, group: usize, address: IpAddr, now: Time) {
        let Self { groups, links, ports, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.first()) else { return };
        let Some(interface) = member.on.and_then(|index| links.get(index)) else { return };
        if let Some(ping) = ports.ping(Family::of(address)) {
            // A host that cannot be reached does not answer; that is all there is to know.
            let _ = ping.ask(address, interface.link.index);
        }
        let (IpAddr::V4(target), Some(mac)) = (address, interface.link.mac) else { return };
        let near = interface.addresses.iter().any(|own| is_near(own.address, own.prefix, target));
        let Some(segment) = ports.segment(interface.link.index).filter(|_| near) else { return };
        match member.told {
            Told::Up(IpAddr::V4(own)) if !own.is_unspecified() => {
                segment.push(&arp_request(mac, own, target));
            }
            _ => segment.push(&arp_probe(mac, target)),
        }
        segment.pump(now);
    }

    /// Asks whether anybody has a virtual address.
    pub(super) fn probe_address(&mut self, group: usize, address: IpAddr, now: Time) {
        let Self { groups, links, ports, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.first()) else { return };
        let placed = member.plan.addresses.iter().find(|placed| placed.lease.address == address);
        let on = placed.and_then(|placed| links.by_name(member.interface_of(placed)));
        let Some(on) = on else { return };
        match address {
            IpAddr::V4(target) => {
                if let (Some(mac), Some(segment)) = (on.link.mac, ports.segment(on.link.index)) {
                    segment.push(&arp_probe(mac, target));
                    segment.pump(now);
                }
            }
            IpAddr::V6(_) => {
                if let Some(ping) = ports.ping(Family::Ipv6) {
                    let _ = ping.ask(address, on.link.index);
                }
            }
        }
    }

    /// Announces that the addresses are at another machine's MAC from now on.
    pub(super) fn announce_for(&mut self, group: usize, theirs: Mac, now: Time) {
        let Self { groups, links, ports, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.first()) else { return };
        for placed in &member.plan.addresses {
            let Some(on) = links.by_name(member.interface_of(placed)) else { continue };
            let (Some(own), Some(segment)) = (on.link.mac, ports.segment(on.link.index)) else { continue };
            match placed.lease.address {
                IpAddr::V4(address) => {
                    segment.push(&from(own, gratuitous_arp(ArpForm::Request, theirs, address)));
                }
                IpAddr::V6(address) => {
                    segment.push(&from(own, unsolicited_na(theirs, address, on.forwards)));
                }
            }
            segment.pump(now);
        }
    }

    pub(super) fn report_arp(&mut self, group: usize, event: ArpEvent, now: Time) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let Some(member) = group.members.first() else { return };
        group.changed = true;
        self.agenda.news = true;
        let tale = Tale::ArpEvent { router: member.plan.name.clone(), event, at: now };
        self.tell(tale);
    }

    /// Takes the answers to pings.
    pub(super) fn read_pings(&mut self) {
        let mut buffer = std::mem::take(&mut self.datagram);
        for family in [Family::Ipv4, Family::Ipv6] {
            for _ in 0..AT_ONCE {
                let Some(address) = self.ports.ping(family).and_then(|ping| ping.receive(&mut buffer)) else {
                    break;
                };
                self.read += 1;
                self.answered(address, None, None, clock::now());
            }
        }
        self.datagram = buffer;
    }

    /// What an ARP frame means for those who watch.
    pub(super) fn heard_watched(&mut self, interface: u32, frame: &ArpFrame, own: Option<Mac>, now: Time) {
        let sender = IpAddr::from(frame.sender);
        let virtual_here = self.groups.iter().position(|group| {
            group.members.first().is_some_and(|member| {
                member.plan.arp().is_some()
                    && member.plan.addresses.iter().any(|placed| placed.lease.address == sender)
                    && member.on == Some(interface)
            })
        });
        match virtual_here {
            // Our own frames don't come back: somebody else says that the address is at our MAC.
            Some(group) if own == Some(frame.sender_mac) => self.feed_arp(group, ArpInput::HandedOver, now),
            Some(group) => {
                let input = ArpInput::Claimed { address: sender, mac: frame.sender_mac };
                self.feed_arp(group, input, now);
            }
            None => self.answered(sender, Some(frame.sender_mac), Some(interface), now),
        }
    }

    /// A watched host shows that it is there, or somebody that it has a virtual address.
    fn answered(&mut self, address: IpAddr, mac: Option<Mac>, interface: Option<u32>, now: Time) {
        for group in 0..self.groups.len() {
            let member = self.groups.get(group).and_then(|group| group.members.first());
            let Some(member) = member.filter(|member| interface.is_none() || member.on == interface) else {
                continue;
            };
            let Some(settings) = member.plan.arp().map(|config| config.settings()) else { continue };
            if settings.targets.contains(&address) || settings.sentinels.contains(&address) {
                self.feed_arp(group, ArpInput::Answered { address, mac }, now);
            } else if settings.addresses.contains(&address) && !member.held {
                self.feed_arp(group, ArpInput::Claimed { address, mac: mac.unwrap_or_default() }, now);
            }
        }
    }
}

/// A frame that leaves with our own MAC, whatever it says: a switch must not learn another machine's at our port.
fn from<const LENGTH: usize>(own: Mac, mut frame: [u8; LENGTH]) -> [u8; LENGTH] {
    for (slot, byte) in frame.iter_mut().skip(6).zip(own) {
        *slot = byte;
    }
    frame
}

/// Whether `target` is in the network of an own address.
fn is_near(own: IpAddr, prefix: u8, target: Ipv4Addr) -> bool {
    let IpAddr::V4(own) = own else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    own.to_bits() & mask == target.to_bits() & mask
}
