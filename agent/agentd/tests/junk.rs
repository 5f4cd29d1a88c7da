//! Junk on the socket: each kind is bounded and refused clearly, and the others don't notice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use agent_api::{CheckHead, RealServerHealth, Verdict};
use agent_link::{Checkd, Reporter, Watcher};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use support::{LONG, Place, Raw, health, identity, until};

/// A reporter and a watcher that must never lose their connection, and calls that must always be answered.
struct Others {
    reporter: Reporter<Checkd>,
    watcher: Watcher,
    place: Arc<Place>,
    turn: Mutex<u64>,
}

impl Others {
    fn start(place: &Arc<Place>) -> Self {
        let identity = identity(10, "2026-11-21T00:00:00Z");
        let items = BTreeMap::from([("resolver/dns1".parse().unwrap(), health(Verdict::Up))]);
        let reporter = Reporter::start(&place.socket, identity, CheckHead::default(), items).unwrap();
        let watcher = Watcher::start(&place.socket, None, || {}).unwrap();
        until("the watcher", || watcher.read(|view| view.connected.then_some(())));
        assert!(reporter.flush(LONG));
        Self { reporter, watcher, place: Arc::clone(place), turn: Mutex::new(0) }
    }

    /// What is reported now reaches the watcher, and a call is answered.
    #[track_caller]
    fn are_well(&self) {
        assert!(self.reporter.is_connected());
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        let id = "resolver/dns1".parse().unwrap();
        let item = RealServerHealth { latency_us: Some(*turn), ..health(Verdict::Up) };
        self.reporter.set_item("resolver/dns1".parse().unwrap(), item.clone());
        until("a report at the watcher", || {
            self.watcher.read(|view| {
                assert!(view.connected, "the watcher lost its connection: {}", self.place.log());
                (view.state?.checkd.items.get(&id) == Some(&item)).then_some(())
            })
        });
        assert_eq!(self.place.state_now().checkd.items[&id], item);
        assert_eq!(self.place.log().matches("checkd is gone").count(), 0, "{}", self.place.log());
    }
}

fn agent() -> (support::Agent, Arc<Place>, Others) {
    let place = Arc::new(Place::new());
    let agent = place.start();
    let others = Others::start(&place);
    (agent, place, others)
}

#[test]
fn what_is_no_call_is_told_so_and_closed() {
    let (_agent, place, others) = agent();
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], "starts with byte 0x47"),
        (b"\0\0\0\0", "starts with byte 0x00"),
        (b"\xff\xfe\xfd", "starts with byte 0xff"),
        (b"[]\0", "starts with byte 0x5b"),
        (b"{}\0", "missing field `method`"),
        (b"{\"method\":7}\0", "no Varlink call"),
        (b"{\"method\":\"a\"\0", "no Varlink call"),
        (b"{\"method\":\"\xff\"}\0", "no Varlink call"),
    ] {
        let mut raw = Raw::connect(&place.socket);
        assert!(raw.send(bytes));
        raw.is_refused(words);
    }
    others.are_well();
}

#[test]
fn random_bytes_are_survived() {
    let (mut agent, place, others) = agent();
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let word = prop_oneof![
        any::<Vec<u8>>(),
        Just(b"\0".to_vec()),
        Just(b"{".to_vec()),
        Just(b"{\"method\":\"org.holdfast.Agent.".to_vec()),
        Just(b"Drain\",\"parameters\":{\"real_server\":\"".to_vec()),
        Just(b"Report\",\"parameters\":{\"checkd\":{\"whole\":true,\"items\":{\"a/b\":".to_vec()),
        Just(b"\"}}\0".to_vec()),
    ];
    runner
        .run(&proptest::collection::vec(word, 0..12), |words| {
            let mut raw = Raw::connect(&place.socket);
            raw.send(&words.concat());
            raw.stream.shutdown(std::net::Shutdown::Write).unwrap();
            // Whatever it was: it ends.
            while raw.message().is_some() {}
            Ok(())
        })
        .unwrap();
    assert!(agent.child.try_wait().unwrap().is_none(), "{}", place.log());
    assert!(!place.log().contains("panic"), "{}", place.log());
    others.are_well();
}

#[test]
fn an_endless_line_is_refused_at_the_limit() {
    let (agent, place, others) = agent();
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", agent.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = memory();
    // The last one looks like a reporter's, which may be long, but not endless.
    let report = b"{\"method\":\"org.holdfast.Agent.Report\",\"parameters\":{\"x\":\"".to_vec();
    for (beginning, limit) in
        [(b"{".to_vec(), 64 << 10), (b"{\"method\":\"".to_vec(), 64 << 10), (report, 64 << 20)]
    {
        let mut raw = Raw::connect(&place.socket);
        let mut sent = 0;
        raw.send(&beginning);
        while raw.send(&[b'x'; 65536]) {
            sent += 65536;
            assert!(sent <= limit + (1 << 20), "more was taken than {limit} bytes");
        }
        raw.is_refused(&format!("longer than {limit} bytes"));
        others.are_well();
    }
    assert!(memory() - before < 400 * 1024, "{} KiB for lines of at most 64 MiB", memory() - before);
}

#[test]
fn a_long_report_is_answered_as_soon_as_all_of_it_is_there() {
    let (_agent, place, _others) = agent();
    let mut raw = Raw::connect(&place.socket);
    // As somebody whom nobody else plays here. Around the length from which on a report is long, and around twice that, where what is read at a time ends.
    for length in [65_000, 65_535, 65_536, 65_537, 65_600, 100_000, 131_071, 131_072, 131_073, 400_000] {
        let report = concat!(
            r#"{"method":"org.holdfast.Agent.Report","parameters":{"lvsd":{"whole":true,"reporter":"#,
            r#"{"version":"x","pid":1,"started_at":"2026-11-21T00:00:00Z","config":"c"}}"#
        );
        let mut bytes = report.as_bytes().to_vec();
        bytes.resize(length - 2, b' ');
        bytes.extend(b"}}\0");
        assert_eq!(bytes.len(), length + 1);
        assert!(raw.send(&bytes));
        let reply = raw.message().expect("an answer");
        assert!(reply["parameters"]["generation"].is_u64(), "{length}: {reply}");
    }
}

#[test]
fn a_thousand_idle_connections_disturb_nobody() {
    let (_agent, place, others) = agent();
    let mut idle: Vec<Raw> = Vec::new();
    for n in 0..1_000 {
        idle.push(Raw::connect(&place.socket));
        if n % 100 == 0 {
            others.are_well();
        }
    }
    others.are_well();
    // All but the last few were told to go.
    let told = idle.iter_mut().take(900).map(|raw| raw.is_refused("its user wants a new connection")).count();
    assert_eq!(told, 900);
    others.are_well();
}

#[test]
fn connections_that_are_in_use_are_never_sent_away_but_there_is_an_end() {
    let (_agent, place, others) = agent();
    let mut watching: Vec<Raw> = Vec::new();
    let refused = loop {
        assert!(watching.len() < 100, "there must be an end");
        let mut raw = Raw::connect(&place.socket);
        raw.send(b"{\"method\":\"org.holdfast.Agent.Watch\",\"more\":true}\0");
        let message = raw.message().unwrap();
        if message.get("error").is_some() {
            break message;
        }
        watching.push(raw);
    };
    let detail = refused["parameters"]["detail"].as_str().unwrap();
    assert!(detail.contains("64 connections in use already"), "{detail}");
    // The reporter and the watcher are of the same user.
    assert_eq!(watching.len(), 62);
    watching.pop();
    until("a free place", || {
        place.connect().ok()?.call::<serde_json::Value>("org.varlink.service.GetInfo", &json!({})).ok()
    });
    others.are_well();
}

#[test]
fn a_reader_that_does_not_read_costs_one_update() {
    let (_agent, place, others) = agent();
    let mut slow = Raw::connect(&place.socket);
    slow.call(&json!({ "method": "org.holdfast.Agent.Watch", "more": true }));
    let began = Instant::now();
    let mut turns = 0;
    // Far more than the socket's buffers hold.
    while turns < 300 {
        let detail = "x".repeat(490);
        let items = (0..100).map(|n| {
            let item = RealServerHealth { detail: format!("{turns} {detail}"), ..health(Verdict::Up) };
            (format!("resolver/s{n}").parse().unwrap(), item)
        });
        others.reporter.set_items(items);
        assert!(others.reporter.flush(LONG));
        turns += 1;
    }
    others.are_well();
    let first = slow.message().unwrap();
    let mut generation = first["parameters"]["generation"].as_u64().unwrap();
    let end = place.state_now().generation;
    let mut updates = 0;
    if began.elapsed() < Duration::from_secs(25) {
        while generation < end {
            let update = slow.message().unwrap();
            let next = update["parameters"]["generation"].as_u64().unwrap();
            assert!(next >= generation);
            generation = next;
            updates += 1;
        }
        assert!(updates < 100, "{updates} updates of {turns} were queued for it");
    }
    others.are_well();
}

#[test]
fn a_stream_and_a_message_that_stand_still_are_closed() {
    let (_agent, place, others) = agent();
    let mut half = Raw::connect(&place.socket);
    half.send(b"{\"method\":");
    let mut silent = Raw::connect(&place.socket);
    let mut stalled = Raw::connect(&place.socket);
    // Replies that nobody reads, until neither side can send any more.
    stalled.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while stalled.send(b"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"org.holdfast.Agent\"}}\0") {}
    others.are_well();
    half.stream.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
    half.is_refused("not complete after 30 s");
    silent.is_refused("no call came within 30 s");
    until("the end of the one that does not read", || {
        let closed = |error: std::io::Error| error.kind() == ErrorKind::BrokenPipe;
        stalled.stream.write(b" ").is_err_and(closed).then_some(())
    });
    others.are_well();
}

#[test]
fn calls_in_a_row_are_answered_in_order_and_a_half_one_at_the_end_is_told() {
    let (_agent, place, others) = agent();
    let mut raw = Raw::connect(&place.socket);
    let mut bytes = Vec::new();
    for n in 0..500 {
        bytes.extend(
            format!("{{\"method\":\"org.holdfast.Agent.M{n}\",\"oneway\":{}}}\0", n % 5 == 0).bytes(),
        );
    }
    bytes.extend(b"{\"method\"");
    let mut sender = raw.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        sender.write_all(&bytes).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    for n in (0..500).filter(|n| n % 5 != 0) {
        let reply = raw.message().unwrap();
        assert_eq!(reply["error"], "org.varlink.service.MethodNotFound");
        assert_eq!(reply["parameters"]["method"], format!("org.holdfast.Agent.M{n}"));
    }
    raw.is_refused("in the middle of a message");
    sending.join().unwrap();
    others.are_well();
}

#[test]
fn a_watcher_that_only_listens_is_served_and_one_that_talks_is_not() {
    let (_agent, place, others) = agent();
    let mut listener = Raw::connect(&place.socket);
    listener.call(
        &json!({ "method": "org.holdfast.Agent.Watch", "more": true, "parameters": { "parts": ["checkd"] } }),
    );
    listener.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(listener.message().unwrap()["parameters"]["checkd"]["whole"], true);
    others.are_well();
    let next = listener.message().unwrap();
    assert!(
        next["parameters"]["checkd"]["items"].is_object() && next["parameters"].get("lvsd").is_none(),
        "{next}"
    );

    let mut talker = Raw::connect(&place.socket);
    let watch = json!({ "method": "org.holdfast.Agent.Watch", "more": true });
    talker.call(&watch);
    talker.message().unwrap();
    talker.call(&watch);
    let last = std::iter::from_fn(|| talker.message()).last().unwrap();
    assert!(last["parameters"]["detail"].as_str().unwrap().contains("takes no further calls"), "{last}");
    others.are_well();
}

#[test]
fn calls_that_make_no_sense_get_an_error_and_the_connection_lives() {
    let (_agent, place, others) = agent();
    let mut raw = Raw::connect(&place.socket);
    let agent = |method: &str| format!("org.holdfast.Agent.{method}");
    let refused = "org.holdfast.Agent.Refused";
    let deep: serde_json::Value = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (call, error) in [
        (json!({ "method": "GetInfo" }), "org.varlink.service.InterfaceNotFound"),
        (json!({ "method": "com.example.Thing" }), "org.varlink.service.InterfaceNotFound"),
        (json!({ "method": agent("GetStat") }), "org.varlink.service.MethodNotFound"),
        (json!({ "method": agent("GetState"), "upgrade": true }), "org.varlink.service.MethodNotImplemented"),
        (json!({ "method": agent("Watch") }), "org.varlink.service.ExpectedMore"),
        (json!({ "method": agent("Watch"), "more": true, "parameters": { "parts": ["kernel"] } }), refused),
        (json!({ "method": agent("GetState"), "parameters": { "x": 1 } }), refused),
        (json!({ "method": agent("GetState"), "parameters": [] }), refused),
        (json!({ "method": agent("Drain"), "parameters": {} }), refused),
        (json!({ "method": agent("Drain"), "parameters": { "real_server": "../etc" } }), refused),
        (
            json!({ "method": agent("Drain"), "parameters": { "real_server": "dns1", "fro_seconds": 5 } }),
            refused,
        ),
        (
            json!({ "method": agent("Drain"), "parameters": { "real_server": "dns1", "for_seconds": -5 } }),
            refused,
        ),
        (
            json!({ "method": agent("Drain"), "parameters": { "real_server": "dns1", "for_seconds": 0 } }),
            refused,
        ),
        (
            json!({ "method": agent("Drain"), "parameters": { "real_server": "dns1", "why": "x".repeat(501) } }),
            refused,
        ),
        (
            json!({ "method": agent("Drain"), "parameters": { "real_server": "dns9" } }),
            "org.holdfast.Agent.NoSuchRealServer",
        ),
        (
            json!({ "method": agent("Undrain"), "parameters": { "real_server": "dns1" } }),
            "org.holdfast.Agent.NotDrained",
        ),
        (json!({ "method": agent("Report"), "parameters": {} }), refused),
        (json!({ "method": agent("Report"), "parameters": { "checkd": { "items": {} } } }), refused),
        (json!({ "method": agent("Report"), "parameters": { "checkd": deep } }), refused),
        (
            json!({ "method": "org.varlink.service.GetInterfaceDescription", "parameters": { "interface": "x.y" } }),
            "org.varlink.service.InterfaceNotFound",
        ),
    ] {
        raw.call(&call);
        let reply = raw.message().unwrap();
        assert_eq!(reply["error"], error, "{call}: {reply}");
    }
    raw.call(&json!({ "method": agent("GetState") }));
    assert_eq!(raw.message().unwrap()["parameters"]["state"]["orders"]["drains"], json!([]));
    others.are_well();
}

#[test]
fn half_closed_and_vanished_clients_leave_nothing_behind() {
    let (agent, place, others) = agent();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", agent.child.id())).unwrap().count();
    let before = descriptors();
    for n in 0..200 {
        let mut raw = Raw::connect(&place.socket);
        match n % 4 {
            0 => assert!(raw.send(b"{\"method\":\"org.holdfast.Agent.GetState\"}\0")),
            1 => assert!(raw.send(b"{\"method\":\"org.holdfast.Agent.Watch\",\"more\":true}\0")),
            2 => assert!(raw.send(b"{\"met")),
            _ => {}
        }
    }
    until("the end of them all", || (descriptors() <= before).then_some(()));
    others.are_well();
    let _unused = UnixStream::connect(&place.socket).unwrap();
}
