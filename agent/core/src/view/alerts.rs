//! Alerts as people read them: what waits, how the channels do, what is silenced.
//!
//! Owns the rule when alerts count as delivered. Without news of `alertd` nothing is said of its channels but what they were.

use agent_api::{AlertHead, Channel, ChannelReport, Name, Silence, State, TestReport, ToldOver};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::build::{age, length};
use super::{DaemonView, Level, Reason};

/// Something that waits for so long, while nothing at all was delivered, is not delivered.
pub const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// So many failures in a row of one channel are worth a word.
const FAILURES: u32 = 3;

/// What `alertd` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertsView {
    /// Whether there is an `[alert]`; without one nobody is told.
    pub configured: bool,
    /// Whether `alertd` is heard and what it has to tell arrives somewhere.
    pub delivers: bool,
    /// Notices that wait to be delivered.
    pub spool: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// Incidents that are open.
    pub incidents: u64,
    /// Of them those that wait: for quiet hours to end, for a route's hours, for the Active director.
    pub held: u64,
    /// Troubles that a silence or a drain keeps from being told.
    pub silenced: u64,
    /// Notices delivered since the spool was made.
    pub delivered: u64,
    /// Notices given up since then.
    pub given_up: u64,
    /// Events that `alertd` never saw.
    pub missed_events: u64,
    /// The latest failure of any channel that has not delivered since.
    pub last_error: Option<String>,
    /// Why the spool can't be written.
    pub spool_error: Option<String>,
    /// The troubles that were told and stand, by their stable names.
    pub told: Vec<String>,
    /// Those that were told and are over, the latest first.
    pub told_over: Vec<ToldOver>,
    /// The channels, by name.
    pub channels: Vec<ChannelView>,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelView {
    /// `mail:staff@example.net`.
    pub channel: Channel,
    /// Whether the latest delivery went well, as far as there was one.
    pub works: bool,
    /// The routes that lead to it.
    pub routes: Vec<Name>,
    /// Notices that wait for it.
    pub waits: u64,
    /// Failures in a row.
    pub failures: u32,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// When something was last delivered.
    pub last_delivered: Option<Timestamp>,
    /// What the last failure was; empty when the last delivery went well.
    pub last_error: String,
    /// What the latest test came to.
    pub test: Option<TestReport>,
}

/// A silence in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceView {
    /// What it was given for, `resolver/dns1`, `everything`.
    pub target: String,
    /// Troubles graver than this are told all the same; null when none are.
    pub severity: Option<agent_api::Severity>,
    /// Who gave it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// The command that ends it.
    pub end_with: String,
}

/// What `alertd` says, once it has said anything.
pub(super) fn alerts(state: &State, alertd: &DaemonView, now: Timestamp) -> Option<AlertsView> {
    alertd.heard_at?;
    let AlertHead { configured, spool, oldest, incidents, held, silenced, .. } = state.alertd.head;
    let AlertHead { delivered, given_up, missed_events, .. } = state.alertd.head;
    let items = &state.alertd.items;
    let stuck = oldest.is_some_and(|since| {
        age(since, now) > DELIVERED_WITHIN
            && items.values().all(|channel| channel.last_delivered.is_none_or(|at| at < since))
    });
    let latest = items
        .iter()
        .filter(|(_, channel)| !channel.last_error.is_empty())
        .max_by_key(|(_, channel)| channel.last_error_at);
    let spool_error = &state.alertd.head.spool_error;
    Some(AlertsView {
        configured,
        delivers: alertd.status.is_believed() && !stuck,
        spool,
        oldest,
        incidents,
        held,
        silenced,
        delivered,
        given_up,
        missed_events,
        last_error: latest.map(|(name, channel)| format!("{name}: {}", channel.last_error)),
        spool_error: (!spool_error.is_empty()).then(|| spool_error.clone()),
        told: state.alertd.head.told.clone(),
        told_over: state.alertd.head.told_over.clone(),
        channels: items.iter().map(|(name, report)| channel(name, report)).collect(),
    })
}

fn channel(name: &Channel, report: &ChannelReport) -> ChannelView {
    let ChannelReport { routes, waits, failures, retry_at, last_delivered, last_error, test, .. } = report;
    ChannelView {
        channel: name.clone(),
        works: last_error.is_empty(),
        routes: routes.clone(),
        waits: *waits,
        failures: *failures,
        retry_at: *retry_at,
        last_delivered: *last_delivered,
        last_error: last_error.clone(),
        test: test.clone(),
    }
}

/// The silences in force.
pub(super) fn silences(state: &State, now: Timestamp) -> Vec<SilenceView> {
    let in_force = state.orders.silences.iter().filter(|silence| silence.in_force(now));
    in_force.map(SilenceView::of).collect()
}

impl SilenceView {
    /// The order as people read it.
    #[must_use]
    pub fn of(silence: &Silence) -> Self {
        let target = &silence.target;
        let option = |name: &str, value: &Option<Name>| {
            value.as_ref().map(|value| format!(" --{name} {value}")).unwrap_or_default()
        };
        let of = match (&target.virtual_server, &target.real_server, &target.virtual_router) {
            (None, None, None) => " --everything".to_owned(),
            (pool, server, router) => {
                option("virtual-server", pool) + &option("server", server) + &option("virtual-router", router)
            }
        };
        Self {
            target: target.to_string(),
            severity: silence.severity,
            who: silence.who.clone(),
            why: silence.why.clone(),
            since: silence.since,
            until: silence.until,
            end_with: format!("holdfast silence remove{of}"),
        }
    }
}

/// What is wrong with the alerts. Clients are served all the same.
pub(super) fn reasons(alerts: &AlertsView, believed: bool, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !believed {
        return reasons;
    }
    let mut say = |code, text| {
        reasons.push(Reason { level: Level::Warning, code, virtual_server: None, real_server: None, text });
    };
    if !alerts.delivers {
        let since = alerts.oldest.map_or_else(String::new, |at| format!(" for {}", length(age(at, now))));
        let why = alerts.last_error.as_deref().unwrap_or("nothing was tried yet");
        say("alerts_not_delivered", format!("staff are not told{since}, {} wait: {why}", alerts.spool));
    } else if let Some(channel) = alerts.channels.iter().find(|c| c.waits > 0 && c.failures >= FAILURES) {
        let text = format!("{} does not take alerts: {}", channel.channel, channel.last_error);
        say("alert_channel_failing", text);
    }
    if let Some(error) = &alerts.spool_error {
        say("alerts_not_saved", format!("{error}; after a restart something may be told twice"));
    }
    reasons
}
