//! Taking up a plan: at the start, and again when it changes.
//!
//! Owns what an earlier run left (addresses with our mark, still within their lease or not) and how a changed plan becomes
//! running virtual routers without touching what did not change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vrrp_core::{Input, Target};

use super::core::Core;
use super::{Engine, Group, Member, Told, carry};
use crate::clock;
use crate::netlink::Order;
use crate::netlink::message::{Address, OURS};
use crate::plan::{GroupPlan, Plan};
use crate::renewer::Leases;
use crate::tale::{Note, Tale};

static TICKETS: AtomicU64 = AtomicU64::new(0);

impl Engine {
    /// Begins with a plan, on the picture of the interfaces as it is.
    pub(super) fn take_up(&mut self, plan: Plan) {
        self.groups = plan.groups.into_iter().map(Group::new).collect();
        self.agenda.rewrite(&self.groups);
        self.tracked = plan.tracked_interfaces.into_iter().map(|name| (name, None)).collect();
        self.tell_links();
        self.settle();
        self.remove_strays();
        self.remove_devices();
        for group in 0..self.groups.len() {
            self.begin(group);
        }
    }

    /// Tells a new group how its interfaces are, then that it may start.
    pub(super) fn begin(&mut self, group: usize) {
        let members = self.groups.get(group).map_or(0, |group| group.members.len());
        for at in 0..members {
            self.compare_link(group, at, clock::now());
        }
        let held = self.held(group);
        self.feed(group, Target::All, Input::Started { held }, clock::now());
    }

    /// If all addresses of a group are there from an earlier run: how long ago that renewed them.
    fn held(&self, group: usize) -> Option<Duration> {
        let group = self.groups.get(group)?;
        let now = clock::uptime();
        let mut oldest = Duration::ZERO;
        for member in &group.members {
            let lease = member.plan.lease();
            for placed in &member.plan.addresses {
                let on = self.links.by_name(member.interface_of(placed))?;
                let address = on.address(placed.lease.address)?;
                if address.origin != OURS || address.permanent || address.tentative || address.dad_failed {
                    return None;
                }
                oldest = oldest.max(age(address, lease, now));
            }
        }
        (!group.members.is_empty()).then_some(oldest)
    }

    /// Removes addresses with our mark that no virtual router is set to have: what an earlier configuration left.
    pub(super) fn remove_strays(&mut self) {
        let Self { groups, links, kernel, teller, .. } = self;
        let is_wanted = |address: &Address| {
            groups.iter().flat_map(|group| &group.members).any(|member| {
                carry::places(member, links).any(|(placed, interface)| {
                    placed.lease.address == address.address
                        && placed.lease.prefix == address.prefix
                        && interface == Some(address.interface)
                })
            })
        };
        let strays: Vec<Address> = links
            .iter()
            .flat_map(|interface| &interface.addresses)
            .filter(|address| address.origin == OURS && !is_wanted(address))
            .copied()
            .collect();
        for stray in &strays {
            teller.tell(Tale::Note { router: None, note: Note::StrayRemoved { address: stray.address } });
        }
        let orders = strays.iter().map(|stray| Order::RemoveAddress {
            interface: stray.interface,
            address: stray.address,
            prefix: stray.prefix,
        });
        if let Err(error) = kernel.execute(orders, |_, _| {}) {
            teller.tell(Tale::Trouble(error.to_string()));
        }
    }
}

/// How long ago an address was renewed. The kernel's time stamp has a hundredth of a second, but a clock that started a
/// moment later than ours; where it does not fit what is left of the lifetime, the older age counts.
fn age(address: &Address, lease: Duration, now: Duration) -> Duration {
    const SLACK: Duration = Duration::from_millis(500);
    let least = lease.saturating_sub(address.left);
    let most = least + Duration::from_secs(1);
    let stamped = now.saturating_sub(address.stamp);
    if stamped + SLACK >= least && stamped <= most + SLACK { stamped.max(least) } else { most }
}

impl Group {
    pub(super) fn new(plan: GroupPlan) -> Self {
        let core = Core::new(&plan.members);
        let members = plan.members.into_iter().map(|plan| Member {
            plan,
            on: None,
            told: Told::Down,
            ticket: TICKETS.fetch_add(1, Ordering::Relaxed),
            held: false,
            leases: Leases::default(),
            refused: Vec::new(),
            doubtful: false,
            trouble: carry::Trouble::default(),
            device: None,
        });
        Self { core, members: members.collect(), name: plan.name, changed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_lease_is_never_too_young() {
        let address = |left: u64, stamp: u64| Address {
            interface: 1,
            address: [192, 0, 2, 1].into(),
            prefix: 32,
            scope: 0,
            secondary: false,
            tentative: false,
            dad_failed: false,
            permanent: false,
            origin: OURS,
            left: Duration::from_secs(left),
            stamp: Duration::from_millis(stamp),
        };
        let age = |left, stamp| age(&address(left, stamp), Duration::from_secs(3), Duration::from_secs(100));
        assert_eq!(age(3, 99_800), Duration::from_millis(200));
        assert_eq!(age(2, 98_500), Duration::from_millis(1500));
        // A stamp that cannot be: the lifetime says at least one second, at most two.
        assert_eq!(age(2, 99_990), Duration::from_secs(1).max(Duration::from_secs(2)));
        assert_eq!(age(2, 20_000), Duration::from_secs(2));
        // Another lease was set before.
        assert_eq!(age(9, 99_900), Duration::from_millis(100));
    }
}
