//! The daemon and programs that hang, five hundred of them: each is named, none is left, and other checks are on time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agent::Agent;
use agent_api::{RealServerHealth, State, Verdict};
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const HANGING: usize = 500;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked first, for then it takes its programs with it.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The state and the words of every process whose parent is `parent`.
fn children(parent: u32) -> Vec<(char, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let state = fields.next().and_then(|state| state.chars().next()).unwrap_or('?');
        if fields.next() == Some(&parent.to_string()) {
            let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            found.push((state, words.replace('\0', " ")));
        }
    }
    found
}

/// Programs that hang, one that works, and a server at `port` of this machine. What has had a turn says so in `folder`.
fn configuration(mark: &str, folder: &str, port: u16) -> String {
    let mut text =
        "[[virtual_server]]\nname = \"p\"\naddress = \"192.0.2.9\"\nservices = [\"tcp/80\"]\n".to_owned();
    let mut server = |name: &str, address: &str, check: &str| {
        let _ = write!(
            text,
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{address}\"\n{check}\n"
        );
    };
    for index in 0..HANGING {
        let log = if index == 0 { format!("echo >> {folder}/hang0;") } else { String::new() };
        let check = format!(
            "check.exec = {{ command = [\"/bin/sh\", \"-c\", \"{log} trap '' TERM; sleep {mark}; sleep {mark}\", \"{{name}}\"], interval = \"1s\", \
             timeout = \"150ms\", fall = 1 }}"
        );
        server(&format!("hang{index}"), &format!("10.0.{}.{}", index / 250, index % 250 + 1), &check);
    }
    let check = format!(
        "check.exec = {{ command = [\"/bin/sh\", \"-c\", \"echo >> {folder}/works\"], interval = \"500ms\", timeout = \"500ms\" }}"
    );
    server("works", "10.1.0.1", &check);
    server(
        "tcp",
        "127.0.0.1",
        &format!("check.tcp = {{ port = {port}, interval = \"200ms\", timeout = \"150ms\", fall = 1 }}"),
    );
    text
}

#[test]
fn five_hundred_programs_that_hang_are_named_and_killed_and_others_are_on_time() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let agent = Agent::start(&path("agent.sock"), State::new(boot.trim().to_owned(), Timestamp::now()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mark = format!("39{}", std::process::id());
    std::fs::write(path("holdfast.toml"), configuration(&mark, folder.path().to_str().unwrap(), port))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_checkd"));
    command.arg("--config").arg(path("holdfast.toml")).arg("--socket").arg(path("agent.sock"));
    let child = command.arg("--state").arg(path("state.json")).stderr(Stdio::inherit()).spawn().unwrap();
    let mut daemon = Daemon(child);
    let state = || agent.state.lock().unwrap().clone();
    let health = |name: &str| -> Option<RealServerHealth> {
        state().checkd.items.get(&format!("p/{name}").parse().unwrap()).cloned()
    };
    // All hang, which is found and told of each.
    let begun = Instant::now();
    let mut most = 0;
    loop {
        let now = state();
        let down = now.checkd.items.values().filter(|health| health.verdict == Verdict::Down).count();
        let running: Vec<_> =
            children(daemon.0.id()).into_iter().filter(|(state, _)| *state != 'Z').collect();
        most = most.max(running.len());
        if down == HANGING && now.checkd.head.waiting > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{down} are down, {} wait", now.checkd.head.waiting);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((1..=64).contains(&most), "{most} at a time");
    for index in [0, 77, HANGING - 1] {
        let health = health(&format!("hang{index}")).unwrap();
        assert_eq!(health.cause.as_ref().map_or("", |cause| cause.as_str()), "exec_timeout", "{health:?}");
        assert!(health.detail.starts_with("/bin/sh did not end within 150 ms and was killed"), "{health:?}");
        let told = health.basis.unwrap().check;
        assert!(told.contains("trap '' TERM") && told.contains(&format!("hang{index}")), "{told}");
    }
    // The others are up, and on time: those that hang leave places to the program that works. While one of them has its turn once more,
    // which takes seconds, the other has several, however quick this machine is.
    let lines = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default().lines().count();
    let until = |count: usize| {
        let begun = Instant::now();
        while lines("hang0") < count {
            assert!(begun.elapsed() < PATIENCE, "it has no turn");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(lines("hang0") + 1);
    let (turn, programs, probes) = (lines("hang0"), lines("works"), connections.load(Ordering::Relaxed));
    until(turn + 1);
    let programs = lines("works") - programs;
    let probes = connections.load(Ordering::Relaxed) - probes;
    assert!(programs >= 3 && probes >= 6, "{programs} programs and {probes} connections");
    for name in ["works", "tcp"] {
        assert_eq!(health(name).map(|health| health.verdict), Some(Verdict::Up), "{name}");
    }
    // None outlives the daemon.
    kill(Pid::from_raw(daemon.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(daemon.0.wait().unwrap().success());
    let begun = Instant::now();
    loop {
        let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            words.contains(&mark)
        });
        let left = left.count();
        if left == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{left} are left");
        std::thread::sleep(Duration::from_millis(20));
    }
}
