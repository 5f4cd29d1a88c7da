//! DNSSEC: whether a reply is what a given trust anchor vouches for (RFC 4033 to 4035, 5155, 6840, 9364).
//!
//! Owns trust anchors, the canonical form, the chain from an anchor down to the zone that signed a reply, and the proofs that
//! something does not exist. Nothing is believed that is not signed: keys and delegations are asked of the server that is
//! probed, and its word alone counts for nothing. The arithmetic of signatures and digests comes in as [`Crypto`].
//! It never sends anything and never reads a clock; work on one reply is bounded whatever it holds.

mod anchor;
mod answer;
mod canonical;
mod chain;
mod denial;
mod keys;
mod nsec;
mod nsec3;
mod validation;

pub use anchor::{AnchorError, TrustAnchor};
pub use validation::{After, Validation};

/// What signs, by its number in the registry "DNS Security Algorithm Numbers". Those with SHA-1 and older are not among
/// them: nobody may sign with them any more (RFC 8624, RFC 9905).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 8, RFC 5702.
    RsaSha256,
    /// 10, RFC 5702.
    RsaSha512,
    /// 13, RFC 6605.
    EcdsaP256Sha256,
    /// 14, RFC 6605.
    EcdsaP384Sha384,
    /// 15, RFC 8080.
    Ed25519,
}

impl Algorithm {
    fn new(number: u8) -> Option<Self> {
        Some(match number {
            8 => Self::RsaSha256,
            10 => Self::RsaSha512,
            13 => Self::EcdsaP256Sha256,
            14 => Self::EcdsaP384Sha384,
            15 => Self::Ed25519,
            _ => return None,
        })
    }
}

/// How a DS record sums up a key, by its number in the registry "DS RR Type Digest Algorithms".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// 1, RFC 3658; also what NSEC3 hashes with.
    Sha1,
    /// 2, RFC 4509.
    Sha256,
    /// 4, RFC 6605.
    Sha384,
}

impl Digest {
    fn new(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Sha1,
            2 => Self::Sha256,
            4 => Self::Sha384,
            _ => return None,
        })
    }
}

/// The arithmetic that validation needs. It comes from outside, so that a program that only reads configuration holds no
/// cryptography.
pub trait Crypto {
    /// Whether `signature` over `message` was made with the private part of `key`. Both are as in DNSKEY and RRSIG records.
    fn verify(&self, algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool;

    /// The digest of `octets`.
    fn digest(&self, digest: Digest, octets: &[u8]) -> Vec<u8>;
}
