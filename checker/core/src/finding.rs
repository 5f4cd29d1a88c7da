//! What one probe found, whatever kind of check it was.
//!
//! Owns the common form in which every kind hands its result to rise and fall, and the rule that what is said of a reply is one
//! harmless line. It never judges a reply: each kind does that.

use std::fmt::Write as _;
use std::time::Duration;

use crate::dns::Outcome;
use crate::verdict::{Cause, Verdict};

/// The most characters of a reply that are quoted.
pub const QUOTED_MAX: usize = 120;

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The verdict on the server as far as this probe goes.
    pub verdict: Verdict,
    /// Why it is not Up; `None` when it is.
    pub cause: Option<Cause>,
    /// What was seen, in one line for people; empty when Up.
    pub detail: String,
    /// How long the answer took; `None` when none came.
    pub latency: Option<Duration>,
    /// The essentials of what came back, in one line; empty when nothing did.
    pub reply: String,
    /// The weight that the check asks for in place of the configured one; `None` when it does not.
    pub weight: Option<u32>,
}

impl Finding {
    /// A probe that passed.
    #[must_use]
    pub fn passed(latency: Duration, reply: String) -> Self {
        Self {
            verdict: Verdict::Up,
            cause: None,
            detail: String::new(),
            latency: Some(latency),
            reply,
            weight: None,
        }
    }

    /// A probe that did not pass; whether the server is to blame follows from the cause.
    #[must_use]
    pub fn failed(cause: Cause, detail: String) -> Self {
        let verdict = cause.blame().verdict();
        Self { verdict, cause: Some(cause), detail, latency: None, reply: String::new(), weight: None }
    }
}

impl From<Outcome> for Finding {
    fn from(outcome: Outcome) -> Self {
        let over = outcome.transport.as_str();
        let reply = outcome.reply.as_deref().map_or_else(String::new, |octets| message(octets, over));
        let Outcome { verdict, cause, detail, latency, .. } = outcome;
        Self { verdict, cause, detail, latency, reply, weight: None }
    }
}

/// The essentials of a DNS message, from its header (RFC 1035 section 4.1.1): `NOERROR aa rd ra, 1 answer, 62 octets over
/// udp`.
fn message(octets: &[u8], over: &str) -> String {
    let Some(header) = octets.first_chunk::<12>() else {
        return format!("{} octets over {over}", octets.len());
    };
    let [_, _, high, low, _, _, answers_high, answers_low, ..] = *header;
    let mut line = match low & 0x0f {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE{other}"),
    };
    for (set, flag) in [
        (high & 0x04 != 0, "aa"),
        (high & 0x02 != 0, "tc"),
        (high & 0x01 != 0, "rd"),
        (low & 0x80 != 0, "ra"),
        (low & 0x20 != 0, "ad"),
        (low & 0x10 != 0, "cd"),
    ] {
        if set {
            let _ = write!(line, " {flag}");
        }
    }
    let answers = u16::from_be_bytes([answers_high, answers_low]);
    let plural = if answers == 1 { "" } else { "s" };
    let _ = write!(line, ", {answers} answer{plural}, {} octets over {over}", octets.len());
    line
}

/// Octets from elsewhere as one line: what does not print is escaped, what is long is cut.
#[must_use]
pub fn quoted(octets: &[u8]) -> String {
    let mut line = String::from("\"");
    for (count, octet) in octets.iter().enumerate() {
        if count >= QUOTED_MAX {
            line.push_str("...");
            break;
        }
        line.extend(std::ascii::escape_default(*octet).map(char::from));
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_by_its_header() {
        let mut octets = vec![0x12, 0x34, 0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        assert_eq!(message(&octets, "udp"), "NOERROR aa rd ra, 2 answers, 12 octets over udp");
        octets[2] = 0x82;
        octets[3] = 0x05;
        octets[7] = 1;
        assert_eq!(message(&octets, "tcp"), "REFUSED tc, 1 answer, 12 octets over tcp");
        assert_eq!(message(&octets[..11], "udp"), "11 octets over udp");
        assert_eq!(message(&[], "udp"), "0 octets over udp");
    }

    #[test]
    fn quotes_are_harmless_and_short() {
        assert_eq!(quoted(b"220 ok\r\n\x1b[2J\xff\""), r#""220 ok\r\n\x1b[2J\xff\"""#);
        assert!(quoted(&[b'x'; 5_000]).len() < 2 * QUOTED_MAX);
    }
}
