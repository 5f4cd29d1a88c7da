//! `announce`: how a network is told where the addresses live.
//!
//! Owns the keys and limits of gratuitous ARP and neighbour advertisement. What a network can bear is the core's rule.

use std::time::Duration;

use vrrp_core::Announcements;

use super::super::book::Book;
use super::super::keys;
use super::super::table::{Given, Table};
use super::Announce;

/// Reads `announce`; all defaults when it is absent.
pub(super) fn announce(book: &mut Book<'_>, table: &Table<'_>) -> Option<(Announcements, Announce)> {
    let (usual, own) = (Announcements::default(), Announce::default());
    let table = match table.table(book, "announce", &keys::ROUTER_ANNOUNCE) {
        Given::Good(table, _) => table,
        Given::Absent => return Some((usual, own)),
        Given::Wrong => return None,
    };
    let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
    let count = table.number(book, "count", 1..=20);
    let spacing = table.duration(book, "spacing", Duration::ZERO..=second, "20ms");
    let repeat_after = table.duration(book, "repeat_after", Duration::ZERO..=day, "5s");
    let refresh = table.duration(book, "refresh", Duration::ZERO..=day, "60s").convert(|span, at| {
        let good = span.is_zero() || span >= second;
        if !good {
            book.wrong(at, "refresh: write \"1s\" or more, or \"0s\" for none");
        }
        good.then_some(span)
    });
    let reply = table.switch(book, "reply");
    let rate = table.number(book, "rate", 1..=10_000);
    let some = |span: Duration| (!span.is_zero()).then_some(span);
    let announcements = Announcements {
        rounds: u8::try_from(count.or(usual.rounds.into())?).ok()?,
        spacing: spacing.or(usual.spacing)?,
        repeat_after: some(repeat_after.or(usual.repeat_after.unwrap_or_default())?),
        refresh: some(refresh.or(usual.refresh.unwrap_or_default())?),
    };
    Some((announcements, Announce { reply: reply.or(own.reply)?, rate: rate.or(own.rate)? }))
}
