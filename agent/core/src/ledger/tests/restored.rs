use agent_api::state::{EVENTS_KEPT, Storage};

use super::*;

fn left_behind() -> State {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[("a/b", up()), ("a/c", down())]), at(1)).unwrap();
    ledger.handle(told(&[1, 2], Some(process(2, 0)), EventKind::DriftMended), at(2)).unwrap();
    ledger.handle(drain("dns1", Some(1_000)), at(3)).unwrap();
    ledger.handle(Input::StorageFailed("full".into()), at(3)).unwrap();
    ledger.state().clone()
}

#[test]
fn the_same_boot_goes_on_where_it_was() {
    let state = left_behind();
    let mut ledger = Ledger::restore(state.clone(), BOOT.into(), at(10));
    assert!(!ledger.state().checkd.connected && !ledger.state().lvsd.connected);
    assert_eq!(ledger.state().storage, Storage::default());
    assert_eq!(ledger.state().checkd.items, state.checkd.items);
    assert_eq!(ledger.state().generation, state.generation);
    ledger.handle(whole(process(9, 9), &[("a/b", up()), ("a/c", down())]), at(11)).unwrap();
    ledger.handle(told(&[1, 2, 3], Some(process(2, 0)), EventKind::DriftMended), at(12)).unwrap();
    assert_eq!(ledger.kinds().len(), state.events.len() + 1, "only the third of lvsd's events is new");
    assert_eq!(ledger.state().events.back().unwrap().number, state.events.back().unwrap().number + 1);
    ledger.handle(changed(&[("a/c", up())]), at(13)).unwrap();
    assert_eq!(ledger.kinds().last(), Some(&EventKind::RealServerWentUp));
}

#[test]
fn another_boot_keeps_orders_and_history_only() {
    let state = left_behind();
    let mut ledger = Ledger::restore(state.clone(), "another".into(), at(10));
    assert_eq!(ledger.state().boot_id, "another");
    assert_eq!(ledger.state().checkd, Default::default());
    assert_eq!(ledger.state().lvsd, Default::default());
    assert_eq!(ledger.state().orders, state.orders);
    assert_eq!(ledger.state().events, state.events);
    ledger.handle(whole(process(5, 0), &[("a/b", up()), ("a/c", up())]), at(11)).unwrap();
    assert_eq!(
        ledger.kinds().len(),
        state.events.len() + 1,
        "a/c was told to be down, so that it is up is news"
    );
    let before = ledger.kinds().len();
    ledger.handle(told(&[1], Some(process(2, 0)), EventKind::DriftMended), at(12)).unwrap();
    assert_eq!(ledger.kinds().len(), before + 1, "sequence numbers of another boot are worth nothing");
}

#[test]
fn a_drain_whose_time_passed_meanwhile_ends() {
    let mut ledger = Ledger::restore(left_behind(), BOOT.into(), at(2_000));
    assert_eq!(ledger.deadline(at(2_000)).unwrap().0, Duration::ZERO);
    ledger.handle(Input::DeadlinePassed, at(2_000)).unwrap();
    assert_eq!(ledger.state().orders.drains, []);
    assert_eq!(ledger.kinds().last(), Some(&EventKind::DrainEnded));
}

#[test]
fn reporters_have_time_to_come_back_and_old_silence_is_not_told_again() {
    let mut ledger = Ledger::restore(left_behind(), BOOT.into(), at(10));
    let mut ledger2 = ledger.clone();
    let before = ledger.kinds().len();
    ledger.handle(Input::DeadlinePassed, at(39)).unwrap();
    assert_eq!(ledger.kinds().len(), before);
    ledger.handle(Input::DeadlinePassed, at(40)).unwrap();
    assert_eq!(ledger.kinds().len(), before + 2, "both are silent");
    let mut again = Ledger::restore(ledger.state().clone(), BOOT.into(), at(50));
    again.handle(Input::DeadlinePassed, at(500)).unwrap();
    assert_eq!(again.kinds().len(), before + 2);
    again.handle(whole(process(9, 60), &[]), at(501)).unwrap();
    assert_eq!(again.kinds().last(), Some(&EventKind::ReporterReturned));
    ledger2.handle(whole(process(9, 20), &[]), at(20)).unwrap();
    assert_ne!(ledger2.kinds().last(), Some(&EventKind::ReporterReturned));
}

#[test]
fn nonsense_is_bounded() {
    let mut state = left_behind();
    let event = state.events[0].clone();
    let numbered = |number| agent_api::Event { number, ..event.clone() };
    state.events = (0..3_000).map(numbered).chain([numbered(7), numbered(u64::MAX)]).collect();
    state.generation = u64::MAX;
    state.schema = 0;
    let twice = state.orders.drains[0].clone();
    state.orders.drains = vec![twice.clone(), Drain { why: "x".repeat(9_000), ..twice }];
    let mut ledger = Ledger::restore(state, BOOT.into(), at(10));
    assert_eq!(ledger.state().events.len(), EVENTS_KEPT);
    assert!(ledger.state().events.iter().map(|event| event.number).is_sorted());
    assert_eq!(ledger.state().orders.drains.len(), 1);
    assert_eq!(ledger.state().orders.drains[0].why.chars().count(), 500);
    let before = ledger.state().generation;
    ledger.handle(changed(&[("a/b", down())]), at(11)).unwrap();
    assert!(ledger.state().generation > before);
    assert_eq!(ledger.state().events.back().unwrap().number, 3_000);
}
