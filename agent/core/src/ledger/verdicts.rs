//! Which change of a verdict is an event.
//!
//! Owns the memory of the verdict that was last told for each real server. A restarted reporter that says the same tells
//! nothing; a server that was never judged and is up tells nothing. It never judges.

use std::collections::BTreeMap;

use agent_api::{CauseCode, Event, EventKind, NewEvent, RealServerHealth, RealServerId, Verdict};
use checker_core::{Blame, Cause};
use jiff::Timestamp;

/// The verdict that was last told, or taken as given, for each real server.
#[derive(Debug, Clone, Default)]
pub struct Announced(BTreeMap<RealServerId, Verdict>);

impl Announced {
    /// Takes `items` as told. What was told before counts for a server that is not probed yet.
    pub fn restore<'a>(
        items: impl IntoIterator<Item = (&'a RealServerId, &'a RealServerHealth)>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Self {
        let mut told = BTreeMap::new();
        for event in events {
            let verdict = match event.what.kind {
                EventKind::RealServerWentUp => Verdict::Up,
                EventKind::RealServerWentDown => Verdict::Down,
                EventKind::RealServerDegraded => Verdict::Degraded,
                EventKind::RealServerBecameUnknown => Verdict::Unknown,
                _ => continue,
            };
            if let (Some(virtual_server), Some(real_server)) =
                (&event.what.virtual_server, &event.what.real_server)
            {
                let (virtual_server, real_server) = (virtual_server.clone(), real_server.clone());
                told.insert(RealServerId { virtual_server, real_server }, verdict);
            }
        }
        for (id, health) in items {
            if !is_undecided(health) {
                told.insert(id.clone(), health.verdict);
            }
        }
        Self(told)
    }

    /// A real server is configured no more.
    pub fn forget(&mut self, id: &RealServerId) {
        self.0.remove(id);
    }

    /// The event that `health` means, if it means one.
    pub fn event(
        &mut self,
        id: &RealServerId,
        health: &RealServerHealth,
        now: Timestamp,
    ) -> Option<NewEvent> {
        if is_undecided(health) || is_blind(health) {
            return None;
        }
        let former = self.0.insert(id.clone(), health.verdict);
        if former == Some(health.verdict) || (former.is_none() && health.verdict == Verdict::Up) {
            return None;
        }
        let (kind, happened) = match health.verdict {
            Verdict::Up => (EventKind::RealServerWentUp, "is up again"),
            Verdict::Degraded => (EventKind::RealServerDegraded, "is degraded"),
            Verdict::Down => (EventKind::RealServerWentDown, "is down"),
            Verdict::Unknown => (EventKind::RealServerBecameUnknown, "can't be judged"),
        };
        let detail = match (&health.cause, health.detail.is_empty()) {
            (Some(cause), true) => format!(": {cause}"),
            (Some(cause), false) => format!(": {} ({cause})", health.detail),
            (None, _) => String::new(),
        };
        Some(NewEvent {
            at: health.since.min(now),
            kind,
            virtual_server: Some(id.virtual_server.clone()),
            real_server: Some(id.real_server.clone()),
            cause: health.cause.clone(),
            virtual_router: None,
            dependency: None,
            text: format!("{id} {happened}{detail}"),
        })
    }
}

/// Whether there is no verdict yet: no probe has finished, or too few have failed to make one. That is not the
/// unknown of a server that can't be probed.
fn is_undecided(health: &RealServerHealth) -> bool {
    let undecided = |cause: &CauseCode| {
        cause
            .as_str()
            .parse::<Cause>()
            .is_ok_and(|cause| cause == Cause::NotProbed || cause.blame() == Blame::Server)
    };
    health.verdict == Verdict::Unknown && health.cause.as_ref().is_none_or(undecided)
}

/// Whether it can't be judged because the whole director is blind, or because what it depends on is down: checkd tells that once,
/// for all servers.
fn is_blind(health: &RealServerHealth) -> bool {
    let blind = |cause: &CauseCode| {
        [Cause::DirectorBlind, Cause::ParentDown].iter().any(|one| one.code() == cause.as_str())
    };
    health.verdict == Verdict::Unknown && health.cause.as_ref().is_some_and(blind)
}

/// Whether an event of this kind is a reporter's to tell: what only it can see. All others are found by the ledger.
pub fn reporters_may_tell(kind: EventKind) -> bool {
    match kind {
        EventKind::DriftMended
        | EventKind::FailOpenBegan
        | EventKind::FailOpenEnded
        | EventKind::AdvisoryCheckFailed
        | EventKind::AdvisoryCheckPassed
        | EventKind::QuorumLost
        | EventKind::QuorumRegained
        | EventKind::SorryServerTookOver
        | EventKind::SorryServerLeft
        | EventKind::DependencyWentDown
        | EventKind::DependencyWentUp
        | EventKind::DirectorWentBlind
        | EventKind::DirectorSawAgain
        | EventKind::IpvsLost
        | EventKind::IpvsFound
        | EventKind::EditRefused
        | EventKind::RouterBecameActive
        | EventKind::RouterBecameBackup
        | EventKind::RouterFaulted
        | EventKind::RouterPriorityChanged
        | EventKind::SplitBrainSeen
        | EventKind::RouterDiscrepancySeen
        | EventKind::DuplicateAddressSeen
        | EventKind::AddressPutBack
        | EventKind::RouterStalled
        | EventKind::DirectorFellSilent
        | EventKind::DirectorReturned
        | EventKind::StandbyCutOff
        | EventKind::Other => true,
        EventKind::RealServerWentUp
        | EventKind::RealServerWentDown
        | EventKind::RealServerDegraded
        | EventKind::RealServerBecameUnknown
        | EventKind::DrainOrdered
        | EventKind::DrainEnded
        | EventKind::HandoverOrdered
        | EventKind::HandoverEnded
        | EventKind::SilenceOrdered
        | EventKind::SilenceEnded
        | EventKind::ReporterFellSilent
        | EventKind::ReporterReturned => false,
    }
}
