//! The view as text for people.
//!
//! Owns the layout of `holdfast status`: the judgement first, then each virtual server, then what is behind it. It
//! fits into 80 columns unless names or addresses are long. All texts from elsewhere go through [`crate::text`].

mod orders;

use std::fmt::Write as _;

use agent_api::{RouterState, Traffic, Verdict};
use agent_core::view::{
    DaemonStatus, DaemonView, InTable, KernelStatus, Level, RealServerView, RouterView, View,
    VirtualServerView, length,
};
use jiff::{SignedDuration, Timestamp};

use crate::output::Style;
use crate::text::{Colour, Columns, Word, harmless, latency, wrapped};

pub use orders::{drain_text, silence_text, until_text};

/// So many reasons are spelled out; the rest is counted.
const REASONS: usize = 10;
/// So many of the latest events are shown.
const EVENTS: usize = 5;

/// The text of `view`.
pub fn render(view: &View, style: &Style) -> String {
    let mut out = String::new();
    head(view, style, &mut out);
    for pool in &view.virtual_servers {
        virtual_server(pool, view.generated_at, style, &mut out);
    }
    routers(view, style, &mut out);
    orders::drains(view, style, &mut out);
    orders::silences(view, style, &mut out);
    orders::alerts(view, style, &mut out);
    behind(view, style, &mut out);
    events(view, style, &mut out);
    out
}

fn level_word(level: Level) -> Word {
    let colour = match level {
        Level::Ok => Colour::Green,
        Level::Warning => Colour::Yellow,
        Level::Unknown => Colour::Magenta,
        Level::Critical => Colour::Red,
    };
    Word::coloured(level.as_str(), colour)
}

fn heading(text: &str, style: &Style, out: &mut String) {
    let _ = writeln!(out, "\n{}", Word::coloured(text, Colour::Bold).painted(style.colours));
}

fn head(view: &View, style: &Style, out: &mut String) {
    let _ = writeln!(out, "holdfast: {}", level_word(view.status).painted(style.colours));
    // That all of it is old news comes before the news.
    let (old, rest): (Vec<_>, Vec<_>) = view.reasons.iter().partition(|reason| reason.code == "agent_silent");
    for reason in old.iter().chain(rest.iter()).take(REASONS) {
        out.push_str(&wrapped(&harmless(&reason.text), 2, style.width));
    }
    let more = view.reasons.len().saturating_sub(REASONS);
    if more > 0 {
        let _ = writeln!(out, "  and {more} more, see below");
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(at).max(SignedDuration::ZERO))
}

fn clock(at: Timestamp, style: &Style) -> String {
    at.to_zoned(style.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn virtual_server(pool: &VirtualServerView, now: Timestamp, style: &Style, out: &mut String) {
    let mut counts = format!("{} of {} up", pool.up, pool.total);
    for (count, what) in [
        (pool.degraded, "degraded"),
        (pool.down, "down"),
        (pool.unknown, "unknown"),
        (pool.drained, "drained"),
    ] {
        if count > 0 {
            let _ = write!(counts, ", {count} {what}");
        }
    }
    if pool.fail_open {
        counts.push_str(", fails open");
    }
    let name = Word::coloured(pool.name.as_str(), Colour::Bold).painted(style.colours);
    let _ = writeln!(out, "\n{name}  {}  {counts}", level_word(pool.status).painted(style.colours));
    if pool.services.is_empty() {
        out.push_str(&wrapped("its services are not reported by lvsd", 2, style.width));
    }
    let mut services = Columns::default();
    for service in &pool.services {
        let strangers = service
            .unconfigured
            .iter()
            .map(|to| {
                format!(
                    "also goes to {} with weight {}, which is no real server of ours",
                    to.address, to.weight
                )
            })
            .collect();
        services.row(
            vec![
                Word::plain(&service.service.to_string()),
                Word::plain(&service.scheduler),
                Word::plain(&rate(&service.traffic)),
            ],
            strangers,
        );
    }
    out.push_str(&services.text(2, style.width, style.colours));
    let mut servers = Columns::default();
    let titles = ["server", "address", "verdict", "for", "weight", "latency"];
    servers.row(titles.map(|title| Word::coloured(title, Colour::Bold)).to_vec(), Vec::new());
    for server in &pool.real_servers {
        servers.row(cells(server, now), remarks(server, now));
    }
    out.push_str(&servers.text(2, style.width, style.colours));
}

/// `480 packets/s, 30 kB/s`; empty where nothing passes.
fn rate(traffic: &Traffic) -> String {
    let packets = traffic.packets_in_per_sec;
    if packets == 0 {
        return String::new();
    }
    let bytes = match traffic.bytes_in_per_sec {
        bytes @ 0..10_000 => format!("{bytes} B/s"),
        bytes @ 10_000..10_000_000 => format!("{} kB/s", bytes / 1_000),
        bytes => format!("{} MB/s", bytes / 1_000_000),
    };
    format!("{packets} packets/s, {bytes}")
}

fn cells(server: &RealServerView, now: Timestamp) -> Vec<Word> {
    let mut verdict = server.verdict.as_str().to_owned();
    if let Some(known) = &server.last_known {
        let _ = write!(verdict, " (was {})", known.verdict);
    }
    let mut colour = match server.verdict {
        Verdict::Up => Colour::Green,
        Verdict::Degraded => Colour::Yellow,
        Verdict::Down => Colour::Red,
        Verdict::Unknown => Colour::Magenta,
    };
    if server.drain.is_some() {
        verdict.push_str(", drained");
        colour = Colour::Yellow;
    }
    vec![
        Word::plain(server.name.as_str()),
        Word::plain(&server.address.map_or_else(|| "-".to_owned(), |address| address.to_string())),
        Word::coloured(&verdict, colour),
        Word::plain(&server.since.map_or_else(|| "-".to_owned(), |since| ago(since, now))),
        Word::plain(&weight(server)),
        Word::plain(&server.latency_us.map_or_else(|| "-".to_owned(), latency)),
    ]
}

/// `100`; `100, 50` where services differ; `out` where it is not in the table; with a question mark where that is old news.
fn weight(server: &RealServerView) -> String {
    let mut weights: Vec<String> = Vec::new();
    for destination in &server.destinations {
        let weight = destination.weight.to_string();
        if !weights.contains(&weight) {
            weights.push(weight);
        }
    }
    match server.in_table {
        InTable::Yes => weights.join(", "),
        InTable::Partly => format!("{}, out", weights.join(", ")),
        InTable::No => "out".to_owned(),
        InTable::Unknown if weights.is_empty() => "?".to_owned(),
        InTable::Unknown => format!("{}?", weights.join(", ")),
    }
}

fn reason_of(cause: Option<&str>, detail: &str) -> Option<String> {
    match (cause, detail) {
        (None, "") => None,
        (None, detail) => Some(detail.to_owned()),
        (Some(cause), "") => Some(cause.to_owned()),
        (Some(cause), detail) => Some(format!("{cause}: {detail}")),
    }
}

fn remarks(server: &RealServerView, now: Timestamp) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(known) = &server.last_known {
        let mut text =
            format!("was {} for {}", known.verdict, ago(known.since, known.heard_at.unwrap_or(now)));
        if let Some(heard_at) = known.heard_at {
            let _ = write!(text, " when last heard of, {} ago", ago(heard_at, now));
        }
        if let Some(why) = reason_of(known.cause.as_deref(), &known.detail) {
            let _ = write!(text, ": {why}");
        }
        remarks.push(text);
        return remarks;
    }
    remarks.extend(reason_of(server.cause.as_deref(), &server.detail));
    let probes = if server.in_a_row == 1 {
        "the latest probe".to_owned()
    } else {
        format!("the latest {} probes", server.in_a_row)
    };
    match server.verdict {
        Verdict::Up if !server.passing && server.in_a_row > 0 => remarks.push(format!("{probes} failed")),
        Verdict::Down if server.passing => remarks.push(format!("{probes} passed")),
        _ => {}
    }
    remarks
}

fn routers(view: &View, style: &Style, out: &mut String) {
    if view.virtual_routers.is_empty() {
        return;
    }
    heading("virtual routers", style, out);
    let mut rows = Columns::default();
    let titles = ["router", "state", "for", "priority", "held", "active elsewhere"];
    rows.row(titles.map(|title| Word::coloured(title, Colour::Bold)).to_vec(), Vec::new());
    for router in &view.virtual_routers {
        rows.row(router_cells(router, view.generated_at), router_remarks(router, style));
    }
    out.push_str(&rows.text(2, style.width, style.colours));
}

fn router_cells(router: &RouterView, now: Timestamp) -> Vec<Word> {
    let report = &router.report;
    let state = match (router.fresh, report.state) {
        (false, state) => Word::coloured(&format!("unknown (was {})", state.as_str()), Colour::Magenta),
        (true, RouterState::Active) => Word::coloured("active", Colour::Green),
        (true, RouterState::Backup) => Word::plain("backup"),
        (true, RouterState::Initialize) => Word::coloured("takes no part", Colour::Red),
    };
    let priority = match (report.base_priority, report.priority) {
        (Some(base), Some(now)) if base != now => format!("{now} (of {base})"),
        (_, Some(now)) => now.to_string(),
        _ => "-".to_owned(),
    };
    let other = report.active.as_ref().map_or_else(|| "-".to_owned(), |active| active.source.to_string());
    vec![
        Word::plain(router.name.as_str()),
        state,
        Word::plain(&ago(report.since, now)),
        Word::plain(&priority),
        Word::plain(&format!("{} of {}", report.held.len(), report.addresses.len())),
        Word::plain(&other),
    ]
}

fn router_remarks(router: &RouterView, style: &Style) -> Vec<String> {
    let mut remarks = Vec::new();
    if router.report.state != RouterState::Active {
        remarks.push(router.report.detail.clone());
    }
    if let Some(order) = &router.handover {
        let why = if order.why.is_empty() { String::new() } else { format!(": {}", order.why) };
        remarks.push(format!("{} by {} {}{why}", order.what, order.who, until_text(order.until, style)));
    }
    remarks
}

fn behind(view: &View, style: &Style, out: &mut String) {
    heading("kernel and daemons", style, out);
    let kernel = &view.kernel;
    let word = match kernel.status {
        KernelStatus::Present => Word::coloured("present", Colour::Green),
        KernelStatus::Missing => Word::coloured("missing", Colour::Red),
        KernelStatus::Unusable => Word::coloured("unusable", Colour::Red),
        KernelStatus::Unknown => Word::coloured("unknown", Colour::Magenta),
    };
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut facts = Vec::new();
    if kernel.status == KernelStatus::Present {
        facts.push(count(kernel.edits, "edit"));
        if kernel.drift_mended > 0 {
            facts.push(format!("{} by others undone", count(kernel.drift_mended, "change")));
        }
        if kernel.foreign_services > 0 {
            facts.push(format!("{} not ours", count(kernel.foreign_services, "service")));
        }
    }
    let mut rows = Columns::default();
    let which = kernel.version.as_deref().or(kernel.cause.as_deref()).unwrap_or_default();
    rows.row(vec![Word::plain("kernel ipvs"), word, Word::plain(which)], vec![facts.join(", ")]);
    out.push_str(&rows.text(2, style.width, style.colours));
    let mut rows = Columns::default();
    for daemon in &view.daemons {
        rows.row(daemon_cells(daemon, view.generated_at), Vec::new());
    }
    out.push_str(&rows.text(2, style.width, style.colours));
}

fn daemon_cells(daemon: &DaemonView, now: Timestamp) -> Vec<Word> {
    let status = match daemon.status {
        DaemonStatus::Connected => Word::coloured("connected", Colour::Green),
        DaemonStatus::Disconnected => Word::coloured("disconnected", Colour::Yellow),
        DaemonStatus::Silent => Word::coloured("silent", Colour::Magenta),
        DaemonStatus::NeverHeard => Word::coloured("never heard", Colour::Magenta),
    };
    let differs = if daemon.config_agrees == Some(false) { " (differs)" } else { "" };
    let facts = [
        daemon.heard_at.map(|at| format!("heard {} ago", ago(at, now))),
        daemon.version.as_ref().map(|version| format!("version {version}")),
        daemon.pid.map(|pid| format!("pid {pid}")),
        daemon.config.as_ref().map(|config| format!("config {config}{differs}")),
    ];
    let facts = facts.iter().map(|fact| Word::plain(fact.as_deref().unwrap_or_default()));
    [Word::plain(daemon.name), status].into_iter().chain(facts).collect()
}

fn events(view: &View, style: &Style, out: &mut String) {
    if view.events.is_empty() {
        return;
    }
    heading("latest events", style, out);
    for event in view.events.iter().skip(view.events.len().saturating_sub(EVENTS)) {
        let what = &event.what;
        let text = format!("{} {}", clock(what.at, style), what.text);
        out.push_str(&wrapped(&harmless(&text), 2, style.width));
    }
}

#[cfg(test)]
mod tests;
