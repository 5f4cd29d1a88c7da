//! A real server as IPVS sees it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::ValueError;

/// What a destination is known by inside its service. The forwarding method is not part of it.
///
/// Displayed as `10.1.53.2:53` or `[2001:db8::2]:53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationKey {
    /// The real server's address.
    pub address: IpAddr,
    /// Its port. Other than the service's port only with [`Forwarding::Masquerade`]; 0 keeps the client's.
    pub port: u16,
}

impl DestinationKey {
    /// The key of an address and a port.
    pub const fn new(address: IpAddr, port: u16) -> DestinationKey {
        DestinationKey { address, port }
    }
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A destination's share of new connections; 0 takes it out of scheduling and keeps its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// No new connections.
    pub const ZERO: Weight = Weight(0);
    /// What `ipvsadm` takes where nothing is said.
    pub const ONE: Weight = Weight(1);
    /// The highest weight that may be asked for. The kernel takes 31 bits; `ipvsadm` reads back no more than this.
    pub const MAX: Weight = Weight(65_535);

    /// A weight of 0 to 65,535.
    ///
    /// # Errors
    /// [`ValueError::Weight`] above that.
    pub const fn new(weight: u32) -> Result<Weight, ValueError> {
        if weight > Weight::MAX.0 { Err(ValueError::Weight(weight)) } else { Ok(Weight(weight)) }
    }

    /// As dumped by the kernel, which may hold more.
    pub(crate) const fn from_kernel(weight: u32) -> Weight {
        Weight(weight)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u16> for Weight {
    fn from(weight: u16) -> Weight {
        Weight(u32::from(weight))
    }
}

impl Default for Weight {
    /// [`Weight::ONE`], as in `ipvsadm`.
    fn default() -> Self {
        Weight::ONE
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many connections (active and inactive) overload a destination. Overloaded, it gets no new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Thresholds {
    upper: u32,
    lower: u32,
}

impl Thresholds {
    /// Never overloaded.
    pub const NONE: Thresholds = Thresholds { upper: 0, lower: 0 };

    /// Overloaded from `upper` connections (0: never) until fewer than `lower` are left (0: three quarters of `upper`).
    ///
    /// # Errors
    /// [`ValueError::Thresholds`] for a lower one above the upper one, [`ValueError::Threshold`] from 2³¹.
    pub const fn new(upper: u32, lower: u32) -> Result<Thresholds, ValueError> {
        if upper > i32::MAX as u32 {
            return Err(ValueError::Threshold(upper));
        }
        if lower > upper {
            return Err(ValueError::Thresholds { upper, lower });
        }
        Ok(Thresholds { upper, lower })
    }

    /// As dumped by the kernel.
    pub(crate) const fn from_kernel(upper: u32, lower: u32) -> Thresholds {
        Thresholds { upper, lower }
    }

    /// Connections at which the destination is overloaded; 0 is never.
    pub const fn upper(&self) -> u32 {
        self.upper
    }

    /// Connections below which it is not any more; 0 is three quarters of the upper threshold.
    pub const fn lower(&self) -> u32 {
        self.lower
    }
}

/// Checksums on tunnelled packets (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Checksum {
    /// None.
    #[default]
    None,
    /// A checksum over the inner packet.
    Full,
    /// Remote checksum offload; GUE only.
    Remote,
    /// Any other combination of bits. Read only; never 0, 1 or 2.
    Other(u16),
}

impl Checksum {
    /// The checksum setting of the kernel's flag word.
    pub const fn from_bits(bits: u16) -> Checksum {
        match bits {
            0 => Checksum::None,
            1 => Checksum::Full,
            2 => Checksum::Remote,
            other => Checksum::Other(other),
        }
    }

    /// The kernel's flag word.
    pub const fn bits(self) -> u16 {
        match self {
            Checksum::None => 0,
            Checksum::Full => 1,
            Checksum::Remote => 2,
            Checksum::Other(other) => other,
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::None => f.pad("none"),
            Checksum::Full => f.pad("full"),
            Checksum::Remote => f.pad("remote"),
            Checksum::Other(bits) => write!(f, "flags {bits:#x}"),
        }
    }
}

/// How tunnel forwarding wraps a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Encapsulation {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation, since Linux 5.2 (checksums 5.3).
    Gue {
        /// The UDP port the real server listens on.
        port: NonZeroU16,
        /// Checksums.
        checksum: Checksum,
    },
    /// Generic routing encapsulation, since Linux 5.4.
    Gre {
        /// Checksums; remote offload is not for GRE.
        checksum: Checksum,
    },
    /// Any other type, which the kernel stores without complaint. Read only.
    Other {
        /// The type's number.
        kind: u8,
        /// Its port.
        port: u16,
        /// Its flags.
        checksum: Checksum,
    },
}

impl Encapsulation {
    /// The encapsulation of the kernel's three attributes. IPIP has neither port nor checksum, GRE no port.
    pub(crate) const fn from_kernel(kind: u8, port: u16, flags: u16) -> Encapsulation {
        let checksum = Checksum::from_bits(flags);
        match (kind, NonZeroU16::new(port)) {
            (0, _) => Encapsulation::Ipip,
            (1, Some(port)) => Encapsulation::Gue { port, checksum },
            (2, _) => Encapsulation::Gre { checksum },
            _ => Encapsulation::Other { kind, port, checksum },
        }
    }

    /// The kernel's three attributes: type, port, flags.
    pub(crate) const fn to_kernel(self) -> (u8, u16, u16) {
        match self {
            Encapsulation::Ipip => (0, 0, 0),
            Encapsulation::Gue { port, checksum } => (1, port.get(), checksum.bits()),
            Encapsulation::Gre { checksum } => (2, 0, checksum.bits()),
            Encapsulation::Other { kind, port, checksum } => (kind, port, checksum.bits()),
        }
    }

    pub(crate) fn check(self) -> Result<(), ValueError> {
        match self {
            Encapsulation::Gue { checksum: checksum @ Checksum::Other(_), .. } => {
                Err(ValueError::Checksum { encapsulation: "gue", checksum })
            }
            Encapsulation::Gre { checksum: checksum @ (Checksum::Remote | Checksum::Other(_)) } => {
                Err(ValueError::Checksum { encapsulation: "gre", checksum })
            }
            _ => Ok(()),
        }
    }
}

/// How packets get to a destination (`IP_VS_CONN_F_FWD_MASK`).
///
/// An edit applies to new connections; live ones keep the method they began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Forwarding {
    /// Network address translation; replies must come back through the director.
    Masquerade,
    /// To a process on the director. Read only: the kernel delivers to a local address in any method.
    Local,
    /// Wrapped in another packet. The only method that may cross address families.
    Tunnel(Encapsulation),
    /// Direct routing: only the link-layer address changes. What `ipvsadm` takes where nothing is said.
    #[default]
    Direct,
    /// Past the director, for transparent caches. Read only.
    Bypass,
    /// A number without meaning that the kernel stores all the same. Read only; 5 to 7.
    Other(u8),
}

impl Forwarding {
    /// Tunnel forwarding with the plain encapsulation.
    pub const TUNNEL: Forwarding = Forwarding::Tunnel(Encapsulation::Ipip);

    /// The method of the kernel's number, of which only the low three bits count.
    pub(crate) const fn from_kernel(method: u32, encapsulation: Encapsulation) -> Forwarding {
        match method & 7 {
            0 => Forwarding::Masquerade,
            1 => Forwarding::Local,
            2 => Forwarding::Tunnel(encapsulation),
            3 => Forwarding::Direct,
            4 => Forwarding::Bypass,
            other => Forwarding::Other(other as u8),
        }
    }

    /// The kernel's number.
    pub(crate) const fn method(self) -> u32 {
        match self {
            Forwarding::Masquerade => 0,
            Forwarding::Local => 1,
            Forwarding::Tunnel(_) => 2,
            Forwarding::Direct => 3,
            Forwarding::Bypass => 4,
            Forwarding::Other(other) => (other & 7) as u32,
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forwarding::Masquerade => f.pad("masquerade"),
            Forwarding::Local => f.pad("local"),
            Forwarding::Tunnel(_) => f.pad("tunnel"),
            Forwarding::Direct => f.pad("direct"),
            Forwarding::Bypass => f.pad("bypass"),
            Forwarding::Other(number) => write!(f, "method {number}"),
        }
    }
}

/// A real server of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Destination {
    /// What it is known by.
    pub key: DestinationKey,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Its share of new connections.
    pub weight: Weight,
    /// When it is overloaded.
    pub thresholds: Thresholds,
}

impl Destination {
    /// A destination without thresholds.
    pub const fn new(key: DestinationKey, forwarding: Forwarding, weight: Weight) -> Destination {
        Destination { key, forwarding, weight, thresholds: Thresholds::NONE }
    }
}
