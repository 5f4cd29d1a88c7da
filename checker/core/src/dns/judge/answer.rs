//! Judging the answer section: the records of the type asked for the name asked, aliases followed.
//!
//! Owns what an alias, an empty answer and a referral mean. It looks at no other section, but to tell a referral.

use super::records::{Tally, wanted_in_words};
use super::shown::shown;
use super::{Judgement, Malformed, Question, Rcode, Reply};
use crate::dns::check::DnsCheck;
use crate::dns::expect::Empty;
use crate::dns::kind::{Class, RecordType};
use crate::dns::name::Name;
use crate::dns::rdata;
use crate::dns::reply::Record;
use crate::verdict::Cause;

/// Aliases that are followed in one reply.
const ALIASES_MAX: usize = 16;

/// Judges the answers of a reply with an expected response code.
pub(super) fn judge(
    check: &DnsCheck,
    question: &Question,
    reply: &Reply<'_>,
    rcode: Rcode,
) -> Result<Option<Judgement>, Malformed> {
    if rcode != Rcode::NOERROR {
        return Ok(None);
    }
    let rule = &check.expect.answer;
    let mut tally = Tally::new(rule);
    let found = follow(reply, question, |record| {
        let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, true)?;
        tally.note(record.rtype, &data, record.ttl, false);
        Ok(())
    })?;
    let failed = |cause, detail| Ok(Some(Judgement::failed(cause, detail)));
    let rtype = question.record_type();
    match found {
        Found::Records if check.expect.empty == Empty::Expected => failed(
            Cause::DnsUnexpectedAnswer,
            format!("answered {}, expected no record of type {rtype}", shown(reply, question)),
        ),
        Found::Records => Ok(tally.judge(Cause::DnsAnswerMismatch, "", || shown(reply, question))),
        Found::Circle(name) => {
            failed(Cause::DnsCnameLoop, format!("its aliases don't end; the last one is {name}"))
        }
        Found::Nothing { end } => {
            match referral(reply)? {
                Some(zone) if zone == Name::root() => {
                    return failed(
                        Cause::DnsLame,
                        "answered with a referral to the root: it serves no zone of this name and does not \
                         resolve it"
                            .to_owned(),
                    );
                }
                Some(zone) => {
                    return failed(
                        Cause::DnsReferral,
                        format!("answered with a referral to the name servers of {zone}"),
                    );
                }
                None => {}
            }
            let none_will_do =
                check.expect.empty != Empty::Fails || rule.count.is_some_and(|count| count.admit(&0));
            if none_will_do && rule.wanted.is_empty() {
                return Ok(None);
            }
            let mut detail = match end {
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
            if !rule.wanted.is_empty() {
                detail.push_str(&format!(", expected {}", wanted_in_words(rule)));
            }
            failed(Cause::DnsNoAnswer, detail)
        }
    }
}

/// What following the aliases from the name asked led to.
pub(super) enum Found {
    /// Records of the type asked.
    Records,
    /// None; the name at the end of the aliases, if there were any.
    Nothing { end: Option<Name> },
    /// Aliases without an end.
    Circle(Name),
}

/// Calls `visit` for the answers to `question`, aliases followed.
pub(super) fn follow(
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
