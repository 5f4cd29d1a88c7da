//! `holdfast status --watch`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use agent_api::Verdict;
use serde_json::Value;

use crate::fake::{Fake, Manner};
use crate::{healthy, holdfast, state};

/// Much longer than anything here takes.
const SOON: Duration = Duration::from_secs(30);

struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn watch(socket: &std::path::Path, more: &[&str]) -> Watching {
    let mut child = holdfast()
        .arg("--socket")
        .arg(socket)
        .args(["status", "--watch", "--state", "/nonexistent/state.json"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    Watching { child, lines }
}

impl Watching {
    fn json(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(SOON).unwrap()).unwrap()
    }
}

fn take_down(state: &mut agent_api::State, name: &str) {
    let health = state.checkd.items.get_mut(&format!("resolver/{name}").parse().unwrap()).unwrap();
    health.verdict = Verdict::Down;
    health.cause = Some("dns_servfail".parse().unwrap());
}

#[test]
fn json_is_a_document_a_line_at_every_change() {
    let fake = Fake::start(healthy(), Manner::Well);
    let watching = watch(&fake.socket(), &["--json"]);
    assert_eq!(watching.json()["status"], "ok");
    fake.change(|state| take_down(state, "dns1"));
    let json = watching.json();
    assert_eq!(json["status"], "critical");
    assert_eq!(json["virtual_servers"][0]["real_servers"][0]["cause"], "dns_servfail");
}

#[test]
fn what_moves_all_the_time_is_no_change() {
    let fake = Fake::start(healthy(), Manner::Well);
    let watching = watch(&fake.socket(), &["--json"]);
    watching.json();
    fake.change(|state| {
        state.checkd.items.values_mut().for_each(|health| health.latency_us = Some(99));
        state.checkd.heard_at = Some(jiff::Timestamp::now());
    });
    // Longer than it takes to look again on its own.
    assert_eq!(watching.lines.recv_timeout(Duration::from_millis(2_500)), Err(RecvTimeoutError::Timeout));
    fake.change(|state| take_down(state, "dns3"));
    assert_eq!(watching.json()["virtual_servers"][0]["real_servers"][1]["latency_us"], 99);
}

#[test]
fn text_in_a_pipe_comes_in_blocks() {
    let fake = Fake::start(healthy(), Manner::Well);
    let watching = watch(&fake.socket(), &["resolver"]);
    let next = |start: &str| loop {
        let line = watching.lines.recv_timeout(SOON).unwrap();
        assert!(!line.contains('\u{1b}'));
        if line.starts_with(start) {
            return;
        }
    };
    next("holdfast: ok");
    fake.change(|state| take_down(state, "dns1"));
    next("holdfast: critical");
}

#[test]
fn the_agent_may_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("link.sock");
    let watching = watch(&socket, &["--json"]);
    assert_eq!(watching.json()["source"], "nowhere");
    let fake = Fake::start(state(), Manner::Well);
    std::os::unix::fs::symlink(fake.socket(), &socket).unwrap();
    assert_eq!(watching.json()["source"], "agent");
}

#[test]
fn a_wrong_name_is_said_at_once() {
    let fake = Fake::start(healthy(), Manner::Well);
    let output = holdfast()
        .arg("--socket")
        .arg(fake.socket())
        .args(["status", "--watch", "nonsense"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}
