//! Web servers that misbehave: right verdict, right cause, within the time allowed and within the octets allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod errand;
mod fake;
mod secure;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use checker_core::Finding;
use checker_core::dns::Timeout;
use checker_core::http::{HttpCheck, Request, Version};
use checker_core::tls::{Tls, Trust};
use checker_probe::Errand;
use errand::{PATIENCE, SHORT};
use fake::{Fake, hang};
use secure::reset;

fn check(timeout: Duration) -> HttpCheck {
    HttpCheck {
        tls: None,
        version: None,
        requests: vec![Request::default()],
        redirects: 0,
        body_max: 10_000,
        connect_timeout: None,
        timeout: Timeout::new(timeout).unwrap(),
    }
}

/// A server that does this once it has read the beginning of a request.
fn server(serve: impl Fn(&mut TcpStream, &AtomicBool) + Send + Sync + 'static) -> Fake {
    Fake::both(
        |_, _, _| {},
        move |mut stream, stop| {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            if stream.read(&mut [0; 4_096]).is_ok_and(|length| length > 0) {
                serve(&mut stream, stop);
            }
        },
    )
}

fn says(octets: &'static [u8]) -> Fake {
    server(move |stream, _| drop(stream.write_all(octets)))
}

fn expect(what: &str, check: &HttpCheck, fake: &Fake, code: &str) -> Finding {
    errand::expect(what, &Errand::Http(Arc::new(check.clone())), fake.addr, code)
}

#[test]
fn what_is_no_http_response() {
    let check = check(PATIENCE);
    for (what, octets) in [
        ("garbage", &b"\x00\xff\x13\x37 nonsense\r\n\r\n"[..]),
        ("another protocol", b"220 mail.test ESMTP\r\n"),
        ("no version", b"HTTP/9.9 200 OK\r\n\r\n"),
        ("a status of letters", b"HTTP/1.1 OK\r\n\r\n"),
        ("nothing", b""),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("half a body", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        ("half a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nhalf"),
        ("a chunk of no length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ] {
        let finding = expect(what, &check, &says(octets), "http_protocol");
        assert!(finding.detail.len() < 400, "{finding:?}");
    }
    let two = HttpCheck { version: Some(Version::Http2), ..check };
    expect("HTTP/1.1 to HTTP/2", &two, &says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "http_protocol");
}

#[test]
fn connections_that_end() {
    let check = check(PATIENCE);
    expect("a reset", &check, &Fake::both(|_, _, _| {}, |stream, _| reset(stream)), "tcp_reset");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    errand::expect("nobody listens", &Errand::Http(Arc::new(check.clone())), closed, "tcp_refused");
    let mid = Fake::both(
        |_, _, _| {},
        |mut stream, _| {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            std::thread::sleep(Duration::from_millis(50));
            reset(stream);
        },
    );
    expect("a reset in the body", &check, &mid, "tcp_reset");
}

#[test]
fn what_is_too_much_is_not_read() {
    let check = check(PATIENCE);
    let endless = server(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 1_000]).is_ok() {}
    });
    let finding = expect("an endless body", &check, &endless, "http_too_large");
    assert_eq!(finding.detail, "the body of the response has more than 10000 octets");
    let chunks = server(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\nx\r\n").is_ok() {}
    });
    expect("endless chunks", &check, &chunks, "http_too_large");
    let announced = says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx");
    expect("a long one announced", &check, &announced, "http_protocol");
    let headers = server(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").is_ok() {}
    });
    let finding = expect("endless headers", &check, &headers, "http_too_large");
    assert!(finding.detail.contains("headers"), "{finding:?}");
    let exactly = HttpCheck { body_max: 3, ..check };
    expect("just as much", &exactly, &says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), "up");
    expect(
        "one more",
        &exactly,
        &says(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"),
        "http_too_large",
    );
}

#[test]
fn servers_that_take_their_time() {
    let check = check(SHORT);
    let mute = server(|_, stop| hang(stop));
    let finding = expect("says nothing", &check, &mute, "http_timeout");
    assert_eq!(finding.detail, "no complete HTTP response within 400 ms");
    let drip = server(|stream, stop| {
        for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".iter().chain(std::iter::repeat(&b'x'))
        {
            if stop.load(std::sync::atomic::Ordering::Relaxed) || stream.write_all(&[*octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    expect("drips", &check, &drip, "http_timeout");
    let patient = HttpCheck { timeout: Timeout::new(PATIENCE).unwrap(), ..check.clone() };
    let slow = server(|stream, _| {
        for piece in ["HTTP/1.1 200 OK\r\nCont", "ent-Length: 4\r\n\r\nsl", "ow"] {
            let _ = stream.write_all(piece.as_bytes());
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    expect("slow and good", &patient, &slow, "up");

    // Connecting has a limit of its own, the handshake included.
    let tls = Some(Box::new(Tls { trust: Trust::Unverified, ..Tls::default() }));
    let limited =
        HttpCheck { tls: tls.clone(), connect_timeout: Some(Duration::from_millis(150)), ..patient };
    let finding = expect("no handshake", &limited, &mute, "tls_timeout");
    assert_eq!(finding.detail, "no end of the TLS handshake within 150 ms");
    expect("no handshake, within the whole", &HttpCheck { tls, ..check.clone() }, &mute, "tls_timeout");
    // A slow answer is not a slow connection.
    let limited = HttpCheck { connect_timeout: Some(Duration::from_millis(150)), tls: None, ..limited };
    expect("slow to answer", &limited, &slow, "up");

    // Nothing waits for a connection that nobody accepts: the queue of this listener is full.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&full, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let addr = full.local_addr().unwrap();
    let _held: Vec<_> =
        (0..3).map(|_| TcpStream::connect_timeout(&addr, Duration::from_millis(100))).collect();
    errand::expect("no connection", &Errand::Http(Arc::new(check)), addr, "tcp_timeout");
}
