//! Two directors: one tells.

use super::{World, at};
use crate::digest::{Duty, Input, Kind, Over, PeerTold};

const TWO: [&str; 2] = ["resolver/dns1", "resolver/dns2"];
const PEER: &str = "[status.peer]\nurl = \"https://d2.example:9530\"\n";

fn kinds(world: &mut World) -> Vec<Kind> {
    world.told.drain(..).map(|notice| notice.kind).collect()
}

fn open(key: &str) -> PeerTold {
    PeerTold { open: [key.parse().unwrap()].into(), over: Vec::new() }
}

/// What the digest of `world` says to its peer.
fn told_by(world: &World) -> PeerTold {
    let status = world.digest.status();
    PeerTold { open: status.told.into_iter().collect(), over: status.told_over }
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
    let told = open("server:resolver/dns1");
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
            let told = open("server:resolver/dns1");
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

/// Lets time pass for both, the standby asking whenever it wants to.
fn pass_both(active: &mut World, standby: &mut World, seconds: i64) {
    for _ in 0..seconds {
        active.pass(1);
        let asked = standby.asked;
        standby.pass(1);
        if standby.asked > asked {
            standby.digest.handle(Input::PeerTells(&told_by(active)), at(standby.now));
        }
    }
}

#[test]
fn what_was_over_before_the_standby_asks_is_told_once() {
    for lasts in [1, 5, 9, 11, 30, 69, 71, 200] {
        let (mut active, mut standby) = (World::new(PEER, &TWO), World::new(PEER, &TWO));
        standby.duty = Duty::StandsBy;
        active.fall("resolver/dns1");
        pass_both(&mut active, &mut standby, 1);
        standby.fall("resolver/dns1");
        pass_both(&mut active, &mut standby, lasts);
        active.rise("resolver/dns1");
        pass_both(&mut active, &mut standby, 1);
        standby.rise("resolver/dns1");
        pass_both(&mut active, &mut standby, 600);
        assert_eq!(kinds(&mut active).last(), Some(&Kind::Closed), "{lasts} s");
        assert_eq!((kinds(&mut standby), standby.digest.status().open), (vec![], 0), "{lasts} s");
    }
}

#[test]
fn an_active_one_that_was_away_does_not_tell_what_began_and_ended_meanwhile() {
    for (told, expected) in [(true, vec![]), (false, vec![Kind::Closed])] {
        let mut world = World::new(PEER, &TWO);
        let began = at(world.now);
        world.event(agent_api::EventKind::RealServerWentDown, "resolver/dns1", "resolver/dns1 is down");
        world.now += 200;
        world.event(agent_api::EventKind::RealServerWentUp, "resolver/dns1", "resolver/dns1 is up");
        let ended = at(world.now);
        world.now += 3_600;
        for _ in 0..600 {
            let asked = world.asked;
            world.pass(1);
            if world.asked == asked {
                continue;
            }
            // Another server's end, and an end of yesterday, take care of nothing.
            let key = if told { "server:resolver/dns1" } else { "server:resolver/dns2" };
            let yesterday = at(world.now - 86_400);
            let over = vec![
                Over { key: key.parse().unwrap(), began, ended },
                Over { key: "server:resolver/dns1".parse().unwrap(), began: yesterday, ended: yesterday },
            ];
            world.digest.handle(Input::PeerTells(&PeerTold { over, ..PeerTold::default() }), at(world.now));
        }
        assert!(world.asked > 0, "it asks");
        assert_eq!(kinds(&mut world), expected);
        assert_eq!(world.digest.status().open, 0);
    }
}

#[test]
fn what_was_told_and_is_over_is_remembered_for_the_peer_over_a_restart() {
    let mut world = World::new(PEER, &TWO);
    world.fall("resolver/dns1");
    world.pass(20);
    world.rise("resolver/dns1");
    world.pass(20);
    let ends = |world: &World| -> Vec<String> {
        world.digest.status().told_over.iter().map(|over| over.key.to_string()).collect()
    };
    assert_eq!(ends(&world), ["server:resolver/dns1"], "as long as the incident is open");
    world.pass(600);
    world.restart();
    assert_eq!(ends(&world), ["server:resolver/dns1"], "afterwards");
    for _ in 0..300 {
        world.fall("resolver/dns2");
        world.pass(20);
        world.rise("resolver/dns2");
        world.pass(900);
    }
    assert_eq!(ends(&world).len(), 200, "not without end");
}
