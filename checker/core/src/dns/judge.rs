//! Judging one reply.
//!
//! Owns two questions: is this message the reply to our query at all ([`sort`]), and if so, does it pass the check
//! ([`judge`])? Both are pure functions of bytes. The header is judged before anything behind it, so that a server which
//! answers SERVFAIL with a broken body is named for the SERVFAIL. Neither knows of sockets, tries or time.

use std::fmt;

use super::check::{DnsCheck, Question};
use super::kind::{Class, Rcode, RecordType};
use super::name::Name;
use super::rdata;
use super::reply::{Asked, HEADER, Record, Reply};
use super::wire::Malformed;
use crate::verdict::{Cause, Verdict};

/// Aliases that are followed in one reply.
const ALIASES_MAX: usize = 16;
/// Answers that are written out for people, and characters of each.
const SHOWN_MAX: usize = 4;
const SHOWN_CHARS: usize = 120;

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
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "too short for a DNS message",
            Self::Id => "with another id",
            Self::NotAReply => "not a reply to a query",
            Self::Question => "with another question",
            Self::NoQuestion => "without a question",
        })
    }
}

/// Says whether `octets` are the reply to the query with `id` for `question`.
///
/// A message with our id whose body can't be read counts as the reply: it came from the server, and is judged for what
/// it is. A reply without a question is taken for ours only when it carries an error, as servers answer FORMERR.
///
/// # Errors
/// It is not; the error says why.
pub fn sort(question: &Question, id: u16, octets: &[u8]) -> Result<(), Stray> {
    match octets.first_chunk::<2>() {
        Some(first) if u16::from_be_bytes(*first) == id => {}
        Some(_) if octets.len() >= HEADER => return Err(Stray::Id),
        _ => return Err(Stray::Short),
    }
    let Ok(reply) = Reply::parse(octets) else { return Ok(()) };
    if !reply.header.is_reply() || reply.header.opcode() != 0 {
        return Err(Stray::NotAReply);
    }
    match reply.asked(question) {
        Ok(Asked::Ours) | Err(_) => Ok(()),
        Ok(Asked::Other) => Err(Stray::Question),
        Ok(Asked::Absent) if reply.header.rcode() == Rcode::NOERROR => Err(Stray::NoQuestion),
        Ok(Asked::Absent) => Ok(()),
    }
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

    /// The probe failed; the cause says whether it is Down or Unknown.
    #[must_use]
    pub fn failed(cause: Cause, detail: String) -> Self {
        Self { verdict: cause.blame().verdict(), cause: Some(cause), detail }
    }
}

/// Judges a reply that [`sort`] has found to be ours.
#[must_use]
pub fn judge(check: &DnsCheck, octets: &[u8]) -> Judgement {
    let malformed =
        |error: Malformed| Judgement::failed(Cause::DnsMalformed, format!("malformed reply: {error}"));
    let reply = match Reply::parse(octets) {
        Ok(reply) => reply,
        Err(error) => return malformed(error),
    };
    let walked = reply.walk();
    let rcode = walked.unwrap_or(reply.header.rcode());
    if !check.expect.rcodes.contains(rcode) {
        let mut detail = format!("answered {rcode}, expected {}", check.expect.rcodes);
        if let (Err(error), false) = (walked, reply.header.truncated()) {
            detail.push_str(&format!("; the reply is malformed, too: {error}"));
        }
        return Judgement::failed(rcode_cause(rcode), detail);
    }
    if reply.header.truncated() {
        return Judgement::failed(
            Cause::DnsTruncated,
            format!("answered {rcode}, truncated to {} octets", octets.len()),
        );
    }
    if let Err(error) = walked {
        return malformed(error);
    }
    if rcode != Rcode::NOERROR {
        return Judgement::up();
    }
    match answers(check, &reply) {
        Ok(judgement) => judgement,
        Err(error) => malformed(error),
    }
}

/// Whether `octets` are a truncated reply that may pass when the query is repeated over TCP.
#[must_use]
pub fn wants_tcp(check: &DnsCheck, octets: &[u8]) -> bool {
    Reply::parse(octets)
        .is_ok_and(|reply| reply.header.truncated() && check.expect.rcodes.contains(reply.header.rcode()))
}

fn rcode_cause(rcode: Rcode) -> Cause {
    match rcode {
        Rcode::FORMERR => Cause::DnsFormerr,
        Rcode::SERVFAIL => Cause::DnsServfail,
        Rcode::NXDOMAIN => Cause::DnsNxdomain,
        Rcode::NOTIMP => Cause::DnsNotimp,
        Rcode::REFUSED => Cause::DnsRefused,
        _ => Cause::DnsRcode,
    }
}

/// Judges the answers of a NOERROR reply.
fn answers(check: &DnsCheck, reply: &Reply<'_>) -> Result<Judgement, Malformed> {
    let mut hit = false;
    let found = follow(reply, &check.question, |record| {
        let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, true)?;
        hit |= check.expect.answers.iter().any(|answer| answer.is(record.rtype, &data));
        Ok(())
    })?;
    let failed = |cause, detail| Ok(Judgement::failed(cause, detail));
    match found {
        Found::Records if hit || check.expect.answers.is_empty() => Ok(Judgement::up()),
        Found::Records => {
            let expected = list(check.expect.answers.iter().map(ToString::to_string), " or ");
            failed(
                Cause::DnsAnswerMismatch,
                format!("answered {}, expected {expected}", shown(reply, &check.question)),
            )
        }
        Found::Circle(name) => {
            failed(Cause::DnsCnameLoop, format!("its aliases don't end; the last one is {name}"))
        }
        Found::Nothing { end } => {
            let rtype = check.question.record_type();
            if let Some(zone) = referral(reply)? {
                return failed(
                    Cause::DnsReferral,
                    format!("answered with a referral to the name servers of {zone}"),
                );
            }
            if check.expect.allow_empty && check.expect.answers.is_empty() {
                return Ok(Judgement::up());
            }
            let detail = match end {
                Some(name) => {
                    format!("answered NOERROR and an alias to {name}, without a record of type {rtype}")
                }
                None if reply.header.counts[1] > 0 => {
                    format!(
                        "answered NOERROR with {} records, none of them a {rtype} of this name",
                        reply.header.counts[1]
                    )
                }
                None => format!("answered NOERROR without a record of type {rtype}"),
            };
            failed(Cause::DnsNoAnswer, detail)
        }
    }
}

/// What following the aliases from the name asked led to.
enum Found {
    /// Records of the type asked.
    Records,
    /// None; the name at the end of the aliases, if there were any.
    Nothing { end: Option<Name> },
    /// Aliases without an end.
    Circle(Name),
}

/// Calls `visit` for the answers to `question`, aliases followed.
fn follow(
    reply: &Reply<'_>,
    question: &Question,
    mut visit: impl FnMut(Record) -> Result<(), Malformed>,
) -> Result<Found, Malformed> {
    let rtype = question.record_type();
    let mut alias: Option<Name> = None;
    for _ in 0..=ALIASES_MAX {
        let owner = alias.as_ref().unwrap_or(question.name());
        let (mut found, mut target) = (false, None);
        for record in reply.records() {
            let record = record?;
            if record.section != 1 {
                break;
            }
            let class = question.class();
            if (record.class != class && class != Class::ANY)
                || !reply.message.name_is(record.owner, owner)?
            {
                continue;
            }
            if record.rtype == rtype || rtype == RecordType::ANY {
                found = true;
                visit(record)?;
            } else if record.rtype == RecordType::CNAME && target.is_none() {
                target = Some(reply.message.name(record.data)?);
            }
        }
        match target {
            _ if found => return Ok(Found::Records),
            None => return Ok(Found::Nothing { end: alias }),
            Some(_) => alias = target,
        }
    }
    Ok(Found::Circle(alias.unwrap_or_else(Name::root)))
}

/// The zone that a reply without an answer refers to: name servers in its authority section, no SOA, no authority.
fn referral(reply: &Reply<'_>) -> Result<Option<Name>, Malformed> {
    let mut zone = None;
    if reply.header.authoritative() || reply.header.counts[1] > 0 {
        return Ok(None);
    }
    for record in reply.records() {
        let record = record?;
        match (record.section, record.rtype) {
            (2, RecordType::SOA) => return Ok(None),
            (2, RecordType::NS) if zone.is_none() => zone = Some(reply.message.name(record.owner)?),
            _ => {}
        }
    }
    Ok(zone)
}

/// A reply in one line for people: the response code and the answers to the question.
#[must_use]
pub fn summary(question: &Question, octets: &[u8]) -> String {
    let Ok(reply) = Reply::parse(octets) else { return "no DNS message".to_owned() };
    let rcode = reply.walk().unwrap_or(reply.header.rcode());
    let answers = shown(&reply, question);
    if answers.is_empty() { rcode.to_string() } else { format!("{rcode} {answers}") }
}

/// The answers to the question, as far as they can be read.
fn shown(reply: &Reply<'_>, question: &Question) -> String {
    let mut texts = Vec::new();
    let mut count = 0usize;
    // What is broken ends the walk; what was read before is shown.
    let _ = follow(reply, question, |record| {
        count += 1;
        if texts.len() < SHOWN_MAX {
            let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, false)?;
            texts.push(rdata::present(record.rtype, &data));
        }
        Ok(())
    });
    let more = count.saturating_sub(texts.len());
    let mut text = list(texts.into_iter(), ", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Texts in a row, few and short enough for one line.
fn list(texts: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = texts.len().saturating_sub(SHOWN_MAX);
    let mut line = String::new();
    for (n, text) in texts.take(SHOWN_MAX).enumerate() {
        if n > 0 {
            line.push_str(between);
        }
        match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => {
                line.push_str(text.get(..end).unwrap_or_default());
                line.push('…');
            }
            None => line.push_str(&text),
        }
    }
    if more > 0 {
        line.push_str(&format!("{between}{more} more"));
    }
    line
}

#[cfg(test)]
mod tests;
