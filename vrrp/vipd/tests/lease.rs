//! An address is a lease: a daemon that is killed or hangs loses it, one that comes back in time goes on.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bed;

use std::time::{Duration, Instant};

use bed::{Bed, VIP, longest_gap, pair, unanswered};
use nix::sys::signal::Signal;

/// Promised for a lease of three seconds.
const GONE_WITHIN: Duration = Duration::from_secs(4);
/// What a busy machine may add to a promise about the kernel.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn killed_and_started_again_within_a_second_it_goes_on() {
    let mut bed = pair("");
    let asker = bed.ask(VIP, Duration::from_millis(2));
    asker.wait_answered_by(0, || bed.logs());
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(400));
        bed.hosts[0].end();
        std::thread::sleep(Duration::from_millis(500));
        assert!(bed.hosts[0].has(VIP), "the address stays for a while");
        bed.hosts[0].restart();
        bed.hosts[0].wait_log("found its addresses still held, goes on");
    }
    std::thread::sleep(Duration::from_secs(1));
    let questions = asker.finish();
    println!("longest gap {:?} of {}", longest_gap(&questions), questions.len());
    assert_eq!(unanswered(&questions), 0, "{}", bed.logs());
    assert!(!bed.hosts[1].log().contains("-> active"), "{}", bed.logs());
}

#[test]
fn killed_for_good_it_loses_its_address_by_itself() {
    let mut bed = pair("");
    bed.hosts[0].end();
    let killed = Instant::now();
    // The other one knows nothing of leases: it takes over in its own time.
    bed.wait_holders_for(VIP, &[1], GONE_WITHIN + SLACK + SLACK);
    println!("alone after {:?}", killed.elapsed());
}

#[test]
fn stopped_it_loses_its_address_and_does_not_speak_first() {
    let bed = pair("");
    let asker = bed.ask(VIP, Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    bed.hosts[0].signal(Signal::SIGSTOP);
    bed.wait_holders_for(VIP, &[1], GONE_WITHIN + SLACK + SLACK);
    asker.wait_answered_by(1, || bed.logs());
    bed.hosts[0].signal(Signal::SIGCONT);
    bed.hosts[0].wait_log("did not run for");
    // It listens, hears a router of lower priority, and only then preempts.
    bed.hosts[0].wait_log("backup -> active: the active router has a lower priority");
    bed.wait_holders(VIP, &[0]);
    asker.wait_answered_by(0, || bed.logs());
    drop(asker.finish());
}

#[test]
fn what_an_earlier_run_left_is_removed() {
    let mut bed = pair("");
    bed.hosts[0].end();
    // The same machine, but the router has another address now.
    let other = bed::config(150, "").replace(VIP, "10.9.0.51");
    bed.hosts[0].configure(&other);
    bed.hosts[0].restart();
    bed.hosts[0].wait_log(&format!("removed {VIP}, which an earlier run left"));
    assert!(!bed.hosts[0].has(VIP));
}

#[test]
fn with_on_exit_keep_a_restart_moves_nothing() {
    let mut bed = pair("on_exit = \"keep\"");
    let asker = bed.ask(VIP, Duration::from_millis(2));
    asker.wait_answered_by(0, || bed.logs());
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.hosts[0].restart();
    bed.hosts[0].wait_log("found its addresses still held, goes on");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(unanswered(&asker.finish()), 0, "{}", bed.logs());
}

#[test]
fn ipv6_and_ipv4_move_together() {
    let mut bed = Bed::build(2);
    let both = "addresses = [\"10.9.0.50\", \"fe80::5e:51\", \"fd09::50\"]";
    let config = |priority| {
        bed::config(priority, "advert_interval = \"100ms\"")
            .replace(&format!("addresses = [\"{VIP}\"]"), both)
    };
    bed.serve(&["fd09::50".parse().unwrap()]);
    bed.hosts[0].start(&config(150));
    bed.wait_holders("fd09::50", &[0]);
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100));
    bed.hosts[1].wait_log("(IPv6): initialize -> backup");
    let shown = bed.hosts[0].ip("-6 address show dev eth0");
    assert!(!shown.contains("tentative") && !shown.contains("dadfailed"), "{shown}");
    let asker = bed.ask("fd09::50", Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    assert_eq!(bed.hosts[0].stop(), Some(0));
    for address in ["fd09::50", "fe80::5e:51", VIP] {
        bed.wait_holders(address, &[1]);
    }
    asker.wait_answered_by(1, || bed.logs());
    bed.hosts[0].restart();
    bed.wait_holders("fd09::50", &[0]);
    bed.wait_holders(VIP, &[0]);
    asker.wait_answered_by(0, || bed.logs());
    drop(asker.finish());
    // The kernel tells of an IPv6 address later than it takes it.
    assert!(!bed.logs().contains("somebody removed"), "{}", bed.logs());
}

#[test]
fn a_renewal_that_the_kernel_keeps_waiting_makes_no_advert_late() {
    let bed = pair("advert_interval = \"50ms\"");
    let asker = bed.ask(VIP, Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    // As if somebody held the kernel's lock on interfaces all the time.
    let stopped = bed::threads::Stopped::new(bed.hosts[0].pid(), "leases");
    // The lease ends; the address is missed, and put back by the engine itself.
    bed.hosts[0].wait_log("somebody removed");
    bed.wait_holders(VIP, &[0]);
    drop(stopped);
    drop(asker.finish());
    assert!(!bed.hosts[1].log().contains("-> active"), "{}", bed.logs());
    assert!(!bed.hosts[0].log().contains("active ->"), "{}", bed.logs());
}

#[test]
fn with_duplicate_address_detection_it_waits_and_then_says_so() {
    let mut bed = Bed::build(2);
    let config = |priority| {
        bed::config(priority, "advert_interval = \"100ms\"\ndad = true")
            .replace(&format!("addresses = [\"{VIP}\"]"), "addresses = [\"fe80::5e:51\", \"fd09::50\"]")
    };
    bed.serve(&["fd09::50".parse().unwrap()]);
    bed.hosts[0].start(&config(150));
    bed.wait_holders("fd09::50", &[0]);
    let asker = bed.ask("fd09::50", Duration::from_millis(20));
    asker.wait_answered_by(0, || bed.logs());
    drop(asker.finish());
    let shown = bed.hosts[0].ip("-6 address show dev eth0");
    assert!(!shown.contains("tentative") && !shown.contains("dadfailed"), "{shown}");
    // Another host has the address for good: detection finds that out, and it is told.
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.hosts[1].ip("address add fd09::50/128 dev eth0 nodad");
    bed.hosts[0].restart();
    bed.hosts[0].wait_log("fd09::50 is another host's, says duplicate address detection");
}

#[test]
fn an_owner_keeps_its_own_address() {
    let mut bed = Bed::build(1);
    bed.hosts[0].ip(&format!("address add {VIP}/24 dev eth0"));
    bed.hosts[0].start(&bed::config(255, ""));
    bed.hosts[0].wait_log("initialize -> active: owns the addresses");
    assert!(
        bed.hosts[0].ip("address show dev eth0").contains(&format!("{VIP}/24 scope global secondary eth0"))
    );
    assert_eq!(bed.hosts[0].stop(), Some(0));
    assert!(bed.hosts[0].has(VIP), "{}", bed.logs());
}
