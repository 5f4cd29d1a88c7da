//! One real server with the evidence: what the checks say, since when, what the kernel has, what happened.
//!
//! Owns what an operator needs at hand for it, down to the commands to run next.

use agent_api::RealServerId;
use agent_core::view::{InTable, RealServerView};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Place, frame, missing, parts, spark};
use crate::api;
use crate::app::App;
use crate::html::Html;
use crate::reply::page;

/// How many of its events are shown.
const EVENTS: usize = 50;

/// `/real-servers/VIRTUAL_SERVER/REAL_SERVER`.
pub fn real_server(app: &App, id: &RealServerId) -> Response {
    let snapshot = app.snapshot();
    let Some((pool, server)) = api::find(&snapshot, id) else {
        return missing(app, "There is no real server of that name.");
    };
    let samples = app.history().of(id);
    page(app, StatusCode::OK, || {
        frame(app, &snapshot, Place::Elsewhere, &id.to_string(), |html| {
            html.raw("<section class=\"card\" id=\"verdict\" data-live aria-labelledby=\"h-server\">");
            html.raw("<p class=\"crumbs\"><a href=\"/virtual-servers/")
                .text(&pool.name)
                .raw("\">")
                .text(&pool.name);
            html.raw("</a></p><h1 id=\"h-server\">").text(&server.name).raw("</h1><p class=\"big\">");
            parts::verdict(html, server);
            if let Some(at) = server.since {
                html.raw(" ");
                parts::since(html, at);
            }
            html.raw("</p>");
            facts(html, server);
            html.raw(
                "</section><section class=\"card\" id=\"latency\" data-live aria-labelledby=\"h-latency\">",
            );
            html.raw("<h2 id=\"h-latency\">Latency over ten minutes</h2>");
            spark::large(html, &samples);
            html.raw("</section>");
            table(html, server);
            commands(html, id);
            html.raw("<section class=\"card\" id=\"events\" data-live aria-labelledby=\"h-events\"><h2 id=\"h-events\">Events</h2>");
            parts::timeline(html, api::events_of(&snapshot, id).rev().take(EVENTS));
            html.raw("</section>");
        })
    })
}

fn facts(html: &mut Html, server: &RealServerView) {
    let fact = |html: &mut Html, name: &'static str, value: &dyn std::fmt::Display| {
        html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>");
    };
    html.raw("<dl class=\"facts\">");
    if let Some(cause) = &server.cause {
        fact(html, "Cause", cause);
    }
    if !server.detail.is_empty() {
        html.raw("<div class=\"full\"><dt>What was seen</dt><dd>").text(&server.detail).raw("</dd></div>");
    }
    if let Some(known) = &server.last_known {
        let cause = known.cause.as_deref().map_or_else(String::new, |cause| format!(": {cause}"));
        fact(html, "Last known", &format_args!("{}{cause} {}", known.verdict, known.detail));
    }
    if let Some(address) = server.address {
        fact(html, "Probed at", &address);
    }
    if server.in_a_row > 0 {
        let what = if server.passing { "passed" } else { "failed" };
        fact(html, "Latest probes", &format_args!("{} {what} in a row", server.in_a_row));
    }
    if let Some(latency) = server.latency_us {
        fact(html, "Latest answer took", &parts::latency(latency));
    }
    let table = match server.in_table {
        InTable::Yes => "in every service",
        InTable::Partly => "in some services only",
        InTable::No => "in no service",
        InTable::Unknown => "not known",
    };
    fact(html, "Kernel's table", &table);
    if let Some(drain) = &server.drain {
        let until = match drain.until {
            Some(until) => format!("until {} UTC", until.strftime("%Y-%m-%d %H:%M:%S")),
            None => "until somebody ends it".to_owned(),
        };
        fact(html, "Drained", &format_args!("as {} by {}, {until}", drain.target, drain.who));
        if !drain.why.is_empty() {
            fact(html, "Because", &drain.why);
        }
    }
    if let Some(weight) = server.weight {
        fact(html, "Weight asked for by its checks", &weight);
    }
    if let Some(returned) = server.returned {
        fact(html, "Last back from down", &format_args!("{} UTC", returned.strftime("%Y-%m-%d %H:%M:%S")));
    }
    html.raw("</dl>");
    checks(html, server);
}

/// Its checks one by one, where there are several.
fn checks(html: &mut Html, server: &RealServerView) {
    if server.checks.is_empty() {
        return;
    }
    html.raw(
        "<table class=\"destinations\"><thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Verdict</th>",
    );
    html.raw("<th scope=\"col\">What was seen</th></tr></thead><tbody>");
    for check in &server.checks {
        html.raw("<tr><th scope=\"row\">").text(&check.name);
        html.raw(if check.advisory { " (only warns)" } else { "" });
        html.raw("</th><td>").text(check.verdict).raw("</td><td>");
        if let Some(cause) = &check.cause {
            html.text(cause).raw(" ");
        }
        html.text(&check.detail).raw("</td></tr>");
    }
    html.raw("</tbody></table>");
}

fn table(html: &mut Html, server: &RealServerView) {
    html.raw("<section class=\"card\" id=\"table\" data-live aria-labelledby=\"h-table\"><h2 id=\"h-table\">In the kernel's table</h2>");
    if server.destinations.is_empty() {
        html.raw("<p class=\"none\">It is in no service.</p></section>");
        return;
    }
    if server.in_table == InTable::Unknown {
        html.raw("<p class=\"none\">As it was last reported; lvsd is not heard.</p>");
    }
    html.raw("<table class=\"destinations\"><thead><tr><th scope=\"col\">Service</th><th scope=\"col\">Destination</th>");
    html.raw("<th scope=\"col\" class=\"n\">Weight</th><th scope=\"col\" class=\"n\">Active</th>");
    html.raw("<th scope=\"col\" class=\"n\">Inactive</th><th scope=\"col\" class=\"n\">Connections/s</th>");
    html.raw("<th scope=\"col\" class=\"n\">Packets/s</th></tr></thead><tbody>");
    for to in &server.destinations {
        html.raw("<tr><th scope=\"row\"><code>")
            .text(to.service)
            .raw("</code></th><td><code>")
            .text(to.address);
        html.raw("</code></td><td class=\"n\">").text(to.weight).raw("</td><td class=\"n\">");
        html.text(parts::grouped(to.active_connections.into()))
            .raw("</td><td class=\"n\">")
            .text(parts::grouped(to.inactive_connections.into()));
        for rate in [to.traffic.connections_per_sec, to.traffic.packets_in_per_sec] {
            html.raw("</td><td class=\"n\">").text(parts::grouped(rate));
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table></section>");
}

/// What to run next, on the director.
fn commands(html: &mut Html, id: &RealServerId) {
    html.raw("<section class=\"card\" id=\"next\" data-live aria-labelledby=\"h-next\"><h2 id=\"h-next\">On the director</h2>");
    html.raw("<pre tabindex=\"0\" aria-label=\"Commands\">holdfast status ").text(id);
    html.raw("\nholdfast drain ").text(id).raw(" --for 2h --why \"…\"\nholdfast undrain ").text(id);
    html.raw("\njournalctl -u holdfast-checkd -u holdfast-lvsd --since -1h</pre></section>");
}
