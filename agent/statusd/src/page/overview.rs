//! The first view: the judgement, the virtual servers, drains, daemons, the latest events.
//!
//! Owns what is left out when the cluster is large: the page stays below a size, with what stands out first and links to the
//! rest.

use agent_core::view::{DaemonStatus, KernelStatus, Level, Source, View, VirtualServerView};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Place, alerts, directors, frame, parts, routers, word};
use crate::app::{App, Snapshot};
use crate::history::History;
use crate::html::Html;
use crate::reply::page;

/// Up to so many real servers are all shown.
const ALL_SHOWN: usize = 48;
/// Rows are left out once the page is this long, in bytes, and virtual servers once it is that long.
const ROWS_TO: usize = 27_000;
const POOLS_TO: usize = 33_000;
/// How many reasons, drains and events are shown.
const REASONS: usize = 8;
const DRAINS: usize = 8;
const EVENTS: usize = 10;
/// How many services of a virtual server are named.
const SERVICES: usize = 4;
/// How many virtual servers a page of their list shows.
const LISTED: usize = 100;

/// `/`.
pub fn overview(app: &App, snapshot: &Snapshot) -> Html {
    let view = &snapshot.view;
    let history = app.history();
    frame(app, snapshot, Place::Overview, "", |html| {
        judgement(html, view);
        directors::directors(html, app, snapshot);
        routers::routers(html, view);
        let total: usize = view.virtual_servers.iter().map(|pool| pool.total).sum();
        let all = total <= ALL_SHOWN;
        let mut pools: Vec<&VirtualServerView> = view.virtual_servers.iter().collect();
        if !all {
            // Stable: equally bad ones stay in the order of their names.
            pools.sort_by_key(|pool| std::cmp::Reverse(pool.status));
        }
        let mut shown = 0;
        for pool in &pools {
            if html.len() > POOLS_TO {
                break;
            }
            card(html, pool, &history, all);
            shown += 1;
        }
        if shown < pools.len() {
            html.raw("<p class=\"more card\" id=\"rest\" data-live><a href=\"/virtual-servers\">");
            html.text(pools.len() - shown).raw(" more virtual servers</a></p>");
        }
        drains(html, view);
        alerts::silences(html, view);
        alerts::alerts(html, view);
        plant(html, view);
        html.raw("<section class=\"card\" id=\"events\" data-live aria-labelledby=\"h-events\"><h2 id=\"h-events\">");
        html.raw("Latest events</h2>");
        parts::timeline(html, snapshot.events.iter().rev().take(EVENTS));
        if snapshot.events.len() > EVENTS {
            html.raw("<p class=\"more\"><a href=\"/events\">All events</a></p>");
        }
        html.raw("</section>");
    })
}

/// What the judgement means.
fn meaning(view: &View) -> &'static str {
    match (view.status, view.source) {
        (_, Source::Nowhere) => "Nothing is known: the agent has not answered yet.",
        (Level::Ok, _) => "Clients are served, and there is nothing to do.",
        (Level::Warning, _) => "Clients are served; something should be looked at.",
        (Level::Unknown, _) => "It can't be said whether clients are served.",
        (Level::Critical, _) => "Clients are not served, or what protects them does not work.",
    }
}

fn judgement(html: &mut Html, view: &View) {
    html.raw("<section class=\"hero ").text(view.status.as_str());
    html.raw("\" id=\"judgement\" data-live aria-labelledby=\"h-judgement\"><h1 id=\"h-judgement\">");
    html.raw(word(view.status)).raw("</h1><p class=\"lead\">").raw(meaning(view)).raw("</p>");
    if !view.virtual_servers.is_empty() {
        sums(html, view);
    }
    parts::reasons(html, &view.reasons, REASONS);
    html.raw("</section>");
}

/// Figures over everything.
fn sums(html: &mut Html, view: &View) {
    html.raw("<dl class=\"sums\">");
    let sum = |count: fn(&VirtualServerView) -> usize| view.virtual_servers.iter().map(count).sum::<usize>();
    let (serving, total) = (sum(|pool| pool.serving), sum(|pool| pool.total));
    let servers = || view.virtual_servers.iter().flat_map(|pool| &pool.real_servers);
    let (active, inactive) = servers()
        .filter_map(parts::connections)
        .fold((0, 0), |(active, inactive), (a, i)| (active + a, inactive + i));
    let (connections, packets) =
        servers().filter_map(parts::rates).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let sums: [(&'static str, String); 6] = [
        ("virtual servers", parts::grouped(view.virtual_servers.len() as u64)),
        (
            "real servers serving",
            format!("{} of {}", parts::grouped(serving as u64), parts::grouped(total as u64)),
        ),
        ("active connections", parts::grouped(active)),
        ("inactive", parts::grouped(inactive)),
        ("connections/s", parts::grouped(connections)),
        ("packets/s", parts::grouped(packets)),
    ];
    for (what, count) in sums {
        html.raw("<div><dt>").raw(what).raw("</dt><dd>").text(count).raw("</dd></div>");
    }
    html.raw("</dl>");
}

/// One virtual server with those of its real servers that stand out, or with all of them.
fn card(html: &mut Html, pool: &VirtualServerView, history: &History, all: bool) {
    html.raw("<section class=\"card pool\" id=\"vs-")
        .text(&pool.name)
        .raw("\" data-live aria-labelledby=\"h-vs-");
    html.text(&pool.name).raw("\">");
    head(html, pool, true);
    let mut servers: Vec<_> =
        pool.real_servers.iter().filter(|server| all || parts::stands_out(server)).collect();
    if !all {
        servers.sort_by_key(|server| parts::urgency(server));
    }
    let mut shown = 0;
    if !servers.is_empty() && html.len() < ROWS_TO {
        parts::table_head(html, pool);
        for server in &servers {
            if html.len() > ROWS_TO {
                break;
            }
            parts::row(html, pool, server, history);
            shown += 1;
        }
        html.raw("</tbody></table>");
    }
    if shown < pool.real_servers.len() {
        let hidden = pool.real_servers.len() - shown;
        html.raw("<p class=\"more\"><a href=\"/virtual-servers/").text(&pool.name).raw("\">");
        html.text(hidden).raw(" more of ").text(&pool.name).raw("</a>");
        if shown == servers.len() {
            html.raw(", all up");
        }
        html.raw("</p>");
    }
    html.raw("</section>");
}

/// Name, judgement, services and capacity of a virtual server.
pub(super) fn head(html: &mut Html, pool: &VirtualServerView, linked: bool) {
    html.raw("<div class=\"head\"><div>");
    if linked {
        html.raw("<h2 id=\"h-vs-").text(&pool.name).raw("\"><a href=\"/virtual-servers/").text(&pool.name);
        html.raw("\">").text(&pool.name).raw("</a></h2>");
    } else {
        html.raw("<h1 id=\"h-vs-").text(&pool.name).raw("\">").text(&pool.name).raw("</h1>");
    }
    parts::level(html, pool.status);
    html.raw("<p class=\"services\">");
    for service in pool.services.iter().take(SERVICES) {
        html.raw("<span><code>")
            .text(service.service)
            .raw("</code> ")
            .brief(&service.scheduler, 20)
            .raw("</span>");
    }
    if pool.services.len() > SERVICES {
        html.raw("<span>and ").text(pool.services.len() - SERVICES).raw(" more</span>");
    }
    if pool.services.is_empty() {
        html.raw("<span>not in the kernel's table as far as is known</span>");
    }
    html.raw("</p></div>");
    parts::capacity(html, pool);
    html.raw("</div>");
}

fn drains(html: &mut Html, view: &View) {
    if view.drains.is_empty() {
        return;
    }
    html.raw("<section class=\"card\" id=\"drains\" data-live aria-labelledby=\"h-drains\"><h2 id=\"h-drains\">Drains</h2>");
    html.raw("<ul class=\"plain\">");
    for order in view.drains.iter().take(DRAINS) {
        let drain = &order.drain;
        html.raw("<li><b>").text(&drain.target).raw("</b> by ").brief(&drain.who, 60).raw(", since ");
        parts::moment(html, drain.since, "");
        match drain.until {
            Some(until) => {
                html.raw(" until ");
                parts::moment(html, until, "");
            }
            None => {
                html.raw(" until somebody ends it");
            }
        }
        if !drain.why.is_empty() {
            html.raw(": ").brief(&drain.why, 200);
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
    if view.drains.len() > DRAINS {
        html.raw("<p class=\"more\">and ").text(view.drains.len() - DRAINS).raw(" more</p>");
    }
    html.raw("</section>");
}

/// The kernel and the daemons.
fn plant(html: &mut Html, view: &View) {
    let kernel = &view.kernel;
    html.raw(
        "<section class=\"card\" id=\"plant\" data-live aria-labelledby=\"h-plant\"><h2 id=\"h-plant\">",
    );
    html.raw("Kernel and daemons</h2><ul class=\"plant\"><li><b class=\"state ");
    let (class, said) = match kernel.status {
        KernelStatus::Present => ("up", "table read and compared"),
        KernelStatus::Missing => ("down", "has no IPVS"),
        KernelStatus::Unusable => ("down", "can't be used"),
        KernelStatus::Unknown => ("unknown", "not known"),
    };
    html.raw(class).raw("\">kernel</b> ").raw(said);
    if let Some(version) = &kernel.version {
        html.raw(", IPVS ").brief(version, 20);
    }
    if kernel.drift_mended > 0 {
        html.raw(", ").text(kernel.drift_mended).raw(" changes by others undone");
    }
    html.raw("</li>");
    for daemon in &view.daemons {
        let (class, said) = match daemon.status {
            DaemonStatus::Connected => ("up", "connected"),
            DaemonStatus::Disconnected => ("degraded", "disconnected"),
            DaemonStatus::Silent => ("unknown", "silent"),
            DaemonStatus::NeverHeard => ("unknown", "never heard"),
        };
        html.raw("<li><b class=\"state ").raw(class).raw("\">").text(daemon.name).raw("</b> ").raw(said);
        if let Some(version) = &daemon.version {
            html.raw(", version ").brief(version, 20);
        }
        if let Some(config) = &daemon.config {
            html.raw(", configuration <code>").brief(config, 20).raw("</code>");
        }
        html.raw("</li>");
    }
    html.raw("</ul></section>");
}

/// `/virtual-servers`: all of them, for clusters with more than the first view can hold.
pub fn virtual_servers(app: &App, number: u64) -> Response {
    let snapshot = app.snapshot();
    let pools = &snapshot.view.virtual_servers;
    let pages = pools.len().div_ceil(LISTED).max(1);
    let number = usize::try_from(number).unwrap_or(pages).clamp(1, pages);
    page(app, StatusCode::OK, || {
        frame(app, &snapshot, Place::Elsewhere, "Virtual servers", |html| {
            html.raw(
                "<section class=\"card\" id=\"list\" data-live aria-labelledby=\"h-list\"><h1 id=\"h-list\">",
            );
            html.raw("Virtual servers</h1><ul class=\"plant\">");
            for pool in pools.iter().skip((number - 1) * LISTED).take(LISTED) {
                html.raw("<li><a href=\"/virtual-servers/")
                    .text(&pool.name)
                    .raw("\">")
                    .text(&pool.name)
                    .raw("</a> ");
                parts::level(html, pool.status);
                html.raw(" ").text(pool.serving).raw(" of ").text(pool.total).raw(" serving</li>");
            }
            html.raw("</ul>");
            parts::pager(html, "/virtual-servers", number, pages, "");
            html.raw("</section>");
        })
    })
}
