//! Checks that talk over TCP and UDP, against real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checker_core::dns::{Timeout, Transport};
use checker_core::{Cause, Finding, TalkCheck};
use checker_probe::{Prober, Settings, TalkProber, Target, clock};

const PATIENCE: Duration = Duration::from_secs(60);

fn check(transport: Transport, send: &str, expect: Option<&str>, timeout: u64) -> Arc<TalkCheck> {
    Arc::new(TalkCheck {
        tls: None,
        transport,
        send: send.into(),
        expect: expect.map(Into::into),
        silence_passes: false,
        timeout: Timeout::new(Duration::from_millis(timeout)).unwrap(),
    })
}

/// Runs probes to their ends, within another loop as the daemon does.
fn run(probes: &[(Arc<TalkCheck>, SocketAddr)], max_sockets: usize) -> BTreeMap<u64, Finding> {
    let mut outer = Prober::new(Settings::default()).unwrap();
    let mut prober = TalkProber::new(max_sockets).unwrap();
    outer.watch(&prober).unwrap();
    for (token, (check, server)) in probes.iter().enumerate() {
        prober.start(token as u64, check, Target::new(*server, None).unwrap());
    }
    let patience = Instant::now() + PATIENCE;
    let mut ends = BTreeMap::new();
    while ends.len() < probes.len() {
        assert!(Instant::now() < patience, "{} of {} have ended", ends.len(), probes.len());
        let until = clock::now() + Duration::from_secs(1);
        outer.poll(prober.deadline().map_or(until, |at| at.min(until))).unwrap();
        prober.run().unwrap();
        while let Some(over) = prober.next_ended() {
            assert!(ends.insert(over.token, over.finding).is_none());
        }
    }
    ends
}

fn one(check: Arc<TalkCheck>, server: SocketAddr) -> String {
    let finding = run(&[(check, server)], 10).remove(&0).unwrap();
    finding.cause.map_or("up", Cause::code).to_owned()
}

/// A TCP server that does `serve` with each connection.
fn server(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

use Transport::{Tcp, Udp};

#[test]
fn a_greeting_is_expected() {
    let smtp = server(|mut stream| {
        for piece in ["2", "20", " mail.test ESMTP\r\n"] {
            if stream.write_all(piece.as_bytes()).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = stream.read(&mut [0; 10]);
    });
    assert_eq!(one(check(Tcp, "", Some("220 mail"), 20_000), smtp), "up");
    assert_eq!(one(check(Tcp, "", Some("554 "), 300), smtp), "tcp_mismatch");
    assert_eq!(one(check(Tcp, "", None, 20_000), smtp), "up");
}

#[test]
fn something_is_said_first() {
    let echo = server(|mut stream| {
        let mut line = [0; 6];
        if stream.read_exact(&mut line).is_ok() && &line == b"PING\r\n" {
            let _ = stream.write_all(b"PONG\r\n");
        }
    });
    assert_eq!(one(check(Tcp, "PING\r\n", Some("PONG"), 20_000), echo), "up");
    // It closes at once on anything else.
    assert_eq!(one(check(Tcp, "HELP\r\n", Some("PONG"), 20_000), echo), "tcp_mismatch");
}

#[test]
fn servers_that_do_not_serve() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(one(check(Tcp, "", None, 20_000), closed), "tcp_refused");
    let silent = server(|mut stream| {
        let _ = stream.read(&mut [0; 10]);
    });
    assert_eq!(one(check(Tcp, "", Some("x"), 200), silent), "tcp_mismatch");
    let chatty = server(|mut stream| while stream.write_all(&[b'y'; 4_096]).is_ok() {});
    assert_eq!(one(check(Tcp, "", Some("x"), 20_000), chatty), "tcp_mismatch");
    // Closing with octets unread resets the connection.
    let reset = server(|stream| {
        let mut seen = [0];
        let _ = stream.peek(&mut seen);
    });
    assert_eq!(one(check(Tcp, "x", Some("x"), 20_000), reset), "tcp_reset");
}

#[test]
fn datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if &buffer[..length] == b"ping" {
                let _ = socket.send_to(b"noise", peer);
                let _ = socket.send_to(b"a pong", peer);
            }
        }
    });
    assert_eq!(one(check(Udp, "ping", Some("pong"), 20_000), address), "up");
    assert_eq!(one(check(Udp, "ping", None, 20_000), address), "up");
    assert_eq!(one(check(Udp, "other", Some("pong"), 200), address), "udp_timeout");
    assert_eq!(one(check(Udp, "ping", Some("gong"), 200), address), "udp_mismatch");
    let quiet = Arc::new(TalkCheck { silence_passes: true, ..(*check(Udp, "other", None, 200)).clone() });
    assert_eq!(one(Arc::clone(&quiet), address), "up");
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(one(quiet, closed), "udp_refused");
}

#[test]
fn more_probes_than_sockets_take_turns() {
    let plain = server(|mut stream| {
        let _ = stream.read(&mut [0; 10]);
    });
    let probes: Vec<_> = (0..300).map(|_| (check(Tcp, "", None, 30_000), plain)).collect();
    let ends = run(&probes, 7);
    assert!(ends.values().all(|finding| finding.cause.is_none()), "{ends:?}");
}
