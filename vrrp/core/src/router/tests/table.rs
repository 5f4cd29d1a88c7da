//! Every state against every event, as one table.

use super::bed::*;
use crate::router::{Deadline, Input, Order, State};
use crate::{RouterSettings, Time};

const NOT: &str = "";

/// What a row is tried with.
#[derive(Clone, Copy, Debug)]
enum Event {
    Advert(std::net::IpAddr, u8),
    Tell(Input<'static>),
    /// The next deadline.
    Deadline,
}

/// One row: the event, then for Initialize, Backup and Active what is done.
type Row = (&'static str, Event, [&'static str; 3]);

fn check(settings: impl Fn() -> RouterSettings, rows: &[Row]) {
    for (name, event, expected) in rows {
        for (state, expected) in [State::Initialize, State::Backup, State::Active].into_iter().zip(expected) {
            let mut bed = Bed::in_state(state, settings());
            bed.wait(ms(300.0));
            let done = match event {
                Event::Advert(source, priority) => bed.hear(*source, *priority),
                Event::Tell(input) => bed.tell(*input),
                Event::Deadline if bed.router.deadline().is_none() => NOT.to_owned(),
                Event::Deadline => bed.fire(),
            };
            assert_eq!(done, *expected, "{name} in {state:?}");
            // Where an event says nothing of a new state, there is none.
            let expected = if expected.contains("INIT") {
                State::Initialize
            } else if expected.contains("BACKUP") {
                State::Backup
            } else if expected.contains("ACTIVE") {
                State::Active
            } else {
                state
            };
            assert_eq!(bed.router.state(), expected, "{name} in {state:?}");
            let deadlines = match expected {
                State::Initialize => None,
                State::Backup => bed.left(Deadline::ActiveDown),
                State::Active => bed.left(Deadline::Adver),
            };
            // Each state waits for its own timer.
            assert_eq!(deadlines.is_some(), expected != State::Initialize, "{name} in {state:?}");
        }
    }
}

const FAIL: Input<'static> = Input::TrackingChanged { weight: 0, failed: true };
const TAKE: &str = "ACTIVE:active_fell_silent advert(100) claim announce";

#[test]
fn every_event_in_every_state() {
    use Event::{Advert, Tell};
    let rows: [Row; 22] = [
        ("deadline", Event::Deadline, [NOT, TAKE, "announce"]),
        ("priority 0", Advert(HIGH, 0), [NOT, NOT, "advert(100)"]),
        ("lower priority", Advert(HIGH, 99), [NOT, NOT, "advert(100) answered announce"]),
        ("higher priority", Advert(LOW, 101), [NOT, NOT, "BACKUP:better_router"]),
        (
            "equal priority, lower address",
            Advert(LOW, 100),
            ["odd:SamePriority", "odd:SamePriority", "odd:SamePriority advert(100) answered announce"],
        ),
        (
            "equal priority, higher address",
            Advert(HIGH, 100),
            ["odd:SamePriority", "odd:SamePriority", "odd:SamePriority BACKUP:better_router"],
        ),
        ("owner", Advert(LOW, 255), [NOT, NOT, "BACKUP:better_router"]),
        ("our own advert", Advert(OWN, 100), [NOT, NOT, NOT]),
        ("started again", Tell(Input::Started { held: None }), [NOT, NOT, NOT]),
        ("link up", Tell(Input::LinkWentUp { source: OWN }), ["BACKUP:started", NOT, NOT]),
        ("link down", Tell(Input::LinkWentDown), [NOT, "INIT:link_went_down", "release INIT:link_went_down"]),
        (
            "source lost",
            Tell(Input::SourceLost),
            [NOT, "INIT:source_lost", "advert(0) release INIT:source_lost"],
        ),
        ("tracker failed", Tell(FAIL), [NOT, "INIT:tracker_failed", "advert(0) release INIT:tracker_failed"]),
        (
            "weight",
            Tell(Input::TrackingChanged { weight: -30, failed: false }),
            ["priority(100->70)", "priority(100->70)", "priority(100->70) advert(70)"],
        ),
        ("same weight", Tell(Input::TrackingChanged { weight: 0, failed: false }), [NOT, NOT, NOT]),
        ("address lost", Tell(Input::AddressLost(VIP)), [NOT, NOT, "lost(1) claim announce"]),
        ("claim failed", Tell(Input::ClaimFailed), [NOT, NOT, "advert(0) release INIT:claim_failed"]),
        (
            "duplicate",
            Tell(Input::DuplicateSeen { address: VIP, mac: [2; 6] }),
            [NOT, NOT, "duplicate(1) announce"],
        ),
        (
            "take over",
            Tell(Input::OrderGiven(Order::TakeOver)),
            [
                "priority(100->254)",
                "priority(100->254) ACTIVE:ordered advert(254) claim announce",
                "priority(100->254) advert(254)",
            ],
        ),
        (
            "yield",
            Tell(Input::OrderGiven(Order::Yield)),
            ["priority(100->1)", "priority(100->1)", "priority(100->1) advert(1)"],
        ),
        ("order lifted", Tell(Input::OrderLifted), [NOT, NOT, NOT]),
        ("stop", Tell(Input::StopRequested), [NOT, "INIT:stopped", "advert(0) release INIT:stopped"]),
    ];
    check(settings, &rows);
}

#[test]
fn every_event_in_every_state_of_an_owner() {
    use Event::{Advert, Tell};
    let owner = || RouterSettings { priority: 255, ..settings() };
    let events = [
        (Advert(HIGH, 0), "advert(255)"),
        (Advert(HIGH, 254), "advert(255) answered announce"),
        (Advert(LOW, 255), "odd:SecondOwner advert(255) answered announce"),
        (Advert(HIGH, 255), "odd:SecondOwner BACKUP:better_router"),
        (Tell(Input::TrackingChanged { weight: -200, failed: false }), NOT),
        (Tell(FAIL), "advert(0) release INIT:tracker_failed"),
        (Tell(Input::OrderGiven(Order::Yield)), "priority(255->1) advert(1)"),
        (Tell(Input::StopRequested), "advert(0) release INIT:stopped"),
    ];
    for (event, expected) in events {
        let mut bed = Bed::new(owner());
        assert_eq!(bed.tell(Input::Started { held: None }), "release");
        assert_eq!(bed.tell(Input::LinkWentUp { source: OWN }), "ACTIVE:owner advert(255) claim announce");
        bed.wait(ms(600.0));
        let done = match event {
            Advert(source, priority) => bed.hear(source, priority),
            Tell(input) => bed.tell(input),
            Event::Deadline => bed.fire(),
        };
        assert_eq!(done, expected, "{event:?}");
    }
}

#[test]
fn each_event_of_a_backup_leaves_its_timer() {
    // Priority 100 at 1 s: skew 609.375 ms, down interval 3609.375 ms. 300 ms have passed.
    type Done = fn(&mut Bed) -> String;
    let cases: [(&str, Done, u128); 9] = [
        ("nothing", |_| String::new(), 3_309_375),
        ("priority 0", |bed| bed.hear(LOW, 0), 609_375),
        ("higher", |bed| bed.hear(LOW, 101), 3_609_375),
        ("equal", |bed| bed.hear(HIGH, 100), 3_609_375),
        ("lower", |bed| bed.hear(HIGH, 99), 3_309_375),
        (
            "higher, other interval",
            |bed| bed.hear_with(LOW, 101, |advert| advert.interval = centiseconds(10)),
            360_937,
        ),
        (
            "lower, other interval",
            |bed| bed.hear_with(LOW, 99, |advert| advert.interval = centiseconds(10)),
            3_309_375,
        ),
        // Learned only up to ten times our own: 30 s + 10 * 609.375 ms.
        (
            "longest interval",
            |bed| bed.hear_with(LOW, 101, |advert| advert.interval = centiseconds(4095)),
            36_093_750,
        ),
        // Skew of priority 90 is 39.0625 ms longer.
        ("weight", |bed| bed.tell(Input::TrackingChanged { weight: -10, failed: false }), 3_348_437),
    ];
    for (name, event, left) in cases {
        let mut bed = Bed::backup(settings());
        bed.wait(ms(300.0));
        event(&mut bed);
        assert_eq!(bed.left(Deadline::ActiveDown), Some(left), "{name}");
    }
}

pub fn centiseconds(number: u16) -> crate::codec::AdvertInterval {
    crate::codec::AdvertInterval::from_centiseconds(number).unwrap()
}

#[test]
fn without_preemption_a_lower_router_is_followed() {
    let mut bed = Bed::backup(RouterSettings { preempt: false, ..settings() });
    bed.wait(ms(300.0));
    bed.hear_with(HIGH, 99, |advert| advert.interval = centiseconds(10));
    assert_eq!(bed.left(Deadline::ActiveDown), Some(360_937));
    // But an Active router without preemption still yields to a better one, and holds against a worse one.
    let mut bed = Bed::active(RouterSettings { preempt: false, ..settings() });
    assert!(bed.hear(HIGH, 99).contains("advert(100)"));
    assert!(bed.hear(HIGH, 101).ends_with("BACKUP:better_router"));
}

#[test]
fn priority_0_brings_the_takeover_nearer_but_never_puts_it_off() {
    let mut bed = Bed::backup(settings());
    bed.hear(LOW, 150);
    bed.hear(LOW, 0);
    let end = bed.router.deadline().unwrap();
    for _ in 0..5 {
        bed.wait(ms(100.0));
        bed.hear(HIGH, 0);
        assert_eq!(bed.router.deadline(), Some(end));
    }
    assert_eq!(bed.fire(), "ACTIVE:active_left advert(100) claim announce");
}

#[test]
fn an_active_routers_beat_does_not_drift() {
    let mut bed = Bed::active(settings());
    let start = bed.now;
    let mut beats: Vec<Time> = Vec::new();
    while beats.len() < 5 {
        let (at, why) = bed.router.deadline().unwrap();
        // Each timer is served 3 ms late.
        bed.now = at + ms(3.0);
        bed.tell(Input::DeadlinePassed);
        if why == Deadline::Adver {
            beats.push(at);
        }
    }
    for (count, beat) in (1..).zip(beats) {
        assert_eq!(beat, start + ms(1000.0) * count);
    }
}
