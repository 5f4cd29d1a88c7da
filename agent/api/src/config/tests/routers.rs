//! `[[virtual_router]]`: what good ones mean, and what is said of bad ones.

use std::time::Duration;

use vrrp_core::arp::{GiveBack, Role};
use vrrp_core::codec::{ChecksumForm, Family, Version};
use vrrp_core::track::{Effect, Tracker};

use super::{bad, good, pool};
use crate::config::{
    Announce, AuthenticationKind, Failover, OnExit, RouterMode, Scope, Tracked, VirtualRouter, Vrrp,
};

const ROUTER: &str = r#"
[[virtual_router]]
name = "vip"
interface = "eth0"
vrid = 51
addresses = ["192.0.2.53"]
"#;

fn only(text: &str) -> VirtualRouter {
    let mut routers = good(text).virtual_routers;
    assert_eq!(routers.len(), 1);
    routers.remove(0)
}

fn vrrp(router: &VirtualRouter) -> &Vrrp {
    match &router.mode {
        RouterMode::Vrrp(vrrp) => vrrp,
        other => panic!("{other:?}"),
    }
}

/// The messages for [`ROUTER`] with these keys behind it, without their places.
fn said(keys: &str) -> Vec<String> {
    bad(&format!("{ROUTER}{keys}"))
        .into_iter()
        .map(|mistake| mistake.splitn(3, ':').nth(2).unwrap_or_default().trim_start().to_owned())
        .collect()
}

#[test]
fn every_default() {
    let config = good(ROUTER);
    assert_eq!(config.failover, Failover { realtime_priority: 50, lock_memory: true });
    let router = only(ROUTER);
    assert_eq!((router.name.as_str(), router.interface.as_str()), ("vip", "eth0"));
    assert_eq!((router.on_exit, router.announce), (OnExit::Remove, Announce { reply: false, rate: 1_000 }));
    assert_eq!((&router.sync_group, router.track.len(), router.routes.len()), (&None, 0, 0));
    let [address] = router.addresses.as_slice() else { panic!("one address") };
    assert_eq!(
        (address.prefix, address.scope, address.prefix_route, address.dad),
        (32, Scope::Global, false, false)
    );
    let vrrp = vrrp(&router);
    assert_eq!((vrrp.ttl, vrrp.virtual_mac, vrrp.sources.len()), (255, false, 0));
    let [one] = vrrp.routers.as_slice() else { panic!("one family") };
    let expected = vrrp_core::RouterSettings::new(51, vec!["192.0.2.53".parse().unwrap()]);
    assert_eq!(*one.settings(), expected);
}

#[test]
fn every_key_of_vrrp() {
    let text = pool("", "", "").as_str().to_owned()
        + r#"
[failover]
realtime_priority = 0
lock_memory = false

[[virtual_router]]
name = "vip"
mode = "vrrp"
interface = "eth0"
vrid = 51
version = 3
priority = 150
advert_interval = "10ms"
learned_interval_limit = "1s"
dad = true
addresses = [
  "192.0.2.53/24",
  "fe80::53",
  { address = "2001:db8::53/64", interface = "eth1", scope = "link", prefix_route = true, dad = false },
]
unlisted = [{ address = "192.0.2.54/32", label = "eth0:vip" }]
routes = [
  { to = "default", via = "2001:db8::1" },
  { to = "198.51.100.0/24", via = "192.0.2.1", interface = "eth1", source = "192.0.2.53", table = 100, metric = 5 },
]
rules = [{ from = "192.0.2.53/32", to = "0.0.0.0/0", iif = "eth2", fwmark = 1, table = 100, priority = 10 }]
preempt = false
preempt_delay = "30s"
start_delay = "5s"
accept = false
last_advert = false
checksum = "plain"
virtual_mac = true
unicast = { source = ["192.0.2.1", "2001:db8::1"], peers = ["192.0.2.2", "2001:db8::2"], ttl = 64, least_ttl = 60 }
sync_group = "gateway"
announce = { count = 2, spacing = "0ms", repeat_after = "0s", refresh = "10m", reply = true, rate = 50 }
notify = { active = ["/bin/a", "x"], backup = "/bin/b", fault = ["/bin/f"], stop = ["/bin/s"], any = ["/bin/n"], fifo = "/run/f", timeout = "2s" }
lease = "4s"
on_exit = "keep"
track = [
  { virtual_server = "resolver", priority = -100 },
  { virtual_server = "resolver", when = "score", priority = -50 },
  { director = "blind", priority = -20 },
  { interface = "eth1" },
  { script = ["/bin/check", "a"], interval = "5s", timeout = "2s", rise = 2, fall = 3, priority = 20 },
  { process = "named", count = 2 },
  { process = "/usr/sbin/named", priority = -5 },
  { file = "/run/weight", factor = -2 },
  { file = "/run/maintenance" },
]
"#;
    let config = good(&text);
    assert_eq!(config.failover, Failover { realtime_priority: 0, lock_memory: false });
    let router = &config.virtual_routers[0];
    let vrrp = vrrp(router);
    let [v4, v6] = vrrp.routers.as_slice() else { panic!("two families") };
    let (v4, v6) = (v4.settings(), v6.settings());
    assert_eq!((v4.family, v6.family), (Family::Ipv4, Family::Ipv6));
    assert_eq!((v4.addresses.len(), v6.addresses.len(), v4.unlisted.len(), v6.unlisted.len()), (1, 2, 1, 0));
    assert_eq!((v4.peers.len(), v6.peers.len()), (1, 1));
    for settings in [v4, v6] {
        assert_eq!((settings.vrid, settings.version, settings.priority), (51, Version::V3, 150));
        assert_eq!(settings.interval, Duration::from_millis(10));
        assert_eq!(settings.learned_interval_limit, Duration::from_secs(1));
        assert_eq!((settings.preempt, settings.accept, settings.last_advert), (false, false, false));
        assert_eq!(settings.preempt_delay, Duration::from_secs(30));
        assert_eq!(settings.start_delay, Duration::from_secs(5));
        assert_eq!((settings.checksum, settings.least_hop_limit), (ChecksumForm::Plain, Some(60)));
        assert_eq!(settings.lease, Duration::from_secs(4));
        let announcements = settings.announcements;
        assert_eq!((announcements.rounds, announcements.repeat_after), (2, None));
        assert_eq!(announcements.refresh, Some(Duration::from_secs(600)));
    }
    assert_eq!(vrrp.source(Family::Ipv6), Some("2001:db8::1".parse().unwrap()));
    assert_eq!((vrrp.ttl, vrrp.virtual_mac), (64, true));
    let addresses: Vec<_> = router.all_addresses().collect();
    assert_eq!((addresses[0].prefix, addresses[1].prefix, addresses[2].prefix), (24, 128, 64));
    assert_eq!((addresses[1].scope, addresses[1].dad), (Scope::Link, true));
    assert_eq!((addresses[2].scope, addresses[2].dad, addresses[2].prefix_route), (Scope::Link, false, true));
    assert_eq!(addresses[2].interface.as_deref(), Some("eth1"));
    assert_eq!(addresses[3].label.as_deref(), Some("eth0:vip"));
    assert_eq!(router.routes[0].to.address.to_string(), "::");
    assert_eq!(
        (router.routes[0].table, router.routes[1].table, router.routes[1].metric),
        (254, 100, Some(5))
    );
    assert_eq!((router.rules[0].family, router.rules[0].fwmark), (Family::Ipv4, Some(1)));
    assert_eq!(router.sync_group.as_ref().unwrap().as_str(), "gateway");
    assert_eq!(router.announce, Announce { reply: true, rate: 50 });
    assert_eq!(router.notify.active.as_deref().unwrap(), ["/bin/a", "x"]);
    assert_eq!(router.notify.backup.as_deref().unwrap(), ["/bin/b"]);
    assert_eq!(
        (router.notify.fifo.as_deref(), router.notify.timeout.0),
        (Some("/run/f"), Duration::from_secs(2))
    );
    assert_eq!(router.on_exit, OnExit::Keep);
    let effects: Vec<Effect> = router.trackers().map(|tracker| tracker.effect).collect();
    assert_eq!(
        effects,
        [
            Effect::Priority(-100),
            Effect::Score(50),
            Effect::Priority(-20),
            Effect::Fixed,
            Effect::Priority(20),
            Effect::Fixed,
            Effect::Priority(-5),
            Effect::Factor(-2),
            Effect::Fixed,
        ]
    );
    assert_eq!(router.track[4].tracker, Tracker { effect: Effect::Priority(20), rise: 2, fall: 3 });
    let shown: Vec<String> = router.track.iter().map(|track| track.what.to_string()).collect();
    assert_eq!(
        shown,
        [
            "quorum of resolver",
            "score of resolver",
            "director's sight",
            "interface eth1",
            "script /bin/check",
            "process named",
            "process /usr/sbin/named",
            "file /run/weight",
            "file /run/maintenance",
        ]
    );
    assert_eq!(router.track[5].what, Tracked::Process { name: "named".to_owned(), count: 2 });
}

#[test]
fn version_2_with_a_secret_in_a_file() {
    let router = only(&format!(
        "{ROUTER}version = 2\nadvert_interval = \"3s\"\nauthentication = {{ type = \"ah\", file = \"/etc/s\" }}\n"
    ));
    let vrrp = vrrp(&router);
    let authentication = vrrp.authentication.as_ref().unwrap();
    assert_eq!((authentication.kind, authentication.file.as_str()), (AuthenticationKind::Ah, "/etc/s"));
    assert_eq!(vrrp.routers[0].settings().version, Version::V2);
    let said = said("authentication = { type = \"pass\", password = \"secret\" }\nversion = 2");
    assert!(said.iter().any(|text| text.contains("write it to the first line of a file")), "{said:?}");
}

#[test]
fn every_key_of_arp() {
    let config = good(
        &(pool("", "", "")
            + r#"
[[virtual_router]]
name = "vip"
mode = "arp"
interface = "eth0"
addresses = ["192.0.2.100", "2001:db8::100"]
give_back = "30s"
start_delay = "10s"
announce = { refresh = "10m" }
watch = { targets = ["192.0.2.1", "10.0.0.1"], sentinels = "192.0.2.254", interval = "500ms", fall = 4, rise = 5, check = "resolver/dns1" }

[[virtual_router]]
name = "other"
mode = "arp"
role = "director"
interface = "eth0"
addresses = ["192.0.2.101"]
"#),
    );
    let [standby, director] = config.virtual_routers.as_slice() else { panic!("two") };
    let RouterMode::Arp(arp) = &standby.mode else { panic!("arp") };
    let settings = arp.config.settings();
    assert_eq!(
        (settings.role, settings.give_back),
        (Role::Standby, GiveBack::After(Duration::from_secs(30)))
    );
    assert_eq!((settings.addresses.len(), settings.targets.len(), settings.sentinels.len()), (2, 2, 1));
    assert_eq!((settings.interval, settings.fall, settings.rise), (Duration::from_millis(500), 4, 5));
    assert_eq!(arp.check.as_ref().unwrap().to_string(), "resolver/dns1");
    let RouterMode::Arp(arp) = &director.mode else { panic!("arp") };
    assert_eq!(arp.config.settings().role, Role::Director);
}

#[test]
fn what_the_protocol_does_not_allow_has_a_place_and_a_remedy() {
    for (keys, message) in [
        ("version = 2\nadvert_interval = \"100ms\"", "version 2 has whole seconds from 1 s to 255 s"),
        ("advert_interval = \"15ms\"", "the interval must be a multiple of 10 ms"),
        ("advert_interval = \"50s\"", "the interval must be a multiple of 10 ms from 10 ms to 40.95 s"),
        ("priority = 0", "priority = 0 is out of range; write a whole number from 1 to 255"),
        ("learned_interval_limit = \"500ms\"", "the limit for learned intervals must not be below"),
        (
            "authentication = { type = \"pass\", file = \"/s\" }",
            "version 3 has no authentication; remove it, or write version = 2",
        ),
        ("mode = \"route\"", "mode = \"route\" is not supported by this version"),
        ("mode = \"vrpr\"", "unknown mode \"vrpr\"; did you mean \"vrrp\"?"),
        ("role = \"standby\"", "role means nothing with mode = \"vrrp\", only with \"arp\"; remove it"),
        ("unicast = { peers = [] }", "peers is missing in unicast"),
        ("unicast = { peers = [\"2001:db8::2\"] }", "peer 2001:db8::2 is IPv6, and none of the addresses is"),
        (
            "unicast = { source = \"192.0.2.1\", peers = [\"192.0.2.1\"] }",
            "peer 192.0.2.1 is this machine's own source",
        ),
        ("source = \"192.0.2.53\"", "source 192.0.2.53 is a virtual address; write one that never moves"),
        (
            "unlisted = [\"192.0.2.53/24\"]",
            "192.0.2.53 is a virtual address twice, already at holdfast.toml:6:14",
        ),
        ("unlisted = [\"192.0.2.54/33\"]", "unlisted: \"192.0.2.54/33\": the prefix length is 1 to 32"),
        ("unlisted = [\"192.0.2.54/24/1\"]", "unlisted: \"192.0.2.54/24/1\": the prefix length is 1 to 32"),
        ("unlisted = [5]", "unlisted holds a whole number; write unlisted = [\"192.0.2.53/32\"]"),
        ("unlisted = [{ adress = \"192.0.2.54\" }]", "address is missing in an address"),
        ("unlisted = [{ address = \"2001:db8::1\", label = \"a\" }]", "only IPv4 addresses have labels"),
        (
            "unlisted = [{ address = \"192.0.2.54\", dad = true }]",
            "only IPv6 addresses have duplicate address",
        ),
        (
            "routes = [{ to = \"192.0.2.1/24\" }]",
            "to: \"192.0.2.1/24\" has bits behind its prefix; write \"192.0.2.0/24\"",
        ),
        (
            "routes = [{ to = \"default\", via = \"fe80::1\", source = \"192.0.2.1\" }]",
            "to, via and source of a route are of one address family",
        ),
        ("rules = [{ table = 100 }]", "a rule without from, to, iif and fwmark is for every packet"),
        ("rules = [{ from = \"192.0.2.1\" }]", "table is missing in a rule"),
        ("track = [{ priority = 1 }]", "this entry of track names nothing to track"),
        ("track = [{ interface = \"a\", file = \"/b\" }]", "this entry of track names interface and file"),
        ("track = [{ interface = \"a\", priority = 0 }]", "priority = 0 changes nothing"),
        (
            "track = [{ interface = \"a\", priority = -300 }]",
            "priority = -300 is out of range; write a whole number from -253 to 253",
        ),
        ("track = [{ interface = \"a\", rise = 2 }]", "rise means nothing beside interface; remove it"),
        (
            "track = [{ file = \"/a\", priority = 2 }]",
            "priority means nothing beside file; remove it; a file has a factor",
        ),
        ("track = [{ virtual_server = \"nobody\" }]", "no virtual server is named \"nobody\""),
        (
            "track = [{ process = \"a-name-longer-than-15\" }]",
            "process \"a-name-longer-than-15\" is neither a name",
        ),
        (
            "track = [{ script = \"check\" }]",
            "script begins with \"check\"; write the program's absolute path",
        ),
        ("track = [{ script = \"/check a\" }]", "script has blanks in it; write a list"),
        ("track = [{ script = \"/a\", timeout = \"2s\" }]", "timeout is longer than the interval"),
        ("notify = { master = [\"/a\"] }", "master is not supported by this version: write active"),
        ("notify = { fifo = \"fifo\" }", "fifo \"fifo\" is no absolute path"),
        ("announce = { refresh = \"10ms\" }", "refresh: write \"1s\" or more, or \"0s\" for none"),
        ("announce = { count = 21 }", "count = 21 is out of range; write a whole number from 1 to 20"),
        ("lease = \"10ms\"", "lease = \"10ms\" is out of range; write 1s to 1h"),
        ("sync_group = \"a b\"", "sync_group: name \"a b\" may hold only"),
        ("on_exit = \"stay\"", "unknown on_exit \"stay\"; write \"remove\" or \"keep\""),
        ("virtual_routr = 1", "unknown key \"virtual_routr\""),
        ("preemt = false", "unknown key \"preemt\"; did you mean \"preempt\"?"),
    ] {
        let said = said(keys);
        assert!(said.iter().any(|text| text.starts_with(message)), "{keys}\n{said:#?}");
    }
}

#[test]
fn arp_mode_says_what_it_needs() {
    let text = |keys: &str| {
        format!(
            "[[virtual_router]]\nname = \"vip\"\nmode = \"arp\"\ninterface = \"eth0\"\naddresses = [\"192.0.2.100\"]\n{keys}"
        )
    };
    for (keys, message) in [
        ("", "1:1: watch is missing in [[virtual_router]]; write watch = { targets = [\"192.0.2.1\"] }"),
        ("watch = { targets = [] }", "6:21: targets is empty"),
        ("watch = {}", "6:9: targets is missing in [virtual_router.watch]"),
        (
            "watch = { targets = [\"192.0.2.100\"] }",
            "6:22: 192.0.2.100 is the virtual address of holdfast.toml:5:14",
        ),
        ("watch = { targets = [\"192.0.2.1\", \"192.0.2.1\"] }", "6:35: targets has 192.0.2.1 twice"),
        ("watch = { targets = \"192.0.2.1\", check = \"a\" }", "6:42: check: \"a\" is not of the form"),
        (
            "watch = { targets = \"192.0.2.1\", check = \"a/b\" }",
            "6:42: check: there is no real server \"a/b\"",
        ),
        ("watch = { targets = \"192.0.2.1\" }\ngive_back = \"soon\"", "7:13: give_back \"soon\" is neither"),
        ("watch = { targets = \"192.0.2.1\" }\nvrid = 1", "7:8: vrid means nothing with mode = \"arp\""),
        (
            "role = \"director\"\nwatch = { targets = \"192.0.2.1\" }",
            "7:9: role = \"director\" watches nobody",
        ),
        ("role = \"director\"\ngive_back = \"by_hand\"", "7:13: role = \"director\" gives nothing back"),
    ] {
        let said = bad(&text(keys));
        assert!(said.iter().any(|text| text.starts_with(message)), "{keys}\n{said:#?}");
    }
}

#[test]
fn what_two_routers_both_have_is_a_mistake() {
    let second = ROUTER.replace("\"vip\"", "\"second\"");
    let others = second.replace("192.0.2.53", "192.0.2.54");
    assert_eq!(
        bad(&format!("{ROUTER}{second}")),
        [
            "11:8: vrid 51 is used on eth0 already, at holdfast.toml:5:8; give each router its own",
            "12:14: 192.0.2.53 is a virtual address twice, already at holdfast.toml:6:14; remove it from one of them",
        ]
    );
    assert_eq!(
        bad(&format!("{ROUTER}{others}")),
        ["11:8: vrid 51 is used on eth0 already, at holdfast.toml:5:8; give each router its own"]
    );
    good(&format!("{ROUTER}{}", others.replace("eth0", "eth1")));
    good(&format!("{ROUTER}{}", others.replace("51", "52")));
    // Of another family it is another router (RFC 9568, 5.2.3).
    good(&format!("{ROUTER}{}", others.replace("192.0.2.54", "fe80::1")));
    // A link-local address may be on several links.
    let first = ROUTER.replace("192.0.2.53", "fe80::1");
    good(&format!("{first}{}", others.replace("192.0.2.54", "fe80::1").replace("eth0", "eth1")));
    assert_eq!(
        bad(&format!("{ROUTER}{}", others.replace("second", "vip").replace("51", "52"))),
        ["9:8: the name \"vip\" is taken by the virtual router at holdfast.toml:3:8; give each its own"]
    );
}

#[test]
fn all_mistakes_come_at_once() {
    let text = r#"
[failover]
realtime_priority = 100

[[virtual_router]]
name = "a b"
interface = "an interface"
vrid = 256
version = 4
priority = "100"
addresses = ["192.0.2.256", "224.0.0.18", "fe80::1%eth0"]
routes = [{ to = "x" }]
rules = [{ from = "y", table = 0 }]
preempt = 1
unicast = { peers = ["z"], ttl = 0 }
announce = { count = 0, spacing = "2s", rate = 0 }
notify = { any = "x" }
track = [{ script = [], interval = "1ms" }, { director = "blond" }]
"#;
    let said = bad(text);
    assert!(said.len() >= 22, "{}: {said:#?}", said.len());
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn the_digest_follows_the_routers() {
    let digest = |text: &str| good(text).digest;
    assert_eq!(digest(ROUTER), digest(&ROUTER.replace("192.0.2.53", "192.0.2.53/32")));
    assert_ne!(digest(ROUTER), digest(&format!("{ROUTER}priority = 101\n")));
}
