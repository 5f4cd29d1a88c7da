//! The view by table: what was reported, what is shown, what is judged.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use agent_api::{
    CheckSection, DestinationReport, Drain, DrainTarget, Event, EventKind, KernelTable, LvsSection, NewEvent,
    RealServerHealth, Reporter, ServiceReport, Setting, State, Traffic, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use super::*;

mod alerts;
mod shape;

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
        basis: None,
        returned: None,
        weight: None,
        unconfirmed: 0,
        checks: Vec::new(),
        require: 0,
    }
}

fn destination(name: &str, weight: u32) -> DestinationReport {
    DestinationReport {
        real_server: name.parse().ok(),
        sorry: false,
        weight,
        configured: None,
        kept: None,
        active_connections: 1,
        inactive_connections: 2,
        traffic: Traffic { connections: 7, packets_in_per_sec: 500, ..Traffic::default() },
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
                quorum: 2,
                fail_open: false,
                quorum_lost: false,
                traffic: Traffic::default(),
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
            virtual_router: None,
            dependency: None,
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
            "one serves where two should",
            |s| {
                set(s, "resolver/dns1", Verdict::Down, 9);
                set(s, "resolver/dns2", Verdict::Down, 9);
                eject(s, "dns1");
                eject(s, "dns2");
            },
            &[(Critical, "below_quorum"), (Warning, "real_server_down"), (Warning, "real_server_down")],
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
            "this director is blind",
            |s| s.checkd.head.blind_since = Some(before(60)),
            &[(Unknown, "director_blind")],
        ),
        ("probes wait", |s| s.checkd.head.waiting = 7, &[(Warning, "probes_wait")]),
        (
            "a parent is down",
            |s| {
                let down = health(Verdict::Down, 9, "10.0.1.1:53");
                s.checkd.head.dependencies.insert("gateway".parse().unwrap(), down);
            },
            &[(Warning, "dependency_down")],
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
            "a router takes no part",
            |s| router(s, |report| report.state = agent_api::RouterState::Initialize),
            &[(Warning, "router_fault")],
        ),
        ("a router is backup", |s| router(s, |_| {}), &[]),
        (
            "an active router lacks addresses",
            |s| router(s, |report| report.state = agent_api::RouterState::Active),
            &[(Critical, "router_lacks_addresses")],
        ),
        (
            "a router is set differently",
            |s| {
                router(s, |report| {
                    report.discrepancies.push(agent_api::RouterDiscrepancy {
                        what: "interval".parse().unwrap(),
                        source: "192.0.2.2".parse().unwrap(),
                        detail: "its interval is 2 s, ours 1 s".into(),
                        since: before(9),
                    });
                });
            },
            &[(Warning, "router_discrepancy")],
        ),
        (
            "vipd is gone",
            |s| {
                router(s, |report| report.state = agent_api::RouterState::Initialize);
                s.vipd.heard_at = Some(before(60));
                s.vipd.connected = false;
            },
            &[(Unknown, "daemon_silent")],
        ),
        (
            "not probed",
            |s| {
                s.checkd.items.remove(&"resolver/dns3".parse().unwrap());
            },
            &[(Warning, "real_server_unknown")],
        ),
    ];
    let mut met: Vec<&str> =
        table.iter().flat_map(|(.., expected)| expected.iter().map(|(_, code)| *code)).collect();
    met.push("agent_silent"); // Not in the state: see `shape`.
    met.extend(alerts::CODES);
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, REASON_CODES, "the table has every code");
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

/// A virtual router that is Backup for a minute, changed.
fn router(state: &mut State, change: impl FnOnce(&mut agent_api::RouterReport)) {
    let mut report = serde_json::from_value(serde_json::json!({
        "kind": "vrrp", "state": "backup", "since": before(60), "why": "other_is_not_worse", "detail": "d",
        "interface": "eth0", "addresses": ["192.0.2.53"],
    }))
    .unwrap();
    change(&mut report);
    state.vipd.items.insert("vip".parse().unwrap(), report);
    state.vipd.heard_at = Some(before(1));
    state.vipd.connected = true;
    state.vipd.reporter = state.lvsd.reporter.clone();
}
