use std::cell::Cell;

use agent_api::{Channel, RealServerHealth, ServiceReport, Verdict};
use agent_core::ledger::{Input, Now};
use checker_core::Time;
use serde_json::{Value, from_slice, to_value};

use super::*;

const SERVERS: usize = 3 * PIECE;

fn now() -> Now {
    Now { steady: Time::ZERO, wall: "2026-11-21T00:30:11.5Z".parse().unwrap() }
}

/// Every kind of thing that a state has, one section longer than a piece and as long as some whole ones.
fn ledger() -> RefCell<Ledger> {
    let mut state = State::new("boot".into(), now().wall);
    let health = RealServerHealth::new(Verdict::Up, now().wall, ([10, 0, 0, 1], 53).into());
    let reporter = agent_api::Reporter {
        version: "1".into(),
        pid: 7,
        started_at: now().wall,
        config: "an \"odd\" one".into(),
    };
    let servers = (0..SERVERS).map(|n| (format!("a/s{n}").parse().unwrap(), health.clone()));
    state.checkd.items = servers.collect();
    state.checkd.reporter = Some(reporter);
    state.checkd.heard_at = Some(now().wall);
    let service = ServiceReport {
        virtual_server: "a".parse().unwrap(),
        scheduler: "wrr".into(),
        quorum: 1,
        fail_open: false,
        quorum_lost: false,
        traffic: Default::default(),
        destinations: [(([10, 0, 0, 1], 53).into(), Default::default())].into(),
    };
    state.lvsd.items = [("udp/10.9.9.9:53".parse().unwrap(), service)].into();
    state.alertd.items = [(Channel::Mail("a@b.test".into()), Default::default())].into();
    let mut ledger = Ledger::restore(state, "boot".into(), now());
    ledger.handle(Input::StorageFailed("no room".into()), now()).unwrap();
    RefCell::new(ledger)
}

fn runs<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn is_state_of(bytes: &[u8], ledger: &RefCell<Ledger>) {
    let found: Value = from_slice(bytes).unwrap();
    assert_eq!(found, to_value(ledger.borrow().state()).unwrap());
    assert_eq!(&from_slice::<State>(bytes).unwrap(), ledger.borrow().state());
}

#[test]
fn the_text_is_that_of_the_whole_state() {
    let ledger = ledger();
    let at = "2026-11-21T01:00:00Z".parse().unwrap();
    let bytes = runs(document(&ledger, at)).unwrap();
    is_state_of(&bytes, &ledger);
    assert_eq!(from_slice::<State>(&bytes).unwrap().written_at, at);
    let empty = RefCell::new(Ledger::new("boot".into(), now()));
    is_state_of(&runs(document(&empty, at)).unwrap(), &empty);
}

/// How often somebody else is served while the text is made, with so many changes by them.
fn served(changes: usize) -> usize {
    let ledger = ledger();
    let ready = Cell::new(false);
    let other = async {
        let mut turns = 0;
        while !ready.get() {
            if turns < changes {
                let mut ledger = ledger.borrow_mut();
                ledger.handle(Input::StorageFailed(format!("trouble {turns}")), now()).unwrap();
            }
            turns += 1;
            tokio::task::yield_now().await;
        }
        turns
    };
    let making = async {
        let bytes = document(&ledger, now().wall).await.unwrap();
        ready.set(true);
        bytes
    };
    let (bytes, turns) = runs(async { tokio::join!(making, other) });
    is_state_of(&bytes, &ledger);
    turns
}

#[test]
fn others_are_served_meanwhile_and_what_they_change_is_in_it() {
    assert!(served(0) > SERVERS / PIECE, "nobody is served");
    assert!(served(2) > SERVERS / PIECE);
    // There is no rest: it is finished all the same.
    assert!(served(1_000) <= 4 * TRIES);
}
