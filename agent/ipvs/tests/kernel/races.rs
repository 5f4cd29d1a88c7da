//! Others at the same table.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use agent_ipvs::{DestinationKey, Edit, Refusal};

use crate::bed::{apply, connect, direct, ip, run, service, table, udp};

/// The service, or one destination, is removed by someone else after the table was read.
pub fn foreign_removal_between_reading_and_writing() {
    let mut ipvs = connect();
    let dns = udp("10.0.0.1");
    let first = direct("10.1.0.1", 53, 1);
    let second = direct("10.1.0.2", 53, 1);
    let add = |destination| Edit::AddDestination { service: dns, destination };
    apply(&mut ipvs, &[Edit::AddService(service(dns)), add(first), add(second)]);
    assert_eq!(table(&mut ipvs)[&dns].destinations.len(), 2);

    run("ipvsadm -d -u 10.0.0.1:53 -r 10.1.0.1:53");
    let set = |destination| Edit::SetDestination { service: dns, destination };
    let applied = ipvs.apply(&[set(first), set(second)]).unwrap();
    assert_eq!((applied.done, applied.failures.len()), (1, 1));
    assert_eq!(applied.failures[0].refusal, Refusal::DestinationMissing);
    assert_eq!(applied.failures[0].edit, set(first));
    assert!(applied.failures[0].refusal.is_drift());

    run("ipvsadm -D -u 10.0.0.1:53");
    let edits = [set(second), add(first), Edit::SetService(service(dns))];
    let applied = ipvs.apply(&edits).unwrap();
    assert_eq!(applied.done, 0);
    assert!(applied.failures.iter().all(|f| f.refusal == Refusal::ServiceMissing && f.refusal.is_drift()));

    run("ipvsadm -A -u 10.0.0.1:53 -s rr");
    let applied = ipvs.apply(&[Edit::AddService(service(dns))]).unwrap();
    assert_eq!(applied.failures[0].refusal, Refusal::Exists);
    assert!(applied.failures[0].refusal.is_drift());
}

/// Fifty thousand destinations, read while somebody else changes them every few milliseconds: each reading is complete and was there.
pub fn fifty_thousand_destinations_while_others_write() {
    const SERVICES: u8 = 50;
    const EACH: u16 = 1_000;
    let mut ipvs = connect();
    let address = |service: u8, n: u16| ip(&format!("10.{}.{}.{}", 1 + service, n / 200, 1 + n % 200));
    let mut edits = Vec::new();
    for number in 0..SERVICES {
        let key = udp(&format!("10.0.0.{}", number + 1));
        edits.push(Edit::AddService(service(key)));
        edits.extend((0..EACH).map(|n| Edit::AddDestination {
            service: key,
            destination: direct(&address(number, n).to_string(), 53, 1),
        }));
    }
    apply(&mut ipvs, &edits);
    let (stop, stopped) = mpsc::channel::<()>();
    let (changes, seen) = thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut other = connect();
            let mut changes = 0_u32;
            while stopped.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Another service each time; what is added is removed with the next turn.
                let key = |turn: u32| udp(&format!("10.0.0.{}", turn % u32::from(SERVICES) + 1));
                let passing = DestinationKey::new(ip("10.200.0.1"), 53);
                if changes > 0 {
                    apply(
                        &mut other,
                        &[Edit::RemoveDestination { service: key(changes - 1), destination: passing }],
                    );
                }
                let add =
                    Edit::AddDestination { service: key(changes), destination: direct("10.200.0.1", 53, 1) };
                apply(&mut other, &[add]);
                changes += 1;
            }
            changes
        });
        let mut seen = 0;
        for _ in 0..2 {
            let table = ipvs.table().expect("a settled reading");
            let counts: Vec<usize> = table.values().map(|entry| entry.destinations.len()).collect();
            assert_eq!(counts.len(), usize::from(SERVICES));
            assert!(counts.iter().all(|count| (1_000..=1_001).contains(count)), "{counts:?}");
            seen += counts.iter().filter(|count| **count > 1_000).count();
        }
        drop(stop);
        (writer.join().expect("the writer"), seen)
    });
    assert!(changes > 4, "only {changes} changes");
    println!("     {changes} changes meanwhile, {seen} seen in passing");
}

/// While one thread reads, another adds and removes: whatever is read was there, and what stays is never missing from it.
/// The kernel's own dump misses and repeats entries here. Each reading meets four changes, of which each can spoil one
/// round, so all readings succeed.
pub fn reading_while_others_write() {
    let mut ipvs = connect();
    let dns = udp("10.0.0.1");
    let stays: BTreeSet<DestinationKey> = (0..400_u16)
        .map(|n| DestinationKey::new(ip(&format!("10.1.{}.{}", n / 200, 1 + n % 200)), 53))
        .collect();
    let add = |key: DestinationKey| Edit::AddDestination {
        service: dns,
        destination: direct(&key.address.to_string(), key.port, 1),
    };
    let mut edits = vec![Edit::AddService(service(dns))];
    edits.extend(stays.iter().map(|key| add(*key)));
    apply(&mut ipvs, &edits);

    let (start, started) = mpsc::channel::<u8>();
    let (finish, finished) = mpsc::channel::<()>();
    let read = thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut other = connect();
            for turn in started {
                let pause = || thread::sleep(Duration::from_micros(u64::from(turn % 16) * 2_000));
                // Never the same twice, as with real changes.
                let passing =
                    [101, 102, 103].map(|n| DestinationKey::new(ip(&format!("10.{n}.0.{turn}")), 53));
                let extra = udp(&format!("10.200.0.{turn}"));
                let remove = |key| Edit::RemoveDestination { service: dns, destination: key };
                pause();
                apply(&mut other, &passing.map(add));
                pause();
                apply(&mut other, &[Edit::AddService(service(extra))]);
                pause();
                apply(&mut other, &passing.map(remove));
                pause();
                apply(&mut other, &[Edit::RemoveService(extra)]);
                finish.send(()).expect("the reader is there");
            }
        });
        let mut read = Vec::new();
        for turn in 1..=48 {
            start.send(turn).expect("the writer is there");
            // Several readings meet one turn of the writer, and it is over before the next.
            read.extend((0..3).map(|_| ipvs.table()));
            finished.recv().expect("the writer is there");
        }
        drop(start);
        writer.join().expect("the writer");
        read
    });
    let mut in_between = 0;
    for table in read {
        let table = table.expect("a settled reading");
        let found: BTreeSet<_> = table[&dns].destinations.keys().copied().collect();
        let missing: Vec<_> = stays.difference(&found).collect();
        assert!(missing.is_empty(), "missed: {missing:?}");
        // A batch is one to others: all three or none.
        assert_eq!((found.len() - stays.len()) % 3, 0, "{} destinations", found.len());
        in_between += usize::from(found.len() > stays.len() || table.len() > 1);
    }
    println!("     {in_between} readings with something that passed");
    let table = table(&mut ipvs);
    assert_eq!(table.len(), 1);
    assert!(table[&dns].destinations.keys().eq(&stays));
}
