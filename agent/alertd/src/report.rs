//! What `alertd` says of itself to the agent.
//!
//! Owns the making of its section from digest and outbox. No secret and no address of a web hook is in it.

use std::collections::BTreeMap;

use agent_api::telling::TOLD_MAX;
use agent_api::{AlertHead, Channel, ChannelReport, TestReport, ToldOver};
use agent_core::digest::outbox::Outbox;
use agent_core::digest::{Digest, Over};

use crate::clean;
use crate::ways::Ways;

/// How long an error may be, in characters.
const ERROR_MAX: usize = 300;

/// The single facts.
pub fn head(digest: &Digest, outbox: &Outbox, ways: &Ways, spool_error: &str) -> AlertHead {
    let status = digest.status();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    AlertHead {
        configured: ways.alert.is_some(),
        spool: count(outbox.entries.len()),
        oldest: outbox.entries.iter().map(|entry| entry.since).min(),
        incidents: count(status.open),
        held: count(status.waiting),
        silenced: count(status.silenced),
        delivered: outbox.delivered,
        given_up: outbox.given_up,
        missed_events: status.missed_events,
        spool_error: clean::cut(spool_error, ERROR_MAX),
        told: status.told.iter().take(TOLD_MAX).map(ToString::to_string).collect(),
        told_over: status.told_over.into_iter().map(over).collect(),
    }
}

fn over(over: Over) -> ToldOver {
    ToldOver { trouble: over.key.to_string(), since: over.began, until: over.ended }
}

/// The channels: every one that a route leads to.
pub fn channels(
    outbox: &Outbox,
    ways: &Ways,
    tests: &BTreeMap<Channel, TestReport>,
) -> BTreeMap<Channel, ChannelReport> {
    let mut channels: BTreeMap<Channel, ChannelReport> = BTreeMap::new();
    for route in ways.alert.iter().flat_map(|alert| &alert.routes) {
        for to in ways.destinations(&route.name) {
            let report = channels.entry(to).or_default();
            if !report.routes.contains(&route.name) {
                report.routes.push(route.name.clone());
            }
        }
    }
    for entry in &outbox.entries {
        if let Some(report) = channels.get_mut(&entry.to) {
            report.waits += 1;
        }
    }
    for (to, report) in &mut channels {
        report.test = tests.get(to).cloned();
        let Some(standing) = outbox.standing.get(to) else { continue };
        report.failures = standing.failures;
        report.retry_at = standing.retry_at;
        report.last_delivered = standing.last_delivered;
        report.last_error = clean::cut(&standing.last_error, ERROR_MAX);
        report.last_error_at = standing.last_error_at;
    }
    channels
}
