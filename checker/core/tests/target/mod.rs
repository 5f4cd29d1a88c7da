//! What a fuzzer does with octets: everything that a reply can meet.
//!
//! Owns the invariants that hold for any octets at all. Used by cargo-fuzz and by the test that needs no fuzzer.

use std::sync::{Arc, LazyLock};

use checker_core::dns::{
    After, Algorithm, Ask, Circumstances, Class, Crypto, Digest, DnsCheck, Edns, Exchange, Input, Outcome,
    Question, RecordType, Records, Sent, Signatures, Transport, Validation, Wanted, details, judge,
    serial_of, sort, summary, wants_tcp,
};
use checker_core::{Time, Verdict};

const EPOCH: u64 = 1_700_000_000;

/// Checks that look at every part of a reply, by type of question.
static CHECKS: LazyLock<Vec<DnsCheck>> = LazyLock::new(|| {
    let name = || "resolve.test".parse().unwrap();
    let check = |rtype| DnsCheck::new(Question::new(name(), rtype, Class::IN).unwrap());
    let mut picky = check(RecordType::A);
    picky.ask =
        Ask { edns: Some(Edns { cookie: true, dnssec_ok: true, ..Edns::default() }), ..Ask::default() };
    let any = Records { wanted: vec![Wanted::Pattern("[a-z]*".parse().unwrap())], ..Records::default() };
    let expect = &mut picky.expect;
    (expect.answer, expect.authority, expect.additional) = (any.clone(), any.clone(), any);
    expect.answer.wanted.push(Wanted::Network("192.0.2.0/24".parse().unwrap()));
    expect.answer.ttl = Some("..3600".parse().unwrap());
    expect.serial = Some(1);
    expect.signatures = Some(Signatures { must_last: 60, should_last: 3_600 });
    expect.nsid = Some("^ns1$".parse().unwrap());
    expect.expire = Some(60);
    vec![check(RecordType::A), check(RecordType::ANY), check(RecordType::SOA), picky]
});

/// The checks again, with the key as trust anchor that the corpus is signed with.
static VALIDATING: LazyLock<Vec<Arc<DnsCheck>>> = LazyLock::new(|| {
    let anchor = format!("test DS 17579 15 2 {}", "00".repeat(32));
    let anchors: Arc<[_]> = [anchor.parse().unwrap()].into();
    let validating = |check: &DnsCheck| {
        let mut check = check.clone();
        // So that the signatures of the corpus last, and everything gets as far as being validated.
        check.expect = checker_core::dns::Expectation::default();
        check.expect.empty = checker_core::dns::Empty::Passes;
        check
            .expect
            .rcodes
            .clone_from(&["NOERROR", "NXDOMAIN"].map(|code| code.parse().unwrap()).into_iter().collect());
        check.expect.signatures = Some(Signatures { must_last: 0, should_last: 1 << 30 });
        check.validate(Arc::clone(&anchors));
        Arc::new(check)
    };
    CHECKS.iter().map(validating).collect()
});

/// Finds everything genuine, so that validation goes as far as it can.
struct Gullible;

impl Crypto for Gullible {
    fn verify(&self, _: Algorithm, _: &[u8], _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn digest(&self, digest: Digest, octets: &[u8]) -> Vec<u8> {
        match digest {
            // A hash that spreads, for NSEC3.
            Digest::Sha1 => {
                (0..20u8).map(|n| octets.iter().fold(n, |sum, octet| sum.wrapping_mul(31) ^ octet)).collect()
            }
            Digest::Sha256 => vec![0; 32],
            Digest::Sha384 => vec![0; 48],
        }
    }
}

/// The keys of the zone that the corpus is signed with.
const KEYS: &[u8] = include_bytes!("../../fuzz/corpus/reply/dnssec-keys");

/// Validates a message as the answer to each check; says how it ended; whatever else is asked for, `octets` or the right keys come back.
pub fn validate(octets: &[u8]) -> Vec<Outcome> {
    let mut ends = Vec::new();
    let start = Time::from_nanos(1_000_000_000);
    let circumstances = Circumstances { key: 1, epoch: EPOCH, server: [192, 0, 2, 1].into() };
    for check in &*VALIDATING {
        let mut validation = Validation::new(check, circumstances, start).unwrap();
        let mut judgement = judge(check, &check.question, octets, EPOCH);
        let mut reply = octets;
        for asked in 0.. {
            assert!(asked < 40, "it does not end");
            let outcome = Outcome {
                verdict: judgement.verdict,
                cause: judgement.cause,
                detail: judgement.detail,
                elapsed: Default::default(),
                latency: None,
                connect: None,
                tls: None,
                attempts: 1,
                strays: 0,
                transport: Transport::Udp,
                essentials: None,
                reply: Some(reply.into()),
            };
            match validation.handle(outcome, &Gullible, start) {
                After::Over(outcome) => {
                    assert_eq!(outcome.verdict == Verdict::Up, outcome.cause.is_none());
                    assert!(outcome.detail.len() < 8_000 && !outcome.detail.chars().any(char::is_control));
                    ends.push(outcome);
                    break;
                }
                After::Ask(next) => {
                    let keys = next.question.record_type() == RecordType::DNSKEY;
                    reply = if keys { KEYS } else { octets };
                    judgement = judge(&next, &next.question, reply, EPOCH);
                }
            }
        }
    }
    ends
}

/// Meets one message; panics when something does not hold that must.
pub fn reply(octets: &[u8]) {
    for check in &*CHECKS {
        let question = &check.question;
        let _ = sort(check, Sent { question, id: 0x1234, key: 1 }, octets);
        let judgement = judge(check, question, octets, EPOCH);
        assert_eq!(judgement.verdict == Verdict::Up, judgement.cause.is_none());
        assert!(judgement.detail.len() < 8_000 && !judgement.detail.chars().any(char::is_control));
        assert!(!summary(question, octets).chars().any(char::is_control));
        let _ = (wants_tcp(check, octets), serial_of(octets));
        // As a datagram and as a stream, cut in two.
        let start = Time::from_nanos(1_000_000_000);
        let circumstances = Circumstances { key: 1, epoch: EPOCH, server: [192, 0, 2, 1].into() };
        let mut exchange = Exchange::new(check, circumstances, true, start);
        exchange.handle(check, Input::DatagramArrived { attempt: 0, octets }, start);
        let mut exchange = Exchange::new(
            &DnsCheck { transport: checker_core::dns::Transport::Tcp, ..check.clone() },
            circumstances,
            true,
            start,
        );
        exchange.handle(check, Input::Connected { attempt: 0 }, start);
        let (head, tail) = octets.split_at(octets.len() / 2);
        for octets in [head, tail] {
            exchange.handle(check, Input::OctetsArrived { attempt: 0, octets }, start);
        }
    }
    let _ = validate(octets);
    assert!(!details(octets).chars().any(|c| c.is_control() && c != '\n'));
}

/// Whatever a server or a file says in the other kinds of checks, it comes to a finding or an error of bounded length.
#[allow(dead_code, reason = "the fuzz target has replies only")]
pub fn others(octets: &[u8]) {
    use checker_core::smtp::{Dialogue, Security, SmtpCheck, Step};
    let timeout = checker_core::dns::Timeout::default();
    for security in [Security::None, Security::Starttls(Box::default())] {
        let check = SmtpCheck { hello: "a.test".parse().unwrap(), security, timeout };
        let mut dialogue = Dialogue::default();
        // Pieces as a network makes them.
        for piece in octets.chunks(octets.len() / 3 + 1) {
            match dialogue.handle(&check, piece) {
                Ok(Step::Secure) => assert!(matches!(dialogue.secured(&check), Step::Send(_))),
                Ok(Step::Done(greeting)) => assert!(greeting.len() < 1_000),
                Ok(Step::Wait | Step::Send(_)) => {}
                Err((_, detail)) => {
                    assert!(detail.len() < 1_000 && !detail.contains(['\n', '\x1b']), "{detail}");
                    break;
                }
            }
        }
    }
    use checker_core::file::{FileCheck, Found, Numbers, judge};
    for numbers in [Numbers::Weight, Numbers::Failure, Numbers::Added { factor: -65_535, base: 65_535 }] {
        let missing = checker_core::Verdict::Unknown;
        let path = "/word".into();
        let check = FileCheck { path, numbers, missing, max_age: None, stale: missing, timeout };
        let finding = judge(&check, &Found::Content(octets, std::time::Duration::ZERO));
        assert!(finding.weight.is_none_or(|weight| weight <= 65_535), "{finding:?}");
        assert!(finding.detail.len() + finding.reply.len() < 1_500, "{finding:?}");
    }
    use checker_core::http::{Expect, Request, Response};
    let (status, body) = octets.split_at(octets.len().min(2));
    let status = status.iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet));
    let expect = Expect {
        body: vec!["o+k".parse().unwrap()],
        within: Some("1..300".parse().unwrap()),
        headers: vec![("x".to_owned(), "y".parse().unwrap())],
        ..Expect::default()
    };
    let request = Request { expect, ..Request::default() };
    let response = Response { status, headers: &[("x", octets), ("location", octets)], body };
    if let Err((_, detail)) = checker_core::http::judge(&request, &response, |_, _| Vec::new()) {
        assert!(detail.len() < 2_000 && !detail.contains(['\n', '\x1b']), "{detail}");
    }
}
