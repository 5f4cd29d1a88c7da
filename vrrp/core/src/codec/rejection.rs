//! Why a datagram was not taken for an advert: one cause each.
//!
//! Owns the causes, their stable codes and their texts. It says nothing about what follows from a cause: a rejected
//! datagram changes counters only, never a timer.

use std::fmt;

use super::Version;

/// Why a datagram is not an advert, or not one for this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The bytes end before the headers they announce.
    Truncated,
    /// Not an IPv4 header.
    IpHeader,
    /// A fragment of an IPv4 packet.
    Fragment,
    /// Neither VRRP (112) nor an Authentication Header (51).
    Protocol(u8),
    /// TTL or hop limit too low: the datagram may have been forwarded here (RFC 9568, 7.1).
    HopLimit(u8),
    /// A version that does not exist.
    Version(u8),
    /// The other version than this router's.
    VersionMismatch(Version),
    /// Version 2 over IPv6, which no RFC knows.
    VersionForFamily,
    /// Not an advertisement (type 1).
    Type(u8),
    /// Not as long as its version, family and address count make it. CARP looks like this too.
    Length {
        /// Length that the header asks for.
        expected: usize,
        /// Length that came.
        got: usize,
    },
    /// Version 3 with no address (RFC 9568, 5.2.5).
    NoAddress,
    /// Interval 0: version 2, or version 3 (RFC 9568, erratum 8301).
    ZeroInterval,
    /// The checksum fits in no accepted form.
    Checksum,
    /// VRID 0.
    ZeroVrid,
    /// Another virtual router's.
    OtherVrid(u8),
    /// The other address family.
    Family,
    /// An authentication type that does not exist.
    AuthType(u8),
    /// Another authentication type than this router's.
    AuthMismatch,
    /// Wrong password.
    Password,
    /// Malformed Authentication Header.
    AhHeader,
    /// The Authentication Header's digest does not fit.
    AhDigest,
    /// Version 2 with another interval than ours (RFC 3768, 7.1).
    IntervalMismatch(u8),
    /// Came by unicast, but this router speaks multicast.
    Unicast,
    /// Came by multicast, but this router has unicast peers.
    Multicast,
    /// The sender is not in the list of peers.
    NotAPeer,
    /// The sender's address is unspecified, loopback, multicast or broadcast.
    Source,
    /// Our own advert, come back.
    OwnSource,
}

impl Rejection {
    /// The codes of all causes, in the order in which they are counted.
    pub const CODES: [&'static str; 27] = [
        "truncated",
        "ip_header",
        "fragment",
        "protocol",
        "hop_limit",
        "version",
        "version_mismatch",
        "version_for_family",
        "type",
        "length",
        "no_address",
        "zero_interval",
        "checksum",
        "zero_vrid",
        "other_vrid",
        "family",
        "auth_type",
        "auth_mismatch",
        "password",
        "ah_header",
        "ah_digest",
        "interval_mismatch",
        "unicast",
        "multicast",
        "not_a_peer",
        "source",
        "own_source",
    ];

    /// Place in [`Self::CODES`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Truncated => 0,
            Self::IpHeader => 1,
            Self::Fragment => 2,
            Self::Protocol(_) => 3,
            Self::HopLimit(_) => 4,
            Self::Version(_) => 5,
            Self::VersionMismatch(_) => 6,
            Self::VersionForFamily => 7,
            Self::Type(_) => 8,
            Self::Length { .. } => 9,
            Self::NoAddress => 10,
            Self::ZeroInterval => 11,
            Self::Checksum => 12,
            Self::ZeroVrid => 13,
            Self::OtherVrid(_) => 14,
            Self::Family => 15,
            Self::AuthType(_) => 16,
            Self::AuthMismatch => 17,
            Self::Password => 18,
            Self::AhHeader => 19,
            Self::AhDigest => 20,
            Self::IntervalMismatch(_) => 21,
            Self::Unicast => 22,
            Self::Multicast => 23,
            Self::NotAPeer => 24,
            Self::Source => 25,
            Self::OwnSource => 26,
        }
    }

    /// The cause's stable code, as in logs, JSON and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        // `index` is below 27 for every variant; a test walks through them.
        Self::CODES[self.index()]
    }

    /// Whether the cause speaks of a sender that means to be in our virtual router and is set up otherwise, so that a
    /// person should hear of it. Noise, other people's routers and our own echo are counted only.
    #[must_use]
    pub const fn is_discrepancy(self) -> bool {
        !matches!(
            self,
            Self::OtherVrid(_) | Self::OwnSource | Self::Protocol(_) | Self::Fragment | Self::Truncated
        )
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("shorter than its headers say"),
            Self::IpHeader => f.write_str("not an IPv4 header"),
            Self::Fragment => f.write_str("a fragment"),
            Self::Protocol(number) => write!(f, "IP protocol {number}, not VRRP (112)"),
            Self::HopLimit(left) => write!(f, "TTL or hop limit {left}: it may have been forwarded"),
            Self::Version(number) => write!(f, "VRRP version {number} does not exist"),
            Self::VersionMismatch(version) => {
                write!(f, "VRRP version {}: set the same version on both sides", version.number())
            }
            Self::VersionForFamily => f.write_str("VRRP version 2 over IPv6: set the sender to version 3"),
            Self::Type(number) => write!(f, "VRRP type {number}, not an advertisement (1)"),
            Self::Length { expected, got } => {
                write!(f, "{got} bytes long where its header asks for {expected}")
            }
            Self::NoAddress => f.write_str("no virtual address in it"),
            Self::ZeroInterval => f.write_str("advertisement interval 0"),
            Self::Checksum => f.write_str("wrong checksum"),
            Self::ZeroVrid => f.write_str("virtual router id 0"),
            Self::OtherVrid(number) => write!(f, "for virtual router {number}"),
            Self::Family => f.write_str("of the other address family"),
            Self::AuthType(number) => write!(f, "authentication type {number} does not exist"),
            Self::AuthMismatch => f.write_str("another authentication type: set the same on both sides"),
            Self::Password => f.write_str("wrong password: set the same on both sides"),
            Self::AhHeader => f.write_str("malformed authentication header"),
            Self::AhDigest => f.write_str("wrong authentication digest: set the same password on both sides"),
            Self::IntervalMismatch(seconds) => {
                write!(f, "advertisement interval {seconds} s: version 2 needs the same on both sides")
            }
            Self::Unicast => f.write_str("sent by unicast, but this router has no unicast peers"),
            Self::Multicast => f.write_str("sent by multicast, but this router has unicast peers"),
            Self::NotAPeer => f.write_str("its sender is not one of the unicast peers"),
            Self::Source => f.write_str("its source address is none that a router can have"),
            Self::OwnSource => f.write_str("from our own address"),
        }
    }
}

impl std::error::Error for Rejection {}
