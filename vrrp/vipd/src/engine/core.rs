//! The two cores behind one face: a sync group of VRRP routers, or a takeover by ARP.
//!
//! Owns the translation of what the engine knows into each core's words, and back. It decides nothing.

use std::net::IpAddr;

use vrrp_core::announce::Mac;
use vrrp_core::arp::{ArpAction, ArpEvent, ArpInput, Takeover};
use vrrp_core::router::Action;
use vrrp_core::{Input, State, SyncGroup, Target, Time, VirtualRouter};

use crate::plan::{MemberPlan, Mode};

/// What decides who has the addresses.
pub(super) enum Core {
    Vrrp(SyncGroup),
    Arp(Box<Takeover>),
}

/// Something to carry out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// What both cores ask for, and VRRP alone.
    Core(Action),
    /// Ask a host whether it is there.
    Probe(IpAddr),
    /// Ask whether anybody has a virtual address.
    ProbeAddress(IpAddr),
    /// Announce the addresses with another machine's MAC.
    AnnounceFor(Mac),
    /// Tell of something that only the takeover by ARP knows.
    Report(ArpEvent),
}

impl Core {
    /// The core of a group with these members. One that watches is alone in its group.
    pub(super) fn new(members: &[MemberPlan]) -> Self {
        match members {
            [MemberPlan { mode: Mode::Arp { config, .. }, .. }] => {
                Self::Arp(Box::new(Takeover::new((**config).clone())))
            }
            members => Self::Vrrp(SyncGroup::new(members.iter().filter_map(|member| member.vrrp().cloned()))),
        }
    }

    pub(super) fn handle(&mut self, target: Target, input: Input<'_>, now: Time) {
        match self {
            Self::Vrrp(core) => core.handle(target, input, now),
            Self::Arp(core) => {
                if let Some(input) = translated(input, core) {
                    core.handle(input, now);
                }
            }
        }
    }

    /// Tells the takeover by ARP what only it wants to know.
    pub(super) fn handle_arp(&mut self, input: ArpInput, now: Time) {
        if let Self::Arp(core) = self {
            core.handle(input, now);
        }
    }

    pub(super) fn poll_step(&mut self) -> Option<(usize, Step)> {
        match self {
            Self::Vrrp(core) => core.poll_action().map(|(member, action)| (member, Step::Core(action))),
            Self::Arp(core) => {
                let step = match core.poll_action()? {
                    ArpAction::Probe(address) => Step::Probe(address),
                    ArpAction::ProbeAddress(address) => Step::ProbeAddress(address),
                    ArpAction::ClaimAddresses { lifetime } => Step::Core(Action::ClaimAddresses { lifetime }),
                    ArpAction::RenewAddresses { lifetime } => Step::Core(Action::RenewAddresses { lifetime }),
                    ArpAction::ReleaseAddresses => Step::Core(Action::ReleaseAddresses),
                    ArpAction::Announce => Step::Core(Action::Announce),
                    ArpAction::AnnounceFor(mac) => Step::AnnounceFor(mac),
                    ArpAction::Report(event) => Step::Report(event),
                };
                Some((0, step))
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Vrrp(core) => core.deadline().map(|(at, ..)| at),
            Self::Arp(core) => core.deadline(),
        }
    }

    /// The VRRP routers; none when another core decides.
    pub(super) fn routers(&self) -> &[VirtualRouter] {
        match self {
            Self::Vrrp(core) => core.members(),
            Self::Arp(_) => &[],
        }
    }

    pub(super) fn state(&self, member: usize) -> Option<State> {
        match self {
            Self::Vrrp(core) => core.members().get(member).map(VirtualRouter::state),
            Self::Arp(core) => Some(core.state()),
        }
    }
}

fn translated(input: Input<'_>, core: &Takeover) -> Option<ArpInput> {
    Some(match input {
        Input::Started { held } => {
            let lease = core.config().settings().lease;
            ArpInput::Started { held: held.is_some_and(|age| age < lease) }
        }
        Input::DeadlinePassed => ArpInput::DeadlinePassed,
        Input::LinkWentUp { .. } => ArpInput::LinkWentUp,
        Input::LinkWentDown | Input::SourceLost => ArpInput::LinkWentDown,
        Input::TrackingChanged { failed, .. } => ArpInput::TrackerFailed(failed),
        Input::AddressLost(address) => ArpInput::AddressLost(address),
        Input::ClaimFailed => ArpInput::ClaimFailed,
        Input::DuplicateSeen { address, mac } => ArpInput::Claimed { address, mac },
        Input::OrderGiven(order) => ArpInput::OrderGiven(order),
        Input::OrderLifted => ArpInput::OrderLifted,
        Input::StopRequested => ArpInput::StopRequested,
        Input::DatagramReceived(_) => return None,
    })
}
