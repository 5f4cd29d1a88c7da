//! What has changed since somebody last looked.
//!
//! Owns a short list of the real servers that were spoken of, so that who must be quick looks at those alone. It is bounded: what
//! is too long for a list, or is no verdict, counts as everything.

use std::collections::BTreeSet;

use agent_api::{RealServerId, Update};

/// The longest list.
const LISTED: usize = 64;

/// Which verdicts may differ from what was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Changed {
    /// Any, and the orders too.
    #[default]
    Everything,
    /// Those on these real servers, and nothing else.
    RealServers(BTreeSet<RealServerId>),
}

impl Changed {
    /// Nothing has changed.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::RealServers(BTreeSet::new())
    }

    /// Adds what `update` changes.
    pub fn note(&mut self, update: &Update) {
        let Self::RealServers(listed) = self else { return };
        let mut everything = update.orders.is_some();
        if let Some(checkd) = &update.checkd {
            // Whether the prober is there decides what every one of its verdicts is worth.
            everything |= checkd.whole
                || checkd.connected.is_some()
                || checkd.reporter.is_some()
                || !checkd.removed.is_empty();
            if !everything && listed.len() + checkd.items.len() <= LISTED {
                listed.extend(checkd.items.keys().cloned());
            } else if !checkd.items.is_empty() {
                everything = true;
            }
        }
        if everything {
            *self = Self::Everything;
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_api::section::CheckUpdate;
    use agent_api::{Orders, RealServerHealth, Verdict};
    use jiff::Timestamp;

    use super::*;

    fn verdicts(names: impl Iterator<Item = String>) -> CheckUpdate {
        let health = RealServerHealth {
            verdict: Verdict::Down,
            since: Timestamp::UNIX_EPOCH,
            address: ([10, 0, 0, 1], 53).into(),
            cause: None,
            detail: String::new(),
            in_a_row: 1,
            passing: false,
            latency_us: None,
            basis: None,
            returned: None,
            weight: None,
            unconfirmed: 0,
            checks: Vec::new(),
            require: 0,
        };
        let items = names.map(|name| (format!("v/{name}").parse().unwrap(), health.clone()));
        CheckUpdate { items: items.collect(), ..CheckUpdate::default() }
    }

    fn noted(changed: &mut Changed, update: CheckUpdate) {
        changed.note(&Update { checkd: Some(update), ..Update::default() });
    }

    #[test]
    fn single_verdicts_are_listed_and_all_else_is_everything() {
        let mut changed = Changed::nothing();
        changed.note(&Update::default());
        noted(&mut changed, CheckUpdate { heard_at: Some(Timestamp::UNIX_EPOCH), ..CheckUpdate::default() });
        assert_eq!(changed, Changed::nothing(), "a sign of life");
        noted(&mut changed, verdicts(["a".to_owned(), "b".to_owned()].into_iter()));
        let listed = ["v/a", "v/b"].map(|id| id.parse().unwrap());
        assert_eq!(changed, Changed::RealServers(listed.into()));

        let everything = |update: Update| {
            let mut changed = changed.clone();
            changed.note(&update);
            assert_eq!(changed, Changed::Everything, "{update:?}");
        };
        everything(Update { orders: Some(Orders::default()), ..Update::default() });
        let of = |checkd| Update { checkd: Some(checkd), ..Update::default() };
        everything(of(CheckUpdate { whole: true, ..CheckUpdate::default() }));
        everything(of(CheckUpdate { connected: Some(true), ..CheckUpdate::default() }));
        everything(of(CheckUpdate { removed: vec!["v/a".parse().unwrap()], ..CheckUpdate::default() }));
        everything(of(verdicts((0..LISTED).map(|number| format!("s{number}")))));
    }
}
