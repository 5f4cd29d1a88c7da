//! Servers over TLS, HTTPS and QUIC that misbehave: right verdict, right cause, within the time allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod fake;
mod secure;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authority::{Authority, FUTURE, Issued, PAST, PRESENT};
use checker_core::dns::{
    Class, DnsCheck, DohMethod, ExpectedAnswer, HttpVersion, Outcome, Question, RecordType, Secure, Timeout,
    Transport, Wanted,
};
use checker_core::tls::{Identity, Tls, Trust};
use checker_core::{Cause, Verdict};
use checker_probe::{Prober, Settings, Target, clock};
use fake::{Fake, hang, reply, right};
use secure::{Stream, accept, quic, reset, server};

/// For a server that answers in some way.
const PATIENCE: Duration = Duration::from_secs(20);
/// For one that does not.
const SHORT: Duration = Duration::from_millis(400);

/// The certificates of all tests.
struct Certificates {
    authority: Authority,
    good: Issued,
    expired: Issued,
    future: Issued,
    other_name: Issued,
    own: Issued,
    stranger: Issued,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let authority = Authority::new("probe");
    let mine = "DNS:dns.test,IP:127.0.0.1";
    Certificates {
        good: authority.issue("good", mine, PRESENT),
        expired: authority.issue("expired", mine, PAST),
        future: authority.issue("future", mine, FUTURE),
        other_name: authority.issue("other", "DNS:other.test,IP:192.0.2.1", PRESENT),
        own: authority.self_signed("own"),
        stranger: Authority::new("probe-stranger").issue("stranger", mine, PRESENT),
        authority,
    }
});

fn trusting() -> Tls {
    Tls { trust: Trust::File(CERTIFICATES.authority.certificate()), ..Tls::default() }
}

fn check(transport: Transport, timeout: Duration) -> DnsCheck {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(timeout).unwrap();
    check.transport = transport;
    check.secure = Some(Box::new(Secure { tls: trusting(), ..Secure::default() }));
    check.expect.answer.wanted =
        vec![Wanted::Data(ExpectedAnswer::parse("192.0.2.80", RecordType::A).unwrap())];
    check
}

fn with_tls(transport: Transport, tls: Tls) -> DnsCheck {
    let mut check = check(transport, PATIENCE);
    check.secure.as_mut().unwrap().tls = tls;
    check
}

/// Runs one probe. That the machine was too busy to judge is the machine's fault: it tries again.
fn probe(check: &DnsCheck, server: SocketAddr) -> Outcome {
    probe_with(check, Target::new(server, None).unwrap())
}

fn probe_with(check: &DnsCheck, target: Target) -> Outcome {
    for _ in 0..10 {
        let mut prober = Prober::new(Settings { keep_replies: true, ..Settings::default() }).unwrap();
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

/// Asserts how a probe ends, and that it waits for its timeout only when it has to.
fn expect(what: &str, check: &DnsCheck, server: SocketAddr, code: &str) -> Outcome {
    let outcome = probe(check, server);
    let got = outcome.cause.map_or("up", Cause::code);
    assert_eq!(got, code, "{what}: {outcome:?}");
    assert_eq!(outcome.detail.is_empty(), outcome.verdict == Verdict::Up, "{what}: {outcome:?}");
    if check.timeout.get() == PATIENCE {
        assert!(outcome.elapsed < PATIENCE, "{what} waits: {outcome:?}");
    }
    outcome
}

/// A TCP server that does this with every connection.
fn tcp(serve: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Fake {
    Fake::both(|_, _, _| {}, serve)
}

/// A server that does this with every connection once it is secured.
fn tls(
    issued: &Issued,
    protocol: &'static [u8],
    serve: impl Fn(&mut Stream, &AtomicBool) + Send + Sync + 'static,
) -> Fake {
    let config = server(issued, protocol, None);
    tcp(move |stream, stop| {
        if let Some(mut stream) = accept(&config, stream) {
            serve(&mut stream, stop);
        }
    })
}

fn read_query(stream: &mut Stream) -> Vec<u8> {
    let mut length = [0; 2];
    if stream.read_exact(&mut length).is_err() {
        return Vec::new();
    }
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query).unwrap();
    query
}

fn message(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes(), octets].concat()
}

/// A DNS server over TLS that answers so.
fn dot(issued: &Issued, answer: fn(&[u8]) -> Vec<u8>) -> Fake {
    tls(issued, b"dot", move |stream, _| {
        let query = read_query(stream);
        if !query.is_empty() {
            let _ = stream.write_all(&message(&answer(&query)));
        }
    })
}

#[test]
fn certificates_are_verified() {
    let all = &*CERTIFICATES;
    let over = check(Transport::Tls, PATIENCE);
    let good = dot(&all.good, right);
    let outcome = expect("good", &over, good.addr, "up");
    assert!(outcome.connect.is_some() && outcome.tls.is_some() && outcome.latency.is_some());
    assert_eq!((outcome.transport, outcome.attempts, outcome.reply.is_some()), (Transport::Tls, 1, true));
    let expired = expect("expired", &over, dot(&all.expired, right).addr, "tls_certificate_expired");
    assert!(expired.detail.contains("days ago"), "{}", expired.detail);
    expect("not yet valid", &over, dot(&all.future, right).addr, "tls_certificate_future");
    let name = expect("other name", &over, dot(&all.other_name, right).addr, "tls_name_mismatch");
    assert!(name.detail.contains("other.test") && name.detail.contains("127.0.0.1"), "{}", name.detail);
    expect("unknown authority", &over, dot(&all.stranger, right).addr, "tls_unknown_ca");
    expect("signed by itself", &over, dot(&all.own, right).addr, "tls_unknown_ca");

    let itself =
        with_tls(Transport::Tls, Tls { trust: Trust::File(all.own.certificate.clone()), ..Tls::default() });
    expect("itself trusted", &itself, dot(&all.own, right).addr, "up");
    let named = |name: &str| Tls { name: Some(name.parse().unwrap()), ..trusting() };
    expect("by name", &with_tls(Transport::Tls, named("dns.test")), good.addr, "up");
    expect("by another name", &with_tls(Transport::Tls, named("x.test")), good.addr, "tls_name_mismatch");
    let nobody = Tls { trust: Trust::Unverified, ..Tls::default() };
    expect("unverified", &with_tls(Transport::Tls, nobody), dot(&all.expired, right).addr, "up");
    let system =
        expect("the system's", &with_tls(Transport::Tls, Tls::default()), good.addr, "tls_unknown_ca");
    assert_eq!(system.verdict, Verdict::Down);

    let century = Duration::from_secs(100 * 365 * 86_400);
    for (warn, code) in [(Duration::from_secs(86_400), "up"), (century, "tls_certificate_expiring")] {
        let warned = with_tls(Transport::Tls, Tls { expiry_warn: Some(warn), ..trusting() });
        let outcome = expect("warned of", &warned, good.addr, code);
        assert!(outcome.verdict.passes(), "{outcome:?}");
        let failing = expect("failing", &warned, dot(&all.good, |q| reply(q, 2, &[])).addr, "dns_servfail");
        assert_eq!(failing.verdict, Verdict::Down);
    }
}

#[test]
fn pinned_keys_are_enough_and_needed() {
    let all = &*CERTIFICATES;
    let pin = |issued: &Issued| all.authority.pin(issued).parse().unwrap();
    let server = dot(&all.own, right);
    let pinned = |pins: &[&Issued], trust: Trust| {
        let pins = pins.iter().map(|issued| pin(issued)).collect();
        with_tls(Transport::Tls, Tls { pins, trust, ..Tls::default() })
    };
    expect("own key", &pinned(&[&all.own], Trust::Unverified), server.addr, "up");
    expect("one of two", &pinned(&[&all.good, &all.own], Trust::Unverified), server.addr, "up");
    expect("another key", &pinned(&[&all.good], Trust::Unverified), server.addr, "tls_pin_mismatch");
    // Whoever has no such key can still send the certificate along.
    let borrowed =
        Issued { certificate: all.own.certificate.with_extension("borrowed"), key: all.own.key.clone() };
    let sent = [&all.own, &all.good].map(|issued| std::fs::read(&issued.certificate).unwrap()).concat();
    std::fs::write(&borrowed.certificate, sent).unwrap();
    let impostor = dot(&borrowed, right);
    expect("sent along", &pinned(&[&all.good], Trust::Unverified), impostor.addr, "tls_pin_mismatch");
    let both = Trust::File(all.authority.certificate());
    expect("and an authority", &pinned(&[&all.own], both), server.addr, "tls_unknown_ca");
}

#[test]
fn clients_show_their_certificate() {
    let all = &*CERTIFICATES;
    let config = server(&all.good, b"dot", Some(&all.authority.certificate()));
    let strict = tcp(move |stream, _| {
        if let Some(mut stream) = accept(&config, stream) {
            let query = read_query(&mut stream);
            if !query.is_empty() {
                let _ = stream.write_all(&message(&right(&query)));
            }
        }
    });
    expect("without", &check(Transport::Tls, PATIENCE), strict.addr, "tls_handshake");
    let identity = |certificate: &Issued, key: &Issued| {
        let (certificate, key) = (certificate.certificate.clone(), key.key.clone());
        with_tls(Transport::Tls, Tls { identity: Some(Identity { certificate, key }), ..trusting() })
    };
    expect("with", &identity(&all.good, &all.good), strict.addr, "up");
    let foreign = expect("a foreign key", &identity(&all.good, &all.own), strict.addr, "tls_settings");
    assert_eq!(foreign.verdict, Verdict::Unknown);
}

#[test]
fn local_trouble_is_unknown() {
    let all = &*CERTIFICATES;
    let server = dot(&all.good, right);
    for path in ["/nowhere/ca.pem".into(), all.good.key.clone(), "/dev/null".into(), "/".into()] {
        let missing = with_tls(Transport::Tls, Tls { trust: Trust::File(path.clone()), ..Tls::default() });
        let outcome = expect("no authorities", &missing, server.addr, "tls_settings");
        assert_eq!(outcome.verdict, Verdict::Unknown);
        assert!(outcome.detail.contains(path.to_str().unwrap()), "{}", outcome.detail);
    }
    for transport in [Transport::Tls, Transport::Https, Transport::Quic] {
        let from = Target::new(server.addr, Some("192.0.2.77".parse().unwrap())).unwrap();
        let outcome = probe_with(&check(transport, PATIENCE), from);
        assert_eq!(outcome.cause, Some(Cause::SourceUnavailable), "{outcome:?}");
        assert_eq!(outcome.verdict, Verdict::Unknown);
        let from = Target::new(server.addr, Some("127.0.0.9".parse().unwrap())).unwrap();
        if transport == Transport::Tls {
            assert_eq!(probe_with(&check(transport, PATIENCE), from).verdict, Verdict::Up);
        }
    }
}

#[test]
fn handshakes_that_fail() {
    let over = check(Transport::Tls, PATIENCE);
    let closed = {
        let server = tcp(|_, _| {});
        server.addr
    };
    expect("closed port", &over, closed, "tcp_refused");
    let ends = tcp(|mut stream, _| {
        let _ = stream.read(&mut [0; 16_384]);
    });
    expect("closes after the hello", &over, ends.addr, "tls_closed");
    let resets = tcp(|mut stream, _| {
        let _ = stream.read(&mut [0; 16_384]);
        reset(stream);
    });
    let outcome = expect("resets", &over, resets.addr, "tcp_reset");
    assert!(outcome.detail.contains("TLS handshake"), "{}", outcome.detail);
    let plain = tcp(|mut stream, stop| {
        let _ = stream.write_all(b"220 mail.example ESMTP at your service, and so on\r\n");
        hang(stop);
    });
    let outcome = expect("plain text", &over, plain.addr, "tls_handshake");
    assert!(outcome.detail.contains("does not speak TLS"), "{}", outcome.detail);
    let alert = tcp(|mut stream, _| {
        let _ = stream.read(&mut [0; 16_384]);
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]);
    });
    let outcome = expect("alert", &over, alert.addr, "tls_handshake");
    assert!(outcome.detail.contains("HandshakeFailure"), "{}", outcome.detail);
    let outcome =
        expect("hangs", &check(Transport::Tls, SHORT), tcp(|_, stop| hang(stop)).addr, "tls_timeout");
    assert!(outcome.elapsed >= SHORT && outcome.connect.is_some(), "{outcome:?}");
}

#[test]
fn answers_over_tls_that_fail() {
    let good = &CERTIFICATES.good;
    let over = check(Transport::Tls, PATIENCE);
    expect("SERVFAIL", &over, dot(good, |q| reply(q, 2, &[])).addr, "dns_servfail");
    expect("wrong", &over, dot(good, |q| reply(q, 0, &[[192, 0, 2, 99]])).addr, "dns_answer_mismatch");
    expect("another id", &over, dot(good, |q| [&[q[0] ^ 1], &right(q)[1..]].concat()).addr, "tcp_closed");
    let closes = tls(good, b"dot", |stream, _| drop(read_query(stream)));
    expect("closes after the query", &over, closes.addr, "tcp_closed");
    let leaves = tls(good, b"dot", |stream, _| {
        drop(read_query(stream));
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    expect("takes its leave after the query", &over, leaves.addr, "tcp_closed");
    let resets = tls(good, b"dot", |stream, _| {
        drop(read_query(stream));
        reset(stream.sock.try_clone().unwrap());
    });
    expect("resets after the query", &over, resets.addr, "tcp_reset");

    let short = check(Transport::Tls, SHORT);
    let silent = tls(good, b"dot", |_, stop| hang(stop));
    let outcome = expect("hangs", &short, silent.addr, "dns_timeout");
    assert!(outcome.detail.contains("connected over TLS"), "{}", outcome.detail);
    let drips = tls(good, b"dot", |stream, stop| {
        let query = read_query(stream);
        for octet in message(&right(&query)) {
            if stop.load(std::sync::atomic::Ordering::Relaxed) || stream.write_all(&[octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let outcome = expect("drips", &short, drips.addr, "dns_timeout");
    assert!(outcome.detail.contains("octets of the answer came"), "{}", outcome.detail);
}

/// An HTTP/1.1 server that says this to every request.
fn doh(head: &'static str, body: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Fake {
    tls(&CERTIFICATES.good, b"http/1.1", move |stream, _| {
        let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
        let end = loop {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => request.extend(&buffer[..length]),
                _ => return,
            }
            if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length =
            length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        while request.len() < end + length.unwrap_or(0) {
            let got = stream.read(&mut buffer).unwrap();
            request.extend(&buffer[..got]);
        }
        let body = body(&request[end..]);
        let head = head.replace("LENGTH", &body.len().to_string());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: LENGTH\r\n\r\n";

#[test]
fn answers_over_https_that_fail() {
    let over = check(Transport::Https, PATIENCE);
    let outcome = expect("right", &over, doh(OK, right).addr, "up");
    assert!(outcome.connect.is_some() && outcome.tls.is_some(), "{outcome:?}");
    expect("SERVFAIL", &over, doh(OK, |q| reply(q, 2, &[])).addr, "dns_servfail");
    let error = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: LENGTH\r\n\r\n";
    let outcome = expect("500", &over, doh(error, |_| b"out of \x1b[2Jcheese".to_vec()).addr, "http_status");
    assert!(
        outcome.detail.contains("500 Internal") && outcome.detail.contains(r"\x1b"),
        "{}",
        outcome.detail
    );
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\ncontent-length: LENGTH\r\n\r\n";
    expect("redirected", &over, doh(moved, |_| Vec::new()).addr, "http_status");
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: LENGTH\r\n\r\n";
    expect("another type", &over, doh(html, right).addr, "http_header");
    expect(
        "no type",
        &over,
        doh("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n", right).addr,
        "http_header",
    );
    expect("too large", &over, doh(OK, |_| vec![0; 65_536]).addr, "http_too_large");
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\n\r\n";
    expect("far too large", &over, doh(endless, |_| vec![0; 4 << 20]).addr, "http_too_large");
    expect("empty", &over, doh(OK, |_| Vec::new()).addr, "dns_malformed");
    expect(
        "another question",
        &over,
        doh(OK, |_| right(b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01")).addr,
        "dns_malformed",
    );
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: 9999\r\n\r\n";
    expect("cut off", &over, doh(cut, right).addr, "http_protocol");
    expect("no HTTP", &over, doh("* OK IMAP4 ready\r\n", |_| Vec::new()).addr, "http_protocol");
    expect(
        "headers without end",
        &over,
        doh("HTTP/1.1 200 OK\r\nx: ", |_| vec![b'a'; 1 << 20]).addr,
        "http_too_large",
    );
    let closes = tls(&CERTIFICATES.good, b"http/1.1", |stream, _| {
        let _ = stream.read(&mut [0; 4_096]);
    });
    expect("closes", &over, closes.addr, "http_protocol");
    expect("expired", &over, tls(&CERTIFICATES.expired, b"h2", |_, _| {}).addr, "tls_certificate_expired");

    let short = check(Transport::Https, SHORT);
    expect("hangs", &short, tls(&CERTIFICATES.good, b"http/1.1", |_, stop| hang(stop)).addr, "dns_timeout");
    let drips = tls(&CERTIFICATES.good, b"http/1.1", |stream, stop| {
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-a: ");
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    expect("drips", &short, drips.addr, "dns_timeout");
}

#[test]
fn requests_are_as_asked() {
    let server = doh(OK, |body| if body.is_empty() { Vec::new() } else { right(body) });
    let mut get = check(Transport::Https, PATIENCE);
    get.secure.as_mut().unwrap().doh.method = DohMethod::Get;
    // This server reads bodies only.
    expect("GET", &get, server.addr, "dns_malformed");
    let mut two = check(Transport::Https, PATIENCE);
    two.secure.as_mut().unwrap().doh.version = Some(HttpVersion::Http2);
    expect("HTTP/2 only", &two, server.addr, "tls_handshake");
    let mut one = two.clone();
    one.secure.as_mut().unwrap().doh.version = Some(HttpVersion::Http1);
    expect("HTTP/1.1 only", &one, server.addr, "up");
}

#[test]
fn http2_that_fails() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02";
    const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07";
    let over = check(Transport::Https, PATIENCE);
    let h2 = |frames: &'static [&[u8]]| {
        tls(&CERTIFICATES.good, b"h2", move |stream, stop| {
            let _ = stream.write_all(SETTINGS);
            let _ = stream.read(&mut [0; 16_384]);
            for frame in frames {
                let _ = stream.write_all(frame);
            }
            let _ = stream.flush();
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    for (what, frames) in [
        ("GOAWAY", &[GOAWAY] as &[&[u8]]),
        ("RST_STREAM", &[RESET]),
        ("no frames", &[b"HTTP/1.1 200 OK\r\n\r\n, which is no frame"]),
    ] {
        let outcome =
            expect(what, &over, h2(Box::leak(frames.to_vec().into_boxed_slice())).addr, "http_protocol");
        assert!(outcome.elapsed < Duration::from_secs(5), "{what}: {outcome:?}");
    }
    expect("hangs", &check(Transport::Https, SHORT), h2(&[]).addr, "dns_timeout");
}

#[test]
fn answers_over_quic() {
    let all = &*CERTIFICATES;
    let over = check(Transport::Quic, PATIENCE);
    let good = quic(&all.good, b"doq", |query| Some(message(&right(query))));
    let outcome = expect("right", &over, good.addr, "up");
    assert!(outcome.connect.is_none() && outcome.tls.is_some() && outcome.latency.is_some(), "{outcome:?}");
    assert_eq!(outcome.transport, Transport::Quic);
    let servfail = quic(&all.good, b"doq", |query| Some(message(&reply(query, 2, &[]))));
    expect("SERVFAIL", &over, servfail.addr, "dns_servfail");
    let cut = quic(&all.good, b"doq", |query| Some(message(&right(query))[..9].to_vec()));
    let outcome = expect("cut off", &over, cut.addr, "tcp_closed");
    assert!(outcome.detail.contains("octets of the answer came"), "{}", outcome.detail);
    expect("closes", &over, quic(&all.good, b"doq", |_| Some(Vec::new())).addr, "quic_closed");
    expect("another protocol", &over, quic(&all.good, b"h3", |_| None).addr, "tls_handshake");
    for (issued, code) in [
        (&all.expired, "tls_certificate_expired"),
        (&all.other_name, "tls_name_mismatch"),
        (&all.stranger, "tls_unknown_ca"),
    ] {
        expect(code, &over, quic(issued, b"doq", |_| None).addr, code);
    }
    let named = Tls {
        name: Some("dns.test".parse().unwrap()),
        expiry_warn: Some(Duration::from_secs(60)),
        ..trusting()
    };
    expect("by name", &with_tls(Transport::Quic, named), good.addr, "up");

    let short = check(Transport::Quic, SHORT);
    let outcome = expect("hangs", &short, quic(&all.good, b"doq", |_| None).addr, "dns_timeout");
    assert!(outcome.detail.contains("connected over QUIC"), "{}", outcome.detail);
    expect("says nothing", &short, Fake::udp(|_, _, _| {}).addr, "tls_timeout");
    let garbage = Fake::udp(|socket, peer, _| fake::send(socket, peer, &[0x40; 1_200]));
    expect("garbage", &short, garbage.addr, "tls_timeout");
    let closed = {
        let server = Fake::udp(|_, _, _| {});
        server.addr
    };
    expect("closed port", &over, closed, "udp_refused");
}

#[test]
fn probes_under_way_are_bounded() {
    let server = tcp(|_, stop| hang(stop));
    let target = Target::new(server.addr, None).unwrap();
    let mut prober = Prober::new(Settings { max_sockets: 40, ..Settings::default() }).unwrap();
    let check = Arc::new(check(Transport::Tls, Duration::from_millis(100)));
    for token in 0..60 {
        prober.start(token, &check, target);
    }
    assert_eq!((prober.stats().in_flight, prober.stats().waiting), (10, 50));
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < 60 {
        prober.poll(clock::now() + Duration::from_millis(100)).unwrap();
        while let Some(finished) = prober.next_finished() {
            assert!(ended.insert(finished.token), "ended twice");
            let cause = finished.outcome.cause;
            assert!(
                matches!(cause, Some(Cause::TlsTimeout | Cause::TcpTimeout | Cause::LateTimer)),
                "{cause:?}"
            );
        }
        assert!(prober.stats().in_flight <= 10);
    }
    assert_eq!((prober.stats().in_flight, prober.stats().waiting), (0, 0));
}
