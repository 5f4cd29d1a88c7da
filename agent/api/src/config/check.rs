//! `[virtual_server.check.dns]`: what is asked of a real server, what must come back, and when.
//!
//! Owns the keys of a DNS check, how a real server's own keys overlay those of its virtual server, and which values go
//! together. When it runs is in `rhythm`. The syntax of names, types and answers is `checker_core`'s.

mod more;

use checker_core::dns::{
    Class, DnsCheck, ExpectedAnswer, Name, Question, Rcode, RcodeSet, RecordType, Secure, Transport, Tries,
    Wanted,
};

use super::book::{Book, Place, quoted};
use super::fields::{noted, parsed};
use super::keys;
use super::kinds::Judged;
use super::rhythm::{self, RawRhythm};
use super::server::any_udp;
use super::suggest::nearest;
use super::table::{At, Given, Table};
use super::tls::{self, RawTls};
use super::{CheckKind, Service};
use crate::id::Protocol;

use more::More;

/// A check as far as it was written: any key may still come from the virtual server.
#[derive(Debug, Clone)]
pub(super) struct RawCheck<'t> {
    /// Where a key that is missing belongs.
    at: Place,
    qname: Given<&'t str>,
    qtype: Given<RecordType>,
    qclass: Given<Class>,
    rcodes: Given<RcodeSet>,
    answers: Given<Vec<At<&'t str>>>,
    /// And whether TCP must pass, too.
    transport: Given<(Transport, bool)>,
    port: Given<u32>,
    tries: Given<u32>,
    rhythm: RawRhythm,
    tls: RawTls,
    more: More,
}

pub(super) fn raw_dns<'t>(book: &mut Book<'_>, table: &Table<'t>) -> RawCheck<'t> {
    let qname = table.text(book, "qname", "qname = \"resolve.test\"");
    let qtype = table.text(book, "qtype", "qtype = \"A\"");
    let qclass = table.text(book, "qclass", "qclass = \"IN\"");
    let rcodes = table.texts(book, "expect_rcode", true, "expect_rcode = [\"NOERROR\"]");
    let transport = table.text(book, "transport", "transport = \"udp\"");
    RawCheck {
        at: table.at,
        // Whether it is a name does not depend on the type or class.
        qname: qname.convert(|text, at| match Question::parse(text, RecordType::A, Class::IN) {
            Ok(_) => Some(text),
            Err(error) => noted(book, at, format!("qname: {error}")),
        }),
        qtype: qtype.convert(|text, at| {
            let rtype =
                parsed(book, "qtype", text, at, &["A", "AAAA", "SOA", "NS", "TXT", "CNAME", "MX", "PTR"])?;
            // Whether the type can be asked at all does not depend on the name or class.
            match Question::new(Name::root(), rtype, Class::IN) {
                Ok(_) => Some(rtype),
                Err(error) => noted(book, at, format!("qtype: {error}")),
            }
        }),
        qclass: qclass.convert(|text, at| parsed(book, "qclass", text, at, &["IN", "CH", "HS"])),
        rcodes: rcodes.convert(|words, at| {
            if words.is_empty() {
                return noted(
                    book,
                    at,
                    "expect_rcode is empty, so no reply could pass; write [\"NOERROR\"] or leave it out",
                );
            }
            let known = ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NOTAUTH"];
            // All words are looked at before the first bad one makes the list wrong.
            let rcodes: Vec<Option<Rcode>> =
                words.into_iter().map(|(word, at)| parsed(book, "expect_rcode", word, at, &known)).collect();
            rcodes.into_iter().collect()
        }),
        answers: table.texts(book, "expect_answer", true, "expect_answer = [\"192.0.2.80\"]"),
        transport: transport.convert(|text, at| match text {
            "udp" => Some((Transport::Udp, false)),
            "tcp" => Some((Transport::Tcp, false)),
            "udp+tcp" => Some((Transport::Udp, true)),
            "dot" => Some((Transport::Tls, false)),
            "doh" => Some((Transport::Https, false)),
            "doq" => Some((Transport::Quic, false)),
            other => {
                let remedy = match nearest(other, ["udp", "tcp", "udp+tcp", "dot", "doh", "doq"]) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "write \"udp\", \"tcp\", \"udp+tcp\", \"dot\", \"doh\" or \"doq\"".to_owned(),
                };
                noted(book, at, format!("unknown transport {}; {remedy}", quoted(other)))
            }
        }),
        port: table.number(book, "port", 1..=65_535),
        tries: table.number(book, "tries", 1..=u32::from(Tries::MAX)),
        rhythm: rhythm::raw(book, table),
        tls: tls::raw(book, table),
        more: More::read(book, table),
    }
}

/// `own`, with what it leaves out from `base`.
pub(super) fn merged<'t>(own: RawCheck<'t>, base: RawCheck<'t>) -> RawCheck<'t> {
    RawCheck {
        at: base.at,
        qname: own.qname.or_else(base.qname),
        qtype: own.qtype.or_else(base.qtype),
        qclass: own.qclass.or_else(base.qclass),
        rcodes: own.rcodes.or_else(base.rcodes),
        answers: own.answers.or_else(base.answers),
        transport: own.transport.or_else(base.transport),
        port: own.port.or_else(base.port),
        tries: own.tries.or_else(base.tries),
        rhythm: own.rhythm.or_else(base.rhythm),
        tls: own.tls.or_else(base.tls),
        more: own.more.or_else(base.more),
    }
}

/// The check that `raw` makes, for a pool with these services. `None` when something is wrong, which has been noted.
pub(super) fn judged(book: &mut Book<'_>, raw: RawCheck<'_>, services: Option<&[Service]>) -> Option<Judged> {
    if matches!(raw.qname, Given::Absent) {
        let header = keys::DNS.header;
        book.missing(
            raw.at,
            format!("qname is missing in {header}; write the name to ask for: qname = \"resolve.test\""),
        );
    }
    let rhythm_and_timeout = rhythm::judged(book, &raw.rhythm);
    let qtype = raw.qtype.or(RecordType::A);
    let answers = match (raw.answers, qtype) {
        (Given::Good(words, _), Some(qtype)) => {
            let answers: Vec<Option<ExpectedAnswer>> = words
                .into_iter()
                .map(|(word, at)| {
                    ExpectedAnswer::parse(word, qtype)
                        .map_err(|error| book.wrong(at, format!("expect_answer: {error}")))
                        .ok()
                })
                .collect();
            answers.into_iter().collect()
        }
        (Given::Absent, _) => Some(Vec::new()),
        _ => None,
    };
    let (rhythm, timeout) = rhythm_and_timeout?;
    let question = Question::parse(raw.qname.good()?, qtype?, raw.qclass.or(Class::IN)?).ok()?;
    let mut dns = DnsCheck::new(question);
    if let Given::Good(rcodes, _) = raw.rcodes.not_wrong()? {
        dns.expect.rcodes = rcodes;
    }
    dns.expect.answer.wanted = answers?.into_iter().map(Wanted::Data).collect();
    let default = if services.is_none_or(any_udp) { Transport::Udp } else { Transport::Tcp };
    (dns.transport, dns.tcp_too) = raw.transport.or((default, false))?;
    if dns.transport.is_secured() {
        let tls = raw.tls.judged(book)?;
        dns.secure = Some(Box::new(Secure { tls, ..Secure::default() }));
    } else {
        raw.tls.refused(book, "write transport = \"dot\", \"doh\" or \"doq\"")?;
    }
    raw.more.apply(book, &mut dns)?;
    dns.timeout = timeout;
    if let Given::Good(tries, _) = raw.tries.not_wrong()? {
        dns.tries = Tries::new(u64::from(tries)).ok()?;
    }
    let port = match raw.port.not_wrong()? {
        Given::Good(port, _) => Some(u16::try_from(port).ok()?),
        // The port of a secured transport has nothing to do with those of the services.
        _ => dns.transport.is_secured().then(|| dns.transport.port()),
    };
    let protocol = match dns.transport {
        Transport::Udp | Transport::Quic => Protocol::Udp,
        Transport::Tcp | Transport::Tls | Transport::Https => Protocol::Tcp,
    };
    Some(Judged { kind: CheckKind::Dns(Box::new(dns)), rhythm, port, protocol })
}
