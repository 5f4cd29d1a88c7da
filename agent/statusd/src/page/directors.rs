//! Both directors side by side: this one, and what the other one last said of itself.
//!
//! Owns how old news are told from fresh ones. Texts of the other director are cut and escaped like those of anybody.

use agent_api::RouterState;
use agent_core::view::Level;

use super::parts;
use crate::app::{App, Snapshot};
use crate::html::Html;
use crate::peer::PeerFacts;
use crate::summary::Summary;

/// How many reasons and virtual servers of a director are shown.
const REASONS: usize = 3;
const VIRTUAL_SERVERS: usize = 12;

/// The section; nothing when no other director is configured.
pub fn directors(html: &mut Html, app: &App, snapshot: &Snapshot) {
    let Some(peer) = app.peer() else { return };
    html.raw("<section class=\"directors\" id=\"directors\" data-live aria-labelledby=\"h-directors\">");
    html.raw(
        "<h2 class=\"vh\" id=\"h-directors\">Directors</h2><div class=\"card\"><div class=\"head\"><div><h3>",
    );
    let own = Summary::of(snapshot, &app.host, &app.settings().title);
    html.brief(&own.host, 80).raw("</h3>");
    parts::level(html, own.status);
    html.raw("<small>this director</small></div></div>");
    summary(html, &own, false);
    html.raw("</div>");
    other(html, &peer);
    html.raw("</section>");
}

fn other(html: &mut Html, peer: &PeerFacts) {
    html.raw("<div class=\"card\"><div class=\"head\"><div><h3><a href=\"").text(&peer.url).raw("/\">");
    html.brief(&peer.name, 80).raw("</a></h3>");
    match &peer.heard {
        Some((said, at)) => {
            // What is not confirmed any more is no judgement.
            parts::level(html, if peer.error.is_some() { Level::Unknown } else { said.status });
            html.raw("<small>heard ");
            parts::moment(html, *at, "data-ago ");
            html.raw("</small>");
        }
        None => {
            parts::level(html, Level::Unknown);
            html.raw("<small>not heard yet</small>");
        }
    }
    html.raw("</div></div>");
    if let Some(error) = &peer.error {
        html.raw("<ul class=\"reasons\"><li class=\"unknown\">It does not answer: ")
            .brief(error, 200)
            .raw("</li></ul>");
    }
    if let Some((said, _)) = &peer.heard {
        summary(html, said, peer.error.is_some());
    }
    html.raw("</div>");
}

fn summary(html: &mut Html, said: &Summary, old: bool) {
    html.raw(if old { "<p>When it was last heard: <b>" } else { "<p><b>" });
    html.text(parts::grouped(said.serving as u64))
        .raw("</b> of ")
        .text(parts::grouped(said.real_servers_total as u64));
    html.raw(" real servers serving</p>");
    for router in said.virtual_routers.iter().take(VIRTUAL_SERVERS) {
        let (class, word) = match (router.fresh && !old, router.state) {
            (false, _) => ("unknown", "not known"),
            (true, RouterState::Active) => ("up", "Active"),
            (true, RouterState::Backup) => ("drained", "Backup"),
            (true, RouterState::Initialize) => ("down", "takes no part"),
        };
        html.raw("<p><b class=\"state ").raw(class).raw("\">").raw(word).raw("</b> ").brief(&router.name, 80);
        for address in router.addresses.iter().take(4) {
            html.raw(" <code>").text(address).raw("</code>");
        }
        html.raw("</p>");
    }
    if !said.reasons.is_empty() {
        html.raw("<ul class=\"reasons\">");
        for reason in said.reasons.iter().take(REASONS) {
            html.raw("<li class=\"").text(reason.level.as_str()).raw("\"><b class=\"vh\">");
            html.text(reason.level.as_str()).raw(":</b> ").brief(&reason.text, 200).raw("</li>");
        }
        html.raw("</ul>");
        if said.reasons_total > REASONS {
            html.raw("<p class=\"more\">and ").text(said.reasons_total - REASONS).raw(" more like these</p>");
        }
    }
    html.raw("<ul class=\"plain\">");
    for pool in said.virtual_servers.iter().take(VIRTUAL_SERVERS) {
        html.raw("<li>").brief(&pool.name, 80).raw(" ");
        parts::level(html, pool.status);
        html.raw(" ").text(pool.serving).raw(" of ").text(pool.total).raw(" serving</li>");
    }
    html.raw("</ul>");
    if said.virtual_servers_total > VIRTUAL_SERVERS {
        let more = said.virtual_servers_total.saturating_sub(VIRTUAL_SERVERS);
        html.raw("<p class=\"more\">and ").text(more).raw(" more virtual servers</p>");
    }
}
