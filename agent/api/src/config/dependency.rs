//! `[[dependency]]` and `parent`: what real servers can't be judged without.
//!
//! Owns the dependencies and the looking up of a parent by its name. How one is checked is read as for a real server.

use std::collections::BTreeMap;

use super::address::{Purpose, address};
use super::book::{Book, Place, quoted};
use super::keys;
use super::kinds;
use super::marks::ProbeMarks;
use super::real_server::{completed, same_family};
use super::server::{noted, probe_source, unique_name};
use super::suggest::nearest;
use super::table::{Given, Table};
use super::{DEPENDENCIES_MAX, Dependency};
use crate::id::Name;

/// Where each dependency is, by name; also of those with mistakes.
pub(super) type Known<'t> = BTreeMap<&'t str, Place>;

/// Reads the dependencies of one file.
pub(super) fn read_dependencies<'t>(
    book: &mut Book<'_>,
    file: &Table<'t>,
    known: &mut Known<'t>,
    dependencies: &mut Vec<Dependency>,
) {
    let Given::Good(tables, at) = file.tables(book, "dependency", &keys::DEPENDENCY) else { return };
    for table in &tables {
        dependencies.extend(dependency(book, table, known));
    }
    if known.len() > DEPENDENCIES_MAX {
        book.wrong(at, format!("there are {} dependencies; {DEPENDENCIES_MAX} are the most", known.len()));
    }
}

fn dependency<'t>(book: &mut Book<'_>, table: &Table<'t>, known: &mut Known<'t>) -> Option<Dependency> {
    let name = unique_name(book, table, known, "dependency", "name = \"router\"");
    let ip = table
        .needed(book, "address", "address = \"192.0.2.1\"")
        .convert(|text, at| noted(book, "address", at, address(text, Purpose::RealServer)));
    let source = probe_source(book, table);
    same_family(book, source, ip);
    let judged = match kinds::raw(book, table) {
        Given::Good(raw, _) => kinds::judged(book, raw, Some(&[])),
        Given::Wrong => None,
        Given::Absent => {
            table.note_missing(book, "check", "check.tcp = { port = 22 }");
            None
        }
    };
    let (name, ip, source, judged) = (name?, ip.good()?, source.optional()?, judged?);
    let require = judged.require;
    let checks =
        completed(book, table, judged, (ip, source, ProbeMarks::default()), None, Some(&[]), (&name, 0))?;
    Some(Dependency { name, address: ip, checks, require })
}

/// `parent`, which must be a known dependency.
pub(super) fn parent(book: &mut Book<'_>, table: &Table<'_>, known: &Known<'_>) -> Given<usize> {
    table.text(book, "parent", "parent = \"router\"").convert(|text, at| {
        let found = known.keys().position(|name| *name == text);
        if found.is_none() {
            let remedy = match nearest(text, known.keys().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "write a [[dependency]] of that name".to_owned(),
            };
            book.wrong(at, format!("there is no dependency {}; {remedy}", quoted(text)));
        }
        found
    })
}

/// The name of the parent number `index`.
pub(super) fn name_of(known: &Known<'_>, index: usize) -> Option<Name> {
    known.keys().nth(index).and_then(|name| name.parse().ok())
}
