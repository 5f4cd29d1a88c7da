//! What NSEC3 records prove (RFC 5155 section 8, RFC 9276 for how often they may hash).
//!
//! Owns hashed names and the gaps between them. All records here are genuine and of one zone. Opt-out leaves it open whether an
//! unsigned zone begins there, so that what rests on it is not secure.

use super::chain::Halt;
use super::denial::{gives_away, lacks};
use super::{Crypto, Digest};
use crate::dns::kind::RecordType;
use crate::dns::name::Name;
use crate::verdict::Cause;

/// Rounds of hashing beyond the first that are done. RFC 9276 wants none.
const ITERATIONS_MAX: u16 = 100;
/// Octets of a hash.
const HASH: usize = 20;

/// The hash of a name, the next one of its zone, and the types that the name has.
#[derive(Debug)]
pub(super) struct Nsec3 {
    owner: [u8; HASH],
    next: [u8; HASH],
    opt_out: bool,
    iterations: u16,
    salt: Vec<u8>,
    types: Vec<u8>,
}

impl Nsec3 {
    /// Reads one; `None` when it is of a kind that is not known (RFC 5155 section 8.1) or can't be read.
    pub(super) fn parse(owner: &Name, zone: &Name, data: &[u8]) -> Option<Self> {
        let (&[1, flags @ 0..=1, i0, i1, salt], rest) = data.split_first_chunk::<5>()? else { return None };
        let (salt, rest) = rest.split_at_checked(usize::from(salt))?;
        let (&length, rest) = rest.split_first()?;
        let (next, types) = rest.split_at_checked(usize::from(length))?;
        if owner.label_count() != zone.label_count() + 1 {
            return None;
        }
        Some(Self {
            owner: base32(owner.labels().next()?)?,
            next: next.try_into().ok()?,
            opt_out: flags == 1,
            iterations: u16::from_be_bytes([i0, i1]),
            salt: salt.to_vec(),
            types: types.to_vec(),
        })
    }

    fn covers(&self, hash: &[u8; HASH]) -> bool {
        if self.owner < self.next {
            self.owner < *hash && *hash < self.next
        } else {
            // The last one leads back to the first.
            *hash > self.owner || *hash < self.next
        }
    }
}

/// Base 32 with the extended alphabet (RFC 4648 section 7), without padding, of one hash.
fn base32(text: &[u8]) -> Option<[u8; HASH]> {
    let mut octets = [0; HASH];
    let (groups, rest) = text.as_chunks::<8>();
    if groups.len() * 5 != HASH || !rest.is_empty() {
        return None;
    }
    for (group, place) in groups.iter().zip(octets.as_chunks_mut::<5>().0) {
        let mut bits = 0u64;
        for digit in group {
            let value = match digit.to_ascii_lowercase() {
                digit @ b'0'..=b'9' => digit - b'0',
                digit @ b'a'..=b'v' => digit - b'a' + 10,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        let [_, _, _, five @ ..] = bits.to_be_bytes();
        *place = five;
    }
    Some(octets)
}

/// The NSEC3 records of a proof.
#[derive(Debug)]
pub(super) struct Nsec3s {
    pub(super) zone: Name,
    records: Vec<Nsec3>,
}

/// The longest name that exists above another, and the proof.
struct Encloser<'r> {
    labels: usize,
    /// What covers the next longer name.
    gap: &'r Nsec3,
}

impl Nsec3s {
    /// Records that all hash alike, and not too often.
    pub(super) fn new(zone: Name, records: Vec<Nsec3>) -> Result<Self, Halt> {
        if let Some(first) = records.first() {
            if first.iterations > ITERATIONS_MAX {
                let detail = format!(
                    "the NSEC3 records of {zone} hash {} times more, which is above {ITERATIONS_MAX}: RFC 9276 wants 0",
                    first.iterations
                );
                return Err(Halt::Failed(Cause::DnsInsecure, detail));
            }
            if !records.iter().all(|n| (n.iterations, &n.salt) == (first.iterations, &first.salt)) {
                return Err(Halt::bogus(format!("the NSEC3 records of {zone} don't hash alike")));
            }
        }
        Ok(Self { zone, records })
    }

    fn hash(&self, crypto: &dyn Crypto, name: &Name) -> Option<[u8; HASH]> {
        let first = self.records.first()?;
        let mut octets = name.as_wire().to_ascii_lowercase();
        let mut hash: [u8; HASH] = [0; HASH];
        for _ in 0..=first.iterations {
            octets.extend_from_slice(&first.salt);
            hash = crypto.digest(Digest::Sha1, &octets).try_into().ok()?;
            octets = hash.to_vec();
        }
        Some(hash)
    }

    fn at(&self, crypto: &dyn Crypto, name: &Name) -> Option<&Nsec3> {
        let hash = self.hash(crypto, name)?;
        self.records.iter().find(|nsec3| nsec3.owner == hash)
    }

    fn over(&self, crypto: &dyn Crypto, name: &Name) -> Option<&Nsec3> {
        let hash = self.hash(crypto, name)?;
        self.records.iter().find(|nsec3| nsec3.covers(&hash))
    }

    /// The proof of the closest encloser, RFC 5155 section 8.3.
    fn encloser(&self, crypto: &dyn Crypto, name: &Name) -> Option<Encloser<'_>> {
        let (count, least) = (name.label_count(), self.zone.label_count());
        for labels in (least..count).rev() {
            if let Some(nsec3) = self.at(crypto, &name.last_labels(labels)) {
                if gives_away(&nsec3.types) {
                    return None;
                }
                let gap = self.over(crypto, &name.last_labels(labels + 1))?;
                return Some(Encloser { labels, gap });
            }
        }
        None
    }

    /// Whether `name` does not exist, and no wildcard stands for it.
    pub(super) fn no_name(&self, crypto: &dyn Crypto, name: &Name) -> Result<bool, Halt> {
        let Some(Encloser { labels, gap }) = self.encloser(crypto, name) else { return Ok(false) };
        let wildcard = name.last_labels(labels).with_label(b"*");
        let proven = wildcard.is_some_and(|wildcard| self.over(crypto, &wildcard).is_some());
        if proven && gap.opt_out { Err(self.open(name)) } else { Ok(proven) }
    }

    /// Whether `name` exists, or a wildcard stands for it, but without a record of type `rtype`.
    pub(super) fn no_data(&self, crypto: &dyn Crypto, name: &Name, rtype: RecordType) -> Result<bool, Halt> {
        if let Some(nsec3) = self.at(crypto, name) {
            return Ok(lacks(&nsec3.types, rtype));
        }
        let Some(Encloser { labels, gap }) = self.encloser(crypto, name) else { return Ok(false) };
        if rtype == RecordType::DS && gap.opt_out {
            return Err(self.open(name));
        }
        let wildcard = name.last_labels(labels).with_label(b"*");
        let wildcard = wildcard.and_then(|wildcard| self.at(crypto, &wildcard));
        let proven = wildcard.is_some_and(|nsec3| lacks(&nsec3.types, rtype));
        if proven && gap.opt_out { Err(self.open(name)) } else { Ok(proven) }
    }

    /// Whether nothing between `name` and the wildcard below its last `labels` labels exists.
    pub(super) fn no_closer(&self, crypto: &dyn Crypto, name: &Name, labels: usize) -> Result<bool, Halt> {
        match self.over(crypto, &name.last_labels(labels + 1)) {
            Some(gap) if gap.opt_out => Err(self.open(name)),
            gap => Ok(gap.is_some()),
        }
    }

    /// An unsigned zone may begin where the proof has its gap.
    fn open(&self, name: &Name) -> Halt {
        let zone = &self.zone;
        let detail =
            format!("by opt-out {zone} leaves it open whether {name} is in a zone that is not signed");
        Halt::Failed(Cause::DnsInsecure, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_from_names() {
        // RFC 5155 appendix A: the hash of "example" with salt aabbccdd and 12 more rounds.
        let hash = base32(b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom").unwrap();
        assert_eq!(hash[..5], [0x06, 0x53, 0x68, 0xab, 0xee]);
        assert_eq!(base32(b"0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM"), Some(hash));
        for text in [&b""[..], b"0p9mhaveqvm6t7vbl5lop2u3t2rp3to", b"wp9mhaveqvm6t7vbl5lop2u3t2rp3tom"] {
            assert_eq!(base32(text), None);
        }
    }
}
