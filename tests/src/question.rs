//! The one question that the bed asks, and the reading of its answer: an independent few lines, not Holdfast's own code.

use std::net::Ipv4Addr;

/// The name that is asked for, at the top of the zone that every name server of the bed has.
pub const NAME: &str = "resolve.test";
/// Its right address.
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
/// The address that a name server gives when it is made to answer wrongly.
pub const WRONG: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// A query for the address of [`NAME`].
#[must_use]
pub fn query(id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]); // recursion desired; one question
    for label in NAME.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(TYPE_A.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    bytes
}

/// What a name server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// NOERROR with this first address.
    Address(Ipv4Addr),
    /// NOERROR without an address.
    Empty,
    /// Another response code.
    Code(u8),
}

/// Reads a reply to [`query`]; nothing when it is not one to the query of that id.
#[must_use]
pub fn read(reply: &[u8], id: u16) -> Option<Answer> {
    let word = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
    let question = &query(id)[HEADER..];
    if word(0)? != id || reply.get(2)? & 0x80 == 0 || word(4)? != 1 {
        return None;
    }
    if !reply.get(HEADER..HEADER + question.len())?.eq_ignore_ascii_case(question) {
        return None;
    }
    let code = reply.get(3)? & 0x0f;
    if code != 0 {
        return Some(Answer::Code(code));
    }
    let mut at = HEADER + question.len();
    for _ in 0..word(6)? {
        at = skip_name(reply, at)?;
        let (kind, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = reply.get(at + 10..at + 10 + length)?;
        if kind == TYPE_A {
            return Some(Answer::Address(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)));
        }
        at += 10 + length;
    }
    Some(Answer::Empty)
}

/// The place after the name that begins at `at`.
fn skip_name(reply: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *reply.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u16, code: u8, address: Option<Ipv4Addr>) -> Vec<u8> {
        let mut bytes = query(id);
        bytes[2] |= 0x80;
        bytes[3] = code;
        if let Some(address) = address {
            bytes[7] = 1;
            bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            bytes.extend(address.octets());
        }
        bytes
    }

    #[test]
    fn replies_are_read() {
        assert_eq!(read(&reply(7, 0, Some(RIGHT)), 7), Some(Answer::Address(RIGHT)));
        assert_eq!(read(&reply(7, 0, None), 7), Some(Answer::Empty));
        assert_eq!(read(&reply(7, 2, None), 7), Some(Answer::Code(2)));
        assert_eq!(read(&reply(8, 0, Some(RIGHT)), 7), None, "another id");
        assert_eq!(read(&query(7), 7), None, "a query, not a reply");
        let whole = reply(7, 0, Some(RIGHT));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length], 7), None, "cut at {length}");
        }
    }
}
