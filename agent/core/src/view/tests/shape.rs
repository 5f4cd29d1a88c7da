//! What the view holds: old news, the table, drains, selections, the JSON form.

use agent_api::{DestinationReport, EventKind, KernelTable, LvsSection, State, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::{NOW, before, codes, destination, event, health, healthy, order, server, set};
use crate::view::*;

#[test]
fn old_verdicts_are_unknown_with_what_they_were() {
    let mut state = healthy();
    set(&mut state, "resolver/dns2", Verdict::Down, 500);
    state.checkd.heard_at = Some(before(42));
    let view = View::of(&state, NOW);
    let dns2 = server(&view, "dns2");
    assert_eq!((dns2.verdict, dns2.cause.as_deref()), (Verdict::Unknown, Some("checkd_silent")));
    assert_eq!(dns2.since, Some(before(42)));
    assert_eq!(dns2.last_verdict(), Verdict::Down);
    let known = dns2.last_known.as_ref().unwrap();
    assert_eq!((known.verdict, known.since, known.heard_at), (Verdict::Down, before(500), Some(before(42))));
    assert_eq!(known.cause.as_deref(), Some("dns_timeout"));
    assert_eq!(dns2.latency_us, None);
    assert_eq!(view.virtual_servers[0].unknown, 3);
    assert_eq!(view.virtual_servers[0].up, 0);
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    let mut state = healthy();
    state.checkd.heard_at = Some(NOW + SignedDuration::from_secs(3_600));
    assert_eq!(View::of(&state, NOW).status, Level::Ok);
    // And the ends of time are no trouble either.
    for at in [Timestamp::MIN, Timestamp::MAX] {
        state.checkd.heard_at = Some(at);
        let _ = View::of(&state, NOW);
        let _ = View::of(&state, Timestamp::MIN);
        let _ = View::of(&state, Timestamp::MAX);
    }
}

#[test]
fn an_unreported_table_is_unknown_and_not_empty() {
    for change in [
        (|s: &mut State| s.lvsd.heard_at = Some(before(31))) as fn(&mut State),
        |s| s.lvsd.head.kernel = KernelTable::Unknown,
        |s| s.lvsd = LvsSection::default(),
    ] {
        let mut state = healthy();
        change(&mut state);
        let view = View::of(&state, NOW);
        assert_eq!(view.kernel.status, KernelStatus::Unknown);
        assert_eq!(view.kernel.cause.as_deref(), Some("not_reported"));
        assert!(view.virtual_servers[0].real_servers.iter().all(|s| s.in_table == InTable::Unknown));
    }
    // What the table held when it was last reported stays to be seen.
    let mut state = healthy();
    state.lvsd.heard_at = Some(before(31));
    assert_eq!(server(&View::of(&state, NOW), "dns1").destinations.len(), 2);
}

#[test]
fn a_server_in_one_service_only_is_partly_in_the_table() {
    let mut state = healthy();
    let tcp = state.lvsd.items.values_mut().next().unwrap();
    tcp.destinations.retain(|_, to| to.real_server.as_ref().unwrap().as_str() != "dns1");
    assert_eq!(server(&View::of(&state, NOW), "dns1").in_table, InTable::Partly);
}

#[test]
fn strangers_in_the_table_are_shown() {
    let mut state = healthy();
    for report in state.lvsd.items.values_mut() {
        report.destinations.insert(
            "10.9.9.9:53".parse().unwrap(),
            DestinationReport { real_server: None, ..destination("x", 3) },
        );
    }
    let view = View::of(&state, NOW);
    let strangers = &view.virtual_servers[0].services[0].unconfigured;
    assert_eq!((strangers.len(), strangers[0].weight), (1, 3));
    assert_eq!(view.virtual_servers[0].total, 3);
}

#[test]
fn drains_show_whom_they_mean() {
    let mut state = healthy();
    state.checkd.items.insert("mail/dns1".parse().unwrap(), health(Verdict::Up, 9, "10.0.1.1:53"));
    order(&mut state, "dns1", 60, Some(600));
    order(&mut state, "resolver/dns1", 50, Some(60));
    order(&mut state, "gone", 60, None);
    order(&mut state, "dns2", 60, Some(-1));
    let view = View::of(&state, NOW);
    let drains: Vec<(String, Vec<String>)> = view
        .drains
        .iter()
        .map(|o| (o.drain.target.clone(), o.real_servers.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(
        drains,
        [
            ("dns1".to_owned(), vec!["mail/dns1".to_owned(), "resolver/dns1".to_owned()]),
            ("resolver/dns1".to_owned(), vec!["resolver/dns1".to_owned()]),
            ("gone".to_owned(), vec![]),
        ]
    );
    // The one that lasts longest is what keeps it drained.
    assert!(server(&view, "dns1").drain.as_ref().is_some_and(|drain| drain.target == "dns1"));
    assert!(server(&view, "dns2").drain.is_none());
}

#[test]
fn only_the_latest_events_are_shown() {
    let mut state = healthy();
    for n in 0..50 {
        event(&mut state, EventKind::RealServerWentUp, 100 - n, Some("dns1"));
    }
    let view = View::of(&state, NOW);
    let numbers: Vec<u64> = view.events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (31..=50).collect::<Vec<_>>());
}

#[test]
fn a_selection_is_judged_by_what_concerns_it() {
    let mut state = healthy();
    state.checkd.items.insert("mail/mx1".parse().unwrap(), health(Verdict::Down, 9, "10.0.1.1:53"));
    state.checkd.items.insert("mail/mx2".parse().unwrap(), health(Verdict::Up, 9, "10.0.1.2:53"));
    event(&mut state, EventKind::RealServerWentDown, 9, Some("dns2"));
    order(&mut state, "dns3", 1, None);
    let pick = |name: &str| View::of(&state, NOW).select(&name.parse().unwrap());
    let shown = |view: &View| -> Vec<String> {
        view.virtual_servers
            .iter()
            .flat_map(|pool| pool.real_servers.iter().map(|s| format!("{}/{}", pool.name, s.name)))
            .collect()
    };

    let all = View::of(&state, NOW);
    assert_eq!(all.status, Level::Warning);
    let resolver = pick("resolver").unwrap();
    assert_eq!((resolver.status, shown(&resolver).len()), (Level::Ok, 3));
    assert_eq!((resolver.events.len(), resolver.drains.len()), (1, 1));
    let mail = pick("mail").unwrap();
    assert_eq!((mail.status, mail.events.len(), mail.drains.len()), (Level::Warning, 0, 0));
    let mx2 = pick("mail/mx2").unwrap();
    assert_eq!((mx2.status, shown(&mx2)), (Level::Ok, vec!["mail/mx2".to_owned()]));
    assert_eq!(mx2.virtual_servers[0].total, 2);
    assert_eq!(shown(&pick("dns2").unwrap()), ["resolver/dns2"]);
    assert_eq!(pick("resolvr").unwrap_err().as_deref(), Some("resolver"));
    assert_eq!(pick("mail/webserver").unwrap_err().as_deref(), None);
    assert!("a/b/c".parse::<Selection>().is_err());
}

#[test]
fn a_selection_still_hears_what_concerns_everything() {
    let mut state = healthy();
    state.lvsd.head.kernel = KernelTable::Unusable {
        cause: "ipvs_missing".parse().unwrap(),
        detail: "d".into(),
        remedy: "r".into(),
    };
    let view = View::of(&state, NOW).select(&"dns1".parse().unwrap()).unwrap();
    assert_eq!(codes(&view), [(Level::Critical, "kernel_missing")]);
    assert_eq!(view.virtual_servers[0].status, Level::Critical);
}

#[test]
fn what_does_not_come_from_the_agent_is_unknown_at_best() {
    let view = View::of(&healthy(), NOW).from_source(Source::Agent);
    assert_eq!(view.status, Level::Ok);
    for source in [Source::LastHeard, Source::StateFile, Source::Nowhere] {
        let view = View::of(&healthy(), NOW).from_source(source);
        assert_eq!((view.status, codes(&view)), (Level::Unknown, vec![(Level::Unknown, "agent_silent")]));
    }
    let mut old = healthy();
    old.checkd.heard_at = Some(before(500));
    let view = View::of(&old, NOW).from_source(Source::StateFile);
    assert_eq!(codes(&view), [(Level::Unknown, "agent_silent"), (Level::Unknown, "serving_unknown")]);
    let view = View::of(&State::new(String::new(), NOW), NOW).from_source(Source::Nowhere);
    assert_eq!(codes(&view), [(Level::Unknown, "agent_silent")]);
}

#[test]
fn lengths_have_two_units() {
    for (seconds, said) in [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (125, "2m 5s"),
        (3_600, "1h"),
        (7_259, "2h"),
        (7_260, "2h 1m"),
        (86_400, "1d"),
        (273_600, "3d 4h"),
    ] {
        assert_eq!(length(SignedDuration::from_secs(seconds)), said);
    }
}

/// The JSON form is a promise: a change here is a change of the schema, and of the operating guide.
#[test]
fn json_form() {
    let mut state = healthy();
    state.checkd.items.retain(|id, _| id.real_server.as_str() == "dns1");
    state.lvsd.items.retain(|service, _| service.protocol() == Some(agent_api::Protocol::Udp));
    for report in state.lvsd.items.values_mut() {
        report.destinations.retain(|_, to| to.real_server.as_ref().unwrap().as_str() == "dns1");
    }
    order(&mut state, "resolver/dns1", 1, Some(3_600));
    state.checkd.heard_at = Some(before(40));
    event(&mut state, EventKind::DrainOrdered, 1, Some("dns1"));
    let json = serde_json::to_value(View::of(&state, NOW)).unwrap();
    let expected: serde_json::Value = serde_json::from_str(include_str!("view.json")).unwrap();
    assert_eq!(json, expected, "{}", serde_json::to_string_pretty(&json).unwrap());
}
