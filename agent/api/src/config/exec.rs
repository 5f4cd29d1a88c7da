//! `[virtual_server.check.exec]`: a program says whether a real server works.
//!
//! Owns the keys of such a check and the placeholders in its arguments, which are filled in for each real server. It never looks
//! for the program: a machine that checks a file need not have it.

use std::net::SocketAddr;
use std::time::Duration;

use checker_core::ExecCheck;
use checker_core::dns::Timeout;
use checker_core::exec::{ExitCodes, Limits};

use super::book::{Book, Place, listed, quoted};
use super::fields::{fields, noted};
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::suggest::nearest;
use super::table::{At, Given, Table};
use super::{CheckKind, Service};
use crate::id::{Name, Protocol};

const SECOND: Duration = Duration::from_secs(1);
/// Words of a command, and octets of one word.
const WORDS_MAX: usize = 64;
const WORD_MAX: usize = 1_024;
/// What may stand in a word.
const PLACEHOLDERS: [&str; 3] = ["{address}", "{port}", "{name}"];

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawExec<'t> {
    at: Place,
    command: Given<Vec<At<&'t str>>>,
    codes: Given<ExitCodes>,
    means: RawMeans,
    rhythm: RawRhythm,
}

fields! {
    /// As whom a program is run, and what it may use.
    RawMeans
    user: String = |book, table, key| account(book, table, key);
    group: String = |book, table, key| account(book, table, key);
    max_memory: u32 = |book, table, key| table.number(book, key, 1..=1 << 20);
    max_cpu: Duration = |book, table, key| table.duration(book, key, SECOND..=Timeout::MAX, "5s");
    max_files: u32 = |book, table, key| table.number(book, key, 3..=1 << 20);
    max_processes: u32 = |book, table, key| table.number(book, key, 1..=1 << 16);
}

/// The name of a user or group. Whether there is one is seen where the program is run.
fn account(book: &mut Book<'_>, table: &Table<'_>, key: &'static str) -> Given<String> {
    table.text(book, key, &format!("{key} = \"nobody\"")).convert(|text, at| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if (1..=32).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(good) {
            return Some(text.to_owned());
        }
        noted(
            book,
            at,
            format!("{key} = {} is no name of a {key}; write one such as \"nobody\"", quoted(text)),
        )
    })
}

/// Reads the table of such a check.
pub(super) fn raw<'t>(book: &mut Book<'_>, table: &Table<'t>) -> RawExec<'t> {
    let example = "command = [\"/usr/lib/nagios/plugins/check_tcp\", \"-H\", \"{address}\"]";
    let command = table.texts(book, "command", false, example);
    let codes = table.text(book, "exit_codes", "exit_codes = \"script\"");
    RawExec {
        at: table.at,
        command: command.convert(|words, at| checked(book, words, at)),
        codes: codes.convert(|text, at| match text {
            "script" => Some(ExitCodes::Script),
            "plugin" => Some(ExitCodes::Plugin),
            "weight" => Some(ExitCodes::Weight),
            other => {
                let remedy = match nearest(other, ["script", "plugin", "weight"]) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write \"script\", \"plugin\" or \"weight\"".to_owned(),
                };
                book.wrong(at, format!("unknown exit_codes {}; {remedy}", quoted(other)));
                None
            }
        }),
        means: RawMeans::read(book, table),
        rhythm: rhythm::timed(book, table),
    }
}

fn checked<'t>(book: &mut Book<'_>, words: Vec<At<&'t str>>, at: Place) -> Option<Vec<At<&'t str>>> {
    let program = words.first().map_or("", |(word, _)| *word);
    if !program.starts_with('/') {
        let message = if program.is_empty() {
            "command is empty; write the program's absolute path and its arguments".to_owned()
        } else {
            format!(
                "command begins with {}; write the program's absolute path, there is no shell",
                quoted(program)
            )
        };
        book.wrong(at, message);
        return None;
    }
    if words.len() > WORDS_MAX {
        book.wrong(at, format!("command has {} words; {WORDS_MAX} are the most", words.len()));
        return None;
    }
    let mut good = true;
    for (word, at) in &words {
        if word.len() > WORD_MAX || word.contains('\0') {
            book.wrong(*at, format!("this word of command is longer than {WORD_MAX} octets or holds a NUL"));
            good = false;
        }
        good &= known_placeholders(book, word, *at);
    }
    good.then_some(words)
}

/// Whether all placeholders in a word are known; the others are noted.
pub(super) fn known_placeholders(book: &mut Book<'_>, word: &str, at: Place) -> bool {
    let mut good = true;
    for placeholder in braces(word).filter(|found| !PLACEHOLDERS.contains(found)) {
        let known = listed(PLACEHOLDERS);
        book.wrong(at, format!("unknown placeholder {}; there are {known}", quoted(placeholder)));
        good = false;
    }
    good
}

/// A word with its placeholders filled in.
pub(super) fn fill(word: &str, target: SocketAddr, name: &Name) -> String {
    word.replace("{address}", &target.ip().to_string())
        .replace("{port}", &target.port().to_string())
        .replace("{name}", name.as_str())
}

/// Words in braces that look like placeholders: `{name}`.
fn braces(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices('{').filter_map(|(start, _)| {
        let rest = word.get(start..)?;
        let found = rest.get(..=rest.find('}')?)?;
        let name = found.get(1..found.len() - 1)?;
        (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).then_some(found)
    })
}

impl RawExec<'_> {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            at: base.at,
            command: self.command.or_else(base.command),
            codes: self.codes.or_else(base.codes),
            means: self.means.or_else(base.means),
            rhythm: self.rhythm.or_else(base.rhythm),
        }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawExec<'_>, services: Option<&[Service]>) -> Option<Judged> {
    if matches!(raw.command, Given::Absent) {
        book.missing(
            raw.at,
            "command is missing in [virtual_server.check.exec]; write the program and its arguments: command = [\"/path/to/check\", \"{address}\"]",
        );
    }
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let codes = raw.codes.or(ExitCodes::default())?;
    let command = raw.command.good()?.into_iter().map(|(word, _)| word.to_owned()).collect();
    let (rhythm, timeout) = rhythm_and_timeout?;
    let protocol = services.and_then(|all| all.first()).map_or(Protocol::Tcp, |service| service.protocol);
    let command: Vec<String> = command;
    // A program that is not told of a port needs none, where the services have none that could be told.
    let portless = services.is_none_or(|all| all.first().is_some_and(|service| service.port == 0));
    let port = (portless && !command.iter().any(|word| word.contains("{port}"))).then_some(0);
    let means = raw.means;
    if means.is_wrong() {
        return None;
    }
    let limits = Limits {
        memory: means.max_memory.good().map(|mebibytes| u64::from(mebibytes) << 20),
        cpu: means.max_cpu.good().map(|limit| limit.as_secs()),
        files: means.max_files.good().map(u64::from),
        processes: means.max_processes.good().map(u64::from),
    };
    let (user, group) = (means.user.good(), means.group.good());
    let check = ExecCheck { command, codes, timeout, user, group, limits };
    Some(Judged { kind: CheckKind::Exec(check), rhythm, port, protocol })
}

/// The check with its placeholders filled in for one real server.
pub(super) fn filled(check: ExecCheck, target: SocketAddr, name: &Name) -> ExecCheck {
    let command = check.command.iter().map(|word| fill(word, target, name)).collect();
    ExecCheck { command, ..check }
}
