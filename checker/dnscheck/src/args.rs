//! The command line.
//!
//! Owns the options as typed. What they mean together is [`crate::job`]'s. Every mistake names the option at fault.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use checker_core::dns::{
    Bounds, Class, DnsCheck, Flags, Need, Pattern, Prefix, Rcode, RecordType, Timeout, Tries, seconds,
};
use checker_probe::Interface;
use clap::{Args as Group, Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  dnscheck --server 10.1.53.2 --qname resolve.test --expect-answer 192.0.2.80
  dnscheck --server 10.1.53.2 --server 10.1.53.3 --qname {rand}.example.test --expect-rcode NXDOMAIN
  dnscheck --server 2001:db8::53 --qname example.test --primary 2001:db8::1 --max-lag 0 --grace 30s
  dnscheck --server 10.1.53.2 --qname example.test --rrsig=3d --format plugin --warn 50ms --crit 0.5
  dnscheck --server 10.1.53.2 --qname id.server --qtype TXT --qclass CH --tcp --weight 100

Exit status: 0 when the server is up or degraded; 1 when it is not, when it could not be probed, and on a
wrong command line. --weight and --format plugin have their own.";

/// Asks name servers and says whether they answer as they should.
#[derive(Debug, Parser)]
#[command(name = "dnscheck", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten, next_help_heading = "Server")]
    pub(crate) server: ServerArgs,
    #[command(flatten, next_help_heading = "Question")]
    pub(crate) question: QuestionArgs,
    #[command(flatten, next_help_heading = "EDNS (each option implies --edns)")]
    pub(crate) edns: EdnsArgs,
    #[command(flatten, next_help_heading = "Expectation")]
    pub(crate) expect: ExpectArgs,
    #[command(flatten, next_help_heading = "Zone and signatures")]
    pub(crate) zone: ZoneArgs,
    #[command(flatten, next_help_heading = "Course")]
    pub(crate) course: CourseArgs,
    #[command(flatten, next_help_heading = "Output")]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Group)]
pub(crate) struct ServerArgs {
    /// Address of the name server, IPv4 or IPv6 (fe80::1%eth0 on a link); repeat for several
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["servers_file", "generate"])]
    pub(crate) server: Vec<String>,
    /// File with one address per line, # begins a comment; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) servers_file: Option<PathBuf>,
    /// How many of several servers must pass: all, any or a number
    #[arg(long, value_name = "NEED", default_value = "all")]
    pub(crate) need_servers: Need,
    /// Port of the servers
    #[arg(short, long, value_name = "PORT", default_value_t = DnsCheck::PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Address of this machine to ask from
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<IpAddr>,
    /// Interface or VRF to ask by
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<Interface>,
    /// Mark of the packets, for routing and filter rules (0x… or decimal)
    #[arg(long, value_name = "MARK", value_parser = mark)]
    pub(crate) mark: Option<u32>,
    /// Differentiated services code point of the packets
    #[arg(long, value_name = "0-63", value_parser = clap::value_parser!(u8).range(..64))]
    pub(crate) dscp: Option<u8>,
}

#[derive(Debug, Group)]
pub(crate) struct QuestionArgs {
    /// Name to ask for; {rand}, {epoch} and {server} are filled in anew for every probe
    #[arg(long, value_name = "NAME", required_unless_present = "generate")]
    pub(crate) qname: Option<String>,
    /// Type to ask for, such as A, AAAA or TYPE65280 [default: A; SOA with --primary or --serial]
    #[arg(long, value_name = "TYPE")]
    pub(crate) qtype: Option<RecordType>,
    /// Class to ask in
    #[arg(long, value_name = "CLASS", default_value = "IN")]
    pub(crate) qclass: Class,
    /// One more question, with the response codes that it must get: "NAME [CLASS] [TYPE] [RCODE,…]"
    #[arg(long, value_name = "QUESTION")]
    pub(crate) ask: Vec<String>,
    /// The same, but its failure only degrades
    #[arg(long, value_name = "QUESTION")]
    pub(crate) advise: Vec<String>,
    /// How many of several questions must pass: all, any or a number
    #[arg(long, value_name = "NEED", default_value = "all")]
    pub(crate) need: Need,
    /// Desire recursion (the default)
    #[arg(long, overrides_with = "no_rd")]
    pub(crate) rd: bool,
    /// Do not desire recursion
    #[arg(long, overrides_with = "rd")]
    pub(crate) no_rd: bool,
    /// Set CD: the server is not to validate
    #[arg(long)]
    pub(crate) cd: bool,
    /// Set AD: say whether the answer is validated
    #[arg(long)]
    pub(crate) ad: bool,
    /// Random case for the letters of the name, which the reply must repeat
    #[arg(long)]
    pub(crate) mixed_case: bool,
}

#[derive(Debug, Group)]
pub(crate) struct EdnsArgs {
    /// Use EDNS
    #[arg(long)]
    pub(crate) edns: bool,
    /// Largest datagram to be sent back [default: 1232]
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u16).range(512..))]
    pub(crate) bufsize: Option<u16>,
    /// Version of EDNS
    #[arg(long, value_name = "VERSION")]
    pub(crate) edns_version: Option<u8>,
    /// Set DO: send signatures
    #[arg(long = "do")]
    pub(crate) dnssec_ok: bool,
    /// Ask who the server is
    #[arg(long)]
    pub(crate) nsid: bool,
    /// Send a cookie
    #[arg(long)]
    pub(crate) cookie: bool,
    /// Ask for the answer that this network gets
    #[arg(long, value_name = "NETWORK")]
    pub(crate) subnet: Option<Prefix>,
    /// Pad the query to a multiple of this
    #[arg(long, value_name = "OCTETS", num_args = 0..=1, require_equals = true, default_missing_value = "128", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) padding: Option<u16>,
    /// Ask a secondary when its zone expires
    #[arg(long)]
    pub(crate) expire: bool,
}

#[derive(Debug, Group)]
pub(crate) struct ExpectArgs {
    /// Response codes that pass, separated by commas [default: NOERROR; any with --forbid-rcode]
    #[arg(long, value_name = "RCODE", value_delimiter = ',')]
    pub(crate) expect_rcode: Vec<Rcode>,
    /// Response codes that never pass
    #[arg(long, value_name = "RCODE", value_delimiter = ',')]
    pub(crate) forbid_rcode: Vec<Rcode>,
    /// Answer that must be there, as in a zone file; aliases are followed
    #[arg(long, value_name = "DATA")]
    pub(crate) expect_answer: Vec<String>,
    /// Regular expression that an answer must match
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) matching: Vec<Pattern>,
    /// Network that an address in the answer must lie in
    #[arg(long, value_name = "NETWORK")]
    pub(crate) within: Vec<Prefix>,
    /// How the answers and what is expected must fit: one of it, all of it, or all and nothing else
    #[arg(long, value_name = "FIT", default_value = "any")]
    pub(crate) fit: FitArg,
    /// How many answers there must be: 3, 2..4, 2.. or ..4
    #[arg(long, value_name = "RANGE")]
    pub(crate) answer_count: Option<Bounds<u32>>,
    /// Time to live of every answer in seconds, as a range
    #[arg(long, value_name = "RANGE")]
    pub(crate) ttl: Option<Bounds<u32>>,
    /// Pass a NOERROR reply without an answer, too
    #[arg(long, conflicts_with_all = ["expect_answer", "matching", "within"])]
    pub(crate) allow_empty: bool,
    /// Pass only a NOERROR reply without an answer
    #[arg(long, conflicts_with_all = ["expect_answer", "matching", "within", "allow_empty"])]
    pub(crate) expect_empty: bool,
    /// Record that must be in the authority section: "TYPE DATA"
    #[arg(long, value_name = "RECORD")]
    pub(crate) expect_authority: Vec<String>,
    /// How many records the authority section must have
    #[arg(long, value_name = "RANGE")]
    pub(crate) authority_count: Option<Bounds<u32>>,
    /// Record that must be in the additional section: "TYPE DATA"
    #[arg(long, value_name = "RECORD")]
    pub(crate) expect_additional: Vec<String>,
    /// How many records the additional section must have
    #[arg(long, value_name = "RANGE")]
    pub(crate) additional_count: Option<Bounds<u32>>,
    /// Flags that must be set: aa, tc, rd, ra, ad, cd
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    pub(crate) flags: Vec<Flags>,
    /// Flags that must not be set
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    pub(crate) forbid_flags: Vec<Flags>,
    /// Regular expression that the server's identity (NSID) must match
    #[arg(long, value_name = "REGEX")]
    pub(crate) expect_nsid: Option<Pattern>,
    /// Latency that should hold, else degraded: 50ms, or a plugin's range in seconds
    #[arg(short, long, value_name = "RANGE")]
    pub(crate) warn: Option<Bounds<Duration>>,
    /// Latency that must hold, else down
    #[arg(short, long, value_name = "RANGE")]
    pub(crate) crit: Option<Bounds<Duration>>,
}

#[derive(Debug, Group)]
pub(crate) struct ZoneArgs {
    /// Least serial of the zone, compared by RFC 1982
    #[arg(long, value_name = "SERIAL")]
    pub(crate) serial: Option<u32>,
    /// Primary whose serial is compared with; of several the newest counts
    #[arg(long, value_name = "ADDRESS", conflicts_with = "serial")]
    pub(crate) primary: Vec<String>,
    /// How far the serial may be behind the primary's
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "primary")]
    pub(crate) max_lag: u32,
    /// How long to wait for a server that is behind to come up
    #[arg(long, value_name = "TIME", value_parser = long_span, requires = "primary")]
    pub(crate) grace: Option<Duration>,
    /// How long the zone must still be good, by EDNS EXPIRE: 1h, 2d
    #[arg(long, value_name = "TIME", value_parser = long_span)]
    pub(crate) expect_expire: Option<Duration>,
    /// The answer must be signed, and the signatures good for this long still
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "0", value_parser = long_span)]
    pub(crate) rrsig: Option<Duration>,
    /// The signatures should be good for this long still, else degraded
    #[arg(long, value_name = "TIME", value_parser = long_span)]
    pub(crate) rrsig_warn: Option<Duration>,
}

#[derive(Debug, Group)]
pub(crate) struct CourseArgs {
    /// Limit for all tries together: 500ms, 2s, or seconds [default: 1s]
    #[arg(short, long, value_name = "TIME", value_parser = timeout)]
    pub(crate) timeout: Option<Timeout>,
    /// Queries within that time while none is answered
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = tries)]
    pub(crate) tries: Tries,
    /// Time from one try to the next [default: --timeout in equal parts]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) try_timeout: Option<Timeout>,
    /// Ask over TCP at once, not only when the reply over UDP is truncated
    #[arg(long)]
    pub(crate) tcp: bool,
    /// Ask over UDP and then over TCP; both must pass
    #[arg(long, conflicts_with = "tcp")]
    pub(crate) udp_and_tcp: bool,
    /// Probe so many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// From the start of one probe to the start of the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = long_span)]
    pub(crate) interval: Duration,
}

#[derive(Debug, Group)]
pub(crate) struct OutputArgs {
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Show the replies, too
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Exit with weight + 2 when up, for a MISC_CHECK with misc_dynamic; a second weight is for degraded
    #[arg(long, value_name = "UP[:DEGRADED]", value_parser = weight)]
    pub(crate) weight: Option<Weight>,
    /// Print the man page or a shell's completions
    #[arg(long, value_name = "WHAT", hide = true)]
    pub(crate) generate: Option<String>,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Plugin,
    Prometheus,
}

/// How answers and what is expected must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FitArg {
    Any,
    All,
    Exact,
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
