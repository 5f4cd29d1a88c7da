//! DNS over TLS: certificates, handshakes, answers.

use super::*;
use checker_core::tls::Identity;
use fake::{hang, reply, right};
use secure::reset;

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

#[test]
fn a_validation_has_no_time_of_its_own() {
    // Two handshakes are to fit into it.
    const LONG: Duration = SHORT.saturating_mul(6);
    let server = tls(&CERTIFICATES.good, b"dot", |stream, stop| {
        let query = read_query(stream);
        if query.is_empty() || !fake::asks_for_a(&query) {
            return hang(stop);
        }
        std::thread::sleep(LONG * 5 / 8);
        let _ = stream.write_all(&message(&fake::signed(&query)));
    });
    let mut check = check(Transport::Tls, LONG);
    let anchor = format!("resolve.test DS 1 13 2 {}", "ab".repeat(32));
    check.validate([anchor.parse().unwrap()].into());
    let outcome = expect("keys never come", &check, server.addr, "dns_timeout");
    assert!(outcome.detail.contains("when asked for resolve.test DNSKEY to validate it"), "{outcome:?}");
    assert!((LONG..LONG * 3 / 2).contains(&outcome.elapsed), "{outcome:?}");
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
