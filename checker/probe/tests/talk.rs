//! Checks that talk over TCP and UDP, against real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use checker_core::dns::{Timeout, Transport};
use checker_core::talk::{Expect, Octets, Step};
use checker_core::{Cause, Finding, TalkCheck};
use checker_probe::{Marks, Prober, Settings, TalkProber, Target, clock};

const PATIENCE: Duration = Duration::from_secs(60);

fn text(text: &str) -> Expect {
    Expect::Holds(Octets::exact(text.as_bytes()))
}

fn says(send: &str, expect: &str) -> Step {
    Step { send: send.into(), secret: false, expect: (!expect.is_empty()).then(|| text(expect)) }
}

fn check(transport: Transport, send: &str, expect: Option<&str>, timeout: u64) -> Arc<TalkCheck> {
    let plain = TalkCheck::connects(Timeout::new(Duration::from_millis(timeout)).unwrap());
    Arc::new(TalkCheck { transport, steps: vec![says(send, expect.unwrap_or_default())], ..plain })
}

/// Runs probes to their ends, within another loop as the daemon does.
fn run(probes: &[(Arc<TalkCheck>, SocketAddr)], max_sockets: usize) -> BTreeMap<u64, Finding> {
    let marked = |(check, server): &(Arc<TalkCheck>, SocketAddr)| {
        (Arc::clone(check), Target::new(*server, None).unwrap())
    };
    run_to(&probes.iter().map(marked).collect::<Vec<_>>(), max_sockets)
}

/// The same with targets that say more than where it goes.
fn run_to(probes: &[(Arc<TalkCheck>, Target)], max_sockets: usize) -> BTreeMap<u64, Finding> {
    let mut outer = Prober::new(Settings::default()).unwrap();
    let mut prober = TalkProber::new(max_sockets).unwrap();
    outer.watch(&prober).unwrap();
    for (token, (check, target)) in probes.iter().enumerate() {
        prober.start(token as u64, check, *target);
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

/// A POP server that knows one user, as far as a check goes.
fn pop() -> SocketAddr {
    server(|mut stream| {
        let _ = stream.write_all(b"+OK POP3 ready <1896@pop.test>\r\n");
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut user = String::new();
        while let Some(Ok(line)) = lines.next() {
            let reply = match line.split_once(' ') {
                Some(("USER", name)) => {
                    name.clone_into(&mut user);
                    "+OK\r\n"
                }
                Some(("PASS", "geheim")) if user == "probe" => "+OK 0 messages\r\n",
                Some(("PASS", _)) => "-ERR [AUTH] invalid\r\n",
                _ if line == "QUIT" => "+OK bye\r\n",
                _ => "-ERR\r\n",
            };
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    })
}

fn login(password: &str) -> Vec<Step> {
    let ok = || Some(Expect::Begins(Octets::exact(b"+OK")));
    let step = |send: &str, secret| Step { send: send.into(), secret, expect: ok() };
    vec![
        step("", false),
        step("USER probe\r\n", false),
        step(&format!("PASS {password}\r\n"), true),
        step("QUIT\r\n", false),
    ]
}

#[test]
fn a_dialogue_of_several_steps() {
    let server = pop();
    let check = |password: &str| {
        Arc::new(TalkCheck { steps: login(password), ..(*check(Tcp, "", None, 20_000)).clone() })
    };
    let good = run(&[(check("geheim"), server)], 10).remove(&0).unwrap();
    assert_eq!((good.cause, good.reply.as_str()), (None, "9 octets: \"+OK bye\\r\\n\""), "{good:?}");
    // A wrong beginning is no reason to wait for the end of the probe.
    let begun = Instant::now();
    let bad = run(&[(check("falsch"), server)], 10).remove(&0).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(bad.cause, Some(Cause::TcpMismatch));
    assert_eq!(
        bad.detail,
        "not \"+OK\" at the start in step 3 of 4; 21 octets came: \"-ERR [AUTH] invalid\\r\\n\""
    );
    assert!(!check("falsch").to_string().contains("falsch"));
}

#[test]
fn octets_with_a_mask_and_a_length() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // It echoes the octet 0x80 to 0x8f that it was sent, behind a counter and with as many zeros.
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        let mut counter = 0_u8;
        while let Ok((1, peer)) = socket.recv_from(&mut buffer) {
            counter = counter.wrapping_add(1);
            let mut reply = vec![counter, buffer[0]];
            reply.resize(2 + usize::from(buffer[0] & 0xf), 0);
            let _ = socket.send_to(&reply, peer);
        }
    });
    let check = |send: u8, expect: &str, length: Option<&str>| {
        let expect = Some(Expect::Begins(expect.parse().unwrap()));
        let steps = vec![Step { send: vec![send], secret: false, expect }];
        let length = length.map(|range| range.parse().unwrap());
        Arc::new(TalkCheck { steps, length, ..(*check(Udp, "", None, 400)).clone() })
    };
    assert_eq!(one(check(0x85, "xx 8x 00", None), address), "up");
    assert_eq!(one(check(0x85, "xx 85", Some("7")), address), "up");
    assert_eq!(one(check(0x85, "xx 84", None), address), "udp_mismatch");
    assert_eq!(one(check(0x85, "xx 8x", Some("8..")), address), "udp_mismatch");
    // More than can come.
    assert_eq!(one(check(0x80, "xx 8x 00", None), address), "udp_mismatch");
}

#[test]
fn a_port_of_its_own_serves_probe_after_probe() {
    // A port that nobody has, most likely not one that the kernel gives to others.
    let port = (20_000..30_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let ports = Arc::clone(&seen);
    let tcp = server(move |mut stream| {
        ports.lock().unwrap().push(stream.peer_addr().unwrap().port());
        let _ = stream.write_all(b"hello\r\n");
        // It is the prober that ends the connection, which would keep the port for a minute.
        let _ = stream.read(&mut [0; 10]);
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = socket.local_addr().unwrap();
    let ports = Arc::clone(&seen);
    std::thread::spawn(move || {
        while let Ok((_, peer)) = socket.recv_from(&mut [0; 10]) {
            ports.lock().unwrap().push(peer.port());
            let _ = socket.send_to(b"hello", peer);
        }
    });
    for (check, server) in
        [(check(Tcp, "", Some("hello"), 20_000), tcp), (check(Udp, "x", Some("hello"), 20_000), udp)]
    {
        for _ in 0..3 {
            let target =
                Target::new(server, None).unwrap().with_marks(Marks { port: Some(port), ..Marks::default() });
            let finding = run_to(&[(Arc::clone(&check), target)], 10).remove(&0).unwrap();
            assert_eq!(finding.cause, None, "{finding:?}");
        }
    }
    assert_eq!(*seen.lock().unwrap(), [port; 6]);
}
