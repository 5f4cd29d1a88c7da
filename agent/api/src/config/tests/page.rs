//! The page: where it may be served, with what protection, and the other director's.

use std::path::PathBuf;

use super::{good, pool, read, source};
use crate::config::{Mistakes, PageTls, Peer, PeerUrl, Status, parse};

/// `[status]` with these keys.
fn status(keys: &str) -> Status {
    good(&format!("[status]\n{keys}\n{}", pool("", "", ""))).status
}

#[test]
fn protection_and_a_peer() {
    let protected = "listen = \"192.0.2.1:443\"\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\nusers = \"/u\"";
    let peer = "peer = { url = \"https://director2.example.net\", name = \"second\", ca = \"/ca\", credentials = \"/p\" }";
    assert_eq!(
        status(&format!("{protected}\n{peer}")),
        Status {
            listen: "192.0.2.1:443".parse().unwrap(),
            tls: Some(PageTls { certificate: "/c.pem".into(), key: "/k.pem".into() }),
            users: Some(PathBuf::from("/u")),
            peer: Some(Peer {
                url: PeerUrl { tls: true, host: "director2.example.net".into(), port: 9530 },
                name: "second".into(),
                ca: Some("/ca".into()),
                credentials: Some("/p".into()),
            }),
            ..Status::default()
        }
    );
    assert!(status("listen = \"0.0.0.0:80\"\nunprotected = true").unprotected);
    for (url, shown) in [
        ("https://[2001:db8::2]:9531/", "https://[2001:db8::2]:9531"),
        ("https://192.0.2.2", "https://192.0.2.2:9530"),
        ("http://127.0.0.1:9531", "http://127.0.0.1:9531"),
        ("http://[::1]", "http://[::1]:9530"),
    ] {
        let peer = status(&format!("peer.url = {url:?}")).peer.unwrap();
        assert_eq!((peer.url.to_string().as_str(), peer.name), (shown, peer.url.host.clone()));
    }
}

#[test]
fn mistakes_of_protection_and_peer() {
    for (keys, why) in [
        ("key = \"/k\"", "certificate is missing beside key"),
        ("certificate = \"/k\"", "key is missing beside certificate"),
        ("users = \"status.users\"", "users \"status.users\" is no absolute path of a file"),
        ("peer = {}", "url is missing in [status.peer]"),
        ("peer.url = \"director2\"", "url: \"director2\" is no address of a page"),
        ("peer.url = \"ftp://a\"", "url: \"ftp://a\" begins neither with https:// nor with http://"),
        ("peer.url = \"https://a:b@c\"", "url: \"https://a:b@c\" holds a password"),
        ("peer.url = \"https://a/status\"", "url: \"https://a/status\" has a path"),
        ("peer.url = \"https://a:0\"", "url: \"https://a:0\": the port is a number"),
        ("peer.url = \"https://[::1]9530\"", "url: \"https://[::1]9530\": the port is a number"),
        ("peer.url = \"https://::1\"", "url: \"https://::1\": the port is a number"),
        ("peer.url = \"https://a b\"", "url: \"https://a b\" names no host"),
        ("peer.url = \"https://[a]\"", "url: \"https://[a]\" names no host"),
        ("peer.url = \"https://\"", "url: \"https://\" names no host"),
        ("peer.url = \"http://director2\"", "url: \"http://director2\" would send the password unencrypted"),
        (
            "listen = \"[::]:1\"\nusers = \"/u\"",
            "listen: \"[::]:1\" is open to others, and the page is not encrypted; add certificate and key",
        ),
        (
            "listen = \"[::]:1\"\ncertificate = \"/u\"\nkey = \"/k\"",
            "listen: \"[::]:1\" is open to others, and the page asks for no password; add users",
        ),
    ] {
        let Mistakes(mistakes) = read(&format!("[status]\n{keys}\n{}", pool("", "", ""))).unwrap_err();
        assert!(mistakes.len() == 1 && mistakes[0].message.starts_with(why), "{keys}: {mistakes:#?}");
    }
}

#[test]
fn the_page() {
    for (keys, why) in [
        ("listen = 9530", "listen is a whole number; write a text in quotes: listen = \"127.0.0.1:9530\""),
        ("listen = \"::1\"", "listen: \"::1\" is no address with a port; write \"[::1]:9530\""),
        (
            "listen = \"127.0.0.1\"",
            "listen: \"127.0.0.1\" is no address with a port; write \"127.0.0.1:9530\"",
        ),
        (
            "listen = \"localhost:80\"",
            "listen: \"localhost:80\" is no address with a port; write \"127.0.0.1:9530\" or \"[::1]:9530\"",
        ),
        ("listen = \"127.0.0.1:0\"", "listen: \"127.0.0.1:0\": the port is a number from 1 to 65535"),
        ("title = \" \"", "title is empty; leave the key out or write a name"),
        ("title = \"a\\nb\"", "title has control characters or several lines; write one line"),
        (
            "port = 1",
            "port has no place in [status]; it belongs in [[virtual_server.real_server]] or [virtual_server.check.dns] or [virtual_server.check.tcp] or [virtual_server.check.udp] and others",
        ),
        ("lisden = \"\"", "unknown key \"lisden\"; did you mean \"listen\"?"),
    ] {
        let Mistakes(mistakes) = read(&format!("[status]\n{keys}\n{}", pool("", "", ""))).unwrap_err();
        assert_eq!(mistakes.into_iter().map(|m| m.message).collect::<Vec<_>>(), [why], "{keys}");
    }
    for open in
        ["0.0.0.0:9530", "[::]:9530", "192.0.2.1:9530", "[::ffff:127.0.0.1]:9530", "[2001:db8::1]:9530"]
    {
        let Mistakes(mistakes) =
            read(&format!("[status]\nlisten = \"{open}\"\n{}", pool("", "", ""))).unwrap_err();
        let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
        assert!(mistake.message.contains("is open to others"), "{mistake}");
        assert!(mistake.message.contains("\"127.0.0.1:9530\""), "{mistake}");
    }
    let twice = [
        source("a.toml", &format!("[status]\n{}", pool("", "", ""))),
        source("b.toml", "[status]\ntitle = \"b\"\n"),
    ];
    let message = parse(&twice).unwrap_err().to_string();
    assert_eq!(message, "b.toml:1:1: [status] is there already, at a.toml:1:1; put all its keys into one");
}
