//! What good files mean.

use std::net::SocketAddr;
use std::time::Duration;

use checker_core::dns::{Rcode, RecordType, Transport};

use super::{EXAMPLE, bad, good, pool};
use crate::config::{
    Adopt, CheckKind, Checksum, Config, Engine, Forwarding, Lvs, Persistence, RealServer, Rhythm, Scheduling,
    Service, Status, SyncDaemon, SyncRoles, Sysctls, Timeouts, Tunnel, VirtualServer,
};
use crate::id::Protocol;

fn only(config: &Config) -> (&VirtualServer, &RealServer) {
    let mut all = config.real_servers();
    let first = all.next().expect("there is one");
    assert!(all.next().is_none());
    first
}

#[test]
fn every_default() {
    let config = good(&pool("", "", ""));
    let (pool, server) = only(&config);
    assert_eq!(config.lvs, Lvs::default());
    assert_eq!((config.lvs.adopt, config.lvs.interval), (Adopt::Named, Duration::from_secs(1)));
    assert_eq!((server.upper_threshold, server.lower_threshold, server.tunnel), (0, 0, Tunnel::Ipip));
    assert_eq!(config.status, Status { listen: "127.0.0.1:9530".parse().unwrap(), title: "Holdfast".into() });
    assert_eq!(
        pool.scheduling,
        Scheduling { scheduler: "wlc".to_owned(), flags: 0, one_packet: false, persistence: None }
    );
    assert_eq!((pool.quorum, pool.min_serving_percent), (1, 0));
    assert_eq!(
        pool.services,
        [Service { protocol: Protocol::Udp, port: 53 }, Service { protocol: Protocol::Tcp, port: 53 }]
    );
    assert_eq!((server.weight, server.port, server.forwarding), (1, None, Forwarding::Direct));
    let check = &server.check;
    assert_eq!(
        check.rhythm,
        Rhythm { interval: Duration::from_secs(2), rise: 2, fall: 3, ..Rhythm::default() }
    );
    assert_eq!(check.target, "10.0.0.1:53".parse::<SocketAddr>().unwrap());
    assert_eq!(check.source, None);
    assert_eq!(check.dns().unwrap().question.to_string(), "resolve.test A");
    assert!(check.dns().unwrap().expect.rcodes.iter().eq([Rcode::NOERROR]));
    assert!(check.dns().unwrap().expect.answer.wanted.is_empty());
    assert_eq!(check.dns().unwrap().transport, Transport::Udp);
    assert_eq!(check.dns().unwrap().timeout.get(), Duration::from_secs(1));
    assert_eq!(check.dns().unwrap().tries.get(), 2);
}

#[test]
fn every_key() {
    let text = r#"
include = ["conf.d/*.toml"]
lvs.adopt = "exclusive"
lvs.exclusive_grace = "5m"
lvs.interval = "250ms"
lvs.sysctls = "set"
lvs.drain_deadline = "10m"
lvs.timeouts = { tcp = "1h", tcp_fin = "30s", udp = "10s" }
lvs.sync = { role = "master", interface = "eth1", id = 51, group = "239.1.1.1", port = 8849, ttl = 2, max_length = 1400 }
status = { listen = "[::1]:80", title = "Knoten <1>" }
[[virtual_server]]
name = "v6.pool_1"
address = "2001:db8::53"
services = ["tcp/8053", "udp/5300"]
forwarding = "tunnel"
scheduler = "mh"
scheduler_flags = ["mh-fallback", "mh-port"]
one_packet = true
persistence = { timeout = "1m 30s", prefix = 64 }
tunnel = { type = "gue", port = 6080, checksum = "remote" }
quorum = 2
min_serving = "50%"
probe_source = "2001:db8::1"
[virtual_server.check.dns]
qname = "version.bind"
qtype = "TXT"
qclass = "CH"
expect_rcode = ["NOERROR", "REFUSED"]
expect_answer = "9.18"
transport = "tcp"
port = 53
interval = "500ms"
timeout = "250ms"
tries = 1
rise = 1
fall = 100
[[virtual_server.real_server]]
name = "a"
address = "2001:db8::a"
weight = 0
upper_threshold = 100
lower_threshold = 80
tunnel = { type = "gre", checksum = "full" }
[[virtual_server.real_server]]
name = "b"
address = "10.0.0.1"
probe_source = "10.0.0.254"
weight = 65535
[[virtual_server.real_server]]
name = "c"
address = "2001:db8::c"
forwarding = "direct"
"#;
    let config = good(text);
    let lvs = Lvs {
        adopt: Adopt::Exclusive,
        exclusive_grace: Duration::from_secs(300),
        interval: Duration::from_millis(250),
        sysctls: Sysctls::Set,
        drain_deadline: Some(Duration::from_secs(600)),
        timeouts: Timeouts { tcp: Some(3600), tcp_fin: Some(30), udp: Some(10) },
        sync: Some(SyncDaemon {
            role: SyncRoles::Master,
            interface: "eth1".to_owned(),
            id: 51,
            group: "239.1.1.1".parse().unwrap(),
            port: 8849,
            ttl: 2,
            max_length: 1400,
        }),
    };
    assert_eq!(config.lvs, lvs);
    assert_eq!(config.status, Status { listen: "[::1]:80".parse().unwrap(), title: "Knoten <1>".into() });
    let [pool] = config.virtual_servers.as_slice() else { panic!("one is configured") };
    assert_eq!(
        (pool.scheduling.scheduler.as_str(), pool.scheduling.flags, pool.scheduling.one_packet),
        ("mh", 3, true)
    );
    let persistence = Persistence { timeout: Duration::from_secs(90), prefix: 64, engine: None };
    assert_eq!(pool.scheduling.persistence, Some(persistence));
    assert_eq!((pool.quorum, pool.min_serving_percent, pool.min_serving()), (2, 50, 2));
    let [a, b, c] = pool.real_servers.as_slice() else { panic!("three are configured") };
    assert_eq!((a.weight, b.weight, c.weight), (0, 65_535, 1));
    assert_eq!(
        (a.upper_threshold, a.lower_threshold, a.tunnel),
        (100, 80, Tunnel::Gre { checksum: Checksum::Full })
    );
    let gue = Tunnel::Gue { port: 6080.try_into().unwrap(), checksum: Checksum::Remote };
    assert_eq!((b.upper_threshold, b.tunnel), (0, gue));
    assert_eq!(a.check.source, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(b.check.source, Some("10.0.0.254".parse().unwrap()));
    assert_eq!((a.forwarding, c.forwarding), (Forwarding::Tunnel, Forwarding::Direct));
    let addresses: Vec<String> = pool.service_addresses().map(|address| address.to_string()).collect();
    assert_eq!(addresses, ["tcp/[2001:db8::53]:8053", "udp/[2001:db8::53]:5300"]);
    let check = &a.check;
    assert_eq!(check.dns().unwrap().question.to_string(), "version.bind CH TXT");
    assert_eq!(check.dns().unwrap().expect.rcodes.to_string(), "NOERROR or REFUSED");
    assert_eq!(check.dns().unwrap().expect.answer.wanted.len(), 1);
    assert_eq!((check.dns().unwrap().transport, check.dns().unwrap().tries.get()), (Transport::Tcp, 1));
    assert_eq!(
        check.rhythm,
        Rhythm { interval: Duration::from_millis(500), rise: 1, fall: 100, ..Rhythm::default() }
    );
    assert_eq!(check.target, "[2001:db8::a]:53".parse::<SocketAddr>().unwrap());
}

#[test]
fn every_port_and_sctp() {
    let text = pool("persistence = { timeout = \"1m\" }", "port = 53", "")
        .replace("[\"udp/53\", \"tcp/53\"]", "[\"udp/0\", \"sctp/0\"]");
    let config = good(&text);
    let (pool, server) = only(&config);
    let shown: Vec<String> = pool.service_addresses().map(|address| address.to_string()).collect();
    assert_eq!(shown, ["udp/192.0.2.53:0", "sctp/192.0.2.53:0"]);
    assert_eq!(server.check.target.port(), 53);
    let sip = pool_of_sip();
    assert_eq!(only(&sip).0.scheduling.persistence.and_then(|one| one.engine), Some(Engine::Sip));
}

fn pool_of_sip() -> Config {
    let text = pool("persistence = { timeout = \"1m\", engine = \"sip\" }", "", "");
    good(&text.replace("\"udp/53\", \"tcp/53\"", "\"udp/5060\""))
}

#[test]
fn a_real_server_overrides_single_keys_of_the_check() {
    let own = "[virtual_server.real_server.check.dns]\nqtype = \"AAAA\"\nexpect_answer = [\"2001:db8::1\"]\nfall = 1\ntimeout = \"100ms\"";
    let config = good(&pool("", "rise = 5\nfall = 7\ntries = 4", own));
    let check = &only(&config).1.check;
    assert_eq!(check.dns().unwrap().question.record_type(), RecordType::AAAA);
    assert_eq!(check.dns().unwrap().question.name().to_string(), "resolve.test");
    assert_eq!(
        check.rhythm,
        Rhythm { interval: Duration::from_secs(2), rise: 5, fall: 1, ..Rhythm::default() }
    );
    assert_eq!(
        (check.dns().unwrap().tries.get(), check.dns().unwrap().timeout.get()),
        (4, Duration::from_millis(100))
    );
    assert_eq!(
        check.dns().unwrap().expect.answer.wanted.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2001:db8::1"]
    );
    // An empty list takes the inherited answers away.
    let own = "[virtual_server.real_server.check.dns]\nexpect_answer = []";
    let config = good(&pool("", "expect_answer = \"192.0.2.80\"", own));
    assert!(only(&config).1.check.dns().unwrap().expect.answer.wanted.is_empty());
}

#[test]
fn where_a_probe_goes() {
    for (services, check, real, target, transport) in [
        ("\"udp/53\"", "", "", 53, Transport::Udp),
        ("\"tcp/54\"", "", "", 54, Transport::Tcp),
        ("\"tcp/54\", \"udp/53\"", "", "", 53, Transport::Udp),
        ("\"tcp/54\", \"udp/53\"", "transport = \"tcp\"", "", 54, Transport::Tcp),
        ("\"tcp/54\"", "transport = \"udp\"", "", 54, Transport::Udp),
        ("\"udp/53\"", "", "forwarding = \"nat\"\nport = 5353", 5353, Transport::Udp),
        ("\"udp/53\"", "port = 99", "forwarding = \"nat\"\nport = 5353", 99, Transport::Udp),
    ] {
        let text = pool("", check, real).replace("\"udp/53\", \"tcp/53\"", services);
        let config = good(&text);
        let check = &only(&config).1.check;
        assert_eq!(
            (check.target.port(), check.dns().unwrap().port, check.dns().unwrap().transport),
            (target, target, transport),
            "{text}"
        );
    }
}

#[test]
fn where_packets_go() {
    for (real, destinations) in [
        ("", ["10.0.0.1:53", "10.0.0.1:53"]),
        ("forwarding = \"nat\"", ["10.0.0.1:53", "10.0.0.1:53"]),
        ("forwarding = \"nat\"\nport = 5353", ["10.0.0.1:5353", "10.0.0.1:5353"]),
    ] {
        let config = good(&pool("", "", real));
        let (pool, server) = only(&config);
        let found: Vec<String> =
            pool.services.iter().map(|one| server.destination(*one).to_string()).collect();
        assert_eq!(found, destinations, "{real}");
    }
    // The same machine, on another port: legal where ports can be changed.
    good(&pool("", "", "forwarding = \"nat\"\nport = 5353").replace("10.0.0.1", "192.0.2.53"));
}

#[test]
fn a_short_interval_shortens_the_default_timeout() {
    let config = good(&pool("", "interval = \"200ms\"", ""));
    assert_eq!(only(&config).1.check.dns().unwrap().timeout.get(), Duration::from_millis(200));
}

#[test]
fn the_share_that_is_kept_is_rounded_up() {
    let three = "[[virtual_server.real_server]]\nname = \"b\"\naddress = \"10.0.0.2\"\n[[virtual_server.real_server]]\nname = \"c\"\naddress = \"10.0.0.3\"";
    for (share, kept) in [("0%", 0), ("1%", 1), ("33%", 1), ("34%", 2), ("67%", 3), ("100%", 3)] {
        let config = good(&pool(&format!("min_serving = \"{share}\""), "", three));
        assert_eq!(config.virtual_servers.first().map(VirtualServer::min_serving), Some(kept), "{share}");
    }
}

#[test]
fn the_digest_is_of_what_is_meant() {
    let plain = good(&pool("quorum = 1\nscheduler = \"wlc\"", "", "")).digest;
    assert_eq!(plain.len(), 16);
    for same in [
        pool("", "", ""),
        pool("# a remark\n\n  scheduler='wlc'   # another", "interval = \"2000ms\"", "weight = 0x1"),
        pool("", "", "").replace('\n', "\r\n"),
        format!("status.title = \"x\"\n{}", pool("", "", "")),
    ] {
        assert_eq!(good(&same).digest, plain, "{same}");
    }
    let mut seen = vec![plain];
    for other in [
        pool("scheduler = \"wrr\"", "", ""),
        pool("one_packet = true", "", ""),
        pool("min_serving = \"1%\"", "", ""),
        pool("persistence = { timeout = \"1s\" }", "", ""),
        pool("probe_source = \"10.0.0.9\"", "", ""),
        pool("", "fall = 4", ""),
        pool("", "expect_answer = \"192.0.2.1\"", ""),
        pool("", "expect_rcode = \"REFUSED\"", ""),
        pool("", "", "weight = 2"),
        pool("", "", "forwarding = \"nat\""),
        pool("", "", "[[virtual_server.real_server]]\nname = \"b\"\naddress = \"10.0.0.2\""),
        format!("lvs.adopt = \"exclusive\"\n{}", pool("", "", "")),
        pool("", "", "").replace("resolve.test", "resolve2.test"),
    ] {
        let digest = good(&other).digest;
        assert!(!seen.contains(&digest), "{other}");
        seen.push(digest);
    }
    assert_eq!(good(&pool("", "", "")).digest, "95f464f3a55c531d", "the same in every build of this version");
}

#[test]
fn the_example_is_a_good_file() {
    let config = good(EXAMPLE);
    let names: Vec<String> =
        config.real_servers().map(|(pool, server)| pool.id_of(server).to_string()).collect();
    assert_eq!(names, ["resolver/dns1", "resolver/dns2"]);
    assert!(config.virtual_server(&"resolver".parse().unwrap()).is_some());
    assert!(config.virtual_server(&"dns1".parse().unwrap()).is_none());
}

/// Keys in the example's comments that are no defaults, but stand for something that is absent otherwise.
const NO_DEFAULTS: [&str; 34] = [
    "sentinels",
    "drain_deadline",
    "timeouts",
    "sync",
    "try_timeout",
    "persistence",
    "expect_answer",
    "expect_match",
    "expect_network",
    "answer_count",
    "answer_ttl",
    "forbid_rcode",
    "expect_authority",
    "expect_additional",
    "expect_flags",
    "forbid_flags",
    "min_serial",
    "signatures_last",
    "signatures_warn",
    "zone_expiry",
    "expect_nsid",
    "latency_warn",
    "latency_max",
    "edns_size",
    "client_subnet",
    "padding",
    "probe_source",
    "fast_interval",
    "down_interval",
    "send",
    "expect",
    "silence_passes",
    "command",
    "exit_codes",
];

#[test]
fn what_the_example_calls_defaults_are_defaults() {
    let mut uncommented = 0;
    let mut in_real_server = false;
    let text: Vec<String> = EXAMPLE
        .lines()
        .map(|line| {
            in_real_server |= line.contains("[[virtual_server.real_server]]");
            let Some((key, _)) = line.trim_start().strip_prefix("# ").and_then(|rest| rest.split_once(" = "))
            else {
                return line.to_owned();
            };
            let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if !is_key || NO_DEFAULTS.contains(&key) || (in_real_server && key == "port") {
                return line.to_owned();
            }
            uncommented += 1;
            line.replacen("# ", "", 1)
        })
        .collect();
    assert_eq!(uncommented, 35, "keys in comments");
    assert_eq!(good(&text.join("\n")).digest, good(EXAMPLE).digest);
}

#[test]
fn the_example_names_every_key() {
    for kind in crate::config::keys::ALL {
        for key in kind.keys {
            let named = EXAMPLE.lines().any(|line| {
                let line = line.trim_start().trim_start_matches("# ");
                line.split_once(" = ").is_some_and(|(name, _)| name == *key)
                    || line.contains(&format!("{{ {key} = "))
                    || line.contains(&format!(", {key} = "))
                    || line.starts_with('[') && line.contains(key)
            });
            assert!(named, "{key} of {}", kind.header);
        }
    }
}

/// The reference of the configuration.
const REFERENCE: &str = include_str!("../../../../../docs/configuration.md");

#[test]
fn the_reference_names_every_key() {
    for kind in crate::config::keys::ALL {
        for key in kind.keys.iter().filter(|key| {
            ![
                "virtual_server",
                "lvs",
                "status",
                "checks",
                "check",
                "dns",
                "tcp",
                "udp",
                "exec",
                "timeouts",
                "sync",
            ]
            .contains(*key)
        }) {
            assert!(
                REFERENCE.lines().any(|line| line.starts_with(&format!("| `{key}` |"))),
                "{key} of {}",
                kind.header
            );
        }
    }
}

#[test]
fn what_the_reference_shows_is_a_good_file() {
    let mut inside = false;
    let shown: Vec<&str> = REFERENCE
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside = if fence { *line == "```toml" } else { inside };
            inside && !fence
        })
        .collect();
    let config = good(&shown.join("\n"));
    assert_eq!(config.real_servers().count(), 2);
}

#[test]
fn every_key_of_a_check_is_read_and_overlaid() {
    use checker_core::dns::{Edns, Empty, Fit};
    let check = "qtype = \"A\"\nrecursion = false\nchecking_disabled = true\nauthentic_data = true\nmixed_case = true\n\
         edns_size = 4096\ndnssec_ok = true\ncookie = true\nclient_subnet = \"192.0.2.0/24\"\npadding = 128\n\
         forbid_rcode = \"SERVFAIL\"\nexpect_match = \"^192\"\nexpect_network = [\"192.0.2.0/24\"]\nexpect_fit = \"all\"\n\
         answer_count = \"1..2\"\nanswer_ttl = \"5..\"\nexpect_authority = \"NS ns1.test\"\n\
         expect_additional = \"A 192.0.2.1\"\nexpect_flags = [\"aa\", \"ra\"]\nforbid_flags = \"tc\"\n\
         min_serial = 4294967295\nsignatures_last = \"1d\"\nsignatures_warn = \"3d\"\nexpect_nsid = \"ns1\"\n\
         zone_expiry = \"1h\"\nlatency_warn = \"10ms\"\nlatency_max = \"20ms\"\ntry_timeout = \"100ms\"\n\
         transport = \"udp+tcp\"\n";
    let text = pool("", check, "[virtual_server.real_server.check.dns]\nexpect_fit = \"exact\"");
    let config = good(&text.replace("\"resolve.test\"", "\"{rand}.test\""));
    let dns = &only(&config).1.check.dns().unwrap();
    assert_eq!(dns.question.to_string(), "{rand}.test A");
    let ask = &dns.ask;
    assert!(!ask.recursion_desired && ask.checking_disabled && ask.authentic_data && ask.mixed_case);
    let Edns { size, dnssec_ok, nsid, expire, cookie, subnet, padding, .. } = ask.edns.clone().unwrap();
    assert!(dnssec_ok && nsid && expire && cookie && subnet.is_some() && padding.is_some() && size == 4096);
    let expect = &dns.expect;
    assert!(!expect.admits(Rcode::SERVFAIL));
    assert_eq!((expect.answer.wanted.len(), expect.answer.fit), (2, Fit::Exact));
    assert!(expect.answer.count.is_some() && expect.answer.ttl.is_some());
    assert_eq!((expect.authority.wanted.len(), expect.additional.wanted.len()), (1, 1));
    assert_eq!((expect.flags.to_string(), expect.forbidden_flags.to_string()), ("aa ra".into(), "tc".into()));
    assert_eq!((expect.serial, expect.expire), (Some(u32::MAX), Some(3_600)));
    assert_eq!(expect.signatures.map(|s| (s.must_last, s.should_last)), Some((86_400, 259_200)));
    assert!(expect.nsid.is_some() && expect.latency.should.is_some() && expect.latency.must.is_some());
    assert_eq!(dns.spacing(), Duration::from_millis(100));
    assert!(dns.tcp_too);

    let config = good(&pool("", "expect_empty = \"expected\"\nedns = true", ""));
    let dns = &only(&config).1.check.dns().unwrap();
    assert_eq!((dns.expect.empty, &dns.ask.edns), (Empty::Expected, &Some(Edns::default())));
    for (check, said) in [
        ("expect_match = \"(\"", "expect_match: \"(\" is no regular expression"),
        ("expect_network = \"x\"", "expect_network: \"x\" is no network"),
        (
            "expect_fit = \"most\"",
            "expect_fit = \"most\" is unknown; write one of \"any\", \"all\", \"exact\"",
        ),
        ("answer_count = \"4..2\"", "answer_count: \"4..2\" is no range"),
        ("expect_authority = \"ns1.test\"", "expect_authority: \"ns1.test\" is no record"),
        ("expect_flags = \"qr\"", "expect_flags: \"qr\" is no flag"),
        ("latency_warn = \"2s\"\nlatency_max = \"1s\"", "latency_warn is not below latency_max"),
        ("expect_empty = \"passes\"\nexpect_match = \"x\"", "expect_empty does not go with expected answers"),
    ] {
        let mistakes = bad(&pool("", check, ""));
        assert!(mistakes.len() == 1 && mistakes[0].contains(said), "{check}: {mistakes:?}");
    }
}

#[test]
fn every_key_of_a_rhythm() {
    let more = "interval = \"4s\"\nfast_interval = \"500ms\"\ndown_interval = \"1m\"\ninitial = \"up\"\ndamping = \"10m\"";
    let config = good(&pool("", more, ""));
    let expected = Rhythm {
        interval: Duration::from_secs(4),
        fast_interval: Some(Duration::from_millis(500)),
        down_interval: Some(Duration::from_secs(60)),
        initial: crate::Verdict::Up,
        damping: Duration::from_secs(600),
        ..Rhythm::default()
    };
    let check = &only(&config).1.check;
    // The timeout fits into the shortest interval.
    assert_eq!((check.rhythm, check.kind.timeout().get()), (expected, Duration::from_millis(500)));
}

/// A pool with one real server and this check.
fn checked(check: &str) -> String {
    format!(
        "[[virtual_server]]\nname = \"p\"\naddress = \"10.0.0.9\"\nservices = [\"tcp/25\"]\n{check}\n\
         [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.0.0.1\""
    )
}

#[test]
fn other_kinds_of_checks() {
    let config = good(&checked("check.tcp = { expect = \"220 \", send = \"QUIT\\r\\n\", timeout = \"1s\" }"));
    let check = &only(&config).1.check;
    assert_eq!(check.target, "10.0.0.1:25".parse().unwrap());
    let CheckKind::Talk(talk) = &check.kind else { panic!("{check:?}") };
    assert_eq!(talk.to_string(), "connects over tcp, sends \"QUIT\\r\\n\", expects \"220 \"");

    let config = good(&checked("check.udp = { send = \"x\", silence_passes = true, port = 53 }"));
    let check = &only(&config).1.check;
    assert_eq!(check.target, "10.0.0.1:53".parse().unwrap());
    assert!(
        matches!(&check.kind, CheckKind::Talk(talk) if talk.silence_passes && talk.transport == Transport::Udp)
    );

    let config = good(&checked(
        "check.exec = { command = [\"/c\", \"{address}:{port}\", \"{name}\", \"awk {print}\"], exit_codes = \"plugin\" }",
    ).replace("{print}", "{ print }"));
    let CheckKind::Exec(exec) = &only(&config).1.check.kind else { panic!("{config:?}") };
    assert_eq!(exec.command, ["/c", "10.0.0.1:25", "a", "awk { print }"]);

    // A real server's check of another kind stands alone.
    let both = checked("check.dns.qname = \"a.test\"") + "\ncheck.tcp.rise = 7";
    let check = &only(&good(&both)).1.check.clone();
    assert!(matches!(&check.kind, CheckKind::Talk(_)) && check.rhythm.rise == 7);
}
