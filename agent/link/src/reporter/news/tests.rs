use agent_api::section::CheckHead;
use agent_api::{EventKind, RealServerHealth, RealServerId, Section, Verdict};
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::reporter::Checkd;

fn identity(config: u8) -> agent_api::Reporter {
    agent_api::Reporter {
        version: "1".into(),
        pid: 1,
        started_at: Timestamp::UNIX_EPOCH,
        config: config.to_string(),
    }
}

fn id(n: u8) -> RealServerId {
    format!("a/s{n}").parse().unwrap()
}

fn health(latency: u64) -> RealServerHealth {
    RealServerHealth {
        verdict: Verdict::Up,
        since: Timestamp::UNIX_EPOCH,
        address: "10.0.0.1:53".parse().unwrap(),
        cause: None,
        detail: String::new(),
        in_a_row: 1,
        passing: true,
        latency_us: Some(latency),
        basis: None,
        returned: None,
        weight: None,
        unconfirmed: 0,
        checks: Vec::new(),
        require: 0,
    }
}

fn event(n: usize) -> NewEvent {
    NewEvent {
        at: Timestamp::UNIX_EPOCH,
        kind: EventKind::DriftMended,
        virtual_server: None,
        real_server: None,
        cause: None,
        virtual_router: None,
        dependency: None,
        text: n.to_string(),
    }
}

#[test]
fn only_what_changed_is_sent() {
    let mut news =
        News::<Checkd>::new(identity(1), CheckHead::default(), BTreeMap::from([(id(1), health(1))]));
    let mut known = Known::new();
    let first = news.take(&mut known, true);
    assert!(first.update.whole && first.update.reporter.is_some() && first.update.items.len() == 1);
    news.set_item(id(1), Some(health(1)));
    news.set_head(CheckHead::default());
    news.set_identity(identity(1));
    news.set_item(id(2), Some(health(1)));
    news.set_item(id(2), None);
    assert!(news.take(&mut known, false).is_empty(), "nothing is different");
    news.set_item(id(1), Some(health(2)));
    news.set_item(id(1), Some(health(3)));
    let second = news.take(&mut known, false);
    assert!(!second.is_empty() && !second.update.whole && second.update.reporter.is_none());
    assert_eq!(second.update.items[&id(1)], health(3), "the newest value only");
    news.set_item(id(1), None);
    assert_eq!(news.take(&mut known, false).update.removed, [id(1)]);
    assert!(news.take(&mut known, true).update.items.is_empty());
}

#[test]
fn events_wait_until_they_are_acknowledged_and_the_oldest_are_lost() {
    let mut news = News::<Checkd>::new(identity(1), CheckHead::default(), BTreeMap::new());
    let mut known = Known::new();
    (0..EVENTS_WAITING + 10).for_each(|n| news.push_event(event(n)));
    assert_eq!(news.dropped_events(), 10);
    let parcel = news.take(&mut known, true);
    assert_eq!(parcel.events.len(), EVENTS_WAITING);
    assert_eq!(parcel.events[0].sequence, 11, "the gap shows");
    news.push_event(event(0));
    let again = news.take(&mut known, false);
    assert_eq!(again.events[0].sequence, 12, "what was not acknowledged comes again");
    news.acknowledge(parcel.said, parcel.events.last().map(|event| event.sequence));
    let rest = news.take(&mut known, false);
    assert_eq!(rest.events.len(), 1);
    news.acknowledge(rest.said, Some(rest.events[0].sequence));
    assert_eq!(news.acknowledged(), news.said());
    assert!(news.take(&mut known, false).is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, u64),
    Remove(u8),
    Head(u64),
    Send,
    Reconnect,
}

proptest! {
    /// Whatever is set and whenever it is sent or all is sent anew: the agent ends with what was said last.
    #[test]
    fn the_agent_ends_with_what_was_said(steps in proptest::collection::vec(prop_oneof![
        (0..4_u8, 0..3_u64).prop_map(|(key, value)| Step::Set(key, value)),
        (0..4_u8).prop_map(Step::Remove),
        (0..3_u64).prop_map(Step::Head),
        Just(Step::Send),
        Just(Step::Reconnect),
    ], 0..60)) {
        let mut news = News::<Checkd>::new(identity(1), CheckHead::default(), BTreeMap::new());
        let mut known = Known::new();
        let mut agent: Section<RealServerId, CheckHead, RealServerHealth> = Section::default();
        agent.apply(news.take(&mut known, true).update);
        let (mut items, mut head) = (BTreeMap::new(), CheckHead::default());
        for step in steps.into_iter().chain([Step::Send]) {
            match step {
                Step::Set(key, value) => {
                    items.insert(id(key), health(value));
                    news.set_item(id(key), Some(health(value)));
                }
                Step::Remove(key) => {
                    items.remove(&id(key));
                    news.set_item(id(key), None);
                }
                Step::Head(probes) => {
                    head = CheckHead { probes, ..CheckHead::default() };
                    news.set_head(head.clone());
                }
                Step::Send => agent.apply(news.take(&mut known, false).update),
                Step::Reconnect => {
                    // What was on its way is lost, and so is what the agent knew.
                    let _lost = news.take(&mut known, false);
                    agent = Section::default();
                    agent.apply(news.take(&mut known, true).update);
                }
            }
        }
        prop_assert_eq!((agent.items, agent.head), (items, head));
    }
}
