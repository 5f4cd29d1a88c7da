//! Who may do what, with callers whom the kernel knows as others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::geteuid;
use serde_json::{Value, json};
use support::{AGENTD, Place, Raw, copy_program};

/// Users of a system that has ours; far from any that this machine may have.
const CHECK: u32 = 64_101;
const LVS: u32 = 64_102;
const AGENT: u32 = 64_103;
const STRANGER: u32 = 64_104;
const GROUP: u32 = 64_100;

/// The caller's half of [`as_user`]: runs as another user, in a copy of this program.
#[test]
fn caller() {
    let Some(socket) = std::env::var_os("HOLDFAST_TEST_SOCKET") else { return };
    let calls: Vec<Value> = serde_json::from_str(&std::env::var("HOLDFAST_TEST_CALLS").unwrap()).unwrap();
    for call in calls {
        let mut raw = Raw::connect(&PathBuf::from(&socket));
        raw.call(&call);
        println!("\nREPLY {}", raw.message().unwrap());
    }
}

/// The replies that a user gets.
fn as_user(place: &Place, uid: u32, gid: u32, calls: &[Value]) -> Vec<Value> {
    let program = place.dir.path().join("caller");
    copy_program(&std::env::current_exe().unwrap(), &program);
    let output = Command::new(program)
        .args(["--exact", "caller", "--nocapture", "--test-threads=1"])
        .env("HOLDFAST_TEST_SOCKET", &place.socket)
        .env("HOLDFAST_TEST_CALLS", serde_json::to_string(calls).unwrap())
        .current_dir("/")
        .uid(uid)
        .gid(gid)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let replies: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("REPLY "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(replies.len(), calls.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    replies
}

fn report(section: &str) -> Value {
    let reporter = json!({ "version": "x", "pid": 1, "started_at": "2026-11-21T00:00:00Z", "config": "c" });
    json!({ "method": "org.holdfast.Agent.Report", "parameters": { section: { "whole": true, "reporter": reporter } } })
}

fn order(method: &str) -> Value {
    json!({ "method": format!("org.holdfast.Agent.{method}"), "parameters": { "real_server": "dns1" } })
}

/// What each user is answered: to reading, both reports, drain and undrain.
fn calls() -> Vec<Value> {
    let read = json!({ "method": "org.holdfast.Agent.GetState" });
    vec![read, report("checkd"), report("lvsd"), order("Drain"), order("Undrain")]
}

fn allowed(replies: &[Value]) -> Vec<bool> {
    replies
        .iter()
        .map(|reply| {
            let error = reply["error"].as_str();
            assert!(error.is_none_or(|error| error == "org.holdfast.Agent.PermissionDenied"), "{reply}");
            error.is_none()
        })
        .collect()
}

/// Starts the agent as `uid` on a machine that has our users and group.
fn start(place: &Place, uid: u32) -> support::Agent {
    fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(place.lib(), fs::Permissions::from_mode(0o777)).unwrap();
    let user = |name: &str, uid: u32| format!("{name}:x:{uid}:{GROUP}::/:/bin/false\n");
    let passwd = String::from("root:x:0:0::/root:/bin/sh\n")
        + &user("holdfast-check", CHECK)
        + &user("holdfast-lvs", LVS)
        + &user("holdfast-agent", AGENT)
        + &user("mallory", STRANGER);
    fs::write(place.dir.path().join("passwd"), passwd).unwrap();
    fs::write(place.dir.path().join("group"), format!("root:x:0:\nholdfast:x:{GROUP}:\n")).unwrap();
    let binary = place.dir.path().join("agentd");
    copy_program(Path::new(AGENTD), &binary);
    // The users are known in a mount namespace of the agent's own only.
    let script = "mount --bind \"$1/passwd\" /etc/passwd && mount --bind \"$1/group\" /etc/group && \
                  shift && user=$1 && shift && exec setpriv --reuid \"$user\" --regid 64100 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(place.dir.path()).arg(uid.to_string()).arg(binary).args(place.arguments());
    place.start_by(command)
}

#[test]
fn each_user_may_do_its_part() {
    if !geteuid().is_root() {
        // Then there is one user only, who is the agent's own and may do everything.
        let place = Place::new();
        let _agent = place.start();
        for call in calls() {
            let mut raw = Raw::connect(&place.socket);
            raw.call(&call);
            assert_eq!(raw.message().unwrap().get("error"), None);
        }
        return;
    }
    let place = Place::new();
    let agent = start(&place, AGENT);
    let socket = fs::symlink_metadata(&place.socket).unwrap();
    assert_eq!((socket.uid(), socket.gid(), socket.mode() & 0o777), (AGENT, GROUP, 0o660));
    for (name, uid, expected) in [
        ("root", 0, [true, true, true, true, true]),
        ("the agent's own", AGENT, [true, true, true, true, true]),
        ("checkd's", CHECK, [true, true, false, false, false]),
        ("lvsd's", LVS, [true, false, true, false, false]),
        ("a reader", STRANGER, [true, false, false, false, false]),
    ] {
        assert_eq!(allowed(&as_user(&place, uid, GROUP, &calls())), expected, "{name}");
    }

    let replies = as_user(&place, STRANGER, GROUP, &calls());
    let parameters = |reply: &Value| reply["parameters"].clone();
    assert_eq!(
        parameters(&replies[2]),
        json!({ "user": "mallory", "action": "report as lvsd", "remedy": "only user holdfast-lvs and root may" })
    );
    assert_eq!(
        parameters(&replies[3]),
        json!({ "user": "mallory", "action": "drain a real server", "remedy": "only root may give orders; use sudo" })
    );
    let who = as_user(&place, AGENT, GROUP, &[order("Drain")])[0]["parameters"]["drain"]["who"].clone();
    assert_eq!(who, "holdfast-agent");

    let state = fs::metadata(&place.state).unwrap();
    assert_eq!((state.uid(), state.gid(), state.mode() & 0o777), (AGENT, GROUP, 0o640));
    // Who is not in the group can't even connect.
    assert!(std::panic::catch_unwind(|| as_user(&place, STRANGER, STRANGER, &[order("Drain")])).is_err());
    assert!(agent.stop().success());
}

#[test]
fn where_there_are_no_daemons_users_root_is_told_of() {
    if !geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let _agent = place.start();
    fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&place.socket, fs::Permissions::from_mode(0o666)).unwrap();
    let replies = as_user(&place, STRANGER, STRANGER, &calls());
    assert_eq!(allowed(&replies), [true, false, false, false, false]);
    assert_eq!(replies[3]["parameters"]["user"], STRANGER.to_string(), "a user without a name");
}
