//! Two directors: one tells.

use std::collections::BTreeSet;

use super::{World, at};
use crate::digest::{Duty, Input, Key, Kind};

const TWO: [&str; 2] = ["resolver/dns1", "resolver/dns2"];
const PEER: &str = "[status.peer]\nurl = \"https://d2.example:9530\"\n";

fn kinds(world: &mut World) -> Vec<Kind> {
    world.told.drain(..).map(|notice| notice.kind).collect()
}

#[test]
fn a_standby_without_a_peer_is_quiet_until_it_is_active() {
    let mut world = World::new("", &TWO);
    world.duty = Duty::StandsBy;
    world.fall("resolver/dns1");
    world.pass(600);
    assert_eq!(kinds(&mut world), []);
    // The other director is gone: this one carries on what that one had opened.
    world.duty = Duty::Tells;
    world.pass(600);
    assert_eq!(kinds(&mut world), []);
    world.rise("resolver/dns1");
    world.pass(100);
    assert_eq!(kinds(&mut world), [Kind::Closed]);
}

#[test]
fn what_the_active_one_had_no_time_to_tell_is_told_by_the_next() {
    let mut world = World::new("", &TWO);
    world.duty = Duty::StandsBy;
    world.fall("resolver/dns1");
    world.pass(20);
    world.duty = Duty::Tells;
    world.pass(5);
    assert_eq!(kinds(&mut world), [Kind::Opened]);
}

#[test]
fn a_standby_steps_in_when_the_peer_does_not_tell() {
    let mut world = World::new(PEER, &TWO);
    world.duty = Duty::StandsBy;
    world.fall("resolver/dns1");
    world.pass(69);
    assert_eq!(kinds(&mut world), []);
    assert!((5..30).contains(&world.asked), "asked {} times", world.asked);
    world.pass(2);
    assert_eq!(world.told.len(), 1);
    assert!(world.told[0].remarks[0].contains("steps in"), "{:?}", world.told[0].remarks);
}

#[test]
fn a_standby_whose_peer_tells_is_quiet() {
    let mut world = World::new(PEER, &TWO);
    world.duty = Duty::StandsBy;
    world.fall("resolver/dns1");
    world.pass(20);
    let told: BTreeSet<Key> = ["server:resolver/dns1".parse().unwrap()].into();
    world.digest.handle(Input::PeerTells(&told), at(world.now));
    world.pass(600);
    world.rise("resolver/dns1");
    world.pass(600);
    assert_eq!(kinds(&mut world), []);
    assert_eq!(world.digest.status().open, 0);
}

#[test]
fn own_troubles_are_told_by_whoever_has_them() {
    let mut world = World::new("", &TWO);
    world.duty = Duty::StandsBy;
    world.event(agent_api::EventKind::IpvsLost, "", "no IPVS");
    world.fall("resolver/dns1");
    world.pass(600);
    let titles: Vec<&str> = world.told.iter().map(|notice| notice.title.as_str()).collect();
    assert_eq!(titles, ["the kernel's IPVS (dns_timeout)"]);
}

#[test]
fn who_hands_over_is_quiet_from_then_on() {
    let mut world = World::new("", &TWO);
    world.fall("resolver/dns1");
    world.pass(20);
    assert_eq!(kinds(&mut world), [Kind::Opened]);
    world.duty = Duty::StandsBy;
    world.pass(5);
    world.rise("resolver/dns1");
    world.pass(600);
    assert_eq!(kinds(&mut world), [], "the other one closes it");
}

#[test]
fn an_active_one_that_was_away_asks_before_it_tells_what_is_old() {
    for (peer_told, expected) in [(true, vec![]), (false, vec![Kind::Opened])] {
        let mut world = World::new(PEER, &TWO);
        // While this alertd is away the server falls, and the standby steps in.
        world.set("resolver/dns1", agent_api::Verdict::Down);
        world.event(agent_api::EventKind::RealServerWentDown, "resolver/dns1", "resolver/dns1 is down");
        world.now += 90;
        world.pass(11);
        assert!(world.asked > 0, "it asks");
        if peer_told {
            let told: BTreeSet<Key> = ["server:resolver/dns1".parse().unwrap()].into();
            world.digest.handle(Input::PeerTells(&told), at(world.now));
        }
        world.pass(30);
        assert_eq!(kinds(&mut world), expected);
        world.rise("resolver/dns1");
        world.pass(600);
        assert_eq!(
            world.told.iter().map(|notice| notice.kind).collect::<Vec<_>>(),
            if peer_told { vec![] } else { vec![Kind::Closed] }
        );
    }
}

#[test]
fn an_active_one_tells_at_once_what_is_new() {
    let mut world = World::new(PEER, &TWO);
    world.fall("resolver/dns1");
    world.pass(11);
    assert_eq!((kinds(&mut world), world.asked), (vec![Kind::Opened], 0));
}
