//! Another plan while virtual routers run.
//!
//! Owns what stays (a virtual router that is the same goes on in its state, and no address it keeps is touched), what
//! goes (it says that it leaves), and the order: nothing is given up for a moment that is held before and after.

use std::net::IpAddr;

use vrrp_core::{Input, Target};

use super::{Engine, Group, Member};
use crate::clock;
use crate::netlink::Order;
use crate::plan::{GroupPlan, MemberPlan, Placed, Plan};
use crate::tale::Tale;

impl Engine {
    /// Takes over another plan.
    pub(super) fn reconfigure(&mut self, plan: Plan) {
        self.announcement_rate = plan.announcement_rate;
        self.tracked = plan.tracked_interfaces.into_iter().map(|name| (name, None)).collect();
        let mut old: Vec<Option<Group>> = Vec::new();
        // What goes, goes first: its adverts still need its sockets.
        for group in 0..self.groups.len() {
            let stays = self
                .groups
                .get(group)
                .is_some_and(|known| plan.groups.iter().any(|wanted| is_same_group(known, wanted)));
            if !stays {
                self.feed(group, Target::All, Input::StopRequested, clock::now());
                self.tell_group(group, clock::now());
            }
        }
        old.extend(std::mem::take(&mut self.groups).into_iter().map(Some));
        let mut new_plans: Vec<Option<GroupPlan>> = Vec::new();
        for wanted in plan.groups {
            let found =
                old.iter_mut().find(|slot| slot.as_ref().is_some_and(|known| is_same_group(known, &wanted)));
            match found.and_then(Option::take) {
                Some(group) => {
                    self.groups.push(group);
                    new_plans.push(Some(wanted));
                }
                None => {
                    self.groups.push(Group::new(wanted));
                    new_plans.push(None);
                }
            }
        }
        self.agenda.rewrite(&self.groups);
        self.drop_addresses(&new_plans);
        // The sockets must know all interfaces and ids before anybody speaks.
        let mut before: Vec<Vec<MemberPlan>> = Vec::new();
        for (group, wanted) in self.groups.iter_mut().zip(&new_plans) {
            let mut plans = Vec::new();
            if let Some(wanted) = wanted {
                for (member, wanted) in group.members.iter_mut().zip(&wanted.members) {
                    plans.push(std::mem::replace(&mut member.plan, wanted.clone()));
                }
            }
            before.push(plans);
        }
        self.settle();
        for (group, before) in before.into_iter().enumerate() {
            if before.is_empty() {
                self.begin(group);
            } else {
                self.change(group, &before);
            }
        }
        // What was just removed is no stray.
        if let Err(error) = self.hear(clock::now()) {
            self.tell(Tale::Trouble(error.to_string()));
        }
        self.remove_strays();
        self.remove_devices();
    }

    /// Takes over changed plans of a running group, which are in place already.
    fn change(&mut self, group: usize, before: &[MemberPlan]) {
        for (at, before) in before.iter().enumerate() {
            let now = clock::now();
            self.compare_link(group, at, now);
            let Some(known) = self.groups.get_mut(group) else { return };
            let Some(member) = known.members.get(at) else { return };
            let lease = member.plan.lease();
            let config = member.plan.vrrp().cloned();
            let placed_anew = member.plan.addresses != before.addresses
                || member.plan.routes != before.routes
                || member.plan.rules != before.rules;
            known.changed = true;
            self.agenda.news = true;
            if let (super::Core::Vrrp(core), Some(config)) = (&mut known.core, config)
                && let Err(error) = core.reconfigure(at, config, now)
            {
                // Only a member with the same identity comes here.
                self.tell(Tale::Trouble(error.to_string()));
            }
            self.carry_all(group, now);
            self.drop_routes(group, at, before);
            let held = self.groups.get(group).and_then(|group| group.members.get(at)).is_some_and(|m| m.held);
            if held && placed_anew {
                self.put_addresses(group, at, lease);
                self.put_routes(group, at);
                self.carry_all(group, now);
            }
        }
    }

    /// Removes routes and rules that a running router no longer has.
    fn drop_routes(&mut self, group: usize, at: usize, before: &MemberPlan) {
        let Self { groups, links, kernel, .. } = self;
        let Some(member) = groups.get(group).and_then(|group| group.members.get(at)) else { return };
        if !member.held {
            return;
        }
        let routes = before.routes.iter().filter(|route| !member.plan.routes.contains(route));
        let routes = routes.filter_map(|route| {
            let name = route.interface.as_deref().unwrap_or(&before.interface);
            Some(Order::RemoveRoute { interface: links.by_name(name)?.link.index, route })
        });
        let rules = before.rules.iter().filter(|rule| !member.plan.rules.contains(rule));
        let rules = rules.map(|rule| Order::RemoveRule { rule });
        // What is not there need not be removed.
        let _ = kernel.execute(rules.chain(routes), |_, _| {});
    }

    /// Removes held addresses that their virtual router no longer has, unless another one holds them from now on.
    fn drop_addresses(&mut self, plans: &[Option<GroupPlan>]) {
        let Self { groups, links, kernel, renewer, teller, .. } = self;
        let pairs = || {
            groups.iter().zip(plans).flat_map(|(group, wanted)| {
                let wanted = wanted.iter().flat_map(|wanted| &wanted.members);
                group.members.iter().zip(wanted).filter(|(member, _)| member.held)
            })
        };
        let all = |member: &Member, plan: &MemberPlan| -> Vec<(u32, IpAddr, u8)> {
            let place = |placed: &Placed| {
                let name = placed.interface.as_deref().unwrap_or(member.segment_name());
                let on = links.by_name(name)?;
                Some((on.link.index, placed.lease.address, placed.lease.prefix))
            };
            plan.addresses.iter().filter_map(place).collect()
        };
        for (member, _) in pairs().filter(|(member, wanted)| member.plan.addresses != wanted.addresses) {
            renewer.forget(member.ticket);
        }
        let kept: Vec<_> = pairs().flat_map(|(member, wanted)| all(member, wanted)).collect();
        let had = pairs().flat_map(|(member, _)| all(member, &member.plan));
        let dropped: Vec<_> = had.filter(|key| !kept.contains(key)).collect();
        let orders = dropped.into_iter().map(|(interface, address, prefix)| Order::RemoveAddress {
            interface,
            address,
            prefix,
        });
        if let Err(error) = kernel.execute(orders, |_, _| {}) {
            teller.tell(Tale::Trouble(error.to_string()));
        }
    }
}

/// Whether a running group can take over `wanted`: the same routers, in the same order.
fn is_same_group(known: &Group, wanted: &GroupPlan) -> bool {
    known.name == wanted.name
        && known.members.len() == wanted.members.len()
        && known.members.iter().zip(&wanted.members).all(|(one, other)| one.plan.is_same_router(other))
}
