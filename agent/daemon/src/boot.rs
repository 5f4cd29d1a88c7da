//! The kernel's boot id.
//!
//! Owns the reading of it. Who compares two of them is someone else.

use std::fs;
use std::io;

const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// The id of the running boot, in lower-case hexadecimal digits and dashes.
///
/// # Errors
/// The kernel's file can't be read or holds something else.
pub fn boot_id() -> io::Result<String> {
    let text =
        fs::read_to_string(PATH).map_err(|e| io::Error::new(e.kind(), format!("can't read {PATH}: {e}")))?;
    let id = text.trim();
    let plain = id.len() == 36 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    if plain {
        Ok(id.to_owned())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("{PATH} holds no boot id")))
    }
}

#[cfg(test)]
mod tests {
    use super::boot_id;

    #[test]
    fn stays_the_same() {
        let id = boot_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(boot_id().unwrap(), id);
    }
}
