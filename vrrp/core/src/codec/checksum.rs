//! The Internet checksum (RFC 1071) in the forms in which VRRP uses it.
//!
//! Owns the sum, the pseudo-headers and the judgement which form fits. It never changes what we send because of what
//! was received.

use std::net::IpAddr;

use super::{Datagram, Family, Version, multicast_group};

/// What a checksum covers besides the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ChecksumForm {
    /// A pseudo-header with the datagram's own source and destination. IPv6 has only this form. For version 3 over
    /// IPv4 it is what RFC 5798 was read as, and what keepalived and FRR send unless told otherwise.
    #[default]
    PseudoHeader,
    /// The message alone. Version 2 has only this form; for version 3 over IPv4 it is RFC 9568, 5.2.8, and what Cisco
    /// and Juniper send.
    Plain,
    /// A pseudo-header with the multicast group for destination though the datagram is unicast: version 3 over IPv4
    /// of keepalived up to 1.3.6.
    MulticastPseudoHeader,
}

/// A one's complement sum in progress. 16 bits are folded only at the end: 2^48 words fit before it could overflow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes; they begin at an even offset.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let words: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
        let last = odd.first().map_or(0, |&byte| u64::from(byte) << 8);
        Self(self.0 + words + last)
    }

    /// Adds the pseudo-header of RFC 9293 (IPv4) or RFC 8200, 8.1 (IPv6), with next header 112.
    pub(super) fn pseudo_header(self, source: IpAddr, destination: IpAddr, length: usize) -> Self {
        let sum = self.address(source).address(destination);
        Self(sum.0 + length as u64 + 112)
    }

    fn address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        // The loop ends at 0xffff or below.
        sum as u16
    }

    /// The checksum to put into a message whose checksum field was 0 in the sum.
    pub(super) fn checksum(self) -> u16 {
        !self.folded()
    }

    /// Whether the sum of a message with its checksum in it is right.
    pub(super) fn is_right(self) -> bool {
        self.folded() == 0xffff
    }
}

/// The form in which the checksum of `message` is right, if there is one that its version and family accept.
pub(super) fn form_of(datagram: &Datagram<'_>, version: Version, message: &[u8]) -> Option<ChecksumForm> {
    let plain = Sum::default().bytes(message);
    let with = |destination| plain.pseudo_header(datagram.source, destination, message.len());
    let group = multicast_group(datagram.family());
    let forms: &[ChecksumForm] = match (datagram.family(), version) {
        (Family::Ipv6, _) => &[ChecksumForm::PseudoHeader],
        (Family::Ipv4, Version::V2) => &[ChecksumForm::Plain],
        (Family::Ipv4, Version::V3) => {
            &[ChecksumForm::PseudoHeader, ChecksumForm::Plain, ChecksumForm::MulticastPseudoHeader]
        }
    };
    forms.iter().copied().find(|form| match form {
        ChecksumForm::PseudoHeader => with(datagram.destination).is_right(),
        ChecksumForm::Plain => plain.is_right(),
        ChecksumForm::MulticastPseudoHeader => with(group).is_right(),
    })
}
