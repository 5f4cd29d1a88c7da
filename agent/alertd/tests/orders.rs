//! What operators order, through the real command and the real agent: silences, and the test of the alerts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bed;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use bed::{Bed, Mail, Server, until};

const QUICK: &str = "gather = \"1s\"\nsettle = \"0s\"\nupdate_every = \"1s\"\n";

fn server() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    (dir, server)
}

fn alert(server: &Server, to: &str, more: &str) -> String {
    format!(
        "[alert]\nsmtp = \"smtp://127.0.0.1:{}\"\nfrom = \"holdfast@director1.test\"\nto = {to}\n{QUICK}{more}",
        server.port
    )
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_silence_is_added_shown_kept_over_restarts_and_removed() {
    let (_dir, server) = server();
    let mut bed = Bed::new(&alert(&server, "[\"staff@b.test\"]", ""));
    bed.start_alertd();
    let arguments = [
        "silence",
        "add",
        "--virtual-server",
        "resolver",
        "--server",
        "dns1",
        "--for",
        "1h",
        "--why",
        "disks",
    ];
    let added = bed.holdfast(&arguments);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added));
    let end = "holdfast silence remove --virtual-server resolver --server dns1";
    assert!(text(&added).contains("alerts about resolver/dns1 are silenced") && text(&added).contains(end));

    // What is silenced is not told, what is not silenced is, and says so.
    bed.fall("resolver/dns1");
    until("it is known and silenced", || (bed.state().alertd.head.silenced == 1).then_some(()));
    bed.fall("resolver/dns2");
    let mails = server.wait(1);
    assert!(mails[0].header("Subject").unwrap().contains("resolver/dns2"), "{}", mails[0].text);
    let body = mails[0].text.replace("=\r\n", "");
    assert!(body.contains("alerts about resolver/dns1 are silenced until "), "{body}");
    assert!(body.contains("disks"), "{body}");

    // It is an order: on disk, with who and why, through a restart of everything. A mail whose delivery was not noted yet would
    // come twice.
    until("the delivery is noted", || (bed.state().alertd.head.delivered == 1).then_some(()));
    bed.kill_alertd();
    bed.kill_agentd();
    bed.start_agentd();
    bed.start_alertd();
    until("alertd reports again", || bed.state().alertd.connected.then_some(()));
    for arguments in [&["silence", "list"][..], &["status"]] {
        let shown = text(&bed.holdfast(arguments)).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("resolver/dns1") && shown.contains("disks") && shown.contains(end), "{shown}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&bed.holdfast(&["silence", "list", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["target"], &json[0]["why"]), (&"resolver/dns1".into(), &"disks".into()));

    let removed = bed.holdfast(&["silence", "remove", "--virtual-server", "resolver", "--server", "dns1"]);
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    // What stands then is told after all: it joins the incident of its virtual server.
    let mails = server.wait(2);
    assert_eq!(mails[1].kind(), "updated");
    assert!(mails[1].text.contains("resolver/dns1"), "{}", mails[1].text);
    let again = bed.holdfast(&["silence", "remove", "--virtual-server", "resolver", "--server", "dns1"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("resolver/dns1 is not silenced"), "{}", text(&again));
}

#[test]
fn a_silence_of_what_is_not_there_is_refused_with_a_hint() {
    let (_dir, server) = server();
    let bed = Bed::new(&alert(&server, "[\"staff@b.test\"]", ""));
    for (arguments, said) in [
        (
            &["--virtual-server", "resolvr"][..],
            "no virtual server resolvr is configured; did you mean resolver?",
        ),
        (&["--server", "dns3"], "no real server dns3 is configured; did you mean dns"),
        (&["--virtual-router", "vip"], "no virtual router vip is configured"),
    ] {
        let all = [&["silence", "add", "--for", "1h"][..], arguments].concat();
        let output = bed.holdfast(&all);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output).contains(said), "{}", text(&output));
    }
    // Without alertd it is in force all the same, and the operator knows.
    let output = bed.holdfast(&["silence", "add", "--everything", "--for", "1h"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("alertd is not connected"), "{}", text(&output));
    let test = bed.holdfast(&["alert", "test"]);
    assert_eq!(test.status.code(), Some(1));
    assert!(text(&test).contains("alertd is not connected, so nothing can be sent"), "{}", text(&test));
}

#[test]
fn a_test_goes_through_every_channel_and_says_what_each_answered() {
    let (dir, server) = server();
    let script = dir.path().join("pager");
    fs::write(&script, format!("#!/bin/sh\ncat > {:?}\n", dir.path().join("paged"))).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let more = format!(
        "[[alert.command]]\nname = \"pager\"\ncommand = [{script:?}]\n\
         [[alert.webhook]]\nname = \"chat\"\nurl = \"http://127.0.0.1:{}/secret-path\"\n\
         [[alert.route]]\nname = \"boss\"\nto = [\"bad@b.test\", \"staff@b.test\"]\nseverity = \"critical\"\n",
        bed::free_port()
    );
    server.mode("rcpt-5xx");
    let mut bed = Bed::new(&alert(&server, "[\"staff@b.test\"]", &more));
    bed.start_alertd();
    until("alertd reports", || bed.state().alertd.connected.then_some(()));
    let output = bed.holdfast(&["alert", "test"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = |start: &str| {
        said.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {said}"))
            .to_owned()
    };
    assert_eq!(line("mail:staff@b.test"), "mail:staff@b.test (route boss, default) accepted: 250 OK");
    assert!(
        line("mail:bad@b.test").contains("NOT ACCEPTED: ") && line("mail:bad@b.test").contains("5.1.1"),
        "{said}"
    );
    assert_eq!(line("command:pager"), "command:pager (route default) accepted: it exited with 0");
    assert!(
        line("webhook:chat").contains("NOT ACCEPTED: ") && line("webhook:chat").contains("can't connect"),
        "{said}"
    );
    assert!(!said.contains("secret-path"), "a web hook's address may be a secret: {said}");
    let mails = server.mails();
    assert_eq!(mails.iter().map(Mail::kind).collect::<Vec<_>>(), ["test"], "one for each channel");
    let notice: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("paged")).unwrap()).unwrap();
    assert_eq!(notice["kind"], "test");
    // Who asks again at once is told to wait: each is a mail to everybody.
    let again = bed.holdfast(&["alert", "test"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("wait 10 s"), "{}", text(&again));
    // A restart sends it no second time.
    bed.kill_alertd();
    bed.start_alertd();
    until("alertd reports again", || bed.state().alertd.connected.then_some(()));
    bed.fall("resolver/dns1");
    let mails = server.wait(2);
    assert_eq!(mails.iter().map(Mail::kind).collect::<Vec<_>>(), ["test", "opened"]);
    // The state, which readers may see, has the errors and no secret.
    let state = serde_json::to_string(&bed.state().alertd).unwrap();
    assert!(state.contains("5.1.1") && !state.contains("secret-path"), "{state}");
}
