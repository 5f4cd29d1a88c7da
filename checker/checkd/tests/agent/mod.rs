//! An agent for tests: it answers what `checkd` asks and keeps what it is told.
//!
//! Owns a socket in a folder of its own and the state as reported. Frames are JSON ended by NUL, written and read by hand, so
//! that the link's own code is not tested against itself.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use agent_api::section::CheckUpdate;
use agent_api::wire::{GET_STATE, REPORT, Report};
use agent_api::{Event, RealServerHealth, RealServerId, State};
use serde_json::{Value, json};

/// An agent that serves until it is dropped.
pub struct Agent {
    /// What it knows.
    pub state: Arc<Mutex<State>>,
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Listens at `path` and knows `state`.
    pub fn start(path: &Path, state: State) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let state = Arc::new(Mutex::new(state));
        let stop = Arc::new(AtomicBool::new(false));
        let (known, halt) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                while !halt.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let (known, halt) = (&known, &halt);
                            scope.spawn(move || serve(stream, known, halt));
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            });
        });
        Self { state, path: path.to_owned(), stop, thread: Some(thread) }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, state: &Mutex<State>, stop: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut held = Vec::new();
    let mut buffer = [0; 65_536];
    let mut parts = None;
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => held.extend_from_slice(&buffer[..length]),
            Err(_) => continue,
        }
        while let Some(end) = held.iter().position(|octet| *octet == 0) {
            let call: Value = serde_json::from_slice(&held[..end]).unwrap();
            held.drain(..=end);
            let reply = answer(&call, &mut state.lock().unwrap(), &mut parts);
            let mut octets = serde_json::to_vec(&reply).unwrap();
            octets.push(0);
            if stream.write_all(&octets).is_err() {
                return;
            }
        }
    }
}

/// What came so far of a section that is reported in parts.
type Parts = Option<BTreeMap<RealServerId, RealServerHealth>>;

/// A section in parts takes nothing away before the last of them has come.
fn gather(update: &mut CheckUpdate, parts: &mut Parts) {
    if update.whole {
        *parts = Some(BTreeMap::new());
    }
    let Some(mut so_far) = parts.take() else { return };
    so_far.extend(update.items.clone());
    so_far.retain(|key, _| !update.removed.contains(key));
    update.whole = !update.unfinished;
    if update.whole {
        update.items = so_far;
    } else {
        *parts = Some(so_far);
    }
}

fn answer(call: &Value, state: &mut State, parts: &mut Parts) -> Value {
    match call["method"].as_str() {
        Some(GET_STATE) => json!({ "parameters": { "state": state } }),
        Some(REPORT) => {
            let report: Report = serde_json::from_value(call["parameters"].clone()).unwrap();
            let mut update = report.checkd.unwrap();
            gather(&mut update, parts);
            state.checkd.apply(update);
            let events = report.events.into_iter();
            state.events.extend(events.map(|event| Event { number: event.sequence, what: event.what }));
            state.generation += 1;
            json!({ "parameters": { "generation": state.generation } })
        }
        other => panic!("checkd called {other:?}"),
    }
}
