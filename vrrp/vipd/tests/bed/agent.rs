//! An agent as far as `vipd` talks with it: it keeps what is reported and shows the orders that a test gives.
//!
//! Owns the socket. It speaks one JSON object after another, each ended by NUL.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use agent_api::{Handover, HandoverKind, State};
use jiff::Timestamp;
use serde_json::{Value, json};

#[derive(Default)]
struct Known {
    reports: Vec<Value>,
    generation: u64,
    handovers: Vec<Handover>,
}

/// The agent. Its threads end with the test.
#[derive(Clone)]
pub struct Agent(Arc<Mutex<Known>>);

impl Agent {
    pub fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("the agent's socket");
        let agent = Self(Arc::default());
        let shared = agent.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let agent = shared.clone();
                thread::spawn(move || agent.serve(stream));
            }
        });
        agent
    }

    /// Gives an order to the router `vip`, or ends it.
    pub fn order(&self, what: Option<HandoverKind>) {
        let order = what.map(|what| Handover {
            virtual_router: "vip".parse().expect("a name"),
            what,
            who: "a test".to_owned(),
            why: String::new(),
            since: Timestamp::now(),
            until: None,
        });
        let mut known = self.0.lock().expect("no panic");
        known.handovers = order.into_iter().collect();
        known.generation += 1;
    }

    /// What was reported last of the router `vip`.
    pub fn router(&self) -> Option<Value> {
        let known = self.0.lock().expect("no panic");
        known.reports.iter().rev().find_map(|report| report["vipd"]["items"].get("vip").cloned())
    }

    /// The kinds of all events that were reported.
    pub fn events(&self) -> Vec<String> {
        let known = self.0.lock().expect("no panic");
        let events = known.reports.iter().filter_map(|report| report["events"].as_array());
        events.flatten().filter_map(|event| event["kind"].as_str().map(str::to_owned)).collect()
    }

    fn serve(&self, mut stream: UnixStream) {
        let (mut waiting, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            while let Some(end) = waiting.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = waiting.drain(..=end).collect();
                let Ok(call) = serde_json::from_slice::<Value>(&message[..end]) else { return };
                match call["method"].as_str().unwrap_or_default() {
                    agent_api::wire::WATCH => return self.stream(stream),
                    agent_api::wire::REPORT => {
                        let mut known = self.0.lock().expect("no panic");
                        known.reports.push(call["parameters"].clone());
                        known.generation += 1;
                        let generation = known.generation;
                        drop(known);
                        if !send(&mut stream, &json!({"parameters": {"generation": generation}})) {
                            return;
                        }
                    }
                    _ => {
                        let state = State::new("test".to_owned(), Timestamp::now());
                        if !send(&mut stream, &json!({"parameters": {"state": state}})) {
                            return;
                        }
                    }
                }
            }
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => waiting.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
    }

    /// Updates for a watcher, until it is gone.
    fn stream(&self, mut stream: UnixStream) {
        let mut sent = None;
        loop {
            let update = {
                let known = self.0.lock().expect("no panic");
                (sent != Some(known.generation)).then(|| {
                    sent = Some(known.generation);
                    json!({"generation": known.generation, "orders": {"handovers": known.handovers}})
                })
            };
            if let Some(update) = update
                && !send(&mut stream, &json!({"parameters": update, "continues": true}))
            {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn send(stream: &mut UnixStream, value: &Value) -> bool {
    let mut bytes = serde_json::to_vec(value).expect("JSON");
    bytes.push(0);
    stream.write_all(&bytes).is_ok()
}
