//! Lists of keys, and the reading of texts that have a syntax of their own.
//!
//! Owns the macro that makes the reading and the overlaying of many keys from one list, so that no key can be read and then
//! forgotten. It knows no key by itself.

use std::fmt::Display;

use super::book::{Book, Place, quoted};
use super::suggest::nearest;
use super::table::{At, Given, Table};

macro_rules! fields {
    ($(#[$doc:meta])* $name:ident $($key:ident: $kind:ty = $read:expr;)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(super) struct $name {
            $($key: Given<$kind>,)+
        }

        impl $name {
            /// Reads them.
            pub(super) fn read(book: &mut Book<'_>, table: &Table<'_>) -> Self {
                $(let $key = {
                    let read: fn(&mut Book<'_>, &Table<'_>, &'static str) -> Given<$kind> = $read;
                    read(book, table, stringify!($key))
                };)+
                Self { $($key,)+ }
            }

            /// These, with what they leave out from `base`.
            pub(super) fn or_else(self, base: Self) -> Self {
                Self { $($key: self.$key.or_else(base.$key),)+ }
            }

            /// Whether one of them is wrong, which has been noted.
            fn is_wrong(&self) -> bool {
                false $(|| matches!(self.$key, Given::Wrong))+
            }
        }
    };
}
pub(super) use fields;

/// Where a key stands.
pub(super) fn place<T>(given: &Given<T>) -> Option<Place> {
    match given {
        Given::Good(_, at) => Some(*at),
        Given::Absent | Given::Wrong => None,
    }
}

/// One text in a syntax of `checker_core`.
pub(super) fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &'static str,
    example: &str,
) -> Given<T> {
    table.text(book, key, example).convert(|text, at| parsed(book, key, text, at, &[]))
}

/// A list of them, or one alone.
pub(super) fn words<T: std::str::FromStr<Err: std::fmt::Display>>(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &'static str,
    example: &str,
) -> Given<Vec<T>> {
    let texts: Given<Vec<At<&str>>> = table.texts(book, key, true, example);
    texts.convert(|words, _| {
        // All are looked at before the first bad one makes the list wrong.
        let read: Vec<Option<T>> =
            words.into_iter().map(|(text, at)| parsed(book, key, text, at, &[])).collect();
        read.into_iter().collect()
    })
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    book: &mut Book<'_>,
    table: &Table<'_>,
    key: &'static str,
    choices: &[(&'static str, T)],
) -> Given<T> {
    let example = format!("{key} = \"{}\"", choices.first().map_or("", |(word, _)| word));
    table.text(book, key, &example).convert(|text, at| {
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.or_else(|| {
            let all: Vec<String> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            noted(book, at, format!("{key} = {text:?} is unknown; write one of {}", all.join(", ")))
        })
    })
}

/// A word in the syntax of `checker_core`; of the common ones the nearest is proposed when it is none.
pub(super) fn parsed<T: std::str::FromStr<Err: Display>>(
    book: &mut Book<'_>,
    key: &str,
    text: &str,
    at: Place,
    common: &[&'static str],
) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let message = match nearest(text, common.iter().copied()) {
                Some(near) => format!("unknown {key} {}; did you mean {near:?}?", quoted(text)),
                None => format!("{key}: {error}"),
            };
            noted(book, at, message)
        }
    }
}

/// Notes a mistake and stands for the value that is not there.
pub(super) fn noted<T>(book: &mut Book<'_>, at: Place, message: impl Into<String>) -> Option<T> {
    book.wrong(at, message);
    None
}
