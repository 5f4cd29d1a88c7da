//! Judging the records of a section: data, count, time to live.
//!
//! Owns [`Tally`], which takes records one by one and says at the end whether they are what was wanted. It does not choose
//! the records.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::shown::list;
use super::{Judgement, Malformed, Reply};
use crate::dns::answer;
use crate::dns::expect::{Fit, Records, Wanted};
use crate::dns::kind::RecordType;
use crate::dns::rdata;
use crate::verdict::Cause;

/// Records so far, against what is wanted.
#[derive(Debug)]
pub(super) struct Tally<'r> {
    rule: &'r Records,
    /// Which of what is wanted was there.
    hits: Vec<bool>,
    /// Whether some record was not wanted.
    extra: bool,
    count: u32,
    /// A time to live that is out of bounds.
    ttl: Option<u32>,
}

impl<'r> Tally<'r> {
    pub(super) fn new(rule: &'r Records) -> Self {
        Self { rule, hits: vec![false; rule.wanted.len()], extra: false, count: 0, ttl: None }
    }

    /// Takes one record; its data are uncompressed, with names in lower case. `typed` says that patterns see the type, too.
    pub(super) fn note(&mut self, rtype: RecordType, data: &[u8], ttl: u32, typed: bool) {
        self.count = self.count.saturating_add(1);
        if let Some(bounds) = self.rule.ttl
            && !bounds.admit(&ttl)
        {
            self.ttl.get_or_insert(ttl);
        }
        let (mut text, mut wanted) = (None, false);
        for (want, hit) in self.rule.wanted.iter().zip(&mut self.hits) {
            let met = match want {
                Wanted::Data(answer) => answer.is(rtype, data),
                Wanted::Network(network) => match (rtype, data.len()) {
                    (RecordType::A, 4) => data
                        .first_chunk::<4>()
                        .is_some_and(|octets| network.contains(Ipv4Addr::from(*octets).into())),
                    (RecordType::AAAA, 16) => data
                        .first_chunk::<16>()
                        .is_some_and(|octets| network.contains(Ipv6Addr::from(*octets).into())),
                    _ => false,
                },
                Wanted::Pattern(pattern) => {
                    pattern.matches(text.get_or_insert_with(|| plain(rtype, data, typed)))
                }
            };
            *hit |= met;
            wanted |= met;
        }
        self.extra |= !wanted;
    }

    /// Says what is wrong with the records, if anything is. `answer` says what came.
    pub(super) fn judge(
        &self,
        mismatch: Cause,
        place: &str,
        answer: impl FnOnce() -> String,
    ) -> Option<Judgement> {
        let rule = self.rule;
        let fits = rule.wanted.is_empty()
            || match rule.fit {
                Fit::Any => self.hits.contains(&true),
                Fit::All => !self.hits.contains(&false),
                Fit::Exact => !self.hits.contains(&false) && !self.extra,
            };
        if !fits {
            let answered = match answer() {
                answered if answered.is_empty() => "nothing".to_owned(),
                answered => answered,
            };
            let exactly = if rule.fit == Fit::Exact { "exactly " } else { "" };
            return Some(Judgement::failed(
                mismatch,
                format!("answered {answered}{place}, expected {exactly}{}", wanted_in_words(rule)),
            ));
        }
        if let Some(bounds) = rule.count
            && !bounds.admit(&self.count)
        {
            let detail = format!("answered {} records{place}, expected {bounds}", self.count);
            return Some(Judgement::failed(Cause::DnsCount, detail));
        }
        let (ttl, bounds) = self.ttl.zip(rule.ttl)?;
        let detail = format!("a record{place} has a time to live of {ttl} s, expected {bounds}");
        Some(Judgement::failed(Cause::DnsTtl, detail))
    }
}

/// What is wanted, in words.
pub(super) fn wanted_in_words(rule: &Records) -> String {
    let between = if rule.fit == Fit::Any { " or " } else { " and " };
    list(rule.wanted.iter().map(ToString::to_string), between)
}

/// Record data as patterns see them.
fn plain(rtype: RecordType, data: &[u8], typed: bool) -> String {
    let text = match rtype {
        RecordType::TXT | RecordType::SPF => {
            String::from_utf8_lossy(&answer::joined(data).copied().collect::<Vec<u8>>()).into_owned()
        }
        _ => rdata::present(rtype, data),
    };
    if typed { format!("{rtype} {text}") } else { text }
}

/// Judges the authority (2) or additional (3) section.
pub(super) fn section(
    rule: &Records,
    reply: &Reply<'_>,
    section: usize,
) -> Result<Option<Judgement>, Malformed> {
    if rule.is_any() {
        return Ok(None);
    }
    let mut tally = Tally::new(rule);
    let mut seen = Vec::new();
    for record in reply.records() {
        let record = record?;
        // EDNS is no record of the zone, and signatures come along with what was wanted.
        if record.section != section || matches!(record.rtype, RecordType::OPT | RecordType::RRSIG) {
            continue;
        }
        let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, true)?;
        tally.note(record.rtype, &data, record.ttl, true);
        seen.push(record);
    }
    let (mismatch, place) = match section {
        2 => (Cause::DnsAuthorityMismatch, " in the authority section"),
        _ => (Cause::DnsAdditionalMismatch, " in the additional section"),
    };
    let shown = || {
        let text = |record: &crate::dns::reply::Record| {
            let data = rdata::expand(&reply.message, record.rtype, record.data, record.length, false);
            data.map_or_else(|_| "?".to_owned(), |data| plain(record.rtype, &data, true))
        };
        list(seen.iter().map(text), ", ")
    };
    Ok(tally.judge(mismatch, place, shown))
}
