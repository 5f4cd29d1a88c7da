//! An answer that a check expects.
//!
//! Owns the comparison of one expected answer with the data of one record: octet by octet, names without regard to
//! case, the strings of a TXT record joined. It never looks at owner names or at other records.

use std::fmt;

use super::kind::RecordType;
use super::rdata::{self, RdataError};

/// Data of a record that a check expects, with the type it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExpectedAnswer {
    rtype: RecordType,
    /// Uncompressed, names in lower case.
    data: Box<[u8]>,
}

/// Why a text is no answer of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerError {
    rtype: RecordType,
    text: String,
    why: RdataError,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no answer of type {}: {}", self.text, self.rtype, self.why)
    }
}

impl std::error::Error for AnswerError {}

impl ExpectedAnswer {
    /// Reads the data of a record of type `rtype` as it stands in a zone file: `192.0.2.1`, `10 mail.example.test`,
    /// `\# 4 C0000201`. Names are absolute, with or without the dot at the end. A TXT may be written plainly
    /// (`v=spf1 -all`) or as quoted strings, and is compared with all strings joined.
    ///
    /// # Errors
    /// The text does not have the fields of the type, or the type has no text form.
    pub fn parse(text: &str, rtype: RecordType) -> Result<Self, AnswerError> {
        match rdata::parse(rtype, text) {
            Ok(data) => Ok(Self { rtype, data: data.into() }),
            Err(why) => Err(AnswerError { rtype, text: text.chars().take(200).collect(), why }),
        }
    }

    /// The type of record it is.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.rtype
    }

    /// Whether a record of `rtype` with `data`, uncompressed and with names in lower case, is this answer.
    pub(super) fn is(&self, rtype: RecordType, data: &[u8]) -> bool {
        if rtype != self.rtype {
            return false;
        }
        match rtype {
            RecordType::TXT | RecordType::SPF => joined(&self.data).eq(joined(data)),
            _ => *self.data == *data,
        }
    }
}

impl fmt::Display for ExpectedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rdata::present(self.rtype, &self.data))
    }
}

/// The octets of counted strings, one after the other.
pub(super) fn joined(mut strings: &[u8]) -> impl Iterator<Item = &u8> {
    std::iter::from_fn(move || {
        let (&length, tail) = strings.split_first()?;
        let (head, tail) = tail.split_at_checked(usize::from(length)).unwrap_or((tail, &[]));
        strings = tail;
        Some(head)
    })
    .flatten()
}
