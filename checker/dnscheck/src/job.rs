//! What a command line means.
//!
//! Owns the step from options to a [`Job`] that can be run as it is, and every mistake that lies in how options go
//! together. It reads one file, the list of servers, and sends nothing.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{
    Ask, Class, DnsCheck, Doh, Edns, Empty, Expectation, ExpectedAnswer, Fit, Latency, Need, PaddingBlock,
    Question, Rcode, RcodeSet, RecordType, Records, Secure, Signatures, Timeout, Transport, TrustAnchor,
    Wanted,
};
use checker_core::tls::{Identity, Tls, Trust};
use checker_probe::{Marks, Target, parse_server};

use crate::args::{Args, EdnsArgs, ExpectArgs, OutputArgs, QuestionArgs, SecureArgs, ServerArgs, ZoneArgs};

/// Servers that one call may probe.
const SERVERS_MAX: usize = 10_000;
/// Octets of a list of servers.
const FILE_MAX: u64 = 1 << 20;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) servers: Vec<Server>,
    pub(crate) need_servers: Need,
    /// The questions to each server, one at least.
    pub(crate) questions: Vec<Asked>,
    pub(crate) need: Need,
    pub(crate) lag: Option<Lag>,
    pub(crate) count: u32,
    pub(crate) interval: Duration,
    pub(crate) output: OutputArgs,
}

/// A server to be probed.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its address as it was given, with the port unless that is 53.
    pub(crate) shown: String,
    pub(crate) target: Target,
}

/// A question to each server.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) check: Arc<DnsCheck>,
    /// Whether its failure only degrades.
    pub(crate) advisory: bool,
}

/// How far behind its primaries a server's zone may be.
#[derive(Debug)]
pub(crate) struct Lag {
    pub(crate) primaries: Vec<Server>,
    /// What the primaries are asked.
    pub(crate) check: Arc<DnsCheck>,
    pub(crate) max: u32,
    pub(crate) grace: Duration,
}

impl TryFrom<Args> for Job {
    type Error = String;

    fn try_from(args: Args) -> Result<Self, String> {
        let travel = args.course.travel();
        let port = args.server.port.unwrap_or(travel.transport.port());
        let secure = secure(&args.secure, travel.transport)?;
        let servers = servers(&args.server, port, travel.transport)?;
        let primaries = args
            .zone
            .primary
            .iter()
            .map(|address| {
                server(&args.server, address, port, travel.transport)
                    .map_err(|error| format!("--primary: {error}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let serial = !primaries.is_empty() || args.zone.serial.is_some();
        let question = question(&args.question, if serial { RecordType::SOA } else { RecordType::A })?;
        let edns = edns(&args.edns, args.zone.rrsig.is_some() || args.zone.rrsig_warn.is_some(), &args);
        let ask = Ask {
            recursion_desired: !args.question.no_rd,
            authentic_data: args.question.ad,
            checking_disabled: args.question.cd,
            mixed_case: args.question.mixed_case,
            edns,
        };
        let mut check = DnsCheck::new(question);
        check.ask = ask;
        check.port = port;
        check.tries = args.course.tries.unwrap_or_default();
        check.try_timeout = args.course.try_timeout;
        check.timeout = total(&args)?;
        check.transport = travel.transport;
        check.tcp_too = travel.tcp_too;
        check.secure = secure;
        let anchors = anchors(&args.zone, check.question.class())?;
        let mut questions = Vec::new();
        for (texts, option, advisory) in
            [(&args.question.ask, "--ask", false), (&args.question.advise, "--advise", true)]
        {
            for text in texts {
                let (question, rcodes) = further(text, args.question.qclass.unwrap_or(Class::IN))
                    .map_err(|error| format!("{option}: {error}"))?;
                let mut check = DnsCheck { question, ..check.clone() };
                check.expect = Expectation { rcodes, ..Expectation::default() };
                if check.question.class() == Class::IN {
                    check.validate(Arc::clone(&anchors));
                }
                questions.push(Asked { check: Arc::new(check), advisory });
            }
        }
        let lag = (!primaries.is_empty()).then(|| {
            let mut check = check.clone();
            check.expect.empty = Empty::Passes;
            Lag {
                primaries,
                check: Arc::new(check),
                max: args.zone.max_lag.unwrap_or(0),
                grace: args.zone.grace.unwrap_or_default(),
            }
        });
        check.expect = expectation(&args, check.question.record_type())?;
        check.validate(anchors);
        questions.insert(0, Asked { check: Arc::new(check), advisory: false });
        let needed = questions.iter().filter(|asked| !asked.advisory).count();
        let need = args.question.need.unwrap_or_default();
        let need_servers = args.server.need_servers.unwrap_or_default();
        within(need, needed, "--need", "questions")?;
        within(need_servers, servers.len(), "--need-servers", "servers")?;
        Ok(Self {
            servers,
            need_servers,
            questions,
            need,
            lag,
            count: args.course.count.unwrap_or(1),
            interval: args.course.interval.unwrap_or(Duration::from_secs(1)),
            output: args.output,
        })
    }
}

/// A number that must pass can't be more than there are.
fn within(need: Need, there: usize, option: &str, what: &str) -> Result<(), String> {
    match need {
        Need::AtLeast(count) if usize::from(count) > there => {
            Err(format!("{option}: {count} {what} can't pass when only {there} are given"))
        }
        _ => Ok(()),
    }
}

/// The limit of the whole probe: what is given, or all tries one after the other.
fn total(args: &Args) -> Result<Timeout, String> {
    match (args.course.timeout, args.course.try_timeout) {
        (Some(total), _) => Ok(total),
        (None, None) => Ok(Timeout::default()),
        (None, Some(each)) => {
            let total = each.get() * u32::from(args.course.tries.unwrap_or_default().get());
            Timeout::new(total).map_err(|error| format!("--try-timeout times --tries: {error}"))
        }
    }
}

/// How a secured connection is made, where there is one.
fn secure(args: &SecureArgs, transport: Transport) -> Result<Option<Box<Secure>>, String> {
    match args.given() {
        Some((option, _)) if !transport.is_secured() => {
            return Err(format!(
                "{option}: there is no TLS over {}: add --transport dot, doh or doq",
                transport.name()
            ));
        }
        Some((option, true)) if transport != Transport::Https => {
            return Err(format!("{option}: there is no HTTP over {}: use --transport doh", transport.name()));
        }
        _ => {}
    }
    if !transport.is_secured() {
        return Ok(None);
    }
    let trust = match &args.ca {
        Some(path) => Trust::File(path.clone()),
        // A pinned key stands for an authority (RFC 8310 section 8.2).
        None if args.insecure || !args.pin.is_empty() => Trust::Unverified,
        None => Trust::System,
    };
    let identity = match (&args.client_cert, &args.client_key) {
        (Some(certificate), Some(key)) => {
            Some(Identity { certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    Ok(Some(Box::new(Secure {
        tls: Tls {
            name: args.tls_name.clone(),
            trust,
            pins: args.pin.clone(),
            identity,
            expiry_warn: args.cert_warn,
        },
        doh: Doh {
            path: args.doh_path.clone().unwrap_or_default(),
            method: args.doh_method.unwrap_or_default(),
            version: args.http_version,
        },
    })))
}

fn servers(args: &ServerArgs, port: u16, transport: Transport) -> Result<Vec<Server>, String> {
    let mut servers = Vec::new();
    for address in &args.server {
        servers.push(server(args, address, port, transport).map_err(|error| format!("--server: {error}"))?);
    }
    if let Some(path) = &args.servers_file {
        let text = listed(path).map_err(|error| format!("--servers-file: {}: {error}", path.display()))?;
        for (n, line) in text.lines().enumerate() {
            // A # within a word is before a port.
            let address = line.split([' ', '\t']).find(|word| !word.is_empty()).unwrap_or_default();
            if !address.is_empty() && !address.starts_with('#') {
                let server = server(args, address, port, transport)
                    .map_err(|error| format!("--servers-file: {}:{}: {error}", path.display(), n + 1))?;
                servers.push(server);
            }
        }
    }
    match servers.len() {
        0 => Err("--servers-file: it lists no server".to_owned()),
        1..=SERVERS_MAX => Ok(servers),
        count => Err(format!("--server: {count} servers are too many: at most {SERVERS_MAX}")),
    }
}

/// What the answers are validated by: what is given, and what the file lists.
fn anchors(args: &ZoneArgs, class: Class) -> Result<Arc<[TrustAnchor]>, String> {
    let mut anchors = args.trust_anchor.clone();
    if let Some(path) = &args.trust_anchor_file {
        let failed =
            |error: &dyn std::fmt::Display| format!("--trust-anchor-file: {}{error}", path.display());
        let text = listed(path).map_err(|error| failed(&format!(": {error}")))?;
        for (n, line) in text.lines().enumerate() {
            let record = line.split_once(';').map_or(line, |(record, _)| record).trim();
            if !record.is_empty() {
                let anchor = record.parse().map_err(|error| failed(&format!(":{}: {error}", n + 1)))?;
                anchors.push(anchor);
            }
        }
        if anchors.is_empty() {
            return Err(failed(&": it has no trust anchor"));
        }
    }
    if !anchors.is_empty() && class != Class::IN {
        return Err(format!("--trust-anchor: only names of class IN are signed, but --qclass is {class}"));
    }
    Ok(anchors.into())
}

fn listed(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_MAX).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn server(args: &ServerArgs, address: &str, port: u16, transport: Transport) -> Result<Server, String> {
    let (address, port) = match address.split_once('#') {
        Some((address, port)) => (
            address,
            port.parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("{port:?} is no port: write a number from 1 to 65535 behind the #"))?,
        ),
        None => (address, port),
    };
    let server = parse_server(address, port).map_err(|error| error.to_string())?;
    let target = Target::new(server, args.source).map_err(|error| format!("with --source: {error}"))?;
    let marks = Marks { interface: args.interface, mark: args.mark, dscp: args.dscp, port: None };
    let shown = match (port, address.contains(':')) {
        (port, _) if port == transport.port() => address.to_owned(),
        (port, true) => format!("[{address}]:{port}"),
        (port, false) => format!("{address}:{port}"),
    };
    Ok(Server { shown, target: target.with_marks(marks) })
}

fn question(args: &QuestionArgs, default: RecordType) -> Result<Question, String> {
    Question::parse(&args.qname, args.qtype.unwrap_or(default), args.qclass.unwrap_or(Class::IN)).map_err(
        |error| match error {
            checker_core::dns::QuestionError::Template(error) => format!("--qname: {error}"),
            checker_core::dns::QuestionError::Check(error) => format!("--qtype: {error}"),
        },
    )
}

/// Reads `NAME [CLASS] [TYPE] [RCODE,…]`.
fn further(text: &str, class: Class) -> Result<(Question, RcodeSet), String> {
    let mut words = text.split_whitespace().peekable();
    let name = words.next().ok_or("a question is empty: write NAME [CLASS] [TYPE] [RCODE,…]")?;
    let mut next = |kind: fn(&str) -> bool| words.next_if(|word| kind(word)).map(str::to_owned);
    let given_class = next(|word| word.parse::<Class>().is_ok() && word != "ANY");
    let rtype = next(|word| word.parse::<RecordType>().is_ok());
    let class = given_class.map_or(Ok(class), |word| word.parse()).map_err(|error| error.to_string())?;
    let rtype = rtype.map_or(Ok(RecordType::A), |word| word.parse()).map_err(|error| error.to_string())?;
    let rcodes = match words.next() {
        None => RcodeSet::from_iter([Rcode::NOERROR]),
        Some(word) => word
            .split(',')
            .map(|word| word.parse().map_err(|error| format!("{error}; or is it meant to be a type?")))
            .collect::<Result<_, _>>()?,
    };
    if let Some(word) = words.next() {
        return Err(format!("there is more than fits: {word:?}"));
    }
    let question = Question::parse(name, rtype, class).map_err(|error| error.to_string())?;
    Ok((question, rcodes))
}

fn edns(args: &EdnsArgs, signed: bool, all: &Args) -> Option<Edns> {
    let EdnsArgs { edns, bufsize, edns_version, dnssec_ok, nsid, cookie, subnet, padding, expire } = args;
    let chosen = Edns {
        version: edns_version.unwrap_or(0),
        size: bufsize.unwrap_or(Edns::default().size),
        dnssec_ok: *dnssec_ok || signed,
        nsid: *nsid || all.expect.expect_nsid.is_some(),
        expire: *expire || all.zone.expect_expire.is_some(),
        cookie: *cookie,
        subnet: *subnet,
        padding: padding.and_then(PaddingBlock::new),
    };
    let asked = *edns || bufsize.is_some() || edns_version.is_some();
    (asked || chosen != Edns::default()).then_some(chosen)
}

fn expectation(args: &Args, rtype: RecordType) -> Result<Expectation, String> {
    let given: &ExpectArgs = &args.expect;
    let rcodes = match (given.expect_rcode.is_empty(), given.forbid_rcode.is_empty()) {
        (true, true) => RcodeSet::from_iter([Rcode::NOERROR]),
        _ => given.expect_rcode.iter().copied().collect(),
    };
    let mut wanted = Vec::new();
    for text in &given.expect_answer {
        let answer =
            ExpectedAnswer::parse(text, rtype).map_err(|error| format!("--expect-answer: {error}"))?;
        wanted.push(Wanted::Data(answer));
    }
    wanted.extend(given.matching.iter().cloned().map(Wanted::Pattern));
    wanted.extend(given.within.iter().copied().map(Wanted::Network));
    let signed = args.zone.rrsig.or(args.zone.rrsig_warn.map(|_| Duration::ZERO));
    // The parser of these options takes no more than a year.
    let whole = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let expect = Expectation {
        rcodes,
        forbidden_rcodes: given.forbid_rcode.iter().copied().collect(),
        flags: given.flags.iter().copied().collect(),
        forbidden_flags: given.forbid_flags.iter().copied().collect(),
        answer: Records {
            wanted,
            fit: given.fit.unwrap_or_default(),
            count: given.answer_count,
            ttl: given.ttl,
        },
        empty: match (given.expect_empty, given.allow_empty) {
            (true, _) => Empty::Expected,
            (false, true) => Empty::Passes,
            (false, false) => Empty::Fails,
        },
        authority: section("--expect-authority", &given.expect_authority, given.authority_count)?,
        additional: section("--expect-additional", &given.expect_additional, given.additional_count)?,
        serial: args.zone.serial,
        signatures: signed.map(|must_last| Signatures {
            must_last: whole(must_last),
            should_last: whole(args.zone.rrsig_warn.unwrap_or_default()),
        }),
        anchors: Arc::default(),
        nsid: given.expect_nsid.clone(),
        expire: args.zone.expect_expire.map(whole),
        latency: Latency { should: given.warn, must: given.crit },
    };
    if !expect.answer.wanted.is_empty() && !expect.admits(Rcode::NOERROR) {
        return Err(format!(
            "--expect-answer: only a NOERROR reply holds answers, but --expect-rcode is {}",
            expect.rcodes
        ));
    }
    Ok(expect)
}

/// Reads the records that a section must have, each `TYPE DATA`.
fn section(
    option: &str,
    texts: &[String],
    count: Option<checker_core::dns::Bounds<u32>>,
) -> Result<Records, String> {
    let mut wanted = Vec::new();
    for text in texts {
        let (rtype, data) = text.trim().split_once(' ').ok_or_else(|| {
            format!("{option}: {text:?} is no record: write TYPE DATA, as in \"NS ns1.test\"")
        })?;
        let rtype = rtype.parse().map_err(|error| format!("{option}: {error}"))?;
        let answer = ExpectedAnswer::parse(data, rtype).map_err(|error| format!("{option}: {error}"))?;
        wanted.push(Wanted::Data(answer));
    }
    Ok(Records { wanted, fit: Fit::All, count, ttl: None })
}
