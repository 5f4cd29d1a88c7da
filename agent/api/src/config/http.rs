//! `[virtual_server.check.http]` and `[virtual_server.check.https]`.
//!
//! Owns the keys of a check by HTTP, how the tables of several addresses overlay its own keys, and which of them go together. The
//! syntax of values is `checker_core`'s; when it runs is in `rhythm`.

use std::time::Duration;

use checker_core::HttpCheck;
use checker_core::dns::{Bounds, Pattern, Timeout};
use checker_core::http::{
    BODY_MAX, BodyDigest, Expect, Header, Host, Method, REQUESTS_MAX, Request, RequestPath, Statuses, Version,
};

use super::CheckKind;
use super::book::{Book, Place};
use super::fields::{choice, fields, noted, place, word, words};
use super::keys;
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use super::tls::{self, RawTls};
use crate::id::Protocol;

/// The most header fields that are sent or expected, and patterns.
const LIST_MAX: usize = 16;
/// Octets of the body of a request.
const SENT_MAX: usize = 8_192;
/// Octets of the body of a response, at most.
const BODY_LIMIT: u32 = 16 << 20;

fields! {
    /// One request, as far as it was written.
    RawRequest
    path: RequestPath = |book, table, key| word(book, table, key, "path = \"/health\"");
    method: Method = |book, table, key| choice(book, table, key, &Method::ALL);
    host: Host = |book, table, key| word(book, table, key, "host = \"www.example.net\"");
    header: Vec<Header> = |book, table, key| {
        let texts = table.texts(book, key, true, "header = [\"Accept: text/html\"]");
        texts.convert(|texts, at| {
            let read: Vec<Option<Header>> = texts
                .into_iter()
                .map(|(text, at)| Header::parse(text).map_err(|error| book.wrong(at, format!("header: {error}"))).ok())
                .collect();
            few(book, key, read.into_iter().collect::<Option<Vec<_>>>()?, at)
        })
    };
    body: String = |book, table, key| {
        table.text(book, key, "body = \"{}\"").convert(|text, at| match text.len() {
            0..=SENT_MAX => Some(text.to_owned()),
            length => noted(book, at, format!("body has {length} octets; {SENT_MAX} are the most")),
        })
    };
    expect_status: Vec<Statuses> = |book, table, key| {
        words(book, table, key, "expect_status = [\"200-299\"]").convert(|sets, at| few(book, key, sets, at))
    };
    expect_header: Vec<(String, Pattern)> = |book, table, key| {
        let texts = table.texts(book, key, true, "expect_header = [\"Content-Type: ^text/\"]");
        texts.convert(|texts, at| {
            let read: Vec<Option<(String, Pattern)>> =
                texts.into_iter().map(|(text, at)| header_pattern(book, text, at)).collect();
            few(book, key, read.into_iter().collect::<Option<Vec<_>>>()?, at)
        })
    };
    expect_body: Vec<Pattern> = |book, table, key| {
        words(book, table, key, "expect_body = \"ready\"").convert(|patterns, at| few(book, key, patterns, at))
    };
    forbid_body: Vec<Pattern> = |book, table, key| {
        words(book, table, key, "forbid_body = \"error\"").convert(|patterns, at| few(book, key, patterns, at))
    };
    body_range: Bounds<u32> = |book, table, key| word(book, table, key, "body_range = \"0..1000\"");
    digest: BodyDigest = |book, table, key| word(book, table, key, "digest = \"md5:d41d8cd98f00b204e9800998ecf8427e\"");
}

fn few<T>(book: &mut Book<'_>, key: &str, list: Vec<T>, at: Place) -> Option<Vec<T>> {
    if list.len() > LIST_MAX {
        return noted(book, at, format!("{key} holds {} items; {LIST_MAX} are the most", list.len()));
    }
    Some(list)
}

fn header_pattern(book: &mut Book<'_>, text: &str, at: Place) -> Option<(String, Pattern)> {
    let (name, pattern) = text.split_once(':').unwrap_or((text, ""));
    // The name has the syntax of one that is sent.
    let name = match Header::parse(&format!("{name}: x")) {
        Ok(header) => header.name,
        Err(_)
            if ["connection", "content-length", "transfer-encoding", "upgrade"]
                .contains(&&*name.to_ascii_lowercase()) =>
        {
            name.to_ascii_lowercase()
        }
        Err(error) => return noted(book, at, format!("expect_header: {error}")),
    };
    // Without a pattern it is enough that it is there.
    let pattern = if pattern.trim().is_empty() { "^" } else { pattern.trim() };
    match pattern.parse() {
        Ok(pattern) => Some((name, pattern)),
        Err(error) => noted(book, at, format!("expect_header: {error}")),
    }
}

impl RawRequest {
    /// The request. `None` when something is wrong, which has been noted.
    fn judged(self, book: &mut Book<'_>) -> Option<Request> {
        if self.is_wrong() {
            return None;
        }
        let method = self.method.or(Method::Get)?;
        if let Given::Good(body, at) = &self.body
            && !body.is_empty()
            && method != Method::Post
        {
            return noted(book, *at, "body needs method = \"POST\"; write it, or remove body");
        }
        let about_body = [
            ("expect_body", place(&self.expect_body)),
            ("forbid_body", place(&self.forbid_body)),
            ("digest", place(&self.digest)),
        ];
        if method == Method::Head
            && let Some((key, Some(at))) = about_body.into_iter().find(|(_, at)| at.is_some())
        {
            return noted(
                book,
                at,
                format!(
                    "{key} can't hold with method = \"HEAD\", whose response has no body; remove one of them"
                ),
            );
        }
        let patterns = [&self.expect_body, &self.forbid_body].iter().any(|given| place(given).is_some());
        if let Some(at) = place(&self.body_range)
            && !patterns
        {
            return noted(
                book,
                at,
                "body_range has no effect without expect_body or forbid_body; remove it, or write one of them",
            );
        }
        let expect = Expect {
            status: match self.expect_status.or(Vec::new())? {
                sets if sets.is_empty() => Statuses::default(),
                sets => Statuses::of(sets),
            },
            headers: self.expect_header.or(Vec::new())?,
            body: self.expect_body.or(Vec::new())?,
            forbidden: self.forbid_body.or(Vec::new())?,
            within: self.body_range.good(),
            digest: self.digest.good(),
        };
        Some(Request {
            method,
            path: self.path.or(RequestPath::default())?,
            host: self.host.good(),
            headers: self.header.or(Vec::new())?,
            body: self.body.or(String::new())?,
            expect,
        })
    }
}

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawHttp {
    port: Given<u32>,
    version: Given<Version>,
    connect_timeout: Given<Duration>,
    redirects: Given<u32>,
    body_max: Given<u32>,
    request: RawRequest,
    urls: Given<Vec<RawRequest>>,
    tls: RawTls,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>) -> RawHttp {
    let versions = [("1.1", Version::Http11), ("1.0", Version::Http10), ("2", Version::Http2)];
    let urls = table.tables(book, "url", &keys::URL);
    RawHttp {
        port: table.number(book, "port", 1..=65_535),
        version: choice(book, table, "http_version", &versions),
        connect_timeout: table.duration(book, "connect_timeout", Timeout::MIN..=Timeout::MAX, "500ms"),
        redirects: table.number(book, "redirects", 0..=10),
        body_max: table.number(book, "body_max", 0..=BODY_LIMIT),
        request: RawRequest::read(book, table),
        urls: urls.convert(|tables, at| {
            if tables.len() > REQUESTS_MAX {
                return noted(
                    book,
                    at,
                    format!("url is there {} times; {REQUESTS_MAX} are the most", tables.len()),
                );
            }
            Some(tables.iter().map(|table| RawRequest::read(book, table)).collect())
        }),
        tls: tls::raw(book, table),
        rhythm: rhythm::timed(book, table),
    }
}

impl RawHttp {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            port: self.port.or_else(base.port),
            version: self.version.or_else(base.version),
            connect_timeout: self.connect_timeout.or_else(base.connect_timeout),
            redirects: self.redirects.or_else(base.redirects),
            body_max: self.body_max.or_else(base.body_max),
            request: self.request.or_else(base.request),
            urls: self.urls.or_else(base.urls),
            tls: self.tls.or_else(base.tls),
            rhythm: self.rhythm.or_else(base.rhythm),
        }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawHttp, secured: bool) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let requests = match raw.urls.not_wrong()? {
        Given::Good(urls, _) => {
            // All are looked at, to find all mistakes.
            let read: Vec<Option<Request>> =
                urls.into_iter().map(|url| url.or_else(raw.request.clone()).judged(book)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()?
        }
        _ => vec![raw.request.judged(book)?],
    };
    // In `http` its keys are none, so nothing is there to be refused.
    let tls = if secured { Some(Box::new(raw.tls.judged(book)?)) } else { None };
    let (rhythm, timeout) = rhythm_and_timeout?;
    if let Given::Good(limit, at) = raw.connect_timeout
        && limit > timeout.get()
    {
        return noted(
            book,
            at,
            "connect_timeout is longer than timeout, so it would never count; make it shorter",
        );
    }
    let port = match raw.port.not_wrong()? {
        Given::Good(port, _) => Some(u16::try_from(port).ok()?),
        _ => None,
    };
    let check = HttpCheck {
        tls,
        version: raw.version.not_wrong()?.good(),
        requests,
        redirects: u8::try_from(raw.redirects.or(0)?).ok()?,
        body_max: usize::try_from(raw.body_max.or(u32::try_from(BODY_MAX).ok()?)?).ok()?,
        connect_timeout: raw.connect_timeout.not_wrong()?.good(),
        timeout,
    };
    Some(Judged { kind: CheckKind::Http(Box::new(check)), rhythm, port, protocol: Protocol::Tcp })
}
