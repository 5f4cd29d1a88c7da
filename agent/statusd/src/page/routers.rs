//! The virtual routers: which addresses they are about, and where those are.
//!
//! Owns their rows. Who is Active is vipd's to say; what is old is shown as old.

use agent_api::RouterState;
use agent_core::view::{RouterView, View};

use super::parts;
use crate::html::Html;

/// How many virtual routers, and how many addresses of each, are shown.
const ROUTERS: usize = 24;
const ADDRESSES: usize = 6;

/// The section; nothing when there are none.
pub fn routers(html: &mut Html, view: &View) {
    if view.virtual_routers.is_empty() {
        return;
    }
    html.raw("<section class=\"card\" id=\"routers\" data-live aria-labelledby=\"h-routers\"><h2 id=\"h-routers\">");
    html.raw("Virtual addresses</h2><ul class=\"plant routers\">");
    for router in view.virtual_routers.iter().take(ROUTERS) {
        row(html, router);
    }
    html.raw("</ul>");
    if view.virtual_routers.len() > ROUTERS {
        html.raw("<p class=\"more\">and ")
            .text(view.virtual_routers.len() - ROUTERS)
            .raw(" more; see holdfast status</p>");
    }
    html.raw("</section>");
}

fn row(html: &mut Html, router: &RouterView) {
    let report = &router.report;
    let (class, said) = match (router.fresh, report.state) {
        (false, _) => ("unknown", "not known"),
        (true, RouterState::Active) => ("up", "Active here"),
        (true, RouterState::Backup) => ("drained", "Backup"),
        (true, RouterState::Initialize) => ("down", "takes no part"),
    };
    html.raw("<li><b>")
        .text(&router.name)
        .raw("</b> <b class=\"state ")
        .raw(class)
        .raw("\">")
        .raw(said)
        .raw("</b> ");
    parts::since(html, report.since);
    html.raw("<br>");
    for address in report.addresses.iter().take(ADDRESSES) {
        html.raw("<code>").text(address).raw("</code> ");
    }
    if report.addresses.len() > ADDRESSES {
        html.raw("and ").text(report.addresses.len() - ADDRESSES).raw(" more ");
    }
    html.raw("on ").brief(&report.interface, 20).raw(": ");
    match &report.active {
        _ if !router.fresh => html.raw("vipd is not heard, this is old"),
        _ if report.state == RouterState::Active => {
            html.text(report.held.len()).raw(" of ").text(report.addresses.len()).raw(" held here")
        }
        Some(other) => html.raw("at ").text(other.source).raw(", priority ").text(other.priority),
        None => html.raw("not here"),
    };
    if let Some(priority) = report.priority {
        html.raw(", our priority ").text(priority);
    }
    if report.state != RouterState::Active && !report.detail.is_empty() {
        html.raw("<p class=\"why\">").brief(&report.detail, 180).raw("</p>");
    }
    if let Some(order) = &router.handover {
        html.raw("<p class=\"why\">").text(order.what).raw(" by ").brief(&order.who, 60);
        if !order.why.is_empty() {
            html.raw(": ").brief(&order.why, 100);
        }
        html.raw("</p>");
    }
    html.raw("</li>");
}
