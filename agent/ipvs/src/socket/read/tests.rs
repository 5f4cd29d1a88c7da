//! Readings torn by changes, as a script: each list is what one dump of the kernel gives.

use std::collections::VecDeque;

use super::*;
use crate::types::{
    ConnectionCounts, Destination, DestinationKey, Family, Forwarding, Scheduler, Service, Stats, Weight,
};

fn key(mark: u32) -> ServiceKey {
    ServiceKey::firewall_mark(Family::Ipv4, mark).unwrap()
}

fn services(marks: &[u32]) -> Vec<ServiceStatus> {
    let status = |mark: &u32| ServiceStatus {
        service: Service::new(key(*mark), Scheduler::RR),
        stats: Stats::default(),
        destinations: Vec::new(),
    };
    marks.iter().map(status).collect()
}

/// Destinations told apart by their ports, in so many parts.
fn listed(ports: &[u16], parts: usize) -> (Vec<DestinationStatus>, usize) {
    let status = |port: &u16| DestinationStatus {
        destination: Destination::new(
            DestinationKey::new("10.1.0.1".parse().unwrap(), *port),
            Forwarding::Direct,
            Weight::ONE,
        ),
        stats: Stats::default(),
        connections: ConnectionCounts::default(),
    };
    (ports.iter().map(status).collect(), parts)
}

/// Gives one answer after the other; a question too many is a panic.
#[derive(Default)]
struct Script {
    services: VecDeque<Vec<ServiceStatus>>,
    destinations: VecDeque<(Vec<DestinationStatus>, usize)>,
    exists: VecDeque<bool>,
}

impl Dump for Script {
    fn services(&mut self) -> Result<Vec<ServiceStatus>, Error> {
        Ok(self.services.pop_front().expect("a list of services"))
    }

    fn destinations(&mut self, _: &ServiceKey) -> Result<(Vec<DestinationStatus>, usize), Error> {
        Ok(self.destinations.pop_front().expect("a list of destinations"))
    }

    fn exists(&mut self, _: &ServiceKey) -> Result<bool, Error> {
        Ok(self.exists.pop_front().expect("an answer"))
    }
}

impl Script {
    fn done(&self) -> bool {
        self.services.is_empty() && self.destinations.is_empty() && self.exists.is_empty()
    }
}

fn ports(destinations: &[DestinationStatus]) -> Vec<u16> {
    destinations.iter().map(|status| status.destination.key.port).collect()
}

/// What reading one service with these dumps gives.
fn read(dumps: &[(&[u16], usize)], exists: &[bool]) -> Option<Vec<u16>> {
    let mut script = Script {
        destinations: dumps.iter().map(|(ports, parts)| listed(ports, *parts)).collect(),
        exists: exists.iter().copied().collect(),
        ..Script::default()
    };
    let found = destinations(&mut script, &key(1), &mut Known::new()).unwrap();
    assert!(script.done(), "dumps are left over");
    found.map(|found| ports(&found))
}

#[test]
fn one_part_is_believed() {
    assert_eq!(read(&[(&[3, 2, 1], 1)], &[]), Some(vec![3, 2, 1]));
}

#[test]
fn an_empty_table_is_read_once() {
    let mut known = Known::from([(key(1), Vec::new())]);
    let mut script = Script { services: [services(&[])].into(), ..Script::default() };
    assert_eq!(read_once(&mut script, &mut known).unwrap().unwrap().services, []);
    assert!(script.done() && known.is_empty());
}

#[test]
fn an_empty_list_is_confirmed() {
    assert_eq!(read(&[(&[], 0)], &[true]), Some(vec![]));
    assert_eq!(read(&[(&[], 0)], &[false]), None);
    // The service goes between two parts.
    assert_eq!(read(&[(&[3, 2], 2), (&[], 0)], &[false]), None);
}

#[test]
fn several_parts_are_believed_when_they_come_out_the_same_twice() {
    assert_eq!(read(&[(&[3, 2, 1], 2), (&[3, 2, 1], 2)], &[]), Some(vec![3, 2, 1]));
    // 3 went while it was read, so that 1 was missed.
    assert_eq!(read(&[(&[4, 3, 2], 2), (&[4, 2, 1], 2), (&[4, 2, 1], 2)], &[]), Some(vec![4, 2, 1]));
    // 4 came while it was read, so that 2 is there twice, and once more.
    let twice: (&[u16], usize) = (&[3, 2, 2, 1], 2);
    assert_eq!(read(&[twice, twice, (&[4, 3, 2, 1], 2), (&[4, 3, 2, 1], 2)], &[]), Some(vec![4, 3, 2, 1]));
    // What fits into one part by now needs no second look.
    assert_eq!(read(&[(&[3, 2, 1], 2), (&[3], 1)], &[]), Some(vec![3]));
}

#[test]
fn destinations_that_never_settle() {
    let torn = (0..8).map(|n| listed(&[n, n + 1], 2)).collect();
    let mut script = Script { destinations: torn, ..Script::default() };
    let error = destinations(&mut script, &key(1), &mut Known::new()).unwrap_err();
    assert!(matches!(error, Error::Unsettled { rounds: 8 }), "{error}");
    assert!(script.done());
}

#[test]
fn services_are_read_again_at_the_end() {
    let mut script = Script {
        services: [
            // One comes while the destinations are read; one is told twice; one goes; then nothing happens any more.
            services(&[1]),
            services(&[2, 1]),
            services(&[2, 2]),
            services(&[2, 1]),
            services(&[2]),
            services(&[2]),
        ]
        .into(),
        destinations: [listed(&[1], 1), listed(&[5], 1), listed(&[], 0), listed(&[5], 1)].into(),
        exists: [false].into(),
    };
    let found = snapshot(&mut script, &mut Known::new()).unwrap();
    assert!(script.done());
    assert_eq!(found.services.len(), 1);
    assert_eq!(*found.services[0].service.key(), key(2));
    assert_eq!(ports(&found.services[0].destinations), [5]);
}

#[test]
fn an_edited_service_is_read_again() {
    let mut edited = services(&[1]);
    edited[0].service.scheduler = Scheduler::WRR;
    let mut counted = edited.clone();
    counted[0].stats.packets_in = 7;
    let mut script = Script {
        services: [services(&[1]), edited.clone(), edited, counted].into(),
        destinations: [listed(&[1], 1), listed(&[1], 1)].into(),
        ..Script::default()
    };
    let found = snapshot(&mut script, &mut Known::new()).unwrap();
    assert_eq!(found.services[0].service.scheduler, Scheduler::WRR);
    assert!(script.done(), "figures may change");
}

#[test]
fn services_that_never_settle() {
    let mut script = Script {
        services: (0..16).map(|n| services(&[n + 1])).collect(),
        destinations: (0..8).map(|_| listed(&[1], 1)).collect(),
        ..Script::default()
    };
    assert!(matches!(snapshot(&mut script, &mut Known::new()), Err(Error::Unsettled { .. })));
    assert!(script.done());
}

/// What was read without doubt need not be read twice the next time; anything else must.
#[test]
fn a_list_that_stays_as_it_is_is_read_once() {
    let mut known = Known::new();
    let mut read = |dumps: &[(&[u16], usize)]| {
        let mut script = Script {
            destinations: dumps.iter().map(|(ports, parts)| listed(ports, *parts)).collect(),
            exists: [true].into(),
            ..Script::default()
        };
        let found = destinations(&mut script, &key(1), &mut known).unwrap().map(|found| ports(&found));
        assert!(script.destinations.is_empty(), "dumps are left over");
        found
    };
    let before: (&[u16], usize) = (&[3, 2, 1], 2);
    let after: (&[u16], usize) = (&[4, 3, 2, 1], 2);
    assert_eq!(read(&[before, before]), Some(vec![3, 2, 1]));
    assert_eq!(read(&[before]), Some(vec![3, 2, 1]));
    // Torn: 3 went while it was read, so that 1 was missed.
    assert_eq!(read(&[(&[4, 3, 2], 2), (&[4, 2, 1], 2), (&[4, 2, 1], 2)]), Some(vec![4, 2, 1]));
    assert_eq!(read(&[after, after]), Some(vec![4, 3, 2, 1]));
    assert_eq!(read(&[after]), Some(vec![4, 3, 2, 1]));
    // An empty list is nothing to go by.
    assert_eq!(read(&[(&[], 0)]), Some(vec![]));
    assert_eq!(read(&[after, after]), Some(vec![4, 3, 2, 1]));
}

/// Another weight in the same place is another list.
#[test]
fn a_list_that_differs_in_a_weight_is_read_twice() {
    let mut known = Known::new();
    let mut script = Script::default();
    let (mut other, parts) = listed(&[2, 1], 2);
    script.destinations.extend([listed(&[2, 1], 2), listed(&[2, 1], 2)]);
    destinations(&mut script, &key(1), &mut known).unwrap();
    other[1].destination.weight = Weight::ZERO;
    script.destinations.extend([(other.clone(), parts), (other.clone(), parts)]);
    assert_eq!(destinations(&mut script, &key(1), &mut known).unwrap(), Some(other));
    assert!(script.done());
}
