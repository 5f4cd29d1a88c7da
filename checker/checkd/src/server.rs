//! One real server: its check, where it stands, and what is said of it.
//!
//! Owns the way from the outcome of a probe to a [`RealServerHealth`] and back, after a restart. It never runs a probe and
//! never reads a clock.

use std::sync::Arc;
use std::time::Duration;

use agent_api::config::{Check, Rhythm};
use agent_api::{CauseCode, RealServerHealth};
use checker_core::dns::{DnsCheck, Outcome};
use checker_core::thresholds::{Change, Memory};
use checker_core::verdict::Blame;
use checker_core::{Cause, Standing, Thresholds, Verdict};
use checker_probe::Target;
use jiff::Timestamp;

/// How a real server is checked, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) dns: Arc<DnsCheck>,
    pub(crate) interval: Duration,
    pub(crate) thresholds: Thresholds,
}

impl Plan {
    /// The plan for a check; `dns` may be shared with others that ask the same.
    pub(crate) fn new(check: &Check, dns: Arc<DnsCheck>) -> Result<Self, String> {
        let Rhythm { interval, rise, fall } = check.rhythm;
        let target = Target::new(check.target, check.source).map_err(|error| error.to_string())?;
        let thresholds = Thresholds::new(rise.into(), fall.into()).map_err(|error| error.to_string())?;
        Ok(Self { target, dns, interval, thresholds })
    }
}

/// Why a server is not up, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    cause: CauseCode,
    detail: String,
}

/// One real server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) plan: Plan,
    standing: Standing,
    since: Timestamp,
    /// Why the latest probe that told anything failed; `None` when it passed and nothing is left to explain.
    failure: Option<Reason>,
    /// Why the latest probe told nothing.
    trouble: Option<Reason>,
    latency: Option<Duration>,
}

impl Server {
    /// A server of which nothing is known.
    pub(crate) fn new(plan: Plan, now: Timestamp) -> Self {
        Self { plan, standing: Standing::new(), since: now, failure: None, trouble: None, latency: None }
    }

    /// A server as it was left.
    pub(crate) fn restored(plan: Plan, health: &RealServerHealth) -> Self {
        let &RealServerHealth { verdict, since, passing, in_a_row, .. } = health;
        let reason = health.cause.clone().map(|cause| Reason { cause, detail: health.detail.clone() });
        let local = health.cause.as_ref().is_some_and(is_local);
        // Unknown after results had been seen: either none has settled it yet, or probes could not be run for long.
        let standing = match verdict {
            Verdict::Unknown if in_a_row > 0 && (local || passing) => Standing::undecided(passing, in_a_row),
            settled => Standing::restored(Memory { settled, blind: false, passing, in_a_row }),
        };
        let (failure, trouble) = if local { (None, reason) } else { (reason, None) };
        let latency = health.latency_us.map(Duration::from_micros);
        Self { plan, standing, since, failure, trouble, latency }
    }

    /// The same server under another plan: the verdict stays, its counters start afresh.
    pub(crate) fn replanned(&self, plan: Plan) -> Self {
        let Memory { settled, blind, .. } = self.standing.memory();
        let in_a_row = if settled.passes() { plan.thresholds.rise() } else { plan.thresholds.fall() };
        let in_a_row = if settled == Verdict::Unknown { 0 } else { in_a_row };
        let standing = Standing::restored(Memory { settled, blind, passing: settled.passes(), in_a_row });
        Self { plan, standing, failure: self.failure.clone(), trouble: self.trouble.clone(), ..*self }
    }

    /// Takes the outcome of a probe; returns the change of verdict that it made.
    pub(crate) fn observe(&mut self, outcome: Outcome, now: Timestamp) -> Option<Change> {
        let Outcome { verdict, cause, detail, latency, .. } = outcome;
        let reason = cause.map(|cause| Reason { cause: cause.into(), detail });
        if verdict == Verdict::Unknown {
            self.trouble = reason;
        } else {
            self.trouble = None;
            self.latency = latency;
            // A server that is down stays explained while it passes its first probes again.
            if reason.is_some() {
                self.failure = reason;
            }
        }
        let change = self.standing.observe(verdict, self.plan.thresholds);
        if change.is_some() {
            self.since = now;
        }
        if self.standing.verdict() == Verdict::Up && self.standing.memory().passing {
            self.failure = None;
        }
        change
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.standing.verdict()
    }

    /// What is said of it.
    pub(crate) fn health(&self) -> RealServerHealth {
        let verdict = self.standing.verdict();
        let Memory { blind, passing, in_a_row, .. } = self.standing.memory();
        let reason = match verdict {
            Verdict::Up => None,
            Verdict::Unknown if blind => self.trouble.as_ref(),
            Verdict::Unknown => self.failure.as_ref().or(self.trouble.as_ref()),
            Verdict::Degraded | Verdict::Down => self.failure.as_ref(),
        };
        let not_probed = verdict == Verdict::Unknown && reason.is_none();
        RealServerHealth {
            verdict,
            since: self.since,
            address: self.plan.target.server(),
            cause: reason.map(|r| r.cause.clone()).or(not_probed.then(|| Cause::NotProbed.into())),
            detail: reason.map_or_else(String::new, |r| r.detail.clone()),
            in_a_row,
            passing,
            latency_us: self.latency.map(|latency| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

fn is_local(code: &CauseCode) -> bool {
    code.as_str().parse::<Cause>().is_ok_and(|cause| cause.blame() == Blame::Local)
}

#[cfg(test)]
mod tests;
