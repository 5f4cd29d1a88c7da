use agent_api::{Event, EventKind as K, NewEvent, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Lane, Mark, Subject, Timeline};

const NOW: i64 = 1_800_000_000;

fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_second(NOW - 60 * minutes).unwrap()
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// Two real servers, both up for days, heard now.
fn state() -> State {
    let mut state = State::new("boot".into(), ago(0));
    for name in ["resolver/dns1", "resolver/dns2"] {
        let health = json!({ "verdict": "up", "since": ago(9_000), "address": "10.0.0.1:53" });
        state.checkd.items.insert(name.parse().unwrap(), serde_json::from_value(health).unwrap());
    }
    (state.checkd.connected, state.checkd.heard_at) = (true, Some(ago(0)));
    state
}

fn happen(state: &mut State, minutes: i64, kind: K, server: Option<&str>, text: &str) {
    let number = state.events.back().map_or(1, |event| event.number + 1);
    let pool = matches!(kind, K::SorryServerTookOver | K::SorryServerLeft) || server.is_some();
    let what = NewEvent {
        at: ago(minutes),
        kind,
        virtual_server: pool.then(|| "resolver".parse().unwrap()),
        real_server: server.map(|name| name.parse().unwrap()),
        virtual_router: None,
        dependency: None,
        cause: None,
        text: text.into(),
    };
    state.events.push_back(Event { number, what });
}

/// The marks of a lane with their minutes.
fn lane(timeline: &Timeline, name: &str) -> Vec<(Mark, i64)> {
    let lane = timeline.lanes.iter().find(|lane| lane.name == name).unwrap();
    let mut at = timeline.from;
    for span in &lane.spans {
        assert_eq!(span.from, at, "no gaps");
        at = span.to;
    }
    assert_eq!(at, timeline.to);
    lane.spans.iter().map(|span| (span.what, span.length().as_secs() / 60)).collect()
}

#[test]
fn what_has_not_changed_for_longer_is_known_without_any_event() {
    let timeline = Timeline::of(&state(), ago(100), ago(0));
    assert_eq!(lane(&timeline, "resolver"), [(Mark::Up, 100)]);
    assert_eq!(lane(&timeline, "resolver/dns1"), [(Mark::Up, 100)]);
    assert_eq!(timeline.lanes[0].subject, Subject::VirtualServer);
    assert!(!timeline.lanes.iter().any(Lane::is_eventful));
    // Who was judged first within the window has no past.
    let mut young = state();
    young.checkd.items.values_mut().next().unwrap().since = ago(30);
    let timeline = Timeline::of(&young, ago(100), ago(0));
    assert_eq!(lane(&timeline, "resolver/dns1"), [(Mark::Unrecorded, 70), (Mark::Up, 30)]);
}

#[test]
fn falls_and_returns_and_what_clients_lost() {
    let mut state = state();
    happen(&mut state, 90, K::Other, None, "the record begins");
    happen(&mut state, 60, K::RealServerWentDown, Some("dns1"), "");
    happen(&mut state, 50, K::RealServerWentDown, Some("dns2"), "");
    happen(&mut state, 48, K::SorryServerTookOver, None, "");
    happen(&mut state, 45, K::SorryServerLeft, None, "");
    happen(&mut state, 45, K::RealServerWentUp, Some("dns2"), "");
    happen(&mut state, 20, K::RealServerWentUp, Some("dns1"), "");
    let timeline = Timeline::of(&state, ago(100), ago(0));
    let dns1 = [(Mark::Unrecorded, 10), (Mark::Quiet, 30), (Mark::Down, 40), (Mark::Up, 20)];
    assert_eq!(lane(&timeline, "resolver/dns1"), dns1);
    let pool = [
        (Mark::Unknown, 10),
        (Mark::Up, 30),
        (Mark::Degraded, 10),
        (Mark::Down, 5),
        (Mark::Degraded, 25),
        (Mark::Up, 20),
    ];
    assert_eq!(lane(&timeline, "resolver"), pool);
    let loss = &timeline.losses[0];
    assert_eq!((loss.nobody, loss.sorry, loss.not_known), (minutes(5), minutes(3), minutes(10)));
    assert_eq!((timeline.recorded_from, timeline.older_dropped, loss.rate_now), (ago(90), false, None));
    // The same with older events gone: who went up first has no past.
    state.events.drain(..6);
    let timeline = Timeline::of(&state, ago(100), ago(0));
    assert!(timeline.older_dropped);
    assert_eq!(lane(&timeline, "resolver/dns1"), [(Mark::Unrecorded, 80), (Mark::Up, 20)]);
}

#[test]
fn silence_is_not_knowing() {
    let mut state = state();
    happen(&mut state, 50, K::ReporterFellSilent, None, "checkd was not heard for 30 s");
    happen(&mut state, 40, K::ReporterReturned, None, "checkd reports again");
    let timeline = Timeline::of(&state, ago(100), ago(0));
    assert_eq!(lane(&timeline, "resolver/dns1"), [(Mark::Up, 49), (Mark::Unknown, 10), (Mark::Up, 40)]);
    assert_eq!(timeline.losses[0].not_known, minutes(10) + SignedDuration::from_secs(30));
    // Until now.
    state.checkd.heard_at = Some(ago(5));
    let timeline = Timeline::of(&state, ago(20), ago(0));
    assert_eq!(lane(&timeline, "resolver/dns2"), [(Mark::Up, 15), (Mark::Unknown, 5)]);
}

#[test]
fn drains_take_out_of_service_and_not_out_of_health() {
    let mut state = state();
    happen(&mut state, 50, K::DrainOrdered, Some("dns1"), "");
    happen(&mut state, 40, K::DrainEnded, Some("dns1"), "");
    let timeline = Timeline::of(&state, ago(100), ago(0));
    assert_eq!(lane(&timeline, "resolver/dns1"), [(Mark::Up, 100)]);
    let dns1 = timeline.lanes.iter().find(|lane| lane.name == "resolver/dns1").unwrap();
    assert_eq!(dns1.drained.iter().map(super::Span::length).collect::<Vec<_>>(), [minutes(10)]);
    assert_eq!(lane(&timeline, "resolver"), [(Mark::Up, 50), (Mark::Degraded, 10), (Mark::Up, 40)]);
}

#[test]
fn a_router_is_where_it_was() {
    let mut state = state();
    happen(&mut state, 70, K::RouterBecameActive, None, "");
    happen(&mut state, 30, K::RouterBecameBackup, None, "");
    for event in &mut state.events {
        event.what.virtual_router = Some("vip".parse().unwrap());
    }
    let report = json!({
        "kind": "vrrp", "state": "backup", "since": ago(30), "why": "other_is_better", "detail": "",
        "interface": "eth0", "addresses": ["192.0.2.53"],
    });
    state.vipd.items.insert("vip".parse().unwrap(), serde_json::from_value(report).unwrap());
    (state.vipd.connected, state.vipd.heard_at) = (true, Some(ago(0)));
    let timeline = Timeline::of(&state, ago(100), ago(0));
    assert_eq!(lane(&timeline, "vip"), [(Mark::Unrecorded, 30), (Mark::Active, 40), (Mark::Backup, 30)]);
    assert_eq!(timeline.lanes[0].subject, Subject::VirtualRouter);
}

#[test]
fn any_order_of_events_gives_spans_without_gaps() {
    let kinds = [
        K::RealServerWentUp,
        K::RealServerWentDown,
        K::RealServerDegraded,
        K::RealServerBecameUnknown,
        K::DrainOrdered,
        K::DrainEnded,
        K::ReporterFellSilent,
        K::ReporterReturned,
    ];
    let mut seed = 7_u64;
    for _ in 0..300 {
        let mut state = state();
        for _ in 0..20 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let kind = kinds[(seed >> 33) as usize % kinds.len()];
            let server = (!matches!(kind, K::ReporterFellSilent | K::ReporterReturned)).then_some("dns1");
            happen(&mut state, (seed >> 40) as i64 % 140 - 20, kind, server, "checkd did something");
        }
        let timeline = Timeline::of(&state, ago(100), ago(0));
        for one in &timeline.lanes {
            lane(&timeline, &one.name);
        }
    }
}
