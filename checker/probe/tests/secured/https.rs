//! DNS over HTTPS: responses that are no answer, and frames that are no response.

use super::*;
use checker_core::dns::{DohMethod, HttpVersion};
use fake::{hang, reply, right};

/// An HTTP/1.1 server that says this to every request.
fn doh(head: &'static str, body: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Fake {
    tls(&CERTIFICATES.good, b"http/1.1", move |stream, _| {
        let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
        let end = loop {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => request.extend(&buffer[..length]),
                _ => return,
            }
            if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length =
            length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        while request.len() < end + length.unwrap_or(0) {
            let got = stream.read(&mut buffer).unwrap();
            request.extend(&buffer[..got]);
        }
        let body = body(&request[end..]);
        let head = head.replace("LENGTH", &body.len().to_string());
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: LENGTH\r\n\r\n";

#[test]
fn answers_over_https_that_fail() {
    let over = check(Transport::Https, PATIENCE);
    let outcome = expect("right", &over, doh(OK, right).addr, "up");
    assert!(outcome.connect.is_some() && outcome.tls.is_some(), "{outcome:?}");
    expect("SERVFAIL", &over, doh(OK, |q| reply(q, 2, &[])).addr, "dns_servfail");
    let error = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: LENGTH\r\n\r\n";
    let outcome = expect("500", &over, doh(error, |_| b"out of \x1b[2Jcheese".to_vec()).addr, "http_status");
    assert!(
        outcome.detail.contains("500 Internal") && outcome.detail.contains(r"\x1b"),
        "{}",
        outcome.detail
    );
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1/\r\ncontent-length: LENGTH\r\n\r\n";
    expect("redirected", &over, doh(moved, |_| Vec::new()).addr, "http_status");
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: LENGTH\r\n\r\n";
    expect("another type", &over, doh(html, right).addr, "http_header");
    expect(
        "no type",
        &over,
        doh("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\n", right).addr,
        "http_header",
    );
    expect("too large", &over, doh(OK, |_| vec![0; 65_536]).addr, "http_too_large");
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\n\r\n";
    expect("far too large", &over, doh(endless, |_| vec![0; 4 << 20]).addr, "http_too_large");
    expect("empty", &over, doh(OK, |_| Vec::new()).addr, "dns_malformed");
    expect(
        "another question",
        &over,
        doh(OK, |_| right(b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01x\0\0\x01\0\x01")).addr,
        "dns_malformed",
    );
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: 9999\r\n\r\n";
    expect("cut off", &over, doh(cut, right).addr, "http_protocol");
    expect("no HTTP", &over, doh("* OK IMAP4 ready\r\n", |_| Vec::new()).addr, "http_protocol");
    expect(
        "headers without end",
        &over,
        doh("HTTP/1.1 200 OK\r\nx: ", |_| vec![b'a'; 1 << 20]).addr,
        "http_too_large",
    );
    let closes = tls(&CERTIFICATES.good, b"http/1.1", |stream, _| {
        let _ = stream.read(&mut [0; 4_096]);
    });
    expect("closes", &over, closes.addr, "http_protocol");
    expect("expired", &over, tls(&CERTIFICATES.expired, b"h2", |_, _| {}).addr, "tls_certificate_expired");

    let short = check(Transport::Https, SHORT);
    expect("hangs", &short, tls(&CERTIFICATES.good, b"http/1.1", |_, stop| hang(stop)).addr, "dns_timeout");
    let drips = tls(&CERTIFICATES.good, b"http/1.1", |stream, stop| {
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-a: ");
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    expect("drips", &short, drips.addr, "dns_timeout");
}

#[test]
fn requests_are_as_asked() {
    let server = doh(OK, |body| if body.is_empty() { Vec::new() } else { right(body) });
    let mut get = check(Transport::Https, PATIENCE);
    get.secure.as_mut().unwrap().doh.method = DohMethod::Get;
    // This server reads bodies only.
    expect("GET", &get, server.addr, "dns_malformed");
    let mut two = check(Transport::Https, PATIENCE);
    two.secure.as_mut().unwrap().doh.version = Some(HttpVersion::Http2);
    expect("HTTP/2 only", &two, server.addr, "tls_handshake");
    let mut one = two.clone();
    one.secure.as_mut().unwrap().doh.version = Some(HttpVersion::Http1);
    expect("HTTP/1.1 only", &one, server.addr, "up");
}

#[test]
fn http2_that_fails() {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x02";
    const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07";
    let over = check(Transport::Https, PATIENCE);
    let h2 = |frames: &'static [&[u8]]| {
        tls(&CERTIFICATES.good, b"h2", move |stream, stop| {
            let _ = stream.write_all(SETTINGS);
            let _ = stream.read(&mut [0; 16_384]);
            for frame in frames {
                let _ = stream.write_all(frame);
            }
            let _ = stream.flush();
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    for (what, frames) in [
        ("GOAWAY", &[GOAWAY] as &[&[u8]]),
        ("RST_STREAM", &[RESET]),
        ("no frames", &[b"HTTP/1.1 200 OK\r\n\r\n, which is no frame"]),
    ] {
        let outcome =
            expect(what, &over, h2(Box::leak(frames.to_vec().into_boxed_slice())).addr, "http_protocol");
        assert!(outcome.elapsed < Duration::from_secs(5), "{what}: {outcome:?}");
    }
    expect("hangs", &check(Transport::Https, SHORT), h2(&[]).addr, "dns_timeout");
}
