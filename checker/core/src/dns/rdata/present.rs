//! Record data as text, for people.
//!
//! Owns the presentation of every field. Octets from the network are escaped, so that the text is plain ASCII
//! without control characters. It never fails: what does not have the fields of its type is written in the generic form.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Field, RecordType, fields};
use crate::dns::name::Name;

/// Writes uncompressed record data as text.
pub(in crate::dns) fn present(rtype: RecordType, data: &[u8]) -> String {
    fields(rtype).and_then(|fields| by_fields(fields, data)).unwrap_or_else(|| generic(data))
}

/// `\# length hex`, RFC 3597 section 5.
fn generic(data: &[u8]) -> String {
    let mut text = format!("\\# {}", data.len());
    if !data.is_empty() {
        text.push(' ');
        hex(&mut text, data);
    }
    text
}

fn by_fields(fields: &[Field], data: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = data;
    for (n, &field) in fields.iter().enumerate() {
        if n > 0 {
            text.push(' ');
        }
        match field {
            Field::U8 => put(&mut text, u8::from_be_bytes(take(&mut rest)?)),
            Field::U16 => put(&mut text, u16::from_be_bytes(take(&mut rest)?)),
            Field::U32 => put(&mut text, u32::from_be_bytes(take(&mut rest)?)),
            Field::Type => put(&mut text, RecordType::new(u16::from_be_bytes(take(&mut rest)?))),
            Field::Time => put(&mut text, date(u32::from_be_bytes(take(&mut rest)?))),
            Field::Ipv4 => put(&mut text, Ipv4Addr::from(take::<4>(&mut rest)?)),
            Field::Ipv6 => put(&mut text, Ipv6Addr::from(take::<16>(&mut rest)?)),
            Field::Name => put(&mut text, name(&mut rest)?),
            Field::Text => quoted(&mut text, counted(&mut rest)?),
            Field::Word => bare(&mut text, counted(&mut rest)?),
            Field::Texts => {
                quoted(&mut text, counted(&mut rest)?);
                while !rest.is_empty() {
                    text.push(' ');
                    quoted(&mut text, counted(&mut rest)?);
                }
            }
            Field::TextToEnd => quoted(&mut text, std::mem::take(&mut rest)),
            Field::HexToEnd => hex(&mut text, std::mem::take(&mut rest)),
            Field::Base64ToEnd => base64(&mut text, std::mem::take(&mut rest)),
            Field::Hex => match counted(&mut rest)? {
                [] => text.push('-'),
                octets => hex(&mut text, octets),
            },
            Field::Base32 => base32(&mut text, counted(&mut rest)?),
            Field::TypeSet => types(&mut text, std::mem::take(&mut rest))?,
        }
    }
    rest.is_empty().then(|| text.trim_end().to_owned())
}

fn put(text: &mut String, value: impl std::fmt::Display) {
    // Writing to a String can't fail.
    let _ = write!(text, "{value}");
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, tail) = rest.split_first()?;
    let (head, tail) = tail.split_at_checked(usize::from(length))?;
    *rest = tail;
    Some(head)
}

fn name(rest: &mut &[u8]) -> Option<Name> {
    let mut length = 0;
    while let Some(&label) = rest.get(length) {
        length += 1 + usize::from(label);
        if label == 0 {
            let (wire, tail) = rest.split_at_checked(length)?;
            *rest = tail;
            return Name::from_wire(wire);
        }
    }
    None
}

fn quoted(text: &mut String, octets: &[u8]) {
    text.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => put(text, format_args!("\\{}", char::from(octet))),
            b' '..=b'~' => text.push(char::from(octet)),
            _ => put(text, format_args!("\\{octet:03}")),
        }
    }
    text.push('"');
}

fn bare(text: &mut String, octets: &[u8]) {
    if octets.is_empty() {
        text.push_str("\"\"");
    }
    for &octet in octets {
        match octet {
            b'"' | b'\\' | b';' | b'(' | b')' => put(text, format_args!("\\{}", char::from(octet))),
            b'!'..=b'~' => text.push(char::from(octet)),
            _ => put(text, format_args!("\\{octet:03}")),
        }
    }
}

fn hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        put(text, format_args!("{octet:02X}"));
    }
}

fn base64(text: &mut String, octets: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in octets.chunks(3) {
        let digits = in_base(chunk, 6, ALPHABET, text);
        text.extend(std::iter::repeat_n('=', 4 - digits));
    }
}

fn base32(text: &mut String, octets: &[u8]) {
    for chunk in octets.chunks(5) {
        in_base(chunk, 5, b"0123456789ABCDEFGHIJKLMNOPQRSTUV", text);
    }
}

/// Writes up to five octets in digits of `bits` each; returns the number of digits.
fn in_base(chunk: &[u8], bits: usize, alphabet: &[u8], text: &mut String) -> usize {
    let digits = (chunk.len() * 8).div_ceil(bits);
    let spare = digits * bits - chunk.len() * 8;
    let value = chunk.iter().fold(0u64, |value, &octet| value << 8 | u64::from(octet)) << spare;
    for digit in (0..digits).rev() {
        let index = (value >> (digit * bits)) as usize & ((1 << bits) - 1);
        text.extend(alphabet.get(index).map(|&c| char::from(c)));
    }
    digits
}

fn types(text: &mut String, mut rest: &[u8]) -> Option<()> {
    while let Some((&window, tail)) = rest.split_first() {
        rest = tail;
        for (n, octet) in counted(&mut rest)?.iter().enumerate() {
            for bit in (0..8).filter(|bit| octet & (0x80 >> bit) != 0) {
                let number = u16::from(window) << 8 | u16::try_from(n * 8 + bit).ok()?;
                put(text, RecordType::new(number));
                text.push(' ');
            }
        }
    }
    Some(())
}

/// `YYYYMMDDHHMMSS` in UTC.
fn date(seconds: u32) -> String {
    let (days, second) = (i64::from(seconds / 86_400), seconds % 86_400);
    // Days since 0000-03-01 in eras of 400 years, so that the leap day is the last of its year.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}
