//! A check by SMTP (RFC 5321): greeting, HELO, and optionally STARTTLS (RFC 3207), each answered as it should.
//!
//! Owns the course of the dialogue: [`Dialogue`] takes the octets that came and says what to do next. It is total: any octets give
//! a next step or an error, and no more than [`REPLY_MAX`] of them are held. It never opens a socket and never reads a clock.

use std::fmt;

use crate::dns::Timeout;
use crate::finding::quoted;
use crate::tls::{ServerName, Tls};
use crate::verdict::Cause;

/// Octets of one reply, all its lines together.
pub const REPLY_MAX: usize = 8_192;

/// A check by SMTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpCheck {
    /// The name that is said in HELO.
    pub hello: ServerName,
    /// Whether the connection is secured, and when.
    pub security: Security,
    /// The limit of the whole probe.
    pub timeout: Timeout,
}

/// Whether a connection is secured, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// It is not.
    None,
    /// By STARTTLS, which the server must offer.
    Starttls(Box<Tls>),
    /// From the beginning (RFC 8314).
    Tls(Box<Tls>),
}

impl fmt::Display for SmtpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.security {
            Security::None => "greets over smtp",
            Security::Starttls(_) => "greets over smtp, with starttls",
            Security::Tls(_) => "greets over smtp and tls",
        })?;
        write!(f, " as {}, expects 220 and 250", self.hello)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Wait for more.
    Wait,
    /// Send this and wait for the reply.
    Send(String),
    /// Secure the connection, then call [`Dialogue::secured`].
    Secure,
    /// All went well: send QUIT and close. The line is what the server said of itself.
    Done(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Extended,
    Starttls,
    Hello,
    Over,
}

/// One dialogue.
#[derive(Debug)]
pub struct Dialogue {
    stage: Stage,
    /// What came of the present reply.
    held: Vec<u8>,
    greeting: String,
}

impl Default for Dialogue {
    fn default() -> Self {
        Self { stage: Stage::Greeting, held: Vec::new(), greeting: String::new() }
    }
}

impl Dialogue {
    /// What it waits for, for people.
    #[must_use]
    pub fn waits_for(&self) -> &'static str {
        match self.stage {
            Stage::Greeting => "greeting",
            Stage::Extended => "reply to EHLO",
            Stage::Starttls => "reply to STARTTLS",
            Stage::Hello => "reply to HELO",
            Stage::Over => "end",
        }
    }

    /// The connection is secured by STARTTLS: what was said before counts for nothing (RFC 3207 section 4.2).
    pub fn secured(&mut self, check: &SmtpCheck) -> Step {
        self.stage = Stage::Hello;
        Step::Send(format!("EHLO {}\r\n", hello(check)))
    }

    /// Takes octets of the stream.
    ///
    /// # Errors
    /// The server does not answer as it should.
    pub fn handle(&mut self, check: &SmtpCheck, octets: &[u8]) -> Result<Step, (Cause, String)> {
        let room = (REPLY_MAX + 1).saturating_sub(self.held.len());
        self.held.extend(octets.iter().take(room));
        let waits_for = self.waits_for();
        let Some((code, length)) = reply(&self.held).map_err(|seen| {
            (Cause::SmtpProtocol, format!("the {waits_for} is no line of SMTP: {}", quoted(&seen)))
        })?
        else {
            if self.held.len() > REPLY_MAX {
                let detail =
                    format!("the {waits_for} has more than {REPLY_MAX} octets: {}", quoted(&self.held));
                return Err((Cause::SmtpProtocol, detail));
            }
            return Ok(Step::Wait);
        };
        // A server that goes on without having been asked does not follow the dialogue. Before TLS, someone may want it to be taken for
        // what comes inside.
        let more = octets.len() > room || self.held.len() > length;
        let text = std::mem::take(&mut self.held);
        let text = text.get(..length).unwrap_or(&text).trim_ascii_end();
        let wanted = if matches!(self.stage, Stage::Greeting | Stage::Starttls) { 220 } else { 250 };
        if code != wanted {
            let detail = format!("the {waits_for} is {}, expected {wanted}", quoted(text));
            return Err((Cause::SmtpReply, detail));
        }
        if more && self.stage != Stage::Hello {
            let detail = format!("the server says more behind its {waits_for}, before it was asked");
            return Err((Cause::SmtpProtocol, detail));
        }
        Ok(match self.stage {
            Stage::Greeting => {
                self.greeting = quoted(text);
                let starttls = matches!(check.security, Security::Starttls(_));
                self.stage = if starttls { Stage::Extended } else { Stage::Hello };
                Step::Send(format!("{} {}\r\n", if starttls { "EHLO" } else { "HELO" }, hello(check)))
            }
            Stage::Extended if offers_starttls(text) => {
                self.stage = Stage::Starttls;
                Step::Send("STARTTLS\r\n".to_owned())
            }
            Stage::Extended => {
                let detail = format!("the server does not offer STARTTLS: {}", quoted(text));
                return Err((Cause::SmtpReply, detail));
            }
            Stage::Starttls => Step::Secure,
            Stage::Hello | Stage::Over => {
                self.stage = Stage::Over;
                Step::Done(self.greeting.clone())
            }
        })
    }
}

/// An address is said in brackets (RFC 5321 section 4.1.3).
fn hello(check: &SmtpCheck) -> String {
    let name = check.hello.as_str();
    match name.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => format!("[{name}]"),
        Ok(std::net::IpAddr::V6(_)) => format!("[IPv6:{name}]"),
        Err(_) => name.to_owned(),
    }
}

fn offers_starttls(text: &[u8]) -> bool {
    text.split(|octet| *octet == b'\n')
        .any(|line| line.get(4..).is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"STARTTLS")))
}

/// The code of a reply that is complete, and its length; `None` while it is not. Lines of several have a hyphen behind the code
/// (RFC 5321 section 4.2.1).
fn reply(octets: &[u8]) -> Result<Option<(u16, usize)>, Vec<u8>> {
    let mut at = 0;
    while let Some(rest) = octets.get(at..)
        && let Some(end) = rest.iter().position(|octet| *octet == b'\n')
    {
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, behind) = line.split_at_checked(3).ok_or_else(|| line.to_vec())?;
        if !code.iter().all(u8::is_ascii_digit) || !matches!(behind.first(), None | Some(b' ' | b'-')) {
            return Err(line.to_vec());
        }
        at += end + 1;
        if behind.first() != Some(&b'-') {
            let code = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            return Ok(Some((code, at)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(security: Security) -> SmtpCheck {
        SmtpCheck { hello: "director.test".parse().unwrap(), security, timeout: Timeout::default() }
    }

    fn run(security: Security, replies: &[&str]) -> String {
        let check = check(security);
        let mut dialogue = Dialogue::default();
        let mut said = Vec::new();
        for reply in replies {
            // Octet by octet: pieces make no difference.
            for octet in reply.as_bytes() {
                match dialogue.handle(&check, &[*octet]) {
                    Ok(Step::Wait) => {}
                    Ok(Step::Send(line)) => said.push(line.trim_end().to_owned()),
                    Ok(Step::Secure) => match dialogue.secured(&check) {
                        Step::Send(line) => said.push(format!("TLS {}", line.trim_end())),
                        other => panic!("{other:?}"),
                    },
                    Ok(Step::Done(greeting)) => said.push(format!("done {greeting}")),
                    Err((cause, detail)) => said.push(format!("{cause}: {detail}")),
                }
            }
        }
        said.join("; ")
    }

    #[test]
    fn a_dialogue_that_goes_well() {
        let said = run(Security::None, &["220-mail.test\r\n220 ESMTP ready\r\n", "250 hello\r\n"]);
        assert_eq!(said, "HELO director.test; done \"220-mail.test\\r\\n220 ESMTP ready\"");
        let tls = || Security::Starttls(Box::default());
        let said =
            run(tls(), &["220 x\n", "250-x\r\n250-SIZE 1\r\n250 starttls\r\n", "220 go\r\n", "250 x\r\n"]);
        assert_eq!(said, "EHLO director.test; STARTTLS; TLS EHLO director.test; done \"220 x\"");
    }

    #[test]
    fn replies_that_are_not_as_they_should_be() {
        for (replies, said) in [
            (&["554 go away\r\n"][..], "smtp_reply: the greeting is \"554 go away\", expected 220"),
            (
                &["220 x\r\n", "550 no\r\n"],
                "HELO director.test; smtp_reply: the reply to HELO is \"550 no\", expected 250",
            ),
            (&["SSH-2.0-OpenSSH\r\n"], "smtp_protocol: the greeting is no line of SMTP: \"SSH-2.0-OpenSSH\""),
            (&["220x\r\n"], "smtp_protocol: the greeting is no line of SMTP: \"220x\""),
            (&["\n"], "smtp_protocol: the greeting is no line of SMTP: \"\""),
        ] {
            assert_eq!(run(Security::None, replies), said);
        }
        let tls = || Security::Starttls(Box::default());
        assert!(
            run(tls(), &["220 x\r\n", "250 x\r\n"])
                .ends_with("smtp_reply: the server does not offer STARTTLS: \"250 x\"")
        );
        assert!(
            run(tls(), &["220 x\r\n", "250 STARTTLS\r\n", "454 no\r\n"])
                .contains("reply to STARTTLS is \"454 no\"")
        );
    }

    #[test]
    fn nothing_from_outside_of_tls_counts_inside() {
        let check = check(Security::Starttls(Box::default()));
        let mut dialogue = Dialogue::default();
        dialogue.handle(&check, b"220 x\r\n").unwrap();
        dialogue.handle(&check, b"250 STARTTLS\r\n").unwrap();
        let (cause, detail) = dialogue.handle(&check, b"220 go\r\n250 trust me\r\n").unwrap_err();
        assert!(
            cause == Cause::SmtpProtocol && detail.contains("more behind its reply to STARTTLS"),
            "{detail}"
        );
    }

    #[test]
    fn endless_replies_end() {
        let check = check(Security::None);
        let mut dialogue = Dialogue::default();
        let mut result = Ok(Step::Wait);
        for _ in 0..REPLY_MAX {
            result = dialogue.handle(&check, b"220-more\r\n");
            if result.is_err() {
                break;
            }
        }
        let (cause, _) = result.unwrap_err();
        assert_eq!(cause, Cause::SmtpProtocol);
        let mut dialogue = Dialogue::default();
        let (cause, _) = dialogue.handle(&check, &vec![b'2'; 100_000]).unwrap_err();
        assert_eq!(cause, Cause::SmtpProtocol);
    }

    #[test]
    fn an_address_is_said_in_brackets() {
        let said = |name: &str| hello(&SmtpCheck { hello: name.parse().unwrap(), ..check(Security::None) });
        assert_eq!(
            (said("192.0.2.1"), said("2001:db8::1")),
            ("[192.0.2.1]".into(), "[IPv6:2001:db8::1]".into())
        );
    }
}
