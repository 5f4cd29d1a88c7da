//! `[virtual_server.check.tcp]` and `[virtual_server.check.udp]`.
//!
//! Owns the keys of a check that connects, may send something and may expect something. When it runs is in `rhythm`.

use checker_core::TalkCheck;
use checker_core::dns::Transport;

use super::CheckKind;
use super::book::{Book, Place};
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use super::tls::{self, RawTls};
use crate::id::Protocol;

/// The most octets that are sent or expected.
const TEXT_MAX: usize = 1_024;

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawTalk<'t> {
    at: Place,
    send: Given<&'t str>,
    expect: Given<&'t str>,
    silence_passes: Given<bool>,
    port: Given<u32>,
    secured: Given<bool>,
    tls: RawTls,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw<'t>(book: &mut Book<'_>, table: &Table<'t>) -> RawTalk<'t> {
    let send = table.text(book, "send", "send = \"QUIT\\r\\n\"");
    let expect = table.text(book, "expect", "expect = \"220 \"");
    RawTalk {
        at: table.at,
        send: send.convert(|text, at| bounded(book, "send", text, at)),
        expect: expect.convert(|text, at| bounded(book, "expect", text, at)),
        silence_passes: table.switch(book, "silence_passes"),
        port: table.number(book, "port", 1..=65_535),
        secured: table.switch(book, "tls"),
        tls: tls::raw(book, table),
        rhythm: rhythm::timed(book, table),
    }
}

fn bounded<'t>(book: &mut Book<'_>, key: &str, text: &'t str, at: Place) -> Option<&'t str> {
    if text.len() > TEXT_MAX {
        book.wrong(at, format!("{key} has {} octets; {TEXT_MAX} are the most", text.len()));
        return None;
    }
    Some(text)
}

impl RawTalk<'_> {
    /// This check, with what it leaves out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            at: base.at,
            send: self.send.or_else(base.send),
            expect: self.expect.or_else(base.expect),
            silence_passes: self.silence_passes.or_else(base.silence_passes),
            port: self.port.or_else(base.port),
            secured: self.secured.or_else(base.secured),
            tls: self.tls.or_else(base.tls),
            rhythm: self.rhythm.or_else(base.rhythm),
        }
    }
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawTalk<'_>, transport: Transport) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let send = raw.send.or("")?;
    // Nothing is expected where the text is empty, so that a real server can take an inherited one away.
    let expect = raw.expect.or("")?;
    let silence_passes = raw.silence_passes.or(false)?;
    if transport == Transport::Udp {
        if send.is_empty() && !matches!(raw.send, Given::Wrong) {
            book.missing(raw.at, "send is missing in [virtual_server.check.udp]; write what the server answers to: send = \"ping\"");
            return None;
        }
        if silence_passes
            && !expect.is_empty()
            && let Given::Good(_, at) = raw.expect
        {
            book.wrong(at, "expect and silence_passes = true don't go together; remove one of them");
            return None;
        }
    }
    let tls = match raw.secured.or(false)? {
        true => Some(Box::new(raw.tls.judged(book)?)),
        false => {
            raw.tls.refused(book, "write tls = true")?;
            None
        }
    };
    let (rhythm, timeout) = rhythm_and_timeout?;
    let port = match raw.port.not_wrong()? {
        Given::Good(port, _) => Some(u16::try_from(port).ok()?),
        _ => None,
    };
    let protocol = match transport {
        Transport::Udp => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let expect = (!expect.is_empty()).then(|| expect.as_bytes().to_vec());
    let check = TalkCheck { transport, tls, send: send.as_bytes().to_vec(), expect, silence_passes, timeout };
    Some(Judged { kind: CheckKind::Talk(check), rhythm, port, protocol })
}
