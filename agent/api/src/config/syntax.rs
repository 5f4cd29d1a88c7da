//! From text to a tree of tables and values, with every syntax mistake in words an operator can act on.
//!
//! Owns the use of the TOML parser, which recovers from mistakes and goes on. It never looks at what keys mean.

use std::cell::OnceCell;
use std::ops::Range;

use toml::de::{DeTable, Error};

use super::Source;
use super::book::{Book, Place, quoted};

/// How often a text is read again after a repair. Once is enough for all but contrived texts.
const PASSES: usize = 4;

/// An error of the parser: where, and its message.
type Found = (Range<usize>, String);

/// The tables of one source.
#[derive(Debug)]
pub(super) struct Tree<'s> {
    /// What the top level holds.
    pub(super) table: DeTable<'s>,
    /// Brackets in the text that was read which are not in the source.
    inserted: Vec<usize>,
}

impl Tree<'_> {
    /// The bytes of the source that are `span` in the text that was read.
    pub(super) fn in_source(&self, span: &Range<usize>) -> Range<usize> {
        original(&self.inserted, span)
    }
}

/// A source's text with its worst breaks repaired.
#[derive(Debug)]
pub(super) struct Repaired {
    text: String,
    inserted: Vec<usize>,
}

/// The tree of source number `index`. Syntax mistakes go into the book.
///
/// At a key without a value the parser would stop, and after a header without its bracket it would take the next key for
/// a part of it. Both are repaired in a copy that lives in `copy`.
pub(super) fn tree<'s>(
    book: &mut Book<'_>,
    index: usize,
    source: &'s Source,
    copy: &'s OnceCell<Repaired>,
) -> Tree<'s> {
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    let mut errors: Vec<Found> = errors.iter().map(located).collect();
    if !errors.iter().any(misleads) {
        note(book, index, &source.text, &mut errors);
        return Tree { table: tree.into_inner(), inserted: Vec::new() };
    }
    let mut copied = Repaired { text: source.text.clone(), inserted: Vec::new() };
    let mut repaired: Vec<Found> = Vec::new();
    for _ in 0..PASSES {
        let breaks: Vec<Found> = errors.iter().filter(|error| misleads(error)).cloned().collect();
        if breaks.is_empty() {
            break;
        }
        repaired
            .extend(breaks.iter().map(|(span, message)| (original(&copied.inserted, span), message.clone())));
        copied = repair(&copied, &breaks);
        errors = DeTable::parse_recoverable(&copied.text).1.iter().map(located).collect();
    }
    repaired.extend(errors.into_iter().map(|(span, message)| (original(&copied.inserted, &span), message)));
    note(book, index, &source.text, &mut repaired);
    let copied = copy.get_or_init(|| copied);
    Tree { table: DeTable::parse_recoverable(&copied.text).0.into_inner(), inserted: copied.inserted.clone() }
}

fn located(error: &Error) -> Found {
    (error.span().unwrap_or(0..0), error.message().to_owned())
}

/// Whether the parser misreads what follows.
fn misleads(error: &Found) -> bool {
    error.1.starts_with("key with no value") || brackets(error) > 0
}

/// How many brackets a header lacks.
fn brackets((_, message): &Found) -> usize {
    let header = message.starts_with("unclosed table") || message.starts_with("unclosed array table");
    if header { message.matches(']').count() } else { 0 }
}

/// `span` of a text in which the bytes at `inserted` are not the source's, in the source.
fn original(inserted: &[usize], span: &Range<usize>) -> Range<usize> {
    let back = |offset: usize| offset - inserted.partition_point(|at| *at < offset);
    back(span.start)..back(span.end)
}

/// Closes headers, and blanks lines that hold a key without a value.
fn repair(before: &Repaired, breaks: &[Found]) -> Repaired {
    let mut after =
        Repaired { text: String::with_capacity(before.text.len() + breaks.len()), inserted: Vec::new() };
    let mut from = 0;
    let mut old = before.inserted.iter().copied().peekable();
    for found in breaks {
        let (cut, resume) = match brackets(found) {
            0 => line_of(&before.text, found.0.start),
            _ => (found.0.start, found.0.start),
        };
        let Some(kept) = before.text.get(from..cut) else { continue };
        while let Some(at) = old.next_if(|at| *at < resume) {
            after.inserted.push(at - from + after.text.len());
        }
        after.text.push_str(kept);
        for _ in 0..brackets(found) {
            after.inserted.push(after.text.len());
            after.text.push(']');
        }
        after.text.extend(std::iter::repeat_n(' ', resume - cut));
        from = resume;
    }
    after.inserted.extend(old.map(|at| at - from + after.text.len()));
    after.text.push_str(before.text.get(from..).unwrap_or_default());
    after
}

/// First byte of the line around `offset` and its end.
fn line_of(text: &str, offset: usize) -> (usize, usize) {
    // The parser points just behind the key, which is the line's end.
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(offset..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| offset + at);
    (start, end)
}

/// Puts the errors of one text into the book. Of what breaks a line's structure only the first is shown, the
/// others are its echo; texts without quotes stand for themselves.
fn note(book: &mut Book<'_>, index: usize, text: &str, errors: &mut Vec<Found>) {
    errors.sort_by_key(|(span, _)| span.start);
    errors.dedup();
    let mut broken_to = 0;
    for (span, message) in errors {
        if span.start < broken_to {
            continue;
        }
        let there = text.get(span.clone()).unwrap_or_default();
        let unquoted = message.starts_with("string values must be quoted");
        let mut at = Place { source: index, start: span.start, end: span.end };
        if !unquoted && !message.starts_with("duplicate key") {
            let rest = text.get(span.start..).unwrap_or_default();
            broken_to = rest.find('\n').map_or(text.len(), |to| span.start + to + 1);
            at.end = at.end.max(broken_to.saturating_sub(1));
        }
        book.syntax(at, remedy(message, there));
    }
}

/// The start of a key.
fn brief(key: &str) -> String {
    key.chars().take(60).collect()
}

/// The parser's message as one that says what to write instead.
fn remedy(message: &str, there: &str) -> String {
    let known = [
        ("duplicate key", format!("{} is set twice here; keep one of them", brief(there.trim()))),
        ("key with no value", "this key has no value; write key = value".to_owned()),
        (
            "missing comma between array elements",
            "a comma between two values or the list's closing ] is missing".to_owned(),
        ),
        (
            "missing comma between key-value pairs",
            "a comma between two keys or the table's closing } is missing".to_owned(),
        ),
        ("unclosed array table", "the closing ]] of this header is missing".to_owned()),
        ("unclosed array", "the list's closing ] is missing".to_owned()),
        ("unclosed inline table", "the table's closing } is missing".to_owned()),
        ("unclosed table", "the closing ] of this header is missing".to_owned()),
        ("invalid basic string, expected `\"`", "the closing quote \" is missing".to_owned()),
        ("invalid literal string, expected `'`", "the closing quote ' is missing".to_owned()),
        ("invalid float", "this is no number; a text, such as an address, stands in quotes".to_owned()),
        ("unquoted keys cannot be empty", "a key is missing here".to_owned()),
    ];
    if message.starts_with("string values must be quoted") {
        return if there.trim().is_empty() {
            "a value is missing after =".to_owned()
        } else {
            format!("a text stands in quotes; write {}", quoted(there.trim()))
        };
    }
    known
        .into_iter()
        .find(|(theirs, _)| message.starts_with(theirs))
        .map_or_else(|| format!("not valid TOML: {message}"), |(_, ours)| ours)
}
