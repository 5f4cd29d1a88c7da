//! One virtual server with all its real servers, in pages, with a filter by name.
//!
//! Owns the order: what stands out first.

use agent_api::Name;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Place, frame, missing, overview, parts};
use crate::app::App;
use crate::reply::page;

/// How many real servers a page shows.
const SHOWN: usize = 60;

/// `/virtual-servers/NAME`. Only real servers whose names contain `filter` are listed.
pub fn virtual_server(app: &App, name: &Name, number: u64, filter: &str) -> Response {
    let snapshot = app.snapshot();
    let view = &snapshot.view;
    let Some(pool) = view.virtual_servers.iter().find(|pool| pool.name == *name) else {
        return missing(app, "There is no virtual server of that name.");
    };
    // A name holds nothing else, so nothing else can be looked for.
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let filter: String = filter.chars().filter(plain).take(63).collect();
    let mut servers: Vec<_> =
        pool.real_servers.iter().filter(|server| server.name.as_str().contains(&filter)).collect();
    servers.sort_by_key(|server| parts::urgency(server));
    let pages = servers.len().div_ceil(SHOWN).max(1);
    let number = usize::try_from(number).unwrap_or(pages).clamp(1, pages);
    let history = app.history();
    page(app, StatusCode::OK, || {
        frame(app, &snapshot, Place::Elsewhere, pool.name.as_str(), |html| {
            html.raw("<section class=\"card pool\" id=\"pool\" data-live aria-labelledby=\"h-vs-")
                .text(&pool.name);
            html.raw("\">");
            overview::head(html, pool, false);
            let concerns: Vec<_> = view
                .reasons
                .iter()
                .filter(|reason| reason.virtual_server.as_ref().is_none_or(|name| *name == pool.name))
                .cloned()
                .collect();
            parts::reasons(html, &concerns, 6);
            html.raw("</section>");
            html.raw("<form class=\"filter\" role=\"search\"><label for=\"name\">Name contains</label><input id=\"name\" name=\"name\" value=\"");
            html.text(&filter).raw("\" maxlength=\"63\"><button>Filter</button></form>");
            html.raw("<section class=\"card\" id=\"servers\" data-live aria-label=\"Real servers\">");
            if servers.is_empty() {
                html.raw("<p class=\"none\">No real server has such a name.</p>");
            } else {
                parts::table_head(html, pool);
                for server in servers.iter().skip((number - 1) * SHOWN).take(SHOWN) {
                    parts::row(html, pool, server, &history);
                }
                html.raw("</tbody></table>");
            }
            parts::pager(html, &format!("/virtual-servers/{}", pool.name), number, pages, &filter);
            html.raw("</section>");
        })
    })
}
