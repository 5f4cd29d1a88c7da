//! The ways out: `smtp`, `sendmail`, `[[alert.webhook]]`, `[[alert.command]]`.
//!
//! Owns their keys. No secret stands in the file: a key that would hold one names where it is.

use std::path::PathBuf;
use std::time::Duration;

use super::super::book::{Book, quoted};
use super::super::lvs::word;
use super::super::table::{Given, Table};
use super::{Hook, Mail, Secret, Security, Smtp, Transport, Webhook, read, target};

/// Words of a command, and octets of one word.
const WORDS_MAX: usize = 64;
const WORD_MAX: usize = 1_024;

/// How mail leaves; the inner one is absent when nothing is said and nobody wants mail.
pub(super) fn mail(book: &mut Book<'_>, table: &Table<'_>, wanted: bool) -> Option<Option<Mail>> {
    let example = "from = \"holdfast@director1.example.net\"";
    let from = table.text(book, "from", example).convert(|text, at| match target::mail_address(text) {
        Ok(address) => Some(address),
        Err(why) => {
            book.wrong(at, format!("from: {why}"));
            None
        }
    });
    let server = table.text(book, "smtp", "smtp = \"smtp://127.0.0.1:25\"").convert(|text, at| {
        match target::smtp(text) {
            Ok(server) => Some(server),
            Err(why) => {
                book.wrong(at, why);
                None
            }
        }
    });
    let sendmail = file(book, table, "sendmail", "/usr/sbin/sendmail");
    let words = [
        ("opportunistic", Security::Opportunistic),
        ("required", Security::Required),
        ("never", Security::Plain),
    ];
    let starttls = word(book, table, "starttls", &words);
    let ca = file(book, table, "ca", "/etc/holdfast/mail-ca.pem");
    let credential = secret(book, table, "credential", "smtp");
    let hello = table.text(book, "hello", "hello = \"director1.example.net\"").convert(|text, at| {
        let host = target::host(text);
        if host.is_none() {
            book.wrong(at, format!("hello {} is no host's name", quoted(text)));
        }
        host
    });
    let limits = Duration::from_secs(1)..=Duration::from_secs(600);
    let timeout = table.duration(book, "smtp_timeout", limits, "2m");
    if wanted && matches!(from, Given::Absent) {
        table.note_missing(book, "from", example);
        return None;
    }
    let (ca, credential) = (ca.not_wrong()?.good(), credential.not_wrong()?);
    let transport = match (server.not_wrong()?, sendmail.not_wrong()?) {
        (Given::Good(..), Given::Good(_, at)) => {
            book.wrong(at, "smtp and sendmail don't go together; remove one of them");
            return None;
        }
        (Given::Good((tls, host, port), _), _) => {
            let security = match (tls, starttls) {
                (true, Given::Good(_, at)) => {
                    book.wrong(at, "smtps:// is encrypted from the start; remove starttls, or write smtp://");
                    return None;
                }
                (true, _) => Security::Tls,
                (false, Given::Good(Security::Plain | Security::Opportunistic, at))
                    if matches!(credential, Given::Good(..)) =>
                {
                    book.wrong(
                        at,
                        "a password goes over an encrypted connection only; write starttls = \"required\"",
                    );
                    return None;
                }
                (false, starttls) => {
                    let with_password = matches!(credential, Given::Good(..));
                    starttls.or(if with_password { Security::Required } else { Security::Opportunistic })?
                }
            };
            let (credential, hello) = (credential.good(), hello.not_wrong()?.good());
            let timeout = timeout.or(Duration::from_secs(120))?;
            Transport::Smtp(Smtp { host, port, security, ca, credential, timeout, hello })
        }
        (_, Given::Good(program, _)) => {
            if ca.is_some() || matches!(credential, Given::Good(..)) || matches!(starttls, Given::Good(..)) {
                book.missing(
                    table.at,
                    "ca, credential and starttls belong to smtp; remove them, or sendmail",
                );
                return None;
            }
            Transport::Sendmail(program)
        }
        _ if wanted => {
            table.note_missing(
                book,
                "smtp",
                "smtp = \"smtp://127.0.0.1:25\", or sendmail = \"/usr/sbin/sendmail\"",
            );
            return None;
        }
        _ => return Some(None),
    };
    Some(Some(Mail { from: from.good()?, transport }))
}

fn file(book: &mut Book<'_>, table: &Table<'_>, key: &str, example: &str) -> Given<PathBuf> {
    table.text(book, key, &format!("{key} = {example:?}")).convert(|text, at| match target::path(key, text) {
        Ok(path) => Some(path),
        Err(why) => {
            book.wrong(at, format!("{why}; write {key} = {example:?}"));
            None
        }
    })
}

fn secret(book: &mut Book<'_>, table: &Table<'_>, key: &str, example: &str) -> Given<Secret> {
    table.text(book, key, &format!("{key} = {example:?}")).convert(|text, at| {
        match target::secret(key, text) {
            Ok(secret) => Some(secret),
            Err(why) => {
                book.wrong(at, why);
                None
            }
        }
    })
}

/// One `[[alert.webhook]]`.
pub(super) fn webhook(book: &mut Book<'_>, table: &Table<'_>) -> Option<Webhook> {
    let name = read::name(book, table, "name", true);
    let example = "url = \"https://chat.example.net/hook\"";
    let url = table.needed(book, "url", example).convert(|text, at| match target::url("url", text) {
        Ok(url) => Some(url),
        Err(why) => {
            book.wrong(at, why);
            None
        }
    });
    let secret = secret(book, table, "secret", "chat");
    let ca = file(book, table, "ca", "/etc/holdfast/ca.pem");
    let limits = Duration::from_secs(1)..=Duration::from_secs(60);
    let timeout = table.duration(book, "timeout", limits, "10s");
    Some(Webhook {
        name: name??,
        url: url.good()?,
        secret: secret.not_wrong()?.good(),
        ca: ca.not_wrong()?.good(),
        timeout: timeout.or(Duration::from_secs(10))?,
    })
}

/// One `[[alert.command]]`.
pub(super) fn hook(book: &mut Book<'_>, table: &Table<'_>) -> Option<Hook> {
    let name = read::name(book, table, "name", true);
    let example = "command = [\"/usr/local/bin/page\", \"oncall\"]";
    let given = table.texts(book, "command", false, example);
    if matches!(given, Given::Absent) {
        table.note_missing(book, "command", example);
    }
    let command = given.convert(|words, at| {
        let program = words.first().map_or("", |(word, _)| *word);
        let wrong = if !program.starts_with('/') {
            Some("command does not begin with a program's absolute path; there is no shell".to_owned())
        } else if words.len() > WORDS_MAX {
            Some(format!("command has {} words; {WORDS_MAX} are the most", words.len()))
        } else if words.iter().any(|(word, _)| word.len() > WORD_MAX || word.contains('\0')) {
            Some(format!("a word of command is longer than {WORD_MAX} octets or holds a NUL"))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            book.wrong(at, wrong);
            return None;
        }
        Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
    });
    let limits = Duration::from_secs(1)..=Duration::from_secs(600);
    let timeout = table.duration(book, "timeout", limits, "10s");
    Some(Hook { name: name??, command: command.good()?, timeout: timeout.or(Duration::from_secs(10))? })
}
