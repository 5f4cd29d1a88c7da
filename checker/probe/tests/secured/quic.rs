//! DNS over QUIC.

use super::*;
use fake::{reply, right};
use secure::quic;

#[test]
fn answers_over_quic() {
    let all = &*CERTIFICATES;
    let over = check(Transport::Quic, PATIENCE);
    let good = quic(&all.good, b"doq", |query| Some(message(&right(query))));
    let outcome = expect("right", &over, good.addr, "up");
    assert!(outcome.connect.is_none() && outcome.tls.is_some() && outcome.latency.is_some(), "{outcome:?}");
    assert_eq!(outcome.transport, Transport::Quic);
    let servfail = quic(&all.good, b"doq", |query| Some(message(&reply(query, 2, &[]))));
    expect("SERVFAIL", &over, servfail.addr, "dns_servfail");
    let cut = quic(&all.good, b"doq", |query| Some(message(&right(query))[..9].to_vec()));
    let outcome = expect("cut off", &over, cut.addr, "tcp_closed");
    assert!(outcome.detail.contains("octets of the answer came"), "{}", outcome.detail);
    expect("closes", &over, quic(&all.good, b"doq", |_| Some(Vec::new())).addr, "quic_closed");
    expect("another protocol", &over, quic(&all.good, b"h3", |_| None).addr, "tls_handshake");
    for (issued, code) in [
        (&all.expired, "tls_certificate_expired"),
        (&all.other_name, "tls_name_mismatch"),
        (&all.stranger, "tls_unknown_ca"),
    ] {
        expect(code, &over, quic(issued, b"doq", |_| None).addr, code);
    }
    let named = Tls {
        name: Some("dns.test".parse().unwrap()),
        expiry_warn: Some(Duration::from_secs(60)),
        ..trusting()
    };
    expect("by name", &with_tls(Transport::Quic, named), good.addr, "up");

    let short = check(Transport::Quic, SHORT);
    let outcome = expect("hangs", &short, quic(&all.good, b"doq", |_| None).addr, "dns_timeout");
    assert!(outcome.detail.contains("connected over QUIC"), "{}", outcome.detail);
    expect("says nothing", &short, Fake::udp(|_, _, _| {}).addr, "tls_timeout");
    let garbage = Fake::udp(|socket, peer, _| fake::send(socket, peer, &[0x40; 1_200]));
    expect("garbage", &short, garbage.addr, "tls_timeout");
    let closed = {
        let server = Fake::udp(|_, _, _| {});
        server.addr
    };
    expect("closed port", &over, closed, "udp_refused");
}

/// Another program's client understands the server that these tests are made with: it speaks RFC 9250 and not just what we do.
#[test]
fn kdig_understands_the_server() {
    let server = quic(&CERTIFICATES.good, b"doq", |query| Some(message(&right(query))));
    let output = std::process::Command::new("kdig")
        .args(["+quic", "+time=10", "+retry=0", "-p", &server.addr.port().to_string()])
        .args(["@127.0.0.1", "resolve.test", "A"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("QUIC") && said.contains("192.0.2.80"), "{said}");
}
