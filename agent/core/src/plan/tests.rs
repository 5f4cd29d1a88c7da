use agent_api::config::{Source, parse};
use agent_api::{CheckSection, Drain, DrainTarget, Orders, RealServerHealth, RealServerId, Verdict};
use agent_ipvs::{Protocol, ServiceKey, Table};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::diff::diff;

mod care;
mod histories;
mod standing;

const CONFIG: &str = r#"
[[virtual_server]]
name = "resolver"
address = "10.0.0.1"
services = ["udp/53", "tcp/53"]
scheduler = "wrr"
min_serving = "MIN%"
  [virtual_server.check.dns]
  qname = "resolve.test"
  [[virtual_server.real_server]]
  name = "a"
  address = "10.1.0.1"
  weight = 10
  [[virtual_server.real_server]]
  name = "b"
  address = "10.1.0.2"
  weight = 20
  [[virtual_server.real_server]]
  name = "c"
  address = "10.1.0.3"
  weight = 30
  [[virtual_server.real_server]]
  name = "d"
  address = "10.1.0.4"
  weight = 0
"#;

/// Both families, several addresses, a mark; one real server for each family and one for both.
const FAMILIES: &str = r#"
[[virtual_server]]
name = "resolver"
address = ["10.0.0.1-2", "2001:db8::53"]
services = ["udp/53", "fwmark/7"]
min_serving = "1%"
  [virtual_server.check.dns]
  qname = "resolve.test"
  [[virtual_server.real_server]]
  name = "a"
  address = "10.1.0.1"
  [[virtual_server.real_server]]
  name = "b"
  address = "2001:db8::1:2"
  [[virtual_server.real_server]]
  name = "c"
  address = "10.1.0.3"
  forwarding = "tunnel"
"#;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn blueprint(min_serving: u8) -> Blueprint {
    let text = CONFIG.replace("MIN", &min_serving.to_string());
    let config = parse(&[Source { path: "t.toml".into(), text }]).expect("the test's configuration is good");
    Blueprint::of(&config).expect("the kernel can hold it")
}

fn id(name: &str) -> RealServerId {
    format!("resolver/{name}").parse().unwrap()
}

/// Verdicts by server, each with the seconds since it changed.
fn checks(verdicts: &[(&str, Verdict, i64)]) -> CheckSection {
    let items = verdicts.iter().map(|&(name, verdict, age)| {
        let health = RealServerHealth {
            verdict,
            since: NOW - SignedDuration::from_secs(age),
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
        (id(name), health)
    });
    CheckSection { heard_at: Some(NOW), connected: true, items: items.collect(), ..CheckSection::default() }
}

fn drains(names: &[&str]) -> Orders {
    let drains = names.iter().map(|name| Drain {
        target: DrainTarget { virtual_server: None, real_server: name.parse().unwrap() },
        who: "root".into(),
        why: String::new(),
        since: NOW,
        until: Some(NOW + SignedDuration::from_secs(60)),
    });
    Orders { drains: drains.collect(), ..Orders::default() }
}

struct Case {
    blueprint: Blueprint,
    checks: Option<CheckSection>,
    orders: Option<Orders>,
    actual: Table,
    ours: BTreeSet<ServiceKey>,
    warned: BTreeSet<ServiceKey>,
    quorum_lost: BTreeSet<Name>,
    flows_move: bool,
    now: Timestamp,
}

impl Case {
    fn new(min_serving: u8, verdicts: &[(&str, Verdict, i64)]) -> Self {
        Self {
            blueprint: blueprint(min_serving),
            checks: Some(checks(verdicts)),
            orders: None,
            actual: Table::new(),
            ours: BTreeSet::new(),
            warned: BTreeSet::new(),
            quorum_lost: BTreeSet::new(),
            flows_move: false,
            now: NOW,
        }
    }

    fn plan(&self) -> Plan {
        plan(&Facts {
            blueprint: &self.blueprint,
            checks: self.checks.as_ref(),
            orders: self.orders.as_ref(),
            actual: &self.actual,
            ours: &self.ours,
            warned: &self.warned,
            quorum_lost: &self.quorum_lost,
            flows_move: self.flows_move,
            now: self.now,
        })
    }

    /// `a=10 b=0`: who is in the UDP service with what weight; the TCP service must agree.
    fn shown(&self) -> String {
        show(&self.plan().wanted)
    }
}

fn show(table: &Table) -> String {
    let weights = |protocol| {
        let key = ServiceKey::new(protocol, "10.0.0.1".parse().unwrap(), 53).unwrap();
        let shown = table[&key].destinations.values().map(|destination| {
            let name = match destination.key.address.to_string().as_str() {
                "10.1.0.1" => "a",
                "10.1.0.2" => "b",
                "10.1.0.3" => "c",
                "10.1.0.4" => "d",
                other => panic!("{other} was never configured"),
            };
            format!("{name}={}", destination.weight)
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(weights(Protocol::Udp), weights(Protocol::Tcp), "both services of a pool go together");
    weights(Protocol::Udp)
}

use Verdict::{Degraded, Down, Unknown, Up};

#[test]
fn verdicts_become_weights() {
    let case = Case::new(0, &[("a", Up, 9), ("b", Down, 9), ("c", Degraded, 9), ("d", Up, 9)]);
    assert_eq!(case.shown(), "a=10 c=30 d=0");
}

#[test]
fn what_is_unknown_is_held_as_the_kernel_has_it() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9)]);
    case.actual = case.plan().wanted;
    case.checks = Some(checks(&[("a", Unknown, 1)]));
    assert_eq!(case.shown(), "a=10 b=20", "in stays in, unseen stays out");
    case.checks = None;
    assert_eq!(case.shown(), "a=10 b=20", "nothing heard changes nothing");
    case.checks = Some(checks(&[("a", Down, 9), ("b", Down, 9), ("c", Up, 9)]));
    case.now = NOW + SILENCE + SignedDuration::from_secs(1);
    assert_eq!(case.shown(), "a=10 b=20", "old verdicts count as unknown");
    case.now = NOW + SILENCE;
    assert_eq!(case.shown(), "c=30", "not yet too old");
}

#[test]
fn a_held_server_gets_its_configured_weight_unless_it_was_silenced() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9)]);
    case.orders = Some(drains(&["b"]));
    case.actual = case.plan().wanted;
    for entry in case.actual.values_mut() {
        for destination in entry.destinations.values_mut() {
            if destination.weight > Weight::ZERO {
                destination.weight = Weight::new(7).unwrap();
            }
        }
    }
    case.checks = None;
    case.orders = None;
    assert_eq!(case.shown(), "a=10 b=0");
}

#[test]
fn a_drain_takes_the_weight_and_leaves_the_server_in() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Down, 9), ("c", Up, 9)]);
    case.orders = Some(drains(&["a", "b"]));
    assert_eq!(case.shown(), "a=0 c=30", "a drained server that is down is out");
    case.now = NOW + SignedDuration::from_secs(60);
    case.checks.as_mut().unwrap().heard_at = Some(case.now);
    assert_eq!(case.shown(), "a=10 c=30", "the drain's time is over");
}

#[test]
fn a_drain_that_begins_while_the_server_is_unknown_silences_it() {
    let mut case = Case::new(0, &[("a", Up, 9)]);
    case.actual = case.plan().wanted;
    case.checks = None;
    case.orders = Some(drains(&["a", "b"]));
    assert_eq!(case.shown(), "a=0", "what was out is not let in to be drained");
}

#[test]
fn fails_open_with_those_that_fell_last() {
    let verdicts = [("a", Down, 30), ("b", Down, 10), ("c", Down, 20), ("d", Down, 40)];
    assert_eq!(Case::new(0, &verdicts).shown(), "", "without min_serving all go");
    let case = Case::new(25, &verdicts);
    assert_eq!(case.shown(), "b=20");
    assert_eq!(case.plan().fail_open.values().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(Case::new(26, &verdicts).shown(), "b=20 c=30", "a share is rounded up");
    let some = Case::new(50, &[("a", Up, 9), ("b", Down, 10), ("c", Down, 20), ("d", Down, 40)]);
    assert_eq!(some.shown(), "a=10 b=20");
    let enough = Case::new(50, &[("a", Up, 9), ("b", Up, 10), ("c", Down, 20), ("d", Down, 40)]);
    assert_eq!((enough.shown().as_str(), enough.plan().fail_open.len()), ("a=10 b=20", 0));
}

#[test]
fn failing_open_never_lets_in_a_drained_server() {
    let mut case = Case::new(100, &[("a", Down, 1), ("b", Down, 2), ("c", Up, 3), ("d", Up, 3)]);
    case.orders = Some(drains(&["a"]));
    assert_eq!(case.shown(), "b=20 c=30 d=0");
}

#[test]
fn services_of_others_are_left_alone_unless_all_are_claimed() {
    let mut case = Case::new(0, &[]);
    let foreign = ServiceKey::new(Protocol::Tcp, "10.9.9.9".parse().unwrap(), 80).unwrap();
    let former = ServiceKey::new(Protocol::Udp, "10.9.9.9".parse().unwrap(), 53).unwrap();
    for key in [foreign, former] {
        let service = agent_ipvs::Service::new(key, agent_ipvs::Scheduler::RR);
        case.actual.insert(key, ServiceEntry::new(service));
    }
    case.ours.insert(former);
    let named = case.plan();
    assert_eq!((named.surplus, named.foreign), ([former].into(), [foreign].into()));
    case.blueprint.adopt = agent_api::config::Adopt::Exclusive;
    let unwarned = case.plan();
    assert_eq!((unwarned.surplus, unwarned.foreign), ([former].into(), [foreign].into()));
    case.warned.insert(foreign);
    let exclusive = case.plan();
    assert_eq!((exclusive.surplus, exclusive.foreign), ([foreign, former].into(), [].into()));
}

/// What one service has, as `show` says it of both.
fn weights(table: &Table, protocol: Protocol) -> Vec<(u8, u32)> {
    let key = ServiceKey::new(protocol, "10.0.0.1".parse().unwrap(), 53).unwrap();
    let last = |key: &DestinationKey| key.address.to_string().rsplit('.').next().unwrap().parse().unwrap();
    table[&key].destinations.values().map(|there| (last(&there.key), there.weight.get())).collect()
}

#[test]
fn a_drained_server_leaves_udp_at_once_and_tcp_when_it_is_time() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9)]);
    case.flows_move = true;
    case.orders = Some(drains(&["a"]));
    let plan = case.plan().wanted;
    assert_eq!(weights(&plan, Protocol::Udp), [(2, 20)]);
    assert_eq!(weights(&plan, Protocol::Tcp), [(1, 0), (2, 20)]);

    let mut patient = Case { blueprint: blueprint(0), ..case };
    patient.blueprint.drain_deadline = Some(SignedDuration::from_secs(30));
    patient.now = NOW + SignedDuration::from_secs(29);
    assert_eq!(weights(&patient.plan().wanted, Protocol::Tcp), [(1, 0), (2, 20)]);
    patient.now = NOW + SignedDuration::from_secs(30);
    assert_eq!(weights(&patient.plan().wanted, Protocol::Tcp), [(2, 20)]);

    patient.orders = Some(drains(&["a", "b"]));
    let all = patient.plan().wanted;
    assert_eq!(weights(&all, Protocol::Udp), [(1, 0), (2, 0)], "nobody takes over: they keep what they have");
    assert_eq!(weights(&all, Protocol::Tcp), [(1, 0), (2, 0)]);
    patient.orders = Some(drains(&["a"]));
    patient.flows_move = false;
    assert_eq!(
        weights(&patient.plan().wanted, Protocol::Udp),
        [(1, 0), (2, 20)],
        "removed flows would be dropped"
    );
}

#[test]
fn behind_address_translation_answers_get_their_time() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9)]);
    case.flows_move = true;
    case.orders = Some(drains(&["a"]));
    for pool in &mut case.blueprint.pools {
        for destination in pool.members.iter_mut().flat_map(|member| &mut member.destinations) {
            destination.forwarding = agent_ipvs::Forwarding::Masquerade;
        }
    }
    assert_eq!(weights(&case.plan().wanted, Protocol::Udp), [(1, 0), (2, 20)]);
    case.now = NOW + ANSWERS_WITHIN;
    assert_eq!(weights(&case.plan().wanted, Protocol::Udp), [(2, 20)]);
}

#[test]
fn a_server_drained_while_unknown_leaves_udp_too() {
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9)]);
    case.actual = case.plan().wanted;
    case.flows_move = true;
    case.checks = None;
    case.orders = Some(drains(&["a"]));
    assert_eq!(weights(&case.plan().wanted, Protocol::Udp), [(2, 20)]);
    assert_eq!(weights(&case.plan().wanted, Protocol::Tcp), [(1, 0), (2, 20)]);
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(Verdict::ALL.to_vec())
}

proptest! {
    /// Over random histories of verdicts and drains: applying the difference gives the wanted table, a second pass wants
    /// nothing more, the pool is never below `min_serving` because of us, and unknown changes no membership.
    #[test]
    fn passes_converge_and_keep_their_promises(
        min in 0u8..=100,
        flows_move: bool,
        history in prop::collection::vec(
            prop::collection::vec((any_verdict(), 0i64..100, any::<bool>()), 4), 1..12),
    ) {
        let mut case = Case { flows_move, ..Case::new(min, &[]) };
        let names = ["a", "b", "c", "d"];
        for step in history {
            let verdicts: Vec<_> = names.iter().zip(&step).map(|(name, (v, age, _))| (*name, *v, *age)).collect();
            case.checks = Some(checks(&verdicts));
            let drained: Vec<_> = names.iter().zip(&step).filter(|(_, s)| s.2).map(|(name, _)| *name).collect();
            case.orders = Some(drains(&drained));
            let before = case.actual.clone();
            let plan = case.plan();
            for edit in diff(&plan.wanted, &before, &plan.surplus).into_vec() {
                edit.apply_to(&mut case.actual).unwrap();
            }
            prop_assert_eq!(&case.actual, &plan.wanted);
            let again = case.plan();
            prop_assert!(diff(&again.wanted, &case.actual, &again.surplus).is_empty());

            let pool = &case.blueprint.pools[0];
            let key = pool.services[0].key();
            let now_in = &case.actual[key].destinations;
            // `d` has weight 0 and serves nobody.
            let serves = |table: &BTreeMap<_, Destination>, index: usize| {
                let key = pool.members[index].destinations[0].key;
                table.get(&key).is_some_and(|there| there.weight > Weight::ZERO)
            };
            let before_in = before.get(key).map(|entry| entry.destinations.clone()).unwrap_or_default();
            let usable = (0..3).filter(|&i| !step[i].2 && (step[i].0 != Unknown || serves(&before_in, i))).count();
            let working = (0..3).filter(|&i| !step[i].2 && serves(now_in, i)).count();
            prop_assert!(working >= pool.min_serving.min(usable), "{} of {}", working, pool.min_serving);
            for (member, (verdict, _, _)) in pool.members.iter().zip(&step) {
                let drained = step[pool.members.iter().position(|one| one.id == member.id).unwrap()].2;
                if *verdict == Unknown && !drained {
                    let was = before.get(key).is_some_and(|e| e.destinations.contains_key(&member.destinations[0].key));
                    prop_assert_eq!(now_in.contains_key(&member.destinations[0].key), was);
                }
            }
        }
    }
}

#[test]
fn what_a_former_run_left_changes_nothing_until_it_is_borne_out() {
    use Verdict::{Down, Up};
    let mut case = Case::new(0, &[("a", Up, 9), ("b", Up, 9), ("c", Down, 9)]);
    case.actual = case.plan().wanted;
    assert_eq!(case.shown(), "a=10 b=20");
    // b was ejected and c admitted, and then all daemons were killed before that was written.
    let service = |protocol| ServiceKey::new(protocol, "10.0.0.1".parse().unwrap(), 53).unwrap();
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let pool = &case.blueprint.pools[0];
        let index = pool.services.iter().position(|one| *one.key() == service(protocol)).unwrap();
        let (b, c) = (pool.members[1].destinations[index], pool.members[2].destinations[index]);
        let there = case.actual.get_mut(&service(protocol)).unwrap();
        there.destinations.remove(&b.key);
        there.destinations.insert(c.key, c);
    }
    let items = |case: &mut Case, unconfirmed| {
        case.checks.as_mut().unwrap().items.values_mut().for_each(|health| health.unconfirmed = unconfirmed);
    };
    items(&mut case, 1);
    assert_eq!(case.shown(), "a=10 c=30");
    // The same as long as checkd itself has not said it again.
    items(&mut case, 0);
    case.checks.as_mut().unwrap().connected = false;
    assert_eq!(case.shown(), "a=10 c=30");
    case.checks.as_mut().unwrap().connected = true;
    assert_eq!(case.shown(), "a=10 b=20");
    // A kernel that does not have the service remembers nothing.
    items(&mut case, 1);
    case.actual.clear();
    assert_eq!(case.shown(), "a=10 b=20");
}

#[test]
fn each_family_is_decided_for_itself() {
    let config = parse(&[Source { path: "t.toml".into(), text: FAMILIES.into() }]).expect("good");
    let blueprint = Blueprint::of(&config).expect("the kernel can hold it");
    let plan = |verdicts: [Verdict; 3], drained: &[&str]| {
        let checks = checks(&[("a", verdicts[0], 9), ("b", verdicts[1], 9), ("c", verdicts[2], 9)]);
        let orders = drains(drained);
        let empty = BTreeSet::new();
        super::plan(&Facts {
            blueprint: &blueprint,
            checks: Some(&checks),
            orders: Some(&orders),
            actual: &Table::new(),
            ours: &empty,
            warned: &empty,
            quorum_lost: &BTreeSet::new(),
            flows_move: true,
            now: NOW,
        })
    };
    let text = |plan: &Plan| agent_ipvs::text::export(&plan.wanted, agent_ipvs::text::Style::Complete);
    let (up, down) = (Verdict::Up, Verdict::Down);
    assert_eq!(
        text(&plan([up; 3], &[])),
        "-A -u 10.0.0.1:53 -s wlc\n-a -u 10.0.0.1:53 -r 10.1.0.1:53 -g -w 1\n-a -u 10.0.0.1:53 -r 10.1.0.3:53 -i -w 1 --tun-type ipip\n\
         -A -u 10.0.0.2:53 -s wlc\n-a -u 10.0.0.2:53 -r 10.1.0.1:53 -g -w 1\n-a -u 10.0.0.2:53 -r 10.1.0.3:53 -i -w 1 --tun-type ipip\n\
         -A -u [2001:db8::53]:53 -s wlc\n-a -u [2001:db8::53]:53 -r 10.1.0.3:53 -i -w 1 --tun-type ipip\n\
         -a -u [2001:db8::53]:53 -r [2001:db8::1:2]:53 -g -w 1\n\
         -A -f 7 -s wlc\n-a -f 7 -r 10.1.0.1:0 -g -w 1\n-a -f 7 -r 10.1.0.3:0 -i -w 1 --tun-type ipip\n"
    );
    // One family without anybody fails open, though the other one works.
    let open = plan([up, down, down], &[]);
    assert_eq!(open.fail_open.values().copied().collect::<Vec<_>>(), [1]);
    let v6 = blueprint.pools[1].services[0].key();
    assert_eq!((open.wanted[v6].destinations.len(), blueprint.pools.len()), (1, 2));
    // Who is drained leaves a UDP service only if somebody of its family takes over.
    let drained = plan([up; 3], &["b", "c"]);
    assert_eq!(
        drained.wanted[v6].destinations.values().map(|one| one.weight.get()).collect::<Vec<_>>(),
        [0, 0]
    );
    let v4 = blueprint.pools[0].services[0].key();
    assert_eq!(drained.wanted[v4].destinations.len(), 1);
}
