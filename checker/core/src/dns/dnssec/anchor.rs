//! Trust anchors: what is believed without proof.
//!
//! Owns the reading of a DS or DNSKEY record as it stands in a zone file or comes out of `dnssec-dsfromkey`, and whether a
//! key is the one that an anchor speaks of. An anchor of an algorithm that can't be verified is refused, not ignored.

use std::fmt;

use super::keys::{Ds, Key};
use super::{Algorithm, Crypto, Digest};
use crate::dns::kind::{Class, RecordType};
use crate::dns::name::{Name, NameError};
use crate::dns::rdata::{self, RdataError};

/// A zone and a key of it that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustAnchor {
    zone: Name,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    Ds(Ds),
    Key(Key),
}

/// Why a text is no trust anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnchorError {
    /// It does not have the parts of a record.
    NoRecord(String),
    /// Its zone is no name.
    Zone(NameError),
    /// Its data do not have the fields of their type.
    Data(String),
    /// A key that signs no zone: not a zone's (flag 256), revoked (flag 128), or not for DNSSEC (protocol 3).
    NotAZoneKey(String),
    /// A signature algorithm that is not supported.
    Algorithm(u8),
    /// A digest that is not supported.
    Digest(u8),
    /// A digest of another length than its kind has.
    DigestLength(u8, usize),
}

impl fmt::Display for AnchorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord(text) => write!(
                f,
                "{text:?} is no trust anchor: write ZONE DS TAG ALGORITHM DIGEST-TYPE DIGEST, or ZONE DNSKEY 257 3 ALGORITHM KEY"
            ),
            Self::Zone(error) => error.fmt(f),
            Self::Data(error) => write!(f, "the data of the trust anchor: {error}"),
            Self::NotAZoneKey(text) => {
                write!(
                    f,
                    "{text:?} is no key that signs a zone: its flags must be 256 or 257, its protocol 3"
                )
            }
            Self::Algorithm(number) => write!(
                f,
                "signature algorithm {number} is not supported: 8, 10 (RSA), 13, 14 (ECDSA) and 15 (Ed25519) are"
            ),
            Self::Digest(number) => {
                write!(f, "digest type {number} is not supported: 1, 2 and 4 (SHA-1, SHA-256, SHA-384) are")
            }
            Self::DigestLength(number, octets) => {
                write!(f, "a digest of type {number} does not have {octets} octets: is it cut off?")
            }
        }
    }
}

impl std::error::Error for AnchorError {}

impl std::str::FromStr for TrustAnchor {
    type Err = AnchorError;

    /// Reads `ZONE [TTL] [IN] DS|DNSKEY DATA`.
    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let shown = || text.trim().chars().take(80).collect::<String>();
        let none = || AnchorError::NoRecord(shown());
        let (zone, mut rest) = text.trim().split_once(char::is_whitespace).ok_or_else(none)?;
        let zone: Name = zone.parse().map_err(AnchorError::Zone)?;
        loop {
            let (word, tail) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(none)?;
            rest = tail;
            if word.bytes().all(|b| b.is_ascii_digit()) || word.parse() == Ok(Class::IN) {
                continue;
            }
            let rtype = word.parse().map_err(|_| none())?;
            let read = |rtype| {
                rdata::parse(rtype, rest).map_err(|error: RdataError| AnchorError::Data(error.to_string()))
            };
            let what = match rtype {
                RecordType::DS => What::Ds(ds(&read(rtype)?).ok_or_else(none)??),
                RecordType::DNSKEY => {
                    let key = Key::parse(&read(rtype)?).ok_or_else(none)?;
                    if !key.signs_zone() {
                        return Err(AnchorError::NotAZoneKey(shown()));
                    }
                    Algorithm::new(key.algorithm).ok_or(AnchorError::Algorithm(key.algorithm))?;
                    What::Key(key)
                }
                _ => return Err(none()),
            };
            return Ok(Self { zone, what });
        }
    }
}

/// A DS that can be used.
fn ds(data: &[u8]) -> Option<Result<Ds, AnchorError>> {
    let ds = Ds::parse(data)?;
    let length = match Digest::new(ds.digest_type) {
        _ if Algorithm::new(ds.algorithm).is_none() => {
            return Some(Err(AnchorError::Algorithm(ds.algorithm)));
        }
        None => return Some(Err(AnchorError::Digest(ds.digest_type))),
        Some(Digest::Sha1) => 20,
        Some(Digest::Sha256) => 32,
        Some(Digest::Sha384) => 48,
    };
    let fits = ds.digest.len() == length;
    Some(if fits { Ok(ds) } else { Err(AnchorError::DigestLength(ds.digest_type, ds.digest.len())) })
}

impl TrustAnchor {
    /// The zone whose key it is.
    #[must_use]
    pub fn zone(&self) -> &Name {
        &self.zone
    }

    /// Whether `key` of the zone is the trusted one.
    pub(super) fn vouches_for(&self, key: &Key, crypto: &dyn Crypto) -> bool {
        match &self.what {
            What::Ds(ds) => ds.is_of(&self.zone, key, crypto),
            What::Key(trusted) => trusted == key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read() {
        let digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
        for text in [
            format!(". IN DS 20326 8 2 {digest}"),
            format!("test. 3600 IN DS 20326 8 2 {} {}", &digest[..20], &digest[20..]),
            format!("  test DS 1 13 2 {digest} "),
            "test IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=".to_owned(),
        ] {
            assert!(text.parse::<TrustAnchor>().is_ok(), "{text}");
        }
        for (text, error) in [
            ("", "is no trust anchor"),
            ("test.", "is no trust anchor"),
            ("test. A 192.0.2.1", "is no trust anchor"),
            ("a..b DS 1 13 2 00", "empty label"),
            ("test. DS 1 13 2", "is no trust anchor"),
            ("test. DS 1 13 2 0g", "hex digits"),
            ("test. DS 1 13 2 00", "does not have 1 octets"),
            ("test. DS 1 5 2 00", "algorithm 5 is not supported"),
            ("test. DS 1 13 3 00", "digest type 3 is not supported"),
            ("test. DNSKEY 0 3 15 l02Woi0iS8Aa", "signs a zone"),
            ("test. DNSKEY 385 3 15 l02Woi0iS8Aa", "signs a zone"),
            ("test. DNSKEY 257 3 7 l02Woi0iS8Aa", "algorithm 7 is not supported"),
        ] {
            let said = text.parse::<TrustAnchor>().unwrap_err().to_string();
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
