//! Records in canonical form, and what a signature over them is made of.
//!
//! Owns the reading of a whole reply into records that are uncompressed and in lower case (RFC 4034 section 6.2, without the
//! NSEC names of RFC 6840 section 5.1), signatures as data, and the octets that were signed (RFC 4034 section 3.1.8.1).
//! It verifies nothing.

use super::Algorithm;
use crate::dns::kind::{Class, RecordType};
use crate::dns::name::Name;
use crate::dns::rdata;
use crate::dns::reply::Reply;
use crate::dns::wire::Malformed;

/// A record.
#[derive(Debug, Clone)]
pub(super) struct Rr {
    pub(super) owner: Name,
    pub(super) rtype: RecordType,
    pub(super) class: Class,
    pub(super) data: Vec<u8>,
}

/// The sections of a reply that are judged.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) answer: Vec<Rr>,
    pub(super) authority: Vec<Rr>,
}

impl Message {
    /// Reads the records of a reply.
    pub(super) fn read(reply: &Reply<'_>) -> Result<Self, Malformed> {
        let mut message = Self::default();
        for record in reply.records() {
            let record = record?;
            let section = match record.section {
                1 => &mut message.answer,
                2 => &mut message.authority,
                _ => break,
            };
            let fold = record.rtype != RecordType::NSEC;
            let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, fold)?;
            section.push(Rr {
                owner: reply.message.name(record.owner)?,
                rtype: record.rtype,
                class: record.class,
                data: data.into_owned(),
            });
        }
        Ok(message)
    }
}

/// The records of `owner` of type `rtype`.
pub(super) fn set<'r>(records: &'r [Rr], owner: &Name, rtype: RecordType) -> Vec<&'r Rr> {
    let of = |rr: &&Rr| rr.rtype == rtype && rr.class == Class::IN && rr.owner == *owner;
    records.iter().filter(of).collect()
}

/// A signature over the records of one owner and type.
#[derive(Debug)]
pub(super) struct Signature<'r> {
    pub(super) covers: RecordType,
    /// `None` when it is not supported.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) algorithm_number: u8,
    /// Labels of the owner, without the root's and an asterisk.
    pub(super) labels: usize,
    pub(super) expires: u32,
    pub(super) begins: u32,
    pub(super) tag: u16,
    pub(super) signer: Name,
    pub(super) signature: &'r [u8],
    /// Its data up to the signature.
    head: &'r [u8],
}

impl<'r> Signature<'r> {
    /// Reads the data of an RRSIG; `None` when it does not have its fields.
    pub(super) fn parse(data: &'r [u8]) -> Option<Self> {
        let (fixed, rest) = data.split_first_chunk::<18>()?;
        let &[c0, c1, algorithm, labels, _, _, _, _, e0, e1, e2, e3, b0, b1, b2, b3, t0, t1] = fixed;
        let mut end = 0;
        while let Some(&length @ 1..) = rest.get(end) {
            end += 1 + usize::from(length);
        }
        let (signer, signature) = rest.split_at_checked(end + 1)?;
        Some(Self {
            covers: RecordType::new(u16::from_be_bytes([c0, c1])),
            algorithm: Algorithm::new(algorithm),
            algorithm_number: algorithm,
            labels: usize::from(labels),
            expires: u32::from_be_bytes([e0, e1, e2, e3]),
            begins: u32::from_be_bytes([b0, b1, b2, b3]),
            tag: u16::from_be_bytes([t0, t1]),
            signer: Name::from_wire(signer)?,
            signature,
            head: data.get(..18 + signer.len())?,
        })
    }

    /// What was signed; `None` when the owner has fewer labels than the signature says.
    pub(super) fn message(&self, owner: &Name, set: &[&Rr]) -> Option<Vec<u8>> {
        let count = labels_signed(owner);
        let owner = match self.labels {
            labels if labels == count => owner.clone(),
            // Made from a wildcard: what was signed has the asterisk.
            labels if labels < count => owner.last_labels(labels).with_label(b"*")?,
            _ => return None,
        };
        let owner = owner.as_wire().to_ascii_lowercase();
        let mut data: Vec<&[u8]> = set.iter().map(|rr| &*rr.data).collect();
        data.sort_unstable();
        data.dedup();
        let mut message = self.head.to_vec();
        // Behind the type covered, the algorithm and the labels.
        let ttl = self.head.get(4..8)?;
        for data in data {
            message.extend_from_slice(&owner);
            message.extend(self.covers.number().to_be_bytes());
            message.extend(Class::IN.number().to_be_bytes());
            message.extend_from_slice(ttl);
            message.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            message.extend_from_slice(data);
        }
        Some(message)
    }
}

/// The labels of an owner as its signature counts them (RFC 4034 section 3.1.3).
pub(super) fn labels_signed(owner: &Name) -> usize {
    owner.label_count() - usize::from(owner.labels().next() == Some(b"*"))
}
