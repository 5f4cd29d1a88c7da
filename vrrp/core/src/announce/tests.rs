//! Frames field by field; the captured ones are compared in `tests/golden.rs`.

use super::*;

const MAC: Mac = [2, 0, 0, 0, 0, 0x0a];
const VIP: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 100);

#[test]
fn a_gratuitous_request_asks_everybody_for_the_address_itself() {
    let frame = gratuitous_arp(ArpForm::Request, MAC, VIP);
    assert_eq!(frame[..6], BROADCAST);
    assert_eq!(frame[6..12], MAC);
    let read = ArpFrame::read(&frame).unwrap();
    assert_eq!(read, ArpFrame { is_reply: false, sender_mac: MAC, sender: VIP, target: VIP });
    assert_eq!(frame[32..38], BROADCAST);
    assert!(read.claims(VIP));
}

#[test]
fn a_gratuitous_reply_names_the_sender_as_its_target() {
    let frame = gratuitous_arp(ArpForm::Reply, MAC, VIP);
    assert_eq!(frame[20..22], REPLY);
    assert_eq!(frame[32..38], MAC);
    assert_eq!(ArpFrame::read(&frame).unwrap().target, VIP);
}

#[test]
fn a_probe_claims_nothing() {
    let frame = arp_probe(MAC, VIP);
    let read = ArpFrame::read(&frame).unwrap();
    assert_eq!((read.sender, read.target), (Ipv4Addr::UNSPECIFIED, VIP));
    assert!(!read.claims(VIP));
    assert_eq!(frame[32..38], [0; 6]);
}

#[test]
fn a_request_from_the_address_claims_it() {
    let gateway = Ipv4Addr::new(10, 91, 0, 254);
    let read = ArpFrame::read(&arp_request(MAC, VIP, gateway)).unwrap();
    assert_eq!((read.target, read.is_reply), (gateway, false));
    assert!(read.claims(VIP));
}

#[test]
fn other_frames_are_not_arp() {
    let good = gratuitous_arp(ArpForm::Request, MAC, VIP);
    for cut in 0..good.len() {
        assert_eq!(ArpFrame::read(&good[..cut]), None, "cut at {cut}");
    }
    for at in 12..22 {
        let mut bad = good;
        bad[at] ^= 0x10;
        assert_eq!(ArpFrame::read(&bad), None, "byte {at}");
    }
}

#[test]
fn the_router_flag_is_the_only_difference_a_router_makes() {
    let host = unsolicited_na(MAC, "fd91::100".parse().unwrap(), false);
    let router = unsolicited_na(MAC, "fd91::100".parse().unwrap(), true);
    let differing: Vec<usize> = (0..host.len()).filter(|&at| host[at] != router[at]).collect();
    // The checksum (bytes 56 and 57) goes along with the flags.
    assert_eq!(differing, [56, 57, 58]);
    assert_eq!((host[58], router[58]), (0x20, 0xa0));
}

#[test]
fn the_solicited_node_group_ends_like_the_address() {
    let group: Ipv6Addr = "ff02::1:ff5e:51".parse().unwrap();
    assert_eq!(solicited_node_group("fe80::5e:51".parse().unwrap()), group);
}

#[test]
fn groups_and_loopback_are_no_host_addresses() {
    for bad in ["0.0.0.0", "127.0.0.1", "224.0.0.18", "255.255.255.255", "::", "::1", "ff02::12"] {
        assert!(!is_host_address(bad.parse().unwrap()), "{bad}");
    }
    for good in ["10.91.0.1", "169.254.1.1", "fe80::1", "fd91::1"] {
        assert!(is_host_address(good.parse().unwrap()), "{good}");
    }
}
