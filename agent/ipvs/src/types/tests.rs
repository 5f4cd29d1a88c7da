//! What the checked constructors take and refuse.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn udp() -> Service {
    Service::new(ServiceKey::new(Protocol::Udp, ip("10.0.0.1"), 53).unwrap(), Scheduler::WRR)
}

fn to(address: &str, port: u16, forwarding: Forwarding) -> Destination {
    Destination::new(DestinationKey::new(ip(address), port), forwarding, Weight::ONE)
}

#[test]
fn names() {
    for good in ["rr", "x", "fifteen-letters", "ip_vs.1"] {
        assert_eq!(Scheduler::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "sixteen--letters", "w rr", "wrr\n", "w\0", "grün"] {
        let error = PersistenceEngine::new(bad).unwrap_err();
        assert_eq!(error, ValueError::Name { what: "persistence engine", name: bad.to_owned() });
    }
    assert_eq!(
        Scheduler::new("").unwrap_err().to_string(),
        "scheduler name ``: give 1 to 15 printable characters without blanks"
    );
    assert_eq!(format!("{:>5}|{:?}", Scheduler::RR, Scheduler::MH), "   rr|\"mh\"");
    assert!(Scheduler::KNOWN.iter().all(|name| Scheduler::new(name).is_ok()));
    // As text, not as padded bytes of different lengths.
    assert!(Scheduler::new("w").unwrap() < Scheduler::new("wlc").unwrap());
}

#[test]
fn service_keys() {
    let shown = |protocol, address, port| ServiceKey::new(protocol, ip(address), port).unwrap().to_string();
    assert_eq!(shown(Protocol::Udp, "10.0.0.1", 53), "udp 10.0.0.1:53");
    assert_eq!(shown(Protocol::Tcp, "2001:db8::1", 0), "tcp [2001:db8::1]:0");
    assert_eq!(ServiceKey::firewall_mark(Family::Ipv4, 7).unwrap().to_string(), "fwmark 7");
    assert_eq!(
        ServiceKey::firewall_mark(Family::Ipv6, u32::MAX).unwrap().to_string(),
        "fwmark 4294967295 (IPv6)"
    );
    assert_eq!(ServiceKey::firewall_mark(Family::Ipv4, 0), Err(ValueError::FirewallMark));
    for bad in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        assert_eq!(
            ServiceKey::new(Protocol::Udp, ip(bad), 53),
            Err(ValueError::ServiceAddress(ip(bad))),
            "{bad}"
        );
    }
    assert_eq!(ServiceKey::new(Protocol::Other(1), ip("10.0.0.1"), 53), Err(ValueError::Protocol(1)));
    // However it is written, a protocol is one value.
    let other = ServiceKey::new(Protocol::Other(17), ip("10.0.0.1"), 53).unwrap();
    assert_eq!(other, *udp().key());
    assert_eq!([6, 17, 132, 1].map(|n| Protocol::from_number(n).number()), [6, 17, 132, 1]);
}

#[test]
fn numbers_out_of_range() {
    assert_eq!(Weight::new(65_535), Ok(Weight::MAX));
    assert_eq!(Weight::new(65_536), Err(ValueError::Weight(65_536)));
    assert_eq!(Thresholds::new(0, 1), Err(ValueError::Thresholds { upper: 0, lower: 1 }));
    assert_eq!(Thresholds::new(1 << 31, 1), Err(ValueError::Threshold(1 << 31)));
    let most = Thresholds::new(i32::MAX as u32, i32::MAX as u32).unwrap();
    assert_eq!((most.upper(), most.lower()), (2_147_483_647, 2_147_483_647));
    assert_eq!(Timeouts::new(1, 2, 2_678_401), Err(ValueError::Timeout { which: "udp", secs: 2_678_401 }));
    assert!(Timeouts::new(0, 2_678_400, 1).is_ok());
    for bad in [0, 2_678_401, u32::MAX] {
        assert_eq!(Persistence::new(bad, Granularity::Host), Err(ValueError::PersistenceTimeout(bad)));
    }
}

#[test]
fn granularity() {
    let mask = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    assert_eq!(Granularity::mask(mask("255.255.255.255")), Ok(Granularity::Host));
    assert_eq!(Granularity::mask(mask("128.0.0.0")), Ok(Granularity::Mask(mask("128.0.0.0"))));
    for bad in ["0.0.0.0", "255.0.255.0", "0.0.0.255"] {
        assert_eq!(Granularity::mask(mask(bad)), Err(ValueError::Mask(mask(bad))));
        // Not past the constructor either.
        let around = Granularity::Mask(mask(bad));
        assert_eq!(Persistence::new(60, around), Err(ValueError::Mask(mask(bad))));
    }
    assert_eq!(Granularity::prefix(128), Ok(Granularity::Host));
    assert_eq!([0, 129].map(Granularity::prefix), [0, 129].map(|n| Err(ValueError::PrefixLength(n))));
    let mut service = udp();
    let wrong = Persistence::new(60, Granularity::prefix(64).unwrap()).unwrap();
    assert_eq!(
        service.set_persistence(Some(wrong)).unwrap_err().to_string(),
        "the persistence granularity is for IPv6, but the service is IPv4"
    );
    assert_eq!(service.persistence(), None);
}

#[test]
fn flags() {
    let all = Flags::from_bits(u32::MAX);
    assert_eq!(all.bits(), !3, "persistent and hashed are told elsewhere or not at all");
    assert!(all.contains(Flags::ONE_PACKET | Flags::SCHEDULER_3));
    assert_eq!(Flags::SCHEDULER_1.with(Flags::ONE_PACKET).without(Flags::SCHEDULER_1), Flags::ONE_PACKET);
    assert!(!Flags::SCHEDULER_1.contains(Flags::SCHEDULER_1 | Flags::SCHEDULER_2));
    assert_eq!(Scheduler::SH.flag_names(), ["sh-fallback", "sh-port"]);
}

#[test]
fn services_that_the_kernel_takes_and_never_serves() {
    assert_eq!(udp().check(), Ok(()));
    let tcp =
        |port| Service::new(ServiceKey::new(Protocol::Tcp, ip("10.0.0.1"), port).unwrap(), Scheduler::RR);
    let mut one_packet = tcp(53);
    one_packet.flags = Flags::ONE_PACKET;
    assert_eq!(one_packet.check(), Err(ValueError::OnePacketProtocol));
    let mut all_ports = tcp(0);
    assert_eq!(all_ports.check(), Err(ValueError::PortZero));
    all_ports.set_persistence(Some(Persistence::new(60, Granularity::Host).unwrap())).unwrap();
    assert_eq!(all_ports.check(), Ok(()));
    let dumped = ServiceKey::Address { protocol: Protocol::Other(47), address: ip("10.0.0.1"), port: 1 };
    assert_eq!(Service::new(dumped, Scheduler::RR).check(), Err(ValueError::Protocol(47)));
    let mut mark = Service::new(ServiceKey::firewall_mark(Family::Ipv4, 1).unwrap(), Scheduler::RR);
    mark.flags = Flags::ONE_PACKET;
    assert_eq!(mark.check(), Ok(()));
}

#[test]
fn destinations_that_do_not_go_with_the_service() {
    let gue = |port, checksum| {
        Forwarding::Tunnel(Encapsulation::Gue { port: NonZeroU16::new(port).unwrap(), checksum })
    };
    let gre = |checksum| Forwarding::Tunnel(Encapsulation::Gre { checksum });
    let good = [
        to("10.1.0.1", 53, Forwarding::Direct),
        to("10.1.0.1", 5353, Forwarding::Masquerade),
        to("2001:db8::1", 53, Forwarding::TUNNEL),
        to("10.1.0.1", 53, gue(6080, Checksum::Remote)),
        to("10.1.0.1", 53, gre(Checksum::Full)),
    ];
    for destination in good {
        assert_eq!(udp().check_destination(&destination), Ok(()), "{destination:?}");
    }
    let mixed = ValueError::MixedFamily { service: Family::Ipv4, destination: Family::Ipv6 };
    let foreign = |forwarding| ValueError::ForeignPort { service: 53, destination: 5353, forwarding };
    let odd = Encapsulation::Other { kind: 9, port: 0, checksum: Checksum::None };
    let bad = [
        (to("2001:db8::1", 53, Forwarding::Direct), mixed.clone()),
        (to("2001:db8::1", 53, Forwarding::Masquerade), mixed),
        (to("10.1.0.1", 5353, Forwarding::Direct), foreign(Forwarding::Direct)),
        (to("10.1.0.1", 5353, Forwarding::TUNNEL), foreign(Forwarding::TUNNEL)),
        (to("10.1.0.1", 53, Forwarding::Local), ValueError::Forwarding(Forwarding::Local)),
        (to("10.1.0.1", 53, Forwarding::Other(5)), ValueError::Forwarding(Forwarding::Other(5))),
        (to("10.1.0.1", 53, Forwarding::Tunnel(odd)), ValueError::Encapsulation(9)),
        (
            to("10.1.0.1", 53, gre(Checksum::Remote)),
            ValueError::Checksum { encapsulation: "gre", checksum: Checksum::Remote },
        ),
        (
            to("10.1.0.1", 53, gue(1, Checksum::Other(3))),
            ValueError::Checksum { encapsulation: "gue", checksum: Checksum::Other(3) },
        ),
    ];
    for (destination, error) in bad {
        assert_eq!(udp().check_destination(&destination), Err(error), "{destination:?}");
    }
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "fe80::1"] {
        let error = ValueError::DestinationAddress(ip(address));
        assert_eq!(udp().check_destination(&to(address, 53, Forwarding::TUNNEL)), Err(error));
    }
    let mut one_packet = udp();
    one_packet.flags = Flags::ONE_PACKET;
    let masquerade = to("10.1.0.1", 53, Forwarding::Masquerade);
    assert_eq!(one_packet.check_destination(&masquerade), Err(ValueError::OnePacketMasquerade));
    let mark = Service::new(ServiceKey::firewall_mark(Family::Ipv4, 1).unwrap(), Scheduler::RR);
    assert_eq!(mark.check_destination(&to("10.1.0.1", 5353, Forwarding::Direct)), Ok(()));
}

#[test]
fn version() {
    assert_eq!(Version::from_number(0x01_02_01).to_string(), "1.2.1");
}
