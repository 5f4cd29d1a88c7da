//! Running a job: all servers and questions at once, round by round.
//!
//! Owns the order of things: everything at once, the primaries with it where serials are compared, then again those that are
//! behind while their grace lasts. So a round takes the timeout and the grace at most. It judges nothing but serials, and prints
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{DnsCheck, Judgement, Outcome, Timeout, judge_serial, serial_lag, serial_of};
use checker_core::{Cause, Time, Verdict};
use checker_probe::{DescriptorLimit, ProbeError, Prober, Settings, Target, clock};

use crate::job::{Job, Lag};

/// Sockets that any process may have open, with some to spare for what else is open.
const SOCKETS_ALWAYS: usize = 900;

/// What one round found out.
#[derive(Debug)]
pub(crate) struct Round {
    /// In the order of the job's servers.
    pub(crate) servers: Vec<Seen>,
    /// What they make together.
    pub(crate) verdict: Verdict,
}

/// What one server did.
#[derive(Debug)]
pub(crate) struct Seen {
    /// In the order of the job's questions.
    pub(crate) outcomes: Vec<Outcome>,
    /// What they make together.
    pub(crate) verdict: Verdict,
}

/// Runs the rounds of a job.
pub(crate) struct Runner<'j> {
    job: &'j Job,
    prober: Prober,
    /// When the next round is due.
    due: Time,
}

impl<'j> Runner<'j> {
    pub(crate) fn new(job: &'j Job) -> Result<Self, ProbeError> {
        let settings = Settings { keep_replies: true, ..Settings::default() };
        let prober = Prober::new(Settings { max_sockets: sockets(job)?, ..settings })?;
        Ok(Self { job, prober, due: clock::now() })
    }

    /// Waits until the next round is due and runs it.
    pub(crate) fn round(&mut self) -> Result<Round, ProbeError> {
        while clock::now() < self.due {
            self.prober.poll(self.due)?;
        }
        self.due = clock::now() + self.job.interval;
        let checks: Vec<Arc<DnsCheck>> =
            self.job.questions.iter().map(|asked| Arc::clone(&asked.check)).collect();
        let mut all: Vec<(&Arc<DnsCheck>, Target)> = self
            .job
            .servers
            .iter()
            .flat_map(|server| checks.iter().map(|check| (check, server.target)))
            .collect();
        let lag = self.job.lag.as_ref();
        let servers = all.len();
        all.extend(
            lag.iter().flat_map(|lag| lag.primaries.iter().map(|primary| (&lag.check, primary.target))),
        );
        let mut outcomes = self.probe(&all)?;
        all.truncate(servers);
        let of_primaries = outcomes.split_off(servers);
        let told = lag.map(|lag| newest(lag, &of_primaries));
        if let (Some(Ok(newest)), Some(lag)) = (&told, lag) {
            let least = newest.wrapping_sub(lag.max);
            for outcome in outcomes.iter_mut().step_by(checks.len()) {
                by_serial(outcome, least);
            }
            self.wait(lag, least, &all, &mut outcomes)?;
        }
        let mut outcomes = outcomes.into_iter();
        let mut servers: Vec<Seen> = (0..self.job.servers.len())
            .map(|_| {
                let outcomes: Vec<Outcome> = outcomes.by_ref().take(checks.len()).collect();
                Seen { verdict: Verdict::Unknown, outcomes }
            })
            .collect();
        for seen in &mut servers {
            if let (Some(Err(detail)), Some(first)) = (&told, seen.outcomes.first_mut())
                && first.verdict.passes()
            {
                first.verdict = Verdict::Unknown;
                first.cause = Some(Cause::PrimarySilent);
                first.detail.clone_from(detail);
            }
            let verdicts = |advisory: bool| {
                let asked = self.job.questions.iter().zip(&seen.outcomes);
                asked.filter(move |(asked, _)| asked.advisory == advisory).map(|(_, outcome)| outcome.verdict)
            };
            seen.verdict = self.job.need.combine(verdicts(false), verdicts(true));
        }
        let verdict = self.job.need_servers.combine(servers.iter().map(|seen| seen.verdict), []);
        Ok(Round { servers, verdict })
    }

    /// Asks those that are behind again until they are not, or their grace is over.
    fn wait(
        &mut self,
        lag: &Lag,
        least: u32,
        all: &[(&Arc<DnsCheck>, Target)],
        outcomes: &mut [Outcome],
    ) -> Result<(), ProbeError> {
        let end = clock::now() + lag.grace;
        let pause = (lag.grace / 20).clamp(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let behind: Vec<usize> = outcomes
                .iter()
                .enumerate()
                .filter(|(_, outcome)| outcome.cause == Some(Cause::DnsStaleSerial))
                .map(|(n, _)| n)
                .collect();
            let next = clock::now() + pause;
            let Ok(left) = Timeout::new(end.since(next).min(Timeout::MAX)) else { return Ok(()) };
            if behind.is_empty() {
                return Ok(());
            }
            while clock::now() < next {
                self.prober.poll(next)?;
            }
            // No longer than the grace lasts.
            let again: Vec<(Arc<DnsCheck>, Target)> = behind
                .iter()
                .filter_map(|n| all.get(*n))
                .map(|(check, target)| match left < check.timeout {
                    true => (Arc::new(DnsCheck { timeout: left, ..DnsCheck::clone(check) }), *target),
                    false => (Arc::clone(check), *target),
                })
                .collect();
            let asked: Vec<_> = again.iter().map(|(check, target)| (check, *target)).collect();
            let whole = again.first().is_none_or(|(check, _)| left > check.timeout);
            for (n, mut outcome) in behind.into_iter().zip(self.probe(&asked)?) {
                by_serial(&mut outcome, least);
                // That no answer came within less than the timeout says nothing new.
                if let Some(place) = outcomes.get_mut(n)
                    && (whole || outcome.reply.is_some())
                {
                    *place = outcome;
                }
            }
        }
    }

    /// Runs probes at once; their outcomes come in the same order.
    fn probe(&mut self, all: &[(&Arc<DnsCheck>, Target)]) -> Result<Vec<Outcome>, ProbeError> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        for (n, (check, target)) in all.iter().enumerate() {
            outcomes.push(None);
            self.prober.start(n as u64, check, *target);
        }
        let mut left = all.len();
        while left > 0 {
            match self.prober.next_finished() {
                Some(finished) => {
                    let place = usize::try_from(finished.token).ok().and_then(|n| outcomes.get_mut(n));
                    if let Some(place) = place {
                        *place = Some(finished.outcome);
                        left -= 1;
                    }
                }
                None => self.prober.poll(clock::now() + Duration::from_secs(60))?,
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }
}

/// Sockets that may be open at one time: as many as the job needs, if the system allows them. Those that exceed it wait for others,
/// and their time begins later.
fn sockets(job: &Job) -> Result<usize, ProbeError> {
    let tries = |check: &DnsCheck| usize::from(check.tries.get());
    let of_server: usize = job.questions.iter().map(|asked| tries(&asked.check)).sum();
    let of_primaries = job.lag.as_ref().map_or(0, |lag| lag.primaries.len() * tries(&lag.check));
    let needed = job.servers.len() * of_server + of_primaries;
    if needed <= SOCKETS_ALWAYS {
        return Ok(SOCKETS_ALWAYS);
    }
    Ok(needed.min(DescriptorLimit::raise()?.for_sockets()))
}

/// The newest serial of the primaries, or why there is none.
fn newest(lag: &Lag, outcomes: &[Outcome]) -> Result<u32, String> {
    let mut newest: Option<u32> = None;
    let mut why = String::new();
    for (primary, outcome) in lag.primaries.iter().zip(outcomes) {
        let serial = outcome.reply.as_deref().filter(|_| outcome.verdict.passes()).and_then(serial_of);
        match (serial, newest) {
            (Some(serial), Some(best)) if serial_lag(serial, best) > 0 => {}
            (Some(serial), _) => newest = Some(serial),
            (None, _) if why.is_empty() => {
                let detail =
                    if outcome.detail.is_empty() { "answered without an SOA" } else { &outcome.detail };
                why = format!("primary {}: {detail}", primary.shown);
            }
            (None, _) => {}
        }
    }
    newest.ok_or(why)
}

/// Judges what passed by its serial, too.
fn by_serial(outcome: &mut Outcome, least: u32) {
    let told = outcome.reply.as_deref().filter(|_| outcome.verdict.passes());
    if let Some(Judgement { verdict, cause, detail }) = told.and_then(|reply| judge_serial(reply, least)) {
        (outcome.verdict, outcome.cause, outcome.detail) = (verdict, cause, detail);
    }
}
