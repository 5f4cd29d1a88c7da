//! `check.file` on real files, and on what is no file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod errand;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use checker_core::dns::Timeout;
use checker_core::file::{FileCheck, Numbers};
use checker_core::{TalkCheck, Verdict};
use checker_probe::{Errand, Prober, Settings, Target, clock};
use errand::{PATIENCE, expect};

fn check(path: &Path) -> FileCheck {
    FileCheck {
        path: path.to_owned(),
        numbers: Numbers::Weight,
        missing: Verdict::Unknown,
        max_age: None,
        stale: Verdict::Unknown,
        timeout: Timeout::new(PATIENCE).unwrap(),
    }
}

fn errand(check: &FileCheck) -> Errand {
    Errand::File(Arc::new(check.clone()))
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[test]
fn a_word_on_disk_counts_from_the_next_probe_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("word");
    let file = check(&path);
    expect("not there", &errand(&file), NOWHERE, "file_missing");
    for (content, code) in [
        ("up\n", "up"),
        ("down disk is failing\n", "file_down"),
        ("degraded\n", "file_degraded"),
        ("what?", "file_invalid"),
    ] {
        std::fs::write(&path, content).unwrap();
        expect(content, &errand(&file), NOWHERE, code);
    }
    // As programs replace files.
    let new = folder.path().join("new");
    std::fs::write(&new, "weight 17\n").unwrap();
    std::fs::rename(&new, &path).unwrap();
    assert_eq!(expect("replaced", &errand(&file), NOWHERE, "up").weight, Some(17));
    std::fs::remove_file(&path).unwrap();
    let down = FileCheck { missing: Verdict::Down, ..file };
    let finding = expect("gone", &errand(&down), NOWHERE, "file_down");
    assert!(finding.detail.ends_with("is not there, which counts as down"), "{finding:?}");
    expect("in no folder", &errand(&check(&path.join("x"))), NOWHERE, "file_missing");
}

#[test]
fn an_old_word_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("word");
    std::fs::write(&path, "up").unwrap();
    let aged = FileCheck { max_age: Some(Duration::from_secs(3_600)), ..check(&path) };
    expect("fresh", &errand(&aged), NOWHERE, "up");
    let changed = |at| std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    changed(SystemTime::now() - Duration::from_secs(7_200));
    expect("old", &errand(&aged), NOWHERE, "file_stale");
    expect("old, where age does not count", &errand(&check(&path)), NOWHERE, "up");
    changed(SystemTime::now() + Duration::from_secs(7_200));
    expect("from the future", &errand(&aged), NOWHERE, "up");
}

#[test]
fn what_is_no_file_holds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [path.as_path(), folder.path(), Path::new("/dev/zero")] {
        let finding = expect("no file", &errand(&check(path)), NOWHERE, "file_invalid");
        assert!(finding.detail.ends_with("it is not a regular file"), "{finding:?}");
    }
    let long = folder.path().join("long");
    std::fs::write(&long, "up\n".repeat(2_000)).unwrap();
    let finding = expect("a long one", &errand(&check(&long)), NOWHERE, "file_invalid");
    assert!(finding.detail.ends_with("longer than 4096 octets"), "{finding:?}");
    let circle = folder.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    expect("a circle of links", &errand(&check(&circle)), NOWHERE, "file_invalid");
}

#[test]
fn what_hangs_elsewhere_does_not_hold_it_up() {
    // Two secured probes at a time, and more that wait for a server that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = Some(Box::default());
    let timeout = Timeout::new(Duration::from_secs(2)).unwrap();
    let hung = Arc::new(TalkCheck { tls, ..TalkCheck::connects(timeout) });
    let mut prober = Prober::new(Settings { max_sockets: 8, ..Settings::default() }).unwrap();
    let target = |addr| Target::new(addr, None).unwrap();
    for token in 0..4 {
        prober.start_errand(token, Errand::Talk(Arc::clone(&hung)), target(silent.local_addr().unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    for token in 10..20 {
        prober.start_errand(token, errand(&check(&folder.path().join("none"))), target(NOWHERE));
    }
    let (mut order, begun) = (Vec::new(), Instant::now());
    while order.len() < 14 {
        assert!(begun.elapsed() < 3 * PATIENCE && prober.next_finished().is_none());
        prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
        assert!(prober.next_finished().is_none());
        while let Some(ended) = prober.next_ended() {
            order.push(ended.token);
        }
    }
    assert!(order[..10].iter().all(|token| *token >= 10), "{order:?}");
}
