//! Record data from text, as in a zone file.
//!
//! Owns the reading of every field: numbers, addresses, names (always absolute, with or without the dot at the end),
//! quoted texts, base 16, 32 and 64, and the generic form of RFC 3597 for any type. The result is uncompressed, with
//! names in lower case. It never guesses: a text that does not have the fields of its type is an error.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Field, RecordType, fields};
use crate::dns::name::{Name, NameError, escaped};

/// Record data never holds more octets than its 16-bit length can say.
const DATA_MAX: usize = u16::MAX as usize;

/// Why a text is no record data of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) enum RdataError {
    /// It ends where this is still to come.
    Missing(&'static str),
    /// It goes on after the last field.
    Extra(String),
    /// A field that is not what it should be.
    Field(&'static str, String),
    /// A domain name that is none.
    Name(NameError),
    /// A quotation mark without its partner.
    Quote,
    /// A type whose text form is not known.
    NoTextForm,
    /// Longer than record data can be.
    TooLong,
}

impl fmt::Display for RdataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "it ends where {what} should follow"),
            Self::Extra(text) => write!(f, "there is more than fits: {text:?}"),
            Self::Field(what, text) => write!(f, "{text:?} is not {what}"),
            Self::Name(error) => error.fmt(f),
            Self::Quote => f.write_str("a quotation mark is not closed"),
            Self::NoTextForm => f.write_str("this type has no text form here: write \\# LENGTH HEX"),
            Self::TooLong => write!(f, "it is longer than {DATA_MAX} octets"),
        }
    }
}

impl From<NameError> for RdataError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// Reads the data of a record of type `rtype`.
pub(in crate::dns) fn parse(rtype: RecordType, text: &str) -> Result<Vec<u8>, RdataError> {
    let text = text.trim_matches([' ', '\t']);
    if let Some(rest) = text.strip_prefix("\\#") {
        return generic(rest);
    }
    let fields = fields(rtype).ok_or(RdataError::NoTextForm)?;
    // People write a TXT as what it says; it may be long and hold blanks.
    if fields == [Field::Texts] && !text.starts_with('"') {
        return one_text(text);
    }
    let mut words = Words { rest: text };
    let mut data = Vec::new();
    for &field in fields {
        read(field, &mut words, &mut data)?;
        if data.len() > DATA_MAX {
            return Err(RdataError::TooLong);
        }
    }
    match words.next()? {
        Some(word) => Err(RdataError::Extra(word.shown())),
        None => Ok(data),
    }
}

/// ` LENGTH HEX`, behind the `\#`.
fn generic(text: &str) -> Result<Vec<u8>, RdataError> {
    let what = "\\# LENGTH HEX with as many octets as LENGTH says";
    let bad = || RdataError::Field(what, format!("\\#{}", text.chars().take(80).collect::<String>()));
    let (length, hex) = text.trim_start().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    let length: u16 = length.parse().map_err(|_| bad())?;
    let digits: String = hex.split_whitespace().collect();
    let data = from_hex(&digits).ok_or_else(bad)?;
    if data.len() == usize::from(length) { Ok(data) } else { Err(bad()) }
}

/// A text of any length as strings of up to 255 octets each.
fn one_text(text: &str) -> Result<Vec<u8>, RdataError> {
    let mut octets = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(octet) = octets.next() {
        plain.push(match octet {
            b'\\' => escaped(&mut octets).ok_or_else(|| {
                RdataError::Field("an escape: \\DDD or \\ and a character", text.chars().take(80).collect())
            })?,
            _ => octet,
        });
    }
    let mut data = Vec::with_capacity(plain.len() + 1);
    if plain.is_empty() {
        data.push(0);
    }
    for chunk in plain.chunks(255) {
        data.push(chunk.len() as u8);
        data.extend_from_slice(chunk);
    }
    if data.len() > DATA_MAX { Err(RdataError::TooLong) } else { Ok(data) }
}

fn read(field: Field, words: &mut Words<'_>, data: &mut Vec<u8>) -> Result<(), RdataError> {
    match field {
        Field::U8 => data.extend(number::<u8>(words, "a number from 0 to 255")?.to_be_bytes()),
        Field::U16 => data.extend(number::<u16>(words, "a number from 0 to 65535")?.to_be_bytes()),
        Field::U32 => data.extend(number::<u32>(words, "a number from 0 to 4294967295")?.to_be_bytes()),
        Field::Type => data.extend(plain::<RecordType>(words, "a record type")?.number().to_be_bytes()),
        Field::Time => {
            let what = "a time as YYYYMMDDHHMMSS or in seconds since 1970";
            let word = words.expect(what)?;
            data.extend(
                time(&word.plain(what)?).ok_or_else(|| RdataError::Field(what, word.shown()))?.to_be_bytes(),
            );
        }
        Field::Ipv4 => data.extend(plain::<Ipv4Addr>(words, "an IPv4 address")?.octets()),
        Field::Ipv6 => data.extend(plain::<Ipv6Addr>(words, "an IPv6 address")?.octets()),
        Field::Name => {
            let name: Name = words.expect("a domain name")?.raw.parse()?;
            data.extend(name.as_wire().iter().map(u8::to_ascii_lowercase));
        }
        Field::Text | Field::Word => counted(data, &words.expect("a text")?.octets()?)?,
        Field::Texts => {
            counted(data, &words.expect("a text")?.octets()?)?;
            while let Some(word) = words.next()? {
                counted(data, &word.octets()?)?;
            }
        }
        Field::TextToEnd => data.extend(words.expect("a text")?.octets()?),
        Field::HexToEnd => {
            let text = words.joined();
            data.extend(
                from_hex(&text)
                    .ok_or_else(|| RdataError::Field("an even number of hex digits", clip(&text)))?,
            );
        }
        Field::Base64ToEnd => {
            let text = words.joined();
            data.extend(from_base(&text, 6).ok_or_else(|| RdataError::Field("base64", clip(&text)))?);
        }
        Field::Hex => {
            let word = words.expect("hex digits or -")?.raw;
            let digits = if word == "-" { "" } else { word };
            counted(
                data,
                &from_hex(digits).ok_or_else(|| RdataError::Field("hex digits or -", clip(word)))?,
            )?;
        }
        Field::Base32 => {
            let word = words.expect("base32hex")?.raw;
            counted(data, &from_base(word, 5).ok_or_else(|| RdataError::Field("base32hex", clip(word)))?)?;
        }
        Field::TypeSet => type_set(words, data)?,
    }
    Ok(())
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

fn plain<T: std::str::FromStr>(words: &mut Words<'_>, what: &'static str) -> Result<T, RdataError> {
    let word = words.expect(what)?;
    word.plain(what)?.parse().map_err(|_| RdataError::Field(what, word.shown()))
}

fn number<T: std::str::FromStr>(words: &mut Words<'_>, what: &'static str) -> Result<T, RdataError> {
    let word = words.expect(what)?;
    let text = word.plain(what)?;
    // `parse` would take a plus sign.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RdataError::Field(what, word.shown()));
    }
    text.parse().map_err(|_| RdataError::Field(what, word.shown()))
}

fn counted(data: &mut Vec<u8>, octets: &[u8]) -> Result<(), RdataError> {
    let length = u8::try_from(octets.len()).map_err(|_| {
        RdataError::Field(
            "a text of at most 255 octets",
            String::from_utf8_lossy(octets).chars().take(80).collect(),
        )
    })?;
    data.push(length);
    data.extend_from_slice(octets);
    Ok(())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty()
        .then(|| {
            pairs.iter().map(|&[high, low]| u8::try_from(digit(high)? << 4 | digit(low)?).ok()).collect()
        })
        .flatten()
}

/// Base 64 (`bits` 6) or base 32 with the extended alphabet (`bits` 5); padding may be left out.
fn from_base(text: &str, bits: u32) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut octets = Vec::with_capacity(digits.len());
    let (mut value, mut held) = (0u32, 0);
    for digit in digits.bytes() {
        let digit = match (bits, digit) {
            (6, b'A'..=b'Z') => digit - b'A',
            (6, b'a'..=b'z') => digit - b'a' + 26,
            (6, b'0'..=b'9') => digit - b'0' + 52,
            (6, b'+') => 62,
            (6, b'/') => 63,
            (5, b'0'..=b'9') => digit - b'0',
            (5, b'A'..=b'V') => digit - b'A' + 10,
            (5, b'a'..=b'v') => digit - b'a' + 10,
            _ => return None,
        };
        value = (value << bits | u32::from(digit)) & 0xffff;
        held += bits;
        if held >= 8 {
            held -= 8;
            octets.push((value >> held) as u8);
            value &= (1 << held) - 1;
        }
    }
    // What is left must be padding: fewer bits than a digit has, all zero.
    (held < bits && value == 0).then_some(octets)
}

fn type_set(words: &mut Words<'_>, data: &mut Vec<u8>) -> Result<(), RdataError> {
    let mut types: Vec<u16> = Vec::new();
    while let Some(word) = words.next()? {
        let rtype: RecordType =
            word.raw.parse().map_err(|_| RdataError::Field("a record type", word.shown()))?;
        types.push(rtype.number());
    }
    types.sort_unstable();
    types.dedup();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let low: Vec<usize> = window.iter().map(|number| usize::from(number & 0xff)).collect();
        let mut bits = vec![0u8; low.last().map_or(0, |last| last / 8 + 1)];
        for number in low {
            if let Some(octet) = bits.get_mut(number / 8) {
                *octet |= 0x80 >> (number % 8);
            }
        }
        data.extend(window.first().map(|number| (number >> 8) as u8));
        counted(data, &bits)?;
    }
    Ok(())
}

/// Seconds since 1970 from `YYYYMMDDHHMMSS` or from plain seconds.
fn time(text: &str) -> Option<u32> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.len() != 14 {
        return text.parse().ok();
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // The inverse of `present::date`: years begin in March.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    u32::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// Splits a text at blanks, but not inside quotes and not at an escaped blank.
struct Words<'a> {
    rest: &'a str,
}

/// One word, with its quotes and escapes.
struct Word<'a> {
    raw: &'a str,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<Option<Word<'a>>, RdataError> {
        let text = self.rest.trim_start_matches([' ', '\t']);
        let (mut quoted, mut escape) = (false, false);
        let mut end = text.len();
        for (at, octet) in text.bytes().enumerate() {
            match octet {
                _ if escape => escape = false,
                b'\\' => escape = true,
                b'"' => quoted = !quoted,
                b' ' | b'\t' if !quoted => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        if quoted {
            return Err(RdataError::Quote);
        }
        let (raw, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        self.rest = rest;
        Ok((!raw.is_empty()).then_some(Word { raw }))
    }

    fn expect(&mut self, what: &'static str) -> Result<Word<'a>, RdataError> {
        self.next()?.ok_or(RdataError::Missing(what))
    }

    /// All that is left, without blanks.
    fn joined(&mut self) -> String {
        std::mem::take(&mut self.rest).split([' ', '\t']).collect()
    }
}

impl Word<'_> {
    fn shown(&self) -> String {
        clip(self.raw)
    }

    /// The word, which may hold no quotes or escapes.
    fn plain(&self, what: &'static str) -> Result<String, RdataError> {
        if self.raw.contains(['"', '\\']) {
            Err(RdataError::Field(what, self.shown()))
        } else {
            Ok(self.raw.to_owned())
        }
    }

    /// The octets that the word stands for.
    fn octets(&self) -> Result<Vec<u8>, RdataError> {
        let mut plain = Vec::with_capacity(self.raw.len());
        let mut octets = self.raw.bytes();
        while let Some(octet) = octets.next() {
            match octet {
                b'"' => {}
                b'\\' => plain.push(escaped(&mut octets).ok_or_else(|| {
                    RdataError::Field("an escape: \\DDD or \\ and a character", self.shown())
                })?),
                _ => plain.push(octet),
            }
        }
        Ok(plain)
    }
}
