use super::*;
use crate::Verdict;
use crate::dns::sample::{QNAME, Sample};
use crate::dns::{Class, Question, RecordType, Timeout};

fn ms(ms: u64) -> Time {
    Time::from_nanos(1_000_000_000 + ms * 1_000_000)
}

/// 500 ms, two tries, `resolve.test A`.
fn check() -> DnsCheck {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(Duration::from_millis(500)).unwrap();
    check
}

fn over_tcp() -> DnsCheck {
    DnsCheck { transport: Transport::Tcp, ..check() }
}

fn start(check: &DnsCheck) -> Exchange {
    let circumstances = Circumstances { key: 42, epoch: 1_700_000_000, server: [192, 0, 2, 1].into() };
    Exchange::new(check, circumstances, true, ms(0))
}

fn id(exchange: &Exchange, check: &DnsCheck, attempt: u8) -> u16 {
    let query = exchange.query(check, attempt);
    u16::from_be_bytes([query.datagram()[0], query.datagram()[1]])
}

fn ok(id: u16) -> Vec<u8> {
    Sample::reply(id, 0).record(1, QNAME, 1, &[192, 0, 2, 80]).0
}

fn segment(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

fn actions(exchange: &mut Exchange) -> Vec<Action> {
    std::iter::from_fn(|| exchange.poll_action()).collect()
}

fn end(exchange: Exchange) -> (Verdict, &'static str, String) {
    let outcome = exchange.into_outcome().expect("the probe is over");
    (outcome.verdict, outcome.cause.map_or("", Cause::code), outcome.detail)
}

#[test]
fn the_first_answer_ends_it() {
    let check = check();
    let mut exchange = start(&check);
    assert_eq!(actions(&mut exchange), [Action::OpenUdp { attempt: 0 }]);
    assert_eq!(exchange.deadline(), Some((ms(250), Wake::NextTry)));
    let reply = ok(id(&exchange, &check, 0));
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(3));
    assert_eq!(exchange.deadline(), None);
    let outcome = exchange.into_outcome().unwrap();
    assert_eq!((outcome.verdict, outcome.attempts, outcome.transport), (Verdict::Up, 1, Transport::Udp));
    assert_eq!(outcome.latency, Some(Duration::from_millis(3)));
    assert_eq!(outcome.reply.as_deref(), Some(&reply[..]));
}

#[test]
fn silence_is_a_timeout_after_every_try() {
    let check = check();
    let mut exchange = start(&check);
    actions(&mut exchange);
    exchange.handle(&check, Input::TimePassed, ms(249));
    assert_eq!(actions(&mut exchange), []);
    exchange.handle(&check, Input::TimePassed, ms(250));
    assert_eq!(actions(&mut exchange), [Action::OpenUdp { attempt: 1 }]);
    assert_eq!(exchange.deadline(), Some((ms(500), Wake::GiveUp)));
    assert_ne!(id(&exchange, &check, 0), id(&exchange, &check, 1));
    exchange.handle(&check, Input::TimePassed, ms(500));
    assert_eq!(
        end(exchange),
        (Verdict::Down, "dns_timeout", "no answer to 2 queries within 500ms".to_owned())
    );
}

#[test]
fn a_late_answer_to_the_first_try_counts() {
    let check = check();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(250));
    let reply = ok(id(&exchange, &check, 0));
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(400));
    let outcome = exchange.into_outcome().unwrap();
    assert_eq!((outcome.verdict, outcome.attempts), (Verdict::Up, 2));
    assert_eq!(outcome.latency, Some(Duration::from_millis(400)));
}

#[test]
fn an_answer_on_another_trys_socket_does_not_count() {
    let check = check();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(250));
    let reply = ok(id(&exchange, &check, 0));
    exchange.handle(&check, Input::DatagramArrived { attempt: 1, octets: &reply }, ms(300));
    exchange.handle(&check, Input::DatagramArrived { attempt: 7, octets: &reply }, ms(300));
    assert!(!exchange.is_over());
}

#[test]
fn strays_are_counted_and_ignored() {
    let check = check();
    let mut exchange = start(&check);
    let right = id(&exchange, &check, 0);
    for n in 1..=1000 {
        let forged = Sample::reply(right.wrapping_add(n), 2).0;
        exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &forged }, ms(1));
    }
    assert!(!exchange.is_over());
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &ok(right) }, ms(2));
    let outcome = exchange.into_outcome().unwrap();
    assert_eq!((outcome.verdict, outcome.strays), (Verdict::Up, 1000));

    let mut exchange = start(&check);
    let mut other = ok(id(&exchange, &check, 0));
    other[13] = b'x';
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &other }, ms(1));
    exchange.handle(&check, Input::TimePassed, ms(500));
    let detail = "no answer to 1 query within 500ms; 1 message that did not match was ignored (the last one with another question)";
    assert_eq!(end(exchange), (Verdict::Down, "dns_timeout", detail.to_owned()));
}

#[test]
fn nothing_but_scraps_is_malformed() {
    let check = check();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: b"" }, ms(1));
    exchange.handle(&check, Input::TimePassed, ms(500));
    assert_eq!(end(exchange).1, "dns_malformed");
}

#[test]
fn refusal_ends_it_at_once() {
    let check = check();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::Failed { attempt: 0, cause: Cause::UdpRefused }, ms(1));
    let (verdict, code, _) = end(exchange);
    assert_eq!((verdict, code), (Verdict::Down, "udp_refused"));
}

#[test]
fn local_trouble_is_unknown() {
    let check = check();
    // Every try meets it: over as soon as the last one has.
    let mut exchange = start(&check);
    actions(&mut exchange);
    exchange.handle(&check, Input::Failed { attempt: 0, cause: Cause::NoSocket }, ms(0));
    assert_eq!(actions(&mut exchange), [Action::Close { attempt: 0 }]);
    assert!(!exchange.is_over());
    exchange.handle(&check, Input::TimePassed, ms(250));
    exchange.handle(&check, Input::Failed { attempt: 1, cause: Cause::NoSocket }, ms(250));
    let (verdict, code, _) = end(exchange);
    assert_eq!((verdict, code), (Verdict::Unknown, "no_socket"));

    // One try meets it and the other is not answered: silence proves little.
    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(250));
    exchange.handle(&check, Input::Failed { attempt: 1, cause: Cause::NetUnreachable }, ms(250));
    exchange.handle(&check, Input::TimePassed, ms(500));
    let (verdict, code, _) = end(exchange);
    assert_eq!((verdict, code), (Verdict::Unknown, "net_unreachable"));

    // One try meets it and the other is answered: all is well.
    let mut exchange = start(&check);
    actions(&mut exchange);
    exchange.handle(&check, Input::Failed { attempt: 0, cause: Cause::NoSocket }, ms(0));
    exchange.handle(&check, Input::TimePassed, ms(250));
    let reply = ok(id(&exchange, &check, 1));
    exchange.handle(&check, Input::DatagramArrived { attempt: 1, octets: &reply }, ms(251));
    assert_eq!(end(exchange).0, Verdict::Up);
}

#[test]
fn a_stalled_process_blames_itself() {
    let check = check();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(250));
    exchange.handle(&check, Input::TimePassed, ms(750));
    assert_eq!(end(exchange).1, "dns_timeout");
    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(751));
    let (verdict, code, detail) = end(exchange);
    assert_eq!((verdict, code), (Verdict::Unknown, "late_timer"), "{detail}");
    // An answer that waited in the socket may have come in time or not: up to the last moment it passes, and after it nobody can tell.
    for (at, verdict, code) in [(500, Verdict::Up, ""), (501, Verdict::Unknown, "late_timer")] {
        let mut exchange = start(&check);
        let reply = ok(id(&exchange, &check, 0));
        exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(at));
        let (found, why, detail) = end(exchange);
        assert_eq!((found, why), (verdict, code), "{at}: {detail}");
    }
}

#[test]
fn truncation_leads_to_tcp() {
    let check = check();
    let mut exchange = start(&check);
    actions(&mut exchange);
    let right = id(&exchange, &check, 0);
    let truncated = Sample::reply(right, 0x0200).0;
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &truncated }, ms(1));
    assert_eq!(actions(&mut exchange), [Action::OpenTcp { attempt: 0 }]);
    // What comes over UDP for this try after that is too late.
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &ok(right) }, ms(2));
    assert!(!exchange.is_over());
    exchange.handle(&check, Input::Connected { attempt: 0 }, ms(2));
    assert_eq!(actions(&mut exchange), [Action::SendTcp { attempt: 0 }]);
    // Octet by octet, behind a stray message.
    for octet in [segment(&ok(right.wrapping_add(1))), segment(&ok(right))].concat() {
        assert!(!exchange.is_over());
        exchange.handle(&check, Input::OctetsArrived { attempt: 0, octets: &[octet] }, ms(3));
    }
    let outcome = exchange.into_outcome().unwrap();
    assert_eq!((outcome.verdict, outcome.transport, outcome.strays), (Verdict::Up, Transport::Tcp, 1));
}

#[test]
fn tcp_failures_are_told_apart() {
    let check = over_tcp();
    let connected = || {
        let mut exchange = start(&check);
        assert_eq!(actions(&mut exchange), [Action::OpenTcp { attempt: 0 }]);
        exchange.handle(&check, Input::Connected { attempt: 0 }, ms(1));
        exchange
    };
    let mut exchange = start(&check);
    exchange.handle(&check, Input::Failed { attempt: 0, cause: Cause::TcpRefused }, ms(1));
    assert_eq!(end(exchange).1, "tcp_refused");

    let mut exchange = connected();
    exchange.handle(&check, Input::Failed { attempt: 0, cause: Cause::TcpReset }, ms(2));
    assert_eq!(
        end(exchange),
        (Verdict::Down, "tcp_reset", "the TCP connection was reset, no answer came".to_owned())
    );

    let mut exchange = connected();
    exchange.handle(&check, Input::OctetsArrived { attempt: 0, octets: &[1, 0, 7] }, ms(2));
    exchange.handle(&check, Input::Closed { attempt: 0 }, ms(3));
    let detail = "the server closed the connection, only 1 of 256 octets of the answer came";
    assert_eq!(end(exchange), (Verdict::Down, "tcp_closed", detail.to_owned()));

    let mut exchange = start(&check);
    exchange.handle(&check, Input::TimePassed, ms(250));
    exchange.handle(&check, Input::TimePassed, ms(500));
    assert_eq!(end(exchange), (Verdict::Down, "tcp_timeout", "no TCP connection within 500ms".to_owned()));

    // Dripping: each octet comes, the end never does.
    let mut exchange = connected();
    for (n, octet) in segment(&ok(1))[..20].iter().enumerate() {
        exchange.handle(&check, Input::OctetsArrived { attempt: 0, octets: &[*octet] }, ms(10 * n as u64));
    }
    exchange.handle(&check, Input::TimePassed, ms(250));
    exchange.handle(&check, Input::TimePassed, ms(500));
    let detail = "connected over TCP, but only 18 of 46 octets of the answer came within 500ms";
    assert_eq!(end(exchange), (Verdict::Down, "tcp_timeout", detail.to_owned()));
}

#[test]
fn truncation_over_tcp_is_an_error() {
    let check = over_tcp();
    let mut exchange = start(&check);
    exchange.handle(&check, Input::Connected { attempt: 0 }, ms(1));
    let reply = segment(&Sample::reply(id(&exchange, &check, 0), 0x0200).0);
    exchange.handle(&check, Input::OctetsArrived { attempt: 0, octets: &reply }, ms(2));
    assert_eq!(end(exchange).1, "dns_truncated");
}

#[test]
fn it_never_lasts_longer_than_it_says() {
    // Whatever comes in, at whatever time: the deadline never moves, and the tries stay within it.
    let check = DnsCheck { tries: Tries::new(10).unwrap(), ..check() };
    let mut exchange = start(&check);
    let mut opened = 1;
    while let Some((at, wake)) = exchange.deadline() {
        assert!(at <= ms(500));
        let stray = Sample::reply(1, 0x0200).0;
        exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &stray }, at);
        opened += usize::from(wake == Wake::NextTry);
        exchange.handle(&check, Input::TimePassed, at);
    }
    assert_eq!(opened, 10);
    assert_eq!(exchange.into_outcome().unwrap().elapsed, Duration::from_millis(500));
}

#[test]
fn both_must_pass() {
    let check = DnsCheck { tcp_too: true, ..check() };
    for (over_tcp, wanted) in [(0, ""), (2, "dns_servfail")] {
        let mut exchange = start(&check);
        actions(&mut exchange);
        let reply = ok(id(&exchange, &check, 0));
        exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(3));
        assert_eq!(actions(&mut exchange), [Action::OpenTcp { attempt: 0 }]);
        exchange.handle(&check, Input::Connected { attempt: 0 }, ms(5));
        let mut second = reply.clone();
        second[3] |= over_tcp;
        exchange.handle(&check, Input::OctetsArrived { attempt: 0, octets: &segment(&second) }, ms(9));
        let outcome = exchange.into_outcome().unwrap();
        assert_eq!(outcome.cause.map_or("", Cause::code), wanted, "{outcome:?}");
        assert_eq!(outcome.detail.contains("the same over UDP passed"), over_tcp != 0, "{outcome:?}");
        assert_eq!((outcome.transport, outcome.connect), (Transport::Tcp, Some(Duration::from_millis(2))));
        assert_eq!(outcome.latency, Some(Duration::from_millis(4)));
    }
    // A failure over UDP is one, without asking over TCP.
    let mut exchange = start(&check);
    let reply = Sample::reply(id(&exchange, &check, 0), 2).0;
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(3));
    assert_eq!(end(exchange).1, "dns_servfail");
}

#[test]
fn slow_answers_degrade_and_slower_ones_fail() {
    let mut check = check();
    check.expect.latency.should = Some("0.1".parse().unwrap());
    check.expect.latency.must = Some("200ms".parse().unwrap());
    for (at, verdict) in [(100, Verdict::Up), (101, Verdict::Degraded), (201, Verdict::Down)] {
        let mut exchange = start(&check);
        let reply = ok(id(&exchange, &check, 0));
        exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(at));
        let outcome = exchange.into_outcome().unwrap();
        assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        assert_eq!(outcome.cause, (verdict != Verdict::Up).then_some(Cause::DnsSlow));
    }
}

#[test]
fn placeholders_are_filled_and_compared() {
    let question = Question::parse("{rand}.test", RecordType::A, Class::IN).unwrap();
    let check = DnsCheck { question, ..check() };
    let mut exchange = start(&check);
    let query = exchange.query(&check, 0);
    // A label of 16, where the check's own name has the longest.
    assert_eq!(query.datagram()[12], 16);
    let mut reply = query.datagram().to_vec();
    reply[2] |= 0x80;
    reply[3] |= 3;
    let mut other = reply.clone();
    other[13] ^= 1;
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &other }, ms(1));
    assert_eq!(exchange.strays(), 1);
    exchange.handle(&check, Input::DatagramArrived { attempt: 0, octets: &reply }, ms(1));
    assert_eq!(end(exchange).1, "dns_nxdomain");
}

#[test]
fn tries_may_be_spaced_by_themselves() {
    let mut check = check();
    check.tries = Tries::new(4).unwrap();
    check.try_timeout = Some(Timeout::new(Duration::from_millis(200)).unwrap());
    let mut exchange = start(&check);
    for at in [200, 400] {
        assert_eq!(exchange.deadline(), Some((ms(at), Wake::NextTry)));
        exchange.handle(&check, Input::TimePassed, ms(at));
    }
    // The fourth would begin behind the end.
    assert_eq!(exchange.deadline(), Some((ms(500), Wake::GiveUp)));
}
