//! Messages for tests, built octet by octet.
//!
//! Owns a small builder that can also build what is wrong. It uses none of the code under test for what it writes.

/// A message under construction.
#[derive(Debug, Clone)]
pub(super) struct Sample(pub(super) Vec<u8>);

/// A pointer to the question's name.
pub(super) const QNAME: &[u8] = b"\xc0\x0c";

impl Sample {
    /// A reply to `resolve.test A` with `flags` beside QR, RD and RA.
    pub(super) fn reply(id: u16, flags: u16) -> Self {
        let mut octets = Vec::new();
        for word in [id, 0x8180 | flags, 1, 0, 0, 0] {
            octets.extend(word.to_be_bytes());
        }
        octets.extend(b"\x07resolve\x04test\x00\x00\x01\x00\x01");
        Self(octets)
    }

    /// Sets the count of a section: 0 questions, 1 answers, 2 authority, 3 additional.
    pub(super) fn count(mut self, section: usize, count: u16) -> Self {
        self.0[4 + 2 * section..6 + 2 * section].copy_from_slice(&count.to_be_bytes());
        self
    }

    /// Appends a record of class IN and counts it.
    pub(super) fn record(mut self, section: usize, owner: &[u8], rtype: u16, data: &[u8]) -> Self {
        self.0.extend_from_slice(owner);
        self.0.extend(rtype.to_be_bytes());
        self.0.extend([0, 1, 0, 0, 0, 60]);
        self.0.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.0.extend_from_slice(data);
        let count = u16::from_be_bytes([self.0[4 + 2 * section], self.0[5 + 2 * section]]);
        self.count(section, count + 1)
    }

    /// Appends octets that no count knows of.
    pub(super) fn junk(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    /// Keeps only the first octets.
    pub(super) fn cut(mut self, length: usize) -> Self {
        self.0.truncate(length);
        self
    }
}
