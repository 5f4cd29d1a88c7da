//! Keys and their digests: the data of DNSKEY and DS records.
//!
//! Owns what the octets mean (RFC 4034 sections 2 and 5, key tags of its appendix B) and whether a DS is that of a key.

use super::{Algorithm, Crypto, Digest};
use crate::dns::name::Name;

/// A key of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    flags: u16,
    protocol: u8,
    pub(super) algorithm: u8,
    pub(super) tag: u16,
    pub(super) key: Box<[u8]>,
}

impl Key {
    /// Reads the data of a DNSKEY; `None` when it is too short for one.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (&[f0, f1, protocol, algorithm], key) = data.split_first_chunk::<4>()?;
        let flags = u16::from_be_bytes([f0, f1]);
        Some(Self { flags, protocol, algorithm, tag: tag(data), key: key.into() })
    }

    /// Whether it may sign a zone's records: a zone's key (flag 7) that is not revoked (flag 8, RFC 5011).
    pub(super) fn signs_zone(&self) -> bool {
        self.flags & 0x0180 == 0x0100 && self.protocol == 3
    }

    fn data(&self) -> Vec<u8> {
        let [f0, f1] = self.flags.to_be_bytes();
        [&[f0, f1, self.protocol, self.algorithm], &*self.key].concat()
    }
}

/// RFC 4034 appendix B. That of algorithm 1, which is another, nobody uses any more.
fn tag(data: &[u8]) -> u16 {
    let sum: u32 =
        data.iter().zip([8, 0].into_iter().cycle()).map(|(octet, shift)| u32::from(*octet) << shift).sum();
    // 65,535 octets at most: no carry beyond this one.
    (sum + (sum >> 16)) as u16
}

/// The digest of a key, as its parent zone has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ds {
    tag: u16,
    pub(super) algorithm: u8,
    pub(super) digest_type: u8,
    pub(super) digest: Box<[u8]>,
}

impl Ds {
    /// Reads the data of a DS; `None` when it is too short for one.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
        let (&[t0, t1, algorithm, digest_type], digest) = data.split_first_chunk::<4>()?;
        (!digest.is_empty()).then(|| Self {
            tag: u16::from_be_bytes([t0, t1]),
            algorithm,
            digest_type,
            digest: digest.into(),
        })
    }

    /// Whether both its algorithms are supported.
    pub(super) fn is_usable(&self) -> bool {
        Algorithm::new(self.algorithm).is_some() && Digest::new(self.digest_type).is_some()
    }

    /// Whether it is the digest of `key` of `zone`.
    pub(super) fn is_of(&self, zone: &Name, key: &Key, crypto: &dyn Crypto) -> bool {
        let Some(digest) = Digest::new(self.digest_type) else { return false };
        if (self.tag, self.algorithm) != (key.tag, key.algorithm) {
            return false;
        }
        let digested = [zone.as_wire().to_ascii_lowercase(), key.data()].concat();
        crypto.digest(digest, &digested) == *self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_the_rfc() {
        // RFC 4034 section 5.4 has this key with the tag 60485.
        let data = crate::dns::rdata::parse(
            crate::dns::RecordType::DNSKEY,
            "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvx\
             egXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==",
        )
        .unwrap();
        let key = Key::parse(&data).unwrap();
        assert_eq!((key.tag, key.algorithm, key.signs_zone()), (60485, 5, true));
        assert_eq!(key.data(), data);
        assert!(Key::parse(&[1, 0, 3]).is_none() && Ds::parse(&[0, 1, 13, 2]).is_none());
    }
}
