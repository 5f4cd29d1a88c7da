//! How a virtual router is, in the words of the state.
//!
//! Owns the way from the core's snapshot to `vipd`'s section: moments become wall-clock time, causes become codes, and the
//! routers of both families become one item. It sends nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use agent_api::{
    CauseCode, HandoverKind, HeardRouter, Name, PriorityPart, RouterDiscrepancy, RouterKind, RouterReport,
    RouterSender, RouterState, RouterTransition,
};
use jiff::{SignedDuration, Timestamp};
use vrrp_core::codec::Rejection;
use vrrp_core::router::{Blocked, Discrepancy, Why};
use vrrp_core::{Order, Time};

use super::words;
use crate::tale::{ArpStanding, Snapshot, Standing};

/// Turns moments of the engine's clock into wall-clock time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar {
    now: Time,
    wall: Timestamp,
}

impl Calendar {
    /// One that is right for this moment, whatever is done to the wall clock later.
    pub(crate) fn now() -> Self {
        Self { now: crate::clock::now(), wall: Timestamp::now() }
    }

    pub(crate) fn at(&self, time: Time) -> Timestamp {
        let before = SignedDuration::try_from(self.now.since(time)).unwrap_or_default();
        self.wall.checked_sub(before).unwrap_or(self.wall)
    }
}

/// A discrepancy as it was reported.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) source: IpAddr,
    pub(crate) what: Discrepancy,
    pub(crate) since: Timestamp,
}

/// One item from the snapshots of a virtual router, IPv4 first; `None` without any.
pub(crate) fn report(
    snapshots: &[&Snapshot],
    parts: Vec<PriorityPart>,
    noted: &[Noted],
    calendar: Calendar,
) -> Option<RouterReport> {
    let first = *snapshots.first()?;
    let status = match &first.standing {
        Standing::Vrrp(status) => status,
        Standing::Arp(standing) => return report_arp(first, standing, parts, calendar),
    };
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut rejected: BTreeMap<CauseCode, u64> = BTreeMap::new();
    let mut senders = Vec::new();
    for snapshot in snapshots {
        let Standing::Vrrp(status) = &snapshot.standing else { continue };
        for (text, count) in Rejection::CODES.iter().zip(status.counters.rejections) {
            if count > 0
                && let Some(code) = code(text)
            {
                *rejected.entry(code).or_default() += count;
            }
        }
        senders.extend(status.senders.iter().map(|sender| RouterSender {
            source: sender.source,
            heard_at: calendar.at(sender.last),
            accepted: sender.accepted,
            rejected: sender.rejected,
            priority: sender.said.map(|(priority, _)| priority),
            interval_ms: sender.said.map(|(_, interval)| millis(interval.span())),
            last_rejection: sender.last_rejection.and_then(|cause| code(cause.code())),
        }));
    }
    senders.truncate(agent_api::router::SEEN_MAX);
    let transitions = status.transitions.iter().filter_map(|transition| {
        Some(RouterTransition {
            at: calendar.at(transition.at),
            from: transition.from.into(),
            to: transition.to.into(),
            reason: code(transition.reason.code())?,
            detail: words::reason(&transition.reason),
        })
    });
    let discrepancies = noted.iter().filter_map(|noted| {
        Some(RouterDiscrepancy {
            what: code(discrepancy_code(&noted.what))?,
            source: noted.source,
            detail: words::discrepancy(&noted.what),
            since: noted.since,
        })
    });
    Some(RouterReport {
        kind: RouterKind::Vrrp,
        state: RouterState::from(status.state),
        since: status.since.map_or(calendar.wall, |since| calendar.at(since)),
        why: code(why_code(&status.why))?,
        detail: status.why.to_string(),
        interface: first.interface.clone(),
        vrid: first.vrid,
        addresses: snapshots.iter().flat_map(|snapshot| &snapshot.addresses).copied().collect(),
        held: snapshots.iter().flat_map(|snapshot| &snapshot.held).copied().collect(),
        base_priority: Some(status.base_priority),
        priority: Some(status.priority),
        parts,
        interval_ms: first.interval.map(millis),
        active: status.heard.map(|heard| HeardRouter {
            source: heard.source,
            priority: heard.priority,
            interval_ms: millis(heard.interval.span()),
            heard_at: calendar.at(heard.last),
        }),
        sync_group: (*first.group != *first.router).then(|| first.group.parse::<Name>().ok()).flatten(),
        order: status.order.map(handover),
        transitions: transitions.collect(),
        changes: status.counters.transitions,
        senders,
        discrepancies: discrepancies.take(agent_api::router::SEEN_MAX).collect(),
        rejected,
    })
}

/// The same for a takeover by ARP.
fn report_arp(
    snapshot: &Snapshot,
    standing: &ArpStanding,
    parts: Vec<PriorityPart>,
    calendar: Calendar,
) -> Option<RouterReport> {
    let transitions: Vec<RouterTransition> = standing
        .transitions
        .iter()
        .filter_map(|transition| {
            Some(RouterTransition {
                at: calendar.at(transition.at),
                from: transition.from.into(),
                to: transition.to.into(),
                reason: code(transition.reason.code())?,
                detail: words::arp_reason(transition.reason).to_owned(),
            })
        })
        .collect();
    Some(RouterReport {
        kind: RouterKind::Arp,
        state: RouterState::from(standing.state),
        since: transitions.last().map_or(calendar.wall, |last| last.at),
        why: code(standing.why.code())?,
        detail: standing.why.to_string(),
        interface: snapshot.interface.clone(),
        vrid: None,
        addresses: snapshot.addresses.clone(),
        held: snapshot.held.clone(),
        base_priority: None,
        priority: None,
        parts,
        interval_ms: None,
        active: None,
        sync_group: None,
        order: standing.order.map(handover),
        changes: transitions.len() as u64,
        transitions,
        senders: Vec::new(),
        discrepancies: Vec::new(),
        rejected: BTreeMap::new(),
    })
}

fn handover(order: Order) -> HandoverKind {
    match order {
        Order::TakeOver => HandoverKind::Takeover,
        Order::Yield => HandoverKind::Yield,
    }
}

/// A stable code; all that are given here are ones.
pub(crate) fn code(text: &str) -> Option<CauseCode> {
    text.parse().ok()
}

fn why_code(why: &Why) -> &'static str {
    match why {
        Why::WeAreActive => "active",
        Why::Blocked(Blocked::NotStarted) => "blocked_not_started",
        Why::Blocked(Blocked::Stopped) => "blocked_stopped",
        Why::Blocked(Blocked::LinkDown) => "blocked_link_down",
        Why::Blocked(Blocked::NoSource) => "blocked_no_source",
        Why::Blocked(Blocked::TrackerFailed) => "blocked_tracker_failed",
        Why::Blocked(Blocked::AddressesNotHeld) => "blocked_addresses_not_held",
        Why::Blocked(Blocked::StartDelay) => "blocked_start_delay",
        Why::Blocked(Blocked::GroupFault) => "blocked_group_fault",
        Why::OtherIsNotWorse(_) => "other_is_not_worse",
        Why::NoPreemption(_) => "no_preemption",
        Why::PreemptionDelayed(_) => "preemption_delayed",
        Why::Preempting(_) => "preempting",
        Why::Listening => "listening",
        Why::WaitingForGroup => "waiting_for_group",
    }
}

/// The stable code of a discrepancy.
pub(crate) fn discrepancy_code(what: &Discrepancy) -> &'static str {
    match what {
        Discrepancy::Rejected(cause) => cause.code(),
        Discrepancy::AddressList => "address_list",
        Discrepancy::Interval(_) => "interval",
        Discrepancy::IntervalLimited(_) => "interval_limited",
        Discrepancy::Checksum(_) => "checksum_form",
        Discrepancy::SecondOwner => "second_owner",
        Discrepancy::SamePriority => "same_priority",
    }
}
