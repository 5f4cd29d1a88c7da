use super::*;
use crate::ledger::{Reason, Role, SILENT_AFTER};
use EventKind::{ReporterFellSilent, ReporterReturned};

#[test]
fn silence_and_return_are_told_once() {
    let mut ledger = ledger();
    assert_eq!(ledger.deadline(at(0)), None, "who never reported is not awaited");
    ledger.handle(Input::DeadlinePassed, at(100)).unwrap();
    ledger.handle(whole(process(1, 0), &[("a/b", up())]), at(100)).unwrap();
    assert_eq!(
        ledger.deadline(at(110)),
        Some((Duration::from_secs(20), Reason::ReporterFallsSilent(Role::Checkd)))
    );
    ledger.handle(Input::DeadlinePassed, at(129)).unwrap();
    assert_eq!(ledger.kinds(), []);
    ledger.handle(changed(&[]), at(129)).unwrap();
    ledger.handle(Input::DeadlinePassed, at(130)).unwrap();
    assert_eq!(ledger.kinds(), [], "a sign of life is enough");
    ledger.handle(Input::DeadlinePassed, at(159)).unwrap();
    ledger.handle(Input::DeadlinePassed, at(500)).unwrap();
    assert_eq!(ledger.kinds(), [ReporterFellSilent]);
    assert_eq!(ledger.deadline(at(500)), None);
    assert_eq!(ledger.state().checkd.items[&id("a/b")], up(), "its facts stay as they were");
    ledger.handle(changed(&[]), at(501)).unwrap();
    ledger.handle(changed(&[]), at(502)).unwrap();
    assert_eq!(ledger.kinds(), [ReporterFellSilent, ReporterReturned]);
    assert!(ledger.deadline(at(502)).is_some());
}

#[test]
fn a_step_of_the_wall_clock_is_no_silence() {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[]), at(1)).unwrap();
    let stepped = Now { steady: at(2).steady, wall: at(7_200).wall };
    let (left, _) = ledger.deadline(stepped).unwrap();
    assert_eq!(left, SILENT_AFTER - Duration::from_secs(1));
    ledger.handle(Input::DeadlinePassed, stepped).unwrap();
    assert_eq!(ledger.kinds(), []);
}

#[test]
fn each_reporter_for_itself() {
    let mut ledger = ledger();
    ledger.handle(whole(process(1, 0), &[]), at(1)).unwrap();
    ledger.handle(told(&[], Some(process(2, 0)), EventKind::Other), at(20)).unwrap();
    ledger.handle(Input::DeadlinePassed, at(31)).unwrap();
    assert_eq!(ledger.kinds(), [ReporterFellSilent]);
    assert_eq!(ledger.state().events[0].what.cause.as_ref().unwrap().as_str(), "checkd_silent");
    assert_eq!(
        ledger.deadline(at(31)),
        Some((Duration::from_secs(19), Reason::ReporterFallsSilent(Role::Lvsd)))
    );
}
