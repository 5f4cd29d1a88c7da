//! The state file in every bad shape, and a disk that does not take it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_api::wire::AgentError;
use agent_api::{CheckHead, Verdict};
use agent_link::{CallError, Checkd, Reporter};
use nix::unistd::geteuid;
use serde_json::json;
use support::{AGENTD, Place, copy_program, until};

#[test]
fn every_bad_file_is_said_and_kept_and_the_agent_serves() {
    let good = {
        let place = Place::new();
        let agent = place.start();
        place.drain("dns1").unwrap();
        assert!(agent.stop().success());
        fs::read(&place.state).unwrap()
    };
    let cases: [(&str, &[u8], &str); 8] = [
        ("empty", b"", "is empty"),
        ("blank", b"\n\n", "is empty"),
        ("truncated", &good[..good.len() - 20], "is cut off"),
        ("one byte", b"{", "is cut off"),
        ("foreign", b"{\"name\":\"left-pad\",\"version\":\"1.0\"}", "is not a state file"),
        ("garbage", b"\xff\xfe\x00garbage", "is not a state file"),
        ("newer", b"{\"schema\":2,\"all\":\"else\"}", "a newer Holdfast wrote it"),
        ("zeros", &[0; 4096], "is not a state file"),
    ];
    for (name, content, words) in cases {
        let place = Place::new();
        fs::write(&place.state, content).unwrap();
        let agent = place.start();
        let log = place.log();
        assert!(
            log.contains("ERROR") && log.contains(words) && log.contains("it is kept as"),
            "{name}: {log}"
        );
        assert!(!log.contains("panic"), "{name}: {log}");
        let aside = place.names().into_iter().find(|file| file.starts_with("state.json.bad-2")).unwrap();
        assert_eq!(fs::read(place.lib().join(aside)).unwrap(), content, "{name}");
        place.drain("dns1").unwrap();
        assert_eq!(place.saved().orders.drains.len(), 1, "{name}");
        assert!(agent.stop().success());
        let agent = place.start();
        assert_eq!(place.drained(), ["dns1"], "{name}");
        drop(agent);
    }
}

#[test]
fn observations_of_another_boot_are_dropped_and_orders_never() {
    let place = Place::new();
    let agent = place.start();
    place.drain("dns1").unwrap();
    assert!(agent.stop().success());
    let mut state = place.saved();
    state.boot_id = "00000000-0000-0000-0000-000000000000".into();
    state.checkd.heard_at = Some(state.written_at);
    state.checkd.items.insert("resolver/dns1".parse().unwrap(), support::health(Verdict::Down));
    fs::write(&place.state, serde_json::to_vec(&state).unwrap()).unwrap();
    let _agent = place.start();
    let now = place.state_now();
    assert!(now.checkd.items.is_empty() && now.checkd.heard_at.is_none());
    assert_eq!(now.orders, state.orders);
    assert_eq!(now.events, state.events);
}

#[test]
fn an_acknowledged_order_is_on_disk_whatever_else_is_written() {
    let place = Place::new();
    let agent = place.start();
    let id = || "resolver/dns1".parse().unwrap();
    let process = support::identity(1, "2026-11-21T00:00:00Z");
    let items = BTreeMap::from([(id(), support::health(Verdict::Up))]);
    let reporter = Reporter::<Checkd>::start(&place.socket, process, CheckHead::default(), items).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Each change is an event, and each event is written soon.
        scope.spawn(|| {
            for verdict in [Verdict::Down, Verdict::Up].into_iter().cycle() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                reporter.set_item(id(), support::health(verdict));
                assert!(reporter.flush(support::LONG));
            }
        });
        let orders = ["dns1", "dns2"].map(|server| {
            let place = &place;
            scope.spawn(move || {
                let is_drained =
                    || place.saved().orders.drains.iter().any(|drain| drain.target.to_string() == server);
                for _ in 0..40 {
                    place.drain(server).unwrap();
                    assert!(is_drained(), "the drain of {server} is not on disk");
                    place.call("org.holdfast.Agent.Undrain", json!({ "real_server": server })).unwrap();
                    assert!(!is_drained(), "the end of the drain of {server} is not on disk");
                }
            })
        });
        let all_well = orders.map(std::thread::ScopedJoinHandle::join);
        over.store(true, Ordering::SeqCst);
        all_well.into_iter().for_each(|well| well.unwrap());
    });
    place.drain("dns1").unwrap();
    agent.kill();
    let _agent = place.start();
    assert_eq!(place.drained(), ["dns1"]);
}

#[track_caller]
fn not_saved(place: &Place, words: &str) {
    match place.drain("dns1") {
        Err(CallError::Agent(AgentError::NotSaved { detail })) => assert!(detail.contains(words), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.drained(), [""; 0], "an order that is not on disk is not in force");
}

#[test]
fn a_directory_that_is_missing_costs_the_orders_only() {
    let place = Place::new();
    fs::remove_dir(place.lib()).unwrap();
    let _agent = place.start();
    not_saved(&place, "make the directory");
    let storage = until("the trouble in the state", || {
        Some(place.state_now().storage).filter(|storage| storage.failing_since.is_some())
    });
    assert!(storage.detail.contains("make the directory"), "{storage:?}");
    assert_eq!(place.log().matches("until then the state is in memory only").count(), 1, "{}", place.log());
    fs::create_dir(place.lib()).unwrap();
    place.drain("dns1").unwrap();
    until("the end of the trouble", || place.state_now().storage.failing_since.is_none().then_some(()));
    assert_eq!(place.saved().orders.drains.len(), 1);
}

/// An agent that is not root: root may write anywhere.
fn as_nobody(place: &Place) -> Command {
    for path in [place.dir.path(), place.lib()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let binary = place.dir.path().join("agentd");
    copy_program(Path::new(AGENTD), &binary);
    let mut command = Command::new(binary);
    command.args(place.arguments());
    if geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

#[test]
fn a_directory_that_may_not_be_written_is_waited_for() {
    let place = Place::new();
    let agent = place.start_by(as_nobody(&place));
    place.drain("dns2").unwrap();
    fs::set_permissions(place.lib(), fs::Permissions::from_mode(0o555)).unwrap();
    match place.drain("dns1") {
        Err(CallError::Agent(AgentError::NotSaved { detail })) => {
            assert!(detail.contains("let this user write"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(place.drained(), ["dns2"]);
    assert!(place.state_now().storage.failing_since.is_some());
    agent.kill();
    let agent = place.start_by(as_nobody(&place));
    assert_eq!(place.drained(), ["dns2"], "what was on disk stays");
    fs::set_permissions(place.lib(), fs::Permissions::from_mode(0o777)).unwrap();
    place.drain("dns1").unwrap();
    until("the end of the trouble", || place.state_now().storage.failing_since.is_none().then_some(()));
    drop(agent);
}

#[test]
fn an_unwritable_directory_with_a_bad_file_keeps_the_file() {
    let place = Place::new();
    fs::write(&place.state, "garbage").unwrap();
    let command = as_nobody(&place);
    fs::set_permissions(place.lib(), fs::Permissions::from_mode(0o555)).unwrap();
    let _agent = place.start_by(command);
    not_saved(&place, "let this user write");
    assert_eq!(fs::read_to_string(&place.state).unwrap(), "garbage");
    fs::set_permissions(place.lib(), fs::Permissions::from_mode(0o777)).unwrap();
    place.drain("dns1").unwrap();
    assert!(place.names().iter().any(|name| name.starts_with("state.json.bad-2")), "{:?}", place.names());
    assert_eq!(place.saved().orders.drains.len(), 1);
}

#[test]
fn a_full_disk_is_said_and_what_is_on_it_stays() {
    if !geteuid().is_root() {
        eprintln!("not root: a small file system can't be mounted, so a full disk is not tried");
        return;
    }
    // A file system of its own, in a mount namespace of its own: gone with the agent.
    let place = Place::new();
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=128k tmpfs \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(place.lib()).arg(AGENTD).args(place.arguments());
    let agent = place.start_by(command);
    // The agent's view of that file system.
    let inside = |path: &Path| PathBuf::from(format!("/proc/{}/root{}", agent.child.id(), path.display()));
    place.drain("dns2").unwrap();
    let before = fs::read(inside(&place.state)).unwrap();
    let filler = inside(place.lib()).join("filler");
    let _full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    match place.drain("dns1") {
        Err(CallError::Agent(AgentError::NotSaved { detail })) => {
            assert!(detail.contains("make room"), "{detail}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(place.drained(), ["dns2"]);
    assert!(place.state_now().storage.detail.contains("make room"));
    let on_disk: agent_api::State = serde_json::from_slice(&fs::read(inside(&place.state)).unwrap()).unwrap();
    assert_eq!(on_disk.orders.drains.len(), 1, "{}", String::from_utf8_lossy(&before));
    fs::remove_file(filler).unwrap();
    place.drain("dns1").unwrap();
    let on_disk: agent_api::State = serde_json::from_slice(&fs::read(inside(&place.state)).unwrap()).unwrap();
    assert_eq!(on_disk.orders.drains.len(), 2);
}
