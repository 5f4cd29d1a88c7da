//! Servers that misbehave: right verdict, right cause, within the time allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use checker_core::dns::{
    Class, DnsCheck, ExpectedAnswer, Outcome, Question, RecordType, Timeout, Transport, Tries, Wanted,
};
use checker_core::{Cause, Verdict};
use checker_probe::{Prober, Settings, Target, clock};
use fake::{Fake, RIGHT, WRONG, hang, read_query, reply, right, send, write_message};

const TIMEOUT: Duration = Duration::from_millis(400);

fn check() -> DnsCheck {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(TIMEOUT).unwrap();
    check.expect.answer.wanted =
        vec![Wanted::Data(ExpectedAnswer::parse("192.0.2.80", RecordType::A).unwrap())];
    check
}

fn over_tcp() -> DnsCheck {
    DnsCheck { transport: Transport::Tcp, ..check() }
}

/// Runs one probe. That the machine was too busy to judge is the machine's fault: it tries again.
fn probe_with(check: &DnsCheck, target: Target) -> Outcome {
    for _ in 0..10 {
        let mut prober = Prober::new(Settings::default()).unwrap();
        prober.start(7, &Arc::new(check.clone()), target);
        let outcome = loop {
            if let Some(finished) = prober.next_finished() {
                assert_eq!(finished.token, 7);
                break finished.outcome;
            }
            prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
        };
        if outcome.cause != Some(Cause::LateTimer) {
            return outcome;
        }
    }
    panic!("this machine is too busy to probe");
}

fn probe(check: &DnsCheck, addr: SocketAddr) -> Outcome {
    probe_with(check, Target::new(addr, None).unwrap())
}

/// Asserts how a probe ends; what ends before the timeout may take as long as the machine needs, but not all of it.
fn expect(what: &str, outcome: &Outcome, code: &str, waits: bool) {
    let got = outcome.cause.map_or("up", Cause::code);
    assert_eq!(got, code, "{what}: {outcome:?}");
    let verdict = outcome.cause.map_or(Verdict::Up, |cause| cause.blame().verdict());
    assert_eq!(outcome.verdict, verdict, "{what}");
    assert_eq!(outcome.detail.is_empty(), outcome.verdict == Verdict::Up, "{what}: {outcome:?}");
    assert_eq!(outcome.elapsed >= TIMEOUT, waits, "{what}: {outcome:?}");
}

#[test]
fn replies_over_udp() {
    let respond =
        |f: fn(&[u8]) -> Vec<u8>| Fake::udp(move |socket, peer, query| send(socket, peer, &f(query)));
    for (what, server, code) in [
        ("the right answer", respond(right), "up"),
        ("among others", respond(|q| reply(q, 0, &[WRONG, RIGHT])), "up"),
        ("SERVFAIL", respond(|q| reply(q, 2, &[])), "dns_servfail"),
        ("REFUSED", respond(|q| reply(q, 5, &[])), "dns_refused"),
        ("NXDOMAIN", respond(|q| reply(q, 3, &[])), "dns_nxdomain"),
        ("FORMERR", respond(|q| reply(q, 1, &[])), "dns_formerr"),
        (
            "FORMERR without a question",
            respond(|q| [&q[..2], b"\x80\x01\0\0\0\0\0\0\0\0"].concat()),
            "dns_formerr",
        ),
        ("NOTIMP", respond(|q| reply(q, 4, &[])), "dns_notimp"),
        ("another code", respond(|q| reply(q, 9, &[])), "dns_rcode"),
        ("SERVFAIL with the right answer", respond(|q| reply(q, 2, &[RIGHT])), "dns_servfail"),
        ("SERVFAIL with a broken body", respond(|q| reply(q, 2, &[RIGHT])[..40].to_vec()), "dns_servfail"),
        ("no answer", respond(|q| reply(q, 0, &[])), "dns_no_answer"),
        ("the wrong address", respond(|q| reply(q, 0, &[WRONG])), "dns_answer_mismatch"),
        ("11 octets", respond(|q| right(q)[..11].to_vec()), "dns_malformed"),
        ("a header alone", respond(|q| right(q)[..12].to_vec()), "dns_malformed"),
        ("our id and garbage", respond(|q| [&q[..2], &[0x81, 0x80], &[0xff; 60]].concat()), "dns_malformed"),
        (
            "a compression loop",
            respond(|q| {
                let mut octets = right(q);
                let at = octets.len() - 16;
                octets[at] = 0xc0 | (at >> 8) as u8;
                octets[at + 1] = at as u8;
                octets
            }),
            "dns_malformed",
        ),
        (
            "an alias to itself",
            respond(|q| {
                let mut octets = reply(q, 0, &[]);
                octets[7] = 1;
                octets.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c");
                octets
            }),
            "dns_cname_loop",
        ),
    ] {
        expect(what, &probe(&check(), server.addr), code, false);
    }
}

#[test]
fn what_does_not_match_is_ignored() {
    let forged = |f: fn(Vec<u8>) -> Vec<u8>| {
        Fake::udp(move |socket, peer, query| send(socket, peer, &f(right(query))))
    };
    let scrambled = |mut octets: Vec<u8>| {
        octets[0] ^= 0x55;
        octets
    };
    for (what, server, told) in [
        ("a wrong id", forged(scrambled), "with another id"),
        (
            "a wrong name",
            forged(|mut octets| {
                octets[13] = b'x';
                octets
            }),
            "with another question",
        ),
        (
            "a wrong type",
            forged(|mut octets| {
                octets[27] = 28;
                octets
            }),
            "with another question",
        ),
        ("our query, echoed", Fake::udp(send), "not a reply to a query"),
        (
            "NOERROR without a question",
            Fake::udp(|socket, peer, query| {
                send(socket, peer, &[&query[..2], b"\x81\x80\0\0\0\0\0\0\0\0"].concat())
            }),
            "without a question",
        ),
    ] {
        let outcome = probe(&check(), server.addr);
        expect(what, &outcome, "dns_timeout", true);
        assert_eq!((outcome.strays, outcome.attempts), (2, 2), "{what}");
        assert!(
            outcome
                .detail
                .ends_with(&format!("; 2 messages that did not match were ignored (the last one {told})")),
            "{outcome:?}"
        );
    }
}

#[test]
fn scraps_too_short_for_dns() {
    for scrap in [&b""[..], b"x", b"no DNS here"] {
        let server = Fake::udp(move |socket, peer, _| send(socket, peer, scrap));
        expect("a scrap", &probe(&check(), server.addr), "dns_malformed", true);
    }
}

#[test]
fn the_right_answer_behind_a_thousand_forged_ones() {
    let server = Fake::udp(|socket, peer, query| {
        let answer = right(query);
        for n in 1..=1000u16 {
            let mut forged = reply(query, 2, &[]);
            forged[..2]
                .copy_from_slice(&u16::from_be_bytes([answer[0], answer[1]]).wrapping_add(n).to_be_bytes());
            send(socket, peer, &forged);
            // As fast as the socket takes them, not faster: that it overflows is not the point here.
            if n % 50 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        send(socket, peer, &answer);
    });
    let outcome =
        probe(&DnsCheck { timeout: Timeout::new(Duration::from_secs(4)).unwrap(), ..check() }, server.addr);
    assert_eq!(outcome.verdict, Verdict::Up, "{outcome:?}");
    assert!(outcome.strays >= 1000, "{outcome:?}");
}

#[test]
fn replies_from_elsewhere_never_reach_us() {
    let other_port = Fake::udp(|_, peer, query| {
        send(&UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), peer, &right(query));
    });
    expect("another port", &probe(&check(), other_port.addr), "dns_timeout", true);
    let other_address = Fake::udp(|socket, peer, query| {
        let from = SocketAddr::new([127, 0, 0, 2].into(), socket.local_addr().unwrap().port());
        send(&UdpSocket::bind(from).unwrap(), peer, &right(query));
    });
    expect("another address", &probe(&check(), other_address.addr), "dns_timeout", true);
}

#[test]
fn late_answers() {
    let late = |by: Duration| {
        Fake::udp(move |socket, peer, query| {
            std::thread::sleep(by);
            send(socket, peer, &right(query));
        })
    };
    expect("too late", &probe(&check(), late(TIMEOUT * 2).addr), "dns_timeout", true);
    // Later than the second try, which waits behind the first in the server.
    let server = late(TIMEOUT * 5 / 8);
    let outcome = probe(&check(), server.addr);
    expect("late but in time", &outcome, "up", false);
    assert_eq!(outcome.attempts, 2);
}

#[test]
fn a_lost_query_is_repaired() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = Fake::udp(move |socket, peer, query| {
        if !first.swap(false, Ordering::Relaxed) {
            send(socket, peer, &right(query));
        }
    });
    let outcome = probe(&check(), server.addr);
    expect("the first query lost", &outcome, "up", false);
    assert_eq!(outcome.attempts, 2);
    // The time from the query that was answered, not from the first.
    assert!(
        outcome.latency.unwrap() + TIMEOUT / 2 <= outcome.elapsed + Duration::from_millis(1),
        "{outcome:?}"
    );
}

#[test]
fn every_try_has_its_own_port_and_id() {
    let (seen, told) = std::sync::mpsc::channel();
    let server = Fake::udp(move |_, peer, query| seen.send((peer.port(), query[..2].to_vec())).unwrap());
    let check = DnsCheck { tries: Tries::new(5).unwrap(), ..check() };
    expect("silence", &probe(&check, server.addr), "dns_timeout", true);
    drop(server);
    let mut tries: Vec<_> = told.iter().collect();
    assert!(tries.len() >= 5, "{tries:?}");
    tries.truncate(5);
    let (mut ports, mut ids): (Vec<_>, Vec<_>) = tries.into_iter().unzip();
    ports.sort_unstable();
    ports.dedup();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ports.len(), ids.len()), (5, 5));
}

#[test]
fn truncation_and_tcp() {
    let answer = |mut stream: std::net::TcpStream, f: &dyn Fn(&mut std::net::TcpStream, Vec<u8>)| {
        if let Some(query) = read_query(&mut stream) {
            f(&mut stream, query);
        }
    };
    for (what, server, code, waits) in [
        ("open", Fake::truncating(move |s, _| answer(s, &|s, q| write_message(s, &right(&q)))), "up", false),
        (
            "wrong over TCP",
            Fake::truncating(move |s, _| answer(s, &|s, q| write_message(s, &reply(&q, 0, &[WRONG])))),
            "dns_answer_mismatch",
            false,
        ),
        (
            "refused",
            Fake::udp(|socket, peer, query| send(socket, peer, &reply(query, 0x0200, &[]))),
            "tcp_refused",
            false,
        ),
        ("hanging", Fake::truncating(|_stream, stop| hang(stop)), "tcp_timeout", true),
        ("closed without a word", Fake::truncating(move |s, _| answer(s, &|_, _| {})), "tcp_closed", false),
        (
            "reset",
            // Closing with the query unread resets the connection.
            Fake::truncating(|stream, _| {
                while stream.peek(&mut [0]).is_ok_and(|n| n == 0) {}
                drop(stream);
            }),
            "tcp_reset",
            false,
        ),
        (
            "dripping",
            Fake::truncating(move |s, stop| {
                answer(s, &|s, q| {
                    for octet in [vec![0, 46], right(&q)].concat() {
                        if stop.load(Ordering::Relaxed) || s.write_all(&[octet]).is_err() {
                            return;
                        }
                        std::thread::sleep(TIMEOUT / 20);
                    }
                });
            }),
            "tcp_timeout",
            true,
        ),
        (
            "in small pieces, in time",
            Fake::truncating(move |s, _| {
                answer(s, &|s, q| {
                    for octet in [vec![0, 46], right(&q)].concat() {
                        let _ = s.write_all(&[octet]);
                    }
                });
            }),
            "up",
            false,
        ),
        (
            "truncated again",
            Fake::truncating(move |s, _| answer(s, &|s, q| write_message(s, &reply(&q, 0x0200, &[])))),
            "dns_truncated",
            false,
        ),
        (
            "behind a stray",
            Fake::truncating(move |s, _| {
                answer(s, &|s, q| {
                    let mut other = right(&q);
                    other[0] ^= 1;
                    write_message(s, &other);
                    write_message(s, &right(&q));
                });
            }),
            "up",
            false,
        ),
    ] {
        let outcome = probe(&check(), server.addr);
        expect(what, &outcome, code, waits);
        assert_eq!(outcome.transport, Transport::Tcp, "{what}");
    }
}

#[test]
fn the_largest_answer_over_tcp() {
    let server = Fake::truncating(|mut stream, _| {
        if let Some(query) = read_query(&mut stream) {
            // 4,093 records of 16 octets behind the header and the question: just below 64 KiB.
            let many: Vec<[u8; 4]> = (0..4093u16).map(|n| [10, 0, (n >> 8) as u8, n as u8]).collect();
            let mut octets = reply(&query, 0, &many);
            let last = octets.len() - 4;
            octets[last..].copy_from_slice(&RIGHT);
            assert!(octets.len() > 65_500);
            write_message(&mut stream, &octets);
        }
    });
    expect("64 KiB", &probe(&check(), server.addr), "up", false);
}

#[test]
fn tcp_from_the_start() {
    let server = Fake::both(
        |_, _, _| panic!("asked over UDP"),
        |mut stream, _| {
            if let Some(query) = read_query(&mut stream) {
                write_message(&mut stream, &right(&query));
            }
        },
    );
    let outcome = probe(&over_tcp(), server.addr);
    expect("TCP", &outcome, "up", false);
    assert_eq!(outcome.transport, Transport::Tcp);
    let closed = Fake::udp(|_, _, _| {});
    expect("TCP refused", &probe(&over_tcp(), closed.addr), "tcp_refused", false);
}

#[test]
fn a_closed_port_is_named_at_once() {
    let addr = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let outcome = probe(&check(), addr);
    expect("closed port", &outcome, "udp_refused", false);
    assert_eq!(outcome.attempts, 1);
}

#[test]
fn a_source_that_is_not_ours_is_local_trouble() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    for check in [check(), over_tcp()] {
        // TEST-NET-1: on no machine.
        let target = Target::new(server.addr, Some([192, 0, 2, 77].into())).unwrap();
        let outcome = probe_with(&check, target);
        expect("foreign source", &outcome, "source_unavailable", false);
        assert_eq!(outcome.verdict, Verdict::Unknown);
    }
    let target = Target::new(server.addr, Some([127, 0, 0, 5].into())).unwrap();
    expect("own source", &probe_with(&check(), target), "up", false);
}

#[test]
fn ipv6_works_alike() {
    let server = Fake::on(
        std::net::Ipv6Addr::LOCALHOST.into(),
        Box::new(|socket, peer, query| send(socket, peer, &reply(query, 0x0200, &[]))),
        Some(Arc::new(|mut stream, _| {
            if let Some(query) = read_query(&mut stream) {
                write_message(&mut stream, &right(&query));
            }
        })),
    );
    let target = Target::new(server.addr, Some(std::net::Ipv6Addr::LOCALHOST.into())).unwrap();
    expect("IPv6", &probe_with(&check(), target), "up", false);
    let closed = UdpSocket::bind((std::net::Ipv6Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    expect("IPv6 closed port", &probe(&check(), closed), "udp_refused", false);
}

/// For what needs two answers in time.
const LONG: Duration = TIMEOUT.saturating_mul(4);

/// A server that takes its time for the answer and then never tells its keys.
fn without_keys(octets: &[u8]) -> Option<Vec<u8>> {
    fake::asks_for_a(octets).then(|| {
        std::thread::sleep(LONG * 5 / 8);
        fake::signed(octets)
    })
}

#[test]
fn a_validation_has_no_time_of_its_own() {
    let server = Fake::both(
        |socket, peer, query| {
            if let Some(octets) = without_keys(query) {
                send(socket, peer, &octets);
            }
        },
        |mut stream, stop| {
            if let Some(octets) = read_query(&mut stream).and_then(|query| without_keys(&query)) {
                write_message(&mut stream, &octets);
            }
            hang(stop);
        },
    );
    for mut check in [check(), over_tcp()] {
        check.tries = Tries::new(1).unwrap();
        check.timeout = Timeout::new(LONG).unwrap();
        let anchor = format!("resolve.test DS 1 13 2 {}", "ab".repeat(32));
        check.validate([anchor.parse().unwrap()].into());
        let outcome = probe(&check, server.addr);
        let code = if check.transport == Transport::Tcp { Cause::TcpTimeout } else { Cause::DnsTimeout };
        assert_eq!(outcome.cause, Some(code), "{outcome:?}");
        assert!(outcome.detail.contains("when asked for resolve.test DNSKEY to validate it"), "{outcome:?}");
        // All of it, and not the timeout again for every question.
        assert!((LONG..LONG * 3 / 2).contains(&outcome.elapsed), "{outcome:?}");
    }
}
