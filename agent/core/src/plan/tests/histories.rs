//! Random histories of a pool with every limit there is: what an operator may rely on.

use super::care::{case, judge, later, set, settle};
use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Keys of a pool, of each kind one.
fn keys() -> impl Strategy<Value = String> {
    let one_of =
        |all: &[&str]| prop::sample::select(all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
    let all = (
        one_of(&["", "min_serving = \"25%\"", "min_serving = \"50%\"", "min_serving = \"100%\""]),
        one_of(&["", "", "max_ejected = \"50%\"", "max_ejected = \"25%\""]),
        one_of(&["", "", "ejection_rate = { servers = 1, per = \"5s\" }"]),
        one_of(&["", "slow_start = \"30s\"\ndegraded_weight = \"50%\""]),
        one_of(&["", "sorry_server = { address = \"10.1.0.99\" }"]),
        one_of(&["", "quorum = 2\nquorum_hysteresis = 1"]),
    );
    all.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].join("\n"))
}

/// What happens: to which server, what, so many seconds after the last.
fn happenings() -> impl Strategy<Value = Vec<(usize, usize, i64)>> {
    prop::collection::vec((0usize..4, 0usize..16, 0i64..20), 1..40)
}

/// Changes a verdict as `checkd` does: it has lasted since it changed.
fn becomes(case: &mut Case, name: &str, verdict: Verdict) {
    let before = case.checks.as_ref().unwrap().items[&id(name)].verdict;
    if before != verdict {
        let now = case.now;
        judge(case, name, verdict, 0);
        set(case, name, |health| {
            health.returned = (before == Down && verdict.passes()).then_some(now).or(health.returned);
        });
    }
}

/// Lets it happen. `drained` is whom operators have drained.
fn happens(case: &mut Case, drained: &mut BTreeSet<usize>, (index, what, seconds): (usize, usize, i64)) {
    later(case, seconds);
    let (name, now) = (NAMES[index], case.now);
    match what {
        0..=3 => becomes(case, name, Down),
        4..=6 => becomes(case, name, Up),
        7 => becomes(case, name, Unknown),
        8 => becomes(case, name, Degraded),
        9 => set(case, name, |health| health.weight = Some(7)),
        10 => set(case, name, |health| health.weight = Some(0)),
        11 => set(case, name, |health| health.weight = None),
        12 => set(case, name, |health| health.unconfirmed = 1 - health.unconfirmed),
        13 => {
            // Something new, but from long ago.
            let old = now - SILENCE - SignedDuration::from_secs(1);
            becomes(case, name, if seconds % 2 == 0 { Down } else { Up });
            case.checks.as_mut().unwrap().heard_at = Some(old);
        }
        14 => {
            let checks = case.checks.as_mut().unwrap();
            checks.connected = !checks.connected;
        }
        _ => {
            if !drained.remove(&index) {
                drained.insert(index);
            }
            let names: Vec<&str> = drained.iter().map(|index| NAMES[*index]).collect();
            let mut orders = drains(&names);
            orders.drains.iter_mut().for_each(|drain| (drain.since, drain.until) = (now, None));
            case.orders = Some(orders);
        }
    }
}

fn key() -> ServiceKey {
    ServiceKey::new(Protocol::Udp, "10.0.0.1".parse().unwrap(), 53).unwrap()
}

/// The weight of a server in a table, if it is there; `4` is the sorry server.
fn weight_of(table: &Table, index: usize) -> Option<u32> {
    let last = if index == 4 { 99 } else { index + 1 };
    let address: std::net::IpAddr = format!("10.1.0.{last}").parse().unwrap();
    let all = &table.get(&key())?.destinations;
    all.values().find(|there| there.key.address == address).map(|there| there.weight.get())
}

fn serves(table: &Table, index: usize) -> bool {
    weight_of(table, index).is_some_and(|weight| weight > 0)
}

/// Whether nothing that is known of a server may change whether it is in.
fn is_held(case: &Case, index: usize) -> bool {
    let checks = case.checks.as_ref().unwrap();
    let health = &checks.items[&id(NAMES[index])];
    let old = case.now.duration_since(checks.heard_at.unwrap()) > SILENCE;
    old || !checks.connected || health.verdict == Unknown || health.unconfirmed > 0
}

proptest! {
    /// Whatever limits are set and whatever happens: failing checks alone never leave fewer at work than `min_serving` and `max_ejected` ask
    /// for; nobody loses weight by becoming unknown, old or unproven, or moves in or out; the sorry server is in when nobody else
    /// serves and only then; no edit on the way leaves nobody at work, and the plan is the same when made twice.
    #[test]
    fn decisions_an_operator_can_trust(keys in keys(), happenings in happenings(), flows_move: bool) {
        let mut case = case(&keys);
        case.flows_move = flows_move;
        settle(&mut case);
        let mut drained = BTreeSet::new();
        for happening in happenings {
            happens(&mut case, &mut drained, happening);
            let before = case.actual.clone();
            let plan = case.plan();
            prop_assert_eq!(&plan, &case.plan());
            let wanted = &plan.wanted;
            for index in (0..4).filter(|index| is_held(&case, *index) && !drained.contains(index)) {
                let (was, is) = (weight_of(&before, index), weight_of(wanted, index));
                prop_assert_eq!(was.is_some(), is.is_some(), "{} moved", NAMES[index]);
                prop_assert!(is >= was, "{} had {:?} and gets {:?}", NAMES[index], was, is);
            }

            let asks_for_nothing = |index: usize| {
                case.checks.as_ref().unwrap().items[&id(NAMES[index])].weight == Some(0)
            };
            let usable = (0..4).filter(|&index| {
                !drained.contains(&index) && !asks_for_nothing(index)
                    && (!is_held(&case, index) || serves(&before, index))
            });
            let least = case.blueprint.pools[0].min_serving.min(usable.count());
            let at_work = (0..4).filter(|&index| serves(wanted, index)).count();
            prop_assert!(at_work >= least, "{} serve, {} are asked for", at_work, least);

            let known = !drained.is_empty() || {
                let checks = case.checks.as_ref().unwrap();
                let old = case.now.duration_since(checks.heard_at.unwrap()) > SILENCE;
                !old && checks.items.values().any(|health| health.verdict != Unknown)
            };
            if keys.contains("sorry_server") {
                let needed = at_work == 0 && (known || serves(&before, 4));
                prop_assert_eq!(serves(wanted, 4), needed);
                prop_assert_eq!(!plan.sorry.is_empty(), needed);
            }
            let anybody = |table: &Table| (0..5).any(|index| serves(table, index));
            let never_empty = anybody(&before) && anybody(wanted);
            for edit in diff(wanted, &before, &plan.surplus).into_vec() {
                edit.apply_to(&mut case.actual).unwrap();
                prop_assert!(!never_empty || anybody(&case.actual), "nobody is at work after {}", edit);
            }
            prop_assert_eq!(&case.actual, wanted);
            case.quorum_lost = plan.quorum_lost;
            let again = case.plan();
            prop_assert!(diff(&again.wanted, &case.actual, &again.surplus).is_empty(), "it moves by itself");
        }
    }

    /// Two verdicts on different servers that come one after the other or the other way round, from wherever things stood: the same table.
    /// With an `ejection_rate` first come is first served, and it is the same table in the end.
    #[test]
    fn the_order_of_independent_verdicts_is_of_no_matter(
        keys in keys(),
        happenings in happenings(),
        (first, second) in (0usize..4, 1usize..4).prop_map(|(first, apart)| (first, (first + apart) % 4)),
        verdicts in prop::collection::vec(prop::sample::select(vec![Up, Degraded, Down]), 2),
    ) {
        let (first, second) = ((first, verdicts[0]), (second, verdicts[1]));
        let tables = [[first, second], [second, first]].map(|changes| {
            let (mut case, mut drained) = (case(&keys), BTreeSet::new());
            settle(&mut case);
            for happening in &happenings {
                happens(&mut case, &mut drained, *happening);
                settle(&mut case);
            }
            later(&mut case, 1);
            for (index, verdict) in changes {
                set(&mut case, NAMES[index], |health| health.unconfirmed = 0);
                becomes(&mut case, NAMES[index], verdict);
                settle(&mut case);
            }
            for _ in 0..4 * usize::from(case.blueprint.pools[0].ejection_rate.is_some()) {
                later(&mut case, 5);
                settle(&mut case);
            }
            case.actual
        });
        prop_assert_eq!(&tables[0], &tables[1]);
    }

    /// With an `ejection_rate` of one in five seconds, whatever falls and returns meanwhile: no two go at once, and no more are out than may be since
    /// the first of those who are down fell.
    #[test]
    fn no_more_are_ejected_at_once_than_may_be(happenings in prop::collection::vec((0usize..4, 0usize..9, 0i64..4), 1..40)) {
        let mut case = case("ejection_rate = { servers = 1, per = \"5s\" }");
        settle(&mut case);
        let mut drained = BTreeSet::new();
        for (index, what, seconds) in happenings {
            // Whoever's turn it is goes then.
            for step in 0..=seconds {
                if step > 0 {
                    later(&mut case, 1);
                } else {
                    happens(&mut case, &mut drained, (index, if what == 7 { 0 } else { what }, 0));
                }
                let before = case.actual.clone();
                settle(&mut case);
                let out = (0..4).filter(|index| !serves(&case.actual, *index));
                let newly = out.clone().filter(|index| serves(&before, *index)).count();
                prop_assert!(newly <= 1, "{} at once", newly);
                let items = case.checks.as_ref().unwrap().items.values();
                let first = items.filter(|health| health.verdict == Down).map(|health| health.since).min();
                let lasted = first.map_or(0, |first| case.now.duration_since(first).as_secs());
                let most = first.map_or(0, |_| 1 + lasted / 5);
                prop_assert!(out.count() as i64 <= most, "more than {} are out after {} s", most, lasted);
            }
        }
    }
}
