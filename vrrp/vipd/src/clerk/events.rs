//! What happens to virtual routers, as events of the agent's.
//!
//! Owns which of the core's events is which of the agent's kinds. It sends nothing.

use agent_api::{EventKind, Name, NewEvent};
use jiff::Timestamp;
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
    Some(NewEvent {
        at,
        kind,
        virtual_server: None,
        real_server: None,
        virtual_router: Some(name),
        cause,
        text: format!("{router}: {}", words::event(what, priority)),
    })
}
