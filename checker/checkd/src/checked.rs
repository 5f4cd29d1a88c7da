//! One check of a real server: where it stands, and what is said of it.
//!
//! Owns the way from what a probe found to a [`RealServerHealth`] and back, after a restart, where it goes on exactly as it
//! would have without one. It never runs a probe, never reads a clock and knows nothing of other checks of the same server: that is
//! [`crate::server`].

use std::sync::Arc;
use std::time::Duration;

use agent_api::config::{Check, CheckKind, ProbeMarks, Rhythm};
use agent_api::{Basis, CauseCode, RealServerHealth};
use checker_core::thresholds::{Change, FALLS_MAX, Memory};
use checker_core::verdict::Blame;
use checker_core::{Cause, Finding, LatencyLimits, Pace, Standing, Thresholds, Verdict};
use checker_probe::{Errand, Interface, Marks, Target, may_become};
use jiff::{SignedDuration, Timestamp};

use crate::history::{History, micros};
use crate::work::{Kind, Work};

/// How one check is made, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// What is done for one probe. Equal work of several servers is done once.
    pub(crate) work: Arc<Work>,
    pub(crate) pace: Pace,
    pub(crate) thresholds: Thresholds,
    /// What it counts as before the first result.
    pub(crate) initial: Verdict,
    /// Falling again this soon after a return counts as flapping; zero: never.
    pub(crate) damping: Duration,
    /// How long a pass may take, where the kind has no rule of its own.
    pub(crate) latency: LatencyLimits,
}

impl Plan {
    /// The plan for a check.
    pub(crate) fn new(check: &Check) -> Result<Self, String> {
        let Rhythm { interval, fast_interval, down_interval, rise, fall, initial, damping, latency } =
            check.rhythm;
        let ProbeMarks { interface, mark, dscp, port } = &check.marks;
        let interface = interface.as_deref().and_then(Interface::named);
        let marks = Marks { interface, mark: *mark, dscp: *dscp, port: *port };
        let target =
            Target::new(check.target, check.source).map_err(|error| error.to_string())?.with_marks(marks);
        let thresholds = Thresholds::new(rise.into(), fall.into()).map_err(|error| error.to_string())?;
        let pace = Pace {
            normal: interval,
            fast: fast_interval.unwrap_or(interval),
            down: down_interval.unwrap_or(interval),
        };
        let kind = match &check.kind {
            CheckKind::Dns(dns) => Kind::Dns(Arc::new(dns.as_ref().clone())),
            CheckKind::Talk(talk) if talk.tls.is_some() => Kind::Errand(Errand::Talk(Arc::new(talk.clone()))),
            CheckKind::Talk(talk) => Kind::Talk(Arc::new(talk.clone())),
            CheckKind::Http(http) => Kind::Errand(Errand::Http(Arc::new(http.as_ref().clone()))),
            CheckKind::Smtp(smtp) => Kind::Errand(Errand::Smtp(Arc::new(smtp.as_ref().clone()))),
            CheckKind::Ping(ping) => Kind::Errand(Errand::Ping(Arc::new(ping.clone()))),
            CheckKind::File(file) => Kind::Errand(Errand::File(Arc::new(file.clone()))),
            CheckKind::Exec(exec) => {
                if let Some(name) = exec.user.as_ref().or(exec.group.as_ref())
                    && !may_become()
                {
                    return Err(format!(
                        "check.exec is to be run as {name}, but this process may not become another: it needs CAP_SETUID and CAP_SETGID (see docs/checks.md), or remove user and group"
                    ));
                }
                Kind::Exec(Arc::new(exec.clone()))
            }
        };
        Ok(Self { work: Arc::new(Work { target, kind }), pace, thresholds, initial, damping, latency })
    }
}

/// Why a server is not up, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    cause: CauseCode,
    detail: String,
}

/// What a result came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    /// The change of the verdict, if there was one.
    pub(crate) change: Option<Change>,
    /// Whether there is anything to be told at once.
    pub(crate) news: bool,
}

/// One check of a real server.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) plan: Plan,
    standing: Standing,
    since: Timestamp,
    /// Falls that damping counts.
    falls: u32,
    /// Why the latest probe that told anything failed; `None` when it passed and nothing is left to explain.
    failure: Option<Box<Reason>>,
    /// Why the latest probe told nothing.
    trouble: Option<Box<Reason>>,
    latency: Option<Duration>,
    history: History,
    /// Results that are still needed to bear out the verdict that a former run left.
    unconfirmed: u32,
    /// When it last came back from being down.
    returned: Option<Timestamp>,
    /// The weight that the latest probe that passed asks for.
    weight: Option<u32>,
}

impl Checked {
    /// A server of which nothing is known.
    pub(crate) fn new(plan: Plan, now: Timestamp) -> Self {
        let standing = Standing::starting(plan.initial);
        let history = History::default();
        Self {
            plan,
            standing,
            since: now,
            falls: 0,
            failure: None,
            trouble: None,
            latency: None,
            history,
            unconfirmed: 0,
            returned: None,
            weight: None,
        }
    }

    /// A server as it was left.
    pub(crate) fn restored(plan: Plan, health: &RealServerHealth) -> Self {
        let &RealServerHealth { verdict, since, passing, in_a_row, .. } = health;
        let reason =
            health.cause.clone().map(|cause| Box::new(Reason { cause, detail: health.detail.clone() }));
        let local = health.cause.as_ref().is_some_and(is_local);
        let (mut falls, mut history) = (0, History::default());
        let standing = match health.basis.as_deref() {
            Some(basis) => {
                falls = basis.falls.min(FALLS_MAX);
                history = History::restored(&basis.runs);
                Standing::restored(Memory {
                    settled: basis.settled,
                    away: basis.away,
                    toward: basis.toward,
                    silent: basis.silent,
                    blind: verdict == Verdict::Unknown
                        && (basis.settled != Verdict::Unknown || basis.silent >= plan.thresholds.fall()),
                    passing,
                    in_a_row,
                    undecided: basis.undecided,
                })
            }
            // Unknown after results had been seen: either none has settled it yet, or probes could not be run for long.
            None if verdict == Verdict::Unknown && in_a_row > 0 && (local || passing) => {
                Standing::undecided(passing, in_a_row)
            }
            None => Standing::guessed(verdict, passing, in_a_row),
        };
        let not_probed = health.cause.as_ref().is_some_and(|cause| cause.as_str() == Cause::NotProbed.code());
        let reason = reason.filter(|_| !not_probed);
        let (failure, trouble) = if local { (None, reason) } else { (reason, None) };
        let latency = health.latency_us.map(Duration::from_micros);
        let mut server = Self {
            plan,
            standing,
            since,
            falls,
            failure,
            trouble,
            latency,
            history,
            unconfirmed: 0,
            returned: health.returned,
            weight: health.weight,
        };
        server.unconfirmed = server.proof();
        server.remember_trouble();
        server.remember_failure();
        server
    }

    /// How many results bear out what is settled: as many as would have made it so, for the good; one for the bad, for whoever
    /// fails a probe now is not kept in for long.
    fn proof(&self) -> u32 {
        match self.standing.memory().settled {
            Verdict::Up | Verdict::Degraded => self.thresholds().rise(),
            Verdict::Down => 1,
            Verdict::Unknown => 0,
        }
    }

    /// Counts a result for or against what a former run left. Returns whether that is borne out by it.
    fn confirm(&mut self, passed: bool, settled_before: Verdict) -> bool {
        if self.unconfirmed == 0 {
            return false;
        }
        let settled = self.standing.memory().settled;
        if settled != settled_before {
            self.unconfirmed = 0;
        } else if passed == settled.passes() {
            self.unconfirmed -= 1;
        } else {
            self.unconfirmed = self.proof();
        }
        self.unconfirmed == 0
    }

    /// As long as a server is not shown as unknown, its history alone has why the latest probe told nothing.
    fn remember_trouble(&mut self) {
        if let Some(run) = self.history.latest().filter(|run| run.verdict == Verdict::Unknown) {
            self.trouble = run.cause.map(|cause| Box::new(Reason { cause, detail: run.detail }));
        }
    }

    /// While no probe can be run only that is told; why the server failed before is in its history.
    fn remember_failure(&mut self) {
        let memory = self.standing.memory();
        if self.failure.is_some() || (memory.settled == Verdict::Up && memory.passing) {
            return;
        }
        let runs = self.history.runs();
        let failed =
            runs.into_iter().rev().find(|run| run.cause.is_some() && run.verdict != Verdict::Unknown);
        self.failure =
            failed.and_then(|run| Some(Box::new(Reason { cause: run.cause?, detail: run.detail })));
    }

    /// The same server under another plan: the verdict stays, its counters start afresh unless they mean the same.
    pub(crate) fn replanned(&self, plan: Plan) -> Self {
        let memory = self.standing.memory();
        let same = self.plan.work == plan.work
            && self.plan.thresholds == plan.thresholds
            && self.plan.latency == plan.latency;
        let standing = if same {
            self.standing
        } else {
            let Memory { settled, blind, undecided, .. } = memory;
            let in_a_row = if settled.passes() { plan.thresholds.rise() } else { plan.thresholds.fall() };
            let in_a_row = if settled == Verdict::Unknown { 0 } else { in_a_row };
            let silent = if blind { plan.thresholds.fall() } else { 0 };
            let passing = settled.passes();
            Standing::restored(Memory {
                settled,
                blind,
                silent,
                passing,
                in_a_row,
                undecided,
                ..Memory::default()
            })
        };
        Self {
            plan,
            standing,
            failure: self.failure.clone(),
            trouble: self.trouble.clone(),
            history: self.history.clone(),
            ..*self
        }
    }

    /// Takes what a probe found.
    pub(crate) fn observe(&mut self, finding: &Finding, now: Timestamp) -> Observed {
        let finding = &*self.plan.latency.judge(finding);
        let before = (self.standing, self.falls);
        let mut news = self.history.take(finding, now);
        let changed = |reason: &Option<Box<Reason>>| match (reason, finding.cause) {
            (None, None) => false,
            (Some(old), Some(cause)) => old.cause.as_str() != cause.code() || old.detail != finding.detail,
            _ => true,
        };
        let reason = |finding: &Finding| {
            finding
                .cause
                .map(|cause| Box::new(Reason { cause: cause.into(), detail: finding.detail.clone() }))
        };
        if finding.verdict == Verdict::Unknown {
            if changed(&self.trouble) {
                news = true;
                self.trouble = reason(finding);
            }
        } else {
            news |= self.trouble.take().is_some();
            self.latency = finding.latency;
            // A failure asks for nothing: until it is settled, what the last pass asked for holds.
            if finding.verdict.passes() && self.weight != finding.weight {
                news = true;
                self.weight = finding.weight;
            }
            // A server that is down stays explained while it passes its first probes again.
            if finding.cause.is_some() && changed(&self.failure) {
                news = true;
                self.failure = reason(finding);
            }
        }
        let settled = self.standing.memory().settled;
        let change = self.standing.observe(finding.verdict, self.thresholds());
        if let Some(change) = change {
            if change.from.passes() && change.to == Verdict::Down {
                self.count_fall(now);
            }
            self.since = now;
        }
        if finding.verdict != Verdict::Unknown {
            news |= self.confirm(finding.verdict.passes(), settled);
            if settled == Verdict::Down && self.standing.memory().settled.passes() {
                self.returned = Some(now);
            }
        }
        let memory = self.standing.memory();
        if memory.settled == Verdict::Up && memory.passing && !memory.blind {
            news |= self.failure.take().is_some();
        }
        news |= (self.standing, self.falls) != before;
        Observed { change, news }
    }

    /// A fall soon after the return is one more; one after a long time of service is the first.
    fn count_fall(&mut self, now: Timestamp) {
        let damping = SignedDuration::try_from(self.plan.damping).unwrap_or(SignedDuration::MAX);
        let soon = !damping.is_zero() && now.duration_since(self.since) < damping;
        self.falls = if soon { (self.falls + 1).min(FALLS_MAX) } else { 0 };
    }

    /// The thresholds that count now: more passes are needed while the server flaps.
    fn thresholds(&self) -> Thresholds {
        if self.plan.damping.is_zero() {
            self.plan.thresholds
        } else {
            self.plan.thresholds.damped(self.falls)
        }
    }

    /// How long it is to the next probe.
    pub(crate) fn interval(&self) -> Duration {
        self.plan.pace.next(&self.standing, self.plan.thresholds, self.history.failures())
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.standing.verdict()
    }

    /// The verdict that results have settled, whether or not it is shown.
    pub(crate) fn settled(&self) -> Verdict {
        self.standing.memory().settled
    }

    /// Whether the latest probe that told anything failed, or failed and was discarded since this director is blind: if that did not
    /// show, the blind would soon see fewer failures than it takes to be blind, and believe the next one.
    pub(crate) fn is_failing(&self) -> bool {
        let memory = self.standing.memory();
        let discarded = |why: &Reason| why.cause.as_str() == Cause::DirectorBlind.code();
        (!memory.passing && memory.in_a_row > 0) || self.trouble.as_deref().is_some_and(discarded)
    }

    /// What is said of it.
    pub(crate) fn health(&self) -> RealServerHealth {
        let verdict = self.standing.verdict();
        let Memory { settled, away, toward, silent, blind, passing, in_a_row, undecided } =
            self.standing.memory();
        let reason = match verdict {
            Verdict::Up => None,
            Verdict::Unknown if blind => self.trouble.as_ref(),
            Verdict::Unknown => self.failure.as_ref().or(self.trouble.as_ref()),
            Verdict::Degraded | Verdict::Down => self.failure.as_ref(),
        };
        let not_probed = !verdict.passes() && reason.is_none();
        let thresholds = self.thresholds();
        let basis = Basis {
            settled,
            away,
            // Of no meaning otherwise; so a steady server is always told alike.
            toward: if away > 0 { toward } else { settled },
            silent,
            undecided,
            falls: self.falls,
            check: self.plan.work.kind.to_string(),
            rise: thresholds.rise(),
            fall: thresholds.fall(),
            interval_ms: u64::try_from(self.interval().as_millis()).unwrap_or(u64::MAX),
            timeout_ms: u64::try_from(self.plan.work.kind.timeout().as_millis()).unwrap_or(u64::MAX),
            runs: self.history.runs(),
        };
        RealServerHealth {
            verdict,
            since: self.since,
            address: self.plan.work.target.server(),
            cause: reason.map(|r| r.cause.clone()).or(not_probed.then(|| Cause::NotProbed.into())),
            detail: reason.map_or_else(String::new, |r| r.detail.clone()),
            in_a_row,
            passing,
            latency_us: self.latency.map(micros),
            basis: Some(Box::new(basis)),
            returned: self.returned,
            weight: self.weight,
            unconfirmed: self.unconfirmed,
            checks: Vec::new(),
            require: 0,
        }
    }
}

fn is_local(code: &CauseCode) -> bool {
    code.as_str().parse::<Cause>().is_ok_and(|cause| cause.blame() == Blame::Local)
}

#[cfg(test)]
mod tests;
