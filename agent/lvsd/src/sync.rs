//! Which of the kernel's sync daemons are to run.
//!
//! Owns the rule by which they follow a virtual router: the one that tells runs where the router is Active, the one that is told
//! everywhere else. It never decides about the router, and where nothing is known of it what runs goes on.

use agent_api::config::{SyncDaemon as Configured, SyncRoles};
use agent_api::{Name, RouterSection, RouterState};
use agent_core::plan::SILENCE;
use agent_ipvs::{Interface, SyncDaemon, SyncRole, ValueError};
use jiff::Timestamp;

/// What `[lvs.sync]` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    master: SyncDaemon,
    backup: SyncDaemon,
    which: Which,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Always(SyncRoles),
    Follow(Name),
}

impl Sync {
    /// Translates the configuration.
    ///
    /// # Errors
    /// The interface is none the kernel could have.
    pub fn of(configured: &Configured) -> Result<Self, ValueError> {
        let interface = Interface::new(&configured.interface)?;
        let daemon = |role| SyncDaemon {
            role,
            interface,
            id: u32::from(configured.id),
            group: configured.group,
            port: configured.port,
            ttl: configured.ttl,
            max_length: configured.max_length,
        };
        let which = configured.follow.clone().map_or(Which::Always(configured.role), Which::Follow);
        Ok(Self { master: daemon(SyncRole::Master), backup: daemon(SyncRole::Backup), which })
    }

    /// Whether the virtual routers matter.
    #[must_use]
    pub const fn follows(&self) -> bool {
        matches!(self.which, Which::Follow(_))
    }

    /// Those that are to run; none of the answer where that is not known, and what runs goes on.
    #[must_use]
    pub fn wanted(&self, routers: Option<&RouterSection>, now: Timestamp) -> Option<Vec<SyncDaemon>> {
        let (master, backup) = (self.master, self.backup);
        let name = match &self.which {
            Which::Always(SyncRoles::Master) => return Some(vec![master]),
            Which::Always(SyncRoles::Backup) => return Some(vec![backup]),
            Which::Always(SyncRoles::Both) => return Some(vec![master, backup]),
            Which::Follow(name) => name,
        };
        let heard = |at: Timestamp| now.duration_since(at) <= SILENCE;
        let routers = routers.filter(|section| section.connected && section.heard_at.is_some_and(heard))?;
        Some(vec![match routers.items.get(name)?.state {
            RouterState::Active => master,
            RouterState::Backup | RouterState::Initialize => backup,
        }])
    }
}

#[cfg(test)]
mod tests {
    use agent_api::config::{Source, parse};
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn sync(keys: &str) -> Sync {
        let text = format!(
            "[lvs.sync]\ninterface = \"eth1\"\n{keys}\n[[virtual_router]]\nname = \"gateway\"\ninterface = \"eth0\"\nvrid = 51\n\
             addresses = [\"192.0.2.53/24\"]\n"
        );
        let config =
            parse(&[Source { path: "t.toml".into(), text }]).expect("the test's configuration is good");
        Sync::of(config.lvs.sync.as_ref().unwrap()).unwrap()
    }

    fn section(state: &str) -> RouterSection {
        let report = serde_json::from_value(serde_json::json!({
            "kind": "vrrp", "state": state, "since": NOW, "why": "active", "detail": "", "interface": "eth0",
            "addresses": [],
        }));
        RouterSection {
            connected: true,
            heard_at: Some(NOW),
            items: [("gateway".parse().unwrap(), report.expect("a router's report"))].into(),
            ..RouterSection::default()
        }
    }

    fn roles(sync: &Sync, section: Option<&RouterSection>) -> Option<Vec<SyncRole>> {
        sync.wanted(section, NOW).map(|daemons| daemons.iter().map(|daemon| daemon.role).collect())
    }

    #[test]
    fn roles_are_as_configured_whatever_the_router_is() {
        for (keys, expected) in [
            ("", vec![SyncRole::Master, SyncRole::Backup]),
            ("role = \"both\"", vec![SyncRole::Master, SyncRole::Backup]),
            ("role = \"master\"", vec![SyncRole::Master]),
            ("role = \"backup\"", vec![SyncRole::Backup]),
        ] {
            let sync = sync(keys);
            assert!(!sync.follows());
            for section in [None, Some(&section("active")), Some(&section("backup"))] {
                assert_eq!(roles(&sync, section).as_ref(), Some(&expected), "{keys}");
            }
        }
    }

    #[test]
    fn the_router_decides_and_what_is_not_known_of_it_changes_nothing() {
        let sync = sync("follow = \"gateway\"");
        assert!(sync.follows());
        assert_eq!(roles(&sync, Some(&section("active"))), Some(vec![SyncRole::Master]));
        assert_eq!(roles(&sync, Some(&section("backup"))), Some(vec![SyncRole::Backup]));
        assert_eq!(roles(&sync, Some(&section("initialize"))), Some(vec![SyncRole::Backup]));
        assert_eq!(roles(&sync, None), None);
        let gone = RouterSection { connected: false, ..section("active") };
        assert_eq!(roles(&sync, Some(&gone)), None, "vipd is gone");
        let old = RouterSection {
            heard_at: Some(NOW - SILENCE - SignedDuration::from_secs(1)),
            ..section("active")
        };
        assert_eq!(roles(&sync, Some(&old)), None, "vipd is silent");
        let other = RouterSection { items: Default::default(), ..section("active") };
        assert_eq!(roles(&sync, Some(&other)), None, "vipd does not know it yet");
    }
}
