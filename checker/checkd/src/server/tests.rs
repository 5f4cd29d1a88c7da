use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{Class, DnsCheck, Question, RecordType};
use checker_core::{Pace, Thresholds};
use checker_probe::Target;
use proptest::prelude::*;

use super::*;
use crate::work::{Kind, Work};

fn plan(names: &[(&str, bool)], require: u32) -> ServerPlan {
    let one = |(index, (name, advisory)): (usize, &(&str, bool))| {
        let question =
            Question::new(format!("q{index}.test").parse().unwrap(), RecordType::A, Class::IN).unwrap();
        let plan = Plan {
            work: Arc::new(Work {
                target: Target::new("10.0.0.1:53".parse().unwrap(), None).unwrap(),
                kind: Kind::Dns(Arc::new(DnsCheck::new(question))),
            }),
            pace: Pace::steady(Duration::from_secs(1)),
            thresholds: Thresholds::new(2, 3).unwrap(),
            initial: Verdict::Unknown,
            damping: Duration::ZERO,
            latency: checker_core::LatencyLimits::default(),
        };
        CheckPlan { name: (*name).into(), advisory: *advisory, plan }
    };
    ServerPlan { checks: names.iter().enumerate().map(one).collect(), require }
}

const THREE: [(&str, bool); 3] = [("a", false), ("b", false), ("warns", true)];

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

fn run(server: &mut Server, index: usize, from: i64, results: &[Option<Cause>]) -> Vec<Seen> {
    let seen = results.iter().enumerate();
    seen.map(|(n, cause)| server.observe(index, &finding(*cause), at(from + n as i64))).collect()
}

fn told(health: &RealServerHealth) -> RealServerHealth {
    serde_json::from_str(&serde_json::to_string(health).unwrap()).unwrap()
}

#[test]
fn all_or_any_of_several_checks() {
    for (require, one_down) in [(2, Verdict::Down), (1, Verdict::Up)] {
        let mut server = Server::new(plan(&THREE, require), None, at(0));
        assert_eq!(server.verdict(), Verdict::Unknown);
        run(&mut server, 0, 1, &[PASS, PASS]);
        assert_eq!(server.verdict(), if require == 2 { Verdict::Unknown } else { Verdict::Up });
        run(&mut server, 1, 3, &[PASS, PASS]);
        assert_eq!(server.verdict(), Verdict::Up);
        assert!(!server.is_failing());
        run(&mut server, 1, 5, &[FAIL, FAIL, FAIL]);
        let health = server.health();
        assert_eq!(health.verdict, one_down);
        assert_eq!(server.is_failing(), one_down == Verdict::Down);
        if one_down == Verdict::Down {
            assert_eq!((health.detail.as_str(), health.since), ("check b: seen: dns_servfail", at(7)));
        } else {
            assert_eq!((health.cause, health.detail.as_str()), (None, ""));
        }
        let verdicts: Vec<_> =
            health.checks.iter().map(|one| (one.name.as_str(), one.advisory, one.health.verdict)).collect();
        let expected =
            [("a", false, Verdict::Up), ("b", false, Verdict::Down), ("warns", true, Verdict::Unknown)];
        assert_eq!(verdicts, expected);
        run(&mut server, 1, 10, &[PASS, PASS]);
        let health = server.health();
        assert_eq!(health.verdict, Verdict::Up);
        assert_eq!(health.returned, (require == 2).then(|| at(11)));
    }
}

#[test]
fn an_advisory_check_only_warns() {
    let mut server = Server::new(plan(&THREE, 2), None, at(0));
    run(&mut server, 0, 1, &[PASS]);
    run(&mut server, 1, 1, &[PASS]);
    let seen = run(&mut server, 2, 2, &[PASS, FAIL, FAIL, FAIL, FAIL, PASS, PASS]);
    assert!(seen.iter().all(|seen| seen.change.is_none()));
    let changes: Vec<_> = seen.iter().filter_map(|seen| seen.advisory).map(|change| change.to).collect();
    assert_eq!(changes, [Verdict::Up, Verdict::Down, Verdict::Up]);
    assert_eq!((server.verdict(), server.is_failing()), (Verdict::Up, false));
}

#[test]
fn the_least_weight_asked_for_is_heeded() {
    let mut server = Server::new(plan(&THREE, 2), None, at(0));
    let asks = |weight| Finding { weight, ..finding(PASS) };
    server.observe(0, &asks(Some(40)), at(1));
    server.observe(1, &asks(None), at(1));
    assert_eq!(server.health().weight, Some(40));
    assert!(server.observe(1, &asks(Some(7)), at(2)).news);
    server.observe(2, &asks(Some(1)), at(2));
    assert_eq!(server.health().weight, Some(7));
    // What can't be known or does not count yet changes no weight.
    run(&mut server, 1, 3, &[TROUBLE, FAIL]);
    assert_eq!(server.health().weight, Some(7));
    server.observe(1, &asks(None), at(9));
    assert_eq!(server.health().weight, Some(40));
    let again = Server::new(plan(&THREE, 2), Some(&told(&server.health())), at(10));
    assert_eq!(again.health().weight, Some(40));
}

#[test]
fn from_one_check_to_several_and_back() {
    let mut server = Server::new(plan(&THREE[..1], 1), None, at(0));
    run(&mut server, 0, 1, &[PASS, PASS]);
    let health = server.health();
    assert!(health.checks.is_empty() && health.basis.is_some());
    // What one check told counts for those that were not there before, until they know better.
    let more = Server::new(plan(&THREE, 2), Some(&told(&health)), at(10));
    assert_eq!((more.verdict(), more.health().since), (Verdict::Up, health.since));
    let less = Server::new(plan(&THREE[..1], 1), Some(&told(&more.health())), at(20));
    assert_eq!((less.verdict(), less.health().since), (Verdict::Up, health.since));
    // A reload that adds one that only warns changes nothing else.
    let two = [("a", false), ("warns", true)];
    let mut more = server.replanned(plan(&two, 1), at(30));
    assert_eq!((more.verdict(), more.health().since), (Verdict::Up, health.since));
    run(&mut more, 0, 31, &[FAIL, FAIL]);
    // And the counters go on.
    let mut less = more.replanned(plan(&two[..1], 1), at(40));
    assert_eq!(less.verdict(), Verdict::Up);
    run(&mut less, 0, 41, &[FAIL]);
    assert_eq!(less.verdict(), Verdict::Down);
}

/// Which check, and how its probe ended.
fn results() -> impl Strategy<Value = Vec<(usize, Option<Cause>)>> {
    let causes = vec![PASS, PASS, FAIL, FAIL, TROUBLE];
    prop::collection::vec((0usize..3, prop::sample::select(causes)), 0..40)
}

fn unmarked(mut health: RealServerHealth) -> RealServerHealth {
    health.unconfirmed = 0;
    health.checks.iter_mut().for_each(|check| check.health.unconfirmed = 0);
    health
}

proptest! {
    /// Results of different checks that arrive in another order come to the same, apart from when.
    #[test]
    fn the_order_of_independent_results_is_of_no_matter(results in results(), require in 1u32..3) {
        let mut one = Server::new(plan(&THREE, require), None, at(0));
        let mut other = Server::new(plan(&THREE, require), None, at(0));
        for (index, cause) in &results {
            one.observe(*index, &finding(*cause), at(1));
        }
        for wanted in [2, 0, 1] {
            for (index, cause) in results.iter().filter(|(index, _)| *index == wanted) {
                other.observe(*index, &finding(*cause), at(1));
            }
        }
        let (mut one, mut other) = (one.health(), other.health());
        // Whether it went down on the way there depends on the order, and so does when it last returned.
        (one.returned, other.returned) = (None, None);
        (one.since, other.since) = (at(1), at(1));
        prop_assert_eq!(one, other);
    }

    /// Restarts at any points, and reloads that change nothing: every decision is the same, and so is all that is told.
    #[test]
    fn a_restart_at_any_point_changes_nothing(
        results in results(),
        restarts in prop::collection::btree_set(0usize..40, 0..8),
        require in 1u32..3,
    ) {
        let mut steady = Server::new(plan(&THREE, require), None, at(0));
        let mut restarted = Server::new(plan(&THREE, require), None, at(0));
        for (n, (index, cause)) in results.iter().enumerate() {
            if restarts.contains(&n) {
                restarted = Server::new(plan(&THREE, require), Some(&told(&restarted.health())), at(n as i64));
                prop_assert!(restarted.has(&plan(&THREE, require)));
                restarted = restarted.replanned(plan(&THREE, require), at(n as i64));
            }
            let now = at(n as i64);
            let (one, other) =
                (steady.observe(*index, &finding(*cause), now), restarted.observe(*index, &finding(*cause), now));
            prop_assert_eq!((one.change, one.advisory), (other.change, other.advisory));
            prop_assert_eq!(steady.health(), unmarked(restarted.health()));
        }
    }

    /// What can't be judged takes nobody down, however many checks it befalls.
    #[test]
    fn trouble_at_our_own_end_ejects_nobody(results in results(), silence in 0usize..20, require in 1u32..3) {
        let mut server = Server::new(plan(&THREE, require), None, at(0));
        for (index, cause) in &results {
            server.observe(*index, &finding(*cause), at(1));
        }
        for n in 0..silence * 3 {
            let change = server.observe(n % 3, &finding(TROUBLE), at(2)).change;
            prop_assert!(change.is_none_or(|change| change.to == Verdict::Unknown || change.to < change.from), "{:?}", change);
        }
    }
}
