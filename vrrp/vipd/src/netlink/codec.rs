//! How netlink messages and attributes lie in a buffer (`linux/netlink.h`).
//!
//! Owns lengths and padding. Every length that is read is checked, every step goes forward. What an attribute means is
//! [`super::message`]'s.

/// Bytes of a message's header.
const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE: usize = 4;
/// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER` are not part of an attribute's type.
const TYPE_MASK: u16 = 0x3fff;
/// The attribute holds attributes.
const NESTED: u16 = 0x8000;

/// Messages one behind the other, to be sent at once. The buffer is used again.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    count: usize,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many messages are in it.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Adds a message, whose body `fill` writes.
    pub(crate) fn add(&mut self, kind: u16, flags: u16, sequence: u32, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        fill(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.write_at(start, &length.to_ne_bytes());
        self.pad();
        self.count += 1;
    }

    /// Adds the fixed part of a message.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// Adds an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    /// Adds an attribute that is a number.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Adds an attribute that is a name.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let length = u16::try_from(ATTRIBUTE + value.len() + 1).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    /// Adds an attribute with attributes in it, which `fill` adds.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.write_at(start, &length.to_ne_bytes());
    }

    fn write_at(&mut self, at: usize, bytes: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One message in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'b> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'b [u8],
}

/// The messages in a datagram. It ends at the first one that is cut short.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let [a, b, c, d, kind_a, kind_b, _, _, seq_a, seq_b, seq_c, seq_d, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let payload = bytes.get(HEADER..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([kind_a, kind_b]),
            sequence: u32::from_ne_bytes([seq_a, seq_b, seq_c, seq_d]),
            payload,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in `bytes`: type and value. It ends at the first one that is cut short.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [a, b, c, d] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = bytes.get(ATTRIBUTE..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & TYPE_MASK, value))
    })
}

/// A number in an attribute.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A name in an attribute, up to its NUL.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut batch = Batch::default();
        batch.add(20, 5, 7, |batch| {
            batch.fixed(&[2, 24, 0, 0, 9, 0, 0, 0]);
            batch.attribute(1, &[10, 0, 0, 1]);
            batch.text(3, "eth0:1");
            batch.nested(18, |batch| batch.text(1, "macvlan"));
        });
        batch.add(21, 5, 8, |batch| batch.fixed(&[2, 24, 0]));
        assert_eq!(batch.len(), 2);
        let read: Vec<_> = messages(batch.bytes()).collect();
        assert_eq!(read.iter().map(|m| (m.kind, m.sequence)).collect::<Vec<_>>(), [(20, 7), (21, 8)]);
        let found: Vec<_> = attributes(&read[0].payload[8..]).collect();
        assert_eq!(found[0], (1, &[10, 0, 0, 1][..]));
        assert_eq!((found[1].0, text(found[1].1)), (3, Some("eth0:1")));
        let inner: Vec<_> = attributes(found[2].1).collect();
        assert_eq!((found[2].0, inner[0].0, text(inner[0].1)), (18, 1, Some("macvlan")));
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let mut batch = Batch::default();
        batch.add(20, 5, 7, |batch| {
            batch.fixed(&[2, 24, 0, 0, 9, 0, 0, 0]);
            batch.attribute(1, &[10, 0, 0, 1]);
        });
        let good = batch.bytes().to_vec();
        for at in 0..good.len() {
            for value in 0..=255 {
                let mut bytes = good.clone();
                bytes[at] = value;
                for message in messages(&bytes) {
                    let _ = attributes(message.payload).count();
                }
            }
            let _ = messages(&good[..at]).count();
        }
    }
}
