//! Running a job: all servers and questions at once, round by round.
//!
//! Owns the order of things: primaries first where serials are compared, then everything at once, then again those that are
//! behind while their grace lasts. It never judges a reply and prints nothing.

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{DnsCheck, Outcome, serial_lag, serial_of};
use checker_core::{Cause, Time, Verdict};
use checker_probe::{ProbeError, Prober, Settings, Target, clock};

use crate::job::{Job, Lag};

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
        let prober = Prober::new(Settings { keep_replies: true, ..Settings::default() })?;
        Ok(Self { job, prober, due: clock::now() })
    }

    /// Waits until the next round is due and runs it.
    pub(crate) fn round(&mut self) -> Result<Round, ProbeError> {
        while clock::now() < self.due {
            self.prober.poll(self.due)?;
        }
        self.due = clock::now() + self.job.interval;
        let mut checks: Vec<Arc<DnsCheck>> =
            self.job.questions.iter().map(|asked| Arc::clone(&asked.check)).collect();
        let told = match &self.job.lag {
            None => None,
            Some(lag) => Some(self.newest(lag)?),
        };
        if let (Some(Ok(newest)), Some(lag), Some(first)) = (&told, &self.job.lag, checks.first_mut()) {
            Arc::make_mut(first).expect.serial = Some(newest.wrapping_sub(lag.max));
        }
        let all: Vec<(&Arc<DnsCheck>, Target)> = self
            .job
            .servers
            .iter()
            .flat_map(|server| checks.iter().map(|check| (check, server.target)))
            .collect();
        let mut outcomes = self.probe(&all)?;
        if let (Some(Ok(_)), Some(lag)) = (&told, &self.job.lag) {
            self.wait(lag, &all, &mut outcomes)?;
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

    /// The newest serial of the primaries, or why there is none.
    fn newest(&mut self, lag: &Lag) -> Result<Result<u32, String>, ProbeError> {
        let all: Vec<_> = lag.primaries.iter().map(|primary| (&lag.check, primary.target)).collect();
        let outcomes = self.probe(&all)?;
        let mut newest: Option<u32> = None;
        let mut why = String::new();
        for (primary, outcome) in lag.primaries.iter().zip(&outcomes) {
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
        Ok(newest.ok_or(why))
    }

    /// Asks those that are behind again until they are not, or their grace is over.
    fn wait(
        &mut self,
        lag: &Lag,
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
            if behind.is_empty() || next > end {
                return Ok(());
            }
            while clock::now() < next {
                self.prober.poll(next)?;
            }
            let again: Vec<_> = behind.iter().filter_map(|n| all.get(*n).copied()).collect();
            for (n, outcome) in behind.into_iter().zip(self.probe(&again)?) {
                if let Some(place) = outcomes.get_mut(n) {
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
