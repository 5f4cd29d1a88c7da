//! Which options there are.
//!
//! Owns the one table that the command line, the help, the man page and the completions come from: names, values, one line of help, which
//! options need or exclude each other, and where a value goes. It is data, put together by the compiler: a definition that is made
//! anew by every call costs more than all that the check does. It reads no words and prints nothing.

mod asking;
mod expecting;

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::str::FromStr;

use super::Args;

/// Options that belong together.
pub(crate) struct Group {
    /// What they are about.
    pub(crate) title: &'static str,
    pub(crate) options: &'static [Opt],
}

/// All options, as the help shows them.
pub(crate) static GROUPS: [Group; 8] = [
    Group { title: "Server", options: asking::SERVER },
    Group { title: "Question", options: asking::QUESTION },
    Group { title: "EDNS (each option implies --edns)", options: asking::EDNS },
    Group { title: "Expectation", options: expecting::EXPECTATION },
    Group { title: "Zone and signatures", options: expecting::ZONE },
    Group { title: "TLS, HTTPS and QUIC", options: expecting::SECURE },
    Group { title: "Course", options: asking::COURSE },
    Group { title: "Output", options: expecting::OUTPUT },
];

/// One option.
pub(crate) struct Opt {
    /// Its name without the two dashes.
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) help: &'static str,
    pub(crate) takes: Takes,
    /// Whether it may be given more than once.
    pub(crate) many: bool,
    /// Options that must be given, too.
    pub(crate) with: &'static [&'static str],
    /// Options that must not be.
    pub(crate) not_with: &'static [&'static str],
}

/// What follows an option, and where it goes.
pub(crate) enum Takes {
    /// Nothing.
    Nothing(fn(&mut Args)),
    /// A value.
    Value {
        name: &'static str,
        set: fn(&mut Args, &str) -> Result<(), String>,
        /// What it is when it is left out; what is not is written behind an equals sign then.
        or: Option<&'static str>,
    },
    /// The path of a file, in whatever octets.
    File { name: &'static str, set: fn(&mut Args, PathBuf) },
}

const fn option(long: &'static str, help: &'static str, takes: Takes) -> Opt {
    Opt { long, short: None, help, takes, many: false, with: &[], not_with: &[] }
}

const fn flag(long: &'static str, help: &'static str, set: fn(&mut Args)) -> Opt {
    option(long, help, Takes::Nothing(set))
}

const fn value(
    long: &'static str,
    name: &'static str,
    help: &'static str,
    set: fn(&mut Args, &str) -> Result<(), String>,
) -> Opt {
    option(long, help, Takes::Value { name, set, or: None })
}

const fn file(
    long: &'static str,
    name: &'static str,
    help: &'static str,
    set: fn(&mut Args, PathBuf),
) -> Opt {
    option(long, help, Takes::File { name, set })
}

impl Opt {
    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    /// Its value may be left out, and is this then.
    const fn or(mut self, value: &'static str) -> Self {
        if let Takes::Value { or, .. } = &mut self.takes {
            *or = Some(value);
        }
        self
    }

    const fn with(mut self, with: &'static [&'static str]) -> Self {
        self.with = with;
        self
    }

    const fn not_with(mut self, not_with: &'static [&'static str]) -> Self {
        self.not_with = not_with;
        self
    }
}

/// All options in a row.
pub(super) fn all() -> impl Iterator<Item = &'static Opt> {
    GROUPS.iter().flat_map(|group| group.options)
}

fn read<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn one<T: FromStr<Err: Display>>(place: &mut Option<T>, text: &str) -> Result<(), String> {
    *place = Some(read(text)?);
    Ok(())
}

fn push<T: FromStr<Err: Display>>(places: &mut Vec<T>, text: &str) -> Result<(), String> {
    places.push(read(text)?);
    Ok(())
}

/// Takes several, with commas between them.
fn list<T: FromStr<Err: Display>>(places: &mut Vec<T>, text: &str) -> Result<(), String> {
    text.split(',').try_for_each(|part| push(places, part))
}

/// Takes a number within bounds, which are told to whoever writes another one.
fn number<T: Copy + FromStr + Into<u64>>(
    place: &mut Option<T>,
    text: &str,
    bounds: impl RangeBounds<u64>,
) -> Result<(), String> {
    let least = match bounds.start_bound() {
        Bound::Included(least) => *least,
        _ => 0,
    };
    let most = (1u64 << (8 * size_of::<T>())) - 1;
    let most = match bounds.end_bound() {
        Bound::Included(most) => *most,
        Bound::Excluded(end) => end - 1,
        Bound::Unbounded => most,
    };
    match text.parse::<T>() {
        Ok(number) if (least..=most).contains(&number.into()) => {
            *place = Some(number);
            Ok(())
        }
        _ => Err(format!("{text:?} is out of bounds or no number: write one from {least} to {most}")),
    }
}
