//! Reading small files that may be anything.
//!
//! Owns the reading of a regular file up to a limit: a pipe or a device in its place is refused instead of waited for. It does not
//! know what is in them.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// All of a file, or an error when it is longer than `most` octets.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open(path)?;
    rest(file, most)
}

/// What is left of a file, or an error when it is longer than `most` octets.
pub(crate) fn rest(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    file.take(most + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} octets")));
    }
    Ok(octets)
}

/// Opens a regular file, and says what the system knows about it.
pub(crate) fn open(path: &Path) -> io::Result<(File, std::fs::Metadata)> {
    // Without waiting: opening a named pipe would wait for someone to write into it.
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, about))
}
