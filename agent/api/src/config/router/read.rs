//! One `[[virtual_router]]`, and what must be right between all of them.
//!
//! Owns the order of the work, the keys that all modes share, and what may exist only once: names, a VRID on an interface, an
//! address. The keys of each mode are in `vrrp` and `arp`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::codec::Family;

use super::super::VirtualServer;
use super::super::book::{Book, Place, quoted};
use super::super::lvs::word;
use super::super::server::{Doubles, unique_name};
use super::super::suggest::nearest;
use super::super::table::{At, Given, Table};
use super::addresses::{addresses, interface, routes, rules};
use super::announce::announce;
use super::arp::arp;
use super::hooks::notify;
use super::track::track;
use super::vrrp::vrrp;
use super::{OnExit, RouterMode, VirtualAddress, VirtualRouter};
use crate::id::Name;

/// Keys that only one mode has.
const ONLY_VRRP: [&str; 16] = [
    "vrid",
    "version",
    "priority",
    "advert_interval",
    "learned_interval_limit",
    "unlisted",
    "preempt",
    "preempt_delay",
    "accept",
    "last_advert",
    "checksum",
    "virtual_mac",
    "source",
    "unicast",
    "authentication",
    "sync_group",
];
const ONLY_ARP: [&str; 3] = ["role", "watch", "give_back"];

/// What several modes need.
pub(super) struct Common {
    pub(super) addresses: Vec<At<VirtualAddress>>,
    pub(super) unlisted: Vec<At<VirtualAddress>>,
    pub(super) start_delay: Duration,
    pub(super) lease: Duration,
}

/// Names that must be configured elsewhere.
#[derive(Debug, Default)]
pub(super) struct Wanted<'t> {
    pub(super) virtual_servers: Vec<At<&'t str>>,
    pub(super) real_servers: Vec<At<&'t str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Vrrp,
    Arp,
    Route,
}

/// What all virtual routers of all files have, and need.
#[derive(Debug, Default)]
pub(in super::super) struct Routers<'t> {
    names: BTreeMap<&'t str, Place>,
    vrids: BTreeMap<(String, u8, Family), Place>,
    /// Link-local addresses may be on several interfaces.
    addresses: BTreeMap<(IpAddr, Option<String>), Place>,
    wanted: Wanted<'t>,
}

impl<'t> Routers<'t> {
    /// Notes every name that is not configured.
    pub(in super::super) fn look_up(
        &self,
        book: &mut Book<'_>,
        names: &Doubles<'_>,
        servers: &[VirtualServer],
    ) {
        for (text, at) in &self.wanted.virtual_servers {
            if !names.names().any(|name| name == *text) {
                let remedy = remedy(text, names.names().map(str::to_owned).collect());
                book.wrong(*at, format!("no virtual server is named {}; {remedy}", quoted(text)));
            }
        }
        let real = || {
            servers
                .iter()
                .flat_map(|server| server.real_servers.iter().map(move |real| server.id_of(real).to_string()))
        };
        for (text, at) in &self.wanted.real_servers {
            // One in a virtual server that has mistakes may well be there.
            let (pool, _) = text.split_once('/').unwrap_or((text, ""));
            let unsure = names.names().any(|name| name == pool)
                && !servers.iter().any(|server| server.name.as_str() == pool);
            if !unsure && !real().any(|name| name == *text) {
                let remedy = remedy(text, real().collect());
                book.wrong(*at, format!("check: there is no real server {}; {remedy}", quoted(text)));
            }
        }
    }
}

fn remedy(text: &str, known: Vec<String>) -> String {
    match nearest(text, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "write a name that is configured".to_owned(),
    }
}

/// Reads one virtual router. `None` when something in it is wrong, which has been noted.
pub(in super::super) fn virtual_router<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    routers: &mut Routers<'t>,
) -> Option<VirtualRouter> {
    let name = unique_name(book, table, &mut routers.names, "virtual router", "name = \"resolver-vip\"");
    let modes = [("vrrp", Mode::Vrrp), ("arp", Mode::Arp), ("route", Mode::Route)];
    let given = word(book, table, "mode", &modes);
    if let Given::Good(Mode::Route, at) = given {
        book.wrong(at, "mode = \"route\" is not supported by this version; write \"vrrp\" or \"arp\"");
    }
    let mode = given.or(Mode::Vrrp).filter(|mode| *mode != Mode::Route);
    let misplaced = mode.is_some_and(|mode| misplaced(book, table, mode));
    let interface = interface(book, table, "interface", true).flatten();
    let dad = table.switch(book, "dad");
    let listed = addresses(book, table, "addresses", dad.good().unwrap_or(false));
    let unlisted = addresses(book, table, "unlisted", dad.good().unwrap_or(false));
    if matches!(listed.as_deref(), Some([])) {
        let example = "addresses = [\"192.0.2.53/32\"]";
        match table.has("addresses") {
            Some(at) => book.wrong(at, format!("addresses is empty; write at least one: {example}")),
            None => table.note_missing(book, "addresses", example),
        }
    }
    let listed = listed.filter(|all| !all.is_empty());
    let (routes, rules) = (routes(book, table), rules(book, table));
    let announce = announce(book, table);
    let day = Duration::from_secs(86_400);
    let start_delay = table.duration(book, "start_delay", Duration::ZERO..=day, "10s");
    let lease = table.duration(book, "lease", Duration::from_secs(1)..=Duration::from_secs(3600), "3s");
    let track = track(book, table, &mut routers.wanted);
    let notify = notify(book, table);
    let on_exit = word(book, table, "on_exit", &[("remove", OnExit::Remove), ("keep", OnExit::Keep)]);
    let group = group(book, table);
    let common = match (listed, unlisted, start_delay.or(Duration::ZERO), lease.or(Duration::from_secs(3))) {
        (Some(addresses), Some(unlisted), Some(start_delay), Some(lease)) => {
            Some(Common { addresses, unlisted, start_delay, lease })
        }
        _ => None,
    };
    let fits = match (&common, &interface) {
        (Some(common), Some(interface)) => once_each(book, common, interface, &mut routers.addresses),
        _ => true,
    };
    let announcements = announce.map(|(announcements, _)| announcements);
    let mode = match mode {
        Some(Mode::Vrrp) => vrrp(book, table, common.as_ref(), announcements),
        Some(Mode::Arp) => arp(book, table, common.as_ref(), announcements, &mut routers.wanted),
        _ => None,
    };
    let (common, (_, announce), interface, mode) = (common?, announce?, interface?, mode?);
    let alone = is_alone(book, table, &mode, &interface, &mut routers.vrids);
    if misplaced || !fits || !alone {
        return None;
    }
    dad.not_wrong()?;
    let plain = |all: Vec<At<VirtualAddress>>| all.into_iter().map(|(address, _)| address).collect();
    Some(VirtualRouter {
        name: name?,
        interface,
        mode,
        addresses: plain(common.addresses),
        unlisted: plain(common.unlisted),
        routes: routes?,
        rules: rules?,
        announce,
        track: track?,
        notify: notify?,
        on_exit: on_exit.or(OnExit::Remove)?,
        sync_group: group?,
    })
}

/// Whether a key of another mode is there, which is noted.
fn misplaced(book: &mut Book<'_>, table: &Table<'_>, mode: Mode) -> bool {
    let (keys, own, other): (&[&str], _, _) = match mode {
        Mode::Arp => (&ONLY_VRRP, "arp", "vrrp"),
        _ => (&ONLY_ARP, "vrrp", "arp"),
    };
    let mut any = false;
    for key in keys {
        if let Some(at) = table.has(key) {
            book.wrong(
                at,
                format!("{key} means nothing with mode = {own:?}, only with {other:?}; remove it"),
            );
            any = true;
        }
    }
    any
}

fn group(book: &mut Book<'_>, table: &Table<'_>) -> Option<Option<Name>> {
    let given = table.text(book, "sync_group", "sync_group = \"gateway\"").convert(|text, at| {
        text.parse::<Name>().map_err(|error| book.wrong(at, format!("sync_group: {error}"))).ok()
    });
    given.not_wrong().map(Given::good)
}

/// Whether each address is there only once in all files.
fn once_each(
    book: &mut Book<'_>,
    common: &Common,
    interface: &str,
    taken: &mut BTreeMap<(IpAddr, Option<String>), Place>,
) -> bool {
    let mut fits = true;
    for (own, at) in common.addresses.iter().chain(&common.unlisted) {
        let link = matches!(own.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let on = link.then(|| own.interface.clone().unwrap_or_else(|| interface.to_owned()));
        if let Some(first) = taken.get(&(own.address, on.clone())) {
            let first = book.name_of(*first);
            book.wrong(
                *at,
                format!(
                    "{} is a virtual address twice, already at {first}; remove it from one of them",
                    own.address
                ),
            );
            fits = false;
        } else {
            taken.insert((own.address, on), *at);
        }
    }
    fits
}

/// Whether no other router has its VRID on its interface and in its family.
fn is_alone(
    book: &mut Book<'_>,
    table: &Table<'_>,
    mode: &RouterMode,
    interface: &str,
    vrids: &mut BTreeMap<(String, u8, Family), Place>,
) -> bool {
    let RouterMode::Vrrp(vrrp) = mode else { return true };
    let at = table.has("vrid").unwrap_or(table.at);
    let mut alone = true;
    for router in &vrrp.routers {
        let vrid = router.vrid().get();
        let key = (interface.to_owned(), vrid, router.settings().family);
        if let Some(first) = vrids.get(&key) {
            let first = book.name_of(*first);
            book.wrong(
                at,
                format!("vrid {vrid} is used on {interface} already, at {first}; give each router its own"),
            );
            alone = false;
        } else {
            vrids.insert(key, at);
        }
    }
    alone
}
