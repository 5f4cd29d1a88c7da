//! Validation against a trust anchor: zones signed by BIND's tools, served by NSD, which tells them as they are, good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../probe/tests/fake/mod.rs"]
mod fake;
mod servers;

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use fake::{Fake, send};
use servers::{Server, dnscheck, free_port};

const ZONE: &str = "$TTL 300\n@ IN SOA ns hostmaster 5 2 1 86400 60\n@ IN NS ns\n@ IN A 192.0.2.80\n@ IN MX 10 Mail\nns IN A 127.0.0.1\n\
     www IN A 192.0.2.80\nmail IN A 192.0.2.80\nalias IN CNAME www\n*.wild IN A 192.0.2.80\ndeep.ent IN A 192.0.2.80\n\
     old IN DNAME new\nwww.new IN A 192.0.2.80\n";

const NSD: &str = "server:\n  ip-address: 127.0.0.1@PORT\n  username: \"\"\n  database: \"\"\n  zonesdir: \"DIR\"\n  pidfile: \"\"\n  \
         zonelistfile: \"DIR/zonelist\"\n  xfrdfile: \"\"\n  xfrdir: \"DIR\"\n  server-count: 1\nremote-control:\n  control-enable: no\n";

/// How a zone below `test` is signed, and what is done to it afterwards.
struct Recipe {
    zone: &'static str,
    algorithm: &'static str,
    /// More arguments for the signer.
    how: &'static [&'static str],
    spoil: fn(&str) -> String,
    /// Whether `test` has a DS for it: its own, another's, none.
    ds: Delegation,
}

#[derive(PartialEq)]
enum Delegation {
    Right,
    Wrong,
    Insecure,
}

const LASTS: &[&str] = &["-s", "now-3600", "-e", "now+864000"];

fn good(zone: &'static str, algorithm: &'static str, how: &'static [&'static str]) -> Recipe {
    Recipe { zone, algorithm, how, spoil: str::to_owned, ds: Delegation::Right }
}

fn bad(zone: &'static str, spoil: fn(&str) -> String) -> Recipe {
    Recipe { spoil, ..good(zone, "ED25519", LASTS) }
}

/// Without the lines that hold all of these words.
fn without(zone: &str, words: &[&str]) -> String {
    let kept = zone.lines().filter(|line| !words.iter().all(|word| line.contains(word)));
    kept.map(|line| format!("{line}\n")).collect()
}

fn recipes() -> Vec<Recipe> {
    vec![
        good("rsa", "RSASHA256", LASTS),
        good("rsa512", "RSASHA512", &["-s", "now-3600", "-e", "now+864000", "-3", "ab12", "-H", "10"]),
        good("p256", "ECDSAP256SHA256", &["-s", "now-3600", "-e", "now+864000", "-3", "-", "-H", "0"]),
        good("p384", "ECDSAP384SHA384", LASTS),
        good("ed", "ED25519", LASTS),
        good("optout", "ED25519", &["-s", "now-3600", "-e", "now+864000", "-3", "-", "-H", "0", "-A"]),
        good("rounds", "ED25519", &["-s", "now-3600", "-e", "now+864000", "-3", "ab", "-H", "120"]),
        good("expired", "ED25519", &["-s", "now-864000", "-e", "now-86400"]),
        good("future", "ED25519", &["-s", "now+86400", "-e", "now+864000"]),
        bad("tampered", |zone| zone.replace("192.0.2.80", "192.0.2.99")),
        bad("missing", |zone| without(zone, &["RRSIG", "\tA 15 "])),
        bad("lostkey", |zone| without(zone, &["DNSKEY\t256 "])),
        bad("soa", |zone| zone.replace(" 5 2 1 86400 60", " 6 2 1 86400 60")),
        Recipe { ds: Delegation::Wrong, ..bad("otherds", str::to_owned) },
        Recipe { ds: Delegation::Insecure, ..bad("island", str::to_owned) },
    ]
}

fn run(directory: &Path, program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Signs a zone; returns it, one record in a line, and its DS.
fn signed(directory: &Path, zone: &str, text: &str, algorithm: &str, how: &[&str]) -> (String, String) {
    let bits: &[&str] = if algorithm.starts_with("RSA") { &["-b", "2048"] } else { &[] };
    for kind in [&["-f", "KSK"][..], &[]] {
        let args = [&["-q", "-a", algorithm][..], bits, kind, &[zone]].concat();
        run(directory, "dnssec-keygen", &args);
    }
    fs::write(directory.join(zone), text).unwrap();
    let file = format!("{zone}.signed");
    let args = [&["-q", "-S", "-P", "-O", "full", "-o", zone, "-f", &file][..], how, &[zone]].concat();
    run(directory, "dnssec-signzone", &args);
    let ds = fs::read_to_string(directory.join(format!("dsset-{zone}."))).unwrap();
    (fs::read_to_string(directory.join(file)).unwrap(), ds)
}

/// The server of all zones.
struct Zones {
    server: Server,
    /// The DS of `test`.
    anchor: String,
}

/// All tests that run at one time share one, and the last of them ends it.
fn zones() -> Arc<Zones> {
    static ZONES: Mutex<Weak<Zones>> = Mutex::new(Weak::new());
    let mut shared = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let zones = Arc::new(started());
        *shared = Arc::downgrade(&zones);
        zones
    })
}

fn started() -> Zones {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (mut files, mut ds_of) = (Vec::new(), Vec::new());
    for Recipe { zone, algorithm, how, spoil, ds } in recipes() {
        let name = format!("{zone}.test");
        let (text, own) = signed(directory, &name, ZONE, algorithm, how);
        files.push((name, spoil(&text)));
        ds_of.push((zone, own, ds));
    }
    let mut parent =
        "$TTL 300\n@ IN SOA ns hostmaster 5 2 1 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n".to_owned();
    for (zone, own, ds) in &ds_of {
        parent.push_str(&format!("{zone} IN NS ns.{zone}\nns.{zone} IN A 127.0.0.1\n"));
        match ds {
            Delegation::Right => parent.push_str(own),
            // The name of one, the data of another.
            Delegation::Wrong => parent.push_str(&ds_of[0].1.replace("rsa.test.", &format!("{zone}.test."))),
            Delegation::Insecure => {}
        }
    }
    let (text, ds) = signed(directory, "test", &parent, "ECDSAP256SHA256", LASTS);
    files.push(("test".to_owned(), text));
    let mut config = NSD.to_owned();
    for (name, _) in &files {
        config.push_str(&format!("zone:\n  name: {name}\n  zonefile: {name}\n"));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let args = ["-d", "-c", "DIR/server.conf"];
    let server = Server::start("nsd", &args, &config, &files, ("test", free_port()));
    Zones { server, anchor: ds.trim().replace('\t', " ") }
}

/// What dnscheck says with the anchor of `test`.
fn ask(port: u16, more: &str) -> (String, bool) {
    let words: Vec<&str> = more.split_whitespace().collect();
    dnscheck("127.0.0.1", port, &[&["--trust-anchor", &zones().anchor, "--qname"], &words[..]].concat())
}

fn expect(passes: bool, said: &str, more: &str) {
    let (line, passed) = ask(zones().server.port, more);
    assert!(passed == passes && line.contains(said), "{more}: {line}");
}

#[test]
fn what_is_signed_passes() {
    let _zones = zones();
    for zone in ["rsa", "rsa512", "p256", "p384", "ed"] {
        for (name, more) in [
            ("", "--expect-answer 192.0.2.80"),
            ("", "--qtype SOA --serial 5"),
            ("", "--qtype MX"),
            ("", "--qtype DNSKEY"),
            ("", "--qtype DS"),
            ("", "--qtype ANY --tcp"),
            ("www.", "--mixed-case"),
            ("alias.", "--expect-answer 192.0.2.80"),
            ("any.wild.", ""),
            ("an.y.wild.", ""),
            ("www.old.", "--expect-answer 192.0.2.80"),
            // What is not there.
            ("www.", "--qtype MX --expect-empty"),
            ("alias.", "--qtype MX --expect-empty"),
            ("any.wild.", "--qtype MX --expect-empty"),
            ("ent.", "--expect-empty"),
            ("no.", "--expect-rcode NXDOMAIN"),
            ("no.old.", "--expect-rcode NXDOMAIN"),
            ("{rand}.ent.", "--expect-rcode NXDOMAIN --udp-and-tcp"),
        ] {
            expect(true, "up: ", &format!("{name}{zone}.test {more}"));
        }
    }
    expect(true, "up: ", "optout.test --expect-answer 192.0.2.80");
    expect(true, "up: ", "www.optout.test --qtype MX --expect-empty");
}

#[test]
fn what_is_not_genuine_fails() {
    let _zones = zones();
    for (code, said, more) in [
        ("dns_signature_expired", "the signature over A of expired.test expired 24 h ago", "expired.test"),
        ("dns_signature_expired", "", "no.expired.test --expect-rcode NXDOMAIN"),
        ("dns_signature_future", "the signature over A of future.test begins only in 23 h", "future.test"),
        ("dns_bogus", "the signature over A of tampered.test by key", "tampered.test"),
        ("dns_unsigned", "without a signature over A of missing.test", "missing.test"),
        ("dns_bogus", "the signature over DNSKEY of lostkey.test by key", "lostkey.test"),
        ("dns_bogus", "the signature over SOA of soa.test", "soa.test --qtype SOA"),
        ("dns_bogus", "the signature over SOA of soa.test", "www.soa.test --qtype MX --expect-empty"),
        ("dns_bogus", "the DS records above it stands for none of the keys of otherds.test", "otherds.test"),
        ("dns_insecure", "the zone above island.test says that island.test is not signed", "island.test"),
        ("dns_insecure", "by opt-out optout.test leaves it open", "no.optout.test --expect-rcode NXDOMAIN"),
        ("dns_insecure", "by opt-out optout.test leaves it open", "any.wild.optout.test"),
        ("dns_insecure", "hash 120 times more", "no.rounds.test --expect-rcode NXDOMAIN"),
    ] {
        expect(false, &format!("{code}: "), more);
        expect(false, said, more);
    }
    // The anchor does not change what is judged before.
    expect(false, "dns_answer_mismatch", "tampered.test --expect-answer 192.0.2.80");
    expect(false, "dns_nxdomain", "no.ed.test");
    // All signatures on the way count, the keys' too.
    expect(true, "degraded: ", "ed.test --rrsig-warn 30d");
    expect(false, "dns_signature_expiring", "ed.test --rrsig=30d");
    expect(true, "up: ", "ed.test --rrsig=5d");
}

#[test]
fn anchors_of_every_kind() {
    let zones = zones();
    let (server, test) = (&zones.server, &*zones.anchor);
    let keys = server.ask_at("127.0.0.1", &["--qname", "ed.test", "--qtype", "DNSKEY", "-v"]).0;
    let key = keys.lines().find(|line| line.contains(" DNSKEY 257 ")).unwrap().trim();
    let file = std::env::temp_dir().join(format!("dnscheck-anchors-{}", std::process::id()));
    let ask = |args: &[&str]| server.ask_at("127.0.0.1", &[args, &["--qname", "www.ed.test"]].concat());
    // The zone's own key, and one that is another's beside it.
    assert!(ask(&["--trust-anchor", key]).1);
    assert!(ask(&["--trust-anchor", key, "--trust-anchor", &test.replace("test.", "rsa.test.")]).1);
    fs::write(&file, format!("; anchors\n{key} ;;state=2\n\n{test}\n")).unwrap();
    assert!(ask(&["--trust-anchor-file", file.to_str().unwrap()]).1);
    fs::remove_file(&file).unwrap();
    for (anchor, said) in [
        (key.replace("ed.test", "rsa.test"), "which no trust anchor is above"),
        (test.replace("test.", "ed.test."), "the trust anchor stands for none of the keys of ed.test"),
        (test.replace("test.", "www.ed.test."), "which no trust anchor is above"),
    ] {
        let (line, passed) = ask(&["--trust-anchor", &anchor]);
        assert!(!passed && line.contains("dns_bogus") && line.contains(said), "{anchor}: {line}");
    }
}

/// A server between dnscheck and the real one: what it does with the query and with the reply to it.
fn between(query: fn(&mut [u8]), reply: fn(&[u8], &mut [u8])) -> Fake {
    let upstream = zones().server.port;
    Fake::udp(move |socket, peer, asked| {
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sent = asked.to_vec();
        query(&mut sent);
        other.send_to(&sent, ("127.0.0.1", upstream)).unwrap();
        let mut buffer = [0; 4096];
        other.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let Ok(length) = other.recv(&mut buffer) else { return };
        let mut octets = buffer[..length].to_vec();
        reply(asked, &mut octets);
        send(socket, peer, &octets);
    })
}

/// Puts the question that was asked back where another one was sent on; both are equally long.
fn mend_question(asked: &[u8], octets: &mut [u8]) {
    let end = 12 + asked[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    octets[12..end].copy_from_slice(&asked[12..end]);
}

fn is_first(query: &[u8]) -> bool {
    query[13..].starts_with(b"www") || query[13..].starts_with(b"abc")
}

#[test]
fn genuine_records_that_prove_something_else_fail() {
    let _zones = zones();
    let no_name = |query: &mut [u8]| {
        if is_first(query) {
            query[13..16].copy_from_slice(b"wwx");
        }
    };
    let no_type = |query: &mut [u8]| {
        if is_first(query) {
            let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap();
            query[end + 2] = 15;
        }
    };
    for zone in ["ed", "p256"] {
        // "No such name" of a neighbour, and "no such type" of another type, for one that is there.
        let server = between(no_name, mend_question);
        let (line, passed) = ask(server.addr.port(), &format!("www.{zone}.test --expect-rcode NXDOMAIN"));
        assert!(!passed && line.contains("dns_bogus: its NSEC or NSEC3 records don't prove"), "{line}");
        let server = between(no_type, mend_question);
        let (line, passed) = ask(server.addr.port(), &format!("www.{zone}.test --expect-empty"));
        assert!(!passed && line.contains("dns_bogus: its NSEC or NSEC3 records don't prove"), "{line}");
        // The wildcard's answer for a name that has one of its own.
        let server = between(
            |query| {
                if query[13..].starts_with(b"deep") {
                    query[18..21].copy_from_slice(b"wil");
                }
            },
            |_, _| {},
        );
        let (line, passed) = ask(server.addr.port(), &format!("deep.ent.{zone}.test --timeout 300ms"));
        assert!(!passed && line.contains("dns_timeout"), "{line}");
        // Without the proof that nothing closer exists: the authority section cut off.
        let server = between(
            |_| {},
            |asked, octets| {
                if asked[13..].starts_with(b"abc") {
                    octets[8..12].fill(0);
                }
            },
        );
        let (line, passed) = ask(server.addr.port(), &format!("abc.wild.{zone}.test"));
        assert!(!passed && line.contains("dns_bogus: abc.wild."), "{line}");
        let (line, passed) = ask(server.addr.port(), &format!("abc.{zone}.test --expect-rcode NXDOMAIN"));
        assert!(!passed && line.contains("dns_unsigned: answered without NSEC or NSEC3 records"), "{line}");
    }
}

#[test]
fn a_server_that_hides_the_chain_fails() {
    let _zones = zones();
    fn is(query: &[u8], rtype: u8) -> bool {
        let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap();
        query[end + 2] == rtype
    }
    // SERVFAIL to whoever asks for a DS.
    let server = between(
        |_| {},
        |asked, octets| {
            if is(asked, 43) {
                octets[3] |= 2;
            }
        },
    );
    let (line, passed) = ask(server.addr.port(), "www.ed.test");
    let said = "dns_servfail: answered, but not when asked for ed.test DS to validate it: answered SERVFAIL";
    assert!(!passed && line.contains(said), "{line}");
    // No answer at all instead of the keys.
    let server = between(
        |_| {},
        |asked, octets| {
            if is(asked, 48) {
                octets[6..12].fill(0);
            }
        },
    );
    let (line, passed) = ask(server.addr.port(), "www.ed.test");
    assert!(!passed && line.contains("dns_bogus: the server does not tell the keys of "), "{line}");
    // Keys never come: within the timeout of the whole.
    let server = between(
        |_| {},
        |asked, octets| {
            if is(asked, 48) {
                octets[0] ^= 0xff;
            }
        },
    );
    let (line, passed) = ask(server.addr.port(), "www.ed.test --timeout 500ms");
    assert!(!passed && line.contains("dns_timeout: answered, but not when asked for"), "{line}");
}

#[test]
fn a_server_of_the_child_alone_can_t_prove_the_delegation() {
    let zones = zones();
    let text = fs::read_to_string(zones.server.directory.join("ed.test")).unwrap();
    let config = format!("{NSD}zone:\n  name: ed.test\n  zonefile: ed.test\n");
    let args = ["-d", "-c", "DIR/server.conf"];
    let child = Server::start("nsd", &args, &config, &[("ed.test", &text)], ("ed.test", free_port()));
    let (line, passed) = ask(child.port, "www.ed.test");
    assert!(
        !passed && line.contains("dns_bogus: the server does not answer for the zone above ed.test"),
        "{line}"
    );
    // Its own key is enough.
    let anchor = fs::read_to_string(zones.server.directory.join("ed.test")).unwrap();
    let key = anchor.lines().find(|line| line.contains("DNSKEY\t257")).unwrap();
    let key = key.split_once(';').map_or(key, |(key, _)| key);
    let (line, passed) =
        dnscheck("127.0.0.1", child.port, &["--qname", "www.ed.test", "--trust-anchor", key]);
    assert!(passed, "{line}");
}

#[test]
fn what_goes_wrong_on_the_command_line_is_named() {
    for (args, said) in [
        (&["--trust-anchor", "test. DS 1"][..], "--trust-anchor: the data of the trust anchor: it ends"),
        (&["--trust-anchor-file", "/does/not/exist"], "--trust-anchor-file: /does/not/exist: "),
        (&["--trust-anchor-file", "/dev/null"], "--trust-anchor-file: /dev/null: it has no trust anchor"),
        (
            &["--trust-anchor", "test. DS 1 8 1 0123456789012345678901234567890123456789", "--qclass", "CH"],
            "--trust-anchor: only names of class IN",
        ),
    ] {
        let given = [&["--server", "127.0.0.1", "--qname", "a.test"], args].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_dnscheck")).args(given).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn many_at_once_in_the_engine_that_checkd_runs() {
    use checker_core::dns::{Class, DnsCheck, Question, RecordType, Timeout};
    use checker_probe::{Prober, Settings, Target, clock};
    let zones = zones();
    let check = |zone: &str| {
        let name = format!("{zone}.test").parse().unwrap();
        let mut check = DnsCheck::new(Question::new(name, RecordType::A, Class::IN).unwrap());
        check.timeout = Timeout::new(std::time::Duration::from_secs(20)).unwrap();
        check.validate([zones.anchor.parse().unwrap()].into());
        Arc::new(check)
    };
    let wanted =
        [("ed", "up"), ("tampered", "dns_bogus"), ("p256", "up"), ("expired", "dns_signature_expired")];
    let checks = wanted.map(|(zone, _)| check(zone));
    let target = Target::new(([127, 0, 0, 1], zones.server.port).into(), None).unwrap();
    // Few sockets, so that most have to wait for others, and no replies kept.
    let mut prober = Prober::new(Settings { max_sockets: 16, ..Settings::default() }).unwrap();
    for token in 0..200 {
        prober.start(token, &checks[token as usize % wanted.len()], target);
    }
    let mut left = 200;
    while left > 0 {
        while let Some(finished) = prober.next_finished() {
            left -= 1;
            let (zone, code) = wanted[finished.token as usize % wanted.len()];
            let outcome = finished.outcome;
            assert_eq!(outcome.cause.map_or("up", |cause| cause.code()), code, "{zone}: {outcome:?}");
            assert!(outcome.reply.is_none() && outcome.latency.is_some(), "{zone}: {outcome:?}");
        }
        prober.poll(clock::now() + std::time::Duration::from_secs(1)).unwrap();
    }
    let stats = prober.stats();
    assert_eq!((stats.in_flight, stats.waiting), (0, 0), "nothing is left over");
}
