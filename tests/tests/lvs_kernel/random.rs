//! The reconciler against the real kernel, for as long as there is time: random verdicts, drains and configurations, edits by
//! others, crashes between any two requests, readings that fail. Whatever happens: with the next quiet passes the table is what
//! is wanted, services of others are as they were, and no service is ever empty while one of its servers can be used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use agent_api::config::{Source, parse};
use agent_api::{CheckSection, Drain, DrainTarget, Orders, RealServerHealth, RealServerId, Verdict};
use agent_core::blueprint::Blueprint;
use agent_ipvs::{
    Edit, Ipvs, Protocol, Scheduler, Service, ServiceEntry, ServiceKey, Snapshot, Table, Weight,
};
use anyhow::{Context as _, Result, anyhow, ensure};
use holdfast_tests::bed::Bed;
use holdfast_tests::harness::{Case, note};
use jiff::{SignedDuration, Timestamp};
use lvsd::kernel::{Kernel, KernelError, LinuxKernel, Refusal};
use lvsd::reconcile::{Heard, Reconciler, Told};

/// How long it looks for a mistake.
const SPAN: Duration = Duration::from_secs(20);
/// When the first pass is made.
const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) const CASES: &[Case] =
    &[Case { name: "the_table_converges_whatever_others_and_crashes_do", run: converges }];

fn converges(bed: &mut Bed) -> Result<()> {
    bed.network.director.run(|| {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64 | 1;
        let mut story = Story::new(Dice(seed))?;
        let end = Instant::now() + SPAN;
        let mut steps = 0;
        while Instant::now() < end {
            story.step().with_context(|| format!("step {steps} of seed {seed}"))?;
            steps += 1;
        }
        note(&format!(
            "{steps} steps, {} requests, {} refused, {} crashes, {} edits by others, {} failed readings, {} times a sorry server",
            story.kernel.requests, story.kernel.refused, story.crashes, story.meddled, story.kernel.failed, story.sorry
        ));
        ensure!(steps > 50 && story.crashes > 5 && story.meddled > 50 && story.sorry > 5, "too little was tried");
        Ok(())
    })?
}

/// Xorshift: the same seed tells the same story.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// The kernel, watched after every single request, with crashes and failing reads on order.
struct Watched {
    inner: LinuxKernel,
    /// Requests until everything fails.
    crash_in: Option<usize>,
    fail_reading: bool,
    /// Of so many requests one is refused, as with a kernel out of memory; 0: none.
    refuse_one_in: u64,
    dice: Dice,
    refused: usize,
    /// Services that may not become empty, with the destinations of which one must serve.
    usable: BTreeSet<ServiceKey>,
    broken: Option<String>,
    requests: usize,
    failed: usize,
}

fn error(detail: &str) -> KernelError {
    KernelError { cause: "ipvs_error", detail: detail.to_owned(), remedy: String::new() }
}

impl Kernel for Watched {
    fn read_while(&mut self, between: &mut dyn FnMut()) -> Result<Snapshot, KernelError> {
        if std::mem::take(&mut self.fail_reading) {
            self.failed += 1;
            return Err(error("no reading"));
        }
        self.inner.read_while(between)
    }

    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError> {
        let mut refusals = Vec::new();
        for edit in edits {
            if let Some(left) = &mut self.crash_in {
                *left = left.checked_sub(1).ok_or_else(|| error("crashed"))?;
            }
            self.requests += 1;
            if self.refuse_one_in > 0 && self.dice.one_in(self.refuse_one_in) {
                self.refused += 1;
                refusals.push(Refusal { edit: *edit, why: "refused".to_owned() });
                // What would have come in its place is not there, so who leaves may be the last one.
                self.usable.remove(edit.service());
                continue;
            }
            let before = serving(&self.inner.read()?.table());
            refusals.extend(self.inner.apply(std::slice::from_ref(edit))?);
            let after = serving(&self.inner.read()?.table());
            let emptied = self.usable.iter().find(|key| before.contains(*key) && !after.contains(*key));
            if let Some(key) = emptied {
                self.broken.get_or_insert_with(|| format!("`{edit}` left nobody in {key}"));
            }
        }
        Ok(refusals)
    }
}

/// The services that somebody serves.
fn serving(table: &Table) -> BTreeSet<ServiceKey> {
    let serves = |entry: &ServiceEntry| entry.destinations.values().any(|there| there.weight > Weight::ZERO);
    table.iter().filter(|(_, entry)| serves(entry)).map(|(key, _)| *key).collect()
}

struct Story {
    dice: Dice,
    kernel: Watched,
    others: Ipvs,
    reconciler: Reconciler,
    pools: u64,
    checks: CheckSection,
    orders: Orders,
    /// Whose verdicts are new, where nothing else is.
    changed: Option<BTreeSet<RealServerId>>,
    foreign: BTreeMap<ServiceKey, ServiceEntry>,
    now: Timestamp,
    crashes: usize,
    meddled: usize,
    /// Services for which a sorry server answered, counted at the end of each step.
    sorry: usize,
    /// Whether others changed the table since it was last read.
    disturbed: bool,
}

/// A configuration of so many pools, each as the dice fall.
fn blueprint(dice: &mut Dice, pools: u64) -> Result<Blueprint> {
    let mut text = String::new();
    for pool in 1..=pools {
        let pick = |dice: &mut Dice, words: &[&str]| {
            words.get(dice.below(words.len() as u64) as usize).copied().unwrap_or_default().to_owned()
        };
        let scheduler = pick(dice, &["rr", "wrr", "wlc", "mh", "sh"]);
        let method = pick(dice, &["direct", "tunnel", "nat"]);
        let more =
            pick(dice, &["", "min_serving = \"34%\"", "persistence = { timeout = \"5m\", prefix = 24 }"]);
        // One of a few, so that it sometimes changes hands while it answers.
        let sorry = match dice.below(3) {
            0 => String::new(),
            last => format!("sorry_server = {{ address = \"10.95.{pool}.{last}\" }}"),
        };
        text.push_str(&format!(
            "[[virtual_server]]\nname = \"pool{pool}\"\naddress = \"10.99.0.{pool}\"\nservices = [\"udp/53\", \"tcp/53\"]\n\
             scheduler = {scheduler:?}\nforwarding = {method:?}\n{more}\n{sorry}\n[virtual_server.check.dns]\nqname = \"a.test\"\n"
        ));
        for real in 1..=4 {
            if real > 2 && dice.one_in(3) {
                continue;
            }
            text.push_str(&format!(
                "[[virtual_server.real_server]]\nname = \"s{real}\"\naddress = \"10.98.{pool}.{real}\"\nweight = {}\n\
                 upper_threshold = {}\n",
                dice.below(5) + 1,
                dice.below(3) * 100
            ));
        }
    }
    let config =
        parse(&[Source { path: "t.toml".into(), text }]).map_err(|mistakes| anyhow!("{mistakes}"))?;
    Ok(Blueprint::of(&config)?)
}

impl Story {
    fn new(mut dice: Dice) -> Result<Self> {
        let first = blueprint(&mut dice, 3)?;
        let mut others = Ipvs::connect()?;
        let mut foreign = BTreeMap::new();
        for last in 1..=3 {
            let key = ServiceKey::new(Protocol::Tcp, [10, 97, 0, last].into(), 80)?;
            foreign.insert(key, ServiceEntry::new(Service::new(key, Scheduler::RR)));
            ensure!(others.apply(&[Edit::AddService(Service::new(key, Scheduler::RR))])?.failures.is_empty());
        }
        let kernel = Watched {
            inner: LinuxKernel::default(),
            crash_in: None,
            fail_reading: false,
            refuse_one_in: 0,
            dice: Dice(dice.0 | 1),
            refused: 0,
            usable: BTreeSet::new(),
            broken: None,
            requests: 0,
            failed: 0,
        };
        let reconciler = Reconciler::new(first, BTreeSet::new(), Told::default());
        let (checks, orders) = (CheckSection::default(), Orders::default());
        Ok(Self {
            dice,
            kernel,
            others,
            reconciler,
            pools: 3,
            checks,
            orders,
            changed: None,
            foreign,
            now: START,
            crashes: 0,
            meddled: 0,
            sorry: 0,
            disturbed: false,
        })
    }

    /// Something happens, a pass or two are disturbed; then two quiet ones must put everything right.
    fn step(&mut self) -> Result<()> {
        if self.dice.one_in(8) {
            self.pools = self.dice.below(4) + 1;
            let next = blueprint(&mut self.dice, self.pools)?;
            self.reconciler.reconfigure(next);
        }
        self.facts();
        self.meddle()?;
        for _ in 0..self.dice.below(3) {
            self.kernel.crash_in = self.dice.one_in(2).then(|| self.dice.below(12) as usize);
            self.kernel.fail_reading = self.dice.one_in(6);
            self.kernel.refuse_one_in = if self.dice.one_in(4) { 3 } else { 0 };
            let failed = self.pass(self.dice.0.is_multiple_of(2)).is_err();
            if failed {
                self.reconciler.doubt();
            }
            if failed && self.dice.one_in(2) {
                self.crashes += 1;
                let ours =
                    self.others.table()?.into_keys().filter(|key| !self.foreign.contains_key(key)).collect();
                let blueprint = self.reconciler.blueprint().clone();
                self.reconciler = Reconciler::new(blueprint, ours, Told::default());
            }
        }
        (self.kernel.crash_in, self.kernel.fail_reading, self.kernel.refuse_one_in) = (None, false, 0);
        self.pass(false)?;
        let requests = self.kernel.requests;
        self.pass(true)?;
        ensure!(self.kernel.requests == requests, "a second quiet pass wrote something");
        if let Some(broken) = self.kernel.broken.take() {
            return Err(anyhow!("{broken}"));
        }
        let table = self.others.table()?;
        for (key, entry) in &self.foreign {
            ensure!(table.get(key) == Some(entry), "the service {key} of others is {:?}", table.get(key));
        }
        let heard = Heard { checks: Some(&self.checks), orders: Some(&self.orders), flows_move: true };
        let (plan, difference) = self.reconciler.plan(heard, &table, self.now);
        ensure!(difference.is_empty(), "still to do: {:?}", difference.into_vec());
        let ours: BTreeMap<_, _> =
            table.into_iter().filter(|(key, _)| !self.foreign.contains_key(key)).collect();
        self.sorry += plan.sorry.len();
        ensure!(ours == plan.wanted, "the table is {ours:?}\nand should be {:?}", plan.wanted);
        Ok(())
    }

    fn pass(&mut self, hasty: bool) -> Result<(), KernelError> {
        let heard = Heard { checks: Some(&self.checks), orders: Some(&self.orders), flows_move: true };
        let now = self.now;
        if hasty {
            // Who is usable by the same memory that the ejections are made by; what others did meanwhile is the pass's.
            let memory = self.kernel.inner.read()?.table();
            let usable = serving(&self.reconciler.plan(heard, &memory, now).0.wanted);
            self.kernel.usable = if self.disturbed { BTreeSet::new() } else { usable };
            let ejections = self.reconciler.ejections(heard, self.changed.as_ref(), now);
            self.reconciler.hasten(&mut self.kernel, ejections)?;
        }
        let before = self.kernel.read()?;
        let actual = before.table();
        let planned = self.reconciler.plan(heard, &actual, now);
        self.kernel.usable = serving(&planned.0.wanted);
        self.disturbed = false;
        self.reconciler.carry_out(&mut self.kernel, (before, actual), planned, now, |_| None).map(drop)
    }

    /// New verdicts and drains.
    fn facts(&mut self) {
        self.now += SignedDuration::from_secs(1);
        let members: Vec<_> = self
            .reconciler
            .blueprint()
            .pools
            .iter()
            .flat_map(|pool| &pool.members)
            .map(|one| one.id.clone())
            .collect();
        self.checks.heard_at = Some(self.now);
        self.checks.connected = true;
        self.checks.items.retain(|id, _| members.contains(id));
        let orders_stay = self.dice.one_in(2);
        self.changed = orders_stay.then(|| members.iter().cloned().collect());
        if !orders_stay {
            self.orders.drains.clear();
        }
        for id in members {
            if self.dice.one_in(3) || !self.checks.items.contains_key(&id) {
                let verdict = match self.dice.below(6) {
                    0 | 1 => Verdict::Down,
                    2 => Verdict::Unknown,
                    _ => Verdict::Up,
                };
                let health = RealServerHealth {
                    verdict,
                    since: self.now,
                    address: ([10, 98, 0, 1], 53).into(),
                    cause: None,
                    detail: String::new(),
                    in_a_row: 1,
                    passing: verdict.passes(),
                    latency_us: None,
                    basis: None,
                    returned: None,
                    weight: None,
                    unconfirmed: 0,
                    checks: Vec::new(),
                    require: 0,
                };
                self.checks.items.insert(id.clone(), health);
            }
            if !orders_stay && self.dice.one_in(5) {
                self.orders.drains.push(Drain {
                    target: DrainTarget {
                        virtual_server: Some(id.virtual_server),
                        real_server: id.real_server,
                    },
                    who: "root".into(),
                    why: String::new(),
                    since: START,
                    until: None,
                });
            }
        }
    }

    /// Others change what is ours.
    fn meddle(&mut self) -> Result<()> {
        for _ in 0..self.dice.below(6) {
            let table = self.others.table()?;
            let ours: Vec<_> = table.iter().filter(|(key, _)| !self.foreign.contains_key(key)).collect();
            let Some((key, entry)) = ours.get(self.dice.below(ours.len().max(1) as u64) as usize) else {
                continue;
            };
            let count = entry.destinations.len().max(1) as u64;
            let there = entry.destinations.values().nth(self.dice.below(count) as usize).copied();
            let edit = match (self.dice.below(5), there) {
                (0, _) => Edit::RemoveService(**key),
                (1, _) => Edit::SetService(Service::new(**key, Scheduler::LC)),
                (2, Some(there)) => Edit::RemoveDestination { service: **key, destination: there.key },
                (3, Some(mut there)) => {
                    there.weight = Weight::new(self.dice.below(9) as u32)?;
                    Edit::SetDestination { service: **key, destination: there }
                }
                (_, Some(mut there)) => {
                    there.key.address = [10, 96, 0, self.dice.below(9) as u8 + 1].into();
                    Edit::AddDestination { service: **key, destination: there }
                }
                _ => continue,
            };
            self.meddled += 1;
            self.disturbed = true;
            let _refused_or_not = self.others.apply(&[edit])?;
        }
        Ok(())
    }
}
