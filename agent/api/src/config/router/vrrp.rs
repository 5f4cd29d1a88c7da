//! `mode = "vrrp"`: the keys that only this mode has.
//!
//! Owns how they become one checked configuration of the core for each address family. What the protocol allows is
//! [`vrrp_core::RouterConfig`]'s to say; here it gets a place in the file.

use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::codec::{ChecksumForm, Family, Version};
use vrrp_core::{Announcements, ConfigError, RouterConfig, RouterSettings};

use super::super::address::{Purpose, address};
use super::super::book::{Book, Place};
use super::super::keys;
use super::super::lvs::word;
use super::super::server::noted;
use super::super::table::{At, Given, Table};
use super::addresses::all;
use super::hooks::path;
use super::read::Common;
use super::{AuthenticationFile, AuthenticationKind, RouterMode, Vrrp};

const CHECKSUMS: [(&str, ChecksumForm); 3] = [
    ("pseudo_header", ChecksumForm::PseudoHeader),
    ("plain", ChecksumForm::Plain),
    ("multicast_pseudo_header", ChecksumForm::MulticastPseudoHeader),
];
/// The most unicast peers.
const PEERS_MAX: usize = 64;

/// What `unicast` says.
#[derive(Default)]
struct Unicast {
    sources: Vec<At<IpAddr>>,
    peers: Vec<At<IpAddr>>,
    ttl: Option<u8>,
    least_ttl: Option<u8>,
}

/// Reads the mode. `None` when something is wrong, which has been noted.
pub(super) fn vrrp(
    book: &mut Book<'_>,
    table: &Table<'_>,
    common: Option<&Common>,
    announcements: Option<Announcements>,
) -> Option<RouterMode> {
    let vrid = table.number(book, "vrid", 1..=255);
    if matches!(vrid, Given::Absent) {
        table.note_missing(book, "vrid", "vrid = 51, the same number on every machine of this router");
    }
    let version = table.number(book, "version", 2..=3);
    let priority = table.number(book, "priority", 1..=255);
    let second = Duration::from_secs(1);
    let limits = Duration::from_millis(10)..=Duration::from_secs(255);
    let interval = table.duration(book, "advert_interval", limits.clone(), "1s");
    let learned = table.duration(book, "learned_interval_limit", limits, "10s");
    let day = Duration::from_secs(86_400);
    let preempt = table.switch(book, "preempt");
    let preempt_delay = table.duration(book, "preempt_delay", Duration::ZERO..=day, "30s");
    let accept = table.switch(book, "accept");
    let last_advert = table.switch(book, "last_advert");
    let checksum = word(book, table, "checksum", &CHECKSUMS);
    let virtual_mac = table.switch(book, "virtual_mac");
    let source = table
        .text(book, "source", "source = \"192.0.2.1\"")
        .convert(|text, at| noted(book, "source", at, address(text, Purpose::Router)).map(|ip| (ip, at)));
    let unicast = unicast(book, table);
    let authentication = authentication(book, table);

    let (common, announcements) = (common?, announcements?);
    let version = if version.or(3)? == 2 { Version::V2 } else { Version::V3 };
    let interval_at = place(&interval, table.at);
    let (unicast, interval) = (unicast?, interval.or(second)?);
    let authentication = authentication?;
    if let (Some(at), Version::V3) = (table.has("authentication"), version) {
        book.wrong(at, "version 3 has no authentication; remove it, or write version = 2");
        return None;
    }
    let mut sources = unicast.sources;
    sources.extend(source.not_wrong()?.good());
    let settings = RouterSettings {
        version,
        priority: u8::try_from(priority.or(100)?).ok()?,
        interval,
        preempt: preempt.or(true)?,
        preempt_delay: preempt_delay.or(Duration::ZERO)?,
        start_delay: common.start_delay,
        accept: accept.or(true)?,
        checksum: checksum.or(ChecksumForm::default())?,
        least_hop_limit: unicast.least_ttl,
        learned_interval_limit: learned.or(interval.saturating_mul(10))?,
        lease: common.lease,
        last_advert: last_advert.or(true)?,
        announcements,
        ..RouterSettings::new(u8::try_from(vrid.good()?).ok()?, Vec::new())
    };
    let families: Vec<Family> = [Family::Ipv4, Family::Ipv6]
        .into_iter()
        .filter(|family| common.addresses.iter().any(|(own, _)| Family::of(own.address) == *family))
        .collect();
    let places = Places { table, interval: interval_at };
    let fits = sources_and_peers_fit(book, &families, &sources, &unicast.peers, common);
    let router = |&family: &Family| {
        let of = |address: &IpAddr| Family::of(*address) == family;
        let listed = common.addresses.iter().map(|(own, _)| own.address);
        // What no advert lists goes with the first family.
        let unlisted = common.unlisted.iter().map(|(own, _)| own.address);
        let first = families.first() == Some(&family);
        let settings = RouterSettings {
            family,
            addresses: listed.filter(of).collect(),
            unlisted: unlisted.filter(|_| first).collect(),
            peers: unicast.peers.iter().map(|(peer, _)| *peer).filter(of).collect(),
            ..settings.clone()
        };
        RouterConfig::check(settings).map_err(|errors| places.note(book, &errors)).ok()
    };
    let routers = all(families.iter().map(router))?;
    if routers.is_empty() {
        table.note_missing(book, "addresses", "addresses = [\"192.0.2.53/32\"]");
        return None;
    }
    if let (Some(_), [one]) = (&authentication, routers.as_slice())
        && one.settings().family == Family::Ipv6
    {
        book.wrong(table.at, ConfigError::Authentication.to_string());
        return None;
    }
    fits.then_some(())?;
    Some(RouterMode::Vrrp(Box::new(Vrrp {
        routers,
        authentication,
        sources: sources.into_iter().map(|(source, _)| source).collect(),
        ttl: unicast.ttl.unwrap_or(255),
        virtual_mac: virtual_mac.or(false)?,
    })))
}

fn place<T>(given: &Given<T>, otherwise: Place) -> Place {
    if let Given::Good(_, at) = given { *at } else { otherwise }
}

/// Where mistakes that the core finds have their cause in the file.
struct Places<'a, 't> {
    table: &'a Table<'t>,
    interval: Place,
}

impl Places<'_, '_> {
    fn note(&self, book: &mut Book<'_>, errors: &[ConfigError]) {
        for error in errors {
            let key = match error {
                ConfigError::Interval(_) => {
                    book.wrong(self.interval, error.to_string());
                    continue;
                }
                ConfigError::LearnedIntervalLimit => "learned_interval_limit",
                ConfigError::VersionForFamily | ConfigError::Authentication => "version",
                ConfigError::PeerFamily(_) => "unicast",
                ConfigError::Lease => "lease",
                ConfigError::Announcements => "announce",
                ConfigError::Vrid => "vrid",
                ConfigError::Priority => "priority",
                _ => "addresses",
            };
            book.wrong(self.table.has(key).unwrap_or(self.table.at), error.to_string());
        }
    }
}

/// Whether there is at most one source of each family, and peers either of all families or of none.
fn sources_and_peers_fit(
    book: &mut Book<'_>,
    families: &[Family],
    sources: &[At<IpAddr>],
    peers: &[At<IpAddr>],
    common: &Common,
) -> bool {
    let mut fits = true;
    let mut wrong = |book: &mut Book<'_>, at: Place, message: String| {
        book.wrong(at, message);
        fits = false;
    };
    let name = |family| if family == Family::Ipv4 { "IPv4" } else { "IPv6" };
    for (index, (source, at)) in sources.iter().enumerate() {
        let family = Family::of(*source);
        if !families.contains(&family) {
            wrong(book, *at, format!("source {source} is {}, and none of the addresses is", name(family)));
        } else if sources.iter().take(index).any(|(other, _)| Family::of(*other) == family) {
            wrong(book, *at, format!("source {source} is the second one of {}; keep one", name(family)));
        }
        if common.addresses.iter().chain(&common.unlisted).any(|(own, _)| own.address == *source) {
            wrong(book, *at, format!("source {source} is a virtual address; write one that never moves"));
        }
    }
    for (index, (peer, at)) in peers.iter().enumerate() {
        let family = Family::of(*peer);
        if !families.contains(&family) {
            wrong(book, *at, format!("peer {peer} is {}, and none of the addresses is", name(family)));
        }
        if sources.iter().any(|(source, _)| source == peer) {
            wrong(
                book,
                *at,
                format!("peer {peer} is this machine's own source; write the other machines only"),
            );
        }
        if common.addresses.iter().chain(&common.unlisted).any(|(own, _)| own.address == *peer) {
            wrong(book, *at, format!("peer {peer} is a virtual address; write the peer's own"));
        }
        if peers.iter().take(index).any(|(other, _)| other == peer) {
            wrong(book, *at, format!("peer {peer} is there twice; remove one"));
        }
    }
    if let Some((_, at)) = peers.first() {
        for &family in families {
            if !peers.iter().any(|(peer, _)| Family::of(*peer) == family) {
                let family = name(family);
                wrong(
                    book,
                    *at,
                    format!(
                        "there are {family} addresses, but no {family} peer; write one, or make two routers"
                    ),
                );
            }
        }
    }
    fits
}

fn unicast(book: &mut Book<'_>, table: &Table<'_>) -> Option<Unicast> {
    let table = match table.table(book, "unicast", &keys::ROUTER_UNICAST) {
        Given::Good(table, _) => table,
        Given::Absent => return Some(Unicast::default()),
        Given::Wrong => return None,
    };
    let mut hosts = |key: &str| {
        let example = format!("{key} = [\"192.0.2.2\"]");
        match table.texts(book, key, true, &example) {
            Given::Good(words, at) if words.len() > PEERS_MAX => {
                book.wrong(at, format!("{key} has {} addresses; {PEERS_MAX} are the most", words.len()));
                None
            }
            Given::Good(words, _) => all(words
                .into_iter()
                .map(|(text, at)| Some((noted(book, key, at, address(text, Purpose::Router))?, at)))),
            Given::Absent => Some(Vec::new()),
            Given::Wrong => None,
        }
    };
    let (sources, peers) = (hosts("source"), hosts("peers"));
    let ttl = table.number(book, "ttl", 1..=255);
    let least_ttl = table.number(book, "least_ttl", 1..=255);
    let peers = peers?;
    if peers.is_empty() {
        table.note_missing(book, "peers", "peers = [\"192.0.2.2\"]: the other machines of this router");
        return None;
    }
    let octet =
        |given: Given<u32>| given.not_wrong().map(|given| given.good().and_then(|n| u8::try_from(n).ok()));
    Some(Unicast { sources: sources?, peers, ttl: octet(ttl)?, least_ttl: octet(least_ttl)? })
}

fn authentication(book: &mut Book<'_>, table: &Table<'_>) -> Option<Option<AuthenticationFile>> {
    let table = match table.table(book, "authentication", &keys::ROUTER_AUTHENTICATION) {
        Given::Good(table, _) => table,
        Given::Absent => return Some(None),
        Given::Wrong => return None,
    };
    let kinds = [("pass", AuthenticationKind::Pass), ("ah", AuthenticationKind::Ah)];
    let kind = word(book, &table, "type", &kinds);
    if matches!(kind, Given::Absent) {
        table.note_missing(book, "type", "type = \"pass\" or type = \"ah\"");
    }
    let example = "file = \"/etc/holdfast/vrrp.secret\"";
    let file = path(book, &table, "file", example);
    if matches!(file, Given::Absent) {
        table.note_missing(book, "file", example);
    }
    Some(Some(AuthenticationFile { kind: kind.good()?, file: file.good()? }))
}
