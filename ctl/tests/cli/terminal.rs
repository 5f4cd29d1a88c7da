//! What a terminal gets that a pipe does not.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::fake::{Fake, Manner};
use crate::{holdfast, state};

/// Much longer than anything here takes.
const SOON: Duration = Duration::from_secs(30);

/// Runs `command` with a terminal of that size as its standard output.
fn on_terminal(command: &mut Command, columns: u16, rows: u16) -> (Child, File) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let child = command.stdin(Stdio::null()).stdout(pty.slave).stderr(Stdio::null()).spawn().unwrap();
    // The command holds the other end as long as it lives.
    command.stdout(Stdio::null());
    (child, File::from(pty.master))
}

/// Reads until `enough`, or until the terminal is closed.
fn read(terminal: &mut File, enough: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + SOON;
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !enough(&text) {
        assert!(Instant::now() < deadline, "{text:?}");
        match terminal.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
    text
}

fn shown(fake: &Fake, setting: Option<(&str, &str)>) -> String {
    let mut command = holdfast();
    command.arg("--socket").arg(fake.socket()).arg("status").env("TERM", "xterm");
    if let Some((name, value)) = setting {
        command.env(name, value);
    }
    let (mut child, mut terminal) = on_terminal(&mut command, 60, 24);
    let text = read(&mut terminal, |_| false);
    child.wait().unwrap();
    text.replace("\r\n", "\n")
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let fake = Fake::start(state(), Manner::Well);
    assert!(shown(&fake, None).starts_with("holdfast: \u{1b}[33mwarning\u{1b}[0m\n"));
    assert!(shown(&fake, Some(("NO_COLOR", "1"))).starts_with("holdfast: warning\n"));
    assert!(shown(&fake, Some(("TERM", "dumb"))).starts_with("holdfast: warning\n"));
}

#[test]
fn texts_are_wrapped_to_the_terminal() {
    let fake = Fake::start(state(), Manner::Well);
    let text = shown(&fake, Some(("NO_COLOR", "1")));
    assert!(
        text.contains(
            "\n  resolver/dns2 is down: dns_timeout: no answer from\n  10.1.53.3:53 within 500 ms, "
        ),
        "{text}"
    );
}

#[test]
fn watch_redraws_in_place_and_fits_the_screen() {
    let fake = Fake::start(state(), Manner::Well);
    let mut command = holdfast();
    command
        .arg("--socket")
        .arg(fake.socket())
        .args(["status", "--watch"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let (mut child, mut terminal) = on_terminal(&mut command, 80, 10);
    let home = "\u{1b}[H";
    let text = read(&mut terminal, |text| text.matches(home).count() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let screen = text.split(home).nth(1).unwrap();
    assert!(screen.starts_with("holdfast: warning\u{1b}[K\r\n"), "{screen:?}");
    assert!(screen.ends_with("\u{1b}[J"), "{screen:?}");
    assert_eq!(screen.matches('\n').count(), 9, "{screen:?}");
    assert!(screen.contains("lines more"), "{screen:?}");
}
