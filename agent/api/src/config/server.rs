//! `[[virtual_server]]` and `[[virtual_server.real_server]]`.
//!
//! Owns what a pool must be to make sense: unique names and addresses, one address family (tunnels excepted), ports only
//! where the kernel can translate them, a quorum that can be reached. What is asked of a server is in `check`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address::{Purpose, address, family, service};
use super::book::{Book, Place, quoted};
use super::check::{self, Judged, RawCheck};
use super::keys;
use super::scheduling::scheduling;
use super::table::{At, Given, Table};
use super::{Forwarding, RealServer, Scheduling, Service, VirtualServer};
use crate::id::{Name, Protocol, ServiceAddress};

/// What may exist only once in all files.
#[derive(Debug, Default)]
pub(super) struct Doubles<'t> {
    names: BTreeMap<&'t str, Place>,
    services: BTreeMap<ServiceAddress, Place>,
}

/// Reads one virtual server. `None` when something in it is wrong, which has been noted.
pub(super) fn virtual_server<'t>(
    book: &mut Book<'_>,
    table: &Table<'t>,
    doubles: &mut Doubles<'t>,
) -> Option<VirtualServer> {
    let name = unique_name(book, table, &mut doubles.names, "virtual server", "name = \"resolver\"");
    let virtual_ip = table
        .needed(book, "address", "address = \"192.0.2.53\"")
        .convert(|text, at| noted(book, "address", at, address(text, Purpose::Virtual)));
    let services = services(book, table);
    if let Given::Good(ip, _) = virtual_ip {
        for (service, at) in services.iter().flatten() {
            let key = ServiceAddress { protocol: service.protocol, address: (ip, service.port).into() };
            if let Some(first) = doubles.services.get(&key) {
                let first = book.name_of(*first);
                book.wrong(
                    *at,
                    format!("{key} is served twice, already at {first}; remove it from one of them"),
                );
            } else {
                doubles.services.insert(key, *at);
            }
        }
    }
    let services: Option<Vec<Service>> =
        services.map(|all| all.into_iter().map(|(service, _)| service).collect());
    let virtual_ip = virtual_ip.good();
    let scheduling = scheduling(book, table, virtual_ip, services.as_deref());
    let min_serving = table.text(book, "min_serving", "min_serving = \"25%\"").convert(|text, at| {
        let percent = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let percent = percent.and_then(|digits| digits.parse::<u8>().ok()).filter(|percent| *percent <= 100);
        if percent.is_none() {
            book.wrong(at, format!("min_serving = {} is no share; write \"0%\" to \"100%\"", quoted(text)));
        }
        percent
    });
    let quorum = table.number(book, "quorum", 1..=u32::MAX);
    let pool = Pool {
        virtual_ip,
        services: services.as_deref(),
        forwarding: forwarding(book, table),
        source: probe_source(book, table),
        check: check::raw(book, table),
        one_packet: scheduling.as_ref().is_some_and(|scheduling: &Scheduling| scheduling.one_packet),
    };
    let real_servers = real_servers(book, table, &pool, quorum);
    let (forwarding, source) = (pool.forwarding, pool.source);
    if matches!(forwarding, Given::Wrong) || matches!(source, Given::Wrong) {
        return None;
    }
    Some(VirtualServer {
        name: name?,
        address: virtual_ip?,
        services: services?,
        scheduling: scheduling?,
        quorum: quorum.or(1)?,
        min_serving_percent: min_serving.or(0)?,
        real_servers: real_servers?,
    })
}

/// What real servers take over from their virtual server, as far as it is known.
struct Pool<'p> {
    virtual_ip: Option<IpAddr>,
    services: Option<&'p [Service]>,
    forwarding: Given<Forwarding>,
    source: Given<IpAddr>,
    check: Given<RawCheck<'p>>,
    one_packet: bool,
}

const CHECK_EXAMPLE: &str = "[virtual_server.check.dns] with at least qname = \"resolve.test\"";

fn real_servers<'t>(
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
            Given::Good(raw, _) => drop(check::judged(book, raw.clone(), pool.services)),
            Given::Absent => owner.note_missing(book, "check", CHECK_EXAMPLE),
            Given::Wrong => {}
        }
    }
    let (mut names, mut addresses) = (BTreeMap::new(), BTreeMap::new());
    let mut real_servers = Some(Vec::with_capacity(tables.len()));
    for table in &tables {
        let real_server = real_server(book, (owner, table), pool, &mut names, &mut addresses);
        match (real_server, real_servers.as_mut()) {
            (Some(real_server), Some(all)) => all.push(real_server),
            _ => real_servers = None,
        }
    }
    real_servers
}

fn real_server<'t>(
    book: &mut Book<'_>,
    (owner, table): (&Table<'t>, &Table<'t>),
    pool: &Pool<'t>,
    names: &mut BTreeMap<&'t str, Place>,
    addresses: &mut BTreeMap<(IpAddr, Option<u32>), Place>,
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
    if pool.one_packet
        && let Given::Good(Forwarding::Nat, at) = method
    {
        book.wrong(
            at,
            "forwarding = \"nat\" and one_packet don't go together, replies would leave with the real server's address; remove one_packet or forward otherwise",
        );
    }
    if let Given::Good(ip, at) = ip {
        fits(book, pool, ip, at, method, port);
        if let Some(first) = addresses.get(&(ip, port.good())) {
            let first = book.name_of(*first);
            book.wrong(
                at,
                format!("address {ip} is in this pool twice, already at {first}; remove one real server"),
            );
        } else {
            addresses.insert((ip, port.good()), at);
        }
    }
    let own_source = probe_source(book, table);
    let source = own_source.or_else(pool.source);
    if let (Given::Good(source, at), Given::Good(ip, _)) = (source, ip)
        && source.is_ipv4() != ip.is_ipv4()
    {
        book.wrong(
            at,
            format!("probe_source is an {} address, but the real server {ip} is probed over {}; write one of that family or leave it out", family(source), family(ip)),
        );
    }
    let own_check = check::raw(book, table);
    let judged = match check::merged(own_check, &pool.check) {
        Given::Good(raw, _) => check::judged(book, raw, pool.services),
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
    let Judged { mut dns, rhythm, port: check_port, protocol } = judged?;
    dns.port = check_port.or(port).or_else(|| {
        let services = pool.services?;
        let probed = services.iter().find(|service| service.protocol == protocol).or(services.first())?;
        Some(probed.port)
    })?;
    let source = match source {
        Given::Good(source, _) => Some(source),
        Given::Absent => None,
        Given::Wrong => return None,
    };
    let check = super::Check { target: (ip, dns.port).into(), source, dns, rhythm };
    Some(RealServer {
        name: name?,
        address: ip,
        port,
        weight: weight?,
        forwarding: method.or(Forwarding::Direct)?,
        check,
    })
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
    let Some(virtual_ip) = pool.virtual_ip else { return };
    let tunnel = method.or(Forwarding::Direct).is_none_or(|method| method == Forwarding::Tunnel);
    if ip.is_ipv4() != virtual_ip.is_ipv4() && !tunnel {
        book.wrong(
            at,
            format!("{ip} is an {} address, the virtual server's is {}; only forwarding = \"tunnel\" can cross families", family(ip), family(virtual_ip)),
        );
    }
    let own_port = |port: u32| {
        pool.services.is_some_and(|all| all.iter().all(|service| u32::from(service.port) != port))
    };
    if ip == virtual_ip && !port.good().is_some_and(own_port) {
        book.wrong(
            at,
            format!(
                "{ip} is the virtual server's own address; write the address that only this real server has"
            ),
        );
    }
}

/// A name that nothing else in `taken` has.
fn unique_name<'t>(
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

fn services(book: &mut Book<'_>, table: &Table<'_>) -> Option<Vec<At<Service>>> {
    let example = "services = [\"udp/53\", \"tcp/53\"]";
    let given = table.texts(book, "services", false, example);
    if matches!(given, Given::Absent) {
        table.note_missing(book, "services", example);
    }
    let Given::Good(words, at) = given else { return None };
    if words.is_empty() {
        book.wrong(at, format!("services is empty; write at least one: {example}"));
        return None;
    }
    let mut services: Option<Vec<At<Service>>> = Some(Vec::with_capacity(words.len()));
    let mut seen = BTreeMap::new();
    for (word, at) in words {
        match service(word) {
            Ok(service) if seen.insert(service, at).is_some() => {
                book.wrong(at, format!("service {word:?} is listed twice; remove one"));
                services = None;
            }
            Ok(service) => {
                if let Some(services) = &mut services {
                    services.push((service, at));
                }
            }
            Err(message) => {
                book.wrong(at, message);
                services = None;
            }
        }
    }
    services
}

fn forwarding(book: &mut Book<'_>, table: &Table<'_>) -> Given<Forwarding> {
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

fn probe_source(book: &mut Book<'_>, table: &Table<'_>) -> Given<IpAddr> {
    let given = table.text(book, "probe_source", "probe_source = \"10.1.53.1\"");
    given.convert(|text, at| noted(book, "probe_source", at, address(text, Purpose::ProbeSource)))
}

/// The value, or `None` with the mistake noted.
fn noted<T>(book: &mut Book<'_>, key: &str, at: Place, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| book.wrong(at, format!("{key}: {message}"))).ok()
}

/// Whether one of `services` is UDP.
pub(super) fn any_udp(services: &[Service]) -> bool {
    services.iter().any(|service| service.protocol == Protocol::Udp)
}
