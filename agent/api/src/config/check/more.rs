//! The keys of `[virtual_server.check.dns]` beside question, answer and rhythm: how it is asked, what else must come back.
//!
//! Owns one list of these keys, from which the reading and the overlaying follow, so that no key can be read and then
//! forgotten. The syntax of values is `checker_core`'s.

use std::time::Duration;

use checker_core::dns::{
    Bounds, Class, DnsCheck, Doh, DohMethod, DohPath, Edns, Empty, ExpectedAnswer, Fit, Flags, HttpVersion,
    PaddingBlock, Pattern, Prefix, Rcode, RcodeSet, Records, Signatures, Timeout, Transport, TrustAnchor,
    Wanted,
};

use super::super::book::{Book, Place};
use super::super::fields::{choice, fields, noted, parsed, place, word, words};
use super::super::table::{Given, Table};

const MONTH: Duration = Duration::from_secs(31 * 86_400);
const SERVER_MILLISECOND: Duration = Duration::from_millis(1);

fields! {
    /// These keys as far as they were written.
    More
    recursion: bool = |book, table, key| table.switch(book, key);
    checking_disabled: bool = |book, table, key| table.switch(book, key);
    authentic_data: bool = |book, table, key| table.switch(book, key);
    mixed_case: bool = |book, table, key| table.switch(book, key);
    edns: bool = |book, table, key| table.switch(book, key);
    edns_size: u32 = |book, table, key| table.number(book, key, 512..=65_535);
    dnssec_ok: bool = |book, table, key| table.switch(book, key);
    cookie: bool = |book, table, key| table.switch(book, key);
    client_subnet: Prefix = |book, table, key| word(book, table, key, "client_subnet = \"192.0.2.0/24\"");
    padding: u32 = |book, table, key| table.number(book, key, 1..=u32::from(PaddingBlock::MAX));
    forbid_rcode: Vec<Rcode> = |book, table, key| words(book, table, key, "forbid_rcode = [\"SERVFAIL\"]");
    expect_match: Vec<Pattern> = |book, table, key| words(book, table, key, "expect_match = [\"^192[.]\"]");
    expect_network: Vec<Prefix> = |book, table, key| words(book, table, key, "expect_network = [\"192.0.2.0/24\"]");
    expect_fit: Fit = |book, table, key| {
        choice(book, table, key, &[("any", Fit::Any), ("all", Fit::All), ("exact", Fit::Exact)])
    };
    expect_empty: Empty = |book, table, key| {
        choice(book, table, key, &[("fails", Empty::Fails), ("passes", Empty::Passes), ("expected", Empty::Expected)])
    };
    answer_count: Bounds<u32> = |book, table, key| word(book, table, key, "answer_count = \"1..4\"");
    answer_ttl: Bounds<u32> = |book, table, key| word(book, table, key, "answer_ttl = \"30..\"");
    expect_authority: Vec<Wanted> = |book, table, key| records(book, table, key);
    expect_additional: Vec<Wanted> = |book, table, key| records(book, table, key);
    expect_flags: Vec<Flags> = |book, table, key| words(book, table, key, "expect_flags = [\"aa\"]");
    forbid_flags: Vec<Flags> = |book, table, key| words(book, table, key, "forbid_flags = [\"tc\"]");
    min_serial: u32 = |book, table, key| table.number(book, key, 0..=u32::MAX);
    signatures_last: Duration = |book, table, key| table.duration(book, key, Duration::ZERO..=MONTH, "1d");
    signatures_warn: Duration = |book, table, key| table.duration(book, key, Duration::ZERO..=MONTH, "3d");
    trust_anchor: Vec<TrustAnchor> = |book, table, key| {
        words(book, table, key, "trust_anchor = [\"example.test DS 12345 13 2 …\"]")
    };
    expect_nsid: Pattern = |book, table, key| word(book, table, key, "expect_nsid = \"^ns1$\"");
    zone_expiry: Duration = |book, table, key| table.duration(book, key, Duration::from_secs(1)..=MONTH, "1d");
    latency_warn: Duration = |book, table, key| table.duration(book, key, SERVER_MILLISECOND..=Timeout::MAX, "50ms");
    latency_max: Duration = |book, table, key| table.duration(book, key, SERVER_MILLISECOND..=Timeout::MAX, "500ms");
    doh_path: DohPath = |book, table, key| word(book, table, key, "doh_path = \"/dns-query\"");
    doh_method: DohMethod = |book, table, key| {
        choice(book, table, key, &[("POST", DohMethod::Post), ("GET", DohMethod::Get)])
    };
    http_version: HttpVersion = |book, table, key| {
        choice(book, table, key, &[("1.1", HttpVersion::Http1), ("2", HttpVersion::Http2)])
    };
    try_timeout: Duration = |book, table, key| table.duration(book, key, Timeout::MIN..=Timeout::MAX, "200ms");
}

/// Records of any type: `"NS ns1.test"`.
fn records(book: &mut Book<'_>, table: &Table<'_>, key: &'static str) -> Given<Vec<Wanted>> {
    let texts = table.texts(book, key, true, &format!("{key} = [\"NS ns1.test\"]"));
    texts.convert(|words, _| {
        let read: Vec<Option<Wanted>> =
            words.into_iter().map(|(text, at)| record(book, key, text, at)).collect();
        read.into_iter().collect()
    })
}

fn record(book: &mut Book<'_>, key: &'static str, text: &str, at: Place) -> Option<Wanted> {
    let Some((rtype, data)) = text.trim().split_once(' ') else {
        return noted(
            book,
            at,
            format!("{key}: {text:?} is no record; write type and data, as in \"NS ns1.test\""),
        );
    };
    let rtype = parsed(book, key, rtype, at, &[])?;
    match ExpectedAnswer::parse(data, rtype) {
        Ok(answer) => Some(Wanted::Data(answer)),
        Err(error) => noted(book, at, format!("{key}: {error}")),
    }
}

impl More {
    /// Writes them into a check; `None` when one is wrong, which has been noted.
    pub(super) fn apply(self, book: &mut Book<'_>, dns: &mut DnsCheck) -> Option<()> {
        if self.is_wrong() {
            return None;
        }
        if let (Given::Good(warn, at), Given::Good(max, _)) = (self.latency_warn, self.latency_max)
            && warn >= max
        {
            return noted(
                book,
                at,
                "latency_warn is not below latency_max, so it would never be seen; make it less",
            );
        }
        let edns = self.edns()?;
        let ask = &mut dns.ask;
        ask.recursion_desired = self.recursion.or(true)?;
        ask.checking_disabled = self.checking_disabled.or(false)?;
        ask.authentic_data = self.authentic_data.or(false)?;
        ask.mixed_case = self.mixed_case.or(false)?;
        ask.edns = edns;
        let expect = &mut dns.expect;
        expect.forbidden_rcodes = RcodeSet::from_iter(self.forbid_rcode.or(Vec::new())?);
        expect.answer.wanted.extend(self.expect_match.or(Vec::new())?.into_iter().map(Wanted::Pattern));
        expect.answer.wanted.extend(self.expect_network.or(Vec::new())?.into_iter().map(Wanted::Network));
        expect.answer.fit = self.expect_fit.or(Fit::Any)?;
        expect.answer.count = self.answer_count.good();
        expect.answer.ttl = self.answer_ttl.good();
        if let Given::Good(empty, at) = self.expect_empty {
            if empty != Empty::Fails && !expect.answer.wanted.is_empty() {
                return noted(book, at, "expect_empty does not go with expected answers; remove one of them");
            }
            expect.empty = empty;
        }
        let section = |wanted| Records { wanted, fit: Fit::All, ..Records::default() };
        expect.authority = section(self.expect_authority.or(Vec::new())?);
        expect.additional = section(self.expect_additional.or(Vec::new())?);
        expect.flags = self.expect_flags.or(Vec::new())?.into_iter().collect();
        expect.forbidden_flags = self.forbid_flags.or(Vec::new())?.into_iter().collect();
        expect.serial = self.min_serial.good();
        let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        expect.signatures = match (self.signatures_last.good(), self.signatures_warn.good()) {
            (None, None) => None,
            (last, warn) => Some(Signatures {
                must_last: seconds(last.unwrap_or_default()),
                should_last: seconds(warn.unwrap_or_default()),
            }),
        };
        if let Given::Good(anchors, at) = self.trust_anchor {
            if dns.question.class() != Class::IN {
                return noted(
                    book,
                    at,
                    "trust_anchor: only names of class IN are signed; remove it or qclass",
                );
            }
            dns.validate(anchors.into());
        }
        let expect = &mut dns.expect;
        expect.nsid = self.expect_nsid.good();
        expect.expire = self.zone_expiry.good().map(seconds);
        let at_most = |max| Bounds { min: None, max: Some(max), inverted: false };
        expect.latency.should = self.latency_warn.good().map(at_most);
        expect.latency.must = self.latency_max.good().map(at_most);
        let doh = [
            ("doh_path", place(&self.doh_path)),
            ("doh_method", place(&self.doh_method)),
            ("http_version", place(&self.http_version)),
        ];
        if dns.transport != Transport::Https
            && let Some((key, at)) = doh.into_iter().find_map(|(key, at)| Some((key, at?)))
        {
            return noted(book, at, format!("{key} has no effect without transport = \"doh\"; remove it"));
        }
        if let Some(secure) = &mut dns.secure {
            secure.doh = Doh {
                path: self.doh_path.or(DohPath::default())?,
                method: self.doh_method.or(DohMethod::default())?,
                version: self.http_version.good(),
            };
        }
        dns.try_timeout = self.try_timeout.good().and_then(|span| Timeout::new(span).ok());
        Some(())
    }

    /// EDNS, if a key asks for it or needs it.
    fn edns(&self) -> Option<Option<Edns>> {
        let plain = Edns::default();
        let edns = Edns {
            size: self.edns_size.or(u32::from(plain.size)).and_then(|size| u16::try_from(size).ok())?,
            dnssec_ok: self.dnssec_ok.or(false)?
                || matches!(self.signatures_last, Given::Good(..))
                || matches!(self.signatures_warn, Given::Good(..)),
            nsid: matches!(self.expect_nsid, Given::Good(..)),
            expire: matches!(self.zone_expiry, Given::Good(..)),
            cookie: self.cookie.or(false)?,
            subnet: self.client_subnet.good(),
            padding: self
                .padding
                .good()
                .and_then(|block| u16::try_from(block).ok())
                .and_then(PaddingBlock::new),
            ..plain.clone()
        };
        let asked = self.edns.or(false)? || matches!(self.edns_size, Given::Good(..));
        Some((asked || edns != plain).then_some(edns))
    }
}
