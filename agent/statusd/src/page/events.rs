//! The event timeline.
//!
//! Owns its pages: the latest first, a hundred at a time.

use axum::http::StatusCode;
use axum::response::Response;

use super::{Place, frame, parts};
use crate::app::App;
use crate::reply::page;

/// How many events a page shows.
const SHOWN: usize = 100;

/// The latest events, or those before number `before`.
pub fn events(app: &App, before: Option<u64>) -> Response {
    let snapshot = app.snapshot();
    let before = before.unwrap_or(u64::MAX);
    let older = || snapshot.events.iter().rev().filter(|event| event.number < before);
    page(app, StatusCode::OK, || {
        frame(app, &snapshot, Place::Events, "Events", |html| {
            html.raw("<section class=\"card\" id=\"events\" data-live aria-labelledby=\"h-events\">");
            html.raw("<h1 id=\"h-events\">Events</h1>");
            parts::timeline(html, older().take(SHOWN));
            if let Some(last) = older().nth(SHOWN.saturating_sub(1)).filter(|_| older().nth(SHOWN).is_some())
            {
                html.raw("<p class=\"more\"><a href=\"/events?before=")
                    .text(last.number)
                    .raw("\">Older</a></p>");
            }
            html.raw("</section>");
        })
    })
}
