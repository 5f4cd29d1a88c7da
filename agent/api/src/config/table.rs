//! One table of the file, read key by key.
//!
//! Owns the refusal of unknown keys and of values of the wrong kind, always with what to write instead. It knows
//! no key by itself: whoever opens a table says which ones it may hold.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::book::{Book, Place, listed, quoted};
use super::duration::{format_duration, parse_duration};
use super::keys;
use super::suggest::nearest;
use super::syntax::Tree;

/// What a key holds. Whoever goes on after a wrong value must not complain about what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// The key is not there.
    Absent,
    /// It is there, but the value is wrong, which has been noted.
    Wrong,
    /// A good value and where it stands.
    Good(T, Place),
}

impl<T> Given<T> {
    /// The good value.
    pub(super) fn good(self) -> Option<T> {
        match self {
            Self::Good(value, _) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The value or, when there is none, the default; `None` when it is wrong.
    pub(super) fn or(self, default: T) -> Option<T> {
        match self {
            Self::Good(value, _) => Some(value),
            Self::Absent => Some(default),
            Self::Wrong => None,
        }
    }

    /// This one, good or absent; `None` when it is wrong.
    pub(super) fn not_wrong(self) -> Option<Self> {
        if matches!(self, Self::Wrong) { None } else { Some(self) }
    }

    /// This one unless it is absent, the other one then.
    pub(super) fn or_else(self, other: Self) -> Self {
        if matches!(self, Self::Absent) { other } else { self }
    }

    /// Converts a good value; a `None` means that it turned out wrong, which has been noted.
    pub(super) fn convert<U>(self, convert: impl FnOnce(T, Place) -> Option<U>) -> Given<U> {
        match self {
            Self::Good(value, at) => convert(value, at).map_or(Given::Wrong, |value| Given::Good(value, at)),
            Self::Absent => Given::Absent,
            Self::Wrong => Given::Wrong,
        }
    }
}

impl<T> Given<T> {
    /// The value if it is there; `None` when it is wrong.
    pub(super) fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Good(value, _) => Some(Some(value)),
            Self::Absent => Some(None),
            Self::Wrong => None,
        }
    }
}

/// A number, or a word in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Number(u32),
    Word(&'static str),
}

/// A value and where it stands.
pub(super) type At<T> = (T, Place);

/// An item of a list that may hold both.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'t> {
    /// A text and where it stands.
    Text(&'t str, Place),
    /// A table.
    Table(Table<'t>),
}

/// A table that holds only known keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'t> {
    tree: &'t Tree<'t>,
    entries: &'t DeTable<'t>,
    /// How it is written: `[lvs]`.
    header: &'static str,
    /// Where it begins.
    pub(super) at: Place,
}

impl<'t> Table<'t> {
    /// The top level of source number `index`.
    pub(super) fn root(book: &mut Book<'_>, tree: &'t Tree<'t>, index: usize) -> Self {
        let at = Place { source: index, start: 0, end: 0 };
        Self::open(book, Self { tree, entries: &tree.table, header: keys::FILE.header, at }, &keys::FILE)
    }

    /// The table `entries` below this one, which begins at `at`.
    fn below(&self, book: &mut Book<'_>, entries: &'t DeTable<'t>, at: Place, kind: &keys::Kind) -> Self {
        Self::open(book, Self { tree: self.tree, entries, header: kind.header, at }, kind)
    }

    /// Notes every key that the table may not hold.
    fn open(book: &mut Book<'_>, table: Self, kind: &keys::Kind) -> Self {
        book.table_begins(table.at);
        for (key, _) in table.entries {
            let word = key.get_ref().as_ref();
            if !kind.keys.contains(&word) {
                book.wrong(table.place(key), unknown(word, kind));
            }
        }
        table
    }

    /// Whether it holds no key at all, known or unknown.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn get(&self, key: &str) -> Option<(&'t DeValue<'t>, Place)> {
        let (_, value) = self.entries.iter().find(|(k, _)| k.get_ref() == key)?;
        Some((value.get_ref(), self.place(value)))
    }

    fn place<T>(&self, value: &Spanned<T>) -> Place {
        let span = self.tree.in_source(&value.span());
        Place { source: self.at.source, start: span.start, end: span.end }
    }

    /// Notes that `key` must be there.
    pub(super) fn note_missing(&self, book: &mut Book<'_>, key: &str, example: &str) {
        book.missing(self.at, format!("{key} is missing in {}; write {example}", self.header));
    }

    /// A text.
    pub(super) fn text(&self, book: &mut Book<'_>, key: &str, example: &str) -> Given<&'t str> {
        match self.get(key) {
            None => Given::Absent,
            Some((DeValue::String(text), at)) => Given::Good(text.as_ref(), at),
            Some((other, at)) => {
                book.wrong(at, format!("{key} is {}; write a text in quotes: {example}", found(other)));
                Given::Wrong
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&self, book: &mut Book<'_>, key: &str, example: &str) -> Given<&'t str> {
        let given = self.text(book, key, example);
        if matches!(given, Given::Absent) {
            self.note_missing(book, key, example);
            return Given::Wrong;
        }
        given
    }

    /// A whole number within `limits`.
    pub(super) fn number(&self, book: &mut Book<'_>, key: &str, limits: RangeInclusive<u32>) -> Given<u32> {
        self.whole(book, key, limits)
    }

    /// A whole number within `limits`, which may be negative.
    pub(super) fn signed(&self, book: &mut Book<'_>, key: &str, limits: RangeInclusive<i32>) -> Given<i32> {
        self.whole(book, key, limits)
    }

    fn whole<T>(&self, book: &mut Book<'_>, key: &str, limits: RangeInclusive<T>) -> Given<T>
    where
        T: TryFrom<i128> + FromStr + PartialOrd + Display,
    {
        let Some((value, at)) = self.get(key) else { return Given::Absent };
        let (low, high) = (limits.start(), limits.end());
        let message = match value {
            DeValue::Integer(number) => {
                let read = i128::from_str_radix(number.as_str(), number.radix()).ok();
                match read
                    .and_then(|number| T::try_from(number).ok())
                    .filter(|number| limits.contains(number))
                {
                    Some(number) => return Given::Good(number, at),
                    None => {
                        format!("{key} = {number} is out of range; write a whole number from {low} to {high}")
                    }
                }
            }
            DeValue::String(text) if text.trim().parse().is_ok_and(|number: T| limits.contains(&number)) => {
                format!("{key} is a text; write the number without quotes: {key} = {}", text.trim())
            }
            other => format!("{key} is {}; write a whole number from {low} to {high}", found(other)),
        };
        book.wrong(at, message);
        Given::Wrong
    }

    /// A whole number within `limits`, or one of `words`.
    pub(super) fn number_or_word(
        &self,
        book: &mut Book<'_>,
        key: &str,
        limits: RangeInclusive<u32>,
        words: &[&'static str],
    ) -> Given<Number> {
        let Some((DeValue::String(text), at)) = self.get(key) else {
            return self.number(book, key, limits).convert(|number, _| Some(Number::Number(number)));
        };
        match words.iter().find(|word| **word == text.as_ref()) {
            Some(word) => Given::Good(Number::Word(word), at),
            None => {
                let (low, high) = (limits.start(), limits.end());
                let known = listed(words.iter().map(|word| quoted(word)));
                book.wrong(
                    at,
                    format!(
                        "unknown {key} {}; write {known}, or a number from {low} to {high} without quotes",
                        quoted(text)
                    ),
                );
                Given::Wrong
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, book: &mut Book<'_>, key: &str) -> Given<bool> {
        match self.get(key) {
            None => Given::Absent,
            Some((DeValue::Boolean(value), at)) => Given::Good(*value, at),
            Some((other, at)) => {
                book.wrong(
                    at,
                    format!("{key} is {}; write {key} = true or {key} = false, without quotes", found(other)),
                );
                Given::Wrong
            }
        }
    }

    /// A duration within `limits`.
    pub(super) fn duration(
        &self,
        book: &mut Book<'_>,
        key: &str,
        limits: RangeInclusive<Duration>,
        example: &str,
    ) -> Given<Duration> {
        let Some((value, at)) = self.get(key) else { return Given::Absent };
        let message = match value {
            DeValue::String(text) => match parse_duration(text) {
                Ok(duration) if limits.contains(&duration) => return Given::Good(duration, at),
                Ok(_) => format!(
                    "{key} = {} is out of range; write {} to {}",
                    quoted(text),
                    format_duration(*limits.start()),
                    format_duration(*limits.end())
                ),
                Err(error) => format!("{key}: {error}"),
            },
            DeValue::Integer(number) => {
                format!("{key} is a number without a unit; write {key} = \"{number}s\", or with ms, m, h, d")
            }
            DeValue::Float(number) => {
                format!("{key} is a number without a unit; write {key} = \"{}s\"", number.as_str())
            }
            other => format!("{key} is {}; write a duration in quotes: {key} = \"{example}\"", found(other)),
        };
        book.wrong(at, message);
        Given::Wrong
    }

    /// A list of texts; where `single` allows it, one text alone is a list of one. Items that are no texts are noted and
    /// left out.
    pub(super) fn texts(
        &self,
        book: &mut Book<'_>,
        key: &str,
        single: bool,
        example: &str,
    ) -> Given<Vec<At<&'t str>>> {
        let Some((value, at)) = self.get(key) else { return Given::Absent };
        match value {
            DeValue::String(text) if single => Given::Good(vec![(text.as_ref(), at)], at),
            DeValue::Array(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => texts.push((text.as_ref(), self.place(item))),
                        other => book.wrong(
                            self.place(item),
                            format!("{key} holds {}; write texts in quotes: {example}", found(other)),
                        ),
                    }
                }
                // The good ones are looked at all the same, to find their mistakes too.
                if texts.is_empty() && !items.is_empty() { Given::Wrong } else { Given::Good(texts, at) }
            }
            other => {
                book.wrong(at, format!("{key} is {}; write a list: {example}", found(other)));
                Given::Wrong
            }
        }
    }

    /// A list of texts and tables, in any order. Items that are neither are noted and left out.
    pub(super) fn items(
        &self,
        book: &mut Book<'_>,
        key: &str,
        kind: &keys::Kind,
        example: &str,
    ) -> Given<Vec<Item<'t>>> {
        let Some((value, at)) = self.get(key) else { return Given::Absent };
        let DeValue::Array(items) = value else {
            book.wrong(at, format!("{key} is {}; write a list: {example}", found(value)));
            return Given::Wrong;
        };
        let mut read = Vec::with_capacity(items.len());
        for item in items.iter() {
            let at = self.place(item);
            match item.get_ref() {
                DeValue::String(text) => read.push(Item::Text(text.as_ref(), at)),
                DeValue::Table(entries) => read.push(Item::Table(self.below(book, entries, at, kind))),
                other => book.wrong(at, format!("{key} holds {}; write {example}", found(other))),
            }
        }
        if read.len() < items.len() { Given::Wrong } else { Given::Good(read, at) }
    }

    /// Whether `key` is there, good or not, and where.
    pub(super) fn has(&self, key: &str) -> Option<Place> {
        self.get(key).map(|(_, at)| at)
    }

    /// The table `key`, `[header]` or inline.
    pub(super) fn table(&self, book: &mut Book<'_>, key: &str, kind: &keys::Kind) -> Given<Table<'t>> {
        match self.get(key) {
            None => Given::Absent,
            Some((DeValue::Table(entries), at)) => Given::Good(self.below(book, entries, at, kind), at),
            Some((other, at)) => {
                let several = matches!(other, DeValue::Array(_));
                let hint = if several { ", with single brackets and only once" } else { "" };
                book.wrong(at, format!("{key} is {}; write a table: {}{hint}", found(other), kind.example));
                Given::Wrong
            }
        }
    }

    /// The table `[header]`, or the tables `[[header]]`.
    pub(super) fn one_or_more(
        &self,
        book: &mut Book<'_>,
        key: &str,
        kind: &keys::Kind,
    ) -> Given<Vec<Table<'t>>> {
        match self.get(key) {
            Some((DeValue::Array(_), _)) => self.tables(book, key, kind),
            _ => self.table(book, key, kind).convert(|table, _| Some(vec![table])),
        }
    }

    /// The tables `[[header]]`. Those that are tables are returned even when others are not.
    pub(super) fn tables(&self, book: &mut Book<'_>, key: &str, kind: &keys::Kind) -> Given<Vec<Table<'t>>> {
        let Some((value, at)) = self.get(key) else { return Given::Absent };
        match value {
            DeValue::Array(items) if items.is_empty() => {
                book.wrong(at, format!("{key} is empty; write {} for each", kind.example));
                Given::Wrong
            }
            DeValue::Array(items) => {
                let mut tables = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::Table(entries) => {
                            tables.push(self.below(book, entries, self.place(item), kind))
                        }
                        other => book.wrong(
                            self.place(item),
                            format!("{key} holds {}; write {}", found(other), kind.example),
                        ),
                    }
                }
                Given::Good(tables, at)
            }
            DeValue::Table(entries) => {
                // Read on, so that the mistakes inside are seen in the same run.
                book.wrong(
                    at,
                    format!("{key} is a single table; write {} with double brackets", kind.example),
                );
                Given::Good(vec![self.below(book, entries, at, kind)], at)
            }
            other => {
                book.wrong(at, format!("{key} is {}; write {} for each", found(other), kind.example));
                Given::Wrong
            }
        }
    }
}

/// How many tables are named to which a misplaced key belongs.
const PLACES_TOLD: usize = 4;

/// What is said of a key that a table may not hold.
fn unknown(word: &str, kind: &keys::Kind) -> String {
    if let Some((_, instead)) = kind.not_yet.iter().find(|(key, _)| *key == word) {
        return format!("{word} is not supported by this version: {instead}");
    }
    let elsewhere: Vec<&str> = keys::ALL
        .iter()
        .filter(|other| other.header != kind.header && other.keys.contains(&word))
        .map(|other| other.header)
        .collect();
    if !elsewhere.is_empty() {
        let others = if elsewhere.len() > PLACES_TOLD { " and others" } else { "" };
        let told = either(elsewhere.get(..PLACES_TOLD).unwrap_or(&elsewhere));
        return format!("{word} has no place in {}; it belongs in {told}{others}", kind.header);
    }
    match nearest(word, kind.keys.iter().copied()) {
        Some(near) => format!("unknown key {}; did you mean {}?", quoted(word), quoted(near)),
        None => format!("unknown key {}; {} knows {}", quoted(word), kind.header, listed(kind.keys)),
    }
}

/// `a or b`.
fn either<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// What kind of value it is, with its article.
fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
