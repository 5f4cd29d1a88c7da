use agent_api::config::{Source, parse};
use agent_api::{KeptBy, RealServerHealth, Verdict};
use agent_ipvs::{DestinationStatus, ServiceStatus, Weight};

use super::*;

mod swift;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A table in memory that does what the kernel would do.
#[derive(Default)]
struct Model {
    table: Table,
    writes: usize,
    /// Edits whose text has this in it are refused.
    refuse: Option<&'static str>,
    /// The next reading fails.
    broken: bool,
    /// Of an older kernel: what it does not know of tunnels it ignores.
    old: bool,
    reads: usize,
}

impl Kernel for Model {
    fn read_while(&mut self, between: &mut dyn FnMut()) -> Result<Snapshot, KernelError> {
        self.reads += 1;
        between();
        if std::mem::take(&mut self.broken) {
            return Err(KernelError { cause: "ipvs_error", detail: "broken".into(), remedy: "wait".into() });
        }
        let services = self.table.values().map(|entry| ServiceStatus {
            service: entry.service,
            stats: Default::default(),
            destinations: entry
                .destinations
                .values()
                .map(|destination| DestinationStatus {
                    destination: *destination,
                    stats: Default::default(),
                    connections: Default::default(),
                })
                .collect(),
        });
        Ok(Snapshot { services: services.collect() })
    }

    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError> {
        self.writes += edits.len();
        let mut refusals = Vec::new();
        for edit in edits {
            if self.refuse.is_some_and(|text| edit.to_string().contains(text)) {
                refusals.push(Refusal { edit: *edit, why: format!("`{edit}` was refused") });
            } else {
                edit.apply_to(&mut self.table).expect("no edit that the kernel would refuse");
                let destinations = self.table.values_mut().flat_map(|entry| entry.destinations.values_mut());
                for destination in destinations
                    .filter(|one| self.old && matches!(one.forwarding, agent_ipvs::Forwarding::Tunnel(_)))
                {
                    destination.forwarding = agent_ipvs::Forwarding::Tunnel(agent_ipvs::Encapsulation::Ipip);
                }
            }
        }
        Ok(refusals)
    }
}

fn blueprint(address: &str, names: &[&str]) -> Blueprint {
    blueprint_of(address, "\"udp/53\"", names)
}

fn blueprint_of(address: &str, services: &str, names: &[&str]) -> Blueprint {
    let mut text = format!(
        "[[virtual_server]]\nname = \"resolver\"\naddress = \"{address}\"\nservices = [{services}]\nscheduler = \"wrr\"\n\
         min_serving = \"1%\"\n[virtual_server.check.dns]\nqname = \"resolve.test\"\n"
    );
    for (index, name) in names.iter().enumerate() {
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"10.1.0.{}\"\nweight = 10\n",
            index + 1
        ));
    }
    let config = parse(&[Source { path: "t.toml".into(), text }]).expect("the test's configuration is good");
    Blueprint::of(&config).unwrap()
}

fn checks(verdicts: &[(&str, Verdict)]) -> CheckSection {
    let items = verdicts.iter().map(|(name, verdict)| {
        let health = RealServerHealth {
            verdict: *verdict,
            since: NOW,
            address: "10.1.0.1:53".parse().unwrap(),
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
        (format!("resolver/{name}").parse().unwrap(), health)
    });
    CheckSection { heard_at: Some(NOW), connected: true, items: items.collect(), ..CheckSection::default() }
}

fn kinds(pass: &Pass) -> Vec<EventKind> {
    pass.events.iter().map(|event| event.kind).collect()
}

/// A pass, as the daemon makes it.
fn pass(
    reconciler: &mut Reconciler,
    kernel: &mut Model,
    heard: Heard<'_>,
    now: Timestamp,
    news: impl FnMut(&Reconciler) -> Option<Ejections>,
) -> Result<Pass, KernelError> {
    let before = kernel.read()?;
    let actual = before.table();
    let planned = reconciler.plan(heard, &actual, now);
    reconciler.carry_out(kernel, (before, actual), planned, now, news)
}

fn hasten(reconciler: &mut Reconciler, kernel: &mut Model, heard: Heard<'_>) -> Vec<Edit> {
    let ejections = reconciler.ejections(heard, None, NOW);
    reconciler.hasten(kernel, ejections).unwrap()
}

struct Bed {
    kernel: Model,
    reconciler: Reconciler,
    checks: CheckSection,
}

impl Bed {
    fn new() -> Self {
        let reconciler =
            Reconciler::new(blueprint("10.0.0.1", &["a", "b"]), BTreeSet::new(), Told::default());
        Self {
            kernel: Model::default(),
            reconciler,
            checks: checks(&[("a", Verdict::Up), ("b", Verdict::Up)]),
        }
    }

    fn pass(&mut self) -> Pass {
        self.at(NOW)
    }

    fn at(&mut self, now: Timestamp) -> Pass {
        let heard = Heard { checks: Some(&self.checks), orders: None, flows_move: true };
        pass(&mut self.reconciler, &mut self.kernel, heard, now, |_| None).unwrap()
    }
}

#[test]
fn a_pass_with_nothing_to_do_writes_nothing() {
    let mut bed = Bed::new();
    let first = bed.pass();
    assert_eq!((first.edits.len(), kinds(&first), bed.kernel.writes), (3, vec![], 3));
    let second = bed.pass();
    assert_eq!((second.edits.len(), kinds(&second), bed.kernel.writes), (0, vec![], 3));
}

#[test]
fn what_somebody_else_did_is_told_once_and_mended_every_time() {
    let mut bed = Bed::new();
    bed.pass();
    let spoil = |table: &mut Table| {
        let there = &mut table.values_mut().next().unwrap().destinations;
        there.pop_first();
        there.values_mut().next().unwrap().weight = Weight::new(3).unwrap();
    };
    spoil(&mut bed.kernel.table);
    let mended = bed.pass();
    assert_eq!((mended.edits.len(), kinds(&mended)), (2, vec![EventKind::DriftMended]));
    assert!(
        mended.events[0].text.contains("-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 10"),
        "{}",
        mended.events[0].text
    );
    assert_eq!(mended.events[0].virtual_server.as_ref().map(Name::as_str), Some("resolver"));
    spoil(&mut bed.kernel.table);
    let again = bed.at(NOW + SignedDuration::from_secs(9));
    assert_eq!((again.edits.len(), kinds(&again)), (2, vec![]), "mended, but not told again so soon");
    spoil(&mut bed.kernel.table);
    let later = bed.at(NOW + SignedDuration::from_secs(11));
    assert_eq!(kinds(&later), [EventKind::DriftMended]);
    assert_eq!((bed.reconciler.drift_mended, bed.reconciler.edits), (6, 9));
}

#[test]
fn our_own_changes_are_no_drift() {
    let mut bed = Bed::new();
    bed.pass();
    bed.checks = checks(&[("a", Verdict::Down), ("b", Verdict::Up)]);
    let ejected = bed.pass();
    assert_eq!((ejected.edits.len(), kinds(&ejected)), (1, vec![]));
    bed.checks = checks(&[("a", Verdict::Up), ("b", Verdict::Up)]);
    assert_eq!(kinds(&bed.pass()), []);
}

#[test]
fn failing_open_is_told_when_it_begins_and_ends_and_not_by_a_restart() {
    let mut bed = Bed::new();
    bed.pass();
    bed.checks = checks(&[("a", Verdict::Down), ("b", Verdict::Down)]);
    // Who is kept in for want of better does not count for the quorum.
    let pass = bed.pass();
    assert_eq!(kinds(&pass), [EventKind::FailOpenBegan, EventKind::QuorumLost]);
    // The report says of whom it is so, and where a weight is not the configured one.
    let mut table = pass.plan.wanted.clone();
    let there = table.values_mut().next().unwrap().destinations.values_mut().next().unwrap();
    there.weight = Weight::ZERO;
    let (blueprint, seen) = (bed.reconciler.blueprint(), (&table, &pass.figures));
    let services = crate::report::services(blueprint, &pass.plan, seen, &BTreeMap::new(), false);
    let destinations = services.values().flat_map(|service| service.destinations.values());
    let told: Vec<_> = destinations.map(|to| (to.kept, to.configured.is_some())).collect();
    assert!(told.contains(&(Some(KeptBy::Share), true)), "{told:?}");
    assert_eq!(told.iter().filter(|(_, other)| *other).count(), 1, "{told:?}");
    assert_eq!(kinds(&bed.pass()), []);
    let blueprint = bed.reconciler.blueprint().clone();
    bed.reconciler = Reconciler::new(
        blueprint,
        BTreeSet::new(),
        Told {
            fail_open: ["resolver".parse().unwrap()].into(),
            quorum_lost: ["resolver".parse().unwrap()].into(),
            ..Told::default()
        },
    );
    assert_eq!(kinds(&bed.pass()), [], "a restart knows");
    bed.checks = checks(&[("a", Verdict::Up), ("b", Verdict::Down)]);
    assert_eq!(kinds(&bed.pass()), [EventKind::FailOpenEnded, EventKind::QuorumRegained]);
}

#[test]
fn a_refused_edit_stops_no_other_and_is_tried_again() {
    let mut bed = Bed::new();
    bed.kernel.refuse = Some("10.1.0.1:53");
    let pass = bed.pass();
    assert_eq!((pass.edits.len(), kinds(&pass)), (2, vec![EventKind::EditRefused]));
    assert_eq!(kinds(&bed.pass()), [], "told once");
    bed.kernel.refuse = None;
    let pass = bed.pass();
    assert_eq!((pass.edits.len(), kinds(&pass)), (1, vec![]), "and no drift when it works at last");
}

#[test]
fn a_service_that_leaves_the_configuration_is_removed_and_foreign_ones_stay() {
    let mut bed = Bed::new();
    let foreign = agent_ipvs::Service::new(
        ServiceKey::new(agent_ipvs::Protocol::Tcp, "10.9.9.9".parse().unwrap(), 80).unwrap(),
        agent_ipvs::Scheduler::RR,
    );
    Edit::AddService(foreign).apply_to(&mut bed.kernel.table).unwrap();
    bed.pass();
    bed.reconciler.reconfigure(blueprint("10.0.0.2", &["a", "b"]));
    let pass = bed.pass();
    assert_eq!(pass.plan.foreign.len(), 1);
    assert_eq!(bed.kernel.table.len(), 2, "{:?}", bed.kernel.table.keys());
    assert!(bed.kernel.table.contains_key(foreign.key()));
    // Somebody makes the former service again by hand: it is no longer ours.
    let former = agent_ipvs::Service::new(
        ServiceKey::new(agent_ipvs::Protocol::Udp, "10.0.0.1".parse().unwrap(), 53).unwrap(),
        agent_ipvs::Scheduler::RR,
    );
    Edit::AddService(former).apply_to(&mut bed.kernel.table).unwrap();
    assert_eq!(bed.pass().plan.foreign.len(), 2);
}

#[test]
fn a_reading_that_fails_forgets_nothing() {
    let mut bed = Bed::new();
    bed.pass();
    bed.kernel.broken = true;
    let heard = Heard { checks: Some(&bed.checks), orders: None, flows_move: true };
    assert!(pass(&mut bed.reconciler, &mut bed.kernel, heard, NOW, |_| None).is_err());
    bed.kernel.table.values_mut().next().unwrap().destinations.pop_first();
    assert_eq!(kinds(&bed.pass()), [EventKind::DriftMended]);
}

#[test]
fn an_ejection_does_not_wait_for_a_reading() {
    let mut bed = Bed::new();
    bed.pass();
    bed.checks = checks(&[("a", Verdict::Down), ("b", Verdict::Up)]);
    bed.kernel.broken = true;
    let heard = Heard { checks: Some(&bed.checks), orders: None, flows_move: true };
    let done = hasten(&mut bed.reconciler, &mut bed.kernel, heard);
    assert!(matches!(done.as_slice(), [Edit::RemoveDestination { .. }]), "{done:?}");
    assert_eq!(hasten(&mut bed.reconciler, &mut bed.kernel, heard), [], "once is enough");
    bed.kernel.broken = false;
    let pass = bed.pass();
    assert_eq!((pass.edits.len(), kinds(&pass)), (0, vec![]), "and the pass that follows has nothing to do");
    // Admitting is nothing that clients wait for.
    bed.checks = checks(&[("a", Verdict::Up), ("b", Verdict::Up)]);
    let heard = Heard { checks: Some(&bed.checks), orders: None, flows_move: true };
    assert_eq!(hasten(&mut bed.reconciler, &mut bed.kernel, heard), []);
    assert_eq!(bed.pass().edits.len(), 1);
}

#[test]
fn a_hasty_ejection_that_somebody_made_already_is_no_trouble() {
    let mut bed = Bed::new();
    bed.pass();
    bed.kernel.table.values_mut().next().unwrap().destinations.pop_first();
    bed.kernel.refuse = Some("-d");
    bed.checks = checks(&[("a", Verdict::Down), ("b", Verdict::Up)]);
    let heard = Heard { checks: Some(&bed.checks), orders: None, flows_move: true };
    assert_eq!(hasten(&mut bed.reconciler, &mut bed.kernel, heard), []);
    assert_eq!(bed.pass().edits.len(), 0);
}

#[test]
fn a_bulk_of_edits_gives_way_and_is_finished_later() {
    let names: Vec<String> = (0..250).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bed = Bed::new();
    let verdicts: Vec<_> = names.iter().map(|name| (*name, Verdict::Up)).collect();
    bed.checks = checks(&verdicts);
    let services: Vec<String> = (1..=18).map(|port| format!("\"udp/{port}\"")).collect();
    let blueprint = blueprint_of("10.0.0.1", &services.join(", "), &names);
    bed.reconciler = Reconciler::new(blueprint, BTreeSet::new(), Told::default());
    let mut made = Vec::new();
    loop {
        let heard = Heard { checks: Some(&bed.checks), orders: None, flows_move: true };
        let pass =
            pass(&mut bed.reconciler, &mut bed.kernel, heard, NOW, |_| Some(Ejections::default())).unwrap();
        assert!(kinds(&pass).is_empty());
        made.push(pass.edits.len());
        if !pass.unfinished {
            break;
        }
    }
    // Some are always made, and never many more. The last pass looks at what has come while the rest was made.
    let [full @ .., rest, last] = made.as_slice() else { panic!("{made:?}") };
    assert!(full.len() >= 2 && full.iter().all(|made| (BULK..2 * BULK).contains(made)), "{made:?}");
    assert!(*rest < 2 * BULK && *last == 0, "{made:?}");
    assert_eq!(bed.kernel.writes, 18 * 251);
}

#[test]
fn exclusive_warns_and_waits_before_it_removes() {
    let mut bed = Bed::new();
    let foreign = agent_ipvs::Service::new(
        ServiceKey::new(agent_ipvs::Protocol::Tcp, "10.9.9.9".parse().unwrap(), 80).unwrap(),
        agent_ipvs::Scheduler::RR,
    );
    Edit::AddService(foreign).apply_to(&mut bed.kernel.table).unwrap();
    let mut exclusive = blueprint("10.0.0.1", &["a", "b"]);
    exclusive.adopt = Adopt::Exclusive;
    bed.reconciler.reconfigure(exclusive);
    let first = bed.pass();
    assert!(
        first.warnings.len() == 1 && first.warnings[0].contains("tcp 10.9.9.9:80"),
        "{:?}",
        first.warnings
    );
    let waiting = bed.at(NOW + SignedDuration::from_secs(30));
    assert_eq!((waiting.warnings.len(), waiting.edits.len()), (0, 0));
    let gone = bed.at(NOW + SignedDuration::from_secs(31));
    assert_eq!(gone.edits, [Edit::RemoveService(*foreign.key())]);
    // Who makes it again is warned again.
    Edit::AddService(foreign).apply_to(&mut bed.kernel.table).unwrap();
    let now = NOW + SignedDuration::from_secs(32);
    assert_eq!(bed.at(now).warnings.len(), 1);
    assert_eq!(bed.at(now + SignedDuration::from_secs(1)).edits, []);
}

/// A kernel before 5.4 takes a GRE tunnel for plain IP in IP and says nothing.
#[test]
fn what_a_kernel_does_not_know_is_left_out_with_a_warning() {
    let mut bed = Bed::new();
    bed.kernel.old = true;
    let text = r#"
[[virtual_server]]
name = "resolver"
address = "10.0.0.1"
services = ["udp/53"]
forwarding = "tunnel"
tunnel = { type = "gre" }
[virtual_server.check.dns]
qname = "resolve.test"
[[virtual_server.real_server]]
name = "a"
address = "10.1.0.1"
weight = 10
"#;
    let config = parse(&[Source { path: "t.toml".into(), text: text.into() }]).unwrap();
    bed.reconciler.reconfigure(Blueprint::of(&config).unwrap());
    bed.checks = checks(&[("a", Verdict::Up)]);
    assert_eq!(bed.pass().edits.len(), 2);
    // It is not as wanted, so it is stated once more and looked at.
    let second = bed.pass();
    assert_eq!(
        (second.edits.len(), second.warnings.len(), kinds(&second)),
        (1, 1, vec![]),
        "{:?}",
        second.warnings
    );
    assert!(
        second.warnings[0].contains("keeps `-e -u 10.0.0.1:53 -r 10.1.0.1:53 -i -w 10 --tun-type ipip`"),
        "{:?}",
        second.warnings
    );
    for _ in 0..3 {
        let later = bed.pass();
        assert_eq!((later.edits.len(), later.warnings.len(), kinds(&later)), (0, 0, vec![]));
    }
    // What it does know is still kept up, whoever changes it.
    let destination = bed.kernel.table.values_mut().next().unwrap().destinations.values_mut().next().unwrap();
    destination.weight = Weight::new(3).unwrap();
    assert_eq!(bed.pass().edits.len(), 1);
    assert_eq!(
        bed.kernel.table.values().next().unwrap().destinations.values().next().unwrap().weight.get(),
        10
    );
    assert_eq!((bed.pass().edits.len(), bed.kernel.writes), (0, 4));
}

/// Somebody who changes a thing back again and again is not taken for a kernel that does not know it.
#[test]
fn a_stubborn_somebody_is_no_old_kernel() {
    let mut bed = Bed::new();
    bed.pass();
    for _ in 0..5 {
        let entry = bed.kernel.table.values_mut().next().unwrap();
        entry.destinations.values_mut().next().unwrap().weight = Weight::new(3).unwrap();
        let pass = bed.at(NOW + SignedDuration::from_secs(bed.kernel.writes as i64 * 60));
        assert_eq!(
            (pass.edits.len(), pass.warnings.len(), kinds(&pass)),
            (1, 0, vec![EventKind::DriftMended])
        );
    }
}

/// What it costs: one reading for a pass, whatever it does.
#[test]
fn a_pass_reads_once() {
    let mut bed = Bed::new();
    for expected in 1..4 {
        bed.pass();
        assert_eq!(bed.kernel.reads, expected);
    }
}
