//! `notify`: scripts and a FIFO that are told of changes of state.
//!
//! Owns how a command is written. It never looks for the program: a machine that checks a file need not have it.

use std::time::Duration;

use super::super::book::{Book, Place, quoted};
use super::super::keys;
use super::super::table::{At, Given, Table};
use super::{Notify, NotifyTimeout};

const WORDS_MAX: usize = 64;
const WORD_MAX: usize = 1_024;

/// Reads `notify`; nobody is told when it is absent.
pub(super) fn notify(book: &mut Book<'_>, table: &Table<'_>) -> Option<Notify> {
    let table = match table.table(book, "notify", &keys::ROUTER_NOTIFY) {
        Given::Good(table, _) => table,
        Given::Absent => return Some(Notify::default()),
        Given::Wrong => return None,
    };
    let mut of = |key: &str| command(book, &table, key).not_wrong().map(Given::good);
    let (active, backup, fault) = (of("active"), of("backup"), of("fault"));
    let (stop, any) = (of("stop"), of("any"));
    let fifo = path(book, &table, "fifo", "fifo = \"/run/holdfast/vrrp.fifo\"");
    let limits = Duration::from_millis(100)..=Duration::from_secs(600);
    let timeout = table.duration(book, "timeout", limits, "10s");
    Some(Notify {
        active: active?,
        backup: backup?,
        fault: fault?,
        stop: stop?,
        any: any?,
        fifo: fifo.not_wrong()?.good(),
        timeout: NotifyTimeout(timeout.or(NotifyTimeout::default().0)?),
    })
}

/// A program's absolute path and its arguments.
pub(super) fn command(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Given<Vec<String>> {
    let example = format!("{key} = [\"/usr/local/bin/vip\", \"argument\"]");
    table.texts(book, key, true, &example).convert(|words, at| checked(book, key, words, at))
}

fn checked(book: &mut Book<'_>, key: &str, words: Vec<At<&str>>, at: Place) -> Option<Vec<String>> {
    let program = words.first().map_or("", |(word, _)| *word);
    let message = if program.is_empty() {
        format!("{key} is empty; write the program's absolute path and its arguments")
    } else if !program.starts_with('/') {
        format!("{key} begins with {}; write the program's absolute path, there is no shell", quoted(program))
    } else if words.len() > WORDS_MAX {
        format!("{key} has {} words; {WORDS_MAX} are the most", words.len())
    } else if words.iter().any(|(word, _)| word.len() > WORD_MAX || word.contains('\0')) {
        format!("a word of {key} is longer than {WORD_MAX} octets or holds a NUL")
    } else if words.len() == 1 && program.contains(' ') {
        format!(
            "{key} has blanks in it; write a list, each argument a text of its own: {key} = [\"/path\", \"argument\"]"
        )
    } else {
        return Some(words.into_iter().map(|(word, _)| word.to_owned()).collect());
    };
    book.wrong(at, message);
    None
}

/// An absolute path.
pub(super) fn path(book: &mut Book<'_>, table: &Table<'_>, key: &str, example: &str) -> Given<String> {
    table.text(book, key, example).convert(|text, at| {
        let good = text.len() > 1 && text.starts_with('/') && text.len() < 4_096 && !text.contains('\0');
        if !good {
            book.wrong(at, format!("{key} {} is no absolute path; write {example}", quoted(text)));
        }
        good.then(|| text.to_owned())
    })
}
