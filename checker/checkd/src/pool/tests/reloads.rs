//! What a reload disturbs, and what it leaves as it is.

use super::*;

/// Two servers with two checks each, of which `b` has begun to fail.
const BASE: &str = r#"
[[virtual_server]]
name = "p"
address = "10.9.9.9"
services = ["udp/53"]
scheduler = "wrr"
check.dns = { qname = "resolve.test", interval = "1s", timeout = "500ms", fall = 100 }
check.tcp = { port = 53, fall = 100, latency_max = "400ms" }
[[virtual_server.real_server]]
name = "a"
address = "10.0.0.1"
[[virtual_server.real_server]]
name = "b"
address = "10.0.0.2"
"#;

fn read(text: &str) -> Config {
    parse(&[Source { path: "test.toml".into(), text: text.to_owned() }])
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The failures that each check of `b` has counted, by its name.
fn counted(pool: &Pool) -> Vec<(String, u32, Verdict)> {
    let all = pool.all();
    let (_, health) = all.iter().find(|(_, health)| health.address.ip().to_string() == "10.0.0.2").unwrap();
    let told =
        |name: &str, one: &RealServerHealth| (name.to_owned(), one.basis.as_ref().unwrap().away, one.verdict);
    let mut counted: Vec<_> = health.checks.iter().map(|one| told(&one.name, &one.health)).collect();
    counted.sort();
    counted
}

/// The probes as the schedule knows them.
fn places(pool: &Pool) -> BTreeSet<ProbeId> {
    pool.entries.iter().flatten().map(|entry| entry.probe).collect()
}

/// What becomes of the counters of the two checks, and how many probes keep their place in the schedule.
#[derive(Debug, PartialEq)]
struct Left {
    reload: Reload,
    dns: bool,
    tcp: bool,
    probes: usize,
}

fn reloaded(texts: &[String]) -> Left {
    let mut pool = pool(&read(BASE), None);
    run(&mut pool, 0, 10_000, |_| None);
    run(&mut pool, 10_000, 16_000, second_is_sick);
    let (before, probes) = (counted(&pool), places(&pool));
    assert!(before.iter().all(|(_, away, _)| *away > 1), "{before:?}");
    let mut reload = Reload::default();
    for text in texts {
        reload = pool.reload(&read(text), at(16_000), stamp()).unwrap();
    }
    let after = counted(&pool);
    assert!(after.iter().all(|(name, _, verdict)| name == "warns" || *verdict == Verdict::Up), "{after:?}");
    let kept = |index: usize| after.iter().any(|(_, away, _)| *away == before[index].1);
    let kept =
        Left { reload, dns: kept(0), tcp: kept(1), probes: places(&pool).intersection(&probes).count() };
    // And all of them are asked on.
    let mut asked = BTreeSet::new();
    while let Some(start) = pool.poll_start(at(60_000)) {
        asked.insert(start.token);
    }
    assert_eq!(asked.len(), places(&pool).len());
    kept
}

#[test]
fn what_did_not_change_is_not_disturbed() {
    let swap = |from: &str, to: &str| {
        assert!(BASE.contains(from), "{from}");
        BASE.replace(from, to)
    };
    let kept = Reload { kept: 2, ..Reload::default() };
    let changed = Reload { changed: 2, ..Reload::default() };
    let renamed = |number| Reload { added: number, removed: number, kept: 2 - number, changed: 0 };
    let lines: Vec<&str> = BASE.lines().collect();
    let mut turned = lines.clone();
    turned.swap(6, 7);
    let both = "check.tcp = { port = 53, fall = 100, latency_max = \"400ms\" }";
    let dns = "qname = \"resolve.test\", interval = \"1s\"";
    for (what, text, reload, counters, probes) in [
        ("nothing", BASE.to_owned(), kept, (true, true), 4),
        ("a comment", swap("name = \"a\"", "# the first\nname   =   'a'"), kept, (true, true), 4),
        (
            "a weight",
            swap("address = \"10.0.0.2\"", "address = \"10.0.0.2\"\nweight = 7"),
            kept,
            (true, true),
            4,
        ),
        ("a scheduler", swap("\"wrr\"", "\"sh\""), kept, (true, true), 4),
        ("the order of checks", turned.join("\n"), kept, (true, true), 4),
        (
            "an own table that says the same",
            swap("address = \"10.0.0.2\"", "address = \"10.0.0.2\"\ncheck.dns.timeout = \"500ms\""),
            kept,
            (true, true),
            4,
        ),
        (
            "one more that warns",
            swap(both, &format!("{both}\ncheck.ping = {{ name = \"warns\", advisory = true }}")),
            changed,
            (true, true),
            4,
        ),
        ("how many must pass", swap(both, &format!("{both}\ncheck.require = 1")), changed, (true, true), 4),
        (
            "the name of a check",
            swap("check.tcp = {", "check.tcp = { name = \"other\","),
            changed,
            (true, true),
            4,
        ),
        ("the name of a real server", swap("\"b\"", "\"z\""), renamed(1), (true, true), 4),
        ("the name of the virtual server", swap("name = \"p\"", "name = \"z\""), renamed(2), (true, true), 4),
        ("an interval", swap("interval = \"1s\"", "interval = \"2s\""), changed, (true, true), 2),
        ("damping", swap(dns, &format!("{dns}, damping = \"1m\"")), changed, (true, true), 4),
        ("a threshold", swap("\"500ms\", fall = 100", "\"500ms\", fall = 99"), changed, (false, true), 4),
        ("a question", swap("resolve.test", "other.test"), changed, (false, true), 2),
        ("a limit of latency", swap("\"400ms\"", "\"300ms\""), changed, (true, false), 4),
    ] {
        let left = Left { reload, dns: counters.0, tcp: counters.1, probes };
        assert_eq!(reloaded(std::slice::from_ref(&text)), left, "{what}");
        // There and back again in two reloads: what was kept is kept still.
        if counters == (true, true) {
            let back = reloaded(&[text, BASE.to_owned()]);
            assert_eq!((back.dns, back.tcp), counters, "{what}, and back");
        }
    }
}

#[test]
fn who_was_taken_out_is_new_when_it_comes_back() {
    let without = BASE.split("[[virtual_server.real_server]]\nname = \"b\"").next().unwrap();
    let mut pool = pool(&read(BASE), None);
    run(&mut pool, 0, 10_000, |_| None);
    pool.reload(&read(without), at(10_000), stamp()).unwrap();
    assert_eq!(pool.take_removed().len(), 1);
    let reload = pool.reload(&read(BASE), at(10_000), stamp()).unwrap();
    assert_eq!(reload, Reload { kept: 1, added: 1, ..Reload::default() });
    let expected = [("a", Verdict::Up), ("b", Verdict::Unknown)];
    assert_eq!(verdicts(&pool), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
}

/// A probe that is under way when the file is read counts for the check that it was begun for.
#[test]
fn a_probe_under_way_counts_after_a_reload_that_did_not_change_it() {
    let mut pool = pool(&read(BASE), None);
    let start = pool.poll_start(at(1_000)).unwrap();
    let text = BASE.replace("check.tcp", "check.ping = { advisory = true }\ncheck.tcp");
    pool.reload(&read(&text), at(1_000), stamp()).unwrap();
    pool.finished(start.token, at(1_000), &finding(None), at(1_010), stamp());
    let passed =
        pool.all().into_values().flat_map(|health| health.checks).filter(|check| check.health.passing);
    assert_eq!(passed.count(), 1);
}
