//! Random tables that both the kernel and `ipvsadm` can hold. Shared by the unit tests and the test on a real kernel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use agent_ipvs::{
    Checksum, Destination, DestinationKey, Edit, Encapsulation, Family, Flags, Forwarding, Granularity,
    MAX_TIMEOUT_SECS, Persistence, PersistenceEngine, Protocol, Scheduler, Service, ServiceEntry, ServiceKey,
    Table, Thresholds, Weight,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The edits that make a table out of nothing.
pub fn fill(table: &Table) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (key, entry) in table {
        edits.push(Edit::AddService(entry.service));
        edits.extend(
            entry
                .destinations
                .values()
                .map(|&destination| Edit::AddDestination { service: *key, destination }),
        );
    }
    edits
}

/// The edits that take a table away.
pub fn remove(table: &Table) -> Vec<Edit> {
    table.keys().map(|key| Edit::RemoveService(*key)).collect()
}

fn ipv4() -> impl Strategy<Value = IpAddr> {
    // Few values in the middle, so that keys meet and sort by later parts; the first byte spans the whole unicast range.
    (1..=223_u8, any::<bool>(), 0..3_u8, 1..255_u8)
        .prop_filter("loopback", |(a, ..)| *a != 127)
        .prop_map(|(a, b, c, d)| Ipv4Addr::new(a, u8::from(b), c, d).into())
}

fn ipv6() -> impl Strategy<Value = IpAddr> {
    let global = (0x2000..0x4000_u16, any::<[u16; 7]>())
        .prop_map(|(first, [b, c, d, e, f, g, h])| Ipv6Addr::new(first, b, c, d, e, f, g, h));
    let runs = (0..3_u16, 0..3_u16, 0..3_u16, 1..9_u16)
        .prop_map(|(b, e, f, h)| Ipv6Addr::new(0x2001, b, 0, 0, e, f, 0, h));
    prop_oneof![global, runs].prop_map(IpAddr::from)
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => ipv4().boxed(),
        Family::Ipv6 => ipv6().boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    select(vec![Family::Ipv4, Family::Ipv6])
}

fn key() -> impl Strategy<Value = ServiceKey> {
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let port = select(vec![0_u16, 53, 80, 853, 65_535]);
    let by_address = (protocol, family().prop_flat_map(address), port)
        .prop_map(|(protocol, address, port)| ServiceKey::new(protocol, address, port).unwrap());
    let mark = prop_oneof![1..20_u32, any::<u32>().prop_map(|mark| mark.max(1))];
    let by_mark =
        (family(), mark).prop_map(|(family, mark)| ServiceKey::firewall_mark(family, mark).unwrap());
    prop_oneof![3 => by_address, 1 => by_mark]
}

fn granularity(family: Family) -> BoxedStrategy<Granularity> {
    match family {
        Family::Ipv4 => (1..=32_u32)
            .prop_map(|bits| Granularity::mask(Ipv4Addr::from_bits(u32::MAX << (32 - bits))).unwrap())
            .boxed(),
        Family::Ipv6 => (1..=128_u8).prop_map(|length| Granularity::prefix(length).unwrap()).boxed(),
    }
}

fn service() -> impl Strategy<Value = Service> {
    key().prop_flat_map(|key| {
        let schedulers = select(vec![
            "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh",
        ]);
        let timeout = prop_oneof![1..400_u32, Just(MAX_TIMEOUT_SECS)];
        let persistence = (timeout, granularity(key.family()), any::<bool>());
        (schedulers, option::of(persistence), any::<bool>(), 0..8_usize).prop_map(
            move |(scheduler, persistence, one_packet, bits)| {
                let mut service = Service::new(key, Scheduler::new(scheduler).unwrap());
                let all_ports = matches!(key, ServiceKey::Address { port: 0, .. });
                let may_one_packet =
                    !matches!(key, ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Sctp, .. });
                let persistence = persistence.or(all_ports.then_some((360, Granularity::Host, false)));
                if let Some((timeout, granularity, sip)) = persistence {
                    service.set_persistence(Some(Persistence::new(timeout, granularity).unwrap())).unwrap();
                    service.engine = sip.then(|| PersistenceEngine::new("sip").unwrap());
                }
                if one_packet && may_one_packet {
                    service.flags = service.flags.with(Flags::ONE_PACKET);
                }
                // sh and mh have no third flag.
                for (bit, flag) in Flags::SCHEDULER.into_iter().take(scheduler_flags(&service)).enumerate() {
                    if bits & (1 << bit) != 0 {
                        service.flags = service.flags | flag;
                    }
                }
                service
            },
        )
    })
}

fn scheduler_flags(service: &Service) -> usize {
    service.scheduler.flag_names().len()
}

fn encapsulation() -> impl Strategy<Value = Encapsulation> {
    let gue = (1..=u16::MAX, select(vec![Checksum::None, Checksum::Full, Checksum::Remote]))
        .prop_map(|(port, checksum)| Encapsulation::Gue { port: NonZeroU16::new(port).unwrap(), checksum });
    let gre =
        select(vec![Checksum::None, Checksum::Full]).prop_map(|checksum| Encapsulation::Gre { checksum });
    prop_oneof![2 => Just(Encapsulation::Ipip), 1 => gue, 1 => gre]
}

fn destination(service: Service) -> impl Strategy<Value = Destination> {
    let forwarding = prop_oneof![
        2 => Just(Forwarding::Direct),
        2 => Just(Forwarding::Masquerade),
        3 => encapsulation().prop_map(Forwarding::Tunnel),
    ];
    let own = service.key().family();
    (forwarding, any::<bool>()).prop_flat_map(move |(forwarding, mixed)| {
        let family = match (own, mixed && matches!(forwarding, Forwarding::Tunnel(_))) {
            (family, false) => family,
            (Family::Ipv4, true) => Family::Ipv6,
            (Family::Ipv6, true) => Family::Ipv4,
        };
        let port = match *service.key() {
            ServiceKey::Address { port, .. } if forwarding == Forwarding::Masquerade => {
                prop_oneof![Just(port), 1..=u16::MAX].boxed()
            }
            ServiceKey::Address { port, .. } => Just(port).boxed(),
            ServiceKey::FirewallMark { .. } => select(vec![0, 53]).boxed(),
        };
        let weight = prop_oneof![0..200_u32, Just(Weight::MAX.get())];
        let thresholds = prop_oneof![Just((0, 0)), (0..5_000_u32, 0..5_000_u32), Just((i32::MAX as u32, 1))];
        (address(family), port, weight, thresholds).prop_map(move |(address, port, weight, (a, b))| {
            let key = DestinationKey::new(address, port);
            let mut destination = Destination::new(key, forwarding, Weight::new(weight).unwrap());
            destination.thresholds = Thresholds::new(a.max(b), a.min(b)).unwrap();
            destination
        })
    })
}

fn entry() -> impl Strategy<Value = ServiceEntry> {
    service().prop_flat_map(|service| {
        vec(destination(service), 0..6).prop_map(move |destinations| ServiceEntry {
            service,
            destinations: destinations.into_iter().map(|d| (d.key, d)).collect::<BTreeMap<_, _>>(),
        })
    })
}

/// A table of a few services, using every feature now and then.
pub fn table() -> impl Strategy<Value = Table> {
    vec(entry(), 0..8).prop_map(|entries| entries.into_iter().map(|e| (*e.service.key(), e)).collect())
}

/// The same table as `ipvsadm -Sn` tells it: without thresholds.
pub fn without_thresholds(table: &Table) -> Table {
    let mut table = table.clone();
    for entry in table.values_mut() {
        for destination in entry.destinations.values_mut() {
            destination.thresholds = Thresholds::NONE;
        }
    }
    table
}
