//! What is told when this director sees nothing, and when what servers depend on is down: one incident each, whatever hangs on it.

use agent_api::{EventKind, RealServerHealth, Verdict};

use super::{World, at};
use crate::digest::Kind;

fn world() -> World {
    World::new("", &["resolver/dns1", "resolver/dns2", "mail/mx1"])
}

#[test]
fn a_blind_director_is_one_incident() {
    let mut world = world();
    world.state.checkd.head.blind_since = Some(at(world.now));
    world.event(EventKind::DirectorWentBlind, "", "this director is blind");
    for server in ["resolver/dns1", "resolver/dns2", "mail/mx1"] {
        world.set(server, Verdict::Unknown);
    }
    world.pass(300);
    let told = world.heard_of();
    assert_eq!(told.iter().filter(|(kind, _)| *kind == Kind::Opened).count(), 1, "{told:?}");
    assert_eq!(world.digest.incidents().len(), 1);
    world.state.checkd.head.blind_since = None;
    world.event(EventKind::DirectorSawAgain, "", "this director sees again");
    for server in ["resolver/dns1", "resolver/dns2", "mail/mx1"] {
        world.set(server, Verdict::Up);
    }
    world.pass(600);
    assert_eq!(world.heard_of().iter().filter(|(kind, _)| *kind == Kind::Closed).count(), 1);
    assert_eq!(world.digest.incidents().len(), 0);
}

#[test]
fn a_dependency_that_is_down_is_one_incident_under_its_name() {
    let mut world = world();
    let gateway = |world: &mut World, verdict, kind, text| {
        let health = RealServerHealth::new(verdict, at(world.now), "10.0.0.254:22".parse().unwrap());
        world.state.checkd.head.dependencies.insert("gateway".parse().unwrap(), health);
        world.event(kind, "", text);
        world.state.events.back_mut().unwrap().what.dependency = Some("gateway".parse().unwrap());
    };
    gateway(&mut world, Verdict::Down, EventKind::DependencyWentDown, "gateway is down");
    world.set("resolver/dns1", Verdict::Unknown);
    world.set("resolver/dns2", Verdict::Unknown);
    world.pass(300);
    let told = world.heard_of();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("gateway"), "{told:?}");
    gateway(&mut world, Verdict::Up, EventKind::DependencyWentUp, "gateway works again");
    world.set("resolver/dns1", Verdict::Up);
    world.set("resolver/dns2", Verdict::Up);
    world.pass(600);
    let told = world.heard_of();
    assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Closed], "{told:?}");
    // One that nobody said had ended: the state says so.
    gateway(&mut world, Verdict::Down, EventKind::DependencyWentDown, "gateway is down");
    world.pass(300);
    world.state.checkd.head.dependencies.clear();
    world.pass(600);
    assert_eq!(world.digest.incidents().len(), 0);
}
