use checker_core::dns::{Class, DnsCheck, Question, RecordType};

use proptest::prelude::*;

use super::*;

fn plan() -> Plan {
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    Plan {
        work: Arc::new(Work {
            target: Target::new("10.0.0.1:53".parse().unwrap(), None).unwrap(),
            kind: Kind::Dns(Arc::new(DnsCheck::new(question))),
        }),
        pace: Pace::steady(Duration::from_secs(1)),
        thresholds: Thresholds::new(2, 3).unwrap(),
        initial: Verdict::Unknown,
        damping: Duration::ZERO,
        latency: LatencyLimits::default(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn finding(cause: Option<Cause>) -> Finding {
    match cause {
        None => Finding::passed(Duration::from_micros(250), "NOERROR".to_owned()),
        Some(cause) => Finding::failed(cause, format!("seen: {cause}")),
    }
}

const PASS: Option<Cause> = None;
const FAIL: Option<Cause> = Some(Cause::DnsServfail);
const TROUBLE: Option<Cause> = Some(Cause::NoSocket);

fn run(server: &mut Checked, from: i64, outcomes: &[Option<Cause>]) -> RealServerHealth {
    for (n, cause) in outcomes.iter().enumerate() {
        server.observe(&finding(*cause), at(from + n as i64));
    }
    server.health()
}

fn code(health: &RealServerHealth) -> &str {
    health.cause.as_ref().map_or("", CauseCode::as_str)
}

#[test]
fn a_new_server_is_not_probed_yet() {
    let health = Checked::new(plan(), at(5)).health();
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Unknown, "not_probed", at(5)));
    assert_eq!(health.address, "10.0.0.1:53".parse().unwrap());
}

#[test]
fn its_story_is_told() {
    let mut server = Checked::new(plan(), at(0));
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
    let mut server = Checked::new(plan(), at(0));
    let health = run(&mut server, 10, &[PASS, TROUBLE, TROUBLE]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Up, ""));
    let health = run(&mut server, 20, &[TROUBLE]);
    assert_eq!((health.verdict, code(&health), health.since), (Verdict::Unknown, "no_socket", at(20)));
    let health = run(&mut server, 30, &[FAIL]);
    assert_eq!((health.verdict, health.in_a_row), (Verdict::Up, 1));

    let mut new = Checked::new(plan(), at(0));
    let health = run(&mut new, 10, &[TROUBLE]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Unknown, "no_socket"));
    let health = run(&mut new, 20, &[FAIL]);
    assert_eq!((health.verdict, code(&health)), (Verdict::Unknown, "dns_servfail"));
}

/// What is told, sent through JSON as it goes to the agent and comes back.
fn told(health: &RealServerHealth) -> RealServerHealth {
    serde_json::from_str(&serde_json::to_string(health).unwrap()).unwrap()
}

/// The same without the mark of a former run.
fn proven(health: RealServerHealth) -> RealServerHealth {
    RealServerHealth { unconfirmed: 0, ..health }
}

#[test]
fn what_a_former_run_left_is_borne_out() {
    let mut up = Checked::new(plan(), at(0));
    let up = run(&mut up, 1, &[PASS, PASS, PASS]);
    let mut down = Checked::new(plan(), at(0));
    let down = run(&mut down, 1, &[FAIL, FAIL, FAIL]);
    assert_eq!((up.unconfirmed, down.unconfirmed), (0, 0));
    let restored = |health: &RealServerHealth, results: &[Option<Cause>]| {
        let mut server = Checked::restored(plan(), &told(health));
        let health = run(&mut server, 10, results);
        (health.verdict, health.unconfirmed)
    };
    assert_eq!(restored(&up, &[]), (Verdict::Up, 2));
    assert_eq!(restored(&up, &[PASS, TROUBLE]), (Verdict::Up, 1));
    assert_eq!(restored(&up, &[PASS, FAIL]), (Verdict::Up, 2));
    assert_eq!(restored(&up, &[PASS, FAIL, PASS, PASS]), (Verdict::Up, 0));
    assert_eq!(restored(&up, &[FAIL, FAIL, FAIL]), (Verdict::Down, 0));
    // Whoever fails one more probe is down; whoever passes is not put out before it is up again.
    assert_eq!(restored(&down, &[TROUBLE]), (Verdict::Down, 1));
    assert_eq!(restored(&down, &[FAIL]), (Verdict::Down, 0));
    assert_eq!(restored(&down, &[PASS]), (Verdict::Down, 1));
    assert_eq!(restored(&down, &[PASS, PASS]), (Verdict::Up, 0));
    // What is borne out is told.
    let mut server = Checked::restored(plan(), &told(&up));
    let news: Vec<bool> = (0..3).map(|n| server.observe(&finding(PASS), at(20 + n)).news).collect();
    assert_eq!(news, [false, true, false]);
}

#[test]
fn local_trouble_outlasts_a_restart_without_loss() {
    for before in
        [&[PASS, PASS, TROUBLE, TROUBLE, TROUBLE][..], &[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE, PASS]]
    {
        let mut server = Checked::new(plan(), at(0));
        let health = run(&mut server, 10, before);
        let mut again = Checked::restored(plan(), &told(&health));
        assert_eq!(proven(again.health()), health);
        for after in [&[FAIL, FAIL, FAIL][..], &[PASS, PASS]] {
            assert_eq!(proven(run(&mut again, 30, after)), run(&mut server, 30, after));
        }
    }
}

#[test]
fn a_failure_that_was_discarded_is_one_after_a_restart_too() {
    let mut server = Checked::new(plan(), at(0));
    let health = run(&mut server, 1, &[PASS, PASS, Some(Cause::DirectorBlind)]);
    assert_eq!((health.verdict, server.is_failing()), (Verdict::Up, true));
    let mut again = Checked::restored(plan(), &told(&health));
    assert!(again.is_failing());
    // And it is news when that is over.
    assert!(again.observe(&finding(PASS), at(9)).news && !again.is_failing());
}

#[test]
fn what_a_daemon_told_that_told_less_is_settled_with_care() {
    for (before, after, verdict) in [
        // It was up; one failure is not enough to take it down, nor one pass to bring back what may have been down.
        (&[PASS, PASS, TROUBLE, TROUBLE, TROUBLE][..], &[FAIL, FAIL][..], Verdict::Unknown),
        (&[PASS, PASS, TROUBLE, TROUBLE, TROUBLE], &[PASS], Verdict::Up),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[PASS], Verdict::Unknown),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[PASS, PASS], Verdict::Up),
        (&[FAIL, FAIL, FAIL, TROUBLE, TROUBLE, TROUBLE], &[FAIL], Verdict::Down),
    ] {
        let mut server = Checked::new(plan(), at(0));
        let health = RealServerHealth { basis: None, ..run(&mut server, 10, before) };
        assert_eq!(health.verdict, Verdict::Unknown);
        assert_eq!(
            run(&mut Checked::restored(plan(), &health), 20, after).verdict,
            verdict,
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn another_plan_keeps_the_verdict_and_not_the_counters() {
    let other = Plan { thresholds: Thresholds::new(4, 4).unwrap(), ..plan() };
    let mut server = Checked::new(plan(), at(0));
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

#[test]
fn an_interval_that_changes_keeps_the_counters() {
    let mut server = Checked::new(plan(), at(0));
    run(&mut server, 10, &[PASS, FAIL, FAIL]);
    let mut faster = server.replanned(Plan { pace: Pace::steady(Duration::from_millis(100)), ..plan() });
    assert_eq!(run(&mut faster, 20, &[FAIL]).verdict, Verdict::Down);
}

#[test]
fn what_it_counts_as_before_the_first_result() {
    let mut up = Checked::new(Plan { initial: Verdict::Up, ..plan() }, at(0));
    assert_eq!((up.verdict(), code(&up.health())), (Verdict::Up, ""));
    assert_eq!(run(&mut up, 10, &[FAIL, FAIL]).verdict, Verdict::Up);
    assert_eq!(run(&mut up, 20, &[FAIL]).verdict, Verdict::Down);
    let mut down = Checked::new(Plan { initial: Verdict::Down, ..plan() }, at(0));
    assert_eq!((down.verdict(), code(&down.health())), (Verdict::Down, "not_probed"));
    assert_eq!(run(&mut down, 10, &[PASS]).verdict, Verdict::Down);
    assert_eq!(run(&mut down, 20, &[PASS]).verdict, Verdict::Up);
    // Only the first time: afterwards it is as it was left.
    let left = told(&run(&mut up, 30, &[FAIL]));
    assert_eq!(Checked::restored(Plan { initial: Verdict::Up, ..plan() }, &left).verdict(), Verdict::Down);
}

#[test]
fn a_server_that_flaps_comes_back_more_slowly() {
    let plan = Plan { damping: Duration::from_secs(60), ..plan() };
    let mut server = Checked::new(plan.clone(), at(0));
    run(&mut server, 0, &[PASS]);
    // The first fall comes after a long time of service.
    run(&mut server, 1_000, &[FAIL, FAIL, FAIL]);
    let mut needed = Vec::new();
    let mut second = 2_000;
    for _ in 0..7 {
        let mut passes = 0;
        while server.verdict() != Verdict::Up {
            run(&mut server, second, &[PASS]);
            (passes, second) = (passes + 1, second + 1);
        }
        needed.push(passes);
        run(&mut server, second, &[FAIL, FAIL, FAIL]);
        second += 3;
        // A restart does not forgive.
        server = Checked::restored(plan.clone(), &told(&server.health()));
    }
    assert_eq!(needed, [2, 4, 8, 16, 32, 32, 32]);
    // A long time of service does.
    run(&mut server, second, &[PASS; 32]);
    run(&mut server, second + 1_000, &[FAIL, FAIL, FAIL]);
    assert_eq!(run(&mut server, second + 2_000, &[PASS, PASS]).verdict, Verdict::Up);
}

#[test]
fn only_news_is_news() {
    let mut server = Checked::new(plan(), at(0));
    let news: Vec<bool> = [PASS, PASS, PASS, PASS, FAIL, FAIL, FAIL, FAIL, FAIL, TROUBLE, TROUBLE]
        .iter()
        .enumerate()
        .map(|(n, cause)| server.observe(&finding(*cause), at(n as i64)).news)
        .collect();
    assert_eq!(news, [true, true, false, false, true, true, true, false, false, true, true]);
}

fn causes() -> impl Strategy<Value = Vec<Option<Cause>>> {
    let some = vec![PASS, PASS, FAIL, FAIL, Some(Cause::DnsTimeout), TROUBLE, Some(Cause::ExecWarning)];
    prop::collection::vec(prop::sample::select(some), 0..40)
}

fn found(cause: Option<Cause>) -> Finding {
    let finding = finding(cause);
    match cause {
        Some(Cause::ExecWarning) => Finding { verdict: Verdict::Degraded, ..finding },
        _ => finding,
    }
}

proptest! {
    /// Restarts at any points, and a reload that changes nothing: every decision is the same, and so is all that is told.
    #[test]
    fn a_restart_at_any_point_changes_nothing(
        history in causes(),
        restarts in prop::collection::btree_set(0usize..40, 0..8),
        damping in prop::sample::select(vec![0u64, 5]),
        rise in 1u64..4,
        fall in 1u64..4,
    ) {
        let thresholds = Thresholds::new(rise, fall).unwrap();
        let plan = Plan { thresholds, damping: Duration::from_secs(damping), ..plan() };
        let mut steady = Checked::new(plan.clone(), at(0));
        let mut restarted = Checked::new(plan.clone(), at(0));
        for (n, cause) in history.iter().enumerate() {
            if restarts.contains(&n) {
                restarted = Checked::restored(plan.clone(), &told(&restarted.health()));
                restarted = restarted.replanned(plan.clone());
            }
            let finding = found(*cause);
            let (one, other) = (steady.observe(&finding, at(n as i64)), restarted.observe(&finding, at(n as i64)));
            prop_assert_eq!(one.change, other.change);
            prop_assert_eq!(steady.health(), proven(restarted.health()));
            prop_assert_eq!(steady.interval(), restarted.interval());
        }
    }

    /// What can't be judged never makes a verdict worse, and what settled it before stays.
    #[test]
    fn trouble_at_our_own_end_ejects_nobody(history in causes(), silence in 1usize..20) {
        let mut server = Checked::new(plan(), at(0));
        for cause in &history {
            server.observe(&found(*cause), at(1));
        }
        let before = server.health();
        for _ in 0..silence {
            let change = server.observe(&finding(TROUBLE), at(2)).change;
            prop_assert!(change.is_none_or(|change| change.to == Verdict::Unknown));
        }
        let after = server.health();
        prop_assert_eq!(before.basis.unwrap().settled, after.basis.unwrap().settled);
        prop_assert!(after.verdict == before.verdict || after.verdict == Verdict::Unknown);
    }
}

#[test]
fn what_passes_too_slowly_is_degraded_or_fails() {
    let ms = |ms| Some(Duration::from_millis(ms));
    let plan = Plan { latency: LatencyLimits { warn: ms(100), max: ms(300) }, ..plan() };
    let mut checked = Checked::new(plan.clone(), at(0));
    let took = |latency| Finding::passed(Duration::from_millis(latency), "status 200".to_owned());
    checked.observe(&took(20), at(1));
    assert_eq!(checked.verdict(), Verdict::Up);
    for second in 2..5 {
        checked.observe(&took(150), at(second));
    }
    let health = checked.health();
    assert_eq!((health.verdict, health.cause), (Verdict::Degraded, Some(Cause::TooSlow.into())));
    assert!(health.detail.contains("150.0 ms"), "{}", health.detail);
    for second in 5..8 {
        checked.observe(&took(400), at(second));
    }
    assert_eq!(checked.verdict(), Verdict::Down);
    // Other limits are another check: the verdict stays, the counters start afresh.
    let other = checked.replanned(Plan { latency: LatencyLimits { warn: ms(100), max: None }, ..plan });
    assert_eq!((other.verdict(), other.standing.memory().away), (Verdict::Down, 0));
}
