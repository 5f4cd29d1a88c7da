//! The book of mistakes: collects all of them over all files and puts them in order.
//!
//! Owns places (which file, which bytes) and their translation into line and column. It never judges what is
//! a mistake, but it leaves out what merely follows from a broken line that is reported already.

use std::fmt::Display;

use super::{Mistake, Mistakes, Source};

/// Bytes `start..end` of source number `source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Index of the source.
    pub(super) source: usize,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// How a mistake was found, which decides whether a broken line nearby explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The text is not TOML there.
    Syntax,
    /// The value there is wrong.
    Value,
    /// Something is not in the table that begins there.
    Missing,
}

/// All mistakes so far.
#[derive(Debug)]
pub(super) struct Book<'s> {
    sources: &'s [Source],
    lines: Vec<Lines<'s>>,
    noted: Vec<(Place, Kind, String)>,
    /// Where tables begin, so that a broken line can be told to lie in one.
    headers: Vec<(usize, usize)>,
}

impl<'s> Book<'s> {
    pub(super) fn new(sources: &'s [Source]) -> Self {
        let lines = sources.iter().map(|source| Lines::of(&source.text)).collect();
        Self { sources, lines, noted: Vec::new(), headers: Vec::new() }
    }

    /// Notes that the text is not TOML.
    pub(super) fn syntax(&mut self, at: Place, message: impl Into<String>) {
        self.noted.push((at, Kind::Syntax, message.into()));
    }

    /// Notes that a value or a key is wrong.
    pub(super) fn wrong(&mut self, at: Place, message: impl Into<String>) {
        self.noted.push((at, Kind::Value, message.into()));
    }

    /// Notes that something is not in the table that begins at `table`.
    pub(super) fn missing(&mut self, table: Place, message: impl Into<String>) {
        self.noted.push((table, Kind::Missing, message.into()));
    }

    /// Remembers that a table begins at `table`.
    pub(super) fn table_begins(&mut self, table: Place) {
        self.headers.push((table.source, table.start));
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// Whether some text is not TOML.
    pub(super) fn has_syntax_mistakes(&self) -> bool {
        self.noted.iter().any(|(_, kind, _)| *kind == Kind::Syntax)
    }

    /// `path:line:column`, for messages that point at a second place.
    pub(super) fn name_of(&self, at: Place) -> String {
        let path = self.sources.get(at.source).map_or("", |source| &source.path);
        let (line, column) = self.position_of(at);
        format!("{path}:{line}:{column}")
    }

    /// Line and column, from 1.
    pub(super) fn position_of(&self, at: Place) -> (usize, usize) {
        self.lines.get(at.source).map_or((1, 1), |lines| lines.position(at.start))
    }

    /// Everything that was noted, in the order of the files, doubles and consequences left out.
    pub(super) fn into_mistakes(mut self) -> Mistakes {
        self.headers.sort_unstable();
        let mut broken: Vec<Place> =
            self.noted.iter().filter(|(_, kind, _)| *kind == Kind::Syntax).map(|(at, ..)| *at).collect();
        broken.sort_unstable();
        let headers = self.headers;
        let mut noted = self.noted;
        noted.retain(|(at, kind, _)| match kind {
            Kind::Syntax => true,
            Kind::Value => {
                let after = broken.partition_point(|b| (b.source, b.start) <= (at.source, at.end));
                let before = after.checked_sub(1).and_then(|last| broken.get(last));
                !before.is_some_and(|b| b.source == at.source && b.end >= at.start)
            }
            Kind::Missing => {
                let next = headers.partition_point(|header| *header <= (at.source, at.start));
                let end =
                    headers.get(next).filter(|(source, _)| *source == at.source).map_or(usize::MAX, |h| h.1);
                let first = broken.partition_point(|b| (b.source, b.start) < (at.source, at.start));
                !broken.get(first).is_some_and(|b| b.source == at.source && b.start < end.max(at.end))
            }
        });
        noted.sort_by_key(|(at, ..)| (at.source, at.start));
        noted.dedup_by(|a, b| a.0 == b.0 && a.2 == b.2);
        let mistakes = noted.into_iter().filter_map(|(at, _, message)| {
            let path = self.sources.get(at.source)?.path.clone();
            let (line, column) = self.lines.get(at.source)?.position(at.start);
            Some(Mistake { path, line, column, message: plain(&message) })
        });
        Mistakes(mistakes.collect())
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        // A byte order mark is no character of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let starts = std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column, from 1, of the byte `offset`; the column counts characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        (line, self.text.get(start..end).map_or(1, |before| before.chars().count() + 1))
    }
}

/// The message with control characters escaped, so that it is one line whatever it quotes.
fn plain(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A text of the file in quotes, cut to a bearable length, with what does not print escaped.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().nth(SHOWN).is_none() {
        format!("{text:?}")
    } else {
        format!("{:?}…", text.chars().take(SHOWN).collect::<String>())
    }
}

/// `a, b and c`.
pub(super) fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
