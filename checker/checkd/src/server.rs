//! One real server: its checks, and what they come to together.
//!
//! Owns the verdict over several checks, the difference between those that count and those that only warn, and what is said of
//! the server. A server with one check is said to be what that check says. It never runs a probe and never reads a clock.

use agent_api::{CheckReport, RealServerHealth};
use checker_core::thresholds::Change;
use checker_core::{Cause, Finding, Verdict, combined};
use jiff::Timestamp;

use crate::checked::{Checked, Plan};

/// How a real server is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerPlan {
    /// At least one.
    pub(crate) checks: Vec<CheckPlan>,
    /// How many of those that are not advisory must pass.
    pub(crate) require: u32,
}

/// One of its checks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CheckPlan {
    pub(crate) name: Box<str>,
    pub(crate) advisory: bool,
    pub(crate) plan: Plan,
}

/// One real server.
#[derive(Debug)]
pub(crate) struct Server {
    checks: Vec<One>,
    require: u32,
    /// The verdict of all checks together, and since when.
    verdict: Verdict,
    since: Timestamp,
    returned: Option<Timestamp>,
}

#[derive(Debug)]
struct One {
    name: Box<str>,
    advisory: bool,
    checked: Checked,
}

/// What a result came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// The change of the server's verdict.
    pub(crate) change: Option<Change>,
    /// The change of an advisory check's verdict.
    pub(crate) advisory: Option<Change>,
    /// Whether there is anything to be told at once.
    pub(crate) news: bool,
}

impl Server {
    /// A server as it was `left`, or one of which nothing is known.
    pub(crate) fn new(plan: ServerPlan, left: Option<&RealServerHealth>, now: Timestamp) -> Self {
        let alone = plan.checks.len() == 1;
        let one = |CheckPlan { name, advisory, plan }: CheckPlan| {
            let target = plan.work.target.server();
            let own = left.and_then(|left| {
                let own = left.checks.iter().find(|check| *check.name == *name).map(|check| &check.health);
                // What had one check told of it without a name.
                own.or_else(|| (left.checks.is_empty() && (alone || !advisory)).then_some(left))
            });
            // Another address is another server.
            let checked = match own.filter(|own| own.address == target) {
                Some(own) => Checked::restored(plan, own),
                None => Checked::new(plan, now),
            };
            One { name, advisory, checked }
        };
        let checks: Vec<One> = plan.checks.into_iter().map(one).collect();
        let mut server =
            Self { checks, require: plan.require, verdict: Verdict::Unknown, since: now, returned: None };
        server.verdict = server.combined(Checked::verdict);
        if let Some(left) = left.filter(|left| left.verdict == server.verdict) {
            (server.since, server.returned) = (left.since, left.returned);
        }
        server
    }

    /// The same server under another plan. Checks whose meaning did not change keep their counters.
    pub(crate) fn replanned(self, plan: ServerPlan, now: Timestamp) -> Self {
        let Self { mut checks, verdict, since, returned, .. } = self;
        let names: Vec<Box<str>> = plan.checks.iter().map(|check| check.name.clone()).collect();
        let one = |CheckPlan { name, advisory, plan }: CheckPlan| {
            let named = checks.iter().position(|one| one.name == name);
            // One that has only another name now.
            let alike = || {
                checks.iter().position(|one| one.checked.plan.work == plan.work && !names.contains(&one.name))
            };
            let former = named.or_else(alike).map(|at| checks.swap_remove(at));
            let same = |one: &One| one.checked.plan.work.target.server() == plan.work.target.server();
            let checked = match former.filter(same) {
                Some(one) if one.checked.plan == plan => one.checked,
                Some(one) => one.checked.replanned(plan),
                None => Checked::new(plan, now),
            };
            One { name, advisory, checked }
        };
        let checks = plan.checks.into_iter().map(one).collect();
        let mut server = Self { checks, require: plan.require, verdict, since, returned };
        server.verdict = server.combined(Checked::verdict);
        if server.verdict != verdict {
            server.since = now;
        }
        server
    }

    /// Whether `plan` is the one it has.
    pub(crate) fn has(&self, plan: &ServerPlan) -> bool {
        let same = |(one, other): (&One, &CheckPlan)| {
            one.name == other.name && one.advisory == other.advisory && one.checked.plan == other.plan
        };
        self.require == plan.require
            && self.checks.len() == plan.checks.len()
            && self.checks.iter().zip(&plan.checks).all(same)
    }

    /// The plans of its checks, in order, with the name of each.
    pub(crate) fn plans_mut(&mut self) -> impl Iterator<Item = (&str, &mut Plan)> {
        self.checks.iter_mut().map(|one| (&*one.name, &mut one.checked.plan))
    }

    /// The check number `index`, with its name.
    pub(crate) fn check(&self, index: usize) -> Option<(&str, &Checked)> {
        self.checks.get(index).map(|one| (&*one.name, &one.checked))
    }

    fn combined(&self, verdict: impl Fn(&Checked) -> Verdict) -> Verdict {
        let counted = self.checks.iter().filter(|one| !one.advisory);
        combined(counted.map(|one| verdict(&one.checked)), self.require)
    }

    /// Takes what a probe of check number `index` found.
    pub(crate) fn observe(&mut self, index: usize, finding: &Finding, now: Timestamp) -> Seen {
        let settled = self.combined(Checked::settled);
        let Some(one) = self.checks.get_mut(index) else { return Seen::default() };
        let observed = one.checked.observe(finding, now);
        let mut seen = Seen { news: observed.news, ..Seen::default() };
        if one.advisory {
            seen.advisory = observed.change;
            return seen;
        }
        let (from, to) = (self.verdict, self.combined(Checked::verdict));
        if from != to {
            (self.verdict, self.since) = (to, now);
            seen.change = Some(Change { from, to });
            seen.news = true;
        }
        if settled == Verdict::Down && self.combined(Checked::settled).passes() {
            self.returned = Some(now);
            seen.news = true;
        }
        seen
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether it would be down if the latest probes were all there is.
    pub(crate) fn is_failing(&self) -> bool {
        self.combined(|check| if check.is_failing() { Verdict::Down } else { Verdict::Up }) == Verdict::Down
    }

    /// What is said of it.
    pub(crate) fn health(&self) -> RealServerHealth {
        let deciding = self.deciding();
        let mut health = deciding.map_or_else(
            || RealServerHealth::new(self.verdict, self.since, ([0, 0, 0, 0], 0).into()),
            |one| one.checked.health(),
        );
        if self.checks.len() == 1 {
            return health;
        }
        let counted = || self.checks.iter().filter(|one| !one.advisory);
        if self.verdict == Verdict::Up {
            health.cause = None;
            health.detail.clear();
        } else if let Some(one) = deciding {
            let alike = counted().filter(|other| other.checked.verdict() == one.checked.verdict()).count();
            let more = if alike > 1 { format!(" (and {} more)", alike - 1) } else { String::new() };
            health.detail = match health.detail.as_str() {
                "" => format!("check {}{more}", one.name),
                detail => format!("check {}: {detail}{more}", one.name),
            };
        }
        let reports: Vec<CheckReport> = self
            .checks
            .iter()
            .map(|one| CheckReport {
                name: one.name.to_string(),
                advisory: one.advisory,
                health: one.checked.health(),
            })
            .collect();
        let own = || reports.iter().filter(|report| !report.advisory).map(|report| &report.health);
        RealServerHealth {
            verdict: self.verdict,
            since: self.since,
            basis: None,
            returned: self.returned,
            // Whoever asks for the least is heeded.
            weight: own().filter_map(|health| health.weight).min(),
            unconfirmed: own().map(|health| health.unconfirmed).max().unwrap_or_default(),
            checks: reports,
            require: self.require,
            ..health
        }
    }

    /// The check on which the verdict hangs: the first of those that count whose verdict it is, else the first.
    fn deciding(&self) -> Option<&One> {
        let counted = || self.checks.iter().filter(|one| !one.advisory);
        counted().find(|one| one.checked.verdict() == self.verdict).or_else(|| counted().next())
    }
}

/// The finding in place of a failure of whoever depends on something that fails itself.
pub(crate) fn orphaned(parent: &str, finding: &Finding) -> Finding {
    let detail = format!("{parent}, which it depends on, fails; this probe: {}", finding.detail);
    Finding::failed(Cause::ParentDown, detail)
}

#[cfg(test)]
mod tests;
