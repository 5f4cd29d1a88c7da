//! The view by table: what was reported, what is shown, what is judged.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use agent_api::{
    CheckSection, DestinationReport, Drain, DrainTarget, Event, EventKind, KernelTable, LvsSection, NewEvent,
    RealServerHealth, Reporter, ServiceReport, Setting, State, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn before(seconds: i64) -> Timestamp {
    NOW - SignedDuration::from_secs(seconds)
}

fn reporter(pid: u32, config: &str) -> Reporter {
    Reporter { version: "0.1.0".into(), pid, started_at: before(3_600), config: config.into() }
}

fn health(verdict: Verdict, since: i64, address: &str) -> RealServerHealth {
    let down = verdict == Verdict::Down;
    RealServerHealth {
        verdict,
        since: before(since),
        address: address.parse().unwrap(),
        cause: down.then(|| "dns_timeout".parse().unwrap()),
        detail: if down { "no answer within 500 ms".into() } else { String::new() },
        in_a_row: 7,
        passing: !down,
        latency_us: (!down).then_some(1_200),
    }
}

fn destination(name: &str, weight: u32) -> DestinationReport {
    DestinationReport {
        real_server: name.parse().ok(),
        weight,
        active_connections: 1,
        inactive_connections: 2,
    }
}

/// `resolver` with dns1 to dns3 up, in the table of both services, both daemons connected.
fn healthy() -> State {
    let mut state = State::new("boot".into(), before(1));
    state.generation = 42;
    let mut checkd = CheckSection { connected: true, heard_at: Some(before(2)), ..CheckSection::default() };
    checkd.reporter = Some(reporter(101, "abc"));
    let mut lvsd = LvsSection { connected: true, heard_at: Some(before(1)), ..LvsSection::default() };
    lvsd.reporter = Some(reporter(102, "abc"));
    lvsd.head.kernel = KernelTable::Present { version: "1.2.1".into() };
    let mut destinations = BTreeMap::new();
    for n in 1..=3 {
        let address: SocketAddr = format!("10.0.0.{n}:53").parse().unwrap();
        checkd.items.insert(
            format!("resolver/dns{n}").parse().unwrap(),
            health(Verdict::Up, 100, &address.to_string()),
        );
        destinations.insert(address, destination(&format!("dns{n}"), 100));
    }
    for service in ["tcp/192.0.2.1:53", "udp/192.0.2.1:53"] {
        lvsd.items.insert(
            service.parse().unwrap(),
            ServiceReport {
                virtual_server: "resolver".parse().unwrap(),
                scheduler: "wrr".into(),
                fail_open: false,
                destinations: destinations.clone(),
            },
        );
    }
    state.checkd = checkd;
    state.lvsd = lvsd;
    state
}

fn set(state: &mut State, id: &str, verdict: Verdict, since: i64) {
    let item = state.checkd.items.get_mut(&id.parse().unwrap()).unwrap();
    *item = health(verdict, since, &item.address.to_string());
}

fn eject(state: &mut State, name: &str) {
    for report in state.lvsd.items.values_mut() {
        report.destinations.retain(|_, to| to.real_server.as_ref().unwrap().as_str() != name);
    }
}

fn weigh(state: &mut State, name: &str, weight: u32) {
    for report in state.lvsd.items.values_mut() {
        for to in report.destinations.values_mut() {
            if to.real_server.as_ref().is_some_and(|n| n.as_str() == name) {
                to.weight = weight;
            }
        }
    }
}

fn order(state: &mut State, target: &str, since: i64, until: Option<i64>) {
    let (virtual_server, real_server) = match target.split_once('/') {
        Some((pool, name)) => (Some(pool.parse().unwrap()), name),
        None => (None, target),
    };
    state.orders.drains.push(Drain {
        target: DrainTarget { virtual_server, real_server: real_server.parse().unwrap() },
        who: "root (alice)".into(),
        why: "kernel update".into(),
        since: before(since),
        until: until.map(|seconds| NOW + SignedDuration::from_secs(seconds)),
    });
}

fn event(state: &mut State, kind: EventKind, ago: i64, server: Option<&str>) {
    let number = state.events.len() as u64 + 1;
    state.events.push_back(Event {
        number,
        what: NewEvent {
            at: before(ago),
            kind,
            virtual_server: server.map(|_| "resolver".parse().unwrap()),
            real_server: server.map(|name| name.parse().unwrap()),
            cause: None,
            text: format!("number {number}"),
        },
    });
}

fn codes(view: &View) -> Vec<(Level, &'static str)> {
    view.reasons.iter().map(|reason| (reason.level, reason.code)).collect()
}

fn server<'a>(view: &'a View, name: &str) -> &'a RealServerView {
    view.virtual_servers.iter().flat_map(|pool| &pool.real_servers).find(|s| s.name.as_str() == name).unwrap()
}

#[test]
fn all_well() {
    let view = View::of(&healthy(), NOW);
    assert_eq!(codes(&view), []);
    assert_eq!(view.status, Level::Ok);
    let pool = &view.virtual_servers[0];
    assert_eq!((pool.total, pool.up, pool.serving, pool.status), (3, 3, 3, Level::Ok));
    assert_eq!(pool.services.len(), 2);
    let dns1 = server(&view, "dns1");
    assert_eq!((dns1.verdict, dns1.in_table, dns1.destinations.len()), (Verdict::Up, InTable::Yes, 2));
    assert_eq!(view.daemon("checkd").unwrap().status, DaemonStatus::Connected);
    assert_eq!(view.daemon("checkd").unwrap().config_agrees, Some(true));
}

/// One change to the healthy state, and exactly what is then said to be wrong.
#[test]
fn what_is_wrong_is_said_once() {
    use Level::{Critical, Unknown, Warning};
    type Change = fn(&mut State);
    type Case = (&'static str, Change, &'static [(Level, &'static str)]);
    let table: &[Case] = &[
        (
            "one down and ejected",
            |s| {
                set(s, "resolver/dns2", Verdict::Down, 9);
                eject(s, "dns2");
            },
            &[(Warning, "real_server_down")],
        ),
        (
            "one down, ejection still under way",
            |s| set(s, "resolver/dns2", Verdict::Down, 2),
            &[(Warning, "real_server_down")],
        ),
        (
            "one down, never ejected",
            |s| set(s, "resolver/dns2", Verdict::Down, 9),
            &[(Warning, "real_server_down"), (Warning, "still_in_table")],
        ),
        (
            "one degraded",
            |s| set(s, "resolver/dns2", Verdict::Degraded, 9),
            &[(Warning, "real_server_degraded")],
        ),
        (
            "one unknown",
            |s| set(s, "resolver/dns2", Verdict::Unknown, 9),
            &[(Warning, "real_server_unknown")],
        ),
        ("up but not in the table", |s| eject(s, "dns3"), &[(Warning, "not_in_table")]),
        (
            "up a moment ago, not in the table yet",
            |s| {
                set(s, "resolver/dns3", Verdict::Up, 3);
                eject(s, "dns3");
            },
            &[],
        ),
        (
            "all down",
            |s| {
                for name in ["dns1", "dns2", "dns3"] {
                    set(s, &format!("resolver/{name}"), Verdict::Down, 9);
                    eject(s, name);
                }
            },
            &[
                (Critical, "no_server_serving"),
                (Warning, "real_server_down"),
                (Warning, "real_server_down"),
                (Warning, "real_server_down"),
            ],
        ),
        (
            "fails open",
            |s| {
                set(s, "resolver/dns1", Verdict::Down, 9);
                s.lvsd.items.values_mut().for_each(|report| report.fail_open = true);
            },
            &[(Critical, "fail_open"), (Warning, "real_server_down")],
        ),
        (
            "drained and weightless",
            |s| {
                order(s, "dns1", 60, None);
                weigh(s, "dns1", 0);
            },
            &[],
        ),
        (
            "drained and down: it is being worked on",
            |s| {
                order(s, "dns1", 60, None);
                set(s, "resolver/dns1", Verdict::Down, 30);
                eject(s, "dns1");
            },
            &[],
        ),
        ("drain without effect", |s| order(s, "dns1", 60, None), &[(Warning, "drain_not_applied")]),
        ("drain of a moment ago", |s| order(s, "dns1", 1, None), &[]),
        ("drain that is over", |s| order(s, "dns1", 60, Some(0)), &[]),
        (
            "all drained",
            |s| {
                for name in ["dns1", "dns2", "dns3"] {
                    order(s, &format!("resolver/{name}"), 60, None);
                    weigh(s, name, 0);
                }
            },
            &[(Critical, "no_server_serving")],
        ),
        (
            "all unknown",
            |s| {
                for n in 1..=3 {
                    set(s, &format!("resolver/dns{n}"), Verdict::Unknown, 9);
                }
            },
            &[
                (Unknown, "serving_unknown"),
                (Warning, "real_server_unknown"),
                (Warning, "real_server_unknown"),
                (Warning, "real_server_unknown"),
            ],
        ),
        ("checkd restarts", |s| s.checkd.connected = false, &[(Warning, "daemon_disconnected")]),
        (
            "checkd is gone",
            |s| {
                s.checkd.connected = false;
                s.checkd.heard_at = Some(before(11));
            },
            &[(Unknown, "serving_unknown"), (Unknown, "daemon_silent")],
        ),
        ("checkd is late", |s| s.checkd.heard_at = Some(before(30)), &[]),
        (
            "checkd hangs",
            |s| s.checkd.heard_at = Some(before(31)),
            &[(Unknown, "serving_unknown"), (Unknown, "daemon_silent")],
        ),
        (
            "checkd never came",
            |s| s.checkd = CheckSection::default(),
            &[(Unknown, "serving_unknown"), (Unknown, "daemon_never_heard")],
        ),
        (
            "lvsd is gone",
            |s| {
                s.lvsd.connected = false;
                s.lvsd.heard_at = Some(before(60));
            },
            &[(Unknown, "daemon_silent")],
        ),
        ("lvsd never came", |s| s.lvsd = LvsSection::default(), &[(Unknown, "daemon_never_heard")]),
        (
            "lvsd has not looked yet",
            |s| s.lvsd.head.kernel = KernelTable::Unknown,
            &[(Unknown, "kernel_unknown")],
        ),
        (
            "the kernel has no IPVS",
            |s| {
                s.lvsd.items.clear();
                s.lvsd.head.kernel = KernelTable::Unusable {
                    cause: "ipvs_missing".parse().unwrap(),
                    detail: "no IPVS family".into(),
                    remedy: "modprobe ip_vs".into(),
                };
            },
            &[(Critical, "kernel_missing")],
        ),
        (
            "the kernel refuses",
            |s| {
                s.lvsd.head.kernel = KernelTable::Unusable {
                    cause: "ipvs_denied".parse().unwrap(),
                    detail: "EPERM".into(),
                    remedy: "give CAP_NET_ADMIN".into(),
                };
            },
            &[(Critical, "kernel_unusable")],
        ),
        (
            "a kernel setting",
            |s| {
                s.lvsd.head.settings.push(Setting {
                    name: "net.ipv4.vs.expire_nodest_conn".into(),
                    value: Some("0".into()),
                    wanted: "1".into(),
                    why: "UDP clients stay with a dead server".into(),
                });
            },
            &[(Warning, "kernel_setting")],
        ),
        (
            "the disk is full",
            |s| {
                s.storage.failing_since = Some(before(5));
                s.storage.detail = "no space left on device".into();
            },
            &[(Warning, "state_not_saved")],
        ),
        (
            "different configurations",
            |s| s.lvsd.reporter = Some(reporter(102, "def")),
            &[(Warning, "config_differs")],
        ),
        ("two changes by others", |s| (0..2).for_each(|n| event(s, EventKind::DriftMended, n, None)), &[]),
        (
            "three changes by others",
            |s| (0..3).for_each(|n| event(s, EventKind::DriftMended, 50 - n, None)),
            &[(Warning, "table_contested")],
        ),
        (
            "three changes long ago",
            |s| (0..3).for_each(|n| event(s, EventKind::DriftMended, 70 - n, None)),
            &[],
        ),
        (
            "nothing is configured",
            |s| {
                s.checkd.items.clear();
                s.lvsd.items.clear();
            },
            &[(Warning, "no_virtual_server")],
        ),
        (
            "not probed",
            |s| {
                s.checkd.items.remove(&"resolver/dns3".parse().unwrap());
            },
            &[(Warning, "real_server_unknown")],
        ),
    ];
    for (what, change, expected) in table {
        let mut state = healthy();
        change(&mut state);
        let view = View::of(&state, NOW);
        assert_eq!(codes(&view), *expected, "{what}: {:#?}", view.reasons);
        let worst = expected.iter().map(|(level, _)| *level).max().unwrap_or(Level::Ok);
        assert_eq!(view.status, worst, "{what}");
        assert!(view.reasons.iter().all(|reason| !reason.text.is_empty()), "{what}");
    }
}

#[test]
fn reasons_of_a_virtual_server_are_its_own() {
    let mut state = healthy();
    let mut other = health(Verdict::Down, 9, "10.0.1.1:53");
    other.detail = "SERVFAIL".into();
    state.checkd.items.insert("mail/mx1".parse().unwrap(), other);
    let view = View::of(&state, NOW);
    let statuses: Vec<_> =
        view.virtual_servers.iter().map(|pool| (pool.name.as_str(), pool.status)).collect();
    assert_eq!(statuses, [("mail", Level::Critical), ("resolver", Level::Ok)]);
    let texts: Vec<&str> = view.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(
        texts,
        ["mail: no real server serves: 1 down of 1", "mail/mx1 is down: dns_timeout: SERVFAIL"]
    );
}

#[test]
fn old_verdicts_are_unknown_with_what_they_were() {
    let mut state = healthy();
    set(&mut state, "resolver/dns2", Verdict::Down, 500);
    state.checkd.heard_at = Some(before(42));
    let view = View::of(&state, NOW);
    let dns2 = server(&view, "dns2");
    assert_eq!((dns2.verdict, dns2.cause.as_deref()), (Verdict::Unknown, Some("checkd_silent")));
    assert_eq!(dns2.since, Some(before(42)));
    assert_eq!(dns2.last_verdict(), Verdict::Down);
    let known = dns2.last_known.as_ref().unwrap();
    assert_eq!((known.verdict, known.since, known.heard_at), (Verdict::Down, before(500), Some(before(42))));
    assert_eq!(known.cause.as_deref(), Some("dns_timeout"));
    assert_eq!(dns2.latency_us, None);
    assert_eq!(view.virtual_servers[0].unknown, 3);
    assert_eq!(view.virtual_servers[0].up, 0);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    let mut state = healthy();
    state.checkd.heard_at = Some(NOW + SignedDuration::from_secs(3_600));
    assert_eq!(View::of(&state, NOW).status, Level::Ok);
    // And the ends of time are no trouble either.
    for at in [Timestamp::MIN, Timestamp::MAX] {
        state.checkd.heard_at = Some(at);
        let _ = View::of(&state, NOW);
        let _ = View::of(&state, Timestamp::MIN);
        let _ = View::of(&state, Timestamp::MAX);
    }
}

#[test]
fn an_unreported_table_is_unknown_and_not_empty() {
    for change in [
        (|s: &mut State| s.lvsd.heard_at = Some(before(31))) as fn(&mut State),
        |s| s.lvsd.head.kernel = KernelTable::Unknown,
        |s| s.lvsd = LvsSection::default(),
    ] {
        let mut state = healthy();
        change(&mut state);
        let view = View::of(&state, NOW);
        assert_eq!(view.kernel.status, KernelStatus::Unknown);
        assert_eq!(view.kernel.cause.as_deref(), Some("not_reported"));
        assert!(view.virtual_servers[0].real_servers.iter().all(|s| s.in_table == InTable::Unknown));
    }
    // What the table held when it was last reported stays to be seen.
    let mut state = healthy();
    state.lvsd.heard_at = Some(before(31));
    assert_eq!(server(&View::of(&state, NOW), "dns1").destinations.len(), 2);
}

#[test]
fn a_server_in_one_service_only_is_partly_in_the_table() {
    let mut state = healthy();
    let tcp = state.lvsd.items.values_mut().next().unwrap();
    tcp.destinations.retain(|_, to| to.real_server.as_ref().unwrap().as_str() != "dns1");
    assert_eq!(server(&View::of(&state, NOW), "dns1").in_table, InTable::Partly);
}

#[test]
fn strangers_in_the_table_are_shown() {
    let mut state = healthy();
    for report in state.lvsd.items.values_mut() {
        report.destinations.insert(
            "10.9.9.9:53".parse().unwrap(),
            DestinationReport { real_server: None, ..destination("x", 3) },
        );
    }
    let view = View::of(&state, NOW);
    let strangers = &view.virtual_servers[0].services[0].unconfigured;
    assert_eq!((strangers.len(), strangers[0].weight), (1, 3));
    assert_eq!(view.virtual_servers[0].total, 3);
}

#[test]
fn drains_show_whom_they_mean() {
    let mut state = healthy();
    state.checkd.items.insert("mail/dns1".parse().unwrap(), health(Verdict::Up, 9, "10.0.1.1:53"));
    order(&mut state, "dns1", 60, Some(600));
    order(&mut state, "resolver/dns1", 50, Some(60));
    order(&mut state, "gone", 60, None);
    order(&mut state, "dns2", 60, Some(-1));
    let view = View::of(&state, NOW);
    let drains: Vec<(String, Vec<String>)> = view
        .drains
        .iter()
        .map(|o| (o.drain.target.clone(), o.real_servers.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(
        drains,
        [
            ("dns1".to_owned(), vec!["mail/dns1".to_owned(), "resolver/dns1".to_owned()]),
            ("resolver/dns1".to_owned(), vec!["resolver/dns1".to_owned()]),
            ("gone".to_owned(), vec![]),
        ]
    );
    // The one that lasts longest is what keeps it drained.
    assert!(server(&view, "dns1").drain.as_ref().is_some_and(|drain| drain.target == "dns1"));
    assert!(server(&view, "dns2").drain.is_none());
}

#[test]
fn only_the_latest_events_are_shown() {
    let mut state = healthy();
    for n in 0..50 {
        event(&mut state, EventKind::RealServerWentUp, 100 - n, Some("dns1"));
    }
    let view = View::of(&state, NOW);
    let numbers: Vec<u64> = view.events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (31..=50).collect::<Vec<_>>());
}

#[test]
fn a_selection_is_judged_by_what_concerns_it() {
    let mut state = healthy();
    state.checkd.items.insert("mail/mx1".parse().unwrap(), health(Verdict::Down, 9, "10.0.1.1:53"));
    state.checkd.items.insert("mail/mx2".parse().unwrap(), health(Verdict::Up, 9, "10.0.1.2:53"));
    event(&mut state, EventKind::RealServerWentDown, 9, Some("dns2"));
    order(&mut state, "dns3", 1, None);
    let pick = |name: &str| View::of(&state, NOW).select(&name.parse().unwrap());
    let shown = |view: &View| -> Vec<String> {
        view.virtual_servers
            .iter()
            .flat_map(|pool| pool.real_servers.iter().map(|s| format!("{}/{}", pool.name, s.name)))
            .collect()
    };

    let all = View::of(&state, NOW);
    assert_eq!(all.status, Level::Warning);
    let resolver = pick("resolver").unwrap();
    assert_eq!((resolver.status, shown(&resolver).len()), (Level::Ok, 3));
    assert_eq!((resolver.events.len(), resolver.drains.len()), (1, 1));
    let mail = pick("mail").unwrap();
    assert_eq!((mail.status, mail.events.len(), mail.drains.len()), (Level::Warning, 0, 0));
    let mx2 = pick("mail/mx2").unwrap();
    assert_eq!((mx2.status, shown(&mx2)), (Level::Ok, vec!["mail/mx2".to_owned()]));
    assert_eq!(mx2.virtual_servers[0].total, 2);
    assert_eq!(shown(&pick("dns2").unwrap()), ["resolver/dns2"]);
    assert_eq!(pick("resolvr").unwrap_err().as_deref(), Some("resolver"));
    assert_eq!(pick("mail/webserver").unwrap_err().as_deref(), None);
    assert!("a/b/c".parse::<Selection>().is_err());
}

#[test]
fn a_selection_still_hears_what_concerns_everything() {
    let mut state = healthy();
    state.lvsd.head.kernel = KernelTable::Unusable {
        cause: "ipvs_missing".parse().unwrap(),
        detail: "d".into(),
        remedy: "r".into(),
    };
    let view = View::of(&state, NOW).select(&"dns1".parse().unwrap()).unwrap();
    assert_eq!(codes(&view), [(Level::Critical, "kernel_missing")]);
    assert_eq!(view.virtual_servers[0].status, Level::Critical);
}

#[test]
fn what_does_not_come_from_the_agent_is_unknown_at_best() {
    let view = View::of(&healthy(), NOW).from_source(Source::Agent);
    assert_eq!(view.status, Level::Ok);
    for source in [Source::LastHeard, Source::StateFile, Source::Nowhere] {
        let view = View::of(&healthy(), NOW).from_source(source);
        assert_eq!((view.status, codes(&view)), (Level::Unknown, vec![(Level::Unknown, "agent_silent")]));
    }
    let mut old = healthy();
    old.checkd.heard_at = Some(before(500));
    let view = View::of(&old, NOW).from_source(Source::StateFile);
    assert_eq!(codes(&view), [(Level::Unknown, "agent_silent"), (Level::Unknown, "serving_unknown")]);
    let view = View::of(&State::new(String::new(), NOW), NOW).from_source(Source::Nowhere);
    assert_eq!(codes(&view), [(Level::Unknown, "agent_silent")]);
}

#[test]
fn lengths_have_two_units() {
    for (seconds, said) in [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (125, "2m 5s"),
        (3_600, "1h"),
        (7_259, "2h"),
        (7_260, "2h 1m"),
        (86_400, "1d"),
        (273_600, "3d 4h"),
    ] {
        assert_eq!(length(SignedDuration::from_secs(seconds)), said);
    }
}

/// The JSON form is a promise: a change here is a change of the schema, and of the operating guide.
#[test]
fn json_form() {
    let mut state = healthy();
    state.checkd.items.retain(|id, _| id.real_server.as_str() == "dns1");
    state.lvsd.items.retain(|service, _| service.protocol == agent_api::Protocol::Udp);
    for report in state.lvsd.items.values_mut() {
        report.destinations.retain(|_, to| to.real_server.as_ref().unwrap().as_str() == "dns1");
    }
    order(&mut state, "resolver/dns1", 1, Some(3_600));
    state.checkd.heard_at = Some(before(40));
    event(&mut state, EventKind::DrainOrdered, 1, Some("dns1"));
    let json = serde_json::to_value(View::of(&state, NOW)).unwrap();
    let expected: serde_json::Value = serde_json::from_str(include_str!("tests/view.json")).unwrap();
    assert_eq!(json, expected, "{}", serde_json::to_string_pretty(&json).unwrap());
}
