//! From a router's values to the bytes of an advert.
//!
//! Owns the layout of what we send: the message alone for a socket that writes the IP header itself, or a whole IPv4
//! packet. The buffer is the caller's and is used again, so that sending needs no allocation.

use std::fmt;
use std::net::IpAddr;

use super::ah::AH_LENGTH;
use super::checksum::Sum;
use super::{AdvertInterval, Authentication, ChecksumForm, Family, Version, Vrid, ah};

/// Length of an IPv4 header without options.
const IP_LENGTH: usize = 20;

/// An advert to send, to one destination.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router it speaks for.
    pub vrid: Vrid,
    /// 0 leaving, 255 owner.
    pub priority: u8,
    /// Our advertisement interval.
    pub interval: AdvertInterval,
    /// The addresses to list; for IPv6 the link-local one first.
    pub addresses: &'a [IpAddr],
    /// Authentication; version 2 over IPv4 only.
    pub authentication: &'a Authentication,
    /// Form of the checksum. Only version 3 over IPv4 has a choice; elsewhere it is not looked at.
    pub checksum: ChecksumForm,
    /// Our address.
    pub source: IpAddr,
    /// The group, or a peer.
    pub destination: IpAddr,
}

/// What is left open in the IPv4 header of an advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Identification. Not 0 with an Authentication Header: the kernel would fill it in behind the digest.
    pub identification: u16,
    /// Time to live: 255, unless unicast peers are more than a hop away.
    pub ttl: u8,
    /// Sequence number for the Authentication Header; unused without.
    pub sequence: u32,
}

/// Why an advert cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// More than 255 addresses.
    TooManyAddresses,
    /// The addresses, the source and the destination are not all of one family.
    MixedFamilies,
    /// Version 3 cannot say that there is no address.
    NoAddress,
    /// The version cannot say the interval.
    Interval,
    /// The version or family has no such authentication.
    Authentication,
    /// A whole packet is written for IPv4 only, and an Authentication Header only with a whole packet.
    Packet,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyAddresses => "an advert lists at most 255 addresses",
            Self::MixedFamilies => "the addresses of an advert must all be of its own family",
            Self::NoAddress => "a version 3 advert must list an address",
            Self::Interval => "version 2 says whole seconds up to 255, version 3 centiseconds up to 4095",
            Self::Authentication => "only version 2 over IPv4 has authentication",
            Self::Packet => "an authentication header needs a whole IPv4 packet around it",
        })
    }
}

impl std::error::Error for EncodeError {}

impl Outgoing<'_> {
    fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Writes the VRRP message into `out`, which is emptied first. The checksum is in it, also for IPv6.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is empty then.
    pub fn message(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.clear();
        if matches!(self.authentication, Authentication::Header(_)) {
            return Err(EncodeError::Packet);
        }
        self.append(out).inspect_err(|_| out.clear())
    }

    /// Writes the whole IPv4 packet into `out`, which is emptied first: header, Authentication Header if one is wanted,
    /// message.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is empty then.
    pub fn ipv4_packet(&self, header: Ipv4Header, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.clear();
        self.append_packet(header, out).inspect_err(|_| out.clear())
    }

    fn append_packet(&self, header: Ipv4Header, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (self.source, self.destination) else {
            return Err(EncodeError::Packet);
        };
        let secret = match self.authentication {
            Authentication::Header(secret) => Some(secret),
            Authentication::None | Authentication::Password(_) => None,
        };
        out.resize(IP_LENGTH, 0);
        if secret.is_some() {
            out.extend_from_slice(&ah::header(source.octets(), header.sequence));
        }
        let message_at = out.len();
        self.append(out)?;
        // 20 + 24 + 8 + 255 * 4 + 8 bytes at most.
        let total = u16::try_from(out.len()).map_err(|_| EncodeError::TooManyAddresses)?;
        let mut ip = [0; IP_LENGTH];
        let [t0, t1] = total.to_be_bytes();
        let [i0, i1] = header.identification.to_be_bytes();
        let protocol = if secret.is_some() { 51 } else { 112 };
        let fields = [0x45, 0xc0, t0, t1, i0, i1, 0, 0, header.ttl, protocol, 0, 0];
        let octets = source.octets().into_iter().chain(destination.octets());
        for (slot, byte) in ip.iter_mut().zip(fields.into_iter().chain(octets)) {
            *slot = byte;
        }
        let sum = Sum::default().bytes(&ip).checksum();
        for (slot, byte) in ip.iter_mut().skip(10).zip(sum.to_be_bytes()) {
            *slot = byte;
        }
        let (front, message) = out.split_at_mut(message_at);
        let (slot, ah) = front.split_at_mut(IP_LENGTH);
        slot.copy_from_slice(&ip);
        if let Some(secret) = secret {
            let (fixed, digest) = ah.split_at_mut(AH_LENGTH - 12);
            digest.copy_from_slice(&ah::digest_to_send(&ip, fixed, message, secret));
        }
        Ok(())
    }

    /// Appends the message. What was in `out` before stays as it is.
    fn append(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let family = self.family();
        let count = u8::try_from(self.addresses.len()).map_err(|_| EncodeError::TooManyAddresses)?;
        let mut all = self.addresses.iter().copied().chain([self.destination]);
        if all.any(|address| Family::of(address) != family) {
            return Err(EncodeError::MixedFamilies);
        }
        if count == 0 && self.version == Version::V3 {
            return Err(EncodeError::NoAddress);
        }
        let v2_auth = self.version == Version::V2 && family == Family::Ipv4;
        let (auth_type, auth_data) = match self.authentication {
            Authentication::None => (0, [0; 8]),
            Authentication::Password(secret) if v2_auth => (1, *secret.bytes()),
            Authentication::Header(_) if v2_auth => (2, [0; 8]),
            Authentication::Password(_) | Authentication::Header(_) => {
                return Err(EncodeError::Authentication);
            }
        };
        let [high, low] = match self.version {
            Version::V2 => [auth_type, self.interval.seconds().ok_or(EncodeError::Interval)?],
            Version::V3 if self.interval.centiseconds() > AdvertInterval::MAX_V3_CENTISECONDS => {
                return Err(EncodeError::Interval);
            }
            Version::V3 => self.interval.centiseconds().to_be_bytes(),
        };
        let start = out.len();
        let kind = self.version.number() << 4 | 1;
        out.extend_from_slice(&[kind, self.vrid.get(), self.priority, count, high, low, 0, 0]);
        for address in self.addresses {
            match address {
                IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
            }
        }
        if v2_auth {
            out.extend_from_slice(&auth_data);
        }
        let message = out.get_mut(start..).unwrap_or_default();
        let sum = self.sum(message).checksum();
        for (slot, byte) in message.iter_mut().skip(6).zip(sum.to_be_bytes()) {
            *slot = byte;
        }
        Ok(())
    }

    /// The sum of a message whose checksum is still 0. Each copy is summed afresh: nothing is patched.
    fn sum(&self, message: &[u8]) -> Sum {
        let plain = Sum::default().bytes(message);
        let with = |destination| plain.pseudo_header(self.source, destination, message.len());
        match (self.family(), self.version, self.checksum) {
            (Family::Ipv4, Version::V2, _) | (Family::Ipv4, Version::V3, ChecksumForm::Plain) => plain,
            (Family::Ipv4, Version::V3, ChecksumForm::MulticastPseudoHeader) => {
                with(super::multicast_group(Family::Ipv4))
            }
            (Family::Ipv6, ..) | (Family::Ipv4, Version::V3, ChecksumForm::PseudoHeader) => {
                with(self.destination)
            }
        }
    }
}
