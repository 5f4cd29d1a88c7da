//! One query as bytes.
//!
//! Owns the encoding of a question and of how it is asked into a message of fixed largest size (RFC 1035 section 4.1, EDNS of
//! RFC 6891). It never chooses what is random: that comes in as an argument.

use std::net::IpAddr;

use super::ask::{Ask, Edns, PaddingBlock};
use super::check::Question;
use super::kind::RecordType;
use super::name::NAME_MAX;
use super::options;
use crate::schedule::mix;

/// Octets of a query without EDNS at most: a header, the longest name, a type and a class.
const PLAIN_MAX: usize = 12 + NAME_MAX + 4;
/// Octets of an OPT record and of all its options but padding at most: NSID, EXPIRE, a client cookie, a client subnet.
const EDNS_MAX: usize = 11 + 4 + 4 + 12 + 24;
/// Octets of the longest query: padding's own four octets may take it into one more block.
pub const QUERY_MAX: usize = PLAIN_MAX + EDNS_MAX + 4 + PaddingBlock::MAX as usize;

/// A query, with the two octets of length before it that TCP wants (RFC 1035 section 4.2.2).
#[derive(Debug, Clone)]
pub struct Query {
    octets: [u8; 2 + QUERY_MAX],
    length: usize,
}

impl Query {
    /// Encodes a query for `question`, asked in the way of `ask`, with the id `id`. `key` must be random and fresh: the case of
    /// letters and the cookie come from it.
    #[must_use]
    pub fn new(question: &Question, ask: &Ask, id: u16, key: u64) -> Self {
        let mut query = Self { octets: [0; 2 + QUERY_MAX], length: 2 };
        query.put(&id.to_be_bytes());
        query.put(&[
            if ask.recursion_desired { 0x01 } else { 0 },
            if ask.authentic_data { 0x20 } else { 0 } | if ask.checking_disabled { 0x10 } else { 0 },
        ]);
        query.put(&[0, 1, 0, 0, 0, 0, 0, u8::from(ask.edns.is_some())]);
        let name = query.length;
        query.put(question.name().as_wire());
        if ask.mixed_case
            && let Some(name) = query.octets.get_mut(name..query.length)
        {
            mix_case(name, key);
        }
        query.put(&question.record_type().number().to_be_bytes());
        query.put(&question.class().number().to_be_bytes());
        if let Some(edns) = &ask.edns {
            query.put_edns(edns, key);
        }
        let message = (query.length - 2) as u16;
        if let Some(length) = query.octets.first_chunk_mut::<2>() {
            *length = message.to_be_bytes();
        }
        query
    }

    fn put_edns(&mut self, edns: &Edns, key: u64) {
        self.put(&[0]);
        self.put(&RecordType::OPT.number().to_be_bytes());
        self.put(&edns.size.to_be_bytes());
        self.put(&[0, edns.version, if edns.dnssec_ok { 0x80 } else { 0 }, 0]);
        let length = self.length;
        self.put(&[0, 0]);
        if edns.nsid {
            self.put_option(options::NSID, &[]);
        }
        if edns.expire {
            self.put_option(options::EXPIRE, &[]);
        }
        if edns.cookie {
            self.put_option(options::COOKIE, &cookie(key));
        }
        if let Some(subnet) = edns.subnet {
            let (family, octets) = match subnet.address() {
                IpAddr::V4(address) => (1, address.octets().to_vec()),
                IpAddr::V6(address) => (2, address.octets().to_vec()),
            };
            let significant = usize::from(subnet.length().div_ceil(8));
            let mut data = vec![0, family, subnet.length(), 0];
            data.extend(octets.iter().take(significant));
            self.put_option(options::SUBNET, &data);
        }
        if let Some(block) = edns.padding {
            let bare = self.length - 2 + 4;
            let zeros = bare.next_multiple_of(usize::from(block.get())) - bare;
            // Fewer than a block's length.
            self.put_option(options::PADDING, &[0; PaddingBlock::MAX as usize][..zeros]);
        }
        let data = (self.length - length - 2) as u16;
        if let Some(place) = self.octets.get_mut(length..length + 2) {
            place.copy_from_slice(&data.to_be_bytes());
        }
    }

    fn put_option(&mut self, code: u16, data: &[u8]) {
        self.put(&code.to_be_bytes());
        self.put(&(data.len() as u16).to_be_bytes());
        self.put(data);
    }

    /// Appends octets. All that a query can hold fits: see [`QUERY_MAX`].
    fn put(&mut self, octets: &[u8]) {
        if let Some(place) = self.octets.get_mut(self.length..self.length + octets.len()) {
            place.copy_from_slice(octets);
            self.length += octets.len();
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

/// The client cookie that goes with `key`.
pub(super) fn cookie(key: u64) -> [u8; 8] {
    mix(key ^ 0x636f_6f6b).to_be_bytes()
}

/// Gives every letter of a name in wire form a random case. Length octets are below 64 and so are no letters.
pub(super) fn mix_case(name: &mut [u8], key: u64) {
    for (n, octets) in name.chunks_mut(64).enumerate() {
        let coins = mix(key ^ 0x3078_3230 ^ ((n as u64) << 40));
        for (bit, octet) in octets.iter_mut().enumerate() {
            if octet.is_ascii_alphabetic() && coins >> bit & 1 == 1 {
                *octet ^= 0x20;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Class, Name};

    fn question(name: &str) -> Question {
        Question::new(name.parse::<Name>().unwrap(), RecordType::A, Class::IN).unwrap()
    }

    fn longest() -> String {
        format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61))
    }

    #[test]
    fn queries_are_as_the_rfc_says() {
        let question = Question::new("a.test".parse().unwrap(), RecordType::AAAA, Class::CH).unwrap();
        let query = Query::new(&question, &Ask::default(), 0xabcd, 1);
        assert_eq!(
            query.datagram(),
            b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x1c\x00\x03"
        );
        assert_eq!(query.segment()[..2], [0, 24]);
        assert_eq!(&query.segment()[2..], query.datagram());
        let ask =
            Ask { recursion_desired: false, authentic_data: true, checking_disabled: true, ..Ask::default() };
        assert_eq!(Query::new(&question, &ask, 0, 1).datagram()[2..4], [0x00, 0x30]);
    }

    #[test]
    fn edns_is_as_the_rfcs_say() {
        let edns = Edns {
            size: 4096,
            dnssec_ok: true,
            nsid: true,
            expire: true,
            cookie: true,
            subnet: Some("192.0.2.0/20".parse().unwrap()),
            ..Edns::default()
        };
        let query = Query::new(&question("."), &Ask { edns: Some(edns), ..Ask::default() }, 0, 7);
        let mut wanted = b"\0\0\x01\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01".to_vec();
        wanted.extend(b"\0\0\x29\x10\0\0\0\x80\0\0\x1f\0\x03\0\0\0\x09\0\0\0\x0a\0\x08");
        wanted.extend(cookie(7));
        wanted.extend(b"\0\x08\0\x07\0\x01\x14\0\xc0\0\0");
        assert_eq!(query.datagram(), wanted);
    }

    #[test]
    fn everything_at_once_fits() {
        for block in [1, 128, 511, 512] {
            let edns = Edns {
                nsid: true,
                expire: true,
                cookie: true,
                subnet: Some("2001:db8::/128".parse().unwrap()),
                padding: PaddingBlock::new(block),
                ..Edns::default()
            };
            let ask = Ask { edns: Some(edns), ..Ask::default() };
            for name in [".".to_owned(), longest()] {
                let length = Query::new(&question(&name), &ask, 1, 1).datagram().len();
                assert_eq!(length % usize::from(block), 0, "{block}: {length}");
                let cut = Query::new(&question(&name), &ask, 1, 1).datagram().len() <= QUERY_MAX;
                assert!(cut && length > PLAIN_MAX.min(name.len()) + 40, "{block}: {length}");
            }
        }
        let query = Query::new(&question(&longest()), &Ask::default(), 1, 1);
        assert_eq!(query.datagram().len(), PLAIN_MAX);
        assert_eq!(query.datagram()[PLAIN_MAX - 4..], [0, 1, 0, 1]);
    }

    #[test]
    fn case_is_mixed_and_nothing_else() {
        let ask = Ask { mixed_case: true, ..Ask::default() };
        let plain = Query::new(&question(&longest()), &Ask::default(), 1, 1);
        let mixed: Vec<Query> = (0..20).map(|key| Query::new(&question(&longest()), &ask, 1, key)).collect();
        for query in &mixed {
            assert!(query.datagram().eq_ignore_ascii_case(plain.datagram()));
            let upper = query.datagram().iter().filter(|octet| octet.is_ascii_uppercase()).count();
            assert!((70..180).contains(&upper), "{upper}");
        }
        assert_ne!(mixed[0].datagram(), mixed[1].datagram());
    }
}
