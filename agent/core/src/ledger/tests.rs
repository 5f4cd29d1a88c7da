//! Of the ledger: events, orders, silence, bounds; in `properties` what must hold whatever comes.

mod events;
mod orders;
mod parts;
mod properties;
mod restored;
mod routers;
mod silence;
mod watching;

use std::time::Duration;

use agent_api::section::CheckUpdate;
use agent_api::wire::{Report, ReportedEvent};
use agent_api::{
    CheckHead, Drain, DrainTarget, EventKind, LvsUpdate, NewEvent, RealServerHealth, RealServerId, Reporter,
    State, Verdict,
};
use checker_core::{Cause, Time};
use jiff::{SignedDuration, Timestamp};

use super::{Input, Ledger, Now, Order, Refusal};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";

/// `seconds` after an arbitrary start, on both clocks.
fn at(seconds: u64) -> Now {
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    Now {
        steady: Time::ZERO + Duration::from_secs(seconds),
        wall: start + SignedDuration::from_secs(i64::try_from(seconds).unwrap()),
    }
}

fn ledger() -> Ledger {
    Ledger::new(BOOT.to_owned(), at(0))
}

fn id(text: &str) -> RealServerId {
    text.parse().unwrap()
}

fn health(verdict: Verdict, cause: Option<Cause>) -> RealServerHealth {
    RealServerHealth {
        verdict,
        since: at(0).wall,
        address: "10.1.53.2:53".parse().unwrap(),
        cause: cause.map(Into::into),
        detail: String::new(),
        in_a_row: 1,
        passing: verdict.passes(),
        latency_us: None,
        basis: None,
        returned: None,
        weight: None,
        unconfirmed: 0,
        checks: Vec::new(),
        require: 0,
    }
}

fn up() -> RealServerHealth {
    health(Verdict::Up, None)
}

fn down() -> RealServerHealth {
    health(Verdict::Down, Some(Cause::DnsTimeout))
}

fn not_probed() -> RealServerHealth {
    health(Verdict::Unknown, Some(Cause::NotProbed))
}

/// A process of number `pid` that started `started` seconds after the start.
fn process(pid: u32, started: u64) -> Reporter {
    Reporter { version: "0.1.0".into(), pid, started_at: at(started).wall, config: "abc".into() }
}

fn checks(update: CheckUpdate) -> Report {
    Report { checkd: Some(update), ..Report::default() }
}

/// `checkd`'s first report on a connection.
fn whole(reporter: Reporter, items: &[(&str, RealServerHealth)]) -> Input {
    let update = CheckUpdate {
        whole: true,
        reporter: Some(reporter),
        head: Some(CheckHead::default()),
        items: items.iter().map(|(key, item)| (id(key), item.clone())).collect(),
        ..CheckUpdate::default()
    };
    Input::Reported { report: Box::new(checks(update)), first: true }
}

/// A later one.
fn changed(items: &[(&str, RealServerHealth)]) -> Input {
    let items = items.iter().map(|(key, item)| (id(key), item.clone())).collect();
    Input::Reported {
        report: Box::new(checks(CheckUpdate { items, ..CheckUpdate::default() })),
        first: false,
    }
}

fn told(sequences: &[u64], first: Option<Reporter>, kind: EventKind) -> Input {
    let events = sequences
        .iter()
        .map(|&sequence| ReportedEvent {
            sequence,
            what: NewEvent {
                at: at(sequence).wall,
                kind,
                virtual_server: None,
                real_server: None,
                cause: None,
                virtual_router: None,
                dependency: None,
                text: format!("number {sequence}"),
            },
        })
        .collect();
    let update = LvsUpdate { whole: first.is_some(), reporter: first.clone(), ..LvsUpdate::default() };
    let report = Report { lvsd: Some(update), events, ..Report::default() };
    Input::Reported { report: Box::new(report), first: first.is_some() }
}

fn target(text: &str) -> DrainTarget {
    match text.split_once('/') {
        Some((pool, server)) => {
            DrainTarget { virtual_server: Some(pool.parse().unwrap()), real_server: server.parse().unwrap() }
        }
        None => DrainTarget { virtual_server: None, real_server: text.parse().unwrap() },
    }
}

fn drain(text: &str, until: Option<u64>) -> Input {
    Input::Ordered(Order::Drain(Drain {
        target: target(text),
        who: "root (alice)".into(),
        why: "kernel update".into(),
        since: at(0).wall,
        until: until.map(|seconds| at(seconds).wall),
    }))
}

fn undrain(text: &str) -> Input {
    Input::Ordered(Order::Undrain { target: target(text), who: "root".into() })
}

trait Told {
    fn kinds(&self) -> Vec<EventKind>;
}

impl Told for Ledger {
    fn kinds(&self) -> Vec<EventKind> {
        self.state().events.iter().map(|event| event.what.kind).collect()
    }
}

/// The state but for what the agent keeps to itself and when it was written.
fn seen(state: &State) -> State {
    State { boot_id: String::new(), sequences: Default::default(), written_at: at(0).wall, ..state.clone() }
}

#[test]
fn a_report_has_one_section_and_the_first_is_whole() {
    let mut ledger = ledger();
    let none = Input::Reported { report: Box::default(), first: true };
    assert_eq!(ledger.handle(none, at(1)), Err(Refusal::NotOneSection));
    let both = Report {
        checkd: Some(CheckUpdate::default()),
        lvsd: Some(LvsUpdate::default()),
        ..Report::default()
    };
    let both = Input::Reported { report: Box::new(both), first: false };
    assert_eq!(ledger.handle(both, at(1)), Err(Refusal::NotOneSection));
    let Input::Reported { report, .. } = changed(&[("a/b", up())]) else { unreachable!() };
    assert_eq!(ledger.handle(Input::Reported { report, first: true }, at(1)), Err(Refusal::NotWhole));
    assert_eq!(ledger.state(), Ledger::new(BOOT.into(), at(0)).state(), "a refused report changes nothing");
    assert_eq!(ledger.poll_action(), None);
}

#[test]
fn an_older_process_does_not_take_over_while_the_newer_one_lives() {
    let mut ledger = ledger();
    ledger.handle(whole(process(20, 5), &[("a/b", up())]), at(6)).unwrap();
    let refused = ledger.handle(whole(process(10, 1), &[]), at(7)).unwrap_err();
    assert!(matches!(refused, Refusal::Newer { pid: 20, .. }), "{refused}");
    ledger.handle(whole(process(20, 5), &[("a/b", up())]), at(8)).unwrap();
    ledger.handle(whole(process(30, 9), &[("a/b", up())]), at(9)).unwrap();
    ledger.handle(Input::ReporterLeft(super::Role::Checkd), at(10)).unwrap();
    ledger.handle(whole(process(10, 1), &[("a/b", up())]), at(11)).unwrap();
    assert_eq!(ledger.state().checkd.reporter.as_ref().unwrap().pid, 10, "nobody newer was left");
}

#[test]
fn too_much_is_refused_and_too_long_is_cut() {
    let mut ledger = ledger();
    let mut long = down();
    long.detail = format!("é\n{}", "x".repeat(2_000));
    ledger.handle(whole(process(1, 0), &[("a/b", long)]), at(1)).unwrap();
    let kept = &ledger.state().checkd.items[&id("a/b")].detail;
    assert_eq!(kept.chars().count(), 500);
    assert!(kept.starts_with("é x") && kept.ends_with('…'));

    let items = (0..=super::ITEMS_MAX).map(|n| (id(&format!("a/s{n}")), up())).collect();
    let update = CheckUpdate { items, ..CheckUpdate::default() };
    let too_many = Input::Reported { report: Box::new(checks(update)), first: false };
    let refused = ledger.handle(too_many, at(2)).unwrap_err();
    assert!(matches!(refused, Refusal::TooMuch { .. }), "{refused}");
    assert_eq!(ledger.state().checkd.items.len(), 1);
}
