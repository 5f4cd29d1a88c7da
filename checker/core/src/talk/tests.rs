//! The course of a talk: what passes, what fails and why, and what is sent when.

use super::*;
use crate::verdict::Verdict;

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn says(send: &str, expect: Option<Expect>) -> Step {
    Step { send: send.into(), secret: false, expect }
}

fn text(text: &str) -> Expect {
    Expect::Holds(Octets::exact(text.as_bytes()))
}

fn pattern(pattern: &str) -> Expect {
    Expect::Matches(pattern.parse().unwrap())
}

fn check(transport: Transport, send: &str, expect: Option<&str>) -> TalkCheck {
    let plain = TalkCheck::connects(Timeout::new(Duration::from_millis(500)).unwrap());
    TalkCheck { transport, steps: vec![says(send, expect.map(text))], ..plain }
}

fn run(check: &TalkCheck, inputs: &[(u64, Input<'_>)]) -> Option<Finding> {
    told(check, inputs).1
}

/// What is sent in the course of it, and what is found.
fn told(check: &TalkCheck, inputs: &[(u64, Input<'_>)]) -> (Vec<String>, Option<Finding>) {
    let (mut talk, mut sent) = (Talk::new(check, at(0)), Vec::new());
    for (ms, input) in inputs {
        talk.handle(check, *input, at(*ms));
        while let Some(octets) = talk.to_send(check) {
            assert_eq!(talk.to_send(check), None, "it is handed out once");
            sent.push(String::from_utf8_lossy(octets).into_owned());
            talk.handle(check, Input::Sent, at(*ms));
        }
    }
    (sent, talk.into_finding())
}

fn cause(finding: Option<Finding>) -> &'static str {
    finding.map_or("under way", |f| f.cause.map_or("up", Cause::code))
}

use Input::{Arrived, Broken, Closed, Connected, Failed, Securing, TimePassed};
use Transport::{Tcp, Udp};

#[test]
fn a_connection_is_enough_where_nothing_is_expected() {
    let plain = check(Tcp, "", None);
    let finding = run(&plain, &[(3, Connected)]).unwrap();
    assert_eq!((finding.verdict, finding.latency), (Verdict::Up, Some(Duration::from_millis(3))));
    assert_eq!(cause(run(&plain, &[(500, TimePassed)])), "tcp_timeout");
    assert_eq!(cause(run(&plain, &[(1, Failed(Cause::TcpRefused))])), "tcp_refused");
    assert_eq!(run(&plain, &[(1, Failed(Cause::NoSocket))]).unwrap().verdict, Verdict::Unknown);
}

#[test]
fn the_expected_text_is_found_across_pieces() {
    let smtp = check(Tcp, "", Some("220 "));
    assert_eq!(cause(run(&smtp, &[(1, Connected), (2, Arrived(b"2")), (3, Arrived(b"20 hi\r\n"))])), "up");
    assert_eq!(cause(run(&smtp, &[(1, Connected), (2, Arrived(b"554 no\r\n"))])), "under way");
    let finding = run(&smtp, &[(1, Connected), (2, Arrived(b"554 no\r\n")), (9, Closed)]).unwrap();
    assert_eq!(finding.cause, Some(Cause::TcpMismatch));
    assert_eq!(finding.detail, "closed without \"220 \"; 8 octets came: \"554 no\\r\\n\"");
    assert_eq!(cause(run(&smtp, &[(1, Connected), (500, TimePassed)])), "tcp_mismatch");
    // Endless chatter ends.
    let chatter = [b'x'; HELD_MAX];
    assert_eq!(cause(run(&smtp, &[(1, Connected), (2, Arrived(&chatter))])), "tcp_mismatch");
}

#[test]
fn datagrams_do_not_belong_together() {
    let echo = check(Udp, "ping", Some("pong"));
    assert_eq!(cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (3, Arrived(b"ng"))])), "under way");
    assert_eq!(cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (3, Arrived(b"a pong"))])), "up");
    assert_eq!(cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (500, TimePassed)])), "udp_mismatch");
    assert_eq!(cause(run(&check(Udp, "x", None), &[(1, Connected), (2, Arrived(b""))])), "up");
}

#[test]
fn silence_fails_unless_it_is_said_to_pass() {
    let mut udp = check(Udp, "x", None);
    assert_eq!(cause(run(&udp, &[(1, Connected), (500, TimePassed)])), "udp_timeout");
    udp.silence_passes = true;
    assert_eq!(cause(run(&udp, &[(1, Connected), (500, TimePassed)])), "up");
    assert_eq!(cause(run(&udp, &[(1, Connected), (2, Failed(Cause::UdpRefused))])), "udp_refused");
}

#[test]
fn a_handshake_is_told_from_a_connection() {
    let plain = check(Tcp, "", None);
    assert_eq!(cause(run(&plain, &[(1, Securing), (500, TimePassed)])), "tls_timeout");
    assert_eq!(cause(run(&plain, &[(1, Securing), (2, Connected)])), "up");
    let finding = run(&plain, &[(1, Securing), (2, Broken(Cause::TlsUnknownCa, "nobody"))]).unwrap();
    assert_eq!((finding.cause, finding.detail.as_str()), (Some(Cause::TlsUnknownCa), "nobody"));
}

#[test]
fn a_stalled_process_blames_nobody() {
    let plain = check(Tcp, "", None);
    let finding = run(&plain, &[(900, TimePassed)]).unwrap();
    assert_eq!((finding.verdict, finding.cause), (Verdict::Unknown, Some(Cause::LateTimer)));
}

/// The dialogue of a POP server.
fn pop() -> TalkCheck {
    let steps = vec![
        says("", Some(text("+OK"))),
        says("USER probe\r\n", Some(text("+OK"))),
        Step { secret: true, ..says("PASS geheim\r\n", Some(pattern("(?m)^[+]OK .*messages"))) },
        says("QUIT\r\n", None),
    ];
    TalkCheck { steps, ..check(Tcp, "", None) }
}

#[test]
fn a_dialogue_goes_on_step_by_step() {
    let pop = pop();
    let (sent, finding) = told(
        &pop,
        &[
            (1, Connected),
            (2, Arrived(b"+O")),
            (3, Arrived(b"K ready <+OK>\r\n")),
            (4, Arrived(b"+OK\r\n")),
            (5, Arrived(b"+OK 3 messages\r\n")),
        ],
    );
    assert_eq!(sent, ["USER probe\r\n", "PASS geheim\r\n", "QUIT\r\n"]);
    assert_eq!(finding.unwrap().reply, "16 octets: \"+OK 3 messages\\r\\n\"");
    // Nothing more is said to one that says no.
    let inputs =
        [(1, Connected), (2, Arrived(b"+OK\r\n")), (3, Arrived(b"-ERR busy\r\n")), (500, TimePassed)];
    let (sent, finding) = told(&pop, &inputs);
    assert_eq!(sent, ["USER probe\r\n"]);
    let finding = finding.unwrap();
    assert_eq!(finding.cause, Some(Cause::TcpMismatch));
    assert_eq!(
        finding.detail,
        "no \"+OK\" in step 2 of 4 within 500 ms; 11 octets came: \"-ERR busy\\r\\n\""
    );
}

#[test]
fn what_came_before_a_question_does_not_answer_it() {
    let steps = vec![says("", Some(text("hi"))), says("a", Some(text("hi")))];
    let check = TalkCheck { steps, ..check(Tcp, "", None) };
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"hi hi hi"))])), "under way");
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"hi hi")), (3, Arrived(b"hi"))])), "up");
    // Where nothing is said between them, what is left counts for the next step.
    let steps = vec![says("", Some(pattern("a+"))), says("", Some(text("b"))), says("", Some(text("b")))];
    let check = TalkCheck { steps, ..check };
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"aab"))])), "under way");
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"aab")), (3, Arrived(b"b"))])), "up");
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"xaabb"))])), "up");
    let steps = vec![says("", Some(text("ab"))), says("", Some(text("c")))];
    let check = TalkCheck { steps, ..check };
    assert_eq!(cause(run(&check, &[(1, Connected), (2, Arrived(b"xxa")), (3, Arrived(b"bc"))])), "up");
}

#[test]
fn a_wrong_beginning_ends_the_talk_at_once() {
    let first = Expect::Begins("0a x0".parse().unwrap());
    let begins = TalkCheck { steps: vec![says("x", Some(first.clone()))], ..check(Tcp, "", None) };
    assert_eq!(cause(run(&begins, &[(1, Connected), (2, Arrived(b"\n"))])), "under way");
    assert_eq!(cause(run(&begins, &[(1, Connected), (2, Arrived(b"\n")), (3, Arrived(b"0"))])), "up");
    let finding = run(&begins, &[(1, Connected), (2, Arrived(b"\n1"))]).unwrap();
    assert_eq!(finding.detail, "not hex 0ax0 at the start; 2 octets came: \"\\n1\"");
    // A datagram is read past.
    let udp = TalkCheck { steps: vec![says("x", Some(first))], ..check(Udp, "", None) };
    assert_eq!(cause(run(&udp, &[(1, Connected), (2, Arrived(b"\n1")), (3, Arrived(b"\n@2"))])), "up");
}

#[test]
fn a_datagram_may_need_a_length() {
    let length = Some("3..5".parse().unwrap());
    let udp = TalkCheck { length, ..check(Udp, "x", None) };
    for (octets, expected) in
        [(&b"12"[..], "udp_mismatch"), (b"123", "up"), (b"12345", "up"), (b"123456", "udp_mismatch")]
    {
        assert_eq!(cause(run(&udp, &[(1, Connected), (2, Arrived(octets)), (500, TimePassed)])), expected);
    }
    let finding = run(&udp, &[(1, Connected), (2, Arrived(b"12")), (500, TimePassed)]).unwrap();
    assert_eq!(finding.detail, "no reply of 3 to 5 octets within 500 ms; 2 octets came: \"12\"");
    let both = TalkCheck { length, ..check(Udp, "x", Some("ab")) };
    assert_eq!(cause(run(&both, &[(1, Connected), (2, Arrived(b"ab"))])), "under way");
    assert_eq!(cause(run(&both, &[(1, Connected), (2, Arrived(b"ab")), (3, Arrived(b"abc"))])), "up");
}

#[test]
fn a_server_that_dribbles_costs_a_bounded_effort() {
    let dribbles = TalkCheck { steps: vec![says("", Some(pattern("ready$")))], ..check(Tcp, "", None) };
    let mut talk = Talk::new(&dribbles, at(0));
    talk.handle(&dribbles, Connected, at(1));
    for _ in 0..HELD_MAX - 10 {
        talk.handle(&dribbles, Arrived(b"y"), at(2));
        assert!(talk.effort <= LOOKED_MAX + HELD_MAX);
    }
    talk.handle(&dribbles, Arrived(b"ready"), at(3));
    assert!(!talk.is_over(), "it is looked at no more");
    // The end of the stream has it looked at once more.
    talk.handle(&dribbles, Closed, at(4));
    assert_eq!(cause(talk.into_finding()), "up");
}

#[test]
fn it_is_told_in_words() {
    assert_eq!(
        pop().to_string(),
        "connects over tcp, expects \"+OK\", sends \"USER probe\\r\\n\", expects \"+OK\", sends 13 secret octets, \
         expects /(?m)^[+]OK .*messages/, sends \"QUIT\\r\\n\""
    );
    let udp = TalkCheck { length: Some("12..".parse().unwrap()), ..check(Udp, "x", None) };
    assert_eq!(udp.to_string(), "talks over udp, sends \"x\", expects any reply of at least 12 octets");
}

/// What a talk over TCP comes to when `stream` comes in pieces of these lengths, and how often something was said. Then the connection
/// is closed.
fn in_pieces(check: &TalkCheck, stream: &[u8], lengths: &[usize]) -> (usize, Option<Finding>) {
    let (mut talk, mut sent, mut rest) = (Talk::new(check, at(0)), 0, stream);
    let mut lengths = lengths.iter().cycle();
    talk.handle(check, Connected, at(1));
    loop {
        while talk.to_send(check).is_some() {
            sent += 1;
            talk.handle(check, Input::Sent, at(1));
        }
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
        talk.handle(check, Arrived(piece), at(1));
        rest = more;
    }
    talk.handle(check, Closed, at(2));
    (sent, talk.into_finding())
}

proptest::proptest! {
    #[test]
    fn it_does_not_matter_how_a_stream_is_cut(
        stream in proptest::collection::vec(b'a'..=b'd', 0..200),
        lengths in proptest::collection::vec(1_usize..20, 1..10),
        wanted in proptest::collection::vec((proptest::collection::vec(b'a'..=b'c', 1..4), 0..3), 1..4),
    ) {
        let step = |(octets, kind): &(Vec<u8>, i32)| {
            let exact = Octets::exact(octets);
            let expect = match kind {
                0 => Expect::Holds(exact),
                1 => Expect::Begins(exact),
                _ => pattern(std::str::from_utf8(octets).unwrap()),
            };
            Step { expect: Some(expect), ..Step::default() }
        };
        // Steps that only listen; what one leaves is the next one's.
        let steps: Vec<Step> = wanted.iter().map(step).collect();
        let check = TalkCheck { steps, ..check(Tcp, "", None) };
        let told = |finding: Option<Finding>| finding.map(|found| found.cause);
        let (_, whole) = in_pieces(&check, &stream, &[usize::MAX]);
        let (_, cut) = in_pieces(&check, &stream, &lengths);
        proptest::prop_assert_eq!(told(whole), told(cut));
    }

    #[test]
    fn any_octets_come_to_an_end(
        stream in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2_000),
        lengths in proptest::collection::vec(1_usize..300, 1..10),
    ) {
        let (sent, finding) = in_pieces(&pop(), &stream, &lengths);
        proptest::prop_assert!(sent <= 3 && finding.is_some());
    }
}
