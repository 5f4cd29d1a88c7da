//! From text to a tree of tables and values, with every syntax mistake in words an operator can act on.
//!
//! Owns the use of the TOML parser, which recovers from mistakes and goes on. It never looks at what keys mean.

use std::cell::OnceCell;
use std::ops::Range;

use toml::de::{DeTable, Error};

use super::Source;
use super::book::{Book, Place, quoted};

/// How often a text is read again with its valueless lines taken out. Once is enough for all but contrived texts.
const PASSES: usize = 4;

/// The tree of source number `index`. Syntax mistakes go into the book.
///
/// At a key without a value the parser would stop. Such lines are blanked and the text is read again, from a copy that
/// lives in `copy`; the byte offsets stay those of the source.
pub(super) fn tree<'s>(
    book: &mut Book<'_>,
    index: usize,
    source: &'s Source,
    copy: &'s OnceCell<String>,
) -> DeTable<'s> {
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    let mut errors: Vec<_> = errors.iter().map(located).collect();
    let mut stoppers: Vec<(Range<usize>, String)> =
        errors.iter().filter(|error| stops(error)).cloned().collect();
    if stoppers.is_empty() {
        note(book, index, &source.text, &mut errors);
        return tree.into_inner();
    }
    let mut text = source.text.clone();
    for _ in 0..PASSES {
        let lines: Vec<Range<usize>> = errors
            .iter()
            .filter(|error| stops(error))
            .filter_map(|(span, _)| line_of(&text, span.start))
            .collect();
        if lines.is_empty() {
            break;
        }
        text = blanked(&text, &lines);
        errors = DeTable::parse_recoverable(&text).1.iter().map(located).collect();
        stoppers.extend(errors.iter().filter(|error| stops(error)).cloned());
    }
    errors.extend(stoppers);
    note(book, index, &source.text, &mut errors);
    DeTable::parse_recoverable(copy.get_or_init(|| text)).0.into_inner()
}

/// Whether the parser reads no further after it.
fn stops((_, message): &(Range<usize>, String)) -> bool {
    message.starts_with("key with no value")
}

fn located(error: &Error) -> (Range<usize>, String) {
    (error.span().unwrap_or(0..0), error.message().to_owned())
}

/// The line around `offset`, without its end.
fn line_of(text: &str, offset: usize) -> Option<Range<usize>> {
    // The parser points just behind the key, which is the line's end.
    let start = text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let end = text.get(offset..)?.find('\n').map_or(text.len(), |at| offset + at);
    Some(start..end)
}

/// `text` with blanks for every byte in `lines`.
fn blanked(text: &str, lines: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for line in lines {
        if line.start >= from {
            out.push_str(text.get(from..line.start).unwrap_or_default());
            out.extend(std::iter::repeat_n(' ', line.len()));
            from = line.end;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Puts the errors of one text into the book. Of what breaks a line's structure only the first is shown, the
/// others are its echo; texts without quotes stand for themselves.
fn note(book: &mut Book<'_>, index: usize, text: &str, errors: &mut Vec<(Range<usize>, String)>) {
    errors.sort_by_key(|(span, _)| span.start);
    errors.dedup();
    let mut broken_to = 0;
    for (span, message) in errors {
        let at = Place { source: index, start: span.start, end: span.end };
        let there = text.get(span.clone()).unwrap_or_default();
        let echo = span.start < broken_to;
        let unquoted = message.starts_with("string values must be quoted");
        if !echo {
            book.syntax(at, remedy(message, there));
        }
        if !echo && !unquoted && !message.starts_with("duplicate key") {
            let rest = text.get(span.start..).unwrap_or_default();
            broken_to = rest.find('\n').map_or(text.len(), |to| span.start + to + 1);
        }
    }
}

/// The parser's message as one that says what to write instead.
fn remedy(message: &str, there: &str) -> String {
    let known = [
        ("duplicate key", format!("{} is set twice here; keep one of them", there.trim())),
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
        .map_or_else(|| format!("not valid TOML: {}", message.replace(['\n', '\r'], " ")), |(_, ours)| ours)
}
