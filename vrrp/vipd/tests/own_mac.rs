//! The virtual router's own MAC address, and routes and rules that move along.

#![allow(clippy::unwrap_used)]

mod bed;

use std::process::Command;
use std::time::Duration;

use bed::{Bed, VIP, config, inside, wait_for};

const QUICK: &str = "advert_interval = \"100ms\"\nvirtual_mac = true";

/// A kernel setting of a host.
fn setting(namespace: &str, name: &str) -> String {
    inside(namespace, || std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap().trim().to_owned())
}

#[test]
fn the_address_keeps_its_mac() {
    let mut bed = Bed::build(2);
    bed.serve(&[VIP.parse().unwrap()]);
    let before = setting(&bed.hosts[0].namespace, "ipv4/conf/eth0/arp_ignore");
    bed.hosts[0].start(&config(150, QUICK));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, QUICK));
    bed.hosts[1].wait_log("initialize -> backup");
    let asker = bed.ask(VIP, Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    let neighbour = || bed::ip(Some(&bed.client), &format!("neighbour show {VIP}"));
    assert!(neighbour().contains("00:00:5e:00:01:33"), "{}", neighbour());
    // The machine itself is still reached, at its own MAC.
    let reached = inside(&bed.client, || std::net::TcpStream::connect("10.9.0.1:9"));
    assert_eq!(reached.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused, "{}", bed.logs());
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.wait_holders(VIP, &[1]);
    asker.wait_answered_by(1, || bed.logs());
    assert!(neighbour().contains("00:00:5e:00:01:33"), "{}", neighbour());
    drop(asker.finish());
    // Nothing is left.
    assert!(!bed.hosts[0].ip("link show").contains("vrrp4."), "{}", bed.hosts[0].ip("link show"));
    assert_eq!(setting(&bed.hosts[0].namespace, "ipv4/conf/eth0/arp_ignore"), before);
}

#[test]
fn killed_with_its_own_mac_it_goes_on() {
    let mut bed = Bed::build(1);
    bed.hosts[0].start(&config(150, QUICK));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[0].end();
    bed.hosts[0].restart();
    wait_for(
        "it takes part again",
        bed::SOON,
        || (bed.hosts[0].log().matches("-> active").count() == 2).then_some(()),
        || bed.logs(),
    );
    bed.wait_holders(VIP, &[0]);
    assert_eq!(bed.hosts[0].stop(), Some(0));
    // What the killed one had set is put back by the one after it.
    assert_eq!(setting(&bed.hosts[0].namespace, "ipv4/conf/eth0/arp_ignore"), "0");
}

#[test]
fn routes_and_rules_move_along() {
    let mut bed = Bed::build(2);
    let more = "advert_interval = \"100ms\"\n\
        routes = [{ to = \"198.51.100.0/24\", via = \"10.9.0.100\", table = 77 }]\n\
        rules = [{ from = \"192.0.2.0/24\", table = 77, priority = 1234 }]\n";
    bed.hosts[0].start(&config(150, more));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, more));
    bed.hosts[1].wait_log("initialize -> backup");
    let has = |bed: &Bed, at: usize| {
        let output = Command::new("ip")
            .args(["-n", &bed.hosts[at].namespace, "route", "show", "table", "77"])
            .output()
            .unwrap();
        let route = String::from_utf8_lossy(&output.stdout).contains("198.51.100.0/24 via 10.9.0.100");
        let rule = bed.hosts[at].ip("rule show").contains("1234:\tfrom 192.0.2.0/24 lookup 77");
        (route, rule)
    };
    let wait = |bed: &Bed, at: usize, wanted: bool| {
        wait_for(
            "route and rule are right",
            bed::SOON,
            || (has(bed, at) == (wanted, wanted)).then_some(()),
            || format!("{:?} {}", has(bed, at), bed.logs()),
        );
    };
    wait(&bed, 0, true);
    assert_eq!(has(&bed, 1), (false, false));
    assert_eq!(bed.hosts[0].stop(), Some(0));
    wait(&bed, 1, true);
    wait(&bed, 0, false);
}
