//! What must come back in a talk: octets, some of whose bits may be anything, or a regular expression.
//!
//! Owns the syntax of octets in hex and the looking for either in what came. It knows nothing of sockets or of when a talk is over.

use std::fmt;
use std::str::FromStr;

use crate::dns::Pattern;
use crate::finding::quoted;

/// The most octets that are sent or expected at a time.
pub const OCTETS_MAX: usize = 1_024;

/// Octets that are looked for. Bits that are not in the mask may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets {
    octets: Vec<u8>,
    /// As long as `octets`; empty when every bit counts.
    mask: Vec<u8>,
}

/// A text that is no octets in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OctetsError(String);

impl fmt::Display for OctetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OctetsError {}

impl Octets {
    /// These, every bit of which counts.
    #[must_use]
    pub fn exact(octets: &[u8]) -> Self {
        Self { octets: octets.to_vec(), mask: Vec::new() }
    }

    /// The octets, when every bit counts: only then can they be sent.
    #[must_use]
    pub fn plain(&self) -> Option<&[u8]> {
        self.mask.is_empty().then_some(self.octets.as_slice())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    fn agrees(&self, seen: &[u8]) -> bool {
        seen.len() == self.octets.len() && self.may_become(seen)
    }

    /// Whether what came may still become this at its beginning.
    fn may_become(&self, seen: &[u8]) -> bool {
        let masks = self.mask.iter().copied().chain(std::iter::repeat(0xff));
        seen.iter().zip(&self.octets).zip(masks).all(|((a, b), bits)| (a ^ b) & bits == 0)
    }
}

impl FromStr for Octets {
    type Err = OctetsError;

    /// Reads octets of two hex digits each, with blanks between them or without. An `x` in place of a digit stands for any.
    fn from_str(text: &str) -> Result<Self, OctetsError> {
        let shown: String = text.chars().take(60).collect();
        let (mut octets, mut mask) = (Vec::new(), Vec::new());
        for word in text.split_ascii_whitespace() {
            if word.len() % 2 != 0 {
                let word: String = word.chars().take(20).collect();
                return Err(OctetsError(format!(
                    "{shown:?} has an odd number of digits in {word:?}: write two for each octet, such as \"0a ff\""
                )));
            }
            for pair in word.as_bytes().chunks_exact(2) {
                let (mut octet, mut bits) = (0, 0);
                for digit in pair {
                    let (value, counts) = match digit {
                        b'x' | b'X' => (0, 0),
                        b'0'..=b'9' => (digit - b'0', 0xf),
                        b'a'..=b'f' => (digit - b'a' + 10, 0xf),
                        b'A'..=b'F' => (digit - b'A' + 10, 0xf),
                        _ => {
                            return Err(OctetsError(format!(
                                "{shown:?} is no octets in hex: write two digits of 0-9 and a-f for each, such as \"0a ff\""
                            )));
                        }
                    };
                    octet = octet << 4 | value;
                    bits = bits << 4 | counts;
                }
                octets.push(octet);
                mask.push(bits);
            }
        }
        if octets.len() > OCTETS_MAX {
            return Err(OctetsError(format!("there are {} octets: {OCTETS_MAX} are the most", octets.len())));
        }
        if mask.iter().all(|bits| *bits == 0xff) {
            mask.clear();
        }
        Ok(Self { octets, mask })
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask.is_empty() {
            return f.write_str(&quoted(&self.octets));
        }
        f.write_str("hex ")?;
        for (octet, bits) in self.octets.iter().zip(&self.mask) {
            for shift in [4, 0] {
                match bits >> shift & 0xf {
                    0 => f.write_str("x")?,
                    _ => write!(f, "{:x}", octet >> shift & 0xf)?,
                }
            }
        }
        Ok(())
    }
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// These octets, anywhere in it.
    Holds(Octets),
    /// It must begin with these.
    Begins(Octets),
    /// Somewhere in it this matches. Octets that are no UTF-8 are U+FFFD to it.
    Matches(Pattern),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds(octets) => octets.fmt(f),
            Self::Begins(octets) => write!(f, "{octets} at the start"),
            Self::Matches(pattern) => pattern.fmt(f),
        }
    }
}

/// What a look for it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It is there, and ends before this octet.
    Found(usize),
    /// It may still come.
    NotYet,
    /// It can't come any more, whatever follows.
    Never,
}

impl Expect {
    /// Looks for it in `held`, of which the first `looked` octets were looked at before.
    pub(super) fn look(&self, held: &[u8], looked: usize) -> Look {
        match self {
            Self::Begins(octets) => {
                let length = octets.octets.len();
                match held.get(..length) {
                    Some(start) if octets.agrees(start) => Look::Found(length),
                    None if octets.may_become(held) => Look::NotYet,
                    _ => Look::Never,
                }
            }
            Self::Holds(octets) => {
                let length = octets.octets.len();
                if length == 0 {
                    return Look::Found(0);
                }
                // What was looked at can only be the beginning of it.
                let first = looked.saturating_sub(length - 1);
                let rest = held.get(first..).unwrap_or_default();
                let place = rest.windows(length).position(|window| octets.agrees(window));
                place.map_or(Look::NotYet, |place| Look::Found(first + place + length))
            }
            Self::Matches(pattern) => {
                let text = String::from_utf8_lossy(held);
                pattern.find(&text).map_or(Look::NotYet, |found| Look::Found(octets_of(held, found.end)))
            }
        }
    }
}

/// How many octets of `held` became the first `end` ones of the text.
fn octets_of(held: &[u8], end: usize) -> usize {
    const REPLACED: usize = char::REPLACEMENT_CHARACTER.len_utf8();
    let (mut octets, mut text) = (0, 0);
    for chunk in held.utf8_chunks() {
        let valid = chunk.valid().len();
        if end <= text + valid {
            return octets + (end - text);
        }
        octets += valid + chunk.invalid().len();
        text += valid + REPLACED;
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Octets {
        text.parse().unwrap()
    }

    #[test]
    fn hex_is_read_with_a_mask() {
        assert_eq!(hex("0aFf 00").plain(), Some(&[10, 255, 0][..]));
        assert_eq!(hex("").plain(), Some(&[][..]));
        let masked = hex("x1 2X xx 7f");
        assert_eq!(masked.plain(), None);
        assert!(masked.agrees(&[0xf1, 0x2e, 9, 0x7f]) && !masked.agrees(&[0xf2, 0x2e, 9, 0x7f]));
        assert!(!masked.agrees(&[0xf1, 0x2e, 9]) && !masked.agrees(&[0xf1, 0x2e, 9, 0x7e]));
        assert_eq!(masked.to_string(), "hex x12xxx7f");
        for (text, what) in [
            ("0a f", "\"0a f\" has an odd number of digits in \"f\": write two for each octet"),
            ("0g", "\"0g\" is no octets in hex"),
            ("0ä", "\"0ä\" has an odd number"),
            (&"00".repeat(1_025), "there are 1025 octets: 1024 are the most"),
        ] {
            let error = text.parse::<Octets>().unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
    }

    #[test]
    fn it_is_found_where_it_may_be() {
        let expect = Expect::Holds(hex("02 x0 03"));
        assert_eq!(expect.look(&[9, 2, 0x50, 3, 4], 0), Look::Found(4));
        // What was looked at before is not looked at again, but for what may be its beginning.
        assert_eq!(expect.look(&[9, 2, 0x50, 3, 4], 3), Look::Found(4));
        assert_eq!(expect.look(&[9, 2, 0x50, 3, 4], 4), Look::NotYet);
        assert_eq!(expect.look(&[9, 2, 0x51, 3], 0), Look::NotYet);
        let first = Expect::Begins(hex("02 x0 03"));
        assert_eq!(first.look(&[2, 0x50, 3, 4], 0), Look::Found(3));
        assert_eq!(first.look(&[2, 0x50], 0), Look::NotYet);
        assert_eq!(first.look(&[], 0), Look::NotYet);
        assert_eq!(first.look(&[2, 0x51], 0), Look::Never);
        assert_eq!(first.look(&[9, 2, 0x50, 3], 0), Look::Never);
    }

    #[test]
    fn the_end_of_a_match_is_told_in_octets() {
        let expect = |pattern: &str| Expect::Matches(pattern.parse().unwrap());
        assert_eq!(expect("b+").look(b"a\xff\xffbbc", 0), Look::Found(5));
        assert_eq!(expect("ü.").look("aüx".as_bytes(), 0), Look::Found(4));
        assert_eq!(expect("^b").look(b"ab", 0), Look::NotYet);
        assert_eq!(expect(".*\n").look(b"\xff\n1", 0), Look::Found(2));
    }
}
