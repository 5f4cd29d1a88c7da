//! `[[virtual_server]]`.
//!
//! Owns what a virtual server must be to make sense, in itself and beside the others, and the keys that real servers share with
//! it. The real servers are in `real_server`, what they are asked is in `check`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address::{Purpose, address};
use super::book::{Book, Place, quoted};
use super::care;
use super::dependency::{self, Known};
use super::kinds;
use super::marks::RawMarks;
use super::objects::{claim, objects};
use super::real_server::{Pool, real_servers};
use super::scheduling::{Served, scheduling};
use super::table::{At, Given, Table};
use super::tunnel::tunnel;
use super::{Forwarding, Mark, Service, VirtualServer};
use crate::id::{AddressFamily, Name, Protocol, ServiceAddress};

/// Whose packets are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Families {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Families {
    pub(super) fn has(self, ip: IpAddr) -> bool {
        if ip.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

/// What may exist only once in all files.
#[derive(Debug, Default)]
pub(super) struct Doubles<'t> {
    names: BTreeMap<&'t str, Place>,
    services: BTreeMap<ServiceAddress, Place>,
}

impl<'t> Doubles<'t> {
    /// The names of all virtual servers, those with other mistakes too.
    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.names.keys().copied()
    }
}

/// Reads one virtual server. `None` when something in it is wrong, which has been noted.
pub(super) fn virtual_server<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    doubles: &mut Doubles<'t>,
    dependencies: &Known<'t>,
) -> Option<VirtualServer> {
    let name = unique_name(book, table, &mut doubles.names, "virtual server", "name = \"resolver\"");
    let (addresses, services, marks) = objects(book, table);
    let listed = (addresses.as_deref(), services.as_deref(), marks.as_deref());
    if let (Some(addresses), Some(services), Some(marks)) = listed {
        claim(book, &mut doubles.services, addresses, services, marks);
    }
    let addresses: Option<Vec<IpAddr>> = addresses.map(plain);
    let services: Option<Vec<Service>> = services.map(plain);
    let marks: Option<Vec<Mark>> = marks.map(plain);
    let families = addresses.as_deref().zip(marks.as_deref()).map(families);
    let one_packet = table.switch(book, "one_packet");
    let served = Served {
        families,
        services: services.as_deref(),
        marked: marks.as_ref().is_none_or(|all| !all.is_empty()),
    };
    let scheduling = scheduling(book, table, &served, one_packet);
    let quorum = table.number(book, "quorum", 1..=65_535);
    let method = forwarding(book, table);
    let care = care::read(book, table, families, method, quorum);
    let check = kinds::raw(book, table);
    let pool = Pool {
        addresses: addresses.as_deref(),
        families,
        services: services.as_deref(),
        forwarding: method,
        tunnel: tunnel(book, table),
        source: probe_source(book, table),
        marks: RawMarks::read(book, table),
        check: kinds::without_addresses(book, check),
        one_packet: one_packet.good().unwrap_or_default(),
        dependencies,
        parent: dependency::parent(book, table, dependencies),
    };
    translates_single_packets(book, pool.one_packet, pool.forwarding);
    let real_servers = real_servers(book, table, &pool, quorum);
    let (forwarding, source) = (pool.forwarding, pool.source);
    if matches!(forwarding, Given::Wrong)
        || matches!(source, Given::Wrong)
        || matches!(pool.tunnel, Given::Wrong)
        || matches!(pool.parent, Given::Wrong)
    {
        return None;
    }
    let care = care?;
    Some(VirtualServer {
        name: name?,
        addresses: addresses?,
        services: services?,
        marks: marks?,
        scheduling: scheduling?,
        quorum: quorum.or(1)?,
        quorum_hysteresis: care.quorum_hysteresis,
        min_serving_percent: care.min_serving,
        max_ejected_percent: care.max_ejected,
        ejection_rate: care.ejection_rate,
        slow_start: care.slow_start,
        degraded_weight_percent: care.degraded_weight,
        sorry_servers: care.sorry_servers,
        real_servers: real_servers?,
    })
}

/// A name that nothing else in `taken` has.
pub(super) fn unique_name<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    taken: &mut BTreeMap<&'t str, Place>,
    what: &str,
    example: &str,
) -> Option<Name> {
    let Given::Good(text, at) = table.needed(book, "name", example) else { return None };
    let name = match text.parse::<Name>() {
        Ok(name) => name,
        Err(error) => {
            book.wrong(at, format!("{error}; write one such as {example}"));
            return None;
        }
    };
    if let Some(first) = taken.get(text) {
        let first = book.name_of(*first);
        book.wrong(at, format!("the name {text:?} is taken by the {what} at {first}; give each its own"));
        return None;
    }
    taken.insert(text, at);
    Some(name)
}

fn plain<T>(all: Vec<At<T>>) -> Vec<T> {
    all.into_iter().map(|(one, _)| one).collect()
}

/// The families of what is served, without doubles.
fn families((addresses, marks): (&[IpAddr], &[Mark])) -> Families {
    let of = |family| {
        addresses.iter().any(|ip| AddressFamily::of(*ip) == family)
            || marks.iter().any(|mark| mark.family == family)
    };
    Families { ipv4: of(AddressFamily::Ipv4), ipv6: of(AddressFamily::Ipv6) }
}

/// `forwarding`.
pub(super) fn forwarding(book: &mut Book<'_>, table: &Table<'_>) -> Given<Forwarding> {
    const METHODS: [Forwarding; 3] = [Forwarding::Direct, Forwarding::Tunnel, Forwarding::Nat];
    table.text(book, "forwarding", "forwarding = \"direct\"").convert(|text, at| {
        let method = METHODS.into_iter().find(|method| method.as_str() == text);
        if method.is_none() {
            let near = super::nearest(text, METHODS.map(Forwarding::as_str));
            let meant = match text.to_ascii_lowercase().as_str() {
                "dr" | "droute" | "gatewaying" | "gate" => Some("direct"),
                "tun" | "ipip" => Some("tunnel"),
                "masq" | "masquerading" => Some("nat"),
                _ => near,
            };
            let remedy = match meant {
                Some(word) => format!("did you mean {word:?}?"),
                None => "write \"direct\", \"tunnel\" or \"nat\"".to_owned(),
            };
            book.wrong(at, format!("unknown forwarding method {}; {remedy}", quoted(text)));
        }
        method
    })
}

/// Notes that `one_packet` and address translation do not go together.
pub(super) fn translates_single_packets(
    book: &mut Book<'_>,
    one_packet: bool,
    forwarding: Given<Forwarding>,
) {
    if one_packet && let Given::Good(Forwarding::Nat, at) = forwarding {
        book.wrong(
            at,
            "forwarding = \"nat\" and one_packet don't go together, replies would leave with the real server's address; \
             remove one_packet or forward otherwise",
        );
    }
}

/// `probe_source`.
pub(super) fn probe_source(book: &mut Book<'_>, table: &Table<'_>) -> Given<IpAddr> {
    let given = table.text(book, "probe_source", "probe_source = \"10.1.53.1\"");
    given.convert(|text, at| noted(book, "probe_source", at, address(text, Purpose::ProbeSource)))
}

/// The value, or `None` with the mistake noted.
pub(super) fn noted<T>(book: &mut Book<'_>, key: &str, at: Place, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| book.wrong(at, format!("{key}: {message}"))).ok()
}

/// Whether one of `services` is UDP.
pub(super) fn any_udp(services: &[Service]) -> bool {
    services.iter().any(|service| service.protocol == Protocol::Udp)
}
