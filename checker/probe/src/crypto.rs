//! The arithmetic of DNSSEC.
//!
//! Owns the step from the octets of DNSKEY and RRSIG records to `ring`, which does the work. It decides nothing: which
//! algorithms may be used at all is `checker-core`'s.

use checker_core::dns::{Algorithm, Crypto, Digest};
use ring::digest;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

/// What `ring` offers.
#[derive(Debug)]
pub(crate) struct Ring;

impl Crypto for Ring {
    fn verify(&self, algorithm: Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let plain = |how: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(how, key).verify(message, signature).is_ok()
        };
        // Zones still sign with keys of 1024 bits, which RFC 8624 does not forbid.
        let rsa = |how| {
            rsa_key(key)
                .is_some_and(|key: RsaPublicKeyComponents<&[u8]>| key.verify(how, message, signature).is_ok())
        };
        // ring wants the octet before it that says it is not compressed.
        let point = || [&[4], key].concat();
        match algorithm {
            Algorithm::RsaSha256 => rsa(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            Algorithm::RsaSha512 => rsa(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
            Algorithm::EcdsaP256Sha256 => plain(&signature::ECDSA_P256_SHA256_FIXED, &point()),
            Algorithm::EcdsaP384Sha384 => plain(&signature::ECDSA_P384_SHA384_FIXED, &point()),
            Algorithm::Ed25519 => plain(&signature::ED25519, key),
        }
    }

    fn digest(&self, digest: Digest, octets: &[u8]) -> Vec<u8> {
        let how = match digest {
            Digest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &digest::SHA256,
            Digest::Sha384 => &digest::SHA384,
        };
        digest::digest(how, octets).as_ref().to_vec()
    }
}

/// Exponent and modulus of a key, RFC 3110 section 2.
fn rsa_key(key: &[u8]) -> Option<RsaPublicKeyComponents<&[u8]>> {
    let (length, rest) = match key {
        [0, high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        [length, rest @ ..] => (u16::from(*length), rest),
        [] => return None,
    };
    let (e, n) = rest.split_at_checked(usize::from(length))?;
    // ring takes numbers without leading zeros only.
    let bare = |number: &'_ [u8]| number.iter().take_while(|octet| **octet == 0).count();
    Some(RsaPublicKeyComponents { n: n.get(bare(n)..)?, e: e.get(bare(e)..)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn what_rfcs_have_as_examples_is_verified() {
        // RFC 8032 section 7.1, test 2.
        let key = octets("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = octets(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert!(Ring.verify(Algorithm::Ed25519, &key, &[0x72], &signature));
        assert!(!Ring.verify(Algorithm::Ed25519, &key, &[0x73], &signature));
        assert!(!Ring.verify(Algorithm::Ed25519, &key[1..], &[0x72], &signature));
        // RFC 3174 section 7.3.
        assert_eq!(Ring.digest(Digest::Sha1, b"abc"), octets("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert_eq!(Ring.digest(Digest::Sha256, b"").len(), 32);
        assert_eq!(Ring.digest(Digest::Sha384, b"").len(), 48);
    }

    #[test]
    fn no_key_is_too_odd() {
        for key in
            [&b""[..], b"\0", b"\0\x01", b"\0\xff\xff\x01", b"\x05\x01", b"\x01\x03", b"\x01\0\0", &[0; 600]]
        {
            for algorithm in [
                Algorithm::RsaSha256,
                Algorithm::RsaSha512,
                Algorithm::EcdsaP256Sha256,
                Algorithm::EcdsaP384Sha384,
                Algorithm::Ed25519,
            ] {
                assert!(!Ring.verify(algorithm, key, b"", &[1; 64]), "{key:?}");
            }
        }
    }
}
