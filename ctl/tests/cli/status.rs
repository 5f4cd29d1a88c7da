//! `holdfast status` and `holdfast check-config`.

use std::fs;
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::fake::{Fake, Manner};
use crate::{healthy, holdfast, run, state, stderr, stdout};

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stdout(output)))
}

#[test]
fn exit_code_says_whether_all_is_well() {
    let fake = Fake::start(healthy(), Manner::Well);
    let output = run(&fake.socket(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(
        stdout(&output).starts_with("holdfast: ok\n\nresolver  ok  2 of 2 up, 1 drained\n"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stderr(&output), "");

    let fake = Fake::start(state(), Manner::Well);
    let output = run(&fake.socket(), &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("holdfast: warning\n  resolver/dns2 is down: dns_timeout: "));
    assert!(!stdout(&output).contains('\u{1b}'), "a pipe gets no colour");
}

#[test]
fn socket_comes_from_the_environment_too() {
    let fake = Fake::start(healthy(), Manner::Well);
    let output = holdfast().arg("status").env("HOLDFAST_SOCKET", fake.socket()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn json_is_what_scripts_read() {
    let fake = Fake::start(state(), Manner::Well);
    let output = run(&fake.socket(), &["status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json = json_of(&output);
    assert_eq!(
        (&json["schema"], &json["status"], &json["source"]),
        (&json!(1), &json!("warning"), &json!("agent"))
    );
    let dns2 = &json["virtual_servers"][0]["real_servers"][1];
    assert_eq!(dns2["name"], "dns2");
    assert_eq!(
        (&dns2["verdict"], &dns2["cause"], &dns2["in_table"]),
        (&json!("down"), &json!("dns_timeout"), &json!("no"))
    );
}

#[test]
fn a_name_picks_and_a_wrong_one_is_said() {
    let fake = Fake::start(state(), Manner::Well);
    let output = run(&fake.socket(), &["status", "dns1", "--json"]);
    assert_eq!(output.status.code(), Some(0), "dns1 is well: {}", stdout(&output));
    assert_eq!(json_of(&output)["virtual_servers"][0]["real_servers"].as_array().unwrap().len(), 1);

    let output = run(&fake.socket(), &["status", "resolvr"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "holdfast: no virtual or real server resolvr is known; did you mean resolver?\n"
    );
    assert_eq!(run(&fake.socket(), &["status", "a/b/c"]).status.code(), Some(2));
}

#[test]
fn without_an_agent_the_state_file_is_shown_and_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    fs::write(&file, include_str!("../data/state.json")).unwrap();
    let socket = folder.path().join("no.sock");
    let arguments = ["status", "--state", file.to_str().unwrap()];
    let output = run(&socket, &arguments);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("its socket") && said.contains("systemctl status holdfast-agentd"), "{said}");
    let shown = stdout(&output);
    assert!(
        shown.starts_with("holdfast: unknown\n  the agent does not answer: this is the state file, written "),
        "{shown}"
    );
    // It is of another boot: what was observed then is worth nothing, the order still is.
    assert!(shown.contains("resolver/dns3") && !shown.contains("10.1.53.2"), "{shown}");

    let output = run(&socket, &[&arguments[..], &["--json"]].concat());
    assert_eq!(json_of(&output)["source"], "state_file");
}

#[test]
fn a_state_file_of_this_boot_is_old_news() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text =
        include_str!("../data/state.json").replace("00000000-0000-0000-0000-000000000000", boot.trim());
    fs::write(&file, text).unwrap();
    let output = run(&folder.path().join("no.sock"), &["status", "--state", file.to_str().unwrap()]);
    let shown = stdout(&output);
    assert!(shown.contains("dns2    10.1.53.3:53  unknown (was down)"), "{shown}");
    assert!(shown.contains("dns1    10.1.53.2:53  unknown (was up)"), "{shown}");
}

#[test]
fn without_agent_and_file_both_reasons_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let socket = folder.path().join("no.sock");
    let newer = include_str!("../data/state.json").replace("\"schema\": 1", "\"schema\": 99");
    for (content, word) in [
        (None, "there is no state file"),
        (Some(""), "empty"),
        (Some("{\"schema\": 1, \"gen"), "cut off"),
        (Some("hello"), "not a state file"),
        (Some(newer.as_str()), "newer"),
    ] {
        match content {
            Some(text) => fs::write(&file, text).unwrap(),
            None => drop(fs::remove_file(&file)),
        }
        let arguments = ["status", "--state", file.to_str().unwrap()];
        let output = run(&socket, &arguments);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{word}");
        assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
        let output = run(&socket, &[&arguments[..], &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let json = json_of(&output);
        assert_eq!((&json["source"], &json["status"]), (&json!("nowhere"), &json!("unknown")), "{word}");
        assert_eq!(json["reasons"][0]["code"], "agent_silent");
    }
}

#[test]
fn an_agent_that_makes_no_sense_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.json");
    let arguments = ["status", "--state", file.to_str().unwrap()];
    for (says, word) in [
        (&b"hello\0"[..], "not understood"),
        (b"{\"parameters\":{}}\0", "not understood"),
        (b"{\"parameters\":{\"state\":{\"schema\":\"x\"}}}\0", "not understood"),
        (
            b"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"x\"}}\0",
            "not understood",
        ),
    ] {
        let fake = Fake::start(state(), Manner::Says(says.to_vec()));
        let output = run(&fake.socket(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(says));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"));
    }
    let mut newer = state();
    newer.schema = 99;
    let fake = Fake::start(newer, Manner::Well);
    assert!(stderr(&run(&fake.socket(), &arguments)).contains("schema 99"));
}

#[test]
fn a_dead_socket_is_told_from_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let output = run(&socket, &["status", "--state", "/nonexistent/state.json"]);
    assert!(stderr(&output).contains("nobody listens"), "{}", stderr(&output));
}

#[test]
fn a_silent_agent_is_not_waited_for_for_ever() {
    let fake = Fake::start(state(), Manner::Silent);
    let output = run(&fake.socket(), &["status", "--state", "/nonexistent/state.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("did not answer"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    use std::process::Stdio;
    let fake = Fake::start(state(), Manner::Well);
    let mut child = holdfast()
        .arg("--socket")
        .arg(fake.socket())
        .args(["status", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
}

const GOOD: &str = r#"
[[virtual_server]]
name = "resolver"
address = "192.0.2.1"
services = ["udp/53", "tcp/53"]

[virtual_server.check.dns]
qname = "resolve.test"
interval = "500ms"
timeout = "200ms"

[[virtual_server.real_server]]
name = "dns1"
address = "192.0.2.2"

[[virtual_server.real_server]]
name = "dns2"
address = "192.0.2.3"
"#;

fn check(text: &str, more: &[&str]) -> (tempfile::TempDir, std::process::Output) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.toml"), text).unwrap();
    let output = holdfast()
        .current_dir(folder.path())
        .args(["check-config", "--config", "x.toml"])
        .args(more)
        .output()
        .unwrap();
    (folder, output)
}

#[test]
fn a_good_configuration_is_counted() {
    let (_folder, output) = check(GOOD, &[]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&output), "x.toml: 1 virtual server, 2 real servers, 4 probes per second\n");
    let (_folder, output) = check(GOOD, &["--json"]);
    let json = json_of(&output);
    assert_eq!(
        (&json["ok"], &json["real_servers"], &json["mistakes"]),
        (&json!(true), &json!(2), &json!([]))
    );
    assert_eq!(json["probes_per_second"], json!(4.0));
}

#[test]
fn every_mistake_is_printed_with_its_place() {
    let bad = GOOD.replace("services =", "servces =").replace("192.0.2.3", "192.0.2.300");
    let (_folder, output) = check(&bad, &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = stdout(&output);
    assert!(said.lines().count() >= 2, "{said}");
    assert!(said.contains("x.toml:5:1: "), "{said}");
    assert!(said.lines().all(|line| line.starts_with("x.toml:")), "{said}");
    assert!(said.contains("did you mean \"services\"?"), "{said}");
    let (_folder, output) = check(&bad, &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let json = json_of(&output);
    assert_eq!(json["ok"], false);
    let found =
        |mistake: &Value| mistake["line"] == 5 && mistake["column"] == 1 && mistake["path"] == "x.toml";
    assert!(json["mistakes"].as_array().unwrap().iter().any(found), "{json}");
}

#[test]
fn an_unreadable_configuration_is_said() {
    let output = holdfast().args(["check-config", "--config", "/nonexistent/x.toml"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(stderr(&output).starts_with("holdfast: can't read the configuration /nonexistent/x.toml: "));
    let output =
        holdfast().args(["check-config", "--json", "--config", "/nonexistent/x.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json_of(&output)["ok"], false);
    assert!(json_of(&output)["error"].as_str().unwrap().contains("can't read"));
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for arguments in
        [&["nonsense"][..], &[], &["status", "--nonsense"], &["drain"], &["drain", "dns1", "--for", "5"]]
    {
        let output = holdfast().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["status", "--help"]] {
        let output = holdfast().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!stdout(&output).contains("become-daemon"));
    }
}
