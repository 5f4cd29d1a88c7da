use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const WAIT: Duration = Duration::from_secs(5);

fn state() -> State {
    State { generation: 7, ..State::new(BOOT.into(), Timestamp::UNIX_EPOCH) }
}

#[test]
fn every_bad_file_has_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    assert!(matches!(read_state_file(&path), Err(StateFileError::Missing(_))));
    let good = serde_json::to_string(&state()).unwrap();
    let cases = [
        ("", "is empty"),
        (" \n\t", "is empty"),
        (&good[..good.len() / 2], "is cut off after"),
        (&good[..1], "is cut off after"),
        ("not json", "is not a state file"),
        ("{}", "is not a state file: missing field `schema`"),
        (r#"{"name":"left-pad","version":"1.0.0"}"#, "is not a state file"),
        ("[1,2]", "is not a state file"),
        (r#"{"schema":1}"#, "is not a state file: missing field `generation`"),
        (r#"{"schema":2,"generation":{"new":"shape"}}"#, "a newer Holdfast wrote it"),
        (r#"{"schema":-1}"#, "is not a state file"),
        ("\u{0}\u{0}\u{0}", "is not a state file"),
    ];
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        let error = read_state_file(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("state.json"), "{content:?}: {error}");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(read_state_file(&path).unwrap(), state());
}

#[test]
fn what_is_no_file_is_no_trap() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(read_state_file(dir.path()), Err(StateFileError::Unreadable { .. })));
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(read_state_file(&pipe), Err(StateFileError::Unreadable { .. })));
    assert!(matches!(read_state_file(Path::new("/dev/zero")), Err(StateFileError::Unreadable { .. })));
}

#[test]
fn without_an_agent_the_file_of_this_boot_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("agent.sock"), dir.path().join("state.json"));
    assert_eq!(former_state(&socket, &file, BOOT, WAIT), None);
    fs::write(&file, serde_json::to_vec(&state()).unwrap()).unwrap();
    assert_eq!(former_state(&socket, &file, BOOT, WAIT), Some(state()));
    assert_eq!(former_state(&socket, &file, "another boot", WAIT), None);
    // A socket of an agent that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    let began = Instant::now();
    assert_eq!(former_state(&socket, &file, BOOT, Duration::from_secs(600)), Some(state()));
    assert!(began.elapsed() < Duration::from_secs(300), "no wait for an agent that is not there");
}

#[test]
fn an_agent_that_hangs_costs_the_wait_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("agent.sock"), dir.path().join("state.json"));
    let _hanging = UnixListener::bind(&socket).unwrap();
    fs::write(&file, serde_json::to_vec(&state()).unwrap()).unwrap();
    assert_eq!(former_state(&socket, &file, BOOT, Duration::from_millis(50)), Some(state()));
}

proptest! {
    #[test]
    fn any_file_is_a_state_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), to in any::<u8>()) {
        let path = Path::new("state.json");
        let _ = parse_state_file(path, &bytes);
        let mut good = serde_json::to_vec(&state()).unwrap();
        let at = flip.index(good.len());
        good[at] = to;
        let _ = parse_state_file(path, &good);
        let good = serde_json::to_vec(&state()).unwrap();
        let truncated = parse_state_file(path, &good[..cut.index(good.len())]);
        prop_assert!(matches!(truncated, Err(StateFileError::Truncated { .. } | StateFileError::Empty(_))), "{:?}", truncated);
    }
}
