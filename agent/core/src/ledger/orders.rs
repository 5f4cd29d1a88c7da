//! Orders: what giving one changes, and in which words it is told.
//!
//! Owns the merging of an order into the others (one drain for each target) and its events. It never asks whether the
//! caller may order, nor whether the target exists: that was settled before.

use agent_api::{
    AlertTest, Drain, DrainTarget, EventKind, Handover, HandoverKind, Name, NewEvent, Orders, Silence,
    SilenceTarget,
};
use jiff::{Timestamp, Unit};

use super::Refusal;
use super::bounds::Bounded;

/// How many drains may be in force.
pub const DRAINS_MAX: usize = 4_096;
/// How many orders to virtual routers may be in force.
pub const HANDOVERS_MAX: usize = 4_096;

/// How many silences may be in force.
pub const SILENCES_MAX: usize = 1_024;

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
    /// Tell nobody of these troubles.
    Silence(Silence),
    /// Tell of them again.
    Unsilence {
        /// The target that the silence was given for.
        target: SilenceTarget,
        /// Who says so.
        who: String,
    },
    /// Try whether alerts arrive.
    TestAlerts(AlertTest),
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
            Self::Silence(silence)
                if orders.silences.len() >= SILENCES_MAX
                    && orders.silences.iter().all(|other| other.target != silence.target) =>
            {
                let count = orders.silences.len() + 1;
                Err(Refusal::TooMuch { what: "silences", count, limit: SILENCES_MAX })
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
            Self::Silence(mut silence) => {
                silence.bound();
                let until = silence.until.round(Unit::Second).unwrap_or(silence.until);
                let text = format!(
                    "alerts about {silence} are silenced by {} until {until}{}",
                    silence.who,
                    because(&silence.why)
                );
                let event = silence_event(EventKind::SilenceOrdered, &silence, silence.since, text);
                let former = orders.silences.iter_mut().find(|other| other.target == silence.target);
                let replaced = former.is_some();
                match former {
                    Some(former) => *former = silence,
                    None => orders.silences.push(silence),
                }
                Outcome { events: vec![event], ended: Vec::new(), replaced }
            }
            Self::Unsilence { target, who } => {
                let (ended, stay): (Vec<Silence>, Vec<Silence>) = std::mem::take(&mut orders.silences)
                    .into_iter()
                    .partition(|silence| silence.target == target);
                orders.silences = stay;
                let told = |silence: &Silence| {
                    let text = format!("alerts about {silence} are told again: {who} ended the silence");
                    silence_event(EventKind::SilenceEnded, silence, now, text)
                };
                Outcome { events: ended.iter().map(told).collect(), ended: Vec::new(), replaced: false }
            }
            Self::TestAlerts(mut test) => {
                test.bound();
                orders.alert_test = Some(test);
                Outcome::default()
            }
        }
    }
}

fn ordered_text(drain: &Drain) -> String {
    let until = drain
        .until
        .map_or_else(String::new, |until| format!(" until {}", until.round(Unit::Second).unwrap_or(until)));
    format!("{} is drained by {}{until}{}", drain.target, drain.who, because(&drain.why))
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn handover_text(order: &Handover) -> String {
    let what = match order.what {
        HandoverKind::Takeover => "shall be active here",
        HandoverKind::Yield => "shall be active elsewhere",
    };
    let until = order
        .until
        .map_or_else(String::new, |until| format!(" until {}", until.round(Unit::Second).unwrap_or(until)));
    format!("{} {what}, says {}{until}{}", order.virtual_router, order.who, because(&order.why))
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

fn silence_event(kind: EventKind, silence: &Silence, at: Timestamp, text: String) -> NewEvent {
    let target = &silence.target;
    NewEvent {
        at,
        kind,
        virtual_server: target.virtual_server.clone(),
        real_server: target.real_server.clone(),
        virtual_router: target.virtual_router.clone(),
        dependency: None,
        cause: None,
        text,
    }
}

/// Removes the orders whose time is over. Says what is to be recorded of it, and whether any was removed.
pub fn end_those_over(orders: &mut Orders, now: Timestamp) -> (Vec<NewEvent>, bool) {
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
    let (stay, quiet): (Vec<Silence>, Vec<Silence>) =
        std::mem::take(&mut orders.silences).into_iter().partition(|silence| silence.in_force(now));
    orders.silences = stay;
    let silences = quiet.iter().map(|silence| {
        let text =
            format!("alerts about {silence} are told again: the time that {} gave is over", silence.who);
        silence_event(EventKind::SilenceEnded, silence, now, text)
    });
    // Nobody needs to hear that a test is old.
    let forgotten = orders.alert_test.take_if(|test| test.until() <= now).is_some();
    let events: Vec<NewEvent> = drains.chain(handovers).chain(silences).collect();
    let any = forgotten || !events.is_empty();
    (events, any)
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
