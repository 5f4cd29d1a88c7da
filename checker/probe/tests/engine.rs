//! The engine under load: many probes at once, few sockets, a stalled thread.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use checker_core::dns::{Class, DnsCheck, Outcome, Question, RecordType, Timeout, Tries};
use checker_core::{Cause, Verdict};
use checker_probe::{Lanes, Prober, Settings, Target, clock};
use fake::{Fake, right, send};

fn check(timeout: Duration) -> Arc<DnsCheck> {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(timeout).unwrap();
    Arc::new(check)
}

fn all(prober: &mut Prober, count: usize) -> BTreeMap<u64, Outcome> {
    let mut ended = BTreeMap::new();
    while ended.len() < count {
        prober.poll(clock::now() + Duration::from_millis(100)).unwrap();
        while let Some(finished) = prober.next_finished() {
            assert!(ended.insert(finished.token, finished.outcome).is_none(), "ended twice");
        }
    }
    assert_eq!((prober.stats().in_flight, prober.stats().waiting), (0, 0));
    ended
}

#[test]
fn many_probes_at_once() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let target = Target::new(server.addr, None).unwrap();
    for gather in [Duration::ZERO, Duration::from_millis(1)] {
        let mut prober = Prober::new(Settings { gather, ..Settings::default() }).unwrap();
        let check =
            Arc::new(DnsCheck { tries: Tries::new(5).unwrap(), ..(*check(Duration::from_secs(20))).clone() });
        for token in 0..600 {
            prober.start(token, &check, target);
        }
        let ended = all(&mut prober, 600);
        assert!(ended.values().all(|outcome| outcome.verdict == Verdict::Up), "{ended:?}");
        assert_eq!(prober.stats().started, 600);
    }
}

#[test]
fn sockets_are_capped_and_the_rest_waits() {
    let server = Fake::udp(|_, _, _| {});
    let target = Target::new(server.addr, None).unwrap();
    let mut prober = Prober::new(Settings { max_sockets: 40, ..Settings::default() }).unwrap();
    let check = check(Duration::from_millis(50));
    for token in 0..100 {
        prober.start(token, &check, target);
    }
    // Two tries each.
    assert_eq!((prober.stats().in_flight, prober.stats().waiting), (20, 80));
    let ended = all(&mut prober, 100);
    assert_eq!(prober.stats().waited, 80);
    for outcome in ended.values() {
        // The time that a probe waited for a socket is not counted against the server.
        assert!(matches!(outcome.cause, Some(Cause::DnsTimeout | Cause::LateTimer)), "{outcome:?}");
        assert!(outcome.elapsed >= Duration::from_millis(50), "{outcome:?}");
    }
}

#[test]
fn sockets_are_used_again_with_fresh_ports_and_nothing_left_in_them() {
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ports);
    // Every answer comes twice: what is left in a socket must not meet its next probe.
    let server = Fake::udp(move |socket, peer, query| {
        seen.lock().unwrap().push(peer.port());
        send(socket, peer, &right(query));
        send(socket, peer, &right(query));
    });
    let closed = Fake::udp(|_, _, _| {}).addr;
    let here: std::net::IpAddr = "127.0.0.9".parse().unwrap();
    let sources = [None, Some(here)];
    let settings = Settings { gather: Duration::from_millis(1), ..Settings::default() };
    let mut prober = Prober::new(settings).unwrap();
    let check = check(Duration::from_secs(20));
    for round in 0..20 {
        for token in 0..20 {
            let source = sources[token as usize % 2];
            prober.start(token, &check, Target::new(server.addr, source).unwrap());
        }
        // One that is refused, too: its socket must not be handed on with the error.
        prober.start(20, &check, Target::new(closed, None).unwrap());
        let ended = all(&mut prober, 21);
        assert_eq!(ended[&20].cause, Some(Cause::UdpRefused), "{round}: {:?}", ended[&20]);
        for token in 0..20 {
            let outcome = &ended[&token];
            assert_eq!((outcome.verdict, outcome.strays), (Verdict::Up, 0), "{round}, {token}: {outcome:?}");
        }
    }
    // The refused one takes a new one each time, at most; all others are those of the first round.
    let opened = prober.stats().opened;
    assert!((21..=60).contains(&opened), "{opened} sockets for 420 probes");
    let mut ports = ports.lock().unwrap().clone();
    assert_eq!(ports.len(), 400);
    ports.sort_unstable();
    ports.dedup();
    // Random ones of some thousands: a few meet by chance.
    assert!(ports.len() > 370, "{} ports for 400 probes", ports.len());
}

#[test]
fn a_stalled_thread_blames_no_server() {
    let timeout = Duration::from_millis(50);
    let (silent, speaking) =
        (Fake::udp(|_, _, _| {}), Fake::udp(|socket, peer, query| send(socket, peer, &right(query))));
    let mut prober = Prober::new(Settings::default()).unwrap();
    prober.start(0, &check(timeout), Target::new(silent.addr, None).unwrap());
    prober.start(1, &check(timeout), Target::new(speaking.addr, None).unwrap());
    std::thread::sleep(timeout + checker_core::LATE_MAX + Duration::from_millis(50));
    let ended = all(&mut prober, 2);
    assert_eq!((ended[&0].verdict, ended[&0].cause), (Verdict::Unknown, Some(Cause::LateTimer)));
    // It has answered, but nobody can say when.
    assert_eq!((ended[&1].verdict, ended[&1].cause), (Verdict::Unknown, Some(Cause::LateTimer)));
    assert!(ended[&1].detail.contains("the reply was read"), "{:?}", ended[&1]);
}

#[test]
fn waiting_ends_when_it_should() {
    let mut prober = Prober::new(Settings::default()).unwrap();
    let start = clock::now();
    prober.poll(start + Duration::from_millis(30)).unwrap();
    assert!(clock::now().since(start) >= Duration::from_millis(30));
    let waker = prober.waker();
    let thread = std::thread::spawn(move || waker.wake());
    let start = clock::now();
    prober.poll(start + Duration::from_secs(60)).unwrap();
    assert!(clock::now().since(start) < Duration::from_secs(50));
    thread.join().unwrap();
}

#[test]
fn lanes_run_what_one_thread_can_not() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let closed = Fake::udp(|_, _, _| {}).addr;
    let settings = Settings { gather: Duration::from_millis(1), ..Settings::default() };
    let mut prober = Prober::new(settings).unwrap();
    let mut lanes = Lanes::new(prober.waker());
    assert_eq!(lanes.turned().unwrap(), None);
    let check = check(Duration::from_secs(20));
    let mut ended = BTreeMap::new();
    for (round, count) in [(0, 1), (1, 3), (2, 2)] {
        // More may be wanted while probes are under way; fewer is no reason to end one.
        lanes.grow(count, settings).unwrap();
        for token in 0..200 {
            let target = if token % 10 == 3 { closed } else { server.addr };
            lanes.start(round * 200 + token, &check, Target::new(target, None).unwrap());
        }
        lanes.flush();
    }
    assert_eq!(lanes.len(), 3);
    // Nothing but the waker says that something is over: who is not woken waits in vain.
    let begun = Instant::now();
    while ended.len() < 600 {
        prober.poll(clock::now() + Duration::from_secs(60)).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(50), "{} of 600", ended.len());
        while let Some(finished) = lanes.next_finished() {
            assert!(ended.insert(finished.token, finished.outcome).is_none(), "ended twice");
        }
    }
    for (token, outcome) in &ended {
        let cause = (token % 10 == 3).then_some(Cause::UdpRefused);
        assert_eq!(outcome.cause, cause, "{token}: {outcome:?}");
    }
    assert_eq!(lanes.waiting(), 0);
    assert!(lanes.take_late() > Duration::ZERO && lanes.take_late() == Duration::ZERO);
    // At rest they turn, too.
    let rested = clock::now();
    while lanes.turned().unwrap().unwrap() < rested {
        assert!(begun.elapsed() < Duration::from_secs(100), "a lane at rest does not turn");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What is under way does not hold up the end.
    let silent = Fake::udp(|_, _, _| {});
    for token in 0..30 {
        lanes.start(token, &check, Target::new(silent.addr, None).unwrap());
    }
    lanes.flush();
    let begun = Instant::now();
    drop(lanes);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
