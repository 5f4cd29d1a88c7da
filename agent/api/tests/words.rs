//! Ids survive their text form, orders hold their time, and updates may come twice.

#![allow(clippy::expect_used, clippy::unwrap_used)] // A test's own helpers may fail it.

use std::collections::BTreeMap;

use agent_api::id::{
    AddressFamily, CauseCode, NAME_MAX, Name, NameError, Protocol, RealServerId, ServiceAddress,
};
use agent_api::order::{Drain, DrainTarget, Orders};
use agent_api::section::{Reporter, Section, SectionUpdate};
use agent_api::state::{EVENTS_KEPT, State, Update};
use agent_api::{Event, EventKind, NewEvent};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).expect("it can be written")).expect("it can be read")
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}".prop_map(|text| text.parse().expect("it is a name"))
}

proptest! {
    #[test]
    fn names_are_what_the_rule_says(text in "\\PC{0,70}|[a-z0-9._/-]{0,70}") {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let good = first && rest && text.len() <= NAME_MAX;
        prop_assert_eq!(text.parse::<Name>().is_ok(), good);
    }

    #[test]
    fn ids_survive_text_and_json(virtual_server in name(), real_server in name()) {
        prop_assert_eq!(&through_json(&virtual_server), &virtual_server);
        let id = RealServerId { virtual_server, real_server };
        prop_assert_eq!(id.to_string().parse::<RealServerId>(), Ok(id.clone()));
        prop_assert_eq!(through_json(&id), id);
    }

    #[test]
    fn services_survive_text_and_json(v6 in any::<bool>(), bits in any::<u128>(), port in any::<u16>(), udp in any::<bool>()) {
        let ip = if v6 { std::net::IpAddr::V6(bits.into()) } else { std::net::IpAddr::V4((bits as u32).into()) };
        let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
        let mark = std::num::NonZeroU32::new(bits as u32).unwrap_or(std::num::NonZeroU32::MAX);
        for service in [
            ServiceAddress::Address { protocol, address: (ip, port).into() },
            ServiceAddress::FirewallMark { family: AddressFamily::of(ip), mark },
        ] {
            prop_assert_eq!(service.to_string().parse::<ServiceAddress>(), Ok(service));
            prop_assert_eq!(through_json(&service), service);
        }
    }

    #[test]
    fn no_text_makes_an_id_panic(text in "(?s).{0,200}") {
        let _ = (text.parse::<RealServerId>(), text.parse::<ServiceAddress>(), text.parse::<CauseCode>());
        let json = serde_json::to_string(&text).expect("a text can be written");
        let _ = (serde_json::from_str::<RealServerId>(&json), serde_json::from_str::<CauseCode>(&json));
    }
}

#[test]
fn bad_ids_say_what_is_wrong() {
    for (text, why) in [
        ("", "\"\" is not of the form VIRTUAL_SERVER/REAL_SERVER"),
        ("dns1", "\"dns1\" is not of the form VIRTUAL_SERVER/REAL_SERVER"),
        ("resolver/", "a name is empty"),
        (
            "a/b/c",
            "name \"b/c\" may hold only letters, digits, '.', '_' and '-', and starts with a letter or digit",
        ),
    ] {
        assert_eq!(text.parse::<RealServerId>().map_err(|e| e.to_string()), Err(why.to_owned()), "{text}");
    }
    for text in [
        "udp",
        "udp/53",
        "icmp/10.0.0.1:53",
        "udp/10.0.0.1",
        "udp/2001:db8::1:53",
        "udp/10.0.0.1:65536",
        "fwmark/0",
        "fwmark/+1",
        "fwmark6/",
    ] {
        assert!(text.parse::<ServiceAddress>().is_err(), "{text}");
    }
    let long = "a".repeat(NAME_MAX + 1);
    assert!(matches!(long.parse::<Name>(), Err(NameError::TooLong(_))));
    assert!("a".repeat(NAME_MAX).parse::<Name>().is_ok());
    for text in ["", "Dns", "dns-timeout", "dns timeout", "ü"] {
        assert!(text.parse::<CauseCode>().is_err(), "{text}");
    }
}

type Numbers = Section<u8, u8, u16>;
type Change = SectionUpdate<u8, u8, u16>;

fn reporter() -> impl Strategy<Value = Reporter> {
    (0_u32..3).prop_map(|pid| Reporter {
        version: "0.1.0".to_owned(),
        pid,
        started_at: Timestamp::UNIX_EPOCH,
        config: "digest".to_owned(),
    })
}

fn change() -> impl Strategy<Value = Change> {
    let items = prop::collection::btree_map(0_u8..8, any::<u16>(), 0..6);
    let removed = prop::collection::vec(0_u8..8, 0..4);
    let seconds = prop::option::of(0_i64..9);
    let single = (any::<bool>(), prop::option::of(reporter()), prop::option::of(any::<bool>()), seconds);
    (single, prop::option::of(any::<u8>()), items, removed).prop_map(
        |((whole, reporter, connected, heard), head, items, removed)| SectionUpdate {
            whole,
            unfinished: false,
            reporter,
            connected,
            heard_at: heard.and_then(|at| Timestamp::from_second(at).ok()),
            head,
            items,
            removed,
        },
    )
}

proptest! {
    #[test]
    fn an_update_that_comes_twice_changes_nothing_more(before in prop::collection::vec(change(), 0..4), update in change()) {
        let mut section = Numbers::default();
        before.into_iter().for_each(|one| section.apply(one));
        section.apply(update.clone());
        let once = section.clone();
        section.apply(update);
        prop_assert_eq!(section, once);
    }

    #[test]
    fn a_whole_update_makes_any_section_the_same(changes in prop::collection::vec(change(), 0..6), other in change()) {
        let mut section = Numbers::default();
        // A watcher learns every field once it has been set; unset ones are those of a new section.
        changes.into_iter().for_each(|one| section.apply(one));
        let mut copy = Numbers::default();
        copy.apply(through_json(&section.to_update()));
        prop_assert_eq!(&copy, &section);
        let mut stale = Numbers::default();
        stale.apply(SectionUpdate { reporter: None, heard_at: None, ..other });
        stale.apply(section.to_update());
        prop_assert_eq!(stale, section);
    }

    #[test]
    fn items_end_as_the_last_word_on_each_key(changes in prop::collection::vec(change(), 0..8)) {
        let mut section = Numbers::default();
        let mut model: BTreeMap<u8, u16> = BTreeMap::new();
        for update in changes {
            if update.whole {
                model.clear();
            }
            model.extend(update.items.clone());
            model.retain(|key, _| !update.removed.contains(key));
            section.apply(update);
            prop_assert_eq!(&section.items, &model);
        }
    }
}

fn event(number: u64) -> Event {
    let what = NewEvent {
        at: Timestamp::UNIX_EPOCH,
        kind: EventKind::DriftMended,
        virtual_server: None,
        real_server: None,
        cause: None,
        virtual_router: None,
        dependency: None,
        text: format!("event {number}"),
    };
    Event { number, what }
}

#[test]
fn events_are_taken_once_and_the_oldest_give_way() {
    let mut state = State::new("boot".to_owned(), Timestamp::UNIX_EPOCH);
    let update = |range: std::ops::RangeInclusive<u64>| Update {
        generation: *range.end(),
        events: range.map(event).collect(),
        ..Update::default()
    };
    state.apply(update(1..=3));
    state.apply(update(2..=5));
    assert_eq!(state.events.iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    state.apply(update(6..=EVENTS_KEPT as u64 + 10));
    assert_eq!(state.events.len(), EVENTS_KEPT);
    assert_eq!(state.events.front().map(|event| event.number), Some(11));
    assert_eq!(through_json(&state), state);
}

#[test]
fn every_kind_of_event_has_one_word() {
    let kinds = [
        EventKind::RealServerWentUp,
        EventKind::RealServerWentDown,
        EventKind::RealServerDegraded,
        EventKind::RealServerBecameUnknown,
        EventKind::DriftMended,
        EventKind::FailOpenBegan,
        EventKind::FailOpenEnded,
        EventKind::IpvsLost,
        EventKind::IpvsFound,
        EventKind::EditRefused,
        EventKind::DrainOrdered,
        EventKind::DrainEnded,
        EventKind::ReporterFellSilent,
        EventKind::ReporterReturned,
    ];
    for kind in kinds {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(through_json(&kind), kind);
    }
}

fn drain(target: &str, until: Option<i64>) -> Drain {
    let (virtual_server, real_server) = match target.split_once('/') {
        Some((virtual_server, real_server)) => (Some(virtual_server.parse().unwrap()), real_server),
        None => (None, target),
    };
    Drain {
        target: DrainTarget { virtual_server, real_server: real_server.parse().unwrap() },
        who: "alice".to_owned(),
        why: String::new(),
        since: Timestamp::UNIX_EPOCH,
        until: until.map(|at| Timestamp::from_second(at).unwrap()),
    }
}

#[test]
fn of_several_drains_the_longest_applies() {
    let orders = Orders {
        drains: vec![drain("dns1", Some(100)), drain("resolver/dns1", Some(200)), drain("dns2", None)],
        ..Orders::default()
    };
    let at = |second: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
    let applies = |id: &str, second: i64| {
        orders.drain_of(&id.parse().unwrap(), at(second)).map(|d| d.target.to_string())
    };
    assert_eq!(applies("resolver/dns1", 0).as_deref(), Some("resolver/dns1"));
    assert_eq!(applies("other/dns1", 99).as_deref(), Some("dns1"));
    assert_eq!(applies("other/dns1", 100), None, "it ends at its time, not after it");
    assert_eq!(applies("resolver/dns1", 199).as_deref(), Some("resolver/dns1"));
    assert_eq!(applies("resolver/dns1", 200), None);
    assert_eq!(applies("resolver/dns2", 1 << 37).as_deref(), Some("dns2"));
    assert_eq!(applies("resolver/dns10", 0), None);
    let mut both = orders.clone();
    both.drains.push(drain("other/dns2", Some(5)));
    let longest = both.drain_of(&"other/dns2".parse().unwrap(), at(0)).map(|d| d.until);
    assert_eq!(longest, Some(None), "one without an end outlasts every other");
    assert_eq!(through_json(&orders), orders);
}
