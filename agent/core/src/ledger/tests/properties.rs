//! What must hold whatever comes, in whatever order.

use std::collections::BTreeMap;

use agent_api::section::LvsUpdate;
use agent_api::{KernelTable, LvsHead, ServiceReport, Update};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::ledger::Role;

fn verdicts() -> impl Strategy<Value = RealServerHealth> {
    let any = prop_oneof![
        Just(up()),
        Just(down()),
        Just(not_probed()),
        Just(health(Verdict::Unknown, Some(Cause::NoSocket))),
        Just(health(Verdict::Degraded, Some(Cause::DnsTimeout))),
    ];
    (any, proptest::option::of(0..3_u64))
        .prop_map(|(item, latency_us)| RealServerHealth { latency_us, ..item })
}

fn server() -> impl Strategy<Value = RealServerId> {
    (0..2, 0..4).prop_map(|(pool, server)| id(&format!("p{pool}/s{server}")))
}

fn checkd() -> impl Strategy<Value = Input> {
    let items = btree_map(server(), verdicts(), 0..5);
    (any::<bool>(), 1..3_u32, items, vec(server(), 0..2), proptest::option::of(0..3_u64)).prop_map(
        |(first, pid, items, removed, probes)| {
            let head = probes.map(|probes| CheckHead { probes, ..CheckHead::default() });
            let reporter = first.then(|| process(pid, 0));
            let update =
                CheckUpdate { whole: first, reporter, head, items, removed, ..CheckUpdate::default() };
            Input::Reported { report: Box::new(checks(update)), first }
        },
    )
}

fn lvsd() -> impl Strategy<Value = Input> {
    let service = (0..3_u16, 0..2_u32, 0..3_u16).prop_map(|(port, weight, destinations)| {
        let destinations = (0..destinations)
            .map(|n| {
                let report = agent_api::DestinationReport {
                    real_server: None,
                    sorry: false,
                    weight,
                    configured: None,
                    kept: None,
                    active_connections: 0,
                    inactive_connections: 0,
                    traffic: Default::default(),
                };
                (format!("10.0.0.{n}:53").parse().unwrap(), report)
            })
            .collect();
        let report = ServiceReport {
            virtual_server: "p0".parse().unwrap(),
            scheduler: "wrr".into(),
            quorum: 1,
            quorum_lost: false,
            fail_open: false,
            traffic: Default::default(),
            destinations,
        };
        (format!("udp/192.0.2.1:{}", 53 + port).parse().unwrap(), report)
    });
    (any::<bool>(), 1..3_u32, vec(service, 0..3), vec(1..6_u64, 0..3), any::<bool>()).prop_map(
        |(first, pid, items, sequences, present)| {
            let kernel =
                if present { KernelTable::Present { version: "1.2.1".into() } } else { KernelTable::Unknown };
            let update = LvsUpdate {
                whole: first,
                reporter: first.then(|| process(pid, 0)),
                head: present.then(|| LvsHead { kernel, ..LvsHead::default() }),
                items: BTreeMap::from_iter(items),
                ..LvsUpdate::default()
            };
            let Input::Reported { report, .. } =
                told(&sequences, first.then(|| process(pid, 0)), EventKind::DriftMended)
            else {
                unreachable!()
            };
            Input::Reported { report: Box::new(Report { lvsd: Some(update), ..*report }), first }
        },
    )
}

fn other() -> impl Strategy<Value = Input> {
    let targets = || prop_oneof![Just("s0"), Just("p0/s0"), Just("p1/s1"), Just("s3")];
    prop_oneof![
        (targets(), proptest::option::of(1..400_u64)).prop_map(|(target, until)| drain(target, until)),
        targets().prop_map(undrain),
        Just(Input::ReporterLeft(Role::Checkd)),
        Just(Input::ReporterLeft(Role::Lvsd)),
        Just(Input::StorageFailed("no space".into())),
        Just(Input::StorageWorked),
        Just(Input::DeadlinePassed),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![3 => checkd(), 3 => lvsd(), 2 => other()]
}

/// Inputs with the seconds between them.
fn course() -> impl Strategy<Value = Vec<(Input, u64)>> {
    vec((input(), 0..20_u64), 1..60)
}

/// Refused or not, both are as they should be.
fn feed(ledger: &mut Ledger, input: Input, now: Now) {
    let before = ledger.state().clone();
    if ledger.handle(input, now).is_err() {
        assert_eq!(ledger.state(), &before, "what is refused changes nothing");
    }
    assert!(ledger.state().generation >= before.generation);
    if ledger.state().generation == before.generation {
        assert_eq!(ledger.state(), &before, "whatever changes has a generation of its own");
    }
    while ledger.poll_action().is_some() {}
}

proptest! {
    /// A watcher that applies what it is told always has the state, however seldom it looks.
    #[test]
    fn a_watcher_always_has_the_state(course in course(), looks in vec(0..6_usize, 1..4)) {
        let mut ledger = ledger();
        let mut now = 0;
        // Each watcher looks after so many inputs.
        let mut watchers: Vec<(usize, Option<u64>, State)> =
            looks.iter().map(|every| (*every, None, State::new(String::new(), at(0).wall))).collect();
        for (turn, (input, pause)) in course.into_iter().enumerate() {
            now += pause;
            feed(&mut ledger, input, at(now));
            for (every, has, copy) in &mut watchers {
                if turn % (*every + 1) != 0 {
                    continue;
                }
                if let Some(update) = ledger.update_since(*has, None) {
                    // As it goes over the socket.
                    let update: Update = serde_json::from_str(&serde_json::to_string(&update).unwrap()).unwrap();
                    copy.apply(update);
                }
                *has = Some(ledger.state().generation);
                copy.generation = ledger.state().generation;
                prop_assert_eq!(seen(copy), seen(ledger.state()));
            }
        }
    }

    /// Saying the same again changes nothing, and tells no event.
    #[test]
    fn replay_is_harmless(course in course()) {
        let mut ledger = ledger();
        let mut now = 0;
        for (input, pause) in course {
            now += pause;
            let is_report = matches!(input, Input::Reported { .. });
            feed(&mut ledger, input.clone(), at(now));
            let before = ledger.state().clone();
            if is_report {
                feed(&mut ledger, input, at(now));
                prop_assert_eq!(ledger.state(), &before);
            }
        }
    }

    /// Reports of different reporters don't depend on each other's order.
    #[test]
    fn reporters_are_independent(
        checks in vec(checkd(), 1..12), tables in vec(lvsd(), 1..12), mix in vec(any::<bool>(), 24)
    ) {
        let run = |inputs: Vec<Input>| {
            let mut ledger = ledger();
            inputs.into_iter().for_each(|input| feed(&mut ledger, input, at(1)));
            let mut told: Vec<String> = ledger.state().events.iter().map(|event| format!("{:?}", event.what)).collect();
            told.sort();
            (ledger.state().checkd.clone(), ledger.state().lvsd.clone(), ledger.state().sequences, told)
        };
        let one_after_the_other: Vec<Input> = checks.iter().chain(&tables).cloned().collect();
        let (mut left, mut right) = (checks.into_iter(), tables.into_iter());
        let mut mixed = Vec::new();
        for from_left in mix {
            mixed.extend(if from_left { left.next() } else { right.next() });
        }
        mixed.extend(left);
        mixed.extend(right);
        prop_assert_eq!(run(one_after_the_other), run(mixed));
    }

    /// A run that ends anywhere and is taken up again knows the same, tells nothing for it, and counts on.
    #[test]
    fn a_restart_tells_nothing(course in course()) {
        let mut ledger = ledger();
        let mut now = 0;
        for (input, pause) in course {
            now += pause;
            feed(&mut ledger, input, at(now));
        }
        let text = serde_json::to_string(ledger.state()).unwrap();
        let restored = Ledger::restore(serde_json::from_str(&text).unwrap(), BOOT.into(), at(now));
        prop_assert_eq!(&restored.state().events, &ledger.state().events);
        prop_assert_eq!(&restored.state().orders, &ledger.state().orders);
        let mut restored = restored;
        let facts = ledger.state().checkd.clone();
        if let Some(reporter) = facts.reporter {
            let update = CheckUpdate { whole: true, reporter: Some(reporter), items: facts.items, ..CheckUpdate::default() };
            let again = Input::Reported { report: Box::new(checks(update)), first: true };
            restored.handle(again, at(now)).unwrap();
            let told: Vec<_> = restored
                .state()
                .events
                .iter()
                .skip(ledger.state().events.len())
                .filter(|event| event.what.kind != EventKind::ReporterReturned)
                .collect();
            prop_assert_eq!(told, Vec::<&agent_api::Event>::new());
        }
    }
}
