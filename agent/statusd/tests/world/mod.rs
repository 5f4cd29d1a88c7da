//! A real `statusd` with an agent that the test plays, and a small HTTP client.
//!
//! Owns the processes and folders; everything is gone when a [`World`] is dropped. Only loopback is used.

#![allow(dead_code)]

pub mod agent;
pub mod http;
pub mod states;
pub mod tls;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_api::State;

use agent::Agent;
use http::{Answer, get};

/// Nothing in these tests takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is ended with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A configuration whose page is at `address`.
pub fn config(address: SocketAddr, title: &str) -> String {
    config_with(address, &format!("title = {title:?}"))
}

/// The same with these keys in `[status]`.
pub fn config_with(address: SocketAddr, keys: &str) -> String {
    format!(
        "[status]\nlisten = \"{address}\"\n{keys}\n[[virtual_server]]\nname = \"resolver\"\n\
         address = \"192.0.2.53\"\nservices = [\"udp/53\"]\ncheck.dns.qname = \"resolve.test\"\n\
         real_server = [{{ name = \"dns1\", address = \"192.0.2.1\" }}]\n"
    )
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A folder, a `statusd`, and an agent if one is played.
pub struct World {
    pub statusd: Process,
    pub agent: Option<Agent>,
    pub address: SocketAddr,
    /// The other director, if there is one.
    pub second: Option<Box<World>>,
    folder: tempfile::TempDir,
}

impl World {
    /// A `statusd` that shows `state` and may open so many descriptors.
    pub fn with_descriptors(state: State, limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = Agent::start(&folder.path().join("agent.sock"), state);
        let world = Self::start(folder, Some(agent), limit);
        until("ready", || world.get("/readyz").status == 200);
        world
    }

    /// A `statusd` that shows `state`.
    pub fn of(state: State) -> Self {
        Self::with_descriptors(state, 4_096)
    }

    /// The same with a second director on a good day, which the first one asks.
    pub fn paired(state: State) -> Self {
        let second = Self::of(states::good());
        let keys = format!("peer.url = \"http://{}\"", second.address);
        let mut world = Self::with_keys(state, &keys, 4_096);
        until("ready", || world.get("/readyz").status == 200);
        until("the second director", || world.json("/api/v1/peer")["heard_at"].is_string());
        world.second = Some(Box::new(second));
        world
    }

    /// A `statusd` without an agent.
    pub fn alone(folder: tempfile::TempDir) -> Self {
        Self::start(folder, None, 4_096)
    }

    /// A `statusd` that shows `state`, with these keys in `[status]`; whoever asks must speak what they demand.
    pub fn with_keys(state: State, keys: &str, descriptors: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = Agent::start(&folder.path().join("agent.sock"), state);
        let answers = |address| std::net::TcpStream::connect(address).is_ok();
        Self::start_with(folder, Some(agent), descriptors, keys, answers)
    }

    fn start(folder: tempfile::TempDir, agent: Option<Agent>, descriptors: u64) -> Self {
        let answers = |address| http::try_get(address, "/healthz").is_ok_and(|answer| answer.status == 200);
        Self::start_with(folder, agent, descriptors, "title = \"Test <b>cluster</b>\"", answers)
    }

    fn start_with(
        folder: tempfile::TempDir,
        agent: Option<Agent>,
        descriptors: u64,
        keys: &str,
        answers: impl Fn(SocketAddr) -> bool,
    ) -> Self {
        // Somebody else may take the port first: then another one.
        for _ in 0..5 {
            let address = free_address();
            std::fs::write(folder.path().join("holdfast.toml"), config_with(address, keys)).unwrap();
            let mut statusd = Process(limited(folder.path(), descriptors).spawn().unwrap());
            let deadline = Instant::now() + LONG;
            while Instant::now() < deadline && statusd.0.try_wait().unwrap().is_none() {
                if answers(address) {
                    return Self { statusd, agent, address, second: None, folder };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("statusd does not start");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn get(&self, path: &str) -> Answer {
        get(self.address, path)
    }

    /// The body of a page that is there.
    pub fn text(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    pub fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    pub fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.statusd.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// The same with a limit of descriptors.
fn limited(folder: &Path, descriptors: u64) -> Command {
    let plain = command(folder);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}")).arg(plain.get_program()).args(plain.get_args());
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// `statusd` with everything in `folder`.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statusd"));
    command
        .arg("--config")
        .arg(folder.join("holdfast.toml"))
        .arg("--socket")
        .arg(folder.join("agent.sock"))
        .arg("--state")
        .arg(folder.join("state.json"))
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}
