//! One pass: read the kernel's table, compare it with what the facts ask for, edit the difference.
//!
//! Owns what must be remembered between passes: the table as the last pass left it (to tell drift from our own
//! changes), which services are ours, and what was already told. It reads no clock and opens no socket: the kernel is
//! behind [`Kernel`], the time an argument.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use agent_api::config::Adopt;
use agent_api::{CheckSection, EventKind, Name, NewEvent, Orders};
use agent_core::blueprint::Blueprint;
use agent_core::diff::{Difference, diff, drift};
use agent_core::plan::{Ejections, Facts, Plan, Standing, plan};
use agent_ipvs::{Edit, ServiceKey, Snapshot, Table};
use jiff::{SignedDuration, Timestamp};
use swift::parts;

use crate::kernel::{Kernel, KernelError, Refusal};
use crate::stubborn::{Stubborn, found};

mod swift;
#[cfg(test)]
mod tests;

/// The same trouble is told as an event again only after this time.
const TELL_AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// How many edits one event's text lists.
const LISTED: usize = 5;
/// Edits that nothing waits for, made in every pass whatever else comes.
const BULK: usize = 1_000;

/// What was last heard from the agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard<'a> {
    /// `checkd`'s section.
    pub checks: Option<&'a CheckSection>,
    /// The operators' orders.
    pub orders: Option<&'a Orders>,
    /// Whether the kernel lets the flows of a removed destination go on elsewhere.
    pub flows_move: bool,
}

/// What was told of virtual servers, so that it is told once.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Those that fail open.
    pub fail_open: BTreeSet<Name>,
    /// Those that have lost their quorum.
    pub quorum_lost: BTreeSet<Name>,
    /// Those for which the sorry server answers.
    pub sorry: BTreeSet<Name>,
}

/// What a pass did.
#[derive(Debug)]
pub struct Pass {
    /// The last reading with its figures. What the pass did after it is not in there: see [`Reconciler::settled`].
    pub figures: Snapshot,
    /// The plan it followed.
    pub plan: Plan,
    /// The edits that the kernel took.
    pub edits: Vec<Edit>,
    /// What is worth telling.
    pub events: Vec<NewEvent>,
    /// What is worth a line in the log.
    pub warnings: Vec<String>,
    /// Whether edits are left, because something urgent came: the next pass is due at once.
    pub unfinished: bool,
}

/// The memory between passes.
#[derive(Debug)]
pub struct Reconciler {
    blueprint: Blueprint,
    ours: BTreeSet<ServiceKey>,
    settled: Table,
    /// Who serves in `settled`, where that is what the last plan wanted.
    standing: Option<Standing>,
    fail_open: BTreeSet<Name>,
    quorum_lost: BTreeSet<Name>,
    sorry: BTreeSet<Name>,
    told: BTreeMap<String, Timestamp>,
    stubborn: Stubborn,
    /// Services of others where all are claimed, and since when they are known.
    strangers: BTreeMap<ServiceKey, Timestamp>,
    /// Those that were known for long enough.
    warned: BTreeSet<ServiceKey>,
    /// Edits that the kernel took since the start.
    pub edits: u64,
    /// Those of them that undid somebody else's change.
    pub drift_mended: u64,
}

impl Reconciler {
    /// A reconciler for `blueprint`. `ours` are the services that a former run is known to have made, `told` what it had told of
    /// virtual servers.
    #[must_use]
    pub fn new(blueprint: Blueprint, ours: BTreeSet<ServiceKey>, told: Told) -> Self {
        let Told { fail_open, quorum_lost, sorry } = told;
        let (settled, told) = (Table::new(), BTreeMap::new());
        let (strangers, warned) = (BTreeMap::new(), BTreeSet::new());
        let stubborn = Stubborn::default();
        Self {
            blueprint,
            ours,
            settled,
            standing: None,
            fail_open,
            quorum_lost,
            sorry,
            told,
            stubborn,
            strangers,
            warned,
            edits: 0,
            drift_mended: 0,
        }
    }

    /// Goes on with another configuration. What the former one had and this one has not is removed by the next pass.
    pub fn reconfigure(&mut self, blueprint: Blueprint) {
        self.blueprint = blueprint;
        self.standing = None;
        self.stubborn.forget();
    }

    /// The configuration in force.
    #[must_use]
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// Our part of the kernel's table as the last pass left it.
    #[must_use]
    pub fn settled(&self) -> &Table {
        &self.settled
    }

    /// What a pass would do to `actual`.
    #[must_use]
    pub fn plan(&self, heard: Heard<'_>, actual: &Table, now: Timestamp) -> (Plan, Difference) {
        let plan = plan(&self.facts(heard, actual, now));
        let mut difference = diff(&plan.wanted, actual, &plan.surplus);
        self.stubborn.leave_out(&mut difference, actual);
        (plan, difference)
    }

    fn facts<'a>(&'a self, heard: Heard<'a>, actual: &'a Table, now: Timestamp) -> Facts<'a> {
        let Heard { checks, orders, flows_move } = heard;
        let (blueprint, ours, warned) = (&self.blueprint, &self.ours, &self.warned);
        let quorum_lost = &self.quorum_lost;
        Facts { blueprint, checks, orders, actual, ours, warned, quorum_lost, flows_move, now }
    }

    /// Carries out what [`Self::plan`] made of `actual`, which is the table of `before`. Between parts of many edits
    /// `news` is asked whether something has come, and what must be ejected for it.
    ///
    /// # Errors
    /// The kernel could not be written to at all, or not be read again. Nothing is forgotten: the next pass reads the table
    /// anew.
    pub fn carry_out(
        &mut self,
        kernel: &mut impl Kernel,
        (before, actual): (Snapshot, Table),
        (plan, difference): (Plan, Difference),
        now: Timestamp,
        mut news: impl FnMut(&Self) -> Option<Ejections>,
    ) -> Result<Pass, KernelError> {
        let mut warnings = self.meet(&plan, now);
        self.ours.extend(plan.wanted.keys());
        let mut events = self.pool_events(&plan, now);
        if difference.is_empty() {
            self.stubborn.stated(&[]);
            self.settle(actual);
            self.standing = Some(Standing::of(&plan));
            let (edits, unfinished) = (Vec::new(), false);
            return Ok(Pass { figures: before, plan, edits, events, warnings, unfinished });
        }
        let Difference { urgent, bulk } = difference;
        self.standing = None;
        let (mut edits, mut refusals, mut unfinished) = (Vec::new(), Vec::new(), false);
        let (mut hastened, mut interrupted) = (Vec::new(), false);
        let bulk = parts(&bulk, &actual);
        for (number, part) in std::iter::once(urgent.as_slice()).chain(bulk).enumerate() {
            if number > 1
                && let Some(ejections) = news(self)
            {
                hastened.extend(self.hasten(kernel, ejections)?);
                interrupted = true;
            }
            // So many are always made, so that whatever comes all the time stops nothing for ever.
            if interrupted && edits.len() >= urgent.len() + BULK {
                unfinished = true;
                break;
            }
            // What has been ejected meanwhile stays out of it.
            let gone = |edit: &&Edit| hastened.iter().any(|done: &Edit| same_destination(done, edit));
            let part: Vec<Edit> = part.iter().filter(|edit| !gone(edit)).copied().collect();
            if !part.is_empty() {
                refusals.extend(kernel.apply(&part)?);
                edits.extend(part);
            }
        }
        let refused: HashSet<&Edit> = refusals.iter().map(|refusal| &refusal.edit).collect();
        edits.retain(|edit| !refused.contains(edit));
        let (mut table, mut figures) = (actual, before);
        let mut vain = HashSet::new();
        let events_of = |this: &mut Self, vain: &HashSet<Edit>, table: &Table| {
            let mut mended = drift(&this.settled, &plan.wanted, &edits);
            mended.retain(|edit| !vain.contains(edit));
            this.drift_mended += mended.len() as u64;
            this.drift_event(&mended, table, now)
        };
        if refusals.is_empty() && !self.stubborn.repeats(&edits) {
            events.extend(events_of(self, &vain, &table));
            // What the kernel has taken it has; the next pass looks.
            for edit in edits.iter().chain(&hastened) {
                let _ = edit.apply_to(&mut table);
            }
        } else {
            figures = kernel.read()?;
            let after = figures.table();
            let lines;
            (vain, lines) = self.stubborn.judge(&edits, &after);
            warnings.extend(lines);
            events.extend(events_of(self, &vain, &table));
            table = after;
        }
        self.edits += edits.len() as u64;
        events.extend(self.refusal_event(&refusals, now));
        self.stubborn.stated(&edits);
        self.settle(table);
        let unfinished = unfinished || interrupted;
        edits.extend(hastened);
        if refusals.is_empty() && vain.is_empty() && !unfinished {
            self.standing = Some(Standing::of(&plan));
        }
        Ok(Pass { figures, plan, edits, events, warnings, unfinished })
    }

    /// Remembers our part of the table as the pass leaves it.
    fn settle(&mut self, mut actual: Table) {
        actual.retain(|key, _| self.ours.contains(key));
        self.settled = actual;
        let configured: HashSet<&ServiceKey> = self
            .blueprint
            .pools
            .iter()
            .flat_map(|pool| pool.services.iter().map(|service| service.key()))
            .collect();
        self.ours.retain(|key| self.settled.contains_key(key) || configured.contains(key));
    }

    /// Notes services of others where all are claimed; says of new ones what will become of them.
    fn meet(&mut self, plan: &Plan, now: Timestamp) -> Vec<String> {
        if self.blueprint.adopt != Adopt::Exclusive {
            self.strangers.clear();
            self.warned.clear();
            return Vec::new();
        }
        let grace = self.blueprint.exclusive_grace;
        self.strangers.retain(|key, _| plan.foreign.contains(key));
        let mut warnings = Vec::new();
        for key in &plan.foreign {
            if !self.strangers.contains_key(key) {
                self.strangers.insert(*key, now);
                warnings.push(format!(
                    "service {key} is in the kernel and not in the configuration; adopt = \"exclusive\" removes it in {} s: \
                     put it into the configuration, or write adopt = \"named\"",
                    grace.as_secs()
                ));
            }
        }
        // A clock that was set back begins the grace anew.
        for since in self.strangers.values_mut().filter(|since| **since > now) {
            *since = now;
        }
        let long =
            |(key, since): (&ServiceKey, &Timestamp)| (now.duration_since(*since) >= grace).then_some(*key);
        self.warned = self.strangers.iter().filter_map(long).collect();
        warnings
    }

    /// What began and ended for whole virtual servers since this was last told.
    fn pool_events(&mut self, plan: &Plan, now: Timestamp) -> Vec<NewEvent> {
        let event = |name: &Name, kind, text| NewEvent {
            at: now,
            kind,
            virtual_server: Some(name.clone()),
            real_server: None,
            cause: None,
            virtual_router: None,
            dependency: None,
            text,
        };
        let mut events = Vec::new();
        let mut changes = |was: &mut BTreeSet<Name>,
                           is: BTreeSet<Name>,
                           began,
                           ended,
                           text: &dyn Fn(&Name, bool) -> String| {
            events.extend(is.difference(was).map(|name| event(name, began, text(name, true))));
            events.extend(was.difference(&is).map(|name| event(name, ended, text(name, false))));
            *was = is;
        };
        let open = plan.fail_open.keys().cloned().collect();
        changes(
            &mut self.fail_open,
            open,
            EventKind::FailOpenBegan,
            EventKind::FailOpenEnded,
            &|name, began| {
                if !began {
                    return format!(
                        "{name} no longer fails open: servers that are down are out of the table again"
                    );
                }
                let kept = plan.fail_open.get(name).copied().unwrap_or_default();
                format!(
                    "{name} fails open: more of its real servers are down than min_serving, max_ejected or ejection_rate lets go, so \
                 {kept} that are down stay in the table"
                )
            },
        );
        let lost = plan.quorum_lost.clone();
        changes(
            &mut self.quorum_lost,
            lost,
            EventKind::QuorumLost,
            EventKind::QuorumRegained,
            &|name, began| {
                let what =
                    if began { "has lost its quorum: too few" } else { "has its quorum again: enough" };
                format!("{name} {what} of its real servers serve")
            },
        );
        let sorry = plan.sorry.clone();
        changes(
            &mut self.sorry,
            sorry,
            EventKind::SorryServerTookOver,
            EventKind::SorryServerLeft,
            &|name, began| {
                if began {
                    format!("no real server of {name} serves: the sorry server answers instead")
                } else {
                    format!("a real server of {name} serves again: the sorry server is out of the table")
                }
            },
        );
        events
    }

    fn drift_event(&mut self, mended: &[Edit], actual: &Table, now: Timestamp) -> Option<NewEvent> {
        let first = mended.first()?;
        let text = format!(
            "somebody else changed the table; put right: {}",
            list(mended, |edit| undone(edit, actual))
        );
        self.once(&text, now).then(|| NewEvent {
            at: now,
            kind: EventKind::DriftMended,
            virtual_server: self.owner(first.service()),
            real_server: None,
            cause: None,
            virtual_router: None,
            dependency: None,
            text,
        })
    }

    fn refusal_event(&mut self, refusals: &[Refusal], now: Timestamp) -> Option<NewEvent> {
        let first = refusals.first()?;
        let more = refusals.len() - 1;
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let text = format!("the kernel does not do what is wanted: {}{more}", first.why);
        self.once(&text, now).then(|| NewEvent {
            at: now,
            kind: EventKind::EditRefused,
            virtual_server: self.owner(first.edit.service()),
            real_server: None,
            cause: None,
            virtual_router: None,
            dependency: None,
            text,
        })
    }

    /// Whether `text` has not been told lately.
    fn once(&mut self, text: &str, now: Timestamp) -> bool {
        self.told.retain(|_, at| now.duration_since(*at).abs() < TELL_AGAIN);
        if self.told.contains_key(text) {
            return false;
        }
        self.told.insert(text.to_owned(), now);
        true
    }

    fn owner(&self, key: &ServiceKey) -> Option<Name> {
        let owns = |service: &agent_ipvs::Service| service.key() == key;
        self.blueprint.pools.iter().find(|pool| pool.services.iter().any(owns)).map(|pool| pool.name.clone())
    }
}

/// Whether both are about the same destination of the same service.
fn same_destination(one: &Edit, other: &Edit) -> bool {
    one.destination().is_some()
        && one.destination() == other.destination()
        && one.service() == other.service()
}

/// An edit in ipvsadm's words, with what it found.
fn undone(edit: &Edit, actual: &Table) -> String {
    let found = found(edit, actual);
    found.map_or_else(|| format!("`{edit}`"), |found| format!("`{edit}` (it was `{found}`)"))
}

/// The first few edits, each in the words of `say`.
pub fn list(edits: &[Edit], say: impl Fn(&Edit) -> String) -> String {
    let mut text = edits.iter().take(LISTED).map(say).collect::<Vec<_>>().join(", ");
    let more = edits.len().saturating_sub(LISTED);
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
