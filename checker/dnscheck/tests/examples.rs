//! The examples of `--help`, as they are printed, in a network where the servers that they name are there. Takes root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../probe/tests/fake/mod.rs"]
mod fake;

use std::net::{SocketAddrV6, TcpListener, UdpSocket};
use std::process::Command;

use fake::{RIGHT, read_query, reply, write_message};
use nix::sched::{CloneFlags, unshare};

/// What a name server for these names answers, over whatever transport.
fn answer(query: &[u8]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap();
    let (name, rtype, class) = (&query[12..end], query[end + 2], query[end + 4]);
    let with = |data: &[u8]| {
        let mut octets = reply(query, 0, &[]);
        octets[7] = 1;
        octets.extend([0xc0, 0x0c, 0, rtype, 0, class, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        octets.extend(data);
        octets
    };
    match (name, rtype, class) {
        (b"\x07resolve\x04test" | b"\x03lab\x04test", 1, 1) => reply(query, 0, &[RIGHT]),
        (b"\x03lab\x04test", 6, 1) => with(&[b"\xc0\x0c\xc0\x0c\0\0\0\x07", &[0; 16][..]].concat()),
        (b"\x02id\x06server", 16, 3) => with(b"\x03ns1"),
        _ => reply(query, 3, &[]),
    }
}

fn serve_udp(address: &str) {
    let socket = UdpSocket::bind((address, 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            fake::send(&socket, peer, &answer(&buffer[..length]));
        }
    });
}

fn serve_tcp(address: SocketAddrV6) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            if let Some(query) = read_query(&mut stream) {
                write_message(&mut stream, &answer(&query));
            }
        }
    });
}

#[test]
fn every_example_of_the_help_works() {
    let help = Command::new(env!("CARGO_BIN_EXE_dnscheck")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  dnscheck ")).collect();
    assert_eq!(examples.len(), 5);
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // A network of its own for this thread and what it starts.
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            for words in [
                "link set lo up",
                "addr add 10.1.53.1/32 dev lo",
                "addr add 10.1.53.2/32 dev lo",
                "addr add fe80::1/64 dev lo nodad",
            ] {
                assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "{words}");
            }
            serve_udp("10.1.53.1");
            serve_udp("10.1.53.2");
            serve_tcp(SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 1));
            for example in &examples {
                let output = Command::new(env!("CARGO_BIN_EXE_dnscheck"))
                    .args(example.split_whitespace().skip(1))
                    // The machine that tests may be slow; a later option is no example's.
                    .args(["--timeout", "20s"])
                    .output()
                    .unwrap();
                let line = String::from_utf8(output.stdout).unwrap();
                let up = line.starts_with("up: ") || line.starts_with("DNS OK - up: ") || {
                    // Slower than 50 ms is a warning.
                    line.starts_with("DNS WARNING - degraded: ")
                };
                assert!(up, "{example}: {line}{}", String::from_utf8_lossy(&output.stderr));
            }
        });
        inside.join().unwrap();
    });
}
