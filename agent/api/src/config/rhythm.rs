//! When a check runs and how many results make a verdict: the keys that every kind of check has.
//!
//! Owns `interval`, `fast_interval`, `down_interval`, `timeout`, `rise`, `fall`, `initial` and `damping`: their limits, and which of
//! them go together; and `latency_warn` and `latency_max` for the kinds that have no rule of their own for latency.

use std::time::Duration;

use checker_core::dns::Timeout;
use checker_core::{LatencyLimits, Verdict};

use super::Rhythm;
use super::book::{Book, Place, quoted};
use super::duration::format_duration;
use super::suggest::nearest;
use super::table::{Given, Table};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
/// A probe that failed at once may be repeated this soon. One that still runs is waited for, so this needs no regard for the timeout.
const SHORTEST_FAST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);
const SHORTEST_LATENCY: Duration = Duration::from_millis(1);
const LONGEST_DAMPING: Duration = Duration::from_secs(86_400);
const MOST_IN_A_ROW: u32 = 100;

/// A rhythm as far as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRhythm {
    at: Place,
    interval: Given<Duration>,
    fast_interval: Given<Duration>,
    down_interval: Given<Duration>,
    timeout: Given<Duration>,
    rise: Given<u32>,
    fall: Given<u32>,
    initial: Given<Verdict>,
    damping: Given<Duration>,
    latency_warn: Given<Duration>,
    latency_max: Given<Duration>,
}

/// The same with the limits of latency.
pub(super) fn timed(book: &mut Book<'_>, table: &Table<'_>) -> RawRhythm {
    let limits = SHORTEST_LATENCY..=Timeout::MAX;
    RawRhythm {
        latency_warn: table.duration(book, "latency_warn", limits.clone(), "50ms"),
        latency_max: table.duration(book, "latency_max", limits, "500ms"),
        ..raw(book, table)
    }
}

/// Reads the rhythm in the table of a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawRhythm {
    let limits = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    let initial = table.text(book, "initial", "initial = \"unknown\"");
    RawRhythm {
        at: table.at,
        interval: table.duration(book, "interval", limits.clone(), "2s"),
        fast_interval: table.duration(
            book,
            "fast_interval",
            SHORTEST_FAST_INTERVAL..=LONGEST_INTERVAL,
            "500ms",
        ),
        down_interval: table.duration(book, "down_interval", limits, "30s"),
        timeout: table.duration(book, "timeout", Timeout::MIN..=Timeout::MAX, "500ms"),
        rise: table.number(book, "rise", 1..=MOST_IN_A_ROW),
        fall: table.number(book, "fall", 1..=MOST_IN_A_ROW),
        initial: initial.convert(|text, at| match text {
            "unknown" => Some(Verdict::Unknown),
            "up" => Some(Verdict::Up),
            "down" => Some(Verdict::Down),
            other => {
                let remedy = match nearest(other, ["unknown", "up", "down"]) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write \"unknown\", \"up\" or \"down\"".to_owned(),
                };
                book.wrong(at, format!("unknown initial {}; {remedy}", quoted(other)));
                None
            }
        }),
        damping: table.duration(book, "damping", Duration::ZERO..=LONGEST_DAMPING, "10m"),
        latency_warn: Given::Absent,
        latency_max: Given::Absent,
    }
}

impl RawRhythm {
    /// This rhythm, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            at: base.at,
            interval: self.interval.or_else(base.interval),
            fast_interval: self.fast_interval.or_else(base.fast_interval),
            down_interval: self.down_interval.or_else(base.down_interval),
            timeout: self.timeout.or_else(base.timeout),
            rise: self.rise.or_else(base.rise),
            fall: self.fall.or_else(base.fall),
            initial: self.initial.or_else(base.initial),
            damping: self.damping.or_else(base.damping),
            latency_warn: self.latency_warn.or_else(base.latency_warn),
            latency_max: self.latency_max.or_else(base.latency_max),
        }
    }
}

/// The rhythm and the timeout, which may not outlast an interval.
pub(super) fn judged(book: &mut Book<'_>, raw: &RawRhythm) -> Option<(Rhythm, Timeout)> {
    let default = Rhythm::default();
    let interval = raw.interval.or(default.interval)?;
    let fast = optional(raw.fast_interval)?;
    let down = optional(raw.down_interval)?;
    let timeout = raw.timeout.or(Timeout::default().get().min(interval))?;
    let mut good = true;
    let mut wrong = |at: Option<Place>, message: String| {
        book.wrong(at.unwrap_or(raw.at), message);
        good = false;
    };
    if timeout > interval {
        let (timeout, interval) = (format_duration(timeout), format_duration(interval));
        wrong(
            place(raw.timeout).or(place(raw.interval)),
            format!(
                "timeout = \"{timeout}\" is longer than interval = \"{interval}\"; a probe must end before the next begins"
            ),
        );
    }
    if let Some(fast) = fast.filter(|fast| *fast > interval) {
        let (fast, interval) = (format_duration(fast), format_duration(interval));
        wrong(
            place(raw.fast_interval),
            format!(
                "fast_interval = \"{fast}\" is longer than interval = \"{interval}\"; write a shorter one"
            ),
        );
    }
    if let Some(down) = down.filter(|down| *down < interval) {
        let (down, interval) = (format_duration(down), format_duration(interval));
        wrong(
            place(raw.down_interval),
            format!(
                "down_interval = \"{down}\" is shorter than interval = \"{interval}\"; write a longer one"
            ),
        );
    }
    let latency = LatencyLimits { warn: optional(raw.latency_warn)?, max: optional(raw.latency_max)? };
    if let (Some(warn), Some(max)) = (latency.warn, latency.max)
        && warn >= max
    {
        let message = "latency_warn is not below latency_max, so it would never be seen; make it less";
        wrong(place(raw.latency_warn), message.to_owned());
    }
    for (word, given) in [("latency_warn", raw.latency_warn), ("latency_max", raw.latency_max)] {
        if optional(given)?.is_some_and(|limit| limit >= timeout) {
            let message = format!("{word} is not below the timeout, so it would never be seen; make it less");
            wrong(place(given), message);
        }
    }
    let rhythm = Rhythm {
        interval,
        fast_interval: fast,
        down_interval: down,
        rise: raw.rise.or(default.rise)?,
        fall: raw.fall.or(default.fall)?,
        initial: raw.initial.or(default.initial)?,
        damping: raw.damping.or(default.damping)?,
        latency,
    };
    good.then_some((rhythm, Timeout::new(timeout).ok()?))
}

/// The value if it is there; `None` when it is wrong.
fn optional<T: Copy>(given: Given<T>) -> Option<Option<T>> {
    match given {
        Given::Good(value, _) => Some(Some(value)),
        Given::Absent => Some(None),
        Given::Wrong => None,
    }
}

fn place<T: Copy>(given: Given<T>) -> Option<Place> {
    match given {
        Given::Good(_, at) => Some(at),
        _ => None,
    }
}
