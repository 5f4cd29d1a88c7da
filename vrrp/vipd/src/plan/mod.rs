//! What the configuration asks of this daemon.
//!
//! Owns the form in which the engine is told: sync groups, their members, and the addresses each holds. It opens no
//! socket; what it reads is in `read`.

mod read;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_api::RealServerId;
use agent_api::config::{Notify, OnExit, Route, Rule, Track};
use vrrp_core::RouterConfig;
use vrrp_core::arp::ArpConfig;
use vrrp_core::codec::{Family, PRIORITY_OWNER};

pub use crate::netlink::message::Lease;
pub use read::PlanError;

/// Everything the daemon does.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Virtual routers that move together; most groups have one member.
    pub groups: Vec<GroupPlan>,
    /// The most announcements an interface sends in a second.
    pub announcement_rate: u32,
    /// Interfaces that are tracked.
    pub tracked_interfaces: Vec<String>,
}

/// Virtual routers that are Active together or not at all.
#[derive(Debug, Clone)]
pub struct GroupPlan {
    /// Its name, or that of its only virtual router.
    pub name: Arc<str>,
    /// Its members.
    pub members: Vec<MemberPlan>,
}

/// One virtual router of one family.
#[derive(Debug, Clone)]
pub struct MemberPlan {
    /// Name of the virtual router. Its routers for IPv4 and IPv6 share it.
    pub name: Arc<str>,
    /// Whether it is the first one of its virtual router: trackers, hooks and events are the router's, once.
    pub leads: bool,
    /// Interface whose segment it lives on.
    pub interface: String,
    /// What the core is set to.
    pub mode: Mode,
    /// The addresses of the core, each with how it is held.
    pub addresses: Vec<Placed>,
    /// Routes that are there while it is Active.
    pub routes: Vec<Route>,
    /// Rules that are there while it is Active.
    pub rules: Vec<Rule>,
    /// Own address to speak from; chosen when absent.
    pub source: Option<IpAddr>,
    /// TTL or hop limit of our adverts.
    pub hop_limit: u8,
    /// Whether each announcement by ARP is also made in the form of a reply.
    pub reply_form: bool,
    /// Whether it speaks from a macvlan with the virtual router's own MAC address, and has its addresses there.
    pub virtual_mac: bool,
    /// What becomes of the addresses when the daemon ends.
    pub on_exit: OnExit,
    /// What its priority hangs on.
    pub track: Vec<Track>,
    /// Who is told of its changes of state.
    pub notify: Notify,
}

/// How it is decided who has the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By VRRP.
    Vrrp(Box<RouterConfig>),
    /// By a standby that watches the director.
    Arp {
        /// What the core is set to.
        config: Box<ArpConfig>,
        /// The real server whose verdict says whether the director serves.
        check: Option<RealServerId>,
    },
}

/// An address and the interface it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The address.
    pub lease: Lease,
    /// Another interface than the virtual router's.
    pub interface: Option<String>,
}

impl MemberPlan {
    /// What VRRP is set to, if that decides.
    #[must_use]
    pub fn vrrp(&self) -> Option<&RouterConfig> {
        match &self.mode {
            Mode::Vrrp(config) => Some(config),
            Mode::Arp { .. } => None,
        }
    }

    /// What the watching is set to, if that decides.
    #[must_use]
    pub fn arp(&self) -> Option<&ArpConfig> {
        match &self.mode {
            Mode::Vrrp(_) => None,
            Mode::Arp { config, .. } => Some(config),
        }
    }

    /// Family of its adverts, or of its first address.
    #[must_use]
    pub fn family(&self) -> Family {
        match &self.mode {
            Mode::Vrrp(config) => config.settings().family,
            Mode::Arp { config, .. } => {
                config.settings().addresses.first().map_or(Family::Ipv4, |address| Family::of(*address))
            }
        }
    }

    /// Lifetime of its addresses.
    #[must_use]
    pub fn lease(&self) -> Duration {
        match &self.mode {
            Mode::Vrrp(config) => config.settings().lease,
            Mode::Arp { config, .. } => config.settings().lease,
        }
    }

    /// Whether the machine has the addresses as its own (priority 255).
    pub(crate) fn is_owner(&self) -> bool {
        self.vrrp().is_some_and(|config| config.settings().priority == PRIORITY_OWNER)
    }

    /// Whether `other` can be taken over by the running virtual router: it is the same one on the same segment.
    pub(crate) fn is_same_router(&self, other: &Self) -> bool {
        let identity = |plan: &Self| {
            let vrrp = plan.vrrp().map(|config| {
                let settings = config.settings();
                (config.vrid(), settings.family, settings.version)
            });
            // The other core takes no other configuration while it runs.
            (vrrp, plan.arp().cloned())
        };
        self.name == other.name
            && self.interface == other.interface
            && self.virtual_mac == other.virtual_mac
            && identity(self) == identity(other)
    }
}
