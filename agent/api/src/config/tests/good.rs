//! What good files mean.

use std::net::SocketAddr;
use std::time::Duration;

use checker_core::dns::{Rcode, RecordType, Transport};

use super::{bad, good, only, pool};
use crate::config::{
    Adopt, Checksum, Config, Engine, Forwarding, Lvs, Persistence, Rhythm, Scheduling, Service, Status,
    SyncDaemon, SyncRoles, Sysctls, Timeouts, Tunnel,
};
use crate::id::Protocol;

#[test]
fn every_default() {
    let config = good(&pool("", "", ""));
    let (pool, server) = only(&config);
    assert_eq!(config.lvs, Lvs::default());
    assert_eq!((config.lvs.adopt, config.lvs.interval), (Adopt::Named, Duration::from_secs(1)));
    assert_eq!((server.upper_threshold, server.lower_threshold, server.tunnel), (0, 0, Tunnel::Ipip));
    assert_eq!(
        config.status,
        Status { listen: "127.0.0.1:9530".parse().unwrap(), title: "Holdfast".into(), ..Status::default() }
    );
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
    let check = &server.checks[0];
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
            follow: None,
            interface: "eth1".to_owned(),
            id: 51,
            group: "239.1.1.1".parse().unwrap(),
            port: 8849,
            ttl: 2,
            max_length: 1400,
        }),
    };
    assert_eq!(config.lvs, lvs);
    assert_eq!(
        config.status,
        Status { listen: "[::1]:80".parse().unwrap(), title: "Knoten <1>".into(), ..Status::default() }
    );
    let [pool] = config.virtual_servers.as_slice() else { panic!("one is configured") };
    assert_eq!(
        (pool.scheduling.scheduler.as_str(), pool.scheduling.flags, pool.scheduling.one_packet),
        ("mh", 3, true)
    );
    let persistence = Persistence { timeout: Duration::from_secs(90), prefix: 64, engine: None };
    assert_eq!(pool.scheduling.persistence, Some(persistence));
    assert_eq!(
        (pool.quorum, pool.min_serving_percent, pool.min_serving_of(pool.real_servers.len())),
        (2, 50, 2)
    );
    let [a, b, c] = pool.real_servers.as_slice() else { panic!("three are configured") };
    assert_eq!((a.weight, b.weight, c.weight), (0, 65_535, 1));
    assert_eq!(
        (a.upper_threshold, a.lower_threshold, a.tunnel),
        (100, 80, Tunnel::Gre { checksum: Checksum::Full })
    );
    let gue = Tunnel::Gue { port: 6080.try_into().unwrap(), checksum: Checksum::Remote };
    assert_eq!((b.upper_threshold, b.tunnel), (0, gue));
    assert_eq!(a.checks[0].source, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(b.checks[0].source, Some("10.0.0.254".parse().unwrap()));
    assert_eq!((a.forwarding, c.forwarding), (Forwarding::Tunnel, Forwarding::Direct));
    let addresses: Vec<String> = pool.service_addresses().map(|address| address.to_string()).collect();
    assert_eq!(addresses, ["tcp/[2001:db8::53]:8053", "udp/[2001:db8::53]:5300"]);
    let check = &a.checks[0];
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
    assert_eq!(server.checks[0].target.port(), 53);
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
    let check = &only(&config).1.checks[0];
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
    assert!(only(&config).1.checks[0].dns().unwrap().expect.answer.wanted.is_empty());
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
        let check = &only(&config).1.checks[0];
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
            pool.service_addresses().map(|one| server.destination(one).to_string()).collect();
        assert_eq!(found, destinations, "{real}");
    }
    // The same machine, on another port: legal where ports can be changed.
    good(&pool("", "", "forwarding = \"nat\"\nport = 5353").replace("10.0.0.1", "192.0.2.53"));
}

#[test]
fn a_short_interval_shortens_the_default_timeout() {
    let config = good(&pool("", "interval = \"200ms\"", ""));
    assert_eq!(only(&config).1.checks[0].dns().unwrap().timeout.get(), Duration::from_millis(200));
}

#[test]
fn the_share_that_is_kept_is_rounded_up() {
    let three = "[[virtual_server.real_server]]\nname = \"b\"\naddress = \"10.0.0.2\"\n[[virtual_server.real_server]]\nname = \"c\"\naddress = \"10.0.0.3\"";
    for (share, kept) in [("0%", 0), ("1%", 1), ("33%", 1), ("34%", 2), ("67%", 3), ("100%", 3)] {
        let config = good(&pool(&format!("min_serving = \"{share}\""), "", three));
        assert_eq!(config.virtual_servers.first().map(|one| one.min_serving_of(3)), Some(kept), "{share}");
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
    // The same in every build: no hash with a key of its own. From the authors' table of examples.
    for (text, hash) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")]
    {
        assert_eq!(crate::config::raw::fnv1a(text.as_bytes()), hash, "{text:?}");
    }
}

#[test]
fn how_a_pool_is_treated_when_servers_come_and_go() {
    use crate::config::{EjectionRate, Forwarding, SorryServer};
    let keys = "min_serving = \"25%\"\nmax_ejected = \"30%\"\nejection_rate = { servers = 2, per = \"10s\" }\n\
                slow_start = \"30s\"\ndegraded_weight = \"50%\"\nquorum = 1\nquorum_hysteresis = 0\n\
                sorry_server = { address = \"10.0.0.99\" }\nparent = \"router\"";
    let router = "[[dependency]]\nname = \"router\"\naddress = \"10.0.0.254\"\ncheck.tcp = { port = 22 }\n";
    let config = good(&(pool(keys, "", "") + router));
    let (virtual_server, real_server) = only(&config);
    assert_eq!(virtual_server.min_serving_of(10), 7, "the stricter of both");
    assert_eq!(virtual_server.ejection_rate, Some(EjectionRate { servers: 2, per: Duration::from_secs(10) }));
    assert_eq!(
        (virtual_server.slow_start, virtual_server.degraded_weight_percent),
        (Duration::from_secs(30), 50)
    );
    let sorry =
        SorryServer { address: "10.0.0.99".parse().unwrap(), port: None, forwarding: Forwarding::Direct };
    assert_eq!(virtual_server.sorry_servers, [sorry]);
    assert_eq!(real_server.parent.as_ref().map(|name| name.as_str()), Some("router"));
    let [router] = &config.dependencies[..] else { panic!("{config:?}") };
    assert_eq!((router.name.as_str(), router.checks[0].target), ("router", "10.0.0.254:22".parse().unwrap()));
    // A dependency says its port itself, but for a program.
    let bare = "[[dependency]]\nname = \"router\"\naddress = \"10.0.0.254\"\ncheck.exec.command = [\"/ping\", \"{address}\"]\n";
    good(&(pool(keys, "", "") + bare));
    let bare = bare.replace("exec.command = [\"/ping\", \"{address}\"]", "tcp = {}");
    assert_eq!(
        bad(&(pool("", "", "") + &bare)),
        [
            "14:1: check.dns.port is missing in [[dependency]]; write the port that is probed, for nothing else says one"
        ]
    );
}

#[test]
fn what_probes_carry_is_overlaid() {
    let all = "probe_interface = \"vrf-blue\"\nprobe_mark = 7\nprobe_dscp = 46\n";
    let config = good(&pool(all, "", "probe_mark = 4294967295\n"));
    let marks = &only(&config).1.checks[0].marks;
    assert_eq!(
        (marks.interface.as_deref(), marks.mark, marks.dscp),
        (Some("vrf-blue"), Some(u32::MAX), Some(46))
    );
    assert_eq!(only(&good(&pool("", "", ""))).1.checks[0].marks, crate::config::ProbeMarks::default());
    for (line, said) in [
        ("probe_interface = \"\"", "probe_interface: \"\" is no name of an interface"),
        ("probe_interface = \"an-interface-name\"", "is no name of an interface"),
        ("probe_interface = \"a b\"", "is no name of an interface"),
        ("probe_dscp = 64", "probe_dscp"),
        ("probe_mark = -1", "probe_mark"),
    ] {
        let mistakes = super::bad(&pool(line, "", ""));
        assert!(mistakes.len() == 1 && mistakes[0].contains(said), "{line}: {mistakes:?}");
    }
}
