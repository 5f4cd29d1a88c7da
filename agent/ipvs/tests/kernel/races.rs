//! Others at the same table.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agent_ipvs::{DestinationKey, Edit, Error, Refusal};

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

/// One thread adds and removes without pause while the other reads: whatever is read was there, and what stays is never
/// missing from it. The kernel's own dump misses and repeats entries here.
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

    let done = AtomicBool::new(false);
    let (mut read, mut unsettled) = (0, 0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut other = connect();
            let mut turn = 0_u32;
            while !done.load(Ordering::Relaxed) {
                // Never the same twice, as with real changes; a service of its own now and then.
                turn = (turn + 1) % 60_000;
                let [_, _, high, low] = turn.to_be_bytes();
                let passing: Vec<DestinationKey> = (1..=3)
                    .map(|n| DestinationKey::new(ip(&format!("10.{}.{high}.{low}", 100 + n)), 53))
                    .collect();
                let extra = udp(&format!("10.200.{high}.{low}"));
                apply(&mut other, &passing.iter().map(|key| add(*key)).collect::<Vec<_>>());
                apply(&mut other, &[Edit::AddService(service(extra))]);
                thread::sleep(std::time::Duration::from_millis(u64::from(turn % 12)));
                let remove =
                    |key: &DestinationKey| Edit::RemoveDestination { service: dns, destination: *key };
                apply(&mut other, &passing.iter().map(remove).collect::<Vec<_>>());
                apply(&mut other, &[Edit::RemoveService(extra)]);
            }
            turn
        });
        for _ in 0..60 {
            match ipvs.table() {
                Ok(table) => {
                    read += 1;
                    let found: BTreeSet<_> = table[&dns].destinations.keys().copied().collect();
                    let missing: Vec<_> = stays.difference(&found).collect();
                    assert!(missing.is_empty(), "missed: {missing:?}");
                    assert!(found.len() <= stays.len() + 3, "{} destinations", found.len());
                }
                Err(Error::Unsettled { .. }) => unsettled += 1,
                Err(error) => panic!("{error}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        let turns = writer.join().expect("the writer");
        println!("     {read} read, {unsettled} unsettled, {turns} turns of the writer");
        assert!(turns > 0 && read > 0);
    });
}
