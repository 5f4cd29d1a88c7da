//! The page for what is not there.
//!
//! Owns its words. It repeats nothing of what was asked for.

use axum::http::StatusCode;
use axum::response::Response;

use super::{Place, frame};
use crate::app::App;
use crate::reply::page;

/// Says that there is no such thing.
pub fn missing(app: &App, what: &'static str) -> Response {
    let snapshot = app.snapshot();
    page(app, StatusCode::NOT_FOUND, || {
        frame(app, &snapshot, Place::Elsewhere, "Not found", |html| {
            html.raw("<section class=\"card\"><h1>Not found</h1><p>").raw(what);
            html.raw("</p><p><a href=\"/\">Back to the overview</a></p></section>");
        })
    })
}
