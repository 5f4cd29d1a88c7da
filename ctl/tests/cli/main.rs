//! The `holdfast` command as people and scripts call it, against an agent that the test plays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod docs;
mod drain;
mod fake;
mod moving;
mod routers;
mod run;
mod status;
mod terminal;
mod timeline;
mod watch;

use std::path::Path;
use std::process::{Command, Output};

use agent_api::State;
use jiff::{SignedDuration, Timestamp};

/// A command without anything from the environment that it would heed.
fn holdfast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.env_remove("HOLDFAST_SOCKET").env_remove("SUDO_USER").env_remove("NO_COLOR").env("TZ", "UTC");
    command
}

/// Runs `holdfast` with a socket and arguments.
fn run(socket: &Path, arguments: &[&str]) -> Output {
    holdfast().arg("--socket").arg(socket).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The state of `data/state.json`, as if it were from now: dns1 up, dns2 down, dns3 up and drained.
fn state() -> State {
    let text = include_str!("../data/state.json");
    let written: State = serde_json::from_str(text).unwrap();
    let later = Timestamp::now().duration_since(written.written_at);
    moved(text, later)
}

/// The same with every time in it moved by `later`.
fn moved(text: &str, later: SignedDuration) -> State {
    fn walk(value: &mut serde_json::Value, later: SignedDuration) {
        match value {
            serde_json::Value::String(text) => {
                if let Ok(at) = text.parse::<Timestamp>() {
                    *text = (at + later).to_string();
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| walk(item, later)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, later)),
            _ => {}
        }
    }
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
    walk(&mut value, later);
    serde_json::from_value(value).unwrap()
}

/// A state in which nothing is wrong.
fn healthy() -> State {
    let mut state = state();
    state.checkd.items.retain(|id, _| id.real_server.as_str() != "dns2");
    state
}
