//! One reply as bytes: header, question, records.
//!
//! Owns the lenient reading of a message: the header stands on its own, even when all behind it is broken, and the
//! records are walked one by one without being stored. It never judges.

use super::ask::Flags;
use super::check::Question;
use super::kind::{Class, Rcode, RecordType};
use super::wire::{Malformed, Message};

/// Octets of a header.
pub(super) const HEADER: usize = 12;

/// The header of a message, RFC 1035 section 4.1.1 with AD and CD of RFC 4035.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The id, as the query had it.
    pub id: u16,
    /// Flags and the four-bit response code.
    word: u16,
    /// Number of questions, answers, authority and additional records.
    pub counts: [u16; 4],
}

impl Header {
    /// Reads the header at the start of `octets`.
    ///
    /// # Errors
    /// There are fewer than 12 octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed::Header(octets.len());
        let (head, _) = octets.split_first_chunk::<HEADER>().ok_or_else(short)?;
        let (words, _) = head.as_chunks::<2>();
        let [id, flags, counts @ ..] = words else { return Err(short()) };
        let [questions, answers, authority, additional] = counts else { return Err(short()) };
        let count = |word: &[u8; 2]| u16::from_be_bytes(*word);
        Ok(Self {
            id: count(id),
            word: count(flags),
            counts: [count(questions), count(answers), count(authority), count(additional)],
        })
    }

    /// QR: this is a reply.
    #[must_use]
    pub fn is_reply(&self) -> bool {
        self.word & 0x8000 != 0
    }

    /// The kind of query, 0 for an ordinary one.
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.word >> 11 & 0x0f) as u8
    }

    /// AA: the server is an authority for the name.
    #[must_use]
    pub fn authoritative(&self) -> bool {
        self.word & 0x0400 != 0
    }

    /// TC: the reply did not fit.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.word & 0x0200 != 0
    }

    /// The flags that checks look at.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_header(self.word)
    }

    /// The response code without what EDNS adds to it.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        Rcode::new(self.word & 0x0f)
    }
}

/// One record, by the places of its parts in the message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Which section it stands in: 1 answer, 2 authority, 3 additional.
    pub(super) section: usize,
    /// Offset of the owner's name.
    pub(super) owner: usize,
    pub(super) rtype: RecordType,
    pub(super) class: Class,
    pub(super) ttl: u32,
    /// Offset and length of the data.
    pub(super) data: usize,
    pub(super) length: usize,
}

/// How the question of a reply compares with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is ours.
    Ours,
    /// It is another one.
    Other,
    /// There is none.
    Absent,
}

/// A reply whose header has been read.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    pub(super) header: Header,
    pub(super) message: Message<'a>,
}

impl<'a> Reply<'a> {
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self { header: Header::parse(octets)?, message: Message::new(octets) })
    }

    /// Compares the first question.
    pub(super) fn asked(&self, question: &Question) -> Result<Asked, Malformed> {
        if self.header.counts[0] == 0 {
            return Ok(Asked::Absent);
        }
        let behind = self.message.skip_name(HEADER)?;
        let same = self.message.name_is(HEADER, question.name())?
            && self.message.u16(behind)? == question.record_type().number()
            && self.message.u16(behind + 2)? == question.class().number();
        Ok(if same { Asked::Ours } else { Asked::Other })
    }

    /// Walks all records, until the first that is broken.
    pub(super) fn records(&self) -> Records<'_, 'a> {
        Records { reply: self, at: None, section: 1, left: self.header.counts[1], done: false }
    }

    /// Looks at every record's frame; returns the response code with what EDNS adds (RFC 6891 section 6.1.3).
    pub(super) fn walk(&self) -> Result<Rcode, Malformed> {
        if self.header.counts[0] > 1 {
            return Err(Malformed::Questions(self.header.counts[0]));
        }
        let mut rcode = self.header.rcode();
        for record in self.records() {
            let record = record?;
            if record.section == 3 && record.rtype == RecordType::OPT {
                let upper = (record.ttl >> 24) as u16;
                rcode = Rcode::new(upper << 4 | self.header.rcode().number());
            }
        }
        Ok(rcode)
    }
}

/// Iterates over the records of a reply.
pub(super) struct Records<'r, 'a> {
    reply: &'r Reply<'a>,
    /// Offset of the next record; `None` until the questions are skipped.
    at: Option<usize>,
    section: usize,
    /// Records of this section that are still to come.
    left: u16,
    done: bool,
}

impl Records<'_, '_> {
    fn step(&mut self) -> Result<Option<Record>, Malformed> {
        let message = &self.reply.message;
        let owner = match self.at {
            Some(at) => at,
            None => {
                let mut at = HEADER;
                for _ in 0..self.reply.header.counts[0] {
                    at = message.skip_name(at)? + 4;
                    message.slice(at - 4, 4)?;
                }
                at
            }
        };
        self.at = Some(owner);
        while self.left == 0 {
            self.section += 1;
            match self.reply.header.counts.get(self.section) {
                Some(&count) => self.left = count,
                None => return Ok(None),
            }
        }
        let fixed = message.skip_name(owner)?;
        let record = Record {
            section: self.section,
            owner,
            rtype: RecordType::new(message.u16(fixed)?),
            class: Class::new(message.u16(fixed + 2)?),
            ttl: message.u32(fixed + 4)?,
            data: fixed + 10,
            length: usize::from(message.u16(fixed + 8)?),
        };
        message.slice(record.data, record.length)?;
        self.left -= 1;
        self.at = Some(record.data + record.length);
        Ok(Some(record))
    }
}

impl Iterator for Records<'_, '_> {
    type Item = Result<Record, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
