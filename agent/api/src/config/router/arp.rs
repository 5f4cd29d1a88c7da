//! `mode = "arp"`: a standby that watches the director's own addresses.
//!
//! Owns the keys that only this mode has. What they do is [`vrrp_core::arp`]'s.

use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::Announcements;
use vrrp_core::arp::{ArpConfig, ArpSettings, GiveBack, MOST_WATCHED, Role};

use super::super::address::{Purpose, address};
use super::super::book::{Book, Place, quoted};
use super::super::duration::parse_duration;
use super::super::keys;
use super::super::lvs::word;
use super::super::server::noted;
use super::super::table::{At, Given, Table};
use super::addresses::all;
use super::read::{Common, Wanted};
use super::{Arp, RouterMode};

/// What `[virtual_router.watch]` says.
struct Watch<'t> {
    targets: Vec<At<IpAddr>>,
    sentinels: Vec<At<IpAddr>>,
    interval: Duration,
    fall: u8,
    rise: u8,
    check: Option<At<&'t str>>,
}

/// Reads the mode. `None` when something is wrong, which has been noted.
pub(super) fn arp<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    common: Option<&Common>,
    announcements: Option<Announcements>,
    wanted: &mut Wanted<'t>,
) -> Option<RouterMode> {
    let role = word(book, table, "role", &[("standby", Role::Standby), ("director", Role::Director)]);
    let role = role.or(Role::Standby);
    let give_back = table.text(book, "give_back", "give_back = \"at_once\"").convert(|text, at| {
        let read = match text {
            "at_once" => Ok(GiveBack::AtOnce),
            "by_hand" => Ok(GiveBack::ByHand),
            other => parse_duration(other).map(GiveBack::After),
        };
        if let Ok(GiveBack::After(delay)) = read
            && delay > Duration::from_secs(86_400)
        {
            book.wrong(at, "give_back: the longest delay is \"1d\"; write \"by_hand\" for none at all");
            return None;
        }
        read.map_err(|_| {
            book.wrong(
                at,
                format!(
                    "give_back {} is neither \"at_once\" nor \"by_hand\" nor a delay such as \"30s\"",
                    quoted(text)
                ),
            );
        })
        .ok()
    });
    let watch = match (role, table.table(book, "watch", &keys::ROUTER_WATCH)) {
        (Some(Role::Standby), Given::Absent) => {
            table.note_missing(
                book,
                "watch",
                "watch = { targets = [\"192.0.2.1\"] }: the director's own addresses",
            );
            None
        }
        (_, Given::Absent) => Some(None),
        (Some(Role::Director), Given::Good(_, at)) => {
            book.wrong(at, "role = \"director\" watches nobody; remove watch, it is the standby's");
            None
        }
        (_, Given::Good(table, _)) => watch(book, &table).map(Some),
        (_, Given::Wrong) => None,
    };
    let (role, give_back, watch) = (role?, give_back.or(GiveBack::AtOnce)?, watch?);
    if let (Role::Director, Some(at)) = (role, table.has("give_back")) {
        book.wrong(at, "role = \"director\" gives nothing back; remove give_back, it is the standby's");
        return None;
    }
    let (common, announcements) = (common?, announcements?);
    let common_addresses = common.addresses.iter().map(|(address, at)| (address.address, *at));
    let addresses: Vec<At<IpAddr>> = common_addresses.collect();
    let mut settings = ArpSettings {
        start_delay: common.start_delay,
        lease: common.lease,
        announcements,
        ..ArpSettings::new(role, addresses.iter().map(|(address, _)| *address).collect(), Vec::new())
    };
    settings.give_back = give_back;
    let mut check = None;
    if let Some(watch) = watch {
        for (target, at) in watch.targets.iter().chain(&watch.sentinels) {
            if let Some((_, first)) = addresses.iter().find(|(address, _)| address == target) {
                let first = book.name_of(*first);
                book.wrong(
                    *at,
                    format!("{target} is the virtual address of {first}; write an address that never moves"),
                );
                return None;
            }
        }
        let plain = |all: Vec<At<IpAddr>>| all.into_iter().map(|(address, _)| address).collect();
        (settings.targets, settings.sentinels) = (plain(watch.targets), plain(watch.sentinels));
        (settings.interval, settings.fall, settings.rise) = (watch.interval, watch.fall, watch.rise);
        if let Some((text, at)) = watch.check {
            wanted.real_servers.push((text, at));
            check = Some(text.parse().map_err(|error| book.wrong(at, format!("check: {error}"))).ok()?);
        }
    }
    match ArpConfig::check(settings) {
        Ok(config) => Some(RouterMode::Arp(Box::new(Arp { config, check }))),
        Err(errors) => {
            for error in errors {
                book.wrong(table.at, error.to_string());
            }
            None
        }
    }
}

fn watch<'t>(book: &mut Book<'_>, table: &Table<'t>) -> Option<Watch<'t>> {
    let targets = hosts(book, table, "targets", true);
    let sentinels = hosts(book, table, "sentinels", false);
    let interval =
        table.duration(book, "interval", Duration::from_millis(10)..=Duration::from_secs(60), "1s");
    let fall = table.number(book, "fall", 1..=100);
    let rise = table.number(book, "rise", 1..=100);
    let check = table.text(book, "check", "check = \"resolver/dns1\"");
    let check = match check {
        Given::Good(text, at) => Some(Some((text, at))),
        Given::Absent => Some(None),
        Given::Wrong => None,
    };
    let (targets, sentinels) = (targets?, sentinels?);
    if targets.is_empty() {
        book.wrong(
            table.has("targets").unwrap_or(table.at),
            "targets is empty; write the director's own addresses",
        );
        return None;
    }
    Some(Watch {
        targets,
        sentinels,
        interval: interval.or(Duration::from_secs(1))?,
        fall: u8::try_from(fall.or(3)?).ok()?,
        rise: u8::try_from(rise.or(3)?).ok()?,
        check: check?,
    })
}

/// A list of hosts, each once.
fn hosts(book: &mut Book<'_>, table: &Table<'_>, key: &str, needed: bool) -> Option<Vec<At<IpAddr>>> {
    let example = format!("{key} = [\"192.0.2.1\"]");
    let (words, at): (_, Place) = match table.texts(book, key, true, &example) {
        Given::Good(words, at) => (words, at),
        Given::Absent => {
            if needed {
                table.note_missing(book, key, &example);
                return None;
            }
            return Some(Vec::new());
        }
        Given::Wrong => return None,
    };
    if words.len() > MOST_WATCHED {
        book.wrong(at, format!("{key} has {} addresses; {MOST_WATCHED} are the most", words.len()));
        return None;
    }
    let mut seen: Vec<IpAddr> = Vec::new();
    all(words.into_iter().map(|(text, at)| {
        let host = noted(book, key, at, address(text, Purpose::Router))?;
        if seen.contains(&host) {
            book.wrong(at, format!("{key} has {host} twice; remove one"));
            return None;
        }
        seen.push(host);
        Some((host, at))
    }))
}
