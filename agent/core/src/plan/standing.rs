//! Who can be ejected without asking about anybody else.
//!
//! Owns the shortcut from a new verdict to the ejection that [`plan`](super::plan) and [`diff`](crate::diff::diff) would come
//! to: in a pool of ten thousand it looks at the one server that fell. It only says what it is certain of; whatever might
//! depend on the other servers (fail open, quorum, sorry server, rates) is left to the plan.

use std::collections::BTreeSet;

use agent_api::{RealServerId, Verdict};
use agent_ipvs::{Edit, Weight};

use super::{Facts, Plan, is_heard, is_proven};
use crate::blueprint::Pool;

/// How many members serve in each pool, as the last plan has it, less those that were ejected since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    serving: Vec<usize>,
}

/// Ejections that hold whatever the other servers do, and how many members each pool loses by them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ejections {
    /// The edits.
    pub edits: Vec<Edit>,
    /// What each pool loses, where that is known.
    lost: Option<Vec<(usize, usize)>>,
}

impl Ejections {
    /// Those that a plan came to.
    #[must_use]
    pub const fn of_a_plan(edits: Vec<Edit>) -> Self {
        Self { edits, lost: None }
    }
}

impl Standing {
    /// After `plan` was carried out as a whole.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self { serving: plan.serving.clone() }
    }

    /// What is left when these are made; none where that is not known.
    #[must_use]
    pub fn without(mut self, ejections: &Ejections) -> Option<Self> {
        for (pool, lost) in ejections.lost.as_ref()? {
            let serving = self.serving.get_mut(*pool)?;
            *serving = serving.checked_sub(*lost)?;
        }
        Some(self)
    }

    /// The ejections that new verdicts on `changed` ask for, if nothing else has changed since the plan that this is of and the kernel's
    /// table is as that left it. None where that can't be said without looking at everybody.
    #[must_use]
    pub fn ejections(&self, facts: &Facts<'_>, changed: &BTreeSet<RealServerId>) -> Option<Ejections> {
        let (mut edits, mut losses) = (Vec::new(), Vec::new());
        let done = |edits, lost| Some(Ejections { edits, lost: Some(lost) });
        let Some(checks) = facts.checks.filter(|_| is_heard(facts)) else { return done(edits, losses) };
        let mut fallen: Vec<&RealServerId> = Vec::new();
        for id in changed {
            let Some(health) = checks.items.get(id) else { continue };
            // What its checks silence stays in the table, or goes as the plan says.
            if health.verdict == Verdict::Down {
                if is_proven(facts, health) {
                    fallen.push(id);
                }
            } else if health.weight == Some(0) {
                return None;
            }
        }
        if fallen.is_empty() {
            return done(edits, losses);
        }
        for (number, pool) in facts.blueprint.pools.iter().enumerate() {
            let mine = fallen.iter().filter(|id| id.virtual_server == pool.name);
            let mut lost = 0;
            for id in mine {
                lost += usize::from(eject(facts, pool, id, &mut edits));
            }
            if lost == 0 {
                continue;
            }
            // Somebody must be left, and nobody may be kept in spite of being down.
            let left = self.serving.get(number)?.checked_sub(lost)?;
            if left < pool.min_serving.max(1) || pool.ejection_rate.is_some() {
                return None;
            }
            losses.push((number, lost));
        }
        done(edits, losses)
    }
}

/// Ejects one member from all services of its pool; says whether it was in any.
fn eject(facts: &Facts<'_>, pool: &Pool, id: &RealServerId, edits: &mut Vec<Edit>) -> bool {
    let found = pool.by_name.binary_search_by(|index| match pool.members.get(*index) {
        Some(member) => member.id.cmp(id),
        None => std::cmp::Ordering::Less,
    });
    let index = found.ok().and_then(|at| pool.by_name.get(at));
    let Some(member) = index.and_then(|index| pool.members.get(*index)) else { return false };
    let before = edits.len();
    for (service, configured) in pool.services.iter().zip(&member.destinations) {
        if super::destination(facts.actual, service.key(), &configured.key)
            .is_some_and(|there| there.weight > Weight::ZERO)
        {
            edits.push(Edit::RemoveDestination { service: *service.key(), destination: configured.key });
        }
    }
    edits.len() > before
}
