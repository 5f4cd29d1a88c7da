//! `holdfast explain` for a virtual router: who is Active, why, and what was seen of the others.
//!
//! Owns the wording. Every fact is `vipd`'s.

use std::fmt::Write as _;

use agent_api::{RouterKind, RouterState, RouterTransition};
use agent_core::view::{RouterView, length};
use jiff::{SignedDuration, Timestamp};

use crate::output::Style;
use crate::status::until_text;
use crate::text::{Colour, Word, harmless, wrapped};

/// Whether it is as it should be: it takes part, the news is fresh, and no other is set differently.
pub fn is_well(router: &RouterView) -> bool {
    router.fresh && router.status == agent_core::view::Level::Ok
}

/// The answer as text.
pub fn render(router: &RouterView, now: Timestamp, style: &Style) -> String {
    let report = &router.report;
    let (word, colour) = match report.state {
        RouterState::Active => ("active on this machine", Colour::Green),
        RouterState::Backup => ("backup on this machine", Colour::Yellow),
        RouterState::Initialize => ("takes no part", Colour::Red),
    };
    let ago = |at: Timestamp| length(now.duration_since(at).max(SignedDuration::ZERO));
    let mut out = format!(
        "{}  {} for {}\n",
        Word::coloured(router.name.as_str(), Colour::Bold).painted(style.colours),
        Word::coloured(word, colour).painted(style.colours),
        ago(report.since)
    );
    let mut part = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n{}", Word::coloured(title, Colour::Bold).painted(style.colours));
        for line in lines {
            out.push_str(&wrapped(&harmless(&line), 2, style.width));
        }
    };
    part("why", why(router, &ago, style));
    part("priority", priority(router));
    part("addresses", addresses(router));
    let clock = |at: Timestamp| at.to_zoned(style.zone.clone()).strftime("%m-%d %H:%M:%S").to_string();
    let transition = |one: &RouterTransition| {
        let (from, to) = (one.from.as_str(), one.to.as_str());
        format!("{}: {from} to {to}: {} ({})", clock(one.at), one.detail, one.reason)
    };
    part("the last changes, newest first", report.transitions.iter().rev().map(transition).collect());
    let senders = report.senders.iter().map(|sender| {
        let mut line = format!("{}: heard {} ago", sender.source, ago(sender.heard_at));
        if let (Some(priority), Some(interval)) = (sender.priority, sender.interval_ms) {
            let _ = write!(line, ", priority {priority}, every {interval} ms");
        }
        let _ = write!(line, ", {} taken", sender.accepted);
        if sender.rejected > 0 {
            let _ = write!(line, ", {} discarded", sender.rejected);
        }
        if let Some(cause) = &sender.last_rejection {
            let _ = write!(line, " (last: {cause})");
        }
        line
    });
    part("adverts heard", senders.collect());
    let discrepancies = report
        .discrepancies
        .iter()
        .map(|one| format!("{} since {}: {} ({})", one.source, clock(one.since), one.detail, one.what));
    part("what is not as here", discrepancies.collect());
    let rejected = report.rejected.iter().map(|(cause, count)| format!("{cause}: {count}"));
    part("discarded", rejected.collect());
    out
}

fn why(router: &RouterView, ago: &dyn Fn(Timestamp) -> String, style: &Style) -> Vec<String> {
    let report = &router.report;
    let mut lines = vec![format!("{} ({})", report.detail, report.why)];
    if !router.fresh {
        lines.insert(0, "this is old: vipd is not heard any more".to_owned());
    }
    if let Some(active) = &report.active {
        lines.push(format!(
            "{} was heard as active {} ago, with priority {}",
            active.source,
            ago(active.heard_at),
            active.priority
        ));
    }
    if let Some(order) = &router.handover {
        let why = if order.why.is_empty() { String::new() } else { format!(": {}", order.why) };
        lines.push(format!(
            "{} was ordered by {} {}{why}",
            order.what,
            order.who,
            until_text(order.until, style)
        ));
        if report.order != Some(order.what) {
            lines.push("vipd does not follow that order yet".to_owned());
        }
    }
    if let Some(group) = &report.sync_group {
        lines.push(format!("it moves with the others of sync group {group}"));
    }
    lines
}

fn priority(router: &RouterView) -> Vec<String> {
    let report = &router.report;
    let mut lines = Vec::new();
    if let (Some(base), Some(now)) = (report.base_priority, report.priority) {
        lines.push(if base == now { format!("{now}") } else { format!("{now}, configured {base}") });
    }
    lines.extend(report.parts.iter().map(|part| {
        let effect = match (part.forbids, part.adds) {
            (true, _) => "must not be active".to_owned(),
            (false, 0) => "changes nothing".to_owned(),
            (false, adds) => format!("{adds:+}"),
        };
        format!("{}: {}: {effect}", part.what, part.seen)
    }));
    lines
}

fn addresses(router: &RouterView) -> Vec<String> {
    let report = &router.report;
    let kind = match (report.kind, report.vrid) {
        (RouterKind::Vrrp, Some(vrid)) => format!("by VRRP, VRID {vrid}, on {}", report.interface),
        (RouterKind::Vrrp, None) => format!("by VRRP on {}", report.interface),
        (RouterKind::Arp, _) => format!("by ARP on {}", report.interface),
    };
    let held = |address| if report.held.contains(address) { "held here" } else { "not here" };
    let rows = report.addresses.iter().map(|address| format!("{address}: {}", held(address)));
    std::iter::once(kind).chain(rows).collect()
}
