//! A virtual service, and the table of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::{
    Destination, DestinationKey, Encapsulation, Family, Forwarding, MAX_TIMEOUT_SECS, PersistenceEngine,
    Protocol, Scheduler, ServiceKey, ValueError,
};

/// The services and destinations of one network namespace, by key: what is wanted, or what the kernel has.
///
/// Both sides of a comparison have this shape; figures (statistics, connection counts) are kept apart, in
/// [`Snapshot`](super::Snapshot).
pub type Table = BTreeMap<ServiceKey, ServiceEntry>;

/// A service with its destinations, as a [`Table`] holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The service. Its key is the key it is filed under.
    pub service: Service,
    /// Its destinations, each filed under its own key.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

impl ServiceEntry {
    /// An entry without destinations.
    pub fn new(service: Service) -> ServiceEntry {
        ServiceEntry { service, destinations: BTreeMap::new() }
    }
}

/// Options of a service that are single bits (`IP_VS_SVC_F_*` in `linux/ip_vs.h`).
///
/// Persistence is not here but in [`Service::persistence`], and the kernel's own mark "hashed" is dropped. Bits
/// unknown to this crate are kept, since the kernel stores and dumps them: a comparison shall see them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// Each UDP packet is scheduled by itself and leaves no connection behind.
    pub const ONE_PACKET: Flags = Flags(4);
    /// The scheduler's first flag: `sh-fallback`, `mh-fallback`.
    pub const SCHEDULER_1: Flags = Flags(8);
    /// The scheduler's second flag: `sh-port`, `mh-port`.
    pub const SCHEDULER_2: Flags = Flags(16);
    /// The scheduler's third flag.
    pub const SCHEDULER_3: Flags = Flags(32);
    /// All three flags of the scheduler, lowest first.
    pub const SCHEDULER: [Flags; 3] = [Flags::SCHEDULER_1, Flags::SCHEDULER_2, Flags::SCHEDULER_3];

    /// `IP_VS_SVC_F_PERSISTENT`: told by [`Service::persistence`].
    pub(crate) const PERSISTENT_BIT: u32 = 1;
    /// `IP_VS_SVC_F_HASHED`: the kernel's own.
    const HASHED_BIT: u32 = 2;

    /// The flags of a raw word, without "persistent" and "hashed".
    pub const fn from_bits(bits: u32) -> Flags {
        Flags(bits & !(Flags::PERSISTENT_BIT | Flags::HASHED_BIT))
    }

    /// The raw word.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` is set here.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// These flags without `other`.
    #[must_use]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        self.with(other)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}

/// How many clients share one persistence template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Granularity {
    /// Each client address has its own: mask 255.255.255.255 or prefix length 128.
    Host,
    /// IPv4 clients that agree under this mask. Never 255.255.255.255.
    Mask(Ipv4Addr),
    /// IPv6 clients that agree in this many leading bits. Never 128.
    Prefix(u8),
}

impl Granularity {
    /// Clients that agree under an IPv4 netmask.
    ///
    /// # Errors
    /// [`ValueError::Mask`] for 0.0.0.0 and for a mask with holes.
    pub fn mask(mask: Ipv4Addr) -> Result<Granularity, ValueError> {
        let bits = mask.to_bits();
        if bits == 0 || bits.leading_ones() + bits.trailing_zeros() != 32 {
            return Err(ValueError::Mask(mask));
        }
        Ok(Granularity::from_mask(mask))
    }

    /// Clients that agree in this many leading bits of their IPv6 address.
    ///
    /// # Errors
    /// [`ValueError::PrefixLength`] outside 1 to 128.
    pub fn prefix(length: u8) -> Result<Granularity, ValueError> {
        match length {
            1..=127 => Ok(Granularity::Prefix(length)),
            128 => Ok(Granularity::Host),
            _ => Err(ValueError::PrefixLength(length)),
        }
    }

    /// A mask as the kernel holds it, holes and all.
    pub(crate) const fn from_mask(mask: Ipv4Addr) -> Granularity {
        if mask.to_bits() == u32::MAX { Granularity::Host } else { Granularity::Mask(mask) }
    }

    const fn family(self) -> Option<Family> {
        match self {
            Granularity::Host => None,
            Granularity::Mask(_) => Some(Family::Ipv4),
            Granularity::Prefix(_) => Some(Family::Ipv6),
        }
    }
}

/// Clients stay with the server they had, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Persistence {
    timeout_secs: u32,
    granularity: Granularity,
}

impl Persistence {
    /// What `ipvsadm -p` without a number means.
    pub const DEFAULT_TIMEOUT_SECS: u32 = 360;

    /// Persistence for a number of seconds.
    ///
    /// # Errors
    /// [`ValueError::PersistenceTimeout`] for 0 and above [`MAX_TIMEOUT_SECS`]; what [`Granularity::mask`] and
    /// [`Granularity::prefix`] refuse.
    pub fn new(timeout_secs: u32, granularity: Granularity) -> Result<Persistence, ValueError> {
        if timeout_secs == 0 || timeout_secs > MAX_TIMEOUT_SECS {
            return Err(ValueError::PersistenceTimeout(timeout_secs));
        }
        let granularity = match granularity {
            Granularity::Host => Granularity::Host,
            Granularity::Mask(mask) => Granularity::mask(mask)?,
            Granularity::Prefix(length) => Granularity::prefix(length)?,
        };
        Ok(Persistence { timeout_secs, granularity })
    }

    /// As dumped by the kernel, which may hold any number.
    pub(crate) const fn from_kernel(timeout_secs: u32, granularity: Granularity) -> Persistence {
        Persistence { timeout_secs, granularity }
    }

    /// Seconds that a template lives after the last connection made from it ended.
    pub const fn timeout_secs(&self) -> u32 {
        self.timeout_secs
    }

    /// How many clients share one template.
    pub const fn granularity(&self) -> Granularity {
        self.granularity
    }
}

/// A virtual service: what is balanced, and how.
///
/// ```
/// use agent_ipvs::{Flags, Protocol, Scheduler, Service, ServiceKey};
///
/// let key = ServiceKey::new(Protocol::Udp, "10.0.0.1".parse()?, 53)?;
/// let mut service = Service::new(key, Scheduler::WRR);
/// service.flags = Flags::ONE_PACKET;
/// service.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Service {
    key: ServiceKey,
    /// Who chooses the destination.
    pub scheduler: Scheduler,
    /// Options.
    pub flags: Flags,
    persistence: Option<Persistence>,
    /// What recognises a client when its address does not; needs persistence.
    pub engine: Option<PersistenceEngine>,
}

impl Service {
    /// A service without flags or persistence.
    pub const fn new(key: ServiceKey, scheduler: Scheduler) -> Service {
        Service { key, scheduler, flags: Flags::NONE, persistence: None, engine: None }
    }

    /// What the service is known by.
    pub const fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Its persistence, if it has any.
    pub const fn persistence(&self) -> Option<Persistence> {
        self.persistence
    }

    /// Turns persistence on or off.
    ///
    /// # Errors
    /// [`ValueError::GranularityFamily`] where the granularity is not of the service's family; nothing is changed then.
    pub fn set_persistence(&mut self, persistence: Option<Persistence>) -> Result<(), ValueError> {
        let service = self.key.family();
        match persistence.and_then(|p| p.granularity.family()) {
            Some(granularity) if granularity != service => {
                Err(ValueError::GranularityFamily { granularity, service })
            }
            _ => {
                self.persistence = persistence;
                Ok(())
            }
        }
    }

    /// Whether the kernel would make of this service what it says.
    ///
    /// The kernel accepts everything refused here, and then drops packets or answers them wrongly.
    ///
    /// # Errors
    /// Port 0 without persistence; one-packet scheduling for anything but UDP and firewall marks.
    pub fn check(&self) -> Result<(), ValueError> {
        if let ServiceKey::Address { protocol, port, address } = self.key {
            ServiceKey::new(protocol, address, port)?;
            if port == 0 && self.persistence.is_none() {
                return Err(ValueError::PortZero);
            }
            if self.flags.contains(Flags::ONE_PACKET) && protocol != Protocol::Udp {
                return Err(ValueError::OnePacketProtocol);
            }
        }
        Ok(())
    }

    /// Whether a destination goes with this service.
    ///
    /// # Errors
    /// An address the kernel refuses; another family without a tunnel; another port without masquerading;
    /// masquerading with one-packet scheduling; a forwarding method that can only be read.
    pub fn check_destination(&self, destination: &Destination) -> Result<(), ValueError> {
        let DestinationKey { address, port } = destination.key;
        let unusable = match address {
            IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local(),
        };
        if unusable {
            return Err(ValueError::DestinationAddress(address));
        }
        let (service, family) = (self.key.family(), Family::of(address));
        let forwarding = destination.forwarding;
        if service != family && !matches!(forwarding, Forwarding::Tunnel(_)) {
            return Err(ValueError::MixedFamily { service, destination: family });
        }
        match forwarding {
            Forwarding::Masquerade if self.flags.contains(Flags::ONE_PACKET) => {
                return Err(ValueError::OnePacketMasquerade);
            }
            Forwarding::Masquerade | Forwarding::Direct => {}
            Forwarding::Tunnel(Encapsulation::Other { kind, .. }) => {
                return Err(ValueError::Encapsulation(kind));
            }
            Forwarding::Tunnel(encapsulation) => encapsulation.check()?,
            Forwarding::Local | Forwarding::Bypass | Forwarding::Other(_) => {
                return Err(ValueError::Forwarding(forwarding));
            }
        }
        // A firewall mark covers many ports; what its destinations say about theirs means nothing but "keep".
        if let ServiceKey::Address { port: service, .. } = self.key
            && service != port
            && forwarding != Forwarding::Masquerade
        {
            return Err(ValueError::ForeignPort { service, destination: port, forwarding });
        }
        Ok(())
    }
}
