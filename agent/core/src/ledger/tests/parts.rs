//! A whole section that comes in parts.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::ledger::{ITEMS_MAX, Role};

fn part(reporter: Option<Reporter>, items: &[(&str, RealServerHealth)], unfinished: bool) -> Input {
    let first = reporter.is_some();
    let update = CheckUpdate {
        whole: first,
        unfinished,
        reporter,
        items: items.iter().map(|(key, item)| (id(key), item.clone())).collect(),
        ..CheckUpdate::default()
    };
    Input::Reported { report: Box::new(checks(update)), first }
}

fn names(ledger: &Ledger) -> Vec<String> {
    ledger.state().checkd.items.keys().map(ToString::to_string).collect()
}

#[test]
fn what_no_part_names_goes_with_the_last_and_nobody_stands_for_it_before() {
    let mut ledger = Ledger::new("boot".into(), at(0));
    ledger.handle(whole(process(1, 0), &[("a/x", up()), ("a/y", up()), ("a/z", up())]), at(1)).unwrap();
    assert!(ledger.state().checkd.connected);
    ledger.handle(part(Some(process(2, 5)), &[("a/x", down())], true), at(6)).unwrap();
    assert_eq!(names(&ledger), ["a/x", "a/y", "a/z"], "an unfinished section takes nothing away");
    assert!(!ledger.state().checkd.connected, "and the rest is a former process's word");
    // A sign of life in between, and a connection that breaks off: what it had not named is still there.
    ledger.handle(part(None, &[], true), at(7)).unwrap();
    ledger.handle(Input::ReporterLeft(Role::Checkd), at(8)).unwrap();
    assert_eq!(names(&ledger), ["a/x", "a/y", "a/z"]);
    ledger.handle(part(Some(process(2, 5)), &[("a/w", up())], true), at(9)).unwrap();
    ledger.handle(part(None, &[("a/y", up())], false), at(9)).unwrap();
    assert_eq!(names(&ledger), ["a/w", "a/y"]);
    assert!(ledger.state().checkd.connected);
    // Later reports are changes again.
    ledger.handle(changed(&[("a/v", up())]), at(10)).unwrap();
    assert_eq!(names(&ledger), ["a/v", "a/w", "a/y"]);
}

#[test]
fn names_that_are_about_to_go_do_not_count_against_the_limit() {
    let mut ledger = Ledger::new("boot".into(), at(0));
    let many = |prefix: &str, from: usize, to: usize| -> Vec<(String, RealServerHealth)> {
        (from..to).map(|n| (format!("{prefix}/s{n}"), up())).collect()
    };
    let borrowed = |items: &[(String, RealServerHealth)]| -> Vec<(&str, RealServerHealth)> {
        // Leaked on purpose: it is a test.
        items.iter().map(|(key, item)| (&*key.clone().leak(), item.clone())).collect()
    };
    ledger.handle(whole(process(1, 0), &borrowed(&many("old", 0, ITEMS_MAX))), at(1)).unwrap();
    let half = ITEMS_MAX / 2;
    ledger.handle(part(Some(process(2, 2)), &borrowed(&many("new", 0, half)), true), at(2)).unwrap();
    ledger.handle(part(None, &borrowed(&many("new", half, ITEMS_MAX)), true), at(3)).unwrap();
    let surplus = part(None, &borrowed(&many("more", 0, 1)), true);
    assert!(matches!(ledger.handle(surplus, at(3)), Err(Refusal::TooMuch { .. })));
    ledger.handle(part(None, &[], false), at(4)).unwrap();
    assert_eq!(ledger.state().checkd.items.len(), ITEMS_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn parts_come_to_the_same_as_the_whole(
        before in btree_map(0..12_u8, any::<bool>(), 0..10),
        after in vec((0..12_u8, any::<bool>()), 0..10),
        size in 1..4_usize,
    ) {
        let item = |passes: bool| if passes { up() } else { down() };
        let key = |n: u8| -> &'static str { ["a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7", "a/8", "a/9", "b/0", "b/1"][usize::from(n)] };
        let before: Vec<_> = before.into_iter().map(|(n, passes)| (key(n), item(passes))).collect();
        let after: Vec<_> = after.into_iter().map(|(n, passes)| (key(n), item(passes))).collect();
        let mut at_once = Ledger::new("boot".into(), at(0));
        at_once.handle(whole(process(1, 0), &before), at(1)).unwrap();
        let mut in_parts = at_once.clone();
        at_once.handle(whole(process(1, 0), &after), at(2)).unwrap();
        let chunks: Vec<_> = after.chunks(size).collect();
        in_parts.handle(part(Some(process(1, 0)), &[], true), at(2)).unwrap();
        for chunk in chunks {
            in_parts.handle(part(None, chunk, true), at(2)).unwrap();
        }
        in_parts.handle(part(None, &[], false), at(2)).unwrap();
        prop_assert_eq!(&at_once.state().checkd.items, &in_parts.state().checkd.items);
        prop_assert_eq!(at_once.state().checkd.connected, in_parts.state().checkd.connected);
        // Whoever watched from before is told the same, too.
        let told = in_parts.update_since(Some(1), None).unwrap();
        let mut watcher = agent_api::State::new("boot".into(), at(0).wall);
        watcher.checkd.items = before.iter().map(|(key, item)| (id(key), item.clone())).collect();
        watcher.apply(told);
        prop_assert_eq!(&watcher.checkd.items, &in_parts.state().checkd.items);
    }
}
