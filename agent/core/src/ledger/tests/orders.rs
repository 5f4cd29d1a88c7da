use super::*;
use crate::ledger::{Action, Outcome, Reason, Urgency};

fn drained(ledger: &Ledger) -> Vec<String> {
    ledger.state().orders.drains.iter().map(|drain| drain.target.to_string()).collect()
}

#[test]
fn a_drain_is_one_for_each_target_and_ends_by_itself() {
    let mut ledger = ledger();
    ledger.handle(drain("dns1", None), at(1)).unwrap();
    ledger.handle(drain("resolver/dns1", Some(100)), at(1)).unwrap();
    ledger.handle(drain("dns1", Some(50)), at(2)).unwrap();
    assert_eq!(drained(&ledger), ["dns1", "resolver/dns1"]);
    assert_eq!(ledger.deadline(at(10)), Some((Duration::from_secs(40), Reason::OrderEnds)));
    ledger.handle(Input::DeadlinePassed, at(49)).unwrap();
    assert_eq!(drained(&ledger).len(), 2, "too early");
    ledger.handle(Input::DeadlinePassed, at(50)).unwrap();
    assert_eq!(drained(&ledger), ["resolver/dns1"]);
    ledger.handle(Input::DeadlinePassed, at(1_000)).unwrap();
    assert_eq!(drained(&ledger), [""; 0]);
    assert_eq!(ledger.deadline(at(1_000)), None);
    use EventKind::{DrainEnded, DrainOrdered};
    assert_eq!(ledger.kinds(), [DrainOrdered, DrainOrdered, DrainOrdered, DrainEnded, DrainEnded]);
    let first = &ledger.state().events[0].what;
    assert_eq!(first.text, "dns1 is drained by root (alice): kernel update");
    assert_eq!(first.real_server.as_ref().unwrap().as_str(), "dns1");
}

#[test]
fn undrain_ends_what_it_names() {
    let mut ledger = ledger();
    for text in ["dns1", "resolver/dns1", "mail/dns1", "resolver/dns2"] {
        ledger.handle(drain(text, None), at(1)).unwrap();
    }
    ledger.handle(undrain("mail/dns1"), at(2)).unwrap();
    assert_eq!(drained(&ledger), ["dns1", "resolver/dns1", "resolver/dns2"]);
    ledger.handle(undrain("dns1"), at(3)).unwrap();
    assert_eq!(drained(&ledger), ["resolver/dns2"], "without a virtual server all of dns1");
    ledger.handle(undrain("dns1"), at(4)).unwrap();
    assert_eq!(ledger.kinds().iter().filter(|kind| **kind == EventKind::DrainEnded).count(), 3);
}

#[test]
fn a_preview_shows_what_the_order_will_do_and_changes_nothing() {
    let mut ledger = ledger();
    ledger.handle(drain("dns1", None), at(1)).unwrap();
    while ledger.poll_action().is_some() {}
    let before = ledger.state().clone();
    let Input::Ordered(order) = drain("dns1", Some(9)) else { unreachable!() };
    let (state, outcome) = ledger.preview(&order, at(2)).unwrap();
    assert!(outcome.replaced);
    assert_eq!(ledger.poll_action(), None);
    assert_eq!(ledger.state(), &before);
    ledger.handle(Input::Ordered(order), at(2)).unwrap();
    assert_eq!(seen(ledger.state()), seen(&state));
    assert_eq!(ledger.poll_action(), Some(Action::Publish));
    assert_eq!(ledger.poll_action(), Some(Action::Save(Urgency::Now)));
    let Input::Ordered(order) = undrain("dns1") else { unreachable!() };
    let Outcome { ended, .. } = ledger.preview(&order, at(3)).unwrap().1;
    assert_eq!(ended.len(), 1);
}

#[test]
fn orders_are_bounded() {
    let mut ledger = ledger();
    for n in 0..crate::ledger::orders::DRAINS_MAX {
        ledger.handle(drain(&format!("s{n}"), None), at(1)).unwrap();
    }
    let preview = |ledger: &Ledger, input| {
        let Input::Ordered(order) = input else { unreachable!() };
        ledger.preview(&order, at(2)).map(|_| ())
    };
    assert!(matches!(preview(&ledger, drain("another", None)), Err(Refusal::TooMuch { .. })));
    assert_eq!(preview(&ledger, drain("s0", Some(9))), Ok(()), "replacing needs no room");
    assert_eq!(preview(&ledger, undrain("s0")), Ok(()));
}

fn silence(target: &str, until: u64) -> agent_api::Silence {
    agent_api::Silence {
        target: agent_api::SilenceTarget {
            virtual_server: (!target.is_empty()).then(|| target.parse().unwrap()),
            ..Default::default()
        },
        severity: None,
        who: "root".to_owned(),
        why: "disks".to_owned(),
        since: at(1).wall,
        until: at(until).wall,
    }
}

#[test]
fn silences_stand_until_they_are_ended_or_over() {
    let mut ledger = ledger();
    for (target, until) in [("resolver", 100), ("", 50), ("resolver", 60)] {
        let order = Order::Silence(silence(target, until));
        let (state, outcome) = ledger.preview(&order, at(1)).unwrap();
        assert_eq!(outcome.replaced, until == 60);
        ledger.handle(Input::Ordered(order), at(1)).unwrap();
        assert_eq!(state.orders, ledger.state().orders, "what is written is what comes into force");
    }
    assert_eq!(ledger.state().orders.silences.len(), 2, "one for each target");
    assert_eq!(ledger.deadline(at(10)).map(|(left, _)| left.as_secs()), Some(40));
    ledger.handle(Input::DeadlinePassed, at(50)).unwrap();
    let target = silence("resolver", 1).target;
    ledger.handle(Input::Ordered(Order::Unsilence { target, who: "bob".to_owned() }), at(51)).unwrap();
    assert!(ledger.state().orders.silences.is_empty());
    let told: Vec<(EventKind, &str)> =
        ledger.state().events.iter().skip(3).map(|e| (e.what.kind, e.what.text.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                EventKind::SilenceEnded,
                "alerts about everything are told again: the time that root gave is over"
            ),
            (EventKind::SilenceEnded, "alerts about resolver are told again: bob ended the silence"),
        ]
    );
    // Over a restart they stand, one for each target and no more than fit.
    let mut state = ledger.state().clone();
    state.orders.silences = vec![silence("resolver", 90), silence("resolver", 95)];
    let restored = Ledger::restore(state, BOOT.to_owned(), at(60));
    assert_eq!(restored.state().orders.silences, [silence("resolver", 95)]);
}

#[test]
fn a_test_of_the_alerts_is_forgotten_without_a_word() {
    let mut ledger = ledger();
    let test = agent_api::AlertTest { who: "root".to_owned(), since: at(1).wall };
    ledger.handle(Input::Ordered(Order::TestAlerts(test.clone())), at(1)).unwrap();
    assert_eq!(ledger.state().orders.alert_test.as_ref(), Some(&test));
    assert_eq!(ledger.deadline(at(2)).map(|(left, _)| left.as_secs()), Some(119));
    let before = ledger.state().generation;
    ledger.handle(Input::DeadlinePassed, at(121)).unwrap();
    assert!(ledger.state().orders.alert_test.is_none() && ledger.state().events.is_empty());
    assert!(ledger.state().generation > before, "watchers hear of it");
}
