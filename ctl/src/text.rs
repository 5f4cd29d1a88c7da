//! Text for a terminal: harmless, in columns, no wider than it must be.
//!
//! Owns what may reach a terminal ([`harmless`]), how times are said, columns, wrapping and colour. It prints
//! nothing and asks no clock.

use std::fmt::Write as _;

/// The longest text from elsewhere that is shown; what is longer is cut, and that is said.
const LONGEST: usize = 600;

/// Whether a terminal may do something else with `c` than show it in its place: control characters of both sets, marks
/// that change the direction of writing, characters without width, and line separators.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` in one line, with everything that a terminal could obey written out as `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The same for a text from elsewhere, which is cut when it is very long.
#[must_use]
pub fn harmless(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => escaped(text),
        Some((end, _)) => format!("{}... (cut)", escaped(text.get(..end).unwrap_or_default())),
    }
}

/// A latency with three figures at most: `0.31 ms`, `12.3 ms`, `1.20 s`.
#[must_use]
pub fn latency(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{}.{:02} ms", microseconds / 1_000, microseconds % 1_000 / 10),
        10_000..100_000 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{}.{:02} s", microseconds / 1_000_000, microseconds % 1_000_000 / 10_000),
    }
}

/// `text` in lines of at most `width` characters, broken at blanks; each begins with `indent` blanks. A word that is
/// longer stays whole.
#[must_use]
pub fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let long = word.chars().count();
        if used > 0 && used + 1 + long <= width {
            out.push(' ');
            used += 1 + long;
        } else {
            if used > 0 {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent + long;
        }
        out.push_str(word);
    }
    if used > 0 {
        out.push('\n');
    }
    out
}

/// A colour that a word may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// All well.
    Green,
    /// To be looked at.
    Yellow,
    /// Broken.
    Red,
    /// Not known.
    Magenta,
    /// A heading.
    Bold,
}

/// A cell or a word: text that is harmless already, and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    text: String,
    colour: Option<Colour>,
}

impl Word {
    /// Plain text.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self { text: harmless(text), colour: None }
    }

    /// Text in a colour.
    #[must_use]
    pub fn coloured(text: &str, colour: Colour) -> Self {
        Self { text: harmless(text), colour: Some(colour) }
    }

    /// The text, with its colour where `colours` are wanted.
    #[must_use]
    pub fn painted(&self, colours: bool) -> String {
        let code = match self.colour {
            Some(colour) if colours => match colour {
                Colour::Green => "32",
                Colour::Yellow => "33",
                Colour::Red => "31",
                Colour::Magenta => "35",
                Colour::Bold => "1",
            },
            _ => return self.text.clone(),
        };
        format!("\u{1b}[{code}m{}\u{1b}[0m", self.text)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Rows of cells, each column as wide as its widest cell, with remarks between rows.
#[derive(Debug, Default)]
pub struct Columns {
    rows: Vec<(Vec<Word>, Vec<String>)>,
}

impl Columns {
    /// Adds a row, and below it remarks that are wrapped to the width and not counted for the columns.
    pub fn row(&mut self, cells: Vec<Word>, remarks: Vec<String>) {
        self.rows.push((cells, remarks));
    }

    /// The text, indented by `indent`; remarks are indented by four more.
    #[must_use]
    pub fn text(&self, indent: usize, width: usize, colours: bool) -> String {
        let count = self.rows.iter().map(|(cells, _)| cells.len()).max().unwrap_or(0);
        let widest = |column: usize| {
            self.rows.iter().filter_map(|(cells, _)| cells.get(column)).map(Word::width).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..count).map(widest).collect();
        let mut out = String::new();
        for (cells, remarks) in &self.rows {
            let mut line = " ".repeat(indent);
            let last = cells.iter().rposition(|cell| cell.width() > 0).unwrap_or(0);
            for (index, (cell, width)) in cells.iter().zip(&widths).take(last + 1).enumerate() {
                line.push_str(&cell.painted(colours));
                if index < last {
                    line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
                }
            }
            let _ = writeln!(out, "{line}");
            for remark in remarks {
                out.push_str(&wrapped(&harmless(remark), indent + 4, width));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        for (text, shown) in [
            ("plain, äöü, 漢字", "plain, äöü, 漢字"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("a\u{9b}2Jb", "a\\u{9b}2Jb"),
            ("one\ntwo\tthree", "one two three"),
            ("\r\u{7}\u{8}\u{7f}\0", "\\u{d}\\u{7}\\u{8}\\u{7f}\\u{0}"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("a\u{200b}\u{2066}\u{feff}b", "a\\u{200b}\\u{2066}\\u{feff}b"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(harmless(text), shown);
        }
        let every: String = ('\0'..='\u{10ffff}').filter(|c| is_unsafe(*c)).collect();
        for chunk in every.chars().collect::<Vec<_>>().chunks(100) {
            assert!(harmless(&chunk.iter().collect::<String>()).chars().all(|c| !is_unsafe(c)));
        }
        assert_eq!(harmless(&"x".repeat(10_000)).chars().count(), LONGEST + "... (cut)".len());
    }

    #[test]
    fn latencies_have_three_figures() {
        for (us, said) in [
            (0, "0.00 ms"),
            (310, "0.31 ms"),
            (9_999, "9.99 ms"),
            (12_345, "12.3 ms"),
            (250_000, "250 ms"),
            (1_204_000, "1.20 s"),
        ] {
            assert_eq!(latency(us), said);
        }
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrapped("one two three", 2, 9), "  one two\n  three\n");
        assert_eq!(wrapped("one two three", 0, 80), "one two three\n");
        assert_eq!(wrapped("averyverylongword x", 2, 9), "  averyverylongword\n  x\n");
        assert_eq!(wrapped("", 2, 9), "");
    }

    #[test]
    fn columns_line_up_and_end_without_blanks() {
        let mut columns = Columns::default();
        columns.row(vec![Word::plain("a"), Word::coloured("up", Colour::Green), Word::plain("")], vec![]);
        columns.row(
            vec![Word::plain("bbb"), Word::plain("down"), Word::plain("x")],
            vec!["why\u{1b}[2J it is so".to_owned()],
        );
        assert_eq!(
            columns.text(2, 20, false),
            "  a    up\n  bbb  down  x\n      why\\u{1b}[2J\n      it is so\n"
        );
        assert!(columns.text(0, 20, true).starts_with("a    \u{1b}[32mup\u{1b}[0m\n"));
    }
}
