//! Adverts of every kind of wrong: each is counted under its cause and touches no timer.

use std::net::IpAddr;

use super::bed::*;
use super::table::centiseconds;
use crate::RouterSettings;
use crate::codec::{
    Authentication, ChecksumForm, Datagram, Family, Ipv4Header, Outgoing, Rejection, Secret, Version,
    multicast_group,
};
use crate::router::{Deadline, Input, State};

fn group() -> IpAddr {
    multicast_group(Family::Ipv4)
}

fn counted(bed: &Bed, code: &str) -> u64 {
    let at = Rejection::CODES.iter().position(|known| *known == code).unwrap();
    bed.router.status().counters.rejections[at]
}

#[test]
fn a_wrong_advert_touches_no_timer_in_any_state() {
    let good = advert();
    let spoil = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes[6..8].fill(0);
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let mut bad_sum = good.clone();
    bad_sum[7] ^= 1;
    let longer = [&good[..], &[0; 4]].concat();
    let peer = |payload| datagram(HIGH, group(), payload);
    let (v4, type0, vrid0, vrid9, zero) =
        (spoil(0, 0x41), spoil(0, 0x30), spoil(1, 0), spoil(1, 9), spoil(5, 0));
    let six: IpAddr = "fe80::9".parse().unwrap();
    let cases: Vec<(&str, Datagram<'_>)> = vec![
        ("length", peer(&good[..4])),
        ("length", peer(&longer)),
        ("hop_limit", Datagram { hop_limit: 254, ..peer(&good) }),
        ("version", peer(&v4)),
        ("type", peer(&type0)),
        ("checksum", peer(&bad_sum)),
        ("zero_vrid", peer(&vrid0)),
        ("other_vrid", peer(&vrid9)),
        ("zero_interval", peer(&zero)),
        ("unicast", datagram(HIGH, OWN, &good)),
        ("own_source", datagram(OWN, group(), &good)),
        ("source", datagram("0.0.0.0".parse().unwrap(), group(), &good)),
        ("source", datagram("127.0.0.1".parse().unwrap(), group(), &good)),
        ("family", datagram(six, multicast_group(Family::Ipv6), &good)),
    ];
    for state in [State::Initialize, State::Backup, State::Active] {
        for (code, datagram) in &cases {
            let mut bed = Bed::in_state(state, settings());
            let deadline = bed.router.deadline();
            let before = counted(&bed, code);
            let done = bed.tell(Input::DatagramReceived(*datagram));
            assert_eq!(counted(&bed, code), before + 1, "{code} in {state:?}");
            assert_eq!(bed.router.deadline(), deadline, "{code} in {state:?}");
            assert_eq!(bed.router.state(), state, "{code} in {state:?}");
            let silent = ["other_vrid", "own_source"].contains(code);
            assert_eq!(done, if silent { "" } else { "odd:Rejected" }, "{code} in {state:?}");
        }
    }
}

#[test]
fn a_flood_of_wrong_adverts_neither_delays_the_takeover_nor_fills_the_log() {
    let mut bed = Bed::backup(settings());
    let end = bed.now + ms(3609.375);
    let mut zero = advert();
    zero[4..8].fill(0);
    let mut reports = 0;
    let mut sent = 0u32;
    while bed.now < end {
        let source = IpAddr::from([10, 0, (sent >> 8) as u8 | 1, sent as u8]);
        let done = bed.tell(Input::DatagramReceived(datagram(source, group(), &zero)));
        reports += usize::from(!done.is_empty());
        bed.wait(ms(0.1));
        sent += 1;
        if bed.now < end {
            assert_eq!(bed.tell(Input::DeadlinePassed), "");
        }
    }
    assert!(bed.tell(Input::DeadlinePassed).starts_with("ACTIVE"));
    assert_eq!(bed.router.status().since, Some(bed.now));
    assert!(reports <= 4, "{reports} reports");
    let status = bed.router.status();
    assert_eq!(u64::from(sent), status.counters.discrepancies);
    assert!(status.senders.len() <= 32);
}

#[test]
fn version_2_wants_its_own_interval_version_and_authentication() {
    let v2 = RouterSettings {
        version: Version::V2,
        authentication: Authentication::Password(Secret::new(b"s3cr3tXY").unwrap()),
        ..settings()
    };
    let other: &Authentication =
        Box::leak(Box::new(Authentication::Password(Secret::new(b"other").unwrap())));
    let mut bed = Bed::backup(v2);
    let deadline = bed.router.deadline();
    bed.hear_with(HIGH, 150, |advert| {
        advert.interval = crate::codec::AdvertInterval::from_seconds(2).unwrap()
    });
    bed.hear_with(HIGH, 150, |advert| advert.authentication = &Authentication::None);
    bed.hear_with(HIGH, 150, |advert| advert.authentication = other);
    bed.hear_with(HIGH, 150, |advert| {
        advert.version = Version::V3;
        advert.authentication = &Authentication::None;
    });
    for code in ["interval_mismatch", "auth_mismatch", "password", "version_mismatch"] {
        assert_eq!(counted(&bed, code), 1, "{code}");
    }
    assert_eq!(bed.router.deadline(), deadline);
    bed.wait(ms(10.0));
    bed.hear(HIGH, 150);
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_609_375));
}

#[test]
fn unicast_is_from_peers_only_and_may_be_a_hop_away() {
    let unicast = RouterSettings { peers: vec![HIGH], ..settings() };
    let mut bed = Bed::backup(unicast.clone());
    bed.wait(ms(5.0));
    bed.hear(LOW, 150);
    bed.hear_with(HIGH, 150, |advert| advert.destination = group());
    assert_eq!((counted(&bed, "not_a_peer"), counted(&bed, "multicast")), (1, 1));
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_604_375));
    bed.hear(HIGH, 150);
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_609_375));
    // The form of old keepalived, with the group in the pseudo-header.
    bed.wait(ms(5.0));
    bed.hear_with(HIGH, 150, |advert| advert.checksum = ChecksumForm::MulticastPseudoHeader);
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_609_375));
    let mut bed = Bed::backup(RouterSettings { least_hop_limit: Some(254), ..unicast });
    for (hop_limit, taken) in [(253, false), (254, true)] {
        let mut packet = Vec::new();
        let mut sent = bed.router.outgoing(150, OWN).unwrap();
        sent.source = HIGH;
        sent.message(&mut packet).unwrap();
        bed.wait(ms(5.0));
        bed.tell(Input::DatagramReceived(Datagram { hop_limit, ..datagram(HIGH, OWN, &packet) }));
        assert_eq!(bed.left(Deadline::ActiveDown) == Some(3_609_375), taken);
    }
}

#[test]
fn what_differs_but_does_no_harm_is_said_once_and_followed() {
    let mut bed = Bed::backup(settings());
    const LIST: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 101))];
    let mut said = Vec::new();
    for _ in 0..5 {
        bed.wait(ms(1100.0));
        said.push(bed.hear_with(HIGH, 150, |advert| {
            advert.addresses = &LIST;
            advert.interval = centiseconds(200);
            advert.checksum = ChecksumForm::Plain;
        }));
        assert_eq!(bed.left(Deadline::ActiveDown), Some(2 * 3_609_375));
    }
    assert_eq!(said, ["odd:AddressList", "odd:Interval", "odd:Checksum", "", ""]);
    let status = bed.router.status();
    assert_eq!((status.counters.discrepancies, status.counters.unreported), (15, 3));
    assert_eq!(status.senders[0].said, Some((150, centiseconds(200))));
    assert_eq!(status.senders[0].accepted, 5);
}

#[test]
fn the_longest_interval_is_reported_as_limited() {
    let mut bed = Bed::backup(settings());
    let done = bed.hear_with(HIGH, 150, |advert| advert.interval = centiseconds(4095));
    assert_eq!(done, "odd:IntervalLimited");
    assert_eq!(bed.router.status().active_interval, centiseconds(1000));
}

#[test]
fn an_authentication_header_is_checked_with_the_packet_around_it() {
    let key = |text: &[u8]| Authentication::Header(Secret::new(text).unwrap());
    let ours = RouterSettings { version: Version::V2, authentication: key(b"s3cr3tXY"), ..settings() };
    let mut bed = Bed::backup(ours);
    let header = Ipv4Header { identification: 9, ttl: 255, sequence: 1 };
    for (secret, left) in [(b"s3cr3tXZ", 3_599_375), (b"s3cr3tXY", 3_609_375)] {
        bed.wait(ms(10.0));
        let authentication = key(secret);
        let mut packet = Vec::new();
        let like_ours = bed.router.outgoing(150, group()).unwrap();
        let sent = Outgoing { source: HIGH, authentication: &authentication, ..like_ours };
        sent.ipv4_packet(header, &mut packet).unwrap();
        bed.tell(Input::DatagramReceived(Datagram::from_ipv4(&packet).unwrap()));
        assert_eq!(bed.left(Deadline::ActiveDown), Some(left));
    }
    assert_eq!(counted(&bed, "ah_digest"), 1);
    // Without a header there is nothing to check.
    let plain = advert();
    bed.tell(Input::DatagramReceived(datagram(HIGH, group(), &plain)));
    assert_eq!(counted(&bed, "version_mismatch"), 1);
}

#[test]
fn version_2_over_ipv6_is_discarded() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let six = RouterSettings::new(51, vec![address("fe80::5e:51"), address("fd91::100")]);
    let mut bed = Bed::new(six);
    bed.tell(Input::LinkWentUp { source: address("fe80::1") });
    bed.tell(Input::Started { held: None });
    let deadline = bed.router.deadline();
    let destination = multicast_group(Family::Ipv6);
    for (version, code) in [(Version::V2, "version_for_family"), (Version::V3, "hop_limit")] {
        let mut packet = Vec::new();
        let like_ours = bed.router.outgoing(150, destination).unwrap();
        Outgoing { version, source: address("fe80::2"), ..like_ours }.message(&mut packet).unwrap();
        let hop_limit = if version == Version::V2 { 255 } else { 254 };
        let received = Datagram { hop_limit, ..datagram(address("fe80::2"), destination, &packet) };
        bed.tell(Input::DatagramReceived(received));
        assert_eq!(counted(&bed, code), 1);
        assert_eq!(bed.router.deadline(), deadline);
    }
}
