use agent_api::config::{Source, parse};
use agent_api::section::Section;
use checker_core::Cause;
use checker_core::dns::Transport;

use super::*;

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

fn outcome(cause: Option<Cause>) -> Outcome {
    Outcome {
        verdict: cause.map_or(Verdict::Up, |cause| cause.blame().verdict()),
        cause,
        detail: String::new(),
        elapsed: Duration::from_millis(5),
        latency: None,
        attempts: 1,
        connect: None,
        strays: 0,
        transport: Transport::Udp,
        reply: None,
    }
}

/// Runs to `end`; every probe takes 10 ms and ends as `result` says for its server's last octet.
fn run(pool: &mut Pool, from: u64, end: u64, result: impl Fn(u8) -> Option<Cause>) -> usize {
    let mut probes = 0;
    let mut now = at(from);
    while now < at(end) {
        while let Some(start) = pool.poll_start(now) {
            let std::net::IpAddr::V4(ip) = start.target.server().ip() else { panic!("IPv4 only") };
            probes += 1;
            pool.finished(
                start.token,
                now,
                outcome(result(ip.octets()[3])),
                now + Duration::from_millis(10),
                stamp(),
            );
        }
        now = pool.deadline().unwrap_or(at(end)).max(now + Duration::from_millis(1));
    }
    probes
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
    assert!(pool.take_changed().is_empty());
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
    assert_eq!(pool.take_changed().len(), 3);
    run(&mut pool, 10_000, 20_000, second_is_sick);
    assert!(pool.take_changed().is_empty());
    run(&mut pool, 20_000, 21_200, |octet| {
        (octet == 1).then_some(Cause::DnsTimeout).or(second_is_sick(octet))
    });
    let changed = pool.take_changed();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].1.verdict, changed[0].1.passing), (Verdict::Up, false));
    pool.refresh();
    assert_eq!(pool.take_changed().len(), 3);
}

#[test]
fn a_restart_comes_back_into_the_state_it_left() {
    let config = config(THREE, "interval = \"1s\"");
    let mut before = pool(&config, None);
    run(&mut before, 0, 10_000, second_is_sick);
    let former = Section { items: before.all(), ..CheckSection::default() };
    let after = pool(&config, Some(&former));
    assert_eq!(after.all(), former.items);
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
    pool.take_changed();
    let before = pool.all();
    let reloaded = pool.reload(&config(THREE, "interval = \"1s\""), at(10_000), stamp()).unwrap();
    assert_eq!(reloaded, Reload { kept: 3, ..Reload::default() });
    assert_eq!(pool.all(), before);
    assert!(pool.take_changed().is_empty() && pool.take_removed().is_empty());

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
    let change = pool.finished(start.token, at(1_000), outcome(Some(Cause::DnsServfail)), at(1_010), stamp());
    assert_eq!(change, None);
    assert_eq!(pool.count(), [0, 0, 0, 1]);
    // And the probe of the present check is still due.
    assert!(pool.deadline().is_some());
}
