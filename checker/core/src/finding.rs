//! What one probe found, whatever kind of check it was.
//!
//! Owns the common form in which every kind hands its result to rise and fall, and the rule that what is said of a reply is one
//! harmless line. It never judges a reply: each kind does that.

use std::borrow::Cow;
use std::time::Duration;

use crate::dns::{Essentials, Outcome};
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
    /// The essentials of what came back, in one line; empty when nothing did, or a DNS message.
    pub reply: String,
    /// Those of a DNS message. Of thousands a second hardly one is ever told, so the line is made when it is.
    pub message: Option<Essentials>,
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
            message: None,
            weight: None,
        }
    }

    /// A probe that did not pass; whether the server is to blame follows from the cause.
    #[must_use]
    pub fn failed(cause: Cause, detail: String) -> Self {
        let verdict = cause.blame().verdict();
        let reply = String::new();
        Self { verdict, cause: Some(cause), detail, latency: None, reply, message: None, weight: None }
    }

    /// The essentials of what came back, in one line; empty when nothing did.
    #[must_use]
    pub fn told(&self) -> Cow<'_, str> {
        self.message.map_or(Cow::Borrowed(&self.reply), |message| message.to_string().into())
    }
}

impl From<Outcome> for Finding {
    fn from(outcome: Outcome) -> Self {
        let Outcome { verdict, cause, detail, latency, essentials: message, .. } = outcome;
        Self { verdict, cause, detail, latency, reply: String::new(), message, weight: None }
    }
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
        match octet {
            // It ends nothing within these quotes.
            b'\'' => line.push('\''),
            octet => line.extend(std::ascii::escape_default(*octet).map(char::from)),
        }
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Transport;

    #[test]
    fn a_message_is_told_by_its_header() {
        let told = |octets: &[u8], over| Essentials::of(octets, over).map(|message| message.to_string());
        let mut octets = vec![0x12, 0x34, 0x85, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        let line = "NOERROR aa rd ra, 2 answers, 12 octets over udp";
        assert_eq!(told(&octets, Transport::Udp).as_deref(), Some(line));
        octets[2] = 0x82;
        octets[3] = 0x05;
        octets[7] = 1;
        let line = "REFUSED tc, 1 answer, 12 octets over tcp";
        assert_eq!(told(&octets, Transport::Tcp).as_deref(), Some(line));
        assert_eq!(told(&octets[..11], Transport::Udp), None);
        assert_eq!(told(&[], Transport::Udp), None);
    }

    #[test]
    fn quotes_are_harmless_and_short() {
        assert_eq!(quoted(b"220 ok\r\n\x1b[2J\xff\""), r#""220 ok\r\n\x1b[2J\xff\"""#);
        assert!(quoted(&[b'x'; 5_000]).len() < 2 * QUOTED_MAX);
    }
}
