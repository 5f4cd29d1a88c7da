//! Record data by type: its fields.
//!
//! Owns one table that says what fields the data of a type has. Expanding compressed names, writing for people and
//! reading from configuration all follow that table, so that they can't disagree. A type that is not in the table is
//! opaque octets, written in the generic form of RFC 3597 section 5.

use std::borrow::Cow;

use super::kind::RecordType;
use super::wire::{Malformed, Message};

mod parse;
mod present;

pub(super) use parse::{RdataError, parse};
pub(super) use present::present;

/// One field of record data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    U8,
    U16,
    U32,
    /// A record type as its number on the wire, as its mnemonic in text.
    Type,
    /// Seconds since 1970 on the wire, `YYYYMMDDHHMMSS` in text (RFC 4034 section 3.2).
    Time,
    Ipv4,
    Ipv6,
    /// A domain name; RFC 3597 section 4 has the types in which it may be compressed, here it may be in all.
    Name,
    /// A length octet and text, quoted.
    Text,
    /// A length octet and text that needs no quotes.
    Word,
    /// One or more texts up to the end.
    Texts,
    /// Text up to the end, without a length octet.
    TextToEnd,
    /// Octets up to the end.
    HexToEnd,
    Base64ToEnd,
    /// A length octet and octets, in base 16; `-` when there are none (RFC 5155 section 3.3).
    Hex,
    /// A length octet and octets, in base 32 with the extended alphabet.
    Base32,
    /// A set of record types up to the end (RFC 4034 section 4.1.2).
    TypeSet,
}

/// The fields of a type's data, or `None` when the type is opaque.
fn fields(rtype: RecordType) -> Option<&'static [Field]> {
    use Field::{
        Base32, Base64ToEnd, Hex, HexToEnd, Ipv4, Ipv6, Name, Text, TextToEnd, Texts, Time, Type, TypeSet,
        U8, U16, U32, Word,
    };
    Some(match rtype {
        RecordType::A => &[Ipv4],
        RecordType::AAAA => &[Ipv6],
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => &[Name],
        RecordType::SOA => &[Name, Name, U32, U32, U32, U32, U32],
        RecordType::MX | RecordType::AFSDB | RecordType::KX => &[U16, Name],
        RecordType::RP => &[Name, Name],
        RecordType::TXT | RecordType::SPF => &[Texts],
        RecordType::HINFO => &[Text, Text],
        RecordType::SRV => &[U16, U16, U16, Name],
        RecordType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RecordType::URI => &[U16, U16, TextToEnd],
        RecordType::CAA => &[U8, Word, TextToEnd],
        RecordType::CERT => &[U16, U16, U8, Base64ToEnd],
        RecordType::DS | RecordType::CDS => &[U16, U8, U8, HexToEnd],
        RecordType::DNSKEY | RecordType::CDNSKEY => &[U16, U8, U8, Base64ToEnd],
        RecordType::RRSIG => &[Type, U8, U8, U32, Time, Time, U16, Name, Base64ToEnd],
        RecordType::NSEC => &[Name, TypeSet],
        RecordType::NSEC3 => &[U8, U8, U16, Hex, Base32, TypeSet],
        RecordType::NSEC3PARAM => &[U8, U8, U16, Hex],
        RecordType::CSYNC => &[U32, U16, TypeSet],
        RecordType::TLSA | RecordType::SMIMEA => &[U8, U8, U8, HexToEnd],
        RecordType::SSHFP => &[U8, U8, HexToEnd],
        RecordType::ZONEMD => &[U32, U8, U8, HexToEnd],
        RecordType::OPENPGPKEY | RecordType::DHCID => &[Base64ToEnd],
        _ => return None,
    })
}

/// The data of a record at `at` in `message`, `length` octets, with its names uncompressed and, if `fold`, in lower
/// case. Data that holds no name is handed back as it is.
///
/// # Errors
/// The data does not have the fields of its type.
pub(super) fn expand<'a>(
    message: &Message<'a>,
    rtype: RecordType,
    at: usize,
    length: usize,
    fold: bool,
) -> Result<Cow<'a, [u8]>, Malformed> {
    let whole = message.slice(at, length)?;
    let Some(fields) = fields(rtype) else {
        return Ok(Cow::Borrowed(whole));
    };
    let end = at + length;
    let named = fields.contains(&Field::Name);
    let mut expanded = Vec::new();
    let mut cursor = at;
    for &field in fields {
        let from = cursor;
        if field == Field::Name {
            let written = expanded.len();
            cursor = message.read_name(cursor, &mut expanded)?;
            if fold && let Some(name) = expanded.get_mut(written..) {
                name.make_ascii_lowercase();
            }
        } else {
            cursor += width(message, field, cursor, end)?;
        }
        if cursor > end {
            return Err(Malformed::RecordData(at));
        }
        if named && field != Field::Name {
            expanded.extend_from_slice(message.slice(from, cursor - from)?);
        }
    }
    if cursor != end {
        return Err(Malformed::RecordData(at));
    }
    Ok(if named { Cow::Owned(expanded) } else { Cow::Borrowed(whole) })
}

/// Octets that `field`, which is not a name, takes at `at`; the data ends at `end`.
fn width(message: &Message<'_>, field: Field, at: usize, end: usize) -> Result<usize, Malformed> {
    Ok(match field {
        Field::U8 => 1,
        Field::U16 | Field::Type => 2,
        Field::U32 | Field::Time | Field::Ipv4 => 4,
        Field::Ipv6 => 16,
        Field::Text | Field::Word | Field::Hex | Field::Base32 => {
            if at >= end {
                return Err(Malformed::RecordData(at));
            }
            1 + usize::from(message.u8(at)?)
        }
        Field::Texts => {
            let mut cursor = at;
            while cursor < end {
                cursor += 1 + usize::from(message.u8(cursor)?);
            }
            if cursor == at {
                return Err(Malformed::RecordData(at));
            }
            cursor - at
        }
        Field::TypeSet | Field::TextToEnd | Field::HexToEnd | Field::Base64ToEnd => end.saturating_sub(at),
        Field::Name => 0,
    })
}

#[cfg(test)]
mod tests;
