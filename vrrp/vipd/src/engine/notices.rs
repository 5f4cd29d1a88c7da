//! What the kernel tells, turned into what the cores hear.
//!
//! Owns the picture of the interfaces and the judgement which of its changes concern which virtual router: link, source
//! address, an address of ours that somebody removed.

use std::net::IpAddr;

use vrrp_core::codec::Family;
use vrrp_core::{Input, Target, Time};

use super::{Engine, EngineError, Told};
use crate::links::Interface;
use crate::netlink::{Heard, Notice};
use crate::plan::MemberPlan;
use crate::tale::{Note, Tale};

/// Datagrams of notices that are taken in one turn. Each holds some dozen.
const AT_ONCE: usize = 4096;

impl Engine {
    /// Reads all interfaces and addresses anew.
    pub(super) fn survey(&mut self) -> Result<(), EngineError> {
        let mut links = crate::links::Links::default();
        self.kernel.survey(|notice| {
            links.apply(notice);
        })?;
        links.look_up_forwarding();
        self.links = links;
        Ok(())
    }

    /// Takes all notices there are, then tells the cores what they mean.
    pub(super) fn hear(&mut self, now: Time) -> Result<(), EngineError> {
        let (mut structure, mut changed) = (false, false);
        // The kernel removes an address with a lifetime that fails detection.
        let mut clash = None;
        for _ in 0..AT_ONCE {
            let links = &mut self.links;
            let heard = self.monitor.read(&mut |notice| {
                structure |= notice.is_structural();
                if let Notice::AddressGone(gone) = &notice
                    && gone.dad_failed
                {
                    clash = Some(gone.address);
                }
                changed |= links.apply(notice);
            })?;
            match heard {
                Heard::Notices => {}
                Heard::Nothing => break,
                Heard::Overrun => {
                    self.tell(Tale::Note { router: None, note: Note::NoticesLost });
                    self.survey()?;
                    (structure, changed) = (true, true);
                }
            }
        }
        if structure {
            self.links.look_up_forwarding();
            self.settle();
        }
        if let Some(address) = clash.filter(|address| self.is_virtual(*address)) {
            self.tell(Tale::Note { router: None, note: Note::AddressInUse { address } });
        }
        if changed {
            self.compare(now);
        }
        if structure {
            self.tell_links();
        }
        Ok(())
    }

    /// Tells of interfaces that are tracked and work no longer, or again.
    pub(super) fn tell_links(&mut self) {
        for (name, told) in &mut self.tracked {
            let works = self.links.by_name(name).is_some_and(|interface| interface.link.works);
            if *told != Some(works) {
                *told = Some(works);
                self.teller.tell(Tale::Link { interface: name.clone(), works });
            }
        }
    }

    /// Brings interface indices and sockets in line with the picture.
    pub(super) fn settle(&mut self) {
        if self.make_devices() {
            let raised = self.survey().and_then(|()| self.raise_devices()).and_then(|()| self.survey());
            if let Err(error) = raised {
                self.tell(Tale::Trouble(error.to_string()));
            }
        }
        let Self { groups, links, ports, epoll, teller, announcement_rate, .. } = self;
        for member in groups.iter_mut().flat_map(|group| &mut group.members) {
            let missing = member.plan.virtual_mac && member.device.is_none();
            let on = links.by_name(member.segment_name()).filter(|_| !missing);
            member.on = on.map(|interface| interface.link.index);
        }
        ports.settle(epoll, links, groups, *announcement_rate, |text| teller.tell(Tale::Trouble(text)));
    }

    /// Tells each virtual router what changed for it.
    fn compare(&mut self, now: Time) {
        for group in 0..self.groups.len() {
            for at in 0..self.groups.get(group).map_or(0, |group| group.members.len()) {
                self.compare_link(group, at, now);
            }
        }
        // All losses are found before the first is told: putting one address back puts back all of its router.
        let mut missing = std::mem::take(&mut self.missing);
        self.find_missing(&mut missing);
        if !missing.is_empty() {
            // The notice of a removal may be older than our putting it back: only the kernel knows what is there now.
            if let Err(error) = self.survey() {
                self.tell(Tale::Trouble(error.to_string()));
            }
            self.find_missing(&mut missing);
        }
        for &(group, at, address) in &missing {
            self.feed(group, Target::Member(at), Input::AddressLost(address), now);
        }
        self.missing = missing;
        self.settle_doubts(now);
    }

    /// Held addresses that are not in the picture, one of each virtual router.
    fn find_missing(&self, missing: &mut Vec<(usize, usize, IpAddr)>) {
        missing.clear();
        for (group, known) in self.groups.iter().enumerate() {
            for (at, member) in known.members.iter().enumerate().filter(|(_, member)| member.held) {
                let lost = member.plan.addresses.iter().find(|placed| {
                    let on = self.links.by_name(member.interface_of(placed));
                    on.is_some_and(|on| on.address(placed.lease.address).is_none())
                });
                missing.extend(lost.map(|placed| (group, at, placed.lease.address)));
            }
        }
    }

    /// Announces addresses that waited for duplicate address detection.
    fn settle_doubts(&mut self, now: Time) {
        for group in 0..self.groups.len() {
            for at in 0..self.groups.get(group).map_or(0, |group| group.members.len()) {
                let Self { groups, links, .. } = self;
                let member = groups.get_mut(group).and_then(|group| group.members.get_mut(at));
                let Some(member) = member.filter(|member| member.held && member.doubtful) else { continue };
                let waits = member.plan.addresses.iter().filter(|placed| placed.lease.dad).any(|placed| {
                    let on = links.by_name(member.interface_of(placed));
                    let known = on.and_then(|on| on.address(placed.lease.address));
                    known.is_none_or(|known| known.tentative)
                });
                if !waits {
                    member.doubtful = false;
                    self.announce(group, at, now);
                }
            }
        }
    }

    /// Tells one virtual router of its link and source, if they are not as it was told last.
    pub(super) fn compare_link(&mut self, group: usize, at: usize, now: Time) {
        let found = self.condition(group, at);
        let Some(member) = self.groups.get_mut(group).and_then(|group| group.members.get_mut(at)) else {
            return;
        };
        if member.told == found {
            return;
        }
        member.told = found;
        let input = match found {
            Told::Down => Input::LinkWentDown,
            Told::NoSource => Input::SourceLost,
            Told::Up(source) => Input::LinkWentUp { source },
        };
        self.feed(group, Target::Member(at), input, now);
    }

    /// How the interface of a virtual router is.
    pub(super) fn condition(&self, group: usize, at: usize) -> Told {
        let Some(member) = self.groups.get(group).and_then(|group| group.members.get(at)) else {
            return Told::Down;
        };
        let interface = member.on.and_then(|index| self.links.get(index));
        let Some(interface) = interface.filter(|interface| interface.link.works) else {
            return Told::Down;
        };
        let carries = match member.plan.family() {
            Family::Ipv4 => crate::port::Carries::Ipv4,
            Family::Ipv6 => crate::port::Carries::Ipv6,
        };
        if member.plan.arp().is_some() {
            // It watches and announces; any interface that works will do.
            let source = self.source(&member.plan, interface);
            return Told::Up(source.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        }
        if self.ports.port(interface.link.index, carries).is_none() {
            return Told::Down;
        }
        // The virtual interface has no address of its own to speak from.
        let Some(parent) = self.links.by_name(&member.plan.interface).filter(|parent| parent.link.works)
        else {
            return Told::Down;
        };
        self.source(&member.plan, parent).map_or(Told::NoSource, Told::Up)
    }

    /// Whether a virtual router of this machine has the address.
    fn is_virtual(&self, address: IpAddr) -> bool {
        let mut members = self.groups.iter().flat_map(|group| &group.members);
        members.any(|member| member.plan.addresses.iter().any(|placed| placed.lease.address == address))
    }

    fn source(&self, plan: &MemberPlan, interface: &Interface) -> Option<IpAddr> {
        let peer = plan.vrrp().and_then(|config| config.settings().peers.first());
        let wide = peer.is_some_and(|peer| match peer {
            IpAddr::V4(_) => false,
            IpAddr::V6(peer) => !peer.is_unicast_link_local(),
        });
        let owner = plan.is_owner();
        let is_virtual = |address: IpAddr| self.is_virtual(address);
        let chosen = interface.source(plan.family(), plan.source, wide, is_virtual);
        // The owner speaks from the address it owns when it has no other.
        chosen.or_else(|| {
            let own = || interface.source(plan.family(), plan.source, wide, |_| false);
            if owner { own() } else { None }
        })
    }
}
