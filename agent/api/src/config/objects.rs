//! What a virtual server serves: `address` and `services`, with ranges and firewall marks, as single kernel services.
//!
//! Owns the ranges and their limits, and the rule that a kernel service belongs to one virtual server only. Everything is
//! spelt out here, so that nothing after it knows of ranges.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use super::address::{Purpose, address, family, service};
use super::book::{Book, Place, quoted};
use super::server::noted;
use super::table::{At, Given, Table};
use super::{MAX_SERVICES, Mark, Service};
use crate::id::{AddressFamily, ServiceAddress};

const ADDRESS: &str = "address = \"192.0.2.53\"";
const SERVICES: &str = "services = [\"udp/53\", \"tcp/53\"]";

/// What was read: virtual IPs, what is served at each of them, and what the firewall marks.
pub(super) type Objects = (Option<Vec<At<IpAddr>>>, Option<Vec<At<Service>>>, Option<Vec<At<Mark>>>);

/// Reads `address` and `services`. Each is `None` when it is wrong, which has been noted.
pub(super) fn objects(book: &mut Book<'_>, table: &Table<'_>) -> Objects {
    let (services, marks) = services(book, table).unzip();
    let marked_only = matches!((&services, &marks), (Some(services), Some(marks)) if services.is_empty() && !marks.is_empty());
    let given = table.texts(book, "address", true, ADDRESS);
    let addresses = match given {
        Given::Good(_, at) if marked_only => {
            book.wrong(at, "address has no effect where every service is a firewall mark; remove it");
            None
        }
        Given::Good(words, at) => addresses(book, words, at),
        Given::Absent if marked_only => Some(Vec::new()),
        Given::Absent => {
            table.note_missing(book, "address", ADDRESS);
            None
        }
        Given::Wrong => None,
    };
    if let (Some(addresses), Some(services), Some(marks)) = (&addresses, &services, &marks) {
        let count = addresses.len() * services.len() + marks.len();
        if count > MAX_SERVICES {
            let at = addresses.first().map_or(table.at, |(_, at)| *at);
            book.wrong(
                at,
                format!(
                    "{} addresses with {} services each are {count} services of the kernel, more than {MAX_SERVICES}; let the \
                     firewall mark the packets and write services = [\"fwmark/1\"]",
                    addresses.len(),
                    services.len()
                ),
            );
            return (None, None, None);
        }
    }
    (addresses, services, marks)
}

fn addresses(book: &mut Book<'_>, words: Vec<At<&str>>, at: Place) -> Option<Vec<At<IpAddr>>> {
    if words.is_empty() {
        book.wrong(at, format!("address is empty; write at least one: {ADDRESS}"));
        return None;
    }
    let mut all = Some(Vec::new());
    let mut seen: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (word, at) in words {
        let Some(range) = noted(book, "address", at, range(word)) else {
            all = None;
            continue;
        };
        for ip in range {
            if let Some(first) = seen.insert(ip, word) {
                let message = if first == word && ip.to_string() == word {
                    format!("address {} is listed twice; remove one", quoted(word))
                } else {
                    format!(
                        "{ip} is in {} and in {}; remove it from one of them",
                        quoted(first),
                        quoted(word)
                    )
                };
                book.wrong(at, message);
                all = None;
                break;
            }
            if let Some(all) = &mut all {
                all.push((ip, at));
            }
        }
    }
    all
}

/// The addresses of `192.0.2.53`, `192.0.2.53-192.0.2.60`, `192.0.2.53-60`, or the same of IPv6.
///
/// # Errors
/// What is wrong with it and what to write instead.
fn range(text: &str) -> Result<Vec<IpAddr>, String> {
    let Some((from, to)) = text.split_once('-') else {
        return address(text, Purpose::Virtual).map(|ip| vec![ip]);
    };
    let first = address(from, Purpose::Virtual)?;
    let last = match (first, last_part(first, to)) {
        (_, Some(last)) => last,
        (_, None) => address(to, Purpose::Virtual)?,
    };
    let too_many = || {
        format!(
            "{} has more than {MAX_SERVICES} addresses; let the firewall mark the packets instead",
            quoted(text)
        )
    };
    let backwards = || format!("{} ends before it begins; write the lower address first", quoted(text));
    let ips: Vec<IpAddr> = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            let span = last.checked_sub(first).ok_or_else(backwards)?;
            if usize::try_from(span).is_ok_and(|span| span >= MAX_SERVICES) {
                return Err(too_many());
            }
            (first..=last).map(|bits| Ipv4Addr::from_bits(bits).into()).collect()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            let span = last.checked_sub(first).ok_or_else(backwards)?;
            if span >= MAX_SERVICES as u128 {
                return Err(too_many());
            }
            (first..=last).map(|bits| Ipv6Addr::from_bits(bits).into()).collect()
        }
        _ => {
            return Err(format!(
                "{} begins as {} and ends as {}; write a range of each family",
                quoted(text),
                family(first),
                family(last)
            ));
        }
    };
    Ok(ips)
}

/// The end of a range that is only the last part of an address: `60` of IPv4, `ff` of IPv6.
fn last_part(first: IpAddr, text: &str) -> Option<IpAddr> {
    match first {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let last = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())??;
            Some(Ipv4Addr::new(a, b, c, last).into())
        }
        IpAddr::V6(v6) => {
            let last =
                text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(text, 16).ok())??;
            Some(Ipv6Addr::from_bits(v6.to_bits() & !0xffff | u128::from(last)).into())
        }
    }
}

/// One of `services` as it is written.
enum Word {
    /// Several services of one protocol.
    Services(Vec<Service>),
    Mark(Mark),
}

/// What `services` lists: protocols with ports, and marks.
type Listed = (Vec<At<Service>>, Vec<At<Mark>>);

fn services(book: &mut Book<'_>, table: &Table<'_>) -> Option<Listed> {
    let given = table.texts(book, "services", false, SERVICES);
    if matches!(given, Given::Absent) {
        table.note_missing(book, "services", SERVICES);
    }
    let Given::Good(words, at) = given else { return None };
    if words.is_empty() {
        book.wrong(at, format!("services is empty; write at least one: {SERVICES}"));
        return None;
    }
    let (mut services, mut marks) = (Vec::with_capacity(words.len()), Vec::new());
    let (mut seen, mut seen_marks) = (BTreeSet::new(), BTreeSet::new());
    let mut good = true;
    for (word, at) in words {
        let double = match parse(word) {
            Ok(Word::Services(range)) => {
                let double = range.iter().find(|service| seen.contains(*service)).copied();
                seen.extend(range.iter().copied());
                services.extend(range.iter().map(|service| (*service, at)));
                double.map(|double| (format!("{}/{}", double.protocol, double.port), range.len()))
            }
            Ok(Word::Mark(mark)) => {
                marks.push((mark, at));
                (!seen_marks.insert(mark)).then(|| (word.to_owned(), 1))
            }
            Err(message) => {
                book.wrong(at, message);
                good = false;
                continue;
            }
        };
        if let Some((double, count)) = double {
            good = false;
            book.wrong(
                at,
                match count {
                    1 => format!("service {double:?} is listed twice; remove one"),
                    _ => format!(
                        "service {double:?} of {} is listed before; remove it from one of them",
                        quoted(word)
                    ),
                },
            );
        }
    }
    good.then_some((services, marks))
}

/// Reads `udp/53`, `tcp/8000-8010`, `fwmark/1` or `fwmark6/1`.
///
/// # Errors
/// What is wrong with it and what to write instead.
fn parse(word: &str) -> Result<Word, String> {
    let marks = [("fwmark/", AddressFamily::Ipv4), ("fwmark6/", AddressFamily::Ipv6)];
    for (prefix, family) in marks {
        if let Some(digits) = word.strip_prefix(prefix) {
            let mark =
                digits.parse::<NonZeroU32>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
            return match mark {
                Some(mark) => Ok(Word::Mark(Mark { family, mark })),
                None => Err(format!(
                    "service {}: a firewall mark is a number from 1 to {}; write it as in \"{prefix}1\"",
                    quoted(word),
                    u32::MAX
                )),
            };
        }
    }
    if let Some((first, last)) = word.split_once('-')
        && !last.is_empty()
        && last.bytes().all(|b| b.is_ascii_digit())
    {
        let from = service(first)?;
        let Some(to) = last.parse::<u16>().ok().filter(|to| *to >= from.port) else {
            return Err(format!("service {} is no range of ports; write the lower port first", quoted(word)));
        };
        if from.port == 0 {
            return Err(format!("service {}: port 0 is every port; write the range from 1", quoted(word)));
        }
        let ports = (from.port..=to).map(|port| Service { protocol: from.protocol, port });
        return Ok(Word::Services(ports.collect()));
    }
    service(word).map(|service| Word::Services(vec![service]))
}

/// Enters the services of a virtual server into those of all; notes the ones that another has already.
pub(super) fn claim(
    book: &mut Book<'_>,
    taken: &mut BTreeMap<ServiceAddress, Place>,
    addresses: &[At<IpAddr>],
    services: &[At<Service>],
    marks: &[At<Mark>],
) {
    let at_addresses = addresses.iter().flat_map(|(ip, ip_at)| {
        services.iter().map(move |(service, at)| {
            let key =
                ServiceAddress::Address { protocol: service.protocol, address: (*ip, service.port).into() };
            // Which of the two is at fault shows best where there are several.
            (key, if addresses.len() > 1 { *ip_at } else { *at })
        })
    });
    let marked = marks
        .iter()
        .map(|(mark, at)| (ServiceAddress::FirewallMark { family: mark.family, mark: mark.mark }, *at));
    // Of two ranges that overlap the first service is told, with how many there are.
    let mut doubles: BTreeMap<(Place, Place), (ServiceAddress, usize)> = BTreeMap::new();
    for (key, at) in at_addresses.chain(marked) {
        match taken.get(&key) {
            Some(first) => doubles.entry((at, *first)).or_insert((key, 0)).1 += 1,
            None => drop(taken.insert(key, at)),
        }
    }
    for ((at, first), (key, count)) in doubles {
        let first = book.name_of(first);
        let others = if count > 1 { format!(" (and {} others)", count - 1) } else { String::new() };
        book.wrong(
            at,
            format!("{key}{others} is served twice, already at {first}; remove it from one of them"),
        );
    }
}
