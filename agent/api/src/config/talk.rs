//! `[virtual_server.check.tcp]` and `[virtual_server.check.udp]`.
//!
//! Owns the keys of a check that connects and then, in one step or several, may send something and may expect something. The syntax of
//! values is `checker_core`'s; when it runs is in `rhythm`.

use checker_core::TalkCheck;
use checker_core::dns::{Bounds, Pattern, Transport};
use checker_core::talk::{Expect, OCTETS_MAX, Octets, STEPS_MAX, Step};

use super::CheckKind;
use super::book::{Book, Place};
use super::fields::{choice, fields, noted, place, word};
use super::keys;
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::table::{Given, Table};
use super::tls::{self, RawTls};
use crate::id::Protocol;

/// What is expected, wherever it may be.
#[derive(Debug, Clone)]
enum Wanted {
    /// None when empty, so that a real server can take an inherited one away.
    Octets(Octets),
    Pattern(Pattern),
}

fields! {
    /// One step, as far as it was written.
    RawStep
    send: Vec<u8> = |book, table, _| {
        let text = octets(book, table, "send", "send = \"QUIT\\r\\n\"");
        let hex = word::<Octets>(book, table, "send_hex", "send_hex = \"0a ff\"");
        one_of(book, [("send", text), ("send_hex", hex)]).convert(|octets, at| match octets.plain() {
            Some(octets) => Some(octets.to_vec()),
            None => noted(book, at, "send_hex has an x, which stands for any digit, and only one can be sent; write it"),
        })
    };
    secret: bool = |book, table, key| table.switch(book, key);
    expect: Wanted = |book, table, _| {
        let text = octets(book, table, "expect", "expect = \"220 \"");
        let hex = word::<Octets>(book, table, "expect_hex", "expect_hex = \"0a xf\"");
        let pattern = word::<Pattern>(book, table, "expect_match", "expect_match = \"^220 \"");
        let choices = [
            ("expect", text.convert(|octets, _| Some(Wanted::Octets(octets)))),
            ("expect_hex", hex.convert(|octets, _| Some(Wanted::Octets(octets)))),
            ("expect_match", pattern.convert(|pattern, _| Some(Wanted::Pattern(pattern)))),
        ];
        one_of(book, choices)
    };
    expect_at: bool = |book, table, key| choice(book, table, key, &[("anywhere", false), ("start", true)]);
}

/// A text as octets.
fn octets(book: &mut Book<'_>, table: &Table<'_>, key: &str, example: &str) -> Given<Octets> {
    table.text(book, key, example).convert(|text, at| match text.len() {
        0..=OCTETS_MAX => Some(Octets::exact(text.as_bytes())),
        length => noted(book, at, format!("{key} has {length} octets; {OCTETS_MAX} are the most")),
    })
}

/// The one of several keys for the same that is there.
fn one_of<T, const N: usize>(book: &mut Book<'_>, keys: [(&str, Given<T>); N]) -> Given<T> {
    let mut first: Option<(&str, Given<T>)> = None;
    for (key, given) in keys {
        match (&first, &given) {
            (_, Given::Absent) => {}
            (None, _) => first = Some((key, given)),
            (Some((other, _)), Given::Good(_, at)) => {
                book.wrong(*at, format!("{other} and {key} don't go together; remove one of them"));
                return Given::Wrong;
            }
            (Some(_), Given::Wrong) => return Given::Wrong,
        }
    }
    first.map_or(Given::Absent, |(_, given)| given)
}

impl RawStep {
    /// The first of its keys that is there, and where.
    fn first(&self) -> Option<(&'static str, Place)> {
        let keys = [
            ("send", place(&self.send)),
            ("secret", place(&self.secret)),
            ("expect", place(&self.expect)),
            ("expect_at", place(&self.expect_at)),
        ];
        keys.into_iter().find_map(|(key, at)| Some((key, at?)))
    }

    fn none() -> Self {
        Self { send: Given::Absent, secret: Given::Absent, expect: Given::Absent, expect_at: Given::Absent }
    }

    /// The step. `None` when something is wrong, which has been noted.
    fn judged(self, book: &mut Book<'_>) -> Option<Step> {
        if self.is_wrong() {
            return None;
        }
        if let (Given::Absent, Given::Good(_, at)) = (&self.send, &self.secret) {
            return noted(book, *at, "secret has no effect without send; remove it, or write send");
        }
        let expect = match (self.expect, self.expect_at) {
            (Given::Absent, Given::Good(_, at)) => {
                return noted(book, at, "expect_at has no effect without expect; remove it, or write expect");
            }
            (Given::Good(Wanted::Pattern(_), _), Given::Good(true, at)) => {
                let message =
                    "expect_at has no effect with expect_match; write ^ at the start of the expression";
                return noted(book, at, message);
            }
            (Given::Good(Wanted::Pattern(pattern), _), _) => Some(Expect::Matches(pattern)),
            (Given::Good(Wanted::Octets(octets), _), _) if octets.is_empty() => None,
            (Given::Good(Wanted::Octets(octets), _), Given::Good(true, _)) => Some(Expect::Begins(octets)),
            (Given::Good(Wanted::Octets(octets), _), _) => Some(Expect::Holds(octets)),
            (Given::Absent | Given::Wrong, _) => None,
        };
        Some(Step { send: self.send.or(Vec::new())?, secret: self.secret.or(false)?, expect })
    }
}

/// A check as far as it was written.
#[derive(Debug, Clone)]
pub(super) struct RawTalk {
    at: Place,
    /// The only step, where there is no list.
    only: RawStep,
    steps: Given<Vec<(RawStep, Place)>>,
    length: Given<Bounds<u32>>,
    silence_passes: Given<bool>,
    port: Given<u32>,
    secured: Given<bool>,
    tls: RawTls,
    rhythm: RawRhythm,
}

/// Reads the table of such a check.
pub(super) fn raw(book: &mut Book<'_>, table: &Table<'_>, transport: Transport) -> RawTalk {
    // Over UDP it is no key, and noted already.
    let steps = match transport {
        Transport::Tcp => table.tables(book, "step", &keys::STEP),
        _ => Given::Absent,
    };
    RawTalk {
        at: table.at,
        only: RawStep::read(book, table),
        steps: steps.convert(|tables, at| {
            if tables.len() > STEPS_MAX {
                let message = format!("step is there {} times; {STEPS_MAX} are the most", tables.len());
                return noted(book, at, message);
            }
            Some(tables.iter().map(|table| (RawStep::read(book, table), table.at)).collect())
        }),
        length: word(book, table, "reply_length", "reply_length = \"12..512\""),
        silence_passes: table.switch(book, "silence_passes"),
        port: table.number(book, "port", 1..=65_535),
        secured: table.switch(book, "tls"),
        tls: tls::raw(book, table),
        rhythm: rhythm::timed(book, table),
    }
}

impl RawTalk {
    /// This check, with what it leaves out from `base`. Steps of its own are all there are, and so is an only one in place of steps.
    pub(super) fn or_else(self, base: Self) -> Self {
        let (only, steps) = match (&self.steps, self.only.first()) {
            (Given::Absent, None) => (base.only, base.steps),
            (Given::Absent, Some(_)) => (base.only, Given::Absent),
            _ => (RawStep::none(), Given::Absent),
        };
        Self {
            at: base.at,
            only: self.only.or_else(only),
            steps: self.steps.or_else(steps),
            length: self.length.or_else(base.length),
            silence_passes: self.silence_passes.or_else(base.silence_passes),
            port: self.port.or_else(base.port),
            secured: self.secured.or_else(base.secured),
            tls: self.tls.or_else(base.tls),
            rhythm: self.rhythm.or_else(base.rhythm),
        }
    }
}

/// The steps of a check. `None` when something is wrong, which has been noted.
fn steps(book: &mut Book<'_>, only: RawStep, steps: Given<Vec<(RawStep, Place)>>) -> Option<Vec<Step>> {
    let Given::Good(list, _) = steps.not_wrong()? else {
        let step = only.judged(book)?;
        return Some(if step == Step::default() { Vec::new() } else { vec![step] });
    };
    if let Some((key, at)) = only.first() {
        return noted(book, at, format!("{key} and step don't go together; write it in one of the steps"));
    }
    // All are looked at, to find all mistakes.
    let judged: Vec<Option<Step>> = list
        .into_iter()
        .map(|(step, at)| {
            let step = step.judged(book)?;
            if step.send.is_empty() && step.expect.is_none() {
                return noted(book, at, "this step says nothing and expects nothing; write send or expect");
            }
            Some(step)
        })
        .collect();
    judged.into_iter().collect()
}

/// The check that `raw` makes. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawTalk, transport: Transport) -> Option<Judged> {
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let expected = [("expect", place(&raw.only.expect)), ("reply_length", place(&raw.length))];
    let unsent = matches!(raw.only.send, Given::Absent);
    let steps = steps(book, raw.only, raw.steps)?;
    let silence_passes = raw.silence_passes.or(false)?;
    let length = raw.length.not_wrong()?.good();
    if transport == Transport::Udp {
        if unsent || steps.iter().all(|step| step.send.is_empty()) {
            book.missing(raw.at, "send is missing in [virtual_server.check.udp]; write what the server answers to: send = \"ping\"");
            return None;
        }
        let wanted = steps.iter().any(|step| step.expect.is_some()) || length.is_some();
        if let Some((key, Some(at))) =
            expected.into_iter().find(|(_, at)| silence_passes && wanted && at.is_some())
        {
            let message = format!("{key} and silence_passes = true don't go together; remove one of them");
            return noted(book, at, message);
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
    let check = TalkCheck { transport, tls, steps, length, silence_passes, timeout };
    Some(Judged { kind: CheckKind::Talk(check), rhythm, port, protocol })
}
