//! A mail server that is away for two days, in simulated time: digest and outbox together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::{World, at};
use crate::digest::Kind;
use crate::digest::notice::Notice;
use agent_api::Channel;

use crate::digest::outbox::{Outbox, Outcome};

/// A mail server and what it has accepted.
struct Post {
    outbox: Outbox,
    files: BTreeMap<u64, Notice>,
    accepted: Vec<(Channel, Notice, u32)>,
    attempts: usize,
}

impl Post {
    fn new() -> Self {
        Self { outbox: Outbox::default(), files: BTreeMap::new(), accepted: Vec::new(), attempts: 0 }
    }

    fn take(&mut self, world: &mut World, to: &[Channel]) {
        for notice in world.told.drain(..) {
            let file = self.outbox.add(&notice, to, at(world.now));
            self.files.insert(file, notice);
        }
    }

    fn deliver(&mut self, now: i64, works: bool) {
        while let Some(entry) = self.outbox.next(|_| false, at(now)).cloned() {
            self.attempts += 1;
            let outcome = if works {
                let notice = self.files[&entry.file].clone();
                self.accepted.push((entry.to.clone(), notice, entry.stands_for));
                Outcome::Delivered
            } else {
                Outcome::Failed { why: "connection refused".to_owned(), all: true }
            };
            self.outbox.handle(entry.number, entry.file, outcome, 0, at(now));
        }
    }

    fn restart(&mut self) {
        let json = serde_json::to_string(&self.outbox).unwrap();
        self.outbox = serde_json::from_str(&json).unwrap();
        let needed = self.outbox.files();
        self.files.retain(|file, _| needed.contains(file));
    }
}

#[test]
fn after_two_days_each_incident_is_one_mail_in_order() {
    let servers: Vec<String> =
        (0..10).map(|n| format!("p{n}/s1")).chain((0..10).map(|n| format!("p{n}/s2"))).collect();
    let names: Vec<&str> = servers.iter().map(String::as_str).collect();
    let mut world = World::new("", &names);
    let mut post = Post::new();
    let staff = [Channel::Mail("staff@b.example".into()), Channel::Mail("other@b.example".into())];
    // Every two hours one pool has trouble for half an hour, the last one for ever.
    for hour in 0..48 {
        let server = &servers[hour % 10];
        if hour % 2 == 0 {
            world.fall(server);
            for minute in 0..60 {
                if minute == 30 && hour < 46 {
                    world.rise(server);
                }
                world.pass(60);
                post.take(&mut world, &staff);
                post.deliver(world.now, false);
                if minute == 15 {
                    world.restart();
                    post.restart();
                }
            }
        } else {
            world.pass(3_600);
            post.take(&mut world, &staff);
            post.deliver(world.now, false);
        }
    }
    assert_eq!(post.accepted.len(), 0);
    assert!(post.attempts < 2 * 24 * 48, "{} attempts", post.attempts);
    assert_eq!(post.outbox.entries.len(), 48, "24 incidents for two people");
    assert!(post.files.len() <= 24);
    post.deliver(world.now + 900, true);
    for person in &staff {
        let got: Vec<&(Channel, Notice, u32)> =
            post.accepted.iter().filter(|(to, _, _)| to == person).collect();
        let numbers: Vec<u64> = got.iter().map(|(_, notice, _)| notice.incident).collect();
        assert_eq!(numbers, (1..=24).collect::<Vec<u64>>(), "each once, in order");
        let kinds: BTreeSet<&str> = got[..23].iter().map(|(_, notice, _)| notice.kind.as_str()).collect();
        assert_eq!(kinds, BTreeSet::from(["closed"]), "what is over is told as over");
        assert_ne!(got[23].1.kind, Kind::Closed);
        assert!(
            got.iter().take(23).all(|(_, notice, stands_for)| *stands_for > 0 && notice.history.len() == 2)
        );
    }
    assert!(post.outbox.entries.is_empty());
    // And what ends afterwards is told as ever.
    world.rise("p6/s1");
    world.pass(100);
    post.take(&mut world, &staff);
    post.deliver(world.now, true);
    assert_eq!(post.accepted.last().unwrap().1.kind, Kind::Closed);
}

#[test]
fn one_bad_address_holds_nobody_else_up() {
    let mut world = World::new("", &["a/s1", "a/s2", "b/s1", "b/s2"]);
    let mut outbox = Outbox::default();
    let (good, bad) = (Channel::Mail("good@b.example".into()), Channel::Mail("bad@b.example".into()));
    let mut got = Vec::new();
    for server in ["a/s1", "b/s1"] {
        world.fall(server);
        world.pass(20);
        for notice in world.told.drain(..) {
            outbox.add(&notice, &[bad.clone(), good.clone()], at(world.now));
        }
    }
    while let Some(entry) = outbox.next(|_| false, at(world.now)).cloned() {
        let outcome = if entry.to == good {
            got.push(entry.incident);
            Outcome::Delivered
        } else {
            Outcome::Failed { why: "greylisted".to_owned(), all: false }
        };
        outbox.handle(entry.number, entry.file, outcome, 0, at(world.now));
    }
    assert_eq!(got, [1, 2]);
    assert_eq!(outbox.entries.len(), 2, "both wait for the bad one");
    let retry = outbox.deadline(at(world.now)).unwrap();
    assert_eq!(super::seconds(retry.duration_since(at(world.now))), 15);
    // The first is refused for good, the second is too old in the end.
    let first = outbox.entries[0].clone();
    outbox.handle(
        first.number,
        first.file,
        Outcome::Refused { why: "550 no such user".into() },
        0,
        at(world.now),
    );
    assert_eq!(outbox.entries.len(), 1);
    let gone = outbox.expire(SignedDuration::from_hours(1), |_| true, at(world.now + 4_000));
    assert_eq!((gone.len(), outbox.given_up), (1, 2));
}

#[test]
fn a_notice_that_came_while_an_older_one_was_under_way_still_goes() {
    let mut world = World::new("", &["a/s1", "a/s2"]);
    let mut outbox = Outbox::default();
    let to = [Channel::Mail("staff@b.example".into())];
    world.fall("a/s1");
    world.pass(20);
    let opened = world.told.pop().unwrap();
    outbox.add(&opened, &to, at(world.now));
    let under_way = outbox.next(|_| false, at(world.now)).cloned().unwrap();
    world.rise("a/s1");
    world.pass(100);
    let closed = world.told.pop().unwrap();
    outbox.add(&closed, &to, at(world.now));
    outbox.handle(under_way.number, under_way.file, Outcome::Delivered, 0, at(world.now));
    let next = outbox.next(|_| false, at(world.now)).unwrap();
    assert_eq!((next.kind, next.stands_for), (Kind::Closed, 0));
}
