//! Alerts and silences on the first view.
//!
//! Owns which of them are shown when there are many.

use agent_core::view::{AlertsView, View};

use super::parts;
use crate::html::Html;

/// How many silences and channels are shown.
const SILENCES: usize = 8;
const CHANNELS: usize = 8;

/// The silences in force.
pub fn silences(html: &mut Html, view: &View) {
    if view.silences.is_empty() {
        return;
    }
    html.raw("<section class=\"card\" id=\"silences\" data-live aria-labelledby=\"h-silences\"><h2 id=\"h-silences\">Silences</h2>");
    html.raw("<ul class=\"plain\">");
    for silence in view.silences.iter().take(SILENCES) {
        html.raw("<li>Alerts about <b>").text(&silence.target).raw("</b>");
        if let Some(most) = silence.severity {
            html.raw(" up to ").text(most);
        }
        html.raw(" are silenced by ").brief(&silence.who, 60).raw(", since ");
        parts::moment(html, silence.since, "");
        html.raw(" until ");
        parts::moment(html, silence.until, "");
        if !silence.why.is_empty() {
            html.raw(": ").brief(&silence.why, 200);
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
    if view.silences.len() > SILENCES {
        html.raw("<p class=\"more\">and ").text(view.silences.len() - SILENCES).raw(" more</p>");
    }
    html.raw("</section>");
}

/// What waits to be told, and how the channels do.
pub fn alerts(html: &mut Html, view: &View) {
    let Some(alerts) = &view.alerts else { return };
    html.raw("<section class=\"card\" id=\"alerts\" data-live aria-labelledby=\"h-alerts\"><h2 id=\"h-alerts\">Alerts</h2>");
    if !alerts.configured {
        html.raw("<p>No <code>[alert]</code> is configured: nobody is told of anything.</p></section>");
        return;
    }
    html.raw("<ul class=\"plant\">");
    told(html, alerts);
    for channel in alerts.channels.iter().take(CHANNELS) {
        let (class, said) = match (channel.works, channel.last_delivered) {
            (false, _) => ("down", "fails"),
            (true, Some(_)) => ("up", "works"),
            (true, None) => ("unknown", "not used yet"),
        };
        html.raw("<li><b class=\"state ").raw(class).raw("\">");
        html.brief(&channel.channel.to_string(), 60).raw("</b> ").raw(said);
        if channel.waits > 0 {
            html.raw(", ").text(channel.waits).raw(" wait");
        }
        if let Some(at) = channel.last_delivered {
            html.raw(", last delivery ");
            parts::moment(html, at, "");
        }
        if !channel.last_error.is_empty() {
            html.raw(": ").brief(&channel.last_error, 200);
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
    if alerts.channels.len() > CHANNELS {
        html.raw("<p class=\"more\">and ").text(alerts.channels.len() - CHANNELS).raw(" more channels</p>");
    }
    html.raw("</section>");
}

fn told(html: &mut Html, alerts: &AlertsView) {
    let class = if alerts.delivers { "up" } else { "down" };
    html.raw("<li><b class=\"state ").raw(class).raw("\">incidents</b> ").text(alerts.incidents).raw(" open");
    for (count, what) in [
        (alerts.held, " held back"),
        (alerts.silenced, " troubles silenced"),
        (alerts.spool, " notices wait"),
        (alerts.given_up, " given up"),
    ] {
        if count > 0 {
            html.raw(", ").text(count).raw(what);
        }
    }
    if let Some(at) = alerts.oldest {
        html.raw(", the oldest since ");
        parts::moment(html, at, "");
    }
    html.raw("</li>");
}
