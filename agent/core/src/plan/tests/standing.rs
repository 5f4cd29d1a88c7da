//! The shortcut against the long way: what it says the plan says too, and when it is sure it misses nobody who fell.

use std::collections::BTreeSet;

use agent_ipvs::Edit;

use super::*;

fn names() -> [&'static str; 4] {
    ["a", "b", "c", "d"]
}

/// The case after a pass, and what that pass says of who serves.
fn settled(min: u8, verdicts: &[(Verdict, bool)], weights: &[Option<u32>]) -> (Case, Standing) {
    let mut case = Case::new(min, &[]);
    take(&mut case, verdicts, weights);
    let drained: Vec<_> =
        names().into_iter().zip(verdicts).filter(|(_, one)| one.1).map(|(name, _)| name).collect();
    case.orders = Some(drains(&drained));
    let plan = case.plan();
    case.actual = plan.wanted.clone();
    (case, Standing::of(&plan))
}

fn take(case: &mut Case, verdicts: &[(Verdict, bool)], weights: &[Option<u32>]) {
    let said: Vec<_> = names().into_iter().zip(verdicts).map(|(name, one)| (name, one.0, 1)).collect();
    let mut section = checks(&said);
    for (health, weight) in section.items.values_mut().zip(weights) {
        health.weight = *weight;
    }
    case.checks = Some(section);
}

fn swift(case: &Case, standing: &Standing, changed: &BTreeSet<RealServerId>) -> Option<Ejections> {
    standing.ejections(
        &Facts {
            blueprint: &case.blueprint,
            checks: case.checks.as_ref(),
            orders: case.orders.as_ref(),
            actual: &case.actual,
            ours: &case.ours,
            warned: &case.warned,
            quorum_lost: &case.quorum_lost,
            flows_move: case.flows_move,
            now: case.now,
        },
        changed,
    )
}

fn all() -> BTreeSet<RealServerId> {
    names().into_iter().map(id).collect()
}

#[test]
fn one_that_fell_is_ejected_from_all_services_without_asking_the_others() {
    let up = [(Up, false); 4];
    let (mut case, standing) = settled(1, &up, &[None; 4]);
    take(&mut case, &[(Up, false), (Down, false), (Up, false), (Up, false)], &[None; 4]);
    let ejections = swift(&case, &standing, &[id("b")].into()).expect("it is certain");
    assert_eq!(ejections.edits.len(), 2, "{:?}", ejections.edits);
    // Of the three that have weight two are left, then one; the last one is left to the plan, as fail open is.
    let standing = standing.without(&ejections).expect("it is known who is left");
    for edit in &ejections.edits {
        edit.apply_to(&mut case.actual).unwrap();
    }
    take(&mut case, &[(Down, false), (Down, false), (Up, false), (Up, false)], &[None; 4]);
    let ejections = swift(&case, &standing, &[id("a")].into()).expect("one is left");
    let standing = standing.without(&ejections).expect("it is known who is left");
    take(&mut case, &[(Down, false), (Down, false), (Down, false), (Up, false)], &[None; 4]);
    assert_eq!(swift(&case, &standing, &[id("c")].into()), None);
}

#[test]
fn what_is_not_borne_out_or_too_old_ejects_nobody() {
    let (mut case, standing) = settled(1, &[(Up, false); 4], &[None; 4]);
    let fallen = [(Up, false), (Down, false), (Up, false), (Up, false)];
    let spoils: [fn(&mut Case); 3] = [
        |case| case.checks.as_mut().unwrap().connected = false,
        |case| case.checks.as_mut().unwrap().items.get_mut(&id("b")).unwrap().unconfirmed = 1,
        |case| case.now = NOW + SILENCE + SignedDuration::from_secs(1),
    ];
    for spoil in spoils {
        take(&mut case, &fallen, &[None; 4]);
        spoil(&mut case);
        assert_eq!(swift(&case, &standing, &all()).map(|ejections| ejections.edits), Some(Vec::new()));
    }
}

fn weight() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(7))]
}

proptest! {
    #[test]
    fn it_says_what_the_plan_says(
        min in prop_oneof![Just(0u8), Just(30), Just(60)],
        before in prop::collection::vec((any_verdict(), prop::bool::weighted(0.2)), 4),
        after in prop::collection::vec((any_verdict(), prop::bool::weighted(0.5)), 4),
        weights in prop::collection::vec((weight(), weight()), 4),
        rate in prop::option::weighted(0.2, Just((1, SignedDuration::from_secs(60)))),
    ) {
        let (old, new): (Vec<_>, Vec<_>) = weights.into_iter().unzip();
        let (mut case, standing) = settled(min, &before, &old);
        case.blueprint.pools[0].ejection_rate = rate;
        // The second of each pair says whether that server is among those that changed.
        let verdicts: Vec<_> = before.iter().zip(&after).map(|(was, is)| (if is.1 { is.0 } else { was.0 }, was.1)).collect();
        let weights: Vec<_> = old.iter().zip(&new).zip(&after).map(|((was, is), one)| if one.1 { *is } else { *was }).collect();
        take(&mut case, &verdicts, &weights);
        let changed = names().into_iter().zip(&after).filter(|(_, one)| one.1).map(|(name, _)| id(name)).collect();
        let plan = case.plan();
        let difference = diff(&plan.wanted, &case.actual, &plan.surplus);
        if let Some(ejections) = swift(&case, &standing, &changed) {
            for edit in &ejections.edits {
                prop_assert!(difference.urgent.contains(edit), "{edit} is not in {:?}", difference);
            }
            for edit in &difference.urgent {
                let fell = |target| case.blueprint.pools[0].members.iter().any(|member| {
                    member.destinations.iter().any(|one| one.key == target) && changed.contains(&member.id)
                });
                if matches!(edit, Edit::RemoveDestination { destination, .. } if fell(*destination)) {
                    let silent = matches!(edit, Edit::RemoveDestination { service, destination }
                        if case.actual[service].destinations[destination].weight == Weight::ZERO);
                    prop_assert!(silent || ejections.edits.contains(edit), "{edit} is missing in {:?}", ejections);
                }
            }
        }
    }
}
