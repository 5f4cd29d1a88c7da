//! How the kernel chooses a real server: `scheduler`, `scheduler_flags`, `one_packet`, `persistence`.
//!
//! Owns the schedulers that are known and what may be combined with them (`linux/ip_vs.h`). It does not know
//! which ones a running kernel has: the kernel says so itself.

use std::time::Duration;

use super::book::{Book, listed, quoted};
use super::keys;
use super::lvs::word;
use super::server::Families;
use super::suggest::nearest;
use super::table::{Given, Table};
use super::{Engine, Persistence, Scheduling, Service};
use crate::id::Protocol;

/// What a virtual server serves, as far as it is known.
pub(super) struct Served<'l> {
    pub(super) families: Option<Families>,
    pub(super) services: Option<&'l [Service]>,
    /// Whether there are firewall marks.
    pub(super) marked: bool,
}

/// The kernel's schedulers.
const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];

/// Flag, the scheduler that gives it its meaning, and its bit.
const FLAGS: [(&str, Option<&str>, u8); 7] = [
    ("flag-1", None, 1),
    ("flag-2", None, 2),
    ("flag-3", None, 4),
    ("sh-fallback", Some("sh"), 1),
    ("sh-port", Some("sh"), 2),
    ("mh-fallback", Some("mh"), 1),
    ("mh-port", Some("mh"), 2),
];

const DAY: u64 = 86_400;

/// Reads the keys of a virtual server, `one_packet` excepted. `None` when one of them is wrong, which has been noted.
pub(super) fn scheduling(
    book: &mut Book<'_>,
    table: &Table<'_>,
    served: &Served<'_>,
    one_packet: Given<bool>,
) -> Option<Scheduling> {
    let services = served.services;
    let scheduler = table.text(book, "scheduler", "scheduler = \"wrr\"").convert(|name, at| {
        if SCHEDULERS.contains(&name) {
            return Some(name);
        }
        book.wrong(
            at,
            match nearest(name, SCHEDULERS) {
                Some(near) => format!("unknown scheduler {}; did you mean {near:?}?", quoted(name)),
                None => {
                    format!("unknown scheduler {}; the schedulers are {}", quoted(name), listed(SCHEDULERS))
                }
            },
        );
        None
    });
    let flags = flags(book, table, scheduler.or(DEFAULT_SCHEDULER));
    let one_packet = one_packet.convert(|on, at| {
        let without = |all: &[Service]| all.iter().all(|service| service.protocol != Protocol::Udp);
        if on && !served.marked && services.is_some_and(without) {
            book.wrong(
                at,
                "one_packet needs a UDP service; remove it or add one, as in services = [\"udp/53\"]",
            );
            return None;
        }
        Some(on)
    });
    let persistence = persistence(book, table, served.families);
    let every_port = services.is_some_and(|all| all.iter().any(|service| service.port == 0));
    if every_port && matches!(persistence, Given::Absent) {
        table.note_missing(
            book,
            "persistence",
            "persistence = { timeout = \"5m\" }, without which the kernel refuses the packets of a service with port 0",
        );
        return None;
    }
    if let Given::Good(Persistence { engine: Some(Engine::Sip), .. }, at) = persistence
        && services.is_some_and(|all| all.iter().any(|service| service.protocol != Protocol::Udp))
    {
        book.wrong(
            at,
            "the engine \"sip\" knows UDP only; leave the other services to a virtual server of their own",
        );
        return None;
    }
    Some(Scheduling {
        scheduler: scheduler.or(DEFAULT_SCHEDULER)?.to_owned(),
        flags: flags.or(0)?,
        one_packet: one_packet.or(false)?,
        persistence: match persistence {
            Given::Absent => None,
            Given::Wrong => return None,
            Given::Good(persistence, _) => Some(persistence),
        },
    })
}

const DEFAULT_SCHEDULER: &str = "wlc";

fn flags(book: &mut Book<'_>, table: &Table<'_>, scheduler: Option<&str>) -> Given<u8> {
    let example = "scheduler_flags = [\"sh-fallback\", \"sh-port\"]";
    table.texts(book, "scheduler_flags", false, example).convert(|words, _| {
        let mut bits = Some(0_u8);
        for (word, at) in words {
            let message = match FLAGS.iter().find(|(name, ..)| *name == word) {
                None => {
                    let names = FLAGS.iter().map(|(name, ..)| *name);
                    format!("unknown scheduler flag {}; the flags are {}", quoted(word), listed(names))
                }
                Some((_, Some(needs), _)) if scheduler.is_some_and(|scheduler| scheduler != *needs) => {
                    let has = scheduler.unwrap_or_default();
                    format!("{word} needs scheduler = {needs:?}, not {has:?}; change one of them or remove the flag")
                }
                Some((.., bit)) if bits.is_some_and(|bits| bits & bit != 0) => {
                    format!("{word} is set already by a flag before it; remove it")
                }
                Some((.., bit)) => {
                    bits = bits.map(|bits| bits | bit);
                    continue;
                }
            };
            book.wrong(at, message);
            bits = None;
        }
        bits
    })
}

fn persistence(book: &mut Book<'_>, table: &Table<'_>, families: Option<Families>) -> Given<Persistence> {
    table.table(book, "persistence", &keys::PERSISTENCE).convert(|table, _| {
        let example = "timeout = \"5m\"";
        let limits = Duration::from_secs(1)..=Duration::from_secs(31 * DAY);
        let timeout = table.duration(book, "timeout", limits, "5m").convert(|timeout, at| {
            if timeout.subsec_nanos() == 0 {
                return Some(timeout);
            }
            book.wrong(
                at,
                format!("persistence counts whole seconds; write timeout = \"{}s\"", timeout.as_secs() + 1),
            );
            None
        });
        if matches!(timeout, Given::Absent) {
            table.note_missing(book, "timeout", example);
        }
        let longest = if families.is_some_and(|families| !families.ipv6) { 32 } else { 128 };
        let both = families.is_some_and(|families| families.ipv4 && families.ipv6);
        let prefix = table.number(book, "prefix", 1..=longest).convert(|prefix, at| {
            if both {
                book.wrong(
                    at,
                    "prefix means another size of network for IPv4 than for IPv6, and this virtual server has both; leave it out, or make \
                     a virtual server for each",
                );
            }
            (!both).then_some(prefix)
        });
        let prefix = prefix.or(longest);
        let engine = word(book, &table, "engine", &[("sip", Engine::Sip)]);
        let engine = match engine {
            Given::Good(engine, _) => Some(engine),
            Given::Absent => None,
            Given::Wrong => return None,
        };
        Some(Persistence { timeout: timeout.good()?, prefix: u8::try_from(prefix?).ok()?, engine })
    })
}
