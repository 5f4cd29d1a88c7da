//! Memory that only the start needed.
//!
//! Owns the choice of what is given back before memory is locked: code and constants, which are the program's file and
//! can be had from it again. It touches nothing that was ever written to.

#![allow(unsafe_code)]

use crate::sys;

/// A mapping as `/proc/self/smaps` describes it.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: usize,
    end: usize,
    writable: bool,
    of_a_file: bool,
    /// Whether pages of it are this process's own copies: changed when the program was loaded.
    changed: bool,
}

/// Gives the pages back. Where the kernel shows no mappings nothing is.
pub(crate) fn give_back() {
    let Ok(text) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for mapping in mappings(&text).filter(|one| one.of_a_file && !one.writable && !one.changed) {
        // SAFETY: a file's mapping that cannot be written to and of whose pages none was copied, which they would have been
        // by a change. Nothing here unmaps or changes one of those; the loader was done before this.
        let _ = unsafe { sys::forget_pages(mapping.start, mapping.end - mapping.start) };
    }
}

/// All mappings. One whose description is not understood counts as changed.
fn mappings(text: &str) -> impl Iterator<Item = Mapping> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let Some(mut mapping) = head(lines.next()?) else { continue };
            while let Some(line) = lines.next_if(|line| head(line).is_none()) {
                if let Some(size) = line.strip_prefix("Anonymous:") {
                    mapping.changed = size.trim() != "0 kB";
                }
            }
            return Some(mapping);
        }
    })
}

/// The first line of a mapping: `start-end permissions offset device inode path`.
fn head(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let writable = words.next()?.contains('w');
    let of_a_file = words.nth(2)? != "0" && words.next().is_some_and(|path| path.starts_with('/'));
    Some(Mapping { start, end, writable, of_a_file, changed: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_changed_is_chosen() {
        let text = "1000-3000 r-xp 00001000 fe:00 77 /usr/bin/vipd\nSize: 8 kB\nAnonymous:             0 kB\n\
            4000-5000 r--p 00003000 fe:00 77 /usr/bin/vipd\nAnonymous:             4 kB\nVmFlags: rd mr\n\
            5000-6000 rw-p 00004000 fe:00 77 /usr/bin/vipd\nAnonymous:             0 kB\n\
            7000-8000 r-xp 00000000 00:00 0 [vdso]\nAnonymous:             0 kB\n\
            8000-9000 r--p 00000000 fe:00 78 /usr/lib/libc.so\n";
        let chosen: Vec<_> =
            mappings(text).filter(|one| one.of_a_file && !one.writable && !one.changed).collect();
        assert_eq!(chosen.iter().map(|one| (one.start, one.end)).collect::<Vec<_>>(), [(0x1000, 0x3000)]);
        assert_eq!(mappings(text).count(), 5);
    }

    #[test]
    fn the_program_goes_on_without_the_pages() {
        give_back();
        assert_eq!(format!("{:?}", [1.5, 2.5]), "[1.5, 2.5]");
    }
}
