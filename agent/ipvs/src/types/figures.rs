//! What the kernel counts and says about itself: statistics, versions, timeouts, whole readings.

use std::fmt;

use super::{Destination, MAX_TIMEOUT_SECS, Service, ServiceEntry, Table, ValueError};

/// What passed through a service or to a destination (`IPVS_STATS_ATTR_*`), in 64 bits.
///
/// The kernel sums these every two seconds, and not at all with the sysctl `run_estimation=0`. They can start above zero (a
/// destination taken back with its old figures) and fall back to zero: treat them as counters that may be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stats {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets in from clients.
    pub packets_in: u64,
    /// Packets out to clients, which the director sees with masquerading only.
    pub packets_out: u64,
    /// Bytes in.
    pub bytes_in: u64,
    /// Bytes out.
    pub bytes_out: u64,
    /// Connections a second.
    pub connections_per_sec: u64,
    /// Packets a second in.
    pub packets_in_per_sec: u64,
    /// Packets a second out.
    pub packets_out_per_sec: u64,
    /// Bytes a second in.
    pub bytes_in_per_sec: u64,
    /// Bytes a second out.
    pub bytes_out_per_sec: u64,
}

/// Connections that a destination has now. UDP "connections" are always inactive ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ConnectionCounts {
    /// In the established state.
    pub active: u32,
    /// In any other.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
}

/// A destination with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DestinationStatus {
    /// The destination.
    pub destination: Destination,
    /// What passed to it.
    pub stats: Stats,
    /// Its connections now.
    pub connections: ConnectionCounts,
}

/// A service with its figures and destinations, in the kernel's order (destinations: newest first).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The service.
    pub service: Service,
    /// What passed through it.
    pub stats: Stats,
    /// Its destinations.
    pub destinations: Vec<DestinationStatus>,
}

/// One reading of the whole table with its figures, in the kernel's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The services.
    pub services: Vec<ServiceStatus>,
}

impl Snapshot {
    /// The table without its figures, for a comparison.
    pub fn table(&self) -> Table {
        self.services
            .iter()
            .map(|status| {
                let destinations =
                    status.destinations.iter().map(|d| (d.destination.key, d.destination)).collect();
                (*status.service.key(), ServiceEntry { service: status.service, destinations })
            })
            .collect()
    }
}

/// The version of IPVS in the running kernel; 1.2.1 for two decades now, so it tells nothing about features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// Of 1.2.1, the 1.
    pub major: u8,
    /// Of 1.2.1, the 2.
    pub minor: u8,
    /// Of 1.2.1, the last 1.
    pub patch: u8,
}

impl Version {
    /// The version of the kernel's number, 0x010201 for 1.2.1.
    pub const fn from_number(number: u32) -> Version {
        let [_, major, minor, patch] = number.to_be_bytes();
        Version { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What IPVS says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Info {
    /// Its version.
    pub version: Version,
    /// Buckets of the connection table (module option `conn_tab_bits`).
    pub connection_table_size: u32,
}

/// How long idle connections are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeouts {
    tcp: u32,
    tcp_fin: u32,
    udp: u32,
}

impl Timeouts {
    /// Seconds for TCP, TCP after a FIN, and UDP; 0 leaves one as it is when written.
    ///
    /// # Errors
    /// [`ValueError::Timeout`] above [`MAX_TIMEOUT_SECS`].
    pub fn new(tcp_secs: u32, tcp_fin_secs: u32, udp_secs: u32) -> Result<Timeouts, ValueError> {
        for (which, secs) in [("tcp", tcp_secs), ("tcp fin", tcp_fin_secs), ("udp", udp_secs)] {
            if secs > MAX_TIMEOUT_SECS {
                return Err(ValueError::Timeout { which, secs });
            }
        }
        Ok(Timeouts { tcp: tcp_secs, tcp_fin: tcp_fin_secs, udp: udp_secs })
    }

    /// As the kernel has them.
    pub(crate) const fn from_kernel(tcp: u32, tcp_fin: u32, udp: u32) -> Timeouts {
        Timeouts { tcp, tcp_fin, udp }
    }

    /// Seconds for an established TCP connection; 900 unless changed.
    pub const fn tcp_secs(&self) -> u32 {
        self.tcp
    }

    /// Seconds for a TCP connection after a FIN; 120 unless changed.
    pub const fn tcp_fin_secs(&self) -> u32 {
        self.tcp_fin
    }

    /// Seconds for a UDP flow; 300 unless changed.
    pub const fn udp_secs(&self) -> u32 {
        self.udp
    }
}
