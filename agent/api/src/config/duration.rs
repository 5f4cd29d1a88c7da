//! Durations as people write them: `500ms`, `2s`, `1m 30s`, `2h`.
//!
//! Owns the syntax, both ways, and why a text is not one. A number without a unit is refused: nobody knows
//! whether it means seconds or milliseconds.

use std::fmt;
use std::time::Duration;

/// Units with their names, largest first, in nanoseconds.
const UNITS: [(&[&str], u128); 5] = [
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1_000_000),
];

/// No duration may be longer: ten years.
const LONGEST: u128 = 3_650 * 86_400_000_000_000;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("a duration is empty; write one such as \"2s\"")]
    Empty,
    /// A number alone.
    #[error("{0:?} has no unit; write \"{0}s\" for seconds, or one of ms, m, h, d")]
    NoUnit(String),
    /// A unit that is not known.
    #[error("unknown unit {0:?}; the units are ms, s, m, h, d, as in \"1m 30s\"")]
    Unit(String),
    /// A unit after a smaller or equal one.
    #[error("{0:?} has its units out of order; write the largest first and each once, as in \"1m 30s\"")]
    Order(String),
    /// Below zero.
    #[error("{0:?} is negative; a duration is not")]
    Negative(String),
    /// More than can be meant.
    #[error("{0:?} is longer than ten years")]
    TooLong(String),
    /// Anything else.
    #[error("{0:?} is no duration; write one such as \"500ms\", \"2s\" or \"1m 30s\"")]
    Other(String),
}

/// Reads a duration: numbers with units, largest first, `1m 30s`; a number may have a fraction, `1.5s`.
///
/// # Errors
/// What is wrong with the text and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let shown = || text.trim().chars().take(40).collect::<String>();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    if rest.starts_with('-') {
        return Err(DurationError::Negative(shown()));
    }
    let mut total: u128 = 0;
    let mut smallest = u128::MAX;
    while !rest.is_empty() {
        let number = leading(rest, |c| c.is_ascii_digit() || c == '.');
        rest = rest.strip_prefix(number).unwrap_or_default().trim_start();
        let unit = leading(rest, |c| c.is_alphabetic() || c == 'µ');
        rest = rest.strip_prefix(unit).unwrap_or_default().trim_start();
        if number.is_empty() {
            return Err(DurationError::Other(shown()));
        }
        if unit.is_empty() {
            // Only a lone number is likely to be one whose unit was forgotten.
            let alone = rest.is_empty() && number.len() == text.trim().len();
            return Err(if alone { DurationError::NoUnit(shown()) } else { DurationError::Other(shown()) });
        }
        let Some(&(_, size)) = UNITS.iter().find(|(names, _)| names.contains(&unit)) else {
            return Err(DurationError::Unit(unit.chars().take(20).collect()));
        };
        if size >= smallest {
            return Err(DurationError::Order(shown()));
        }
        smallest = size;
        let nanos = scaled(number, size).ok_or_else(|| DurationError::Other(shown()))?;
        total = total.saturating_add(nanos);
        if total > LONGEST {
            return Err(DurationError::TooLong(shown()));
        }
    }
    u64::try_from(total).map(Duration::from_nanos).map_err(|_| DurationError::TooLong(shown()))
}

/// The longest start of `text` whose characters all pass.
fn leading(text: &str, pass: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !pass(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// `number` (digits, perhaps with a fraction) times `size` nanoseconds; `None` when it is no number.
fn scaled(number: &str, size: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) | Some(("", _)) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    if fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    // More digits than this are more than ten years in any unit; the caller says so.
    let whole: u128 = if whole.len() > 20 { u128::from(u64::MAX) } else { whole.parse().ok()? };
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let places = u32::try_from(fraction.len()).ok()?;
    Some(whole.saturating_mul(size).saturating_add(part * size / 10_u128.pow(places)))
}

/// A duration in the form that [`parse_duration`] reads, to the millisecond: `1m 30s`.
#[must_use]
pub fn format_duration(duration: Duration) -> impl fmt::Display {
    struct Words(u128);
    impl fmt::Display for Words {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut rest = self.0;
            let mut first = true;
            for (names, size) in UNITS {
                let count = rest / size;
                rest %= size;
                if count > 0 {
                    let blank = if first { "" } else { " " };
                    write!(f, "{blank}{count}{}", names.first().copied().unwrap_or_default())?;
                    first = false;
                }
            }
            if first { f.write_str("0s") } else { Ok(()) }
        }
    }
    Words(duration.as_nanos())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{DurationError, format_duration, parse_duration};

    #[test]
    fn good_ones() {
        for (text, millis) in [
            ("500ms", 500),
            ("2s", 2_000),
            (" 2 s ", 2_000),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("31d", 31 * 86_400_000),
            ("1.5s", 1_500),
            ("0.05s", 50),
            ("2 seconds", 2_000),
            ("1h 2m 3s 4ms", 3_723_004),
            ("0s", 0),
            ("3650d", 3_650 * 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn bad_ones_say_why() {
        for (text, why) in [
            ("", "a duration is empty; write one such as \"2s\""),
            ("5", "\"5\" has no unit; write \"5s\" for seconds, or one of ms, m, h, d"),
            ("0.5", "\"0.5\" has no unit; write \"0.5s\" for seconds, or one of ms, m, h, d"),
            ("5 6s", "\"5 6s\" is no duration; write one such as \"500ms\", \"2s\" or \"1m 30s\""),
            ("2 parsecs", "unknown unit \"parsecs\"; the units are ms, s, m, h, d, as in \"1m 30s\""),
            ("2S", "unknown unit \"S\"; the units are ms, s, m, h, d, as in \"1m 30s\""),
            (
                "30s 1m",
                "\"30s 1m\" has its units out of order; write the largest first and each once, as in \"1m 30s\"",
            ),
            (
                "1s 1s",
                "\"1s 1s\" has its units out of order; write the largest first and each once, as in \"1m 30s\"",
            ),
            ("-2s", "\"-2s\" is negative; a duration is not"),
            ("3651d", "\"3651d\" is longer than ten years"),
            ("s", "\"s\" is no duration; write one such as \"500ms\", \"2s\" or \"1m 30s\""),
            ("1.s", "\"1.s\" is no duration; write one such as \"500ms\", \"2s\" or \"1m 30s\""),
            ("1.2.3s", "\"1.2.3s\" is no duration; write one such as \"500ms\", \"2s\" or \"1m 30s\""),
        ] {
            assert_eq!(parse_duration(text).map_err(|e| e.to_string()), Err(why.to_owned()), "{text}");
        }
        let nines = format!("{}s", "9".repeat(500));
        assert!(matches!(parse_duration(&nines), Err(DurationError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}|[0-9. dhms-]{0,40}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..315_360_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration).to_string()), Ok(duration));
        }
    }
}
