//! The digest held against the state.
//!
//! Owns what no event says: a trouble that ended unheard, a daemon that cannot write, a blind director, and how long a pool
//! served nobody. It tells nothing itself: troubles begin and end through `incident`.

use std::collections::BTreeMap;

use agent_api::router::{RouterKind, RouterState};
use agent_api::{Drain, Name, RealServerId, Severity, State, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::Digest;
use super::evidence::{self, PoolStanding};
use super::incident::Loss;
use super::trouble::{Begun, Key};

impl Digest {
    /// Holds what is known against the state: what ended without an event, and what only the state says.
    pub(super) fn hold_against(&mut self, state: &State, heard: bool, now: Timestamp) {
        if !heard {
            return;
        }
        let mut over: Vec<(Key, Timestamp, String)> = Vec::new();
        for key in self.saved.standing.keys() {
            let end = match key {
                Key::Server(id) => server_end(id, state),
                Key::Drain(target) => {
                    let ordered = |drain: &Drain| drain.target.to_string() == *target;
                    (!state.orders.drains.iter().any(ordered))
                        .then(|| (now, format!("{target} is drained no more")))
                }
                Key::FailOpen(pool) if state.lvsd.connected => {
                    let open = state.lvsd.items.values().any(|s| s.virtual_server == *pool && s.fail_open);
                    (!open).then(|| (now, format!("{pool}: ejection works normally again")))
                }
                Key::Sorry(pool) if state.lvsd.connected => {
                    let mut services = state.lvsd.items.values().filter(|s| s.virtual_server == *pool);
                    let sorry = services.any(|s| s.destinations.values().any(|to| to.sorry));
                    (!sorry).then(|| (now, format!("{pool}: the sorry server is out of the table")))
                }
                Key::Blind if state.checkd.connected && state.checkd.head.blind_since.is_none() => {
                    Some((now, "this director sees again".to_owned()))
                }
                Key::Dependency(name) if state.checkd.connected => {
                    let health = state.checkd.head.dependencies.get(name);
                    let down = health.is_some_and(|health| !health.verdict.passes());
                    (!down).then(|| (now, format!("{name} works again")))
                }
                Key::RouterFault(name) if state.vipd.connected => {
                    let router = state.vipd.items.get(name);
                    let well = router.is_none_or(|router| router.state != RouterState::Initialize);
                    let arp = router.is_some_and(|router| router.kind == RouterKind::Arp);
                    (well && !arp).then(|| (now, format!("virtual router {name} takes part again")))
                }
                Key::Advisory(id) if state.checkd.connected && !state.checkd.items.contains_key(id) => {
                    Some((now, format!("{id} is configured no more")))
                }
                Key::Ipvs if state.lvsd.connected => {
                    let present = matches!(state.lvsd.head.kernel, agent_api::KernelTable::Present { .. });
                    present.then(|| (now, "the kernel's IPVS can be used again".to_owned()))
                }
                Key::Daemon(name) => {
                    let connected = match name.as_str() {
                        "checkd" => state.checkd.connected,
                        "lvsd" => state.lvsd.connected,
                        "vipd" => state.vipd.connected,
                        "alertd" => state.alertd.connected,
                        _ => false,
                    };
                    connected.then(|| (now, format!("{name} reports again")))
                }
                _ => None,
            };
            over.extend(end.map(|(at, text)| (key.clone(), at, text)));
        }
        for (key, at, text) in over {
            self.ends(&key, at, &text, now);
        }
        self.storage(state, now);
        self.blindness(state, now);
        if state.checkd.connected && std::mem::take(&mut self.saved.hold_all) {
            self.changed = true;
            for (id, health) in &state.checkd.items {
                let key = Key::Server(id.clone());
                let wrong = matches!(health.verdict, Verdict::Down | Verdict::Degraded);
                if wrong && !self.saved.standing.contains_key(&key) {
                    let text = format!("{id} is {}: {}", health.verdict, health.detail);
                    let begun = Begun {
                        key,
                        severity: Severity::Warning,
                        passing: false,
                        at: health.since,
                        cause: health.cause.clone(),
                        text,
                    };
                    self.begins(begun, state, now);
                }
            }
        }
    }

    fn blindness(&mut self, state: &State, now: Timestamp) {
        let Some(since) = state.checkd.head.blind_since.filter(|_| state.checkd.connected) else { return };
        if !self.saved.standing.contains_key(&Key::Blind) {
            let begun = Begun {
                key: Key::Blind,
                severity: Severity::Critical,
                passing: false,
                at: since,
                cause: None,
                text:
                    "this director sees nothing: most servers fail and no sentinel answers; verdicts are held"
                        .to_owned(),
            };
            self.begins(begun, state, now);
        }
    }

    fn storage(&mut self, state: &State, now: Timestamp) {
        match state.storage.failing_since {
            Some(since) if !self.saved.standing.contains_key(&Key::Storage) => {
                let begun = Begun {
                    key: Key::Storage,
                    severity: Severity::Warning,
                    passing: false,
                    at: since,
                    cause: None,
                    text: format!("the agent can't keep its state on disk: {}", state.storage.detail),
                };
                self.begins(begun, state, now);
            }
            None => self.ends(&Key::Storage, now, "the agent keeps its state on disk again", now),
            Some(_) => {}
        }
    }

    /// Sees which virtual servers serve, and adds up what clients lose.
    pub(super) fn integrate(&mut self, state: &State, now: Timestamp) {
        if !state.checkd.connected || !state.lvsd.connected {
            return;
        }
        let pools = evidence::pools(state, now);
        for (name, pool) in &pools {
            let key = Key::Pool(name.clone());
            let stands = self.saved.standing.contains_key(&key);
            let quorum = pool.quorum.max(1) as usize;
            if pool.serving >= quorum && !pool.lost {
                if stands {
                    let text = format!("{name} works again: {} of {} serve", pool.serving, pool.total);
                    self.ends(&key, now, &text, now);
                }
            } else if (pool.lost || pool.serving + pool.unknown < quorum) && !stands {
                let text = if pool.serving == 0 {
                    format!("{name} has no real server that serves, of {}", pool.total)
                } else {
                    format!(
                        "{name} is below its quorum of {quorum}: {} of {} serve",
                        pool.serving, pool.total
                    )
                };
                let at = pool.latest.map_or(now, |at| at.min(now));
                let begun =
                    Begun { key, severity: Severity::Critical, passing: false, at, cause: None, text };
                self.begins(begun, state, now);
            }
        }
        for incident in &mut self.saved.incidents {
            let names: Vec<Name> = incident.pools().into_iter().cloned().collect();
            for name in names {
                if let Some(pool) = pools.get(&name) {
                    add_up(&mut incident.losses, name, pool, now);
                }
            }
        }
    }
}

/// Why trouble with the real server is over, when the state says so.
fn server_end(id: &RealServerId, state: &State) -> Option<(Timestamp, String)> {
    if !state.checkd.connected {
        return None;
    }
    match state.checkd.items.get(id) {
        None => {
            let at = state.checkd.heard_at.unwrap_or(state.written_at);
            Some((at, format!("{id} is configured no more")))
        }
        Some(health) if health.verdict == Verdict::Up => Some((health.since, format!("{id} is up"))),
        Some(_) => None,
    }
}

fn add_up(losses: &mut BTreeMap<Name, Loss>, name: Name, pool: &PoolStanding, now: Timestamp) {
    let loss = losses.entry(name).or_insert_with(|| Loss {
        total: pool.total,
        fewest: pool.serving,
        quorum: pool.quorum,
        none_ms: 0,
        below_ms: 0,
        serving: pool.serving,
        last_at: pool.latest.map_or(now, |at| at.min(now)),
    });
    let span = now.duration_since(loss.last_at).max(SignedDuration::ZERO);
    let span = u64::try_from(span.as_millis()).unwrap_or_default();
    if loss.serving == 0 {
        loss.none_ms = loss.none_ms.saturating_add(span);
    }
    if loss.serving < loss.quorum.max(1) as usize {
        loss.below_ms = loss.below_ms.saturating_add(span);
    }
    loss.total = pool.total;
    loss.quorum = pool.quorum;
    loss.serving = pool.serving;
    loss.fewest = loss.fewest.min(pool.serving);
    loss.last_at = now;
}
