//! Whatever happens, with crashes and outages in between: each incident is opened once and closed once, in order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{World, at};
use crate::digest::notice::{Kind, Notice};
use agent_api::Channel;

use crate::digest::outbox::{Outbox, Outcome};
use crate::digest::{Digest, Saved};

const SERVERS: [&str; 5] = ["a/s1", "a/s2", "b/s1", "b/s2", "c/s1"];

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
enum Op {
    Fall(usize),
    Rise(usize),
    Pass(i64),
    /// The process dies after its state was written; or before, so that it forgets its last look.
    Crash {
        forgets: bool,
    },
    /// The agent is away, or back.
    Agent(bool),
    /// The mail server works, or not.
    Mail(bool),
    /// The agent forgets its events.
    Renumber,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..SERVERS.len()).prop_map(Op::Fall),
        4 => (0..SERVERS.len()).prop_map(Op::Rise),
        4 => prop_oneof![1..20_i64, 20..400_i64, 400..20_000_i64].prop_map(Op::Pass),
        2 => any::<bool>().prop_map(|forgets| Op::Crash { forgets }),
        1 => any::<bool>().prop_map(Op::Agent),
        2 => any::<bool>().prop_map(Op::Mail),
        1 => Just(Op::Renumber),
    ]
}

/// What is on disk.
#[derive(Clone)]
struct Disk {
    digest: Saved,
    outbox: Outbox,
    files: BTreeMap<u64, Notice>,
}

fn on_disk(world: &mut World, disk: &mut Disk, to: &[Channel]) {
    for notice in world.told.drain(..) {
        let file = disk.outbox.add(&notice, to, at(world.now));
        disk.files.insert(file, notice);
    }
    disk.digest = serde_json::from_str(&serde_json::to_string(world.digest.saved().0).unwrap()).unwrap();
}

fn deliver(disk: &mut Disk, now: i64, works: bool, got: &mut Vec<(Notice, u32)>) {
    while let Some(entry) = disk.outbox.next(|_| false, at(now)).cloned() {
        let outcome = if works {
            got.push((disk.files[&entry.file].clone(), entry.stands_for));
            Outcome::Delivered
        } else {
            Outcome::Failed { why: "away".to_owned(), all: true }
        };
        disk.outbox.handle(entry.number, entry.file, outcome, 0, at(now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_incident_is_opened_once_and_closed_once(ops in prop::collection::vec(op(), 1..60)) {
        let to = [Channel::Mail("staff@b.example".into())];
        let mut world = World::new("remind_every = \"1h\"", &SERVERS);
        let saved = world.digest.saved().0.clone();
        let mut disk = Disk { digest: saved, outbox: Outbox::default(), files: BTreeMap::new() };
        let mut got: Vec<(Notice, u32)> = Vec::new();
        let mut works = true;
        let mut down = BTreeSet::new();
        for op in ops {
            match op {
                Op::Fall(n) => if down.insert(n) { world.fall(SERVERS[n]) },
                Op::Rise(n) => if down.remove(&n) { world.rise(SERVERS[n]) },
                Op::Pass(seconds) => {
                    // In steps, so that delivery happens in between.
                    for _ in 0..4 {
                        world.pass(seconds / 4 + 1);
                        on_disk(&mut world, &mut disk, &to);
                        deliver(&mut disk, world.now, works, &mut got);
                    }
                }
                Op::Crash { forgets } => {
                    if forgets {
                        // What was not written is not sent either.
                        world.look();
                        world.told.clear();
                    } else {
                        world.look();
                        on_disk(&mut world, &mut disk, &to);
                    }
                    let settings = world.digest.settings().clone();
                    world.digest = Digest::new(settings, disk.digest.clone());
                    let needed = disk.outbox.files();
                    disk.files.retain(|file, _| needed.contains(file));
                }
                Op::Agent(heard) => world.heard = heard,
                Op::Mail(now_works) => works = now_works,
                Op::Renumber => {
                    world.now += 1;
                    let old = std::mem::take(&mut world.state.events);
                    for (index, mut event) in old.into_iter().rev().take(2).collect::<Vec<_>>().into_iter().rev().enumerate() {
                        event.number = index as u64 + 1;
                        world.state.events.push_back(event);
                    }
                }
            }
            world.look();
            on_disk(&mut world, &mut disk, &to);
            deliver(&mut disk, world.now, works, &mut got);
            world.now += 1;
        }
        // All is well in the end.
        world.heard = true;
        for n in down { world.rise(SERVERS[n]); }
        for _ in 0..4 {
            world.pass(900);
            on_disk(&mut world, &mut disk, &to);
            deliver(&mut disk, world.now, true, &mut got);
        }
        prop_assert!(disk.outbox.entries.is_empty());
        prop_assert_eq!(world.digest.status().open, 0);
        let mut of_each: BTreeMap<u64, Vec<(Kind, u32)>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for (notice, stands_for) in &got {
            prop_assert!(ids.insert(notice.id.clone()), "{} came twice", notice.id);
            of_each.entry(notice.incident).or_default().push((notice.kind, *stands_for));
        }
        let numbers: Vec<u64> = of_each.keys().copied().collect();
        prop_assert_eq!(numbers, (1..=of_each.len() as u64).collect::<Vec<_>>(), "none is lost");
        for (number, notices) in &of_each {
            let opened = notices.iter().filter(|(kind, _)| *kind == Kind::Opened).count();
            let closed = notices.iter().filter(|(kind, _)| *kind == Kind::Closed).count();
            prop_assert!(opened <= 1, "incident {} was opened {} times", number, opened);
            prop_assert_eq!(closed, 1, "incident {}", number);
            prop_assert_eq!(notices.last().map(|(kind, _)| *kind), Some(Kind::Closed), "order of {}", number);
        }
    }
}
