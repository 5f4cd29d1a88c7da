use std::os::unix::fs::symlink;

use agent_core::ledger::{Ledger, Now};
use checker_core::Time;

use super::*;

fn now() -> Timestamp {
    "2026-11-21T00:30:11.5Z".parse().unwrap()
}

fn document(boot: &str) -> Vec<u8> {
    let now = Now { steady: Time::ZERO, wall: now() };
    serde_json::to_vec(Ledger::new(boot.into(), now).state()).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.load(now()), None);
    store.save(&document("one"), now()).unwrap();
    store.save(&document("two"), now()).unwrap();
    assert_eq!(store.load(now()).unwrap().boot_id, "two");
    assert_eq!(names(dir.path()), ["state.json", "state.json.lock"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn there_is_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let store = Store::open(&path).unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(
        error.contains(&format!("another agent (pid {}) uses the state file", std::process::id())),
        "{error}"
    );
    drop(store);
    Store::open(&path).unwrap();
}

#[test]
fn a_bad_file_is_kept_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let mut store = Store::open(&path).unwrap();
    for (n, content) in ["", "garbage", r#"{"schema":99}"#].into_iter().enumerate() {
        fs::write(&path, content).unwrap();
        assert_eq!(store.load(now()), None);
        assert!(!path.exists());
        let aside = if n == 0 { String::new() } else { format!("-{n}") };
        let aside = dir.path().join(format!("state.json.bad-20261121T003011Z{aside}"));
        assert_eq!(fs::read_to_string(aside).unwrap(), content);
        store.save(&document("x"), now()).unwrap();
    }
    assert_eq!(names(dir.path()).len(), 5);
}

#[test]
fn too_many_bad_files_stop_the_writing_until_somebody_looked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let mut store = Store::open(&path).unwrap();
    for n in 0..KEPT_ASIDE {
        fs::write(dir.path().join(format!("state.json.bad-{n}")), "kept").unwrap();
    }
    fs::write(&path, "garbage").unwrap();
    assert_eq!(store.load(now()), None);
    let error = store.save(&document("x"), now()).unwrap_err();
    assert!(error.contains("move them away"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "garbage");
    fs::rename(dir.path().join("state.json.bad-0"), dir.path().join("looked-at")).unwrap();
    store.save(&document("x"), now()).unwrap();
    assert_eq!(names(dir.path()).iter().filter(|name| name.contains(".bad-")).count(), KEPT_ASIDE);
}

#[test]
fn what_is_no_file_is_kept_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let mut store = Store::open(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(store.load(now()), None);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(store.load(now()), None);
    symlink("/dev/zero", &path).unwrap();
    assert_eq!(store.load(now()), None);
    store.save(&document("x"), now()).unwrap();
    assert_eq!(store.load(now()).unwrap().boot_id, "x");
}

#[test]
fn a_directory_that_comes_later_is_used_then() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("later").join("state.json");
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.load(now()), None);
    let error = store.save(&document("x"), now()).unwrap_err();
    assert!(error.contains("make the directory"), "{error}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let other = Store::open(&path).unwrap();
    let error = store.save(&document("x"), now()).unwrap_err();
    assert!(error.contains("another agent"), "the lock was free for others meanwhile: {error}");
    drop(other);
    store.save(&document("x"), now()).unwrap();
}

#[test]
fn a_leftover_of_a_crash_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    fs::write(dir.path().join("state.json.new"), "half a docum").unwrap();
    let mut store = Store::open(&path).unwrap();
    store.save(&document("x"), now()).unwrap();
    assert_eq!(names(dir.path()), ["state.json", "state.json.lock"]);
    // Nobody lures us into writing elsewhere.
    let victim = dir.path().join("victim");
    symlink(&victim, dir.path().join("state.json.new")).unwrap();
    store.save(&document("y"), now()).unwrap_err();
    assert!(!victim.exists());
    store.save(&document("y"), now()).unwrap();
}
