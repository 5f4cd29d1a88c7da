//! `check.tcp` with TLS: against OpenSSL's server, and servers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod errand;
mod fake;
mod secure;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authority::{Authority, FUTURE, Issued, PAST, PRESENT};
use checker_core::dns::Timeout;
use checker_core::talk::{Expect, Octets, Step};
use checker_core::tls::{Identity, Tls, Trust};
use checker_core::{Cause, TalkCheck, Verdict};
use checker_probe::Errand;
use errand::{PATIENCE, SHORT, expect, probe};
use fake::{Fake, hang};
use secure::{accept, reset, server};

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("talk-tls"));

fn issued(label: &str, dates: (&str, &str)) -> Issued {
    AUTHORITY.issue(label, "DNS:talk.test,IP:127.0.0.1", dates)
}

fn trusting() -> Tls {
    Tls { trust: Trust::File(AUTHORITY.certificate()), ..Tls::default() }
}

fn check(tls: Tls, send: &str, expect: Option<&str>, timeout: Duration) -> Errand {
    let expect = expect.map(|text| Expect::Holds(Octets::exact(text.as_bytes())));
    let steps = vec![Step { send: send.into(), secret: false, expect }];
    let plain = TalkCheck::connects(Timeout::new(timeout).unwrap());
    Errand::Talk(Arc::new(TalkCheck { tls: Some(Box::new(tls)), steps, ..plain }))
}

/// `openssl s_server`, which sends every line back to front.
struct Openssl {
    child: Child,
    addr: SocketAddr,
}

impl Openssl {
    fn new(issued: &Issued, more: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert"])
            .arg(&issued.certificate)
            .arg("-key")
            .arg(&issued.key)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            if let Some(addr) = line.strip_prefix("ACCEPT ") {
                break addr.parse().unwrap();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, addr }
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn openssl_is_talked_to() {
    let good = issued("good", PRESENT);
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Openssl::new(&good, &[version]);
        let talk = |send: &str, wanted: Option<&str>| check(trusting(), send, wanted, PATIENCE);
        let finding = expect(version, &talk("hello\n", Some("olleh")), server.addr, "up");
        assert_eq!(finding.reply, "6 octets: \"olleh\\n\"");
        expect("a handshake is enough", &talk("", None), server.addr, "up");
        let other = check(trusting(), "hello\n", Some("hello"), SHORT);
        let finding = expect("another text", &other, server.addr, "tcp_mismatch");
        assert!(finding.detail.contains("olleh"), "{finding:?}");
        let step = |send: &str, wanted: &[u8]| {
            let expect = Some(Expect::Begins(Octets::exact(wanted)));
            Step { send: send.into(), secret: false, expect }
        };
        let dialogue = |steps: Vec<Step>| {
            let Errand::Talk(one) = talk("", None) else { panic!("it is a talk") };
            Errand::Talk(Arc::new(TalkCheck { steps, ..(*one).clone() }))
        };
        let good = dialogue(vec![step("abc\n", b"cba\n"), step("xy\n", b"yx\n")]);
        expect("two steps", &good, server.addr, "up");
        let bad = dialogue(vec![step("abc\n", b"cba\n"), step("xy\n", b"xy")]);
        let finding = expect("the second is another", &bad, server.addr, "tcp_mismatch");
        assert!(finding.detail.contains("in step 2 of 2; 3 octets came: \"yx\\n\""), "{finding:?}");
    }
}

#[test]
fn names_authorities_pins_and_dates_count() {
    let good = issued("named", PRESENT);
    let server = Openssl::new(&good, &[]);
    let with = |tls: Tls| check(tls, "", None, PATIENCE);
    let named = |name: &str| Tls { name: Some(name.parse().unwrap()), ..trusting() };
    expect("by name", &with(named("talk.test")), server.addr, "up");
    expect("by another name", &with(named("other.test")), server.addr, "tls_name_mismatch");
    expect("the system's authorities", &with(Tls::default()), server.addr, "tls_unknown_ca");
    let nobody = Tls { trust: Trust::Unverified, ..Tls::default() };
    expect("unverified", &with(nobody.clone()), server.addr, "up");
    let pinned = |pin: String| Tls { pins: vec![pin.parse().unwrap()], ..nobody.clone() };
    expect("pinned", &with(pinned(AUTHORITY.pin(&good))), server.addr, "up");
    let other = issued("pinned", PRESENT);
    expect("another pin", &with(pinned(AUTHORITY.pin(&other))), server.addr, "tls_pin_mismatch");
    let day = Duration::from_secs(86_400);
    for (warn, code) in [(day, "up"), (100 * 365 * day, "tls_certificate_expiring")] {
        let finding =
            expect("warned of", &with(Tls { expiry_warn: Some(warn), ..trusting() }), server.addr, code);
        assert!(finding.verdict.passes(), "{finding:?}");
    }
    let missing = Tls { trust: Trust::File("/no/such/file.pem".into()), ..Tls::default() };
    let finding = expect("no file", &with(missing), server.addr, "tls_settings");
    assert_eq!(finding.verdict, Verdict::Unknown);
    for (label, dates, code) in
        [("expired", PAST, "tls_certificate_expired"), ("future", FUTURE, "tls_certificate_future")]
    {
        expect(label, &with(trusting()), Openssl::new(&issued(label, dates), &[]).addr, code);
    }
}

#[test]
fn a_server_may_ask_for_a_certificate() {
    let good = issued("asks", PRESENT);
    let ca = AUTHORITY.certificate();
    let server =
        Openssl::new(&good, &["-Verify", "3", "-verify_return_error", "-CAfile", ca.to_str().unwrap()]);
    let shown = issued("client", PRESENT);
    let identity = Some(Identity { certificate: shown.certificate, key: shown.key });
    let with = |identity| check(Tls { identity, ..trusting() }, "ab\n", Some("ba"), PATIENCE);
    expect("shown", &with(identity), server.addr, "up");
    expect("none", &with(None), server.addr, "tls_handshake");
}

#[test]
fn servers_that_do_not_do_as_they_should() {
    let good = issued("bad", PRESENT);
    let config = server(&good, b"x", None);
    let tcp = |serve: fn(TcpStream)| Fake::both(|_, _, _| {}, move |stream, _| serve(stream));
    let talk = |wanted: Option<&str>| check(trusting(), "x", wanted, PATIENCE);

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    expect("nobody listens", &talk(None), closed, "tcp_refused");
    expect("no TLS", &talk(None), tcp(|mut s| drop(s.write_all(b"220 hello\r\n"))).addr, "tls_handshake");
    expect(
        "closes",
        &talk(None),
        tcp(|mut s| drop(std::io::Read::read(&mut s, &mut [0; 2_048]))).addr,
        "tls_closed",
    );
    expect("resets", &talk(None), tcp(reset).addr, "tcp_reset");

    let silent = Fake::both(|_, _, _| {}, |_stream, stop| hang(stop));
    expect("never answers", &check(trusting(), "", None, SHORT), silent.addr, "tls_timeout");
    let tls = Arc::clone(&config);
    let mute = Fake::both(
        |_, _, _| {},
        move |stream, stop| {
            let _stream = accept(&tls, stream);
            hang(stop);
        },
    );
    let finding =
        expect("says nothing", &check(trusting(), "x", Some("y"), SHORT), mute.addr, "tcp_mismatch");
    assert_eq!(finding.detail, "no \"y\" within 400 ms; nothing came");
    let tls = Arc::clone(&config);
    let endless = Fake::both(
        |_, _, _| {},
        move |stream, _| {
            if let Some(mut stream) = accept(&tls, stream) {
                while stream.write_all(&[b'z'; 1_000]).is_ok() {}
            }
        },
    );
    let finding = expect("never ends", &talk(Some("y")), endless.addr, "tcp_mismatch");
    assert!(finding.detail.starts_with("16384 octets came"), "{finding:?}");
    let leaves = Fake::both(
        |_, _, _| {},
        move |stream, _| {
            if let Some(mut stream) = accept(&config, stream) {
                let _ = stream.write_all(b"half");
                let _ = stream.flush();
            }
        },
    );
    let finding = probe(&talk(Some("halfway")), leaves.addr);
    // With something unread the system may reset the connection.
    assert!(matches!(finding.cause, Some(Cause::TcpMismatch | Cause::TcpReset)), "{finding:?}");
}
