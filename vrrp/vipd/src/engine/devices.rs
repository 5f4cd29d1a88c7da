//! The virtual interfaces of routers that have their own MAC address.
//!
//! Owns that each exists, is set and is up while its router is configured and its parent is there, and that nothing of it
//! is left afterwards. How one is made is [`crate::macvlan`]'s and the netlink's.

use super::{Engine, EngineError};
use crate::macvlan;
use crate::netlink::Order;
use crate::tale::Tale;

impl Engine {
    /// Makes what is missing; `true` if anything was, so that the picture of the interfaces is old.
    pub(super) fn make_devices(&mut self) -> bool {
        let mut made = false;
        for group in 0..self.groups.len() {
            for at in 0..self.groups.get(group).map_or(0, |group| group.members.len()) {
                made |= self.make_device(group, at);
            }
        }
        made
    }

    fn make_device(&mut self, group: usize, at: usize) -> bool {
        let Self { groups, links, kernel, teller, parents, .. } = self;
        let Some(member) = groups.get_mut(group).and_then(|group| group.members.get_mut(at)) else {
            return false;
        };
        if !member.plan.virtual_mac {
            return false;
        }
        let Some(parent) = links.by_name(&member.plan.interface) else {
            member.device = None;
            return false;
        };
        let Some(vrid) = member.plan.vrrp().map(|config| config.vrid()) else { return false };
        let family = member.plan.family();
        let name = macvlan::name(family, vrid.get(), parent.link.index);
        let (index, mac) = (parent.link.index, vrid.virtual_mac(family));
        let known = links.by_name(&name).map(|device| device.link.clone());
        member.device = Some(name.clone());
        match known {
            Some(known) if known.mac == Some(mac) && known.is_up => return false,
            _ => {}
        }
        let mut run = |orders: &[Order<'_>]| -> Result<(), String> {
            let mut refused = None;
            kernel
                .execute(orders.iter().copied(), |_, errno| refused = Some(errno))
                .map_err(|error| error.to_string())?;
            refused.map_or(Ok(()), |errno| Err(errno.desc().to_owned()))
        };
        let result = (|| {
            match &known {
                Some(known) if known.mac == Some(mac) => {}
                // Somebody changed it under us, or it is of another run with another idea.
                Some(known) => run(&[
                    Order::RemoveLink { interface: known.index },
                    Order::MakeMacvlan { name: &name, parent: index, mac },
                ])?,
                None => run(&[Order::MakeMacvlan { name: &name, parent: index, mac }])?,
            }
            macvlan::prepare(&name, family).map_err(|error| error.to_string())?;
            parents.set(&member.plan.interface).map_err(|error| error.to_string())?;
            Ok::<(), String>(())
        })();
        if let Err(why) = &result {
            let text = format!("{}: its virtual interface {name} can't be made: {why}", member.plan.name);
            if member.trouble.device.as_deref() != Some(why) {
                teller.tell(Tale::Trouble(text));
                member.trouble.device = Some(why.clone());
            }
            return false;
        }
        member.trouble.device = None;
        true
    }

    /// Sets up what was made; the picture of the interfaces must have it.
    pub(super) fn raise_devices(&mut self) -> Result<(), EngineError> {
        let Self { groups, links, kernel, .. } = self;
        let members = groups.iter().flat_map(|group| &group.members);
        let names = members.filter_map(|member| member.device.as_deref());
        let orders = names
            .filter_map(|name| links.by_name(name))
            .filter(|device| !device.link.is_up)
            .map(|device| Order::SetUp { interface: device.link.index });
        kernel.execute(orders, |_, _| {})?;
        Ok(())
    }

    /// Removes virtual interfaces of ours that no router has any more, and puts back their parents' settings.
    pub(super) fn remove_devices(&mut self) {
        let Self { groups, links, kernel, teller, parents, .. } = self;
        let members = || groups.iter().flat_map(|group| &group.members);
        let is_used = |name: &str| members().any(|member| member.device.as_deref() == Some(name));
        let orders = links
            .iter()
            .filter(|device| {
                macvlan::is_ours(&device.link.name, device.link.mac) && !is_used(&device.link.name)
            })
            .map(|device| Order::RemoveLink { interface: device.link.index });
        if let Err(error) = kernel.execute(orders, |_, _| {}) {
            teller.tell(Tale::Trouble(error.to_string()));
        }
        let keeps: Vec<&str> = members()
            .filter(|member| member.device.is_some())
            .map(|member| member.plan.interface.as_str())
            .collect();
        if let Err(error) = parents.restore(&keeps) {
            teller.tell(Tale::Trouble(format!("an interface's settings can't be put back: {error}")));
        }
    }
}
