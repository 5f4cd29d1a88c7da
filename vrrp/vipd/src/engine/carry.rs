//! Carrying out what a core asks for.
//!
//! Owns the way from an action to packets and addresses. The order is the core's; nothing is put off, but for
//! announcements above the interface's rate.

use std::net::IpAddr;
use std::time::Duration;

use agent_api::config::Route;
use nix::errno::Errno;
use vrrp_core::announce::ArpForm;
use vrrp_core::codec::{Family, Ipv4Header};
use vrrp_core::router::{Action, Event};
use vrrp_core::{Input, State, Time};

use super::core::Step;
use super::{Engine, Group, Member};
use crate::links::Links;
use crate::netlink::Order;
use crate::netlink::message::OURS;
use crate::plan::{Lease, Placed};
use crate::port::{self, Carries};
use crate::tale::{Note, Tale};

/// What went wrong for a virtual router, so that each kind is told once until it works again.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    sending: Option<Errno>,
    /// Adverts that could not be sent.
    pub(super) unsent: u64,
    /// Why its virtual interface could not be made.
    pub(super) device: Option<String>,
}

impl Engine {
    /// Carries out everything a group asks for.
    pub(super) fn carry(&mut self, group: usize, now: Time) {
        while let Some((member, step)) = self.groups.get_mut(group).and_then(|group| group.core.poll_step()) {
            let action = match step {
                Step::Core(action) => action,
                Step::Probe(address) => {
                    self.probe(group, address, now);
                    continue;
                }
                Step::ProbeAddress(address) => {
                    self.probe_address(group, address, now);
                    continue;
                }
                Step::AnnounceFor(mac) => {
                    self.announce_for(group, mac, now);
                    continue;
                }
                Step::Report(event) => {
                    self.report_arp(group, event, now);
                    continue;
                }
            };
            match action {
                Action::SendAdvert { priority } => self.send_adverts(group, member, priority),
                Action::ClaimAddresses { lifetime } => {
                    self.put_addresses(group, member, lifetime);
                    self.put_routes(group, member);
                }
                Action::RenewAddresses { lifetime } => self.renew(group, member, lifetime),
                Action::ReleaseAddresses => self.release(group, member),
                Action::Announce => self.announce(group, member, now),
                Action::Report(event) => self.report(group, member, event, now),
            }
        }
    }

    fn report(&mut self, group: usize, member: usize, event: Event, now: Time) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let Some(known) = group.members.get(member) else { return };
        group.changed = true;
        self.agenda.news = true;
        let priority = group.core.routers().get(member).map_or(0, |router| router.priority());
        let tale = Tale::Event {
            router: known.plan.name.clone(),
            family: known.plan.family(),
            event,
            priority,
            at: now,
        };
        self.tell(tale);
    }

    /// Sends an advert to every destination.
    pub(super) fn send_adverts(&mut self, group: usize, member: usize, priority: u8) {
        let Self { groups, ports, message, packet, identification, sequence, teller, figures, .. } = self;
        let Some(Group { core, members, .. }) = groups.get_mut(group) else { return };
        let (Some(router), Some(member)) = (core.routers().get(member), members.get_mut(member)) else {
            return;
        };
        let (Some(interface), Some(config)) = (member.on, member.plan.vrrp()) else { return };
        let family = member.plan.family();
        let carries = if family == Family::Ipv4 { Carries::Ipv4 } else { Carries::Ipv6 };
        let mut failure = None;
        for destination in config.destinations() {
            let Some(outgoing) = router.outgoing(priority, destination) else { return };
            let ttl = member.plan.hop_limit;
            // What is checked once does not fail here; if it did, nothing wrong would be sent.
            let written = match (outgoing.source, destination) {
                (IpAddr::V4(_), _) => {
                    *identification = identification.wrapping_add(1).max(1);
                    *sequence = sequence.wrapping_add(1);
                    let header = Ipv4Header { identification: *identification, ttl, sequence: *sequence };
                    outgoing.ipv4_packet(header, packet).is_ok()
                }
                (IpAddr::V6(source), IpAddr::V6(to)) => {
                    let written = outgoing.message(message).is_ok();
                    port::ipv6_packet(source, to, ttl, message, packet);
                    written
                }
                (IpAddr::V6(_), IpAddr::V4(_)) => false,
            };
            let sent = match ports.port(interface, carries) {
                Some(port) if written => port.send(packet, destination),
                _ => Err(Errno::ENOTCONN.into()),
            };
            if sent.is_ok() {
                figures.sent += 1;
            }
            if let Err(error) = sent {
                failure = Some(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
            }
        }
        if let Some(errno) = failure {
            member.trouble.unsent += 1;
            if member.trouble.sending != Some(errno) {
                teller.tell(Tale::Note {
                    router: Some(member.plan.name.clone()),
                    note: Note::AdvertNotSent { errno },
                });
            }
        }
        member.trouble.sending = failure;
    }

    /// Has the addresses given this lifetime anew.
    fn renew(&self, group: usize, at: usize, lifetime: Duration) {
        if let Some(member) = self.groups.get(group).and_then(|group| group.members.get(at)) {
            self.renewer.renew(member.ticket, &member.leases, lifetime);
        }
    }

    /// Puts the addresses on their interfaces.
    pub(super) fn put_addresses(&mut self, group: usize, at: usize, lifetime: Duration) {
        let Self { groups, renewer, .. } = self;
        let Some(Group { members, .. }) = groups.get_mut(group) else { return };
        let Some(member) = members.get_mut(at) else { return };
        renewer.forget(member.ticket);
        if !member.held {
            member.doubtful = member.plan.addresses.iter().any(|placed| placed.lease.dad);
        }
        member.held = true;
        // Before the first packet can come.
        self.settle_fence(group, at);
        let Self { groups, links, kernel, teller, after, .. } = self;
        let Some(member) = groups.get_mut(group).and_then(|group| group.members.get_mut(at)) else { return };
        let mut failure: Option<(IpAddr, Errno)> = None;
        let places = places(member, links);
        let mut orders = Vec::with_capacity(member.plan.addresses.len());
        for (placed, interface) in places {
            match interface {
                Some(interface) => {
                    orders.push(Order::PutAddress { interface, address: &placed.lease, lifetime });
                }
                None => failure = Some((placed.lease.address, Errno::ENODEV)),
            }
        }
        let done = kernel.execute(orders.iter().copied(), |place, errno| {
            let address = match orders.get(place) {
                Some(Order::PutAddress { address, .. }) => address.address,
                _ => IpAddr::from([0, 0, 0, 0]),
            };
            failure.get_or_insert((address, errno));
        });
        if let Err(error) = done {
            teller.tell(Tale::Trouble(error.to_string()));
            failure.get_or_insert((IpAddr::from([0, 0, 0, 0]), Errno::EIO));
        }
        let put = orders.iter().filter_map(|order| match order {
            Order::PutAddress { interface, address, .. } => Some((*interface, (*address).clone())),
            _ => None,
        });
        member.leases = put.collect();
        if failure.is_none() {
            member.leases.iter().for_each(|(interface, lease)| links.accepted(*interface, lease, lifetime));
        }
        if let Some((address, errno)) = failure {
            let router = Some(member.plan.name.clone());
            teller.tell(Tale::Note { router, note: Note::AddressRefused { address, errno } });
            after.push_back((at, Input::ClaimFailed));
        }
    }

    /// Has packets to the addresses of a router that must not accept them refused, while it holds them.
    fn settle_fence(&mut self, group: usize, at: usize) {
        let Self { groups, fence, teller, .. } = self;
        let Some(member) = groups.get_mut(group).and_then(|group| group.members.get_mut(at)) else { return };
        let refuses = member.held && member.plan.vrrp().is_some_and(|config| !config.accepts());
        if !refuses && member.refused.is_empty() {
            return;
        }
        let all = member.plan.addresses.iter().map(|placed| placed.lease.address);
        let wanted: Vec<IpAddr> = all.filter(|_| refuses).collect();
        let without = |list: &[IpAddr], other: &[IpAddr]| -> Vec<IpAddr> {
            list.iter().copied().filter(|address| !other.contains(address)).collect()
        };
        let (new, old) = (without(&wanted, &member.refused), without(&member.refused, &wanted));
        match fence.refuse(&new).and_then(|()| fence.accept(&old)) {
            Ok(()) => member.refused = wanted,
            Err(errno) => {
                let router = Some(member.plan.name.clone());
                teller.tell(Tale::Note { router, note: Note::PacketsNotRefused { errno } });
            }
        }
    }

    /// Puts the routes and rules of a member there. Without them it serves all the same, so that a refusal is told only.
    pub(super) fn put_routes(&mut self, group: usize, at: usize) {
        let Self { groups, links, kernel, teller, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.get(at)) else { return };
        if member.plan.routes.is_empty() && member.plan.rules.is_empty() {
            return;
        }
        let routes = routes(member, links).map(|(interface, route)| Order::PutRoute { interface, route });
        let rules = member.plan.rules.iter().map(|rule| Order::PutRule { rule });
        let mut failure = None;
        let done = kernel.execute(routes.chain(rules), |_, errno| {
            // A rule that is there already.
            if errno != Errno::EEXIST {
                failure = Some(errno);
            }
        });
        if let Err(error) = done {
            teller.tell(Tale::Trouble(error.to_string()));
        }
        if let Some(errno) = failure {
            let router = Some(member.plan.name.clone());
            teller.tell(Tale::Note { router, note: Note::RouteRefused { errno } });
        }
    }

    /// Takes the addresses off their interfaces, and the routes and rules away.
    pub(super) fn release(&mut self, group: usize, at: usize) {
        let Self { groups, links, kernel, renewer, teller, agenda, .. } = self;
        let Some(Group { members, changed, .. }) = groups.get_mut(group) else { return };
        let Some(member) = members.get_mut(at) else { return };
        renewer.forget(member.ticket);
        member.held = false;
        // One that yielded lets go after its change of state was told.
        *changed = true;
        agenda.news = true;
        let orders = places(member, links).filter_map(|(placed, interface)| {
            let Lease { address, prefix, .. } = placed.lease;
            Some(Order::RemoveAddress { interface: interface?, address, prefix })
        });
        // Routes first: some cannot stay without the address.
        let routes = routes(member, links).map(|(interface, route)| Order::RemoveRoute { interface, route });
        let rules = member.plan.rules.iter().map(|rule| Order::RemoveRule { rule });
        let mut failure = None;
        let done = kernel.execute(rules.chain(routes).chain(orders), |_, errno| {
            // Gone already, with its interface or without.
            if !matches!(
                errno,
                Errno::EADDRNOTAVAIL | Errno::ENODEV | Errno::ENOENT | Errno::ESRCH | Errno::ENETUNREACH
            ) {
                failure = Some(errno);
            }
        });
        if let Err(error) = done {
            teller.tell(Tale::Trouble(error.to_string()));
        }
        if let Some(errno) = failure {
            let router = Some(member.plan.name.clone());
            teller.tell(Tale::Note { router, note: Note::AddressNotRemoved { errno } });
        }
        self.settle_fence(group, at);
    }

    /// One round of announcements.
    pub(super) fn announce(&mut self, group: usize, at: usize, now: Time) {
        let Self { groups, links, ports, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.get(at)) else { return };
        for placed in &member.plan.addresses {
            let Some(on) = links.by_name(member.interface_of(placed)) else { continue };
            // Nobody is told of an address that may be another host's: see `compare`.
            if placed.lease.dad && on.address(placed.lease.address).is_none_or(|known| known.tentative) {
                continue;
            }
            let (Some(mac), Some(segment)) = (on.link.mac, ports.segment(on.link.index)) else { continue };
            segment.announce(placed.lease.address, mac, ArpForm::Request, on.forwards);
            if member.plan.reply_form && placed.lease.address.is_ipv4() {
                segment.announce(placed.lease.address, mac, ArpForm::Reply, on.forwards);
            }
            segment.pump(now);
        }
    }

    /// The last word of a daemon that ends in disorder: every Active router says that it leaves. The cores are not asked.
    pub fn farewell(&mut self) {
        for group in 0..self.groups.len() {
            let members = self.groups.get(group).map_or(0, |group| group.members.len());
            for member in 0..members {
                let known = self.groups.get(group);
                let state = known.and_then(|group| group.core.state(member));
                let held =
                    known.and_then(|group| group.members.get(member)).is_some_and(|member| member.held);
                if state == Some(State::Active) {
                    self.send_adverts(group, member, 0);
                }
                if held {
                    self.release(group, member);
                }
            }
        }
    }
}

/// The routes of a member whose interface is there, with its index.
fn routes<'m>(member: &'m Member, links: &Links) -> impl Iterator<Item = (u32, &'m Route)> {
    member.plan.routes.iter().filter_map(move |route| {
        let name = route.interface.as_deref().unwrap_or(&member.plan.interface);
        Some((links.by_name(name)?.link.index, route))
    })
}

/// The addresses of a member, each with the index of its interface, if that is there. What the machine itself has for
/// good (priority 255) is not among them: it is neither leased nor removed.
pub(super) fn places<'m>(
    member: &'m Member,
    links: &Links,
) -> impl Iterator<Item = (&'m Placed, Option<u32>)> {
    let owner = member.plan.is_owner();
    member.plan.addresses.iter().filter_map(move |placed| {
        let on = links.by_name(member.interface_of(placed));
        let known = on.and_then(|on| on.address(placed.lease.address));
        let own = owner && known.is_some_and(|known| known.permanent && known.origin != OURS);
        (!own).then(|| (placed, on.map(|on| on.link.index)))
    })
}
