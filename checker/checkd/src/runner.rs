//! Runs the probes of every kind.
//!
//! Owns the engines, of which each runs one kind: the one of DNS checks is the loop that the others wake. It judges nothing and
//! knows no servers.

use checker_core::{Finding, Time};
use checker_probe::{ExecRunner, ProbeError, Prober, Settings, TalkProber, Target, Waker};

use crate::work::{Kind, Work};

/// Programs at a time.
const PROGRAMS: usize = checker_probe::AT_A_TIME;

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
    dns: Prober,
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
        Ok(Self { dns, talk, exec })
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
            Kind::Dns(check) => self.dns.start(token, check, target),
            Kind::Talk(check) => self.talk.start(token, check, target),
            Kind::Errand(errand) => self.dns.start_errand(token, errand.clone(), target),
            Kind::Exec(check) => self.exec.start(token, check),
        }
    }

    /// Runs the probes until one is over, the waker is used or it is `until`, whatever comes first. It may return earlier.
    pub(crate) fn poll(&mut self, until: Time) -> Result<(), ProbeError> {
        let until = self.talk.deadline().map_or(until, |at| at.min(until));
        self.dns.poll(until)?;
        self.talk.run()
    }

    /// The next probe that is over.
    pub(crate) fn next_finished(&mut self) -> Option<Finished> {
        if let Some(over) = self.dns.next_finished() {
            let (token, started) = (over.token, over.started);
            return Some(Finished { token, started, finding: over.outcome.into() });
        }
        let over =
            self.dns.next_ended().or_else(|| self.talk.next_ended()).or_else(|| self.exec.next_ended())?;
        Some(Finished { token: over.token, started: over.started, finding: over.finding })
    }

    /// How many probes wait for their turn, programs aside.
    pub(crate) fn waiting(&self) -> usize {
        self.dns.stats().waiting
    }

    /// How many programs run, and how many wait for their turn.
    pub(crate) fn programs(&self) -> (usize, usize) {
        self.exec.load()
    }
}
