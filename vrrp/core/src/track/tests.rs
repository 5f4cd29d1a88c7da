//! Every effect with every fact, hysteresis, and what holds for all of them.

use proptest::prelude::*;

use super::{Effect, Fact, Sum, Tracker, Trackers};

fn one(effect: Effect, facts: &[Fact]) -> Sum {
    let mut trackers = Trackers::new([Tracker::new(effect)]);
    for &fact in facts {
        trackers.tell(0, fact);
    }
    trackers.sum()
}

#[test]
fn every_effect_with_every_fact() {
    let none = Sum::default();
    let failed = Sum { weight: 0, failed: true };
    let weight = |weight| Sum { weight, failed: false };
    let share = |up, total| Fact::Share { up, total };
    for (effect, fact, expected) in [
        (Effect::Fixed, Fact::Unknown, none),
        (Effect::Fixed, Fact::Good, none),
        (Effect::Fixed, Fact::Bad, failed),
        (Effect::Fixed, Fact::Number(0), none),
        (Effect::Fixed, Fact::Number(-1), failed),
        (Effect::Fixed, share(2, 3), failed),
        (Effect::Priority(-50), Fact::Unknown, none),
        (Effect::Priority(-50), Fact::Good, none),
        (Effect::Priority(-50), Fact::Bad, weight(-50)),
        (Effect::Priority(20), Fact::Unknown, weight(20)),
        (Effect::Priority(20), Fact::Good, weight(20)),
        (Effect::Priority(20), Fact::Bad, none),
        (Effect::Score(40), Fact::Unknown, none),
        (Effect::Score(40), share(4, 4), none),
        (Effect::Score(40), share(3, 4), weight(-10)),
        (Effect::Score(40), share(0, 4), weight(-40)),
        (Effect::Score(10), share(999, 1000), weight(-1)),
        (Effect::Score(40), share(5, 4), none),
        (Effect::Score(40), share(0, 0), none),
        (Effect::Score(40), Fact::Bad, weight(-40)),
        (Effect::Factor(2), Fact::Unknown, none),
        (Effect::Factor(2), Fact::Number(-7), weight(-14)),
        (Effect::Factor(-253), Fact::Number(i32::MIN), weight(1000)),
        (Effect::Factor(2), Fact::Bad, none),
    ] {
        assert_eq!(one(effect, &[fact]), expected, "{effect:?} {fact:?}");
    }
}

#[test]
fn what_is_not_known_changes_nothing() {
    for fact in [Fact::Good, Fact::Bad, Fact::Number(3), Fact::Share { up: 1, total: 2 }] {
        for effect in [Effect::Fixed, Effect::Priority(-9), Effect::Priority(9), Effect::Score(9)] {
            assert_eq!(one(effect, &[fact]), one(effect, &[fact, Fact::Unknown]), "{effect:?} {fact:?}");
        }
    }
}

#[test]
fn rise_and_fall_count_what_comes_in_a_row() {
    let mut trackers = Trackers::new([Tracker { effect: Effect::Fixed, rise: 2, fall: 3 }]);
    let mut failed = |fact| {
        trackers.tell(0, fact);
        trackers.sum().failed
    };
    let (good, bad) = (Fact::Good, Fact::Bad);
    let told = [bad, bad, good, bad, bad, Fact::Unknown, bad, bad, bad, good, bad, good, good];
    let seen: Vec<bool> = told.into_iter().map(&mut failed).collect();
    let (n, y) = (false, true);
    assert_eq!(seen, [n, n, n, n, n, n, n, n, y, y, y, y, n]);
}

#[test]
fn a_change_is_told_once_and_one_that_does_not_exist_concerns_nobody() {
    let mut trackers = Trackers::new([Tracker::new(Effect::Fixed), Tracker::new(Effect::Priority(-5))]);
    assert!(trackers.tell(0, Fact::Bad));
    assert!(!trackers.tell(0, Fact::Bad));
    assert!(trackers.tell(1, Fact::Bad));
    assert!(!trackers.tell(2, Fact::Bad));
    assert_eq!(trackers.sum(), Sum { weight: -5, failed: true });
    assert_eq!(
        trackers.parts().map(|part| (part.weight, part.failed)).collect::<Vec<_>>(),
        [(0, true), (-5, false)]
    );
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Unknown),
        Just(Fact::Good),
        Just(Fact::Bad),
        (any::<u32>(), any::<u32>()).prop_map(|(up, total)| Fact::Share { up, total }),
        any::<i32>().prop_map(Fact::Number),
    ]
}

fn tracker() -> impl Strategy<Value = Tracker> {
    let effect = prop_oneof![
        Just(Effect::Fixed),
        any::<i16>().prop_map(Effect::Priority),
        any::<u8>().prop_map(Effect::Score),
        any::<i16>().prop_map(Effect::Factor),
    ];
    (effect, 1..4_u32, 1..4_u32).prop_map(|(effect, rise, fall)| Tracker { effect, rise, fall })
}

proptest! {
    #[test]
    fn the_sum_is_that_of_the_parts_and_settles_on_what_stays_true(
        trackers in prop::collection::vec(tracker(), 0..6),
        told in prop::collection::vec((0..7_usize, fact()), 0..60),
        last in fact(),
    ) {
        let mut all = Trackers::new(trackers.clone());
        for (index, fact) in told {
            let before = all.sum();
            let changed = all.tell(index, fact);
            prop_assert_eq!(changed, before != all.sum());
            prop_assert_eq!(all.sum().weight, all.parts().map(|part| part.weight).sum::<i32>());
            prop_assert_eq!(all.sum().failed, all.parts().any(|part| part.failed));
        }
        // Whatever came before: what is told often enough counts.
        if last != Fact::Unknown {
            for index in 0..trackers.len() {
                for _ in 0..4 {
                    all.tell(index, last);
                }
            }
            let mut fresh = Trackers::new(trackers.iter().map(|tracker| Tracker::new(tracker.effect)));
            for index in 0..trackers.len() {
                fresh.tell(index, last);
            }
            prop_assert_eq!(all.sum(), fresh.sum());
        }
    }
}
