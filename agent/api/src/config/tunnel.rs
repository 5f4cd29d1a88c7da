//! `tunnel = { … }`: how a packet to a real server is wrapped.
//!
//! Owns which encapsulation has which options (`linux/ip_vs.h`, `IP_VS_CONN_F_TUNNEL_TYPE_*`). Whether the running kernel has
//! it, the kernel says itself.

use std::num::NonZeroU16;

use super::book::Book;
use super::lvs::word;
use super::table::{Given, Table};
use super::{Checksum, Tunnel, keys};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ipip,
    Gue,
    Gre,
}

/// Reads `tunnel`.
pub(super) fn tunnel(book: &mut Book<'_>, table: &Table<'_>) -> Given<Tunnel> {
    table.table(book, "tunnel", &keys::TUNNEL).convert(|table, _| {
        let kinds = [("ipip", Kind::Ipip), ("gue", Kind::Gue), ("gre", Kind::Gre)];
        let kind = word(book, &table, "type", &kinds);
        if matches!(kind, Given::Absent) {
            table.note_missing(book, "type", "type = \"gre\"");
        }
        let port = table.number(book, "port", 1..=65_535);
        let sums = [("none", Checksum::None), ("full", Checksum::Full), ("remote", Checksum::Remote)];
        let checksum = word(book, &table, "checksum", &sums);
        let kind = kind.good()?;
        let mut fits = true;
        if let (Given::Good(_, at), Kind::Ipip | Kind::Gre) = (port, kind) {
            book.wrong(at, "port is for type = \"gue\" only; remove it");
            fits = false;
        }
        match (checksum, kind) {
            (Given::Good(_, at), Kind::Ipip) => {
                book.wrong(at, "checksum is for type = \"gue\" and \"gre\" only; remove it");
                fits = false;
            }
            (Given::Good(Checksum::Remote, at), Kind::Gre) => {
                book.wrong(
                    at,
                    "checksum = \"remote\" is for type = \"gue\" only; write \"full\" or \"none\"",
                );
                fits = false;
            }
            _ => {}
        }
        let checksum = checksum.or(Checksum::None);
        match kind {
            _ if !fits => None,
            Kind::Ipip => Some(Tunnel::Ipip),
            Kind::Gre => Some(Tunnel::Gre { checksum: checksum? }),
            Kind::Gue => {
                if matches!(port, Given::Absent) {
                    table.note_missing(book, "port", "port = 6080, where the real server listens");
                }
                let port = u16::try_from(port.good()?).ok().and_then(NonZeroU16::new)?;
                Some(Tunnel::Gue { port, checksum: checksum? })
            }
        }
    })
}
