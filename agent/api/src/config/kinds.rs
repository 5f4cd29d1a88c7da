//! `[virtual_server.check]`: which checks there are, and how many of them must pass.
//!
//! Owns the choice between the kinds, the names of several checks, `require` and `advisory`, how a real server's own tables overlay
//! those of its virtual server, and what every kind becomes. The keys of a kind are read in its own module.

use std::net::IpAddr;

use checker_core::dns::Transport;

use super::address::{Purpose, address};
use super::book::{Book, Place, quoted};
use super::check::{self as dns};
use super::exec::{self, RawExec};
use super::file::{self, RawFile};
use super::http::{self, RawHttp};
use super::keys;
use super::ping::{self, RawPing};
use super::server::noted;
use super::smtp::{self, RawSmtp};
use super::table::{At, Given, Number, Table};
use super::talk::{self, RawTalk};
use super::{CHECKS_MAX, CheckKind, Rhythm, Service};
use crate::id::{Name, Protocol};

/// A check as far as it was written: any key may still come from the virtual server.
#[derive(Debug, Clone)]
pub(super) enum RawCheck<'t> {
    Dns(Box<dns::RawCheck<'t>>),
    Talk(Transport, Box<RawTalk>),
    /// And whether over TLS.
    Http(bool, Box<RawHttp>),
    Ping(Box<RawPing>),
    Smtp(Box<RawSmtp>),
    File(Box<RawFile>),
    Exec(Box<RawExec<'t>>),
}

/// One of several checks.
#[derive(Debug, Clone)]
struct RawOne<'t> {
    name: &'t str,
    at: Place,
    advisory: Given<bool>,
    /// `address`, of the kinds that go to one.
    address: Given<IpAddr>,
    /// `source_port`, of the kinds that have connections or datagrams of their own.
    source_port: Given<u32>,
    raw: RawCheck<'t>,
}

/// All checks of a virtual or real server, as far as they were written.
#[derive(Debug, Clone)]
pub(super) struct RawChecks<'t> {
    at: Place,
    require: Given<Require>,
    list: Vec<RawOne<'t>>,
}

/// `require`: how many of the checks must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Require {
    All,
    Any,
    Number(u32),
}

/// A check that is complete.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is asked and expected. The port in it is the default one.
    pub(super) kind: CheckKind,
    /// When.
    pub(super) rhythm: Rhythm,
    /// `port`, if it is there.
    pub(super) port: Option<u16>,
    /// Over which protocol the question goes first.
    pub(super) protocol: Protocol,
}

/// One of several checks, complete.
#[derive(Debug)]
pub(super) struct JudgedCheck {
    pub(super) name: String,
    /// Whether it only warns.
    pub(super) advisory: bool,
    /// Where it goes, if not to the address of the real server.
    pub(super) address: Option<At<IpAddr>>,
    /// Where it comes from, if not from a fresh port each time.
    pub(super) source_port: Option<u16>,
    pub(super) judged: Judged,
}

/// Checks that are complete.
#[derive(Debug)]
pub(super) struct JudgedChecks {
    pub(super) list: Vec<JudgedCheck>,
    /// How many of those that do more than warn must pass.
    pub(super) require: u32,
}

/// The kinds, in the order in which their checks are told.
const KINDS: [(&str, &keys::Kind); 9] = [
    ("dns", &keys::DNS),
    ("tcp", &keys::TCP),
    ("udp", &keys::UDP),
    ("http", &keys::HTTP),
    ("https", &keys::HTTPS),
    ("ping", &keys::PING),
    ("smtp", &keys::SMTP),
    ("file", &keys::FILE_CHECK),
    ("exec", &keys::EXEC),
];

/// Reads the table of a check of the kind `word`.
fn raw_one<'t>(book: &mut Book<'_>, word: &str, table: &Table<'t>) -> RawCheck<'t> {
    match word {
        "tcp" => RawCheck::Talk(Transport::Tcp, Box::new(talk::raw(book, table, Transport::Tcp))),
        "udp" => RawCheck::Talk(Transport::Udp, Box::new(talk::raw(book, table, Transport::Udp))),
        "http" => RawCheck::Http(false, Box::new(http::raw(book, table))),
        "https" => RawCheck::Http(true, Box::new(http::raw(book, table))),
        "ping" => RawCheck::Ping(Box::new(ping::raw(book, table))),
        "smtp" => RawCheck::Smtp(Box::new(smtp::raw(book, table))),
        "file" => RawCheck::File(Box::new(file::raw(book, table))),
        "exec" => RawCheck::Exec(Box::new(exec::raw(book, table))),
        _ => RawCheck::Dns(Box::new(dns::raw_dns(book, table))),
    }
}

/// Reads the checks of a virtual or real server, whose table is `owner`.
pub(super) fn raw<'t>(book: &mut Book<'_>, owner: &Table<'t>) -> Given<RawChecks<'t>> {
    let (check, at) = match owner.table(book, "check", &keys::CHECK) {
        Given::Good(check, at) => (check, at),
        Given::Absent => return Given::Absent,
        Given::Wrong => return Given::Wrong,
    };
    if check.is_empty() {
        check.note_missing(book, "dns", "[virtual_server.check.dns]");
        return Given::Wrong;
    }
    let mut checks = RawChecks { at: check.at, require: require(book, &check), list: Vec::new() };
    let mut wrong = false;
    for (word, kind) in KINDS {
        let tables = match check.one_or_more(book, word, kind) {
            Given::Good(tables, _) => tables,
            Given::Absent => continue,
            Given::Wrong => {
                wrong = true;
                continue;
            }
        };
        for table in tables {
            let name = match table.text(book, "name", "name = \"zone\"") {
                Given::Good(name, at) => match name.parse::<Name>() {
                    Ok(_) => name,
                    Err(error) => {
                        book.wrong(at, format!("{error}; write one such as name = \"zone\""));
                        wrong = true;
                        continue;
                    }
                },
                Given::Absent => word,
                Given::Wrong => {
                    wrong = true;
                    continue;
                }
            };
            if let Some(first) = checks.list.iter().find(|one| one.name == name) {
                let first = book.name_of(first.at);
                book.wrong(
                    table.at,
                    format!(
                        "another check is called {} already, at {first}; give each its own: name = \"zone\"",
                        quoted(name)
                    ),
                );
                wrong = true;
                continue;
            }
            let advisory = table.switch(book, "advisory");
            let address = table
                .text(book, "address", "address = \"10.1.53.2\"")
                .convert(|text, at| noted(book, "address", at, address(text, Purpose::RealServer)));
            // Those below take a privilege that checkd does not have.
            let source_port = table.number(book, "source_port", 1_024..=65_535);
            let raw = raw_one(book, word, &table);
            checks.list.push(RawOne { name, at: table.at, advisory, address, source_port, raw });
        }
    }
    if checks.list.len() > CHECKS_MAX {
        book.wrong(at, format!("there are {} checks; {CHECKS_MAX} are the most", checks.list.len()));
        wrong = true;
    }
    // Then there is only what was complained of already.
    wrong |= checks.list.is_empty() && matches!(checks.require, Given::Absent);
    if wrong { Given::Wrong } else { Given::Good(checks, at) }
}

fn require(book: &mut Book<'_>, table: &Table<'_>) -> Given<Require> {
    let most = u32::try_from(CHECKS_MAX).unwrap_or(u32::MAX);
    let given = table.number_or_word(book, "require", 1..=most, &["all", "any"]);
    given.convert(|number, _| {
        Some(match number {
            Number::Number(number) => Require::Number(number),
            Number::Word("any") => Require::Any,
            Number::Word(_) => Require::All,
        })
    })
}

/// `own`, with what it leaves out from `base`.
///
/// Checks of the same name and kind overlay each other, the others of `base` stay. When `own` has a check that `base` has not, its
/// checks are all there are.
pub(super) fn merged<'t>(own: Given<RawChecks<'t>>, base: &Given<RawChecks<'t>>) -> Given<RawChecks<'t>> {
    let (own, at, base) = match (own, base) {
        (Given::Good(own, at), Given::Good(base, _)) => (own, at, base.clone()),
        (Given::Good(..), Given::Wrong) => return Given::Wrong,
        (own, base) => return own.or_else(base.clone()),
    };
    let overlays = own.list.iter().all(|one| base.list.iter().any(|other| other.name == one.name));
    let require = if overlays { own.require.or_else(base.require) } else { own.require };
    let under = |one: RawOne<'t>| match base.list.iter().find(|other| other.name == one.name) {
        Some(other) => overlaid(one, other.clone()),
        None => one,
    };
    let mut list: Vec<RawOne<'t>> = own.list.into_iter().map(under).collect();
    if overlays {
        let rest = base.list.iter().map(|one| {
            let at = list.iter().position(|other| other.name == one.name);
            at.map_or_else(|| one.clone(), |at| list.swap_remove(at))
        });
        list = rest.collect();
    }
    Given::Good(RawChecks { at: own.at, require, list }, at)
}

/// One check over another of the same name. One of another kind stands alone.
fn overlaid<'t>(own: RawOne<'t>, base: RawOne<'t>) -> RawOne<'t> {
    let raw = match (own.raw, base.raw) {
        (RawCheck::Dns(own), RawCheck::Dns(base)) => RawCheck::Dns(Box::new(dns::merged(*own, *base))),
        (RawCheck::Talk(over, own), RawCheck::Talk(same, base)) if over == same => {
            RawCheck::Talk(over, Box::new(own.or_else(*base)))
        }
        (RawCheck::Http(over, own), RawCheck::Http(same, base)) if over == same => {
            RawCheck::Http(over, Box::new(own.or_else(*base)))
        }
        (RawCheck::Ping(own), RawCheck::Ping(base)) => RawCheck::Ping(Box::new(own.or_else(*base))),
        (RawCheck::Smtp(own), RawCheck::Smtp(base)) => RawCheck::Smtp(Box::new(own.or_else(*base))),
        (RawCheck::File(own), RawCheck::File(base)) => RawCheck::File(Box::new(own.or_else(*base))),
        (RawCheck::Exec(own), RawCheck::Exec(base)) => RawCheck::Exec(Box::new(own.or_else(*base))),
        (own, _) => own,
    };
    let (advisory, address) = (own.advisory.or_else(base.advisory), own.address.or_else(base.address));
    RawOne { raw, advisory, address, source_port: own.source_port.or_else(base.source_port), ..own }
}

/// Notes addresses in the checks of a virtual server: one machine would speak for all real servers.
pub(super) fn without_addresses<'t>(
    book: &mut Book<'_>,
    given: Given<RawChecks<'t>>,
) -> Given<RawChecks<'t>> {
    given.convert(|checks, _| {
        let mut good = true;
        for one in &checks.list {
            if let Given::Good(address, at) = one.address {
                good = false;
                let message = format!(
                    "with address = \"{address}\" here one machine would speak for all real servers; write it in the check of the real \
                     server that it speaks for, or a [[dependency]]"
                );
                book.wrong(at, message);
            }
        }
        good.then_some(checks)
    })
}

/// The checks that `raw` makes, for a pool with these services. `None` when something is wrong, which has been noted.
pub(super) fn judged(
    book: &mut Book<'_>,
    raw: RawChecks<'_>,
    services: Option<&[Service]>,
) -> Option<JudgedChecks> {
    let RawChecks { at, require, list } = raw;
    if list.is_empty() {
        book.missing(at, "dns is missing in [virtual_server.check]; write [virtual_server.check.dns]");
        return None;
    }
    let advisory: Vec<Option<bool>> = list.iter().map(|one| one.advisory.or(false)).collect();
    let counted = advisory.iter().filter(|advisory| **advisory != Some(true)).count();
    let counted = u32::try_from(counted).unwrap_or(u32::MAX);
    let mut good = true;
    if counted == 0 {
        let message = "every check is advisory, so nothing could take a real server out; leave at least one of them as it is";
        book.missing(at, message);
        good = false;
    }
    let needed = match require {
        Given::Absent | Given::Good(Require::All, _) => counted,
        Given::Good(Require::Any, _) => 1,
        Given::Good(Require::Number(number), at) => {
            if number > counted && counted > 0 {
                let message = format!(
                    "require = {number} can't be reached with {counted} checks that count; write 1 to {counted}, \"all\" or \"any\""
                );
                book.missing(at, message);
                good = false;
            }
            number
        }
        Given::Wrong => {
            good = false;
            1
        }
    };
    // All of them are looked at, to find all mistakes.
    let list: Vec<Option<JudgedCheck>> = list
        .into_iter()
        .zip(advisory)
        .map(|(one, advisory)| {
            let judged = match one.raw {
                RawCheck::Dns(raw) => dns::judged(book, *raw, services),
                RawCheck::Talk(transport, raw) => talk::judged(book, *raw, transport),
                RawCheck::Http(secured, raw) => http::judged(book, *raw, secured),
                RawCheck::Ping(raw) => ping::judged(book, *raw),
                RawCheck::Smtp(raw) => smtp::judged(book, *raw),
                RawCheck::File(raw) => file::judged(book, *raw),
                RawCheck::Exec(raw) => exec::judged(book, *raw, services),
            };
            let address = match one.address.not_wrong()? {
                Given::Good(address, at) => Some((address, at)),
                _ => None,
            };
            let source_port = one.source_port.not_wrong()?.good().and_then(|port| u16::try_from(port).ok());
            let name = one.name.to_owned();
            Some(JudgedCheck { name, advisory: advisory?, address, source_port, judged: judged? })
        })
        .collect();
    let list = list.into_iter().collect::<Option<Vec<_>>>()?;
    good.then_some(JudgedChecks { list, require: needed })
}
