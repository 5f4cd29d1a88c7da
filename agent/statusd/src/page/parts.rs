//! What several pages show: times, verdicts, the row of a real server, capacity, events.
//!
//! Owns their markup. A state is never told by colour alone: there is always a word and a sign.

use agent_api::{Event, EventKind, RealServerId, Verdict};
use agent_core::view::{InTable, Level, RealServerView, Reason, VirtualServerView};
use jiff::Timestamp;

use super::spark;
use crate::history::History;
use crate::html::Html;

/// The most of a text from elsewhere that a row shows, in bytes.
const BRIEF: usize = 180;

/// A moment.
pub fn moment(html: &mut Html, at: Timestamp, attributes: &'static str) {
    time(html, at, attributes, "");
}

/// Since when. The script shows how long that is; without it the moment itself is shown.
pub fn since(html: &mut Html, at: Timestamp) {
    time(html, at, "data-age ", "since ");
}

fn time(html: &mut Html, at: Timestamp, attributes: &'static str, before: &'static str) {
    html.raw("<time ").raw(attributes).raw("datetime=\"").text(at.strftime("%Y-%m-%dT%H:%M:%SZ"));
    html.raw("\">").raw(before).text(at.strftime("%Y-%m-%d %H:%M:%S")).raw(" UTC</time>");
}

/// The judgement as a small sign with its word.
pub fn level(html: &mut Html, level: Level) {
    html.raw("<span class=\"pill ").text(level.as_str()).raw("\">").text(level.as_str()).raw("</span>");
}

/// A verdict with its sign, and whether it is drained.
pub fn verdict(html: &mut Html, server: &RealServerView) {
    html.raw("<b class=\"state ")
        .text(server.verdict.as_str())
        .raw("\">")
        .text(server.verdict.as_str())
        .raw("</b>");
    if server.drain.is_some() {
        html.raw(" <b class=\"state drained\">drained</b>");
    }
}

/// Whether somebody should look at it, or somebody does.
pub fn stands_out(server: &RealServerView) -> bool {
    server.verdict != Verdict::Up
        || server.drain.is_some()
        || matches!(server.in_table, InTable::No | InTable::Partly)
}

/// How soon it should be looked at; lower is sooner.
pub fn urgency(server: &RealServerView) -> u8 {
    match (server.verdict, &server.drain) {
        (Verdict::Down, None) => 0,
        (Verdict::Unknown, None) => 1,
        (Verdict::Degraded, None) => 2,
        (Verdict::Up, None) if stands_out(server) => 3,
        (_, Some(_)) => 4,
        (Verdict::Up, None) => 5,
    }
}

/// The weight in the kernel: `100`, `out`, `100, out`, `?`, as `holdfast status` shows it.
pub fn weight(server: &RealServerView) -> String {
    let mut weights: Vec<u32> = server.destinations.iter().map(|to| to.weight).collect();
    weights.sort_unstable();
    weights.dedup();
    let mut words: Vec<String> = weights.iter().rev().map(ToString::to_string).collect();
    match server.in_table {
        InTable::Yes => {}
        InTable::No => return "out".to_owned(),
        InTable::Partly => words.push("out".to_owned()),
        InTable::Unknown => return format!("{}?", words.join(", ")),
    }
    words.join(", ")
}

/// Active and inactive connections over all its services; none when the table is not known.
pub fn connections(server: &RealServerView) -> Option<(u64, u64)> {
    (server.in_table != InTable::Unknown).then(|| {
        server.destinations.iter().fold((0, 0), |(active, inactive), to| {
            (active + u64::from(to.active_connections), inactive + u64::from(to.inactive_connections))
        })
    })
}

/// Connections and packets of clients a second, over all its destinations, as the kernel counts them; `None` when the table
/// is not known.
pub fn rates(server: &RealServerView) -> Option<(u64, u64)> {
    connections(server)?;
    Some(server.destinations.iter().fold((0, 0), |(connections, packets), to| {
        (connections + to.traffic.connections_per_sec, packets + to.traffic.packets_in_per_sec)
    }))
}

/// `1.20 ms`.
pub fn latency(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}

/// `1 234 567`, with blanks that do not break.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(2 * digits.len());
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

/// The head of the table of real servers.
pub fn table_head(html: &mut Html, pool: &VirtualServerView) {
    html.raw("<table class=\"servers\"><caption class=\"vh\">Real servers of ").text(&pool.name);
    html.raw("</caption><thead><tr><th scope=\"col\">Server</th><th scope=\"col\">Verdict</th>");
    html.raw("<th scope=\"col\" class=\"n\">Weight</th><th scope=\"col\" class=\"n\">Active</th>");
    html.raw("<th scope=\"col\" class=\"n\">Inactive</th><th scope=\"col\" class=\"n\">Packets/s</th><th scope=\"col\" class=\"n\">Latency</th>");
    html.raw("<th scope=\"col\">10 minutes</th></tr></thead><tbody>");
}

/// One real server as a row of the table.
pub fn row(html: &mut Html, pool: &VirtualServerView, server: &RealServerView, history: &History) {
    html.raw("<tr><th scope=\"row\"><a href=\"/real-servers/").text(&pool.name).raw("/").text(&server.name);
    html.raw("\">").text(&server.name).raw("</a>");
    if let Some(address) = server.address {
        html.raw("<small>").text(address).raw("</small>");
    }
    html.raw("</th><td>");
    verdict(html, server);
    if let Some(at) = server.since {
        html.raw(" ");
        since(html, at);
    }
    why(html, server);
    html.raw("</td><td class=\"n\">").text(weight(server)).raw("</td>");
    let (active, inactive) = match connections(server) {
        Some((active, inactive)) => (grouped(active), grouped(inactive)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let latency = server.latency_us.map_or_else(|| "–".to_owned(), latency);
    let packets = rates(server).map_or_else(|| "–".to_owned(), |(_, packets)| grouped(packets));
    for figure in [active, inactive, packets, latency] {
        html.raw("<td class=\"n\">").text(figure).raw("</td>");
    }
    html.raw("<td>");
    let id = RealServerId { virtual_server: pool.name.clone(), real_server: server.name.clone() };
    spark::small(html, &history.of(&id));
    html.raw("</td></tr>");
}

/// Why it is not simply up.
fn why(html: &mut Html, server: &RealServerView) {
    if let Some(cause) = &server.cause {
        html.raw("<p class=\"why\"><code>")
            .text(cause)
            .raw("</code> ")
            .brief(&server.detail, BRIEF)
            .raw("</p>");
    } else if !server.passing && server.verdict == Verdict::Up && server.in_a_row > 0 {
        html.raw("<p class=\"why\">the latest probe failed</p>");
    }
    if let Some(drain) = &server.drain {
        html.raw("<p class=\"why\">by ").brief(&drain.who, 60);
        if !drain.why.is_empty() {
            html.raw(": ").brief(&drain.why, 100);
        }
        html.raw("</p>");
    }
}

/// How many serve, as a bar: serving, drained, unknown, down, and a line at the quorum.
pub fn capacity(html: &mut Html, pool: &VirtualServerView) {
    let kind = |wanted: u8| pool.real_servers.iter().filter(|server| part(server) == wanted).count();
    let parts = [("p-up", kind(0)), ("p-drained", kind(1)), ("p-unknown", kind(2)), ("p-down", kind(3))];
    html.raw("<div class=\"capacity\"><p><b>")
        .text(pool.serving)
        .raw("</b> of ")
        .text(pool.total)
        .raw(" serving");
    if pool.quorum > 0 {
        html.raw("<span>quorum ").text(pool.quorum).raw("</span>");
    }
    if pool.fail_open {
        html.raw("<span class=\"alarm\">fails open</span>");
    }
    html.raw("</p><svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    let total = pool.total.max(1);
    let mut from = 0;
    for (class, count) in parts {
        if count > 0 {
            let (start, end) = (from * 1_000 / total, (from + count) * 1_000 / total);
            html.raw("<rect class=\"").raw(class).raw("\" x=\"").text(start).raw("\" width=\"");
            html.text((end - start).max(2)).raw("\" height=\"10\"/>");
            from += count;
        }
    }
    if pool.quorum > 0 {
        let at = (u64::from(pool.quorum) * 1_000 / total as u64).min(1_000);
        html.raw("<rect class=\"p-quorum\" x=\"")
            .text(at.saturating_sub(2))
            .raw("\" width=\"4\" height=\"10\"/>");
    }
    html.raw("</svg></div>");
}

fn part(server: &RealServerView) -> u8 {
    match server.verdict {
        _ if server.drain.is_some() => 1,
        Verdict::Up | Verdict::Degraded => 0,
        Verdict::Unknown => 2,
        Verdict::Down => 3,
    }
}

/// What is wrong, the worst first, at most `limit` of it.
pub fn reasons(html: &mut Html, reasons: &[Reason], limit: usize) {
    if reasons.is_empty() {
        return;
    }
    html.raw("<ul class=\"reasons\">");
    for reason in reasons.iter().take(limit) {
        html.raw("<li class=\"")
            .text(reason.level.as_str())
            .raw("\"><b class=\"vh\">")
            .text(reason.level.as_str());
        html.raw(":</b> ").brief(&reason.text, 2 * BRIEF).raw("</li>");
    }
    html.raw("</ul>");
    if reasons.len() > limit {
        html.raw("<p class=\"more\">and ").text(reasons.len() - limit).raw(" more like these</p>");
    }
}

/// Events, in the order given.
pub fn timeline<'a>(html: &mut Html, events: impl Iterator<Item = &'a Event>) {
    let mut events = events.peekable();
    if events.peek().is_none() {
        html.raw("<p class=\"none\">Nothing has happened yet.</p>");
        return;
    }
    html.raw("<ol class=\"timeline\">");
    for event in events {
        let what = &event.what;
        html.raw("<li class=\"").raw(mood(what.kind)).raw("\">");
        moment(html, what.at, "");
        html.raw("<span>").brief(&what.text, 2 * BRIEF);
        if let Some(cause) = &what.cause {
            html.raw(" <code>").text(cause).raw("</code>");
        }
        if let (Some(pool), Some(server)) = (&what.virtual_server, &what.real_server) {
            html.raw(" <a href=\"/real-servers/")
                .text(pool)
                .raw("/")
                .text(server)
                .raw("\" aria-label=\"evidence of ");
            html.text(pool).raw("/").text(server).raw("\">evidence</a>");
        }
        html.raw("</span></li>");
    }
    html.raw("</ol>");
}

fn mood(kind: EventKind) -> &'static str {
    match kind {
        EventKind::RealServerWentDown
        | EventKind::FailOpenBegan
        | EventKind::QuorumLost
        | EventKind::SorryServerTookOver
        | EventKind::DependencyWentDown
        | EventKind::DirectorWentBlind
        | EventKind::IpvsLost
        | EventKind::RouterFaulted
        | EventKind::SplitBrainSeen
        | EventKind::DuplicateAddressSeen
        | EventKind::DirectorFellSilent
        | EventKind::StandbyCutOff
        | EventKind::EditRefused
        | EventKind::ReporterFellSilent => "bad",
        EventKind::RealServerDegraded
        | EventKind::RealServerBecameUnknown
        | EventKind::AdvisoryCheckFailed
        | EventKind::RouterDiscrepancySeen
        | EventKind::AddressPutBack
        | EventKind::RouterStalled
        | EventKind::DriftMended => "so-so",
        EventKind::RealServerWentUp
        | EventKind::FailOpenEnded
        | EventKind::AdvisoryCheckPassed
        | EventKind::QuorumRegained
        | EventKind::SorryServerLeft
        | EventKind::DependencyWentUp
        | EventKind::DirectorSawAgain
        | EventKind::IpvsFound
        | EventKind::DirectorReturned
        | EventKind::ReporterReturned => "good",
        EventKind::RouterBecameActive
        | EventKind::RouterBecameBackup
        | EventKind::RouterPriorityChanged
        | EventKind::HandoverOrdered
        | EventKind::HandoverEnded
        | EventKind::DrainOrdered
        | EventKind::DrainEnded
        | EventKind::SilenceOrdered
        | EventKind::SilenceEnded
        | EventKind::Other => "plain",
    }
}

/// Links to the neighbouring pages of a list. `name` is the filter, of which only what a name may hold is passed on.
pub fn pager(html: &mut Html, path: &str, number: usize, pages: usize, name: &str) {
    if pages < 2 {
        return;
    }
    html.raw("<nav class=\"pager\" aria-label=\"Pages of the list\">");
    for (target, label) in [(number.wrapping_sub(1), "Previous"), (number + 1, "Next")] {
        if (1..=pages).contains(&target) {
            html.raw("<a href=\"").text(path).raw("?page=").text(target);
            if !name.is_empty() {
                html.raw("&amp;name=").text(name);
            }
            html.raw("\">").raw(label).raw("</a>");
        }
    }
    html.raw("<span>page ").text(number).raw(" of ").text(pages).raw("</span></nav>");
}
