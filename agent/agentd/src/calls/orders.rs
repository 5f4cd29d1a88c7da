//! Drain and undrain: from a caller's words to an order.
//!
//! Owns what an order must be: a target that is configured, a reason and a time within limits, and who gave it. Whether the
//! caller may order was settled before.

use agent_api::config::{Config, nearest};
use agent_api::wire::{AgentError, DrainOrder, DrainReply, UndrainOrder, UndrainReply};
use agent_api::{Drain, DrainTarget, Orders};
use agent_core::ledger::Order;
use jiff::{SignedDuration, Timestamp, Unit};

use crate::connection::Connection;

/// How long a reason may be, in characters.
const WHY_MAX: usize = 500;
/// How long the name of whom the caller acts for may be, in characters.
const NAME_MAX: usize = 64;
/// The longest drain with an end: ten years, in seconds.
const LONGEST: u64 = 10 * 365 * 86_400;

/// Orders a drain.
pub async fn drain(connection: &Connection, order: DrainOrder) -> Result<DrainReply, AgentError> {
    let hub = &connection.hub;
    hub.config(|config| see_configured(config, &order.target))?;
    let now = Timestamp::now();
    let since = now.round(Unit::Millisecond).unwrap_or(now);
    let drain = Drain {
        target: order.target,
        who: who(connection, order.on_behalf_of.as_deref()).await,
        why: reason(&order.why)?,
        since,
        until: order.for_seconds.map(|seconds| end(since, seconds)).transpose()?,
    };
    let outcome = hub.order(Order::Drain(drain.clone())).await?;
    tracing::info!("{} drains {}", drain.who, drain.target);
    Ok(DrainReply { drain, replaced: outcome.replaced })
}

/// Ends a drain.
pub async fn undrain(connection: &Connection, order: UndrainOrder) -> Result<UndrainReply, AgentError> {
    let hub = &connection.hub;
    let target = order.target;
    hub.config(|config| hub.look(|ledger| see_drained(config, &ledger.state().orders, &target)))?;
    let who = who(connection, order.on_behalf_of.as_deref()).await;
    let outcome = hub.order(Order::Undrain { target: target.clone(), who: who.clone() }).await?;
    tracing::info!("{who} undrains {target}");
    Ok(UndrainReply { ended: outcome.ended })
}

/// The user that the kernel vouches for, and in brackets whom it says it acts for.
pub(super) async fn who(connection: &Connection, on_behalf_of: Option<&str>) -> String {
    let user = connection.hub.people.name(connection.uid).await;
    let claimed: String = plain(on_behalf_of.unwrap_or_default()).chars().take(NAME_MAX).collect();
    if claimed.is_empty() || claimed == user { user } else { format!("{user} ({claimed})") }
}

/// The text as one line.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

/// The reason, as one line within its limit.
pub(super) fn reason(why: &str) -> Result<String, AgentError> {
    let why = plain(why);
    let length = why.chars().count();
    if length > WHY_MAX {
        let detail =
            format!("the reason has {length} characters; at most {WHY_MAX} are kept: say it shorter");
        return Err(AgentError::Refused { detail });
    }
    Ok(why)
}

/// When an order ends that lasts for so long.
pub(super) fn end(since: Timestamp, seconds: u64) -> Result<Timestamp, AgentError> {
    let refused = |detail: &str| AgentError::Refused { detail: detail.to_owned() };
    if seconds == 0 {
        return Err(refused("an order for no time has no effect; say for how long, or leave the time out"));
    }
    let span = i64::try_from(seconds).ok().filter(|_| seconds <= LONGEST).map(SignedDuration::from_secs);
    let span = span.ok_or_else(|| {
        refused("an order for more than ten years is one without an end; leave the time out")
    })?;
    since.checked_add(span).map_err(|_| refused("the order would end after the end of the calendar"))
}

/// Sees that `target` is configured.
pub(super) fn see_configured(config: &Config, target: &DrainTarget) -> Result<(), AgentError> {
    let is_meant = |virtual_server: &str, real_server: &str| {
        target.real_server.as_str() == real_server
            && target.virtual_server.as_ref().is_none_or(|name| name.as_str() == virtual_server)
    };
    if config.real_servers().any(|(pool, server)| is_meant(pool.name.as_str(), server.name.as_str())) {
        return Ok(());
    }
    Err(AgentError::NoSuchRealServer { target: target.to_string(), suggestion: suggestion(config, target) })
}

/// The configured target that is nearest to one that is not.
fn suggestion(config: &Config, target: &DrainTarget) -> Option<String> {
    let wanted = target.real_server.as_str();
    let Some(virtual_server) = &target.virtual_server else {
        let near = nearest(wanted, config.real_servers().map(|(_, server)| server.name.as_str()));
        return near.map(str::to_owned);
    };
    let pools = config.virtual_servers.iter().map(|pool| pool.name.as_str());
    let pool_name = nearest(virtual_server.as_str(), pools)?;
    let pool = config.virtual_servers.iter().find(|pool| pool.name.as_str() == pool_name)?;
    let server = nearest(wanted, pool.real_servers.iter().map(|server| server.name.as_str()))?;
    Some(format!("{pool_name}/{server}"))
}

/// Sees that a drain with this target exists.
fn see_drained(config: &Config, orders: &Orders, target: &DrainTarget) -> Result<(), AgentError> {
    let same = |drain: &&Drain| drain.target.real_server == target.real_server;
    let mut of_server = orders.drains.iter().filter(same).peekable();
    if of_server.peek().is_none() {
        see_configured(config, target)?;
        return Err(AgentError::NotDrained { target: target.to_string() });
    }
    let mut meant = of_server.filter(|drain| {
        target.virtual_server.is_none() || drain.target.virtual_server == target.virtual_server
    });
    if meant.next().is_some() {
        return Ok(());
    }
    let general = orders.drains.iter().filter(same).any(|drain| drain.target.virtual_server.is_none());
    if general {
        let name = &target.real_server;
        let detail = format!(
            "{target} is drained by the order for {name} in every virtual server: undrain {name}, then drain it where it shall stay drained"
        );
        return Err(AgentError::Refused { detail });
    }
    Err(AgentError::NotDrained { target: target.to_string() })
}

#[cfg(test)]
mod tests;
