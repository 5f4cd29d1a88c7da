//! Drains, silences and alerts in the text of `holdfast status`.
//!
//! Owns the words of operators' orders, which the commands that give them use too.

use std::fmt::Write as _;

use agent_core::view::{AlertsView, ChannelView, DrainView, OrderView, SilenceView, View, length};
use jiff::{SignedDuration, Timestamp};

use super::{ago, clock, heading};
use crate::output::Style;
use crate::text::{Colour, Columns, Word};

/// `until 2026-11-20 03:00:00`, or until somebody ends it.
pub fn until_text(until: Option<Timestamp>, style: &Style) -> String {
    until
        .map_or_else(|| "until somebody ends it".to_owned(), |until| format!("until {}", clock(until, style)))
}

pub(super) fn drains(view: &View, style: &Style, out: &mut String) {
    if view.drains.is_empty() {
        return;
    }
    heading("drains", style, out);
    let mut rows = Columns::default();
    for OrderView { drain, real_servers } in &view.drains {
        let end = match drain.until {
            Some(until) => format!("until {} (in {})", clock(until, style), left(until, view.generated_at)),
            None => "until somebody ends it".to_owned(),
        };
        let mut remarks = Vec::new();
        if !drain.why.is_empty() {
            remarks.push(drain.why.clone());
        }
        if real_servers.is_empty() {
            remarks.push("no real server of that name is known".to_owned());
        }
        remarks.push(format!("end it with: holdfast undrain {}", drain.target));
        let cells = [drain.target.clone(), end, format!("by {}", drain.who)];
        rows.row(cells.iter().map(|cell| Word::plain(cell)).collect(), remarks);
    }
    out.push_str(&rows.text(2, style.width, style.colours));
}

fn left(until: Timestamp, now: Timestamp) -> String {
    // To the nearest second: an order for an hour says so even if a moment has passed.
    length(until.duration_since(now).max(SignedDuration::ZERO) + SignedDuration::from_millis(500))
}

/// `by alice since 2026-11-20 01:00:00, until 2026-11-20 03:00:00 (in 1h 20m): kernel update`.
pub fn drain_text(drain: &DrainView, now: Timestamp, style: &Style) -> String {
    let mut text = format!("by {} since {}, ", drain.who, clock(drain.since, style));
    match drain.until {
        Some(until) => {
            let _ = write!(text, "until {} (in {})", clock(until, style), left(until, now));
        }
        None => text.push_str("until somebody ends it"),
    }
    if !drain.why.is_empty() {
        let _ = write!(text, ": {}", drain.why);
    }
    text
}

/// `by alice since 2026-11-20 01:00:00, until 2026-11-20 03:00:00 (in 1h 20m): disk change`.
pub fn silence_text(silence: &SilenceView, now: Timestamp, style: &Style) -> String {
    let mut text = format!(
        "by {} since {}, until {} (in {})",
        silence.who,
        clock(silence.since, style),
        clock(silence.until, style),
        left(silence.until, now)
    );
    if !silence.why.is_empty() {
        let _ = write!(text, ": {}", silence.why);
    }
    text
}

pub(super) fn silences(view: &View, style: &Style, out: &mut String) {
    if view.silences.is_empty() {
        return;
    }
    heading("silences", style, out);
    let mut rows = Columns::default();
    for silence in &view.silences {
        let most = silence.severity.map(|most| format!(" up to {most}")).unwrap_or_default();
        let end =
            format!("until {} (in {})", clock(silence.until, style), left(silence.until, view.generated_at));
        let mut remarks = Vec::new();
        if !silence.why.is_empty() {
            remarks.push(silence.why.clone());
        }
        remarks.push(format!("end it with: {}", silence.end_with));
        let cells = [format!("{}{most}", silence.target), end, format!("by {}", silence.who)];
        rows.row(cells.iter().map(|cell| Word::plain(cell)).collect(), remarks);
    }
    out.push_str(&rows.text(2, style.width, style.colours));
}

pub(super) fn alerts(view: &View, style: &Style, out: &mut String) {
    let Some(alerts) = &view.alerts else { return };
    heading("alerts", style, out);
    if !alerts.configured {
        out.push_str("  there is no [alert]: nobody is told of anything\n");
        return;
    }
    let mut rows = Columns::default();
    let word = match (alerts.delivers, alerts.spool) {
        (false, _) => Word::coloured("not delivered", Colour::Red),
        (true, 0) => Word::coloured("delivered", Colour::Green),
        (true, _) => Word::coloured("waiting", Colour::Yellow),
    };
    rows.row(vec![Word::plain("alerts"), word, Word::plain(&counts(alerts, view.generated_at))], Vec::new());
    for channel in &alerts.channels {
        let word = match (channel.works, channel.last_delivered) {
            (false, _) => Word::coloured("failing", Colour::Red),
            (true, Some(_)) => Word::coloured("works", Colour::Green),
            (true, None) => Word::plain("not used yet"),
        };
        let (facts, remarks) = channel_facts(channel, view.generated_at);
        rows.row(vec![Word::plain(&channel.channel.to_string()), word, Word::plain(&facts)], remarks);
    }
    out.push_str(&rows.text(2, style.width, style.colours));
}

fn counts(alerts: &AlertsView, now: Timestamp) -> String {
    let mut facts = vec![format!("{} incidents open", alerts.incidents)];
    for (count, what) in [(alerts.held, "held back"), (alerts.silenced, "troubles silenced")] {
        if count > 0 {
            facts.push(format!("{count} {what}"));
        }
    }
    if alerts.spool > 0 {
        let since = alerts.oldest.map(|at| format!(" for {}", ago(at, now))).unwrap_or_default();
        facts.push(format!("{} wait{since}", alerts.spool));
    }
    if alerts.given_up > 0 {
        facts.push(format!("{} given up", alerts.given_up));
    }
    facts.join(", ")
}

fn channel_facts(channel: &ChannelView, now: Timestamp) -> (String, Vec<String>) {
    let mut facts = Vec::new();
    if let Some(at) = channel.last_delivered {
        facts.push(format!("last {} ago", ago(at, now)));
    }
    if channel.waits > 0 {
        facts.push(format!("{} wait", channel.waits));
    }
    if let Some(at) = channel.retry_at.filter(|at| *at > now) {
        facts.push(format!("tried again in {}", left(at, now)));
    }
    let mut remarks = Vec::new();
    if !channel.last_error.is_empty() {
        remarks.push(channel.last_error.clone());
    }
    (facts.join(", "), remarks)
}
