//! Both machines, input by input; then both together on a segment that is cut and mended.

mod segment;

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{
    ArpAction, ArpConfig, ArpEvent, ArpInput, ArpReason, ArpSettings, ArpWhy, GiveBack, Role, Takeover,
};
use crate::router::{Order, State};
use crate::time::Time;

const DIRECTOR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_start(Duration::from_secs(seconds))
}

fn settings(role: Role) -> ArpSettings {
    let targets = if role == Role::Standby { vec![ip("192.0.2.1"), ip("10.0.0.1")] } else { Vec::new() };
    let mut settings = ArpSettings::new(role, vec![ip("192.0.2.100")], targets);
    if role == Role::Standby {
        settings.sentinels = vec![ip("192.0.2.254")];
    }
    settings
}

/// A machine with a second a round, driven by what answers in each round.
struct Bench {
    machine: Takeover,
    now: u64,
    done: Vec<ArpAction>,
}

impl Bench {
    fn new(settings: ArpSettings) -> Self {
        let mut bench =
            Self { machine: Takeover::new(ArpConfig::check(settings).unwrap()), now: 0, done: Vec::new() };
        bench.tell(ArpInput::LinkWentUp);
        bench.tell(ArpInput::Started { held: false });
        bench
    }

    fn tell(&mut self, input: ArpInput) {
        self.machine.handle(input, at(self.now));
        self.done.extend(std::iter::from_fn(|| self.machine.poll_action()));
    }

    /// One round in which these answer.
    fn round(&mut self, director: bool, sentinel: bool) -> State {
        if director {
            self.tell(ArpInput::Answered { address: ip("192.0.2.1"), mac: Some(DIRECTOR_MAC) });
        }
        if sentinel {
            self.tell(ArpInput::Answered { address: ip("192.0.2.254"), mac: None });
        }
        self.now += 1;
        self.tell(ArpInput::DeadlinePassed);
        self.machine.state()
    }

    fn rounds(&mut self, count: usize, director: bool, sentinel: bool) -> State {
        (0..count).map(|_| self.round(director, sentinel)).last().unwrap_or(self.machine.state())
    }

    fn did(&mut self) -> Vec<ArpAction> {
        std::mem::take(&mut self.done)
    }

    fn events(&self) -> Vec<ArpEvent> {
        self.done
            .iter()
            .filter_map(|action| if let ArpAction::Report(event) = action { Some(*event) } else { None })
            .collect()
    }

    fn last_reason(&self) -> ArpReason {
        self.machine.transitions().last().unwrap().reason
    }
}

#[test]
fn the_standby_takes_over_when_the_director_is_silent_and_gives_back_when_it_returns() {
    let mut bench = Bench::new(settings(Role::Standby));
    assert_eq!(
        bench.did().first(),
        Some(&ArpAction::ReleaseAddresses),
        "what an earlier run left is not ours"
    );
    assert_eq!(bench.rounds(5, true, true), State::Backup);
    assert_eq!(bench.machine.why(), ArpWhy::DirectorAnswers);
    let asked = bench.did();
    for address in ["192.0.2.1", "10.0.0.1", "192.0.2.254"] {
        assert_eq!(asked.iter().filter(|did| **did == ArpAction::Probe(ip(address))).count(), 5, "{address}");
    }
    assert_eq!(bench.rounds(2, false, true), State::Backup, "not yet");
    assert_eq!(bench.round(true, true), State::Backup);
    assert_eq!(bench.rounds(2, false, true), State::Backup, "an answer ends the run");
    bench.did();
    assert_eq!(bench.round(false, true), State::Active);
    assert_eq!(bench.events().first(), Some(&ArpEvent::DirectorFellSilent));
    let did = bench.did();
    let claim = did.iter().position(|did| matches!(did, ArpAction::ClaimAddresses { .. })).unwrap();
    let announce = did.iter().position(|did| *did == ArpAction::Announce).unwrap();
    assert!(claim < announce, "whoever hears of it is answered");
    assert_eq!(bench.last_reason(), ArpReason::DirectorGone);
    assert_eq!(bench.rounds(2, true, true), State::Active, "not back yet");
    bench.did();
    assert_eq!(bench.round(true, true), State::Backup);
    let did = bench.did();
    let release = did.iter().position(|did| *did == ArpAction::ReleaseAddresses).unwrap();
    assert_eq!(did.get(release + 1), Some(&ArpAction::AnnounceFor(DIRECTOR_MAC)));
    assert_eq!(bench.last_reason(), ArpReason::DirectorBack);
}

#[test]
fn one_that_is_cut_off_takes_nothing() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, true, true);
    assert_eq!(bench.rounds(100, false, false), State::Backup);
    assert_eq!(bench.machine.why(), ArpWhy::CutOff);
    assert_eq!(bench.events().iter().filter(|event| **event == ArpEvent::CutOff).count(), 1);
    // When the sentinel is back the director has all its rounds to answer in.
    assert_eq!(bench.rounds(2, false, true), State::Backup);
    assert!(bench.events().contains(&ArpEvent::Reconnected));
    assert_eq!(bench.round(true, true), State::Backup);
    // And a director that died meanwhile is taken over from in the usual time.
    assert_eq!(bench.rounds(50, false, false), State::Backup);
    assert_eq!(bench.rounds(3, false, true), State::Active);
}

#[test]
fn without_sentinels_only_its_own_link_guards_it() {
    let mut bench = Bench::new(ArpSettings { sentinels: Vec::new(), ..settings(Role::Standby) });
    bench.rounds(3, true, false);
    bench.tell(ArpInput::LinkWentDown);
    assert_eq!(bench.rounds(10, false, false), State::Initialize);
    assert_eq!(bench.machine.why(), ArpWhy::LinkDown);
    assert_eq!(bench.machine.deadline(), None, "nothing to wait for");
    bench.tell(ArpInput::LinkWentUp);
    assert_eq!(bench.rounds(2, false, false), State::Backup, "it listens anew");
    assert_eq!(bench.round(false, false), State::Active);
    bench.did();
    bench.tell(ArpInput::LinkWentDown);
    assert!(bench.did().contains(&ArpAction::ReleaseAddresses));
}

#[test]
fn when_it_gives_back_is_the_operators_choice() {
    let returned = |give_back| {
        let mut bench = Bench::new(ArpSettings { give_back, ..settings(Role::Standby) });
        assert_eq!(bench.rounds(3, false, true), State::Active);
        bench.rounds(3, true, true);
        bench
    };
    assert_eq!(returned(GiveBack::AtOnce).machine.state(), State::Backup);
    let mut bench = returned(GiveBack::After(Duration::from_secs(30)));
    assert_eq!(bench.machine.why(), ArpWhy::NotGivenBackYet);
    assert_eq!(bench.rounds(29, true, true), State::Active);
    assert_eq!(bench.round(false, true), State::Active, "a break begins the delay anew");
    assert_eq!(bench.rounds(29, true, true), State::Active);
    assert_eq!(bench.round(true, true), State::Backup);
    let mut bench = returned(GiveBack::ByHand);
    assert_eq!(bench.rounds(1_000, true, true), State::Active);
    bench.tell(ArpInput::OrderGiven(Order::Yield));
    assert_eq!(bench.machine.state(), State::Backup);
    assert!(bench.did().contains(&ArpAction::AnnounceFor(DIRECTOR_MAC)));
    // The order keeps nobody from helping when the director is gone.
    assert_eq!(bench.rounds(3, false, true), State::Active);
}

#[test]
fn a_yield_without_a_director_leaves_the_addresses_where_they_are() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, false, true);
    bench.tell(ArpInput::OrderGiven(Order::Yield));
    assert_eq!(bench.machine.state(), State::Active);
    assert_eq!(bench.rounds(3, true, true), State::Backup, "it follows when there is one");
}

#[test]
fn an_operator_can_take_the_addresses() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, true, true);
    bench.tell(ArpInput::OrderGiven(Order::TakeOver));
    assert_eq!((bench.machine.state(), bench.last_reason()), (State::Active, ArpReason::Ordered));
    assert_eq!(bench.rounds(10, true, true), State::Active);
    bench.tell(ArpInput::OrderLifted);
    assert_eq!(bench.round(true, true), State::Backup);
    bench.tell(ArpInput::LinkWentDown);
    bench.tell(ArpInput::OrderGiven(Order::TakeOver));
    assert_eq!(bench.machine.state(), State::Initialize, "not without a network");
    bench.tell(ArpInput::LinkWentUp);
    assert_eq!(bench.machine.state(), State::Active);
}

#[test]
fn a_service_that_fails_is_taken_over_and_one_that_is_not_known_is_not() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.tell(ArpInput::ServiceSeen(None));
    assert_eq!(bench.rounds(10, true, true), State::Backup);
    bench.tell(ArpInput::ServiceSeen(Some(false)));
    assert_eq!(bench.round(true, true), State::Active);
    assert_eq!(bench.last_reason(), ArpReason::ServiceGone);
    bench.tell(ArpInput::ServiceSeen(None));
    assert_eq!(bench.rounds(10, true, true), State::Active, "silence changes nothing");
    bench.tell(ArpInput::ServiceSeen(Some(true)));
    assert_eq!(bench.round(true, true), State::Backup);
}

#[test]
fn a_late_round_proves_nothing() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, true, true);
    for _ in 0..20 {
        bench.now += 30;
        bench.tell(ArpInput::DeadlinePassed);
        assert_eq!(bench.machine.state(), State::Backup);
    }
}

#[test]
fn the_start_delay_and_resumption() {
    let delayed = ArpSettings { start_delay: Duration::from_secs(10), ..settings(Role::Standby) };
    let mut bench = Bench::new(delayed);
    assert_eq!(bench.rounds(9, false, true), State::Initialize);
    assert_eq!(bench.machine.why(), ArpWhy::StartDelay);
    assert_eq!(bench.rounds(4, false, true), State::Active);
    let mut machine = Takeover::new(ArpConfig::check(settings(Role::Standby)).unwrap());
    machine.handle(ArpInput::LinkWentUp, at(0));
    machine.handle(ArpInput::Started { held: true }, at(0));
    assert_eq!(machine.state(), State::Active, "a restart moves nothing");
    machine.handle(ArpInput::StopRequested, at(1));
    assert_eq!((machine.state(), machine.deadline()), (State::Initialize, None));
}

#[test]
fn the_lease_is_renewed_and_the_announcement_refreshed() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, false, true);
    bench.did();
    bench.rounds(120, false, true);
    let did = bench.did();
    let renewed = did.iter().filter(|did| matches!(did, ArpAction::RenewAddresses { .. })).count();
    assert!(renewed >= 115, "a third of the lease is a second: {renewed}");
    let announced = did.iter().filter(|did| **did == ArpAction::Announce).count();
    assert_eq!(announced, 10, "the rest of the first batch, the second one, and a refresh after a minute");
}

#[test]
fn addresses_that_somebody_removes_are_put_back_but_not_for_ever() {
    let mut bench = Bench::new(settings(Role::Standby));
    bench.rounds(3, false, true);
    for _ in 0..5 {
        bench.did();
        bench.tell(ArpInput::AddressLost(ip("192.0.2.100")));
        assert!(bench.did().iter().any(|did| matches!(did, ArpAction::ClaimAddresses { .. })));
    }
    bench.tell(ArpInput::AddressLost(ip("192.0.2.99")));
    bench.tell(ArpInput::AddressLost(ip("192.0.2.100")));
    assert_eq!((bench.machine.state(), bench.machine.why()), (State::Initialize, ArpWhy::AddressesNotHeld));
    assert_eq!(bench.rounds(4, false, true), State::Active, "it tries again");
}

#[test]
fn the_director_takes_what_nobody_has_and_waits_for_what_somebody_has() {
    let mut bench = Bench::new(settings(Role::Director));
    let claimed = ArpInput::Claimed { address: ip("192.0.2.100"), mac: OTHER_MAC };
    for _ in 0..10 {
        bench.tell(claimed);
        assert_eq!(bench.round(false, false), State::Backup);
    }
    assert!(bench.did().contains(&ArpAction::ProbeAddress(ip("192.0.2.100"))));
    assert_eq!(bench.round(false, false), State::Backup);
    assert_eq!(bench.round(false, false), State::Active);
    assert_eq!(bench.last_reason(), ArpReason::NobodyHasThem);
    bench.tell(ArpInput::LinkWentDown);
    bench.tell(ArpInput::LinkWentUp);
    assert_eq!(bench.machine.state(), State::Backup);
    bench.tell(ArpInput::HandedOver);
    assert_eq!((bench.machine.state(), bench.last_reason()), (State::Active, ArpReason::HandedOver));
}

#[test]
fn the_director_defends_once_and_yields_to_one_that_insists() {
    let mut bench = Bench::new(settings(Role::Director));
    bench.rounds(2, false, false);
    let claimed = ArpInput::Claimed { address: ip("192.0.2.100"), mac: OTHER_MAC };
    bench.did();
    bench.tell(claimed);
    assert!(bench.did().contains(&ArpAction::Announce));
    bench.now += 60;
    bench.tell(claimed);
    bench.tell(claimed);
    assert_eq!(bench.machine.state(), State::Active);
    bench.tell(claimed);
    assert_eq!((bench.machine.state(), bench.last_reason()), (State::Backup, ArpReason::Claimed));
    assert_eq!(bench.machine.why(), ArpWhy::Listening);
    bench.tell(ArpInput::Claimed { address: ip("192.0.2.99"), mac: OTHER_MAC });
    assert_eq!(bench.rounds(2, false, false), State::Active, "an address of others is nobody's business");
}

fn input() -> impl Strategy<Value = ArpInput> {
    let address = prop_oneof![
        Just(ip("192.0.2.1")),
        Just(ip("192.0.2.254")),
        Just(ip("192.0.2.100")),
        Just(ip("192.0.2.7"))
    ];
    prop_oneof![
        any::<bool>().prop_map(|held| ArpInput::Started { held }),
        Just(ArpInput::DeadlinePassed),
        Just(ArpInput::DeadlinePassed),
        address.clone().prop_map(|address| ArpInput::Answered { address, mac: Some(DIRECTOR_MAC) }),
        address.clone().prop_map(|address| ArpInput::Claimed { address, mac: OTHER_MAC }),
        Just(ArpInput::HandedOver),
        Just(ArpInput::LinkWentUp),
        Just(ArpInput::LinkWentDown),
        any::<Option<bool>>().prop_map(ArpInput::ServiceSeen),
        address.prop_map(ArpInput::AddressLost),
        Just(ArpInput::ClaimFailed),
        any::<bool>()
            .prop_map(|take| { ArpInput::OrderGiven(if take { Order::TakeOver } else { Order::Yield }) }),
        Just(ArpInput::OrderLifted),
        any::<bool>().prop_map(ArpInput::TrackerFailed),
        Just(ArpInput::StopRequested),
    ]
}

proptest! {
    /// Whatever happens: Active means that the last word about the addresses was to claim them; nothing is sent in Initialize;
    /// and whoever takes part waits for something.
    #[test]
    fn state_and_commands_agree(
        standby in any::<bool>(),
        inputs in prop::collection::vec((input(), 0..3_000_u64), 0..120),
    ) {
        let role = if standby { Role::Standby } else { Role::Director };
        let mut machine = Takeover::new(ArpConfig::check(settings(role)).unwrap());
        let (mut now, mut claimed) = (Time::ZERO, false);
        for (input, later) in inputs {
            now = now + Duration::from_millis(later);
            machine.handle(input, now);
            while let Some(action) = machine.poll_action() {
                match action {
                    ArpAction::ClaimAddresses { .. } => claimed = true,
                    ArpAction::ReleaseAddresses => claimed = false,
                    ArpAction::RenewAddresses { .. } | ArpAction::Announce => prop_assert!(claimed),
                    _ => {}
                }
            }
            prop_assert_eq!(machine.state() == State::Active, claimed);
            prop_assert_eq!(machine.state() != State::Initialize && machine.deadline().is_none(), false);
            prop_assert!(machine.transitions().count() <= 16);
            let _ = (machine.why().code(), machine.why().to_string());
        }
    }
}
