//! What happens to virtual routers, as events of the agent's.
//!
//! Owns which of the core's events is which of the agent's kinds. It sends nothing.

use agent_api::{CauseCode, EventKind, Name, NewEvent};
use jiff::Timestamp;
use vrrp_core::arp::{ArpEvent, ArpReason};
use vrrp_core::{Event, Reason, State};

use super::{report, words};

/// The event for what a core reports, if there is one.
pub(crate) fn of(router: &str, what: &Event, priority: u8, at: Timestamp) -> Option<NewEvent> {
    let name: Name = router.parse().ok()?;
    let (kind, cause) = match what {
        Event::StateChanged { to: State::Backup, reason: Reason::Stalled { .. }, .. }
        | Event::TimerLate { .. }
        | Event::LeaseLapsed => (EventKind::RouterStalled, None),
        Event::DiscrepancySeen { what, .. } => {
            (EventKind::RouterDiscrepancySeen, report::code(report::discrepancy_code(what)))
        }
        Event::LosingAdvertAnswered { .. } => (EventKind::SplitBrainSeen, None),
        Event::AddressLost { .. } => (EventKind::AddressPutBack, None),
        Event::DuplicateSeen { .. } => (EventKind::DuplicateAddressSeen, None),
        Event::StateChanged { to: State::Active, .. } => (EventKind::RouterBecameActive, None),
        Event::StateChanged { to: State::Backup, .. } => (EventKind::RouterBecameBackup, None),
        // A daemon that is stopped did nothing wrong; that nobody reports is seen by the agent.
        Event::StateChanged { to: State::Initialize, reason: Reason::Stopped, .. } => return None,
        Event::StateChanged { to: State::Initialize, reason, .. } => {
            (EventKind::RouterFaulted, report::code(reason.code()))
        }
        Event::PriorityChanged { .. } => (EventKind::RouterPriorityChanged, None),
    };
    Some(new(name, at, kind, cause, format!("{router}: {}", words::event(what, priority))))
}

/// The event for what a takeover by ARP reports, if there is one.
pub(crate) fn of_arp(router: &str, what: &ArpEvent, at: Timestamp) -> Option<NewEvent> {
    let name: Name = router.parse().ok()?;
    let (kind, cause) = match what {
        ArpEvent::StateChanged { to: State::Active, .. } => (EventKind::RouterBecameActive, None),
        ArpEvent::StateChanged { to: State::Backup, .. } => (EventKind::RouterBecameBackup, None),
        ArpEvent::StateChanged { reason: ArpReason::Stopped, .. } => return None,
        ArpEvent::StateChanged { reason, .. } => (EventKind::RouterFaulted, report::code(reason.code())),
        ArpEvent::DirectorFellSilent => (EventKind::DirectorFellSilent, None),
        ArpEvent::DirectorReturned | ArpEvent::Reconnected => (EventKind::DirectorReturned, None),
        ArpEvent::CutOff => (EventKind::StandbyCutOff, None),
        ArpEvent::DuplicateSeen { .. } => (EventKind::DuplicateAddressSeen, None),
        ArpEvent::AddressLost(_) => (EventKind::AddressPutBack, None),
    };
    Some(new(name, at, kind, cause, format!("{router}: {}", words::arp_event(what))))
}

fn new(name: Name, at: Timestamp, kind: EventKind, cause: Option<CauseCode>, text: String) -> NewEvent {
    NewEvent {
        at,
        kind,
        virtual_server: None,
        real_server: None,
        virtual_router: Some(name),
        dependency: None,
        cause,
        text,
    }
}
