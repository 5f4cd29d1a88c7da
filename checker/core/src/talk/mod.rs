//! A talk with a server over TCP or UDP: connect, then say something and expect something, in one step or several.
//!
//! Owns what such a check is and the course of one probe: [`Talk`] takes what happened and the time, says what is to be sent and when it
//! is over. The first datagram or stretch of the stream that is as expected passes; what comes before it is read past,
//! up to [`HELD_MAX`] octets a step. It never opens a socket and never reads a clock.

mod expect;

use std::fmt;
use std::time::Duration;

pub use expect::{Expect, OCTETS_MAX, Octets, OctetsError};

use crate::dns::{Bounds, Timeout, Transport};
use crate::finding::{Finding, quoted};
use crate::late;
use crate::time::Time;
use crate::tls::Tls;
use crate::verdict::Cause;
use expect::Look;

/// Octets of a stream that are held while the expected ones are looked for.
pub const HELD_MAX: usize = 16_384;
/// The most steps of a talk.
pub const STEPS_MAX: usize = 16;
/// Octets that regular expressions look at in one probe before they wait for its end: a server that sends one octet at a time would
/// have all of them looked at each time.
const LOOKED_MAX: usize = 64 * HELD_MAX;

/// One turn of a talk: something is said, then something expected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// What is sent; nothing when empty. What came before is then no answer, and is not looked at any more.
    pub send: Vec<u8>,
    /// That what is sent is told nowhere.
    pub secret: bool,
    /// What must come back. `None`: nothing over TCP, any datagram over UDP.
    pub expect: Option<Expect>,
}

/// A check by talking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkCheck {
    /// Over what: UDP or TCP.
    pub transport: Transport,
    /// Over TCP: whether the connection is secured, and how.
    pub tls: Option<Box<Tls>>,
    /// What is said and expected, at most [`STEPS_MAX`]. Without any the connection is enough. Over UDP there is one, which sends.
    pub steps: Vec<Step>,
    /// Over UDP: how many octets the datagram that passes has.
    pub length: Option<Bounds<u32>>,
    /// Over UDP: that nothing comes back passes, as long as no error does.
    pub silence_passes: bool,
    /// The limit of the whole probe.
    pub timeout: Timeout,
}

impl TalkCheck {
    /// One that is content with a connection over TCP.
    #[must_use]
    pub fn connects(timeout: Timeout) -> Self {
        let transport = Transport::Tcp;
        Self { transport, tls: None, steps: Vec::new(), length: None, silence_passes: false, timeout }
    }
}

impl fmt::Display for TalkCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.transport {
            Transport::Udp => "talks over udp",
            _ if self.tls.is_some() => "connects over tls",
            _ => "connects over tcp",
        };
        f.write_str(over)?;
        for Step { send, secret, expect } in &self.steps {
            match (send.is_empty(), secret) {
                (true, _) => {}
                (false, true) => write!(f, ", sends {} secret octets", send.len())?,
                (false, false) => write!(f, ", sends {}", quoted(send))?,
            }
            match expect {
                Some(expect) => write!(f, ", expects {expect}")?,
                None if self.transport != Transport::Udp => {}
                None if self.silence_passes => f.write_str(", expects no error")?,
                None => f.write_str(", expects any reply")?,
            }
        }
        match &self.length {
            Some(length) => write!(f, " of {length} octets"),
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
    /// The connection stands, secured where it is to be.
    Connected,
    /// What was to be sent has been.
    Sent,
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
    /// Something is to be sent. Until the driver has taken it, it is in the outbox.
    Sending {
        outbox: bool,
    },
    Expecting,
}

/// One probe under way.
#[derive(Debug)]
pub struct Talk {
    started: Time,
    deadline: Time,
    stage: Stage,
    /// The number of the step.
    step: usize,
    held: Vec<u8>,
    /// How many of those held were looked at.
    looked: usize,
    /// How many were looked at in all.
    effort: usize,
    read: usize,
    /// What held what was expected last.
    reply: String,
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
            step: 0,
            held: Vec::new(),
            looked: 0,
            effort: 0,
            read: 0,
            reply: String::new(),
            finding: None,
        }
    }

    /// What is to be sent now. When it has been, [`Talk::handle`] is told so.
    #[must_use]
    pub fn to_send<'c>(&mut self, check: &'c TalkCheck) -> Option<&'c [u8]> {
        if self.is_over() || self.stage != (Stage::Sending { outbox: true }) {
            return None;
        }
        self.stage = Stage::Sending { outbox: false };
        check.steps.get(self.step).map(|step| step.send.as_slice())
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
            Input::TimePassed => {
                // What was not looked at for lack of effort is now.
                self.look(check, now, true);
                if !self.is_over() {
                    self.finding = Some(self.silence(check, now));
                }
            }
            Input::Securing => self.stage = Stage::Securing,
            Input::Connected => self.begin(check, now),
            Input::Sent => {
                self.stage = Stage::Expecting;
                self.look(check, now, false);
            }
            Input::Arrived(octets) => self.arrived(check, octets, now),
            Input::Closed => {
                self.look(check, now, true);
                if !self.is_over() {
                    let detail = format!("closed without {}", self.missing(check, ""));
                    self.finding = Some(Finding::failed(Cause::TcpMismatch, detail));
                }
            }
            Input::Failed(cause) => {
                let detail = format!("{} after {}", what(cause), ms(now.since(self.started)));
                self.finding = Some(Finding::failed(cause, detail));
            }
            Input::Broken(cause, detail) => self.finding = Some(Finding::failed(cause, detail.to_owned())),
        }
    }

    /// Begins the step, or ends the talk when there is none.
    fn begin(&mut self, check: &TalkCheck, now: Time) {
        match check.steps.get(self.step) {
            None => self.pass(now),
            Some(step) if step.send.is_empty() => {
                self.stage = Stage::Expecting;
                self.look(check, now, false);
            }
            Some(_) => {
                // What came before something is said does not answer it.
                self.held.clear();
                self.looked = 0;
                self.stage = Stage::Sending { outbox: true };
            }
        }
    }

    fn pass(&mut self, now: Time) {
        let passed = Finding::passed(now.since(self.started), std::mem::take(&mut self.reply));
        self.finding = Some(late::in_time(passed, now.since(self.deadline)));
    }

    fn arrived(&mut self, check: &TalkCheck, octets: &[u8], now: Time) {
        self.read = self.read.saturating_add(octets.len());
        if check.transport == Transport::Udp {
            return self.datagram(check, octets, now);
        }
        let room = HELD_MAX.saturating_sub(self.held.len());
        self.held.extend(octets.iter().take(room));
        self.look(check, now, false);
        if !self.is_over() && self.held.len() >= HELD_MAX {
            self.look(check, now, true);
            if !self.is_over() && self.held.len() >= HELD_MAX {
                let detail = format!("{HELD_MAX} octets came without {}", self.missing(check, ""));
                self.finding = Some(Finding::failed(Cause::TcpMismatch, detail));
            }
        }
    }

    /// Datagrams do not belong together: each is what is expected, or nothing.
    fn datagram(&mut self, check: &TalkCheck, octets: &[u8], now: Time) {
        self.held.clear();
        self.held.extend(octets.iter().take(HELD_MAX));
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        if check.length.is_some_and(|wanted| !wanted.admit(&length)) || self.effort >= LOOKED_MAX {
            return;
        }
        self.effort = self.effort.saturating_add(octets.len());
        let expect = check.steps.first().and_then(|step| step.expect.as_ref());
        if expect.is_none_or(|expect| matches!(expect.look(&self.held, 0), Look::Found(_))) {
            self.reply = self.shown();
            self.pass(now);
        }
    }

    /// Looks for what is expected in what came of the stream, and goes on when it is there. `last`: nothing more comes.
    fn look(&mut self, check: &TalkCheck, now: Time, last: bool) {
        if self.stage != Stage::Expecting || check.transport == Transport::Udp {
            return;
        }
        let end = match check.steps.get(self.step).and_then(|step| step.expect.as_ref()) {
            None => 0,
            Some(Expect::Matches(_)) if self.effort >= LOOKED_MAX && !last => return,
            Some(expect) => {
                self.effort = self.effort.saturating_add(self.held.len());
                match expect.look(&self.held, self.looked) {
                    Look::Found(end) => {
                        self.reply = self.shown();
                        end
                    }
                    Look::NotYet => {
                        self.looked = self.held.len();
                        return;
                    }
                    Look::Never => {
                        let detail = format!("not {}", self.missing(check, ""));
                        self.finding = Some(Finding::failed(Cause::TcpMismatch, detail));
                        return;
                    }
                }
            }
        };
        self.step += 1;
        if self.step >= check.steps.len() {
            return self.pass(now);
        }
        self.held.drain(..end);
        self.looked = 0;
        self.begin(check, now);
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
                let detail = format!("no {}", self.missing(check, &format!(" within {limit}")));
                Finding::failed(mismatch(check), detail)
            }
        }
    }

    /// What came.
    fn shown(&self) -> String {
        format!("{} octets: {}", self.held.len(), quoted(&self.held))
    }

    /// What did not come, and what did.
    fn missing(&self, check: &TalkCheck, within: &str) -> String {
        let expect = check.steps.get(self.step).and_then(|step| step.expect.as_ref());
        let mut wanted = expect.map_or_else(|| "reply".to_owned(), Expect::to_string);
        if let Some(length) = &check.length {
            wanted = format!("{wanted} of {length} octets");
        }
        if check.steps.len() > 1 {
            wanted = format!("{wanted} in step {} of {}", self.step + 1, check.steps.len());
        }
        let length = if check.transport == Transport::Udp { self.read } else { self.held.len() };
        match self.held.is_empty() {
            true => format!("{wanted}{within}; nothing came"),
            false => format!("{wanted}{within}; {length} octets came: {}", quoted(&self.held)),
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

#[cfg(test)]
mod tests;
