//! Runs the probes of every kind.
//!
//! Owns the engines, of which each runs one kind: the one of DNS checks is the loop that the others wake. Where plain DNS checks are more
//! than that one thread can run besides its other work, lanes run them. It judges nothing and knows no servers.

use std::num::NonZero;
use std::time::Duration;

use checker_core::{Finding, Time};
use checker_probe::{ExecRunner, Lanes, ProbeError, Prober, Settings, TalkProber, Target, Waker};

use crate::work::{Kind, Work};

/// Programs at a time.
const PROGRAMS: usize = checker_probe::AT_A_TIME;
/// DNS probes per second up to which the loop runs them itself: half of what a core does, and a hand-over costs as much as it saves.
const OWN: f64 = 20_000.0;
/// Probes per second for which there is a lane each.
const LANE: f64 = 30_000.0;

/// A probe that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) token: u64,
    pub(crate) started: Time,
    pub(crate) finding: Finding,
}

/// The engines.
#[derive(Debug)]
pub(crate) struct Runner {
    settings: Settings,
    dns: Prober,
    lanes: Lanes,
    talk: TalkProber,
    exec: ExecRunner,
}

impl Runner {
    /// Engines with nothing to do.
    pub(crate) fn new(settings: Settings) -> Result<Self, ProbeError> {
        let dns = Prober::new(settings)?;
        let talk = TalkProber::new(settings.max_sockets / 2)?;
        dns.watch(&talk)?;
        let exec = ExecRunner::new(PROGRAMS, dns.waker());
        let lanes = Lanes::new(dns.waker());
        Ok(Self { settings, dns, lanes, talk, exec })
    }

    /// Makes room for this many DNS probes per second, on as many processors as there are. Returns how many threads run them.
    pub(crate) fn fit(&mut self, per_second: f64) -> Result<usize, ProbeError> {
        if per_second > OWN {
            let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
            let lanes = ((per_second / LANE).ceil() as usize).clamp(1, processors);
            let max_sockets = self.settings.max_sockets / lanes;
            self.lanes.grow(lanes, Settings { max_sockets, ..self.settings })?;
        }
        Ok(self.lanes.len().max(1))
    }

    /// A handle that ends [`Runner::poll`].
    pub(crate) fn waker(&self) -> Waker {
        self.dns.waker()
    }

    /// Begins a probe now, or as soon as there is room for it.
    pub(crate) fn start(&mut self, token: u64, work: &Work) {
        let Work { target, kind } = work;
        let target: Target = *target;
        match kind {
            Kind::Dns(check) if self.lanes.is_empty() || check.transport.is_secured() => {
                self.dns.start(token, check, target);
            }
            Kind::Dns(check) => self.lanes.start(token, check, target),
            Kind::Talk(check) => self.talk.start(token, check, target),
            Kind::Errand(errand) => self.dns.start_errand(token, errand.clone(), target),
            Kind::Exec(check) => self.exec.start(token, check),
        }
    }

    /// Runs the probes until one is over, the waker is used or it is `until`, whatever comes first. It may return earlier.
    pub(crate) fn poll(&mut self, until: Time) -> Result<(), ProbeError> {
        self.lanes.flush();
        let until = self.talk.deadline().map_or(until, |at| at.min(until));
        self.dns.poll(until)?;
        self.talk.run()
    }

    /// The next probe that is over.
    pub(crate) fn next_finished(&mut self) -> Option<Finished> {
        if let Some(over) = self.dns.next_finished().or_else(|| self.lanes.next_finished()) {
            let (token, started) = (over.token, over.started);
            return Some(Finished { token, started, finding: over.outcome.into() });
        }
        let over =
            self.dns.next_ended().or_else(|| self.talk.next_ended()).or_else(|| self.exec.next_ended())?;
        Some(Finished { token: over.token, started: over.started, finding: over.finding })
    }

    /// How many probes wait for their turn, programs aside.
    pub(crate) fn waiting(&self) -> usize {
        self.dns.stats().waiting + self.lanes.waiting()
    }

    /// The longest that a probe lay between threads, since this was last asked.
    pub(crate) fn take_late(&mut self) -> Duration {
        self.lanes.take_late()
    }

    /// Whether all threads that run DNS probes have turned within `patience`.
    pub(crate) fn is_turning(&mut self, now: Time, patience: Duration) -> Result<bool, ProbeError> {
        Ok(self.lanes.turned()?.is_none_or(|turned| now.since(turned) < patience))
    }

    /// How many programs run, and how many wait for their turn.
    pub(crate) fn programs(&self) -> (usize, usize) {
        self.exec.load()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use checker_core::Cause;
    use checker_core::dns::{Class, DnsCheck, Question, RecordType};
    use checker_probe::clock;

    use super::*;

    #[test]
    fn many_dns_probes_run_in_lanes_and_come_back_alike() {
        let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
        // A port that was free a moment ago.
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let kind = Kind::Dns(Arc::new(DnsCheck::new(question)));
        let work = Work { target: Target::new(closed, None).unwrap(), kind };
        let mut runner = Runner::new(Settings::default()).unwrap();
        assert_eq!(runner.fit(OWN).unwrap(), 1);
        assert!(runner.lanes.is_empty());
        for (round, per_second) in [(0, 0.0), (100, OWN + 1.0), (200, 0.0)] {
            runner.fit(per_second).unwrap();
            // What it took is kept: many may come again.
            assert_eq!(runner.lanes.is_empty(), round == 0);
            (0..100).for_each(|token| runner.start(round + token, &work));
            let begun = clock::now();
            let mut over = Vec::new();
            while over.len() < 100 {
                runner.poll(clock::now() + Duration::from_millis(100)).unwrap();
                over.extend(std::iter::from_fn(|| runner.next_finished()));
                assert!(clock::now().since(begun) < Duration::from_secs(30), "{} of 100", over.len());
            }
            over.sort_unstable_by_key(|finished| finished.token);
            assert!(over.iter().map(|finished| finished.token).eq(round..round + 100));
            assert!(
                over.iter().all(|finished| finished.finding.cause == Some(Cause::UdpRefused)),
                "{over:?}"
            );
            assert!(runner.is_turning(clock::now(), Duration::from_secs(60)).unwrap());
        }
        // Whoever has turned at all has not done so within no time.
        assert!(!runner.is_turning(clock::now(), Duration::ZERO).unwrap());
        assert!(runner.fit(1e9).unwrap() <= std::thread::available_parallelism().unwrap().get());
    }
}
