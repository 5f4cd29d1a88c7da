//! `check.http` and `check.https` against nginx: every key has an effect on a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod errand;
mod nginx;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, PAST, PRESENT};
use checker_core::Verdict;
use checker_core::dns::Timeout;
use checker_core::http::{BODY_MAX, Expect, Header, HttpCheck, Method, Request, Version};
use checker_core::tls::{Tls, Trust};
use checker_probe::Errand;
use errand::{PATIENCE, expect};
use nginx::Nginx;

fn check(requests: Vec<Request>) -> HttpCheck {
    HttpCheck {
        tls: None,
        version: None,
        requests,
        redirects: 0,
        body_max: BODY_MAX,
        connect_timeout: None,
        timeout: Timeout::new(PATIENCE).unwrap(),
    }
}

fn get(path: &str) -> Request {
    Request { path: path.parse().unwrap(), ..Request::default() }
}

fn errand(check: HttpCheck) -> Errand {
    Errand::Http(Arc::new(check))
}

fn one(request: Request) -> Errand {
    errand(check(vec![request]))
}

/// The digest of a text, by another program.
fn digest(program: &str, text: &str) -> String {
    let script = format!("printf '%s' \"$0\" | {program}");
    let output = Command::new("sh").args(["-c", &script, text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

const SERVER: &str = r#"
server {
    listen 127.0.0.1:PLAIN default_server;
    listen 127.0.0.1:H2C http2;
    server_name first.test;
    location = / { default_type text/plain; return 200 "all is well\n"; }
    location = /echo { default_type text/plain; return 200 "$request_method $request_uri $server_protocol $http_host $http_x_test $http_user_agent"; }
    location = /busy { return 503 "busy"; }
    location = /gone { return 404 "no such page"; }
    location = /nothing { return 204; }
    location = /to-root { return 302 /; }
    location = /to-second { return 302 http://second.test/; }
    location = /circle { return 302 /circle; }
    location = /to-tls { return 301 https://first.test/; }
    location = /post { if ($request_method != POST) { return 405; } return 200 "$content_length $content_type"; }
    location /files/ { root FOLDER; }
}
server {
    listen 127.0.0.1:PLAIN;
    server_name second.test;
    location = / { return 200 "the second"; }
}
server {
    listen 127.0.0.1:TLS ssl http2 default_server;
    server_name first.test;
    ssl_certificate FIRST_CERT;
    ssl_certificate_key FIRST_KEY;
    location = / { return 200 "first $server_protocol $ssl_server_name $http_host"; }
}
server {
    listen 127.0.0.1:TLS ssl;
    server_name second.test;
    ssl_certificate SECOND_CERT;
    ssl_certificate_key SECOND_KEY;
    location = / { return 200 "second"; }
}
server {
    listen 127.0.0.1:OLD ssl;
    ssl_certificate OLD_CERT;
    ssl_certificate_key OLD_KEY;
    location = / { return 200 "old"; }
}
"#;

fn start(label: &str) -> (Authority, Nginx) {
    let authority = Authority::new(label);
    let mut text = SERVER.to_owned();
    for (word, subject, dates) in [
        ("FIRST", "DNS:first.test,IP:127.0.0.1", PRESENT),
        ("SECOND", "DNS:second.test", PRESENT),
        ("OLD", "IP:127.0.0.1", PAST),
    ] {
        let issued = authority.issue(word, subject, dates);
        text = text.replace(&format!("{word}_CERT"), issued.certificate.to_str().unwrap());
        text = text.replace(&format!("{word}_KEY"), issued.key.to_str().unwrap());
    }
    let nginx = Nginx::new(&text, &["PLAIN", "H2C", "TLS", "OLD"]);
    (authority, nginx)
}

#[test]
fn a_real_server_is_judged_by_status_headers_and_body() {
    let (_authority, nginx) = start("http-plain");
    let server = nginx.addr("PLAIN");
    let finding = expect("the root", &one(get("/")), server, "up");
    assert_eq!(finding.reply, "status 200 over HTTP/1.1, 12 octets: \"all is well\\n\"");
    let busy = expect("busy", &one(get("/busy")), server, "http_status");
    assert_eq!(busy.detail, "/busy: the server answered with status 503 and \"busy\", expected 200-299");
    expect("nothing", &one(get("/nothing")), server, "up");
    expect("a redirection", &one(get("/to-root")), server, "http_status");
    let wanting = |path: &str, expect: Expect| one(Request { expect, ..get(path) });
    let status = |text: &str| Expect { status: text.parse().unwrap(), ..Expect::default() };
    expect("404 expected", &wanting("/gone", status("404")), server, "up");
    expect("3xx expected", &wanting("/to-root", status("3xx")), server, "up");
    expect("404 expected, 200 seen", &wanting("/", status("404")), server, "http_status");

    let header = |name: &str, pattern: &str| Expect {
        headers: vec![(name.to_owned(), pattern.parse().unwrap())],
        ..Expect::default()
    };
    expect("a header", &wanting("/", header("content-type", "^text/plain")), server, "up");
    expect("another one", &wanting("/", header("content-type", "html")), server, "http_header");
    expect("a missing one", &wanting("/", header("x-none", "^")), server, "http_header");

    let body = |pattern: &str| Expect { body: vec![pattern.parse().unwrap()], ..Expect::default() };
    expect("a pattern", &wanting("/", body("^all .* well$|well\n")), server, "up");
    let seen = expect("another pattern", &wanting("/", body("ill$")), server, "http_body");
    assert!(seen.detail.contains("expected /ill$/"), "{seen:?}");
    let forbidden = Expect { forbidden: vec!["well".parse().unwrap()], ..Expect::default() };
    expect("a forbidden one", &wanting("/", forbidden), server, "http_body");

    for program in ["md5sum", "sha256sum"] {
        let of =
            |text: &str| Expect { digest: Some(digest(program, text).parse().unwrap()), ..Expect::default() };
        expect(
            program,
            &wanting("/gone", Expect { status: "404".parse().unwrap(), ..of("no such page") }),
            server,
            "up",
        );
        expect(program, &wanting("/", of("all is ill")), server, "http_body");
    }
}

#[test]
fn a_real_server_sees_the_request_that_was_written() {
    let (_authority, nginx) = start("http-request");
    let (server, h2c) = (nginx.addr("PLAIN"), nginx.addr("H2C"));
    let port = server.port();
    let seen = |request: Request, version: Option<Version>, at| {
        let finding = expect("an echo", &errand(HttpCheck { version, ..check(vec![request]) }), at, "up");
        finding.reply.split_once(": ").unwrap().1.trim_matches('"').to_owned()
    };
    assert_eq!(
        seen(get("/echo?a=b"), None, server),
        format!("GET /echo?a=b HTTP/1.1 127.0.0.1:{port}  holdfast")
    );
    let full = Request {
        host: Some("first.test".parse().unwrap()),
        headers: ["X-Test: yes", "User-Agent: me"].map(|text| Header::parse(text).unwrap()).to_vec(),
        ..get("/echo")
    };
    let version = Some(Version::Http10);
    assert_eq!(seen(full.clone(), version, server), "GET /echo HTTP/1.0 first.test yes me");
    assert_eq!(seen(full, Some(Version::Http2), h2c), "GET /echo HTTP/2.0 first.test yes me");

    let head = Request { method: Method::Head, ..get("/echo") };
    let finding = expect("HEAD", &one(head), server, "up");
    assert_eq!(finding.reply, "status 200 over HTTP/1.1, 0 octets");
    expect("GET where POST is wanted", &one(get("/post")), server, "http_status");
    let post = Request {
        method: Method::Post,
        body: "{\"a\":1}".to_owned(),
        headers: vec![Header::parse("Content-Type: application/json").unwrap()],
        ..get("/post")
    };
    assert_eq!(seen(post, None, server), "7 application/json");

    let host = |name: &str| Request { host: Some(name.parse().unwrap()), ..get("/") };
    assert_eq!(seen(host("second.test"), None, server), "the second");
}

#[test]
fn several_addresses_and_redirections() {
    let (_authority, nginx) = start("http-several");
    let server = nginx.addr("PLAIN");
    let finding =
        expect("three", &errand(check(vec![get("/"), get("/nothing"), get("/echo")])), server, "up");
    assert!(finding.reply.starts_with("3 requests, the last: status 200"), "{finding:?}");
    let finding =
        expect("one bad", &errand(check(vec![get("/"), get("/busy"), get("/")])), server, "http_status");
    assert!(finding.detail.starts_with("/busy: "), "{finding:?}");

    let follow = |path: &str, redirects: u8| errand(HttpCheck { redirects, ..check(vec![get(path)]) });
    let finding = expect("followed", &follow("/to-root", 1), server, "up");
    assert!(finding.reply.contains("all is well"), "{finding:?}");
    let finding = expect("to another name", &follow("/to-second", 1), server, "up");
    assert!(finding.reply.contains("the second"), "{finding:?}");
    let finding = expect("in a circle", &follow("/circle", 5), server, "http_status");
    assert_eq!(
        finding.detail,
        "/circle: more than 5 redirections, the next to \"http://127.0.0.1:PORT/circle\""
            .replace("PORT", &server.port().to_string())
    );
    let finding = expect("to TLS", &follow("/to-tls", 5), server, "http_status");
    assert!(finding.detail.contains("another scheme"), "{finding:?}");
}

#[test]
fn https_chooses_versions_names_and_authorities() {
    let (authority, nginx) = start("http-tls");
    let (server, old) = (nginx.addr("TLS"), nginx.addr("OLD"));
    let tls = Tls { trust: Trust::File(authority.certificate()), ..Tls::default() };
    let with = |tls: Tls, request: Request, version| {
        errand(HttpCheck { tls: Some(Box::new(tls)), version, ..check(vec![request]) })
    };
    let port = server.port();
    for (version, shown, name) in [
        (None, "2", "2.0"),
        (Some(Version::Http11), "1.1", "1.1"),
        (Some(Version::Http10), "1.0", "1.0"),
        (Some(Version::Http2), "2", "2.0"),
    ] {
        let finding = expect(name, &with(tls.clone(), get("/"), version), server, "up");
        assert!(finding.reply.starts_with(&format!("status 200 over HTTP/{shown}, ")), "{finding:?}");
        assert!(finding.reply.contains(&format!("\"first HTTP/{name}  127.0.0.1:{port}\"")), "{finding:?}");
    }
    // The name of the request is that of TLS, unless that has its own.
    let host = |name: &str| Request { host: Some(name.parse().unwrap()), ..get("/") };
    let finding = expect("by host", &with(tls.clone(), host("first.test"), None), server, "up");
    assert!(finding.reply.contains("first HTTP/2.0 first.test first.test"), "{finding:?}");
    let finding = expect("by another host", &with(tls.clone(), host("second.test"), None), server, "up");
    assert!(finding.reply.ends_with("\"second\""), "{finding:?}");
    let named = |name: &str| Tls { name: Some(name.parse().unwrap()), ..tls.clone() };
    let finding = expect(
        "TLS by its own name",
        &with(named("first.test"), host("second.test:1"), Some(Version::Http11)),
        server,
        "up",
    );
    assert!(finding.reply.contains("second"), "{finding:?}");
    expect("a wrong name", &with(named("third.test"), get("/"), None), server, "tls_name_mismatch");

    let nobody = Tls { trust: Trust::Unverified, ..Tls::default() };
    expect("expired, unverified", &with(nobody.clone(), get("/"), None), old, "up");
    let finding =
        expect("HTTP/2 wanted", &with(nobody, get("/"), Some(Version::Http2)), old, "tls_handshake");
    assert!(finding.detail.contains("NoApplicationProtocol"), "{finding:?}");
    expect("the system's", &with(Tls::default(), get("/"), None), server, "tls_unknown_ca");
    let century = Duration::from_secs(100 * 365 * 86_400);
    let warned = Tls { expiry_warn: Some(century), ..tls.clone() };
    let finding =
        expect("expiring", &with(warned.clone(), get("/"), None), server, "tls_certificate_expiring");
    assert_eq!(finding.verdict, Verdict::Degraded);
    expect("expiring and failing", &with(warned, get("/x"), None), server, "http_status");
    expect("http to https", &one(get("/")), server, "http_status");
    expect("https to http", &with(tls, get("/"), None), nginx.addr("PLAIN"), "tls_handshake");
}
