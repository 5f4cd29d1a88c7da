//! What the agent's state says about the things that virtual routers track, and the orders they are under.
//!
//! Owns the reading of facts from the state. A section that is not being kept up to date says nothing: silence changes
//! no priority.

use agent_api::{HandoverKind, Name, RealServerId, State};
use checker_core::Verdict;
use jiff::Timestamp;
use vrrp_core::Order;
use vrrp_core::track::Fact;

/// Whether a virtual server has its quorum in the kernel's table.
pub(crate) fn quorum(state: &State, name: &Name) -> Fact {
    if !state.lvsd.connected {
        return Fact::Unknown;
    }
    let services = state.lvsd.items.values().filter(|service| service.virtual_server == *name);
    let mut known = Fact::Unknown;
    for service in services {
        let serving = service.destinations.values().filter(|known| known.weight > 0).count();
        // Without a quorum set, one is enough.
        let wanted = usize::try_from(service.quorum).unwrap_or(usize::MAX).max(1);
        if serving < wanted {
            return Fact::Bad;
        }
        known = Fact::Good;
    }
    known
}

/// How many of a virtual server's real servers work.
pub(crate) fn score(state: &State, name: &Name) -> Fact {
    if !state.checkd.connected {
        return Fact::Unknown;
    }
    let (mut up, mut total) = (0, 0);
    for (id, health) in &state.checkd.items {
        if id.virtual_server != *name {
            continue;
        }
        match health.verdict {
            Verdict::Up | Verdict::Degraded => {
                up += 1;
                total += 1;
            }
            Verdict::Down => total += 1,
            // It counts neither way.
            Verdict::Unknown => {}
        }
    }
    if total == 0 { Fact::Unknown } else { Fact::Share { up, total } }
}

/// Whether a real server works, as far as that is known.
pub(crate) fn service(state: &State, id: &RealServerId) -> Option<bool> {
    let health = state.checkd.items.get(id).filter(|_| state.checkd.connected)?;
    match health.verdict {
        Verdict::Up | Verdict::Degraded => Some(true),
        Verdict::Down => Some(false),
        Verdict::Unknown => None,
    }
}

/// Whether this machine sees its real servers at all.
pub(crate) fn sight(state: &State) -> Fact {
    match (state.checkd.connected, state.checkd.head.blind_since) {
        (false, _) => Fact::Unknown,
        (true, Some(_)) => Fact::Bad,
        (true, None) => Fact::Good,
    }
}

/// The order that a virtual router is under.
pub(crate) fn order(state: &State, name: &Name, now: Timestamp) -> Option<Order> {
    state.orders.handover_of(name, now).map(|order| match order.what {
        HandoverKind::Takeover => Order::TakeOver,
        HandoverKind::Yield => Order::Yield,
    })
}
