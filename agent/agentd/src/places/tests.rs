use super::*;

fn id(admission: Admission) -> Id {
    match admission {
        Admission::Granted(id) | Admission::Instead { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_idle_of_the_same_user_makes_room() {
    let mut places = Places::default();
    let other = id(places.admit(7, false));
    let ids: Vec<Id> = (0..PER_USER).map(|_| id(places.admit(8, false))).collect();
    places.busy(ids[0]);
    places.busy(ids[1]);
    places.idle(ids[1]);
    assert!(matches!(places.admit(8, false), Admission::Instead { evicted, .. } if evicted == ids[2]));
    let _ = other;
}

#[test]
fn who_is_busy_is_never_sent_away() {
    let mut places = Places::default();
    for _ in 0..PER_USER {
        let id = id(places.admit(8, false));
        places.busy(id);
    }
    assert_eq!(places.admit(8, false), Admission::UserFull);
    assert!(matches!(places.admit(9, false), Admission::Granted(_)));
}

#[test]
fn readers_share_and_ours_have_places_of_their_own() {
    let mut places = Places::default();
    for uid in 0..u32::try_from(READERS / PER_USER).unwrap() {
        for _ in 0..PER_USER {
            let id = id(places.admit(1000 + uid, false));
            places.busy(id);
        }
    }
    assert_eq!(places.admit(2000, false), Admission::Full, "all are busy");
    for _ in 0..PER_USER {
        assert!(matches!(places.admit(0, true), Admission::Granted(_)), "root has its own places");
    }
    assert!(matches!(places.admit(991, true), Admission::Granted(_)), "so have the daemons");
    let freed = *places.taken.iter().find(|(_, place)| place.uid == 1002).unwrap().0;
    places.leave(freed);
    assert!(matches!(places.admit(2000, false), Admission::Granted(_)));
}

#[test]
fn a_newcomer_takes_from_whoever_has_most() {
    let mut places = Places::default();
    for uid in 0..u32::try_from(READERS / PER_USER).unwrap() {
        (0..PER_USER).for_each(|_| assert!(id(places.admit(1000 + uid, false)) > 0));
    }
    for _ in 0..50 {
        assert!(matches!(places.admit(2000, false), Admission::Instead { .. }));
    }
    let of = |uid| places.taken.values().filter(|place| place.uid == uid).count();
    assert_eq!(of(2000), 50);
    assert!((1000..1004).all(|uid| of(uid) >= 50), "nobody was pushed below the newcomer");
    assert_eq!(places.taken.len(), READERS);
}
