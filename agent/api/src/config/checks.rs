//! `[checks]`: what holds for all checks.
//!
//! Owns the sentinels: where they are. It never asks them.

use std::net::SocketAddr;

use super::book::{Book, Place, quoted};
use super::keys;
use super::table::{Given, Table};

/// The most sentinels.
const MOST: usize = 16;

/// Reads `[checks]`, which may stand in one file only.
pub(super) fn read_checks(
    book: &mut Book<'_>,
    table: &Table<'_>,
    sentinels: &mut Option<(Vec<SocketAddr>, Place)>,
) {
    let Given::Good(table, at) = table.table(book, "checks", &keys::CHECKS) else { return };
    if let Some((_, first)) = sentinels {
        let first = book.name_of(*first);
        book.wrong(at, format!("[checks] is there already, at {first}; put all its keys into one"));
        return;
    }
    let example = "sentinels = [\"192.0.2.1:22\"]";
    let mut all = Vec::new();
    if let Given::Good(words, at) = table.texts(book, "sentinels", false, example) {
        if words.len() > MOST {
            book.wrong(at, format!("sentinels has {} addresses; {MOST} are the most", words.len()));
        }
        for (word, at) in words {
            match word.parse::<SocketAddr>() {
                Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => all.push(address),
                _ => book.wrong(
                    at,
                    format!(
                        "sentinel {} is no address with a port; write one such as \"192.0.2.1:22\"",
                        quoted(word)
                    ),
                ),
            }
        }
    }
    *sentinels = Some((all, at));
}
