//! Start, delays, resuming, faults, leases and announcements over time.

use super::bed::*;
use crate::router::{Blocked, Deadline, Input, Order, Reason, State, Why};
use crate::{Announcements, RouterConfig, RouterSettings};

#[test]
fn a_backup_takes_over_after_the_exact_down_interval() {
    let mut bed = Bed::backup(settings());
    let start = bed.now;
    assert_eq!(bed.left(Deadline::ActiveDown), Some(3_609_375));
    assert_eq!(bed.fire(), "ACTIVE:active_fell_silent advert(100) claim announce");
    assert_eq!(bed.now, start + ms(3609.375));
    for (version2, centiseconds, expected) in
        [(false, 1, 36_093), (false, 10, 360_937), (true, 100, 3_609_375)]
    {
        let span = ms(f64::from(centiseconds) * 10.0);
        let version = if version2 { crate::codec::Version::V2 } else { crate::codec::Version::V3 };
        let bed = Bed::backup(RouterSettings { version, ..settings().with_interval(span) });
        assert_eq!(bed.left(Deadline::ActiveDown), Some(expected));
    }
}

#[test]
fn the_start_delay_keeps_the_router_out() {
    for priority in [100, 255] {
        let mut bed = Bed::new(RouterSettings { priority, start_delay: ms(5000.0), ..settings() });
        bed.tell(Input::LinkWentUp { source: OWN });
        assert_eq!(bed.tell(Input::Started { held: None }), "release");
        assert_eq!(bed.router.why(), Why::Blocked(Blocked::StartDelay));
        assert_eq!(bed.left(Deadline::StartDelay), Some(5_000_000));
        bed.hear(HIGH, 99);
        let done = bed.fire();
        assert!(done.starts_with(if priority == 255 { "ACTIVE:owner" } else { "BACKUP:started" }), "{done}");
    }
}

#[test]
fn a_restart_within_lease_and_patience_goes_on_where_it_was() {
    for (age, resumes) in [(0.0, true), (2999.0, true), (3000.0, false), (9000.0, false)] {
        let mut bed = Bed::new(RouterSettings { start_delay: ms(5000.0), ..settings() });
        bed.tell(Input::LinkWentUp { source: OWN });
        let done = bed.tell(Input::Started { held: Some(ms(age)) });
        assert_eq!(
            done,
            if resumes { "ACTIVE:resumed advert(100) claim announce" } else { "release" },
            "{age}"
        );
    }
    // At 100 ms the peers have lost patience long before the lease ends.
    let mut bed = Bed::new(settings().with_interval(ms(100.0)));
    bed.tell(Input::LinkWentUp { source: OWN });
    assert_eq!(bed.tell(Input::Started { held: Some(ms(400.0)) }), "release BACKUP:started");
    // With the link down nothing is resumed.
    let mut bed = Bed::new(settings());
    assert_eq!(bed.tell(Input::Started { held: Some(ms(1.0)) }), "release");
    assert_eq!(bed.tell(Input::LinkWentUp { source: OWN }), "BACKUP:started");
}

#[test]
fn the_preemption_delay_runs_from_the_first_lower_advert() {
    let mut bed =
        Bed::backup(RouterSettings { preempt_delay: ms(2000.0), ..settings().with_interval(ms(100.0)) });
    let first = bed.now;
    let mut done = String::new();
    while bed.router.state() == State::Backup {
        done = bed.hear(LOW, 50);
        assert_eq!(done, "");
        let beat = bed.now + ms(100.0);
        while bed.router.state() == State::Backup && bed.router.deadline().unwrap().0 <= beat {
            done = bed.fire();
        }
        bed.now = bed.now.max(beat);
    }
    assert!(done.starts_with("ACTIVE:preempted"), "{done}");
    let taken = bed.router.status().since.unwrap().since(first);
    // The delay, then the down interval from the last advert that was still followed.
    assert!((ms(2260.0)..=ms(2361.0)).contains(&taken), "{taken:?}");
}

#[test]
fn the_preemption_delay_does_not_hold_when_the_active_router_goes() {
    let mut bed = Bed::backup(RouterSettings { preempt_delay: ms(60_000.0), ..settings() });
    bed.hear(LOW, 50);
    assert!(matches!(bed.router.why(), Why::PreemptionDelayed(active) if active.source == LOW));
    bed.hear(LOW, 0);
    assert!(bed.fire().starts_with("ACTIVE:active_left"));
    let mut bed = Bed::backup(RouterSettings { preempt_delay: ms(60_000.0), ..settings() });
    bed.hear(LOW, 50);
    assert!(bed.fire().starts_with("ACTIVE:active_fell_silent"));
    // A better router in between ends the delay; it begins anew.
    let mut bed = Bed::backup(RouterSettings { preempt_delay: ms(3000.0), ..settings() });
    bed.hear(LOW, 50);
    bed.wait(ms(2000.0));
    bed.hear(HIGH, 150);
    assert_eq!(bed.left(Deadline::PreemptDelay), None);
    bed.hear(LOW, 50);
    assert_eq!(bed.left(Deadline::PreemptDelay), Some(3_000_000));
}

#[test]
fn faults_are_left_when_the_last_one_is_gone() {
    let mut bed = Bed::active(settings());
    bed.tell(Input::TrackingChanged { weight: 0, failed: true });
    bed.tell(Input::SourceLost);
    bed.tell(Input::LinkWentDown);
    assert_eq!(bed.tell(Input::TrackingChanged { weight: 0, failed: false }), "");
    assert_eq!(bed.router.why(), Why::Blocked(Blocked::LinkDown));
    let six = "fe80::1".parse().unwrap();
    assert_eq!(bed.tell(Input::LinkWentUp { source: six }), "");
    assert_eq!(bed.router.why(), Why::Blocked(Blocked::NoSource));
    assert_eq!(bed.tell(Input::LinkWentUp { source: OWN }), "BACKUP:started");
}

#[test]
fn claims_that_fail_are_tried_again_ever_more_seldom() {
    let mut bed = Bed::active(settings());
    for pause in [1u128, 2, 4, 8, 16, 32, 32] {
        assert_eq!(bed.tell(Input::ClaimFailed), "advert(0) release INIT:claim_failed");
        assert_eq!(bed.left(Deadline::ClaimRetry), Some(pause * 1_000_000));
        assert_eq!(bed.router.why(), Why::Blocked(Blocked::AddressesNotHeld));
        assert_eq!(bed.fire(), "BACKUP:started");
        bed.fire();
    }
    bed.fire_until(Deadline::LeaseRenewal);
    bed.tell(Input::ClaimFailed);
    assert_eq!(bed.left(Deadline::ClaimRetry), Some(1_000_000));
}

#[test]
fn the_lease_is_renewed_three_times_in_its_life() {
    let mut bed = Bed::active(settings());
    let start = bed.now;
    for count in 1..=4 {
        assert!(bed.fire_until(Deadline::LeaseRenewal).contains("renew"));
        assert_eq!(bed.now, start + ms(1000.0) * count);
    }
}

#[test]
fn announcements_come_in_two_batches_and_are_refreshed() {
    let announcements = Announcements {
        rounds: 3,
        spacing: ms(50.0),
        repeat_after: Some(ms(5000.0)),
        refresh: Some(ms(20_000.0)),
    };
    let mut bed = Bed::active(RouterSettings { announcements, ..settings() });
    let start = bed.now;
    let mut at = vec![0];
    while at.len() < 9 {
        bed.fire_until(Deadline::Announcement);
        at.push(bed.now.since(start).as_millis());
    }
    assert_eq!(at, [0, 50, 100, 5000, 5050, 5100, 25_000, 45_000, 65_000]);
    let once = Announcements { rounds: 1, repeat_after: None, refresh: None, ..announcements };
    let bed = Bed::active(RouterSettings { announcements: once, ..settings() });
    assert_eq!(bed.left(Deadline::Announcement), None);
}

#[test]
fn a_yield_ordered_leaves_no_gap_and_lasts_until_lifted() {
    let mut bed = Bed::active(RouterSettings { priority: 200, ..settings() });
    bed.wait(ms(700.0));
    assert_eq!(bed.tell(Input::OrderGiven(Order::Yield)), "priority(200->1) advert(1)");
    assert_eq!(bed.router.state(), State::Active);
    assert_eq!(bed.hear(LOW, 100), "BACKUP:better_router");
    assert_eq!(bed.fire(), "release advert(1)");
    bed.hear(LOW, 100);
    assert!(matches!(bed.router.why(), Why::OtherIsNotWorse(active) if active.source == LOW));
    bed.tell(Input::OrderLifted);
    bed.hear(LOW, 100);
    assert!(matches!(bed.router.why(), Why::Preempting(_)));
    assert!(bed.fire().starts_with("ACTIVE"));
}

#[test]
fn another_configuration_is_taken_over_in_place() {
    let mut bed = Bed::active(settings());
    bed.wait(ms(600.0));
    let unchanged = RouterConfig::check(settings()).unwrap();
    bed.router.reconfigure(unchanged, bed.now).unwrap();
    assert_eq!(bed.router.poll_action(), None);
    let mut more = settings();
    more.addresses.push("10.0.0.101".parse().unwrap());
    more.priority = 120;
    bed.router.reconfigure(RouterConfig::check(more).unwrap(), bed.now).unwrap();
    assert_eq!(bed.tell(Input::OrderLifted), "priority(100->120) advert(120) claim announce");
    let other = RouterSettings { vrid: 52, ..settings() };
    assert!(bed.router.reconfigure(RouterConfig::check(other).unwrap(), bed.now).is_err());
    assert_eq!(bed.router.config().vrid().get(), 51);
    // A Backup that learned its interval from another keeps it; one that did not has its own.
    let mut bed = Bed::backup(settings());
    let faster = RouterConfig::check(settings().with_interval(ms(100.0))).unwrap();
    bed.router.reconfigure(faster.clone(), bed.now).unwrap();
    assert_eq!(bed.left(Deadline::ActiveDown), Some(360_937));
}

#[test]
fn a_stopped_router_waits_for_nothing() {
    for state in [State::Initialize, State::Backup, State::Active] {
        let mut bed = Bed::in_state(state, settings());
        bed.tell(Input::StopRequested);
        assert_eq!(bed.router.deadline(), None);
        assert_eq!(bed.tell(Input::LinkWentUp { source: OWN }), "");
        assert_eq!(bed.router.state(), State::Initialize);
        if state != State::Initialize {
            assert_eq!(last_reason(&bed), Some(Reason::Stopped));
        }
    }
}

#[test]
fn one_that_yields_keeps_its_addresses_for_a_moment() {
    let mut bed = Bed::active(settings());
    bed.wait(ms(300.0));
    assert_eq!(bed.hear(LOW, 101), "BACKUP:better_router");
    assert_eq!(bed.left(Deadline::LetGo), Some(20_000));
    bed.wait(ms(19.0));
    // It neither announces them nor defends them.
    assert_eq!(bed.tell(Input::DuplicateSeen { address: VIP, mac: [2; 6] }), "");
    assert_eq!(bed.tell(Input::AddressLost(VIP)), "");
    assert_eq!(bed.fire(), "release advert(100)");
    assert_eq!(bed.left(Deadline::LetGo), None);
}

#[test]
fn what_comes_meanwhile_ends_the_moment() {
    let yielded = || {
        let mut bed = Bed::active(settings());
        bed.wait(ms(300.0));
        assert_eq!(bed.hear(LOW, 101), "BACKUP:better_router");
        bed.wait(ms(10.0));
        bed
    };
    // Whoever may not take part holds nothing.
    assert_eq!(yielded().tell(Input::LinkWentDown), "release INIT:link_went_down");
    let mut bed = yielded();
    assert_eq!(bed.tell(Input::StopRequested), "release INIT:stopped");
    assert_eq!(bed.router.deadline(), None);
    // Active again, it simply keeps them.
    let mut bed = yielded();
    let again = bed.tell(Input::OrderGiven(Order::TakeOver));
    assert_eq!(again, "priority(100->254) ACTIVE:ordered advert(254) claim announce");
    assert_eq!(bed.left(Deadline::LetGo), None);
    // A machine that did not run lets go before anything else.
    let mut bed = yielded();
    bed.wait(ms(500.0));
    assert_eq!(bed.hear(LOW, 101), "release advert(100)");
    // An order that is over by then must not make the winner yield in turn.
    let mut bed = Bed::active(settings());
    bed.tell(Input::OrderGiven(Order::Yield));
    assert_eq!(bed.hear(LOW, 90), "BACKUP:better_router");
    assert_eq!(bed.tell(Input::OrderLifted), "priority(1->100)");
    assert_eq!(bed.fire_until(Deadline::LetGo), "release");
}

#[test]
fn the_last_advert_of_the_loser_is_answered_but_is_no_news() {
    let mut bed = Bed::active(settings());
    bed.wait(ms(20.0));
    assert_eq!(bed.hear(HIGH, 99), "advert(100) announce");
    bed.wait(ms(1000.0));
    assert_eq!(bed.hear(HIGH, 99), "advert(100) answered announce");
}
