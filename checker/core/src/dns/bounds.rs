//! Ranges that a number or a time must lie in.
//!
//! Owns [`Bounds`] with its two spellings: `2..4` for counts and times to live, and the ranges of monitoring plugins
//! (`10:20`, `~:10`, `@10:20`) for latencies. It never says what follows from being outside.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A range, its ends included. A missing end is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds<T> {
    /// The least.
    pub min: Option<T>,
    /// The most.
    pub max: Option<T>,
    /// Whether a value must lie outside instead.
    pub inverted: bool,
}

impl<T: PartialOrd> Bounds<T> {
    /// Whether `value` is as it should be.
    pub fn admit(&self, value: &T) -> bool {
        let within = self.min.as_ref().is_none_or(|min| value >= min)
            && self.max.as_ref().is_none_or(|max| value <= max);
        within != self.inverted
    }
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundsError {
    text: String,
    remedy: &'static str,
}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no range: {}", self.text, self.remedy)
    }
}

impl std::error::Error for BoundsError {}

fn error(text: &str, remedy: &'static str) -> BoundsError {
    BoundsError { text: text.chars().take(60).collect(), remedy }
}

impl FromStr for Bounds<u32> {
    type Err = BoundsError;

    /// Reads `3` (exactly), `2..4`, `2..` and `..4`.
    fn from_str(text: &str) -> Result<Self, BoundsError> {
        let bad = || error(text, "write 3, 2..4, 2.. or ..4");
        let number = |digits: &str| match digits {
            "" => Ok(None),
            _ if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map(Some).map_err(|_| bad()),
            _ => Err(bad()),
        };
        let (min, max) = match text.split_once("..") {
            Some((min, max)) => (number(min)?, number(max)?),
            None => (number(text)?, number(text)?),
        };
        match (min, max) {
            (None, None) => Err(bad()),
            (Some(min), Some(max)) if min > max => Err(bad()),
            _ => Ok(Self { min, max, inverted: false }),
        }
    }
}

impl fmt::Display for Bounds<u32> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "{min}"),
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "at least {min}"),
            (None, Some(max)) => write!(f, "at most {max}"),
            (None, None) => f.write_str("any"),
        }
    }
}

impl FromStr for Bounds<Duration> {
    type Err = BoundsError;

    /// Reads a range of the monitoring-plugins guidelines: `T` is 0 to T, `A:` at least A, `~:B` at most B, `A:B` between
    /// them, and `@` before it means outside. A time is in seconds, or has the unit `ms`, `us` or `s`.
    fn from_str(text: &str) -> Result<Self, BoundsError> {
        let bad = || error(text, "write 200ms, 0.2, 10ms:200ms, ~:0.2 or @0.1:0.2 (seconds without a unit)");
        let (inverted, range) = match text.strip_prefix('@') {
            Some(range) => (true, range),
            None => (false, text),
        };
        let end = |text: &str| seconds(text).map(Some).ok_or_else(bad);
        let (min, max) = match range.split_once(':') {
            None => (None, end(range)?),
            Some((min, max)) => {
                (if min == "~" { None } else { end(min)? }, if max.is_empty() { None } else { end(max)? })
            }
        };
        if min.zip(max).is_some_and(|(min, max)| min > max) || (min, max) == (None, None) {
            return Err(bad());
        }
        Ok(Self { min, max, inverted })
    }
}

/// A time as people write it: `200ms`, `1.5s`, `0.2`. At most a day.
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1e-3)
    } else if let Some(number) = text.strip_suffix("us") {
        (number, 1e-6)
    } else {
        (text.strip_suffix('s').unwrap_or(text), 1.0)
    };
    if number.is_empty() || number.len() > 20 || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let seconds: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(seconds * unit).ok().filter(|span| *span <= Duration::from_secs(86_400))
}

impl fmt::Display for Bounds<Duration> {
    /// As a plugin's range in seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inverted {
            f.write_str("@")?;
        }
        match (self.min, self.max) {
            (None, Some(max)) => write!(f, "{}", max.as_secs_f64()),
            (Some(min), Some(max)) => write!(f, "{}:{}", min.as_secs_f64(), max.as_secs_f64()),
            (min, _) => write!(f, "{}:", min.unwrap_or_default().as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        for (text, inside, outside) in
            [("3", 3, 4), ("2..4", 4, 5), ("2..", u32::MAX, 1), ("..4", 0, 5), ("0", 0, 1)]
        {
            let bounds: Bounds<u32> = text.parse().unwrap();
            assert!(bounds.admit(&inside) && !bounds.admit(&outside), "{text}");
        }
        for text in ["", "..", "4..2", "a", "-1", "1...3", "4294967296", "+1"] {
            assert!(text.parse::<Bounds<u32>>().is_err(), "{text}");
        }
    }

    #[test]
    fn plugin_ranges_are_read() {
        let ms = Duration::from_millis;
        for (text, inside, outside, shown) in [
            ("200ms", ms(200), ms(201), "0.2"),
            ("0.2", ms(0), ms(201), "0.2"),
            ("10ms:", ms(10), ms(9), "0.01:"),
            ("~:0.5", ms(0), ms(501), "0.5"),
            ("0.1:0.2s", ms(150), ms(99), "0.1:0.2"),
            ("@0.1:0.2", ms(99), ms(150), "@0.1:0.2"),
        ] {
            let bounds: Bounds<Duration> = text.parse().unwrap();
            assert!(bounds.admit(&inside) && !bounds.admit(&outside), "{text}");
            assert_eq!(bounds.to_string(), shown);
            assert_eq!(shown.parse::<Bounds<Duration>>(), Ok(bounds));
        }
        for text in ["", ":", "@", "~", "~:", "0.2:0.1", "1m", "1e3", "inf", "-1", "1..2", "86401"] {
            assert!(text.parse::<Bounds<Duration>>().is_err(), "{text}");
        }
    }
}
