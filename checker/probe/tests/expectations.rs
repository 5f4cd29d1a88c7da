//! What a check may ask and expect beside an answer: each with a server that gets it wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{
    Class, DnsCheck, Edns, Outcome, Question, RecordType, Signatures, Timeout, Transport, details,
};
use checker_core::{Cause, Verdict};
use checker_probe::{Interface, Marks, Prober, Settings, Target, clock};
use fake::{Fake, read_query, reply, right, send, write_message};

fn check(rtype: RecordType) -> DnsCheck {
    let question = Question::new("resolve.test".parse().unwrap(), rtype, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(Duration::from_millis(400)).unwrap();
    check
}

fn with_edns(rtype: RecordType) -> DnsCheck {
    let mut check = check(rtype);
    check.ask.edns = Some(Edns { dnssec_ok: true, ..Edns::default() });
    check
}

/// Runs one probe. That the machine was too busy to judge is the machine's fault: it tries again.
fn probe(check: &DnsCheck, target: Target) -> Outcome {
    for _ in 0..10 {
        let mut prober = Prober::new(Settings { keep_replies: true, ..Settings::default() }).unwrap();
        prober.start(0, &Arc::new(check.clone()), target);
        let outcome = loop {
            match prober.next_finished() {
                Some(finished) => break finished.outcome,
                None => prober.poll(clock::now() + Duration::from_secs(1)).unwrap(),
            }
        };
        if outcome.cause != Some(Cause::LateTimer) {
            return outcome;
        }
    }
    panic!("this machine is too busy to probe");
}

fn code(check: &DnsCheck, server: &Fake) -> &'static str {
    let outcome = probe(check, Target::new(server.addr, None).unwrap());
    outcome.cause.map_or("up", Cause::code)
}

/// A server that makes its reply from the query.
fn answering(f: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Fake {
    Fake::udp(move |socket, peer, query| send(socket, peer, &f(query)))
}

/// A reply with one record more in a section, and that section's count at this place in the header.
fn with_record(mut octets: Vec<u8>, count: usize, rtype: u8, data: &[u8]) -> Vec<u8> {
    octets[count] += 1;
    octets.extend([0xc0, 0x0c, 0, rtype, 0, 1, 0, 0, 0, 60]);
    octets.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    octets.extend(data);
    octets
}

/// Octets of a query that belong to EDNS, if any do.
fn has_edns(query: &[u8]) -> bool {
    query[11] == 1
}

#[test]
fn formerr_to_edns() {
    // As servers from before EDNS do it: the header alone, or with the question.
    for body in [false, true] {
        let server = answering(move |query| match (has_edns(query), body) {
            (false, _) => right(query),
            (true, true) => reply(query, 1, &[]),
            (true, false) => [&query[..2], b"\x80\x01\0\0\0\0\0\0\0\0"].concat(),
        });
        assert_eq!(code(&check(RecordType::A), &server), "up");
        let outcome = probe(&with_edns(RecordType::A), Target::new(server.addr, None).unwrap());
        assert_eq!(outcome.cause, Some(Cause::DnsFormerr));
        assert_eq!(outcome.detail, "answered FORMERR, expected NOERROR; it may not know EDNS");
    }
}

#[test]
fn badvers() {
    let server = answering(|query| {
        let mut octets = reply(query, 0, &[]);
        octets[11] = 1;
        // An OPT record with the upper bits of response code 16.
        octets.extend(b"\0\0\x29\x04\xd0\x01\0\0\0\0\0");
        octets
    });
    let mut asked = with_edns(RecordType::A);
    asked.ask.edns = Some(Edns { version: 1, ..Edns::default() });
    assert_eq!(code(&asked, &server), "dns_badvers");
    asked.expect.rcodes = ["BADVERS".parse().unwrap()].into_iter().collect();
    assert_eq!(code(&asked, &server), "up");
}

#[test]
fn a_referral_and_a_lame_one() {
    for (zone, wanted) in [(&b"\x04test\0"[..], "dns_referral"), (b"\0", "dns_lame")] {
        let server = answering(move |query| {
            let mut octets = reply(query, 0, &[]);
            octets[9] = 1;
            octets.extend([zone, b"\0\x02\0\x01\0\0\0\x3c\0\x05\x02ns\xc0\x14"].concat());
            octets
        });
        assert_eq!(code(&check(RecordType::A), &server), wanted);
    }
}

#[test]
fn expired_and_missing_signatures() {
    let now = u32::try_from(clock::epoch()).unwrap();
    let signed = move |query: &[u8], ends: i64| {
        let at = |offset: i64| u32::try_from(i64::from(now) + offset).unwrap().to_be_bytes();
        let data =
            [&b"\0\x01\x0d\x02\0\0\0\x3c"[..], &at(ends), &at(-3600), b"\x12\x34\x04test\0sig"].concat();
        with_record(right(query), 7, 46, &data)
    };
    let mut check = with_edns(RecordType::A);
    check.expect.signatures = Some(Signatures { must_last: 60, should_last: 3_600 });
    for (ends, verdict, wanted) in [
        (7_200, Verdict::Up, "up"),
        (1_800, Verdict::Degraded, "dns_signature_expiring"),
        (30, Verdict::Down, "dns_signature_expiring"),
        (-30, Verdict::Down, "dns_signature_expired"),
    ] {
        let server = answering(move |query| signed(query, ends));
        let outcome = probe(&check, Target::new(server.addr, None).unwrap());
        assert_eq!(
            (outcome.verdict, outcome.cause.map_or("up", Cause::code)),
            (verdict, wanted),
            "{outcome:?}"
        );
        assert!(details(outcome.reply.as_deref().unwrap()).contains(" RRSIG A 13 2 60 "));
    }
    assert_eq!(code(&check, &answering(right)), "dns_unsigned");
}

#[test]
fn a_stale_serial() {
    let server = answering(|query| {
        let mut data = b"\x02ns\xc0\x0c\x02hm\xc0\x0c".to_vec();
        for number in [7u32, 1, 2, 3, 4] {
            data.extend(number.to_be_bytes());
        }
        with_record(reply(query, 0, &[]), 7, 6, &data)
    });
    for (least, wanted) in [(7, "up"), (8, "dns_stale_serial"), (u32::MAX, "up")] {
        let mut check = check(RecordType::SOA);
        check.expect.serial = Some(least);
        assert_eq!(code(&check, &server), wanted, "{least}");
    }
}

#[test]
fn the_case_of_letters_must_come_back() {
    let mut check = check(RecordType::A);
    check.ask.mixed_case = true;
    assert_eq!(code(&check, &answering(right)), "up");
    let folding = answering(|query| {
        let mut octets = right(query);
        octets[12..25].make_ascii_lowercase();
        octets
    });
    // One of 2^11 names is all in lower case already; each of the two tries has its own.
    assert_eq!(code(&check, &folding), "dns_timeout");
}

#[test]
fn both_transports_must_pass() {
    let mut check = check(RecordType::A);
    check.tcp_too = true;
    let over_tcp = |flags: u16| {
        Fake::both(
            |socket, peer, query| send(socket, peer, &right(query)),
            move |mut stream, _| {
                if let Some(query) = read_query(&mut stream) {
                    let octets = if flags == 0 { right(&query) } else { reply(&query, flags, &[]) };
                    write_message(&mut stream, &octets);
                }
            },
        )
    };
    let outcome = probe(&check, Target::new(over_tcp(0).addr, None).unwrap());
    assert_eq!((outcome.verdict, outcome.transport), (Verdict::Up, Transport::Tcp));
    assert!(outcome.connect.is_some());
    assert_eq!(code(&check, &over_tcp(5)), "dns_refused");
    // UDP alone is not enough.
    assert_eq!(code(&check, &answering(right)), "tcp_refused");
}

#[test]
fn a_slow_drip_of_messages_ends_in_time() {
    // Strays one by one, each complete, for ever.
    let server = Fake::both(
        |_, _, _| {},
        |mut stream, stop| {
            while let Some(query) = read_query(&mut stream) {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut other = right(&query);
                    other[0] ^= 1;
                    write_message(&mut stream, &other);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        },
    );
    let check = DnsCheck { transport: Transport::Tcp, ..check(RecordType::A) };
    let outcome = probe(&check, Target::new(server.addr, None).unwrap());
    assert_eq!(outcome.cause, Some(Cause::TcpTimeout), "{outcome:?}");
    assert!(outcome.strays > 1 && outcome.elapsed < Duration::from_millis(400) + checker_core::LATE_MAX);
}

#[test]
fn a_flood_of_right_ids_is_survived() {
    // The forger has guessed the id, but not the question.
    let server = Fake::udp(|socket, peer, query| {
        for _ in 0..200 {
            let mut forged = right(query);
            forged[13] ^= 1;
            send(socket, peer, &forged);
        }
        send(socket, peer, &right(query));
    });
    assert_eq!(code(&check(RecordType::A), &server), "up");
}

#[test]
fn marks_are_set_where_that_is_allowed() {
    let server = answering(right);
    let target = |marks| Target::new(server.addr, None).unwrap().with_marks(marks);
    let lo: Interface = "lo".parse().unwrap();
    let marks = Marks { interface: Some(lo), dscp: Some(46), ..Marks::default() };
    assert_eq!(probe(&check(RecordType::A), target(marks)).cause, None);
    // Whoever may not set a mark hears that, and the server is not blamed.
    let outcome = probe(&check(RecordType::A), target(Marks { mark: Some(7), ..Marks::default() }));
    assert!(matches!(outcome.cause, None | Some(Cause::NotPermitted)), "{outcome:?}");
    assert_ne!(outcome.verdict, Verdict::Down);
    assert!("no-such-interface".parse::<Interface>().is_err());
    assert!("".parse::<Interface>().is_err());
}
