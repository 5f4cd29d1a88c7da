//! Every captured packet decodes to what its configuration says, and is written again byte for byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use vrrp_core::announce::{ArpForm, ArpFrame, Mac, gratuitous_arp, unsolicited_na};
use vrrp_core::codec::{
    AdvertInterval, Authentication, ChecksumForm, Datagram, Family, Ipv4Header, Outgoing, Secret, Version,
    Vrid, decode, multicast_group,
};

/// A captured frame by its parts.
#[derive(Default)]
struct Frame {
    eth: Vec<u8>,
    ip: Vec<u8>,
    payload: Vec<u8>,
}

fn read(text: &str) -> Frame {
    let mut frame = Frame::default();
    let mut part = None;
    for line in text.lines() {
        match line {
            "# eth" => part = Some(&mut frame.eth),
            "# ip" => part = Some(&mut frame.ip),
            "# payload" => part = Some(&mut frame.payload),
            comment if comment.starts_with('#') => (),
            bytes => part
                .as_mut()
                .unwrap()
                .extend(bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap())),
        }
    }
    frame
}

fn frames() -> BTreeMap<String, Frame> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".hex")?.to_owned();
            Some((name, read(&std::fs::read_to_string(&path).unwrap())))
        })
        .collect()
}

/// What a configuration says about its adverts.
struct Setting {
    version: Version,
    priority: u8,
    centiseconds: u16,
    addresses: Vec<IpAddr>,
    authentication: Authentication,
    checksum: ChecksumForm,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn setting(name: &str) -> Setting {
    use ChecksumForm::{MulticastPseudoHeader, Plain, PseudoHeader};
    use Version::{V2, V3};
    let secret = |text: &str| Secret::new(text.as_bytes()).unwrap();
    let (v2, v3) = (
        Setting {
            version: V2,
            priority: 150,
            centiseconds: 100,
            addresses: addresses(&["10.91.0.100"]),
            authentication: Authentication::None,
            checksum: Plain,
            source: "10.91.0.1".parse().unwrap(),
            destination: multicast_group(Family::Ipv4),
            ttl: 255,
        },
        |setting: Setting| Setting { version: V3, checksum: PseudoHeader, ..setting },
    );
    let three = addresses(&["10.91.0.100", "10.91.0.101", "10.91.0.7"]);
    let six = addresses(&["fe80::5e:51", "fd91::100"]);
    let peer: IpAddr = "10.91.0.2".parse().unwrap();
    let link_local: IpAddr = "fe80::ff:fe00:a".parse().unwrap();
    let group_6 = multicast_group(Family::Ipv6);
    let frr: IpAddr = "10.95.0.1".parse().unwrap();
    match name {
        "v2-ipv4-mcast" => v2,
        "v2-ipv4-mcast-3vips" => Setting { centiseconds: 200, addresses: three, ..v2 },
        "v2-ipv4-auth-pass8" => {
            Setting { authentication: Authentication::Password(secret("s3cr3tXY")), ..v2 }
        }
        "v2-ipv4-auth-pass4" => Setting { authentication: Authentication::Password(secret("1234")), ..v2 },
        "v2-ipv4-auth-ah" => Setting { authentication: Authentication::Header(secret("s3cr3tXY")), ..v2 },
        "v2-ipv4-owner255" => Setting { priority: 255, ..v2 },
        "v2-ipv4-unicast" => Setting { destination: peer, ..v2 },
        "v2-ipv4-novip" => Setting { addresses: vec![], ..v2 },
        "v2-ipv6-keepalived-quirk" => {
            Setting { addresses: six, source: link_local, destination: group_6, checksum: PseudoHeader, ..v2 }
        }
        "v3-ipv4-mcast-100cs" | "v3-ipv4-vmac" => v3(v2),
        "v3-ipv4-mcast-10cs" => Setting { centiseconds: 10, ..v3(v2) },
        "v3-ipv4-mcast-1cs" => Setting { centiseconds: 1, ..v3(v2) },
        "v3-ipv4-mcast-3vips" => Setting { addresses: three, ..v3(v2) },
        "v3-ipv4-mcast-csum-as-v2" => Setting { checksum: Plain, ..v3(v2) },
        "v3-ipv4-unicast" => Setting { destination: peer, ..v3(v2) },
        "v3-ipv4-unicast-oldcsum" => Setting { destination: peer, checksum: MulticastPseudoHeader, ..v3(v2) },
        "v3-ipv4-unicast-csum-as-v2" => Setting { destination: peer, checksum: Plain, ..v3(v2) },
        "v3-ipv6-mcast" | "v3-ipv6-vmac" => {
            Setting { addresses: six, source: link_local, destination: group_6, ..v3(v2) }
        }
        "v3-ipv6-unicast" => Setting {
            addresses: addresses(&["fd91::100"]),
            source: "fd91::1".parse().unwrap(),
            destination: "fd91::2".parse().unwrap(),
            ttl: 64,
            ..v3(v2)
        },
        "frr-v2-ipv4" => Setting { addresses: addresses(&["10.95.0.100"]), source: frr, ..v2 },
        "frr-v3-ipv4" => Setting { addresses: addresses(&["10.95.0.100"]), source: frr, ..v3(v2) },
        // FRR sends from the virtual interface's own, random link-local address, which its configuration does not say.
        "frr-v3-ipv6" => Setting {
            addresses: addresses(&["fe80::5e:51", "fd95::100"]),
            source: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            destination: group_6,
            ..v3(v2)
        },
        other => panic!("no configuration for {other}"),
    }
}

/// The datagram as a raw socket would give it.
fn datagram<'a>(frame: &'a Frame, packet: &'a mut Vec<u8>) -> Datagram<'a> {
    if frame.ip[0] >> 4 == 4 {
        packet.clear();
        packet.extend(frame.ip.iter().chain(&frame.payload));
        return Datagram::from_ipv4(packet).unwrap();
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&frame.ip[at..at + 16]).unwrap());
    assert_eq!(frame.ip[6], 112);
    Datagram::from_ipv6(address(8), address(24), frame.ip[7], &frame.payload)
}

#[test]
fn every_advert_says_what_its_configuration_says() {
    let mut seen = 0;
    for (file, frame) in &frames() {
        let (name, leaving) = match file.strip_suffix(".prio0") {
            Some(name) => (name, true),
            None => (file.as_str(), false),
        };
        if name.contains('.') {
            continue;
        }
        seen += 1;
        let mut setting = setting(name);
        let mut packet = Vec::new();
        let received = datagram(frame, &mut packet);
        if setting.source.is_unspecified() {
            assert!(matches!(received.source, IpAddr::V6(source) if source.is_unicast_link_local()));
            setting.source = received.source;
        }
        let priority = if leaving { 0 } else { setting.priority };

        let advert = decode(&received).unwrap_or_else(|cause| panic!("{file}: {cause}"));
        assert_eq!(advert.version, setting.version, "{file}");
        assert_eq!(advert.vrid.get(), 51, "{file}");
        assert_eq!(advert.priority, priority, "{file}");
        assert_eq!(advert.interval.centiseconds(), setting.centiseconds, "{file}");
        assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), setting.addresses, "{file}");
        assert_eq!(advert.checksum, setting.checksum, "{file}");
        assert_eq!(advert.is_authentic(&received, &setting.authentication), Ok(()), "{file}");
        assert_eq!(received.source, setting.source, "{file}");
        assert_eq!(received.destination, setting.destination, "{file}");
        assert_eq!(received.hop_limit, setting.ttl, "{file}");

        // Written again. The header of an FRR packet is its kernel's, with "don't fragment".
        let sent = Outgoing {
            version: setting.version,
            vrid: Vrid::new(51).unwrap(),
            priority,
            interval: match setting.version {
                Version::V2 => AdvertInterval::from_seconds((setting.centiseconds / 100) as u8).unwrap(),
                Version::V3 => AdvertInterval::from_centiseconds(setting.centiseconds).unwrap(),
            },
            addresses: &setting.addresses,
            authentication: &setting.authentication,
            checksum: setting.checksum,
            source: setting.source,
            destination: setting.destination,
        };
        let mut out = Vec::new();
        if !matches!(setting.authentication, Authentication::Header(_)) {
            sent.message(&mut out).unwrap();
            assert_eq!(out, frame.payload, "{file}");
        }
        if frame.ip[0] >> 4 == 4 && !name.starts_with("frr") {
            let identification = u16::from_be_bytes([frame.ip[4], frame.ip[5]]);
            let sequence = u32::from(identification);
            sent.ipv4_packet(Ipv4Header { identification, ttl: 255, sequence }, &mut out).unwrap();
            assert_eq!(out, packet, "{file}");
        }
    }
    assert_eq!(seen, 48);
}

#[test]
fn every_announcement_is_written_byte_for_byte() {
    let own: Mac = [2, 0, 0, 0, 0, 0x0a];
    let vrid = Vrid::new(51).unwrap();
    let mut seen = 0;
    for (file, frame) in &frames() {
        let Some((name, "garp-or-na" | "garp" | "na")) = file.split_once('.') else { continue };
        seen += 1;
        let virtual_mac = name.ends_with("vmac") || name.starts_with("frr");
        let whole: Vec<u8> = frame.eth.iter().chain(&frame.ip).chain(&frame.payload).copied().collect();
        if name.contains("ipv6") {
            let mac = if virtual_mac { vrid.virtual_mac(Family::Ipv6) } else { own };
            let address = if name.starts_with("frr") {
                "fd95::100".parse().unwrap()
            } else {
                "fe80::5e:51".parse().unwrap()
            };
            // FRR always calls itself a router; the capturing host did not forward.
            assert_eq!(unsolicited_na(mac, address, name.starts_with("frr"))[..], whole[..], "{file}");
        } else {
            let mac = if virtual_mac { vrid.virtual_mac(Family::Ipv4) } else { own };
            let address = if name.starts_with("frr") {
                "10.95.0.100".parse().unwrap()
            } else {
                "10.91.0.100".parse().unwrap()
            };
            assert_eq!(gratuitous_arp(ArpForm::Request, mac, address)[..], whole[..], "{file}");
            assert!(ArpFrame::read(&whole).unwrap().claims(address), "{file}");
        }
    }
    assert_eq!(seen, 7);
}
