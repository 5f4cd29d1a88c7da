//! `[virtual_server.check]`: which kind of check it is.
//!
//! Owns the choice between the kinds, how a real server's own table overlays that of its virtual server, and what every kind
//! becomes. The keys of a kind are read in its own module.

use checker_core::dns::Transport;

use super::book::{Book, Place};
use super::check::{self as dns};
use super::exec::{self, RawExec};
use super::keys;
use super::table::{Given, Table};
use super::talk::{self, RawTalk};
use super::{CheckKind, Rhythm, Service};
use crate::id::Protocol;

/// A check as far as it was written: any key may still come from the virtual server.
#[derive(Debug, Clone)]
pub(super) enum RawCheck<'t> {
    Dns(Box<dns::RawCheck<'t>>),
    Talk(Transport, RawTalk<'t>),
    Exec(RawExec<'t>),
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

/// Reads the check of a virtual or real server, whose table is `owner`.
pub(super) fn raw<'t>(book: &mut Book<'_>, owner: &Table<'t>) -> Given<RawCheck<'t>> {
    let check = match owner.table(book, "check", &keys::CHECK) {
        Given::Good(check, _) => check,
        Given::Absent => return Given::Absent,
        Given::Wrong => return Given::Wrong,
    };
    let dns = check.table(book, "dns", &keys::DNS);
    let tcp = check.table(book, "tcp", &keys::TCP);
    let udp = check.table(book, "udp", &keys::UDP);
    let exec = check.table(book, "exec", &keys::EXEC);
    if check.is_empty() {
        check.note_missing(book, "dns", "[virtual_server.check.dns]");
        return Given::Wrong;
    }
    let mut found: Option<(RawCheck<'t>, Place)> = None;
    let mut wrong = false;
    let mut take = |book: &mut Book<'_>, given: Given<RawCheck<'t>>| match given {
        Given::Absent => {}
        Given::Wrong => wrong = true,
        Given::Good(raw, at) => match &found {
            None => found = Some((raw, at)),
            Some((_, first)) => {
                let first = book.name_of(*first);
                book.wrong(
                    at,
                    format!("this is a second check, the first is at {first}; remove one of them"),
                );
                wrong = true;
            }
        },
    };
    let read = dns.convert(|table, _| Some(RawCheck::Dns(Box::new(dns::raw_dns(book, &table)))));
    take(book, read);
    let read = tcp.convert(|table, _| Some(RawCheck::Talk(Transport::Tcp, talk::raw(book, &table))));
    take(book, read);
    let read = udp.convert(|table, _| Some(RawCheck::Talk(Transport::Udp, talk::raw(book, &table))));
    take(book, read);
    let read = exec.convert(|table, _| Some(RawCheck::Exec(exec::raw(book, &table))));
    take(book, read);
    match found {
        Some((raw, at)) if !wrong => Given::Good(raw, at),
        _ => Given::Wrong,
    }
}

/// `own`, with what it leaves out from `base` when that is of the same kind. A check of another kind stands alone.
pub(super) fn merged<'t>(own: Given<RawCheck<'t>>, base: &Given<RawCheck<'t>>) -> Given<RawCheck<'t>> {
    let (own, at, base) = match (own, base) {
        (Given::Good(own, at), Given::Good(base, _)) => (own, at, base.clone()),
        (Given::Good(..), Given::Wrong) => return Given::Wrong,
        (own, base) => return own.or_else(base.clone()),
    };
    let merged = match (own, base) {
        (RawCheck::Dns(own), RawCheck::Dns(base)) => RawCheck::Dns(Box::new(dns::merged(*own, *base))),
        (RawCheck::Talk(over, own), RawCheck::Talk(same, base)) if over == same => {
            RawCheck::Talk(over, own.or_else(base))
        }
        (RawCheck::Exec(own), RawCheck::Exec(base)) => RawCheck::Exec(own.or_else(base)),
        (own, _) => own,
    };
    Given::Good(merged, at)
}

/// The check that `raw` makes, for a pool with these services. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawCheck<'_>, services: Option<&[Service]>) -> Option<Judged> {
    match raw {
        RawCheck::Dns(raw) => dns::judged(book, *raw, services),
        RawCheck::Talk(transport, raw) => talk::judged(book, raw, transport),
        RawCheck::Exec(raw) => exec::judged(book, raw, services),
    }
}
