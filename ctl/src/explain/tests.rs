use agent_api::RealServerId;
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// A state with one server, in the table with weight 100 where `inside`.
fn state(health: serde_json::Value, inside: bool) -> State {
    let destinations =
        if inside { json!({ "10.0.0.1:53": { "real_server": "a", "weight": 100 } }) } else { json!({}) };
    let mut state = State::new("boot".into(), now());
    state.checkd = serde_json::from_value(json!({
        "connected": true, "heard_at": now(), "items": { "p/a": health }
    }))
    .unwrap();
    state.lvsd = serde_json::from_value(json!({
        "connected": true, "heard_at": now(),
        "head": { "kernel": { "status": "present", "version": "1.2.1" } },
        "items": { "udp/10.9.9.9:53": {
            "virtual_server": "p", "scheduler": "wrr", "quorum": 1, "destinations": destinations
        } }
    }))
    .unwrap();
    state
}

fn health(verdict: &str, cause: Option<&str>, basis: serde_json::Value) -> serde_json::Value {
    let mut all = json!({
        "settled": verdict, "away": 0, "toward": verdict, "silent": 0,
        "check": "asks for resolve.test A over udp, expects NOERROR",
        "rise": 2, "fall": 3, "interval_ms": 2000, "timeout_ms": 500
    });
    for (key, value) in basis.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({
        "verdict": verdict, "since": "2026-11-20T11:55:00Z", "address": "10.0.0.1:53", "cause": cause,
        "detail": if cause.is_some() { "seen\u{1b}[2J" } else { "" }, "in_a_row": 3,
        "passing": cause.is_none(), "basis": all
    })
}

fn text(state: &State) -> String {
    let view = View::of(state, now());
    let target = agent_api::DrainTarget { virtual_server: None, real_server: "a".parse().unwrap() };
    let style = Style { width: 500, height: None, colours: false, zone: TimeZone::UTC };
    let all = explanations(state, &view, &target);
    assert_eq!(all.len(), 1);
    let text = render(&all[0], &style);
    assert!(text.chars().all(|c| c == '\n' || !crate::text::is_unsafe(c)), "{text:?}");
    text
}

/// Every line is in the text.
fn says(state: &State, lines: &[&str]) {
    let text = text(state);
    for line in lines {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn a_server_that_is_well() {
    let runs = json!([{
        "verdict": "up", "count": 150, "since": "2026-11-20T11:55:00Z", "until": "2026-11-20T12:00:00Z",
        "latency_us": 310, "fastest_us": 290, "slowest_us": 1200,
        "reply": "NOERROR aa rd, 1 answer, 62 octets over udp"
    }]);
    says(
        &state(health("up", None, json!({ "runs": runs })), true),
        &[
            "p/a  is in: up for 5m",
            "it is up since 2026-11-20 11:55:00 UTC (5m ago)",
            "3 failures in a row take it down",
            "asks for resolve.test A over udp, expects NOERROR at 10.0.0.1:53",
            "at present every 2000 ms, each probe for at most 500 ms; rise = 2, fall = 3",
            "udp/10.9.9.9:53 goes to 10.0.0.1:53 with weight 100",
            "11-20 11:55:00 to 11-20 12:00:00: passed 150 times; 0.29 ms to 1.20 ms; NOERROR aa rd, 1 answer",
        ],
    );
}

#[test]
fn a_server_that_is_about_to_fall() {
    says(
        &state(health("up", None, json!({ "away": 2, "toward": "down" })), true),
        &["2 failures in a row speak for down; fall = 3 of them make it so", "1 more failure takes it down"],
    );
}

#[test]
fn a_server_that_is_down_and_coming_back() {
    let basis = json!({ "away": 1, "toward": "up", "rise": 4, "falls": 1 });
    says(
        &state(health("down", Some("dns_servfail"), basis), false),
        &[
            "p/a  is out: down for 5m",
            "cause dns_servfail: seen\\u{1b}[2J",
            "The server answered SERVFAIL",
            "1 pass speaks for up; rise = 4 of them make it so",
            "it fell again soon after its return 1 time",
            "3 passed probes in a row bring it up",
        ],
    );
}

#[test]
fn trouble_at_our_own_end() {
    says(
        &state(health("unknown", Some("no_socket"), json!({ "settled": "down", "silent": 3 })), false),
        &[
            "its latest probes could not be run, which says nothing about it: down is what was settled before",
            "unknown is not down: the kernel's table is held as it is",
            "one probe that can be run shows it as down again",
        ],
    );
}

#[test]
fn old_news() {
    let mut old = state(health("up", None, json!({})), true);
    old.checkd.heard_at = Some("2026-11-20T11:50:00Z".parse().unwrap());
    says(
        &old,
        &[
            "checkd was last heard 10m ago, so its verdict counts as unknown",
            "it was up since",
            "checkd reports again",
        ],
    );
}

#[test]
fn drained_and_kept() {
    let mut drained = state(health("up", None, json!({})), true);
    drained.orders = serde_json::from_value(json!({ "drains": [{
        "real_server": "a", "who": "root (alice)", "why": "kernel update", "since": "2026-11-20T11:00:00Z",
        "until": "2026-11-20T13:00:00Z"
    }] }))
    .unwrap();
    says(
        &drained,
        &[
            "p/a  is in: drained by root (alice)",
            "root (alice) drained a 1h ago (kernel update), for 1h more",
            "holdfast undrain a ends the drain; otherwise it ends by itself",
        ],
    );
    let mut kept = state(health("down", Some("dns_timeout"), json!({})), true);
    for service in kept.lvsd.items.values_mut() {
        service.fail_open = true;
    }
    says(
        &kept,
        &[
            "p/a  is in: down, but min_serving or max_ejected keeps it",
            "p fails open",
            "This one is kept by min_serving",
        ],
    );
}

#[test]
fn a_daemon_that_tells_less_is_explained_as_far_as_it_goes() {
    let mut plain = state(health("down", Some("dns_timeout"), json!({})), false);
    let id: RealServerId = "p/a".parse().unwrap();
    plain.checkd.items.get_mut(&id).unwrap().basis = None;
    says(&plain, &["p/a  is out: down for 5m", "failures in a row: 3 or more"]);
    plain.checkd.items.clear();
    let view = View::of(&plain, now());
    let target = agent_api::DrainTarget { virtual_server: None, real_server: "a".parse().unwrap() };
    assert!(explanations(&plain, &view, &target).is_empty());
}

#[test]
fn several_checks_are_told_one_by_one() {
    let one = health("up", None, json!({}));
    let mut sick =
        health("down", Some("dns_servfail"), json!({ "check": "asks for zone.test SOA over udp" }));
    sick["detail"] = json!("answered SERVFAIL");
    let mut all = health("down", Some("dns_servfail"), json!({}));
    all.as_object_mut().unwrap().remove("basis");
    all["weight"] = json!(7);
    all["unconfirmed"] = json!(1);
    all["require"] = json!(2);
    let mut load = one.clone();
    load["address"] = json!("10.0.0.1:0");
    all["checks"] = json!([
        { "name": "dns", "health": one.clone() },
        { "name": "zone", "health": sick },
        { "name": "load", "advisory": true, "health": load },
    ]);
    let mut any = all.clone();
    (any["verdict"], any["require"], any["cause"]) = (json!("up"), json!(1), json!(null));
    says(&state(any, true), &["it goes down when 2 of its 2 checks that count are down; 1 is now"]);
    says(
        &state(all, false),
        &[
            "check dns is up for 5m",
            "check zone is down for 5m: dns_servfail: answered SERVFAIL",
            "check load, which only warns, is up for 5m",
            "its checks ask for weight 7 in place of the configured one",
            "it takes 1 more result to bear it out",
            "checks that count: 2, of which 2 must pass; that only warn: 1",
            "it comes up when 2 of its 2 checks that count pass; 1 passes now",
            "check dns: 3 failures in a row take it down",
            "check zone: 2 passed probes in a row bring it up",
            "zone: asks for zone.test SOA over udp at 10.0.0.1:53; rise = 2, fall = 3",
            "load: asks for resolve.test A over udp, expects NOERROR at 10.0.0.1; rise = 2, fall = 3",
        ],
    );
}

/// Its destination is in the kernel with this weight where 100 are configured, and `kept` keeps it there.
fn weighed(health: serde_json::Value, weight: u32, kept: Option<&str>) -> State {
    let mut state = state(health, true);
    let service = state.lvsd.items.values_mut().next().unwrap();
    service.fail_open = kept.is_some();
    let to = service.destinations.values_mut().next().unwrap();
    (to.weight, to.configured) = (weight, (weight != 100).then_some(100));
    to.kept = kept.map(|kept| serde_json::from_value(json!(kept)).unwrap());
    state
}

#[test]
fn which_limit_keeps_it() {
    let down = || health("down", Some("dns_timeout"), json!({}));
    says(
        &weighed(down(), 100, Some("rate")),
        &["down, but ejection_rate lets it go later", "This one goes when its turn comes by ejection_rate"],
    );
    says(&weighed(down(), 100, Some("share")), &["This one is kept by min_serving or max_ejected"]);
    says(&weighed(down(), 100, None), &["it should be out of the table and is still there"]);
    says(&state(health("up", None, json!({})), false), &["it should be in the table and is not"]);
}

#[test]
fn why_it_has_another_weight() {
    let mut returned = health("up", None, json!({}));
    returned["returned"] = json!("2026-11-20T11:59:00Z");
    says(
        &weighed(returned.clone(), 30, None),
        &["its weight is 30, 100 is configured: slow_start, since it came back 1m ago"],
    );
    returned["weight"] = json!(40);
    says(&weighed(returned, 40, None), &["its weight is 40, 100 is configured: its checks ask for 40\n"]);
    let degraded = health("degraded", Some("exec_warning"), json!({}));
    says(
        &weighed(degraded, 50, None),
        &["its weight is 50, 100 is configured: degraded_weight, while it is degraded"],
    );
}

#[test]
fn what_ends_not_knowing() {
    let unknown = |cause| health("unknown", Some(cause), json!({ "settled": "up", "silent": 3 }));
    for (cause, line) in [
        ("parent_down", "what it depends on works again"),
        ("director_blind", "a sentinel answers again, or most real servers do"),
        ("no_socket", "the trouble is at this director's own end"),
    ] {
        says(&state(unknown(cause), true), &[line, "its latest probes could not be run"]);
    }
}
