//! What a virtual router is set to.
//!
//! Owns the raw settings, their defaults, and the checked configuration that is made of them once. Behind
//! [`RouterConfig`] nothing has to be checked again.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::announce::is_host_address;
use crate::codec::{
    AdvertInterval, Authentication, ChecksumForm, Family, PRIORITY_OWNER, Version, Vrid, multicast_group,
};

/// The settings of a virtual router, unchecked. Times are spans; the defaults are in [`RouterSettings::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSettings {
    /// Virtual router identifier, 1 to 255.
    pub vrid: u8,
    /// Family of the adverts and of the addresses in them.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// 1 to 254, or 255 for the owner of the addresses.
    pub priority: u8,
    /// Advertisement interval: whole seconds to 255 s in version 2, multiples of 10 ms to 40.95 s in version 3.
    pub interval: Duration,
    /// The virtual addresses in the advert, in this order. For IPv6 the first should be link-local.
    pub addresses: Vec<IpAddr>,
    /// Virtual addresses that move along and are announced but not listed in the advert; any family.
    pub unlisted: Vec<IpAddr>,
    /// Whether a router of higher priority takes over from an Active one of lower priority.
    pub preempt: bool,
    /// How long an Active router of lower priority is left alone, from its first advert on.
    pub preempt_delay: Duration,
    /// How long after the start the router keeps out.
    pub start_delay: Duration,
    /// Whether packets to the addresses are accepted by a router that does not own them (RFC 9568, 6.1).
    pub accept: bool,
    /// Authentication; version 2 over IPv4 only.
    pub authentication: Authentication,
    /// Form of the checksum sent in version 3 over IPv4. Received adverts are taken in every form.
    pub checksum: ChecksumForm,
    /// Unicast peers; none means multicast.
    pub peers: Vec<IpAddr>,
    /// Least TTL or hop limit of a unicast advert. By multicast it is always 255.
    pub least_hop_limit: Option<u8>,
    /// The longest interval that is learned from another router (version 3).
    pub learned_interval_limit: Duration,
    /// Lifetime given to the addresses when they are claimed or renewed; they are renewed three times as often.
    pub lease: Duration,
    /// When a router yields to a better one: send one more advert, so that the winner announces again.
    pub last_advert: bool,
    /// How often the addresses are announced.
    pub announcements: Announcements,
}

/// How often addresses are announced by gratuitous ARP and unsolicited neighbour advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcements {
    /// Rounds over all addresses at once after taking over, 1 to 20.
    pub rounds: u8,
    /// Between two of them.
    pub spacing: Duration,
    /// From the first round to the second batch of as many rounds; `None` leaves it out.
    pub repeat_after: Option<Duration>,
    /// One round each such span, for as long as the router is Active; `None` leaves it out. At least one second.
    pub refresh: Option<Duration>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self {
            rounds: 5,
            spacing: Duration::from_millis(20),
            repeat_after: Some(Duration::from_secs(5)),
            refresh: Some(Duration::from_secs(60)),
        }
    }
}

impl Announcements {
    /// Whether a network can bear them: 1 to 20 rounds, spaced by at most a second, refreshed at most each second.
    pub(crate) fn are_bearable(&self) -> bool {
        const SECOND: Duration = Duration::from_secs(1);
        (1..=20).contains(&self.rounds)
            && self.spacing <= SECOND
            && self.refresh.is_none_or(|span| span >= SECOND)
    }
}

impl RouterSettings {
    /// The defaults: version 3, priority 100, an advert a second, preempting at once, accepting, by multicast, the lease
    /// three seconds, learned intervals up to ten times our own.
    #[must_use]
    pub fn new(vrid: u8, addresses: Vec<IpAddr>) -> Self {
        let interval = Duration::from_secs(1);
        Self {
            vrid,
            family: addresses.first().map_or(Family::Ipv4, |&address| Family::of(address)),
            version: Version::V3,
            priority: 100,
            interval,
            addresses,
            unlisted: Vec::new(),
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            accept: true,
            authentication: Authentication::None,
            checksum: ChecksumForm::PseudoHeader,
            peers: Vec::new(),
            least_hop_limit: None,
            learned_interval_limit: interval * 10,
            lease: Duration::from_secs(3),
            last_advert: true,
            announcements: Announcements::default(),
        }
    }

    /// The same with another advertisement interval, and the limit of learned ones ten times that.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, learned_interval_limit: interval.saturating_mul(10), ..self }
    }
}

/// A mistake in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// VRID 0.
    Vrid,
    /// Priority 0.
    Priority,
    /// An interval the version cannot say.
    Interval(Version),
    /// Version 3 needs an address, and a router without any address serves nothing.
    NoAddress,
    /// More than 255 addresses in the advert, or unlisted.
    TooManyAddresses,
    /// A listed address is not of the router's family.
    AddressFamily(IpAddr),
    /// An address that no host can have.
    NotAHost(IpAddr),
    /// An address that stands there twice.
    Twice(IpAddr),
    /// Version 2 has no IPv6.
    VersionForFamily,
    /// Only version 2 over IPv4 has authentication.
    Authentication,
    /// A peer of another family.
    PeerFamily(IpAddr),
    /// A limit for learned intervals below our own interval.
    LearnedIntervalLimit,
    /// A lease outside 1 s to 1 h.
    Lease,
    /// Rounds outside 1 to 20, a spacing above 1 s, or a refresh below 1 s.
    Announcements,
    /// A delay above one day.
    Delay,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vrid => f.write_str("the virtual router id must be 1 to 255"),
            Self::Priority => {
                f.write_str("the priority must be 1 to 255 (255: this router owns the addresses)")
            }
            Self::Interval(Version::V2) => f.write_str(
                "version 2 has whole seconds from 1 s to 255 s for its interval; use version 3 for less",
            ),
            Self::Interval(Version::V3) => {
                f.write_str("the interval must be a multiple of 10 ms from 10 ms to 40.95 s")
            }
            Self::NoAddress => f.write_str("a virtual router needs an address"),
            Self::TooManyAddresses => {
                f.write_str("an advert lists at most 255 addresses; leave the others unlisted")
            }
            Self::AddressFamily(address) => write!(
                f,
                "{address} is not of the adverts' family; leave it unlisted or make a router for its family"
            ),
            Self::NotAHost(address) => write!(f, "{address} is no address that a host can have"),
            Self::Twice(address) => write!(f, "{address} is there twice"),
            Self::VersionForFamily => f.write_str("version 2 has no IPv6; use version 3"),
            Self::Authentication => {
                f.write_str("only version 2 over IPv4 has authentication; leave it out, or use version 2")
            }
            Self::PeerFamily(peer) => write!(f, "peer {peer} is not of the adverts' family"),
            Self::LearnedIntervalLimit => {
                f.write_str("the limit for learned intervals must not be below the router's own interval")
            }
            Self::Lease => f.write_str("the lease must be 1 s to 1 h"),
            Self::Announcements => f.write_str(
                "announcements: 1 to 20 rounds, spaced by at most 1 s, refreshed not oftener than each 1 s",
            ),
            Self::Delay => f.write_str("a delay must not be above one day"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The checked configuration of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    settings: RouterSettings,
    vrid: Vrid,
    interval: AdvertInterval,
    learned_interval_limit: AdvertInterval,
    /// The listed addresses in order, to compare lists quickly.
    sorted: Vec<IpAddr>,
}

impl RouterConfig {
    /// Checks the settings. Priority 255 switches preemption on and its delay off: an owner always takes its addresses.
    ///
    /// # Errors
    ///
    /// Every mistake there is, in the order of the settings.
    pub fn check(mut settings: RouterSettings) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, error: ConfigError| {
            if wrong && !errors.contains(&error) {
                errors.push(error);
            }
        };
        const DAY: Duration = Duration::from_secs(86_400);
        let version = settings.version;
        let vrid = Vrid::new(settings.vrid);
        let interval = AdvertInterval::new(version, settings.interval);
        refuse(vrid.is_none(), ConfigError::Vrid);
        refuse(settings.priority == 0, ConfigError::Priority);
        refuse(interval.is_none(), ConfigError::Interval(version));
        refuse(settings.addresses.is_empty() && version == Version::V3, ConfigError::NoAddress);
        refuse(settings.addresses.is_empty() && settings.unlisted.is_empty(), ConfigError::NoAddress);
        refuse(settings.addresses.len().max(settings.unlisted.len()) > 255, ConfigError::TooManyAddresses);
        for &address in &settings.addresses {
            refuse(Family::of(address) != settings.family, ConfigError::AddressFamily(address));
        }
        let mut all: Vec<IpAddr> = settings.addresses.iter().chain(&settings.unlisted).copied().collect();
        for &address in &all {
            refuse(!is_host_address(address), ConfigError::NotAHost(address));
        }
        all.sort_unstable();
        for pair in all.windows(2) {
            if let [one, other] = *pair {
                refuse(one == other, ConfigError::Twice(one));
            }
        }
        refuse(version == Version::V2 && settings.family == Family::Ipv6, ConfigError::VersionForFamily);
        let authenticates = settings.authentication != Authentication::None;
        refuse(
            authenticates && (version, settings.family) != (Version::V2, Family::Ipv4),
            ConfigError::Authentication,
        );
        for &peer in &settings.peers {
            refuse(Family::of(peer) != settings.family, ConfigError::PeerFamily(peer));
            refuse(!is_host_address(peer), ConfigError::NotAHost(peer));
        }
        refuse(settings.learned_interval_limit < settings.interval, ConfigError::LearnedIntervalLimit);
        refuse(
            !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&settings.lease),
            ConfigError::Lease,
        );
        let announcements = settings.announcements;
        refuse(!announcements.are_bearable(), ConfigError::Announcements);
        refuse(settings.preempt_delay.max(settings.start_delay) > DAY, ConfigError::Delay);
        refuse(announcements.repeat_after.is_some_and(|span| span > DAY), ConfigError::Delay);
        let (Some(vrid), Some(interval), true) = (vrid, interval, errors.is_empty()) else {
            return Err(errors);
        };
        if settings.priority == PRIORITY_OWNER {
            settings.preempt = true;
            settings.preempt_delay = Duration::ZERO;
        }
        let limit = settings.learned_interval_limit.as_millis() / 10;
        let limit = u16::try_from(limit).unwrap_or(u16::MAX).min(AdvertInterval::MAX_V3_CENTISECONDS);
        // Between our own interval and the longest there is, so it is one; version 2 learns nothing anyway.
        let learned_interval_limit = AdvertInterval::from_centiseconds(limit).unwrap_or(interval);
        let mut sorted = settings.addresses.clone();
        sorted.sort_unstable();
        Ok(Self { settings, vrid, interval, learned_interval_limit, sorted })
    }

    /// The same with this authentication, whose secret need not be known when the rest is checked.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Authentication`] unless it is version 2 over IPv4.
    pub fn with_authentication(mut self, authentication: Authentication) -> Result<Self, ConfigError> {
        let has_none = (self.settings.version, self.settings.family) != (Version::V2, Family::Ipv4);
        if has_none && authentication != Authentication::None {
            return Err(ConfigError::Authentication);
        }
        self.settings.authentication = authentication;
        Ok(self)
    }

    /// The settings it was made of.
    #[must_use]
    pub const fn settings(&self) -> &RouterSettings {
        &self.settings
    }

    /// Virtual router identifier.
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// Our own advertisement interval.
    #[must_use]
    pub const fn interval(&self) -> AdvertInterval {
        self.interval
    }

    /// The longest interval that is learned.
    #[must_use]
    pub const fn learned_interval_limit(&self) -> AdvertInterval {
        self.learned_interval_limit
    }

    /// All virtual addresses, the listed ones first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.settings.addresses.iter().chain(&self.settings.unlisted).copied()
    }

    /// Where adverts go: every peer, or the group.
    pub fn destinations(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let group = self.settings.peers.is_empty().then(|| multicast_group(self.settings.family));
        self.settings.peers.iter().copied().chain(group)
    }

    /// Whether packets to the addresses are accepted while Active.
    #[must_use]
    pub const fn accepts(&self) -> bool {
        self.settings.accept || self.settings.priority == PRIORITY_OWNER
    }

    /// Whether a list names just our listed addresses, in any order.
    pub(crate) fn lists(&self, addresses: impl Iterator<Item = IpAddr>) -> bool {
        let mut found = [false; 256];
        let mut count = 0;
        for address in addresses {
            let Ok(at) = self.sorted.binary_search(&address) else { return false };
            let Some(seen @ false) = found.get_mut(at) else { return false };
            *seen = true;
            count += 1;
        }
        count == self.sorted.len()
    }
}

#[cfg(test)]
mod tests;
