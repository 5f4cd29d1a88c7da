//! One query as bytes.
//!
//! Owns the encoding of a question into a message of fixed largest size (RFC 1035 section 4.1): recursion desired, one
//! question, nothing else. It never chooses the id: that is random and comes in as an argument.

use super::check::Question;
use super::name::NAME_MAX;

/// Octets of the longest query: a header, the longest name, a type and a class.
pub const QUERY_MAX: usize = 12 + NAME_MAX + 4;

/// A query, with the two octets of length before it that TCP wants (RFC 1035 section 4.2.2).
#[derive(Debug, Clone)]
pub struct Query {
    octets: [u8; 2 + QUERY_MAX],
    length: usize,
}

impl Query {
    /// Encodes a query for `question` with the id `id`.
    #[must_use]
    pub fn new(question: &Question, id: u16) -> Self {
        let name = question.name().as_wire();
        let message = 12 + name.len() + 4;
        let mut query = Self { octets: [0; 2 + QUERY_MAX], length: 2 + message };
        // A name takes at most 255 octets, so that all fits.
        query.put(0, &(message as u16).to_be_bytes());
        query.put(2, &id.to_be_bytes());
        query.put(4, &[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
        query.put(14, name);
        query.put(14 + name.len(), &question.record_type().number().to_be_bytes());
        query.put(16 + name.len(), &question.class().number().to_be_bytes());
        query
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        if let Some(place) = self.octets.get_mut(at..at + octets.len()) {
            place.copy_from_slice(octets);
        }
    }

    /// The message as it goes into a datagram.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        self.octets.get(2..self.length).unwrap_or_default()
    }

    /// The message with its length before it, as it goes into a TCP connection.
    #[must_use]
    pub fn segment(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Class, RecordType};

    #[test]
    fn queries_are_as_the_rfc_says() {
        let question = Question::new("a.test".parse().unwrap(), RecordType::AAAA, Class::CH).unwrap();
        let query = Query::new(&question, 0xabcd);
        assert_eq!(
            query.datagram(),
            b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x1c\x00\x03"
        );
        assert_eq!(query.segment()[..2], [0, 24]);
        assert_eq!(&query.segment()[2..], query.datagram());
    }

    #[test]
    fn the_longest_name_fits() {
        let name = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        let question = Question::new(name.parse().unwrap(), RecordType::A, Class::IN).unwrap();
        let query = Query::new(&question, 1);
        assert_eq!(query.datagram().len(), QUERY_MAX);
        assert_eq!(query.datagram()[QUERY_MAX - 4..], [0, 1, 0, 1]);
    }
}
