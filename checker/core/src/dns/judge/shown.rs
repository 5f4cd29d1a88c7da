//! A reply in words, for people.
//!
//! Owns one line ([`summary`]) and the whole of it ([`details`]). Octets from the network are escaped, and everything is
//! bounded. It never judges.

use std::fmt::Write as _;

use super::answer::follow;
use super::{Question, Reply};
use crate::dns::kind::RecordType;
use crate::dns::options::{Options, identity};
use crate::dns::rdata;
use crate::dns::reply::Record;
use crate::dns::wire::Malformed;

/// Answers that are written out in one line, and characters of each.
const SHOWN_MAX: usize = 4;
const SHOWN_CHARS: usize = 120;
/// Records that are written out in the whole of a reply.
const DETAILS_MAX: usize = 200;

/// A reply in one line for people: the response code and the answers to the question.
#[must_use]
pub fn summary(question: &Question, octets: &[u8]) -> String {
    let Ok(reply) = Reply::parse(octets) else { return "no DNS message".to_owned() };
    let rcode = reply.walk().unwrap_or(reply.header.rcode());
    let answers = shown(&reply, question);
    if answers.is_empty() { rcode.to_string() } else { format!("{rcode} {answers}") }
}

/// The answers to the question, as far as they can be read.
pub(super) fn shown(reply: &Reply<'_>, question: &Question) -> String {
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
pub(super) fn list(texts: impl ExactSizeIterator<Item = String>, between: &str) -> String {
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

/// A whole reply, one record in a line, as in a zone file.
#[must_use]
pub fn details(octets: &[u8]) -> String {
    let Ok(reply) = Reply::parse(octets) else { return format!("{} octets, no DNS message\n", octets.len()) };
    let header = reply.header;
    let rcode = reply.walk().unwrap_or(header.rcode());
    let [questions, answers, authority, additional] = header.counts;
    let mut text = format!(
        "{} octets, id {}, {rcode}, flags {}; {questions} question, {answers} answer, {authority} authority, \
         {additional} additional\n",
        octets.len(),
        header.id,
        header.flags(),
    );
    let mut section = 0;
    for (n, record) in reply.records().enumerate() {
        let line = match record.and_then(|record| Ok((record, line(&reply, record)?))) {
            Ok((record, line)) if n < DETAILS_MAX => {
                if record.section != section {
                    section = record.section;
                    let name = ["", "answer", "authority", "additional"].get(section).copied();
                    let _ = writeln!(text, "{}:", name.unwrap_or_default());
                }
                line
            }
            Ok(_) => {
                text.push_str("  …\n");
                break;
            }
            Err(error) => format!("malformed: {error}"),
        };
        let _ = writeln!(text, "  {line}");
    }
    let options = Options::of(&reply);
    if let Some(nsid) = options.nsid {
        let _ = writeln!(text, "identity: {}", crate::dns::options::words(identity(nsid).as_bytes()));
    }
    if let Some(expire) = options.expire {
        let _ = writeln!(text, "zone expires in {expire} s");
    }
    let told = options.told();
    if !told.is_empty() {
        let _ = writeln!(text, "{}", told.trim_start_matches("; "));
    }
    text
}

fn line(reply: &Reply<'_>, record: Record) -> Result<String, Malformed> {
    let Record { rtype, class, ttl, .. } = record;
    let owner = reply.message.name(record.owner)?;
    if rtype == RecordType::OPT {
        return Ok(format!("EDNS version {}, {} octets", ttl >> 16 & 0xff, class.number()));
    }
    let data = rdata::expand(&reply.message, rtype, record.data, record.length, false)?;
    Ok(format!("{owner} {ttl} {class} {rtype} {}", rdata::present(rtype, &data)))
}
