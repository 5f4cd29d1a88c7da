//! The timeline on a terminal: a line of signs for each lane, then what clients lost.
//!
//! Owns the signs. Each cell shows the worst of what it covers, so that a short outage is never lost between two cells.

use std::fmt::Write as _;

use agent_core::timeline::{Lane, Mark, Subject};
use jiff::SignedDuration;

use super::{Shown, lost};
use crate::output::Style;
use crate::text::{Colour, Word, harmless, wrapped};

/// The least and the most characters that a name has.
const NAME: std::ops::RangeInclusive<usize> = 8..=28;

/// The sign of a mark, its colour, and how bad it is.
fn sign(mark: Mark) -> (char, Option<Colour>, u8) {
    match mark {
        Mark::Down => ('x', Some(Colour::Red), 9),
        Mark::BelowQuorum => ('!', Some(Colour::Red), 8),
        Mark::Unknown => ('?', Some(Colour::Yellow), 7),
        Mark::Degraded => ('~', Some(Colour::Yellow), 6),
        Mark::Initialize => ('-', Some(Colour::Yellow), 5),
        Mark::Backup => ('b', None, 4),
        Mark::Active => ('A', Some(Colour::Green), 3),
        Mark::Unrecorded => ('.', None, 2),
        Mark::Quiet => ('_', Some(Colour::Green), 1),
        Mark::Up => ('=', Some(Colour::Green), 0),
    }
}

/// The whole text.
pub(super) fn draw(shown: &Shown<'_>, style: &Style) -> String {
    let longest = shown.lanes.iter().map(|lane| label(lane).chars().count()).max().unwrap_or(0);
    let name = longest.clamp(*NAME.start(), *NAME.end());
    let cells = style.width.saturating_sub(name + 2).max(10);
    let timeline = shown.timeline;
    let moment = |at: jiff::Timestamp| at.to_zoned(style.zone.clone()).strftime("%m-%d %H:%M").to_string();
    let (from, to) = (moment(timeline.from), moment(timeline.to));
    let gap = cells.saturating_sub(from.len() + to.len());
    let mut out = format!("{:name$}  {from}{:gap$}{to}\n", "", "");
    let mut used = Vec::new();
    for lane in &shown.lanes {
        let label: String = label(lane).chars().take(name).collect();
        let _ = write!(out, "{label:name$}  ");
        for cell in 0..cells {
            let (mark, drained) = worst(shown, lane, cell, cells);
            if !used.contains(&mark) {
                used.push(mark);
            }
            let (sign, colour, _) = sign(mark);
            let sign = if drained && matches!(mark, Mark::Up | Mark::Quiet) { 'd' } else { sign };
            match colour {
                Some(colour) => {
                    out.push_str(&Word::coloured(&sign.to_string(), colour).painted(style.colours));
                }
                None => out.push(sign),
            }
        }
        out.push('\n');
    }
    used.sort_unstable();
    let mut legend: Vec<String> =
        used.iter().map(|mark| format!("{} {}", sign(*mark).0, mark.words())).collect();
    if shown.lanes.iter().any(|lane| !lane.drained.is_empty()) {
        legend.push("d drained".to_owned());
    }
    let _ = write!(out, "\n{}\n", wrapped(&legend.join(", "), 0, style.width));
    for line in shown.losses.iter().map(|loss| lost(loss)).chain(shown.remarks()) {
        out.push_str(&wrapped(&line, 0, style.width));
    }
    out
}

fn label(lane: &Lane) -> String {
    let name = lane.name.rsplit('/').next().unwrap_or_default();
    harmless(&if lane.subject == Subject::RealServer { format!("  {name}") } else { name.to_owned() })
}

/// The worst mark of a cell, and whether it was drained anywhere in it.
fn worst(shown: &Shown<'_>, lane: &Lane, cell: usize, cells: usize) -> (Mark, bool) {
    let (start, end) = (shown.timeline.from, shown.timeline.to);
    let whole = end.duration_since(start).as_millis();
    let edge = |n: usize| {
        let offset = whole * n as i128 / cells.max(1) as i128;
        start + SignedDuration::from_millis(i64::try_from(offset).unwrap_or(i64::MAX))
    };
    let (from, to) = (edge(cell), edge(cell + 1));
    let mark = lane
        .spans
        .iter()
        .filter(|span| span.from < to && span.to > from)
        .map(|span| span.what)
        .max_by_key(|mark| sign(*mark).2);
    let drained = lane.drained.iter().any(|span| span.from < to && span.to > from);
    (mark.unwrap_or(Mark::Unrecorded), drained)
}
