//! What a takeover by ARP is set to.
//!
//! Owns the settings of both machines, their limits, and the checked configuration made of them once.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::announce::is_host_address;
use crate::config::Announcements;

/// The most targets, and the most sentinels.
pub const MOST_WATCHED: usize = 16;

/// Which of the two machines this one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that has the addresses in ordinary times. It takes them whenever nobody else answers for them.
    Director,
    /// The one that watches the director and has the addresses while the director is gone.
    Standby,
}

/// When the standby gives the addresses back to a director that returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveBack {
    /// As soon as the director is known to be back.
    AtOnce,
    /// After it has been back for this long without a break.
    After(Duration),
    /// When an operator says so.
    ByHand,
}

/// The settings, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArpSettings {
    /// Which of the two machines this is.
    pub role: Role,
    /// The virtual addresses; at least one.
    pub addresses: Vec<IpAddr>,
    /// The director's own addresses. It is there as long as one of them answers. Standby only.
    pub targets: Vec<IpAddr>,
    /// Machines that have nothing to do with the director, such as the gateway. When none of them answers it is this machine
    /// that is cut off, and it takes nothing. Standby only.
    pub sentinels: Vec<IpAddr>,
    /// From one round of probes to the next: 10 ms to 1 min.
    pub interval: Duration,
    /// Rounds without an answer, one after the other, that make the director gone: 1 to 100.
    pub fall: u8,
    /// Rounds with an answer, one after the other, that make it back: 1 to 100.
    pub rise: u8,
    /// When the addresses are given back.
    pub give_back: GiveBack,
    /// How long after the start this machine takes nothing.
    pub start_delay: Duration,
    /// Lifetime given to the addresses when they are claimed or renewed; they are renewed three times as often.
    pub lease: Duration,
    /// How often the addresses are announced.
    pub announcements: Announcements,
}

impl ArpSettings {
    /// The defaults: a round a second, gone after three, back after three, given back at once, no sentinel.
    #[must_use]
    pub fn new(role: Role, addresses: Vec<IpAddr>, targets: Vec<IpAddr>) -> Self {
        Self {
            role,
            addresses,
            targets,
            sentinels: Vec::new(),
            interval: Duration::from_secs(1),
            fall: 3,
            rise: 3,
            give_back: GiveBack::AtOnce,
            start_delay: Duration::ZERO,
            lease: Duration::from_secs(3),
            announcements: Announcements::default(),
        }
    }
}

/// A mistake in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArpConfigError {
    /// No virtual address, or more than 255.
    Addresses,
    /// A standby without a target, a director with one, or more than [`MOST_WATCHED`].
    Targets,
    /// A director with sentinels, or more than [`MOST_WATCHED`].
    Sentinels,
    /// An address that no host can have.
    NotAHost(IpAddr),
    /// An address that stands there twice, or is both virtual and watched.
    Twice(IpAddr),
    /// A rhythm outside 10 ms to 1 min, or counts outside 1 to 100.
    Rhythm,
    /// A lease outside 1 s to 1 h.
    Lease,
    /// Rounds of announcements outside 1 to 20, a spacing above 1 s, or a refresh below 1 s.
    Announcements,
    /// A delay above one day.
    Delay,
}

impl fmt::Display for ArpConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses => f.write_str("there must be 1 to 255 virtual addresses"),
            Self::Targets => write!(
                f,
                "a standby watches 1 to {MOST_WATCHED} addresses of the director, and a director none"
            ),
            Self::Sentinels => {
                write!(f, "a standby has at most {MOST_WATCHED} sentinels, and a director none")
            }
            Self::NotAHost(address) => write!(f, "{address} is no address that a host can have"),
            Self::Twice(address) => write!(f, "{address} is there twice"),
            Self::Rhythm => f.write_str("a round is 10 ms to 1 min, and fall and rise are 1 to 100"),
            Self::Lease => f.write_str("the lease must be 1 s to 1 h"),
            Self::Announcements => f.write_str(
                "announcements: 1 to 20 rounds, spaced by at most 1 s, refreshed not oftener than each 1 s",
            ),
            Self::Delay => f.write_str("a delay must not be above one day"),
        }
    }
}

impl std::error::Error for ArpConfigError {}

/// The checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArpConfig(ArpSettings);

impl ArpConfig {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every mistake there is.
    pub fn check(settings: ArpSettings) -> Result<Self, Vec<ArpConfigError>> {
        const DAY: Duration = Duration::from_secs(86_400);
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, error: ArpConfigError| {
            if wrong && !errors.contains(&error) {
                errors.push(error);
            }
        };
        let standby = settings.role == Role::Standby;
        refuse(!(1..=255).contains(&settings.addresses.len()), ArpConfigError::Addresses);
        let targets = settings.targets.len();
        refuse(standby == (targets == 0) || targets > MOST_WATCHED, ArpConfigError::Targets);
        let sentinels = settings.sentinels.len();
        refuse(!standby && sentinels > 0 || sentinels > MOST_WATCHED, ArpConfigError::Sentinels);
        let mut all: Vec<IpAddr> =
            settings.addresses.iter().chain(&settings.targets).chain(&settings.sentinels).copied().collect();
        for &address in &all {
            refuse(!is_host_address(address), ArpConfigError::NotAHost(address));
        }
        all.sort_unstable();
        for pair in all.windows(2) {
            if let [one, other] = *pair {
                refuse(one == other, ArpConfigError::Twice(one));
            }
        }
        let rounds = Duration::from_millis(10)..=Duration::from_secs(60);
        let counts = 1..=100;
        refuse(
            !rounds.contains(&settings.interval)
                || !counts.contains(&settings.fall)
                || !counts.contains(&settings.rise),
            ArpConfigError::Rhythm,
        );
        refuse(
            !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&settings.lease),
            ArpConfigError::Lease,
        );
        refuse(!settings.announcements.are_bearable(), ArpConfigError::Announcements);
        let delay = if let GiveBack::After(delay) = settings.give_back { delay } else { Duration::ZERO };
        let repeat = settings.announcements.repeat_after.unwrap_or_default();
        refuse(delay.max(settings.start_delay).max(repeat) > DAY, ArpConfigError::Delay);
        if errors.is_empty() { Ok(Self(settings)) } else { Err(errors) }
    }

    /// The settings it was made of.
    #[must_use]
    pub const fn settings(&self) -> &ArpSettings {
        &self.0
    }
}
