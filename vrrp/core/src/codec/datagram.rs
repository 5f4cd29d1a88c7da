//! One received datagram with what the IP layer says about it.
//!
//! Owns the way from the bytes a raw socket gives (IPv4: with header; IPv6: without, but with ancillary data) to the
//! VRRP message. It does not look into the message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Family, Rejection};

/// What follows the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A VRRP message (112).
    Vrrp,
    /// An Authentication Header (51) that should have a VRRP message behind it.
    Ah,
}

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Where it was sent to: ourselves or the group.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub hop_limit: u8,
    /// What `payload` begins with.
    pub protocol: Protocol,
    /// The IPv4 header with options; empty for IPv6. The Authentication Header's digest covers it.
    pub header: &'a [u8],
    /// What follows the IP header, without link padding.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The datagram in an IPv4 packet as a raw socket gives it: header with or without options, then the payload,
    /// then perhaps the padding of a short Ethernet frame.
    ///
    /// # Errors
    ///
    /// [`Rejection::Truncated`], [`Rejection::IpHeader`], [`Rejection::Fragment`] or [`Rejection::Protocol`].
    pub fn from_ipv4(packet: &'a [u8]) -> Result<Self, Rejection> {
        let fixed: &[u8; 20] = packet.first_chunk().ok_or(Rejection::Truncated)?;
        let [first, _, total_high, total_low, _, _, offset_high, offset_low, ttl, protocol, _, _, ips @ ..] =
            *fixed;
        let header_length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header_length < fixed.len() {
            return Err(Rejection::IpHeader);
        }
        let total = usize::from(u16::from_be_bytes([total_high, total_low]));
        let whole = packet.get(..total).ok_or(Rejection::Truncated)?;
        let (header, payload) = whole.split_at_checked(header_length).ok_or(Rejection::Truncated)?;
        // "More fragments", or an offset. "Don't fragment" is somebody's choice.
        if u16::from_be_bytes([offset_high, offset_low]) & 0x3fff != 0 {
            return Err(Rejection::Fragment);
        }
        let protocol = match protocol {
            112 => Protocol::Vrrp,
            51 => Protocol::Ah,
            other => return Err(Rejection::Protocol(other)),
        };
        let [a, b, c, d, e, f, g, h] = ips;
        Ok(Self {
            source: Ipv4Addr::new(a, b, c, d).into(),
            destination: Ipv4Addr::new(e, f, g, h).into(),
            hop_limit: ttl,
            protocol,
            header,
            payload,
        })
    }

    /// The datagram that an IPv6 raw socket for protocol 112 gives: the payload alone, with hop limit and destination
    /// from ancillary data.
    #[must_use]
    pub fn from_ipv6(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, payload: &'a [u8]) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            hop_limit,
            protocol: Protocol::Vrrp,
            header: &[],
            payload,
        }
    }

    /// Family of the IP header.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }
}
