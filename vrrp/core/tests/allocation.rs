//! On the way of an advert nothing is allocated: neither by a router that speaks, announces and renews, nor by one that hears.
//!
//! Owns the allocator that counts. One test alone, since it counts for the whole program.

#![allow(unsafe_code, clippy::unwrap_used, reason = "an allocator is unsafe to implement; a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vrrp_core::codec::{Datagram, Ipv4Header};
use vrrp_core::{Action, Input, RouterConfig, RouterSettings, State, SyncGroup, Target, Time};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn router(own: u8, priority: u8, now: Time) -> SyncGroup {
    let settings =
        RouterSettings { priority, ..RouterSettings::new(51, vec![IpAddr::from([10, 0, 0, 100])]) };
    let mut core = SyncGroup::new([RouterConfig::check(settings).unwrap()]);
    core.handle(Target::Member(0), Input::LinkWentUp { source: IpAddr::from([10, 0, 0, own]) }, now);
    core.handle(Target::All, Input::Started { held: None }, now);
    while core.poll_action().is_some() {}
    core
}

/// Serves the speaker's next deadline; what it sends the listener hears.
fn turn(speaker: &mut SyncGroup, listener: &mut SyncGroup, packet: &mut Vec<u8>) -> u32 {
    let (now, ..) = speaker.deadline().unwrap();
    speaker.handle(Target::All, Input::DeadlinePassed, now);
    let mut sent = 0;
    while let Some((member, action)) = speaker.poll_action() {
        let Action::SendAdvert { priority } = action else { continue };
        let router = &speaker.members()[member];
        for destination in router.config().destinations() {
            let header = Ipv4Header { identification: 1, ttl: 255, sequence: 1 };
            router.outgoing(priority, destination).unwrap().ipv4_packet(header, packet).unwrap();
            let datagram = Datagram::from_ipv4(packet).unwrap();
            listener.handle(Target::Member(0), Input::DatagramReceived(datagram), now);
            while listener.poll_action().is_some() {}
            sent += 1;
        }
    }
    sent
}

#[test]
fn nothing_is_allocated_for_an_advert() {
    let now = Time::from_start(Duration::from_secs(1));
    let (mut speaker, mut listener) = (router(1, 200, now), router(2, 100, now));
    let mut packet = Vec::new();
    // The takeover, and the first advert that each of them meets.
    for _ in 0..3 {
        turn(&mut speaker, &mut listener, &mut packet);
    }
    assert_eq!(speaker.members()[0].state(), State::Active);
    let before = COUNT.load(Ordering::Relaxed);
    let sent: u32 = (0..2000).map(|_| turn(&mut speaker, &mut listener, &mut packet)).sum();
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0);
    assert!(sent > 500, "{sent}");
    assert_eq!(listener.members()[0].state(), State::Backup);
}
