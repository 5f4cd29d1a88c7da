//! `[[virtual_server.real_server]]`.
//!
//! Owns what a real server must be to fit into its pool, and what it takes over from its virtual server. What it is asked is in
//! `check`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::address::{Purpose, address, family};
use super::book::{Book, Place};
use super::dependency::{self, Known};
use super::exec;
use super::file;
use super::keys;
use super::kinds::{self, Judged, JudgedCheck, JudgedChecks, RawChecks};
use super::marks::{ProbeMarks, RawMarks};
use super::server::{Families, forwarding, noted, probe_source, translates_single_packets, unique_name};
use super::table::{Given, Table};
use super::tunnel::tunnel;
use super::{Check, CheckKind, Forwarding, RealServer, Service, Tunnel};
use crate::id::{Name, Protocol};

/// What real servers take over from their virtual server, as far as it is known.
pub(super) struct Pool<'p> {
    pub(super) addresses: Option<&'p [IpAddr]>,
    pub(super) families: Option<Families>,
    /// Empty where all services are firewall marks.
    pub(super) services: Option<&'p [Service]>,
    pub(super) forwarding: Given<Forwarding>,
    pub(super) tunnel: Given<Tunnel>,
    pub(super) source: Given<IpAddr>,
    pub(super) marks: RawMarks<'p>,
    pub(super) check: Given<RawChecks<'p>>,
    pub(super) one_packet: bool,
    /// The dependencies there are, and which one is the parent of all.
    pub(super) dependencies: &'p Known<'p>,
    pub(super) parent: Given<usize>,
}

const CHECK_EXAMPLE: &str = "[virtual_server.check.dns] with at least qname = \"resolve.test\"";

/// Reads the real servers of the virtual server whose table is `owner`. `None` when something in one is wrong, which has been
/// noted.
pub(super) fn real_servers<'t>(
    book: &mut Book<'_>,
    owner: &Table<'t>,
    pool: &Pool<'t>,
    quorum: Given<u32>,
) -> Option<Vec<RealServer>> {
    let tables = match owner.tables(book, "real_server", &keys::REAL_SERVER) {
        Given::Good(tables, _) if !tables.is_empty() => tables,
        Given::Wrong => return None,
        Given::Good(..) | Given::Absent => {
            owner.note_missing(book, "real_server", "at least one [[virtual_server.real_server]]");
            Vec::new()
        }
    };
    let count = u32::try_from(tables.len()).unwrap_or(u32::MAX);
    if let Given::Good(quorum, at) = quorum
        && quorum > count
        && count > 0
    {
        book.wrong(
            at,
            format!("quorum = {quorum} can't be reached with {count} real servers; write 1 to {count}"),
        );
    }
    if tables.is_empty() {
        // No real server shows what is wrong with the pool's own check.
        match &pool.check {
            Given::Good(raw, _) => drop(kinds::judged(book, raw.clone(), pool.checkable())),
            Given::Absent => owner.note_missing(book, "check", CHECK_EXAMPLE),
            Given::Wrong => {}
        }
    }
    let (mut names, mut addresses) = (BTreeMap::new(), BTreeMap::new());
    let mut real_servers: Option<Vec<RealServer>> = Some(Vec::with_capacity(tables.len()));
    for table in &tables {
        let real_server = real_server(book, (owner, table), pool, &mut names, &mut addresses);
        match (real_server, real_servers.as_mut()) {
            (Some(real_server), Some(all)) => all.push(real_server),
            _ => real_servers = None,
        }
    }
    // With both families, each needs somebody.
    if !tables.is_empty()
        && let (Some(all), Some(Families { ipv4: true, ipv6: true })) = (&real_servers, pool.families)
    {
        let takes = |server: &RealServer, ipv4: bool| {
            server.forwarding == Forwarding::Tunnel || server.address.is_ipv4() == ipv4
        };
        for (ipv4, word) in [(true, "IPv4"), (false, "IPv6")] {
            if !all.iter().any(|server| takes(server, ipv4)) {
                owner.note_missing(
                    book,
                    "real_server",
                    &format!("one with an {word} address, or forwarding = \"tunnel\": nobody takes what comes over {word}"),
                );
                real_servers = None;
                break;
            }
        }
    }
    real_servers
}

/// `upper_threshold` and `lower_threshold`.
fn thresholds(book: &mut Book<'_>, table: &Table<'_>) -> (Option<u32>, Option<u32>) {
    const MOST: u32 = i32::MAX.unsigned_abs();
    let upper = table.number(book, "upper_threshold", 0..=MOST);
    let lower = table.number(book, "lower_threshold", 0..=MOST);
    if let (Given::Good(low, at), Some(high)) = (lower, upper.or(0))
        && low > high
    {
        book.wrong(
            at,
            format!("lower_threshold = {low} is above upper_threshold = {high}; write at most that, or raise the upper one"),
        );
        return (upper.or(0), None);
    }
    (upper.or(0), lower.or(0))
}

impl Pool<'_> {
    /// The services whose protocols and ports say something of how to check; none where all are firewall marks.
    fn checkable(&self) -> Option<&[Service]> {
        self.services.filter(|services| !services.is_empty())
    }
}

/// Where each service goes already: address, port there, port of the service.
type Destinations = BTreeMap<(IpAddr, u32, u16), Place>;

/// Enters the destinations of a real server; returns who had one of them before.
fn taken(
    destinations: &mut Destinations,
    services: Option<&[Service]>,
    ip: IpAddr,
    port: Given<u32>,
    at: Place,
) -> Option<Place> {
    // Where the services are not known, all that can be compared is the address.
    let unknown = [Service { protocol: Protocol::Udp, port: 0 }];
    let mut first = None;
    for service in services.filter(|services| !services.is_empty()).unwrap_or(&unknown) {
        let there = port.good().unwrap_or(u32::from(service.port));
        match destinations.entry((ip, there, service.port)) {
            Entry::Vacant(entry) => drop(entry.insert(at)),
            // The services of one real server may share a port, as udp/53 and tcp/53 do.
            Entry::Occupied(entry) if *entry.get() == at => {}
            Entry::Occupied(entry) => first = first.or(Some(*entry.get())),
        }
    }
    first
}

fn real_server<'t>(
    book: &mut Book<'_>,
    (owner, table): (&Table<'t>, &Table<'t>),
    pool: &Pool<'t>,
    names: &mut BTreeMap<&'t str, Place>,
    addresses: &mut Destinations,
) -> Option<RealServer> {
    let name = unique_name(book, table, names, "real server", "name = \"dns1\"");
    let ip = table
        .needed(book, "address", "address = \"10.1.53.2\"")
        .convert(|text, at| noted(book, "address", at, address(text, Purpose::RealServer)));
    let own_forwarding = forwarding(book, table);
    let method = own_forwarding.or_else(pool.forwarding);
    let port = table.number(book, "port", 1..=65_535);
    let weight = table.number(book, "weight", 0..=65_535).or(1);
    if let (Given::Good(_, at), Some(known)) = (port, method.or(Forwarding::Direct))
        && known != Forwarding::Nat
    {
        let word = known.as_str();
        book.wrong(
            at,
            format!("port has no effect with forwarding = {word:?}, the kernel can't change ports there; remove it or write forwarding = \"nat\""),
        );
    }
    translates_single_packets(book, pool.one_packet, own_forwarding);
    if let Given::Good(ip, at) = ip {
        fits(book, pool, ip, at, method, port);
        if let Some(first) = taken(addresses, pool.services, ip, port, at) {
            let first = book.name_of(first);
            book.wrong(
                at,
                format!("address {ip} is in this pool twice, already at {first}; remove one real server"),
            );
        }
    }
    let own_tunnel = tunnel(book, table);
    if let (Given::Good(_, at), Given::Good(word, _)) = (own_tunnel, method)
        && word != Forwarding::Tunnel
    {
        let word = word.as_str();
        book.wrong(
            at,
            format!(
                "tunnel has no effect with forwarding = {word:?}; remove it or write forwarding = \"tunnel\""
            ),
        );
    }
    let (upper, lower) = thresholds(book, table);
    let own_source = probe_source(book, table);
    let source = own_source.or_else(pool.source);
    same_family(book, source, ip);
    let marks = RawMarks::read(book, table).or_else(pool.marks).judged();
    let own_check = kinds::raw(book, table);
    let judged = match kinds::merged(own_check, &pool.check) {
        Given::Good(raw, _) => kinds::judged(book, raw, pool.checkable()),
        Given::Wrong => None,
        Given::Absent => {
            owner.note_missing(book, "check", CHECK_EXAMPLE);
            None
        }
    };
    let port = match port.not_wrong()? {
        Given::Good(port, _) => Some(u16::try_from(port).ok()?),
        _ => None,
    };
    let ip = ip.good()?;
    let (name, judged) = (name?, judged?);
    let require = judged.require;
    let source = match source {
        Given::Good(source, _) => Some(source),
        Given::Absent => None,
        Given::Wrong => return None,
    };
    let own_parent = dependency::parent(book, table, pool.dependencies);
    let parent = own_parent.or_else(pool.parent).optional()?;
    let parent = parent.and_then(|index| dependency::name_of(pool.dependencies, index));
    let checks = completed(book, owner, judged, (ip, source, marks?), port, pool.services, (&name, weight?))?;
    Some(RealServer {
        name,
        address: ip,
        port,
        weight: weight?,
        upper_threshold: upper?,
        lower_threshold: lower?,
        forwarding: method.or(Forwarding::Direct)?,
        tunnel: own_tunnel.or_else(pool.tunnel).or(Tunnel::Ipip)?,
        checks,
        parent,
        require,
    })
}

/// The checks as they are run against the machine at `at`, with the source of their probes, which is called `name` and has this
/// weight. `port` is its own
/// one. Where no port is known it must be in the check, and a mistake is noted for `owner`.
pub(super) fn completed(
    book: &mut Book<'_>,
    owner: &Table<'_>,
    judged: JudgedChecks,
    (ip, source, marks): (IpAddr, Option<IpAddr>, ProbeMarks),
    port: Option<u16>,
    services: Option<&[Service]>,
    (name, weight): (&Name, u32),
) -> Option<Vec<Check>> {
    let mut checks = Vec::with_capacity(judged.list.len());
    for JudgedCheck { name: check_name, advisory, address, source_port, judged } in judged.list {
        let Judged { kind, rhythm, port: check_port, protocol } = judged;
        if let (Some((address, at)), Some(source)) = (address, source)
            && source.is_ipv4() != address.is_ipv4()
        {
            let (is, other) = (family(address), family(source));
            let message = format!(
                "{address} is an {is} address, but probe_source is an {other} one; write one of that family"
            );
            book.wrong(at, message);
        }
        let needs_port = !matches!(kind, CheckKind::Exec(_) | CheckKind::File(_));
        let inherited = || {
            let services = services?;
            let probed = services.iter().find(|service| service.protocol == protocol).or(services.first());
            let port = probed.map_or(0, |service| service.port);
            if port == 0 && needs_port {
                let why = match probed {
                    Some(_) => "the port that is probed, for port 0 is every port",
                    None => "the port that is probed, for nothing else says one",
                };
                owner.note_missing(book, "check.dns.port", why);
            }
            Some(port)
        };
        let check_port = check_port.or(port).or_else(inherited)?;
        let probed = address.map_or(ip, |(address, _)| address);
        let target = (ip, check_port).into();
        let kind = match kind {
            CheckKind::Dns(mut dns) => {
                dns.port = check_port;
                CheckKind::Dns(dns)
            }
            CheckKind::Exec(exec) => CheckKind::Exec(exec::filled(exec, target, name)),
            CheckKind::File(check) => CheckKind::File(file::filled(check, target, name, weight)),
            other => other,
        };
        let marks = ProbeMarks { port: source_port, ..marks.clone() };
        let target = (probed, check_port).into();
        checks.push(Check { name: check_name, advisory, target, source, marks, kind, rhythm });
    }
    Some(checks)
}

/// Notes a source of probes of another family than their target.
pub(super) fn same_family(book: &mut Book<'_>, source: Given<IpAddr>, ip: Given<IpAddr>) {
    if let (Given::Good(source, at), Given::Good(ip, _)) = (source, ip)
        && source.is_ipv4() != ip.is_ipv4()
    {
        book.wrong(
            at,
            format!("probe_source is an {} address, but the real server {ip} is probed over {}; write one of that family or leave it out", family(source), family(ip)),
        );
    }
}

/// Notes what keeps packets for the virtual IP from being sent to `ip`.
fn fits(
    book: &mut Book<'_>,
    pool: &Pool<'_>,
    ip: IpAddr,
    at: Place,
    method: Given<Forwarding>,
    port: Given<u32>,
) {
    let tunnel = method.or(Forwarding::Direct).is_none_or(|method| method == Forwarding::Tunnel);
    if !tunnel && pool.families.is_some_and(|families| !families.has(ip)) {
        let other = if ip.is_ipv4() { "IPv6" } else { "IPv4" };
        book.wrong(
            at,
            format!("{ip} is an {} address, the virtual server's is {other}; only forwarding = \"tunnel\" can cross families", family(ip)),
        );
    }
    let own_port = |port: u32| {
        pool.services.is_some_and(|all| all.iter().all(|service| u32::from(service.port) != port))
    };
    let own = pool.addresses.is_some_and(|all| all.contains(&ip));
    if own && !port.good().is_some_and(own_port) {
        book.wrong(
            at,
            format!(
                "{ip} is the virtual server's own address; write the address that only this real server has"
            ),
        );
    }
}
