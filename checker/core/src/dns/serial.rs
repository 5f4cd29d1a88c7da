//! Serial number arithmetic, RFC 1982.
//!
//! Owns the comparison of 32-bit numbers that wrap: zone serials, and the times of signatures (RFC 4034 section 3.1.5).
//! It never decides how far apart two of them may be.

/// How far `serial` is behind `other`: positive when it is older, negative when it is newer, 0 when they are the same.
///
/// Two serials that are exactly 2^31 apart have no order (RFC 1982 section 3.2): it is called behind, so that a check
/// fails rather than passes.
#[must_use]
pub fn serial_lag(serial: u32, other: u32) -> i64 {
    match other.wrapping_sub(serial) {
        lag @ 0..=0x8000_0000 => i64::from(lag),
        lead => i64::from(lead) - (1 << 32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_wrap() {
        for (serial, other, lag) in [
            (1, 1, 0),
            (1, 2, 1),
            (2, 1, -1),
            (u32::MAX, 0, 1),
            (0, u32::MAX, -1),
            (0xffff_fff0, 0x10, 0x20),
            (0, 0x7fff_ffff, 0x7fff_ffff),
            (0, 0x8000_0001, -0x7fff_ffff),
            (0, 0x8000_0000, 0x8000_0000),
            (0x8000_0000, 0, 0x8000_0000),
        ] {
            assert_eq!(serial_lag(serial, other), lag, "{serial} {other}");
        }
    }
}
