//! Bytes as the kernel sends them, and bytes as it never would.

use std::net::IpAddr;
use std::num::NonZeroU16;

use proptest::prelude::*;

use super::*;
use crate::edit::Edit;
use crate::tables;
use crate::types::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Bytes from hex with blanks, for a little-endian machine.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn request(request: &Request<'_>) -> Vec<u8> {
    let mut buffer = Vec::new();
    encode(&mut buffer, 0x1c, REQUEST, 0x0a0b_0c0d, request);
    buffer
}

fn decode_all(bytes: &[u8]) -> Vec<Result<Reply, DecodeError>> {
    messages(bytes).map(|message| decode(&message?, Family::Ipv4)).collect()
}

/// A service as a reply of the kernel: what we would send, with the command it answers with.
fn reply(mut bytes: Vec<u8>, command: u8) -> Reply {
    bytes[16] = command;
    let mut replies = decode_all(&bytes);
    assert_eq!(replies.len(), 1);
    replies.remove(0).unwrap()
}

/// Splits what the kernel sent into the fields to mutate: header of 16 and 4 bytes, then attributes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([2, 0]);
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn generic(command: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = vec![command, 1, 0, 0];
    payload.extend(attributes.concat());
    message(0x1c, 1, &payload)
}

#[test]
#[cfg(target_endian = "little")]
fn request_for_the_family() {
    let mut buffer = Vec::new();
    encode(&mut buffer, 0, REQUEST | ACK, 1, &Request::GetFamily);
    let expected = "20000000 1000 0500 01000000 00000000 03 01 0000 0900 0200 49505653 00 000000";
    assert_eq!(buffer, hex(expected));
}

#[test]
#[cfg(target_endian = "little")]
fn request_for_a_new_service() {
    let mut service =
        Service::new(ServiceKey::new(Protocol::Udp, ip("10.0.0.1"), 53).unwrap(), Scheduler::WRR);
    service.flags = Flags::ONE_PACKET;
    let expected = "
        68000000 1c00 0100 0d0c0b0a 00000000 01 01 0000
        5400 0180
        0600 0100 0200 0000
        0600 0200 1100 0000
        1400 0300 0a000001 000000000000000000000000
        0600 0400 0035 0000
        0800 0600 77727200
        0c00 0700 04000000 ffffffff
        0800 0800 00000000
        0800 0900 ffffffff";
    assert_eq!(request(&Request::Edit(&Edit::AddService(service))), hex(expected));
    let mark = Service::new(ServiceKey::firewall_mark(Family::Ipv6, 7).unwrap(), Scheduler::RR);
    let expected = "
        4c000000 1c00 0100 0d0c0b0a 00000000 02 01 0000
        3800 0180
        0600 0100 0a00 0000
        0800 0500 07000000
        0700 0600 727200 00
        0c00 0700 00000000 ffffffff
        0800 0800 00000000
        0800 0900 80000000";
    assert_eq!(request(&Request::Edit(&Edit::SetService(mark))), hex(expected));
}

#[test]
#[cfg(target_endian = "little")]
fn requests_for_destinations() {
    let service = ServiceKey::new(Protocol::Tcp, ip("10.0.0.1"), 80).unwrap();
    let gue = Encapsulation::Gue { port: NonZeroU16::new(6080).unwrap(), checksum: Checksum::Full };
    let key = DestinationKey::new(ip("2001:db8::1"), 80);
    let mut destination = Destination::new(key, Forwarding::Tunnel(gue), Weight::from(100));
    destination.thresholds = Thresholds::new(9, 8).unwrap();
    let service_nest = "
        3000 0180
        0600 0100 0200 0000
        0600 0200 0600 0000
        1400 0300 0a000001 000000000000000000000000
        0600 0400 0050 0000";
    let expected = format!(
        "a4000000 1c00 0100 0d0c0b0a 00000000 05 01 0000 {service_nest}
        6000 0280
        1400 0100 20010db8000000000000000000000001
        0600 0200 0050 0000
        0600 0b00 0a00 0000
        0800 0300 02000000
        0800 0400 64000000
        0800 0500 09000000
        0800 0600 08000000
        0500 0d00 01 000000
        0600 0e00 17c0 0000
        0600 0f00 0100 0000"
    );
    assert_eq!(request(&Request::Edit(&Edit::AddDestination { service, destination })), hex(&expected));
    let expected = format!(
        "6c000000 1c00 0100 0d0c0b0a 00000000 07 01 0000 {service_nest}
        2800 0280
        1400 0100 20010db8000000000000000000000001
        0600 0200 0050 0000
        0600 0b00 0a00 0000"
    );
    assert_eq!(
        request(&Request::Edit(&Edit::RemoveDestination { service, destination: key })),
        hex(&expected)
    );
}

/// A dumped destination, with the attributes in the kernel's order, padding before 64-bit counters, and one that does not
/// exist yet.
#[test]
fn dumped_destination() {
    let counters = |words: bool| -> Vec<Vec<u8>> {
        let mut list = vec![attribute(11, &[])];
        list.extend((1..=10_u16).map(|kind| {
            let value = u64::from(kind) * 1_000;
            match words && !(4..=5).contains(&kind) {
                true => attribute(kind, &u32::try_from(value).unwrap().to_ne_bytes()),
                false => attribute(kind, &(value | 1 << 40).to_ne_bytes()),
            }
        }));
        list
    };
    let inner = |with_64: bool| {
        let mut list = vec![
            attribute(1, &[10, 1, 0, 7, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            attribute(2, &8080_u16.to_be_bytes()),
            attribute(3, &0x1fa_u32.to_ne_bytes()),
            attribute(4, &100_u32.to_ne_bytes()),
            attribute(13, &[2]),
            attribute(14, &0_u16.to_be_bytes()),
            attribute(15, &1_u16.to_ne_bytes()),
            attribute(5, &10_u32.to_ne_bytes()),
            attribute(6, &5_u32.to_ne_bytes()),
            attribute(7, &3_u32.to_ne_bytes()),
            attribute(8, &2_u32.to_ne_bytes()),
            attribute(9, &1_u32.to_ne_bytes()),
            attribute(999, b"from the future"),
            attribute(10 | 0x8000, &counters(true).concat()),
        ];
        if with_64 {
            list.push(attribute(11, &2_u16.to_ne_bytes()));
            list.push(attribute(12 | 0x8000, &counters(false).concat()));
        }
        generic(command::NEW_DEST, &[attribute(99, &[1]), attribute(2 | 0x8000, &list.concat())])
    };
    let replies = decode_all(&[inner(true), inner(false)].concat());
    let [Ok(Reply::Destination(new)), Ok(Reply::Destination(old))] = replies.as_slice() else {
        panic!("{replies:?}");
    };
    let gre = Forwarding::Tunnel(Encapsulation::Gre { checksum: Checksum::Full });
    let mut expected = Destination::new(DestinationKey::new(ip("10.1.0.7"), 8080), gre, Weight::from(100));
    expected.thresholds = Thresholds::new(10, 5).unwrap();
    assert_eq!((new.destination, old.destination), (expected, expected));
    assert_eq!(new.connections, ConnectionCounts { active: 3, inactive: 2, persistent: 1 });
    assert_eq!((new.stats.connections, new.stats.bytes_out_per_sec), (1_000 | 1 << 40, 10_000 | 1 << 40));
    assert_eq!(
        (old.stats.connections, old.stats.bytes_in, old.stats.packets_out_per_sec),
        (1_000, 4_000 | 1 << 40, 8_000)
    );
}

#[test]
fn dumped_services() {
    let mut wanted =
        Service::new(ServiceKey::new(Protocol::Tcp, ip("2001:db8::1"), 0).unwrap(), Scheduler::MH);
    wanted.flags = Flags::SCHEDULER_2;
    wanted.engine = Some(PersistenceEngine::new("sip").unwrap());
    wanted.set_persistence(Some(Persistence::new(60, Granularity::prefix(56).unwrap()).unwrap())).unwrap();
    let found = reply(request(&Request::Edit(&Edit::AddService(wanted))), command::NEW_SERVICE);
    assert_eq!(
        found,
        Reply::Service(ServiceStatus { service: wanted, stats: Stats::default(), destinations: vec![] })
    );
    // "hashed" is the kernel's own; netmask and timeout mean nothing without persistence.
    let dumped = |flags: u32, mask: u32| {
        let flags = [flags.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
        let list = [
            attribute(1, &2_u16.to_ne_bytes()),
            attribute(5, &9_u32.to_ne_bytes()),
            attribute(6, b"wrr\0"),
            attribute(11, b"\0"),
            attribute(7, &flags),
            attribute(8, &77_u32.to_ne_bytes()),
            attribute(9, &mask.to_be_bytes()),
        ];
        decode_all(&generic(command::NEW_SERVICE, &[attribute(1, &list.concat())])).remove(0)
    };
    let Ok(Reply::Service(plain)) = dumped(2, 0) else { panic!() };
    let key = ServiceKey::firewall_mark(Family::Ipv4, 9).unwrap();
    assert_eq!(plain.service, Service::new(key, Scheduler::WRR));
    let Ok(Reply::Service(holes)) = dumped(3, 0xff00_ff00) else { panic!() };
    let persistence = holes.service.persistence().unwrap();
    assert_eq!(persistence.timeout_secs(), 77);
    assert_eq!(persistence.granularity(), Granularity::Mask("255.0.255.0".parse().unwrap()));
}

#[test]
fn status_and_done() {
    let code = |code: i32| code.to_ne_bytes().to_vec();
    let bytes = [
        message(2, 1, &[code(0), vec![0; 16]].concat()),
        message(2, 1, &[code(-17), vec![0; 16]].concat()),
        message(3, 1, &code(0)),
        message(3, 1, &code(-16)),
        message(3, 1, &[]),
        message(1, 1, &[]),
        message(2, 1, &code(i32::MIN)),
        message(2, 1, &[0, 0]),
    ]
    .concat();
    assert_eq!(
        decode_all(&bytes),
        [
            Ok(Reply::Status(None)),
            Ok(Reply::Status(Some(17))),
            Ok(Reply::Done(None)),
            Ok(Reply::Done(Some(16))),
            Ok(Reply::Done(None)),
            Ok(Reply::Other),
            Ok(Reply::Status(Some(i32::MIN))),
            Err(DecodeError::Truncated("status")),
        ]
    );
}

#[test]
fn info_timeouts_and_family() {
    let info =
        generic(14, &[attribute(1, &0x01_02_01_u32.to_ne_bytes()), attribute(2, &4096_u32.to_ne_bytes())]);
    let version = Version { major: 1, minor: 2, patch: 1 };
    assert_eq!(decode_all(&info), [Ok(Reply::Info(Info { version, connection_table_size: 4096 }))]);
    let timeouts = Timeouts::new(900, 120, 300).unwrap();
    assert_eq!(reply(request(&Request::SetTimeouts(&timeouts)), 13), Reply::Timeouts(timeouts));
    for group in ["224.0.0.81", "ff02::51"] {
        let interface = Interface::new("eth1").unwrap();
        let daemon =
            SyncDaemon { group: group.parse().unwrap(), ..SyncDaemon::new(SyncRole::Backup, interface, 51) };
        assert_eq!(reply(request(&Request::StartSyncDaemon(&daemon)), 9), Reply::SyncDaemon(daemon));
    }
    let mut family = generic(1, &[attribute(2, b"IPVS\0"), attribute(1, &29_u16.to_ne_bytes())]);
    family[4] = 16;
    assert_eq!(decode_all(&family), [Ok(Reply::Family(29))]);
    assert_eq!(decode_all(&generic(14, &[])), [Err(DecodeError::Missing { object: "info", attribute: 1 })]);
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    let service =
        |list: &[Vec<u8>]| decode_all(&generic(1, &[attribute(1, &list.concat())])).remove(0).unwrap_err();
    let family = attribute(1, &2_u16.to_ne_bytes());
    assert_eq!(service(&[]).to_string(), "service attribute 1 is missing");
    assert_eq!(service(&[attribute(1, &[2])]).to_string(), "service attribute 1 has 1 bytes");
    assert_eq!(
        service(&[attribute(1, &3_u16.to_ne_bytes())]).to_string(),
        "service attribute 1 has a value of no meaning"
    );
    let address = [family, attribute(2, &6_u16.to_ne_bytes()), attribute(3, &[10, 0, 0])];
    assert_eq!(service(&address).to_string(), "service attribute 3 has 3 bytes");
    assert_eq!(
        service(&[attribute(6, b"a name of sixteen")]).to_string(),
        "service attribute 6 has a value of no meaning"
    );
    assert_eq!(
        service(&[vec![0, 0, 1, 0]]).to_string(),
        "the service is cut short",
        "a length of 0 must not loop"
    );
    assert_eq!(
        decode_all(&generic(5, &[])).remove(0).unwrap_err().to_string(),
        "destination attribute 2 is missing"
    );
    assert_eq!(decode_all(&[0; 16]), [Err(DecodeError::Truncated("message"))]);
    assert_eq!(decode_all(&[40; 4]), [Err(DecodeError::Truncated("message"))]);
}

proptest! {
    /// What is written is what is read, and what one kernel dumps another is told.
    #[test]
    fn written_and_read(table in tables::table()) {
        for (key, entry) in &table {
            let bytes = request(&Request::Edit(&Edit::AddService(entry.service)));
            prop_assert!(bytes.len() <= 256);
            let Reply::Service(found) = reply(bytes, command::NEW_SERVICE) else { panic!() };
            prop_assert_eq!(found.service, entry.service);
            for destination in entry.destinations.values() {
                let edit = Edit::AddDestination { service: *key, destination: *destination };
                let bytes = request(&Request::Edit(&edit));
                prop_assert!(bytes.len() <= 256);
                let Reply::Destination(found) = reply(bytes, command::NEW_DEST) else { panic!() };
                prop_assert_eq!(found.destination, *destination);
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode_all(&bytes);
        let mut framed = message(0x1c, 1, &bytes);
        framed[4] = framed[4].wrapping_add(bytes.first().copied().unwrap_or(0) & 1);
        let _ = decode_all(&framed);
    }

    /// Real messages with some bytes changed, cut off, or both get further in.
    #[test]
    fn damaged_messages_are_taken_or_refused(
        table in tables::table(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        command in prop::sample::select(vec![1_u8, 5, 13, 14]),
    ) {
        let mut bytes = Vec::new();
        for edit in tables::fill(&table) {
            let start = bytes.len();
            encode(&mut bytes, 0x1c, REQUEST, 1, &Request::Edit(&edit));
            bytes[start + 16] = command;
        }
        for (at, value) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        let _ = decode_all(&bytes);
        let cut = cut.index(bytes.len() + 1);
        let _ = decode_all(&bytes[..cut]);
    }

    /// Each step goes forward, so that there are no more messages than headers fit.
    #[test]
    fn walking_ends(bytes in proptest::collection::vec(0..32_u8, 0..2_000)) {
        prop_assert!(messages(&bytes).count() <= bytes.len() / 16 + 1);
    }
}
