//! Writing, with `ipvsadm -Sn` to say what came of it.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use agent_ipvs::{
    Checksum, Destination, DestinationKey, Edit, Encapsulation, Family, Flags, Forwarding, Granularity,
    MAX_TIMEOUT_SECS, Persistence, PersistenceEngine, Protocol, Scheduler, ServiceKey, Table, Thresholds,
    Weight, text,
};

use crate::bed::{apply, connect, direct, ip, key, restore, run, saved, service, table, udp};
use crate::{reading, tables};

fn add(service: ServiceKey, destination: Destination) -> Edit {
    Edit::AddDestination { service, destination }
}

fn to(address: &str, port: u16, forwarding: Forwarding) -> Destination {
    Destination::new(DestinationKey::new(ip(address), port), forwarding, Weight::ONE)
}

pub fn every_feature_as_ipvsadm_shows_it() {
    let mut ipvs = connect();
    let tcp = key(Protocol::Tcp, "10.0.0.1", 80);
    let mut dns = service(udp("10.0.0.1"));
    dns.flags = Flags::ONE_PACKET;
    let mut hashed = service(key(Protocol::Sctp, "10.0.0.1", 9));
    hashed.scheduler = Scheduler::MH;
    hashed.flags = Flags::SCHEDULER_1 | Flags::SCHEDULER_2;
    let gue = Encapsulation::Gue { port: NonZeroU16::new(6080).unwrap(), checksum: Checksum::Remote };
    let gre = Encapsulation::Gre { checksum: Checksum::None };
    let mut limited = to("10.1.0.5", 80, Forwarding::Direct);
    limited.thresholds = Thresholds::new(100, 50).unwrap();
    apply(
        &mut ipvs,
        &[
            Edit::AddService(service(tcp)),
            Edit::AddService(dns),
            Edit::AddService(hashed),
            add(tcp, to("10.1.0.1", 80, Forwarding::TUNNEL)),
            add(tcp, to("10.1.0.2", 80, Forwarding::Tunnel(gue))),
            add(tcp, to("10.1.0.3", 80, Forwarding::Tunnel(gre))),
            add(tcp, to("10.1.0.4", 8080, Forwarding::Masquerade)),
            add(tcp, limited),
            add(udp("10.0.0.1"), direct("10.1.0.1", 53, 100)),
        ],
    );
    assert_eq!(
        saved(),
        "-A -t 10.0.0.1:80 -s wrr\n\
         -a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 1 --tun-type ipip\n\
         -a -t 10.0.0.1:80 -r 10.1.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum\n\
         -a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 1 --tun-type gre --tun-nocsum\n\
         -a -t 10.0.0.1:80 -r 10.1.0.4:8080 -m -w 1\n\
         -a -t 10.0.0.1:80 -r 10.1.0.5:80 -g -w 1\n\
         -A -u 10.0.0.1:53 -s wrr -o\n\
         -a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 100\n\
         -A --sctp-service 10.0.0.1:9 -s mh -b mh-fallback,mh-port\n"
    );
    let thresholds = run("ipvsadm -Ln --thresholds -t 10.0.0.1:80");
    let line = thresholds.lines().find(|line| line.contains("10.1.0.5")).expect("its line");
    assert_eq!(line.split_whitespace().skip(2).take(2).collect::<Vec<_>>(), ["100", "50"], "{thresholds}");

    // Each property turned off again in place.
    limited.thresholds = Thresholds::NONE;
    limited.weight = Weight::ZERO;
    dns.flags = Flags::NONE;
    hashed.scheduler = Scheduler::RR;
    hashed.flags = Flags::NONE;
    let set = |destination| Edit::SetDestination { service: tcp, destination };
    apply(
        &mut ipvs,
        &[
            Edit::SetService(dns),
            Edit::SetService(hashed),
            set(limited),
            set(to("10.1.0.2", 80, Forwarding::Direct)),
            set(to("10.1.0.3", 80, Forwarding::TUNNEL)),
            Edit::RemoveDestination { service: tcp, destination: DestinationKey::new(ip("10.1.0.4"), 8080) },
            Edit::RemoveDestination { service: tcp, destination: DestinationKey::new(ip("10.1.0.1"), 80) },
        ],
    );
    assert_eq!(
        saved(),
        "-A -t 10.0.0.1:80 -s wrr\n\
         -a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1\n\
         -a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 1 --tun-type ipip\n\
         -a -t 10.0.0.1:80 -r 10.1.0.5:80 -g -w 0\n\
         -A -u 10.0.0.1:53 -s wrr\n\
         -a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 100\n\
         -A --sctp-service 10.0.0.1:9 -s rr\n"
    );
    let found = table(&mut ipvs);
    assert_eq!(found[&tcp].destinations[&limited.key], limited);
    apply(&mut ipvs, &tables::remove(&found));
    assert_eq!(saved(), "");
}

/// The kernel holds more than `ipvsadm` can say; the export says it in the same odd way.
pub fn what_ipvsadm_has_no_words_for() {
    let mut ipvs = connect();
    let odd = ServiceKey::Address { protocol: Protocol::from_number(1), address: ip("10.0.0.1"), port: 80 };
    let tcp = key(Protocol::Tcp, "10.0.0.1", 80);
    let mut hashed = service(tcp);
    hashed.scheduler = Scheduler::SH;
    hashed.flags = Flags::SCHEDULER_3 | Flags::from_bits(0x100);
    let big = service(ServiceKey::firewall_mark(Family::Ipv4, 0xffff_fff0).unwrap());
    let mut engine = service(udp("10.0.0.9"));
    engine.engine = Some(PersistenceEngine::new("sip").unwrap());
    apply(
        &mut ipvs,
        &[
            Edit::AddService(service(odd)),
            Edit::AddService(hashed),
            Edit::AddService(big),
            Edit::AddService(engine),
            add(tcp, to("10.1.0.1", 80, Forwarding::Local)),
            add(tcp, to("10.1.0.2", 80, Forwarding::Bypass)),
            add(tcp, to("10.1.0.3", 8080, Forwarding::Direct)),
            add(tcp, to("10.1.0.4", 80, Forwarding::Other(6))),
        ],
    );
    let found = table(&mut ipvs);
    assert_eq!(found[&odd].service, service(odd));
    assert_eq!(found[&tcp].service, hashed, "unknown bits are seen");
    assert_eq!(found[&udp("10.0.0.9")].service, engine);
    let forwarding: Vec<Forwarding> = found[&tcp].destinations.values().map(|d| d.forwarding).collect();
    assert_eq!(forwarding, [Forwarding::Local, Forwarding::Bypass, Forwarding::Direct, Forwarding::Other(6)]);
    assert_eq!(text::export(&found, text::Style::Saved), saved());
    // None of it is read back silently as something else.
    let errors = text::parse(&saved()).unwrap_err();
    let told: Vec<(usize, &str)> = errors.iter().map(|error| (error.line, error.token.as_str())).collect();
    let lines = saved();
    let line = |part: &str| lines.lines().position(|line| line.contains(part)).expect(part) + 1;
    for (part, token) in [
        ("--xxx-service", "--xxx-service"),
        ("10.1.0.2", "(null)"),
        ("10.1.0.3", "-a"),
        ("10.1.0.4", "(null)"),
    ] {
        assert!(told.contains(&(line(part), token)), "{part}: {told:?}\n{lines}");
    }
}

pub fn ipv6_and_mixed_families() {
    let mut ipvs = connect();
    let six = key(Protocol::Udp, "2001:db8::1", 53);
    let four = udp("10.0.0.1");
    apply(
        &mut ipvs,
        &[
            Edit::AddService(service(six)),
            Edit::AddService(service(four)),
            add(six, direct("2001:db8::53", 53, 5)),
            add(six, direct("::192.0.2.1", 53, 5)),
            add(six, to("10.1.0.1", 53, Forwarding::TUNNEL)),
            add(four, to("2001:db8::53", 53, Forwarding::TUNNEL)),
            add(four, to("10.1.0.1", 53, Forwarding::TUNNEL)),
        ],
    );
    let found = table(&mut ipvs);
    assert_eq!(
        text::export(&found, text::Style::Saved),
        "-A -u 10.0.0.1:53 -s wrr\n\
         -a -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 1 --tun-type ipip\n\
         -a -u 10.0.0.1:53 -r [2001:db8::53]:53 -i -w 1 --tun-type ipip\n\
         -A -u [2001:db8::1]:53 -s wrr\n\
         -a -u [2001:db8::1]:53 -r [::192.0.2.1]:53 -g -w 5\n\
         -a -u [2001:db8::1]:53 -r 10.1.0.1:53 -i -w 1 --tun-type ipip\n\
         -a -u [2001:db8::1]:53 -r [2001:db8::53]:53 -g -w 5\n"
    );
    assert_eq!(text::export(&found, text::Style::Saved), saved());
    // A destination of the other family can be changed and removed too.
    let mut heavier = to("2001:db8::53", 53, Forwarding::TUNNEL);
    heavier.weight = Weight::from(9);
    let foreign = DestinationKey::new(ip("10.1.0.1"), 53);
    apply(
        &mut ipvs,
        &[
            Edit::SetDestination { service: four, destination: heavier },
            Edit::RemoveDestination { service: six, destination: foreign },
        ],
    );
    let found = table(&mut ipvs);
    assert_eq!(found[&four].destinations[&heavier.key].weight, Weight::from(9));
    assert!(!found[&six].destinations.contains_key(&foreign));
}

pub fn firewall_marks() {
    let mut ipvs = connect();
    let mark = |family, mark| ServiceKey::firewall_mark(family, mark).unwrap();
    let keys = [
        mark(Family::Ipv4, 1),
        mark(Family::Ipv6, 1),
        mark(Family::Ipv4, 0x7fff_ffff),
        mark(Family::Ipv4, 0x8000_0000),
        mark(Family::Ipv6, u32::MAX),
    ];
    for key in keys {
        let server = if key.family() == Family::Ipv4 { "10.1.0.1" } else { "2001:db8::53" };
        apply(&mut ipvs, &[Edit::AddService(service(key)), add(key, direct(server, 0, 1))]);
    }
    let found = table(&mut ipvs);
    assert_eq!(found.keys().copied().collect::<Vec<_>>().len(), 5);
    assert!(keys.iter().all(|key| found.contains_key(key)));
    assert_eq!(text::export_snapshot(&ipvs.snapshot().unwrap(), text::Style::Saved), saved());
    assert!(saved().contains("-A -f -2147483648 -s wrr\n"), "{}", saved());
    assert_eq!(text::parse(&saved()).unwrap(), found);
    assert_eq!(text::parse(&text::export(&found, text::Style::Complete)).unwrap(), found);
    apply(&mut ipvs, &tables::remove(&found));
    assert!(table(&mut ipvs).is_empty());
}

pub fn persistence() {
    let mut ipvs = connect();
    let mut dns = service(udp("10.0.0.1"));
    let mask = Granularity::mask(Ipv4Addr::new(255, 255, 252, 0)).unwrap();
    dns.set_persistence(Some(Persistence::new(MAX_TIMEOUT_SECS, mask).unwrap())).unwrap();
    let mut six = service(key(Protocol::Tcp, "2001:db8::1", 0));
    six.set_persistence(Some(Persistence::new(1, Granularity::prefix(56).unwrap()).unwrap())).unwrap();
    six.engine = Some(PersistenceEngine::new("sip").unwrap());
    apply(&mut ipvs, &[Edit::AddService(dns), Edit::AddService(six)]);
    assert_eq!(
        saved(),
        "-A -u 10.0.0.1:53 -s wrr -p 2678400 -M 255.255.252.0\n-A -t [2001:db8::1]:0 -s wrr -p 1 -M 56 --pe sip\n"
    );
    let found = table(&mut ipvs);
    assert_eq!((found[dns.key()].service, found[six.key()].service), (dns, six));
    // Off again, and the engine with it.
    dns.set_persistence(None).unwrap();
    six.engine = None;
    six.set_persistence(Some(Persistence::new(360, Granularity::Host).unwrap())).unwrap();
    apply(&mut ipvs, &[Edit::SetService(dns), Edit::SetService(six)]);
    assert_eq!(saved(), "-A -u 10.0.0.1:53 -s wrr\n-A -t [2001:db8::1]:0 -s wrr -p 360\n");
    let found = table(&mut ipvs);
    assert_eq!((found[dns.key()].service, found[six.key()].service), (dns, six));
}

pub fn in_place_keeps_connections_and_statistics() {
    let mut ipvs = connect();
    let vip = reading::traffic(&mut ipvs);
    let read = |ipvs: &mut agent_ipvs::Ipvs| ipvs.snapshot().unwrap().services.remove(0);
    crate::bed::until("three packets are counted", || read(&mut ipvs).destinations[0].stats.packets_in == 3);
    let before = read(&mut ipvs);
    let mut changed = before.service;
    changed.scheduler = Scheduler::RR;
    changed.set_persistence(Some(Persistence::new(60, Granularity::Host).unwrap())).unwrap();
    let mut destination = before.destinations[0].destination;
    destination.weight = Weight::from(77);
    destination.forwarding = Forwarding::TUNNEL;
    apply(&mut ipvs, &[Edit::SetService(changed), Edit::SetDestination { service: vip, destination }]);
    let after = read(&mut ipvs);
    assert_eq!(after.service, changed);
    assert_eq!(after.destinations[0].destination, destination);
    assert_eq!(after.stats.packets_in, 3);
    assert_eq!(after.destinations[0].stats.packets_in, 3);
    assert_eq!(after.destinations[0].connections, before.destinations[0].connections);
}

pub fn ten_thousand_destinations() {
    let mut ipvs = connect();
    let mut wanted = Table::new();
    for s in 0..20_u16 {
        let key = key(Protocol::Udp, "10.0.0.1", 1_000 + s);
        let entry = agent_ipvs::ServiceEntry {
            service: service(key),
            destinations: (0..500_u16)
                .map(|d| {
                    let [high, low] = d.to_be_bytes();
                    let address = format!("10.1.{high}.{low}");
                    let address = if d == 0 { "10.2.0.1".to_owned() } else { address };
                    let destination = direct(&address, 1_000 + s, d);
                    (destination.key, destination)
                })
                .collect(),
        };
        wanted.insert(key, entry);
    }
    let edits = tables::fill(&wanted);
    assert_eq!(edits.len(), 10_020);
    apply(&mut ipvs, &edits);
    assert_eq!(ipvs.requests_written(), 10_020);
    let found = table(&mut ipvs);
    assert!(found == wanted, "the table differs");
    assert_eq!(ipvs.requests_written(), 10_020, "reading writes nothing");
    assert!(text::export(&found, text::Style::Saved) == saved(), "the text differs");
    // One change is one request.
    let key = key(Protocol::Udp, "10.0.0.1", 1_007);
    let mut destination = direct("10.1.1.1", 1_007, 0);
    assert!(found[&key].destinations.contains_key(&destination.key));
    destination.weight = Weight::MAX;
    apply(&mut ipvs, &[Edit::SetDestination { service: key, destination }]);
    assert_eq!(ipvs.requests_written(), 10_021);
    assert_eq!(table(&mut ipvs)[&key].destinations[&destination.key], destination);
    apply(&mut ipvs, &tables::remove(&wanted));
    assert!(table(&mut ipvs).is_empty());
}

/// An edit's text does what the edit does.
pub fn dry_run_text_is_understood_by_ipvsadm() {
    let mut ipvs = connect();
    let dns = udp("10.0.0.1");
    let mut limited = direct("10.1.0.1", 53, 7);
    limited.thresholds = Thresholds::new(1_000, 10).unwrap();
    let mark = ServiceKey::firewall_mark(Family::Ipv6, u32::MAX).unwrap();
    let mut slower = service(dns);
    slower.scheduler = Scheduler::new("sed").unwrap();
    let mut lighter = limited;
    lighter.weight = Weight::ZERO;
    let edits = [
        Edit::AddService(service(dns)),
        Edit::AddService(service(mark)),
        Edit::AddService(service(udp("10.0.0.2"))),
        add(dns, limited),
        add(dns, direct("10.1.0.2", 53, 1)),
        Edit::SetService(slower),
        Edit::SetDestination { service: dns, destination: lighter },
        Edit::RemoveDestination { service: dns, destination: DestinationKey::new(ip("10.1.0.2"), 53) },
        Edit::RemoveService(udp("10.0.0.2")),
    ];
    let lines: String = edits.iter().map(|edit| format!("{edit}\n")).collect();
    restore(&lines);
    let mut model = Table::new();
    edits.iter().for_each(|edit| edit.apply_to(&mut model).unwrap());
    assert_eq!(table(&mut ipvs), model);
    assert_eq!(text::parse(&lines).unwrap(), model);
}
