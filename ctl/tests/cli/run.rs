//! `holdfast run`, with daemons that are played by a script.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Much longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

const GOOD: &str = r#"
[[virtual_server]]
name = "resolver"
address = "192.0.2.1"
services = ["udp/53"]
check.dns = { qname = "resolve.test" }
real_server = [{ name = "dns1", address = "192.0.2.2" }]
"#;

/// A folder with the command, its daemons and a configuration.
struct Place {
    folder: tempfile::TempDir,
}

/// What is run.
const DAEMONS: [&str; 4] = ["agentd", "checkd", "lvsd", "statusd"];

impl Place {
    fn new() -> Self {
        // Beside the command's own file, so that it can be linked and need not be copied.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_holdfast"), folder.path().join("holdfast")).unwrap();
        fs::write(folder.path().join("good.toml"), GOOD).unwrap();
        Self { folder }
    }

    fn with_daemons() -> Self {
        let place = Self::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/daemon.sh");
        for name in DAEMONS {
            symlink(&script, place.path(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.path("holdfast"));
        command
            .args(["run", "--config", "good.toml", "--runtime-dir", "run"])
            .current_dir(self.folder.path())
            .env("PLAY", self.folder.path())
            .env("NOTIFY_SOCKET", "/nonexistent")
            .env_remove("HOLDFAST_SOCKET");
        command
    }

    fn start(&self) -> Running {
        let mut child = self.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines, seen: Vec::new() }
    }

    fn pids(&self, name: &str) -> Vec<i32> {
        let text = fs::read_to_string(self.path(&format!("{name}.pids"))).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Waits until `name` was started `count` times, and returns its latest process id.
    fn started(&self, name: &str, count: usize) -> i32 {
        let deadline = Instant::now() + SOON;
        loop {
            let pids = self.pids(name);
            if pids.len() >= count {
                return pids[count - 1];
            }
            assert!(Instant::now() < deadline, "{name} was started {} times, not {count}", pids.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_gone(pid: i32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.is_empty() || state.contains(") Z ")
}

fn wait_gone(pid: i32) {
    let deadline = Instant::now() + SOON;
    while !is_gone(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for a line with `part` in it, of those that were not waited for yet.
    fn says(&mut self, part: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(index) = self.seen.iter().position(|line| line.contains(part)) {
                return self.seen.remove(index);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("nothing said {part:?}, but: {:#?}", self.seen),
            }
        }
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn daemons_are_started_and_ended() {
    let place = Place::with_daemons();
    let mut running = place.start();
    let pids: Vec<i32> = DAEMONS.map(|name| place.started(name, 1)).to_vec();
    running.says("checkd: hello");
    let line = running.says("lvsd: an escape");
    assert_eq!(line, "lvsd: an escape: \\u{1b}[2J");
    let folder = place.folder.path().canonicalize().unwrap();
    let arguments = fs::read_to_string(place.path("lvsd.arguments")).unwrap();
    assert_eq!(
        arguments.trim(),
        format!(
            "--config {0}/good.toml --socket {0}/run/agent.sock --state {0}/run/state.json",
            folder.display()
        )
    );
    let environment = fs::read_to_string(place.path("lvsd.environment")).unwrap();
    assert!(!environment.contains("NOTIFY_SOCKET"), "what systemd told us is not for them");
    running.signal(Signal::SIGTERM);
    running.says("agentd: ends");
    running.says("the kernel's table is left as it is");
    assert_eq!(running.code(), Some(0));
    assert!(pids.into_iter().all(is_gone));
}

#[test]
fn one_that_dies_is_started_again() {
    let place = Place::with_daemons();
    let mut running = place.start();
    let first = place.started("checkd", 1);
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    running.says("checkd was ended by SIGKILL");
    let second = place.started("checkd", 2);
    kill(Pid::from_raw(second), Signal::SIGKILL).unwrap();
    let line = running.says("checkd was ended by SIGKILL");
    assert!(line.ends_with("starting it again in 1s"), "{line}");
    place.started("checkd", 3);
    assert_eq!(place.pids("agentd").len(), 1, "the others stay");
    running.signal(Signal::SIGINT);
    assert_eq!(running.code(), Some(0));
}

#[test]
fn one_that_fails_at_once_is_tried_later() {
    let place = Place::with_daemons();
    fs::write(place.path("lvsd.fails"), "").unwrap();
    let mut running = place.start();
    let line = running.says("lvsd ended with exit code 3");
    assert!(line.ends_with("starting it again now"), "{line}");
    running.says("starting it again in 1s");
    fs::remove_file(place.path("lvsd.fails")).unwrap();
    place.started("lvsd", 3);
    // An end while one waits to be started is no trouble.
    running.signal(Signal::SIGTERM);
    assert_eq!(running.code(), Some(0));
}

#[test]
fn a_reload_goes_to_all_unless_it_is_wrong() {
    let place = Place::with_daemons();
    let mut running = place.start();
    for name in DAEMONS {
        place.started(name, 1);
    }
    running.signal(Signal::SIGHUP);
    for name in DAEMONS {
        running.says(&format!("{name}: reloads"));
    }
    fs::write(place.path("good.toml"), "nonsense = 1\n").unwrap();
    running.signal(Signal::SIGHUP);
    running.says("good.toml:1:1: ");
    running.says("not reloaded: the daemons keep the configuration they have");
    assert_eq!(place.pids("agentd").len(), 1);
}

#[test]
fn one_that_does_not_end_is_killed() {
    let place = Place::with_daemons();
    fs::write(place.path("checkd.stubborn"), "").unwrap();
    let mut running = place.start();
    let stubborn = place.started("checkd", 1);
    running.signal(Signal::SIGTERM);
    running.says("checkd has not ended; killing it");
    assert_eq!(running.code(), Some(0));
    assert!(is_gone(stubborn));
}

#[test]
fn a_second_signal_ends_the_patience() {
    let place = Place::with_daemons();
    fs::write(place.path("checkd.stubborn"), "").unwrap();
    let mut running = place.start();
    for name in DAEMONS {
        place.started(name, 1);
    }
    running.signal(Signal::SIGTERM);
    running.says("agentd: ends");
    let asked = Instant::now();
    running.signal(Signal::SIGINT);
    running.says("checkd has not ended; killing it");
    assert_eq!(running.code(), Some(0));
    assert!(asked.elapsed() < SOON);
}

#[test]
fn daemons_die_with_their_parent() {
    let place = Place::with_daemons();
    let mut running = place.start();
    let pids = DAEMONS.map(|name| place.started(name, 1));
    running.signal(Signal::SIGKILL);
    assert_eq!(running.code(), None);
    pids.into_iter().for_each(wait_gone);
}

#[test]
fn nothing_is_started_with_a_wrong_configuration() {
    let place = Place::with_daemons();
    fs::write(place.path("good.toml"), "nonsense = 1\n").unwrap();
    let output = place.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("good.toml:1:1: "), "{said}");
    assert!(place.pids("agentd").is_empty());
}

#[test]
fn missing_daemons_are_said() {
    let place = Place::new();
    let output = place.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // On a machine where the suite is installed there would be some.
    if Path::new("/usr/libexec/holdfast/agentd").exists() {
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("agentd is neither in") && said.contains("/usr/libexec/holdfast"), "{said}");
}

#[test]
fn a_socket_path_that_is_too_long_is_said() {
    let place = Place::with_daemons();
    let output = place.command().args(["--socket", &format!("/tmp/{}", "x".repeat(120))]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("longer than 107 bytes"), "{said}");
}
