//! MD5 and HMAC-MD5, for the Authentication Header of old VRRPv2 set-ups.
//!
//! Owns the two functions (RFC 1321, RFC 2104) and a comparison that takes the same time for every input. MD5 is
//! broken as a hash; it is here because the wire asks for it, and it is used for nothing else.

/// Left-rotations of the four rounds (RFC 1321, 3.4).
const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// `floor(2^32 * abs(sin(i + 1)))` (RFC 1321, 3.4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// MD5 over input that comes in pieces.
struct Md5 {
    state: [u32; 4],
    block: [u8; 64],
    filled: usize,
    length: u64,
}

impl Md5 {
    const fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { state, block: [0; 64], filled: 0, length: 0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        self.absorb(bytes);
    }

    fn absorb(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // `filled` is below 64 here: it goes back to 0 as soon as the block is full.
            self.block[self.filled] = byte;
            self.filled += 1;
            if self.filled == self.block.len() {
                self.compress();
                self.filled = 0;
            }
        }
    }

    fn compress(&mut self) {
        let mut words = [0u32; 16];
        for (word, chunk) in words.iter_mut().zip(self.block.chunks_exact(4)) {
            *word = chunk.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        }
        let [mut a, mut b, mut c, mut d] = self.state;
        for (step, &sine) in SINES.iter().enumerate() {
            let (mix, word) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            // Both indices are reduced to the length of their arrays.
            let sum = a.wrapping_add(mix).wrapping_add(sine).wrapping_add(words[word % 16]);
            let turned = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16 % 4][step % 4]));
            (a, d, c, b) = (d, c, b, turned);
        }
        for (old, new) in self.state.iter_mut().zip([a, b, c, d]) {
            *old = old.wrapping_add(new);
        }
    }

    fn finish(mut self) -> [u8; 16] {
        let bits = self.length.wrapping_mul(8);
        self.absorb(&[0x80]);
        while self.filled != 56 {
            self.absorb(&[0]);
        }
        self.absorb(&bits.to_le_bytes());
        let mut digest = [0; 16];
        for (out, word) in digest.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

/// MD5 of the pieces, one after the other (RFC 1321).
pub(crate) fn md5(pieces: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for piece in pieces {
        hash.update(piece);
    }
    hash.finish()
}

/// HMAC-MD5 of the pieces, one after the other (RFC 2104).
pub(crate) fn hmac_md5(key: &[u8], pieces: &[&[u8]]) -> [u8; 16] {
    let mut padded = [0u8; 64];
    let hashed;
    let key = if key.len() > padded.len() {
        hashed = md5(&[key]);
        &hashed[..]
    } else {
        key
    };
    for (slot, &byte) in padded.iter_mut().zip(key) {
        *slot = byte;
    }
    let mut inner = Md5::new();
    inner.update(&padded.map(|byte| byte ^ 0x36));
    for piece in pieces {
        inner.update(piece);
    }
    md5(&[&padded.map(|byte| byte ^ 0x5c), &inner.finish()])
}

/// Whether two byte strings are equal, in a time that does not depend on where they differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
