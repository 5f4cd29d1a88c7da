use checker_core::dns::{Class, Question, RecordType, Transport};

use super::*;

fn plan() -> Plan {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    Plan {
        target: Target::new("10.0.0.1:53".parse().unwrap(), None).unwrap(),
        dns: Arc::new(DnsCheck::new(question)),
        interval: Duration::from_secs(1),
        thresholds: Thresholds::new(2, 3).unwrap(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn outcome(cause: Option<Cause>) -> Outcome {
    Outcome {
        verdict: cause.map_or(Verdict::Up, |cause| cause.blame().verdict()),
        cause,
        detail: cause.map_or(String::new(), |cause| format!("seen: {cause}")),
        elapsed: Duration::from_millis(5),
        latency: cause.is_none().then_some(Duration::from_micros(250)),
        attempts: 1,
        connect: None,
        strays: 0,
        transport: Transport::Udp,
        reply: None,
    }
}

const PASS: Option<Cause> = None;
const FAIL: Option<Cause> = Some(Cause::DnsServfail);
const TROUBLE: Option<Cause> = Some(Cause::NoSocket);

fn run(server: &mut Server, from: i64, outcomes: &[Option<Cause>]) -> RealServerHealth {
    for (n, cause) in outcomes.iter().enumerate() {
        server.observe(outcome(*cause), at(from + n as i64));
    }
    server.health()
}

fn code(health: &RealServerHealth) -> &str {
    health.cause.as_ref().map_or("", CauseCode::as_str)
}

#[test]
fn a_new_server_is_not_probed_yet() {
    let health = Server::new(plan(), at(5)).health();
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Unknown, "not_probed", at(5)));
    assert_eq!(health.address, "10.0.0.1:53".parse().unwrap());
}

#[test]
fn its_story_is_told() {
    let mut server = Server::new(plan(), at(0));
    let health = run(&mut server, 10, &[PASS, PASS]);
    assert_eq!(
        (health.verdict, code(&health), health.since, health.latency_us),
        (Verdict::Up, "", at(10), Some(250))
    );
    // Failing, but not down yet: no cause, but the counter shows it.
    let health = run(&mut server, 20, &[FAIL, FAIL]);
    assert_eq!((health.verdict, code(&health), health.passing, health.in_a_row), (Verdict::Up, "", false, 2));
    let health = run(&mut server, 30, &[FAIL]);
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Down, "dns_servfail", at(30)));
    assert_eq!(health.detail, "seen: dns_servfail");
    // Coming back it stays explained until it is up.
    let health = run(&mut server, 40, &[PASS]);
    assert_eq!(
        (health.verdict, code(&health), health.passing, health.in_a_row),
        (Verdict::Down, "dns_servfail", true, 1)
    );
    let health = run(&mut server, 50, &[PASS]);
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Up, "", at(50)));
    assert_eq!(health.detail, "");
}

#[test]
fn local_trouble_shows_when_it_lasts() {
    let mut server = Server::new(plan(), at(0));
    let health = run(&mut server, 10, &[PASS, TROUBLE, TROUBLE]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Up, ""));
    let health = run(&mut server, 20, &[TROUBLE]);
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Unknown, "no_socket", at(20)));
    let health = run(&mut server, 30, &[FAIL]);
    assert_eq!((health.verdict, health.in_a_row), (Verdict::Up, 1));

    let mut new = Server::new(plan(), at(0));
    let health = run(&mut new, 10, &[TROUBLE]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Unknown, "no_socket"));
    let health = run(&mut new, 20, &[FAIL]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Unknown, "dns_servfail"));
}

#[test]
fn a_restart_changes_nothing() {
    let histories: [&[Option<Cause>]; 9] = [
        &[],
        &[PASS],
        &[PASS, PASS, PASS],
        &[FAIL, FAIL],
        &[FAIL, FAIL, FAIL],
        &[PASS, FAIL, FAIL],
        &[FAIL, FAIL, FAIL, PASS],
        &[PASS, FAIL, FAIL, FAIL, FAIL],
        &[TROUBLE],
    ];
    for before in histories {
        let mut server = Server::new(plan(), at(0));
        let health = run(&mut server, 10, before);
        let mut again = Server::restored(plan(), &health);
        assert_eq!(again.health(), health, "{before:?}");
        for after in histories {
            let (health, same) = (run(&mut server, 50, after), run(&mut again, 50, after));
            assert_eq!(same, health, "{before:?}, {after:?}");
        }
    }
}

#[test]
fn a_restart_in_local_trouble_settles_with_care() {
    for (before, after, verdict) in [
        // It was up; one failure is not enough to take it down, nor one pass to bring back what may have been down.
        (&[PASS, PASS, TROUBLE, TROUBLE, TROUBLE][..], &[FAIL, FAIL][..], Verdict::Unknown),
        (&[PASS, PASS, TROUBLE, TROUBLE, TROUBLE], &[PASS], Verdict::Up),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[PASS], Verdict::Unknown),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[PASS, PASS], Verdict::Up),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[FAIL], Verdict::Down),
    ] {
        let mut server = Server::new(plan(), at(0));
        let health = run(&mut server, 10, before);
        assert_eq!(health.verdict, Verdict::Unknown);
        assert_eq!(
            run(&mut Server::restored(plan(), &health), 20, after).verdict,
            verdict,
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn another_plan_keeps_the_verdict_and_not_the_counters() {
    let other = Plan { thresholds: Thresholds::new(4, 4).unwrap(), ..plan() };
    let mut server = Server::new(plan(), at(0));
    run(&mut server, 10, &[PASS, FAIL, FAIL]);
    let mut changed = server.replanned(other.clone());
    assert_eq!((changed.verdict(), changed.health().since), (Verdict::Up, at(10)));
    assert_eq!(run(&mut changed, 20, &[FAIL, FAIL, FAIL]).verdict, Verdict::Up);
    assert_eq!(run(&mut changed, 20, &[FAIL]).verdict, Verdict::Down);
    let mut changed = changed.replanned(plan());
    assert_eq!(code(&changed.health()), "dns_servfail");
    assert_eq!(run(&mut changed, 30, &[PASS]).verdict, Verdict::Down);
    assert_eq!(run(&mut changed, 30, &[PASS]).verdict, Verdict::Up);
}
