//! Hours of the week: `"Mon-Fri 08:00-18:00"`, `"22:00-07:00"`, `"Sat,Sun"`.
//!
//! Owns their written form. What they mean at a moment is [`crate::alert::Hours`]'s.

use super::super::book::{Book, quoted};
use super::super::table::{Given, Table};
use crate::alert::{Hours, Window};

/// The most windows of one key.
const MOST: usize = 32;
const EXAMPLE: &str = "[\"Mon-Fri 08:00-18:00\"]";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The hours of `key`; empty when it is absent.
pub(super) fn hours(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Option<Hours> {
    let given = table.texts(book, key, true, &format!("{key} = {EXAMPLE}"));
    let (texts, at) = match given {
        Given::Absent => return Some(Hours::default()),
        Given::Wrong => return None,
        Given::Good(texts, at) => (texts, at),
    };
    if texts.len() > MOST {
        book.wrong(at, format!("{key} has {} entries; {MOST} are the most", texts.len()));
        return None;
    }
    let mut windows = Vec::with_capacity(texts.len());
    let mut good = true;
    for (text, at) in texts {
        match window(text) {
            Some(window) => windows.push(window),
            None => {
                good = false;
                let shown = quoted(text);
                book.wrong(
                    at,
                    format!(
                        "{key}: {shown} are no hours; write days, a span or both: \"Mon-Fri 08:00-18:00\", \
                         \"22:00-07:00\", \"Sat,Sun\""
                    ),
                );
            }
        }
    }
    good.then_some(Hours(windows))
}

fn window(text: &str) -> Option<Window> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let second = words.next();
    if words.next().is_some() {
        return None;
    }
    let (from, to) = match second {
        Some(span) => self::span(span)?,
        None if first.contains(':') => span(first)?,
        None => (0, 1440),
    };
    let days = if first.contains(':') { [true; 7] } else { self::days(first)? };
    if first.contains(':') && second.is_some() {
        return None;
    }
    Some(Window { days, from, to })
}

fn span(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    // From 0 to 0 could be nothing or everything: neither is written so.
    (from < 1440 && to > 0 && from != to).then_some((from, to))
}

/// `08:00` as minutes; `24:00` is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || minute.len() != 2 || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= 1440).then_some(all)
}

fn days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let length = (last + 7 - first) % 7;
        for ahead in 0..=length {
            *days.get_mut((first + ahead) % 7)? = true;
        }
    }
    Some(days)
}

fn day(text: &str) -> Option<usize> {
    let word = text.to_ascii_lowercase();
    DAYS.iter().position(|day| *day == word)
}

#[cfg(test)]
mod tests {
    use super::window;
    use crate::alert::Window;

    #[test]
    fn hours_are_read() {
        let all = [true; 7];
        let window_of = |days, from, to| Some(Window { days, from, to });
        assert_eq!(window("22:00-07:00"), window_of(all, 1320, 420));
        let office = [true, true, true, true, true, false, false];
        assert_eq!(window("Mon-Fri 08:00-18:00"), window_of(office, 480, 1080));
        let ends = [true, false, false, false, false, true, true];
        assert_eq!(window("sat-mon"), window_of(ends, 0, 1440));
        assert_eq!(window("Sat,Sun,Mon 0:00-24:00"), window_of(ends, 0, 1440));
        for wrong in [
            "",
            "Mon-Fri 08:00",
            "08:00-08:00",
            "25:00-26:00",
            "8-18",
            "Mo-Fr",
            "Mon 1:00-2:00 x",
            "12:60-13:00",
        ] {
            assert_eq!(window(wrong), None, "{wrong}");
        }
    }
}
