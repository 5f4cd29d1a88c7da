//! Checks of the other kinds: every key is read and overlaid, and what is said of wrong ones.

use std::time::Duration;

use checker_core::exec::Limits;
use checker_core::file::Numbers;
use checker_core::http::{Method, Version};
use checker_core::smtp::Security;
use checker_core::tls::Trust;
use checker_core::{HttpCheck, TalkCheck, Verdict};

use super::{bad, checked, good, only};
use crate::config::CheckKind;

fn talk(text: &str) -> TalkCheck {
    match only(&good(text)).1.checks[0].kind.clone() {
        CheckKind::Talk(talk) => talk,
        other => panic!("{other:?}"),
    }
}

fn http(text: &str) -> HttpCheck {
    match only(&good(text)).1.checks[0].kind.clone() {
        CheckKind::Http(http) => *http,
        other => panic!("{other:?}"),
    }
}

/// What is said of a check that is wrong.
fn said(check: &str) -> String {
    let mistakes = bad(&checked(check));
    assert_eq!(mistakes.len(), 1, "{check}: {mistakes:?}");
    mistakes[0].split_once(": ").unwrap().1.to_owned()
}

/// A pin, of nothing.
const PIN: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn tcp_over_tls() {
    let keys = "tls_name = \"mail.test\", ca = \"/ca.pem\", client_certificate = \"/c.pem\", \
                client_key = \"/k.pem\", certificate_warn = \"14d\"";
    let check =
        talk(&checked(&format!("check.tcp = {{ tls = true, {keys}, pin = \"{PIN}\", expect = \"220 \" }}")));
    assert_eq!(check.to_string(), "connects over tls, expects \"220 \"");
    let tls = check.tls.unwrap();
    assert_eq!((tls.name.unwrap().as_str(), &tls.trust), ("mail.test", &Trust::File("/ca.pem".into())));
    assert!(tls.pins.len() == 1 && tls.identity.is_some());
    assert_eq!(tls.expiry_warn, Some(Duration::from_secs(14 * 86_400)));

    let base = checked("check.tcp = { tls = true, verify = false }");
    assert_eq!(talk(&base).tls.unwrap().trust, Trust::Unverified);
    // A real server overlays single keys.
    let own = talk(&(base.clone() + "\ncheck.tcp.tls_name = \"a.test\""));
    assert_eq!(own.tls.as_ref().unwrap().trust, Trust::Unverified);
    assert_eq!(own.tls.unwrap().name.unwrap().as_str(), "a.test");
    assert!(talk(&checked("check.tcp.port = 1")).tls.is_none());
    for (check, what) in [
        ("check.tcp = { ca = \"/ca.pem\" }", "ca has no effect without TLS; remove it, or write tls = true"),
        (
            "check.tcp = { tls = true, ca = \"/ca.pem\", verify = false }",
            "ca and verify = false don't go together; remove one of them",
        ),
        ("check.tcp = { tls = \"yes\" }", "tls is a text; write tls = true or tls = false, without quotes"),
        (
            "check.udp = { send = \"x\", tls = true }",
            "tls has no place in [virtual_server.check.udp]; it belongs in [virtual_server.check.tcp]",
        ),
    ] {
        assert!(said(check).starts_with(what), "{}", said(check));
    }
}

#[test]
fn every_key_of_http() {
    let check = "check.http = { port = 8080, http_version = \"1.0\", connect_timeout = \"200ms\", redirects = 3, body_max = 1000, \
         path = \"/health?x=1\", method = \"POST\", host = \"www.test:81\", header = [\"Accept: text/html\"], body = \"{}\", \
         expect_status = [\"2xx\", \"404\"], expect_header = [\"Server: ^nginx\", \"X-Up:\"], expect_body = \"ok\", \
         forbid_body = [\"error\"], body_range = \"0..99\", digest = \"d41d8cd98f00b204e9800998ecf8427e\" }";
    let check = http(&checked(check));
    assert_eq!((check.version, check.redirects, check.body_max), (Some(Version::Http10), 3, 1_000));
    assert_eq!(check.connect_timeout, Some(Duration::from_millis(200)));
    let [request] = check.requests.as_slice() else { panic!("{check:?}") };
    assert_eq!((request.path.as_str(), request.method), ("/health?x=1", Method::Post));
    assert_eq!(request.host.as_ref().unwrap().to_string(), "www.test:81");
    assert_eq!((request.headers[0].name.as_str(), request.body.as_str()), ("accept", "{}"));
    assert_eq!(
        request.expect.to_string(),
        "status 200-299, 404, header server /^nginx/, header x-up /^/, body /ok/, body not /error/, \
         body of digest md5:d41d8cd98f00b204e9800998ecf8427e"
    );
    assert!(request.expect.within.is_some() && check.tls.is_none());

    let plain = http(&checked("check.http = {}"));
    assert_eq!(plain.to_string(), "requests GET / over http, expects status 200-299");
    assert_eq!((plain.redirects, plain.body_max, plain.connect_timeout), (0, 262_144, None));
    let tls = http(&checked("check.https = { verify = false, tls_name = \"a.test\", http_version = \"2\" }"));
    assert_eq!((tls.tls.unwrap().trust, tls.version), (Trust::Unverified, Some(Version::Http2)));
}

#[test]
fn several_addresses_overlay_the_keys_of_the_check() {
    let base = "check.http = { host = \"a.test\", expect_body = \"ok\", \
                url = [{ path = \"/one\" }, { path = \"/two\", host = \"b.test\", expect_status = \"204\", expect_body = \"x\" }] }";
    let told = |text: &str| http(text).to_string();
    assert_eq!(
        told(&checked(base)),
        "requests GET /one of a.test over http, expects status 200-299, body /ok/, and GET /two of b.test over http, \
         expects status 204, body /x/"
    );
    // A real server's own addresses are all there are, with the other keys of the virtual server.
    let own = checked(base) + "\ncheck.http.url = [{ path = \"/mine\" }]";
    assert_eq!(told(&own), "requests GET /mine of a.test over http, expects status 200-299, body /ok/");
    let many = vec!["{}"; 17].join(", ");
    assert_eq!(said(&format!("check.http.url = [{many}]")), "url is there 17 times; 16 are the most");
}

#[test]
fn what_is_said_of_wrong_http() {
    for (check, what) in [
        (
            "path = \"health\"",
            "path: \"health\" is no path: write one such as /health?full=1, with %20 for a blank",
        ),
        (
            "method = \"get\"",
            "method = \"get\" is unknown; write one of \"GET\", \"HEAD\", \"POST\", \"OPTIONS\"",
        ),
        (
            "host = \"a b\"",
            "host: \"a b\" is no host: write one such as www.example.net or www.example.net:8080",
        ),
        (
            "header = [\"Host: x\"]",
            "header: \"host\" is made from the other keys: write `host` for the name of the server",
        ),
        ("header = \"x\"", "header: \"x\" is no header field: write one such as \"Accept: text/html\""),
        ("expect_header = \"Server: (\"", "expect_header: \"(\" is no regular expression"),
        ("expect_header = \"a b: x\"", "expect_header: \"a b\" is no header field"),
        (
            "expect_status = [\"200\", \"20\"]",
            "expect_status: \"20\" is no HTTP status: write 200, 200-299 or 2xx",
        ),
        (
            "expect_status = 200",
            "expect_status is a whole number; write a list: expect_status = [\"200-299\"]",
        ),
        ("digest = \"x\"", "digest: \"x\" is no digest: write md5: and 32 hex digits, or sha256: and 64"),
        ("body = \"x\"", "body needs method = \"POST\"; write it, or remove body"),
        (
            "method = \"HEAD\", expect_body = \"x\"",
            "expect_body can't hold with method = \"HEAD\", whose response has no body",
        ),
        ("body_range = \"1..2\"", "body_range has no effect without expect_body or forbid_body"),
        ("http_version = \"3\"", "http_version = \"3\" is unknown; write one of \"1.1\", \"1.0\", \"2\""),
        (
            "timeout = \"1s\", connect_timeout = \"2s\"",
            "connect_timeout is longer than timeout, so it would never count",
        ),
        (
            "latency_warn = \"300ms\", latency_max = \"200ms\"",
            "latency_warn is not below latency_max, so it would never be seen; make it less",
        ),
        (
            "latency_warn = \"2s\", timeout = \"1s\"",
            "latency_warn is not below the timeout, so it would never be seen; make it less",
        ),
        ("redirects = 11", "redirects = 11 is out of range; write a whole number from 0 to 10"),
        ("url = [{ port = 1 }]", "port has no place in [[virtual_server.check.http.url]]; it belongs in"),
        ("tls_name = \"x\"", "tls_name has no place in [virtual_server.check.http]; it belongs in"),
        ("urls = [{}]", "unknown key \"urls\"; did you mean \"url\"?"),
    ] {
        let said = said(&format!("check.http = {{ {check} }}"));
        assert!(said.starts_with(what), "{check}: {said}");
    }
    let list = vec!["\"x\""; 17].join(", ");
    assert_eq!(
        said(&format!("check.http.expect_body = [{list}]")),
        "expect_body holds 17 items; 16 are the most"
    );
}

#[test]
fn every_kind_that_takes_time_has_limits_of_latency() {
    let limits = "latency_warn = \"50ms\", latency_max = \"200ms\"";
    for check in [
        "tcp = { port = 25, LIMITS }",
        "udp = { send = \"x\", LIMITS }",
        "http = { LIMITS }",
        "https = { LIMITS }",
        "smtp = { LIMITS }",
        "exec = { command = [\"/bin/true\"], LIMITS }",
    ] {
        let config = good(&checked(&format!("check.{}", check.replace("LIMITS", limits))));
        let latency = only(&config).1.checks[0].rhythm.latency;
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!((latency.warn, latency.max), (ms(50), ms(200)), "{check}");
    }
}

#[test]
fn ping_smtp_file_and_their_mistakes() {
    let kind = |check: &str| only(&good(&checked(check))).1.checks[0].clone();
    let ping = kind(
        "check.ping = { count = 5, min_replies = 2, good_replies = 4, latency_warn = \"5ms\", latency_max = \"50ms\", size = 100 }",
    );
    assert_eq!(ping.target, "10.0.0.1:0".parse().unwrap());
    let CheckKind::Ping(ping) = ping.kind else { panic!("{ping:?}") };
    assert_eq!((ping.count, ping.min_replies, ping.good_replies, ping.size), (5, 2, 4, 100));
    assert_eq!(ping.to_string(), "sends 5 echo requests, expects 2 back within 50 ms on average");
    let CheckKind::Ping(ping) = kind("check.ping = {}").kind else { panic!() };
    assert_eq!((ping.count, ping.min_replies, ping.good_replies, ping.size), (1, 1, 1, 56));

    let CheckKind::Smtp(smtp) =
        kind("check.smtp = { hello = \"a.test\", security = \"starttls\", verify = false }").kind
    else {
        panic!()
    };
    assert_eq!(smtp.to_string(), "greets over smtp, with starttls as a.test, expects 220 and 250");
    let CheckKind::Smtp(smtp) = kind("check.smtp = {}").kind else { panic!() };
    assert_eq!((smtp.hello.as_str(), &smtp.security), ("localhost", &Security::None));

    let file = kind(
        "check.file = { path = \"/run/{name}-{port}\", numbers = \"added\", factor = -2, missing = \"up\", max_age = \"5m\", stale = \"down\" }",
    );
    let CheckKind::File(file) = file.kind else { panic!() };
    assert_eq!(file.path.to_str(), Some("/run/a-25"));
    assert_eq!(file.numbers, Numbers::Added { factor: -2, base: 1 });
    assert_eq!(
        (file.missing, file.stale, file.max_age),
        (Verdict::Up, Verdict::Down, Some(Duration::from_secs(300)))
    );
    for (check, what) in [
        (
            "check.ping = { min_replies = 2 }",
            "min_replies = 2 can't be reached with count = 1; write at most 1",
        ),
        (
            "check.ping = { count = 3, min_replies = 2, good_replies = 1 }",
            "good_replies = 1 is below min_replies = 2",
        ),
        (
            "check.ping = { latency_warn = \"5ms\", latency_max = \"5ms\" }",
            "latency_warn is not below latency_max",
        ),
        ("check.ping = { port = 7 }", "port has no place in [virtual_server.check.ping]"),
        (
            "check.smtp = { ca = \"/ca.pem\" }",
            "ca has no effect without TLS; remove it, or write security = \"starttls\" or \"tls\"",
        ),
        (
            "check.smtp = { security = \"ssl\" }",
            "security = \"ssl\" is unknown; write one of \"none\", \"starttls\", \"tls\"",
        ),
        ("check.smtp = { hello = \"a b\" }", "hello: \"a b\" is no name of a server"),
        ("check.file = {}", "path is missing in [virtual_server.check.file]; write the file's absolute path"),
        ("check.file.path = \"word\"", "path = \"word\" is no absolute path"),
        ("check.file.path = \"/{host}\"", "unknown placeholder \"{host}\""),
        ("check.file = { path = \"/x\", factor = 2 }", "factor has no effect without numbers = \"added\""),
        ("check.file = { path = \"/x\", stale = \"up\" }", "stale has no effect without max_age"),
        ("check.file = { path = \"/x\", missing = \"gone\" }", "missing = \"gone\" is unknown"),
    ] {
        assert!(said(check).starts_with(what), "{}", said(check));
    }
}

#[test]
fn programs_have_users_and_limits() {
    let CheckKind::Exec(exec) = only(&good(&checked(
        "check.exec = { command = [\"/c\"], user = \"nobody\", group = \"daemon\", max_memory = 64, max_cpu = \"2s\", max_files = 20, max_processes = 5 }",
    )))
    .1
    .checks[0]
    .kind
    .clone() else {
        panic!()
    };
    assert_eq!((exec.user.as_deref(), exec.group.as_deref()), (Some("nobody"), Some("daemon")));
    let limits = Limits { memory: Some(64 << 20), cpu: Some(2), files: Some(20), processes: Some(5) };
    assert_eq!(exec.limits, limits);
    for (keys, what) in [
        ("user = \"a b\"", "user = \"a b\" is no name of a user"),
        ("group = \"\"", "group = \"\" is no name of a group"),
        ("max_memory = 0", "max_memory = 0 is out of range"),
        ("max_cpu = \"10ms\"", "max_cpu = \"10ms\" is out of range"),
        ("max_files = 2", "max_files = 2 is out of range"),
    ] {
        let said = said(&format!("check.exec = {{ command = [\"/c\"], {keys} }}"));
        assert!(said.starts_with(what), "{said}");
    }
}
