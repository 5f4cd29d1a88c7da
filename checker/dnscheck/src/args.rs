//! The command line.
//!
//! Owns the options as typed and the reading of their values. Which options there are is told by [`options`], how words become options
//! by [`words`], and what they mean together by [`crate::job`]. Every mistake names the option at fault.

mod help;
mod options;
mod words;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use checker_core::dns::{
    Bounds, Class, DohMethod, DohPath, Fit, Flags, HttpVersion, Need, Pattern, Prefix, Rcode, RecordType,
    Timeout, Transport, Tries, TrustAnchor, seconds,
};
use checker_core::tls::{Pin, ServerName};
use checker_probe::Interface;

pub(crate) use help::help;
#[cfg(test)]
pub(crate) use help::{ABOUT, AFTER};
#[cfg(test)]
pub(crate) use options::{GROUPS, Takes};
pub(crate) use words::{Call, parse};

/// All options as they were given.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) server: ServerArgs,
    pub(crate) question: QuestionArgs,
    pub(crate) edns: EdnsArgs,
    pub(crate) expect: ExpectArgs,
    pub(crate) zone: ZoneArgs,
    pub(crate) secure: SecureArgs,
    pub(crate) course: CourseArgs,
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Default)]
pub(crate) struct ServerArgs {
    /// Address (fe80::1%eth0, 10.0.0.1#5353); repeatable
    pub(crate) server: Vec<String>,
    /// One address per line, # comments; - for stdin
    pub(crate) servers_file: Option<PathBuf>,
    /// Servers that must pass: all, any, 2, …
    pub(crate) need_servers: Option<Need>,
    /// Port [default: 53; dot, doq 853; doh 443]
    pub(crate) port: Option<u16>,
    /// Address of this machine to ask from
    pub(crate) source: Option<IpAddr>,
    /// Interface or VRF to ask by
    pub(crate) interface: Option<Interface>,
    /// Mark of the packets (SO_MARK), 7 or 0x7
    pub(crate) mark: Option<u32>,
    /// Differentiated services code point
    pub(crate) dscp: Option<u8>,
}

/// How the query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Travel {
    pub(crate) transport: Transport,
    /// Whether TCP must pass, too.
    pub(crate) tcp_too: bool,
}

fn travel(text: &str) -> Result<Travel, String> {
    if text == "udp+tcp" {
        return Ok(Travel { transport: Transport::Udp, tcp_too: true });
    }
    let found = Transport::ALL.into_iter().find(|transport| transport.as_str() == text);
    found
        .map(|transport| Travel { transport, tcp_too: false })
        .ok_or_else(|| "write udp, tcp, udp+tcp, dot, doh or doq".to_owned())
}

impl CourseArgs {
    /// How the query travels.
    pub(crate) fn travel(&self) -> Travel {
        self.transport.unwrap_or(Travel {
            transport: if self.tcp { Transport::Tcp } else { Transport::Udp },
            tcp_too: self.udp_and_tcp,
        })
    }
}

/// What is asked of a secured connection.
#[derive(Debug, Default)]
pub(crate) struct SecureArgs {
    /// Name of the certificate [default: the address]
    pub(crate) tls_name: Option<ServerName>,
    /// PEM file of who is trusted [default: system's]
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 of a key, base64; enough without --ca
    pub(crate) pin: Vec<Pin>,
    /// Verify nothing of the certificate
    pub(crate) insecure: bool,
    /// Degraded when a certificate ends sooner: 14d
    pub(crate) cert_warn: Option<Duration>,
    /// PEM file of the certificate to show
    pub(crate) client_cert: Option<PathBuf>,
    /// PEM file of its private key
    pub(crate) client_key: Option<PathBuf>,
    /// Path for doh [default: /dns-query]
    pub(crate) doh_path: Option<DohPath>,
    /// POST or GET, for doh [default: POST]
    pub(crate) doh_method: Option<DohMethod>,
    /// HTTP 1.1 or 2, for doh [default: either]
    pub(crate) http_version: Option<HttpVersion>,
}

impl SecureArgs {
    /// An option that is given, and whether it is for HTTPS alone.
    pub(crate) fn given(&self) -> Option<(&'static str, bool)> {
        let all = [
            ("--doh-path", self.doh_path.is_some(), true),
            ("--doh-method", self.doh_method.is_some(), true),
            ("--http-version", self.http_version.is_some(), true),
            ("--tls-name", self.tls_name.is_some(), false),
            ("--ca", self.ca.is_some(), false),
            ("--pin", !self.pin.is_empty(), false),
            ("--insecure", self.insecure, false),
            ("--cert-warn", self.cert_warn.is_some(), false),
            ("--client-cert", self.client_cert.is_some(), false),
        ];
        all.into_iter().find(|(_, given, _)| *given).map(|(option, _, https)| (option, https))
    }
}

#[derive(Debug, Default)]
pub(crate) struct QuestionArgs {
    /// Name; may hold {rand}, {epoch}, {server}
    pub(crate) qname: String,
    /// A, AAAA, TYPE65280, … [default: A or SOA]
    pub(crate) qtype: Option<RecordType>,
    /// Class to ask in: IN, CH, HS [default: IN]
    pub(crate) qclass: Option<Class>,
    /// Further question: "NAME CLASS TYPE RCODE,…"
    pub(crate) ask: Vec<String>,
    /// Further question whose failure only degrades
    pub(crate) advise: Vec<String>,
    /// Questions that must pass: all, any, 2, …
    pub(crate) need: Option<Need>,
    /// Do not desire recursion
    pub(crate) no_rd: bool,
    /// Set CD: the server is not to validate
    pub(crate) cd: bool,
    /// Set AD: say whether the answer is validated
    pub(crate) ad: bool,
    /// Letters in random case, to be repeated (0x20)
    pub(crate) mixed_case: bool,
}

#[derive(Debug, Default)]
pub(crate) struct EdnsArgs {
    /// Use EDNS
    pub(crate) edns: bool,
    /// Largest datagram to be sent back [default: 1232]
    pub(crate) bufsize: Option<u16>,
    /// Version of EDNS
    pub(crate) edns_version: Option<u8>,
    /// Set DO: send signatures
    pub(crate) dnssec_ok: bool,
    /// Ask who the server is
    pub(crate) nsid: bool,
    /// Send a cookie
    pub(crate) cookie: bool,
    /// Client subnet to ask for
    pub(crate) subnet: Option<Prefix>,
    /// Pad the query to blocks [default: 128]
    pub(crate) padding: Option<u16>,
    /// Ask a secondary when its zone expires
    pub(crate) expire: bool,
}

#[derive(Debug, Default)]
pub(crate) struct ExpectArgs {
    /// Codes that pass, with commas [default: NOERROR]
    pub(crate) expect_rcode: Vec<Rcode>,
    /// Codes that never pass; others do
    pub(crate) forbid_rcode: Vec<Rcode>,
    /// Answer that must come, as in a zone file
    pub(crate) expect_answer: Vec<String>,
    /// Expression that an answer must match
    pub(crate) matching: Vec<Pattern>,
    /// Network that an address must lie in
    pub(crate) within: Vec<Prefix>,
    /// Any, all or exactly what is expected [default: any]
    pub(crate) fit: Option<Fit>,
    /// Number of answers: 3, 2..4, 2.. or ..4
    pub(crate) answer_count: Option<Bounds<u32>>,
    /// Time to live of every answer, in seconds
    pub(crate) ttl: Option<Bounds<u32>>,
    /// Pass NOERROR without an answer, too
    pub(crate) allow_empty: bool,
    /// Pass only NOERROR without an answer
    pub(crate) expect_empty: bool,
    /// "TYPE DATA" in the authority section
    pub(crate) expect_authority: Vec<String>,
    /// Number of records there
    pub(crate) authority_count: Option<Bounds<u32>>,
    /// "TYPE DATA" in the additional section
    pub(crate) expect_additional: Vec<String>,
    /// Number of records there
    pub(crate) additional_count: Option<Bounds<u32>>,
    /// Flags that must be set: aa,tc,rd,ra,ad,cd
    pub(crate) flags: Vec<Flags>,
    /// Flags that must not be set
    pub(crate) forbid_flags: Vec<Flags>,
    /// Expression for the server's identity
    pub(crate) expect_nsid: Option<Pattern>,
    /// Degraded outside: 50ms, or a plugin's range
    pub(crate) warn: Option<Bounds<Duration>>,
    /// Down outside of this latency
    pub(crate) crit: Option<Bounds<Duration>>,
}

#[derive(Debug, Default)]
pub(crate) struct ZoneArgs {
    /// Least serial of the zone (RFC 1982)
    pub(crate) serial: Option<u32>,
    /// Primary to compare with; the newest counts
    pub(crate) primary: Vec<String>,
    /// How far behind it may be [default: 0]
    pub(crate) max_lag: Option<u32>,
    /// How long a server may take to catch up
    pub(crate) grace: Option<Duration>,
    /// Least time to the zone's expiry: 1h, 2d
    pub(crate) expect_expire: Option<Duration>,
    /// Signed, and good for this long still
    pub(crate) rrsig: Option<Duration>,
    /// Degraded when good for less than this
    pub(crate) rrsig_warn: Option<Duration>,
    /// "ZONE DS …" or "ZONE DNSKEY …" to validate by
    pub(crate) trust_anchor: Vec<TrustAnchor>,
    /// File of such records, as /usr/share/dns/root.key
    pub(crate) trust_anchor_file: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub(crate) struct CourseArgs {
    /// Limit of all tries: 500ms, 2s [default: 1s]
    pub(crate) timeout: Option<Timeout>,
    /// Queries within that time [default: 2]
    pub(crate) tries: Option<Tries>,
    /// Time from try to try [default: equal parts]
    pub(crate) try_timeout: Option<Timeout>,
    /// udp, tcp, udp+tcp, dot, doh, doq [default: udp]
    pub(crate) transport: Option<Travel>,
    /// Ask over TCP, not only after truncation
    pub(crate) tcp: bool,
    /// Ask over UDP, then TCP; both must pass
    pub(crate) udp_and_tcp: bool,
    /// Probe so many times [default: 1]
    pub(crate) count: Option<u32>,
    /// From probe to probe [default: 1s]
    pub(crate) interval: Option<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct OutputArgs {
    /// text, json, plugin or prometheus [default: text]
    pub(crate) format: Option<Format>,
    /// Show the replies, too
    pub(crate) verbose: bool,
    /// Exit with the weight plus 2 (misc_dynamic)
    pub(crate) weight: Option<Weight>,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Plugin,
    Prometheus,
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        "plugin" => Ok(Format::Plugin),
        "prometheus" => Ok(Format::Prometheus),
        _ => Err("write text, json, plugin or prometheus".to_owned()),
    }
}

fn fit(text: &str) -> Result<Fit, String> {
    match text {
        "any" => Ok(Fit::Any),
        "all" => Ok(Fit::All),
        "exact" => Ok(Fit::Exact),
        _ => Err("write any, all or exact".to_owned()),
    }
}

impl OutputArgs {
    pub(crate) fn format(&self) -> Format {
        self.format.unwrap_or_default()
    }
}

/// Weights for keepalived, 0 to 253.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) up: u8,
    pub(crate) degraded: u8,
}

fn weight(text: &str) -> Result<Weight, String> {
    let number = |text: &str| match text.parse() {
        Ok(number @ 0..=253u8) => Ok(number),
        _ => Err("write a weight from 0 to 253, or two as in 100:10".to_owned()),
    };
    let (up, degraded) = text.split_once(':').unwrap_or((text, text));
    Ok(Weight { up: number(up)?, degraded: number(degraded)? })
}

fn mark(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| "write a number up to 4294967295 or 0xffffffff".to_owned())
}

fn timeout(text: &str) -> Result<Timeout, String> {
    let span = seconds(text).ok_or("write a time such as 500ms, 2s or 1.5")?;
    Timeout::new(span).map_err(|error| error.to_string())
}

fn tries(text: &str) -> Result<Tries, String> {
    let count = text.parse().map_err(|_| format!("write a number from 1 to {}", Tries::MAX))?;
    Tries::new(count).map_err(|error| error.to_string())
}

/// A time up to a year: `500ms`, `30s`, `10m`, `12h`, `3d`.
fn long_span(text: &str) -> Result<Duration, String> {
    let unit = |suffix, seconds: u32| text.strip_suffix(suffix).map(|number| (number, seconds));
    let long = unit("d", 86_400).or_else(|| unit("h", 3_600)).or_else(|| unit("m", 60));
    let span = match long {
        Some((number, factor)) if number.bytes().all(|b| b.is_ascii_digit()) => number
            .parse::<u32>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(|s| Duration::from_secs(s.into())),
        Some(_) => None,
        None => seconds(text),
    };
    span.filter(|span| span.as_secs() <= 366 * 86_400)
        .ok_or_else(|| "write a time such as 500ms, 30s, 10m, 12h or 3d, up to a year".to_owned())
}

#[cfg(test)]
mod tests;
