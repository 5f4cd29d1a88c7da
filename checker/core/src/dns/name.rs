//! Domain names in wire form.
//!
//! Owns the presentation syntax (RFC 1035 section 5.1, RFC 4343 for case) and the limits of RFC 1035 section 3.1:
//! 63 octets in a label, 255 in a name. A [`Name`] is well formed. It never completes a relative name and never
//! resolves anything.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The longest name on the wire, in octets, with the root's zero octet.
pub const NAME_MAX: usize = 255;
/// The longest label, in octets.
pub const LABEL_MAX: usize = 63;

/// Why a text is no domain name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// No text at all.
    Empty,
    /// Two dots in a row, or one at the start.
    EmptyLabel(String),
    /// A label of more than 63 octets.
    LabelTooLong(String),
    /// More than 255 octets on the wire.
    TooLong(String),
    /// A backslash that is not followed by three digits up to 255 or by a character.
    BadEscape(String),
    /// A character that has to be escaped.
    Character(String, char),
    /// A label with characters outside ASCII that may not be in a domain name.
    Script(String),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a domain name is empty: write \".\" for the root"),
            Self::EmptyLabel(text) => {
                write!(f, "domain name {text:?} has an empty label: remove the extra dot")
            }
            Self::LabelTooLong(text) => {
                write!(f, "domain name {text:?} has a label of more than {LABEL_MAX} octets")
            }
            Self::TooLong(text) => write!(f, "domain name {text:?} takes more than {NAME_MAX} octets"),
            Self::BadEscape(text) => {
                write!(
                    f,
                    "domain name {text:?} has a bad escape: write \\DDD with three digits up to 255, or \\ and a character"
                )
            }
            Self::Character(text, c) => {
                write!(f, "domain name {text:?} holds {c:?}: write it as \\{:03}", u32::from(*c))
            }
            Self::Script(text) => {
                write!(f, "domain name {text:?} holds characters that no domain name may have (UTS 46)")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// A domain name: absolute, well formed, compared without regard to ASCII case.
#[derive(Clone)]
pub struct Name {
    /// Length-prefixed labels, ended by the zero octet of the root.
    wire: Box<[u8]>,
}

impl Name {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self { wire: Box::new([0]) }
    }

    /// The uncompressed wire form, 1 to 255 octets.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Takes an uncompressed wire form; `None` when it is not a whole well-formed name and nothing else.
    #[must_use]
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        let mut at = 0;
        loop {
            let length = usize::from(*wire.get(at)?);
            if length > LABEL_MAX {
                return None;
            }
            at += 1 + length;
            if length == 0 {
                return (at == wire.len() && at <= NAME_MAX).then(|| Self { wire: wire.into() });
            }
        }
    }

    /// The labels, without the root's empty one.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.wire;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(length))?;
            rest = tail;
            (length > 0).then_some(label)
        })
    }

    /// How many labels it has, without the root's.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name of the last `count` labels; the whole name when it has no more.
    #[must_use]
    pub fn last_labels(&self, count: usize) -> Self {
        let surplus = self.label_count().saturating_sub(count);
        let cut = self.labels().take(surplus).map(|label| 1 + label.len()).sum();
        Self { wire: self.wire.get(cut..).unwrap_or(&[0]).into() }
    }

    /// Whether it is `other` or a name below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let count = other.label_count();
        self.label_count() >= count && self.last_labels(count) == *other
    }

    /// How many labels it and `other` have in common, from the root.
    #[must_use]
    pub fn common_labels(&self, other: &Self) -> usize {
        let (mine, theirs): (Vec<_>, Vec<_>) = (self.labels().collect(), other.labels().collect());
        let pairs = mine.iter().rev().zip(theirs.iter().rev());
        pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
    }

    /// This name with `label` before it; `None` when that is too long for a name or for a label.
    #[must_use]
    pub fn with_label(&self, label: &[u8]) -> Option<Self> {
        let length = u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= LABEL_MAX)?;
        let wire = [&[length], label, &*self.wire].concat();
        (length > 0 && wire.len() <= NAME_MAX).then(|| Self { wire: wire.into() })
    }

    /// The order of names in a signed zone, RFC 4034 section 6.1.
    #[must_use]
    pub fn canonical_cmp(&self, other: &Self) -> std::cmp::Ordering {
        let folded = |name: &Self| {
            let mut labels: Vec<_> = name.labels().map(<[u8]>::to_ascii_lowercase).collect();
            labels.reverse();
            labels
        };
        folded(self).cmp(&folded(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Length octets are below 64, so folding case can't mix them with letters.
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for octet in &self.wire {
            state.write_u8(octet.to_ascii_lowercase());
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads the presentation form, with or without the dot at the end. Labels in other scripts than ASCII become what they are
    /// in the DNS (`bücher` is `xn--bcher-kva`, UTS 46 without transitional forms).
    fn from_str(text: &str) -> Result<Self, NameError> {
        let ascii;
        let text = if text.is_ascii() {
            text
        } else {
            ascii = in_ascii(text).ok_or_else(|| NameError::Script(text.chars().take(NAME_MAX).collect()))?;
            &*ascii
        };
        // A whole name in an error is at most as long as the longest one with every octet escaped.
        let shown = || text.chars().take(4 * NAME_MAX).collect::<String>();
        match text {
            "" => return Err(NameError::Empty),
            "." => return Ok(Self::root()),
            _ => {}
        }
        let mut wire = Vec::with_capacity(text.len().min(NAME_MAX) + 2);
        let mut label = Vec::with_capacity(LABEL_MAX);
        let mut octets = text.bytes();
        let mut end_label = |label: &mut Vec<u8>| {
            match u8::try_from(label.len()) {
                Ok(0) => return Err(NameError::EmptyLabel(shown())),
                Ok(length) if usize::from(length) <= LABEL_MAX => wire.push(length),
                _ => return Err(NameError::LabelTooLong(shown())),
            }
            wire.append(label);
            if wire.len() >= NAME_MAX { Err(NameError::TooLong(shown())) } else { Ok(()) }
        };
        while let Some(octet) = octets.next() {
            match octet {
                b'.' => end_label(&mut label)?,
                b'\\' => label.push(escaped(&mut octets).ok_or_else(|| NameError::BadEscape(shown()))?),
                0..=b' ' | b'"' | b'(' | b')' | b';' | 0x7f.. => {
                    return Err(NameError::Character(shown(), char::from(octet)));
                }
                _ => label.push(octet),
            }
        }
        if !label.is_empty() {
            end_label(&mut label)?;
        }
        wire.push(0);
        Ok(Self { wire: wire.into() })
    }
}

/// A name whose labels in other scripts are written in ASCII; those that are in ASCII already stay as they are, since a name in
/// the DNS may have underscores and escapes. `None` when there are characters that no name may have.
fn in_ascii(text: &str) -> Option<String> {
    // What UTS 46 takes for a dot.
    let text = text.replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".");
    let labels: Option<Vec<_>> = text
        .split('.')
        .map(|label| match label.is_ascii() {
            true => Some(label.into()),
            false => idna::domain_to_ascii_cow(label.as_bytes(), idna::AsciiDenyList::STD3).ok(),
        })
        .collect();
    Some(labels?.join("."))
}

/// What follows a backslash: three digits up to 255, or any one ASCII character.
pub(super) fn escaped(octets: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return (first.is_ascii_graphic() || first == b' ').then_some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

impl fmt::Display for Name {
    /// The presentation form without the dot at the end; `.` for the root. Odd octets are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.len() <= 1 {
            return f.write_str(".");
        }
        for (n, label) in self.labels().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", char::from(octet))?
                    }
                    0x21..=0x7e => write!(f, "{}", char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests;
