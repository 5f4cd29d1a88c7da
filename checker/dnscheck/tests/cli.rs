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
        "down: resolve.test A @127.0.0.1:PORT: dns_timeout: no answer to 3 queries within 900ms (after T ms)";
    assert_eq!(ask(&server, &["--timeout", "900ms", "--tries", "3"]), (Some(1), down.to_owned()));
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
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
}

/// Output and exit code of a run against these servers, which listen on one port.
fn output(args: &[&str]) -> (String, Option<i32>) {
    let output = run(args);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn formats() {
    let good = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let bad = Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 2, &[])));
    let (good, bad) = (good.addr.port().to_string(), bad.addr.port().to_string());
    let ask = |port: &str, more: &[&str]| {
        output(&[&["--server", "127.0.0.1", "--port", port, "--qname", "resolve.test"], more].concat())
    };
    let (text, code) = ask(&good, &["--format", "plugin", "-w", "10", "-c", "@20:30"]);
    assert_eq!(code, Some(0));
    assert!(text.starts_with("DNS OK - up: resolve.test A @127.0.0.1:"), "{text}");
    let (said, data) = text.split_once(" | ").unwrap();
    assert!(
        !said.contains('|') && data.starts_with("'time'=0.") && data.ends_with("s;10;@20:30;0\n"),
        "{text}"
    );
    assert_eq!(ask(&good, &["--format", "plugin", "-w", "20:"]).1, Some(1));
    assert_eq!(ask(&good, &["--format", "plugin", "-c", "20:"]).1, Some(2));
    assert_eq!(ask(&good, &["--format", "plugin", "--source", "192.0.2.77"]).1, Some(3));
    assert_eq!(ask(&bad, &["--format", "plugin"]).1, Some(2));
    // Degraded passes where only 0 and 1 are known.
    assert_eq!(ask(&good, &["-w", "20:"]).1, Some(0));

    let (json, code) = ask(&bad, &["--format", "json", "--ask", "b.test REFUSED"]);
    assert_eq!((code, json.lines().count()), (Some(1), 1));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verdict"], "down");
    let question = &json["servers"][0]["questions"][1];
    assert_eq!((&question["question"], &question["cause"]), (&"b.test A".into(), &"dns_servfail".into()));
    assert_eq!(question["detail"], "answered SERVFAIL, expected REFUSED");

    let (metrics, _) = ask(&good, &["--format", "prometheus"]);
    assert!(
        metrics
            .contains(&format!("dnscheck_up{{server=\"127.0.0.1:{good}\",question=\"resolve.test A\"}} 1\n"))
    );
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once("} ").is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }

    let (verbose, _) = ask(&good, &["-v"]);
    assert!(verbose.contains("\n  resolve.test 60 IN A 192.0.2.80\n"), "{verbose}");
}

#[test]
fn weights_for_keepalived() {
    let good = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let port = good.addr.port().to_string();
    let ask = |more: &[&str]| {
        output(&[&["--server", "127.0.0.1", "--port", &port, "--qname", "resolve.test"], more].concat()).1
    };
    assert_eq!(ask(&["--weight", "100"]), Some(102));
    assert_eq!(ask(&["--weight", "253:0"]), Some(255));
    assert_eq!(ask(&["--weight", "100:10", "--warn", "20:"]), Some(12));
    assert_eq!(ask(&["--weight", "100", "--expect-rcode", "REFUSED"]), Some(1));
    // A wrong command line must not be taken for a weight.
    assert_eq!(run(&["--weight", "100", "--server", "192.0.2.1"]).status.code(), Some(1));
    assert_eq!(run(&["--format", "plugin", "--server", "192.0.2.1"]).status.code(), Some(3));
    assert_eq!(run(&["--format=plugin", "--no-such-option"]).status.code(), Some(3));
}

#[test]
fn several_servers_questions_and_rounds() {
    // One port on two addresses, as servers of one pool have it.
    let first = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let port = first.addr.port().to_string();
    let second = std::net::UdpSocket::bind(format!("127.0.0.2:{port}")).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = second.recv_from(&mut buffer) {
            send(&second, peer, &reply(&buffer[..length], 5, &[]));
        }
    });
    let given = ["--server", "127.0.0.1", "--port", &port, "--qname", "resolve.test"];
    let both = |more: &[&str]| output(&[&given[..], &["--server", "127.0.0.2"], more].concat());
    let (table, code) = both(&[]);
    assert_eq!((code, table.lines().count()), (Some(1), 3), "{table}");
    assert!(table.lines().next().unwrap().starts_with("up        127.0.0.1:"), "{table}");
    assert!(
        table.contains("dns_refused: answered REFUSED") && table.ends_with("1 of 2 servers up\n"),
        "{table}"
    );
    assert_eq!(both(&["--need-servers", "any"]).1, Some(0));

    let file = std::env::temp_dir().join(format!("dnscheck-servers-{}", std::process::id()));
    std::fs::write(&file, "# the pool\n127.0.0.1\n\n127.0.0.2 # the other\n").unwrap();
    let path = file.to_str().unwrap();
    let (table, _) = output(&["--servers-file", path, "--port", &port, "--qname", "resolve.test"]);
    assert!(table.ends_with("1 of 2 servers up\n"), "{table}");
    std::fs::write(&file, "127.0.0.1\nns.test\n").unwrap();
    let wrong = run(&["--servers-file", path, "--qname", "resolve.test"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains(":2: \"ns.test\" is not an IP address"));
    std::fs::remove_file(&file).unwrap();

    // The second question fails: all, any, advisory.
    let one = |more: &[&str]| output(&[&given[..], more].concat());
    assert_eq!(one(&["--ask", "b.test NXDOMAIN"]).1, Some(1));
    assert_eq!(one(&["--ask", "b.test NXDOMAIN", "--need", "any"]).1, Some(0));
    let (line, code) = one(&["--advise", "b.test NXDOMAIN"]);
    assert!(code == Some(0) && line.starts_with("degraded: b.test A @"), "{line}");

    let (rounds, code) = one(&["--count", "5", "--interval", "10ms"]);
    assert_eq!((code, rounds.lines().count()), (Some(0), 6), "{rounds}");
    assert!(rounds.lines().last().unwrap().contains("  5 probes, 5 passed; min "), "{rounds}");
}

#[test]
fn no_primary_is_no_fault_of_the_secondary() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let port = server.addr.port().to_string();
    // Nothing listens on this address: the primary is down.
    let (line, code) = output(&[
        "--server",
        "127.0.0.1",
        "--port",
        &port,
        "--qname",
        "resolve.test",
        "--qtype",
        "A",
        "--primary",
        "127.0.0.9",
    ]);
    assert_eq!(code, Some(1));
    assert!(line.contains("primary_silent: primary 127.0.0.9:") && line.starts_with("unknown: "), "{line}");
}

/// What takes longer than a timeout would be two of them, one after the other.
#[test]
fn a_silent_primary_takes_no_time_of_its_own() {
    let silent = Fake::udp(|_, _, _| {});
    let port = silent.addr.port().to_string();
    let args =
        ["--server", "127.0.0.1", "--primary", "127.0.0.1", "--qname", "resolve.test", "--port", &port];
    let begun = std::time::Instant::now();
    let (line, code) = output(&[&args[..], &["--timeout", "3s", "--grace", "10s"]].concat());
    let took = begun.elapsed();
    assert!(code == Some(1) && line.contains("dns_timeout"), "{line}");
    assert!((3..6).contains(&took.as_secs()), "{took:?}");
}

/// A reply with an SOA of this serial.
fn soa(query: &[u8], serial: u8) -> Vec<u8> {
    let mut octets = reply(query, 0, &[]);
    octets[7] = 1;
    octets.extend(b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x18\xc0\x0c\xc0\x0c\0\0\0");
    octets.push(serial);
    octets.extend([0; 16]);
    octets
}

#[test]
fn the_grace_is_all_that_a_server_behind_gets() {
    let asked = std::sync::atomic::AtomicU8::new(0);
    // It is behind, and then it says nothing any more.
    let server = Fake::udp(move |socket, peer, query| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            send(socket, peer, &soa(query, 5));
        }
    });
    let port = server.addr.port();
    let primary = std::net::UdpSocket::bind(("127.0.0.2", port)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = primary.recv_from(&mut buffer) {
            send(&primary, peer, &soa(&buffer[..length], 7));
        }
    });
    let port = port.to_string();
    let args =
        ["--server", "127.0.0.1", "--primary", "127.0.0.2", "--qname", "resolve.test", "--port", &port];
    let begun = std::time::Instant::now();
    let (line, code) = output(&[&args[..], &["--timeout", "8s", "--grace", "1s"]].concat());
    let took = begun.elapsed();
    assert_eq!(code, Some(1));
    assert!(line.contains("dns_stale_serial: the zone has serial 5, 2 behind the expected 7"), "{line}");
    assert!((1..6).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_thousand_servers_at_once() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let port = server.addr.port().to_string();
    let file = std::env::temp_dir().join(format!("dnscheck-many-{}", std::process::id()));
    std::fs::write(&file, "127.0.0.1\n".repeat(1_200)).unwrap();
    // More sockets than it may have, until it asks for as many as it might.
    let output = Command::new("prlimit")
        .args(["--nofile=1024:8192", env!("CARGO_BIN_EXE_dnscheck"), "--servers-file"])
        .arg(&file)
        .args(["--port", &port, "--qname", "resolve.test", "--timeout", "1s", "--tries", "1"])
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    // That so many queries at one moment are too many for the server is its own affair.
    assert!(table.lines().count() == 1_201 && !table.contains("unknown"), "{table}");
}

#[test]
fn a_dead_interface() {
    let ask = |set_up: &str, more: &str| {
        let script = format!(
            "ip link add d0 type veth peer name d1 && ip addr add 192.0.2.1/24 dev d0 && {set_up} && exec \"$0\" --server 192.0.2.2 \
             --qname resolve.test --timeout 100ms {more}"
        );
        let output = Command::new("unshare")
            .args(["--map-root-user", "--net", "sh", "-c", &script, env!("CARGO_BIN_EXE_dnscheck")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // Down: our own end, and no route with it, however the interface is chosen.
    for more in ["", "--interface d0", "--source 192.0.2.1", "--tcp"] {
        let line = ask("true", more);
        assert!(line.starts_with("unknown: ") && line.contains("net_unreachable"), "{more}: {line}");
    }
    // Up, but nobody at the other end: the server's silence, and no word from the network within the time.
    let line = ask("ip link set d0 up && ip link set d1 up", "--interface d0 --mark 7 --dscp 46");
    assert!(line.starts_with("down: ") && line.contains("dns_timeout: no answer to "), "{line}");
}
