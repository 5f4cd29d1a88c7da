//! Total decoding: random bytes, mutated adverts, and everything we can write read back.

use proptest::prelude::*;

use super::*;

fn datagram<'a>(v6: bool, unicast: bool, ah: bool, payload: &'a [u8]) -> Datagram<'a> {
    let (source, peer): (IpAddr, IpAddr) = if v6 {
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into())
    } else {
        (Ipv4Addr::new(10, 91, 0, 1).into(), Ipv4Addr::new(10, 91, 0, 2).into())
    };
    let destination = if unicast { peer } else { multicast_group(Family::of(source)) };
    let protocol = if ah { Protocol::Ah } else { Protocol::Vrrp };
    Datagram { source, destination, hop_limit: 255, protocol, header: &[], payload }
}

/// Whatever was decoded is self-consistent.
fn check(received: &Datagram<'_>) {
    let Ok(advert) = decode(received) else { return };
    assert_eq!(Some(advert.vrid), vrid_of(received));
    assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
    assert!(advert.addresses.iter().all(|address| Family::of(address) == received.family()));
    assert!(advert.version == Version::V2 || !advert.addresses.is_empty());
    for expected in [
        Authentication::None,
        Authentication::Password(Secret::new(b"x").unwrap()),
        Authentication::Header(Secret::new(b"x").unwrap()),
    ] {
        let _ = advert.is_authentic(received, &expected);
    }
}

prop_compose! {
    fn any_outgoing()(
        v6 in any::<bool>(), v3 in any::<bool>(), unicast in any::<bool>(), vrid in 1u8..=255, priority in any::<u8>(),
        centiseconds in 1u16..=4095, seconds in 1u8..=255, count in 1usize..=255, form in 0u8..3, auth in 0u8..3,
    ) -> (Vec<u8>, Datagram<'static>, Authentication, [u16; 4]) {
        let version = if v3 || v6 { Version::V3 } else { Version::V2 };
        let interval = match version {
            Version::V2 => AdvertInterval::from_seconds(seconds).unwrap(),
            Version::V3 => AdvertInterval::from_centiseconds(centiseconds).unwrap(),
        };
        let received = datagram(v6, unicast, auth == 2 && version == Version::V2, &[]);
        let addresses: Vec<IpAddr> = (0..count).map(|n| match received.source {
            IpAddr::V4(_) => Ipv4Addr::new(10, 91, (n >> 8) as u8, n as u8).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0xfd91, 0, 0, 0, 0, 0, 0, n as u16).into(),
        }).collect();
        let authentication = match (version, auth) {
            (Version::V2, 1) => Authentication::Password(Secret::new(b"s3cr3tXY").unwrap()),
            (Version::V2, 2) => Authentication::Header(Secret::new(b"s3cr3tXY").unwrap()),
            _ => Authentication::None,
        };
        let checksum = [ChecksumForm::PseudoHeader, ChecksumForm::Plain, ChecksumForm::MulticastPseudoHeader][form as usize];
        let sent = Outgoing {
            version, vrid: Vrid::new(vrid).unwrap(), priority, interval, addresses: &addresses,
            authentication: &authentication, checksum, source: received.source, destination: received.destination,
        };
        let mut out = Vec::new();
        if v6 {
            sent.message(&mut out).unwrap();
        } else {
            sent.ipv4_packet(Ipv4Header { identification: 1, ttl: 255, sequence: 1 }, &mut out).unwrap();
        }
        let told = [u16::from(vrid), u16::from(priority), interval.centiseconds(), count as u16];
        (out, received, authentication, told)
    }
}

fn reread<'a>(bytes: &'a [u8], like: &Datagram<'a>) -> Result<Datagram<'a>, Rejection> {
    match like.family() {
        Family::Ipv4 => Datagram::from_ipv4(bytes),
        Family::Ipv6 => Ok(Datagram { payload: bytes, ..*like }),
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        v6 in any::<bool>(), unicast in any::<bool>(), ah in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check(&datagram(v6, unicast, ah, &bytes));
        if let Ok(received) = Datagram::from_ipv4(&bytes) {
            check(&received);
        }
    }

    #[test]
    fn what_we_write_is_what_is_read((bytes, like, authentication, told) in any_outgoing()) {
        let received = reread(&bytes, &like).unwrap();
        let advert = decode(&received).unwrap();
        prop_assert_eq!(
            [u16::from(advert.vrid.get()), u16::from(advert.priority), advert.interval.centiseconds(), advert.addresses.len() as u16],
            told
        );
        prop_assert_eq!(advert.is_authentic(&received, &authentication), Ok(()));
        check(&received);
    }

    #[test]
    fn mutated_adverts_never_panic(
        (mut bytes, like, _, _) in any_outgoing(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
        tail in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes.extend(tail);
        if let Ok(received) = reread(&bytes, &like) {
            check(&received);
        }
    }

    #[test]
    fn one_changed_byte_of_the_message_is_noticed(
        (mut bytes, like, _, _) in any_outgoing(), at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let start = if like.family() == Family::Ipv6 { 0 } else { 20 + if like.protocol == Protocol::Ah { AH_LENGTH } else { 0 } };
        let at = start + at.index(bytes.len() - start);
        bytes[at] ^= flip;
        let received = reread(&bytes, &like).unwrap();
        // 0x00 and 0xff make the same sum only for a whole word; the one changed byte always shows.
        prop_assert!(decode(&received).is_err());
    }
}
