//! A check by echo requests (ICMP, RFC 792 and RFC 4443): how many are sent, how many must come back, and how soon.
//!
//! Owns the course of one probe: [`Ping`] takes what happened and the time, says when the next request is due and when it is
//! over. It never opens a socket and never reads a clock.

use std::fmt;
use std::time::Duration;

use crate::dns::Timeout;
use crate::finding::Finding;
use crate::late;
use crate::time::Time;
use crate::verdict::{Cause, Verdict};

/// The most requests of one probe.
pub const COUNT_MAX: u8 = 20;
/// Octets of the data in a request, at most: what fits into an Ethernet frame.
pub const SIZE_MAX: u16 = 1_452;
/// A check by echo requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingCheck {
    /// Requests of one probe, 1 to [`COUNT_MAX`], evenly spaced over the first half of its time.
    pub count: u8,
    /// Replies below which it fails, 1 to `count`.
    pub min_replies: u8,
    /// Replies below which it is degraded; not below `min_replies`, at most `count`.
    pub good_replies: u8,
    /// Mean time of the replies above which it is degraded.
    pub latency_warn: Option<Duration>,
    /// Mean time of the replies above which it fails.
    pub latency_max: Option<Duration>,
    /// Octets of data in each request, at most [`SIZE_MAX`].
    pub size: u16,
    /// The limit of the whole probe.
    pub timeout: Timeout,
}

impl PingCheck {
    /// From one request to the next.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        self.timeout.get() / 2 / u32::from(self.count.max(1))
    }
}

impl fmt::Display for PingCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "sends {} echo request{plural}, expects {} back", self.count, self.min_replies)?;
        match self.latency_max {
            Some(limit) => write!(f, " within {} on average", ms(limit)),
            None => Ok(()),
        }
    }
}

/// What happened to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Nothing but that time has passed.
    TimePassed,
    /// The reply to request number `.0`, counted from 0, has arrived.
    Replied(u8),
    /// The socket failed, could not be opened, or someone on the way has said why it can't be reached.
    Failed(Cause, &'a str),
}

/// One probe under way.
#[derive(Debug)]
pub struct Ping {
    started: Time,
    deadline: Time,
    /// When each request that is out was due, and the time its reply took.
    sent: Vec<(Time, Option<Duration>)>,
    /// A request is due and not yet taken by [`Ping::poll_action`].
    due: bool,
    finding: Option<Finding>,
}

impl Ping {
    /// Begins a probe at `now`. The first request is due at once.
    #[must_use]
    pub fn new(check: &PingCheck, now: Time) -> Self {
        let deadline = now + check.timeout.get();
        Self { started: now, deadline, sent: Vec::new(), due: true, finding: None }
    }

    /// When to call [`Ping::handle`] with [`Input::TimePassed`].
    #[must_use]
    pub fn deadline(&self, check: &PingCheck) -> Time {
        self.next(check).unwrap_or(self.deadline).min(self.deadline)
    }

    fn next(&self, check: &PingCheck) -> Option<Time> {
        let sent = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        (sent < u32::from(check.count)).then(|| self.started + check.spacing() * sent)
    }

    /// The number of the request to send now, if one is due.
    pub fn poll_action(&mut self, now: Time) -> Option<u8> {
        if !std::mem::take(&mut self.due) || self.finding.is_some() {
            return None;
        }
        self.sent.push((now, None));
        u8::try_from(self.sent.len() - 1).ok()
    }

    /// What was found, once it is over.
    #[must_use]
    pub fn into_finding(self) -> Option<Finding> {
        self.finding
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.finding.is_some()
    }

    /// Takes what happened. After the end nothing changes any more.
    pub fn handle(&mut self, check: &PingCheck, input: Input<'_>, now: Time) {
        if self.is_over() {
            return;
        }
        match input {
            Input::TimePassed if now >= self.deadline => self.finding = Some(self.end(check, now)),
            Input::TimePassed => self.due = self.next(check).is_some_and(|at| at <= now),
            // Nobody can say any more whether it came in time.
            Input::Replied(_) if now > self.deadline => {
                let detail = late::read_late(now.since(self.deadline));
                self.finding = Some(Finding::failed(Cause::LateTimer, detail));
            }
            Input::Replied(number) => {
                // A second reply to the same request counts for nothing.
                if let Some((sent, took @ None)) = self.sent.get_mut(usize::from(number)) {
                    *took = Some(now.since(*sent));
                }
                if self.replies() == usize::from(check.count) {
                    self.finding = Some(self.end(check, now));
                }
            }
            Input::Failed(cause, detail) => self.finding = Some(Finding::failed(cause, detail.to_owned())),
        }
    }

    fn replies(&self) -> usize {
        self.sent.iter().filter(|(_, took)| took.is_some()).count()
    }

    fn end(&self, check: &PingCheck, now: Time) -> Finding {
        let replies = self.replies();
        let out = self.sent.len();
        if replies < usize::from(check.count)
            && let Some(late) = late::noticed_late(now.since(self.deadline))
        {
            return late;
        }
        if replies == 0 {
            let limit = ms(check.timeout.get());
            let detail =
                format!("no reply to {out} echo request{} within {limit}", if out == 1 { "" } else { "s" });
            return Finding::failed(Cause::PingTimeout, detail);
        }
        let times = || self.sent.iter().filter_map(|(_, took)| *took);
        let count = u32::try_from(replies).unwrap_or(u32::MAX);
        let mean = times().sum::<Duration>() / count.max(1);
        let longest = times().max().unwrap_or_default();
        let reply = format!(
            "{replies} of {out} echo requests answered in {} on average, {} at most",
            us(mean),
            us(longest)
        );
        let found = |verdict: Verdict, cause: Cause, detail: String| Finding {
            verdict,
            latency: Some(mean),
            reply: reply.clone(),
            ..Finding::failed(cause, detail)
        };
        let lost = |wanted: u8| format!("{replies} of {out} echo requests were answered, expected {wanted}");
        let slow =
            |limit: Duration| format!("the replies took {} on average, expected {}", us(mean), us(limit));
        if replies < usize::from(check.min_replies) {
            return found(Verdict::Down, Cause::PingLoss, lost(check.min_replies));
        }
        if let Some(limit) = check.latency_max.filter(|limit| mean > *limit) {
            return found(Verdict::Down, Cause::PingSlow, slow(limit));
        }
        if replies < usize::from(check.good_replies) {
            return found(Verdict::Degraded, Cause::PingLoss, lost(check.good_replies));
        }
        match check.latency_warn.filter(|limit| mean > *limit) {
            Some(limit) => found(Verdict::Degraded, Cause::PingSlow, slow(limit)),
            None => Finding::passed(mean, reply),
        }
    }
}

fn ms(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

/// A time as ping tells it: `0.042 ms`.
fn us(span: Duration) -> String {
    let micros = span.as_micros();
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests {
    use super::Input::{Failed, Replied, TimePassed};
    use super::*;

    fn check(count: u8, min_replies: u8, good_replies: u8) -> PingCheck {
        PingCheck {
            count,
            min_replies,
            good_replies,
            latency_warn: Some(Duration::from_millis(20)),
            latency_max: Some(Duration::from_millis(200)),
            size: 56,
            timeout: Timeout::new(Duration::from_millis(600)).unwrap(),
        }
    }

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    /// Runs a probe whose requests go out when they are due, with these inputs.
    fn run(check: &PingCheck, inputs: &[(u64, Input<'_>)]) -> (Vec<u64>, Option<Finding>) {
        let mut ping = Ping::new(check, at(0));
        let mut out = Vec::new();
        let mut inputs = inputs.iter().peekable();
        for now in 0..2_000 {
            if ping.poll_action(at(now)).is_some() {
                out.push(now);
            }
            while let Some((_, input)) = inputs.next_if(|(ms, _)| *ms == now) {
                ping.handle(check, *input, at(now));
            }
            if at(now) >= ping.deadline(check) {
                ping.handle(check, TimePassed, at(now));
            }
        }
        (out, ping.into_finding())
    }

    fn told(finding: Option<Finding>) -> (Verdict, &'static str) {
        finding.map_or((Verdict::Unknown, "under way"), |f| (f.verdict, f.cause.map_or("up", Cause::code)))
    }

    #[test]
    fn requests_are_spread_and_replies_counted() {
        let three = check(3, 2, 3);
        let (out, finding) = run(&three, &[(5, Replied(0)), (107, Replied(1)), (209, Replied(2))]);
        assert!(
            out.len() == 3 && out[0] == 0 && out[1].abs_diff(100) < 3 && out[2].abs_diff(200) < 3,
            "{out:?}"
        );
        let finding = finding.unwrap();
        assert_eq!(told(Some(finding.clone())), (Verdict::Up, "up"));
        assert!(finding.reply.starts_with("3 of 3 echo requests answered in "), "{finding:?}");
        let (_, finding) = run(&three, &[(5, Replied(0)), (107, Replied(1))]);
        assert_eq!(told(finding), (Verdict::Degraded, "ping_loss"));
        let (_, finding) = run(&three, &[(5, Replied(0))]);
        assert_eq!(told(finding.clone()), (Verdict::Down, "ping_loss"));
        assert_eq!(finding.unwrap().detail, "1 of 3 echo requests were answered, expected 2");
        let (_, finding) = run(&three, &[]);
        assert_eq!(told(finding.clone()), (Verdict::Down, "ping_timeout"));
        assert_eq!(finding.unwrap().detail, "no reply to 3 echo requests within 600 ms");
    }

    #[test]
    fn only_replies_to_what_was_sent_count_and_each_once() {
        let three = check(3, 3, 3);
        let twice = [(5, Replied(0)), (6, Replied(0)), (7, Replied(0)), (8, Replied(2)), (9, Replied(200))];
        assert_eq!(told(run(&three, &twice).1), (Verdict::Down, "ping_loss"));
    }

    #[test]
    fn slow_replies_degrade_or_fail() {
        let one = check(1, 1, 1);
        assert_eq!(told(run(&one, &[(20, Replied(0))]).1), (Verdict::Up, "up"));
        assert_eq!(told(run(&one, &[(21, Replied(0))]).1), (Verdict::Degraded, "ping_slow"));
        let (_, finding) = run(&one, &[(201, Replied(0))]);
        assert_eq!(told(finding.clone()), (Verdict::Down, "ping_slow"));
        assert_eq!(finding.unwrap().detail, "the replies took 201.000 ms on average, expected 200.000 ms");
    }

    #[test]
    fn trouble_ends_it_and_a_stalled_process_blames_nobody() {
        let one = check(1, 1, 1);
        assert_eq!(
            told(run(&one, &[(3, Failed(Cause::HostUnreachable, "gone"))]).1),
            (Verdict::Down, "host_unreachable")
        );
        assert_eq!(
            told(run(&one, &[(3, Failed(Cause::PingForbidden, "no"))]).1),
            (Verdict::Unknown, "ping_forbidden")
        );
        let mut ping = Ping::new(&one, at(0));
        assert_eq!(ping.poll_action(at(0)), Some(0));
        ping.handle(&one, TimePassed, at(2_000));
        assert_eq!(told(ping.into_finding()), (Verdict::Unknown, "late_timer"));
    }
}
