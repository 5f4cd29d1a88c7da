//! A mail server, an agent, an `alertd` and somebody who reports.
//!
//! Owns their processes and files; all are gone when it is dropped.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test program uses a part; these are tests"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use agent_api::wire::{GET_STATE, StateReply};
use agent_api::{
    RealServerHealth, RealServerId, Reporter as Identity, RouterKind, RouterReport, RouterState, State,
    Verdict, VipHead,
};
use agent_link::{Checkd, Connection, Reporter, Vipd};
use jiff::Timestamp;
use serde_json::Value;

/// Nothing takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(90);

pub const POOL: &str = r#"
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
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program of ours that is built beside the one under test.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_alertd")).with_file_name(name);
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--locked", "-p", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "can't build {name}");
    }
    path
}

/// A child that is killed when dropped.
pub struct Running(Child);

impl Running {
    pub fn kill(mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// One accepted mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub meta: Value,
    pub text: String,
}

impl Mail {
    /// The value of a header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
        let start = format!("{}:", name.to_ascii_lowercase());
        head.split("\r\n")
            .find(|line| line.to_ascii_lowercase().starts_with(&start))
            .map(|line| line[start.len()..].trim().to_owned())
    }

    pub fn kind(&self) -> String {
        self.header("X-Holdfast").unwrap().split(' ').next().unwrap().to_owned()
    }

    pub fn incident(&self) -> u64 {
        self.header("X-Holdfast-Incident").unwrap().parse().unwrap()
    }
}

/// A CA and a certificate of it for this machine: `ca.pem`, `cert.pem`, `key.pem`.
fn certificates(dir: &Path) {
    fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for line in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=tests -days 2"),
        format!("req {key} -keyout key.pem -out leaf.csr -subj /CN=localhost"),
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names".to_owned(),
    ] {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(dir).output().expect("openssl starts");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A mail server of aiosmtpd.
pub struct Server {
    pub dir: PathBuf,
    pub port: u16,
    options: Vec<String>,
    child: Option<Running>,
}

impl Server {
    pub fn start(dir: &Path, options: &[&str]) -> Self {
        fs::create_dir_all(dir.join("accepted")).unwrap();
        fs::write(dir.join("mode"), "ok").unwrap();
        certificates(dir);
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { dir: dir.to_owned(), port: 0, options, child: None };
        server.up();
        server
    }

    /// Starts it, on the port that it had.
    pub fn up(&mut self) {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bed/server.py")).arg(&self.dir);
        command.args(&self.options);
        if self.port != 0 {
            command.arg("--port").arg(self.port.to_string());
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.child = Some(Running(child));
        self.port =
            line.trim().parse().expect("the mail server says its port; is python3-aiosmtpd installed?");
    }

    pub fn down(&mut self) {
        self.child = None;
    }

    pub fn mode(&self, mode: &str) {
        let new = self.dir.join("mode.new");
        fs::write(&new, mode).unwrap();
        fs::rename(new, self.dir.join("mode")).unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// All accepted mails, in their order.
    pub fn mails(&self) -> Vec<Mail> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(self.dir.join("accepted")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_none());
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let bytes = fs::read(path).unwrap();
                let text = String::from_utf8(bytes).unwrap();
                let (meta, text) = text.split_once('\n').unwrap();
                Mail { meta: serde_json::from_str(meta).unwrap(), text: text.to_owned() }
            })
            .collect()
    }

    /// Waits until there are `count` of them.
    pub fn wait(&self, count: usize) -> Vec<Mail> {
        until(&format!("{count} mails; the log: {}", self.log()), || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        })
    }
}

/// An agent, an `alertd`, and a played `checkd`.
pub struct Bed {
    pub dir: tempfile::TempDir,
    agentd: Option<Running>,
    alertd: Option<Running>,
    statusd: Option<Running>,
    checkd: Option<Reporter<Checkd>>,
    vipd: Option<Reporter<Vipd>>,
    health: BTreeMap<RealServerId, RealServerHealth>,
}

impl Bed {
    /// Starts the agent; `alert` is the `[alert]` of the configuration.
    pub fn new(alert: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut bed = Self {
            dir,
            agentd: None,
            alertd: None,
            statusd: None,
            checkd: None,
            vipd: None,
            health: BTreeMap::new(),
        };
        bed.configure(alert);
        bed.start_agentd();
        for server in ["resolver/dns1", "resolver/dns2"] {
            bed.health.insert(server.parse().unwrap(), health(Verdict::Up));
        }
        bed.start_checkd();
        bed
    }

    pub fn configure(&self, alert: &str) {
        fs::write(self.config(), format!("{alert}\n{POOL}")).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("holdfast.toml")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    fn spawn(&self, name: &str, more: &[&Path]) -> Running {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join(format!("{name}.log")))
            .unwrap();
        let child = Command::new(program(name))
            .arg("--config")
            .arg(self.config())
            .arg("--socket")
            .arg(self.socket())
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Running(child)
    }

    pub fn start_agentd(&mut self) {
        let state = self.dir.path().join("state.json");
        self.agentd = Some(self.spawn("agentd", &[Path::new("--state"), &state]));
    }

    pub fn kill_agentd(&mut self) {
        self.agentd = None;
    }

    pub fn start_alertd(&mut self) {
        self.alertd = Some(self.spawn("alertd", &[Path::new("--spool"), &self.spool()]));
        until("alertd watches", || self.alertd_log().contains("watching the agent").then_some(()));
    }

    /// Like [`Self::start_alertd`], with the spool on a disk of 64 KiB that nobody else sees.
    pub fn start_alertd_on_small_disk(&mut self) {
        let spool = self.spool();
        fs::create_dir_all(&spool).unwrap();
        let log = File::create(self.dir.path().join("alertd.log")).unwrap();
        let script = "mount -t tmpfs -o size=64k none \"$1\" && exec \"$2\" --config \"$3\" --socket \"$4\" --spool \"$1\"";
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(&spool)
            .arg(program("alertd"))
            .arg(self.config())
            .arg(self.socket())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("unshare starts");
        self.alertd = Some(Running(child));
        until("alertd watches", || self.alertd_log().contains("watching the agent").then_some(()));
    }

    /// Runs a line where the alertd of the small disk sees it.
    pub fn inside_alertd(&self, line: &str) {
        let pid = self.alertd_pid().to_string();
        let status = Command::new("nsenter").args(["--mount", "--target", &pid, "sh", "-c", line]).status();
        assert!(status.expect("nsenter starts").success(), "{line}");
    }

    pub fn start_statusd(&mut self) {
        let state = self.dir.path().join("state.json");
        self.statusd = Some(self.spawn("statusd", &[Path::new("--state"), &state]));
    }

    /// A played `vipd` says that the virtual router is in this state.
    pub fn route(&mut self, state: RouterState) {
        let identity = identity();
        let report = RouterReport {
            kind: RouterKind::Vrrp,
            state,
            since: Timestamp::now(),
            why: "active".parse().unwrap(),
            detail: "as played".to_owned(),
            interface: "eth0".to_owned(),
            vrid: Some(51),
            addresses: vec!["192.0.2.53".parse().unwrap()],
            held: Vec::new(),
            base_priority: Some(100),
            priority: Some(100),
            parts: Vec::new(),
            interval_ms: Some(1_000),
            active: None,
            sync_group: None,
            order: None,
            transitions: Vec::new(),
            changes: 0,
            senders: Vec::new(),
            discrepancies: Vec::new(),
            rejected: BTreeMap::new(),
        };
        let items = BTreeMap::from([("vip".parse().unwrap(), report)]);
        let reporter = Reporter::start(&self.socket(), identity, VipHead::default(), items).unwrap();
        assert!(reporter.flush(LONG), "the agent takes the report");
        self.vipd = Some(reporter);
    }

    /// What the agent knows.
    pub fn state(&self) -> State {
        let mut connection = Connection::open(&self.socket(), LONG).unwrap();
        let reply: StateReply = connection.call(GET_STATE, &serde_json::json!({})).unwrap();
        reply.state
    }

    /// Runs `holdfast` against this agent.
    pub fn holdfast(&self, arguments: &[&str]) -> Output {
        Command::new(program("holdfast"))
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .env_remove("SUDO_USER")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub fn kill_alertd(&mut self) {
        self.alertd = None;
        let log = self.dir.path().join("alertd.log");
        let _moved = fs::rename(&log, log.with_extension("log.old"));
    }

    /// That of the one that was killed.
    pub fn former_alertd_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("alertd.log.old")).unwrap_or_default()
    }

    pub fn alertd_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("alertd.log")).unwrap_or_default()
    }

    pub fn alertd_pid(&self) -> u32 {
        self.alertd.as_ref().unwrap().pid()
    }

    fn start_checkd(&mut self) {
        let identity = identity();
        let head = agent_api::CheckHead::default();
        let reporter = Reporter::start(&self.socket(), identity, head, self.health.clone()).unwrap();
        self.checkd = Some(reporter);
        assert!(self.checkd.as_ref().unwrap().flush(LONG), "the agent takes the report");
    }

    /// `checkd` comes to another verdict.
    pub fn judge(&mut self, server: &str, verdict: Verdict, detail: &str) {
        let mut health = health(verdict);
        health.detail = detail.to_owned();
        let id: RealServerId = server.parse().unwrap();
        self.health.insert(id.clone(), health.clone());
        let checkd = self.checkd.as_ref().unwrap();
        checkd.set_item(id, health);
        assert!(checkd.flush(LONG), "the agent takes the report");
    }

    pub fn fall(&mut self, server: &str) {
        self.judge(server, Verdict::Down, "no answer in 500 ms");
    }

    pub fn rise(&mut self, server: &str) {
        self.judge(server, Verdict::Up, "");
    }
}

fn identity() -> Identity {
    Identity {
        version: "0".to_owned(),
        pid: std::process::id(),
        started_at: Timestamp::now(),
        config: String::new(),
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn health(verdict: Verdict) -> RealServerHealth {
    let mut health = RealServerHealth::new(verdict, Timestamp::now(), "10.1.53.2:53".parse().unwrap());
    health.cause = (verdict != Verdict::Up).then(|| "dns_timeout".parse().unwrap());
    health
}
