//! Virtual routers: `vipd`'s section, its events, and the orders to it.

use agent_api::router::{RouterUpdate, SEEN_MAX, TRANSITIONS_MAX};
use agent_api::wire::Part;
use agent_api::{Handover, HandoverKind, RouterKind, RouterReport, RouterState, RouterTransition};

use super::*;
use crate::ledger::{Reason, Role};

fn router(state: RouterState) -> RouterReport {
    RouterReport {
        kind: RouterKind::Vrrp,
        state,
        since: at(1).wall,
        why: "active".parse().unwrap(),
        detail: "this router is active".into(),
        interface: "eth0".into(),
        vrid: Some(51),
        addresses: vec!["192.0.2.53".parse().unwrap()],
        held: Vec::new(),
        base_priority: Some(150),
        priority: Some(150),
        parts: Vec::new(),
        interval_ms: Some(1_000),
        active: None,
        sync_group: None,
        order: None,
        transitions: Vec::new(),
        changes: 0,
        senders: Vec::new(),
        discrepancies: Vec::new(),
        rejected: std::collections::BTreeMap::new(),
    }
}

fn report(first: Option<Reporter>, routers: &[(&str, RouterReport)], events: &[EventKind]) -> Input {
    let items = routers.iter().map(|(name, report)| (name.parse().unwrap(), report.clone()));
    let update = RouterUpdate {
        whole: first.is_some(),
        reporter: first.clone(),
        items: items.collect(),
        ..RouterUpdate::default()
    };
    let events = events.iter().zip(1..).map(|(kind, sequence)| ReportedEvent {
        sequence,
        what: NewEvent {
            at: at(sequence).wall,
            kind: *kind,
            virtual_server: None,
            real_server: None,
            virtual_router: Some("vip".parse().unwrap()),
            dependency: None,
            cause: None,
            text: format!("{kind:?}"),
        },
    });
    let report = Report { vipd: Some(update), events: events.collect(), ..Report::default() };
    Input::Reported { report: Box::new(report), first: first.is_some() }
}

fn handover(router: &str, what: HandoverKind, until: Option<u64>) -> Input {
    Input::Ordered(Order::Handover(Handover {
        virtual_router: router.parse().unwrap(),
        what,
        who: "root (alice)".into(),
        why: "kernel update".into(),
        since: at(1).wall,
        until: until.map(|second| at(second).wall),
    }))
}

fn orders(ledger: &Ledger) -> Vec<String> {
    let orders = &ledger.state().orders.handovers;
    orders.iter().map(|order| format!("{} {}", order.what, order.virtual_router)).collect()
}

#[test]
fn a_router_is_kept_and_told_to_whoever_watches_it() {
    let mut ledger = ledger();
    let since = ledger.state().generation;
    ledger.handle(report(Some(process(1, 0)), &[("vip", router(RouterState::Backup))], &[]), at(1)).unwrap();
    let update = ledger.update_since(Some(since), Some(&[Part::Vipd])).unwrap();
    assert_eq!(update.vipd.unwrap().items.len(), 1);
    assert_eq!(ledger.update_since(Some(since), Some(&[Part::Checkd])), None);
    let since = ledger.state().generation;
    ledger.handle(report(None, &[("vip", router(RouterState::Active))], &[]), at(2)).unwrap();
    let update = ledger.update_since(Some(since), None).unwrap();
    let state = update.vipd.unwrap().items.into_values().next().unwrap().state;
    assert_eq!(state, RouterState::Active);
    assert_eq!(Role::of(&Report::default()), Err(Refusal::NotOneSection));
}

#[test]
fn its_events_are_taken_once_and_only_its_own() {
    let mut ledger = ledger();
    let kinds = [EventKind::RouterBecameActive, EventKind::HandoverOrdered, EventKind::SplitBrainSeen];
    ledger.handle(report(Some(process(1, 0)), &[], &kinds), at(5)).unwrap();
    ledger.handle(report(None, &[], &kinds), at(6)).unwrap();
    assert_eq!(ledger.kinds(), [EventKind::RouterBecameActive, EventKind::SplitBrainSeen]);
    assert_eq!(ledger.state().sequences.vipd, 3);
    assert_eq!(ledger.state().events[0].what.virtual_router.as_ref().unwrap().as_str(), "vip");
}

#[test]
fn its_silence_is_told_and_its_return() {
    let mut ledger = ledger();
    ledger.handle(report(Some(process(1, 0)), &[("vip", router(RouterState::Active))], &[]), at(1)).unwrap();
    assert_eq!(
        ledger.deadline(at(1)),
        Some((Duration::from_secs(30), Reason::ReporterFallsSilent(Role::Vipd)))
    );
    ledger.handle(Input::DeadlinePassed, at(32)).unwrap();
    ledger.handle(report(None, &[], &[]), at(40)).unwrap();
    assert_eq!(ledger.kinds(), [EventKind::ReporterFellSilent, EventKind::ReporterReturned]);
    assert_eq!(ledger.state().vipd.items.len(), 1, "what it said stays");
}

#[test]
fn an_order_is_one_for_each_router_and_ends_by_itself_or_by_hand() {
    let mut ledger = ledger();
    ledger.handle(handover("vip", HandoverKind::Yield, Some(50)), at(1)).unwrap();
    ledger.handle(handover("other", HandoverKind::Yield, None), at(1)).unwrap();
    ledger.handle(handover("vip", HandoverKind::Takeover, Some(100)), at(2)).unwrap();
    assert_eq!(orders(&ledger), ["takeover vip", "yield other"]);
    assert_eq!(ledger.deadline(at(10)), Some((Duration::from_secs(90), Reason::OrderEnds)));
    ledger.handle(Input::DeadlinePassed, at(99)).unwrap();
    assert_eq!(orders(&ledger).len(), 2);
    ledger.handle(Input::DeadlinePassed, at(100)).unwrap();
    assert_eq!(orders(&ledger), ["yield other"]);
    let name: agent_api::Name = "other".parse().unwrap();
    assert!(ledger.state().orders.handover_of(&name, at(1_000).wall).is_some());
    let end = Order::EndHandover { virtual_router: name, who: "root".into() };
    ledger.handle(Input::Ordered(end), at(101)).unwrap();
    assert_eq!(orders(&ledger), [""; 0]);
    use EventKind::{HandoverEnded, HandoverOrdered};
    assert_eq!(
        ledger.kinds(),
        [HandoverOrdered, HandoverOrdered, HandoverOrdered, HandoverEnded, HandoverEnded]
    );
    let texts: Vec<&str> = ledger.state().events.iter().map(|event| event.what.text.as_str()).collect();
    assert_eq!(texts[1], "other shall be active elsewhere, says root (alice): kernel update");
    assert_eq!(texts[3], "vip goes by its priority again: the time that root (alice) gave is over");
    assert_eq!(texts[4], "other goes by its priority again: root ended the yield");
}

#[test]
fn orders_outlive_a_reboot_and_what_was_seen_does_not() {
    let mut ledger = ledger();
    ledger.handle(handover("vip", HandoverKind::Yield, None), at(1)).unwrap();
    ledger.handle(report(Some(process(1, 0)), &[("vip", router(RouterState::Active))], &[]), at(1)).unwrap();
    let same = Ledger::restore(ledger.state().clone(), ledger.state().boot_id.clone(), at(2));
    assert_eq!((orders(&same).len(), same.state().vipd.items.len()), (1, 1));
    assert!(!same.state().vipd.connected);
    let other = Ledger::restore(ledger.state().clone(), "another".into(), at(2));
    assert_eq!((orders(&other).len(), other.state().vipd.items.len()), (1, 0));
}

#[test]
fn a_router_that_says_too_much_is_cut() {
    let mut ledger = ledger();
    let mut long = router(RouterState::Active);
    long.detail = "x".repeat(10_000);
    long.transitions = (0..100)
        .map(|second| RouterTransition {
            at: at(second).wall,
            from: RouterState::Backup,
            to: RouterState::Active,
            reason: "preempted".parse().unwrap(),
            detail: "y".repeat(1_000),
        })
        .collect();
    long.rejected = (0..200).map(|n| (format!("cause_{n}").parse().unwrap(), n)).collect();
    ledger.handle(report(Some(process(1, 0)), &[("vip", long)], &[]), at(1)).unwrap();
    let kept = ledger.state().vipd.items.values().next().unwrap();
    assert_eq!((kept.detail.chars().count(), kept.transitions.len()), (500, TRANSITIONS_MAX));
    assert_eq!(kept.transitions.last().unwrap().at, at(99).wall, "the latest are kept");
    assert_eq!(kept.rejected.len(), SEEN_MAX);
}
