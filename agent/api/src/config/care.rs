//! How a pool is treated when its real servers come and go: `min_serving`, `max_ejected`, `ejection_rate`, `slow_start`,
//! `degraded_weight`, `quorum`, `quorum_hysteresis`, `sorry_server`.
//!
//! Owns these keys and their limits. What becomes of them is decided in `agent-core`.

use std::time::Duration;

use super::address::{Purpose, address, family};
use super::book::{Book, quoted};
use super::keys;
use super::server::{Families, forwarding, noted};
use super::table::{Given, Table};
use super::{EjectionRate, Forwarding, SorryServer};

const HOUR: u64 = 3_600;

/// The keys of one virtual server, as far as they do not depend on its real servers.
#[derive(Debug, Clone)]
pub(super) struct Care {
    pub(super) min_serving: u8,
    pub(super) max_ejected: u8,
    pub(super) ejection_rate: Option<EjectionRate>,
    pub(super) slow_start: Duration,
    pub(super) degraded_weight: u8,
    pub(super) quorum_hysteresis: u32,
    pub(super) sorry_servers: Vec<SorryServer>,
}

/// Reads the keys. `None` when one of them is wrong, which has been noted.
pub(super) fn read(
    book: &mut Book<'_>,
    table: &Table<'_>,
    families: Option<Families>,
    pool_forwarding: Given<Forwarding>,
    quorum: Given<u32>,
) -> Option<Care> {
    let min_serving = share(book, table, "min_serving", 0);
    let max_ejected = share(book, table, "max_ejected", 0);
    let degraded_weight = share(book, table, "degraded_weight", 1);
    let slow_start = table.duration(book, "slow_start", Duration::ZERO..=Duration::from_secs(HOUR), "30s");
    let rate = ejection_rate(book, table);
    let hysteresis = table.number(book, "quorum_hysteresis", 0..=65_534);
    if let (Given::Good(hysteresis, at), Some(quorum)) = (hysteresis, quorum.or(1))
        && hysteresis >= quorum
    {
        let most = quorum - 1;
        book.wrong(
            at,
            format!("quorum_hysteresis = {hysteresis} is not below quorum = {quorum}, which could then never be lost; write at most {most}"),
        );
        return None;
    }
    let sorry = sorry_servers(book, table, families, pool_forwarding);
    Some(Care {
        min_serving: min_serving.or(0)?,
        max_ejected: max_ejected.or(100)?,
        ejection_rate: rate.optional()?,
        slow_start: slow_start.or(Duration::ZERO)?,
        degraded_weight: degraded_weight.or(100)?,
        quorum_hysteresis: hysteresis.or(0)?,
        sorry_servers: sorry.optional()?.unwrap_or_default(),
    })
}

/// A whole percentage from `least` on.
fn share(book: &mut Book<'_>, table: &Table<'_>, key: &str, least: u8) -> Given<u8> {
    table.text(book, key, &format!("{key} = \"25%\"")).convert(|text, at| {
        let percent = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let percent = percent.and_then(|digits| digits.parse::<u8>().ok());
        let percent = percent.filter(|percent| (least..=100).contains(percent));
        if percent.is_none() {
            book.wrong(at, format!("{key} = {} is no share; write \"{least}%\" to \"100%\"", quoted(text)));
        }
        percent
    })
}

fn ejection_rate(book: &mut Book<'_>, table: &Table<'_>) -> Given<EjectionRate> {
    table.table(book, "ejection_rate", &keys::EJECTION_RATE).convert(|table, _| {
        let limits = Duration::from_secs(1)..=Duration::from_secs(HOUR);
        let servers = table.number(book, "servers", 1..=65_535);
        let per = table.duration(book, "per", limits, "10s");
        if matches!(servers, Given::Absent) {
            table.note_missing(book, "servers", "servers = 2");
        }
        if matches!(per, Given::Absent) {
            table.note_missing(book, "per", "per = \"10s\"");
        }
        Some(EjectionRate { servers: servers.good()?, per: per.good()? })
    })
}

/// `sorry_server = { … }`, or a list of them: one for each address family.
fn sorry_servers(
    book: &mut Book<'_>,
    table: &Table<'_>,
    families: Option<Families>,
    pool_forwarding: Given<Forwarding>,
) -> Given<Vec<SorryServer>> {
    table.one_or_more(book, "sorry_server", &keys::SORRY_SERVER).convert(|tables, at| {
        let all: Vec<Option<SorryServer>> =
            tables.iter().map(|table| sorry_server(book, table, families, pool_forwarding)).collect();
        let all = all.into_iter().collect::<Option<Vec<_>>>()?;
        let of = |ipv4| all.iter().filter(|one| one.address.is_ipv4() == ipv4).count();
        if of(true) > 1 || of(false) > 1 {
            book.wrong(at, "there are two sorry servers of one address family; remove one of them");
            return None;
        }
        Some(all)
    })
}

fn sorry_server(
    book: &mut Book<'_>,
    table: &Table<'_>,
    families: Option<Families>,
    pool_forwarding: Given<Forwarding>,
) -> Option<SorryServer> {
    let ip = table
        .needed(book, "address", "address = \"192.0.2.99\"")
        .convert(|text, at| noted(book, "address", at, address(text, Purpose::RealServer)));
    let method = forwarding(book, table).or_else(pool_forwarding);
    let port = table.number(book, "port", 1..=65_535);
    if let (Given::Good(_, at), Some(known)) = (port, method.or(Forwarding::Direct))
        && known != Forwarding::Nat
    {
        book.wrong(
            at,
            "port has no effect here without forwarding = \"nat\", the kernel can't change ports; remove it or write forwarding = \"nat\"",
        );
        return None;
    }
    let method = method.or(Forwarding::Direct)?;
    if let (Given::Good(ip, at), Some(families)) = (ip, families)
        && !families.has(ip)
        && method != Forwarding::Tunnel
    {
        book.wrong(
            at,
            format!(
                "{ip} is an {} address, and the virtual server has none; only forwarding = \"tunnel\" can cross families",
                family(ip)
            ),
        );
        return None;
    }
    let port = match port.optional()? {
        Some(port) => Some(u16::try_from(port).ok()?),
        None => None,
    };
    Some(SorryServer { address: ip.good()?, port, forwarding: method })
}
