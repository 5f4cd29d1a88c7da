//! `holdfast drain` and `holdfast undrain`.

use agent_api::Verdict;
use serde_json::json;

use crate::fake::{Fake, Manner};
use crate::{healthy, holdfast, run, state, stderr, stdout};

/// All three up and none drained.
fn three_up() -> agent_api::State {
    let mut state = state();
    state.orders.drains.clear();
    for health in state.checkd.items.values_mut() {
        health.verdict = Verdict::Up;
        health.cause = None;
    }
    for report in state.lvsd.items.values_mut() {
        for to in report.destinations.values_mut() {
            to.weight = 100;
        }
    }
    state
}

#[test]
fn an_order_is_passed_on_and_said() {
    let fake = Fake::start(three_up(), Manner::Well);
    let output = holdfast()
        .arg("--socket")
        .arg(fake.socket())
        .args(["drain", "resolver/dns1", "--why", "kernel update", "--for", "1h 30m"])
        .env("SUDO_USER", "alice")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        fake.orders(),
        [json!({
            "virtual_server": "resolver", "real_server": "dns1", "why": "kernel update", "for_seconds": 5400,
            "on_behalf_of": "alice"
        })]
    );
    let said = stdout(&output);
    assert!(said.starts_with("resolver/dns1 is drained by root (alice) since "), "{said}");
    assert!(said.contains(", until "), "{said}");
    assert!(said.contains(": kernel update\n"), "{said}");
    assert!(said.ends_with("  end it with: holdfast undrain resolver/dns1\n"), "{said}");

    let output = run(&fake.socket(), &["drain", "dns1", "--virtual-server", "resolver"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("until somebody ends it"), "{}", stdout(&output));
    assert!(stdout(&output).contains("replaces the order"), "{}", stdout(&output));
}

#[test]
fn a_pool_is_not_emptied_without_force() {
    // dns2 is down and dns3 drained: dns1 is all there is.
    let fake = Fake::start(state(), Manner::Well);
    for arguments in [
        &["drain", "dns1"][..],
        &["drain", "resolver/dns1"],
        &["drain", "dns1", "--virtual-server", "resolver"],
    ] {
        let output = run(&fake.socket(), arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains(
                "would leave resolver without any server: dns2 is down (dns_timeout), dns3 is drained"
            ),
            "{said}"
        );
        assert!(said.contains("--force"), "{said}");
    }
    assert!(fake.orders().is_empty(), "nothing was ordered");
    let output = run(&fake.socket(), &["drain", "dns1", "--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fake.orders().len(), 1);
}

#[test]
fn draining_one_that_is_not_needed_is_no_trouble() {
    // dns1 still serves.
    let fake = Fake::start(state(), Manner::Well);
    let output = run(&fake.socket(), &["drain", "dns2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("out of the kernel's table already"), "{}", stderr(&output));
}

#[test]
fn what_is_not_known_does_not_count_as_serving() {
    let mut blind = three_up();
    for (id, health) in &mut blind.checkd.items {
        if id.real_server.as_str() != "dns1" {
            health.verdict = Verdict::Unknown;
        }
    }
    // As long as the kernel has them they serve.
    let fake = Fake::start(blind.clone(), Manner::Well);
    assert_eq!(run(&fake.socket(), &["drain", "dns1"]).status.code(), Some(0));
    blind.lvsd.items.values_mut().for_each(|report| report.destinations.clear());
    let fake = Fake::start(blind, Manner::Well);
    assert_eq!(run(&fake.socket(), &["drain", "dns1"]).status.code(), Some(1));
}

#[test]
fn refusals_are_said_in_plain_words() {
    for (error, parameters, word) in [
        (
            "PermissionDenied",
            json!({ "user": "nobody", "action": "drain", "remedy": "only root may" }),
            "user nobody may not drain: only root may",
        ),
        ("NoSuchRealServer", json!({ "target": "dns9", "suggestion": "dns1" }), "did you mean dns1?"),
        ("NotSaved", json!({ "detail": "no space left on device" }), "not in force: no space left"),
        ("Refused", json!({ "detail": "bad \u{1b}[2J" }), "bad \\u{1b}[2J"),
    ] {
        let fake = Fake::start(three_up(), Manner::Refuses(error, parameters));
        let output = run(&fake.socket(), &["drain", "dns1"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{error}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(!stderr(&output).contains('\u{1b}'));
    }
}

#[test]
fn without_an_agent_there_is_no_order() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["drain", "dns1"][..], &["drain", "dns1", "--force"], &["undrain", "dns1"]] {
        let output = run(&folder.path().join("no.sock"), arguments);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        assert!(stderr(&output).contains("systemctl status holdfast-agentd"), "{}", stderr(&output));
    }
}

#[test]
fn contradictions_and_novels_are_misuse() {
    let fake = Fake::start(three_up(), Manner::Well);
    let output = run(&fake.socket(), &["drain", "resolver/dns1", "--virtual-server", "mail"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("contradict"));
    let output = run(&fake.socket(), &["drain", "dns1", "--why", &"x".repeat(501)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(fake.orders().is_empty());
}

#[test]
fn a_kernel_out_of_reach_is_said() {
    let mut state = three_up();
    state.lvsd.connected = false;
    let fake = Fake::start(state, Manner::Well);
    let output = run(&fake.socket(), &["drain", "dns1"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("lvsd is not connected"), "{}", stderr(&output));
}

#[test]
fn undrain_ends_and_says_what_is_left() {
    let mut both = healthy();
    let mut wide = both.orders.drains[0].clone();
    wide.target.virtual_server = None;
    both.orders.drains.push(wide);
    let fake = Fake::start(both, Manner::Well);
    let output = run(&fake.socket(), &["undrain", "resolver/dns3"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("resolver/dns3 is not drained any more\n"), "{}", stdout(&output));
    assert!(
        stderr(&output).contains("the order for dns3 still drains it; end that with: holdfast undrain dns3")
    );

    let output = run(&fake.socket(), &["undrain", "resolver/dns3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("resolver/dns3 is not drained\n"), "{}", stderr(&output));
    assert!(stderr(&output).contains("holdfast undrain dns3"), "{}", stderr(&output));
    assert_eq!(run(&fake.socket(), &["undrain", "dns3"]).status.code(), Some(0));
    assert_eq!(run(&fake.socket(), &["undrain", "dns3"]).status.code(), Some(1));
}
