//! Takeover and yield: from a caller's words to an order to a virtual router.
//!
//! Owns what such an order must be. Whether the caller may order was settled before; what it does to the addresses `vipd`
//! decides, which reads it as a fact.

use agent_api::config::{Config, nearest};
use agent_api::wire::{AgentError, EndHandoverOrder, EndHandoverReply, HandoverOrder, HandoverReply};
use agent_api::{Handover, Name};
use agent_core::ledger::Order;
use jiff::{Timestamp, Unit};

use super::orders::{end, reason, who};
use crate::connection::Connection;

/// Orders a takeover or a yield.
pub async fn order(connection: &Connection, order: HandoverOrder) -> Result<HandoverReply, AgentError> {
    let hub = &connection.hub;
    hub.config(|config| see_configured(config, &order.virtual_router))?;
    let now = Timestamp::now();
    let since = now.round(Unit::Millisecond).unwrap_or(now);
    let handover = Handover {
        virtual_router: order.virtual_router,
        what: order.what,
        who: who(connection, order.on_behalf_of.as_deref()).await,
        why: reason(&order.why)?,
        since,
        until: order.for_seconds.map(|seconds| end(since, seconds)).transpose()?,
    };
    let outcome = hub.order(Order::Handover(handover.clone())).await?;
    tracing::info!("{} orders {} of {}", handover.who, handover.what, handover.virtual_router);
    Ok(HandoverReply { handover, replaced: outcome.replaced })
}

/// Ends such an order.
pub async fn end_order(
    connection: &Connection,
    order: EndHandoverOrder,
) -> Result<EndHandoverReply, AgentError> {
    let hub = &connection.hub;
    let name = order.virtual_router;
    let standing = hub.look(|ledger| {
        ledger.state().orders.handovers.iter().find(|order| order.virtual_router == name).cloned()
    });
    let Some(ended) = standing else {
        hub.config(|config| see_configured(config, &name))?;
        return Err(AgentError::NotOrdered { name: name.to_string() });
    };
    let who = who(connection, order.on_behalf_of.as_deref()).await;
    hub.order(Order::EndHandover { virtual_router: name.clone(), who: who.clone() }).await?;
    tracing::info!("{who} ends the order for {name}");
    Ok(EndHandoverReply { ended })
}

/// Sees that the virtual router is configured.
pub(super) fn see_configured(config: &Config, name: &Name) -> Result<(), AgentError> {
    if config.virtual_router(name).is_some() {
        return Ok(());
    }
    let known = config.virtual_routers.iter().map(|router| router.name.as_str());
    let suggestion = nearest(name.as_str(), known).map(str::to_owned);
    Err(AgentError::NoSuchVirtualRouter { name: name.to_string(), suggestion })
}
