//! Alerts and silences in the view.

use agent_api::{AlertHead, AlertSection, ChannelReport, Severity, Silence, SilenceTarget, State};

use super::super::{Level, View};
use super::{NOW, before, healthy, reporter};

/// The codes that are met here.
pub const CODES: [&str; 3] = ["alert_channel_failing", "alerts_not_delivered", "alerts_not_saved"];

fn with_alerts() -> State {
    let mut state = healthy();
    let head = AlertHead { configured: true, ..AlertHead::default() };
    let mut alertd =
        AlertSection { connected: true, heard_at: Some(before(1)), head, ..AlertSection::default() };
    alertd.reporter = Some(reporter(104, "abc"));
    for channel in ["mail:staff@example.net", "webhook:chat"] {
        alertd.items.insert(channel.parse().unwrap(), ChannelReport::default());
    }
    state.alertd = alertd;
    state
}

fn fails(state: &mut State, channel: &str, since: i64) {
    let report = state.alertd.items.get_mut(&channel.parse().unwrap()).unwrap();
    (report.waits, report.failures) = (1, 4);
    report.last_error = "can't connect".to_owned();
    report.last_error_at = Some(before(5));
    state.alertd.head.spool += 1;
    state.alertd.head.oldest = Some(before(since));
}

fn codes(state: &State) -> Vec<(Level, &'static str)> {
    View::of(state, NOW).reasons.iter().map(|reason| (reason.level, reason.code)).collect()
}

#[test]
fn alerts_that_do_not_arrive_are_a_warning_and_no_more() {
    let state = with_alerts();
    assert_eq!(codes(&state), []);
    assert!(View::of(&state, NOW).alerts.is_some_and(|alerts| alerts.delivers));

    // A short while is no trouble, a long one is.
    let mut state = with_alerts();
    fails(&mut state, "mail:staff@example.net", 60);
    assert_eq!(codes(&state), [(Level::Warning, "alert_channel_failing")]);
    fails(&mut state, "mail:staff@example.net", 121);
    assert_eq!(codes(&state), [(Level::Warning, "alerts_not_delivered")]);
    let alerts = View::of(&state, NOW).alerts.unwrap();
    assert!(!alerts.delivers);
    assert_eq!(alerts.last_error.as_deref(), Some("mail:staff@example.net: can't connect"));

    // Where another channel took something since, staff know.
    let other = state.alertd.items.get_mut(&"webhook:chat".parse().unwrap()).unwrap();
    other.last_delivered = Some(before(100));
    assert_eq!(codes(&state), [(Level::Warning, "alert_channel_failing")]);

    let mut state = with_alerts();
    state.alertd.head.spool_error = "can't write".to_owned();
    assert_eq!(codes(&state), [(Level::Warning, "alerts_not_saved")]);

    // Of a daemon that is silent nothing else is said.
    state.alertd.heard_at = Some(before(40));
    assert_eq!(codes(&state), [(Level::Warning, "daemon_silent")]);
    assert!(!View::of(&state, NOW).alerts.unwrap().delivers);
}

#[test]
fn an_alertd_that_was_never_heard_is_nobody_s_business() {
    let view = View::of(&healthy(), NOW);
    assert!(view.alerts.is_none() && view.daemon("alertd").is_none() && view.reasons.is_empty());
}

#[test]
fn silences_in_force_are_shown_with_the_way_to_end_them() {
    let mut state = healthy();
    let name = |text: &str| Some(text.parse().unwrap());
    let router = SilenceTarget { virtual_router: name("vip"), ..SilenceTarget::default() };
    let server =
        SilenceTarget { virtual_server: name("resolver"), real_server: name("dns1"), ..router.clone() };
    let server = SilenceTarget { virtual_router: None, ..server };
    for (target, until) in
        [(server, -60), (router, -60), (SilenceTarget::default(), -60), (SilenceTarget::default(), 1)]
    {
        state.orders.silences.push(Silence {
            target,
            severity: Some(Severity::Warning),
            who: "root (alice)".to_owned(),
            why: "disks".to_owned(),
            since: before(100),
            until: before(until),
        });
    }
    let silences = View::of(&state, NOW).silences;
    let shown: Vec<&str> = silences.iter().map(|silence| silence.end_with.as_str()).collect();
    assert_eq!(
        shown,
        [
            "holdfast silence remove --virtual-server resolver --server dns1",
            "holdfast silence remove --virtual-router vip",
            "holdfast silence remove --everything",
        ],
        "the last one is over"
    );
}
