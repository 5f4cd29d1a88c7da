//! `check.smtp` against a real mail server, aiosmtpd, and servers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod errand;
mod fake;
mod secure;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use authority::{Authority, Issued, PRESENT};
use checker_core::dns::Timeout;
use checker_core::smtp::{Security, SmtpCheck};
use checker_core::tls::{Tls, Trust};
use checker_core::{Finding, Verdict};
use checker_probe::Errand;
use errand::{PATIENCE, SHORT, expect};
use fake::{Fake, hang};
use secure::reset;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("smtp"));
static GOOD: LazyLock<Issued> =
    LazyLock::new(|| AUTHORITY.issue("mail", "DNS:mail.test,IP:127.0.0.1", PRESENT));

/// aiosmtpd on a free port, told its mode: `plain`, `starttls`, `tls`. It says the HELO names that it hears.
const SERVER: &str = r#"
import asyncio, ssl, sys
from aiosmtpd.smtp import SMTP
from aiosmtpd.handlers import Sink
mode, cert, key = sys.argv[1:4]
class Handler(Sink):
    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        print("HELO", hostname, flush=True)
        return "250 hello"
    async def handle_QUIT(self, server, session, envelope):
        print("QUIT", flush=True)
        return "221 bye"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
async def main():
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(Handler(), hostname="mail.test", tls_context=context if mode == "starttls" else None)
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    print("PORT", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

struct Mail {
    child: Child,
    addr: SocketAddr,
    heard: std::sync::mpsc::Receiver<String>,
}

impl Mail {
    fn new(mode: &str) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", SERVER, mode])
            .args([&GOOD.certificate, &GOOD.key])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("aiosmtpd is installed").unwrap();
        let port: u16 = first.strip_prefix("PORT ").unwrap().parse().unwrap();
        let (tell, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, addr: ([127, 0, 0, 1], port).into(), heard }
    }

    fn heard(&self) -> String {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn check(security: Security, timeout: Duration) -> Errand {
    let hello = "director.test".parse().unwrap();
    Errand::Smtp(Arc::new(SmtpCheck { hello, security, timeout: Timeout::new(timeout).unwrap() }))
}

fn tls() -> Tls {
    Tls { trust: Trust::File(AUTHORITY.certificate()), ..Tls::default() }
}

#[test]
fn a_real_mail_server_is_greeted() {
    let mail = Mail::new("plain");
    let finding = expect("plain", &check(Security::None, PATIENCE), mail.addr, "up");
    assert!(finding.reply.starts_with("\"220 mail.test "), "{finding:?}");
    assert_eq!((mail.heard().as_str(), mail.heard().as_str()), ("HELO director.test", "QUIT"));
    let finding =
        expect("no STARTTLS", &check(Security::Starttls(Box::new(tls())), PATIENCE), mail.addr, "smtp_reply");
    assert!(finding.detail.starts_with("the server does not offer STARTTLS"), "{finding:?}");
    expect("no TLS", &check(Security::Tls(Box::new(tls())), PATIENCE), mail.addr, "tls_handshake");
}

#[test]
fn a_real_mail_server_is_greeted_over_tls() {
    for (mode, secured) in [
        ("starttls", Security::Starttls as fn(Box<Tls>) -> Security),
        ("tls", Security::Tls as fn(Box<Tls>) -> Security),
    ] {
        let mail = Mail::new(mode);
        let with = |tls: Tls| check(secured(Box::new(tls)), PATIENCE);
        expect(mode, &with(tls()), mail.addr, "up");
        expect(mode, &with(Tls::default()), mail.addr, "tls_unknown_ca");
        let named = Tls { name: Some("other.test".parse().unwrap()), ..tls() };
        expect(mode, &with(named), mail.addr, "tls_name_mismatch");
        let warned = Tls { expiry_warn: Some(Duration::from_secs(100 * 365 * 86_400)), ..tls() };
        let finding = expect(mode, &with(warned), mail.addr, "tls_certificate_expiring");
        assert_eq!(finding.verdict, Verdict::Degraded);
    }
}

fn bad(what: &str, timeout: Duration, fake: &Fake, code: &str) -> Finding {
    expect(what, &check(Security::None, timeout), fake.addr, code)
}

#[test]
fn mail_servers_that_misbehave() {
    let says = |octets: &'static [u8]| {
        Fake::both(
            |_, _, _| {},
            move |mut stream: TcpStream, _| {
                let _ = stream.write_all(octets);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let _ = stream.read(&mut [0; 100]);
            },
        )
    };
    bad("refuses", PATIENCE, &says(b"554 no\r\n"), "smtp_reply");
    let refuses = Fake::both(
        |_, _, _| {},
        |mut stream, _| {
            for reply in ["220 x\r\n", "550 no\r\n"] {
                let _ = stream.write_all(reply.as_bytes());
                let _ = stream.read(&mut [0; 100]);
            }
        },
    );
    bad("refuses HELO", PATIENCE, &refuses, "smtp_reply");
    bad("does not wait", PATIENCE, &says(b"220 x\r\n250 y\r\n"), "smtp_protocol");
    bad("another protocol", PATIENCE, &says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "smtp_protocol");
    bad("closes", PATIENCE, &Fake::both(|_, _, _| {}, |stream, _| drop(stream)), "tcp_closed");
    bad("resets", PATIENCE, &Fake::both(|_, _, _| {}, |stream, _| reset(stream)), "tcp_reset");
    let finding = bad("closes after its greeting", PATIENCE, &says(b"220 x\r\n"), "tcp_closed");
    assert_eq!(finding.detail, "the server closed the connection before its reply to HELO");
    let endless =
        Fake::both(|_, _, _| {}, |mut stream, _| while stream.write_all(b"220-more\r\n").is_ok() {});
    bad("never ends its greeting", PATIENCE, &endless, "smtp_protocol");
    let mute = Fake::both(|_, _, _| {}, |_stream, stop| hang(stop));
    let finding = bad("says nothing", SHORT, &mute, "smtp_timeout");
    assert_eq!(finding.detail, "no complete dialogue in SMTP within 400 ms");
    expect("no handshake", &check(Security::Tls(Box::new(tls())), SHORT), mute.addr, "tls_timeout");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    expect("nobody listens", &check(Security::None, PATIENCE), closed, "tcp_refused");
}
