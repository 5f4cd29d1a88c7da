use agent_ipvs::{Destination, DestinationKey, Forwarding, Protocol, Scheduler, Service, Weight};

use super::*;

fn key(last: u8) -> ServiceKey {
    ServiceKey::new(Protocol::Udp, [10, 0, 0, last].into(), 53).unwrap()
}

fn destination(last: u8, weight: u32) -> Destination {
    Destination::new(
        DestinationKey::new([10, 1, 0, last].into(), 53),
        Forwarding::Direct,
        Weight::new(weight).unwrap(),
    )
}

fn table(services: &[(u8, &[(u8, u32)])]) -> Table {
    let entries = services.iter().map(|(last, destinations)| {
        let mut entry = ServiceEntry::new(Service::new(key(*last), Scheduler::WRR));
        for (last, weight) in *destinations {
            let destination = destination(*last, *weight);
            entry.destinations.insert(destination.key, destination);
        }
        (key(*last), entry)
    });
    entries.collect()
}

#[test]
fn nothing_differs_nothing_is_edited() {
    let same = table(&[(1, &[(1, 10), (2, 20)]), (2, &[])]);
    assert!(diff(&same, &same, &BTreeSet::new()).is_empty());
}

#[test]
fn replacements_come_before_removals() {
    let actual = table(&[(1, &[(1, 10), (2, 20)])]);
    let wanted = table(&[(1, &[(2, 5), (3, 30)])]);
    let edits = diff(&wanted, &actual, &BTreeSet::new()).into_vec();
    assert_eq!(
        edits,
        [
            Edit::AddDestination { service: key(1), destination: destination(3, 30) },
            Edit::SetDestination { service: key(1), destination: destination(2, 5) },
            Edit::RemoveDestination { service: key(1), destination: destination(1, 10).key },
        ]
    );
    let mut table = actual;
    for edit in edits {
        edit.apply_to(&mut table).unwrap();
        assert!(!table[&key(1)].destinations.is_empty());
    }
    assert_eq!(table, wanted);
}

#[test]
fn a_service_is_edited_in_place_and_surplus_goes_last() {
    let mut actual = table(&[(1, &[(1, 10)]), (9, &[(1, 1)])]);
    actual.get_mut(&key(1)).unwrap().service.scheduler = Scheduler::RR;
    let wanted = table(&[(1, &[(1, 10)]), (2, &[(2, 2)])]);
    let edits = diff(&wanted, &actual, &[key(9), key(7)].into()).into_vec();
    assert_eq!(
        edits,
        [
            Edit::SetService(wanted[&key(1)].service),
            Edit::AddService(wanted[&key(2)].service),
            Edit::AddDestination { service: key(2), destination: destination(2, 2) },
            Edit::RemoveService(key(9)),
        ]
    );
}

#[test]
fn only_what_somebody_else_changed_is_drift() {
    let before = table(&[(1, &[(1, 10), (2, 20), (3, 30)])]);
    // Somebody removed 1, re-weighted 2 and added 4; at the same time 3 is to go and 5 is new.
    let actual = table(&[(1, &[(2, 1), (3, 30), (4, 4)])]);
    let wanted = table(&[(1, &[(1, 10), (2, 20), (5, 50)])]);
    let edits = diff(&wanted, &actual, &BTreeSet::new()).into_vec();
    assert_eq!(edits.len(), 5);
    let drifted = drift(&before, &wanted, &edits);
    assert_eq!(
        drifted,
        [
            Edit::AddDestination { service: key(1), destination: destination(1, 10) },
            Edit::SetDestination { service: key(1), destination: destination(2, 20) },
            Edit::RemoveDestination { service: key(1), destination: destination(4, 4).key },
        ]
    );
    assert_eq!(drift(&Table::new(), &wanted, &edits), [], "before the first pass nothing is anybody's doing");
}

#[test]
fn an_ejection_overtakes_everything_else() {
    // Service 1 is new and large, service 2 has a dead server, service 3 changes all over and has one too.
    let many: Vec<(u8, u32)> = (1..=100).map(|last| (last, 10)).collect();
    let heavier: Vec<(u8, u32)> = (2..=100).map(|last| (last, if last == 9 { 0 } else { 20 })).collect();
    let wanted = table(&[(1, &many), (2, &[(2, 10)]), (3, &heavier)]);
    let actual = table(&[(2, &[(1, 10)]), (3, &many)]);
    let difference = diff(&wanted, &actual, &BTreeSet::new());
    assert_eq!(
        difference.urgent,
        [
            Edit::AddDestination { service: key(2), destination: destination(2, 10) },
            Edit::RemoveDestination { service: key(2), destination: destination(1, 10).key },
            Edit::SetDestination { service: key(3), destination: destination(9, 0) },
            Edit::RemoveDestination { service: key(3), destination: destination(1, 10).key },
        ]
    );
    assert_eq!(difference.bulk.len(), 101 + 98);
    let mut table = actual;
    for edit in difference.into_vec() {
        edit.apply_to(&mut table).unwrap();
        assert!(table.iter().all(|(at, entry)| *at == key(1) || !entry.destinations.is_empty()));
    }
    assert_eq!(table, wanted);
}

#[test]
fn a_large_service_that_changes_hands_gets_its_new_servers_first() {
    let old: Vec<(u8, u32)> = (1..=100).map(|last| (last, 10)).collect();
    let new: Vec<(u8, u32)> = (101..=200).map(|last| (last, 10)).collect();
    let difference = diff(&table(&[(1, &new)]), &table(&[(1, &old)]), &BTreeSet::new());
    assert_eq!(difference.urgent, []);
    let removals = difference.bulk.iter().skip(100);
    assert!(
        removals.clone().count() == 100
            && removals.into_iter().all(|edit| matches!(edit, Edit::RemoveDestination { .. }))
    );
}

#[test]
fn who_comes_to_serve_does_so_before_another_stops() {
    let difference =
        diff(&table(&[(1, &[(1, 0), (2, 20)])]), &table(&[(1, &[(1, 10), (2, 0)])]), &BTreeSet::new());
    assert_eq!(
        difference.urgent,
        [
            Edit::SetDestination { service: key(1), destination: destination(2, 20) },
            Edit::SetDestination { service: key(1), destination: destination(1, 0) },
        ]
    );
}
