//! An agent that is not one: answers from a state in memory, or misbehaves as told.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use agent_api::wire::{DrainOrder, EndHandoverOrder, HandoverOrder, UndrainOrder};
use agent_api::{Drain, Handover, State, Update};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How the agent behaves.
#[derive(Debug, Clone)]
pub enum Manner {
    /// As it should.
    Well,
    /// Takes connections and never answers.
    Silent,
    /// Answers with these bytes.
    Says(Vec<u8>),
    /// Answers orders with this error and these parameters.
    Refuses(&'static str, Value),
}

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    manner: Manner,
    orders: Mutex<Vec<Value>>,
}

/// A fake agent on a socket of its own.
pub struct Fake {
    inner: Arc<Inner>,
    folder: tempfile::TempDir,
}

impl Fake {
    pub fn start(state: State, manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("agent.sock")).unwrap();
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            changed: Condvar::new(),
            manner,
            orders: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let inner = Arc::clone(&serving);
                thread::spawn(move || inner.serve(stream));
            }
        });
        Self { inner, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// The parameters of every order there was.
    pub fn orders(&self) -> Vec<Value> {
        self.inner.orders.lock().unwrap().clone()
    }

    /// Changes the state and tells who watches.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.inner.state.lock().unwrap();
        change(&mut state);
        state.generation += 1;
        self.inner.changed.notify_all();
    }
}

impl Inner {
    fn serve(&self, mut stream: UnixStream) {
        let mut buffer = Vec::new();
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() {
            if byte[0] != 0 {
                buffer.push(byte[0]);
                continue;
            }
            let call: Value = serde_json::from_slice(&std::mem::take(&mut buffer)).unwrap();
            match &self.manner {
                Manner::Silent => continue,
                Manner::Says(bytes) => {
                    let _ = stream.write_all(bytes);
                    continue;
                }
                Manner::Well | Manner::Refuses(..) => {}
            }
            if call["method"] == "org.holdfast.Agent.Watch" {
                self.watch(&mut stream);
                return;
            }
            if send(&mut stream, &self.answer(&call)).is_err() {
                return;
            }
        }
    }

    fn watch(&self, stream: &mut UnixStream) {
        let mut state = self.state.lock().unwrap();
        loop {
            let update = Update {
                generation: state.generation,
                orders: Some(state.orders.clone()),
                checkd: Some(state.checkd.to_update()),
                lvsd: Some(state.lvsd.to_update()),
                vipd: Some(state.vipd.to_update()),
                events: state.events.iter().cloned().collect(),
                ..Update::default()
            };
            if send(stream, &json!({ "parameters": update, "continues": true })).is_err() {
                return;
            }
            let generation = state.generation;
            while state.generation == generation {
                state = self.changed.wait_timeout(state, Duration::from_secs(60)).unwrap().0;
            }
        }
    }

    fn answer(&self, call: &Value) -> Value {
        let parameters = call["parameters"].clone();
        let method = call["method"].as_str().unwrap().strip_prefix("org.holdfast.Agent.").unwrap();
        if method == "GetState" {
            return json!({ "parameters": { "state": *self.state.lock().unwrap() } });
        }
        self.orders.lock().unwrap().push(parameters.clone());
        if let Manner::Refuses(error, parameters) = &self.manner {
            return json!({ "error": format!("org.holdfast.Agent.{error}"), "parameters": parameters });
        }
        let now = Timestamp::now();
        let mut state = self.state.lock().unwrap();
        match method {
            "Drain" => {
                let order: DrainOrder = serde_json::from_value(parameters).unwrap();
                let drain = Drain {
                    target: order.target.clone(),
                    who: match &order.on_behalf_of {
                        Some(user) => format!("root ({user})"),
                        None => "root".to_owned(),
                    },
                    why: order.why,
                    since: now,
                    until: order.for_seconds.map(|s| now + SignedDuration::from_secs(s.try_into().unwrap())),
                };
                let before = state.orders.drains.len();
                state.orders.drains.retain(|drain| drain.target != order.target);
                let replaced = state.orders.drains.len() < before;
                state.orders.drains.push(drain.clone());
                json!({ "parameters": { "drain": drain, "replaced": replaced } })
            }
            "Undrain" => {
                let order: UndrainOrder = serde_json::from_value(parameters).unwrap();
                let (ended, rest): (Vec<Drain>, Vec<Drain>) =
                    state.orders.drains.drain(..).partition(|drain| drain.target == order.target);
                state.orders.drains = rest;
                if ended.is_empty() {
                    return json!({
                        "error": "org.holdfast.Agent.NotDrained",
                        "parameters": { "target": order.target.to_string() }
                    });
                }
                json!({ "parameters": { "ended": ended } })
            }
            "Handover" => {
                let order: HandoverOrder = serde_json::from_value(parameters).unwrap();
                let handover = Handover {
                    virtual_router: order.virtual_router.clone(),
                    what: order.what,
                    who: "root".to_owned(),
                    why: order.why,
                    since: now,
                    until: order.for_seconds.map(|s| now + SignedDuration::from_secs(s.try_into().unwrap())),
                };
                let before = state.orders.handovers.len();
                state.orders.handovers.retain(|other| other.virtual_router != order.virtual_router);
                let replaced = state.orders.handovers.len() < before;
                state.orders.handovers.push(handover.clone());
                json!({ "parameters": { "handover": handover, "replaced": replaced } })
            }
            "EndHandover" => {
                let order: EndHandoverOrder = serde_json::from_value(parameters).unwrap();
                let name = order.virtual_router;
                match state.orders.handovers.iter().position(|other| other.virtual_router == name) {
                    Some(at) => json!({ "parameters": { "ended": state.orders.handovers.remove(at) } }),
                    None => json!({
                        "error": "org.holdfast.Agent.NotOrdered",
                        "parameters": { "name": name.to_string() }
                    }),
                }
            }
            other => panic!("no method {other}"),
        }
    }
}

fn send(stream: &mut UnixStream, message: &Value) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(message).unwrap();
    bytes.push(0);
    stream.write_all(&bytes)
}
