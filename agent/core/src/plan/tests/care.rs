//! How a pool as a whole is treated: limits of ejection, slow start, degraded weights, the sorry server, the quorum.

use super::*;

const POOL: &str = r#"
[[virtual_server]]
name = "resolver"
address = "10.0.0.1"
services = ["udp/53", "tcp/53"]
scheduler = "wrr"
KEYS
  [virtual_server.check.dns]
  qname = "resolve.test"
"#;

/// Four servers of weight 100, all up for long, in an empty kernel.
pub(super) fn case(keys: &str) -> Case {
    let mut text = POOL.replace("KEYS", keys);
    for (number, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let address = format!("10.1.0.{}", number + 1);
        text += &format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{address}\"\nweight = 100\n"
        );
    }
    let config =
        parse(&[Source { path: "t.toml".into(), text }]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let all = ["a", "b", "c", "d"].map(|name| (name, Verdict::Up, 1_000));
    Case { blueprint: Blueprint::of(&config).unwrap(), ..Case::new(0, &all) }
}

/// Makes the kernel's table what is wanted, and shows it.
pub(super) fn settle(case: &mut Case) -> String {
    let plan = case.plan();
    case.actual = plan.wanted.clone();
    case.quorum_lost = plan.quorum_lost;
    shown(&plan.wanted)
}

fn shown(table: &Table) -> String {
    let key = ServiceKey::new(Protocol::Udp, "10.0.0.1".parse().unwrap(), 53).unwrap();
    let name = |there: &Destination| match there.key.address.to_string().as_str() {
        "10.1.0.1" => "a",
        "10.1.0.2" => "b",
        "10.1.0.3" => "c",
        "10.1.0.4" => "d",
        _ => "sorry",
    };
    let all = table[&key].destinations.values();
    all.map(|there| format!("{}={}", name(there), there.weight)).collect::<Vec<_>>().join(" ")
}

pub(super) fn set(case: &mut Case, name: &str, change: impl FnOnce(&mut RealServerHealth)) {
    change(case.checks.as_mut().unwrap().items.get_mut(&id(name)).unwrap());
}

/// Sets a verdict that began so many seconds before now.
pub(super) fn judge(case: &mut Case, name: &str, verdict: Verdict, age: i64) {
    let since = case.now - SignedDuration::from_secs(age);
    set(case, name, |health| (health.verdict, health.since) = (verdict, since));
}

pub(super) fn later(case: &mut Case, seconds: i64) {
    case.now += SignedDuration::from_secs(seconds);
    case.checks.as_mut().unwrap().heard_at = Some(case.now);
}

#[test]
fn a_server_that_returns_starts_slowly() {
    let mut case = case("slow_start = \"100s\"");
    assert_eq!(settle(&mut case), "a=100 b=100 c=100 d=100", "nobody returned");
    let now = case.now;
    set(&mut case, "b", |health| health.returned = Some(now));
    let mut weights = Vec::new();
    for _ in 0..11 {
        weights.push(settle(&mut case).split(' ').nth(1).unwrap().to_owned());
        later(&mut case, 10);
    }
    let expected =
        ["10", "20", "30", "40", "50", "60", "70", "80", "90", "100", "100"].map(|w| format!("b={w}"));
    assert_eq!(weights, expected);
    // A clock that was set back ends it.
    let now = case.now;
    set(&mut case, "b", |health| health.returned = Some(now + SignedDuration::from_secs(500)));
    assert_eq!(settle(&mut case), "a=100 b=100 c=100 d=100");
}

#[test]
fn weights_that_checks_ask_for_and_those_of_the_degraded() {
    let mut case = case("degraded_weight = \"25%\"");
    set(&mut case, "a", |health| health.weight = Some(40));
    set(&mut case, "b", |health| health.verdict = Verdict::Degraded);
    set(&mut case, "c", |health| (health.verdict, health.weight) = (Verdict::Degraded, Some(1)));
    set(&mut case, "d", |health| health.weight = Some(0));
    assert_eq!(settle(&mut case), "a=40 b=25 c=1 d=0");
    // While they can't be judged, and when nobody tells any more, it stays so.
    for name in ["a", "b", "c", "d"] {
        set(&mut case, name, |health| health.verdict = Verdict::Unknown);
    }
    assert_eq!(settle(&mut case), "a=40 b=25 c=1 d=0");
    case.now += SignedDuration::from_secs(3_600);
    assert_eq!(settle(&mut case), "a=40 b=25 c=1 d=0");
}

#[test]
fn the_sorry_server_answers_only_while_nobody_else_does() {
    let mut case = case("sorry_server = { address = \"10.1.0.99\" }");
    // At first nothing is known: nobody is sorry yet.
    let known = case.checks.take();
    assert_eq!(settle(&mut case), "");
    case.checks = known;
    assert_eq!(settle(&mut case), "a=100 b=100 c=100 d=100");
    for name in ["a", "b", "c"] {
        judge(&mut case, name, Verdict::Down, 1);
    }
    assert_eq!(settle(&mut case), "d=100");
    judge(&mut case, "d", Verdict::Down, 1);
    let plan = case.plan();
    assert_eq!((shown(&plan.wanted).as_str(), plan.sorry.len()), ("sorry=1", 1));
    // It comes before the last one goes, and goes after the first one has come.
    let steps = |case: &Case, wanted: &Table| {
        let mut table = case.actual.clone();
        let edits = diff(wanted, &table, &BTreeSet::new()).into_vec();
        assert!(!edits.is_empty());
        for edit in edits {
            edit.apply_to(&mut table).unwrap();
            assert!(table.values().all(|entry| !entry.destinations.is_empty()), "empty after {edit}");
        }
        assert_eq!(table, *wanted);
    };
    steps(&case, &plan.wanted);
    settle(&mut case);
    // What can't be judged is no reason to let it go.
    for name in ["a", "b", "c", "d"] {
        judge(&mut case, name, Verdict::Unknown, 1);
    }
    assert_eq!(settle(&mut case), "sorry=1");
    judge(&mut case, "a", Verdict::Up, 1);
    let plan = case.plan();
    assert_eq!((shown(&plan.wanted).as_str(), plan.sorry.len()), ("a=100", 0));
    steps(&case, &plan.wanted);
    settle(&mut case);
    // All drained: they keep what they have, and new clients go to the sorry server.
    case.orders = Some(drains(&["a"]));
    assert_eq!(settle(&mut case), "a=0 sorry=1");
}

#[test]
fn so_many_at_once_and_no_more() {
    let mut case = case("ejection_rate = { servers = 1, per = \"10s\" }");
    settle(&mut case);
    for name in ["a", "b", "c"] {
        judge(&mut case, name, Verdict::Down, 0);
    }
    let plan = case.plan();
    assert_eq!(plan.fail_open.values().copied().collect::<Vec<_>>(), [2], "it is said");
    assert_eq!(plan.kept, [(id("a"), KeptBy::Rate), (id("b"), KeptBy::Rate)].into(), "of each");
    // Who stands last in the file goes first, as who falls first would.
    assert_eq!(settle(&mut case), "a=100 b=100 d=100");
    later(&mut case, 9);
    assert_eq!(settle(&mut case), "a=100 b=100 d=100");
    later(&mut case, 1);
    assert_eq!(settle(&mut case), "a=100 d=100");
    later(&mut case, 10);
    assert_eq!(settle(&mut case), "d=100");
    assert!(case.plan().fail_open.is_empty());
    // Who is out stays out: that it may not be put out now is no reason to let it in.
    judge(&mut case, "a", Verdict::Down, 0);
    judge(&mut case, "b", Verdict::Down, 0);
    judge(&mut case, "c", Verdict::Down, 0);
    assert_eq!(settle(&mut case), "d=100");
}

#[test]
fn the_largest_share_that_goes() {
    let mut case = case("max_ejected = \"50%\"");
    settle(&mut case);
    for (age, name) in ["a", "b", "c"].iter().enumerate() {
        judge(&mut case, name, Verdict::Down, age as i64);
    }
    assert_eq!(case.plan().kept, [(id("a"), KeptBy::Share)].into(), "and it is said");
    assert_eq!(settle(&mut case), "a=100 d=100", "who fell last stays");
}

#[test]
fn the_quorum_is_lost_late_and_regained_late() {
    let mut case = case("quorum = 2\nquorum_hysteresis = 1");
    settle(&mut case);
    let mut lost = Vec::new();
    for (name, verdict) in [
        ("a", Verdict::Down),
        ("b", Verdict::Down),
        ("c", Verdict::Down),
        ("d", Verdict::Unknown),
        ("d", Verdict::Down),
        ("d", Verdict::Up),
        ("c", Verdict::Up),
        ("b", Verdict::Up),
        ("b", Verdict::Down),
    ] {
        judge(&mut case, name, verdict, 1);
        settle(&mut case);
        lost.push(!case.quorum_lost.is_empty());
    }
    assert_eq!(lost, [false, false, false, false, true, true, true, false, false]);
}
