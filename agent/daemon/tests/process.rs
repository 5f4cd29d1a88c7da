//! What only a process of its own can show: signals, the talk with systemd, log lines.
//!
//! Each test runs this very test binary again as its child, with one of the ignored parts below as its `main`.

#![allow(clippy::unwrap_used)] // A test's own helpers may fail it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use agent_daemon::{LogLevel, Signal, Signals, Watchdog};
use nix::sys::signal::{self, Signal as Number};
use nix::unistd::Pid;
use tempfile::TempDir;

/// No wait in here takes longer unless something is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// Set in the child alone, so that `--ignored` runs nothing by accident.
const CHILD: &str = "HOLDFAST_TEST_CHILD";

fn child(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", part, "--nocapture", "--test-threads=1"]);
    command.env(CHILD, "1").env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn kill(child: &Child, number: Number) {
    signal::kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), number).unwrap();
}

#[test]
#[ignore = "the child of signals_are_calls"]
fn child_prints_signals() {
    if !is_child() {
        return;
    }
    let (sender, receiver) = mpsc::channel();
    let signals = Signals::start(move |signal| sender.send(signal).unwrap()).unwrap();
    eprintln!("started");
    while let Ok(signal) = receiver.recv_timeout(DEADLINE) {
        eprintln!("{signal:?}");
        if signal == Signal::Stop {
            break;
        }
    }
    drop(signals);
}

#[test]
fn signals_are_calls() {
    for stop in [Number::SIGTERM, Number::SIGINT] {
        let mut child = child("child_prints_signals").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with("started")));
        kill(&child, Number::SIGHUP);
        assert!(lines.any(|line| line == "Reload"));
        kill(&child, Number::SIGHUP);
        assert!(lines.any(|line| line == "Reload"));
        kill(&child, stop);
        assert!(lines.any(|line| line == "Stop"));
        assert!(child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "the child of systemd_is_told"]
fn child_talks_to_systemd() {
    if !is_child() {
        return;
    }
    agent_daemon::ready();
    agent_daemon::status(&format!("two\nlines and {}", "ü".repeat(1_000)));
    agent_daemon::reloading();
    let watchdog = Watchdog::from_environment();
    assert_eq!(watchdog.patience(), Some(Duration::from_secs(1_800)));
    for _ in 0..1_000 {
        watchdog.progress();
    }
    agent_daemon::stopping();
}

#[test]
fn systemd_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut child = child("child_talks_to_systemd");
    let mut child = child.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3600000000").spawn().unwrap();
    let mut told = Vec::new();
    let mut buffer = [0; 4_096];
    while told.last().is_none_or(|last: &String| !last.contains("STOPPING")) {
        let length = socket.recv(&mut buffer).unwrap();
        told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(child.wait().unwrap().success());
    let [ready, status, reloading, watchdog, stopping] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(ready.trim(), "READY=1");
    assert!(status.starts_with("STATUS=two lines and ü") && status.len() <= 410, "{status}");
    assert!(reloading.contains("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(watchdog.trim(), "WATCHDOG=1", "a thousand times progress is told once");
    assert_eq!(stopping.trim(), "STOPPING=1");
}

#[test]
#[ignore = "the child of nobody_listening_is_no_trouble"]
fn child_talks_to_nobody() {
    if !is_child() {
        return;
    }
    agent_daemon::ready();
    let watchdog = Watchdog::from_environment();
    assert_eq!(watchdog.patience(), None);
    watchdog.progress();
    agent_daemon::stopping();
}

#[test]
fn nobody_listening_is_no_trouble() {
    let started = Instant::now();
    for socket in [None, Some("/nonexistent/notify"), Some("")] {
        let mut command = child("child_talks_to_nobody");
        if let Some(socket) = socket {
            command.env("NOTIFY_SOCKET", socket);
        }
        assert!(command.status().unwrap().success(), "{socket:?}");
    }
    assert!(started.elapsed() < DEADLINE);
}

#[test]
#[ignore = "the child of a_log_line_is_one_line"]
fn child_logs() {
    if !is_child() {
        return;
    }
    agent_daemon::init_logging(LogLevel::Info);
    agent_daemon::init_logging(LogLevel::Trace);
    tracing::error!("cannot write\n<0>forged");
    tracing::warn!(server = "dns1\n<0>forged", "slow");
    tracing::info!("started");
    tracing::debug!("hidden");
    // Leaves out what the test harness would add.
    let _ = std::io::stderr().flush();
}

#[test]
fn a_log_line_is_one_line() {
    let folder = TempDir::new().unwrap();
    let logged = |name: &str, journal: bool| {
        let path = folder.path().join(name);
        let file = File::create(&path).unwrap();
        let meta = file.metadata().unwrap();
        let mut command = child("child_logs");
        if journal {
            command.env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()));
        } else {
            // Somebody else's stream: an ancestor's, that was redirected since.
            command.env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino() + 1));
        }
        assert!(command.stderr(file).status().unwrap().success());
        fs::read_to_string(path).unwrap()
    };
    assert_eq!(
        logged("journal", true).lines().collect::<Vec<_>>(),
        ["<3>cannot write\\n<0>forged", "<4>slow server=\"dns1\\n<0>forged\"", "<6>started"]
    );
    let plain = logged("plain", false);
    let lines: Vec<&str> = plain.lines().collect();
    assert_eq!(lines.len(), 3, "{plain}");
    for (line, (level, text)) in
        lines.iter().zip([("ERROR", "cannot write"), (" WARN", "slow"), (" INFO", "started")])
    {
        let (time, rest) = line.split_at(line.find('Z').unwrap() + 1);
        assert!(time.starts_with("20") && time.contains('T'), "{line}");
        assert!(rest.starts_with(&format!(" {level} {text}")), "{line}");
    }
}
