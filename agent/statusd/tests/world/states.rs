//! States to show: a good day, a bad day, a large cluster, hostile texts.
//!
//! Owns what is in them. Nothing here talks to anybody.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use agent_api::{
    AlertHead, AlertSection, ChannelReport, DestinationReport, Drain, DrainTarget, Event, EventKind,
    KernelTable, NewEvent, Reporter, Severity, Silence, SilenceTarget, State, TestReport, Verdict,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::agent::beat;

/// So many seconds ago.
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

/// A value as a daemon would send it: what it does not say is what an older daemon does not say.
fn from<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Both daemons connected, no virtual server.
pub fn empty() -> State {
    let mut state = State::new("boot".into(), ago(1));
    state.generation = 1;
    let reporter = |pid| Reporter {
        version: "0.1.0".into(),
        pid,
        started_at: ago(90_000),
        config: "5f3c9a1e5f3c9a1e".into(),
    };
    state.checkd.reporter = Some(reporter(101));
    state.checkd.connected = true;
    state.checkd.head.probes = 123_456;
    state.lvsd.reporter = Some(reporter(102));
    state.lvsd.connected = true;
    state.lvsd.head.kernel = KernelTable::Present { version: "1.2.1".into() };
    state.lvsd.head.edits = 12;
    beat(&mut state);
    state
}

/// Adds a virtual server with `count` real servers, all up and in the table.
pub fn add_pool(state: &mut State, name: &str, address: &str, services: &[&str], count: usize) {
    let mut destinations = BTreeMap::new();
    for n in 1..=count {
        let port = services[0].rsplit('/').next().unwrap();
        let to: SocketAddr =
            format!("10.{}.{}.{}:{port}", 1 + n / 62_500, n / 250 % 250, 1 + n % 250).parse().unwrap();
        let server = format!("{}{n}", if name.starts_with("web") { "web" } else { "dns" });
        let latency = 400 + (n as u64 * 7_919) % 1_700;
        state.checkd.items.insert(
            format!("{name}/{server}").parse().unwrap(),
            from(json!({
                "verdict": "up",
                "since": ago(3_600 * (n as i64 * 13 % 300 + 1)),
                "address": to,
                "in_a_row": 900,
                "passing": true,
                "latency_us": latency,
            })),
        );
        destinations.insert(
            to,
            from::<DestinationReport>(json!({
                "real_server": server,
                "weight": 100,
                "active_connections": (n * 37) % 90,
                "inactive_connections": (n * 7_901) % 40_000,
                "traffic": {
                    "connections": 1_000 * n + 7, "packets_in": 5_000_000_000_u64, "packets_out": 1, "bytes_in": 300_000_000_000_u64,
                    "bytes_out": 2, "connections_per_sec": 11, "packets_in_per_sec": 480, "packets_out_per_sec": 3,
                    "bytes_in_per_sec": 31_000, "bytes_out_per_sec": 4,
                },
            })),
        );
    }
    for service in services {
        let (protocol, port) = service.split_once('/').unwrap();
        let report = from(json!({
            "virtual_server": name,
            "scheduler": "wrr",
            "fail_open": false,
            "quorum": count.div_ceil(2),
            "destinations": destinations,
        }));
        state.lvsd.items.insert(format!("{protocol}/{address}:{port}").parse().unwrap(), report);
    }
}

/// Three virtual servers, ten real servers, all well.
pub fn good() -> State {
    let mut state = empty();
    add_pool(&mut state, "resolver", "194.97.173.124", &["udp/53", "tcp/53"], 4);
    add_pool(&mut state, "authoritative", "194.97.173.125", &["udp/53", "tcp/53"], 3);
    add_pool(&mut state, "web", "194.97.173.126", &["tcp/443"], 3);
    event(&mut state, EventKind::ReporterReturned, 9_000, None, "checkd reports again");
    state
}

/// Sets the verdict of `VIRTUAL_SERVER/REAL_SERVER`.
pub fn set(state: &mut State, id: &str, verdict: Verdict, cause: Option<&str>, detail: &str) {
    let item = state.checkd.items.get_mut(&id.parse().unwrap()).unwrap();
    item.verdict = verdict;
    item.since = Timestamp::now();
    item.cause = cause.map(|cause| cause.parse().unwrap());
    item.detail = detail.into();
    item.passing = verdict.passes();
    item.in_a_row = 3;
    if !verdict.passes() {
        item.latency_us = None;
    }
}

/// Takes a real server out of the table of its virtual server.
pub fn eject(state: &mut State, id: &str) {
    let (pool, server) = id.split_once('/').unwrap();
    for report in state.lvsd.items.values_mut().filter(|report| report.virtual_server.as_str() == pool) {
        report
            .destinations
            .retain(|_, to| to.real_server.as_ref().is_none_or(|name| name.as_str() != server));
    }
}

/// Takes it down as the daemons would: verdict, table, event.
pub fn kill(state: &mut State, id: &str, cause: &str, detail: &str) {
    set(state, id, Verdict::Down, Some(cause), detail);
    eject(state, id);
    event(state, EventKind::RealServerWentDown, 0, Some(id), &format!("{id} went down: {detail}"));
}

/// Adds an event.
pub fn event(state: &mut State, kind: EventKind, seconds_ago: i64, id: Option<&str>, text: &str) {
    let number = state.events.back().map_or(1, |event| event.number + 1);
    let (pool, server) = id.and_then(|id| id.split_once('/')).unzip();
    let what = NewEvent {
        at: ago(seconds_ago),
        kind,
        virtual_server: pool.map(|name| name.parse().unwrap()),
        real_server: server.map(|name| name.parse().unwrap()),
        cause: None,
        virtual_router: None,
        dependency: None,
        text: text.into(),
    };
    state.events.push_back(Event { number, what });
}

/// `alertd` reports: one channel works, one fails since a moment. Two silences are in force.
pub fn add_alerts(state: &mut State, text: &str) {
    let reporter = state.checkd.reporter.clone().unwrap();
    let test = |accepted| TestReport {
        asked_at: ago(60),
        answered_at: Some(ago(59)),
        accepted,
        answer: text.to_owned(),
    };
    state.alertd = AlertSection {
        reporter: Some(reporter),
        connected: true,
        heard_at: Some(ago(0)),
        head: AlertHead {
            configured: true,
            spool: 1,
            oldest: Some(ago(5)),
            incidents: 2,
            delivered: 40,
            told: vec!["server:resolver/dns2".to_owned()],
            told_over: vec![agent_api::ToldOver {
                trouble: "server:resolver/dns1".to_owned(),
                since: ago(600),
                until: ago(60),
            }],
            ..AlertHead::default()
        },
        ..AlertSection::default()
    };
    let good =
        ChannelReport { last_delivered: Some(ago(30)), test: Some(test(true)), ..ChannelReport::default() };
    let bad = ChannelReport {
        waits: 1,
        failures: 1,
        retry_at: Some(ago(-10)),
        last_error: text.to_owned(),
        last_error_at: Some(ago(3)),
        test: Some(test(false)),
        ..ChannelReport::default()
    };
    state.alertd.items.insert("mail:staff@example.net".parse().unwrap(), good);
    state.alertd.items.insert("webhook:chat".parse().unwrap(), bad);
    for real_server in ["dns1", "dns2"] {
        state.orders.silences.push(Silence {
            target: SilenceTarget { real_server: real_server.parse().ok(), ..SilenceTarget::default() },
            severity: (real_server == "dns1").then_some(Severity::Warning),
            who: text.to_owned(),
            why: text.to_owned(),
            since: ago(60),
            until: ago(-3_600),
        });
    }
}

/// One down, one degraded, one drained: what staff see on an ordinary bad day.
pub fn bad() -> State {
    let mut state = good();
    add_router(&mut state, "resolver-vip", true, "it has the highest priority");
    add_router(&mut state, "web-vip", false, "10.0.0.2 has a higher priority");
    // One of several checks, which only warns.
    let checked = state.checkd.items.get_mut(&"resolver/dns1".parse().unwrap()).unwrap();
    let check = json!({ "name": "zone", "advisory": true, "health": checked });
    checked.checks = vec![from(check)];
    event(
        &mut state,
        EventKind::DrainOrdered,
        4_000,
        Some("authoritative/dns3"),
        "root (alice) drains authoritative/dns3: kernel update",
    );
    event(
        &mut state,
        EventKind::RealServerWentDown,
        900,
        Some("resolver/dns4"),
        "resolver/dns4 went down: SERVFAIL for resolve.test A",
    );
    event(
        &mut state,
        EventKind::RealServerWentUp,
        700,
        Some("resolver/dns4"),
        "resolver/dns4 is up again after 3m 20s",
    );
    event(
        &mut state,
        EventKind::DriftMended,
        300,
        None,
        "somebody else changed the weight of 10.1.0.2:53 in udp/194.97.173.124:53; it is 100 again",
    );
    kill(
        &mut state,
        "resolver/dns2",
        "dns_timeout",
        "no answer from 10.1.0.3:53 within 500 ms, asked 2 times for resolve.test A",
    );
    set(
        &mut state,
        "web/web3",
        Verdict::Degraded,
        Some("tcp_slow"),
        "the answer took 480 ms, more than 300 ms",
    );
    state.orders.drains.push(Drain {
        target: DrainTarget {
            virtual_server: "authoritative".parse().ok(),
            real_server: "dns3".parse().unwrap(),
        },
        who: "root (alice)".into(),
        why: "kernel update".into(),
        since: ago(4_000),
        until: Some(Timestamp::now() + SignedDuration::from_secs(3_200)),
    });
    for report in
        state.lvsd.items.values_mut().filter(|report| report.virtual_server.as_str() == "authoritative")
    {
        for to in
            report.destinations.values_mut().filter(|to| to.real_server.as_ref().unwrap().as_str() == "dns3")
        {
            to.weight = 0;
        }
    }
    add_alerts(&mut state, "the other end says 450");
    state
}

/// What somebody on the network or at a keyboard may have written.
pub const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE--<svg/onload=alert(1)>",
    "\u{202e}gnp.exe\u{2066}\u{200b}",
    "a\nb\r\0\u{1b}[31m\u{7f}",
    "{{7*7}}${7*7}</title></style></textarea><!--",
];

/// Hostile texts wherever a text can be.
pub fn hostile() -> State {
    let mut state = bad();
    let all = HOSTILE.join(" ");
    set(&mut state, "resolver/dns1", Verdict::Down, Some("dns_answer_mismatch"), &all);
    for router in state.vipd.items.values_mut() {
        router.interface.clone_from(&all);
        router.detail.clone_from(&all);
    }
    state.lvsd.head.kernel = KernelTable::Present { version: all.clone() };
    for report in state.lvsd.items.values_mut() {
        report.scheduler.clone_from(&all);
    }
    state.storage.failing_since = Some(ago(60));
    state.storage.detail.clone_from(&all);
    for reporter in [&mut state.checkd.reporter, &mut state.lvsd.reporter] {
        let reporter = reporter.as_mut().unwrap();
        reporter.version.clone_from(&all);
        reporter.config.clone_from(&all);
    }
    state.lvsd.head.settings.push(agent_api::Setting {
        name: all.clone(),
        value: Some(all.clone()),
        wanted: all.clone(),
        why: all.clone(),
    });
    state.orders.silences.clear();
    add_alerts(&mut state, &all);
    for drain in &mut state.orders.drains {
        drain.who.clone_from(&all);
        drain.why.clone_from(&all);
    }
    for text in HOSTILE {
        event(&mut state, EventKind::RealServerWentDown, 0, Some("resolver/dns1"), text);
        event(&mut state, EventKind::Other, 0, None, text);
    }
    state
}

/// 10,000 real servers in `pools` virtual servers, of which `down` are down.
pub fn large(pools: usize, down: usize) -> State {
    let mut state = empty();
    for n in 0..pools {
        let address = format!("192.0.{}.{}", n / 250, 1 + n % 250);
        add_pool(&mut state, &format!("pool{n:04}"), &address, &["udp/53"], 10_000 / pools);
    }
    let ids: Vec<String> = state
        .checkd
        .items
        .keys()
        .map(ToString::to_string)
        .step_by((10_000 / down.max(1)).max(1))
        .take(down)
        .collect();
    for id in ids {
        set(&mut state, &id, Verdict::Down, Some("dns_timeout"), &"no answer from the server; ".repeat(20));
    }
    for n in 0..1_000 {
        event(
            &mut state,
            EventKind::RealServerWentDown,
            1_000 - n,
            Some("pool0000/dns1"),
            &"it went down ".repeat(30),
        );
    }
    state
}

/// Adds a virtual router, Active or not.
pub fn add_router(state: &mut State, name: &str, active: bool, detail: &str) {
    let addresses = ["192.0.2.53", "2001:db8::53"];
    state.vipd.items.insert(
        name.parse().unwrap(),
        from(json!({
            "kind": "vrrp",
            "state": if active { "active" } else { "backup" },
            "since": ago(5_000),
            "why": "active",
            "detail": detail,
            "interface": "eth0",
            "vrid": 51,
            "addresses": addresses,
            "held": if active { addresses.to_vec() } else { vec![] },
            "base_priority": 150,
            "priority": 150,
            "active": if active { json!(null) } else { json!({ "source": "10.0.0.2", "priority": 200, "interval_ms": 1000, "heard_at": ago(1) }) },
        })),
    );
    state.vipd.connected = true;
    state.vipd.heard_at = Some(Timestamp::now());
}
