//! Judging one reply.
//!
//! Owns two questions: is this message the reply to our query at all ([`sort`]), and if so, does it pass the check
//! ([`judge`])? Both are pure functions of bytes. The header is judged before anything behind it, so that a server which
//! answers SERVFAIL with a broken body is named for the SERVFAIL. Neither knows of sockets, tries or time.

mod answer;
mod records;
mod shown;
mod zone;

use std::fmt;

use super::ask::Flags;
use super::check::{DnsCheck, Question};
use super::kind::{Rcode, RecordType};
use super::options::Options;
use super::query;
use super::reply::{Asked, HEADER, Reply};
use super::wire::Malformed;
use crate::verdict::{Cause, Verdict};

pub use shown::{details, summary};
pub(super) use zone::{ending, span};

/// Why a message is not the reply to our query. It is ignored: anyone may send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stray {
    /// Too short for a header, and not with our id.
    Short,
    /// Another id.
    Id,
    /// A query, or a reply to another kind of query.
    NotAReply,
    /// Another question.
    Question,
    /// No question, where one is needed to know what was answered.
    NoQuestion,
    /// Our question, but not with the letters in the case that we chose.
    Case,
    /// A cookie that is not ours.
    Cookie,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "too short for a DNS message",
            Self::Id => "with another id",
            Self::NotAReply => "not a reply to a query",
            Self::Question => "with another question",
            Self::NoQuestion => "without a question",
            Self::Case => "with the letters of the question in another case",
            Self::Cookie => "with another cookie",
        })
    }
}

/// What one query was sent with: what its reply must repeat.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The question, with its placeholders filled in.
    pub question: &'a Question,
    /// The id.
    pub id: u16,
    /// What the case of letters and the cookie came from.
    pub key: u64,
}

/// Says whether `octets` are the reply to the query `sent` for `check`.
///
/// A message with our id whose body can't be read counts as the reply: it came from the server, and is judged for what
/// it is. A reply without a question is taken for ours only when it carries an error, as servers answer FORMERR.
///
/// # Errors
/// It is not; the error says why.
pub fn sort(check: &DnsCheck, sent: Sent<'_>, octets: &[u8]) -> Result<(), Stray> {
    match octets.first_chunk::<2>() {
        Some(first) if u16::from_be_bytes(*first) == sent.id => {}
        Some(_) if octets.len() >= HEADER => return Err(Stray::Id),
        _ => return Err(Stray::Short),
    }
    let Ok(reply) = Reply::parse(octets) else { return Ok(()) };
    if !reply.header.is_reply() || reply.header.opcode() != 0 {
        return Err(Stray::NotAReply);
    }
    match reply.asked(sent.question) {
        Ok(Asked::Ours) => {}
        Err(_) => return Ok(()),
        Ok(Asked::Other) => return Err(Stray::Question),
        Ok(Asked::Absent) if reply.header.rcode() == Rcode::NOERROR => return Err(Stray::NoQuestion),
        Ok(Asked::Absent) => return Ok(()),
    }
    if check.ask.mixed_case {
        let mut name = sent.question.name().as_wire().to_vec();
        query::mix_case(&mut name, sent.key);
        // A server has no reason to compress the first name of a message.
        if octets.get(HEADER..HEADER + name.len()) != Some(&name[..]) {
            return Err(Stray::Case);
        }
    }
    if check.ask.edns.as_ref().is_some_and(|edns| edns.cookie)
        && let Some(cookie) = Options::of(&reply).cookie
        && !cookie.starts_with(&query::cookie(sent.key))
    {
        return Err(Stray::Cookie);
    }
    Ok(())
}

/// What one reply says of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict on the server as far as this reply goes.
    pub verdict: Verdict,
    /// Why it is not Up; `None` when it is.
    pub cause: Option<Cause>,
    /// What was seen and what was expected, in one line for people; empty when Up. Bytes from the network are escaped.
    pub detail: String,
}

impl Judgement {
    /// The reply is as it should be.
    #[must_use]
    pub const fn up() -> Self {
        Self { verdict: Verdict::Up, cause: None, detail: String::new() }
    }

    /// The server answers, but not as well as it should.
    #[must_use]
    pub const fn degraded(cause: Cause, detail: String) -> Self {
        Self { verdict: Verdict::Degraded, cause: Some(cause), detail }
    }

    /// The probe failed; the cause says whether it is Down or Unknown.
    #[must_use]
    pub fn failed(cause: Cause, detail: String) -> Self {
        Self { verdict: cause.blame().verdict(), cause: Some(cause), detail }
    }
}

/// Judges a reply to `question` that [`sort`] has found to be ours. `epoch` is the time of day in seconds since 1970.
#[must_use]
pub fn judge(check: &DnsCheck, question: &Question, octets: &[u8], epoch: u64) -> Judgement {
    let reply = match Reply::parse(octets) {
        Ok(reply) => reply,
        Err(error) => return malformed(error),
    };
    let mut judgement = judge_reply(check, question, &reply, octets.len(), epoch).unwrap_or_else(malformed);
    if !judgement.detail.is_empty() {
        judgement.detail.push_str(&Options::of(&reply).told());
    }
    judgement
}

fn malformed(error: Malformed) -> Judgement {
    Judgement::failed(Cause::DnsMalformed, format!("malformed reply: {error}"))
}

fn judge_reply(
    check: &DnsCheck,
    question: &Question,
    reply: &Reply<'_>,
    length: usize,
    epoch: u64,
) -> Result<Judgement, Malformed> {
    let expect = &check.expect;
    let walked = reply.walk();
    let rcode = walked.unwrap_or(reply.header.rcode());
    if !expect.admits(rcode) {
        let mut detail = format!("answered {rcode}, expected {}", expect.rcodes_in_words());
        if let (Err(error), false) = (walked, reply.header.truncated()) {
            detail.push_str(&format!("; the reply is malformed, too: {error}"));
        }
        let options = reply.records().map_while(Result::ok).any(|record| record.rtype == RecordType::OPT);
        if rcode == Rcode::FORMERR && check.ask.edns.is_some() && !options {
            detail.push_str("; it may not know EDNS");
        }
        return Ok(Judgement::failed(rcode_cause(rcode), detail));
    }
    if reply.header.truncated() {
        // What is cut off can't be judged. Who says something about TC wants it judged by its flags alone.
        let detail = format!("answered {rcode}, truncated to {length} octets");
        let judgement = flags(check, reply.header.flags());
        return Ok(match judgement {
            _ if !judges_truncation(check) => Judgement::failed(Cause::DnsTruncated, detail),
            Some(judgement) => judgement,
            None => Judgement::up(),
        });
    }
    walked?;
    // The first finding stands; one that only degrades must not hide a failure behind it.
    let mut worst = Judgement::up();
    let mut rules: [&mut dyn FnMut() -> Result<Option<Judgement>, Malformed>; 5] = [
        &mut || answer::judge(check, question, reply, rcode),
        &mut || Ok(flags(check, reply.header.flags())),
        &mut || records::section(&expect.authority, reply, 2),
        &mut || records::section(&expect.additional, reply, 3),
        &mut || zone::judge(expect, question, reply, epoch),
    ];
    for rule in &mut rules {
        match rule()? {
            Some(judgement) if judgement.verdict == Verdict::Degraded => worst = judgement,
            Some(judgement) => return Ok(judgement),
            None => {}
        }
    }
    Ok(worst)
}

/// The serial of the zone, if the reply has an SOA in its answer or authority section.
#[must_use]
pub fn serial_of(octets: &[u8]) -> Option<u32> {
    zone::serial(&Reply::parse(octets).ok()?).ok()?
}

/// Judges a reply by the serial that it must have at least, once that is known; `None` when it has it.
#[must_use]
pub fn judge_serial(octets: &[u8], least: u32) -> Option<Judgement> {
    zone::behind(serial_of(octets), least)
}

/// Whether `octets` are a reply that may pass when the query is repeated over TCP: a truncated one, or one that insists on a cookie
/// of the server's, which TCP stands for (RFC 7873 section 5.2.3).
#[must_use]
pub fn wants_tcp(check: &DnsCheck, octets: &[u8]) -> bool {
    Reply::parse(octets).is_ok_and(|reply| {
        let cut = reply.header.truncated()
            && check.expect.admits(reply.header.rcode())
            && !judges_truncation(check);
        cut || insists_on_a_cookie(check, &reply)
    })
}

/// Whether the server answers to our cookie that it wants its own.
fn insists_on_a_cookie(check: &DnsCheck, reply: &Reply<'_>) -> bool {
    check.ask.edns.as_ref().is_some_and(|edns| edns.cookie)
        && !check.expect.admits(Rcode::BADCOOKIE)
        && reply.walk() == Ok(Rcode::BADCOOKIE)
}

/// Whether the check itself says if a reply is to be truncated.
fn judges_truncation(check: &DnsCheck) -> bool {
    !check.expect.flags.or(check.expect.forbidden_flags).and(Flags::TC).is_empty()
}

/// Judges the flags of the header.
fn flags(check: &DnsCheck, flags: Flags) -> Option<Judgement> {
    let missing = check.expect.flags.without(flags);
    let unwanted = check.expect.forbidden_flags.and(flags);
    let detail = match (missing.is_empty(), unwanted.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("flags {missing} are expected"),
        (true, false) => format!("flags {unwanted} are not to be set"),
        (false, false) => format!("flags {missing} are expected, {unwanted} are not to be set"),
    };
    Some(Judgement::failed(Cause::DnsFlags, format!("answered with flags {flags}, {detail}")))
}

fn rcode_cause(rcode: Rcode) -> Cause {
    match rcode {
        Rcode::FORMERR => Cause::DnsFormerr,
        Rcode::SERVFAIL => Cause::DnsServfail,
        Rcode::NXDOMAIN => Cause::DnsNxdomain,
        Rcode::NOTIMP => Cause::DnsNotimp,
        Rcode::REFUSED => Cause::DnsRefused,
        Rcode::BADVERS => Cause::DnsBadvers,
        _ => Cause::DnsRcode,
    }
}

#[cfg(test)]
mod tests;
