//! Who may do what.
//!
//! Owns the table of roles: root and the agent's own user may do everything, each daemon's user may report its own section,
//! everybody else who can open the socket may read. Who is calling comes from the kernel, never from a message.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::wire::AgentError;
use agent_core::ledger::Role;
use nix::unistd::{Uid, User, geteuid};

/// The user that `checkd` runs as.
pub const CHECK_USER: &str = "holdfast-check";
/// The user that `lvsd` runs as.
pub const LVS_USER: &str = "holdfast-lvs";

/// The user that `vipd` runs as.
pub const VIP_USER: &str = "holdfast-vip";

/// The user that `alertd` runs as.
pub const ALERT_USER: &str = "holdfast-alert";

/// How long the system's user database may take to name somebody.
const NAMING: Duration = Duration::from_secs(2);
/// How many names are remembered.
const NAMES_KEPT: usize = 256;

/// The users that matter.
#[derive(Debug)]
pub struct People {
    own: u32,
    checkd: Option<u32>,
    lvsd: Option<u32>,
    vipd: Option<u32>,
    alertd: Option<u32>,
    names: RefCell<BTreeMap<u32, String>>,
}

impl People {
    /// Looks the daemons' users up. Those that do not exist have no part.
    pub fn look_up() -> Self {
        let uid_of = |name: &str| match User::from_name(name) {
            Ok(user) => user.map(|user| user.uid.as_raw()),
            Err(error) => {
                tracing::warn!("can't look up user {name}, so it may not report: {error}");
                None
            }
        };
        let daemons = [CHECK_USER, LVS_USER, VIP_USER, ALERT_USER].map(uid_of);
        Self::new(geteuid().as_raw(), daemons)
    }

    /// The users of `checkd`, `lvsd`, `vipd` and `alertd`.
    fn new(own: u32, [checkd, lvsd, vipd, alertd]: [Option<u32>; 4]) -> Self {
        let names = RefCell::new(BTreeMap::from([(0, "root".to_owned())]));
        Self { own, checkd, lvsd, vipd, alertd, names }
    }

    /// Whether `uid` may give orders.
    pub fn may_order(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own
    }

    /// Whether `uid` may report the section of `role`.
    pub fn may_report(&self, uid: u32, role: Role) -> bool {
        self.may_order(uid) || self.user_of(role).1 == Some(uid)
    }

    /// The user a daemon runs as: its name, and its number where there is one.
    fn user_of(&self, role: Role) -> (&'static str, Option<u32>) {
        match role {
            Role::Checkd => (CHECK_USER, self.checkd),
            Role::Lvsd => (LVS_USER, self.lvsd),
            Role::Vipd => (VIP_USER, self.vipd),
            Role::Alertd => (ALERT_USER, self.alertd),
        }
    }

    /// Whether `uid` is one of ours: it has places of its own, which readers can't take.
    pub fn is_ours(&self, uid: u32) -> bool {
        Role::ALL.into_iter().any(|role| self.may_report(uid, role))
    }

    /// The refusal of an order.
    pub async fn no_order(&self, uid: u32, action: &str) -> AgentError {
        let remedy = "only root may give orders; use sudo".to_owned();
        AgentError::PermissionDenied { user: self.name(uid).await, action: action.to_owned(), remedy }
    }

    /// The refusal of a report.
    pub async fn no_report(&self, uid: u32, role: Role) -> AgentError {
        let (user, uid_of_user) = self.user_of(role);
        let remedy = match uid_of_user {
            None => format!("only user {user} and root may, and there is no such user here"),
            Some(_) => format!("only user {user} and root may"),
        };
        let action = format!("report as {}", role.as_str());
        AgentError::PermissionDenied { user: self.name(uid).await, action, remedy }
    }

    /// The name of a user; its number when it has none or the user database is slow.
    pub async fn name(&self, uid: u32) -> String {
        if let Some(name) = self.names.borrow().get(&uid) {
            return name.clone();
        }
        let lookup = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)));
        let Ok(Ok(Ok(user))) = tokio::time::timeout(NAMING, lookup).await else { return uid.to_string() };
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        let mut names = self.names.borrow_mut();
        if names.len() >= NAMES_KEPT {
            names.retain(|uid, _| *uid == 0);
        }
        names.insert(uid, name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_its_part() {
        let people = People::new(990, [Some(991), Some(992), Some(993), Some(994)]);
        for (uid, orders, reports) in [
            (0, true, [true; 4]),
            (990, true, [true; 4]),
            (991, false, [true, false, false, false]),
            (992, false, [false, true, false, false]),
            (993, false, [false, false, true, false]),
            (994, false, [false, false, false, true]),
            (1000, false, [false; 4]),
        ] {
            assert_eq!(people.may_order(uid), orders, "{uid}");
            let may = Role::ALL.map(|role| people.may_report(uid, role));
            assert_eq!(may, reports, "{uid}");
            assert_eq!(people.is_ours(uid), reports.contains(&true), "{uid}");
        }
        let alone = People::new(1000, [None; 4]);
        assert!(alone.may_order(1000) && alone.may_report(1000, Role::Lvsd) && !alone.is_ours(1001));
    }
}
