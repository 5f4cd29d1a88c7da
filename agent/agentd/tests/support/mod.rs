//! A real agent on paths of its own, and ways to talk to it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test program uses a part; these are tests"
)]

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use agent_api::wire::{DRAIN, DrainOrder, DrainReply, GET_STATE, StateReply};
use agent_api::{DrainTarget, RealServerHealth, Reporter as Identity, State, Verdict};
use agent_link::{CallError, Connection};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// Nothing takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(60);

pub const AGENTD: &str = env!("CARGO_BIN_EXE_agentd");

pub const CONFIG: &str = r#"
[[virtual_router]]
name = "vip"
interface = "eth0"
vrid = 51
addresses = ["192.0.2.53"]

[[virtual_server]]
name = "resolver"
address = "192.0.2.53"
services = ["udp/53"]
[virtual_server.check.dns]
qname = "resolve.test"
[[virtual_server.real_server]]
name = "dns1"
address = "10.1.53.2"
[[virtual_server.real_server]]
name = "dns2"
address = "10.1.53.3"
"#;

/// Waits until `found` finds something.
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Copies a program to where any user may run it. A process of its own writes it: a program that some thread of ours has
/// open for writing when another one forks can't be run.
pub fn copy_program(from: &Path, to: &Path) {
    if !to.exists() {
        assert!(Command::new("cp").args([from, to]).status().unwrap().success());
    }
}

/// A directory for one agent.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub config: PathBuf,
    pub socket: PathBuf,
    pub state: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Self {
            config: dir.path().join("holdfast.toml"),
            socket: dir.path().join("agent.sock"),
            state: dir.path().join("lib").join("state.json"),
            dir,
        };
        fs::create_dir(place.lib()).unwrap();
        fs::write(&place.config, CONFIG).unwrap();
        place
    }

    /// The state file's directory.
    pub fn lib(&self) -> &Path {
        self.state.parent().unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap()
    }

    pub fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            "--config".into(),
            path(&self.config),
            "--socket".into(),
            path(&self.socket),
            "--state".into(),
            path(&self.state),
        ]
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(AGENTD);
        command.args(self.arguments());
        command
    }

    /// Starts an agent and waits until it answers.
    pub fn start(&self) -> Agent {
        self.start_by(self.command())
    }

    pub fn start_by(&self, mut command: Command) -> Agent {
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.log_file()).spawn().unwrap();
        let mut agent = Agent { child };
        until("the agent's answer", || {
            assert!(agent.child.try_wait().unwrap().is_none(), "the agent ended: {}", self.log());
            self.connect().ok()?.call::<Value>("org.varlink.service.GetInfo", &json!({})).ok()
        });
        agent
    }

    /// Runs an agent that is expected to end by itself. Its exit code and what it says.
    pub fn run(&self) -> (i32, String) {
        let output = self.command().stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn connect(&self) -> Result<Connection, CallError> {
        Connection::open(&self.socket, LONG)
    }

    pub fn call(&self, method: &str, parameters: Value) -> Result<Value, CallError> {
        self.connect().unwrap().call(method, &parameters)
    }

    pub fn state_now(&self) -> State {
        self.connect().unwrap().call::<StateReply>(GET_STATE, &json!({})).unwrap().state
    }

    pub fn drain(&self, server: &str) -> Result<DrainReply, CallError> {
        let target = DrainTarget { virtual_server: None, real_server: server.parse().unwrap() };
        let order = DrainOrder { target, why: "test".into(), for_seconds: None, on_behalf_of: None };
        self.connect().unwrap().call(DRAIN, &order)
    }

    pub fn drained(&self) -> Vec<String> {
        self.state_now().orders.drains.iter().map(|drain| drain.target.to_string()).collect()
    }

    /// The state on disk.
    pub fn saved(&self) -> State {
        agent_link::read_state_file(&self.state).unwrap()
    }

    /// The names in the state file's directory.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.lib())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A running agent. It is killed in the end.
pub struct Agent {
    pub child: Child,
}

impl Agent {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn stop(mut self) -> ExitStatus {
        // It may be ending already.
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        until("the agent's end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection for bytes that are no calls.
pub struct Raw {
    pub stream: UnixStream,
    read: Vec<u8>,
}

impl Raw {
    pub fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes; the agent may have closed already.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn call(&mut self, call: &Value) {
        let mut bytes = serde_json::to_vec(call).unwrap();
        bytes.push(0);
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next message; none when the agent closed.
    pub fn message(&mut self) -> Option<Value> {
        let mut chunk = [0; 65536];
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let message = serde_json::from_slice(&self.read[..end]).unwrap();
                self.read.drain(..=end);
                return Some(message);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.read.extend(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the agent says nothing: {error}"),
            }
        }
    }

    /// The agent refuses with these words and closes.
    #[track_caller]
    pub fn is_refused(&mut self, words: &str) {
        let message = self.message().unwrap_or_default();
        assert_eq!(message["error"], "org.holdfast.Agent.Refused", "{message}");
        let detail = message["parameters"]["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
        assert_eq!(self.message(), None, "it is closed");
    }
}

pub fn identity(pid: u32, started_at: &str) -> Identity {
    Identity { version: "test".into(), pid, started_at: started_at.parse().unwrap(), config: "c".into() }
}

/// What checkd says of a server, with no more in it than must be.
pub fn health(verdict: Verdict) -> RealServerHealth {
    let cause = (!verdict.passes()).then_some("dns_timeout");
    let passing = verdict.passes();
    let health = json!({
        "verdict": verdict.as_str(), "since": "1970-01-01T00:00:00Z", "address": "10.1.53.2:53",
        "cause": cause, "in_a_row": 3, "passing": passing,
    });
    serde_json::from_value(health).unwrap()
}
