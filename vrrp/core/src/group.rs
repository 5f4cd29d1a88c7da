//! Virtual routers that are Active together or not at all.
//!
//! Owns the rules between the members of a sync group: none takes over before all would, all yield when one does, and
//! none takes part while another cannot. A router without a group is a group of one, so a driver knows only this type.
//! It judges no advert.

use crate::config::RouterConfig;
use crate::router::{Action, Deadline, Input, State, VirtualRouter};
use crate::time::Time;

/// One virtual router, or several that move together.
///
/// Give members of one group different priorities on different machines. With equal ones the sender's address
/// decides, and it may decide differently for each member.
#[derive(Debug)]
pub struct SyncGroup {
    members: Vec<VirtualRouter>,
}

/// Whom an input concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One member, by its place. A place that does not exist concerns nobody.
    Member(usize),
    /// All members: start, stop, orders.
    All,
}

impl SyncGroup {
    /// A group of the routers with these configurations, which wait for [`Input::Started`].
    #[must_use]
    pub fn new(configs: impl IntoIterator<Item = RouterConfig>) -> Self {
        let mut members: Vec<VirtualRouter> = configs.into_iter().map(VirtualRouter::new).collect();
        let grouped = members.len() > 1;
        for member in &mut members {
            member.set_grouped(grouped);
        }
        Self { members }
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[VirtualRouter] {
        &self.members
    }

    /// Takes note of something that happened. Drain [`Self::poll_action`] afterwards.
    pub fn handle(&mut self, target: Target, input: Input<'_>, now: Time) {
        let was_active: usize = self.active();
        for (at, member) in self.members.iter_mut().enumerate() {
            let concerned = match target {
                Target::All => true,
                Target::Member(place) => place == at,
            };
            // Each member has its own deadlines: only those that are due are served. But one daemon drives them all, so
            // if it did not run, that concerns each of them.
            if concerned {
                member.handle(input, now);
            } else {
                member.notice_time(now);
            }
        }
        if self.members.len() > 1 {
            self.settle(was_active, now);
        }
    }

    /// Takes over another configuration of a member.
    ///
    /// # Errors
    ///
    /// [`crate::IdentityChanged`], and nothing is changed.
    pub fn reconfigure(
        &mut self,
        member: usize,
        config: RouterConfig,
        now: Time,
    ) -> Result<(), crate::router::IdentityChanged> {
        let was_active = self.active();
        if let Some(member) = self.members.get_mut(member) {
            member.reconfigure(config, now)?;
        }
        if self.members.len() > 1 {
            self.settle(was_active, now);
        }
        Ok(())
    }

    /// The next thing to do and the member it is for, until there is none.
    pub fn poll_action(&mut self) -> Option<(usize, Action)> {
        self.members.iter_mut().enumerate().find_map(|(at, member)| Some((at, member.poll_action()?)))
    }

    /// When to say [`Input::DeadlinePassed`] to [`Target::All`], for which member and what for.
    #[must_use]
    pub fn deadline(&self) -> Option<(Time, usize, Deadline)> {
        let of = |(at, member): (usize, &VirtualRouter)| member.deadline().map(|(time, why)| (time, at, why));
        self.members.iter().enumerate().filter_map(of).min()
    }

    fn active(&self) -> usize {
        self.members.iter().filter(|member| member.state() == State::Active).count()
    }

    /// Brings the members in step after an input. Each rule is followed once and none undoes another.
    fn settle(&mut self, was_active: usize, now: Time) {
        // A member that cannot take part keeps all others out.
        let faults = self.members.iter().filter(|member| member.is_blocked_by_itself()).count();
        for member in &mut self.members {
            let others = faults - usize::from(member.is_blocked_by_itself());
            member.set_group_fault(others > 0, now);
        }
        // A member that yielded takes the others along.
        let active = self.active();
        if active < was_active {
            for member in &mut self.members {
                member.yield_with_group(now);
            }
        }
        // All take over when all would. One that went ahead waits for nobody: the others follow it.
        let all_would = self.members.iter().all(VirtualRouter::would_be_active);
        if all_would {
            for member in &mut self.members {
                member.follow_group(now);
            }
        }
        for member in &mut self.members {
            member.end_resumption(now);
        }
    }
}

#[cfg(test)]
mod tests;
