//! What can be expected beside a response code and an answer.

use super::*;
use crate::dns::{Ask, Edns, Fit, Records, Signatures};

/// A check that expects what `set` says, and the question's type.
fn expecting(rtype: RecordType, set: impl FnOnce(&mut Expectation)) -> DnsCheck {
    let mut check = DnsCheck::new(Question::new("resolve.test".parse().unwrap(), rtype, Class::IN).unwrap());
    set(&mut check.expect);
    check
}

/// The cause code of a sample under a check, `up` when there is none.
fn code(check: &DnsCheck, sample: &Sample) -> &'static str {
    judged_by(check, &sample.0).cause.map_or("up", Cause::code)
}

fn addresses(last: &[u8]) -> Sample {
    last.iter().fold(Sample::reply(ID, 0), |sample, last| sample.record(1, QNAME, 1, &[192, 0, 2, *last]))
}

fn data(text: &str) -> Wanted {
    Wanted::Data(ExpectedAnswer::parse(text, RecordType::A).unwrap())
}

#[test]
fn answers_fit_in_three_ways() {
    for (fit, sent, wanted) in [
        (Fit::Any, &[1, 9][..], "up"),
        (Fit::Any, &[9], "dns_answer_mismatch"),
        (Fit::All, &[1, 2, 9], "up"),
        (Fit::All, &[1, 9], "dns_answer_mismatch"),
        (Fit::Exact, &[2, 1], "up"),
        (Fit::Exact, &[1, 2, 9], "dns_answer_mismatch"),
        (Fit::Exact, &[1], "dns_answer_mismatch"),
        (Fit::All, &[], "dns_no_answer"),
    ] {
        let check = expecting(RecordType::A, |expect| {
            expect.answer =
                Records { wanted: vec![data("192.0.2.1"), data("192.0.2.2")], fit, ..Records::default() };
        });
        assert_eq!(code(&check, &addresses(sent)), wanted, "{fit:?} {sent:?}");
    }
}

#[test]
fn networks_patterns_counts_and_times_to_live() {
    let sample = addresses(&[1, 2, 3]);
    for (wanted, result) in [
        (Wanted::Network("192.0.2.2/31".parse().unwrap()), "up"),
        (Wanted::Network("198.51.100.0/24".parse().unwrap()), "dns_answer_mismatch"),
        (Wanted::Pattern("^192\\.0\\.2\\.[3-9]$".parse().unwrap()), "up"),
        (Wanted::Pattern("^192\\.0\\.2\\.[4-9]$".parse().unwrap()), "dns_answer_mismatch"),
    ] {
        let check = expecting(RecordType::A, |expect| expect.answer.wanted = vec![wanted.clone()]);
        assert_eq!(code(&check, &sample), result, "{wanted}");
    }
    for (count, ttl, result) in [
        ("3", "60", "up"),
        ("4..", "60", "dns_count"),
        ("..2", "60", "dns_count"),
        ("1..5", "61..", "dns_ttl"),
        ("1..5", "..59", "dns_ttl"),
    ] {
        let check = expecting(RecordType::A, |expect| {
            expect.answer.count = Some(count.parse().unwrap());
            expect.answer.ttl = Some(ttl.parse().unwrap());
        });
        assert_eq!(code(&check, &sample), result, "{count} {ttl}");
    }
    let check = expecting(RecordType::A, |expect| expect.answer.count = Some("..2".parse().unwrap()));
    assert_eq!(code(&check, &addresses(&[])), "up");
    // The strings of a TXT are one text without quotes.
    let check = expecting(RecordType::TXT, |expect| {
        expect.answer.wanted = vec![Wanted::Pattern("^v=spf1 -all$".parse().unwrap())];
    });
    let mut sample = Sample::reply(ID, 0).record(1, QNAME, 16, b"\x05v=spf\x061 -all");
    sample.0[27] = 16;
    assert_eq!(code(&check, &sample), "up");
}

#[test]
fn forbidden_codes_flags_and_empty_answers() {
    let check = expecting(RecordType::A, |expect| {
        expect.rcodes = RcodeSet::default();
        expect.forbidden_rcodes = RcodeSet::from_iter([Rcode::SERVFAIL]);
    });
    assert_eq!(code(&check, &Sample::reply(ID, 3)), "up");
    assert_eq!(
        judged_by(&check, &Sample::reply(ID, 2).0).detail,
        "answered SERVFAIL, expected anything but SERVFAIL"
    );
    // `Sample` sets RD and RA.
    for (must, must_not, flags, result) in [
        ("ra", "aa", 0, "up"),
        ("aa", "cd", 0, "dns_flags"),
        ("ra", "ra", 0, "dns_flags"),
        ("ad", "aa", 0x20, "up"),
        // Truncation is judged only when it is spoken of.
        ("tc", "aa", 0x200, "up"),
        ("ra", "tc", 0x200, "dns_flags"),
        ("ra", "aa", 0x200, "dns_truncated"),
    ] {
        let check = expecting(RecordType::A, |expect| {
            expect.flags = must.parse().unwrap();
            expect.forbidden_flags = must_not.parse().unwrap();
        });
        let sample = Sample::reply(ID, flags).record(1, QNAME, 1, RIGHT);
        assert_eq!(code(&check, &sample), result, "{must} {must_not} {flags}");
    }
    let check = expecting(RecordType::A, |expect| expect.empty = Empty::Expected);
    assert_eq!(code(&check, &Sample::reply(ID, 0)), "up");
    assert_eq!(code(&check, &ok()), "dns_unexpected_answer");
}

#[test]
fn a_referral_to_the_root_is_lame() {
    let lame = Sample::reply(ID, 0).record(2, b"\0", 2, b"\x01a\0");
    let check = expecting(RecordType::A, |_| {});
    assert_eq!(code(&check, &lame), "dns_lame");
    let referral = Sample::reply(ID, 0).record(2, b"\x04test\0", 2, b"\x01a\0");
    assert_eq!(code(&check, &referral), "dns_referral");
}

#[test]
fn other_sections_have_the_same_rules() {
    let sample = ok().record(2, QNAME, 2, b"\x02ns\xc0\x0c").record(3, b"\x02ns\xc0\x0c", 1, WRONG);
    let ns = Wanted::Data(ExpectedAnswer::parse("ns.resolve.test", RecordType::NS).unwrap());
    let check = expecting(RecordType::A, |expect| {
        expect.authority.wanted = vec![ns.clone()];
        expect.additional.wanted = vec![Wanted::Pattern("^A 192".parse().unwrap())];
        expect.additional.count = Some("1".parse().unwrap());
    });
    assert_eq!(code(&check, &sample), "up");
    assert_eq!(code(&check, &ok()), "dns_authority_mismatch");
    let check = expecting(RecordType::A, |expect| expect.additional.wanted = vec![ns]);
    assert_eq!(code(&check, &sample), "dns_additional_mismatch");
}

fn soa(serial: u32) -> Sample {
    let mut data = b"\x02ns\xc0\x0c\x0ahostmaster\xc0\x0c".to_vec();
    for number in [serial, 1, 2, 3, 4] {
        data.extend(number.to_be_bytes());
    }
    let mut sample = Sample::reply(ID, 0).record(1, QNAME, 6, &data);
    sample.0[27] = 6;
    sample
}

#[test]
fn serials_wrap() {
    for (least, serial, result) in
        [(10, 10, "up"), (10, 9, "dns_stale_serial"), (u32::MAX, 3, "up"), (3, u32::MAX, "dns_stale_serial")]
    {
        let check = expecting(RecordType::SOA, |expect| expect.serial = Some(least));
        assert_eq!(code(&check, &soa(serial)), result, "{least} {serial}");
        assert_eq!(serial_of(&soa(serial).0), Some(serial));
    }
    let check = expecting(RecordType::A, |expect| expect.serial = Some(1));
    assert_eq!(code(&check, &ok()), "dns_no_answer");
    assert_eq!(serial_of(&ok().0), None);
}

/// A signature over `covers` with its end and begin relative to the present.
fn signed(sample: Sample, covers: u8, ends: i64, begins: i64) -> Sample {
    let at = |offset: i64| ((EPOCH as i64 + offset) as u32).to_be_bytes();
    let data =
        [&[0, covers, 13, 2, 0, 0, 0, 60][..], &at(ends), &at(begins), b"\x12\x34\x04test\0sig"].concat();
    sample.record(1, QNAME, 46, &data)
}

#[test]
fn signatures_are_looked_at() {
    const DAY: i64 = 86_400;
    let rule = Signatures { must_last: DAY as u32, should_last: 3 * DAY as u32 };
    let check = expecting(RecordType::A, |expect| expect.signatures = Some(rule));
    for (sample, result) in [
        (signed(ok(), 1, 4 * DAY, -DAY), (Verdict::Up, "")),
        (signed(ok(), 1, 2 * DAY, -DAY), (Verdict::Degraded, "dns_signature_expiring")),
        (signed(ok(), 1, DAY / 2, -DAY), (Verdict::Down, "dns_signature_expiring")),
        (signed(ok(), 1, -1, -DAY), (Verdict::Down, "dns_signature_expired")),
        (signed(ok(), 1, 9 * DAY, 1), (Verdict::Down, "dns_signature_future")),
        (ok(), (Verdict::Down, "dns_unsigned")),
        // Over something else only.
        (signed(ok(), 5, 4 * DAY, -DAY), (Verdict::Down, "dns_unsigned")),
        // The first to expire counts.
        (signed(signed(ok(), 1, 4 * DAY, -DAY), 1, -1, -DAY), (Verdict::Down, "dns_signature_expired")),
    ] {
        let judgement = judged_by(&check, &sample.0);
        assert_eq!((judgement.verdict, judgement.cause.map_or("", Cause::code)), result, "{judgement:?}");
    }
    // Cut off inside its fields.
    let broken = ok().record(1, QNAME, 46, b"\0\x01").cut(60);
    assert_eq!(judged_by(&check, &broken.0).cause, Some(Cause::DnsMalformed));
}

#[test]
fn what_edns_tells() {
    let told = |data: &[u8]| ok().record(3, b"\0", 41, data);
    let check = expecting(RecordType::A, |expect| expect.nsid = Some("^ns[12]$".parse().unwrap()));
    assert_eq!(code(&check, &told(b"\0\x03\0\x03ns2")), "up");
    assert_eq!(code(&check, &told(b"\0\x03\0\x03ns3")), "dns_identity");
    assert_eq!(code(&check, &ok()), "dns_identity");
    let check = expecting(RecordType::A, |expect| expect.expire = Some(3_600));
    assert_eq!(code(&check, &told(b"\0\x09\0\x04\0\0\x0e\x10")), "up");
    assert_eq!(code(&check, &told(b"\0\x09\0\x04\0\0\x0e\x0f")), "dns_zone_expiring");
    assert_eq!(code(&check, &ok()), "dns_zone_expiring");
    // Extended errors come along with a failure.
    let bogus = Sample::reply(ID, 2).record(3, b"\0", 41, b"\0\x0f\0\x05\0\x06bad");
    assert_eq!(
        judged_by(&expecting(RecordType::A, |_| {}), &bogus.0).detail,
        "answered SERVFAIL, expected NOERROR; extended error 6 (DNSSEC Bogus): bad"
    );
    assert!(details(&bogus.0).contains("extended error 6 (DNSSEC Bogus): bad\n"));
}

#[test]
fn case_and_cookies_must_be_ours() {
    let question = question();
    let mut check = check();
    check.ask = Ask { mixed_case: true, ..Ask::default() };
    let mut mixed = ok().0;
    query::mix_case(&mut mixed[12..26], 1);
    assert_ne!(mixed, ok().0);
    assert_eq!(sort(&check, sent(&question), &mixed), Ok(()));
    assert_eq!(sort(&check, sent(&question), &ok().0), Err(Stray::Case));

    check.ask = Ask { edns: Some(Edns { cookie: true, ..Edns::default() }), ..Ask::default() };
    let cookie = |mut cookie: [u8; 8], flip| {
        cookie[0] ^= flip;
        ok().record(3, b"\0", 41, &[b"\0\x0a\0\x10", &cookie[..], b"severals"].concat()).0
    };
    assert_eq!(sort(&check, sent(&question), &cookie(query::cookie(1), 0)), Ok(()));
    assert_eq!(sort(&check, sent(&question), &cookie(query::cookie(1), 1)), Err(Stray::Cookie));
    assert_eq!(sort(&check, sent(&question), &ok().0), Ok(()));
}

#[test]
fn a_cookie_that_is_insisted_on_takes_tcp() {
    let mut check = check();
    // An OPT record with the upper bits of response code 23 (BADCOOKIE).
    let refused = Sample::reply(ID, 7).count(3, 1).junk(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0").0;
    assert!(!wants_tcp(&check, &refused), "without a cookie of ours there is nothing to repeat");
    check.ask = Ask { edns: Some(Edns { cookie: true, ..Edns::default() }), ..Ask::default() };
    assert!(wants_tcp(&check, &refused));
    check.expect.rcodes = ["BADCOOKIE".parse().unwrap()].into_iter().collect();
    assert!(!wants_tcp(&check, &refused), "it is what was expected");
}
