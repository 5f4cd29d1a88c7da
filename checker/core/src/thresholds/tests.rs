use proptest::prelude::*;

use super::*;
use Verdict::{Degraded, Down, Unknown, Up};

/// Rise 2, fall 3.
fn run(standing: &mut Standing, results: &[Verdict]) -> Vec<Verdict> {
    results
        .iter()
        .map(|&result| {
            standing.observe(result, Thresholds::default());
            standing.verdict()
        })
        .collect()
}

#[test]
fn the_first_pass_is_enough_for_a_new_server() {
    assert_eq!(run(&mut Standing::new(), &[Up]), [Up]);
    assert_eq!(run(&mut Standing::new(), &[Down, Down, Up]), [Unknown, Unknown, Up]);
    assert_eq!(run(&mut Standing::new(), &[Degraded]), [Degraded]);
}

#[test]
fn failures_must_come_in_a_row() {
    assert_eq!(run(&mut Standing::new(), &[Down, Down, Down, Down]), [Unknown, Unknown, Down, Down]);
    let mut standing = Standing::new();
    assert_eq!(run(&mut standing, &[Up, Down, Down, Up, Down, Down, Down]), [Up, Up, Up, Up, Up, Up, Down]);
    // One pass does not bring it back, and a failure in between starts afresh.
    assert_eq!(run(&mut standing, &[Up, Down, Up, Up]), [Down, Down, Down, Up]);
}

#[test]
fn local_trouble_moves_no_counter() {
    let mut standing = Standing::new();
    run(&mut standing, &[Up, Down, Down]);
    assert_eq!(run(&mut standing, &[Unknown, Unknown]), [Up, Up]);
    // Shown once it lasts; the failures before it still count afterwards, and alone do not eject.
    assert_eq!(run(&mut standing, &[Unknown, Unknown]), [Unknown, Unknown]);
    assert_eq!(run(&mut standing.clone(), &[Up, Down, Down]), [Up, Up, Up]);
    assert_eq!(run(&mut standing, &[Down]), [Down]);
    // A sick server does not come back through it for free.
    assert_eq!(run(&mut standing, &[Unknown, Unknown, Unknown, Up, Up]), [Down, Down, Unknown, Down, Up]);
    assert_eq!(
        run(&mut Standing::new(), &[Unknown, Unknown, Unknown, Unknown, Up]),
        [Unknown, Unknown, Unknown, Unknown, Up]
    );
}

#[test]
fn what_was_judged_before_is_settled_with_care() {
    assert_eq!(run(&mut Standing::undecided(true, 0), &[Up, Up]), [Unknown, Up]);
    assert_eq!(run(&mut Standing::undecided(true, 1), &[Up]), [Up]);
    assert_eq!(
        run(&mut Standing::undecided(false, 2), &[Up, Down, Down, Down]),
        [Unknown, Unknown, Unknown, Down]
    );
    assert_eq!(run(&mut Standing::undecided(false, 2), &[Down, Up]), [Down, Down]);
}

#[test]
fn degraded_stands_between() {
    let mut standing = Standing::new();
    assert_eq!(run(&mut standing, &[Up, Degraded, Degraded, Degraded]), [Up, Up, Up, Degraded]);
    assert_eq!(run(&mut standing, &[Up, Up]), [Degraded, Up]);
    // Failures and slow answers together bear out no more than Degraded.
    assert_eq!(run(&mut standing, &[Down, Degraded, Down]), [Up, Up, Degraded]);
    assert_eq!(
        run(&mut standing, &[Down, Down, Degraded, Down, Down, Down]),
        [Degraded, Degraded, Degraded, Degraded, Degraded, Down]
    );
    assert_eq!(run(&mut standing, &[Degraded, Up]), [Down, Degraded]);
}

#[test]
fn changes_are_reported_once() {
    let mut standing = Standing::new();
    let thresholds = Thresholds::new(1, 1).unwrap();
    assert_eq!(standing.observe(Up, thresholds), Some(Change { from: Unknown, to: Up }));
    assert_eq!(standing.observe(Up, thresholds), None);
    assert_eq!(standing.observe(Down, thresholds), Some(Change { from: Up, to: Down }));
    assert_eq!(standing.observe(Unknown, thresholds), Some(Change { from: Down, to: Unknown }));
    assert_eq!(standing.observe(Down, thresholds), Some(Change { from: Unknown, to: Down }));
}

#[test]
fn a_steady_server_has_a_steady_memory() {
    let mut standing = Standing::new();
    run(&mut standing, &[Up, Up]);
    let memory = standing.memory();
    run(&mut standing, &[Up; 50]);
    assert_eq!(standing.memory(), memory);
    run(&mut standing, &[Down, Down, Down]);
    let memory = standing.memory();
    assert_eq!((memory.settled, memory.in_a_row), (Down, 3));
    run(&mut standing, &[Down; 50]);
    assert_eq!(standing.memory(), memory);
}

#[test]
fn thresholds_have_bounds() {
    assert!(Thresholds::new(1, THRESHOLD_MAX.into()).is_ok());
    assert_eq!(Thresholds::new(0, 3).unwrap_err().to_string(), "rise = 0 is out of bounds: use 1 to 1000");
    assert_eq!(
        Thresholds::new(1, 1001).unwrap_err().to_string(),
        "fall = 1001 is out of bounds: use 1 to 1000"
    );
}

fn results(with_degraded: bool) -> impl Strategy<Value = Vec<Verdict>> {
    let one = if with_degraded { vec![Up, Down, Degraded, Unknown] } else { vec![Up, Down, Unknown] };
    prop::collection::vec(prop::sample::select(one), 0..60)
}

proptest! {
    /// The rule said again, in the plainest way: look at the whole history each time.
    #[test]
    fn it_agrees_with_the_plain_rule(history in results(false), rise in 1u64..5, fall in 1u64..5) {
        let thresholds = Thresholds::new(rise, fall).unwrap();
        let (mut standing, mut settled, mut told) = (Standing::new(), Unknown, Vec::new());
        for (n, &result) in history.iter().enumerate() {
            standing.observe(result, thresholds);
            if result != Unknown {
                told.push(result);
                let last = |count: u64, v: Verdict| told.iter().rev().take(count as usize).filter(|r| **r == v).count() as u64 == count;
                settled = match settled {
                    Unknown if result == Up => Up,
                    Unknown | Up if last(fall, Down) => Down,
                    Down if last(rise, Up) => Up,
                    same => same,
                };
            }
            let blind = history[..=n].iter().rev().take_while(|r| **r == Unknown).count() as u64 >= fall;
            prop_assert_eq!(standing.verdict(), if blind { Unknown } else { settled });
        }
    }

    #[test]
    fn a_restart_changes_nothing(before in results(true), after in results(true), rise in 1u64..5, fall in 1u64..5) {
        let thresholds = Thresholds::new(rise, fall).unwrap();
        let mut standing = Standing::new();
        for result in before {
            standing.observe(result, thresholds);
        }
        let mut again = Standing::restored(standing.memory());
        prop_assert_eq!(again.verdict(), standing.verdict());
        for result in after {
            standing.observe(result, thresholds);
            again.observe(result, thresholds);
            prop_assert_eq!(again, standing);
        }
    }

    #[test]
    fn it_takes_fall_results_to_get_worse(history in results(true), rise in 1u64..5, fall in 1u64..5) {
        let thresholds = Thresholds::new(rise, fall).unwrap();
        let (mut standing, mut failures) = (Standing::new(), 0);
        for result in history {
            failures = match result { Down => failures + 1, Unknown => failures, _ => 0 };
            let change = standing.observe(result, thresholds);
            if change.is_some_and(|c| c.to == Down && c.from.passes()) {
                prop_assert!(failures >= fall);
            }
            prop_assert!(result != Unknown || change.is_none_or(|c| c.to == Unknown));
        }
    }
}
