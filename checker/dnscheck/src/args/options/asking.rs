//! The options of whom and what is asked, and how.
//!
//! Owns their names, their one line of help and where their values go. It never says what they mean together.

use super::{Opt, file, flag, number, one, push, value};
use crate::args::{long_span, mark, timeout, travel, tries};

/// Server.
pub(super) const SERVER: &[Opt] = &[
    value("server", "ADDRESS", "Address (fe80::1%eth0, 10.0.0.1#5353); repeatable", |a, v| {
        push(&mut a.server.server, v)
    })
    .many(),
    file("servers-file", "FILE", "One address per line, # comments; - for stdin", |a, v| {
        a.server.servers_file = Some(v)
    }),
    value("need-servers", "NEED", "Servers that must pass: all, any, 2, …", |a, v| {
        one(&mut a.server.need_servers, v)
    }),
    value("port", "PORT", "Port [default: 53; dot, doq 853; doh 443]", |a, v| {
        number(&mut a.server.port, v, 1..)
    })
    .short('p'),
    value("source", "ADDRESS", "Address of this machine to ask from", |a, v| one(&mut a.server.source, v)),
    value("interface", "NAME", "Interface or VRF to ask by", |a, v| one(&mut a.server.interface, v)),
    value("mark", "MARK", "Mark of the packets (SO_MARK), 7 or 0x7", |a, v| {
        mark(v).map(|v| a.server.mark = Some(v))
    }),
    value("dscp", "0-63", "Differentiated services code point", |a, v| number(&mut a.server.dscp, v, ..64)),
];

/// Question.
pub(super) const QUESTION: &[Opt] = &[
    value("qname", "NAME", "Name; may hold {rand}, {epoch}, {server}", |a, v| {
        a.question.qname = v.to_owned();
        Ok(())
    }),
    value("qtype", "TYPE", "A, AAAA, TYPE65280, … [default: A or SOA]", |a, v| {
        one(&mut a.question.qtype, v)
    }),
    value("qclass", "CLASS", "Class to ask in: IN, CH, HS [default: IN]", |a, v| {
        one(&mut a.question.qclass, v)
    }),
    value("ask", "QUESTION", "Further question: \"NAME CLASS TYPE RCODE,…\"", |a, v| {
        push(&mut a.question.ask, v)
    })
    .many(),
    value("advise", "QUESTION", "Further question whose failure only degrades", |a, v| {
        push(&mut a.question.advise, v)
    })
    .many(),
    value("need", "NEED", "Questions that must pass: all, any, 2, …", |a, v| one(&mut a.question.need, v)),
    flag("rd", "Desire recursion (the default)", |a| a.question.no_rd = false).many(),
    flag("no-rd", "Do not desire recursion", |a| a.question.no_rd = true).many(),
    flag("cd", "Set CD: the server is not to validate", |a| a.question.cd = true),
    flag("ad", "Set AD: say whether the answer is validated", |a| a.question.ad = true),
    flag("mixed-case", "Letters in random case, to be repeated (0x20)", |a| a.question.mixed_case = true),
];

/// Edns.
pub(super) const EDNS: &[Opt] = &[
    flag("edns", "Use EDNS", |a| a.edns.edns = true),
    value("bufsize", "OCTETS", "Largest datagram to be sent back [default: 1232]", |a, v| {
        number(&mut a.edns.bufsize, v, 512..)
    }),
    value("edns-version", "VERSION", "Version of EDNS", |a, v| number(&mut a.edns.edns_version, v, ..)),
    flag("do", "Set DO: send signatures", |a| a.edns.dnssec_ok = true),
    flag("nsid", "Ask who the server is", |a| a.edns.nsid = true),
    flag("cookie", "Send a cookie", |a| a.edns.cookie = true),
    value("subnet", "NETWORK", "Client subnet to ask for", |a, v| one(&mut a.edns.subnet, v)),
    value("padding", "OCTETS", "Pad the query to blocks [default: 128]", |a, v| {
        number(&mut a.edns.padding, v, 1..=512)
    })
    .or("128"),
    flag("expire", "Ask a secondary when its zone expires", |a| a.edns.expire = true),
];

/// Course.
pub(super) const COURSE: &[Opt] = &[
    value("timeout", "TIME", "Limit of all tries: 500ms, 2s [default: 1s]", |a, v| {
        timeout(v).map(|v| a.course.timeout = Some(v))
    })
    .short('t'),
    value("tries", "COUNT", "Queries within that time [default: 2]", |a, v| {
        tries(v).map(|v| a.course.tries = Some(v))
    }),
    value("try-timeout", "TIME", "Time from try to try [default: equal parts]", |a, v| {
        timeout(v).map(|v| a.course.try_timeout = Some(v))
    }),
    value("transport", "TRANSPORT", "udp, tcp, udp+tcp, dot, doh, doq [default: udp]", |a, v| {
        travel(v).map(|v| a.course.transport = Some(v))
    }),
    flag("tcp", "Ask over TCP, not only after truncation", |a| a.course.tcp = true).not_with(&["transport"]),
    flag("udp-and-tcp", "Ask over UDP, then TCP; both must pass", |a| a.course.udp_and_tcp = true)
        .not_with(&["tcp", "transport"]),
    value("count", "COUNT", "Probe so many times [default: 1]", |a, v| {
        number(&mut a.course.count, v, 1..=1_000_000)
    }),
    value("interval", "TIME", "From probe to probe [default: 1s]", |a, v| {
        long_span(v).map(|v| a.course.interval = Some(v))
    }),
];
