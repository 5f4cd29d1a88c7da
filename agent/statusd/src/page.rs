//! The pages: HTML that is complete without a script.
//!
//! Owns what all pages have in common: head, navigation, footer. Each kind of page has its own module. A page holds nothing
//! that changes with time alone, so that it changes only when there is something new to see; the script shows ages.

mod alerts;
mod directors;
mod events;
mod missing;
mod overview;
mod parts;
mod pool;
mod routers;
mod server;
mod spark;
#[cfg(test)]
mod tests;

use agent_core::view::Level;

use crate::app::{App, Snapshot};
use crate::assets::{ICON, SCRIPT, STYLE};
use crate::html::Html;

pub use events::events;
pub use missing::missing;
pub use overview::{overview, virtual_servers};
pub use pool::virtual_server;
pub use server::real_server;

/// Where a page belongs in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Overview,
    Events,
    Elsewhere,
}

/// How a judgement is said in one word.
fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "All is well",
        Level::Warning => "Warning",
        Level::Unknown => "Unknown",
        Level::Critical => "Critical",
    }
}

/// A page around `body`.
fn frame(app: &App, snapshot: &Snapshot, place: Place, name: &str, body: impl FnOnce(&mut Html)) -> Html {
    let settings = app.settings();
    let title = &settings.title;
    let view = &snapshot.view;
    let mut html = Html::new();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\"><title>");
    html.text(word(view.status)).raw(" · ");
    if !name.is_empty() {
        html.text(name).raw(" · ");
    }
    html.text(title).raw("</title><link rel=\"icon\" href=\"").text(&ICON.path);
    html.raw("\"><link rel=\"stylesheet\" href=\"").text(&STYLE.path);
    html.raw("\"><script defer src=\"").text(&SCRIPT.path).raw("\"></script>");
    html.raw("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript></head><body data-version=\"");
    html.text(snapshot.version)
        .raw("\"><a class=\"skip\" href=\"#main\">Skip to the content</a><header class=\"top\">");
    html.raw("<a class=\"brand\" href=\"/\"><img src=\"").text(&ICON.path);
    html.raw("\" alt=\"\" width=\"28\" height=\"28\">").text(title).raw("</a><nav aria-label=\"Pages\">");
    for (target, label, here) in [("/", "Overview", Place::Overview), ("/events", "Events", Place::Events)] {
        html.raw("<a href=\"").text(target);
        html.raw(if place == here { "\" aria-current=\"page\">" } else { "\">" }).text(label).raw("</a>");
    }
    html.raw("</nav><p class=\"fresh\"><span id=\"live\"></span>as of ");
    parts::moment(&mut html, view.generated_at, "id=\"now\" ");
    html.raw("</p></header><main id=\"main\" tabindex=\"-1\">");
    body(&mut html);
    html.raw("</main><p id=\"said\" role=\"status\" class=\"vh\"></p><footer><span>Holdfast ");
    html.raw(env!("CARGO_PKG_VERSION"));
    html.raw("</span><a href=\"/metrics\">Metrics</a><a href=\"/api/v1/status\">JSON</a>");
    html.raw("<a href=\"/api/v1/openapi.json\">OpenAPI</a></footer></body></html>\n");
    html
}
