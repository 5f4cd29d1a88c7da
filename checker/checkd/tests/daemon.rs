//! The daemon as a process: verdicts reach the agent, restarts change nothing, a bad file changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;
#[path = "daemon/blind.rs"]
mod blind;
#[path = "../../probe/tests/fake/mod.rs"]
mod fake;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use agent::Agent;
use agent_api::{EventKind, NewEvent, RealServerHealth, State, Verdict};
use fake::{Fake, RIGHT, reply, send};
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon's world: a folder, an agent, a configuration.
struct World {
    folder: TempDir,
    agent: Option<Agent>,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let state = State::new(boot.trim().to_owned(), Timestamp::now());
        let agent = Some(Agent::start(&folder.path().join("agent.sock"), state));
        Self { folder, agent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration in which every server is asked every 100 ms.
    fn configure(&self, servers: &[(&str, &Fake)], more: &str) {
        let mut text = "[[virtual_server]]\nname = \"p\"\naddress = \"127.0.0.9\"\nservices = [\"udp/53\"]\n\
                        scheduler = \"wrr\"\nforwarding = \"nat\"\n"
            .to_owned();
        for (name, server) in servers {
            let (ip, port) = (server.addr.ip(), server.addr.port());
            text.push_str(&format!(
                "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{ip}\"\nport = {port}\n{more}\n\
                 [virtual_server.real_server.check.dns]\nqname = \"resolve.test\"\nexpect_answer = [\"192.0.2.80\"]\n\
                 interval = \"100ms\"\ntimeout = \"80ms\"\nrise = 2\nfall = 3\n"
            ));
        }
        std::fs::write(self.path("holdfast.toml"), text).unwrap();
    }

    fn start(&self) -> Daemon {
        self.start_as(&mut Command::new(env!("CARGO_BIN_EXE_checkd")))
    }

    fn start_as(&self, command: &mut Command) -> Daemon {
        let child = command
            .arg("--config")
            .arg(self.path("holdfast.toml"))
            .arg("--socket")
            .arg(self.path("agent.sock"))
            .arg("--state")
            .arg(self.path("state.json"))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Daemon(child)
    }

    fn state(&self) -> State {
        self.agent.as_ref().unwrap().state.lock().unwrap().clone()
    }

    fn health(&self, name: &str) -> Option<RealServerHealth> {
        self.state().checkd.items.get(&format!("p/{name}").parse().unwrap()).cloned()
    }

    /// Waits for an event of that kind.
    fn event(&self, kind: EventKind) -> NewEvent {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.state().events;
            if let Some(event) = events.iter().find(|event| event.what.kind == kind) {
                return event.what.clone();
            }
            assert!(Instant::now() < deadline, "no {kind:?} but {events:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a server has the verdict.
    fn wait(&self, name: &str, verdict: Verdict) -> RealServerHealth {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = self.health(name);
            match health {
                Some(health) if health.verdict == verdict => return health,
                other => assert!(Instant::now() < deadline, "{name} is not {verdict} but {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A running checkd, killed when dropped.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server whose response code can be changed; `SILENT` for none at all.
fn server() -> (Fake, Arc<AtomicU16>) {
    let rcode = Arc::new(AtomicU16::new(0));
    let set = Arc::clone(&rcode);
    let fake = Fake::udp(move |socket, peer, query| match set.load(Ordering::Relaxed) {
        SILENT => {}
        0 => send(socket, peer, &reply(query, 0, &[RIGHT])),
        rcode => send(socket, peer, &reply(query, rcode, &[])),
    });
    (fake, rcode)
}

const SILENT: u16 = u16::MAX;

fn code(health: &RealServerHealth) -> &str {
    health.cause.as_ref().map_or("", |cause| cause.as_str())
}

#[test]
fn verdicts_follow_the_servers() {
    let world = World::new();
    let ((a, a_rcode), (b, b_rcode)) = (server(), server());
    world.configure(&[("a", &a), ("b", &b)], "");
    let daemon = world.start();
    world.wait("a", Verdict::Up);
    let b_up = world.wait("b", Verdict::Up);
    assert_eq!((code(&b_up), b_up.address), ("", b.addr));

    a_rcode.store(2, Ordering::Relaxed);
    assert_eq!(code(&world.wait("a", Verdict::Down)), "dns_servfail");
    b_rcode.store(SILENT, Ordering::Relaxed);
    assert_eq!(code(&world.wait("b", Verdict::Down)), "dns_timeout");
    a_rcode.store(0, Ordering::Relaxed);
    b_rcode.store(0, Ordering::Relaxed);
    assert_eq!(code(&world.wait("a", Verdict::Up)), "");
    world.wait("b", Verdict::Up);
    let reporter = world.state().checkd.reporter.unwrap();
    assert_eq!(reporter.pid, daemon.0.id());
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_restart_is_not_noticed() {
    let world = World::new();
    let ((a, _), (b, b_rcode)) = (server(), server());
    b_rcode.store(5, Ordering::Relaxed);
    world.configure(&[("a", &a), ("b", &b)], "");
    let daemon = world.start();
    let (a_up, b_down) = (world.wait("a", Verdict::Up), world.wait("b", Verdict::Down));
    daemon.end(Signal::SIGKILL);
    let daemon = world.start();
    // The new process has reported, and what it reported is what was.
    let deadline = Instant::now() + PATIENCE;
    while world.state().checkd.reporter.unwrap().pid != daemon.0.id() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(world.health("a").unwrap().since, a_up.since);
    }
    for _ in 0..40 {
        let (a, b) = (world.health("a").unwrap(), world.health("b").unwrap());
        assert_eq!((a.verdict, a.since), (Verdict::Up, a_up.since));
        assert_eq!((b.verdict, b.since, code(&b)), (Verdict::Down, b_down.since, "dns_refused"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_an_agent_the_state_file_is_what_was() {
    let mut world = World::new();
    let (a, rcode) = server();
    world.configure(&[("a", &a)], "");
    let daemon = world.start();
    let up = world.wait("a", Verdict::Up);
    daemon.end(Signal::SIGKILL);
    std::fs::write(world.path("state.json"), serde_json::to_vec(&world.state()).unwrap()).unwrap();
    let forgetful = State::new(world.state().boot_id, Timestamp::now());
    world.agent = None;
    rcode.store(2, Ordering::Relaxed);
    let _daemon = world.start();
    std::thread::sleep(Duration::from_millis(150));
    // The agent comes later, and knows nothing; what it is told begins where the state file ended.
    world.agent = Some(Agent::start(&world.path("agent.sock"), forgetful));
    let down = world.wait("a", Verdict::Down);
    assert!(down.since > up.since);
}

#[test]
fn local_trouble_is_never_down() {
    let world = World::new();
    let (a, _) = server();
    // TEST-NET-1 is on no machine.
    world.configure(&[("a", &a)], "probe_source = \"192.0.2.77\"");
    let _daemon = world.start();
    let deadline = Instant::now() + PATIENCE;
    while world.health("a").is_none_or(|health| code(&health) != "source_unavailable") {
        assert!(Instant::now() < deadline, "{:?}", world.health("a"));
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..60 {
        assert_eq!(world.health("a").unwrap().verdict, Verdict::Unknown);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_reload_takes_what_is_right_and_leaves_what_is_wrong() {
    let world = World::new();
    let ((a, _), (b, _)) = (server(), server());
    world.configure(&[("a", &a)], "");
    let daemon = world.start();
    let up = world.wait("a", Verdict::Up);
    let digest = world.state().checkd.reporter.unwrap().config;

    std::fs::write(world.path("holdfast.toml"), "[[virtual_server]]\nnonsense = 1\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    let queries = a.queries.load(Ordering::Relaxed);
    let deadline = Instant::now() + PATIENCE;
    while a.queries.load(Ordering::Relaxed) < queries + 5 {
        assert!(Instant::now() < deadline, "it does not probe any more");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(world.state().checkd.reporter.unwrap().config, digest);

    world.configure(&[("a", &a), ("b", &b)], "");
    daemon.signal(Signal::SIGHUP);
    world.wait("b", Verdict::Up);
    assert_ne!(world.state().checkd.reporter.unwrap().config, digest);
    assert_eq!(world.health("a").unwrap().since, up.since);

    world.configure(&[("b", &b)], "");
    daemon.signal(Signal::SIGHUP);
    let deadline = Instant::now() + PATIENCE;
    while world.health("a").is_some() {
        assert!(Instant::now() < deadline, "the removed server is still reported");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(world.health("b").unwrap().verdict, Verdict::Up);
}

#[test]
fn a_stall_ejects_nobody() {
    let world = World::new();
    let (a, _) = server();
    world.configure(&[("a", &a)], "");
    let daemon = world.start();
    let up = world.wait("a", Verdict::Up);
    for _ in 0..3 {
        daemon.signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(700));
        daemon.signal(Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(100));
    }
    let health = world.health("a").unwrap();
    assert_eq!((health.verdict, health.since), (Verdict::Up, up.since));
}

#[test]
fn a_wrong_configuration_is_refused() {
    let world = World::new();
    for text in [None, Some("[[virtual_server]]\nname = \"p\"\n"), Some("x = ")] {
        let path = world.path("holdfast.toml");
        let _ = std::fs::remove_file(&path);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let output = Command::new(env!("CARGO_BIN_EXE_checkd")).arg("--config").arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("holdfast.toml"), "{said}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_checkd")).arg("--no-such-flag").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// As its unit runs it: as a user who may nothing, with no capability at all, and it works.
#[test]
fn it_holds_no_capability() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let world = World::new();
    let (a, _) = server();
    world.configure(&[("a", &a)], "");
    // That user may not look into the folder where this program was built.
    let program = world.path("checkd");
    std::fs::copy(env!("CARGO_BIN_EXE_checkd"), &program).unwrap();
    for (name, mode) in [("", 0o755), ("checkd", 0o755), ("agent.sock", 0o666), ("holdfast.toml", 0o644)] {
        std::fs::set_permissions(world.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Command::new(&program);
    if nix::unistd::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let daemon = world.start_as(&mut command);
    world.wait("a", Verdict::Up);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let held: Vec<&str> = status
        .lines()
        .filter(|line| ["CapPrm", "CapEff", "CapAmb"].iter().any(|cap| line.starts_with(cap)))
        .collect();
    assert_eq!(held.len(), 3, "{status}");
    assert!(held.iter().all(|line| line.ends_with("\t0000000000000000")), "{held:?}");
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_reload_keeps_the_counters_of_what_did_not_change() {
    let world = World::new();
    let ((a, fails), (b, _)) = (server(), server());
    fails.store(5, Ordering::Relaxed);
    let patient = |world: &World| {
        let text = std::fs::read_to_string(world.path("holdfast.toml")).unwrap();
        std::fs::write(world.path("holdfast.toml"), text.replace("fall = 3", "fall = 100")).unwrap();
    };
    world.configure(&[("a", &a)], "");
    patient(&world);
    let daemon = world.start();
    let away = |world: &World| {
        let health = world.health("a");
        let of_one = |health: RealServerHealth| {
            let one = health.checks.into_iter().find(|check| check.name == "dns");
            one.map_or(health.basis, |check| check.health.basis)
        };
        health
            .and_then(of_one)
            .map_or((0, None), |basis| (basis.away, basis.runs.first().map(|run| run.since)))
    };
    let deadline = Instant::now() + PATIENCE;
    while away(&world).0 < 20 {
        assert!(Instant::now() < deadline, "{:?}", world.health("a"));
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = away(&world);
    world.configure(&[("a", &a), ("b", &b)], "");
    patient(&world);
    daemon.signal(Signal::SIGHUP);
    world.wait("b", Verdict::Up);
    let after = away(&world);
    assert!(after.0 >= before.0, "{before:?} became {after:?}");
    assert_eq!(after.1, before.1, "the same history");
    // Nor is it disturbed by another check beside it.
    let text = std::fs::read_to_string(world.path("holdfast.toml")).unwrap();
    let text = text.replace(
        "fall = 100",
        "fall = 100\n[virtual_server.real_server.check.tcp]\nport = 1\nadvisory = true",
    );
    std::fs::write(world.path("holdfast.toml"), text).unwrap();
    daemon.signal(Signal::SIGHUP);
    let deadline = Instant::now() + PATIENCE;
    while world.health("a").is_none_or(|health| health.checks.len() < 2) {
        assert!(Instant::now() < deadline, "{:?}", world.health("a"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = away(&world);
    assert!(last.0 >= after.0 && last.1 == after.1, "{after:?} became {last:?}");
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}

/// What a server depends on is down: nothing can be said of the server, until that works again.
#[test]
fn a_parent_that_is_down_makes_its_children_unknown() {
    let world = World::new();
    let (a, fails) = server();
    let router = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = router.local_addr().unwrap();
    world.configure(&[("a", &a)], "parent = \"router\"");
    let text = std::fs::read_to_string(world.path("holdfast.toml")).unwrap()
        + &format!(
            "[[dependency]]\nname = \"router\"\naddress = \"127.0.0.1\"\n[dependency.check.tcp]\nport = {}\n\
             interval = \"50ms\"\ntimeout = \"50ms\"\nrise = 1\nfall = 1\n",
            address.port()
        );
    std::fs::write(world.path("holdfast.toml"), text).unwrap();
    let daemon = world.start();
    world.wait("a", Verdict::Up);
    drop(router);
    let told =
        |world: &World| world.state().checkd.head.dependencies.get(&"router".parse().unwrap()).cloned();
    let deadline = Instant::now() + PATIENCE;
    while told(&world).is_none_or(|router| router.verdict != Verdict::Down) {
        assert!(Instant::now() < deadline, "{:?}", told(&world));
        std::thread::sleep(Duration::from_millis(5));
    }
    let event = world.event(EventKind::DependencyWentDown);
    assert_eq!(event.dependency.map(|name| name.to_string()).as_deref(), Some("router"));
    fails.store(SILENT, Ordering::Relaxed);
    let health = world.wait("a", Verdict::Unknown);
    assert_eq!(code(&health), "parent_down", "{health:?}");
    assert!(health.detail.starts_with("router, which it depends on, fails"), "{}", health.detail);
    // It is back, and the server is not.
    let _router = std::net::TcpListener::bind(address).unwrap();
    assert_eq!(code(&world.wait("a", Verdict::Down)), "dns_timeout");
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}

/// Hundreds that fall and return together: every verdict arrives, in few reports, each of them small.
#[test]
fn when_all_fall_at_once_few_reports_say_it() {
    const SERVERS: usize = 600;
    let world = World::new();
    let (all, fails) = server();
    let mut text = String::new();
    for n in 0..SERVERS {
        let (ip, port) = (all.addr.ip(), all.addr.port());
        // One machine with many names, each of which is asked for.
        text.push_str(&format!(
            "[[virtual_server]]\nname = \"p{n}\"\naddress = \"127.0.0.9\"\nservices = [\"udp/{}\"]\nforwarding = \"nat\"\n\
             [virtual_server.check.dns]\nqname = \"r{n}.test\"\ninterval = \"500ms\"\ntimeout = \"200ms\"\nrise = 2\nfall = 3\n\
             [[virtual_server.real_server]]\nname = \"s\"\naddress = \"{ip}\"\nport = {port}\n",
            n + 1
        ));
    }
    std::fs::write(world.path("holdfast.toml"), text).unwrap();
    let daemon = world.start();
    let all_are = |verdict: Verdict| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = world.state();
            let count = state.checkd.items.values().filter(|health| health.verdict == verdict).count();
            if count == SERVERS {
                return state.generation;
            }
            assert!(Instant::now() < deadline, "only {count} of {SERVERS} are {verdict}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut told = all_are(Verdict::Up);
    for (rcode, verdict) in [(SILENT, Verdict::Down), (0, Verdict::Up)] {
        let began = Instant::now();
        fails.store(rcode, Ordering::Relaxed);
        let now_told = all_are(verdict);
        // Ten milliseconds lie between two reports unless one is full.
        let (reports, most) = (now_told - told, began.elapsed().as_millis() / 10 + 20);
        assert!(
            u128::from(reports) <= most,
            "{reports} reports of {SERVERS} that are {verdict}, {most} at most"
        );
        told = now_told;
    }
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}
