//! `vipd` beside keepalived and FRR's vrrpd: each as Active and as Backup of the other, over every form of the protocol that
//! both know.
//!
//! Host a runs `vipd`, host b the other program. Who is Active is seen by who answers a client, which is what counts; that only
//! one is, by whose interface has the address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bed;
mod others;

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use bed::{Asker, Bed};
use others::{Frr, Keepalived, Other};

const OURS: usize = 0;
const THEIRS: usize = 1;

/// One form of the protocol.
struct Case {
    /// Virtual addresses; the first one is asked.
    addresses: &'static [&'static str],
    /// The router's keys of `vipd` beside name, interface, VRID and priority.
    ours: &'static str,
    /// The instance's lines of keepalived beside interface, VRID, priority and addresses.
    theirs: &'static str,
}

const V4: &[&str] = &["10.9.0.50"];
const V6: &[&str] = &["fe80::9:50", "fd09::50"];

impl Case {
    fn asked(&self) -> &'static str {
        self.addresses.last().copied().unwrap_or_default()
    }

    fn ours(&self, priority: u8) -> String {
        format!(
            "[[virtual_router]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
             addresses = {:?}\n{}\n",
            self.addresses, self.ours
        )
    }

    fn theirs(&self, priority: u8) -> String {
        let addresses: String = self.addresses.iter().map(|address| format!("    {address}\n")).collect();
        format!(
            "vrrp_instance vip {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n\
             {}\n  virtual_ipaddress {{\n{addresses}  }}\n}}\n",
            self.theirs
        )
    }

    fn bed(&self) -> (Bed, Asker) {
        let mut bed = Bed::build(2);
        let asked: IpAddr = self.asked().parse().unwrap();
        bed.serve(&[asked]);
        let asker = bed.ask(self.asked(), Duration::from_millis(10));
        (bed, asker)
    }

    /// Waits until this host answers, and ours has the addresses just then.
    fn settled(&self, bed: &Bed, asker: &Asker, host: usize, other: &dyn Other) {
        asker.wait_answered_by(host, || format!("{}\n{}", bed.logs(), other.log()));
        let wanted = host == OURS;
        for address in self.addresses {
            bed::wait_for(
                &format!("{address} is on ours: {wanted}"),
                bed::SOON,
                || (bed.hosts[OURS].has(address) == wanted).then_some(()),
                || format!("{}\n{}", bed.logs(), other.log()),
            );
        }
    }

    /// The same, and that nothing changes any more.
    fn stays(&self, bed: &Bed, asker: &Asker, host: usize, other: &dyn Other, span: Duration) {
        self.settled(bed, asker, host, other);
        let changes = |bed: &Bed| bed.hosts[OURS].log().matches(" -> ").count();
        let before = changes(bed);
        thread::sleep(span);
        assert_eq!(changes(bed), before, "it flaps\n{}\n{}", bed.logs(), other.log());
        self.settled(bed, asker, host, other);
    }
}

/// The whole course with a program on the other side that takes a configuration of this priority.
fn course<O: Other>(case: &Case, interval: Duration, start: impl Fn(&Bed, u8) -> O) {
    // We are the better one.
    let (mut bed, asker) = case.bed();
    let mut other = start(&bed, 100);
    asker.wait_answered_by(THEIRS, || format!("{}\n{}", bed.logs(), other.log()));
    bed.hosts[OURS].start(&case.ours(150));
    case.stays(&bed, &asker, OURS, &other, interval * 4);
    // We leave with priority 0, and come back.
    assert_eq!(bed.hosts[OURS].stop(), Some(0));
    case.settled(&bed, &asker, THEIRS, &other);
    bed.hosts[OURS].restart();
    case.settled(&bed, &asker, OURS, &other);
    // The other one is restarted: as a worse one it changes nothing. At a second an advert that would take long, and shows no more.
    if interval < SLOW {
        other.end();
        other = start(&bed, 100);
        case.stays(&bed, &asker, OURS, &other, interval * 5);
    }
    // The other one is better: it joins, leaves, and joins again.
    other.end();
    other = start(&bed, 200);
    case.stays(&bed, &asker, THEIRS, &other, interval * 4);
    other.end();
    case.settled(&bed, &asker, OURS, &other);
    other = start(&bed, 200);
    case.settled(&bed, &asker, THEIRS, &other);
    // It dies without a word.
    other.kill();
    case.settled(&bed, &asker, OURS, &other);
    drop(asker);
}

fn beside_keepalived(case: &Case, interval: Duration) {
    course(case, interval, |bed, priority| Keepalived::start(&bed.hosts[THEIRS], &case.theirs(priority)));
}

const FAST: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(1);

#[test]
fn keepalived_version_3_ipv4() {
    let case = Case {
        addresses: V4,
        ours: "advert_interval = \"100ms\"",
        theirs: "  version 3\n  advert_int 0.1\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_version_3_ipv6() {
    let case = Case {
        addresses: V6,
        ours: "advert_interval = \"100ms\"",
        theirs: "  version 3\n  advert_int 0.1\n",
    };
    beside_keepalived(&case, FAST);
}

/// Version 2 with an authentication of this kind, as either program calls it.
fn authenticated(ours: &str, theirs: &str) {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cr3tXY\n").unwrap();
    let path = secret.path().display();
    let ours = format!("version = 2\nauthentication = {{ type = \"{ours}\", file = \"{path}\" }}");
    let theirs = format!(
        "  version 2\n  advert_int 1\n  authentication {{\n    auth_type {theirs}\n    auth_pass s3cr3tXY\n  }}\n"
    );
    let case = Case { addresses: V4, ours: ours.leak(), theirs: theirs.leak() };
    beside_keepalived(&case, SLOW);
}

#[test]
fn keepalived_version_2_with_a_password() {
    authenticated("pass", "PASS");
}

#[test]
fn keepalived_version_2_with_an_authentication_header() {
    authenticated("ah", "AH");
}

#[test]
fn keepalived_unicast_ipv4() {
    let case = Case {
        addresses: V4,
        ours: "advert_interval = \"100ms\"\nunicast = { source = \"10.9.0.1\", peers = [\"10.9.0.2\"] }",
        theirs: "  version 3\n  advert_int 0.1\n  unicast_src_ip 10.9.0.2\n  unicast_peer {\n    10.9.0.1\n  }\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_unicast_ipv6() {
    let case = Case {
        addresses: &["fd09::50"],
        ours: "advert_interval = \"100ms\"\nunicast = { source = \"fd09::1\", peers = [\"fd09::2\"] }",
        theirs: "  version 3\n  advert_int 0.1\n  unicast_src_ip fd09::2\n  unicast_peer {\n    fd09::1\n  }\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_with_a_virtual_mac() {
    let case = Case {
        addresses: V4,
        ours: "advert_interval = \"100ms\"",
        theirs: "  version 3\n  advert_int 0.1\n  use_vmac\n  accept\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_while_we_have_a_virtual_mac() {
    let case = Case {
        addresses: V4,
        ours: "advert_interval = \"100ms\"\nvirtual_mac = true",
        theirs: "  version 3\n  advert_int 0.1\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_with_several_addresses() {
    // Version 2.2.7 discards every advert with another list than its own.
    let case = Case {
        addresses: &["10.9.0.50", "10.9.0.51", "10.9.0.52"],
        ours: "advert_interval = \"100ms\"\nannounce = { count = 2, reply = true }",
        theirs: "  version 3\n  advert_int 0.1\n  garp_master_delay 1\n",
    };
    beside_keepalived(&case, FAST);
}

#[test]
fn keepalived_in_a_sync_group() {
    let addresses = ["10.9.0.50", "10.9.0.60"];
    let mut bed = Bed::build(2);
    bed.serve(&addresses.map(|address| address.parse().unwrap()));
    let askers = addresses.map(|address| bed.ask(address, Duration::from_millis(10)));
    let ours: String = addresses
        .iter()
        .zip(51..)
        .map(|(address, vrid)| {
            format!(
                "[[virtual_router]]\nname = \"r{vrid}\"\ninterface = \"eth0\"\nvrid = {vrid}\npriority = 150\n\
                 advert_interval = \"100ms\"\naddresses = [\"{address}\"]\nsync_group = \"g\"\n"
            )
        })
        .collect();
    let theirs = |priority: u8| -> String {
        let instances: String = addresses
            .iter()
            .zip(51..)
            .map(|(address, vrid)| {
                format!(
                    "vrrp_instance r{vrid} {{\n  state BACKUP\n  interface eth0\n  virtual_router_id {vrid}\n  \
                     priority {priority}\n  version 3\n  advert_int 0.1\n  virtual_ipaddress {{\n    {address}\n  }}\n}}\n"
                )
            })
            .collect();
        format!("vrrp_sync_group g {{\n  group {{\n    r51\n    r52\n  }}\n}}\n{instances}")
    };
    let mut other = Keepalived::start(&bed.hosts[THEIRS], &theirs(100));
    let all_at = |bed: &Bed, host: usize, other: &Keepalived| {
        for asker in &askers {
            asker.wait_answered_by(host, || format!("{}\n{}", bed.logs(), other.log()));
        }
    };
    all_at(&bed, THEIRS, &other);
    bed.hosts[OURS].start(&ours);
    all_at(&bed, OURS, &other);
    assert_eq!(bed.hosts[OURS].stop(), Some(0));
    all_at(&bed, THEIRS, &other);
    bed.hosts[OURS].restart();
    all_at(&bed, OURS, &other);
    other.end();
    other = Keepalived::start(&bed.hosts[THEIRS], &theirs(200));
    all_at(&bed, THEIRS, &other);
    other.end();
    all_at(&bed, OURS, &other);
}

fn beside_frr(addresses: &'static [&'static str], version: u8, interval: Duration) {
    let ours: &str = match version {
        2 => "version = 2",
        _ => "advert_interval = \"100ms\"",
    };
    let case = Case { addresses, ours, theirs: "" };
    course(&case, interval, |bed, priority| {
        Frr::start(&bed.hosts[THEIRS], version, priority, interval, addresses)
    });
}

#[test]
fn frr_version_2_ipv4() {
    beside_frr(V4, 2, SLOW);
}

#[test]
fn frr_version_3_ipv4() {
    beside_frr(V4, 3, FAST);
}

#[test]
fn frr_version_3_ipv6() {
    beside_frr(V6, 3, FAST);
}
