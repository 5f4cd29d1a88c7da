//! `vipd` and the agent: orders are followed without a gap, what happens is reported, and without the agent all goes on.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bed;

use std::time::Duration;

use agent_api::HandoverKind;
use bed::agent::Agent;
use bed::{Bed, VIP, config, longest_gap, unanswered, wait_for};

const QUICK: &str = "advert_interval = \"100ms\"";

/// A pair as usual, each with an agent, whose service thinks for so long about each answer.
fn pair(thinking: Duration) -> (Bed, Agent, Agent) {
    let mut bed = Bed::build(2);
    bed.serve_slowly(&[VIP.parse().unwrap()], thinking);
    let agents = [0, 1].map(|at| Agent::start(&bed.hosts[at].directory.join("agent.sock")));
    bed.hosts[0].start(&config(150, QUICK));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, QUICK));
    bed.hosts[1].wait_log("initialize -> backup");
    let [first, second] = agents;
    (bed, first, second)
}

#[test]
fn a_hand_over_loses_no_answer() {
    // 500 a second.
    let (lost, logs) = hand_over_and_back(Duration::ZERO, Duration::from_millis(2));
    assert_eq!(lost, 0, "{logs}");
}

#[test]
fn an_answer_that_is_being_written_is_not_lost() {
    let (lost, logs) = hand_over_and_back(Duration::from_millis(6), Duration::from_millis(12));
    assert_eq!(lost, 0, "{logs}");
}

/// There and back in four moves: how many answers were lost, and the logs.
fn hand_over_and_back(thinking: Duration, every: Duration) -> (usize, String) {
    let (bed, first, second) = pair(thinking);
    let asker = bed.ask(VIP, every);
    asker.wait_answered_by(0, || bed.logs());
    for (agent, what, to) in [
        (&first, HandoverKind::Yield, 1),
        (&first, HandoverKind::Takeover, 0),
        (&second, HandoverKind::Takeover, 1),
    ] {
        first.order(None);
        second.order(None);
        agent.order(Some(what));
        asker.wait_answered_by(to, || bed.logs());
        bed.wait_holders(VIP, &[to]);
    }
    // Both orders gone, the usual one returns.
    second.order(None);
    bed.wait_holders(VIP, &[0]);
    asker.wait_answered_by(0, || bed.logs());
    let questions = asker.finish();
    println!("longest gap {:?} of {}", longest_gap(&questions), questions.len());
    (unanswered(&questions), bed.logs())
}

#[test]
fn what_happens_is_reported() {
    let (mut bed, first, second) = pair(Duration::ZERO);
    let reported = |agent: &Agent, state: &str| agent.router().is_some_and(|router| router["state"] == state);
    let explain = |bed: &Bed| format!("{:?} {:?}\n{}", first.router(), second.router(), bed.logs());
    wait_for("reports", bed::SOON, || reported(&first, "active").then_some(()), || explain(&bed));
    wait_for("reports", bed::SOON, || reported(&second, "backup").then_some(()), || explain(&bed));
    let held = || first.router().is_some_and(|router| router["held"][0] == VIP);
    wait_for("the address is reported", bed::SOON, || held().then_some(()), || explain(&bed));
    let heard = || second.router().is_some_and(|router| router["active"]["source"] == "10.9.0.1");
    wait_for("the other is reported", bed::SOON, || heard().then_some(()), || explain(&bed));
    bed.hosts[0].ip(&format!("address del {VIP}/32 dev eth0"));
    let put_back = || first.events().iter().any(|kind| kind == "address_put_back");
    wait_for("the event is reported", bed::SOON, || put_back().then_some(()), || explain(&bed));
    assert!(first.events().contains(&"router_became_active".to_owned()));
    assert_eq!(bed.hosts[0].stop(), Some(0));
    let stopped = || first.router().is_some_and(|router| router["state"] == "initialize");
    wait_for("the end is reported", bed::SOON, || stopped().then_some(()), || explain(&bed));
    wait_for("reports", bed::SOON, || reported(&second, "active").then_some(()), || explain(&bed));
}

#[test]
fn trackers_and_scripts_move_the_address() {
    let mut bed = Bed::build(2);
    let directory = bed.hosts[0].directory.clone();
    let (weight, told) = (directory.join("weight"), directory.join("told"));
    let script = directory.join("script");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$@\" >>{}\n", told.display())).unwrap();
    for (path, mode) in [(&script, 0o755), (&directory, 0o777)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let root = directory.parent().unwrap();
    std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let more = format!(
        "{QUICK}\ntrack = [{{ file = \"{}\", factor = 1 }}]\nnotify = {{ any = [\"{}\"] }}\n",
        weight.display(),
        script.display()
    );
    bed.hosts[0].start(&config(150, &more));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, QUICK));
    std::fs::write(&weight, "-100\n").unwrap();
    bed.wait_holders(VIP, &[1]);
    bed.hosts[0].wait_log("priority 150 -> 50");
    std::fs::write(&weight, "0\n").unwrap();
    bed.wait_holders(VIP, &[0]);
    assert_eq!(bed.hosts[0].stop(), Some(0));
    let lines = std::fs::read_to_string(&told).unwrap_or_default();
    // States that were past before their script ran are left out, the last one never is.
    assert!(lines.contains("INSTANCE vip MASTER 150"), "{lines}\n{}", bed.logs());
    assert!(lines.ends_with("INSTANCE vip STOP 150\n"), "{lines}\n{}", bed.logs());
}
