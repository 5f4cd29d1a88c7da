//! `[virtual_server.check.smtp]`.
//!
//! Owns the keys of a check by SMTP. When it runs is in `rhythm`.

use checker_core::SmtpCheck;
use checker_core::smtp::Security;
use checker_core::tls::ServerName;

use super::CheckKind;
use super::book::Book;
use super::fields::{choice, word};
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use super::tls::{self, RawTls};
use crate::id::Protocol;

/// When a connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Never,
    Starttls,
    Begin,
}

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawSmtp {
    port: Given<u32>,
    hello: Given<ServerName>,
    security: Given<When>,
    tls: RawTls,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawSmtp {
    let choices = [("none", When::Never), ("starttls", When::Starttls), ("tls", When::Begin)];
    RawSmtp {
        port: table.number(book, "port", 1..=65_535),
        hello: word(book, table, "hello", "hello = \"director.example.net\""),
        security: choice(book, table, "security", &choices),
        tls: tls::raw(book, table),
        rhythm: rhythm::timed(book, table),
    }
}

impl RawSmtp {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            port: self.port.or_else(base.port),
            hello: self.hello.or_else(base.hello),
            security: self.security.or_else(base.security),
            tls: self.tls.or_else(base.tls),
            rhythm: self.rhythm.or_else(base.rhythm),
        }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawSmtp) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let security = match raw.security.or(When::Never)? {
        When::Never => {
            raw.tls.refused(book, "write security = \"starttls\" or \"tls\"")?;
            Security::None
        }
        When::Starttls => Security::Starttls(Box::new(raw.tls.judged(book)?)),
        When::Begin => Security::Tls(Box::new(raw.tls.judged(book)?)),
    };
    let hello = match raw.hello.not_wrong()? {
        Given::Good(name, _) => name,
        _ => "localhost".parse().ok()?,
    };
    let port = match raw.port.not_wrong()? {
        Given::Good(port, _) => Some(u16::try_from(port).ok()?),
        _ => None,
    };
    let (rhythm, timeout) = rhythm_and_timeout?;
    let check = SmtpCheck { hello, security, timeout };
    Some(Judged { kind: CheckKind::Smtp(Box::new(check)), rhythm, port, protocol: Protocol::Tcp })
}
