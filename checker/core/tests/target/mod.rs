//! What a fuzzer does with octets: everything that a reply can meet.
//!
//! Owns the invariants that hold for any octets at all. Used by cargo-fuzz and by the test that needs no fuzzer.

use std::sync::LazyLock;

use checker_core::dns::{
    Ask, Circumstances, Class, DnsCheck, Edns, Exchange, Input, Question, RecordType, Records, Sent,
    Signatures, Wanted, details, judge, serial_of, sort, summary, wants_tcp,
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
    assert!(!details(octets).chars().any(|c| c.is_control() && c != '\n'));
}
