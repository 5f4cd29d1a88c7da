use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Hours, SilenceTarget, Window};

const WEEK: [bool; 7] = [true; 7];
const OFFICE: [bool; 7] = [true, true, true, true, true, false, false];

/// Central European time with its changes, without a look at the system's time zones.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
    let friday_night = Hours(vec![Window {
        days: [false, false, false, false, true, false, false],
        from: 22 * 60,
        to: 7 * 60,
    }]);
    // 2026-11-27 is a Friday.
    for (moment, inside) in [
        ("2026-11-27T20:59:00Z", false),
        ("2026-11-27T21:00:00Z", true),
        ("2026-11-28T05:59:59Z", true),
        ("2026-11-28T06:00:00Z", false),
        ("2026-11-28T21:30:00Z", false),
        ("2026-11-27T05:00:00Z", false),
    ] {
        assert_eq!(friday_night.contain(at(moment), &berlin()), inside, "{moment}");
    }
}

#[test]
fn the_next_change_is_found_over_days_and_clock_changes() {
    let office = Hours(vec![Window { days: OFFICE, from: 8 * 60, to: 18 * 60 }]);
    let change = |moment: &str| office.change_after(at(moment), &berlin()).unwrap().to_string();
    assert_eq!(change("2026-11-27T10:00:00Z"), "2026-11-27T17:00:00Z");
    assert_eq!(change("2026-11-27T17:00:00Z"), "2026-11-30T07:00:00Z", "Friday evening to Monday morning");
    // Summer time begins on Sunday, 2027-03-28.
    assert_eq!(change("2027-03-26T17:00:00Z"), "2027-03-29T06:00:00Z");
    // The hour from two to three does not exist on that night: what ends in it ends with it.
    let night = Hours(vec![Window { days: WEEK, from: 60, to: 150 }]);
    let end = night.change_after(at("2027-03-28T00:30:00Z"), &berlin()).unwrap();
    assert!(end <= at("2027-03-28T01:30:00Z"), "{end}");
    let always = Hours(vec![Window { days: WEEK, from: 0, to: 1440 }]);
    assert_eq!(always.change_after(at("2026-11-27T10:00:00Z"), &berlin()), None);
    assert!(always.contain(at("2026-11-27T23:30:00Z"), &berlin()));
}

#[test]
fn a_silence_covers_what_it_names() {
    let target = |pool: Option<&str>, server: Option<&str>, router: Option<&str>| SilenceTarget {
        virtual_server: pool.map(|name| name.parse().unwrap()),
        real_server: server.map(|name| name.parse().unwrap()),
        virtual_router: router.map(|name| name.parse().unwrap()),
    };
    let id = "resolver/dns1".parse().unwrap();
    for (silence, server, pool, router) in [
        (target(None, None, None), true, true, true),
        (target(Some("resolver"), None, None), true, true, false),
        (target(Some("web"), None, None), false, false, false),
        (target(None, Some("dns1"), None), true, false, false),
        (target(Some("resolver"), Some("dns1"), None), true, false, false),
        (target(Some("web"), Some("dns1"), None), false, false, false),
        (target(None, None, Some("vip")), false, false, true),
    ] {
        assert_eq!(silence.covers_server(&id), server, "{silence}");
        assert_eq!(silence.covers_pool(&"resolver".parse().unwrap()), pool, "{silence}");
        assert_eq!(silence.covers_router(&"vip".parse().unwrap()), router, "{silence}");
    }
}
