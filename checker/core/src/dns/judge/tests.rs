mod rules;

use proptest::prelude::*;

use super::*;
use crate::dns::sample::{QNAME, Sample};
use crate::dns::{Class, Empty, Expectation, ExpectedAnswer, RcodeSet, RecordType, Wanted};

const ID: u16 = 0x1234;
const RIGHT: &[u8] = &[192, 0, 2, 80];
const WRONG: &[u8] = &[192, 0, 2, 99];

fn question() -> Question {
    Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap()
}

fn check() -> DnsCheck {
    let mut check = DnsCheck::new(question());
    check.expect.answer.wanted =
        vec![Wanted::Data(ExpectedAnswer::parse("192.0.2.80", RecordType::A).unwrap())];
    check
}

fn ok() -> Sample {
    Sample::reply(ID, 0).record(1, QNAME, 1, RIGHT)
}

const EPOCH: u64 = 1_700_000_000;

fn judged_by(check: &DnsCheck, octets: &[u8]) -> Judgement {
    judge(check, &check.question, octets, EPOCH)
}

fn sent(question: &Question) -> Sent<'_> {
    Sent { question, id: ID, key: 1 }
}

/// Verdict, cause code and detail of a sample under the check.
fn judged(sample: &Sample) -> (Verdict, &'static str, String) {
    let judgement = judged_by(&check(), &sample.0);
    (judgement.verdict, judgement.cause.map_or("", Cause::code), judgement.detail)
}

fn down(sample: &Sample) -> (&'static str, String) {
    let (verdict, code, detail) = judged(sample);
    assert_eq!(verdict, Verdict::Down, "{detail}");
    assert!(!detail.is_empty() && detail.bytes().all(|b| b != b'\n'), "{detail}");
    (code, detail)
}

#[test]
fn right_answers_are_up() {
    for sample in [
        ok(),
        // Among others, in any order, with other types beside it.
        Sample::reply(ID, 0)
            .record(1, QNAME, 46, b"sig")
            .record(1, QNAME, 1, WRONG)
            .record(1, QNAME, 1, RIGHT),
        // With authority and additional records and junk behind it all.
        ok().record(2, QNAME, 2, b"\x02ns\xc0\x0c").record(3, b"\0", 41, b"").junk(b"junk"),
        // Spelled out, in another case.
        Sample::reply(ID, 0).record(1, b"\x07ReSoLvE\x04TEST\x00", 1, RIGHT),
        // Behind an alias, in either order.
        Sample::reply(ID, 0).record(1, QNAME, 5, b"\x01a\xc0\x14").record(1, b"\x01a\x04test\0", 1, RIGHT),
        Sample::reply(ID, 0).record(1, b"\x01a\x04test\0", 1, RIGHT).record(1, QNAME, 5, b"\x01A\xc0\x14"),
    ] {
        assert_eq!(judged(&sample), (Verdict::Up, "", String::new()), "{sample:?}");
    }
}

#[test]
fn response_codes_are_judged_first() {
    for (rcode, code) in [
        (1, "dns_formerr"),
        (2, "dns_servfail"),
        (3, "dns_nxdomain"),
        (4, "dns_notimp"),
        (5, "dns_refused"),
        (9, "dns_rcode"),
        (15, "dns_rcode"),
    ] {
        // Even with the right answer, a broken body, or truncation.
        let whole = Sample::reply(ID, rcode).record(1, QNAME, 1, RIGHT);
        for sample in [whole.clone(), whole.clone().cut(20), whole.cut(12), Sample::reply(ID, rcode | 0x0200)]
        {
            assert_eq!(down(&sample).0, code);
        }
    }
    assert_eq!(down(&Sample::reply(ID, 2)).1, "answered SERVFAIL, expected NOERROR");
    assert_eq!(
        down(&Sample::reply(ID, 2).cut(12)).1,
        "answered SERVFAIL, expected NOERROR; the reply is malformed, too: the message ends inside the field at octet 12"
    );
    // EDNS adds eight bits: BADVERS is 16, its lower half NOERROR.
    let mut badvers = ok().record(3, b"\0", 41, b"");
    let ttl = badvers.0.len() - 6;
    badvers.0[ttl] = 1;
    assert_eq!(down(&badvers), ("dns_badvers", "answered BADVERS, expected NOERROR".to_owned()));
}

#[test]
fn expected_response_codes_pass() {
    let mut check = check();
    check.expect.rcodes = RcodeSet::from_iter([Rcode::REFUSED, Rcode::NXDOMAIN]);
    assert_eq!(judged_by(&check, &Sample::reply(ID, 5).0), Judgement::up());
    assert_eq!(judged_by(&check, &Sample::reply(ID, 3).0), Judgement::up());
    let judgement = judged_by(&check, &ok().0);
    assert_eq!(judgement.cause, Some(Cause::DnsRcode));
    assert_eq!(judgement.detail, "answered NOERROR, expected NXDOMAIN or REFUSED");
}

#[test]
fn answers_are_compared() {
    let two = Sample::reply(ID, 0).record(1, QNAME, 1, WRONG).record(1, QNAME, 1, &[192, 0, 2, 98]);
    assert_eq!(
        down(&two),
        ("dns_answer_mismatch", "answered 192.0.2.99, 192.0.2.98, expected 192.0.2.80".to_owned())
    );
    let many = (0..200).fold(Sample::reply(ID, 0), |s, n| s.record(1, QNAME, 1, &[10, 0, 0, n]));
    let (code, detail) = down(&many);
    assert_eq!(code, "dns_answer_mismatch");
    assert_eq!(detail, "answered 10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 196 more, expected 192.0.2.80");

    let mut check = check();
    check
        .expect
        .answer
        .wanted
        .push(Wanted::Data(ExpectedAnswer::parse("192.0.2.98", RecordType::A).unwrap()));
    assert_eq!(judged_by(&check, &two.0), Judgement::up());
}

#[test]
fn other_types_are_compared_by_meaning() {
    let mut check = check();
    for (rtype, data, expected, other) in [
        (15, &b"\x00\x0a\x02MX\xc0\x14"[..], "10 mx.test.", "20 mx.test"),
        (2, b"\xc0\x0c", "Resolve.Test", "resolve.test.test"),
        (16, b"\x03abc\x03def", "abcdef", "abc"),
        (16, b"\x03abc\x03def", "\"ab\" \"cdef\"", "\"abc\""),
        (28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "2001:DB8::1", "::1"),
        (65280, b"\x01\x02", "\\# 2 0102", "\\# 0"),
    ] {
        let rtype = RecordType::new(rtype);
        check.question = Question::new("resolve.test".parse().unwrap(), rtype, Class::IN).unwrap();
        let sample = Sample::reply(ID, 0).record(1, QNAME, rtype.number(), data);
        check.expect.answer.wanted = vec![Wanted::Data(ExpectedAnswer::parse(expected, rtype).unwrap())];
        assert_eq!(judged_by(&check, &sample.0), Judgement::up(), "{rtype} {expected}");
        check.expect.answer.wanted = vec![Wanted::Data(ExpectedAnswer::parse(other, rtype).unwrap())];
        assert_eq!(judged_by(&check, &sample.0).cause, Some(Cause::DnsAnswerMismatch), "{rtype} {other}");
    }
}

#[test]
fn an_empty_answer_is_no_answer() {
    assert_eq!(
        down(&Sample::reply(ID, 0)),
        ("dns_no_answer", "answered NOERROR without a record of type A, expected 192.0.2.80".to_owned())
    );
    // NODATA has an SOA in its authority section; that is no referral.
    assert_eq!(
        down(&Sample::reply(ID, 0).record(2, b"\x04test\0", 6, b"soa").record(2, QNAME, 2, b"\0")).0,
        "dns_no_answer"
    );
    assert_eq!(
        down(&Sample::reply(ID, 0).record(2, b"\x04test\0", 2, b"\x02ns\xc0\x14")),
        ("dns_referral", "answered with a referral to the name servers of test".to_owned())
    );
    assert_eq!(
        down(&Sample::reply(ID, 0x0400).record(2, b"\x04test\0", 2, b"\x02ns\xc0\x14")).0,
        "dns_no_answer"
    );
    // Of another owner, another type, another class.
    let (code, detail) = down(&Sample::reply(ID, 0).record(1, b"\x05other\x04test\0", 1, RIGHT));
    assert_eq!(
        (code, detail.as_str()),
        (
            "dns_no_answer",
            "answered NOERROR with 1 records, none of them a A of this name, expected 192.0.2.80"
        )
    );
    assert_eq!(down(&Sample::reply(ID, 0).record(1, QNAME, 28, &[0; 16])).0, "dns_no_answer");
    let mut chaos = ok();
    let class = chaos.0.len() - 11;
    chaos.0[class] = 3;
    assert_eq!(down(&chaos).0, "dns_no_answer");
    // An alias that leads nowhere.
    let (code, detail) = down(&Sample::reply(ID, 0).record(1, QNAME, 5, b"\x01a\xc0\x14"));
    assert_eq!(
        (code, detail.as_str()),
        (
            "dns_no_answer",
            "answered NOERROR and an alias to a.test, without a record of type A, expected 192.0.2.80"
        )
    );
}

#[test]
fn an_empty_answer_may_be_allowed() {
    let mut check = check();
    check.expect = Expectation { empty: Empty::Passes, ..Expectation::default() };
    assert_eq!(judged_by(&check, &Sample::reply(ID, 0).0), Judgement::up());
    let referral = Sample::reply(ID, 0).record(2, b"\x04test\0", 2, b"\x02ns\xc0\x14");
    assert_eq!(judged_by(&check, &referral.0).cause, Some(Cause::DnsReferral));
    check.expect.answer.wanted =
        vec![Wanted::Data(ExpectedAnswer::parse("192.0.2.80", RecordType::A).unwrap())];
    assert_eq!(judged_by(&check, &Sample::reply(ID, 0).0).cause, Some(Cause::DnsNoAnswer));
}

#[test]
fn aliases_in_a_circle_end() {
    let circle =
        Sample::reply(ID, 0).record(1, QNAME, 5, b"\x01a\xc0\x14").record(1, b"\x01a\x04test\0", 5, QNAME);
    assert_eq!(down(&circle).0, "dns_cname_loop");
    assert_eq!(down(&Sample::reply(ID, 0).record(1, QNAME, 5, QNAME)).0, "dns_cname_loop");
    // 16 aliases are followed, 17 are not.
    for (aliases, code) in [(16, ""), (17, "dns_cname_loop")] {
        let label = |n: u8| [1, b'a' + n, 4, b't', b'e', b's', b't', 0];
        let mut sample = Sample::reply(ID, 0).record(1, QNAME, 5, &label(0));
        for n in 1..aliases {
            sample = sample.record(1, &label(n - 1), 5, &label(n));
        }
        sample = sample.record(1, &label(aliases - 1), 1, RIGHT);
        assert_eq!(judged(&sample).1, code, "{aliases}");
    }
}

#[test]
fn broken_messages_are_malformed() {
    let whole = ok().record(2, QNAME, 2, b"\x02ns\xc0\x0c");
    for length in 12..whole.0.len() {
        assert_eq!(down(&whole.clone().cut(length)).0, "dns_malformed", "{length}");
    }
    for sample in [
        // More records than there are.
        ok().count(1, 2),
        ok().count(3, 65535),
        ok().count(0, 2),
        // Data of the wrong length for an address.
        Sample::reply(ID, 0).record(1, QNAME, 1, b"\x01\x02\x03"),
        // An owner that points at itself, forward, or nowhere.
        Sample::reply(ID, 0).record(1, b"\xc0\x1e", 1, RIGHT),
        Sample::reply(ID, 0).record(1, b"\xc0\xff", 1, RIGHT),
        Sample::reply(ID, 0).record(1, b"\xff\xff", 1, RIGHT),
        Sample::reply(ID, 0).record(1, b"\x01a\xc0\x1e", 1, RIGHT),
        // A label of a kind that there is not.
        Sample::reply(ID, 0).record(1, b"\x41", 1, RIGHT),
        Sample(b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00".to_vec()),
    ] {
        assert_eq!(down(&sample).0, "dns_malformed", "{sample:?}");
    }
}

#[test]
fn truncation_is_told_apart() {
    let truncated = Sample::reply(ID, 0x0200);
    assert!(wants_tcp(&check(), &truncated.0));
    // Cut off in the middle of a record, too.
    assert!(wants_tcp(&check(), &truncated.clone().count(1, 5).junk(b"\xc0").0));
    assert!(!wants_tcp(&check(), &ok().0));
    // TCP would not make a wrong response code right.
    assert!(!wants_tcp(&check(), &Sample::reply(ID, 0x0202).0));
    assert!(!wants_tcp(&check(), b""));
    assert_eq!(down(&truncated).0, "dns_truncated");
}

#[test]
fn only_our_reply_is_taken() {
    let sorted = |octets: &[u8]| sort(&check(), sent(&question()), octets);
    assert_eq!(sorted(&ok().0), Ok(()));
    assert_eq!(sorted(b""), Err(Stray::Short));
    assert_eq!(sorted(b"\x12"), Err(Stray::Short));
    assert_eq!(sorted(b"no DNS here"), Err(Stray::Short));
    assert_eq!(sorted(&Sample::reply(ID + 1, 0).0), Err(Stray::Id));
    // Our own query, echoed; and another opcode.
    let mut echoed = ok();
    echoed.0[2] = 0x01;
    assert_eq!(sorted(&echoed.0), Err(Stray::NotAReply));
    assert_eq!(sorted(&Sample::reply(ID, 0x2000).0), Err(Stray::NotAReply));
    // Another name, type or class.
    for at in [14, 26, 28] {
        let mut other = ok();
        other.0[at] ^= 2;
        assert_eq!(sorted(&other.0), Err(Stray::Question), "{at}");
    }
    // Another case is the same name.
    let mut upper = ok();
    upper.0[13].make_ascii_uppercase();
    assert_eq!(sorted(&upper.0), Ok(()));
    // Without a question only an error is taken.
    assert_eq!(sorted(&Sample::reply(ID, 0).count(0, 0).cut(12).0), Err(Stray::NoQuestion));
    assert_eq!(sorted(&Sample::reply(ID, 1).count(0, 0).cut(12).0), Ok(()));
    // What has our id and can't be read is the server's, and judged.
    assert_eq!(sorted(&ok().cut(11).0), Ok(()));
    assert_eq!(sorted(&ok().cut(20).0), Ok(()));
}

#[test]
fn replies_are_summed_up() {
    let told = |sample: &Sample| summary(&question(), &sample.0);
    assert_eq!(told(&ok()), "NOERROR 192.0.2.80");
    assert_eq!(told(&Sample::reply(ID, 3)), "NXDOMAIN");
    assert_eq!(told(&ok().record(1, QNAME, 1, WRONG)), "NOERROR 192.0.2.80, 192.0.2.99");
    assert_eq!(told(&ok().cut(11)), "no DNS message");
}

#[test]
fn what_the_network_says_stays_on_one_line() {
    let mut check = check();
    check.question = Question::new("resolve.test".parse().unwrap(), RecordType::TXT, Class::IN).unwrap();
    check.expect.answer.wanted = vec![Wanted::Data(ExpectedAnswer::parse("x", RecordType::TXT).unwrap())];
    let mut data = vec![255];
    data.extend(b"\x1b[31m\r\n\x00\xff".iter().chain(&[b'a'; 246]));
    let judgement = judged_by(&check, &Sample::reply(ID, 0).record(1, QNAME, 16, &data).0);
    assert!(
        judgement.detail.starts_with("answered \"\\027[31m\\013\\010\\000\\255aaa"),
        "{}",
        judgement.detail
    );
    assert!(judgement.detail.chars().count() < 250 && judgement.detail.chars().all(|c| !c.is_control()));
}

#[test]
fn the_work_for_a_hostile_message_is_bounded() {
    // As many aliases as fit, each behind a long chain of labels.
    let mut sample = Sample::reply(ID, 0);
    let long = sample.0.len() + 12;
    let name: Vec<u8> = b"\x01a".repeat(120).into_iter().chain([0]).collect();
    sample = sample.record(1, QNAME, 5, &name);
    let pointer = (0xc000 | u16::try_from(long).unwrap()).to_be_bytes();
    while sample.0.len() < 65_000 {
        sample = sample.record(1, &pointer, 16, b"\0");
    }
    assert_eq!(down(&sample).0, "dns_malformed");
}

proptest! {
    #[test]
    fn any_octets_get_a_judgement(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let judgement = judged_by(&check(), &octets);
        prop_assert_eq!(judgement.verdict == Verdict::Up, judgement.cause.is_none());
        let _ = sort(&check(), sent(&question()), &octets);
        let _ = summary(&question(), &octets);
        let _ = details(&octets);
    }

    #[test]
    fn any_change_to_a_reply_gets_a_judgement(at in 0usize..60, octet: u8, more in prop::collection::vec((0usize..60, any::<u8>()), 0..4)) {
        let mut sample = ok().record(2, QNAME, 2, b"\x02ns\xc0\x0c");
        for (at, octet) in more.into_iter().chain([(at, octet)]) {
            if let Some(place) = sample.0.get_mut(at) {
                *place = octet;
            }
        }
        let judgement = judged_by(&check(), &sample.0);
        prop_assert!(judgement.detail.chars().all(|c| !c.is_control()));
        prop_assert_eq!(judgement.verdict == Verdict::Up, judgement.cause.is_none());
        let _ = summary(&question(), &sample.0);
    }
}
