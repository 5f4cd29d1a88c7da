use agent_api::wire::Part;

use super::*;
use crate::ledger::JOURNAL_MAX;

#[test]
fn a_watcher_is_told_once_what_it_lacks() {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[("a/b", up()), ("a/c", up())]), at(1)).unwrap();
    let first = ledger.update_since(None, None).unwrap();
    assert!(first.checkd.as_ref().unwrap().whole && first.orders.is_some() && first.storage.is_some());
    let has = first.generation;
    assert_eq!(ledger.update_since(Some(has), None), None);
    ledger.handle(changed(&[("a/b", down())]), at(2)).unwrap();
    ledger.handle(changed(&[("a/b", up())]), at(3)).unwrap();
    ledger.handle(changed(&[("a/b", down())]), at(4)).unwrap();
    let update = ledger.update_since(Some(has), None).unwrap();
    let checkd = update.checkd.unwrap();
    assert!(!checkd.whole && checkd.reporter.is_none() && checkd.head.is_none());
    assert_eq!(checkd.items.into_iter().collect::<Vec<_>>(), [(id("a/b"), down())]);
    assert_eq!(update.events.len(), 3, "every event, though the verdict is told once");
    assert!(update.lvsd.is_none() && update.orders.is_none());
}

#[test]
fn parts_limit_what_is_told() {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[("a/b", up())]), at(1)).unwrap();
    let first = ledger.update_since(None, Some(&[Part::Orders])).unwrap();
    assert!(first.orders.is_some() && first.checkd.is_none() && first.events.is_empty());
    ledger.handle(changed(&[("a/b", down())]), at(2)).unwrap();
    assert_eq!(ledger.update_since(Some(first.generation), Some(&[Part::Orders, Part::Lvsd])), None);
    assert!(ledger.update_since(Some(first.generation), Some(&[Part::Events])).unwrap().checkd.is_none());
    assert!(ledger.update_since(None, Some(&[])).is_some(), "the first one always comes");
}

#[test]
fn who_is_too_far_behind_gets_everything() {
    let mut ledger = ledger();
    let servers: Vec<String> = (0..100).map(|n| format!("a/s{n}")).collect();
    let items: Vec<(&str, RealServerHealth)> = servers.iter().map(|name| (name.as_str(), up())).collect();
    ledger.handle(whole(process(1, 0), &items), at(1)).unwrap();
    let has = ledger.state().generation;
    let rounds = JOURNAL_MAX / items.len() + 2;
    for round in 0..rounds {
        let latency_us = Some(round as u64);
        let items: Vec<_> = items
            .iter()
            .map(|(name, item)| (*name, RealServerHealth { latency_us, ..item.clone() }))
            .collect();
        let near = ledger.state().generation;
        ledger.handle(changed(&items), at(2)).unwrap();
        assert!(!ledger.update_since(Some(near), None).unwrap().checkd.unwrap().whole);
    }
    assert!(ledger.update_since(Some(has), None).unwrap().checkd.unwrap().whole);
}
