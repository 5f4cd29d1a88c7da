//! What standard output is, and what reaches it.
//!
//! Owns the look of text (width, colour, time zone) and the form of JSON. It never decides what to say.

use std::io::{self, IsTerminal, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::text::is_unsafe;

/// The width where there is no terminal to ask.
const WIDTH: usize = 80;

/// How text is to look.
#[derive(Debug, Clone)]
pub struct Style {
    /// Characters in a line.
    pub width: usize,
    /// Lines on the screen, where there is one.
    pub height: Option<usize>,
    /// Whether words are coloured.
    pub colours: bool,
    /// The zone that times are shown in.
    pub zone: TimeZone,
}

impl Style {
    /// The style for standard output as it is now: colour only on a terminal and without `NO_COLOR`.
    pub fn of_stdout() -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let size = if terminal { rustix::termios::tcgetwinsize(&stdout).ok() } else { None };
        let positive = |n: u16| Some(usize::from(n)).filter(|n| *n > 0);
        Self {
            width: size.and_then(|s| positive(s.ws_col)).unwrap_or(WIDTH).max(40),
            height: size.and_then(|s| positive(s.ws_row)),
            colours: terminal && !dumb && !set("NO_COLOR"),
            zone: TimeZone::system(),
        }
    }
}

/// Writes `text` to standard output at once.
///
/// # Errors
/// As the writing fails; a reader that went away is an error of the kind `BrokenPipe`.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes `text` and a line end to standard error; where that fails there is nobody to tell.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "holdfast: {text}");
}

/// `value` as JSON in one line, or in several for people. What a terminal could obey is written as `\u001b`, which means
/// the same to a JSON parser.
///
/// # Errors
/// Never for the types it is used with; whatever `serde_json` reports.
pub fn json<T: Serialize>(value: &T, pretty: bool) -> serde_json::Result<String> {
    let text = if pretty { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // A line end is layout here: inside a string it is written as \n already.
        if c != '\n' && is_unsafe(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn json_is_harmless_and_means_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{e0041}\n\"é";
        for pretty in [false, true] {
            let text = json(&[hostile], pretty).unwrap();
            assert!(text.chars().all(|c| c == '\n' || !crate::text::is_unsafe(c)), "{text:?}");
            let back: Vec<String> = serde_json::from_str(&text).unwrap();
            assert_eq!(back, [hostile]);
        }
        assert_eq!(json(&["\u{9b}"], false).unwrap(), "[\"\\u009b\"]\n");
    }
}
