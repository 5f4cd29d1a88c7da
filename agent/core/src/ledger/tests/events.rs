use agent_api::state::EVENTS_KEPT;

use super::*;

#[test]
fn verdicts_that_change_are_events() {
    use EventKind as K;
    let unknown = || health(Verdict::Unknown, Some(Cause::NoSocket));
    let degraded = || health(Verdict::Degraded, Some(Cause::DnsTimeout));
    let cases: [(&str, Vec<RealServerHealth>, Vec<K>); 10] = [
        ("up from nothing is none", vec![up()], vec![]),
        ("down from nothing is one", vec![down()], vec![K::RealServerWentDown]),
        ("not probed yet is none", vec![not_probed()], vec![]),
        ("up after not probed is none", vec![not_probed(), up()], vec![]),
        ("down after not probed is one", vec![not_probed(), down()], vec![K::RealServerWentDown]),
        ("down and up again", vec![up(), down(), up()], vec![K::RealServerWentDown, K::RealServerWentUp]),
        (
            "a new cause of the same verdict is none",
            vec![unknown(), not_probed(), unknown()],
            vec![K::RealServerBecameUnknown],
        ),
        (
            "a restarted checkd that has forgotten",
            vec![up(), down(), not_probed(), down(), not_probed(), up()],
            vec![K::RealServerWentDown, K::RealServerWentUp],
        ),
        (
            "unknown and up again",
            vec![up(), unknown(), up()],
            vec![K::RealServerBecameUnknown, K::RealServerWentUp],
        ),
        (
            "degraded",
            vec![degraded(), up(), degraded()],
            vec![K::RealServerDegraded, K::RealServerWentUp, K::RealServerDegraded],
        ),
    ];
    for (name, steps, expected) in cases {
        let mut ledger = ledger();
        ledger.handle(whole(process(1, 0), &[]), at(1)).unwrap();
        for (n, step) in steps.iter().enumerate() {
            ledger.handle(changed(&[("a/b", step.clone())]), at(2 + n as u64)).unwrap();
        }
        assert_eq!(ledger.kinds(), expected, "{name}");
    }
}

#[test]
fn an_event_says_what_happened() {
    let mut ledger = ledger();
    let mut fallen = down();
    fallen.detail = "no answer from 10.1.53.2:53 within 500 ms".into();
    fallen.since = at(7).wall;
    ledger.handle(whole(process(1, 0), &[("resolver/dns1", fallen)]), at(8)).unwrap();
    let event = ledger.state().events.back().unwrap();
    assert_eq!(event.number, 1);
    assert_eq!(event.what.at, at(7).wall);
    assert_eq!(event.what.cause.as_ref().unwrap().as_str(), "dns_timeout");
    assert_eq!(event.what.virtual_server.as_ref().unwrap().as_str(), "resolver");
    assert_eq!(event.what.real_server.as_ref().unwrap().as_str(), "dns1");
    assert_eq!(
        event.what.text,
        "resolver/dns1 is down: no answer from 10.1.53.2:53 within 500 ms (dns_timeout)"
    );
}

#[test]
fn a_restarted_reporter_that_says_the_same_tells_nothing() {
    let mut ledger = ledger();
    let facts = [("a/b", up()), ("a/c", down())];
    ledger.handle(whole(process(1, 0), &facts), at(1)).unwrap();
    assert_eq!(ledger.kinds(), [EventKind::RealServerWentDown]);
    ledger.handle(Input::ReporterLeft(crate::ledger::Role::Checkd), at(2)).unwrap();
    ledger.handle(whole(process(2, 3), &facts), at(4)).unwrap();
    ledger.handle(whole(process(2, 3), &facts), at(5)).unwrap();
    assert_eq!(ledger.kinds().len(), 1);
}

#[test]
fn a_server_that_is_configured_anew_starts_anew() {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[("a/b", down())]), at(1)).unwrap();
    ledger.handle(whole(process(1, 0), &[]), at(2)).unwrap();
    ledger.handle(whole(process(1, 0), &[("a/b", up())]), at(3)).unwrap();
    assert_eq!(ledger.kinds(), [EventKind::RealServerWentDown], "up from nothing is no event");
}

#[test]
fn reported_events_are_taken_once_for_each_process() {
    use EventKind::DriftMended;
    let mut ledger = ledger();
    ledger.handle(told(&[1, 2], Some(process(1, 0)), DriftMended), at(1)).unwrap();
    ledger.handle(told(&[2, 3], None, DriftMended), at(2)).unwrap();
    ledger.handle(told(&[1, 2, 3], Some(process(1, 0)), DriftMended), at(3)).unwrap();
    let numbers = |ledger: &Ledger| -> Vec<(u64, String)> {
        ledger.state().events.iter().map(|event| (event.number, event.what.text.clone())).collect()
    };
    let text = |n: u64| format!("number {n}");
    assert_eq!(numbers(&ledger), [(1, text(1)), (2, text(2)), (3, text(3))]);
    ledger.handle(told(&[1], Some(process(2, 4)), DriftMended), at(5)).unwrap();
    assert_eq!(numbers(&ledger).len(), 4, "another process counts from one again");
}

#[test]
fn nobody_else_tells_what_the_ledger_finds() {
    let mut ledger = ledger();
    ledger.handle(told(&[1], Some(process(1, 0)), EventKind::DrainOrdered), at(1)).unwrap();
    ledger.handle(told(&[2], None, EventKind::RealServerWentDown), at(1)).unwrap();
    assert_eq!(ledger.kinds(), []);
    ledger.handle(told(&[3], None, EventKind::Other), at(1)).unwrap();
    assert_eq!(ledger.kinds(), [EventKind::Other]);
    assert_eq!(ledger.state().sequences.lvsd, 3, "what is not recorded is not sent for ever");
}

#[test]
fn the_oldest_events_go() {
    let mut ledger = ledger();
    let many: Vec<u64> = (1..=1_500).collect();
    ledger.handle(told(&many, Some(process(1, 0)), EventKind::DriftMended), at(1)).unwrap();
    assert_eq!(ledger.state().events.len(), EVENTS_KEPT);
    assert_eq!(ledger.state().events.front().unwrap().number, 501);
    assert_eq!(ledger.state().events.back().unwrap().number, 1_500);
}
