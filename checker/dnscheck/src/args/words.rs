//! From the words of a command line to options.
//!
//! Owns how an option and its value are written, and what is said of one that is unknown, given twice, without its value, or without
//! or beside another. It knows no option by name but those that must be given.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg;

use super::Args;
use super::options::{Opt, Takes, all};

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Call {
    Probe(Box<Args>),
    Help,
    Version,
}

/// Reads the words behind the name of the program.
///
/// # Errors
/// What is wrong, with the option at fault at its beginning.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Call, String> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut parser = lexopt::Parser::from_args(words);
    let mut args = Box::<Args>::default();
    let mut given: Vec<&Opt> = Vec::with_capacity(16);
    while let Some(word) = parser.next().map_err(unread)? {
        let option = match word {
            Arg::Long("help") | Arg::Short('h') => return Ok(Call::Help),
            Arg::Long("version") | Arg::Short('V') => return Ok(Call::Version),
            Arg::Long(name) => all().find(|option| option.long == name).ok_or_else(|| unknown(name))?,
            Arg::Short(name) => all()
                .find(|option| option.short == Some(name))
                .ok_or_else(|| format!("-{name}: there is no such option: see --help"))?,
            Arg::Value(word) => {
                return Err(format!("{word:?} belongs to no option: write --server or --qname before it"));
            }
        };
        if !option.many && given.iter().any(|other| std::ptr::eq(*other, option)) {
            return Err(format!("--{}: it is given twice", option.long));
        }
        given.push(option);
        take(option, &mut parser, &mut args).map_err(|error| format!("--{}: {error}", option.long))?;
    }
    let is_given = |name: &str| given.iter().any(|option| option.long == name);
    for option in &given {
        if let Some(other) = option.with.iter().find(|other| !is_given(other)) {
            return Err(format!("--{}: it takes --{other}, too", option.long));
        }
        if let Some(other) = option.not_with.iter().find(|other| is_given(other)) {
            return Err(format!("--{}: it can't be used with --{other}", option.long));
        }
    }
    if !is_given("server") && !is_given("servers-file") {
        return Err(
            "--server: it is missing: write the address of a name server, or --servers-file".to_owned()
        );
    }
    if !is_given("qname") {
        return Err("--qname: it is missing: write the name that is to be asked for".to_owned());
    }
    Ok(Call::Probe(args))
}

/// Reads the value of an option, if it has one, and puts it where it belongs.
fn take(option: &Opt, parser: &mut lexopt::Parser, args: &mut Args) -> Result<(), String> {
    match &option.takes {
        Takes::Nothing(set) => {
            set(args);
            Ok(())
        }
        Takes::Value { set, or: Some(or), .. } => match parser.optional_value() {
            Some(value) => set(args, text(&value)?),
            None => set(args, or),
        },
        Takes::Value { name, set, or: None } => set(args, text(&following(parser, name)?)?),
        Takes::File { name, set } => {
            set(args, PathBuf::from(following(parser, name)?));
            Ok(())
        }
    }
}

/// The value of an option. A word that looks like another option is none, unless it stands behind an equals sign.
fn following(parser: &mut lexopt::Parser, name: &str) -> Result<OsString, String> {
    let missing = || format!("its value is missing: write {name} behind it");
    if let Some(value) = parser.optional_value() {
        return Ok(value);
    }
    let value = parser.value().map_err(|_| missing())?;
    let looks_like_an_option = value
        .to_str()
        .and_then(|value| value.strip_prefix("--"))
        .is_some_and(|value| value.starts_with(|c: char| c.is_ascii_alphabetic()));
    if looks_like_an_option { Err(missing()) } else { Ok(value) }
}

fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| format!("{value:?} is not UTF-8"))
}

/// Says what can't be read as an option at all.
fn unread(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("{option}: it takes no value, but {value:?} is given")
        }
        other => other.to_string(),
    }
}

fn unknown(name: &str) -> String {
    let near = all()
        .map(|option| (strsim::jaro_winkler(option.long, name), option.long))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.8);
    match near {
        Some((_, near)) => format!("--{name}: there is no such option: did you mean --{near}?"),
        None => format!("--{name}: there is no such option: see --help"),
    }
}
