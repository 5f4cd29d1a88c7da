//! The keys of TLS, which every check over a secured connection has.
//!
//! Owns `tls_name`, `ca`, `verify`, `pin`, `client_certificate`, `client_key` and `certificate_warn`: their syntax, and which of
//! them go together. It never opens a file: a machine that checks a configuration need not have them.

use std::path::PathBuf;
use std::time::Duration;

use checker_core::tls::{Identity, Pin, ServerName, Tls, Trust};

use super::book::{Book, Place, quoted};
use super::table::{Given, Table};

/// The longest time before its end that a certificate may be warned of.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
/// The most pins.
const PINS_MAX: usize = 16;

/// These keys as far as they were written.
#[derive(Debug, Clone)]
pub(super) struct RawTls {
    name: Given<ServerName>,
    ca: Given<PathBuf>,
    verify: Given<bool>,
    pin: Given<Vec<Pin>>,
    certificate: Given<PathBuf>,
    key: Given<PathBuf>,
    warn: Given<Duration>,
}

/// Reads them.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawTls {
    let name = table.text(book, "tls_name", "tls_name = \"dns.example.net\"");
    let pins = table.texts(book, "pin", true, "pin = [\"<44 characters of base64>\"]");
    RawTls {
        name: name.convert(|text, at| parsed(book, "tls_name", text, at)),
        ca: file(book, table, "ca"),
        verify: table.switch(book, "verify"),
        pin: pins.convert(|texts, at| {
            if texts.is_empty() || texts.len() > PINS_MAX {
                book.wrong(at, format!("pin holds {} keys; write 1 to {PINS_MAX}", texts.len()));
                return None;
            }
            let pins: Vec<Option<Pin>> =
                texts.into_iter().map(|(text, at)| parsed(book, "pin", text, at)).collect();
            pins.into_iter().collect()
        }),
        certificate: file(book, table, "client_certificate"),
        key: file(book, table, "client_key"),
        warn: table.duration(book, "certificate_warn", Duration::ZERO..=YEAR, "14d"),
    }
}

/// The absolute path of a file.
pub(super) fn file(book: &mut Book<'_>, table: &Table<'_>, key: &'static str) -> Given<PathBuf> {
    table.text(book, key, &format!("{key} = \"/etc/holdfast/{key}.pem\"")).convert(|text, at| {
        if text.starts_with('/') && text.len() <= 1_024 && !text.contains('\0') {
            return Some(PathBuf::from(text));
        }
        book.wrong(at, format!("{key} = {} is no absolute path; write one that begins with /", quoted(text)));
        None
    })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    book: &mut Book<'_>,
    key: &str,
    text: &str,
    at: Place,
) -> Option<T> {
    text.parse().map_err(|error| book.wrong(at, format!("{key}: {error}"))).ok()
}

fn place<T>(given: &Given<T>) -> Option<Place> {
    match given {
        Given::Good(_, at) => Some(*at),
        Given::Absent | Given::Wrong => None,
    }
}

impl RawTls {
    /// These, with what they leave out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            name: self.name.or_else(base.name),
            ca: self.ca.or_else(base.ca),
            verify: self.verify.or_else(base.verify),
            pin: self.pin.or_else(base.pin),
            certificate: self.certificate.or_else(base.certificate),
            key: self.key.or_else(base.key),
            warn: self.warn.or_else(base.warn),
        }
    }

    /// Notes the keys as having no effect, for a check without TLS; `remedy` says what would give them one.
    pub(super) fn refused(&self, book: &mut Book<'_>, remedy: &str) -> Option<()> {
        let places = [
            ("tls_name", place(&self.name)),
            ("ca", place(&self.ca)),
            ("verify", place(&self.verify)),
            ("pin", place(&self.pin)),
            ("client_certificate", place(&self.certificate)),
            ("client_key", place(&self.key)),
            ("certificate_warn", place(&self.warn)),
        ];
        let mut good = true;
        for (key, at) in places {
            if let Some(at) = at {
                book.wrong(at, format!("{key} has no effect without TLS; remove it, or {remedy}"));
                good = false;
            }
        }
        good.then_some(())
    }

    /// The settings. `None` when something is wrong, which has been noted.
    pub(super) fn judged(self, book: &mut Book<'_>) -> Option<Tls> {
        let pinned = matches!(self.pin, Given::Good(..));
        let trust = match (&self.ca, self.verify) {
            (Given::Wrong, _) | (_, Given::Wrong) => return None,
            (Given::Good(..), Given::Good(false, at)) => {
                book.wrong(at, "ca and verify = false don't go together; remove one of them");
                return None;
            }
            (Given::Good(path, _), _) => Trust::File(path.clone()),
            (Given::Absent, Given::Good(false, _)) => Trust::Unverified,
            (Given::Absent, Given::Good(true, _)) => Trust::System,
            // A pinned key stands for an authority (RFC 8310 section 8.2).
            (Given::Absent, Given::Absent) if pinned => Trust::Unverified,
            (Given::Absent, Given::Absent) => Trust::System,
        };
        let identity = match (self.certificate.not_wrong()?, self.key.not_wrong()?) {
            (Given::Good(certificate, _), Given::Good(key, _)) => Some(Identity { certificate, key }),
            (Given::Good(_, at), _) => {
                book.wrong(at, "client_certificate needs its key; write client_key = \"/path/to/key.pem\"");
                return None;
            }
            (_, Given::Good(_, at)) => {
                book.wrong(
                    at,
                    "client_key needs its certificate; write client_certificate = \"/path/to/certificate.pem\"",
                );
                return None;
            }
            _ => None,
        };
        Some(Tls {
            name: self.name.not_wrong()?.good(),
            trust,
            pins: self.pin.or(Vec::new())?,
            identity,
            expiry_warn: self.warn.not_wrong()?.good(),
        })
    }
}
