//! Reading a DNS message: bounds, compressed names, bounded work.
//!
//! Owns the cursor that every decoder here reads with, and the one error they share. A compression pointer must lead
//! to an earlier place than the name it stands in began, so that no name can loop, and all names of one message
//! share one budget of steps, so that no message can cost more than a fixed amount of work.

use std::cell::Cell;
use std::fmt;

use super::name::{LABEL_MAX, NAME_MAX, Name};

/// Labels and pointers that may be followed in one message. A full 64 KiB message of real records takes a tenth.
const STEPS_MAX: u32 = 200_000;

/// Why bytes are no well-formed DNS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Fewer than the 12 octets of a header.
    Header(usize),
    /// It ends inside the field at this offset.
    End(usize),
    /// A label that is neither a label nor a pointer, at this offset.
    Label(usize),
    /// A compression pointer that does not lead backwards, at this offset.
    Pointer(usize),
    /// A name of more than 255 octets, at this offset.
    LongName(usize),
    /// Record data that does not fit its type, at this offset.
    RecordData(usize),
    /// More than one question.
    Questions(u16),
    /// More names than any sane message holds.
    TooMuchWork,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(length) => write!(f, "{length} octets are too short for a DNS header"),
            Self::End(at) => write!(f, "the message ends inside the field at octet {at}"),
            Self::Label(at) => write!(f, "the octet at {at} starts neither a label nor a pointer"),
            Self::Pointer(at) => write!(f, "the compression pointer at octet {at} does not lead backwards"),
            Self::LongName(at) => write!(f, "the name at octet {at} is longer than {NAME_MAX} octets"),
            Self::RecordData(at) => write!(f, "the record data at octet {at} does not fit its type"),
            Self::Questions(count) => write!(f, "it holds {count} questions"),
            Self::TooMuchWork => f.write_str("it holds more names than can be looked at"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A message with the budget of work that may be spent on it.
#[derive(Debug)]
pub(super) struct Message<'a> {
    octets: &'a [u8],
    steps: Cell<u32>,
}

impl<'a> Message<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, steps: Cell::new(STEPS_MAX) }
    }

    pub(super) fn u8(&self, at: usize) -> Result<u8, Malformed> {
        self.octets.get(at).copied().ok_or(Malformed::End(at))
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    pub(super) fn slice(&self, at: usize, length: usize) -> Result<&'a [u8], Malformed> {
        let end = at.checked_add(length).ok_or(Malformed::End(at))?;
        self.octets.get(at..end).ok_or(Malformed::End(at))
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Malformed> {
        self.slice(at, N)?.try_into().map_err(|_| Malformed::End(at))
    }

    /// The labels of the name at `at`, pointers followed.
    fn labels(&self, at: usize) -> Labels<'a, '_> {
        Labels { message: self, start: at, part: at, at, length: 1, end: None, done: false }
    }

    /// The offset behind the name at `at`; the name itself is checked as far as it is not behind a pointer.
    pub(super) fn skip_name(&self, at: usize) -> Result<usize, Malformed> {
        let mut labels = self.labels(at);
        while labels.end.is_none() {
            match labels.next() {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        labels.end.ok_or(Malformed::End(at))
    }

    /// Whether the name at `at` is `name`.
    pub(super) fn name_is(&self, at: usize, name: &Name) -> Result<bool, Malformed> {
        let mut wanted = name.labels();
        for label in self.labels(at) {
            let label = label?;
            match wanted.next() {
                Some(w) if w.eq_ignore_ascii_case(label) => {}
                _ => return Ok(false),
            }
        }
        Ok(wanted.next().is_none())
    }

    /// Appends the name at `at` to `wire`, uncompressed; returns the offset behind it.
    pub(super) fn read_name(&self, at: usize, wire: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut labels = self.labels(at);
        for label in labels.by_ref() {
            let label = label?;
            // A label is at most 63 octets long: `Labels` has looked.
            wire.push(u8::try_from(label.len()).map_err(|_| Malformed::Label(at))?);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        labels.end.ok_or(Malformed::End(at))
    }

    /// The name at `at` as a [`Name`].
    pub(super) fn name(&self, at: usize) -> Result<Name, Malformed> {
        let mut wire = Vec::with_capacity(64);
        self.read_name(at, &mut wire)?;
        Name::from_wire(&wire).ok_or(Malformed::LongName(at))
    }
}

/// Walks the labels of one name.
struct Labels<'a, 'm> {
    message: &'m Message<'a>,
    /// Where the name begins.
    start: usize,
    /// Where the part begins that is being walked; a pointer must lead before it.
    part: usize,
    at: usize,
    /// Octets of the name so far, with the root's.
    length: usize,
    /// The offset behind the name in the place where it began, once known.
    end: Option<usize>,
    done: bool,
}

impl<'a> Labels<'a, '_> {
    fn step(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            let steps = self.message.steps.get().checked_sub(1).ok_or(Malformed::TooMuchWork)?;
            self.message.steps.set(steps);
            let first = self.message.u8(self.at)?;
            match first {
                0 => {
                    self.end.get_or_insert(self.at + 1);
                    return Ok(None);
                }
                0xc0.. => {
                    let target = usize::from(self.message.u16(self.at)? & 0x3fff);
                    self.end.get_or_insert(self.at + 2);
                    if target >= self.part {
                        return Err(Malformed::Pointer(self.at));
                    }
                    self.part = target;
                    self.at = target;
                }
                _ if usize::from(first) <= LABEL_MAX => {
                    let label = self.message.slice(self.at + 1, usize::from(first))?;
                    self.at += 1 + label.len();
                    self.length += 1 + label.len();
                    if self.length > NAME_MAX {
                        return Err(Malformed::LongName(self.start));
                    }
                    return Ok(Some(label));
                }
                _ => return Err(Malformed::Label(self.at)),
            }
        }
    }
}

impl<'a> Iterator for Labels<'a, '_> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_names_are_followed() {
        let octets = b"\x04test\x00\x01a\xc0\x00\x01b\xc0\x06";
        let message = Message::new(octets);
        assert_eq!(message.name(0).unwrap().to_string(), "test");
        assert_eq!(message.name(6).unwrap().to_string(), "a.test");
        assert_eq!(message.name(10).unwrap().to_string(), "b.a.test");
        assert_eq!(message.skip_name(10), Ok(14));
        assert_eq!(message.skip_name(6), Ok(10));
        assert!(message.name_is(10, &"B.A.Test".parse().unwrap()).unwrap());
        for other in [".", "a.test", "b.a", "b.a.test.x", "c.a.test"] {
            assert!(!message.name_is(10, &other.parse().unwrap()).unwrap(), "{other}");
        }
    }

    #[test]
    fn bad_names_are_refused() {
        for (octets, error) in [
            (&b"\xc0\x00"[..], Malformed::Pointer(0)),
            (b"\x01a\xc0\x00", Malformed::Pointer(2)),
            (b"\xc0\x02\xc0\x00", Malformed::Pointer(0)),
            (b"\xc0", Malformed::End(0)),
            (b"\x01", Malformed::End(1)),
            (b"\x01a", Malformed::End(2)),
            (b"\x40a\x00", Malformed::Label(0)),
            (b"\x80a\x00", Malformed::Label(0)),
            (b"", Malformed::End(0)),
        ] {
            assert_eq!(Message::new(octets).name(0), Err(error), "{octets:?}");
        }
        // A name that is too long only because of what its pointer leads to.
        let mut octets: Vec<u8> = Vec::new();
        for _ in 0..4 {
            octets.push(62);
            octets.extend_from_slice(&[b'a'; 62]);
        }
        octets.push(0);
        octets.extend_from_slice(b"\x02bb\xc0\x00");
        let message = Message::new(&octets);
        assert_eq!(message.name(0).unwrap().as_wire().len(), 253);
        assert_eq!(message.name(253), Err(Malformed::LongName(253)));
    }

    #[test]
    fn work_is_bounded() {
        // 127 one-octet labels, looked at again and again.
        let mut octets = Vec::new();
        for _ in 0..127 {
            octets.extend_from_slice(b"\x01a");
        }
        octets.push(0);
        let message = Message::new(&octets);
        let name = message.name(0).unwrap();
        let rounds = (0..10_000).take_while(|_| message.name_is(0, &name).is_ok()).count();
        assert!((1_000..2_000).contains(&rounds), "{rounds}");
        assert_eq!(message.name_is(0, &name), Err(Malformed::TooMuchWork));
    }
}
