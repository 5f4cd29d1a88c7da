//! `accept = false`: the address is there for others to find, and nothing that is sent to it is taken (RFC 9568, 6.1).

#![allow(clippy::unwrap_used)]

mod bed;

use std::time::{Duration, Instant};

use bed::{Asker, Bed, VIP, config, ip, wait_for};
use nix::sys::signal::Signal;

const VIP6: &str = "fd09::50";

fn with(accept: bool) -> String {
    let both = format!("addresses = [\"{VIP}\", \"fe80::5e:51\", \"{VIP6}\"]");
    config(150, &format!("advert_interval = \"100ms\"\naccept = {accept}"))
        .replace(&format!("addresses = [\"{VIP}\"]"), &both)
}

/// Waits until nothing that was asked within the last moment was answered.
fn wait_silent(asker: &Asker, bed: &Bed) {
    wait_for(
        "nothing is answered",
        bed::SOON,
        || {
            let (from, to) = (Duration::from_millis(600), Duration::from_millis(200));
            let now = Instant::now();
            let recent = asker.asked(now - from, now - to);
            (!recent.is_empty() && recent.iter().all(|question| question.answered.is_none())).then_some(())
        },
        || bed.logs(),
    );
}

fn reload(bed: &Bed, accept: bool) {
    bed.hosts[0].configure(&with(accept));
    bed.hosts[0].signal(Signal::SIGHUP);
}

#[test]
fn only_arp_and_neighbour_discovery_are_answered() {
    let mut bed = Bed::build(1);
    bed.serve(&[VIP.parse().unwrap(), VIP6.parse().unwrap(), "10.9.0.1".parse().unwrap()]);
    bed.hosts[0].start(&with(false));
    bed.wait_holders(VIP, &[0]);
    bed.wait_holders(VIP6, &[0]);
    let every = Duration::from_millis(5);
    let askers = [bed.ask(VIP, every), bed.ask(VIP6, every)];
    for asker in &askers {
        wait_silent(asker, &bed);
    }
    // The client knows where the addresses are, so that a route through them works.
    for address in [VIP, VIP6] {
        let neighbour = ip(Some(&bed.client), &format!("neighbour show {address}"));
        assert!(neighbour.contains("lladdr"), "{neighbour}");
    }
    let own = bed.ask("10.9.0.1", every);
    own.wait_answered_by(0, || bed.logs());
    reload(&bed, true);
    for asker in &askers {
        asker.wait_answered_by(0, || bed.logs());
    }
    reload(&bed, false);
    for asker in &askers {
        wait_silent(asker, &bed);
    }
    // Killed, it leaves nothing behind that would refuse packets.
    bed.hosts[0].end();
    bed.hosts[0].ip(&format!("address replace {VIP}/32 dev eth0"));
    bed.hosts[0].ip(&format!("address replace {VIP6}/128 dev eth0 nodad"));
    for asker in &askers {
        asker.wait_answered_by(0, || bed.logs());
    }
    for asker in askers {
        drop(asker.finish());
    }
    drop(own.finish());
}
