//! `check.ping` against the kernel's own replies, in a network namespace of its own: each test has a thread that is in one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod errand;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use checker_core::dns::Timeout;
use checker_core::ping::PingCheck;
use checker_core::{Cause, Finding, Verdict};
use checker_probe::{Errand, Prober, Settings, Target, clock};
use errand::{PATIENCE, SHORT, expect};
use nix::sched::{CloneFlags, unshare};

const EVERY_GROUP: &str = "0 2147483647";

/// Does this in a network namespace that ends with it. Threads that it starts are in there, too.
fn in_namespace(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("this test is run by root");
        ip("link set lo up");
        allow(EVERY_GROUP);
        work();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {words}");
}

/// 192.0.2.9: what goes there is never seen again.
fn a_host_that_is_silent() {
    ip("link add here type veth peer name there");
    ip("addr add 192.0.2.1/24 dev here");
    ip("link set here up");
    ip("link set there up");
    ip("neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev here nud permanent");
}

fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap();
}

fn allow(groups: &str) {
    sysctl("ping_group_range", groups);
}

fn check(count: u8, timeout: Duration) -> PingCheck {
    PingCheck {
        count,
        min_replies: 1,
        good_replies: 1,
        latency_warn: None,
        latency_max: None,
        size: 56,
        timeout: Timeout::new(timeout).unwrap(),
    }
}

fn errand(check: PingCheck) -> Errand {
    Errand::Ping(Arc::new(check))
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 0)
}

#[test]
fn a_host_answers_over_both_families() {
    in_namespace(|| {
        for address in ["127.0.0.1", "::1"] {
            let finding = expect(address, &errand(check(3, Duration::from_secs(2))), at(address), "up");
            assert!(finding.reply.starts_with("3 of 3 echo requests answered in 0."), "{finding:?}");
            assert!(finding.latency.is_some());
            // One that is answered ends it at once.
            expect(address, &errand(check(1, PATIENCE)), at(address), "up");
            let large = PingCheck { size: 1_400, ..check(1, PATIENCE) };
            expect("large", &errand(large), at(address), "up");
        }
    });
}

#[test]
fn slow_replies_and_missing_ones() {
    in_namespace(|| {
        let nothing = Some(Duration::from_nanos(1));
        let warned = PingCheck { latency_warn: nothing, ..check(1, PATIENCE) };
        let finding = expect("slow", &errand(warned.clone()), at("127.0.0.1"), "ping_slow");
        assert_eq!(finding.verdict, Verdict::Degraded);
        let finding = expect(
            "too slow",
            &errand(PingCheck { latency_max: nothing, ..warned }),
            at("127.0.0.1"),
            "ping_slow",
        );
        assert_eq!(finding.verdict, Verdict::Down);

        a_host_that_is_silent();
        let finding = expect("nobody", &errand(check(3, SHORT)), at("192.0.2.9"), "ping_timeout");
        assert_eq!(finding.detail, "no reply to 3 echo requests within 400 ms");
        assert_eq!(finding.verdict, Verdict::Down);

        // From the second request on nothing is answered.
        let some = PingCheck { min_replies: 1, good_replies: 4, ..check(4, Duration::from_secs(2)) };
        for (min_replies, verdict) in [(1, Verdict::Degraded), (4, Verdict::Down)] {
            sysctl("icmp_echo_ignore_all", "0");
            let (finding, seen) = interrupted(&PingCheck { min_replies, ..some.clone() });
            assert_eq!(finding.cause, Some(Cause::PingLoss), "{seen}: {finding:?}");
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.detail.contains(" of 4 echo requests were answered, expected 4"), "{finding:?}");
        }
    });
}

/// Runs a probe during which the host stops to answer.
fn interrupted(check: &PingCheck) -> (Finding, &'static str) {
    let mut prober = Prober::new(Settings::default()).unwrap();
    let begun = Instant::now();
    prober.start_errand(1, errand(check.clone()), Target::new(at("127.0.0.1"), None).unwrap());
    loop {
        assert!(prober.next_finished().is_none() && begun.elapsed() < PATIENCE);
        if let Some(ended) = prober.next_ended() {
            return (ended.finding, "ended");
        }
        prober.poll(clock::now() + Duration::from_millis(100)).unwrap();
        if begun.elapsed() > Duration::from_millis(200) {
            sysctl("icmp_echo_ignore_all", "1");
        }
    }
}

#[test]
fn without_leave_it_says_which_setting_forbids_it() {
    in_namespace(|| {
        // Not even root is in an empty range: no capability makes up for it.
        allow("1 0");
        for address in ["127.0.0.1", "::1"] {
            let finding = expect("forbidden", &errand(check(1, PATIENCE)), at(address), "ping_forbidden");
            assert_eq!(finding.verdict, Verdict::Unknown);
            assert!(finding.detail.contains("net.ipv4.ping_group_range"), "{finding:?}");
        }
        allow(EVERY_GROUP);
        let finding = expect("no route", &errand(check(1, PATIENCE)), at("198.51.100.1"), "net_unreachable");
        assert_eq!(finding.verdict, Verdict::Unknown);
    });
}

#[test]
fn a_host_that_is_not_there_is_told_by_the_network() {
    in_namespace(|| {
        ip("link add here type veth peer name there");
        ip("addr add 192.0.2.1/24 dev here");
        ip("link set here up");
        ip("link set there up");
        // Nobody answers ARP: after three seconds the kernel says so.
        let finding =
            expect("no such host", &errand(check(1, PATIENCE)), at("192.0.2.9"), "host_unreachable");
        assert_eq!(finding.verdict, Verdict::Down);
    });
}

#[test]
fn many_at_once_are_told_apart() {
    in_namespace(|| {
        let mut prober = Prober::new(Settings::default()).unwrap();
        let check =
            errand(PingCheck { min_replies: 2, good_replies: 2, ..check(2, Duration::from_secs(10)) });
        a_host_that_is_silent();
        let lost = errand(PingCheck { count: 1, min_replies: 1, good_replies: 1, ..self::check(1, SHORT) });
        for token in 0..300 {
            let (errand, address) = if token % 3 == 0 { (&lost, "192.0.2.9") } else { (&check, "127.0.0.1") };
            prober.start_errand(token, errand.clone(), Target::new(at(address), None).unwrap());
        }
        let begun = Instant::now();
        let mut ended = 0;
        while ended < 300 {
            assert!(prober.next_finished().is_none() && begun.elapsed() < 3 * PATIENCE);
            while let Some(over) = prober.next_ended() {
                ended += 1;
                let code = over.finding.cause.map_or("up", Cause::code);
                let wanted = if over.token % 3 == 0 { "ping_timeout" } else { "up" };
                assert!(code == wanted || code == "late_timer", "{}: {:?}", over.token, over.finding);
            }
            prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
        }
    });
}
