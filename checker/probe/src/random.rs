//! Random numbers for ids, from the kernel.
//!
//! Owns a small buffer, so that not every probe costs a system call. It never hands out a number twice.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Numbers fetched at a time.
const BATCH: usize = 32;

/// A source of unpredictable numbers.
#[derive(Debug, Default)]
pub(crate) struct Random {
    held: Vec<u64>,
}

impl Random {
    /// A fresh number.
    pub(crate) fn next(&mut self) -> Result<u64, Errno> {
        if let Some(number) = self.held.pop() {
            return Ok(number);
        }
        let mut octets = [0u8; BATCH * 8];
        // The kernel fills up to 256 octets whole, or not at all.
        let filled = getrandom(&mut octets, GetRandomFlags::empty())?;
        if filled != octets.len() {
            return Err(Errno::IO);
        }
        let (numbers, _) = octets.as_chunks::<8>();
        self.held.extend(numbers.iter().map(|number| u64::from_ne_bytes(*number)));
        self.held.pop().ok_or(Errno::IO)
    }
}
