//! Client, reporter and watcher against an agent that the test plays itself: one that is late, hangs, goes and comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use agent_api::wire::{AgentError, GET_STATE, REPORT, StateReply, WATCH, Watch};
use agent_api::{
    CheckHead, EventKind, NewEvent, RealServerHealth, Reporter as Identity, State, Update, Verdict,
};
use agent_link::frame::{Frames, REPLY_MAX};
use agent_link::{CallError, Checkd, Connection, Reporter, Watcher};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Nothing in these tests takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(30);

/// A connection as the agent sees it.
struct Peer {
    stream: UnixStream,
    frames: Frames,
}

impl Peer {
    fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self { stream, frames: Frames::new(REPLY_MAX) }
    }

    /// The next call; none when the caller closed.
    fn call(&mut self) -> Option<Value> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(message) = self.frames.take().unwrap() {
                return Some(serde_json::from_slice(&message).unwrap());
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.frames.push(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no call came: {error}"),
            }
        }
    }

    fn say(&mut self, message: &Value) {
        let mut bytes = serde_json::to_vec(message).unwrap();
        bytes.push(0);
        let _gone = self.stream.write_all(&bytes);
    }

    /// Takes a report and acknowledges it.
    fn report(&mut self) -> Option<Value> {
        let mut call = self.call()?;
        assert_eq!(call["method"], REPORT);
        self.say(&json!({ "parameters": { "generation": 1 } }));
        Some(call["parameters"].take())
    }
}

struct Place {
    _dir: tempfile::TempDir,
    socket: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    Place { _dir: dir, socket }
}

fn identity() -> Identity {
    Identity { version: "1".into(), pid: 1, started_at: Timestamp::UNIX_EPOCH, config: "c".into() }
}

fn health(latency: u64) -> RealServerHealth {
    RealServerHealth {
        verdict: Verdict::Up,
        since: Timestamp::UNIX_EPOCH,
        address: "10.0.0.1:53".parse().unwrap(),
        cause: None,
        detail: String::new(),
        in_a_row: 1,
        passing: true,
        latency_us: Some(latency),
        basis: None,
        returned: None,
        weight: None,
        unconfirmed: 0,
        checks: Vec::new(),
        require: 0,
    }
}

fn reporter(socket: &Path) -> Reporter<Checkd> {
    let items = BTreeMap::from([("a/b".parse().unwrap(), health(0))]);
    Reporter::start(socket, identity(), CheckHead::default(), items).unwrap()
}

fn event(text: &str) -> NewEvent {
    NewEvent {
        at: Timestamp::UNIX_EPOCH,
        kind: EventKind::DriftMended,
        virtual_server: None,
        real_server: None,
        cause: None,
        virtual_router: None,
        dependency: None,
        text: text.into(),
    }
}

fn ends_soon(what: &str, act: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        act();
        let _ = done.send(());
    });
    ended.recv_timeout(LONG).unwrap_or_else(|_| panic!("{what} hangs"));
}

#[test]
fn errors_of_a_call_say_what_to_do() {
    let place = place();
    let open = |path: &Path| Connection::open(path, Duration::from_millis(200));
    let error = open(&place.socket).unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains("agentd is not running"), "{error}");
    assert!(
        open(&place.socket.join("x".repeat(300))).unwrap_err().is_unreachable(),
        "a path that is too long"
    );

    let listener = UnixListener::bind(&place.socket).unwrap();
    let nothing = serde_json::Map::new();
    let mut connection = open(&place.socket).unwrap();
    let error = connection.call::<StateReply>(GET_STATE, &nothing).unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");
    drop(Peer::accept(&listener));

    let cases = [
        (
            json!({ "error": "org.holdfast.Agent.NotDrained", "parameters": { "target": "dns1" } }),
            "dns1 is not drained",
        ),
        (
            json!({ "error": "org.varlink.service.MethodNotFound", "parameters": { "method": "x" } }),
            "no method x",
        ),
        (json!({ "error": "com.example.Odd" }), "com.example.Odd"),
        (json!({ "parameters": {} }), "missing field `state`"),
        (json!({}), "not understood"),
    ];
    for (reply, expected) in cases {
        let mut connection = Connection::open(&place.socket, LONG).unwrap();
        let mut peer = Peer::accept(&listener);
        peer.say(&reply);
        let error = connection.call::<StateReply>(GET_STATE, &nothing).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    let mut connection = Connection::open(&place.socket, LONG).unwrap();
    let mut peer = Peer::accept(&listener);
    peer.stream.write_all(b"HTTP/1.1 400 Bad Request").unwrap();
    let error = connection.call::<StateReply>(GET_STATE, &nothing).unwrap_err();
    assert!(matches!(error, CallError::Protocol { .. }), "{error}");

    let mut connection = Connection::open(&place.socket, LONG).unwrap();
    drop(Peer::accept(&listener));
    let error = connection.call::<StateReply>(GET_STATE, &nothing).unwrap_err();
    assert!(matches!(error, CallError::Io { .. }), "{error}");
}

#[test]
fn who_is_refused_before_the_call_was_read_hears_why() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let mut connection = Connection::open(&place.socket, LONG).unwrap();
    let mut peer = Peer::accept(&listener);
    peer.say(&json!({ "error": "org.holdfast.Agent.Refused", "parameters": { "detail": "full" } }));
    drop(peer);
    let error = connection.call::<StateReply>(GET_STATE, &serde_json::Map::new()).unwrap_err();
    assert!(matches!(error, CallError::Agent(AgentError::Refused { .. })), "{error}");
}

#[test]
fn a_full_queue_of_connections_is_waited_for_and_not_for_ever() {
    let place = place();
    let flags = nix::sys::socket::SockFlag::empty();
    let fd = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Stream,
        flags,
        None,
    )
    .unwrap();
    let address = nix::sys::socket::UnixAddr::new(&place.socket).unwrap();
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).unwrap();
    nix::sys::socket::listen(&fd, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&place.socket).unwrap();
    let error = Connection::open(&place.socket, Duration::from_millis(100)).unwrap_err();
    assert!(error.to_string().contains("takes no connections"), "{error}");
    // A thread that waits there still ends.
    let reporter = reporter(&place.socket);
    let watcher = Watcher::start(&place.socket, None, || {}).unwrap();
    ends_soon("dropping", move || drop((reporter, watcher)));
}

#[test]
fn updates_come_as_an_iterator_and_end_with_the_reason() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let connection = Connection::open(&place.socket, LONG).unwrap();
    let mut peer = Peer::accept(&listener);
    let mut updates = connection.watch(&Watch::default()).unwrap();
    let call = peer.call().unwrap();
    assert_eq!((&call["method"], &call["more"]), (&json!(WATCH), &json!(true)));
    for generation in 1..=2 {
        peer.say(&json!({ "parameters": { "generation": generation }, "continues": true }));
        assert_eq!(updates.next().unwrap().unwrap(), Update { generation, ..Update::default() });
    }
    assert_eq!(updates.next_before(Instant::now()).unwrap(), None, "nothing yet, and it goes on");
    drop(peer);
    assert!(updates.next().unwrap().is_err());
    assert!(updates.next().is_none());
}

#[test]
fn a_reporter_says_everything_on_every_connection_and_then_what_changed() {
    let place = place();
    let reporter = reporter(&place.socket);
    assert!(!reporter.flush(Duration::from_millis(10)), "nobody is there to acknowledge");
    let listener = UnixListener::bind(&place.socket).unwrap();
    let mut peer = Peer::accept(&listener);
    let first = peer.report().unwrap();
    assert_eq!(first["checkd"]["whole"], true);
    assert_eq!(first["checkd"]["reporter"]["pid"], 1);
    assert!(first["checkd"]["items"]["a/b"].is_object());
    assert!(reporter.flush(LONG) && reporter.is_connected());

    reporter.set_item("a/b".parse().unwrap(), health(1));
    let second = peer.report().unwrap();
    assert_eq!(second["checkd"]["whole"], false);
    assert_eq!(second["checkd"]["items"]["a/b"]["latency_us"], 1);

    // The agent ends in the middle of a call.
    reporter.event(event("mended"));
    assert_eq!(peer.call().unwrap()["parameters"]["events"][0]["sequence"], 1);
    drop(peer);
    let mut peer = Peer::accept(&listener);
    reporter.remove_item("a/b".parse().unwrap());
    let again = peer.report().unwrap();
    assert_eq!(again["checkd"]["whole"], true);
    assert_eq!(again["events"][0]["sequence"], 1, "what was not acknowledged comes again");
    let serve = thread::spawn(move || while peer.report().is_some() {});
    assert!(reporter.flush(LONG));
    assert_eq!(reporter.dropped_events(), 0);
    drop(reporter);
    serve.join().unwrap();
}

/// What a daemon does that keeps `total` items itself: it hands over what is asked for.
fn hand_over(reporter: &Reporter<Checkd>, total: usize, next: &mut usize) {
    let asked = reporter.ask();
    if asked.whole {
        *next = 0;
    }
    let end = (*next + asked.room).min(total);
    if asked.whole || *next < end {
        let items = (*next..end).map(|n| (format!("a/s{n}").parse().unwrap(), health(0)));
        reporter.hand(items, end < total);
        *next = end;
    }
}

#[test]
fn a_daemon_that_keeps_its_items_is_asked_for_them_in_lots_on_every_connection() {
    const ITEMS: usize = 2_000;
    let place = place();
    let (ring, rung) = mpsc::channel();
    let ask = move || {
        let _ended = ring.send(());
    };
    let reporter: Reporter<Checkd> =
        Reporter::start_asking(&place.socket, identity(), CheckHead::default(), ask).unwrap();
    let asked = reporter.ask();
    assert!(!asked.whole && asked.room == 0, "nobody listens yet: {asked:?}");
    let listener = UnixListener::bind(&place.socket).unwrap();
    let mut next = 0;
    for connection in 0..2 {
        let mut peer = Peer::accept(&listener);
        // The first time the agent ends in the middle of the section.
        let reports = if connection == 0 { 2 } else { usize::MAX };
        let served = thread::spawn(move || {
            let mut seen: Vec<Value> = Vec::new();
            while seen.len() < reports {
                let update = peer.report().unwrap()["checkd"].take();
                let unfinished = update["unfinished"] == true;
                seen.push(update);
                if !unfinished {
                    break;
                }
            }
            (peer, seen)
        });
        while !served.is_finished() {
            if rung.recv_timeout(Duration::from_millis(20)).is_ok() {
                hand_over(&reporter, ITEMS, &mut next);
            }
        }
        let (mut peer, seen) = served.join().unwrap();
        assert!(seen.iter().enumerate().all(|(n, update)| (update["whole"] == true) == (n == 0)));
        let lots = seen.iter().map(|update| update["items"].as_object().map_or(0, serde_json::Map::len));
        assert!(lots.clone().all(|lot| lot <= 512), "bounded");
        if connection == 1 {
            assert_eq!(lots.sum::<usize>(), ITEMS);
            assert!(reporter.flush(LONG) && reporter.is_connected());
            // From now on only what changes; a part of a section is no section.
            reporter.hand([("a/s7".parse().unwrap(), health(9))], false);
            reporter.remove_item("a/s8".parse().unwrap());
            let mut changes = peer.report().unwrap()["checkd"].take();
            if changes["removed"].is_null() {
                changes["removed"] = peer.report().unwrap()["checkd"]["removed"].take();
            }
            assert_eq!(changes["items"]["a/s7"]["latency_us"], 9);
            assert_eq!((&changes["removed"], &changes["whole"]), (&json!(["a/s8"]), &json!(false)));
        } else {
            assert!(!reporter.is_connected(), "an unfinished section does not count");
        }
    }
}

#[test]
fn a_slow_agent_gets_the_newest_value_only_and_callers_never_wait() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let reporter = reporter(&place.socket);
    let mut peer = Peer::accept(&listener);
    let _unanswered = peer.call().unwrap();
    for n in 0..20_000 {
        reporter.set_item("a/b".parse().unwrap(), health(n));
        reporter.event(event("x"));
    }
    assert!(reporter.dropped_events() > 19_000);
    peer.say(&json!({ "parameters": { "generation": 1 } }));
    let next = peer.report().unwrap();
    assert_eq!(next["checkd"]["items"]["a/b"]["latency_us"], 19_999);
    assert_eq!(next["events"].as_array().unwrap().len(), 256);
    assert_eq!(next["events"][255]["sequence"], 20_000);
    ends_soon("dropping a reporter", move || drop(reporter));
}

#[test]
fn a_reporter_that_is_refused_or_alone_does_not_spin() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            let _gone = stream.write_all(
                b"{\"error\":\"org.holdfast.Agent.Refused\",\"parameters\":{\"detail\":\"a newer checkd reports\"}}\0",
            );
        }
    });
    let reporter = reporter(&place.socket);
    let began = Instant::now();
    while tries.load(Ordering::SeqCst) < 5 {
        assert!(began.elapsed() < LONG);
        reporter.set_item("a/b".parse().unwrap(), health(1));
        thread::sleep(Duration::from_millis(1));
    }
    // 0, 50, 150, 350, 750 ms: each pause is at least as long as said.
    assert!(began.elapsed() >= Duration::from_millis(750), "{:?}", began.elapsed());
    ends_soon("dropping a reporter", move || drop(reporter));
}

#[test]
fn a_reporter_notices_at_once_that_the_agent_is_gone() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let reporter = reporter(&place.socket);
    let mut peer = Peer::accept(&listener);
    peer.report().unwrap();
    drop(peer);
    // It says everything again long before its next sign of life was due.
    let mut peer = Peer::accept(&listener);
    assert_eq!(peer.report().unwrap()["checkd"]["whole"], true);
    drop(reporter);
    assert!(peer.call().is_none());
}

#[test]
fn a_watcher_keeps_the_last_facts_and_begins_afresh() {
    let place = place();
    let (changed, changes) = mpsc::channel();
    let watcher = Watcher::start(&place.socket, None, move || changed.send(()).unwrap_or(())).unwrap();
    assert!(watcher.read(|view| view.state.is_none() && !view.connected));
    let listener = UnixListener::bind(&place.socket).unwrap();

    let mut peer = Peer::accept(&listener);
    let _watch = peer.call().unwrap();
    let event = |number: u64| json!({ "number": number, "at": "2026-01-01T00:00:00Z", "kind": "drift_mended", "text": "" });
    let update = |generation: u64, events: Value| json!({ "parameters": { "generation": generation, "events": events }, "continues": true });
    peer.say(&update(5, json!([event(8), event(9)])));
    changes.recv_timeout(LONG).unwrap();
    let numbers = |watcher: &Watcher| -> Vec<u64> {
        watcher.read(|view| view.state.unwrap().events.iter().map(|event| event.number).collect())
    };
    assert_eq!(numbers(&watcher), [8, 9]);
    assert!(watcher.read(|view| view.connected));
    // A sign of life is no change.
    peer.say(&update(5, json!([])));
    peer.say(&update(6, json!([event(10)])));
    changes.recv_timeout(LONG).unwrap();
    assert_eq!(numbers(&watcher), [8, 9, 10]);

    drop(peer);
    changes.recv_timeout(LONG).unwrap();
    assert_eq!(numbers(&watcher), [8, 9, 10], "the last facts stay");
    assert!(watcher.read(|view| !view.connected));

    // An agent that was started anew and knows less.
    let mut peer = Peer::accept(&listener);
    let _watch = peer.call().unwrap();
    peer.say(&update(1, json!([event(9)])));
    changes.recv_timeout(LONG).unwrap();
    assert_eq!(numbers(&watcher), [9]);
    assert_eq!(watcher.read(|view| view.state.map(|state: &State| state.generation)), Some(1));
    ends_soon("dropping a watcher", move || drop(watcher));
    assert!(peer.call().is_none());
}

#[test]
fn a_watcher_may_be_dropped_by_its_own_callback() {
    let place = place();
    let listener = UnixListener::bind(&place.socket).unwrap();
    let slot: Arc<std::sync::Mutex<Option<Watcher>>> = Arc::default();
    let own = Arc::clone(&slot);
    let (dropped, was_dropped) = mpsc::channel();
    let callback = move || {
        drop(own.lock().unwrap().take());
        let _ = dropped.send(());
    };
    let watcher = Watcher::start(&place.socket, None, callback).unwrap();
    *slot.lock().unwrap() = Some(watcher);
    let mut peer = Peer::accept(&listener);
    let _watch = peer.call().unwrap();
    peer.say(&json!({ "parameters": { "generation": 1 }, "continues": true }));
    was_dropped.recv_timeout(LONG).unwrap();
    assert!(peer.call().is_none(), "the thread ends and closes");
}
