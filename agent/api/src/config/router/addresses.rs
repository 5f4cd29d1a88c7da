//! `addresses`, `unlisted`, `routes` and `rules` of a virtual router.
//!
//! Owns how addresses with prefix, networks and interfaces are written. Whether two routers have the same is seen in `read`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrp_core::codec::Family;

use super::super::address::{Purpose, address};
use super::super::book::{Book, Place, quoted};
use super::super::keys;
use super::super::lvs::word;
use super::super::server::noted;
use super::super::table::{At, Given, Item, Table};
use super::{Network, Route, Rule, Scope, VirtualAddress};

const SCOPES: [(&str, Scope); 3] = [("global", Scope::Global), ("link", Scope::Link), ("host", Scope::Host)];
/// The kernel's main table.
const MAIN_TABLE: u32 = 254;
/// Names of network interfaces are shorter than `IFNAMSIZ`, 16.
const INTERFACE_MAX: usize = 15;
/// The most addresses, routes or rules of a router.
const MOST: usize = 255;

/// A list of addresses with their places; `None` when something in it is wrong. Absent is empty.
pub(super) fn addresses(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &'static str,
    dad: bool,
) -> Option<Vec<At<VirtualAddress>>> {
    let example = format!("{key} = [\"192.0.2.53/32\"]");
    let items = match table.items(book, key, &keys::ROUTER_ADDRESS, &example) {
        Given::Good(items, at) => bounded(book, key, items, at)?,
        Given::Absent => return Some(Vec::new()),
        Given::Wrong => return None,
    };
    all(items.into_iter().map(|item| match item {
        Item::Text(text, at) => {
            let (address, prefix) = noted(book, key, at, with_prefix(text))?;
            Some((plain(address, prefix, dad), at))
        }
        Item::Table(table) => detailed(book, &table, dad),
    }))
}

fn bounded<T>(book: &mut Book<'_>, key: &str, items: Vec<T>, at: Place) -> Option<Vec<T>> {
    if items.len() > MOST {
        book.wrong(at, format!("{key} has {} entries; {MOST} are the most", items.len()));
        return None;
    }
    Some(items)
}

/// All of them, or nothing when one is wrong; every one is looked at.
pub(super) fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}

fn plain(address: IpAddr, prefix: u8, dad: bool) -> VirtualAddress {
    let link = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    VirtualAddress {
        address,
        prefix,
        interface: None,
        label: None,
        scope: if link { Scope::Link } else { Scope::Global },
        prefix_route: false,
        dad,
    }
}

fn detailed(book: &mut Book<'_>, table: &Table<'_>, dad: bool) -> Option<At<VirtualAddress>> {
    let example = "address = \"192.0.2.53/32\"";
    let read = table
        .needed(book, "address", example)
        .convert(|text, at| noted(book, "address", at, with_prefix(text)));
    let interface = interface(book, table, "interface", false);
    let label = table.text(book, "label", "label = \"eth0:vip\"").convert(|text, at| {
        let fits = (1..=INTERFACE_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
        if !fits {
            book.wrong(
                at,
                format!("label {} is not 1 to {INTERFACE_MAX} characters without blanks", quoted(text)),
            );
        }
        fits.then(|| text.to_owned())
    });
    let scope = word(book, table, "scope", &SCOPES);
    let prefix_route = table.switch(book, "prefix_route");
    let own_dad = table.switch(book, "dad");
    let Given::Good((address, prefix), at) = read else { return None };
    if let (Given::Good(_, at), true) = (&label, address.is_ipv6()) {
        book.wrong(*at, "only IPv4 addresses have labels; remove the label");
        return None;
    }
    if let (Given::Good(true, at), true) = (&own_dad, address.is_ipv4()) {
        book.wrong(*at, "only IPv6 addresses have duplicate address detection; remove dad");
        return None;
    }
    let plain = plain(address, prefix, own_dad.or(dad)?);
    let read = VirtualAddress {
        interface: interface?,
        label: label.not_wrong()?.good(),
        scope: scope.or(plain.scope)?,
        prefix_route: prefix_route.or(false)?,
        ..plain
    };
    Some((read, at))
}

/// An address with or without its prefix length.
fn with_prefix(text: &str) -> Result<(IpAddr, u8), String> {
    let (host, length) = text.split_once('/').map_or((text, None), |(host, length)| (host, Some(length)));
    if let Some((bare, interface)) = host.split_once('%') {
        let interface: String = interface.chars().take(INTERFACE_MAX).collect();
        return Err(format!(
            "{} names an interface; write {{ address = {bare:?}, interface = {interface:?} }}",
            quoted(text)
        ));
    }
    let address = address(host, Purpose::Router)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match length {
        None => longest,
        Some(length) => prefix_length(length, 1, longest)
            .ok_or_else(|| format!("{}: the prefix length is 1 to {longest}", quoted(text)))?,
    };
    Ok((address, prefix))
}

fn prefix_length(text: &str, least: u8, most: u8) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|length| digits && (least..=most).contains(length))
}

/// A network, `"192.0.2.0/24"`; one address alone is a network of its own.
fn network(text: &str) -> Result<Network, String> {
    let (host, length) = text.split_once('/').map_or((text, None), |(host, length)| (host, Some(length)));
    let wanted = "write one such as \"198.51.100.0/24\"";
    let Ok(address) = host.parse::<IpAddr>() else {
        return Err(format!("{} is no network; {wanted}", quoted(text)));
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match length {
        None => longest,
        Some(length) => prefix_length(length, 0, longest)
            .ok_or_else(|| format!("{}: the prefix length is 0 to {longest}", quoted(text)))?,
    };
    let base = masked(address, prefix);
    if base != address {
        return Err(format!("{} has bits behind its prefix; write \"{base}/{prefix}\"", quoted(text)));
    }
    Ok(Network { address, prefix })
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// An interface's name; `Some(None)` when it is absent and need not be there.
pub(super) fn interface(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &str,
    needed: bool,
) -> Option<Option<String>> {
    let example = format!("{key} = \"eth0\"");
    let given = if needed { table.needed(book, key, &example) } else { table.text(book, key, &example) };
    let given = given.convert(|text, at| {
        let plain = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
        let good = (1..=INTERFACE_MAX).contains(&text.len())
            && text.chars().all(plain)
            && text != "."
            && text != "..";
        if !good {
            book.wrong(
                at,
                format!("{key} {} is no interface's name; write one such as \"eth0\"", quoted(text)),
            );
        }
        good.then(|| text.to_owned())
    });
    given.not_wrong().map(Given::good)
}

/// One host's address at `key`; `Some(None)` when it is absent.
pub(super) fn host(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Option<Option<IpAddr>> {
    let given = table
        .text(book, key, &format!("{key} = \"192.0.2.1\""))
        .convert(|text, at| noted(book, key, at, address(text, Purpose::Router)));
    given.not_wrong().map(Given::good)
}

fn network_at(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Given<Network> {
    table
        .text(book, key, &format!("{key} = \"198.51.100.0/24\""))
        .convert(|text, at| noted(book, key, at, network(text)))
}

/// `routes`. Absent is empty.
pub(super) fn routes(book: &mut Book<'_>, table: &Table<'_>) -> Option<Vec<Route>> {
    match table.tables(book, "routes", &keys::ROUTER_ROUTE) {
        Given::Good(tables, at) => {
            let tables = bounded(book, "routes", tables, at)?;
            all(tables.into_iter().map(|table| route(book, &table)))
        }
        Given::Absent => Some(Vec::new()),
        Given::Wrong => None,
    }
}

fn route(book: &mut Book<'_>, table: &Table<'_>) -> Option<Route> {
    let via = host(book, table, "via");
    let source = host(book, table, "source");
    let ipv6 = [via, source].into_iter().flatten().flatten().any(|address| address.is_ipv6());
    let to = table.needed(book, "to", "to = \"198.51.100.0/24\"").convert(|text, at| {
        let default = if ipv6 { "::/0" } else { "0.0.0.0/0" };
        noted(book, "to", at, network(if text == "default" { default } else { text }))
    });
    let interface = interface(book, table, "interface", false);
    let table_number = table.number(book, "table", 1..=u32::MAX);
    let metric = table.number(book, "metric", 0..=u32::MAX);
    let scope = word(book, table, "scope", &SCOPES);
    let Given::Good(to, at) = to else { return None };
    let (via, source) = (via?, source?);
    if [via, source].into_iter().flatten().any(|address| Family::of(address) != Family::of(to.address)) {
        book.wrong(at, "to, via and source of a route are of one address family");
        return None;
    }
    let usual = if via.is_none() && to.address.is_ipv4() { Scope::Link } else { Scope::Global };
    Some(Route {
        to,
        via,
        interface: interface?,
        source,
        table: table_number.or(MAIN_TABLE)?,
        metric: metric.not_wrong()?.good(),
        scope: scope.or(usual)?,
    })
}

/// `rules`. Absent is empty.
pub(super) fn rules(book: &mut Book<'_>, table: &Table<'_>) -> Option<Vec<Rule>> {
    match table.tables(book, "rules", &keys::ROUTER_RULE) {
        Given::Good(tables, at) => {
            let tables = bounded(book, "rules", tables, at)?;
            all(tables.into_iter().map(|table| rule(book, &table)))
        }
        Given::Absent => Some(Vec::new()),
        Given::Wrong => None,
    }
}

fn rule(book: &mut Book<'_>, table: &Table<'_>) -> Option<Rule> {
    let (from, to) = (network_at(book, table, "from"), network_at(book, table, "to"));
    let iif = interface(book, table, "iif", false);
    let fwmark = table.number(book, "fwmark", 1..=u32::MAX);
    let priority = table.number(book, "priority", 1..=u32::MAX);
    let number = table.number(book, "table", 1..=u32::MAX);
    if matches!(number, Given::Absent) {
        table.note_missing(book, "table", "table = 100");
    }
    let (from, to) = (from.not_wrong()?.good(), to.not_wrong()?.good());
    let families: Vec<Family> =
        [from, to].into_iter().flatten().map(|network| Family::of(network.address)).collect();
    if families.windows(2).any(|pair| pair.first() != pair.last()) {
        book.wrong(table.at, "from and to of a rule are of one address family");
        return None;
    }
    let (iif, fwmark) = (iif?, fwmark.not_wrong()?.good());
    if families.is_empty() && iif.is_none() && fwmark.is_none() {
        book.wrong(table.at, "a rule without from, to, iif and fwmark is for every packet; say which");
        return None;
    }
    Some(Rule {
        family: families.first().copied().unwrap_or(Family::Ipv4),
        from,
        to,
        iif,
        fwmark,
        table: number.good()?,
        priority: priority.not_wrong()?.good(),
    })
}
