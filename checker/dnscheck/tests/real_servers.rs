//! dnscheck against real name servers: BIND, NSD, Knot, Unbound and Knot Resolver on loopback, each on a random port.
//!
//! A server that is not installed fails the tests that need it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod servers;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use servers::{Server, free_port};

fn zone(serial: u32) -> String {
    format!(
        "$TTL 300\n@ IN SOA ns hostmaster {serial} 2 1 86400 60\n@ IN NS ns\n@ IN A 192.0.2.80\n@ IN A 192.0.2.81\n\
         ns IN A 127.0.0.1\ntxt IN TXT \"v=spf1 \" \"-all\"\nalias IN CNAME @\nsub IN NS ns.sub\nns.sub IN A 192.0.2.1\n\
         big IN TXT {}\n",
        "\"".to_owned() + &"x".repeat(200) + "\" " + &format!("\"{}\" ", "y".repeat(250)).repeat(8)
    )
}

fn bind(more: &str) -> Server {
    let config = r#"
options { directory "DIR"; listen-on port PORT { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none;
  recursion no; dnssec-validation no; notify no; server-id "box-1"; max-cache-size 8m; MORE };
controls { };
zone "resolve.test" { type primary; file "zone"; };
"#
    .replace("MORE", more);
    let port = free_port();
    Server::start(
        "named",
        &["-g", "-n", "1", "-U", "1", "-c", "DIR/server.conf"],
        &config,
        &[("zone", &zone(5))],
        ("resolve.test", port),
    )
}

fn nsd() -> Server {
    let config = "server:\n  ip-address: 127.0.0.1@PORT\n  username: \"\"\n  database: \"\"\n  zonesdir: \"DIR\"\n  pidfile: \"\"\n  \
                  zonelistfile: \"DIR/zonelist\"\n  xfrdfile: \"\"\n  xfrdir: \"DIR\"\n  server-count: 1\n  nsid: \"ascii_box-1\"\n\
                  remote-control:\n  control-enable: no\nzone:\n  name: resolve.test\n  zonefile: zone\n";
    let port = free_port();
    Server::start(
        "nsd",
        &["-d", "-c", "DIR/server.conf"],
        config,
        &[("zone", &zone(5))],
        ("resolve.test", port),
    )
}

fn knot() -> Server {
    let config = "server:\n  listen: 127.0.0.1@PORT\n  nsid: box-1\n  identity: box-1\n  rundir: DIR\n  udp-workers: 1\n  \
                  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: DIR\n  timer-db-max-size: 1M\n  \
                  kasp-db-max-size: 5M\n  journal-db-max-size: 5M\n  catalog-db-max-size: 5M\ncontrol:\n  listen: DIR/control\n\
                  zone:\n  - domain: resolve.test\n    storage: DIR\n    file: zone\n    zonefile-sync: -1\n    \
                  journal-content: none\n    dnssec-signing: on\n    dnssec-policy: p\npolicy:\n  - id: p\n    \
                  rrsig-lifetime: 14d\n    rrsig-refresh: 7d\n";
    // Sections must come before they are referred to.
    let (head, tail) = config.split_once("zone:\n").unwrap();
    let (zones, policy) = tail.split_once("policy:\n").unwrap();
    let config = format!("{head}policy:\n{policy}zone:\n{zones}");
    let port = free_port();
    Server::start("knotd", &["-c", "DIR/server.conf"], &config, &[("zone", &zone(5))], ("resolve.test", port))
}

fn unbound() -> Server {
    let config = "server:\n  interface: 127.0.0.1@PORT\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"DIR\"\n  \
                  pidfile: \"\"\n  use-syslog: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n  ede: yes\n  local-zone: \"test.\" nodefault\n  \
                  module-config: \"validator iterator\"\n  nsid: \"ascii_box-1\"\n  identity: \"box-1\"\n  \
                  do-not-query-localhost: no\n  trust-anchor: \"bogus.test. DS 1 8 2 \
                  0000000000000000000000000000000000000000000000000000000000000001\"\n\
                  remote-control:\n  control-enable: no\nauth-zone:\n  name: resolve.test\n  zonefile: DIR/zone\n  for-upstream: yes\n  \
                  for-downstream: yes\nauth-zone:\n  name: bogus.test\n  zonefile: DIR/zone\n  for-upstream: yes\n  \
                  for-downstream: no\n";
    let port = free_port();
    Server::start(
        "unbound",
        &["-d", "-c", "DIR/server.conf"],
        config,
        &[("zone", &zone(5))],
        ("resolve.test", port),
    )
}

/// What every server with the zone does alike.
fn alike(server: &Server) {
    server.expect(true, "NOERROR 192.0.2.8", "--qname resolve.test --expect-answer 192.0.2.80");
    server.expect(
        true,
        "",
        "--qname resolve.test --expect-answer 192.0.2.80 --expect-answer 192.0.2.81 --fit exact",
    );
    server.expect(
        false,
        "dns_answer_mismatch",
        "--qname resolve.test --expect-answer 192.0.2.80 --fit exact",
    );
    server.expect(true, "", "--qname alias.resolve.test --within 192.0.2.0/24 --fit exact --answer-count 2");
    server.expect(true, "", "--qname txt.resolve.test --qtype TXT --match ^v=spf1.*-all$ --ttl ..300");
    server.expect(true, "", "--qname {rand}.resolve.test --expect-rcode NXDOMAIN --mixed-case");
    server.expect(false, "dns_nxdomain", "--qname no.resolve.test");
    server.expect(false, "dns_no_answer", "--qname resolve.test --qtype AAAA");
    server.expect(true, "", "--qname resolve.test --qtype AAAA --expect-empty");
    server.expect(true, "over TCP", "--qname big.resolve.test --qtype TXT");
    server.expect(true, "over TCP", "--qname resolve.test --udp-and-tcp");
    server.expect(
        true,
        "",
        "--qname resolve.test --cookie --padding --subnet 192.0.2.0/24 --bufsize 4096 --no-rd --cd --ad",
    );
    server.expect(true, "", "--qname resolve.test --serial 5");
    server.expect(false, "dns_stale_serial", "--qname resolve.test --serial 6");
    server.expect(true, "", "--qname resolve.test --expect-nsid ^box-1$");
    server.expect(false, "dns_identity", "--qname resolve.test --expect-nsid ^box-2$");
    server.expect(true, "", "--qname resolve.test --edns-version 1 --expect-rcode BADVERS");
    server.expect(false, "dns_badvers", "--qname resolve.test --edns-version 1");
}

/// What the authoritative ones do alike.
fn authoritative(server: &Server) {
    alike(server);
    server.expect(true, "", "--qname resolve.test --flags aa --forbid-flags ra,ad,tc --no-rd");
    server.expect(false, "dns_referral", "--qname www.sub.resolve.test");
    server.expect(false, "dns_refused", "--qname elsewhere.example");
    server.expect(true, "", "--qname elsewhere.example --expect-rcode REFUSED");
}

/// A server that takes no query over UDP without the cookie that it has handed out.
#[test]
fn bind_9_that_insists_on_cookies() {
    let server = bind("require-server-cookie yes;");
    server.expect(true, "192.0.2.80", "--qname resolve.test --cookie --expect-answer 192.0.2.80");
    server.expect(true, "over TCP", "--qname resolve.test --cookie");
    server.expect(true, "BADCOOKIE", "--qname resolve.test --cookie --expect-rcode BADCOOKIE");
    server.expect(false, "dns_answer_mismatch", "--qname resolve.test --cookie --expect-answer 192.0.2.99");
}

#[test]
fn bind_9() {
    let server = bind("");
    authoritative(&server);
    server.expect(true, "box-1", "--qname id.server --qtype TXT --qclass CH --expect-answer box-1");
    server.expect(false, "dns_unsigned", "--qname resolve.test --rrsig");
}

#[test]
fn nsd_4() {
    authoritative(&nsd());
}

#[test]
fn knot_3_with_signatures() {
    let server = knot();
    authoritative(&server);
    server.expect(true, "box-1", "--qname id.server --qtype TXT --qclass CH --expect-answer box-1");
    server.expect(true, "up: ", "--qname resolve.test --rrsig=3d --rrsig-warn 5d");
    server.expect(true, "degraded: resolve.test A", "--qname resolve.test --rrsig=3d --rrsig-warn 30d");
    server.expect(false, "dns_signature_expiring", "--qname resolve.test --rrsig=30d");
    server.expect(true, "", "--qname {rand}.resolve.test --expect-rcode NXDOMAIN --rrsig=1d");
    server.expect(true, "", "--qname resolve.test --expect-expire 1h");
    server.expect(false, "dns_zone_expiring", "--qname resolve.test --expect-expire 30d");
}

#[test]
fn unbound_validates() {
    let server = unbound();
    alike(&server);
    server.expect(true, "", "--qname resolve.test --flags ra");
    server.expect(false, "dns_servfail", "--qname bogus.test");
    server.expect(true, "", "--qname bogus.test --expect-rcode SERVFAIL");
}

/// A resolver that is told where to find `test` and that believes the key of `resolve.test`.
fn knot_resolver(upstream: u16, anchor: &str) -> Server {
    // It keeps what it learns in a file that it wants a few megabytes for.
    let config = format!(
        "net.listen('127.0.0.1', PORT)\ncache.open(8 * MB, 'lmdb://DIR/cache')\nmodules = {{ 'policy', 'nsid', 'stats' }}\nnsid.name('box-1')\n\
         trust_anchors.remove('.')\ntrust_anchors.add('{anchor}')\n\
         policy.add(policy.suffix(policy.FORWARD('127.0.0.1@{upstream}'), {{ todname('resolve.test') }}))\n\
         policy.add(policy.suffix(policy.REFUSE, {{ todname('refused.test') }}))\n"
    );
    let args = ["-q", "-n", "-c", "DIR/server.conf", "DIR"];
    Server::start("kresd", &args, &config, &[], ("resolve.test", free_port()))
}

/// The key that signs a zone's keys, as a trust anchor.
fn anchor_of(server: &Server, zone: &str) -> String {
    let keys = server.ask_at("127.0.0.1", &["--qname", zone, "--qtype", "DNSKEY", "-v"]).0;
    let key = keys.lines().find(|line| line.contains(" DNSKEY 257 ")).unwrap_or_else(|| panic!("{keys}"));
    key.trim().to_owned()
}

#[test]
fn knot_resolver_validates_and_so_do_we() {
    let primary = knot();
    let anchor = anchor_of(&primary, "resolve.test");
    let ours = |server: &Server, passes: bool, said: &str, more: &str| {
        let words: Vec<&str> = more.split_whitespace().collect();
        let (line, passed) =
            server.ask_at("127.0.0.1", &[&["--trust-anchor", &anchor, "--qname"], &words[..]].concat());
        assert!(passed == passes && line.contains(said), "{more}: {line}");
    };
    let resolver = knot_resolver(primary.port, &anchor);
    // Of the one that signs, and of the one that hands on.
    for server in [&primary, &resolver] {
        ours(server, true, "up: ", "resolve.test --expect-answer 192.0.2.80");
        ours(server, true, "up: ", "alias.resolve.test");
        ours(server, true, "over TCP", "big.resolve.test --qtype TXT");
        ours(server, true, "up: ", "resolve.test --udp-and-tcp");
        ours(server, true, "up: ", "resolve.test --qtype AAAA --expect-empty");
        ours(server, true, "up: ", "{rand}.resolve.test --expect-rcode NXDOMAIN");
    }
    let server = resolver;
    server.expect(true, "", "--qname resolve.test --ad --flags ad,ra --mixed-case --cookie");
    server.expect(false, "dns_flags", "--qname resolve.test --ad --cd --flags ad");
    server.expect(true, "", "--qname resolve.test --rrsig=3d --expect-nsid ^box-1$");
    server.expect(false, "dns_nxdomain", "--qname no.resolve.test");
    server.expect(true, "", "--qname refused.test --expect-rcode REFUSED");
    server.expect(true, "over TCP", "--qname big.resolve.test --qtype TXT");
    server.expect(false, "dns_answer_mismatch", "--qname resolve.test --expect-answer 192.0.2.1");
}

/// NSD as a primary that tells no one of changes, with this serial.
fn nsd_with(port: u16, serial: u32) -> Server {
    let config = "server:\n  ip-address: 127.0.0.1@PORT\n  username: \"\"\n  database: \"\"\n  zonesdir: \"DIR\"\n  pidfile: \"\"\n  \
                  zonelistfile: \"DIR/zonelist\"\n  xfrdfile: \"\"\n  xfrdir: \"DIR\"\n  server-count: 1\n\
                  remote-control:\n  control-enable: no\nzone:\n  name: resolve.test\n  zonefile: zone\n  \
                  provide-xfr: 127.0.0.1 NOKEY\n";
    let args = ["-d", "-c", "DIR/server.conf"];
    Server::start("nsd", &args, config, &[("zone", &zone(serial))], ("resolve.test", port))
}

#[test]
fn a_knot_secondary_of_an_nsd_primary() {
    let (at, behind) = (free_port(), free_port());
    let primary = nsd_with(at, 5);
    // It refreshes every hour at the most, and hears of changes only when told: so it stays behind.
    let config = format!(
        "server:\n  listen: 127.0.0.1@PORT\n  rundir: DIR\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  \
         storage: DIR\n  timer-db-max-size: 1M\n  kasp-db-max-size: 5M\n  journal-db-max-size: 5M\n  catalog-db-max-size: 5M\n\
         control:\n  listen: DIR/control\nremote:\n  - id: primary\n    address: 127.0.0.1@{at}\nzone:\n  - domain: resolve.test\n    \
         storage: DIR\n    file: copy\n    master: primary\n    refresh-min-interval: 3600\n"
    );
    let args = ["-c", "DIR/server.conf"];
    let secondary = Server::start("knotd", &args, &config, &[], ("resolve.test", behind));
    let primary_shown = format!("127.0.0.1#{at}");
    let lag = |more: &[&str]| {
        secondary
            .ask_at("127.0.0.1", &[&["--qname", "resolve.test", "--primary", &primary_shown], more].concat())
    };
    assert!(lag(&[]).1);
    // The primary comes back with a newer zone.
    drop(primary);
    let primary = nsd_with(at, 8);
    let (line, passed) = lag(&["--grace", "300ms"]);
    assert!(
        !passed && line.contains("dns_stale_serial: the zone has serial 5, 3 behind the expected 8"),
        "{line}"
    );
    assert!(lag(&["--max-lag", "3"]).1 && !lag(&["--max-lag", "2"]).1);
    // Told to, it catches up within the grace.
    let socket = secondary.directory.join("control");
    let refreshed = Command::new("knotc")
        .args(["-s", socket.to_str().unwrap(), "zone-refresh", "resolve.test"])
        .output()
        .unwrap();
    assert!(refreshed.status.success(), "{}", String::from_utf8_lossy(&refreshed.stderr));
    let (line, passed) = lag(&["--grace", "20s"]);
    assert!(passed && line.contains(" 8 2 1 86400 60"), "{line}");
    drop(primary);
}

#[test]
fn a_secondary_lags_behind_its_primary() {
    let config = r#"
options { directory "DIR"; listen-on port PORT { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none;
  recursion no; dnssec-validation no; notify no; allow-transfer { any; }; };
controls { };
zone "resolve.test" { type primary; file "zone"; };
"#;
    let port = free_port();
    let named = ["-g", "-n", "1", "-U", "1", "-c", "DIR/server.conf"];
    let primary = Server::start("named", &named, config, &[("zone", &zone(5))], ("resolve.test", port));
    let primary_shown = format!("127.0.0.1#{port}");
    let config = r#"
options { directory "DIR"; listen-on port PORT { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none;
  recursion no; dnssec-validation no; notify no; min-refresh-time 1; max-refresh-time 2; min-retry-time 1; max-retry-time 1; };
controls { };
zone "resolve.test" { type secondary; primaries port PRIMARY { 127.0.0.1; }; file "copy"; };
"#
    .replace("PRIMARY", &port.to_string());
    let port = free_port();
    let secondary = Server::start("named", &named, &config, &[("zone", &zone(5))], ("resolve.test", port));
    let lag = ["--qname", "resolve.test", "--primary", &primary_shown];
    assert!(secondary.ask_at("127.0.0.1", &lag).1);
    assert!(
        secondary
            .ask_at("127.0.0.1", &["--qname", "resolve.test", "--qtype", "SOA", "--expect-expire", "1m"])
            .1
    );

    fs::write(primary.directory.join("zone"), zone(7)).unwrap();
    // By its id alone: others run the same program.
    let id = primary.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    let end = Instant::now() + Duration::from_secs(20);
    while !primary.ask_at("127.0.0.1", &["--qname", "resolve.test", "--serial", "7"]).1 {
        assert!(Instant::now() < end, "the primary did not load the zone");
    }
    // It asks its primary every second or two: behind now or not, it is no longer once the grace is over.
    let (line, passed) = secondary.ask_at("127.0.0.1", &[&lag[..], &["--grace", "20s"]].concat());
    assert!(passed && line.contains(" 7 2 1 86400 60"), "{line}");

    // The primary goes on, and the secondary can't follow: it is frozen where it is.
    drop(primary);
    let (line, passed) = secondary.ask_at("127.0.0.1", &lag);
    assert!(!passed && line.starts_with("unknown: ") && line.contains("primary_silent"), "{line}");
    let (line, passed) = secondary.ask_at("127.0.0.1", &["--qname", "resolve.test", "--serial", "8"]);
    assert!(!passed && line.contains("1 behind the expected 8"), "{line}");
}
