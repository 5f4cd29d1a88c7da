//! Random histories of everything that decides: several checks with K of N and an advisory one, weights, damping, a dependency, probes
//! that are shared, sentinels. Owns a director without sockets: results come in as the daemon's loop hands them on.

use agent_api::CheckHead;
use proptest::prelude::*;

use super::*;
use crate::runner::Finished;
use crate::sentinels::Sentinels;

const CONFIG: &str = r#"
[checks]
sentinels = ["10.0.9.1:22"]
[[dependency]]
name = "router"
address = "10.0.9.2"
check.tcp = { port = 22, rise = 1, fall = 1 }
[[virtual_server]]
name = "p"
address = "10.9.9.9"
services = ["udp/53"]
check.require = 2
check.dns = { qname = "resolve.test", rise = 2, fall = 2, damping = "30s" }
check.tcp = { port = 53, rise = 1, fall = 3, latency_warn = "300ms", latency_max = "600ms" }
check.exec = { command = ["/c"], exit_codes = "weight", rise = 1, fall = 1 }
check.ping = { advisory = true }
[[virtual_server.real_server]]
name = "a"
address = "10.0.0.1"
parent = "router"
[[virtual_server.real_server]]
name = "b"
address = "10.0.0.2"
parent = "router"
[[virtual_server]]
name = "q"
address = "10.9.9.8"
services = ["udp/53"]
check.dns = { qname = "resolve.test", rise = 3, fall = 3, initial = "down" }
[[virtual_server.real_server]]
name = "a"
address = "10.0.0.1"
[[virtual_server.real_server]]
name = "c"
address = "10.0.0.3"
[[virtual_server.real_server]]
name = "d"
address = "10.0.0.4"
[[virtual_server.real_server]]
name = "e"
address = "10.0.0.5"
"#;

fn config() -> Config {
    parse(&[Source { path: "test.toml".into(), text: CONFIG.to_owned() }])
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// How a probe ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Passes,
    PassesSlowly,
    AsksFor(u32),
    Degraded,
    Fails,
    CantBeRun,
}

fn found(end: End) -> Finding {
    let passed = |ms| Finding::passed(Duration::from_millis(ms), "reply".to_owned());
    match end {
        End::Passes => passed(5),
        End::PassesSlowly => passed(400),
        End::AsksFor(weight) => Finding { weight: Some(weight), ..passed(5) },
        End::Degraded => Finding { verdict: Verdict::Degraded, cause: Some(Cause::ExecWarning), ..passed(5) },
        End::Fails => Finding::failed(Cause::DnsServfail, "seen".to_owned()),
        End::CantBeRun => Finding::failed(Cause::NoSocket, "none".to_owned()),
    }
}

/// What happens: which probe ends how, so many seconds after the last one, and whether a sentinel would answer then.
type Happening = (usize, End, i64, bool);

fn histories() -> impl Strategy<Value = Vec<Happening>> {
    use End::{AsksFor, CantBeRun, Degraded, Fails, Passes, PassesSlowly};
    let ends =
        vec![Passes, Passes, Passes, PassesSlowly, AsksFor(7), Degraded, Fails, Fails, Fails, CantBeRun];
    prop::collection::vec((0usize..64, prop::sample::select(ends), 1i64..8, prop::bool::weighted(0.7)), 0..50)
}

struct Director {
    pool: Pool,
    sentinels: Sentinels,
    blind_since: Option<Timestamp>,
}

impl Director {
    fn new(left: Option<&CheckSection>, second: i64) -> Self {
        let (config, head) = (config(), left.map(|left| &left.head));
        let pool = Pool::new(&config, left, 1, clock(second), time(second)).unwrap();
        let sentinels = Sentinels::new(&config.sentinels, head, clock(second));
        Self { pool, sentinels, blind_since: head.and_then(|head| head.blind_since) }
    }

    /// What it tells the agent, as it comes back from there.
    fn told(&self) -> CheckSection {
        let head = CheckHead {
            blind_since: self.blind_since,
            sentinels: self.sentinels.proven(),
            dependencies: self.pool.dependencies(),
            ..CheckHead::default()
        };
        let section = Section { items: self.pool.all(), head, ..CheckSection::default() };
        serde_json::from_str(&serde_json::to_string(&section).unwrap()).unwrap()
    }

    /// All of its probes, in the order of the configuration.
    fn tokens(&self) -> Vec<u64> {
        self.pool.entries.iter().flatten().map(|entry| entry.probe.to_bits()).collect()
    }

    /// Takes one result as the daemon's loop does, and lets the sentinels speak where it waits for them.
    fn take(&mut self, token: u64, finding: Finding, second: i64, seen: bool) -> Vec<Note> {
        let failed = finding.verdict == Verdict::Down;
        let finished = Finished { token, started: clock(second), finding };
        let servers = self.pool.failing(token, failed);
        let mut counted: Vec<Finished> =
            self.sentinels.take(finished, servers, clock(second)).into_iter().collect();
        for (sentinel, _) in self.sentinels.begin(clock(second)) {
            let finding =
                if seen { finding_of(None) } else { Finding::failed(Cause::TcpTimeout, String::new()) };
            let answer = Finished { token: sentinel, started: clock(second), finding };
            assert!(self.sentinels.take(answer, servers, clock(second)).is_none());
        }
        counted.extend(self.sentinels.released());
        let blind = self.sentinels.is_blind();
        self.blind_since = blind.then(|| self.blind_since.unwrap_or(time(second)));
        let count = |one: Finished| {
            self.pool.finished(one.token, one.started, &one.finding, clock(second), time(second))
        };
        counted.into_iter().flat_map(count).collect()
    }

    /// What is settled by each check of each server, and the weight that it asks for.
    fn settled(&self) -> Vec<(String, Verdict, Option<u32>)> {
        let mut all = Vec::new();
        for (id, health) in self.pool.all() {
            let mut add = |one: &RealServerHealth| {
                let settled = one.basis.as_ref().unwrap().settled;
                all.push((id.virtual_server.to_string(), settled, one.weight));
            };
            health.checks.iter().for_each(|check| add(&check.health));
            if health.checks.is_empty() {
                add(&health);
            }
        }
        all
    }

    fn is_failing(&self, dependency: &str) -> bool {
        let number = self.pool.numbers[&Key::Dependency(dependency.parse().unwrap())];
        let server = &self.pool.slots.get(number).unwrap().server;
        server.is_failing() || server.verdict() == Verdict::Down
    }
}

use super::finding as finding_of;

fn clock(second: i64) -> Time {
    at(second.unsigned_abs() * 1_000)
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// Without the marks of a former run.
fn proven(mut section: CheckSection) -> CheckSection {
    let all = section.items.values_mut().chain(section.head.dependencies.values_mut());
    for health in all {
        health.unconfirmed = 0;
        health.checks.iter_mut().for_each(|check| check.health.unconfirmed = 0);
    }
    section
}

#[test]
fn the_configuration_has_what_the_histories_are_about() {
    let director = Director::new(None, 0);
    // Four checks for each of two servers, the router, and three more; q/a shares the question of p/a.
    assert_eq!((director.tokens().len(), director.pool.all().len()), (12, 6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Restarts and reloads at any points: every decision is the same, and so is all that is told, also of a blind director and of those who
    /// depend on something.
    #[test]
    fn a_restart_at_any_point_changes_no_decision(
        history in histories(),
        restarts in prop::collection::btree_set(0usize..50, 0..6),
    ) {
        let (mut steady, mut restarted, mut second) = (Director::new(None, 0), Director::new(None, 0), 10);
        for (n, (which, end, passed, seen)) in history.into_iter().enumerate() {
            if restarts.contains(&n) {
                restarted = Director::new(Some(&restarted.told()), second);
                restarted.pool.reload(&config(), clock(second), time(second)).unwrap();
            }
            second += passed;
            let tokens = steady.tokens();
            prop_assert_eq!(tokens.len(), restarted.tokens().len());
            let which = which % tokens.len();
            let notes = steady.take(tokens[which], found(end), second, seen);
            let token = restarted.tokens()[which];
            prop_assert_eq!(notes, restarted.take(token, found(end), second, seen));
            prop_assert_eq!(proven(steady.told()), proven(restarted.told()));
            prop_assert_eq!(steady.pool.failing(u64::MAX, false), restarted.pool.failing(u64::MAX, false));
        }
    }

    /// While what they depend on fails, while this director is blind, and by what could not be run nobody goes down, and no weight that
    /// was asked for changes.
    #[test]
    fn what_says_nothing_of_a_server_does_nothing_to_it(history in histories()) {
        let (mut director, mut second) = (Director::new(None, 0), 10);
        for (which, end, passed, seen) in history {
            second += passed;
            let tokens = director.tokens();
            let (before, orphans) = (director.settled(), director.is_failing("router"));
            director.take(tokens[which % tokens.len()], found(end), second, seen);
            for (was, is) in before.into_iter().zip(director.settled()) {
                let (pool, settled, weight) = is;
                let says_nothing = end != End::Fails || director.sentinels.is_blind() || (orphans && pool == "p");
                let fell = settled == Verdict::Down && was.1 != Verdict::Down;
                prop_assert!(!(fell && says_nothing), "{} {:?} became {:?}", pool, was, settled);
                prop_assert!(weight == was.2 || !matches!(end, End::Fails | End::CantBeRun));
            }
        }
    }

    /// Results of different servers that come in together, in any order: the same decisions. The router's and the sentinels' are none of them,
    /// for what the others mean depends on those.
    #[test]
    fn the_order_of_independent_results_is_of_no_matter(
        rounds in prop::collection::vec((prop::collection::vec(0usize..5, 12), any::<u64>()), 1..12),
    ) {
        use End::{AsksFor, Degraded, Fails, Passes, CantBeRun};
        let (mut one, mut other) = (Director::new(None, 0), Director::new(None, 0));
        let router = one.pool.entries.iter().flatten().position(|entry| {
            entry.work.target.server().ip().to_string() == "10.0.9.2"
        }).unwrap();
        for (n, (ends, shuffle)) in rounds.into_iter().enumerate() {
            let second = 10 + 3 * n as i64;
            let tokens = one.tokens();
            let mut order: Vec<usize> = (0..tokens.len()).filter(|which| *which != router).collect();
            let ends: Vec<End> =
                ends.into_iter().map(|end| [Passes, AsksFor(3), Degraded, Fails, CantBeRun][end]).collect();
            for &which in &order {
                one.take(tokens[which], found(ends[which]), second, true);
            }
            order.sort_by_key(|which| (*which as u64 + 1).wrapping_mul(shuffle | 1) % 1_009);
            for &which in &order {
                other.take(tokens[which], found(ends[which]), second, true);
            }
            let mut told = [one.told(), other.told()];
            for health in told.iter_mut().flat_map(|section| section.items.values_mut()) {
                // Whether one of several checks was down for an instant while another came back depends on the order.
                if !health.checks.is_empty() {
                    (health.since, health.returned) = (time(0), None);
                }
            }
            prop_assert_eq!(&told[0].items, &told[1].items);
        }
    }
}
