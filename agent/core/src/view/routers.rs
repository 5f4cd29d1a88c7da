//! Virtual routers in the view.
//!
//! Owns what of `vipd`'s report is believed and what about it is wrong. Who is Active is `vipd`'s to say; nothing here judges
//! that.

use agent_api::{Handover, Name, RouterReport, RouterState, State};
use jiff::Timestamp;
use serde::Serialize;

use super::{Level, Reason, SETTLES_WITHIN};
use crate::view::build::age;

/// One virtual router of this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouterView {
    /// Its name.
    pub name: Name,
    /// The worst of the reasons that concern it.
    pub status: Level,
    /// Whether `vipd` was heard of lately: otherwise all this is old.
    pub fresh: bool,
    /// The operator's order for it that is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// What `vipd` says of it.
    #[serde(flatten)]
    pub report: RouterReport,
}

/// The virtual routers of `state`, by name.
pub(super) fn routers(state: &State, fresh: bool, now: Timestamp) -> Vec<RouterView> {
    let mut views: Vec<RouterView> = state
        .vipd
        .items
        .iter()
        .map(|(name, report)| RouterView {
            name: name.clone(),
            status: Level::Ok,
            fresh,
            handover: state.orders.handover_of(name, now).cloned(),
            report: report.clone(),
        })
        .collect();
    for view in &mut views {
        let worst = reasons(view, now).into_iter().map(|reason| reason.level).max();
        view.status = if fresh { worst.unwrap_or(Level::Ok) } else { Level::Unknown };
    }
    views
}

/// What is wrong with one; nothing while its report is old, which is the daemon's own reason.
pub(super) fn reasons(view: &RouterView, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !view.fresh {
        return reasons;
    }
    let mut say = |level, code, text| {
        reasons.push(Reason { level, code, virtual_server: None, real_server: None, text });
    };
    let (name, report) = (&view.name, &view.report);
    if report.state == RouterState::Initialize {
        say(Level::Warning, "router_fault", format!("{name} takes no part: {}", report.detail));
    }
    let lacking = report.addresses.len().saturating_sub(report.held.len());
    if report.state == RouterState::Active && lacking > 0 && age(report.since, now) > SETTLES_WITHIN {
        let text = format!(
            "{name} is active, but lacks {lacking} of its {} addresses: read vipd's log",
            report.addresses.len()
        );
        say(Level::Critical, "router_lacks_addresses", text);
    }
    for one in &report.discrepancies {
        say(Level::Warning, "router_discrepancy", format!("{name}: {}: {}", one.source, one.detail));
    }
    reasons
}
