//! A rehearsal: the course of a virtual router is gone through once before it counts.
//!
//! Owns nothing that stays. What it touches (code, constants, the stack) is in memory from then on, and stays there when memory
//! is locked; what only the start needed need not be. Nothing leaves this function: no packet, no order to the kernel.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp_core::announce::{ArpForm, gratuitous_arp, unsolicited_na};
use vrrp_core::codec::{Datagram, Ipv4Header, Outgoing};
use vrrp_core::{Action, Input, RouterConfig, RouterSettings, SyncGroup, Target, Time, VirtualRouter};

/// More stack than the engine was ever seen to use.
const STACK: usize = 64 << 10;
/// Deadlines that are served: taking over, some adverts, all rounds of announcements, renewals.
const DEADLINES: usize = 24;

/// Goes through it, in both families.
pub(crate) fn rehearse() {
    black_box(&mut [0_u8; STACK]);
    let v4 = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last));
    course(v4(1), v4(2), v4(100));
    course(v6(1), v6(2), v6(100));
}

fn course(own: IpAddr, other: IpAddr, address: IpAddr) {
    let Ok(config) = RouterConfig::check(RouterSettings::new(1, vec![address])) else { return };
    let mut core = SyncGroup::new([config]);
    let mut now = Time::from_start(Duration::from_secs(1));
    core.handle(Target::Member(0), Input::LinkWentUp { source: own }, now);
    core.handle(Target::All, Input::Started { held: None }, now);
    let (mut message, mut packet) = (Vec::new(), Vec::new());
    carry(&mut core, &mut message, &mut packet);
    let serve = |core: &mut SyncGroup, now: &mut Time| {
        if let Some((at, ..)) = core.deadline() {
            *now = at;
            core.handle(Target::All, Input::DeadlinePassed, at);
        }
    };
    for _ in 0..DEADLINES {
        serve(&mut core, &mut now);
        carry(&mut core, &mut message, &mut packet);
    }
    // A better one speaks: the router yields, lets go, and listens.
    if let Some(router) = core.members().first() {
        for destination in router.config().destinations() {
            if let Some(outgoing) = router.outgoing(200, destination) {
                write(&Outgoing { source: other, ..outgoing }, &mut message, &mut packet);
            }
        }
    }
    let heard = match (own, other) {
        (IpAddr::V4(_), _) => Datagram::from_ipv4(&packet).ok(),
        (IpAddr::V6(_), IpAddr::V6(source)) => {
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
            Some(Datagram::from_ipv6(source, group, 255, &message))
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => None,
    };
    if let Some(datagram) = heard {
        core.handle(Target::Member(0), Input::DatagramReceived(datagram), now);
    }
    while core.poll_action().is_some() {}
    serve(&mut core, &mut now);
    black_box(core.members().first().map(VirtualRouter::status));
}

/// Does what the core asks for, as far as it leaves no trace.
fn carry(core: &mut SyncGroup, message: &mut Vec<u8>, packet: &mut Vec<u8>) {
    while let Some((member, action)) = core.poll_action() {
        let Some(router) = core.members().get(member) else { return };
        match action {
            Action::SendAdvert { priority } => {
                for destination in router.config().destinations() {
                    if let Some(outgoing) = router.outgoing(priority, destination) {
                        write(&outgoing, message, packet);
                    }
                }
            }
            Action::Announce => router.config().addresses().for_each(|address| match address {
                IpAddr::V4(address) => {
                    black_box(gratuitous_arp(ArpForm::Request, [2; 6], address));
                }
                IpAddr::V6(address) => {
                    black_box(unsolicited_na([2; 6], address, true));
                }
            }),
            other => {
                black_box(other);
            }
        }
    }
}

fn write(outgoing: &Outgoing<'_>, message: &mut Vec<u8>, packet: &mut Vec<u8>) {
    let header = Ipv4Header { identification: 1, ttl: 255, sequence: 1 };
    match (outgoing.source, outgoing.destination) {
        (IpAddr::V4(_), _) => {
            let _ = black_box(outgoing.ipv4_packet(header, packet));
        }
        (IpAddr::V6(source), IpAddr::V6(to)) => {
            let _ = black_box(outgoing.message(message));
            crate::port::ipv6_packet(source, to, 255, message, packet);
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends() {
        super::rehearse();
    }
}
