//! As many servers as are promised: 51,000 in one section, reported, watched, written and read back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use agent_api::{CheckHead, RealServerHealth, RealServerId, Verdict};
use agent_link::{Checkd, Reporter, Watcher};
use support::{LONG, Place, health, identity, until};

const SERVERS: u64 = 51_000;

fn id(n: u64) -> RealServerId {
    format!("pool-{}/server-{n}", n / 500).parse().unwrap()
}

fn server(latency_us: u64) -> RealServerHealth {
    RealServerHealth { latency_us: Some(latency_us), ..health(Verdict::Up) }
}

#[test]
fn all_that_is_promised_fits() {
    let place = Place::new();
    let agent = place.start();
    let items: BTreeMap<RealServerId, RealServerHealth> = (0..SERVERS).map(|n| (id(n), server(0))).collect();
    let process = identity(1, "2026-11-21T00:00:00Z");
    let reporter = Reporter::<Checkd>::start(&place.socket, process, CheckHead::default(), items).unwrap();
    assert!(reporter.flush(LONG));
    let watcher = Watcher::start(&place.socket, None, || {}).unwrap();
    let changed = 10_000;
    reporter.set_items((0..changed).map(|n| (id(n), server(1))));
    let last = id(changed - 1);
    until("the change at the watcher", || {
        watcher.read(|view| (view.state?.checkd.items.get(&last)?.latency_us == Some(1)).then_some(()))
    });
    place.drain("dns1").unwrap();
    assert!(fs::metadata(&place.state).unwrap().len() > 5_000_000);
    let verdicts = place.state_now().checkd.items;
    assert_eq!(verdicts.len(), 51_000);
    agent.kill();
    let _agent = place.start();
    assert_eq!(place.state_now().checkd.items, verdicts, "the order's write took everything with it");
}
