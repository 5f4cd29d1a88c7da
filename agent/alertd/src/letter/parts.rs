//! What is in a mail, arranged, before it is text or HTML.
//!
//! Owns the order and the words. Every text in it has been made one harmless line.

use agent_api::Severity;
use agent_core::digest::notice::{LossLine, ServerEvidence, TableLine, TroubleLine};
use agent_core::digest::{Kind, Notice};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::clean;

/// How much an item stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warning,
    Critical,
}

/// One line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A label and what it says.
    Pair(String, String),
    /// A line with a word before it.
    Item { mark: String, tone: Tone, text: String, news: bool },
    /// A line that belongs to the one before.
    Below(String),
    /// What can be typed.
    Code(String),
}

/// A heading and its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub heading: &'static str,
    pub rows: Vec<Row>,
}

/// A whole mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arranged {
    pub headline: String,
    pub tone: Tone,
    pub sections: Vec<Section>,
    pub footer: String,
}

/// The word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "CRITICAL",
    }
}

/// `2h 5m`, `45s`: two units at most.
pub fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, 0) if span > SignedDuration::ZERO => "less than a second".to_owned(),
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, 0) => format!("{m}m"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, 0, _) => format!("{h}h"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, 0, ..) => format!("{d}d"),
        (d, h, ..) => format!("{d}d {h}h"),
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Plain,
        Severity::Warning => Tone::Warning,
        Severity::Critical => Tone::Critical,
    }
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The time alone, with the day where it is not that of `near`.
fn time(at: Timestamp, near: Timestamp, zone: &TimeZone) -> String {
    let (at, near) = (at.to_zoned(zone.clone()), near.to_zoned(zone.clone()));
    let format = if at.date() == near.date() { "%H:%M:%S" } else { "%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}

/// Arranges a notice.
pub fn arrange(notice: &Notice, zone: &TimeZone) -> Arranged {
    let over = notice.ended.is_some();
    let word = severity(notice.severity);
    let title = clean::line(&notice.title);
    let headline = match notice.kind {
        Kind::Digest | Kind::Test => title,
        Kind::Closed => format!("Over: {title}"),
        Kind::Reminder => format!("Still {word}: {title}"),
        Kind::Opened | Kind::Updated => format!("{word}: {title}"),
    };
    let mut sections = vec![Section { heading: "", rows: facts(notice, zone) }];
    let mut add = |heading: &'static str, rows: Vec<Row>| {
        if !rows.is_empty() {
            sections.push(Section { heading, rows });
        }
    };
    add("Remarks", notice.remarks.iter().map(|text| Row::Below(clean::line(text))).collect());
    add("Incidents", summaries(notice, zone));
    add(if over { "What was wrong" } else { "What is wrong" }, troubles(notice, zone));
    add("What clients lost", notice.losses.iter().filter_map(loss).collect());
    add("What happened", history(notice, zone));
    add("Last results", notice.evidence.servers.iter().flat_map(|s| results(s, notice.at, zone)).collect());
    add("Who is Active", notice.evidence.routers.iter().map(|text| Row::Below(clean::line(text))).collect());
    add("The kernel's table, before and now", table(&notice.evidence.table, notice.evidence.table_more));
    let next: Vec<Row> = notice.evidence.next.iter().map(|line| Row::Code(clean::line(line))).collect();
    add("What to run next", if over { Vec::new() } else { next });
    let footer = format!(
        "alertd on {}, incident {}, route {}",
        clean::line(&notice.host),
        notice.incident,
        notice.route
    );
    Arranged { headline, tone: if over { Tone::Good } else { tone(notice.severity) }, sections, footer }
}

fn facts(notice: &Notice, zone: &TimeZone) -> Vec<Row> {
    let pair = |label: &str, text: String| Row::Pair(label.to_owned(), clean::line(&text));
    let mut rows = vec![pair("Director", notice.host.clone())];
    if matches!(notice.kind, Kind::Test) {
        rows.push(pair("Sent", moment(notice.at, zone)));
        return rows;
    }
    rows.push(pair(if notice.kind == Kind::Digest { "Since" } else { "Began" }, moment(notice.began, zone)));
    match notice.ended {
        Some(ended) => {
            rows.push(pair("Over", moment(ended, zone)));
            rows.push(pair("Lasted", duration(ended.duration_since(notice.began))));
        }
        None if notice.kind != Kind::Digest => {
            rows.push(pair("Lasts", duration(notice.at.duration_since(notice.began))));
        }
        None => {}
    }
    if notice.flapping {
        let text = "it comes and goes; single changes are not told from now on, the end is";
        rows.push(pair("Flapping", text.to_owned()));
    }
    rows
}

fn summaries(notice: &Notice, zone: &TimeZone) -> Vec<Row> {
    let mut rows = Vec::new();
    for summary in &notice.incidents {
        let (mark, tone, lasted) = match summary.ended {
            Some(ended) => ("over", Tone::Good, ended.duration_since(summary.began)),
            None => {
                (severity(summary.severity), tone(summary.severity), notice.at.duration_since(summary.began))
            }
        };
        let text = format!(
            "{} (since {}, {})",
            summary.title,
            time(summary.began, notice.at, zone),
            duration(lasted)
        );
        rows.push(Row::Item { mark: mark.to_owned(), tone, text: clean::line(&text), news: false });
        rows.extend(summary.lines.iter().map(|line| Row::Below(clean::line(line))));
    }
    if notice.incidents_more > 0 {
        rows.push(Row::Below(format!("and {} more", notice.incidents_more)));
    }
    rows
}

fn troubles(notice: &Notice, zone: &TimeZone) -> Vec<Row> {
    let mut rows: Vec<Row> =
        notice.troubles.iter().map(|trouble| one_trouble(trouble, notice.at, zone)).collect();
    if notice.troubles_more > 0 {
        rows.push(Row::Below(format!("and {} more", notice.troubles_more)));
    }
    rows
}

fn one_trouble(trouble: &TroubleLine, now: Timestamp, zone: &TimeZone) -> Row {
    let (mark, tone) = match trouble.ended {
        Some(_) => ("over", Tone::Good),
        None => (severity(trouble.severity), tone(trouble.severity)),
    };
    let since = time(trouble.began, now, zone);
    let span = trouble.ended.map_or_else(
        || format!("since {since}"),
        |ended| {
            format!(
                "{since} to {}, {}",
                time(ended, now, zone),
                duration(ended.duration_since(trouble.began))
            )
        },
    );
    let times = if trouble.falls > 1 { format!(", {} times", trouble.falls) } else { String::new() };
    let text = format!("{} ({span}{times})", trouble.text);
    Row::Item { mark: mark.to_owned(), tone, text: clean::line(&text), news: false }
}

fn history(notice: &Notice, zone: &TimeZone) -> Vec<Row> {
    let half = notice.history.len().div_ceil(2);
    let mut rows = Vec::new();
    for (index, line) in notice.history.iter().enumerate() {
        if index == half && notice.history_left_out > 0 {
            rows.push(Row::Below(format!("… {} lines are left out here", notice.history_left_out)));
        }
        rows.push(Row::Item {
            mark: time(line.at, notice.at, zone),
            tone: line.severity.map_or(Tone::Good, tone),
            text: clean::line(&line.text),
            news: line.news && notice.kind != Kind::Opened,
        });
    }
    rows
}

fn loss(loss: &LossLine) -> Option<Row> {
    let span = |ms: u64| duration(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)));
    let mut text = format!("at worst {} of {} real servers served", loss.fewest, loss.total);
    if loss.none_ms > 0 || loss.fewest == 0 {
        text.push_str(&format!("; none for {}", span(loss.none_ms)));
    }
    if loss.below_ms > loss.none_ms {
        text.push_str(&format!("; fewer than the quorum of {} for {}", loss.quorum, span(loss.below_ms)));
    }
    text.push_str(&format!("; {} serve now", loss.serving));
    (loss.total > 0).then(|| Row::Pair(loss.virtual_server.to_string(), text))
}

fn results(server: &ServerEvidence, now: Timestamp, zone: &TimeZone) -> Vec<Row> {
    let address = server.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
    let check = if server.check.is_empty() { String::new() } else { format!(", asked: {}", server.check) };
    let head = format!("{}{address} is {}{check}", server.server, server.verdict);
    let mut rows = vec![Row::Below(clean::line(&head))];
    for probes in &server.probes {
        let latency =
            probes.latency_us.map(|us| format!(", {}.{:03} ms", us / 1000, us % 1000)).unwrap_or_default();
        let text = format!("{} × {}{latency} {}", probes.count, probes.verdict, probes.detail);
        let tone = if probes.verdict == "up" { Tone::Good } else { Tone::Warning };
        let mark = time(probes.until, now, zone);
        rows.push(Row::Item { mark, tone, text: clean::line(&text), news: false });
    }
    rows
}

fn table(lines: &[TableLine], more: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut service = "";
    for line in lines {
        if line.service != service {
            service = &line.service;
            rows.push(Row::Below(clean::line(service)));
        }
        let weight = |weight: Option<u32>| weight.map_or("–".to_owned(), |weight| weight.to_string());
        let (mark, tone) = match (line.before, line.after) {
            _ if !line.before_known => (weight(line.after), Tone::Plain),
            (before, after) if before == after => (weight(after), Tone::Plain),
            (before, after) => (format!("{} → {}", weight(before), weight(after)), Tone::Warning),
        };
        let text = format!("{} {}", line.address, line.server);
        rows.push(Row::Item { mark, tone, text: clean::line(&text), news: false });
    }
    if more > 0 {
        rows.push(Row::Below(format!("and {more} more")));
    }
    rows
}
