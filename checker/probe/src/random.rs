//! Random numbers for ids, from the kernel.
//!
//! Owns a small buffer, so that not every probe costs a system call. It never hands out a number twice.

/// Numbers fetched at a time.
const BATCH: usize = 32;

/// A source of unpredictable numbers.
#[derive(Debug, Default)]
pub(crate) struct Random {
    held: Vec<u64>,
}

impl Random {
    /// A fresh number.
    pub(crate) fn next(&mut self) -> Result<u64, getrandom::Error> {
        if let Some(number) = self.held.pop() {
            return Ok(number);
        }
        let mut octets = [0u8; BATCH * 8];
        getrandom::fill(&mut octets)?;
        let (numbers, _) = octets.as_chunks::<8>();
        self.held.extend(numbers.iter().map(|number| u64::from_ne_bytes(*number)));
        self.held.pop().ok_or(getrandom::Error::UNEXPECTED)
    }
}
