//! The command line.
//!
//! Owns the options as typed ([`Args`]) and what they mean ([`Job`]). Every mistake names the option at fault.

use std::net::IpAddr;
use std::time::Duration;

use checker_core::dns::{
    Class, DnsCheck, ExpectedAnswer, Name, Question, Rcode, RcodeSet, RecordType, Timeout, Transport, Tries,
};
use checker_probe::{Target, parse_server};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  dnscheck --server 10.1.53.2 --qname resolve.test
  dnscheck --server 10.1.53.2 --qname resolve.test --expect-rcode NOERROR --expect-answer 192.0.2.80
  dnscheck --server 2001:db8::53 --qname example.test --qtype SOA --timeout 500ms --tries 3
  dnscheck --server 10.1.53.2 --qname blocked.test --expect-rcode NXDOMAIN,REFUSED
  dnscheck --server 10.1.53.2 --source 10.1.53.1 --qname id.server --qtype TXT --qclass CH --tcp

Exit status: 0 when the server is up; 1 when it is not, when it could not be probed, and on a wrong
command line.";

/// Asks a name server one question and says whether it answered as it should.
#[derive(Debug, Parser)]
#[command(name = "dnscheck", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Address of the name server, IPv4 or IPv6 (fe80::1%eth0 on a link)
    #[arg(long, value_name = "ADDRESS", help_heading = "Server")]
    server: String,
    /// Its port
    #[arg(long, value_name = "PORT", default_value_t = DnsCheck::PORT, value_parser = clap::value_parser!(u16).range(1..), help_heading = "Server")]
    port: u16,
    /// Address of this machine to ask from
    #[arg(long, value_name = "ADDRESS", help_heading = "Server")]
    source: Option<IpAddr>,

    /// Name to ask for
    #[arg(long, value_name = "NAME", help_heading = "Question")]
    qname: Name,
    /// Type to ask for, such as A, AAAA, SOA or TYPE65280
    #[arg(long, value_name = "TYPE", default_value = "A", help_heading = "Question")]
    qtype: RecordType,
    /// Class to ask in
    #[arg(long, value_name = "CLASS", default_value = "IN", help_heading = "Question")]
    qclass: Class,

    /// Response codes that pass, separated by commas
    #[arg(
        long,
        value_name = "RCODE",
        default_value = "NOERROR",
        value_delimiter = ',',
        help_heading = "Expectation"
    )]
    expect_rcode: Vec<Rcode>,
    /// Answer that must be there, as in a zone file; one of several will do
    #[arg(long, value_name = "DATA", help_heading = "Expectation")]
    expect_answer: Vec<String>,
    /// Pass a NOERROR reply without an answer, too
    #[arg(long, conflicts_with = "expect_answer", help_heading = "Expectation")]
    allow_empty: bool,

    /// Limit for all tries together: 500ms, 2s, or seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = timeout, help_heading = "Course")]
    timeout: Timeout,
    /// Queries within that time while none is answered, evenly spaced
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = tries, help_heading = "Course")]
    tries: Tries,
    /// Ask over TCP at once, not only when the reply over UDP is truncated
    #[arg(long, help_heading = "Course")]
    tcp: bool,
}

fn timeout(text: &str) -> Result<Timeout, String> {
    let bad = || "write a time such as 500ms, 2s or 1.5".to_owned();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(bad());
    }
    let seconds: f64 = number.parse().map_err(|_| bad())?;
    let span = Duration::try_from_secs_f64(seconds * unit).map_err(|_| bad())?;
    Timeout::new(span).map_err(|error| error.to_string())
}

fn tries(text: &str) -> Result<Tries, String> {
    let count = text.parse().map_err(|_| format!("write a number from 1 to {}", Tries::MAX))?;
    Tries::new(count).map_err(|error| error.to_string())
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Job {
    /// The server's address as it was given.
    pub(crate) server: String,
    pub(crate) target: Target,
    pub(crate) check: DnsCheck,
}

impl TryFrom<Args> for Job {
    type Error = String;

    fn try_from(args: Args) -> Result<Self, String> {
        let server = parse_server(&args.server, args.port).map_err(|error| format!("--server: {error}"))?;
        let target = Target::new(server, args.source).map_err(|error| format!("--source: {error}"))?;
        let question = Question::new(args.qname, args.qtype, args.qclass)
            .map_err(|error| format!("--qtype: {error}"))?;
        let mut check = DnsCheck::new(question);
        check.port = args.port;
        check.timeout = args.timeout;
        check.tries = args.tries;
        check.transport = if args.tcp { Transport::Tcp } else { Transport::Udp };
        check.expect.rcodes = RcodeSet::from_iter(args.expect_rcode);
        check.expect.allow_empty = args.allow_empty;
        for text in &args.expect_answer {
            let answer = ExpectedAnswer::parse(text, args.qtype)
                .map_err(|error| format!("--expect-answer: {error}"))?;
            check.expect.answers.push(answer);
        }
        if !check.expect.answers.is_empty() && !check.expect.rcodes.contains(Rcode::NOERROR) {
            return Err(format!(
                "--expect-answer: only a NOERROR reply holds answers, but --expect-rcode is {}",
                check.expect.rcodes
            ));
        }
        Ok(Self { server: args.server, target, check })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn job(line: &str) -> Result<Job, String> {
        let words = std::iter::once("dnscheck").chain(line.split_whitespace());
        Args::try_parse_from(words).map_err(|error| error.to_string()).and_then(Job::try_from)
    }

    #[test]
    fn the_command_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_mean_what_they_say() {
        let job = job(
            "--server 2001:db8::53 --port 5353 --source 2001:db8::1 --qname id.server --qtype txt --qclass CH \
             --expect-rcode NOERROR,REFUSED --expect-rcode NXDOMAIN --expect-answer a --expect-answer b \
             --timeout 250ms --tries 5 --tcp",
        )
        .unwrap();
        assert_eq!(job.target.server(), "[2001:db8::53]:5353".parse().unwrap());
        assert_eq!(job.check.question.to_string(), "id.server CH TXT");
        assert_eq!(job.check.expect.rcodes.to_string(), "NOERROR or NXDOMAIN or REFUSED");
        assert_eq!(job.check.expect.answers.len(), 2);
        assert_eq!(job.check.timeout.get(), Duration::from_millis(250));
        assert_eq!((job.check.tries.get(), job.check.transport), (5, Transport::Tcp));
    }

    #[test]
    fn times_are_read() {
        for (text, ms) in
            [("1", 1000), ("1s", 1000), ("1.5", 1500), ("0.25s", 250), ("500ms", 500), ("60s", 60_000)]
        {
            assert_eq!(timeout(text).map(Timeout::get), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "s",
            "ms",
            "-1",
            "1m",
            "0",
            "0ms",
            "61s",
            "1e3",
            "inf",
            "nan",
            "1..2",
            "1 s",
            "99999999999999999999",
        ] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_mistake_names_its_option() {
        let given = "--server 192.0.2.1 --qname a.test";
        for (line, option) in [
            ("--qname a.test", "--server"),
            ("--server 192.0.2.1", "--qname"),
            ("--server ns1.test --qname a.test", "--server"),
            ("--server 192.0.2.1 --qname a..test", "--qname"),
            (&format!("{given} --qtype AAAAA"), "--qtype"),
            (&format!("{given} --qtype AXFR"), "--qtype"),
            (&format!("{given} --qclass INN"), "--qclass"),
            (&format!("{given} --port 0"), "--port"),
            (&format!("{given} --port 65536"), "--port"),
            (&format!("{given} --source ::1"), "--source"),
            (&format!("{given} --expect-rcode NOEROR"), "--expect-rcode"),
            (&format!("{given} --expect-answer 1.2.3"), "--expect-answer"),
            (&format!("{given} --expect-rcode REFUSED --expect-answer 192.0.2.1"), "--expect-answer"),
            (&format!("{given} --timeout 0"), "--timeout"),
            (&format!("{given} --tries 11"), "--tries"),
            (&format!("{given} --no-such-option"), "--no-such-option"),
        ] {
            let error = job(line).unwrap_err();
            assert!(error.contains(option), "{line}: {error}");
        }
    }
}
