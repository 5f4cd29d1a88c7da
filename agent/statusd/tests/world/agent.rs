//! An agent that is played: it answers `Watch` with whatever state it is given.
//!
//! Owns the socket and the watchers. It can say anything, which the real one can't be brought to.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use agent_api::wire::{GET_STATE, WATCH};
use agent_api::{State, Update};
use agent_link::frame::{Frames, REPLY_MAX};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How often the reporters are heard.
const BEAT: Duration = Duration::from_secs(3);

struct Stage {
    state: State,
    watchers: Vec<UnixStream>,
    beats: bool,
    over: bool,
}

/// The played agent; gone when dropped.
pub struct Agent {
    stage: Arc<Mutex<Stage>>,
    socket: std::path::PathBuf,
}

impl Agent {
    /// Plays `state` on `socket`.
    pub fn start(socket: &Path, state: State) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let stage = Arc::new(Mutex::new(Stage { state, watchers: Vec::new(), beats: true, over: false }));
        let (doorman, heart) = (Arc::clone(&stage), Arc::clone(&stage));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stage = Arc::clone(&doorman);
                if stage.lock().unwrap().over {
                    return;
                }
                thread::spawn(move || attend(&stage, stream.unwrap()));
            }
        });
        thread::spawn(move || {
            loop {
                thread::sleep(BEAT);
                let mut stage = heart.lock().unwrap();
                if stage.over {
                    return;
                }
                if stage.beats {
                    beat(&mut stage.state);
                }
                tell(&mut stage);
            }
        });
        Self { stage, socket: socket.to_owned() }
    }

    /// Changes the state and tells everybody.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut stage = self.stage.lock().unwrap();
        change(&mut stage.state);
        stage.state.generation += 1;
        tell(&mut stage);
    }

    /// From now on nobody is heard but the agent itself.
    pub fn stop_beating(&self) {
        self.stage.lock().unwrap().beats = false;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let mut stage = self.stage.lock().unwrap();
        stage.over = true;
        for watcher in stage.watchers.drain(..) {
            let _ = watcher.shutdown(std::net::Shutdown::Both);
        }
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Both reporters are heard.
pub fn beat(state: &mut State) {
    state.checkd.heard_at = Some(Timestamp::now());
    state.lvsd.heard_at = Some(Timestamp::now());
    if state.vipd.connected {
        state.vipd.heard_at = Some(Timestamp::now());
    }
    if state.alertd.connected {
        state.alertd.heard_at = Some(Timestamp::now());
    }
}

fn whole(state: &State) -> Vec<u8> {
    let update = Update {
        generation: state.generation,
        orders: Some(state.orders.clone()),
        checkd: Some(state.checkd.to_update()),
        lvsd: Some(state.lvsd.to_update()),
        vipd: Some(state.vipd.to_update()),
        alertd: Some(state.alertd.to_update()),
        storage: Some(state.storage.clone()),
        events: state.events.iter().cloned().collect(),
    };
    let mut bytes = serde_json::to_vec(&json!({ "parameters": update, "continues": true })).unwrap();
    bytes.push(0);
    bytes
}

fn tell(stage: &mut Stage) {
    let bytes = whole(&stage.state);
    stage.watchers.retain_mut(|watcher| watcher.write_all(&bytes).is_ok());
}

fn attend(stage: &Mutex<Stage>, mut stream: UnixStream) {
    let mut frames = Frames::new(REPLY_MAX);
    let mut chunk = [0; 4096];
    loop {
        while let Some(message) = frames.take().unwrap() {
            let call: Value = serde_json::from_slice(&message).unwrap();
            if call["method"] == GET_STATE {
                // Of the command, which asks once; statusd only watches.
                let state = &stage.lock().unwrap().state;
                let mut bytes = serde_json::to_vec(&json!({ "parameters": { "state": state } })).unwrap();
                bytes.push(0);
                stream.write_all(&bytes).unwrap();
                continue;
            }
            assert_eq!(call["method"], WATCH, "statusd only watches");
            let mut stage = stage.lock().unwrap();
            let mut watcher = stream.try_clone().unwrap();
            if watcher.write_all(&whole(&stage.state)).is_ok() {
                stage.watchers.push(watcher);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => frames.push(&chunk[..read]),
        }
    }
}
