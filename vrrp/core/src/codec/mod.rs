//! The VRRP message on the wire: reading, writing and checking it.
//!
//! Owns what is true of one datagram alone: its layout, its checksum in every form in use, its authentication
//! data. Decoding is total: any bytes give an [`Advert`] or a [`Rejection`] with a cause. It does not know which
//! virtual router the datagram is for, nor what that router is set to; that judgement is the router's.
//!
//! Read [`Datagram`], then [`decode`], then [`Outgoing`].

mod ah;
mod checksum;
mod datagram;
mod decode;
mod encode;
mod rejection;
mod terms;

pub use ah::AH_LENGTH;
pub use checksum::ChecksumForm;
pub use datagram::{Datagram, Protocol};
pub use decode::{decode, vrid_of};
pub use encode::{EncodeError, Ipv4Header, Outgoing};
pub use rejection::Rejection;
pub use terms::{AdvertInterval, Family, Secret, Version, Vrid};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The priority of an advert by which the Active router gives up (RFC 9568, 5.2.4).
pub const PRIORITY_LEAVING: u8 = 0;
/// The priority of the router that owns the addresses (RFC 9568, 5.2.4).
pub const PRIORITY_OWNER: u8 = 255;

/// One advertisement, as read from a datagram. It borrows the datagram's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router it speaks for.
    pub vrid: Vrid,
    /// Sender's priority: 0 is leaving, 255 the address owner.
    pub priority: u8,
    /// Sender's advertisement interval: whole seconds in version 2, centiseconds in version 3.
    pub interval: AdvertInterval,
    /// The virtual addresses it lists, in the order of the wire.
    pub addresses: AddressList<'a>,
    /// Authentication it carries; always [`Credential::None`] in version 3.
    pub credential: Credential<'a>,
    /// The form of checksum that fitted.
    pub checksum: ChecksumForm,
}

/// The authentication an advert carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// Authentication type 0. Whatever stands in the authentication data is ignored.
    None,
    /// Authentication type 1: a password in clear, padded with zeros (RFC 2338, 5.3.6.1).
    Password(&'a [u8; 8]),
    /// Authentication type 2: an Authentication Header in front of the message (RFC 2338, 5.3.6.2). Its digest
    /// has not been looked at: that needs the key, see [`Advert::is_authentic`].
    Header {
        /// The header's sequence number. It is shown, not checked: a restarted sender begins again at 1.
        sequence: u32,
    },
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Password(_) => f.write_str("Password(..)"),
            Self::Header { sequence } => write!(f, "Header {{ sequence: {sequence} }}"),
        }
    }
}

impl Advert<'_> {
    /// Whether the advert carries what `expected` asks for. `datagram` must be the one it was read from.
    ///
    /// # Errors
    ///
    /// [`Rejection::AuthMismatch`] for another type of authentication, [`Rejection::Password`] or
    /// [`Rejection::AhDigest`] for the right type with the wrong secret.
    pub fn is_authentic(&self, datagram: &Datagram<'_>, expected: &Authentication) -> Result<(), Rejection> {
        match (expected, self.credential) {
            (Authentication::None, Credential::None) => Ok(()),
            (Authentication::Password(secret), Credential::Password(shown)) => {
                if crate::digest::same(secret.bytes(), shown) { Ok(()) } else { Err(Rejection::Password) }
            }
            (Authentication::Header(secret), Credential::Header { .. }) => {
                if ah::fits(datagram, secret) {
                    Ok(())
                } else {
                    Err(Rejection::AhDigest)
                }
            }
            _ => Err(Rejection::AuthMismatch),
        }
    }
}

/// How a virtual router authenticates its adverts. Only version 2 over IPv4 has any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authentication {
    /// None, as RFC 3768 and later want it.
    #[default]
    None,
    /// Password in clear (keepalived's `PASS`).
    Password(Secret),
    /// HMAC-MD5 in an Authentication Header (keepalived's `AH`).
    Header(Secret),
}

/// The addresses of an advert, still as bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> AddressList<'a> {
    /// How many there are, 0 to 255.
    #[must_use]
    pub const fn len(self) -> usize {
        self.bytes.len() / self.family.address_length()
    }

    /// Whether there are none (possible in version 2 only).
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The addresses, in the order of the wire.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + 'a {
        let family = self.family;
        self.bytes.chunks_exact(family.address_length()).map(move |bytes| match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap_or_default())),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap_or_default())),
        })
    }
}

impl std::fmt::Debug for AddressList<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The group all routers of a family listen to (RFC 9568, 5.1.1.2 and 5.1.2.2).
#[must_use]
pub const fn multicast_group(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
