//! The course of one probe over its tries and transports.
//!
//! Owns what is asked when, which replies count and when it is over: [`Exchange::handle`] takes what happened and the
//! time, [`Exchange::poll_action`] says what to do next, [`Exchange::deadline`] when to come back. Every try has its own
//! socket and id; all are listened to until the timeout, which bounds the whole probe. A message that is not our reply is
//! counted and otherwise ignored. It never opens a socket and never reads a clock.

mod told;
mod words;

use std::time::Duration;

use super::check::{DnsCheck, Question, Transport, Tries};
use super::judge::{Judgement, Sent, Stray, judge, sort, wants_tcp};
use super::query::Query;
use super::template::Circumstances;
use crate::late::{LATE_MAX, read_late};
use crate::schedule::mix;
use crate::time::Time;
use crate::verdict::{Blame, Cause, Verdict};

use told::{local, slow};
pub use words::{Action, Essentials, Input, Outcome, Wake};

const TRIES_MAX: usize = Tries::MAX as usize;

/// What one try has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::dns::exchange) enum Stage {
    #[default]
    Idle,
    Udp,
    TcpConnecting,
    Securing,
    TcpAsked,
}

/// One probe under way.
#[derive(Debug)]
pub struct Exchange {
    started: Time,
    deadline: Time,
    /// When the next try is due; `None` when there is none left.
    next_try: Option<Time>,
    circumstances: Circumstances,
    /// The question, if the check's has placeholders.
    question: Option<Box<Question>>,
    keep_reply: bool,
    /// How new tries are made: TCP once a reply was truncated or wants a cookie, or once UDP has passed where both must.
    transport: Transport,
    /// What came over UDP, where both must pass and UDP has.
    passed: Option<Judgement>,
    /// How long the last TCP connection took to stand.
    connect: Option<Duration>,
    /// How long the last handshake of TLS took.
    tls: Option<Duration>,
    attempts: u8,
    stages: [Stage; TRIES_MAX],
    /// Microseconds from the start to the sending of each try's query.
    sent: [u32; TRIES_MAX],
    /// What has come over TCP so far, by attempt; empty while no connection stands.
    streams: Vec<(u8, Vec<u8>)>,
    actions: [Option<Action>; 2],
    strays: u32,
    last_stray: Option<Stray>,
    /// Whether every stray was too short to be DNS at all.
    only_short: bool,
    /// Local trouble that some try met.
    trouble: Option<Cause>,
    outcome: Option<Outcome>,
}

impl Exchange {
    /// Begins a probe at `now`. The key of `circumstances` must be random and fresh, its epoch is that of `now`; `keep_reply`
    /// says whether the outcome holds the reply.
    #[must_use]
    pub fn new(check: &DnsCheck, circumstances: Circumstances, keep_reply: bool, now: Time) -> Self {
        let mut exchange = Self {
            started: now,
            deadline: now + check.timeout.get(),
            next_try: None,
            circumstances,
            question: check.question.filled(circumstances).map(Box::new),
            keep_reply,
            transport: check.transport,
            passed: None,
            connect: None,
            tls: None,
            attempts: 0,
            stages: [Stage::Idle; TRIES_MAX],
            sent: [0; TRIES_MAX],
            streams: Vec::new(),
            actions: [None; 2],
            strays: 0,
            last_stray: None,
            only_short: true,
            trouble: None,
            outcome: None,
        };
        exchange.start_try(check, now);
        exchange
    }

    /// The query of one attempt.
    #[must_use]
    pub fn query(&self, check: &DnsCheck, attempt: u8) -> Query {
        Query::new(self.question(check), &check.ask, self.id(attempt), self.key(attempt))
    }

    fn question<'a>(&'a self, check: &'a DnsCheck) -> &'a Question {
        self.question.as_deref().unwrap_or(&check.question)
    }

    /// When to call [`Exchange::handle`] with [`Input::TimePassed`], and why; `None` when the probe is over.
    #[must_use]
    pub fn deadline(&self) -> Option<(Time, Wake)> {
        match (&self.outcome, self.next_try) {
            (Some(_), _) => None,
            (None, Some(at)) => Some((at, Wake::NextTry)),
            (None, None) => Some((self.deadline, Wake::GiveUp)),
        }
    }

    /// The next thing to do; to be drained after [`Exchange::new`] and after every [`Exchange::handle`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.iter_mut().find_map(Option::take)
    }

    /// Messages so far that were not our reply.
    #[must_use]
    pub fn strays(&self) -> u32 {
        self.strays
    }

    /// Whether the probe is over, so that all its sockets can be closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    /// The outcome, once the probe is over.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome> {
        self.outcome
    }

    /// Takes note of what happened. What comes after the end changes nothing.
    pub fn handle(&mut self, check: &DnsCheck, input: Input<'_>, now: Time) {
        if self.outcome.is_some() {
            return;
        }
        match input {
            Input::TimePassed => self.time_passed(check, now),
            Input::DatagramArrived { attempt, octets } => {
                if self.stage(attempt) == Stage::Udp {
                    self.message_arrived(check, attempt, octets, Transport::Udp, now);
                }
            }
            Input::Connected { attempt } => {
                if self.stage(attempt) == Stage::TcpConnecting {
                    self.connect = Some(self.since_sent(attempt, now));
                    self.mark_sent(attempt, now);
                    if self.transport.is_secured() {
                        self.set_stage(attempt, Stage::Securing);
                    } else {
                        self.set_stage(attempt, Stage::TcpAsked);
                        self.act(Action::SendTcp { attempt });
                    }
                }
            }
            Input::Secured { attempt } => {
                if self.transport.is_secured()
                    && matches!(self.stage(attempt), Stage::TcpConnecting | Stage::Securing)
                {
                    self.tls = Some(self.since_sent(attempt, now));
                    self.mark_sent(attempt, now);
                    self.set_stage(attempt, Stage::TcpAsked);
                    self.act(Action::SendTcp { attempt });
                }
            }
            Input::OctetsArrived { attempt, octets } => {
                if self.stage(attempt) == Stage::TcpAsked {
                    self.octets_arrived(check, attempt, octets, now);
                }
            }
            Input::Closed { attempt } => {
                if self.stage(attempt) == Stage::TcpAsked {
                    let detail = format!("the server closed the connection, {}", self.progress(attempt));
                    self.fail(Cause::TcpClosed, detail, self.stream_transport(), now);
                }
            }
            Input::Failed { attempt, cause } => self.failed(attempt, cause, None, now),
            Input::Broken { attempt, cause, detail } => self.failed(attempt, cause, Some(detail), now),
        }
    }

    fn time_passed(&mut self, check: &DnsCheck, now: Time) {
        if now >= self.deadline {
            self.give_up(now);
        } else if self.next_try.is_some_and(|at| now >= at) {
            self.start_try(check, now);
        }
    }

    fn start_try(&mut self, check: &DnsCheck, now: Time) {
        let attempt = self.attempts;
        self.attempts += 1;
        self.open(attempt, now);
        let more = self.attempts < check.tries.get() && !self.transport.is_secured();
        let next = self.started + check.spacing() * u32::from(self.attempts);
        self.next_try = (more && next < self.deadline).then_some(next);
    }

    fn open(&mut self, attempt: u8, now: Time) {
        self.mark_sent(attempt, now);
        let (stage, action) = match self.transport {
            Transport::Udp => (Stage::Udp, Action::OpenUdp { attempt }),
            Transport::Tcp => (Stage::TcpConnecting, Action::OpenTcp { attempt }),
            Transport::Tls | Transport::Https | Transport::Quic => {
                (Stage::TcpConnecting, Action::OpenSecured { attempt })
            }
        };
        self.set_stage(attempt, stage);
        self.act(action);
    }

    fn message_arrived(
        &mut self,
        check: &DnsCheck,
        attempt: u8,
        octets: &[u8],
        transport: Transport,
        now: Time,
    ) {
        if transport == Transport::Udp && self.passed.is_some() {
            return;
        }
        let sent = Sent { question: self.question(check), id: self.id(attempt), key: self.key(attempt) };
        if let Err(stray) = sort(check, sent, octets) {
            self.strays = self.strays.saturating_add(1);
            self.last_stray = Some(stray);
            self.only_short &= stray == Stray::Short;
            return;
        }
        if transport == Transport::Udp && wants_tcp(check, octets) {
            // Once is enough; a later full answer to another try still counts.
            if self.transport == Transport::Udp {
                self.transport = Transport::Tcp;
                self.open(attempt, now);
            }
            return;
        }
        let epoch = self.circumstances.epoch.saturating_add(now.since(self.started).as_secs());
        let latency = self.since_sent(attempt, now);
        let mut judgement = judge(check, sent.question, octets, epoch);
        if judgement.verdict.passes() {
            // A degraded answer stays what it is, unless it is too slow altogether.
            judgement = match slow(check, latency) {
                Some(slow) if !slow.verdict.passes() || judgement.cause.is_none() => slow,
                _ => judgement,
            };
        }
        let late = now.since(self.deadline);
        if judgement.verdict.passes() && !late.is_zero() {
            return self.fail(Cause::LateTimer, read_late(late), transport, now);
        }
        if judgement.verdict.passes() && check.tcp_too && transport == Transport::Udp {
            self.passed = Some(judgement);
            self.transport = Transport::Tcp;
            self.open(attempt, now);
            return;
        }
        if transport != check.transport && self.passed.is_none() && !judgement.detail.is_empty() {
            judgement.detail.push_str(" (over TCP, where the reply over UDP sent us)");
        }
        self.finish(judgement, Some(latency), Some(octets), transport, now);
    }

    fn octets_arrived(&mut self, check: &DnsCheck, attempt: u8, octets: &[u8], now: Time) {
        let mut stream = self.take_stream(attempt);
        stream.extend_from_slice(octets);
        let mut rest: &[u8] = &stream;
        // A message is preceded by its length. What comes in bulk is our reply or strays: neither is kept for long.
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let Some((message, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))
            else {
                break;
            };
            self.message_arrived(check, attempt, message, self.stream_transport(), now);
            rest = tail;
            if self.outcome.is_some() {
                return;
            }
        }
        let used = stream.len() - rest.len();
        stream.drain(..used);
        self.streams.push((attempt, stream));
    }

    fn take_stream(&mut self, attempt: u8) -> Vec<u8> {
        match self.streams.iter().position(|(a, _)| *a == attempt) {
            Some(at) => self.streams.swap_remove(at).1,
            None => Vec::new(),
        }
    }

    fn failed(&mut self, attempt: u8, cause: Cause, seen: Option<&str>, now: Time) {
        match self.stage(attempt) {
            Stage::Idle => return,
            Stage::Udp if self.passed.is_some() => return,
            _ => {}
        }
        if cause.blame() == Blame::Local
            && let Some(seen) = seen
        {
            return self.fail(cause, seen.to_owned(), self.stream_transport(), now);
        }
        if cause.blame() == Blame::Local {
            self.trouble = Some(cause);
            self.set_stage(attempt, Stage::Idle);
            self.act(Action::Close { attempt });
            // Nothing is under way and nothing will be: no need to wait.
            if self.next_try.is_none() && self.stages.iter().all(|stage| *stage == Stage::Idle) {
                self.give_up(now);
            }
            return;
        }
        let (transport, tcp) = match self.stage(attempt) {
            Stage::Udp | Stage::Idle => (Transport::Udp, String::new()),
            Stage::TcpConnecting | Stage::Securing => (self.stream_transport(), String::new()),
            Stage::TcpAsked => (self.stream_transport(), format!(", {}", self.progress(attempt))),
        };
        let mut detail = match cause {
            _ if seen.is_some() => seen.unwrap_or_default().to_owned(),
            Cause::UdpRefused => "nothing listens on the UDP port (ICMP port unreachable)".to_owned(),
            Cause::TcpRefused => "nothing listens on the TCP port".to_owned(),
            Cause::TcpReset => format!("the TCP connection was reset{tcp}"),
            Cause::HostUnreachable => "the server can't be reached (ICMP or no ARP answer)".to_owned(),
            other => format!("{}{tcp}", other.meaning()),
        };
        if self.strays > 0 {
            detail.push_str(&self.ignored());
        }
        self.fail(cause, detail, transport, now);
    }

    /// Ends without an answer.
    fn give_up(&mut self, now: Time) {
        let span = self.deadline.since(self.started);
        let late = now.since(self.deadline);
        let transport = self.transport;
        let (cause, mut detail) = if let Some(trouble) = self.trouble {
            (trouble, local(trouble).to_owned())
        } else if late > LATE_MAX {
            (
                Cause::LateTimer,
                format!("no answer, but this process was stalled for {late:.0?} and may have missed it"),
            )
        } else if transport.is_secured() {
            told::late_secured(self.stage(0), transport, &self.progress(0), span)
        } else if transport == Transport::Tcp {
            let asked = (0..self.attempts).rev().find(|a| self.stage(*a) == Stage::TcpAsked);
            let detail = match asked {
                Some(attempt) => {
                    format!("connected over TCP, but {} within {span:?}", self.progress(attempt))
                }
                None => format!("no TCP connection within {span:?}"),
            };
            (Cause::TcpTimeout, detail)
        } else if self.strays > 0 && self.only_short {
            (Cause::DnsMalformed, format!("only datagrams too short for a DNS message within {span:?}"))
        } else {
            let queries =
                if self.attempts == 1 { "1 query".to_owned() } else { format!("{} queries", self.attempts) };
            (Cause::DnsTimeout, format!("no answer to {queries} within {span:?}"))
        };
        if self.strays > 0 {
            detail.push_str(&self.ignored());
        }
        self.fail(cause, detail, transport, now);
    }

    /// What a stream goes over.
    fn stream_transport(&self) -> Transport {
        if self.transport.is_secured() { self.transport } else { Transport::Tcp }
    }

    fn ignored(&self) -> String {
        let last = self.last_stray.map_or(String::new(), |stray| format!(" (the last one {stray})"));
        match self.strays {
            1 => format!("; 1 message that did not match was ignored{last}"),
            n => format!("; {n} messages that did not match were ignored{last}"),
        }
    }

    /// How much of a TCP answer is there.
    fn progress(&self, attempt: u8) -> String {
        match self.streams.iter().find(|(a, _)| *a == attempt).map_or(&[][..], |(_, stream)| stream) {
            [] => "no answer came".to_owned(),
            [_] => "only 1 octet of the answer came".to_owned(),
            [high, low, rest @ ..] => {
                let length = u16::from_be_bytes([*high, *low]);
                format!("only {} of {length} octets of the answer came", rest.len())
            }
        }
    }

    fn fail(&mut self, cause: Cause, detail: String, transport: Transport, now: Time) {
        self.finish(Judgement::failed(cause, detail), None, None, transport, now);
    }

    fn finish(
        &mut self,
        judgement: Judgement,
        latency: Option<Duration>,
        reply: Option<&[u8]>,
        transport: Transport,
        now: Time,
    ) {
        let judgement = match self.passed.take() {
            // What UDP lacked is not made good by TCP.
            Some(passed) if judgement.verdict == Verdict::Up => passed,
            Some(_) => Judgement {
                detail: format!("{} (over TCP; the same over UDP passed)", judgement.detail),
                ..judgement
            },
            None => judgement,
        };
        let Judgement { verdict, cause, detail } = judgement;
        self.actions = [None; 2];
        self.streams = Vec::new();
        self.outcome = Some(Outcome {
            verdict,
            cause,
            detail,
            elapsed: now.since(self.started),
            latency,
            connect: if transport == Transport::Udp { None } else { self.connect },
            tls: if transport.is_secured() { self.tls } else { None },
            attempts: self.attempts,
            strays: self.strays,
            transport,
            essentials: reply.and_then(|octets| Essentials::of(octets, transport)),
            reply: reply.filter(|_| self.keep_reply).map(Box::from),
        });
    }

    /// The id of an attempt: unpredictable as long as the key is.
    fn id(&self, attempt: u8) -> u16 {
        // RFC 9250 section 4.2.1 wants it to be 0, and so does RFC 8484 section 4.1 for the sake of caches.
        if matches!(self.transport, Transport::Https | Transport::Quic) {
            return 0;
        }
        (mix(self.key(attempt)) >> 48) as u16
    }

    /// What is random about an attempt.
    fn key(&self, attempt: u8) -> u64 {
        self.circumstances.key.wrapping_add(u64::from(attempt))
    }

    fn stage(&self, attempt: u8) -> Stage {
        self.stages.get(usize::from(attempt)).copied().unwrap_or_default()
    }

    fn set_stage(&mut self, attempt: u8, stage: Stage) {
        if let Some(slot) = self.stages.get_mut(usize::from(attempt)) {
            *slot = stage;
        }
    }

    fn mark_sent(&mut self, attempt: u8, now: Time) {
        if let Some(slot) = self.sent.get_mut(usize::from(attempt)) {
            // A probe lasts a minute at most.
            *slot = u32::try_from(now.since(self.started).as_micros()).unwrap_or(u32::MAX);
        }
    }

    fn since_sent(&self, attempt: u8, now: Time) -> Duration {
        let sent = self.sent.get(usize::from(attempt)).copied().unwrap_or(0);
        now.since(self.started).saturating_sub(Duration::from_micros(u64::from(sent)))
    }

    fn act(&mut self, action: Action) {
        if let Some(slot) = self.actions.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(action);
        }
    }
}

#[cfg(test)]
mod tests;
