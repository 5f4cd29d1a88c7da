//! The book of mistakes: collects all of them over all files and puts them in order.
//!
//! Owns places (which file, which bytes) and their translation into line and column. It never judges what is
//! a mistake, but it leaves out what merely follows from a broken line that is reported already.

use std::collections::BTreeMap;
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

/// How many mistakes are kept. Nobody mends more in one go, and a file of nonsense shall not fill the log.
const KEPT: usize = 1_000;

/// All mistakes so far.
#[derive(Debug)]
pub(super) struct Book<'s> {
    sources: &'s [Source],
    lines: Vec<Lines<'s>>,
    /// In their order; what many real servers inherit is in here once.
    noted: BTreeMap<(Place, String), Kind>,
    /// How many were not kept.
    dropped: usize,
    /// Where tables begin, so that a broken line can be told to lie in one.
    headers: Vec<(usize, usize)>,
}

impl<'s> Book<'s> {
    pub(super) fn new(sources: &'s [Source]) -> Self {
        let lines = sources.iter().map(|source| Lines::of(&source.text)).collect();
        Self { sources, lines, noted: BTreeMap::new(), dropped: 0, headers: Vec::new() }
    }

    /// Notes that the text is not TOML.
    pub(super) fn syntax(&mut self, at: Place, message: impl Into<String>) {
        self.note(at, Kind::Syntax, message.into());
    }

    /// Notes that a value or a key is wrong.
    pub(super) fn wrong(&mut self, at: Place, message: impl Into<String>) {
        self.note(at, Kind::Value, message.into());
    }

    /// Notes that something is not in the table that begins at `table`.
    pub(super) fn missing(&mut self, table: Place, message: impl Into<String>) {
        self.note(table, Kind::Missing, message.into());
    }

    fn note(&mut self, at: Place, kind: Kind, message: String) {
        let key = (at, message);
        if self.noted.len() < KEPT {
            self.noted.insert(key, kind);
        } else if !self.noted.contains_key(&key) {
            self.dropped += 1;
        }
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
        self.noted.values().any(|kind| *kind == Kind::Syntax)
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
        let broken: Vec<Place> =
            self.noted.iter().filter(|(_, kind)| **kind == Kind::Syntax).map(|((at, _), _)| *at).collect();
        let follows = |at: &Place, kind: Kind| match kind {
            Kind::Syntax => false,
            Kind::Value => {
                let after = broken.partition_point(|b| (b.source, b.start) <= (at.source, at.end));
                let before = after.checked_sub(1).and_then(|last| broken.get(last));
                before.is_some_and(|b| b.source == at.source && b.end >= at.start)
            }
            Kind::Missing => {
                let next = self.headers.partition_point(|header| *header <= (at.source, at.start));
                let next = self.headers.get(next).filter(|(source, _)| *source == at.source);
                let end = next.map_or(usize::MAX, |(_, start)| *start).max(at.end);
                let first = broken.partition_point(|b| (b.source, b.start) < (at.source, at.start));
                broken.get(first).is_some_and(|b| b.source == at.source && b.start < end)
            }
        };
        let shown = self.noted.iter().filter(|((at, _), kind)| !follows(at, **kind));
        let mut mistakes: Vec<Mistake> = shown
            .map(|((at, message), _)| {
                let path = self.sources.get(at.source).map(|source| source.path.clone()).unwrap_or_default();
                let (line, column) = self.position_of(*at);
                Mistake { path, line, column, message: plain(message) }
            })
            .collect();
        if self.dropped > 0
            && let Some(last) = mistakes.last()
        {
            let message = format!("and {} more mistakes; mend those above first", self.dropped);
            mistakes.push(Mistake { message, ..last.clone() });
        }
        Mistakes(mistakes)
    }
}

/// Where the lines of a text begin, and how many characters there are before every block of it.
#[derive(Debug)]
struct Lines<'t> {
    text: &'t [u8],
    starts: Vec<usize>,
    blocks: Vec<usize>,
}

/// Bytes in a block: as many as are counted to find a column, so that a file of one line is no work without end.
const BLOCK: usize = 1_024;

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        // A byte order mark is no character of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let starts = std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let text = text.as_bytes();
        let mut before = 0;
        let blocks = text
            .chunks(BLOCK)
            .map(|block| {
                let here = before;
                before += characters(block);
                here
            })
            .collect();
        Self { text, starts, blocks }
    }

    /// Line and column, from 1, of the byte `offset`; the column counts characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, self.characters_before(offset).saturating_sub(self.characters_before(start)) + 1)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let block = (offset / BLOCK).min(self.blocks.len().saturating_sub(1));
        let counted = self.blocks.get(block).copied().unwrap_or_default();
        counted + self.text.get(block * BLOCK..offset).map_or(0, characters)
    }
}

/// Characters that begin in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
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
