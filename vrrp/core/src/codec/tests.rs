//! Every cause of rejection that a datagram alone can have, and the corners of the encoder.

use super::*;

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 2);
const SOURCE_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xa);

fn vip() -> IpAddr {
    "10.91.0.100".parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).unwrap()
}

fn outgoing<'a>(version: Version, addresses: &'a [IpAddr]) -> Outgoing<'a> {
    Outgoing {
        version,
        vrid: Vrid::new(51).unwrap(),
        priority: 150,
        interval: AdvertInterval::from_seconds(1).unwrap(),
        addresses,
        authentication: &Authentication::None,
        checksum: ChecksumForm::PseudoHeader,
        source: SOURCE.into(),
        destination: multicast_group(Family::Ipv4),
    }
}

fn message(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    outgoing.message(&mut out).unwrap();
    out
}

fn datagram<'a>(payload: &'a [u8]) -> Datagram<'a> {
    Datagram {
        source: SOURCE.into(),
        destination: multicast_group(Family::Ipv4),
        hop_limit: 255,
        protocol: Protocol::Vrrp,
        header: &[],
        payload,
    }
}

/// Changes a message and mends its plain checksum, which version 3 takes too.
fn changed(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut bytes);
    bytes[6..8].fill(0);
    let sum = checksum::Sum::default().bytes(&bytes).checksum();
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

#[test]
fn each_wrong_field_has_its_cause() {
    let v2 = message(&outgoing(Version::V2, &[vip()]));
    let v3 = message(&outgoing(Version::V3, &[vip()]));
    let cases: Vec<(Vec<u8>, Rejection)> = vec![
        (vec![], Rejection::Length { expected: 8, got: 0 }),
        (v3[..7].to_vec(), Rejection::Length { expected: 8, got: 7 }),
        (v3[..8].to_vec(), Rejection::Length { expected: 12, got: 8 }),
        ([&v3[..], &[0; 4]].concat(), Rejection::Length { expected: 12, got: 16 }),
        (v2[..12].to_vec(), Rejection::Length { expected: 20, got: 12 }),
        (changed(v3.clone(), |b| b[0] = 0x11), Rejection::Version(1)),
        (changed(v3.clone(), |b| b[0] = 0x41), Rejection::Version(4)),
        (changed(v3.clone(), |b| b[0] = 0x30), Rejection::Type(0)),
        (changed(v3.clone(), |b| b[0] = 0x32), Rejection::Type(2)),
        (changed(v3.clone(), |b| b[3] = 2), Rejection::Length { expected: 16, got: 12 }),
        (changed(v3[..8].to_vec(), |b| b[3] = 0), Rejection::NoAddress),
        (changed(v3.clone(), |b| b[4..6].fill(0)), Rejection::ZeroInterval),
        (changed(v3.clone(), |b| b[4..6].copy_from_slice(&[0xf0, 0])), Rejection::ZeroInterval),
        (changed(v2.clone(), |b| b[5] = 0), Rejection::ZeroInterval),
        (changed(v3.clone(), |b| b[1] = 0), Rejection::ZeroVrid),
        (changed(v2.clone(), |b| b[4] = 3), Rejection::AuthType(3)),
        // Authentication type 2 without an Authentication Header in front.
        (changed(v2.clone(), |b| b[4] = 2), Rejection::AuthMismatch),
    ];
    for (bytes, cause) in cases {
        assert_eq!(decode(&datagram(&bytes)), Err(cause), "{bytes:02x?}");
    }
    let mut wrong = v3;
    wrong[7] ^= 1;
    assert_eq!(decode(&datagram(&wrong)), Err(Rejection::Checksum));
    let mut wrong = v2;
    wrong[7] ^= 1;
    assert_eq!(decode(&datagram(&wrong)), Err(Rejection::Checksum));
}

#[test]
fn carp_is_not_vrrp() {
    // 36 bytes, first byte alike, the length of its authentication data (7) where VRRP counts addresses.
    let mut carp = vec![0x21, 51, 0, 7, 0, 1, 0, 0];
    carp.resize(36, 0xab);
    let carp = changed(carp, |_| ());
    assert_eq!(decode(&datagram(&carp)), Err(Rejection::Length { expected: 44, got: 36 }));
}

#[test]
fn reserved_bits_and_idle_authentication_data_are_ignored() {
    let v3 = changed(message(&outgoing(Version::V3, &[vip()])), |b| b[4] |= 0xf0);
    assert_eq!(decode(&datagram(&v3)).unwrap().interval.centiseconds(), 100);
    let v2 = changed(message(&outgoing(Version::V2, &[vip()])), |b| b[12..].fill(0x5a));
    assert_eq!(decode(&datagram(&v2)).unwrap().credential, Credential::None);
}

#[test]
fn three_forms_of_the_version_3_checksum_are_told_apart() {
    let addresses = [vip()];
    for form in [ChecksumForm::PseudoHeader, ChecksumForm::Plain, ChecksumForm::MulticastPseudoHeader] {
        let unicast =
            Outgoing { checksum: form, destination: PEER.into(), ..outgoing(Version::V3, &addresses) };
        let bytes = message(&unicast);
        let received = Datagram { destination: PEER.into(), ..datagram(&bytes) };
        assert_eq!(decode(&received).unwrap().checksum, form);
    }
    // By multicast the third is the first.
    let multicast =
        Outgoing { checksum: ChecksumForm::MulticastPseudoHeader, ..outgoing(Version::V3, &addresses) };
    assert_eq!(decode(&datagram(&message(&multicast))).unwrap().checksum, ChecksumForm::PseudoHeader);
}

#[test]
fn version_2_takes_the_plain_checksum_only_and_ipv6_the_pseudo_header_only() {
    let addresses = [vip()];
    let v2 = message(&outgoing(Version::V2, &addresses));
    assert_eq!(decode(&datagram(&v2)).unwrap().checksum, ChecksumForm::Plain);
    let addresses = ["fe80::5e:51".parse().unwrap()];
    let group = multicast_group(Family::Ipv6);
    let v6 = Outgoing {
        source: SOURCE_6.into(),
        destination: group,
        checksum: ChecksumForm::Plain,
        ..outgoing(Version::V3, &addresses)
    };
    let bytes = message(&v6);
    let received = Datagram { source: SOURCE_6.into(), destination: group, ..datagram(&bytes) };
    assert_eq!(decode(&received).unwrap().checksum, ChecksumForm::PseudoHeader);
    let plain = changed(bytes.clone(), |_| ());
    assert_eq!(decode(&Datagram { payload: &plain, ..received }), Err(Rejection::Checksum));
}

#[test]
fn priority_changes_the_checksum_by_its_own_amount() {
    let addresses = [vip()];
    let active = message(&outgoing(Version::V3, &addresses));
    let leaving = message(&Outgoing { priority: 0, ..outgoing(Version::V3, &addresses) });
    let sum = |bytes: &[u8]| u32::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    assert_eq!(sum(&leaving), sum(&active) + 0x9600);
}

#[test]
fn passwords_are_compared() {
    let right = Authentication::Password(secret("s3cr3tXY"));
    let sent = Outgoing { authentication: &right, ..outgoing(Version::V2, &[]) };
    let bytes = message(&sent);
    let received = datagram(&bytes);
    let advert = decode(&received).unwrap();
    assert_eq!(advert.is_authentic(&received, &right), Ok(()));
    let wrong = Authentication::Password(secret("s3cr3tXZ"));
    assert_eq!(advert.is_authentic(&received, &wrong), Err(Rejection::Password));
    assert_eq!(advert.is_authentic(&received, &Authentication::None), Err(Rejection::AuthMismatch));
    assert_eq!(
        advert.is_authentic(&received, &Authentication::Header(secret("s3cr3tXY"))),
        Err(Rejection::AuthMismatch)
    );
}

#[test]
fn an_authentication_header_covers_packet_and_message() {
    let key = Authentication::Header(secret("s3cr3tXY"));
    let addresses = [vip()];
    let sent = Outgoing { authentication: &key, ..outgoing(Version::V2, &addresses) };
    let mut packet = Vec::new();
    sent.ipv4_packet(Ipv4Header { identification: 7, ttl: 255, sequence: 9 }, &mut packet).unwrap();
    let received = Datagram::from_ipv4(&packet).unwrap();
    assert_eq!(received.protocol, Protocol::Ah);
    assert_eq!(vrid_of(&received), Vrid::new(51));
    let advert = decode(&received).unwrap();
    assert_eq!(advert.credential, Credential::Header { sequence: 9 });
    assert_eq!(advert.is_authentic(&received, &key), Ok(()));
    let other = Authentication::Header(secret("s3cr3tXZ"));
    assert_eq!(advert.is_authentic(&received, &other), Err(Rejection::AhDigest));
    // Type of service and header checksum may change on the way; nothing else may.
    for at in 0..packet.len() {
        let mut touched = packet.clone();
        touched[at] ^= 0x01;
        let outcome = Datagram::from_ipv4(&touched)
            .and_then(|received| decode(&received)?.is_authentic(&received, &key));
        assert_eq!(outcome.is_ok(), [1, 10, 11].contains(&at), "byte {at}: {outcome:?}");
    }
}

#[test]
fn ipv4_packets_are_cut_where_their_headers_say() {
    let mut packet = Vec::new();
    let addresses = [vip()];
    let header = Ipv4Header { identification: 1, ttl: 255, sequence: 0 };
    outgoing(Version::V3, &addresses).ipv4_packet(header, &mut packet).unwrap();
    // Ethernet padding.
    let padded = [&packet[..], &[0; 14]].concat();
    assert_eq!(Datagram::from_ipv4(&padded).unwrap().payload, &packet[20..]);
    // Options: router alert.
    let mut options = [&packet[..20], &[0x94, 4, 0, 0], &packet[20..]].concat();
    options[0] = 0x46;
    options[3] += 4;
    let received = Datagram::from_ipv4(&options).unwrap();
    assert_eq!((received.header.len(), received.payload), (24, &packet[20..]));
    assert!(decode(&received).is_ok());
    // "Don't fragment" is fine, a fragment is not.
    let change = |at: usize, value: u8| {
        let mut touched = packet.clone();
        touched[at] = value;
        Datagram::from_ipv4(&touched).map(|_| ())
    };
    assert_eq!(change(6, 0x40), Ok(()));
    assert_eq!(change(6, 0x20), Err(Rejection::Fragment));
    assert_eq!(change(7, 1), Err(Rejection::Fragment));
    assert_eq!(change(0, 0x65), Err(Rejection::IpHeader));
    assert_eq!(change(0, 0x44), Err(Rejection::IpHeader));
    assert_eq!(change(0, 0x4f), Err(Rejection::Truncated));
    assert_eq!(change(3, 255), Err(Rejection::Truncated));
    assert_eq!(change(3, 19), Err(Rejection::Truncated));
    assert_eq!(change(9, 17), Err(Rejection::Protocol(17)));
    assert_eq!(Datagram::from_ipv4(&packet[..19]).map(|_| ()), Err(Rejection::Truncated));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut out = vec![1, 2, 3];
    let many = vec![vip(); 256];
    let six: [IpAddr; 1] = ["fd91::100".parse().unwrap()];
    let key = Authentication::Header(secret("x"));
    let password = Authentication::Password(secret("x"));
    let odd = AdvertInterval::from_centiseconds(150).unwrap();
    let long = AdvertInterval::from_seconds(255).unwrap();
    let cases = [
        (outgoing(Version::V2, &many), EncodeError::TooManyAddresses),
        (outgoing(Version::V3, &six), EncodeError::MixedFamilies),
        (outgoing(Version::V3, &[]), EncodeError::NoAddress),
        (Outgoing { interval: odd, ..outgoing(Version::V2, &[]) }, EncodeError::Interval),
        (Outgoing { interval: long, ..outgoing(Version::V3, &many[..1]) }, EncodeError::Interval),
        (
            Outgoing { authentication: &password, ..outgoing(Version::V3, &many[..1]) },
            EncodeError::Authentication,
        ),
        (Outgoing { authentication: &key, ..outgoing(Version::V2, &[]) }, EncodeError::Packet),
    ];
    for (sent, error) in cases {
        assert_eq!(sent.message(&mut out), Err(error));
        assert!(out.is_empty());
        out.push(1);
    }
    assert_eq!(message(&outgoing(Version::V2, &many[..255])).len(), 16 + 255 * 4);
}

#[test]
fn intervals_are_what_the_version_can_say() {
    use std::time::Duration;
    let v2 = |ms| AdvertInterval::new(Version::V2, Duration::from_millis(ms));
    let v3 = |ms| AdvertInterval::new(Version::V3, Duration::from_millis(ms));
    for bad in [0, 400, 1500, 256_000] {
        assert_eq!(v2(bad), None, "v2 {bad} ms");
    }
    for bad in [0, 5, 15, 40_960, u64::MAX / 2] {
        assert_eq!(v3(bad), None, "v3 {bad} ms");
    }
    assert_eq!(v2(255_000).unwrap().seconds(), Some(255));
    assert_eq!(v3(10).unwrap().centiseconds(), 1);
    assert_eq!(v3(40_950).unwrap().span(), Duration::from_millis(40_950));
}

#[test]
fn secrets_stay_secret_and_short() {
    assert_eq!(Secret::new(b""), None);
    assert_eq!(Secret::new(b"123456789"), None);
    let shown = format!("{:?}", Authentication::Password(secret("hunter2")));
    assert_eq!(shown, "Password(Secret(..))");
}

#[test]
fn every_cause_has_its_own_code() {
    let all = [
        Rejection::Truncated,
        Rejection::IpHeader,
        Rejection::Fragment,
        Rejection::Protocol(1),
        Rejection::HopLimit(254),
        Rejection::Version(4),
        Rejection::VersionMismatch(Version::V2),
        Rejection::VersionForFamily,
        Rejection::Type(0),
        Rejection::Length { expected: 1, got: 2 },
        Rejection::NoAddress,
        Rejection::ZeroInterval,
        Rejection::Checksum,
        Rejection::ZeroVrid,
        Rejection::OtherVrid(2),
        Rejection::Family,
        Rejection::AuthType(3),
        Rejection::AuthMismatch,
        Rejection::Password,
        Rejection::AhHeader,
        Rejection::AhDigest,
        Rejection::IntervalMismatch(2),
        Rejection::Unicast,
        Rejection::Multicast,
        Rejection::NotAPeer,
        Rejection::Source,
        Rejection::OwnSource,
    ];
    let codes: Vec<&str> = all.iter().map(|cause| cause.code()).collect();
    assert_eq!(codes, Rejection::CODES);
    for cause in all {
        assert!(!cause.to_string().is_empty() && !cause.to_string().ends_with('.'));
    }
}
