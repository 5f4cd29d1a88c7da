//! From the bytes of a datagram to an advert.
//!
//! Owns the checks that need nothing but the datagram: version, type, length, count, checksum, interval, VRID and the
//! form of the authentication data. Whether the advert is for us, from a peer and with the right secret is judged
//! by the router.

use super::{
    AddressList, Advert, AdvertInterval, Credential, Datagram, Family, Protocol, Rejection, Version, Vrid,
};
use super::{ah, checksum};

const HEADER_LENGTH: usize = 8;
const AUTH_LENGTH: usize = 8;

/// The virtual router a payload says it is for, without any check: enough to choose the router that will judge it.
#[must_use]
pub fn vrid_of(datagram: &Datagram<'_>) -> Option<Vrid> {
    let message = match datagram.protocol {
        Protocol::Vrrp => datagram.payload,
        Protocol::Ah => ah::split(datagram).ok()?.1,
    };
    Vrid::new(*message.get(1)?)
}

/// Reads an advert.
///
/// Version 2 over IPv6 is read as keepalived sends it (seconds, pseudo-header, no authentication data), so that a tool
/// can show it; a router rejects it.
///
/// # Errors
///
/// The first of the causes that a datagram alone can show, in the order version, type, length, count, checksum,
/// interval, VRID, authentication.
pub fn decode<'a>(datagram: &Datagram<'a>) -> Result<Advert<'a>, Rejection> {
    let (sequence, message) = match datagram.protocol {
        Protocol::Vrrp => (None, datagram.payload),
        Protocol::Ah => {
            let (sequence, message) = ah::split(datagram)?;
            (Some(sequence), message)
        }
    };
    let family = datagram.family();
    let (header, body) = message
        .split_first_chunk::<HEADER_LENGTH>()
        .ok_or(Rejection::Length { expected: HEADER_LENGTH, got: message.len() })?;
    let [kind, vrid, priority, count, fourth, fifth, _, _] = *header;
    let version = match kind >> 4 {
        2 => Version::V2,
        3 => Version::V3,
        other => return Err(Rejection::Version(other)),
    };
    if kind & 0x0f != 1 {
        return Err(Rejection::Type(kind & 0x0f));
    }
    let trailer = if version == Version::V2 && family == Family::Ipv4 { AUTH_LENGTH } else { 0 };
    let listed = usize::from(count) * family.address_length();
    // Exactly: a longer message is CARP, or keepalived with a trailer of its own.
    if body.len() != listed + trailer {
        return Err(Rejection::Length { expected: HEADER_LENGTH + listed + trailer, got: message.len() });
    }
    let (addresses, trailer) = body.split_at(listed);
    if version == Version::V3 && count == 0 {
        return Err(Rejection::NoAddress);
    }
    let checksum = checksum::form_of(datagram, version, message).ok_or(Rejection::Checksum)?;
    let interval = match version {
        Version::V2 => AdvertInterval::from_seconds(fifth),
        // The upper four bits are reserved: sent 0, ignored on receipt.
        Version::V3 => AdvertInterval::from_centiseconds(u16::from_be_bytes([fourth & 0x0f, fifth])),
    }
    .ok_or(Rejection::ZeroInterval)?;
    let vrid = Vrid::new(vrid).ok_or(Rejection::ZeroVrid)?;
    let auth_type = if version == Version::V2 { fourth } else { 0 };
    let credential = match (auth_type, sequence) {
        (0, None) => Credential::None,
        (1, None) => Credential::Password(trailer.first_chunk().ok_or(Rejection::AuthMismatch)?),
        (2, Some(sequence)) => Credential::Header { sequence },
        (0..=2, _) => return Err(Rejection::AuthMismatch),
        (other, _) => return Err(Rejection::AuthType(other)),
    };
    let addresses = AddressList { family, bytes: addresses };
    Ok(Advert { version, vrid, priority, interval, addresses, credential, checksum })
}
