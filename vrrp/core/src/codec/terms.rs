//! The small checked values that adverts are made of.
//!
//! Owns family, version, VRID, advertisement interval and secret. Each can only be made from a value the protocol
//! allows, so nothing behind here checks them again.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

/// Address family of a virtual router. IPv4 and IPv6 routers of one VRID are two routers (RFC 9568, 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Bytes in an address.
    #[must_use]
    pub const fn address_length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 16,
        }
    }
}

/// Protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768 (and RFC 2338's authentication). IPv4 only.
    V2,
    /// RFC 9568, RFC 5798.
    V3,
}

impl Version {
    /// The number in the packet.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Virtual router identifier, 1 to 255.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The identifier, if it is not 0.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number in the packet.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The virtual router's own MAC address (RFC 9568, 7.3).
    #[must_use]
    pub const fn virtual_mac(self, family: Family) -> [u8; 6] {
        let kind = match family {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        };
        [0, 0, 0x5e, 0, kind, self.get()]
    }
}

impl std::fmt::Debug for Vrid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vrid({})", self.0)
    }
}

impl std::fmt::Display for Vrid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Advertisement interval, in centiseconds, never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvertInterval(NonZeroU16);

impl AdvertInterval {
    /// The longest that version 3 can say: 40.95 s.
    pub const MAX_V3_CENTISECONDS: u16 = 4095;
    /// The longest that version 2 can say: 255 s.
    pub const MAX_V2_SECONDS: u8 = 255;

    /// An interval that version 3 can say: 1 to 4095 centiseconds.
    #[must_use]
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        if centiseconds > Self::MAX_V3_CENTISECONDS {
            return None;
        }
        match NonZeroU16::new(centiseconds) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// An interval that version 2 can say: 1 to 255 seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        match NonZeroU16::new(seconds as u16 * 100) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The interval of a version, from a span that it can say exactly.
    #[must_use]
    pub fn new(version: Version, span: Duration) -> Option<Self> {
        let centiseconds = u16::try_from(span.as_millis() / 10).ok()?;
        let interval = match version {
            Version::V2 => Self::from_seconds(u8::try_from(centiseconds / 100).ok()?)?,
            Version::V3 => Self::from_centiseconds(centiseconds)?,
        };
        (interval.span() == span).then_some(interval)
    }

    /// The interval in centiseconds.
    #[must_use]
    pub const fn centiseconds(self) -> u16 {
        self.0.get()
    }

    /// The interval in seconds, if it is a whole number of them that version 2 can say.
    #[must_use]
    pub fn seconds(self) -> Option<u8> {
        let seconds = u8::try_from(self.0.get() / 100).ok()?;
        self.0.get().is_multiple_of(100).then_some(seconds)
    }

    /// The interval as a span of time.
    #[must_use]
    pub const fn span(self) -> Duration {
        Duration::from_millis(self.0.get() as u64 * 10)
    }
}

impl std::fmt::Debug for AdvertInterval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.span())
    }
}

/// A shared secret of at most 8 bytes, padded with zeros. It never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 8]);

impl Secret {
    /// The secret, if it is 1 to 8 bytes long. The wire has no room for more, and a longer one that is silently cut
    /// is a trap.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; 8];
        padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
        (!bytes.is_empty()).then_some(Self(padded))
    }

    /// The padded bytes.
    pub(crate) const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}
