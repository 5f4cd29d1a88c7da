//! The kernel's sync daemons, which tell another director of connections over multicast.

use std::net::{IpAddr, Ipv4Addr};

use super::{Interface, ValueError};

/// What a sync daemon does (`IP_VS_STATE_*`). Both may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncRole {
    /// Tells of connections, 1.
    Master,
    /// Is told of them, 2.
    Backup,
}

impl SyncRole {
    /// The kernel's number.
    pub(crate) const fn number(self) -> u32 {
        match self {
            SyncRole::Master => 1,
            SyncRole::Backup => 2,
        }
    }

    pub(crate) const fn from_number(number: u32) -> Option<SyncRole> {
        match number {
            1 => Some(SyncRole::Master),
            2 => Some(SyncRole::Backup),
            _ => None,
        }
    }
}

/// A sync daemon with its settings (`IPVS_DAEMON_ATTR_*`). Before Linux 4.3 only role, interface and id could be chosen.
///
/// It refuses to run beside destinations of another family than their service, and they beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SyncDaemon {
    /// What it does.
    pub role: SyncRole,
    /// Where its messages go and come from.
    pub interface: Interface,
    /// Only messages of the same id are taken; 0 to 255 (the kernel stores more and sends eight bits).
    pub id: u32,
    /// The multicast group. The family decides how the messages travel.
    pub group: IpAddr,
    /// The UDP port.
    pub port: u16,
    /// Over how many networks messages may go.
    pub ttl: u8,
    /// The most bytes in a message.
    pub max_length: u16,
}

impl SyncDaemon {
    /// The group that the kernel takes where none is given.
    pub const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
    /// The port that it takes.
    pub const PORT: u16 = 8848;
    /// The most bytes that it puts into a message on an interface with an MTU of 1500.
    pub const MAX_LENGTH: u16 = 1472;

    /// A daemon with the kernel's own choices for the rest.
    pub const fn new(role: SyncRole, interface: Interface, id: u8) -> SyncDaemon {
        SyncDaemon {
            role,
            interface,
            id: id as u32,
            group: SyncDaemon::GROUP,
            port: SyncDaemon::PORT,
            ttl: 1,
            max_length: SyncDaemon::MAX_LENGTH,
        }
    }

    /// Whether the kernel would do what this says.
    ///
    /// # Errors
    /// [`ValueError::SyncDaemon`] for a group that is not multicast, an id above 255, port or ttl 0 (which the kernel replaces
    /// by its own choice).
    pub const fn check(&self) -> Result<(), ValueError> {
        let wrong = match *self {
            _ if !self.group.is_multicast() => "give a multicast group such as 224.0.0.81",
            SyncDaemon { id: 256.., .. } => "give an id of 0 to 255",
            SyncDaemon { port: 0, .. } => "give a port of 1 to 65535",
            SyncDaemon { ttl: 0, .. } => "give a ttl of 1 to 255",
            _ => return Ok(()),
        };
        Err(ValueError::SyncDaemon(wrong))
    }
}
