//! A talk with a server over TCP or UDP: connect, say something, expect something.
//!
//! Owns what such a check is and the course of one probe: [`Talk`] takes what happened and the time and says when it is over.
//! The first datagram or stretch of the stream that holds the expected text passes; what comes before it is read past,
//! up to [`HELD_MAX`] octets. It never opens a socket and never reads a clock.

use std::fmt;
use std::time::Duration;

use crate::dns::{Timeout, Transport};
use crate::finding::{Finding, quoted};
use crate::late;
use crate::time::Time;
use crate::tls::Tls;
use crate::verdict::Cause;

/// Octets of a stream that are held while the expected text is looked for.
pub const HELD_MAX: usize = 16_384;
/// A check by talking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkCheck {
    /// Over what: UDP or TCP.
    pub transport: Transport,
    /// Over TCP: whether the connection is secured, and how.
    pub tls: Option<Box<Tls>>,
    /// What is sent once the connection stands; nothing when empty. Over UDP something must be sent.
    pub send: Vec<u8>,
    /// What must be in what comes back. `None`: over TCP the connection is enough, over UDP any datagram.
    pub expect: Option<Vec<u8>>,
    /// Over UDP: that nothing comes back passes, as long as no error does.
    pub silence_passes: bool,
    /// The limit of the whole probe.
    pub timeout: Timeout,
}

impl fmt::Display for TalkCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.transport {
            Transport::Udp => "talks over udp",
            _ if self.tls.is_some() => "connects over tls",
            _ => "connects over tcp",
        };
        f.write_str(over)?;
        if !self.send.is_empty() {
            write!(f, ", sends {}", quoted(&self.send))?;
        }
        match &self.expect {
            Some(text) => write!(f, ", expects {}", quoted(text)),
            None if self.transport == Transport::Udp && self.silence_passes => {
                f.write_str(", expects no error")
            }
            None if self.transport == Transport::Udp => f.write_str(", expects any reply"),
            None => Ok(()),
        }
    }
}

/// What happened to a talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Nothing but that time has passed.
    TimePassed,
    /// The TCP connection stands; TLS is still to come.
    Securing,
    /// The connection stands, secured where it is to be, and what there is to be sent has been sent.
    Connected,
    /// A datagram, or octets of the stream.
    Arrived(&'a [u8]),
    /// The server closed the connection in good order.
    Closed,
    /// The socket failed or could not be opened.
    Failed(Cause),
    /// The same, with what was seen.
    Broken(Cause, &'a str),
}

/// How far a talk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Securing,
    Talking,
}

/// One probe under way.
#[derive(Debug)]
pub struct Talk {
    started: Time,
    deadline: Time,
    stage: Stage,
    held: Vec<u8>,
    read: usize,
    finding: Option<Finding>,
}

impl Talk {
    /// Begins a probe at `now`.
    #[must_use]
    pub fn new(check: &TalkCheck, now: Time) -> Self {
        Self {
            started: now,
            deadline: now + check.timeout.get(),
            stage: Stage::Connecting,
            held: Vec::new(),
            read: 0,
            finding: None,
        }
    }

    /// When to call [`Talk::handle`] with [`Input::TimePassed`].
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.finding.is_some()
    }

    /// What was found, once it is over.
    #[must_use]
    pub fn into_finding(self) -> Option<Finding> {
        self.finding
    }

    /// Takes what happened. After the end nothing changes any more.
    pub fn handle(&mut self, check: &TalkCheck, input: Input<'_>, now: Time) {
        if self.is_over() {
            return;
        }
        match input {
            Input::TimePassed if now < self.deadline => {}
            Input::TimePassed => self.finding = Some(self.silence(check, now)),
            Input::Securing => self.stage = Stage::Securing,
            Input::Connected => {
                self.stage = Stage::Talking;
                if check.transport == Transport::Tcp && check.expect.is_none() {
                    self.pass(now, String::new());
                }
            }
            Input::Arrived(octets) => self.arrived(check, octets, now),
            Input::Closed => {
                let detail = format!("closed without {}", self.missing(check));
                self.finding = Some(Finding::failed(Cause::TcpMismatch, detail));
            }
            Input::Failed(cause) => {
                let detail = format!("{} after {}", what(cause), ms(now.since(self.started)));
                self.finding = Some(Finding::failed(cause, detail));
            }
            Input::Broken(cause, detail) => self.finding = Some(Finding::failed(cause, detail.to_owned())),
        }
    }

    fn pass(&mut self, now: Time, reply: String) {
        let passed = Finding::passed(now.since(self.started), reply);
        self.finding = Some(late::in_time(passed, now.since(self.deadline)));
    }

    fn arrived(&mut self, check: &TalkCheck, octets: &[u8], now: Time) {
        self.read = self.read.saturating_add(octets.len());
        // Datagrams do not belong together; a stream does.
        if check.transport == Transport::Udp {
            self.held.clear();
        }
        let room = HELD_MAX.saturating_sub(self.held.len());
        self.held.extend(octets.iter().take(room));
        let found = match &check.expect {
            None => true,
            Some(text) => holds(&self.held, text),
        };
        if found {
            let reply = format!("{} octets: {}", self.held.len(), quoted(&self.held));
            self.pass(now, reply);
        } else if self.held.len() >= HELD_MAX {
            let detail = format!("{HELD_MAX} octets came without {}", self.missing(check));
            self.finding = Some(Finding::failed(mismatch(check), detail));
        }
    }

    fn silence(&self, check: &TalkCheck, now: Time) -> Finding {
        let limit = ms(check.timeout.get());
        if let Some(late) = late::noticed_late(now.since(self.deadline)) {
            return late;
        }
        match (check.transport, self.read) {
            (Transport::Udp, 0) if check.silence_passes => Finding {
                reply: format!("no error within {limit}"),
                ..Finding::passed(now.since(self.started), String::new())
            },
            (Transport::Udp, 0) => Finding::failed(Cause::UdpTimeout, format!("no reply within {limit}")),
            (Transport::Tcp, 0) if self.stage == Stage::Connecting => {
                Finding::failed(Cause::TcpTimeout, format!("no connection within {limit}"))
            }
            (Transport::Tcp, 0) if self.stage == Stage::Securing => Finding::failed(
                Cause::TlsTimeout,
                format!("the TLS handshake was not complete within {limit}"),
            ),
            _ => {
                let detail = format!("no {} within {limit}", self.missing(check));
                Finding::failed(mismatch(check), detail)
            }
        }
    }

    /// What did not come, and what did.
    fn missing(&self, check: &TalkCheck) -> String {
        let wanted = check.expect.as_deref().map_or_else(|| "a reply".to_owned(), quoted);
        match self.held.is_empty() {
            true => format!("{wanted}; nothing came"),
            false => format!("{wanted}; {} octets came: {}", self.read, quoted(&self.held)),
        }
    }
}

fn mismatch(check: &TalkCheck) -> Cause {
    match check.transport {
        Transport::Udp => Cause::UdpMismatch,
        _ => Cause::TcpMismatch,
    }
}

fn what(cause: Cause) -> &'static str {
    match cause {
        Cause::TcpRefused => "connection refused",
        Cause::TcpReset => "connection reset",
        Cause::UdpRefused => "port unreachable",
        other => other.code(),
    }
}

fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

/// Whether `text` is in `octets`. Both are bounded, so the plain way will do.
fn holds(octets: &[u8], text: &[u8]) -> bool {
    text.is_empty() || octets.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn check(transport: Transport, send: &str, expect: Option<&str>) -> TalkCheck {
        TalkCheck {
            transport,
            tls: None,
            send: send.into(),
            expect: expect.map(Into::into),
            silence_passes: false,
            timeout: Timeout::new(Duration::from_millis(500)).unwrap(),
        }
    }

    fn run(check: &TalkCheck, inputs: &[(u64, Input<'_>)]) -> Option<Finding> {
        let mut talk = Talk::new(check, at(0));
        for (ms, input) in inputs {
            talk.handle(check, *input, at(*ms));
        }
        talk.into_finding()
    }

    fn cause(finding: Option<Finding>) -> &'static str {
        finding.map_or("under way", |f| f.cause.map_or("up", Cause::code))
    }

    use Input::{Arrived, Broken, Closed, Connected, Failed, Securing, TimePassed};
    use Transport::{Tcp, Udp};

    #[test]
    fn a_connection_is_enough_where_nothing_is_expected() {
        let plain = check(Tcp, "", None);
        let finding = run(&plain, &[(3, Connected)]).unwrap();
        assert_eq!((finding.verdict, finding.latency), (Verdict::Up, Some(Duration::from_millis(3))));
        assert_eq!(cause(run(&plain, &[(500, TimePassed)])), "tcp_timeout");
        assert_eq!(cause(run(&plain, &[(1, Failed(Cause::TcpRefused))])), "tcp_refused");
        assert_eq!(run(&plain, &[(1, Failed(Cause::NoSocket))]).unwrap().verdict, Verdict::Unknown);
    }

    #[test]
    fn the_expected_text_is_found_across_pieces() {
        let smtp = check(Tcp, "", Some("220 "));
        assert_eq!(
            cause(run(&smtp, &[(1, Connected), (2, Arrived(b"2")), (3, Arrived(b"20 hi\r\n"))])),
            "up"
        );
        assert_eq!(cause(run(&smtp, &[(1, Connected), (2, Arrived(b"554 no\r\n"))])), "under way");
        let finding = run(&smtp, &[(1, Connected), (2, Arrived(b"554 no\r\n")), (9, Closed)]).unwrap();
        assert_eq!(finding.cause, Some(Cause::TcpMismatch));
        assert_eq!(finding.detail, "closed without \"220 \"; 8 octets came: \"554 no\\r\\n\"");
        assert_eq!(cause(run(&smtp, &[(1, Connected), (500, TimePassed)])), "tcp_mismatch");
        // Endless chatter ends.
        let chatter = [b'x'; HELD_MAX];
        assert_eq!(cause(run(&smtp, &[(1, Connected), (2, Arrived(&chatter))])), "tcp_mismatch");
    }

    #[test]
    fn datagrams_do_not_belong_together() {
        let echo = check(Udp, "ping", Some("pong"));
        assert_eq!(
            cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (3, Arrived(b"ng"))])),
            "under way"
        );
        assert_eq!(cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (3, Arrived(b"a pong"))])), "up");
        assert_eq!(
            cause(run(&echo, &[(1, Connected), (2, Arrived(b"po")), (500, TimePassed)])),
            "udp_mismatch"
        );
        assert_eq!(cause(run(&check(Udp, "x", None), &[(1, Connected), (2, Arrived(b""))])), "up");
    }

    #[test]
    fn silence_fails_unless_it_is_said_to_pass() {
        let mut udp = check(Udp, "x", None);
        assert_eq!(cause(run(&udp, &[(1, Connected), (500, TimePassed)])), "udp_timeout");
        udp.silence_passes = true;
        assert_eq!(cause(run(&udp, &[(1, Connected), (500, TimePassed)])), "up");
        assert_eq!(cause(run(&udp, &[(1, Connected), (2, Failed(Cause::UdpRefused))])), "udp_refused");
    }

    #[test]
    fn a_handshake_is_told_from_a_connection() {
        let plain = check(Tcp, "", None);
        assert_eq!(cause(run(&plain, &[(1, Securing), (500, TimePassed)])), "tls_timeout");
        assert_eq!(cause(run(&plain, &[(1, Securing), (2, Connected)])), "up");
        let finding = run(&plain, &[(1, Securing), (2, Broken(Cause::TlsUnknownCa, "nobody"))]).unwrap();
        assert_eq!((finding.cause, finding.detail.as_str()), (Some(Cause::TlsUnknownCa), "nobody"));
    }

    #[test]
    fn a_stalled_process_blames_nobody() {
        let plain = check(Tcp, "", None);
        let finding = run(&plain, &[(900, TimePassed)]).unwrap();
        assert_eq!((finding.verdict, finding.cause), (Verdict::Unknown, Some(Cause::LateTimer)));
    }
}
