//! The frames that tell a network segment where an address lives now.
//!
//! Owns gratuitous ARP, ARP probes and unsolicited neighbour advertisements as bytes of whole Ethernet frames, and the
//! reading of an ARP frame. When a frame is sent, and how often, is the virtual router's decision.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Length of an ARP frame, without padding.
pub const ARP_FRAME_LENGTH: usize = 42;
/// Length of a neighbour advertisement's frame.
pub const NA_FRAME_LENGTH: usize = 86;

const BROADCAST: Mac = [0xff; 6];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// Ethernet, IPv4, and the lengths of their addresses (RFC 826).
const ARP_KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// The two forms of a gratuitous ARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ArpForm {
    /// An ARP request for the address by itself (RFC 5227 announcement). Every Linux takes it at once.
    #[default]
    Request,
    /// An ARP reply whose target is the sender itself, for equipment that learns from replies only. With any other
    /// target Linux ignores it while its entry is younger than a second.
    Reply,
}

/// The gratuitous ARP that says `address` is at `mac`.
#[must_use]
pub fn gratuitous_arp(form: ArpForm, mac: Mac, address: Ipv4Addr) -> [u8; ARP_FRAME_LENGTH] {
    match form {
        // The target's MAC is ignored in an announcement; all ones is what others send and old switches know.
        ArpForm::Request => arp(BROADCAST, REQUEST, (mac, address), (BROADCAST, address)),
        ArpForm::Reply => arp(BROADCAST, REPLY, (mac, address), (mac, address)),
    }
}

/// The ARP probe that asks whether somebody has `address`, without claiming it (RFC 5227, 2.1.1).
#[must_use]
pub fn arp_probe(mac: Mac, address: Ipv4Addr) -> [u8; ARP_FRAME_LENGTH] {
    arp(BROADCAST, REQUEST, (mac, Ipv4Addr::UNSPECIFIED), ([0; 6], address))
}

/// A plain ARP request for `target` from `address`. It also refreshes the target's own entry for `address`, so a
/// gateway that ignores gratuitous ARP still learns.
#[must_use]
pub fn arp_request(mac: Mac, address: Ipv4Addr, target: Ipv4Addr) -> [u8; ARP_FRAME_LENGTH] {
    arp(BROADCAST, REQUEST, (mac, address), ([0; 6], target))
}

fn arp(
    to: Mac,
    operation: [u8; 2],
    sender: (Mac, Ipv4Addr),
    target: (Mac, Ipv4Addr),
) -> [u8; ARP_FRAME_LENGTH] {
    let mut frame = [0; ARP_FRAME_LENGTH];
    fill(
        &mut frame,
        &[
            &to,
            &sender.0,
            &ETHERTYPE_ARP,
            &ARP_KIND,
            &operation,
            &sender.0,
            &sender.1.octets(),
            &target.0,
            &target.1.octets(),
        ],
    );
    frame
}

/// The unsolicited neighbour advertisement that says `address` is at `mac` (RFC 4861, 7.2.6): Override set, Solicited
/// clear, Router set if this machine forwards IPv6, with the target's link-layer address.
#[must_use]
pub fn unsolicited_na(mac: Mac, address: Ipv6Addr, is_router: bool) -> [u8; NA_FRAME_LENGTH] {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
    const LENGTH: u16 = 32;
    let flags = if is_router { 0xa0 } else { 0x20 };
    let octets = address.octets();
    let advertisement = |checksum: [u8; 2]| {
        let mut message = [0; LENGTH as usize];
        fill(&mut message, &[&[136, 0], &checksum, &[flags, 0, 0, 0], &octets, &[2, 1], &mac]);
        message
    };
    // ICMPv6 is summed like VRRP over IPv6, with next header 58 (RFC 4443, 2.3).
    let words = |bytes: &[u8]| -> u32 {
        bytes.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum()
    };
    let mut sum =
        words(&advertisement([0; 2])) + words(&octets) + words(&ALL_NODES.octets()) + u32::from(LENGTH) + 58;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // At most 0xffff after the loop.
    let checksum = !(sum as u16);
    let mut frame = [0; NA_FRAME_LENGTH];
    fill(
        &mut frame,
        &[
            &ALL_NODES_MAC,
            &mac,
            &ETHERTYPE_IPV6,
            &[0x60, 0, 0, 0],
            &LENGTH.to_be_bytes(),
            &[58, 255],
            &octets,
            &ALL_NODES.octets(),
            &advertisement(checksum.to_be_bytes()),
        ],
    );
    frame
}

/// Copies the pieces one behind the other.
fn fill(frame: &mut [u8], pieces: &[&[u8]]) {
    for (slot, byte) in frame.iter_mut().zip(pieces.iter().copied().flatten()) {
        *slot = *byte;
    }
}

/// The group a host joins for an IPv6 address so that it hears the questions for it (RFC 4291, 2.7.1).
#[must_use]
pub const fn solicited_node_group(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, (b as u16) << 8 | c as u16)
}

/// The parts of an ARP frame that tell who claims an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpFrame {
    /// Whether it is a reply.
    pub is_reply: bool,
    /// The sender's MAC address.
    pub sender_mac: Mac,
    /// The sender's address; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// The address asked for, or the asker's.
    pub target: Ipv4Addr,
}

impl ArpFrame {
    /// Reads an Ethernet frame; anything but ARP for IPv4 over Ethernet is `None`.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let rest = frame.get(12..)?.strip_prefix(&ETHERTYPE_ARP)?.strip_prefix(&ARP_KIND)?;
        let (&operation, rest) = rest.split_first_chunk::<2>()?;
        let (&sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (&sender, rest) = rest.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_first_chunk::<6>()?;
        let target = *rest.first_chunk::<4>()?;
        let is_reply = match operation {
            REQUEST => false,
            REPLY => true,
            _ => return None,
        };
        Some(Self { is_reply, sender_mac, sender: sender.into(), target: target.into() })
    }

    /// Whether the sender claims to have `address`: by a reply, a request from it or a gratuitous ARP, but not by a probe.
    #[must_use]
    pub fn claims(&self, address: Ipv4Addr) -> bool {
        self.sender == address
    }
}

/// Whether a host can have the address: it is no group, no loopback, not unspecified.
#[must_use]
pub const fn is_host_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_unspecified()
                || address.is_multicast()
                || address.is_loopback()
                || address.is_broadcast())
        }
        IpAddr::V6(address) => !(address.is_unspecified() || address.is_multicast() || address.is_loopback()),
    }
}

#[cfg(test)]
mod tests;
