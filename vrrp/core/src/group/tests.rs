//! Members of a sync group move together.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::codec::{Datagram, Family, Outgoing, Protocol, multicast_group};
use crate::router::{Blocked, Reason, Why};
use crate::{Order, RouterSettings};

fn own(member: usize) -> IpAddr {
    IpAddr::from([10, 0, member as u8, 5])
}

fn peer(member: usize) -> IpAddr {
    IpAddr::from([10, 0, member as u8, 6])
}

struct Bed {
    group: SyncGroup,
    now: Time,
}

impl Bed {
    fn new(priority: u8) -> Self {
        let config = |member: u8| {
            let settings = RouterSettings::new(51 + member, vec![IpAddr::from([10, 0, member, 100])]);
            RouterConfig::check(RouterSettings { priority, ..settings }).unwrap()
        };
        let group = SyncGroup::new([config(0), config(1)]);
        let mut bed = Self { group, now: Time::from_start(Duration::from_secs(50)) };
        for member in 0..2 {
            bed.tell(Target::Member(member), Input::LinkWentUp { source: own(member) });
        }
        bed
    }

    fn started(priority: u8) -> Self {
        let mut bed = Self::new(priority);
        bed.tell(Target::All, Input::Started { held: None });
        bed
    }

    fn tell(&mut self, target: Target, input: Input<'_>) -> Vec<(usize, Action)> {
        self.group.handle(target, input, self.now);
        std::iter::from_fn(|| self.group.poll_action())
            .filter(|(_, action)| !matches!(action, Action::Report(_)))
            .collect()
    }

    fn fire(&mut self) -> Vec<(usize, Action)> {
        while let Some((at, _, Deadline::Overdue)) = self.group.deadline() {
            self.now = self.now.max(at);
            assert_eq!(self.tell(Target::All, Input::DeadlinePassed), []);
        }
        self.now = self.now.max(self.group.deadline().unwrap().0);
        self.tell(Target::All, Input::DeadlinePassed)
    }

    fn hear(&mut self, member: usize, priority: u8) -> Vec<(usize, Action)> {
        let router = &self.group.members()[member];
        let destination = multicast_group(Family::Ipv4);
        let mut packet = Vec::new();
        let ours = router.outgoing(priority, destination).unwrap();
        Outgoing { source: peer(member), ..ours }.message(&mut packet).unwrap();
        let datagram = Datagram {
            source: peer(member),
            destination,
            hop_limit: 255,
            protocol: Protocol::Vrrp,
            header: &[],
            payload: &packet,
        };
        self.tell(Target::Member(member), Input::DatagramReceived(datagram))
    }

    fn states(&self) -> [State; 2] {
        [self.group.members()[0].state(), self.group.members()[1].state()]
    }
}

const BACKUPS: [State; 2] = [State::Backup; 2];
const ACTIVES: [State; 2] = [State::Active; 2];
const OUT: [State; 2] = [State::Initialize; 2];

fn active(bed: &mut Bed) {
    for _ in 0..4 {
        if bed.states() != ACTIVES {
            bed.fire();
        }
    }
    assert_eq!(bed.states(), ACTIVES);
}

#[test]
fn none_takes_over_before_all_would() {
    let mut bed = Bed::started(100);
    assert_eq!(bed.states(), BACKUPS);
    bed.now = bed.now + Duration::from_secs(3);
    bed.hear(1, 150);
    bed.fire();
    assert_eq!(bed.states(), BACKUPS);
    assert_eq!(bed.group.members()[0].why(), Why::WaitingForGroup);
    // The waiting member hears an Active router again: it is not ready any more.
    bed.hear(0, 150);
    assert!(matches!(bed.group.members()[0].why(), Why::OtherIsNotWorse(_)));
    bed.fire();
    assert_eq!(bed.states(), BACKUPS);
    bed.fire();
    assert_eq!(bed.states(), ACTIVES);
}

#[test]
fn all_yield_when_one_does() {
    let mut bed = Bed::started(100);
    active(&mut bed);
    assert_eq!(bed.hear(1, 150), []);
    assert_eq!(bed.states(), BACKUPS);
    // The addresses follow together.
    let done = bed.fire();
    assert!(done.contains(&(0, Action::ReleaseAddresses)) && done.contains(&(1, Action::ReleaseAddresses)));
    assert_eq!(bed.group.members()[0].status().transitions.last().unwrap().reason, Reason::GroupYielded);
}

#[test]
fn a_fault_of_one_keeps_all_out_until_it_is_over() {
    let mut bed = Bed::started(100);
    active(&mut bed);
    let done = bed.tell(Target::Member(0), Input::LinkWentDown);
    assert_eq!(bed.states(), OUT);
    // The member with a working link tells its peers.
    assert!(done.contains(&(1, Action::SendAdvert { priority: 0 })));
    assert!(!done.contains(&(0, Action::SendAdvert { priority: 0 })));
    assert_eq!(bed.group.members()[1].why(), Why::Blocked(Blocked::GroupFault));
    bed.tell(Target::Member(1), Input::LinkWentDown);
    bed.tell(Target::Member(0), Input::LinkWentUp { source: own(0) });
    assert_eq!(bed.states(), OUT);
    bed.tell(Target::Member(1), Input::LinkWentUp { source: own(1) });
    assert_eq!(bed.states(), BACKUPS);
    active(&mut bed);
}

#[test]
fn a_stall_lets_go_of_all() {
    let mut bed = Bed::started(100);
    active(&mut bed);
    bed.now = bed.now + Duration::from_secs(5);
    let done = bed.tell(Target::All, Input::DeadlinePassed);
    assert_eq!(bed.states(), BACKUPS);
    assert!(!done.iter().any(|(_, action)| matches!(action, Action::SendAdvert { .. })));
}

#[test]
fn the_group_resumes_as_one_or_not_at_all() {
    let second = Some(Duration::from_secs(1));
    let mut bed = Bed::new(100);
    bed.tell(Target::All, Input::Started { held: second });
    assert_eq!(bed.states(), ACTIVES);
    let mut bed = Bed::new(100);
    bed.tell(Target::Member(1), Input::LinkWentDown);
    let done = bed.tell(Target::All, Input::Started { held: second });
    assert_eq!(bed.states(), OUT);
    assert_eq!(done, [(0, Action::ReleaseAddresses), (1, Action::ReleaseAddresses)]);
    bed.tell(Target::Member(1), Input::LinkWentUp { source: own(1) });
    assert_eq!(bed.states(), BACKUPS);
}

#[test]
fn owners_and_orders_move_the_whole_group() {
    let bed = Bed::started(255);
    assert_eq!(bed.states(), ACTIVES);
    let mut bed = Bed::started(100);
    bed.hear(0, 150);
    bed.hear(1, 150);
    bed.tell(Target::All, Input::OrderGiven(Order::TakeOver));
    assert_eq!(bed.states(), ACTIVES);
    let done = bed.tell(Target::All, Input::StopRequested);
    assert_eq!(bed.states(), OUT);
    for member in 0..2 {
        assert!(done.contains(&(member, Action::SendAdvert { priority: 0 })));
    }
    assert_eq!(bed.group.deadline(), None);
}

#[test]
fn a_group_of_one_is_just_its_router() {
    let settings = RouterSettings::new(1, vec![IpAddr::from([10, 0, 0, 100])]);
    let mut group = SyncGroup::new([RouterConfig::check(settings).unwrap()]);
    group.handle(Target::Member(0), Input::LinkWentUp { source: own(0) }, Time::ZERO);
    group.handle(Target::All, Input::Started { held: None }, Time::ZERO);
    group.handle(Target::Member(7), Input::StopRequested, Time::ZERO);
    while group.members()[0].state() == State::Backup {
        let (at, _, _) = group.deadline().unwrap();
        group.handle(Target::All, Input::DeadlinePassed, at);
    }
    assert_eq!(group.members()[0].state(), State::Active);
}
