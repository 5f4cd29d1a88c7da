//! `track`: what a virtual router's priority hangs on.
//!
//! Owns the forms of an entry. The arithmetic is [`vrrp_core::track`]'s, the watching `vipd`'s.

use std::time::Duration;

use vrrp_core::track::{Effect, Tracker};

use super::super::book::{Book, quoted};
use super::super::keys;
use super::super::lvs::word;
use super::super::table::{Given, Table};
use super::addresses::{all, interface};
use super::hooks::{command, path};
use super::read::Wanted;
use super::{Script, Track, Tracked, effect_of};
use crate::id::Name;

const KINDS: [&str; 6] = ["virtual_server", "director", "interface", "script", "process", "file"];
/// The most entries of a router.
const MOST: usize = 64;
/// As many octets of a process's name as the kernel keeps.
const PROCESS_MAX: usize = 15;

/// When a virtual server counts as bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BelowQuorum,
    Score,
}

/// Reads `track`; nothing is tracked when it is absent. Names of virtual servers are `wanted`.
pub(super) fn track<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    wanted: &mut Wanted<'t>,
) -> Option<Vec<Track>> {
    match table.tables(book, "track", &keys::ROUTER_TRACK) {
        Given::Good(tables, at) => {
            if tables.len() > MOST {
                book.wrong(at, format!("track has {} entries; {MOST} are the most", tables.len()));
                return None;
            }
            all(tables.into_iter().map(|table| entry(book, &table, wanted)))
        }
        Given::Absent => Some(Vec::new()),
        Given::Wrong => None,
    }
}

fn entry<'t>(book: &mut Book<'_>, table: &Table<'t>, wanted: &mut Wanted<'t>) -> Option<Track> {
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| table.has(kind).is_some()).collect();
    let [kind] = kinds.as_slice() else {
        let example = "track = [{ virtual_server = \"resolver\", when = \"below_quorum\", priority = -100 }]";
        let what = if kinds.is_empty() {
            "this entry of track names nothing to track".to_owned()
        } else {
            format!("this entry of track names {}; make an entry of each", kinds.join(" and "))
        };
        book.wrong(table.at, format!("{what}; write {example}"));
        return None;
    };
    let own: &[&str] = match *kind {
        "virtual_server" => &["when", "priority"],
        "script" => &["interval", "timeout", "rise", "fall", "priority"],
        "process" => &["count", "priority"],
        "file" => &["factor"],
        _ => &["priority"],
    };
    let mut fits = true;
    for key in ["when", "interval", "timeout", "rise", "fall", "count", "factor", "priority"] {
        if let (Some(at), false) = (table.has(key), own.contains(&key)) {
            let instead = if key == "priority" {
                "; a file has a factor, which its number is multiplied with"
            } else {
                ""
            };
            book.wrong(at, format!("{key} means nothing beside {kind}; remove it{instead}"));
            fits = false;
        }
    }
    let priority = signed(book, table, "priority");
    let what = match *kind {
        "virtual_server" => {
            let given = table.text(book, "virtual_server", "virtual_server = \"resolver\"");
            let when =
                word(book, table, "when", &[("below_quorum", When::BelowQuorum), ("score", When::Score)]);
            let Given::Good(text, at) = given else { return None };
            wanted.virtual_servers.push((text, at));
            let name: Name = text.parse().map_err(|error| book.wrong(at, format!("{error}"))).ok()?;
            match when.or(When::BelowQuorum)? {
                When::BelowQuorum => Tracked::Quorum(name),
                When::Score => {
                    return score(book, table, name, priority?).filter(|_| fits);
                }
            }
        }
        "director" => {
            word(book, table, "director", &[("blind", Tracked::BLIND)]).good().map(|()| Tracked::Blind)?
        }
        "interface" => Tracked::Interface(interface(book, table, "interface", true)??),
        "script" => return script(book, table, priority?).filter(|_| fits),
        "process" => process(book, table)?,
        _ => {
            let path = path(book, table, "file", "file = \"/run/vip-weight\"").good();
            let factor = signed(book, table, "factor")?;
            let effect = factor.map_or(Effect::Fixed, Effect::Factor);
            return path
                .filter(|_| fits)
                .map(|path| Track { what: Tracked::File(path), tracker: Tracker::new(effect) });
        }
    };
    let tracker = Tracker::new(effect_of(priority?));
    fits.then_some(Track { what, tracker })
}

impl Tracked {
    /// What the only word of `director` stands for.
    const BLIND: () = ();
}

/// A number from -253 to 253, not 0; `Some(None)` when it is absent.
fn signed(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Option<Option<i16>> {
    let given = table.signed(book, key, -253..=253).convert(|number, at| {
        if number == 0 {
            book.wrong(at, format!("{key} = 0 changes nothing; write another number, or leave {key} out"));
        }
        i16::try_from(number).ok().filter(|number| *number != 0)
    });
    given.not_wrong().map(Given::good)
}

fn score(book: &mut Book<'_>, table: &Table<'_>, name: Name, priority: Option<i16>) -> Option<Track> {
    let points = priority.and_then(|priority| u8::try_from(-i32::from(priority)).ok());
    let Some(points) = points else {
        let at = table.has("priority").unwrap_or(table.at);
        book.wrong(
            at,
            "when = \"score\" needs a negative priority: what is taken off when no real server is left, \
             and a part of it when some are",
        );
        return None;
    };
    Some(Track { what: Tracked::Score(name), tracker: Tracker::new(Effect::Score(points)) })
}

fn script(book: &mut Book<'_>, table: &Table<'_>, priority: Option<i16>) -> Option<Track> {
    let command = command(book, table, "script").good();
    let (least, hour) = (Duration::from_millis(100), Duration::from_secs(3600));
    let interval = table.duration(book, "interval", least..=hour, "1s").or(Duration::from_secs(1));
    let timeout = table.duration(book, "timeout", least..=hour, "1s");
    let (rise, fall) = (table.number(book, "rise", 1..=100), table.number(book, "fall", 1..=100));
    let interval = interval?;
    if let Given::Good(timeout, at) = timeout
        && timeout > interval
    {
        book.wrong(at, "timeout is longer than the interval; shorten it, or lengthen the interval");
        return None;
    }
    let script = Script { command: command?, interval, timeout: timeout.or(interval)? };
    let tracker = Tracker { effect: effect_of(priority), rise: rise.or(1)?, fall: fall.or(1)? };
    Some(Track { what: Tracked::Script(script), tracker })
}

fn process(book: &mut Book<'_>, table: &Table<'_>) -> Option<Tracked> {
    let name = table.text(book, "process", "process = \"named\"").convert(|text, at| {
        let path = text.starts_with('/') && text.len() < 4_096;
        let short = (1..=PROCESS_MAX).contains(&text.len()) && !text.contains('/');
        let good = (path || short) && !text.contains(['\0', '\n']);
        if !good {
            book.wrong(
                at,
                format!(
                    "process {} is neither a name of at most {PROCESS_MAX} octets nor a program's absolute path",
                    quoted(text)
                ),
            );
        }
        good.then(|| text.to_owned())
    });
    let count = table.number(book, "count", 1..=65_535);
    Some(Tracked::Process { name: name.good()?, count: count.or(1)? })
}
