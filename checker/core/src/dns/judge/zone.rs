//! Judging what a reply says of the zone and the server: serial, signatures, identity, expiry.
//!
//! Owns the comparison of serials and times, by the arithmetic of RFC 1982. Signatures are looked at, not verified: that
//! takes keys and is `dnssec`'s. It never reads a clock.

use super::{Judgement, Malformed, Question, Reply};
use crate::dns::expect::{Expectation, Signatures};
use crate::dns::kind::RecordType;
use crate::dns::options::{Options, identity, words};
use crate::dns::serial::serial_lag;
use crate::verdict::Cause;

/// Judges all of it.
pub(super) fn judge(
    expect: &Expectation,
    question: &Question,
    reply: &Reply<'_>,
    epoch: u64,
) -> Result<Option<Judgement>, Malformed> {
    if let Some(least) = expect.serial {
        let failed = behind(serial(reply)?, least);
        if failed.is_some() {
            return Ok(failed);
        }
    }
    let mut worst = None;
    if let Some(rule) = expect.signatures {
        // A wrap-around of 32 bits is what RFC 4034 section 3.1.5 wants.
        match signatures(rule, question, reply, epoch as u32)? {
            Some(judgement)
                if judgement.cause == Some(Cause::DnsSignatureExpiring) && judgement.verdict.passes() =>
            {
                worst = Some(judgement);
            }
            Some(judgement) => return Ok(Some(judgement)),
            None => {}
        }
    }
    if expect.nsid.is_none() && expect.expire.is_none() {
        return Ok(worst);
    }
    let options = Options::of(reply);
    if let Some(pattern) = &expect.nsid {
        let told = options.nsid.map(identity);
        if !told.as_ref().is_some_and(|told| pattern.matches(told)) {
            let told = told.map_or_else(
                || "not say who it is".to_owned(),
                |told| format!("call itself {}", words(told.as_bytes())),
            );
            let detail = format!("the server does {told}, expected {pattern}");
            return Ok(Some(Judgement::failed(Cause::DnsIdentity, detail)));
        }
    }
    if let Some(least) = expect.expire {
        let detail = match options.expire {
            Some(left) if left >= least => return Ok(worst),
            Some(left) => format!("the zone expires in {left} s, expected {least} s or more"),
            None => "the server does not say when the zone expires".to_owned(),
        };
        return Ok(Some(Judgement::failed(Cause::DnsZoneExpiring, detail)));
    }
    Ok(worst)
}

/// What is to be said of a server whose zone should have this serial at least, by what it told.
pub(in crate::dns) fn behind(serial: Option<u32>, least: u32) -> Option<Judgement> {
    match serial {
        Some(serial) if serial_lag(serial, least) <= 0 => None,
        Some(serial) => Some(Judgement::failed(
            Cause::DnsStaleSerial,
            format!(
                "the zone has serial {serial}, {} behind the expected {least}",
                serial_lag(serial, least)
            ),
        )),
        None => Some(Judgement::failed(
            Cause::DnsNoAnswer,
            format!("answered without an SOA, expected serial {least} or later"),
        )),
    }
}

/// The serial of the first SOA in the answer or authority section.
pub(in crate::dns) fn serial(reply: &Reply<'_>) -> Result<Option<u32>, Malformed> {
    for record in reply.records() {
        let record = record?;
        if record.section < 3 && record.rtype == RecordType::SOA {
            let owner = reply.message.skip_name(record.data)?;
            let mailbox = reply.message.skip_name(owner)?;
            return Ok(Some(reply.message.u32(mailbox)?));
        }
    }
    Ok(None)
}

/// Looks at the signatures of the answer or, when that is empty, of the authority section.
fn signatures(
    rule: Signatures,
    question: &Question,
    reply: &Reply<'_>,
    now: u32,
) -> Result<Option<Judgement>, Malformed> {
    let section = if reply.header.counts[1] > 0 { 1 } else { 2 };
    let rtype = question.record_type();
    let (mut first, mut latest, mut covered) = (None::<(i64, RecordType)>, None::<(i64, RecordType)>, false);
    for record in reply.records() {
        let record = record?;
        if record.section != section || record.rtype != RecordType::RRSIG {
            continue;
        }
        let covers = RecordType::new(reply.message.u16(record.data)?);
        // How long it is still good, and how long it has been.
        let left = -serial_lag(reply.message.u32(record.data + 8)?, now);
        let since = serial_lag(reply.message.u32(record.data + 12)?, now);
        covered |= section == 2 || covers == rtype || rtype == RecordType::ANY;
        if first.is_none_or(|(least, _)| left < least) {
            first = Some((left, covers));
        }
        if latest.is_none_or(|(least, _)| since < least) {
            latest = Some((since, covers));
        }
    }
    let failed = |cause, detail| Ok(Some(Judgement::failed(cause, detail)));
    let (Some((left, ends)), Some((since, begins)), true) = (first, latest, covered) else {
        return failed(Cause::DnsUnsigned, format!("answered without a signature over {rtype}"));
    };
    if since < 0 {
        let detail = format!("the signature over {begins} begins only in {}", span(-since));
        return failed(Cause::DnsSignatureFuture, detail);
    }
    if left < 0 {
        let detail = format!("the signature over {ends} expired {} ago", span(-left));
        return failed(Cause::DnsSignatureExpired, detail);
    }
    Ok(ending(rule, left, &ends.to_string()))
}

/// Judges how many seconds the signature over `what` is still good.
pub(in crate::dns) fn ending(rule: Signatures, left: i64, what: &str) -> Option<Judgement> {
    let soon = |least: u32| {
        format!(
            "the signature over {what} expires in {}, expected {} or more",
            span(left),
            span(i64::from(least))
        )
    };
    if left < i64::from(rule.must_last) {
        return Some(Judgement::failed(Cause::DnsSignatureExpiring, soon(rule.must_last)));
    }
    (left < i64::from(rule.should_last))
        .then(|| Judgement::degraded(Cause::DnsSignatureExpiring, soon(rule.should_last)))
}

/// Seconds in words.
pub(in crate::dns) fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
