//! Servers over TLS, HTTPS and QUIC that misbehave: right verdict, right cause, within the time allowed.
//!
//! Owns what the tests of all three have in common: certificates, checks, probing, servers over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../authority/mod.rs"]
mod authority;
#[path = "../fake/mod.rs"]
mod fake;
mod https;
mod quic;
#[path = "../secure/mod.rs"]
mod secure;
mod tls;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authority::{Authority, FUTURE, Issued, PAST, PRESENT};
use checker_core::dns::{
    Class, DnsCheck, ExpectedAnswer, Outcome, Question, RecordType, Secure, Timeout, Transport, Wanted,
};
use checker_core::tls::{Tls, Trust};
use checker_core::{Cause, Verdict};
use checker_probe::{Prober, Settings, Target, clock};
use fake::Fake;
use secure::{Stream, accept, server};

/// For a server that answers in some way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// For one that does not.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

/// The certificates of all tests.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
    pub(crate) good: Issued,
    pub(crate) expired: Issued,
    pub(crate) future: Issued,
    pub(crate) other_name: Issued,
    pub(crate) own: Issued,
    pub(crate) stranger: Issued,
}

pub(crate) static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
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

pub(crate) fn trusting() -> Tls {
    Tls { trust: Trust::File(CERTIFICATES.authority.certificate()), ..Tls::default() }
}

pub(crate) fn check(transport: Transport, timeout: Duration) -> DnsCheck {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(timeout).unwrap();
    check.transport = transport;
    check.secure = Some(Box::new(Secure { tls: trusting(), ..Secure::default() }));
    check.expect.answer.wanted =
        vec![Wanted::Data(ExpectedAnswer::parse("192.0.2.80", RecordType::A).unwrap())];
    check
}

pub(crate) fn with_tls(transport: Transport, tls: Tls) -> DnsCheck {
    let mut check = check(transport, PATIENCE);
    check.secure.as_mut().unwrap().tls = tls;
    check
}

/// Runs one probe. That the machine was too busy to judge is the machine's fault: it tries again.
pub(crate) fn probe(check: &DnsCheck, server: SocketAddr) -> Outcome {
    probe_with(check, Target::new(server, None).unwrap())
}

pub(crate) fn probe_with(check: &DnsCheck, target: Target) -> Outcome {
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
pub(crate) fn expect(what: &str, check: &DnsCheck, server: SocketAddr, code: &str) -> Outcome {
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
pub(crate) fn tcp(serve: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Fake {
    Fake::both(|_, _, _| {}, serve)
}

/// A server that does this with every connection once it is secured.
pub(crate) fn tls(
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

pub(crate) fn read_query(stream: &mut Stream) -> Vec<u8> {
    let mut length = [0; 2];
    if stream.read_exact(&mut length).is_err() {
        return Vec::new();
    }
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query).unwrap();
    query
}

pub(crate) fn message(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes(), octets].concat()
}

/// A DNS server over TLS that answers so.
pub(crate) fn dot(issued: &Issued, answer: fn(&[u8]) -> Vec<u8>) -> Fake {
    tls(issued, b"dot", move |stream, _| {
        let query = read_query(stream);
        if !query.is_empty() {
            let _ = stream.write_all(&message(&answer(&query)));
        }
    })
}
