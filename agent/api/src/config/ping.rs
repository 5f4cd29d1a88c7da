//! `[virtual_server.check.ping]`.
//!
//! Owns the keys of a check by echo requests and which of them go together. When it runs is in `rhythm`.

use std::time::Duration;

use checker_core::PingCheck;
use checker_core::dns::Timeout;
use checker_core::ping::{COUNT_MAX, SIZE_MAX};

use super::CheckKind;
use super::book::Book;
use super::fields::{fields, noted, place};
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use crate::id::Protocol;

const SHORTEST: Duration = Duration::from_millis(1);

fields! {
    /// These keys as far as they were written.
    RawKeys
    count: u32 = |book, table, key| table.number(book, key, 1..=u32::from(COUNT_MAX));
    min_replies: u32 = |book, table, key| table.number(book, key, 1..=u32::from(COUNT_MAX));
    good_replies: u32 = |book, table, key| table.number(book, key, 1..=u32::from(COUNT_MAX));
    latency_warn: Duration = |book, table, key| table.duration(book, key, SHORTEST..=Timeout::MAX, "50ms");
    latency_max: Duration = |book, table, key| table.duration(book, key, SHORTEST..=Timeout::MAX, "500ms");
    size: u32 = |book, table, key| table.number(book, key, 8..=u32::from(SIZE_MAX));
}

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawPing {
    keys: RawKeys,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawPing {
    RawPing { keys: RawKeys::read(book, table), rhythm: rhythm::raw(book, table) }
}

impl RawPing {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self { keys: self.keys.or_else(base.keys), rhythm: self.rhythm.or_else(base.rhythm) }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawPing) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let keys = raw.keys;
    if keys.is_wrong() {
        return None;
    }
    let count = keys.count.or(1)?;
    let min = keys.min_replies.or(1)?;
    let good = keys.good_replies.or(min)?;
    for (key, replies, at) in
        [("min_replies", min, place(&keys.min_replies)), ("good_replies", good, place(&keys.good_replies))]
    {
        if let Some(at) = at.filter(|_| replies > count) {
            return noted(
                book,
                at,
                format!("{key} = {replies} can't be reached with count = {count}; write at most {count}"),
            );
        }
    }
    if let Some(at) = place(&keys.good_replies).filter(|_| good < min) {
        return noted(
            book,
            at,
            format!(
                "good_replies = {good} is below min_replies = {min}, so it would never count; write at least {min}"
            ),
        );
    }
    if let (Some(at), Some(warn), Some(max)) =
        (place(&keys.latency_warn), keys.latency_warn.good(), keys.latency_max.good())
        && warn >= max
    {
        return noted(
            book,
            at,
            "latency_warn is not below latency_max, so it would never be seen; make it less",
        );
    }
    let (rhythm, timeout) = rhythm_and_timeout?;
    let check = PingCheck {
        count: u8::try_from(count).ok()?,
        min_replies: u8::try_from(min).ok()?,
        good_replies: u8::try_from(good.min(count)).ok()?,
        latency_warn: keys.latency_warn.good(),
        latency_max: keys.latency_max.good(),
        size: u16::try_from(keys.size.or(56)?).ok()?,
        timeout,
    };
    // There are no ports.
    Some(Judged { kind: CheckKind::Ping(check), rhythm, port: Some(0), protocol: Protocol::Udp })
}
