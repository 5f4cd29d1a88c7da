//! From the texts of the configuration to a [`Config`].
//!
//! Owns the order of the work and the top level of the file: `include`, `[[virtual_server]]`, `[[virtual_router]]`; the other tables have their own modules. Every file is
//! read to its end even when one before it is broken, so that all mistakes come out together.

use std::cell::OnceCell;

use super::alert::{Named, read_alert};
use super::book::{Book, Place, quoted};
use super::checks::read_checks;
use super::dependency::{self, read_dependencies};
use super::keys;
use super::lvs::read_lvs;
use super::router::{Failover, Routers, VirtualRouter, read_failover, virtual_router};
use super::server::{Doubles, virtual_server};
use super::status::read_status;
use super::suggest::nearest;
use super::syntax::{Repaired, tree};
use super::table::{Given, Table};
use super::{Alert, Config, Dependency, Include, Lvs, Mistakes, Source, Status, VirtualServer};
use crate::id::Name;

/// Reads the configuration: the main file first, then what it includes, in order.
///
/// # Errors
/// Every mistake of every file.
pub fn parse(sources: &[Source]) -> Result<Config, Mistakes> {
    let mut book = Book::new(sources);
    let copies: Vec<OnceCell<Repaired>> = sources.iter().map(|_| OnceCell::new()).collect();
    let trees: Vec<_> = sources
        .iter()
        .zip(&copies)
        .enumerate()
        .map(|(index, (source, copy))| tree(&mut book, index, source, copy))
        .collect();
    let mut doubles = Doubles::default();
    let mut lvs: Option<(Lvs, Place)> = None;
    let mut followed = Vec::new();
    let mut status: Option<(Status, Place)> = None;
    let mut sentinels = None;
    let mut alert: Option<(Alert, Place)> = None;
    let mut alert_names = Named::default();
    let mut virtual_servers: Vec<VirtualServer> = Vec::new();
    let mut failover: Option<(Failover, Place)> = None;
    let mut routers = Routers::default();
    let mut virtual_routers: Vec<VirtualRouter> = Vec::new();
    let mut any = false;
    let tables: Vec<Table<'_>> =
        trees.iter().enumerate().map(|(index, tree)| Table::root(&mut book, tree, index)).collect();
    // A parent may stand in a later file.
    let (mut dependencies, mut known) = (Vec::new(), dependency::Known::new());
    for table in &tables {
        read_dependencies(&mut book, table, &mut known, &mut dependencies);
    }
    for (index, table) in tables.iter().enumerate() {
        if index == 0 {
            include(&mut book, table);
        } else if let Given::Good(_, at) = table.texts(&mut book, "include", true, INCLUDE_EXAMPLE) {
            book.wrong(at, "an included file can't include others; move this line to the main file");
        }
        read_lvs(&mut book, table, &mut lvs, &mut followed);
        read_status(&mut book, table, &mut status);
        read_checks(&mut book, table, &mut sentinels);
        read_alert(&mut book, table, &mut alert, &mut alert_names);
        match table.tables(&mut book, "virtual_server", &keys::VIRTUAL_SERVER) {
            Given::Good(tables, _) => {
                any = true;
                virtual_servers.extend(
                    tables.iter().filter_map(|table| virtual_server(&mut book, table, &mut doubles, &known)),
                );
            }
            Given::Wrong => any = true,
            Given::Absent => {}
        }
        read_failover(&mut book, table, &mut failover);
        match table.tables(&mut book, "virtual_router", &keys::VIRTUAL_ROUTER) {
            Given::Good(tables, _) => {
                any = true;
                virtual_routers
                    .extend(tables.iter().filter_map(|table| virtual_router(&mut book, table, &mut routers)));
            }
            Given::Wrong => any = true,
            Given::Absent => {}
        }
    }
    routers.look_up(&mut book, &doubles, &virtual_servers);
    // While some virtual server is wrong, not all names are known.
    if book.is_empty() {
        let known = virtual_servers.iter().map(|server| &server.name).collect();
        see_named(&mut book, "virtual server", known, alert_names.virtual_servers);
        let known = virtual_routers.iter().map(|router| &router.name).collect();
        see_named(&mut book, "virtual router", known, [alert_names.virtual_routers, followed].concat());
    }
    // A broken line may be the header that is missed.
    if !any && !book.has_syntax_mistakes() {
        let at = Place { source: 0, start: 0, end: 0 };
        let blank = sources.iter().all(|source| source.text.trim().is_empty());
        let what =
            if blank { "the configuration is empty" } else { "no virtual server or router is configured" };
        book.missing(at, format!("{what}; write at least one [[virtual_server]]"));
    }
    if book.is_empty() {
        let lvs = lvs.map(|(lvs, _)| lvs).unwrap_or_default();
        let digest = digest(&virtual_servers, &dependencies, &lvs, &virtual_routers);
        let status = status.map(|(status, _)| status).unwrap_or_default();
        let failover = failover.map(|(failover, _)| failover).unwrap_or_default();
        let sentinels = sentinels.map(|(sentinels, _)| sentinels).unwrap_or_default();
        let alert = alert.map(|(alert, _)| alert);
        Ok(Config {
            virtual_servers,
            lvs,
            status,
            sentinels,
            failover,
            virtual_routers,
            dependencies,
            alert,
            digest,
        })
    } else {
        Err(book.into_mistakes())
    }
}

/// Notes the names that are not `known`.
fn see_named(book: &mut Book<'_>, what: &str, known: Vec<&Name>, named: Vec<(Name, Place)>) {
    for (name, at) in named {
        if !known.contains(&&name) {
            let near = nearest(name.as_str(), known.iter().map(|name| name.as_str()));
            let remedy = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            book.wrong(at, format!("there is no {what} \"{name}\"{remedy}"));
        }
    }
}

const INCLUDE_EXAMPLE: &str = "include = [\"conf.d/*.toml\"]";

/// The patterns of `include` in the main file, in their order: paths relative to its folder, with `*` and `?` in the last
/// part. What else is in the file is not looked at.
///
/// # Errors
/// The mistakes in `include`; [`parse`] reports the same ones.
pub fn includes(main: &Source) -> Result<Vec<Include>, Mistakes> {
    let sources = std::slice::from_ref(main);
    let mut quiet = Book::new(sources);
    let copy = OnceCell::new();
    let tree = tree(&mut quiet, 0, main, &copy);
    let table = Table::root(&mut quiet, &tree, 0);
    let mut book = Book::new(sources);
    let patterns = include(&mut book, &table);
    if book.is_empty() { Ok(patterns) } else { Err(book.into_mistakes()) }
}

/// Reads `include`, noting the patterns that make no sense.
fn include(book: &mut Book<'_>, table: &Table<'_>) -> Vec<Include> {
    let given = table.texts(book, "include", false, INCLUDE_EXAMPLE);
    let mut patterns = Vec::new();
    for (pattern, at) in given.good().into_iter().flatten() {
        let (folder, file) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let shown = quoted(pattern);
        if matches!(file, "" | "." | "..") || pattern.contains('\0') {
            book.wrong(at, format!("include {shown} names no file; write one such as \"conf.d/*.toml\""));
        } else if folder.contains(['*', '?']) {
            let remedy = "only the last part may have one";
            book.wrong(at, format!("include {shown} has a wildcard in a folder's name; {remedy}"));
        } else if file.contains(['[', ']', '{', '}']) {
            book.wrong(at, format!("include {shown}: the only wildcards are * and ?"));
        } else {
            let (line, column) = book.position_of(at);
            patterns.push(Include { pattern: pattern.to_owned(), line, column });
        }
    }
    patterns
}

/// FNV-1a of the checked values, so that comments, order of keys and the spelling of numbers do not matter.
fn digest(
    virtual_servers: &[VirtualServer],
    dependencies: &[Dependency],
    lvs: &Lvs,
    virtual_routers: &[VirtualRouter],
) -> String {
    let mut canonical = format!("{virtual_servers:?} {lvs:?}");
    for dependency in dependencies {
        canonical.push_str(&format!(" {dependency:?}"));
    }
    for router in virtual_routers {
        canonical.push_str(&format!(" {router:?}"));
    }
    fnv1a(canonical.as_bytes())
}

/// FNV-1a of 64 bits, in hexadecimal: the same in every build and on every machine.
pub(super) fn fnv1a(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
