//! The timeline as a picture: one SVG file that needs nothing else.
//!
//! Owns its layout and its looks. A state is told by height and pattern as well as by colour; light and dark follow the
//! reader's system; title and description say in words what is to be seen. Texts are escaped, and no script is in it.

use std::fmt::Write as _;

use agent_core::timeline::{Lane, Mark, Subject};
use agent_core::view::length;
use jiff::{SignedDuration, Timestamp};

use super::{Shown, lost};
use crate::text::harmless;

/// The picture's width, where lanes begin, and how high they are.
const WIDTH: i64 = 1_200;
const LEFT: i64 = 190;
const RIGHT: i64 = 1_180;
const TOP: i64 = 78;
const LANE: i64 = 24;
const BAR: i64 = 14;
/// The longest label, in characters.
const LABEL: usize = 26;
/// Characters in a line of the words below.
const LINE: usize = 150;
/// About so many lines mark the hours.
const TICKS: i64 = 12;
/// Steps between two of them, in seconds.
const STEPS: [i64; 13] =
    [60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

const STYLE: &str = "\
svg{--bg:#fff;--text:#18211d;--soft:#56635d;--line:#dfe5e2;--ok:#3a9d72;--warn:#c98a1b;--bad:#c23b31;--dim:#7d7bc6;--off:#b4beb9}\
@media (prefers-color-scheme:dark){svg{--bg:#101513;--text:#e3e9e6;--soft:#9daaa4;--line:#28312d;--ok:#3fa878;--warn:#d9a03f;--bad:#e0645a;--dim:#8f8ddb;--off:#56615b}}\
.bg{fill:var(--bg)}text{fill:var(--text);font:13px system-ui,-apple-system,'Segoe UI','Noto Sans','DejaVu Sans',sans-serif}\
.h{font-size:18px;font-weight:600}.s{fill:var(--soft);font-size:12px}.b{font-weight:600}.e{text-anchor:end}.m{text-anchor:middle}\
.t{stroke:var(--line)}.r{stroke:var(--soft);stroke-dasharray:3 3}\
.up,.active{fill:var(--ok)}.quiet{fill:var(--ok);opacity:.45}.degraded{fill:var(--warn)}.below{fill:url(#below)}.down{fill:var(--bad)}\
.unknown{fill:url(#unknown)}.backup{fill:var(--off)}.initialize{fill:url(#unknown)}.none{fill:none;stroke:var(--off);stroke-dasharray:2 4}\
.drained{fill:none;stroke:var(--text);stroke-width:1.5}.pb{fill:var(--bad)}.pw{fill:var(--warn)}.pd{stroke:var(--dim);stroke-width:2}";

const PATTERNS: &str = "<pattern id=\"unknown\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<path class=\"pd\" d=\"M0 6L6 0\"/></pattern>\
<pattern id=\"below\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<path class=\"pw\" d=\"M0 0h6v6H0z\"/><path class=\"pb\" d=\"M0 0h3v6H0z\"/></pattern>";

/// The class of a mark, and the share of the lane's height that it fills, in fourteenths.
fn look(mark: Mark) -> (&'static str, i64) {
    match mark {
        Mark::Up => ("up", 8),
        Mark::Quiet => ("quiet", 4),
        Mark::Degraded => ("degraded", 8),
        Mark::BelowQuorum => ("below", BAR),
        Mark::Down => ("down", BAR),
        Mark::Unknown => ("unknown", 10),
        Mark::Unrecorded => ("none", 1),
        Mark::Active => ("active", BAR),
        Mark::Backup => ("backup", 4),
        Mark::Initialize => ("initialize", 4),
    }
}

/// The whole file.
pub(super) fn draw(shown: &Shown<'_>) -> String {
    let timeline = shown.timeline;
    let mut words: Vec<String> = shown.losses.iter().map(|loss| lost(loss)).collect();
    words.extend(shown.remarks());
    let lines: Vec<String> = words.iter().flat_map(|text| broken(text)).collect();
    let lanes_end = TOP + LANE * count(shown.lanes.len());
    let height = lanes_end + 70 + 18 * count(lines.len());
    let moment = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let span = format!("{} to {}", moment(timeline.from), moment(timeline.to));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">Holdfast: who was up, {span}</title>\n\
         <desc id=\"desc\">{}</desc>\n<style>{STYLE}</style><defs>{PATTERNS}</defs>\n\
         <rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"h\" x=\"20\" y=\"32\">Who was up, who was Active</text>\
         <text class=\"s e\" x=\"{RIGHT}\" y=\"32\">{span}</text>\n",
        escaped(&words.join(" "))
    );
    ticks(&mut out, shown, lanes_end);
    for (n, lane) in shown.lanes.iter().enumerate() {
        draw_lane(&mut out, shown, lane, TOP + LANE * count(n));
    }
    if timeline.recorded_from > timeline.from {
        let x = place(shown, timeline.recorded_from);
        let _ = writeln!(out, "<path class=\"r\" d=\"M{x} {}V{lanes_end}\"/>", TOP - 10);
    }
    legend(&mut out, shown, lanes_end + 30);
    for (n, line) in lines.iter().enumerate() {
        let _ =
            writeln!(out, "<text x=\"20\" y=\"{}\">{}</text>", lanes_end + 64 + 18 * count(n), escaped(line));
    }
    out.push_str("</svg>\n");
    out
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX / 64)
}

/// Where a moment is, from the left.
fn place(shown: &Shown<'_>, at: Timestamp) -> i64 {
    let whole = shown.timeline.to.duration_since(shown.timeline.from).as_millis().max(1);
    let passed = at.duration_since(shown.timeline.from).as_millis().clamp(0, whole);
    LEFT + i64::try_from(passed * i128::from(RIGHT - LEFT) / whole).unwrap_or(0)
}

/// The hours.
fn ticks(out: &mut String, shown: &Shown<'_>, bottom: i64) {
    let (from, to) = (shown.timeline.from.as_second(), shown.timeline.to.as_second());
    let wanted = (to - from) / TICKS;
    let longest = STEPS[STEPS.len() - 1];
    let step = STEPS.into_iter().find(|step| *step >= wanted).unwrap_or((wanted / longest + 1) * longest);
    let form = if step >= 86_400 { "%m-%d" } else { "%H:%M" };
    let mut at = from.div_euclid(step) * step + step;
    while at < to {
        if let Ok(moment) = Timestamp::from_second(at) {
            let x = place(shown, moment);
            let _ = writeln!(
                out,
                "<path class=\"t\" d=\"M{x} {}V{bottom}\"/><text class=\"s m\" x=\"{x}\" y=\"{}\">{}</text>",
                TOP - 8,
                TOP - 14,
                moment.strftime(form)
            );
        }
        at += step;
    }
}

fn draw_lane(out: &mut String, shown: &Shown<'_>, lane: &Lane, y: i64) {
    let server = lane.subject == Subject::RealServer;
    let name = harmless(if server { lane.name.rsplit('/').next().unwrap_or_default() } else { &lane.name });
    let mut label: String = name.chars().take(LABEL).collect();
    if label.len() < name.len() {
        label.push('…');
    }
    let (class, x) = if server { ("", 36) } else { ("b", 20) };
    let _ = write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{}\">{}</text>", y + 12, escaped(&label));
    for span in &lane.spans {
        let (class, high) = look(span.what);
        let (from, to) = (place(shown, span.from), place(shown, span.to));
        // What was short is still to be seen.
        let wide = (to - from).max(2);
        let told = format!("{}: {}, {}", lane.name, span.what.words(), lasted(span.from, span.length()));
        let top = y + (BAR - high) / 2;
        if span.what == Mark::Unrecorded {
            let _ = write!(
                out,
                "<path class=\"{class}\" d=\"M{from} {}h{wide}\"><title>{}</title></path>",
                y + BAR / 2,
                escaped(&told)
            );
        } else {
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{from}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\"><title>{}</title></rect>",
                escaped(&told)
            );
        }
    }
    for span in &lane.drained {
        let (from, to) = (place(shown, span.from), place(shown, span.to));
        let told = format!("{}: drained, {}", lane.name, lasted(span.from, span.length()));
        let _ = write!(
            out,
            "<rect class=\"drained\" x=\"{from}\" y=\"{y}\" width=\"{}\" height=\"{BAR}\"><title>{}</title></rect>",
            (to - from).max(2),
            escaped(&told)
        );
    }
    out.push('\n');
}

fn lasted(from: Timestamp, long: SignedDuration) -> String {
    format!("{} from {}", length(long), from.strftime("%Y-%m-%d %H:%M:%S UTC"))
}

fn legend(out: &mut String, shown: &Shown<'_>, y: i64) {
    let mut marks: Vec<Mark> =
        shown.lanes.iter().flat_map(|lane| lane.spans.iter().map(|span| span.what)).collect();
    marks.sort_unstable();
    marks.dedup();
    let mut x = 20;
    let mut entry = |class: &str, high: i64, words: &str| {
        let top = y - 11 + (BAR - high) / 2;
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"22\" height=\"{high}\"/><text class=\"s\" x=\"{}\" y=\"{y}\">{words}</text>",
            x + 28
        );
        x += 48 + 7 * count(words.len());
    };
    for mark in marks {
        let (class, high) = look(mark);
        entry(class, high, mark.words());
    }
    if shown.lanes.iter().any(|lane| !lane.drained.is_empty()) {
        entry("drained", BAR, "drained by an operator");
    }
    out.push('\n');
}

/// A text in lines.
fn broken(text: &str) -> Vec<String> {
    crate::text::wrapped(text, 0, LINE).lines().map(str::to_owned).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
