//! `[failover]`: what holds for all virtual routers of this machine.
//!
//! Owns how urgently `vipd` runs. Whether the machine grants that is seen at its start, not here.

use super::super::book::{Book, Place};
use super::super::keys;
use super::super::table::{Given, Table};

/// `[failover]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failover {
    /// `realtime_priority`: SCHED_RR priority of `vipd`, 1 to 99; 0 is none. Default 50.
    pub realtime_priority: u8,
    /// `lock_memory`: whether its memory is kept from being paged out. Default true.
    pub lock_memory: bool,
}

impl Default for Failover {
    fn default() -> Self {
        Self { realtime_priority: 50, lock_memory: true }
    }
}

/// Reads `[failover]`, which may stand in one file only.
pub(in super::super) fn read_failover(
    book: &mut Book<'_>,
    table: &Table<'_>,
    failover: &mut Option<(Failover, Place)>,
) {
    let Given::Good(table, at) = table.table(book, "failover", &keys::FAILOVER) else { return };
    if let Some((_, first)) = failover {
        let first = book.name_of(*first);
        book.wrong(at, format!("[failover] is there already, at {first}; put all its keys into one"));
        return;
    }
    let default = Failover::default();
    let priority = table.number(book, "realtime_priority", 0..=99);
    let lock = table.switch(book, "lock_memory");
    let priority = priority.or(default.realtime_priority.into()).and_then(|number| u8::try_from(number).ok());
    if let (Some(realtime_priority), Some(lock_memory)) = (priority, lock.or(default.lock_memory)) {
        *failover = Some((Failover { realtime_priority, lock_memory }, at));
    }
}
