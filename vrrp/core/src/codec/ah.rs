//! The Authentication Header in front of a version 2 message (RFC 2402 with HMAC-MD5-96, RFC 2338, 5.3.6.2).
//!
//! Owns its layout and its digest. There is no replay window: a restarted sender begins at sequence number 1, and
//! refusing it would keep a good router out.

use std::net::IpAddr;

use super::{Datagram, Rejection, Secret};
use crate::digest::{hmac_md5, same};

/// Length of the header: 12 bytes, then the 12 bytes of the digest.
pub const AH_LENGTH: usize = 24;
const DIGEST_LENGTH: usize = 12;

/// Splits a payload into sequence number and VRRP message. The digest is left alone.
pub(super) fn split<'a>(datagram: &Datagram<'a>) -> Result<(u32, &'a [u8]), Rejection> {
    let (header, message) = datagram.payload.split_first_chunk::<AH_LENGTH>().ok_or(Rejection::AhHeader)?;
    let [next, length, 0, 0, spi @ ..] = header else { return Err(Rejection::AhHeader) };
    let [s0, s1, s2, s3, n0, n1, n2, n3, ..] = *spi;
    let IpAddr::V4(source) = datagram.source else { return Err(Rejection::AhHeader) };
    // The length counts 4-byte words minus 2. Senders put their own address for the security parameters index.
    if *next != 112 || *length != 4 || [s0, s1, s2, s3] != source.octets() {
        return Err(Rejection::AhHeader);
    }
    Ok((u32::from_be_bytes([n0, n1, n2, n3]), message))
}

/// The header for a message, with an empty digest.
pub(super) fn header(source: [u8; 4], sequence: u32) -> [u8; AH_LENGTH] {
    let mut header = [0; AH_LENGTH];
    let [s0, s1, s2, s3] = source;
    let [n0, n1, n2, n3] = sequence.to_be_bytes();
    for (slot, byte) in header.iter_mut().zip([112, 4, 0, 0, s0, s1, s2, s3, n0, n1, n2, n3]) {
        *slot = byte;
    }
    header
}

/// Whether the digest of a datagram fits the secret. Two readings of "mutable field" (RFC 2402, 3.3.3.1.1) are taken:
/// keepalived's, which covers TTL and fragment field, and the RFC's, which does not.
pub(super) fn fits(datagram: &Datagram<'_>, secret: &Secret) -> bool {
    let Some((header, message)) = datagram.payload.split_first_chunk::<AH_LENGTH>() else { return false };
    let (fixed, shown) = header.split_at(AH_LENGTH - DIGEST_LENGTH);
    let right = |mutable: &[usize]| same(&digest(datagram.header, mutable, fixed, message, secret), shown);
    right(&AS_SENT) | right(&[1, 6, 7, 8, 10, 11])
}

/// Offsets in the IPv4 header that our digest leaves out: type of service and header checksum.
const AS_SENT: [usize; 3] = [1, 10, 11];

/// The digest to send: over the IP header, the Authentication Header and the message.
pub(super) fn digest_to_send(
    ip: &[u8],
    fixed: &[u8],
    message: &[u8],
    secret: &Secret,
) -> [u8; DIGEST_LENGTH] {
    digest(ip, &AS_SENT, fixed, message, secret)
}

fn digest(
    ip: &[u8],
    mutable: &[usize],
    fixed: &[u8],
    message: &[u8],
    secret: &Secret,
) -> [u8; DIGEST_LENGTH] {
    // An IPv4 header has at most 60 bytes.
    let mut frozen = [0u8; 60];
    for (slot, (at, &byte)) in frozen.iter_mut().zip(ip.iter().enumerate()) {
        *slot = if mutable.contains(&at) { 0 } else { byte };
    }
    let frozen = frozen.get(..ip.len()).unwrap_or_default();
    let full = hmac_md5(secret.bytes(), &[frozen, fixed, &[0; DIGEST_LENGTH], message]);
    let mut short = [0; DIGEST_LENGTH];
    for (slot, byte) in short.iter_mut().zip(full) {
        *slot = byte;
    }
    short
}
