//! The options of what must come back, and what is said of it.
//!
//! Owns their names, their one line of help and where their values go. It never says what they mean together.

use super::{Opt, file, flag, list, number, one, push, value};
use crate::args::{fit, format, long_span, weight};

/// Expectation.
pub(super) const EXPECTATION: &[Opt] = &[
    value("expect-rcode", "RCODE", "Codes that pass, with commas [default: NOERROR]", |a, v| {
        list(&mut a.expect.expect_rcode, v)
    })
    .many(),
    value("forbid-rcode", "RCODE", "Codes that never pass; others do", |a, v| {
        list(&mut a.expect.forbid_rcode, v)
    })
    .many(),
    value("expect-answer", "DATA", "Answer that must come, as in a zone file", |a, v| {
        push(&mut a.expect.expect_answer, v)
    })
    .many(),
    value("match", "REGEX", "Expression that an answer must match", |a, v| push(&mut a.expect.matching, v))
        .many(),
    value("within", "NETWORK", "Network that an address must lie in", |a, v| push(&mut a.expect.within, v))
        .many(),
    value("fit", "FIT", "Any, all or exactly what is expected [default: any]", |a, v| {
        fit(v).map(|v| a.expect.fit = Some(v))
    }),
    value("answer-count", "RANGE", "Number of answers: 3, 2..4, 2.. or ..4", |a, v| {
        one(&mut a.expect.answer_count, v)
    }),
    value("ttl", "RANGE", "Time to live of every answer, in seconds", |a, v| one(&mut a.expect.ttl, v)),
    flag("allow-empty", "Pass NOERROR without an answer, too", |a| a.expect.allow_empty = true).not_with(&[
        "expect-answer",
        "match",
        "within",
    ]),
    flag("expect-empty", "Pass only NOERROR without an answer", |a| a.expect.expect_empty = true)
        .not_with(&["expect-answer", "match", "within", "allow-empty"]),
    value("expect-authority", "RECORD", "\"TYPE DATA\" in the authority section", |a, v| {
        push(&mut a.expect.expect_authority, v)
    })
    .many(),
    value("authority-count", "RANGE", "Number of records there", |a, v| {
        one(&mut a.expect.authority_count, v)
    }),
    value("expect-additional", "RECORD", "\"TYPE DATA\" in the additional section", |a, v| {
        push(&mut a.expect.expect_additional, v)
    })
    .many(),
    value("additional-count", "RANGE", "Number of records there", |a, v| {
        one(&mut a.expect.additional_count, v)
    }),
    value("flags", "FLAG", "Flags that must be set: aa,tc,rd,ra,ad,cd", |a, v| list(&mut a.expect.flags, v))
        .many(),
    value("forbid-flags", "FLAG", "Flags that must not be set", |a, v| list(&mut a.expect.forbid_flags, v))
        .many(),
    value("expect-nsid", "REGEX", "Expression for the server's identity", |a, v| {
        one(&mut a.expect.expect_nsid, v)
    }),
    value("warn", "RANGE", "Degraded outside: 50ms, or a plugin's range", |a, v| one(&mut a.expect.warn, v))
        .short('w'),
    value("crit", "RANGE", "Down outside of this latency", |a, v| one(&mut a.expect.crit, v)).short('c'),
];

/// Zone.
pub(super) const ZONE: &[Opt] = &[
    value("serial", "SERIAL", "Least serial of the zone (RFC 1982)", |a, v| {
        number(&mut a.zone.serial, v, ..)
    }),
    value("primary", "ADDRESS", "Primary to compare with; the newest counts", |a, v| {
        push(&mut a.zone.primary, v)
    })
    .many()
    .not_with(&["serial"]),
    value("max-lag", "NUMBER", "How far behind it may be [default: 0]", |a, v| {
        number(&mut a.zone.max_lag, v, ..)
    })
    .with(&["primary"]),
    value("grace", "TIME", "How long a server may take to catch up", |a, v| {
        long_span(v).map(|v| a.zone.grace = Some(v))
    })
    .with(&["primary"]),
    value("expect-expire", "TIME", "Least time to the zone's expiry: 1h, 2d", |a, v| {
        long_span(v).map(|v| a.zone.expect_expire = Some(v))
    }),
    value("rrsig", "TIME", "Signed, and good for this long still", |a, v| {
        long_span(v).map(|v| a.zone.rrsig = Some(v))
    })
    .or("0"),
    value("rrsig-warn", "TIME", "Degraded when good for less than this", |a, v| {
        long_span(v).map(|v| a.zone.rrsig_warn = Some(v))
    }),
    value("trust-anchor", "RECORD", "\"ZONE DS …\" or \"ZONE DNSKEY …\" to validate by", |a, v| {
        push(&mut a.zone.trust_anchor, v)
    })
    .many(),
    file("trust-anchor-file", "FILE", "File of such records, as /usr/share/dns/root.key", |a, v| {
        a.zone.trust_anchor_file = Some(v)
    }),
];

/// Secure.
pub(super) const SECURE: &[Opt] = &[
    value("tls-name", "NAME", "Name of the certificate [default: the address]", |a, v| {
        one(&mut a.secure.tls_name, v)
    }),
    file("ca", "FILE", "PEM file of who is trusted [default: system's]", |a, v| a.secure.ca = Some(v)),
    value("pin", "PIN", "SHA-256 of a key, base64; enough without --ca", |a, v| push(&mut a.secure.pin, v))
        .many(),
    flag("insecure", "Verify nothing of the certificate", |a| a.secure.insecure = true).not_with(&["ca"]),
    value("cert-warn", "TIME", "Degraded when a certificate ends sooner: 14d", |a, v| {
        long_span(v).map(|v| a.secure.cert_warn = Some(v))
    }),
    file("client-cert", "FILE", "PEM file of the certificate to show", |a, v| a.secure.client_cert = Some(v))
        .with(&["client-key"]),
    file("client-key", "FILE", "PEM file of its private key", |a, v| a.secure.client_key = Some(v))
        .with(&["client-cert"]),
    value("doh-path", "PATH", "Path for doh [default: /dns-query]", |a, v| one(&mut a.secure.doh_path, v)),
    value("doh-method", "METHOD", "POST or GET, for doh [default: POST]", |a, v| {
        one(&mut a.secure.doh_method, v)
    }),
    value("http-version", "VERSION", "HTTP 1.1 or 2, for doh [default: either]", |a, v| {
        one(&mut a.secure.http_version, v)
    }),
];

/// Output.
pub(super) const OUTPUT: &[Opt] = &[
    value("format", "FORMAT", "text, json, plugin or prometheus [default: text]", |a, v| {
        format(v).map(|v| a.output.format = Some(v))
    }),
    flag("verbose", "Show the replies, too", |a| a.output.verbose = true).short('v'),
    value("weight", "W[:W]", "Exit with the weight plus 2 (misc_dynamic)", |a, v| {
        weight(v).map(|v| a.output.weight = Some(v))
    }),
];
