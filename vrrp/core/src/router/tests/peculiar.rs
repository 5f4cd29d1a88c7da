//! What goes wrong outside the protocol: our own lateness, removed addresses, duplicates, storms, drivers that sleep.

use std::time::Duration;

use super::bed::*;
use crate::RouterSettings;
use crate::router::{Action, Deadline, Input, Reason, State};

#[test]
fn a_stalled_active_router_listens_before_it_speaks() {
    // Just before anybody can have taken over: it goes on.
    let mut bed = Bed::active(settings());
    bed.wait(ms(3007.0));
    assert!(bed.tell(Input::DeadlinePassed).contains("advert(100)"));
    // Later: it lets go first, whatever wakes it up.
    let wakes: [fn(&mut Bed) -> String; 3] = [
        |bed| bed.tell(Input::DeadlinePassed),
        |bed| bed.hear(LOW, 99),
        |bed| bed.tell(Input::TrackingChanged { weight: 0, failed: false }),
    ];
    for wake in wakes {
        let mut bed = Bed::active(settings());
        bed.wait(ms(3010.0));
        assert_eq!(wake(&mut bed), "release BACKUP:stalled");
        assert_eq!(last_reason(&bed), Some(Reason::Stalled { silent: ms(3010.0) }));
        // Two intervals and the skew, in which an Active router must have been heard.
        assert_eq!(bed.left(Deadline::ActiveDown), Some(2_609_375));
    }
    // Stopped just then, it does not speak either.
    let mut bed = Bed::active(settings());
    bed.wait(ms(9000.0));
    assert_eq!(bed.tell(Input::StopRequested), "release BACKUP:stalled INIT:stopped");
}

#[test]
fn a_lease_that_ran_out_in_time_is_claimed_again() {
    let mut bed = Bed::active(settings().with_interval(ms(10_000.0)));
    bed.wait(ms(3500.0));
    let done = bed.tell(Input::DeadlinePassed);
    assert!(done.starts_with("lapsed claim announce"), "{done}");
    assert_eq!(bed.router.state(), State::Active);
}

#[test]
fn a_late_backup_listens_again_but_not_for_ever() {
    let mut bed = Bed::backup(settings());
    for _ in 0..3 {
        bed.wait(Duration::from_micros(bed.left(Deadline::ActiveDown).unwrap() as u64) + ms(1.0));
        assert_eq!(bed.tell(Input::DeadlinePassed), "late");
        assert_eq!(bed.left(Deadline::ActiveDown), Some(2_609_375));
    }
    bed.wait(ms(4000.0));
    assert!(bed.tell(Input::DeadlinePassed).starts_with("ACTIVE"));
    // An advert that waited in the socket is read first and counts.
    let mut bed = Bed::backup(settings());
    bed.wait(ms(9000.0));
    assert_eq!(bed.hear(LOW, 150), "");
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_609_375));
    assert_eq!(bed.left(Deadline::Overdue), Some(2_000_000));
}

#[test]
fn a_backup_that_stood_still_while_it_waited_listens_again() {
    // By how much the look at the clock and the takeover are late, and what comes of that.
    for (look, takeover, expected) in [
        // A little late is not late.
        (240.0, 0.0, ["", "ACTIVE"]),
        (0.0, 240.0, ["", "ACTIVE"]),
        (260.0, 0.0, ["late", "ACTIVE"]),
        (0.0, 260.0, ["", "late"]),
        // Until just before the takeover, which is then in time.
        (999.0, 0.0, ["late", "ACTIVE"]),
    ] {
        let mut bed = Bed::backup(settings());
        bed.wait(ms(2000.0 + look));
        assert_eq!(bed.tell(Input::DeadlinePassed), expected[0], "{look}");
        let left = bed.left(Deadline::ActiveDown).unwrap();
        assert_eq!(left == 2_609_375, expected[0] == "late", "{look}: {left}");
        if expected[0] == "late" {
            // It goes like this again.
            assert_eq!(bed.left(Deadline::Overdue), Some(1_000_000));
            bed.wait(ms(1000.0));
            assert_eq!(bed.tell(Input::DeadlinePassed), "");
        }
        bed.wait(Duration::from_micros(bed.left(Deadline::ActiveDown).unwrap() as u64 + 1) + ms(takeover));
        assert!(bed.tell(Input::DeadlinePassed).starts_with(expected[1]), "{takeover}");
    }
}

#[test]
fn one_that_is_told_to_take_over_soon_is_not_kept_by_a_little_lateness() {
    let mut bed = Bed::backup(settings());
    bed.hear(HIGH, 150);
    bed.hear(HIGH, 0);
    assert_eq!(bed.left(Deadline::Overdue), None);
    bed.wait(ms(609.375 + 999.0));
    assert!(bed.tell(Input::DeadlinePassed).starts_with("ACTIVE:active_left"));
}

#[test]
fn removed_addresses_are_put_back_within_limits() {
    let mut bed = Bed::active(settings());
    for count in 1..=4 {
        bed.wait(ms(1.0));
        assert_eq!(bed.tell(Input::AddressLost(VIP)), format!("lost({count}) claim announce"));
    }
    // After a quiet second it counts anew.
    bed.wait(ms(1001.0));
    for count in 5..=8 {
        assert_eq!(bed.tell(Input::AddressLost(VIP)), format!("lost({count}) claim announce"));
    }
    // Somebody is at it for good: a peer shall serve.
    assert_eq!(bed.tell(Input::AddressLost(VIP)), "lost(9) advert(0) release INIT:addresses_removed");
    assert_eq!(bed.left(Deadline::ClaimRetry), Some(1_000_000));
    assert_eq!(bed.fire(), "BACKUP:started");
}

#[test]
fn duplicates_are_answered_every_ten_seconds() {
    let mut bed = Bed::active(settings());
    let duplicate = Input::DuplicateSeen { address: VIP, mac: [2, 0, 0, 0, 0, 9] };
    assert_eq!(bed.tell(duplicate), "duplicate(1) announce");
    bed.wait(ms(500.0));
    assert_eq!(bed.tell(duplicate), "");
    for _ in 0..10 {
        bed.fire_until(Deadline::Adver);
    }
    assert_eq!(bed.tell(duplicate), "duplicate(3) announce");
}

#[test]
fn a_storm_of_losing_adverts_is_answered_twice_an_interval() {
    let mut bed = Bed::active(settings());
    let (mut adverts, mut rounds) = (0, 0);
    for _ in 0..2000 {
        bed.wait(ms(1.0));
        let done = bed.hear(LOW, 99) + &bed.hear(HIGH, 0);
        adverts += done.matches("advert").count();
        rounds += done.matches("announce").count();
    }
    assert_eq!((adverts, rounds), (4, 2));
}

#[test]
fn two_owners_settle_by_address() {
    let owner = RouterSettings { priority: 255, ..settings() };
    let mut bed = Bed::new(owner);
    bed.tell(Input::LinkWentUp { source: OWN });
    bed.tell(Input::Started { held: None });
    assert!(bed.hear(HIGH, 255).ends_with("BACKUP:better_router"));
    bed.wait(ms(2000.0));
    bed.hear(HIGH, 255);
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_003_906));
    // When the other one is gone the owner is back.
    assert!(bed.fire().starts_with("ACTIVE"));
}

#[test]
fn a_loser_can_be_told_to_be_silent() {
    let mut bed = Bed::active(RouterSettings { last_advert: false, ..settings() });
    assert_eq!(bed.hear(LOW, 101), "BACKUP:better_router");
    assert_eq!(bed.fire(), "release");
}

#[test]
fn tracking_stays_within_1_and_254() {
    let mut bed = Bed::active(settings());
    for (weight, priority) in [(-1000, 1), (i32::MIN, 1), (0, 100), (20, 120), (i32::MAX, 254)] {
        bed.tell(Input::TrackingChanged { weight, failed: false });
        assert_eq!(bed.router.priority(), priority);
    }
}

#[test]
fn actions_nobody_takes_stay_few_and_end_with_the_last_word_about_the_addresses() {
    let mut bed = Bed::active(settings());
    for round in 0..500 {
        bed.wait(ms(5.0));
        let link = if round % 2 == 0 { Input::LinkWentDown } else { Input::LinkWentUp { source: OWN } };
        bed.router.handle(link, bed.now);
        bed.router.handle(Input::OrderGiven(crate::Order::TakeOver), bed.now);
    }
    bed.router.handle(Input::StopRequested, bed.now);
    let mut actions = Vec::new();
    while let Some(action) = bed.router.poll_action() {
        actions.push(action);
    }
    assert!(actions.len() <= 64);
    let about = |action: &&Action| matches!(action, Action::ClaimAddresses { .. } | Action::ReleaseAddresses);
    assert_eq!(actions.iter().rfind(about), Some(&Action::ReleaseAddresses));
    assert_eq!(bed.router.state(), State::Initialize);
}
