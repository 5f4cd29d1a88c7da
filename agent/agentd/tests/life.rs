//! Starting, ending and starting again: who may start, what is known after a kill, what a reload changes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::mpsc;
use std::time::Duration;

use agent_api::{CheckHead, EventKind, LvsHead, NewEvent, Verdict};
use agent_link::{Checkd, Lvsd, Reporter, Watcher, former_state};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::json;
use support::{LONG, Place, health, identity, until};

#[test]
fn it_starts_afresh_serves_and_ends_tidily() {
    let place = Place::new();
    let agent = place.start();
    let metadata = fs::symlink_metadata(&place.socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let info = place.call("org.varlink.service.GetInfo", json!({})).unwrap();
    assert_eq!(info["interfaces"], json!(["org.varlink.service", "org.holdfast.Agent"]));
    let parameters = json!({ "interface": "org.holdfast.Agent" });
    let text = place.call("org.varlink.service.GetInterfaceDescription", parameters).unwrap();
    assert_eq!(text["description"], agent_api::wire::DESCRIPTION);
    assert_eq!(place.state_now().generation, 0);
    assert!(agent.stop().success());
    assert!(!place.socket.exists());
    assert!(place.log().contains("starting without orders and history"), "{}", place.log());
    assert_eq!(place.names(), ["state.json", "state.json.lock"]);
}

#[test]
fn a_second_one_is_refused_clearly() {
    let place = Place::new();
    let agent = place.start();
    let (code, text) = place.run();
    assert_eq!(code, 1);
    assert!(
        text.contains(&format!("another agent (pid {}) uses the state file", agent.child.id())),
        "{text}"
    );
    let other = Place { state: place.lib().join("other.json"), ..Place::new() };
    let other = Place { socket: place.socket.clone(), ..other };
    let (code, text) = other.run();
    assert_eq!(code, 1);
    assert!(text.contains("another agent answers on"), "{text}");
    assert_eq!(place.state_now().generation, 0, "the first one serves on");
    agent.kill();
    let agent = place.start();
    assert!(place.log().contains("removing the socket"), "{}", place.log());
    drop(agent);
}

#[test]
fn what_is_not_its_socket_is_not_removed() {
    let place = Place::new();
    fs::write(&place.socket, "precious").unwrap();
    let (code, text) = place.run();
    assert_eq!(code, 1);
    assert!(text.contains("is no socket"), "{text}");
    assert_eq!(fs::read_to_string(&place.socket).unwrap(), "precious");
    fs::remove_file(&place.socket).unwrap();
    let agent = place.start();
    // Somebody replaced the file: at its end the agent leaves it alone.
    fs::remove_file(&place.socket).unwrap();
    let _theirs = UnixListener::bind(&place.socket).unwrap();
    assert!(agent.stop().success());
    assert!(place.socket.exists());
}

#[test]
fn a_wrong_configuration_prevents_a_start_and_never_ends_a_running_one() {
    let place = Place::new();
    let agent = place.start();
    fs::write(&place.config, support::CONFIG.replace("dns1", "dns7") + "schedular = \"wrr\"\n").unwrap();
    agent.signal(Signal::SIGHUP);
    until("the refusal of the new configuration", || {
        place.log().contains("the former one stays").then_some(())
    });
    assert!(place.log().contains("holdfast.toml:20:1"), "{}", place.log());
    place.drain("dns1").unwrap();
    fs::remove_file(&place.config).unwrap();
    agent.signal(Signal::SIGHUP);
    until("the refusal of no configuration", || {
        place.log().contains("the former configuration stays").then_some(())
    });
    place.drain("dns2").unwrap();

    fs::write(&place.config, support::CONFIG.replace("dns1", "dns7")).unwrap();
    agent.signal(Signal::SIGHUP);
    until("the new configuration", || place.log().contains("took the new configuration").then_some(()));
    let error = place.drain("dns8").unwrap_err().to_string();
    assert!(error.contains("did you mean dns7?"), "{error}");
    place.drain("dns7").unwrap();
    assert_eq!(place.drained(), ["dns1", "dns2", "dns7"], "orders outlive the configuration");
    assert!(agent.stop().success());

    fs::write(&place.config, "[[virtual_server]]\nnmae = 1\n").unwrap();
    let (code, text) = place.run();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("did you mean") && text.contains("name"), "{text}");
    fs::remove_file(&place.config).unwrap();
    assert_eq!(place.run().0, 2);
}

/// Reporters of both daemons, as they are after `place` has seen them.
fn reporters(place: &Place) -> (Reporter<Checkd>, Reporter<Lvsd>) {
    let items = BTreeMap::from([
        ("resolver/dns1".parse().unwrap(), health(Verdict::Up)),
        ("resolver/dns2".parse().unwrap(), health(Verdict::Down)),
    ]);
    let identity = |pid| identity(pid, "2026-11-21T00:00:00Z");
    let checkd = Reporter::start(&place.socket, identity(10), CheckHead::default(), items).unwrap();
    let lvsd = Reporter::start(&place.socket, identity(11), LvsHead::default(), BTreeMap::new()).unwrap();
    lvsd.event(NewEvent {
        at: Timestamp::now(),
        kind: EventKind::DriftMended,
        virtual_server: None,
        real_server: None,
        cause: None,
        virtual_router: None,
        dependency: None,
        text: "mended".into(),
    });
    (checkd, lvsd)
}

#[test]
fn a_kill_at_any_time_loses_no_order_and_makes_no_event() {
    let place = Place::new();
    let mut agent = place.start();
    let (checkd, lvsd) = reporters(&place);
    assert!(checkd.flush(LONG) && lvsd.flush(LONG));
    let (changed, changes) = mpsc::channel();
    let watcher = Watcher::start(&place.socket, None, move || changed.send(()).unwrap_or(())).unwrap();
    place.drain("dns1").unwrap();
    until("the events on disk", || (place.saved().events.len() == 3).then_some(()));
    let events = place.state_now().events;

    for pause in [0, 200] {
        let boot_id = place.state_now().boot_id;
        agent.kill();
        // Meanwhile a daemon that comes back finds the same in the file.
        let former = former_state(&place.socket, &place.state, &boot_id, LONG).unwrap();
        assert_eq!(former.checkd.items.len(), 2);
        std::thread::sleep(Duration::from_millis(pause));
        agent = place.start();
        assert_eq!(place.drained(), ["dns1"], "at once, without any report");
        assert_eq!(place.state_now().checkd.items.len(), 2);
        until("both reporters", || {
            let state = place.state_now();
            (state.checkd.connected && state.lvsd.connected).then_some(())
        });
        until("the watcher", || {
            while changes.try_recv().is_ok() {}
            watcher.read(|view| view.connected.then_some(()))
        });
        assert_eq!(place.state_now().events, events, "a restart is no event, and nothing is told twice");
    }
    // What is said after it is heard by everybody.
    checkd.set_item("resolver/dns2".parse().unwrap(), health(Verdict::Up));
    until("the verdict at the watcher", || {
        watcher.read(|view| {
            let state = view.state?;
            (state.checkd.items.get(&"resolver/dns2".parse().unwrap())?.verdict == Verdict::Up).then_some(())
        })
    });
    assert_eq!(place.state_now().events.back().unwrap().what.kind, EventKind::RealServerWentUp);
}

#[test]
fn a_killed_reporter_is_seen_and_its_successor_takes_its_place() {
    let place = Place::new();
    let _agent = place.start();
    let (checkd, lvsd) = reporters(&place);
    assert!(checkd.flush(LONG) && lvsd.flush(LONG));
    drop(checkd);
    until("the loss of checkd", || (!place.state_now().checkd.connected).then_some(()));
    let (checkd, _lvsd) = reporters(&place);
    assert!(checkd.flush(LONG));
    let state = place.state_now();
    assert!(state.checkd.connected && state.checkd.items.len() == 2);
}

#[test]
fn the_newest_process_reports_and_an_older_one_waits_its_turn() {
    let place = Place::new();
    let _agent = place.start();
    let start = |pid, started_at, server: &str| {
        let items = BTreeMap::from([(server.parse().unwrap(), health(Verdict::Up))]);
        Reporter::<Checkd>::start(&place.socket, identity(pid, started_at), CheckHead::default(), items)
            .unwrap()
    };
    let reported = || place.state_now().checkd.reporter.map(|reporter| reporter.pid);
    let old = start(10, "2026-11-21T00:00:00Z", "resolver/dns1");
    assert!(old.flush(LONG));
    // It hangs, and another one is started in its place.
    let new = start(20, "2026-11-21T00:05:00Z", "resolver/dns2");
    assert!(new.flush(LONG));
    until("the end of the old one's connection", || (!old.is_connected()).then_some(()));
    old.set_item("resolver/dns1".parse().unwrap(), health(Verdict::Down));
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(reported(), Some(20));
        let state = place.state_now();
        assert!(state.checkd.connected && state.events.is_empty(), "the old one changes nothing: {state:?}");
        assert_eq!(state.checkd.items.len(), 1);
    }
    drop(new);
    until("the old one's return", || (reported() == Some(10)).then_some(()));
    assert!(old.flush(LONG));
    assert!(place.state_now().checkd.items.contains_key(&"resolver/dns1".parse().unwrap()));
}

#[test]
fn systemd_is_told_when_it_serves_reloads_works_and_ends() {
    let place = Place::new();
    let notify = place.dir.path().join("notify");
    let inbox = UnixDatagram::bind(&notify).unwrap();
    inbox.set_read_timeout(Some(LONG)).unwrap();
    let hear = || {
        let mut message = [0; 1024];
        let length = inbox.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let hear_until = |word: &str| while !hear().contains(word) {};
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "200000").stderr(place.log_file());
    let child = command.spawn().unwrap();
    let agent = support::Agent { child };
    assert!(hear().contains("READY=1"));
    assert_eq!(place.state_now().generation, 0, "ready means that it serves");
    for _ in 0..5 {
        hear_until("WATCHDOG=1");
    }
    agent.signal(Signal::SIGHUP);
    hear_until("RELOADING=1");
    hear_until("READY=1");
    agent.signal(Signal::SIGTERM);
    hear_until("STOPPING=1");
    assert!(agent.stop().success());
}

#[test]
fn it_does_not_write_when_nothing_changed() {
    let place = Place::new();
    let _agent = place.start();
    until("the first write", || place.state.exists().then_some(()));
    place.drain("dns1").unwrap();
    // What the order's event asked for may come after it.
    let inode = || fs::metadata(&place.state).unwrap().ino();
    let mut last = (inode(), 0);
    until("peace", || {
        std::thread::sleep(Duration::from_millis(200));
        last = if inode() == last.0 { (last.0, last.1 + 1) } else { (inode(), 0) };
        (last.1 >= 10).then_some(())
    });
    assert_eq!(place.saved().orders.drains.len(), 1);
}
