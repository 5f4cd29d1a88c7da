use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_millis(4);

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn filled(count: usize) -> (Schedule, Vec<ProbeId>) {
    let mut schedule = Schedule::new(7, WINDOW);
    let ids = (0..count).map(|n| schedule.insert(&format!("pool/dns{n}"), SECOND, Time::ZERO)).collect();
    (schedule, ids)
}

/// Runs the schedule to `end`, each probe over at once; calls `seen` with every start.
fn run(schedule: &mut Schedule, end: Time, mut seen: impl FnMut(ProbeId, Time)) -> usize {
    let mut wakes = 0;
    while let Some(now) = schedule.deadline().filter(|now| *now < end) {
        wakes += 1;
        while let Some(due) = schedule.poll_due(now) {
            assert_eq!(due.late, Duration::ZERO);
            seen(due.id, now);
            schedule.started(due.id, now, now);
        }
    }
    wakes
}

#[test]
fn first_probes_are_spread_over_the_interval() {
    let (mut schedule, _) = filled(10_000);
    let mut tenths = [0usize; 10];
    while let Some(now) = schedule.deadline() {
        while let Some(due) = schedule.poll_due(now) {
            assert!(now < Time::ZERO + SECOND, "{due:?}");
            tenths[(now.as_nanos() / 100_000_000) as usize] += 1;
        }
    }
    assert!(tenths.iter().all(|n| (800..1200).contains(n)), "{tenths:?}");
}

#[test]
fn phases_follow_from_seed_and_key() {
    let first = |seed: u64, key: &str| {
        let mut schedule = Schedule::new(seed, WINDOW);
        schedule.insert(key, SECOND, Time::ZERO);
        schedule.deadline().unwrap()
    };
    assert_eq!(first(1, "a/b"), first(1, "a/b"));
    assert_ne!(first(1, "a/b"), first(2, "a/b"));
    assert_ne!(first(1, "a/b"), first(1, "a/c"));
    assert_ne!(seed("director1"), seed("director2"));
}

#[test]
fn no_gap_is_longer_than_the_interval_or_shorter_than_nine_tenths() {
    let (mut schedule, ids) = filled(500);
    let mut last = vec![None; 500];
    run(&mut schedule, at(20_000), |id, now| {
        let place = id.place();
        if let Some(last) = last[place].replace(now) {
            let gap = now.since(last);
            // Being handed out early with others shortens a gap further, by at most the window.
            assert!(gap <= SECOND && gap + WINDOW >= SECOND * 9 / 10, "{gap:?}");
        }
    });
    assert_eq!(ids.len(), schedule.len());
}

#[test]
fn what_is_only_almost_due_waits_for_one_that_is() {
    let mut schedule = Schedule::new(7, WINDOW);
    let ids: Vec<ProbeId> =
        (0..400).map(|n| schedule.insert(&format!("pool/dns{n}"), SECOND, Time::ZERO)).collect();
    let mut ids: Vec<(Time, ProbeId)> =
        ids.into_iter().map(|id| (schedule.places[id.place()].due.unwrap(), id)).collect();
    ids.sort_unstable();
    let first = ids[0].0;
    // Just before the first, whoever is awake for another reason begins nothing.
    let early = Time::from_nanos(first.as_nanos() - 1_000_000);
    assert_eq!(schedule.poll_due(early), None);
    // With the first go all that are within the window after it, and then none any more.
    let with_it = ids.iter().take_while(|(due, _)| *due <= first + WINDOW).count();
    assert!(with_it > 1, "{with_it}");
    let mut begun = Vec::new();
    while let Some(due) = schedule.poll_due(first) {
        begun.push(due.id);
    }
    assert_eq!(begun, ids[..with_it].iter().map(|(_, id)| *id).collect::<Vec<_>>());
    assert_eq!(schedule.poll_due(first + WINDOW / 8), None);
}

#[test]
fn one_that_is_repeated_soon_keeps_its_distance() {
    let mut schedule = Schedule::new(7, Duration::from_millis(20));
    let soon = schedule.insert("pool/sick", Duration::from_millis(30), Time::ZERO);
    for n in 0..4_000 {
        schedule.insert(&format!("pool/dns{n}"), SECOND, Time::ZERO);
    }
    let (mut last, mut repeated) = (None, 0);
    run(&mut schedule, at(5_000), |id, now| {
        if id == soon {
            if let Some(last) = last.replace(now) {
                // A tenth by jitter and a tenth by going with others, though they may go earlier by far more.
                assert!(now.since(last) >= Duration::from_millis(24), "{:?}", now.since(last));
            }
            repeated += 1;
        }
    });
    assert!(repeated >= 100, "{repeated}");
}

#[test]
fn they_stay_out_of_step() {
    // Started by one key each, after a minute they are still spread.
    let (mut schedule, _) = filled(2_000);
    let mut tenths = [0usize; 10];
    run(&mut schedule, at(61_000), |_, now| {
        if now >= at(60_000) {
            tenths[(now.as_nanos() / 100_000_000 % 10) as usize] += 1;
        }
    });
    assert!(tenths.iter().all(|n| (120..300).contains(n)), "{tenths:?}");
}

#[test]
fn what_is_due_together_shares_a_wake_up() {
    let (mut schedule, _) = filled(1_000);
    let mut probes = 0;
    let wakes = run(&mut schedule, at(10_000), |_, _| probes += 1);
    assert!((10_000..11_500).contains(&probes), "{probes}");
    // 1,000 in a second are one per millisecond: about five to a window of four.
    assert!(wakes * 4 < probes, "{wakes} wake-ups for {probes} probes");
}

#[test]
fn a_probe_that_runs_is_not_handed_out_again() {
    let (mut schedule, ids) = filled(1);
    assert_eq!(schedule.poll_due(at(5_000)).map(|due| due.id), Some(ids[0]));
    assert_eq!(schedule.poll_due(at(9_000)), None);
    assert_eq!(schedule.deadline(), None);
    // Over only after the next one would have been due: at once, but not twice.
    schedule.started(ids[0], at(5_000), at(9_000));
    schedule.started(ids[0], at(5_000), at(9_500));
    assert_eq!(schedule.deadline(), Some(at(9_000)));
    assert_eq!(schedule.poll_due(at(9_000)).map(|due| due.late), Some(Duration::ZERO));
    assert_eq!(schedule.poll_due(at(9_600)), None);
}

#[test]
fn lateness_is_told() {
    let (mut schedule, _) = filled(1);
    let due = schedule.deadline().unwrap();
    assert_eq!(schedule.poll_due(due + SECOND * 3).map(|due| due.late), Some(SECOND * 3));
}

#[test]
fn removed_probes_are_gone() {
    let (mut schedule, ids) = filled(3);
    schedule.remove(ids[1]);
    schedule.remove(ids[1]);
    assert_eq!(schedule.len(), 2);
    let again = schedule.insert("new", SECOND, Time::ZERO);
    assert_eq!(again.place(), ids[1].place());
    assert!(!schedule.contains(ids[1]) && schedule.contains(again));
    assert_eq!(ProbeId::from_bits(again.to_bits()), again);
    // The former user of the place can't disturb the present one.
    schedule.started(ids[1], at(0), at(0));
    let mut due: Vec<ProbeId> =
        std::iter::from_fn(|| schedule.poll_due(at(1_000))).map(|due| due.id).collect();
    due.sort();
    let mut expected = vec![ids[0], again, ids[2]];
    expected.sort();
    assert_eq!(due, expected);
}

proptest! {
    #[test]
    fn every_probe_has_one_turn_after_another(ops in prop::collection::vec((0u8..4, 0usize..8, 1u64..500), 1..200)) {
        let mut schedule = Schedule::new(1, WINDOW);
        let (mut now, mut known, mut running) = (0, Vec::new(), Vec::new());
        for (op, which, ms) in ops {
            now += ms;
            match op {
                0 => known.push(schedule.insert(&format!("{which}"), Duration::from_millis(ms), at(now))),
                1 if !known.is_empty() => {
                    let id = known.swap_remove(which % known.len());
                    running.retain(|r| *r != id);
                    schedule.remove(id);
                }
                2 if !running.is_empty() => {
                    let id = running.swap_remove(which % running.len());
                    schedule.started(id, at(now), at(now));
                }
                _ => {
                    while let Some(due) = schedule.poll_due(at(now)) {
                        prop_assert!(known.contains(&due.id) && !running.contains(&due.id));
                        running.push(due.id);
                    }
                }
            }
            prop_assert_eq!(schedule.len(), known.len());
            prop_assert_eq!(schedule.deadline().is_none(), running.len() == known.len());
        }
    }
}

#[test]
fn what_is_put_off_keeps_its_order_and_distances() {
    let phases = |put_off: Duration| {
        let mut schedule = Schedule::new(7, Duration::ZERO);
        let ids: Vec<ProbeId> =
            (0..50).map(|n| schedule.insert(&format!("pool/dns{n}"), SECOND, Time::ZERO)).collect();
        schedule.remove(ids[3]);
        schedule.put_off(put_off);
        let mut due = Vec::new();
        run(&mut schedule, Time::ZERO + put_off + SECOND, |id, now| due.push((id, now)));
        due.truncate(49);
        due
    };
    let put_off = Duration::from_millis(270);
    let moved: Vec<_> = phases(Duration::ZERO).into_iter().map(|(id, at)| (id, at + put_off)).collect();
    assert_eq!(phases(put_off), moved);
    assert_eq!(moved.len(), 49);
}
