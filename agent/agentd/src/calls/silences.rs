//! Silences and the test of the alerts: from a caller's words to an order that `alertd` reads as a fact.
//!
//! Owns what such an order must be: a target that is configured, an end, and a pause between two tests. Whether the caller may
//! order was settled before; it tells nobody itself.

use agent_api::config::{Config, nearest};
use agent_api::wire::{
    AgentError, AlertTestOrder, AlertTestReply, SilenceOrder, SilenceReply, UnsilenceOrder, UnsilenceReply,
};
use agent_api::{AlertTest, DrainTarget, Silence, SilenceTarget};
use agent_core::ledger::Order;
use jiff::{SignedDuration, Timestamp, Unit};

use super::orders::{end, reason, see_configured as see_server, who};
use crate::connection::Connection;

/// The longest silence: a year, in seconds. Whatever is never to be told belongs into the configuration.
const LONGEST: u64 = 366 * 86_400;
/// The least time between two tests: each is a mail to everybody.
const BETWEEN_TESTS: SignedDuration = SignedDuration::from_secs(10);

/// Orders a silence.
pub async fn silence(connection: &Connection, order: SilenceOrder) -> Result<SilenceReply, AgentError> {
    let hub = &connection.hub;
    hub.config(|config| see_configured(config, &order.target))?;
    if order.for_seconds > LONGEST {
        let detail =
            "a silence ends within 366 days; what is never to be told belongs into [[alert.silence]]";
        return Err(AgentError::Refused { detail: detail.to_owned() });
    }
    let since = now();
    let silence = Silence {
        target: order.target,
        severity: order.severity,
        who: who(connection, order.on_behalf_of.as_deref()).await,
        why: reason(&order.why)?,
        since,
        until: end(since, order.for_seconds)?,
    };
    let outcome = hub.order(Order::Silence(silence.clone())).await?;
    tracing::info!("{} silences alerts about {silence}", silence.who);
    Ok(SilenceReply { silence, replaced: outcome.replaced })
}

/// Ends a silence.
pub async fn unsilence(connection: &Connection, order: UnsilenceOrder) -> Result<UnsilenceReply, AgentError> {
    let hub = &connection.hub;
    let target = order.target;
    let standing = hub.look(|ledger| {
        ledger.state().orders.silences.iter().find(|silence| silence.target == target).cloned()
    });
    let Some(ended) = standing else {
        hub.config(|config| see_configured(config, &target))?;
        return Err(AgentError::NotSilenced { target: target.to_string() });
    };
    let who = who(connection, order.on_behalf_of.as_deref()).await;
    hub.order(Order::Unsilence { target: target.clone(), who: who.clone() }).await?;
    tracing::info!("{who} ends the silence of {target}");
    Ok(UnsilenceReply { ended })
}

/// Has `alertd` try its channels.
pub async fn test(connection: &Connection, order: AlertTestOrder) -> Result<AlertTestReply, AgentError> {
    let hub = &connection.hub;
    let refused = |detail: String| AgentError::Refused { detail };
    if !hub.look(|ledger| ledger.state().alertd.connected) {
        let detail =
            "alertd is not connected, so nothing can be sent; see `systemctl status holdfast-alertd`";
        return Err(refused(detail.to_owned()));
    }
    let since = now();
    let former = hub.look(|ledger| ledger.state().orders.alert_test.clone());
    if let Some(former) = former
        && since.duration_since(former.since).abs() < BETWEEN_TESTS
    {
        let detail = format!(
            "{} asked for a test a moment ago, and each is a mail to everybody: wait {} s",
            former.who,
            BETWEEN_TESTS.as_secs()
        );
        return Err(refused(detail));
    }
    let test = AlertTest { who: who(connection, order.on_behalf_of.as_deref()).await, since };
    hub.order(Order::TestAlerts(test.clone())).await?;
    tracing::info!("{} tests the alerts", test.who);
    Ok(AlertTestReply { test })
}

fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}

/// Sees that what is to be silenced is configured, and is one thing.
fn see_configured(config: &Config, target: &SilenceTarget) -> Result<(), AgentError> {
    let SilenceTarget { virtual_server, real_server, virtual_router } = target;
    if let Some(router) = virtual_router {
        if virtual_server.is_some() || real_server.is_some() {
            let detail = "a silence is about a virtual router or about servers; give two orders".to_owned();
            return Err(AgentError::Refused { detail });
        }
        return super::handovers::see_configured(config, router);
    }
    match (virtual_server, real_server) {
        (None, None) => Ok(()),
        (Some(name), None) => {
            if config.virtual_server(name).is_some() {
                return Ok(());
            }
            let known = config.virtual_servers.iter().map(|pool| pool.name.as_str());
            let suggestion = nearest(name.as_str(), known).map(str::to_owned);
            Err(AgentError::NoSuchVirtualServer { name: name.to_string(), suggestion })
        }
        (virtual_server, Some(real_server)) => {
            let target =
                DrainTarget { virtual_server: virtual_server.clone(), real_server: real_server.clone() };
            see_server(config, &target)
        }
    }
}
