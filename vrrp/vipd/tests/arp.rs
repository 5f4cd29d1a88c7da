//! Takeover by ARP: a director, a standby that watches it, and a third machine by which the standby knows whether it is cut
//! off itself.

#![allow(clippy::unwrap_used)]

mod bed;

use std::time::Duration;

use bed::{Bed, VIP};

fn director() -> String {
    format!(
        "[[virtual_router]]\nname = \"vip\"\nmode = \"arp\"\nrole = \"director\"\ninterface = \"eth0\"\n\
         addresses = [\"{VIP}\"]\nlease = \"1s\"\n"
    )
}

fn standby(more: &str) -> String {
    format!(
        "[[virtual_router]]\nname = \"vip\"\nmode = \"arp\"\nrole = \"standby\"\ninterface = \"eth0\"\n\
         addresses = [\"{VIP}\"]\nlease = \"1s\"\n{more}\n\
         watch = {{ targets = [\"10.9.0.1\"], sentinels = [\"10.9.0.3\"], interval = \"200ms\" }}\n"
    )
}

/// Director, standby, and a real server that is only there.
fn classic(more: &str) -> Bed {
    let mut bed = Bed::build(3);
    bed.serve(&[VIP.parse().unwrap()]);
    bed.hosts[0].start(&director());
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&standby(more));
    bed.hosts[1].wait_log("initialize -> backup");
    bed
}

#[test]
fn the_standby_takes_over_and_gives_back() {
    let mut bed = classic("");
    let asker = bed.ask(VIP, Duration::from_millis(5));
    asker.wait_answered_by(0, || bed.logs());
    // Power off: no more daemon, no more link.
    bed.hosts[0].end();
    bed.cable(0, false);
    bed.hosts[1].wait_log("the director answers no more");
    bed.wait_holders(VIP, &[1]);
    asker.wait_answered_by(1, || bed.logs());
    // Power on: the director does not fight; it is given its address.
    bed.cable(0, true);
    bed.hosts[0].restart();
    bed.hosts[1].wait_log("active -> backup: the director is back");
    bed.wait_holders(VIP, &[0]);
    asker.wait_answered_by(0, || bed.logs());
    drop(asker.finish());
}

#[test]
fn a_standby_that_is_cut_off_takes_nothing() {
    let bed = classic("");
    bed.cable(1, false);
    std::thread::sleep(Duration::from_secs(2));
    bed.cable(1, true);
    bed.hosts[1].wait_log("backup -> initialize: the interface went down");
    bed.wait_holders(VIP, &[0]);
    // The switch is there, but neither the director nor the sentinel is behind it.
    bed.cable(0, false);
    bed.cable(2, false);
    bed.hosts[1].wait_log("neither the director nor a sentinel answers: this machine is cut off");
    assert!(!bed.hosts[1].has(VIP), "{}", bed.logs());
    bed.cable(2, true);
    bed.hosts[1].wait_log("backup -> active: the director does not answer");
    bed.wait_holders(VIP, &[1]);
}

#[test]
fn given_back_by_hand_it_stays_until_somebody_says_so() {
    let mut bed = classic("give_back = \"by_hand\"");
    let agent = bed::agent::Agent::start(&bed.hosts[1].directory.join("agent.sock"));
    assert_eq!(bed.hosts[0].stop(), Some(0));
    bed.cable(0, false);
    bed.wait_holders(VIP, &[1]);
    bed.cable(0, true);
    bed.hosts[0].restart();
    bed.hosts[1].wait_log("the director answers again");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bed.holders(VIP), [1], "{}", bed.logs());
    agent.order(Some(agent_api::HandoverKind::Yield));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].wait_log("active -> backup: by an operator's order");
}
