use agent_api::RealServerHealth;
use agent_api::config::{Source, parse};
use agent_api::section::Section;
use checker_core::Cause;

use super::*;

mod histories;
mod reloads;

fn config(servers: &[(&str, &str)], check: &str) -> Config {
    let mut text = format!(
        "[[virtual_server]]\nname = \"p\"\naddress = \"10.9.9.9\"\nservices = [\"udp/53\"]\nscheduler = \"wrr\"\n\
         [virtual_server.check.dns]\nqname = \"resolve.test\"\n{check}\n"
    );
    for (name, address) in servers {
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{address}\"\n"
        ));
    }
    parse(&[Source { path: "test.toml".into(), text }]).unwrap()
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn stamp() -> Timestamp {
    Timestamp::from_second(1_000_000).unwrap()
}

fn pool(config: &Config, former: Option<&CheckSection>) -> Pool {
    Pool::new(config, former, 1, at(0), stamp()).unwrap()
}

fn finding(cause: Option<Cause>) -> Finding {
    match cause {
        None => Finding::passed(Duration::from_millis(5), String::new()),
        Some(cause) => Finding::failed(cause, String::new()),
    }
}

/// Runs to `end`; every probe takes 10 ms and ends as `result` says for its server's last octet.
fn run(pool: &mut Pool, from: u64, end: u64, result: impl Fn(u8) -> Option<Cause>) -> usize {
    let mut probes = 0;
    let mut now = at(from);
    while now < at(end) {
        while let Some(start) = pool.poll_start(now) {
            let std::net::IpAddr::V4(ip) = start.work.target.server().ip() else { panic!("IPv4 only") };
            probes += 1;
            pool.finished(
                start.token,
                now,
                &finding(result(ip.octets()[3])),
                now + Duration::from_millis(10),
                stamp(),
            );
        }
        now = pool.deadline().unwrap_or(at(end)).max(now + Duration::from_millis(1));
    }
    probes
}

/// When the probes of the only server begin from `from` to `end`, each over after `takes`.
fn begun(pool: &mut Pool, from: u64, end: u64, takes: u64, cause: Option<Cause>) -> Vec<u64> {
    let (mut begun, mut now) = (Vec::new(), at(from));
    while now < at(end) {
        while let Some(start) = pool.poll_start(now) {
            begun.push(now.as_nanos() / 1_000_000);
            let over = now + Duration::from_millis(takes);
            pool.finished(start.token, now, &finding(cause), over, stamp());
        }
        now = pool.deadline().unwrap_or(at(end)).max(now + Duration::from_millis(1));
    }
    begun
}

#[test]
fn what_fails_at_once_is_asked_again_soon_and_what_is_silent_as_soon_as_it_is_over() {
    let sick = "interval = \"1s\"\ntimeout = \"400ms\"\nfast_interval = \"50ms\"\nfall = 3";
    for (takes, cause, gaps) in [(1, Cause::DnsServfail, 45..=51), (400, Cause::DnsTimeout, 400..=401)] {
        let mut pool = pool(&config(&THREE[..1], sick), None);
        run(&mut pool, 0, 10_000, |_| None);
        let asked = begun(&mut pool, 10_000, 20_000, takes, Some(cause));
        assert!((10_000..11_000).contains(&asked[0]), "{asked:?}");
        let pause = |n: usize| asked[n + 1] - asked[n];
        assert!(gaps.contains(&pause(0)) && gaps.contains(&pause(1)), "{asked:?}");
        // It is down now, and there is no haste any more.
        assert!((900..=1_000).contains(&pause(2)), "{asked:?}");
        assert_eq!(verdicts(&pool), [("a".to_owned(), Verdict::Down)]);
    }
}

/// Every report that is out of date.
fn news(pool: &mut Pool) -> Vec<(RealServerId, RealServerHealth)> {
    pool.take_changed(usize::MAX).0
}

fn verdicts(pool: &Pool) -> Vec<(String, Verdict)> {
    pool.all().into_iter().map(|(id, health)| (id.real_server.to_string(), health.verdict)).collect()
}

const THREE: &[(&str, &str)] = &[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")];

fn second_is_sick(octet: u8) -> Option<Cause> {
    (octet == 2).then_some(Cause::DnsServfail)
}

#[test]
fn every_server_is_probed_and_judged() {
    let mut pool = pool(&config(THREE, "interval = \"1s\""), None);
    assert_eq!(news(&mut pool).len(), 3);
    // Ten seconds at nine to ten tenths of a second: ten to twelve probes each.
    let probes = run(&mut pool, 0, 10_000, second_is_sick);
    assert!((28..=36).contains(&probes), "{probes}");
    let expected = [("a", Verdict::Up), ("b", Verdict::Down), ("c", Verdict::Up)];
    assert_eq!(verdicts(&pool), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
    assert_eq!(pool.count(), [2, 0, 1, 0]);
}

#[test]
fn only_what_changes_is_reported() {
    let mut pool = pool(&config(THREE, "interval = \"1s\""), None);
    run(&mut pool, 0, 10_000, second_is_sick);
    assert_eq!(news(&mut pool).len(), 3);
    run(&mut pool, 10_000, 20_000, second_is_sick);
    assert!(news(&mut pool).is_empty());
    run(&mut pool, 20_000, 21_200, |octet| {
        (octet == 1).then_some(Cause::DnsTimeout).or(second_is_sick(octet))
    });
    let changed = news(&mut pool);
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].1.verdict, changed[0].1.passing), (Verdict::Up, false));
    pool.refresh();
    assert_eq!(news(&mut pool).len(), 3);
}

#[test]
fn everything_is_reported_in_lots_and_what_changes_meanwhile_goes_out_as_it_is_then() {
    let mut pool = pool(&config(THREE, "interval = \"1s\""), None);
    run(&mut pool, 0, 10_000, |_| None);
    news(&mut pool);
    pool.want_all();
    let (first, unfinished) = pool.take_changed(2);
    assert!(unfinished && first.len() == 2 && pool.has_news());
    // All three fail before the rest is taken: the first two are told again, the third once.
    run(&mut pool, 10_000, 20_000, |_| Some(Cause::DnsTimeout));
    let (second, unfinished) = pool.take_changed(1);
    assert!(!unfinished, "the third makes it complete");
    assert_eq!((second.len(), second[0].1.verdict), (1, Verdict::Down));
    assert_eq!((news(&mut pool).len(), pool.has_news()), (2, false));
    // Nobody who wants everything while nothing is new waits for ever.
    pool.want_all();
    pool.want_all();
    assert_eq!((pool.take_changed(3).0.len(), pool.has_news()), (3, false));
}

#[test]
fn a_restart_comes_back_into_the_state_it_left() {
    let config = config(THREE, "interval = \"1s\"");
    let mut before = pool(&config, None);
    run(&mut before, 0, 10_000, second_is_sick);
    let former = Section { items: before.all(), ..CheckSection::default() };
    let after = pool(&config, Some(&former));
    let mut all = after.all();
    // Until this run has borne it out, what the former run left is marked.
    let marks: Vec<u32> = all.values_mut().map(|health| std::mem::take(&mut health.unconfirmed)).collect();
    assert_eq!(marks, [2, 1, 2]);
    assert_eq!(all, former.items);
    // Another address is another server, of which nothing is known.
    let moved = self::config(&[("a", "10.0.0.1"), ("b", "10.0.0.9")], "interval = \"1s\"");
    let after = pool(&moved, Some(&former));
    let expected = [("a", Verdict::Up), ("b", Verdict::Unknown)];
    assert_eq!(verdicts(&after), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
}

#[test]
fn a_reload_disturbs_only_what_it_changes() {
    let mut pool = pool(&config(THREE, "interval = \"1s\""), None);
    run(&mut pool, 0, 10_000, second_is_sick);
    news(&mut pool);
    let before = pool.all();
    let reloaded = pool.reload(&config(THREE, "interval = \"1s\""), at(10_000), stamp()).unwrap();
    assert_eq!(reloaded, Reload { kept: 3, ..Reload::default() });
    assert_eq!(pool.all(), before);
    assert!(news(&mut pool).is_empty() && pool.take_removed().is_empty());

    let other = config(&[("a", "10.0.0.1"), ("c", "10.0.0.33"), ("d", "10.0.0.4")], "interval = \"1s\"");
    let reloaded = pool.reload(&other, at(10_000), stamp()).unwrap();
    assert_eq!(reloaded, Reload { kept: 1, changed: 1, added: 1, removed: 1 });
    let expected = [("a", Verdict::Up), ("c", Verdict::Unknown), ("d", Verdict::Unknown)];
    assert_eq!(verdicts(&pool), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
    assert_eq!(pool.take_removed().iter().map(ToString::to_string).collect::<Vec<_>>(), ["p/b"]);
    run(&mut pool, 10_000, 12_000, second_is_sick);
    assert_eq!(pool.count(), [3, 0, 0, 0]);
}

#[test]
fn a_changed_check_keeps_the_verdict() {
    let mut pool = pool(&config(THREE, "interval = \"1s\""), None);
    run(&mut pool, 0, 10_000, second_is_sick);
    let reloaded = pool
        .reload(&config(THREE, "interval = \"500ms\"\ntimeout = \"250ms\""), at(10_000), stamp())
        .unwrap();
    assert_eq!(reloaded, Reload { changed: 3, ..Reload::default() });
    assert_eq!(pool.count(), [2, 0, 1, 0]);
    let probes = run(&mut pool, 10_000, 20_000, second_is_sick);
    assert!((58..=70).contains(&probes), "{probes}");
}

#[test]
fn the_outcome_of_a_former_check_changes_nothing() {
    let mut pool = pool(&config(&[("a", "10.0.0.1")], "interval = \"1s\"\nfall = 1"), None);
    let start = pool.poll_start(at(1_000)).unwrap();
    pool.reload(
        &config(&[("a", "10.0.0.1")], "interval = \"1s\"\nfall = 1\nexpect_rcode = [\"REFUSED\"]"),
        at(1_000),
        stamp(),
    )
    .unwrap();
    let changes =
        pool.finished(start.token, at(1_000), &finding(Some(Cause::DnsServfail)), at(1_010), stamp());
    assert!(changes.is_empty());
    assert_eq!(pool.count(), [0, 0, 0, 1]);
    // And the probe of the present check is still due.
    assert!(pool.deadline().is_some());
}

/// Two virtual servers with the same machines behind them; the second with other keys in its check.
fn twice(more: &str) -> Config {
    let mut text = String::new();
    for (name, address, more) in [("p", "10.9.9.9", ""), ("q", "10.9.9.8", more)] {
        text.push_str(&format!(
            "[[virtual_server]]\nname = \"{name}\"\naddress = \"{address}\"\nservices = [\"udp/53\"]\n\
             [virtual_server.check.dns]\nqname = \"resolve.test\"\n{more}\n"
        ));
        for (name, address) in THREE {
            text.push_str(&format!(
                "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{address}\"\n"
            ));
        }
    }
    parse(&[Source { path: "test.toml".into(), text }]).unwrap()
}

#[test]
fn equal_checks_of_one_server_run_once() {
    let mut shared = pool(&twice(""), None);
    assert_eq!((shared.probes(), shared.all().len()), (3, 6));
    let probes = run(&mut shared, 0, 10_000, second_is_sick);
    assert!(probes <= 20, "{probes}");
    assert_eq!(shared.count(), [4, 0, 2, 0]);
    // Another question, another pace: another probe. Thresholds alone are no other question.
    for (more, probes) in [
        ("rise = 5\nfall = 7", 3),
        ("interval = \"5s\"", 6),
        ("qname = \"a.test\"", 6),
        ("expect_rcode = [\"REFUSED\"]", 6),
    ] {
        let config = match more.strip_prefix("qname") {
            Some(_) => twice("qtype = \"AAAA\""),
            None => twice(more),
        };
        assert_eq!(pool(&config, None).probes(), probes, "{more}");
    }
}

#[test]
fn each_judges_the_shared_probe_by_its_own_thresholds() {
    let mut shared = pool(&twice("fall = 1"), None);
    assert_eq!(shared.probes(), 3);
    run(&mut shared, 0, 2_000, |_| None);
    assert_eq!(shared.count(), [6, 0, 0, 0]);
    run(&mut shared, 2_000, 4_000, second_is_sick);
    let down: Vec<String> = shared
        .all()
        .into_iter()
        .filter(|(_, health)| health.verdict == Verdict::Down)
        .map(|(id, _)| id.to_string())
        .collect();
    assert_eq!(down, ["q/b"]);
}

#[test]
fn a_reload_parts_and_joins_probes() {
    let mut pool = pool(&twice(""), None);
    run(&mut pool, 0, 10_000, second_is_sick);
    let before = pool.all();
    pool.reload(&twice("interval = \"4s\""), at(10_000), stamp()).unwrap();
    assert_eq!(pool.probes(), 6);
    assert_eq!(pool.count(), [4, 0, 2, 0]);
    pool.reload(&twice(""), at(10_000), stamp()).unwrap();
    assert_eq!((pool.probes(), pool.all()), (3, before));
    pool.reload(&config(THREE, ""), at(10_000), stamp()).unwrap();
    assert_eq!((pool.probes(), pool.all().len()), (3, 3));
    let probes = run(&mut pool, 10_000, 20_000, second_is_sick);
    assert!((13..=20).contains(&probes), "{probes}");
}

#[test]
fn a_verdict_that_may_change_is_looked_at_faster() {
    let text = "interval = \"2s\"\nfast_interval = \"200ms\"\ntimeout = \"100ms\"\nrise = 3\nfall = 4";
    let mut pool = pool(&config(&[("b", "10.0.0.2")], text), None);
    run(&mut pool, 0, 10_000, |_| None);
    let mut now = 10_000;
    while pool.count() != [0, 0, 1, 0] {
        run(&mut pool, now, now + 10, second_is_sick);
        now += 10;
    }
    // The first failure within one interval, the other three fast.
    assert!(now <= 10_000 + 2_000 + 3 * 200 + 50, "{now}");
    let sick = run(&mut pool, now, now + 20_000, second_is_sick);
    assert!((9..=12).contains(&sick), "{sick}");
    let well = now + 20_000;
    now = well;
    while pool.count() != [1, 0, 0, 0] {
        run(&mut pool, now, now + 10, |_| None);
        now += 10;
    }
    assert!(now <= well + 2_000 + 2 * 200 + 50, "{}", now - well);
}

#[test]
fn a_server_that_stays_down_is_asked_less_and_less() {
    let text = "interval = \"1s\"\ndown_interval = \"16s\"\ntimeout = \"100ms\"";
    let mut pool = pool(&config(&[("b", "10.0.0.2")], text), None);
    let early = run(&mut pool, 0, 10_000, second_is_sick);
    let late = run(&mut pool, 100_000, 260_000, second_is_sick);
    assert!(early >= 7 && (9..=13).contains(&late), "{early}, {late}");
    // Once it passes it is asked as often as ever.
    run(&mut pool, 260_000, 280_000, |_| None);
    assert_eq!(pool.count(), [1, 0, 0, 0]);
}

#[test]
fn the_count_of_failing_servers_is_right() {
    let mut pool = pool(&twice(""), None);
    assert_eq!(pool.failing(u64::MAX, true), (6, 0));
    run(&mut pool, 0, 10_000, second_is_sick);
    assert_eq!(pool.failing(u64::MAX, true), (6, 2));
    // One probe for two servers: all that it would add.
    let mut counts = Vec::new();
    while let Some(start) = pool.poll_start(at(12_000)) {
        counts.push(pool.failing(start.token, true).1);
        let cause = second_is_sick(if counts.last() == Some(&2) { 2 } else { 1 });
        pool.finished(start.token, at(12_000), &finding(cause), at(12_000), stamp());
    }
    counts.sort_unstable();
    assert_eq!(counts, [2, 4, 4]);
    pool.reload(&config(THREE, ""), at(10_000), stamp()).unwrap();
    assert_eq!(pool.failing(u64::MAX, true), (3, 1));
    run(&mut pool, 10_000, 20_000, |_| None);
    assert_eq!(pool.failing(u64::MAX, true), (3, 0));
    // What a blind director discards is a failure still, and what it could not even try is none.
    run(&mut pool, 20_000, 30_000, |octet| (octet == 2).then_some(Cause::NetUnreachable));
    assert_eq!(pool.failing(u64::MAX, true), (3, 0));
    run(&mut pool, 30_000, 40_000, |octet| (octet == 2).then_some(Cause::DirectorBlind));
    assert_eq!(pool.failing(u64::MAX, true), (3, 1));
    // Only a failure is one more.
    while let Some(start) = pool.poll_start(at(42_000)) {
        assert_eq!(pool.failing(start.token, false), (3, 1));
        pool.finished(start.token, at(42_000), &finding(None), at(42_000), stamp());
        if pool.failing(u64::MAX, false) == (3, 0) {
            return;
        }
    }
    panic!("what passed still fails");
}

/// Runs for two seconds as the loop does; every probe is over at once. Returns how many probes began with each wake-up.
fn bursts(servers: usize) -> Vec<usize> {
    let named: Vec<(String, String)> =
        (0..servers).map(|n| (format!("s{n}"), format!("10.1.{}.{}", n >> 8, n & 255))).collect();
    let named: Vec<(&str, &str)> =
        named.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
    let mut pool = pool(&config(&named, "interval = \"1s\""), None);
    let (mut now, mut bursts) = (at(0), Vec::new());
    while now < at(2_000) {
        let mut burst = 0;
        while let Some(start) = pool.poll_start(now) {
            assert_eq!(start.late, Duration::ZERO);
            pool.finished(start.token, now, &finding(None), now, stamp());
            burst += 1;
        }
        bursts.push(burst);
        now = pool.deadline().unwrap();
    }
    bursts
}

#[test]
fn probes_share_wake_ups_and_bursts_are_bounded() {
    // 40 ms are the most that a probe is early.
    let few = bursts(1_000);
    assert!((40..=54).contains(&few.len()), "{} wake-ups in two seconds", few.len());
    assert!(few.iter().sum::<usize>() >= 2_000, "{few:?}");
    let many = bursts(6_000);
    // 200 are meant; they are spread at random, and the first second's last ones meet with the next second's first.
    assert!(many.iter().all(|burst| *burst < 450), "{many:?}");
    assert!((55..=70).contains(&many.len()), "{} wake-ups in two seconds", many.len());
    assert!(many.iter().sum::<usize>() >= 12_000, "{many:?}");
}
