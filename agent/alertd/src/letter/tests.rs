//! Mails as they are, kept in `snapshots/`; and what may never be in one.
//!
//! `HOLDFAST_SNAPSHOTS=write cargo test -p alertd` writes them anew.

use agent_core::digest::Notice;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Style, mail, subject};

fn style() -> Style {
    Style { from: "holdfast@director1.example".to_owned(), zone: TimeZone::posix("CET-1").unwrap() }
}

fn notice(change: impl FnOnce(&mut Value)) -> Notice {
    let mut value = json!({
        "schema": 1, "kind": "opened", "incident": 12, "route": "default", "id": "ab12.12.0", "host": "director1",
        "at": "2026-11-26T09:00:12Z", "severity": "critical", "title": "resolver below quorum, resolver/dns1, resolver/dns2",
        "began": "2026-11-26T09:00:00Z",
        "troubles": [
            { "key": "pool:resolver", "subject": "resolver", "severity": "critical", "began": "2026-11-26T09:00:01Z",
              "text": "resolver has no real server that serves, of 2", "falls": 1 },
            { "key": "server:resolver/dns1", "subject": "resolver/dns1", "severity": "warning", "cause": "dns_timeout",
              "text": "resolver/dns1 is down: no answer in 500 ms (dns_timeout)", "began": "2026-11-26T09:00:00Z", "falls": 1 },
        ],
        "troubles_more": 1,
        "history": [
            { "at": "2026-11-26T09:00:00Z", "severity": "warning", "text": "resolver/dns1 is down: no answer in 500 ms (dns_timeout)", "news": true },
            { "at": "2026-11-26T09:00:01Z", "severity": "critical", "text": "resolver has no real server that serves, of 2", "news": true },
        ],
        "losses": [{ "virtual_server": "resolver", "total": 2, "serving": 0, "fewest": 0, "quorum": 1, "none_ms": 11_000, "below_ms": 11_000 }],
        "evidence": {
            "servers": [{
                "server": "resolver/dns1", "address": "10.1.53.2:53", "verdict": "down", "detail": "no answer in 500 ms",
                "check": "resolve.test A over udp",
                "probes": [
                    { "verdict": "up", "count": 4711, "since": "2026-11-26T07:00:00Z", "until": "2026-11-26T08:59:54Z",
                      "detail": "NOERROR, 192.0.2.80", "latency_us": 1234 },
                    { "verdict": "down", "count": 3, "since": "2026-11-26T08:59:56Z", "until": "2026-11-26T09:00:00Z",
                      "detail": "no answer in 500 ms" },
                ],
            }],
            "routers": ["resolver-vip: Active here since 2026-11-20T10:00:00Z (no other router is better)"],
            "table": [
                { "service": "udp/192.0.2.53:53", "address": "10.1.53.2:53", "server": "dns1", "before": 100, "before_known": true },
                { "service": "udp/192.0.2.53:53", "address": "10.1.53.3:53", "server": "dns2", "before": 100, "after": 100, "before_known": true },
            ],
            "next": ["holdfast status resolver", "holdfast explain resolver/dns1"],
        },
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn check(name: &str, notice: &Notice) {
    let to = ["linuxstaff@example.net".to_owned(), "second@example.net".to_owned()];
    let made = String::from_utf8(mail(notice, &style(), &to).unwrap()).unwrap().replace("\r\n", "\n");
    let path = format!("{}/src/letter/snapshots/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HOLDFAST_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(made, kept, "{name}: write it anew with HOLDFAST_SNAPSHOTS=write when this is meant");
}

#[test]
fn mails_are_as_they_were() {
    check("opened", &notice(|_| {}));
    check(
        "closed",
        &notice(|value| {
            value["kind"] = json!("closed");
            value["id"] = json!("ab12.12.3");
            value["root"] = json!("ab12.12.0");
            value["previous"] = json!("ab12.12.2");
            value["at"] = json!("2026-11-26T09:13:20Z");
            value["ended"] = json!("2026-11-26T09:12:05Z");
            value["remarks"] = json!(["this could not be delivered for 7m"]);
            value["troubles"][0]["ended"] = json!("2026-11-26T09:12:04Z");
            value["troubles"][1]["ended"] = json!("2026-11-26T09:12:05Z");
        }),
    );
    check(
        "flapping",
        &notice(|value| {
            value["kind"] = json!("updated");
            value["flapping"] = json!(true);
            value["severity"] = json!("warning");
            value["root"] = json!("ab12.12.0");
            value["previous"] = json!("ab12.12.0");
            value["troubles"][1]["falls"] = json!(4);
        }),
    );
    check(
        "digest",
        &notice(|value| {
            value["kind"] = json!("digest");
            value["title"] = json!("2 incidents in quiet hours, 1 of them still open");
            for key in ["troubles", "history", "losses"] {
                value[key] = json!([]);
            }
            value["troubles_more"] = json!(0);
            value["evidence"] = json!({});
            value["incidents"] = json!([
                { "incident": 10, "severity": "warning", "title": "web/w1 (tcp_refused)", "began": "2026-11-26T01:00:00Z",
                  "lines": ["web/w1 is down: connection refused (tcp_refused)"] },
                { "incident": 9, "severity": "warning", "title": "resolver/dns2", "began": "2026-11-25T23:00:00Z",
                  "ended": "2026-11-25T23:10:00Z", "lines": ["resolver/dns2 is down: SERVFAIL (dns_servfail)"] },
            ]);
        }),
    );
}

#[test]
fn nothing_from_the_network_acts() {
    let evil = "x\r\nBcc: victim@example.net\r\n\r\n.\r\n\u{1b}[2J\u{202e}<script>alert(1)</script><img src=http://e/>\"' onload=x é€ \u{0}";
    let notice = notice(|value| {
        // Every text in it, whatever it is for.
        fn spoil(value: &mut Value, evil: &str) {
            match value {
                Value::Object(map) => map.iter_mut().for_each(|(key, value)| {
                    let plain = [
                        "kind",
                        "severity",
                        "route",
                        "at",
                        "began",
                        "ended",
                        "since",
                        "until",
                        "virtual_server",
                    ];
                    if !plain.contains(&key.as_str()) {
                        spoil(value, evil);
                    }
                }),
                Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, evil)),
                Value::String(text) => *text = evil.to_owned(),
                _ => {}
            }
        }
        spoil(value, evil);
    });
    let made = mail(&notice, &style(), &["a@example.net".to_owned()]).unwrap();
    let made = String::from_utf8(made).unwrap();
    let head = made.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert!(head.lines().all(|line| line.len() <= 998 && line.is_ascii()), "{head}");
    let html = made.split("text/html").nth(1).unwrap();
    assert!(!made.contains('\u{1b}') && !html.contains("<script") && !html.contains("<img"));
    assert!(!made.contains('\u{202e}') && !made.contains('\0'));
    assert!(!subject(&notice).contains(['\r', '\n']) && subject(&notice).chars().count() <= 120);
    // As bytes: nothing ends a line but CR and LF together.
    for (index, byte) in made.bytes().enumerate() {
        if byte == b'\n' {
            assert_eq!(made.as_bytes()[index - 1], b'\r');
        }
    }
}

#[test]
fn the_same_notice_is_the_same_mail() {
    let to = ["a@example.net".to_owned()];
    let one = mail(&notice(|_| {}), &style(), &to).unwrap();
    assert_eq!(one, mail(&notice(|_| {}), &style(), &to).unwrap());
}
