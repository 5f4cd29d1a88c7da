//! Orders: what giving one changes, and in which words it is told.
//!
//! Owns the merging of an order into the others (one drain for each target) and its events. It never asks whether the
//! caller may order, nor whether the target exists: that was settled before.

use agent_api::{Drain, DrainTarget, EventKind, Handover, HandoverKind, Name, NewEvent, Orders};
use jiff::{Timestamp, Unit};

use super::Refusal;
use super::bounds::Bounded;

/// How many drains may be in force.
pub const DRAINS_MAX: usize = 4_096;
/// How many orders to virtual routers may be in force.
pub const HANDOVERS_MAX: usize = 4_096;

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send these real servers no new work.
    Drain(Drain),
    /// Send them work again.
    Undrain {
        /// Which drains end: those given for this target, or with no virtual server all of the real server.
        target: DrainTarget,
        /// Who says so.
        who: String,
    },
    /// A virtual router shall take over or yield.
    Handover(Handover),
    /// It shall go by its priority again.
    EndHandover {
        /// The virtual router.
        virtual_router: Name,
        /// Who says so.
        who: String,
    },
}

/// What an order came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be recorded.
    pub events: Vec<NewEvent>,
    /// The drains that it ended.
    pub ended: Vec<Drain>,
    /// Whether it replaced a drain of the same target.
    pub replaced: bool,
}

impl Order {
    /// Sees that there is room for it.
    pub(super) fn check(&self, orders: &Orders) -> Result<(), Refusal> {
        match self {
            Self::Drain(drain)
                if orders.drains.len() >= DRAINS_MAX
                    && orders.drains.iter().all(|other| other.target != drain.target) =>
            {
                Err(Refusal::TooMuch { what: "drains", count: orders.drains.len() + 1, limit: DRAINS_MAX })
            }
            Self::Handover(handover)
                if orders.handovers.len() >= HANDOVERS_MAX
                    && orders
                        .handovers
                        .iter()
                        .all(|other| other.virtual_router != handover.virtual_router) =>
            {
                let count = orders.handovers.len() + 1;
                Err(Refusal::TooMuch { what: "orders to virtual routers", count, limit: HANDOVERS_MAX })
            }
            _ => Ok(()),
        }
    }

    /// Merges it into `orders`.
    pub(super) fn apply(self, orders: &mut Orders, now: Timestamp) -> Outcome {
        match self {
            Self::Drain(mut drain) => {
                drain.bound();
                let event = event(EventKind::DrainOrdered, &drain.target, drain.since, ordered_text(&drain));
                let former = orders.drains.iter_mut().find(|other| other.target == drain.target);
                let replaced = former.is_some();
                match former {
                    Some(former) => *former = drain,
                    None => orders.drains.push(drain),
                }
                Outcome { events: vec![event], ended: Vec::new(), replaced }
            }
            Self::Undrain { target, who } => {
                let is_meant = |drain: &Drain| {
                    drain.target.real_server == target.real_server
                        && (target.virtual_server.is_none()
                            || drain.target.virtual_server == target.virtual_server)
                };
                let (ended, stay): (Vec<Drain>, Vec<Drain>) =
                    std::mem::take(&mut orders.drains).into_iter().partition(is_meant);
                orders.drains = stay;
                let events = ended
                    .iter()
                    .map(|drain| {
                        let text = format!("{} is drained no more: ended by {who}", drain.target);
                        event(EventKind::DrainEnded, &drain.target, now, text)
                    })
                    .collect();
                Outcome { events, ended, replaced: false }
            }
            Self::Handover(mut handover) => {
                handover.bound();
                let text = handover_text(&handover);
                let event = router_event(EventKind::HandoverOrdered, &handover, handover.since, text);
                let same = |other: &&mut Handover| other.virtual_router == handover.virtual_router;
                let former = orders.handovers.iter_mut().find(same);
                let replaced = former.is_some();
                match former {
                    Some(former) => *former = handover,
                    None => orders.handovers.push(handover),
                }
                Outcome { events: vec![event], ended: Vec::new(), replaced }
            }
            Self::EndHandover { virtual_router, who } => {
                let (ended, stay): (Vec<Handover>, Vec<Handover>) = std::mem::take(&mut orders.handovers)
                    .into_iter()
                    .partition(|order| order.virtual_router == virtual_router);
                orders.handovers = stay;
                let told = |order: &Handover| {
                    let text = format!(
                        "{virtual_router} goes by its priority again: {who} ended the {}",
                        order.what
                    );
                    router_event(EventKind::HandoverEnded, order, now, text)
                };
                Outcome { events: ended.iter().map(told).collect(), ended: Vec::new(), replaced: false }
            }
        }
    }
}

fn ordered_text(drain: &Drain) -> String {
    let until = drain
        .until
        .map_or_else(String::new, |until| format!(" until {}", until.round(Unit::Second).unwrap_or(until)));
    let why = if drain.why.is_empty() { String::new() } else { format!(": {}", drain.why) };
    format!("{} is drained by {}{until}{why}", drain.target, drain.who)
}

fn handover_text(order: &Handover) -> String {
    let what = match order.what {
        HandoverKind::Takeover => "shall be active here",
        HandoverKind::Yield => "shall be active elsewhere",
    };
    let until = order
        .until
        .map_or_else(String::new, |until| format!(" until {}", until.round(Unit::Second).unwrap_or(until)));
    let why = if order.why.is_empty() { String::new() } else { format!(": {}", order.why) };
    format!("{} {what}, says {}{until}{why}", order.virtual_router, order.who)
}

fn router_event(kind: EventKind, order: &Handover, at: Timestamp, text: String) -> NewEvent {
    NewEvent {
        at,
        kind,
        virtual_server: None,
        real_server: None,
        virtual_router: Some(order.virtual_router.clone()),
        dependency: None,
        cause: None,
        text,
    }
}

/// Removes the orders whose time is over, and says what is to be recorded of it.
pub fn end_those_over(orders: &mut Orders, now: Timestamp) -> Vec<NewEvent> {
    let (stay, over): (Vec<Drain>, Vec<Drain>) =
        std::mem::take(&mut orders.drains).into_iter().partition(|drain| drain.in_force(now));
    orders.drains = stay;
    let (stay, ended): (Vec<Handover>, Vec<Handover>) =
        std::mem::take(&mut orders.handovers).into_iter().partition(|order| order.in_force(now));
    orders.handovers = stay;
    let drains = over.iter().map(|drain| time_is_over(drain, now));
    let handovers = ended.iter().map(|order| {
        let name = &order.virtual_router;
        let text = format!("{name} goes by its priority again: the time that {} gave is over", order.who);
        router_event(EventKind::HandoverEnded, order, now, text)
    });
    drains.chain(handovers).collect()
}

/// The event of a drain that ended by itself.
fn time_is_over(drain: &Drain, now: Timestamp) -> NewEvent {
    let text = format!("{} is drained no more: the time that {} gave is over", drain.target, drain.who);
    event(EventKind::DrainEnded, &drain.target, now, text)
}

fn event(kind: EventKind, target: &DrainTarget, at: Timestamp, text: String) -> NewEvent {
    NewEvent {
        at,
        kind,
        virtual_server: target.virtual_server.clone(),
        real_server: Some(target.real_server.clone()),
        cause: None,
        virtual_router: None,
        dependency: None,
        text,
    }
}
