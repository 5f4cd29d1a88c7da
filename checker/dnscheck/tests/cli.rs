//! The command as a caller sees it: exit code, one line, where it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../probe/tests/fake/mod.rs"]
mod fake;

use std::process::{Command, Output};

use fake::{Fake, WRONG, read_query, reply, right, send, write_message};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dnscheck")).args(args).output().unwrap()
}

fn ask(server: &Fake, more: &[&str]) -> (Option<i32>, String) {
    let (ip, port) = (server.addr.ip().to_string(), server.addr.port().to_string());
    let output = run(&[&["--server", &ip, "--port", &port, "--qname", "resolve.test"], more].concat());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    // The port is random and the time is the machine's.
    let line = line.trim_end().replace(&format!(":{port}"), ":PORT");
    let time = line.rfind(" ms").and_then(|end| Some(line[..end].rfind(' ')? + 1..end));
    (
        output.status.code(),
        time.map_or(line.clone(), |time| format!("{}T{}", &line[..time.start], &line[time.end..])),
    )
}

#[test]
fn up_is_zero() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let up = "up: resolve.test A @127.0.0.1:PORT: NOERROR 192.0.2.80 in T ms";
    assert_eq!(ask(&server, &["--expect-rcode", "NOERROR"]), (Some(0), up.to_owned()));
    assert_eq!(ask(&server, &["--expect-answer", "192.0.2.80", "--expect-answer", "192.0.2.81"]).0, Some(0));
    let server = Fake::truncating(|mut stream, _| {
        if let Some(query) = read_query(&mut stream) {
            write_message(&mut stream, &right(&query));
        }
    });
    let up = "up: resolve.test A @127.0.0.1:PORT: NOERROR 192.0.2.80 over TCP in T ms";
    assert_eq!(ask(&server, &[]), (Some(0), up.to_owned()));
    assert_eq!(ask(&server, &["--tcp"]), (Some(0), up.to_owned()));
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 5, &[])));
    assert_eq!(ask(&server, &["--expect-rcode", "nxdomain,refused"]).0, Some(0));
}

#[test]
fn not_up_is_one_and_says_why() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 2, &[])));
    let down = "down: resolve.test A @127.0.0.1:PORT: dns_servfail: answered SERVFAIL, expected NOERROR (after T ms)";
    assert_eq!(ask(&server, &[]), (Some(1), down.to_owned()));
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 0, &[WRONG])));
    let down = "down: resolve.test A @127.0.0.1:PORT: dns_answer_mismatch: answered 192.0.2.99, expected 192.0.2.80 (after T ms)";
    assert_eq!(ask(&server, &["--expect-answer", "192.0.2.80"]), (Some(1), down.to_owned()));
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 0, &[])));
    assert_eq!(ask(&server, &[]).0, Some(1));
    assert_eq!(ask(&server, &["--allow-empty"]).0, Some(0));
    let server = Fake::udp(|_, _, _| {});
    let down =
        "down: resolve.test A @127.0.0.1:PORT: dns_timeout: no answer to 3 queries within 60ms (after T ms)";
    assert_eq!(ask(&server, &["--timeout", "60ms", "--tries", "3"]), (Some(1), down.to_owned()));
}

#[test]
fn local_trouble_is_one_and_unknown() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let line = "unknown: resolve.test A @127.0.0.1:PORT: source_unavailable: the source address is not on this machine (after T ms)";
    assert_eq!(ask(&server, &["--source", "192.0.2.77", "--timeout", "20ms"]), (Some(1), line.to_owned()));
    // In a network namespace of its own there is no route, not even to loopback.
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_dnscheck")])
        .args(["--server", "192.0.2.1", "--qname", "resolve.test", "--timeout", "20ms"])
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(
        line.starts_with("unknown: resolve.test A @192.0.2.1: net_unreachable: this machine has no route"),
        "{line}"
    );
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_wrong_command_line_is_one_and_on_standard_error() {
    for args in [
        &[][..],
        &["--server", "192.0.2.1"],
        &["--server", "192.0.2.1", "--qname", "a..test"],
        &["--server", "ns.test", "--qname", "a.test"],
        &["--server", "192.0.2.1", "--qname", "a.test", "--expect-rcode", "NOEROR"],
        &["--server", "192.0.2.1", "--qname", "a.test", "--timeout", "5 minutes"],
        &["--server", "192.0.2.1", "--qname", "a.test", "--colour"],
    ] {
        let output = run(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_is_zero_and_on_standard_output() {
    for args in [["--help"], ["-h"], ["--version"]] {
        let output = run(&args);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args:?}");
        assert!(!output.stdout.is_empty());
    }
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    // Each example is a command line that is understood: it gets as far as probing.
    let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  dnscheck ")).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        // Asked in a namespace without any network, so that nothing is sent anywhere.
        let output = Command::new("unshare")
            .args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_dnscheck")])
            .args(example.split_whitespace().skip(1))
            .output()
            .unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        assert!(
            line.starts_with("unknown: "),
            "{example}: {line}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
