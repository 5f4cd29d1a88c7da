//! `[virtual_server.check.file]`: a word on disk says whether a real server works.
//!
//! Owns the keys of such a check and the placeholders in its path. It never opens the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use checker_core::file::Numbers;
use checker_core::{FileCheck, Verdict};

use super::CheckKind;
use super::book::{Book, Place};
use super::exec;
use super::fields::{choice, fields, noted, place};
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use super::tls;
use crate::id::{Name, Protocol};

const VERDICTS: [(&str, Verdict); 3] =
    [("unknown", Verdict::Unknown), ("up", Verdict::Up), ("down", Verdict::Down)];
const LONGEST_AGE: Duration = Duration::from_secs(366 * 86_400);
const FACTOR_MAX: i32 = 65_535;

fields! {
    /// These keys as far as they were written.
    RawKeys
    path: PathBuf = |book, table, key| {
        tls::file(book, table, key).convert(|path, at| {
            exec::known_placeholders(book, path.to_str().unwrap_or_default(), at).then_some(path)
        })
    };
    numbers: Numbers = |book, table, key| {
        let added = Numbers::Added { factor: 1, base: 1 };
        choice(book, table, key, &[("weight", Numbers::Weight), ("failure", Numbers::Failure), ("added", added)])
    };
    factor: i32 = |book, table, key| table.signed(book, key, -FACTOR_MAX..=FACTOR_MAX);
    missing: Verdict = |book, table, key| choice(book, table, key, &VERDICTS);
    max_age: Duration = |book, table, key| table.duration(book, key, Duration::from_secs(1)..=LONGEST_AGE, "5m");
    stale: Verdict = |book, table, key| choice(book, table, key, &VERDICTS);
}

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawFile {
    at: Place,
    keys: RawKeys,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawFile {
    RawFile { at: table.at, keys: RawKeys::read(book, table), rhythm: rhythm::raw(book, table) }
}

impl RawFile {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self { at: base.at, keys: self.keys.or_else(base.keys), rhythm: self.rhythm.or_else(base.rhythm) }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawFile) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let keys = raw.keys;
    if matches!(keys.path, Given::Absent) {
        book.missing(
            raw.at,
            "path is missing in [virtual_server.check.file]; write the file's absolute path: path = \"/run/holdfast/words/{name}\"",
        );
    }
    if keys.is_wrong() {
        return None;
    }
    let mut numbers = keys.numbers.or(Numbers::default())?;
    match (&mut numbers, keys.factor) {
        (Numbers::Added { factor, .. }, Given::Good(given, _)) => *factor = given,
        (Numbers::Added { .. }, _) => {}
        (_, Given::Good(_, at)) => {
            return noted(
                book,
                at,
                "factor has no effect without numbers = \"added\"; remove it or write that",
            );
        }
        _ => {}
    }
    if let Some(at) = place(&keys.stale).filter(|_| place(&keys.max_age).is_none()) {
        return noted(book, at, "stale has no effect without max_age; remove it or write when a file is old");
    }
    let (rhythm, timeout) = rhythm_and_timeout?;
    let check = FileCheck {
        path: keys.path.good()?,
        numbers,
        missing: keys.missing.or(Verdict::Unknown)?,
        max_age: keys.max_age.good(),
        stale: keys.stale.or(Verdict::Unknown)?,
        timeout,
    };
    // There are no ports, unless the path names one.
    let port = (!check.path.to_str().is_some_and(|path| path.contains("{port}"))).then_some(0);
    Some(Judged { kind: CheckKind::File(check), rhythm, port, protocol: Protocol::Tcp })
}

/// The check with its placeholders filled in for one real server of this weight.
pub(super) fn filled(check: FileCheck, target: SocketAddr, name: &Name, weight: u32) -> FileCheck {
    let path = exec::fill(check.path.to_str().unwrap_or_default(), target, name).into();
    let numbers = match check.numbers {
        Numbers::Added { factor, .. } => Numbers::Added { factor, base: weight },
        other => other,
    };
    FileCheck { path, numbers, ..check }
}
