//! What the engine tells of itself.
//!
//! Owns when it is told (what changed in a turn at its end, everything now and then) and the snapshots. It is on the way of no
//! advert: it comes after everything else in a turn.

use std::time::Duration;

use vrrp_core::Time;

use super::core::Core;
use super::{Engine, Member};
use crate::links::Links;
use crate::tale::{ArpStanding, Snapshot, Standing, Tale};

/// How often everything is told anew although nothing changed.
const SLOW_NEWS: Duration = Duration::from_secs(10);

impl Engine {
    /// Tells what changed in this turn, and now and then everything.
    pub(super) fn tell_news(&mut self, now: Time) {
        let all = now >= self.slow_news;
        if all {
            self.slow_news = now + SLOW_NEWS;
            self.teller.tell(Tale::Alive { figures: self.figures });
            self.figures.lateness = Duration::ZERO;
        }
        if !std::mem::take(&mut self.agenda.news) && !all {
            return;
        }
        for group in 0..self.groups.len() {
            if all || self.groups.get(group).is_some_and(|group| group.changed) {
                self.tell_group(group, now);
            }
        }
    }

    /// Tells how the routers of a group are.
    pub(super) fn tell_group(&mut self, group: usize, now: Time) {
        let Self { groups, links, teller, .. } = self;
        let Some(group) = groups.get_mut(group) else { return };
        group.changed = false;
        for (at, member) in group.members.iter().enumerate() {
            let standing = match &group.core {
                Core::Vrrp(core) => {
                    let Some(router) = core.members().get(at) else { continue };
                    Standing::Vrrp(Box::new(router.status()))
                }
                Core::Arp(core) => Standing::Arp(ArpStanding {
                    state: core.state(),
                    why: core.why(),
                    order: core.order(),
                    transitions: core.transitions().copied().collect(),
                }),
            };
            let vrrp = member.plan.vrrp();
            let snapshot = Snapshot {
                router: member.plan.name.clone(),
                group: group.name.clone(),
                family: member.plan.family(),
                interface: member.plan.interface.clone(),
                vrid: vrrp.map(|config| config.vrid().get()),
                interval: vrrp.map(|config| config.interval().span()),
                addresses: member.plan.addresses.iter().map(|placed| placed.lease.address).collect(),
                held: held(member, links),
                standing,
                at: now,
            };
            teller.tell(Tale::Snapshot(Box::new(snapshot)));
        }
    }
}

/// The addresses of a member that are on their interfaces because of it.
fn held(member: &Member, links: &Links) -> Vec<std::net::IpAddr> {
    let is_there = |placed: &&crate::plan::Placed| {
        let on = links.by_name(member.interface_of(placed));
        on.is_some_and(|on| on.address(placed.lease.address).is_some())
    };
    let all = member.plan.addresses.iter().filter(|_| member.held);
    all.filter(is_there).map(|placed| placed.lease.address).collect()
}
