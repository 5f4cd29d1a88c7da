//! Random tables, with every feature, against `ipvsadm`.

use agent_ipvs::{Edit, Table, text};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::bed::{apply, connect, restore, saved, table};
use crate::tables;

/// The same tables in each run, so that a failure can be looked into.
fn samples(count: usize) -> Vec<Table> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, b"ipvs tables that a kernel holds.");
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = tables::table();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a table").current()).collect()
}

/// Written by us and read by us; written by us and saved by `ipvsadm`; saved by `ipvsadm`, imported and written again:
/// always the same.
pub fn tables_are_what_ipvsadm_shows() {
    let mut ipvs = connect();
    for (number, wanted) in samples(200).into_iter().enumerate() {
        apply(&mut ipvs, &tables::fill(&wanted));
        let snapshot = ipvs.snapshot().unwrap();
        assert_eq!(snapshot.table(), wanted, "table {number}");
        let text = saved();
        assert_eq!(text::export_snapshot(&snapshot, text::Style::Saved), text, "table {number}");
        let imported = text::parse(&text).unwrap();
        assert_eq!(imported, tables::without_thresholds(&wanted), "table {number}");
        apply(&mut ipvs, &tables::remove(&wanted));
        if number % 10 == 0 {
            // The complete text has all of it, for ipvsadm too.
            restore(&text::export(&wanted, text::Style::Complete));
            assert_eq!(table(&mut ipvs), wanted, "table {number} through ipvsadm -R");
            apply(&mut ipvs, &tables::remove(&wanted));
        }
    }
    assert!(table(&mut ipvs).is_empty());
}

/// Each table edited into the next in place, keys in both kept.
pub fn from_one_table_to_another() {
    let mut ipvs = connect();
    let mut before = Table::new();
    for (number, mut wanted) in samples(200).into_iter().enumerate() {
        // Some of what was there stays, with other properties.
        for (key, entry) in before.iter().step_by(2) {
            let mut entry = entry.clone();
            let mut weight = 0;
            for destination in entry.destinations.values_mut() {
                weight += 3;
                destination.weight = agent_ipvs::Weight::from(weight);
            }
            wanted.entry(*key).or_insert(entry);
        }
        let edits = difference(&before, &wanted);
        apply(&mut ipvs, &edits);
        assert_eq!(table(&mut ipvs), wanted, "table {number}");
        assert!(difference(&table(&mut ipvs), &wanted).is_empty());
        before = wanted;
    }
}

/// All that it takes, without an order worth copying.
fn difference(from: &Table, to: &Table) -> Vec<Edit> {
    let mut edits: Vec<Edit> =
        from.keys().filter(|key| !to.contains_key(key)).map(|key| Edit::RemoveService(*key)).collect();
    for (key, wanted) in to {
        let Some(there) = from.get(key) else {
            edits.extend(tables::fill(&Table::from([(*key, wanted.clone())])));
            continue;
        };
        if there.service != wanted.service {
            edits.push(Edit::SetService(wanted.service));
        }
        let gone = there.destinations.keys().filter(|key| !wanted.destinations.contains_key(key));
        edits.extend(
            gone.map(|destination| Edit::RemoveDestination { service: *key, destination: *destination }),
        );
        for (at, &destination) in &wanted.destinations {
            match there.destinations.get(at) {
                None => edits.push(Edit::AddDestination { service: *key, destination }),
                Some(now) if *now != destination => {
                    edits.push(Edit::SetDestination { service: *key, destination })
                }
                Some(_) => {}
            }
        }
    }
    edits
}
