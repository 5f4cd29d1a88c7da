//! Virtual routers: status, explain, takeover and yield.

use agent_api::{RouterReport, RouterState, State};
use serde_json::json;

use crate::fake::{Fake, Manner};
use crate::{healthy, run, stderr, stdout};

/// A state with a virtual router that is Backup, and another machine that is Active.
fn with_router() -> State {
    let mut state = healthy();
    let now = jiff::Timestamp::now();
    let report: RouterReport = serde_json::from_value(json!({
        "kind": "vrrp", "state": "backup", "since": now, "why": "other_is_not_worse",
        "detail": "192.0.2.2 is active with priority 150, which is not below ours",
        "interface": "eth0", "vrid": 51, "addresses": ["192.0.2.53", "192.0.2.54"], "held": [],
        "base_priority": 100, "priority": 50, "interval_ms": 1000,
        "parts": [{ "what": "interface eth1", "seen": "bad", "adds": -50, "forbids": false }],
        "active": { "source": "192.0.2.2", "priority": 150, "interval_ms": 1000, "heard_at": now },
        "transitions": [
            { "at": now, "from": "initialize", "to": "backup", "reason": "started", "detail": "it began\u{1b}[31m" },
            { "at": now, "from": "backup", "to": "active", "reason": "active_left", "detail": "the other left" },
        ],
        "changes": 2,
        "senders": [{
            "source": "192.0.2.2", "heard_at": now, "accepted": 7, "rejected": 3, "priority": 150,
            "interval_ms": 1000, "last_rejection": "hop_limit",
        }],
        "discrepancies": [],
        "rejected": { "hop_limit": 3 },
    }))
    .unwrap();
    state.vipd.items.insert("vip".parse().unwrap(), report);
    state.vipd.heard_at = Some(now);
    state.vipd.connected = true;
    state.vipd.reporter = state.lvsd.reporter.clone();
    state
}

#[test]
fn status_has_a_row_and_explain_the_rest() {
    let fake = Fake::start(with_router(), Manner::Well);
    let said = stdout(&run(&fake.socket(), &["status"]));
    for words in
        ["virtual routers", "backup", "50 (of 100)", "0 of 2", "192.0.2.2", "which is not below ours"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let output = run(&fake.socket(), &["explain", "vip"]);
    let said = stdout(&output);
    for words in [
        "backup on this machine",
        "(other_is_not_worse)",
        "50, configured 100",
        "interface eth1: bad: -50",
        "by VRRP, VRID 51, on eth0",
        "192.0.2.54: not here",
        "backup to active: the other left (active_left)",
        "every 1000 ms, 7 taken",
        "(last: hop_limit)",
        "hop_limit: 3",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "what comes from elsewhere is harmless");
    let newest = said.find("the other left").unwrap();
    assert!(newest < said.find("it began").unwrap(), "newest first");
    assert_eq!(output.status.code(), Some(0), "a backup is well");
    let output = run(&fake.socket(), &["explain", "vip", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["name"], &json["state"], &json["fresh"]),
        (&json!("vip"), &json!("backup"), &json!(true))
    );
    let output = run(&fake.socket(), &["status", "vip", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["virtual_routers"][0]["vrid"], 51);
    assert_eq!(json["virtual_servers"], json!([]));
}

#[test]
fn one_that_takes_no_part_is_a_warning_and_old_news_are_unknown() {
    let mut state = with_router();
    let router = state.vipd.items.values_mut().next().unwrap();
    router.state = RouterState::Initialize;
    router.detail = "the interface is down".into();
    let fake = Fake::start(state.clone(), Manner::Well);
    let output = run(&fake.socket(), &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("vip takes no part: the interface is down"), "{}", stdout(&output));
    assert_eq!(run(&fake.socket(), &["explain", "vip"]).status.code(), Some(1));
    state.vipd.heard_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60));
    state.vipd.connected = false;
    let fake = Fake::start(state, Manner::Well);
    let said = stdout(&run(&fake.socket(), &["status"]));
    assert!(said.contains("vipd was last heard") && said.contains("unknown (was initialize)"), "{said}");
    assert!(stdout(&run(&fake.socket(), &["explain", "vip"])).contains("this is old"));
}

#[test]
fn takeover_and_yield_are_passed_on_said_and_ended() {
    let fake = Fake::start(with_router(), Manner::Well);
    let output = run(&fake.socket(), &["takeover", "vip", "--for", "1h", "--why", "kernel update"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        fake.orders(),
        [json!({ "virtual_router": "vip", "what": "takeover", "why": "kernel update", "for_seconds": 3600 })]
    );
    let said = stdout(&output);
    assert!(said.starts_with("vip shall be active on this machine\n  the order holds until 2"), "{said}");
    assert!(said.ends_with("  end it with: holdfast takeover vip --end\n"), "{said}");
    let said = stdout(&run(&fake.socket(), &["status"]));
    assert!(said.contains("takeover by root until 2") && said.contains(": kernel update"), "{said}");
    let said = stdout(&run(&fake.socket(), &["explain", "vip"]));
    assert!(said.contains("vipd does not follow that order yet"), "{said}");
    // The other order is not ended by mistake.
    let output = run(&fake.socket(), &["yield", "vip", "--end"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("holdfast takeover vip --end"), "{}", stderr(&output));
    let output = run(&fake.socket(), &["takeover", "vip", "--end"]);
    assert!(stdout(&output).starts_with("vip goes by its priority again\n"), "{}", stdout(&output));
    let output = run(&fake.socket(), &["takeover", "vip", "--end"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("vip is under no order"), "{}", stderr(&output));
    let said = stdout(&run(&fake.socket(), &["yield", "vip"]));
    assert!(said.contains("until somebody ends it"), "{said}");
    assert_eq!(run(&fake.socket(), &["yield", "vip", "--end", "--why", "x"]).status.code(), Some(2));
}

#[test]
fn without_vipd_an_order_says_that_nothing_moves() {
    let fake = Fake::start(healthy(), Manner::Well);
    let output = run(&fake.socket(), &["yield", "vip"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("vipd is not connected: nothing moves"), "{}", stderr(&output));
    let output = run(&fake.socket(), &["explain", "vip"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no real server or virtual router vip is known"), "{}", stderr(&output));
}
