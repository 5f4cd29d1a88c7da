//! Single lines of the `ipvsadm` format, also used to display edits.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv6Addr};

use super::Style;
use crate::types::{
    Checksum, Destination, DestinationKey, Encapsulation, Family, Flags, Forwarding, Granularity, Protocol,
    Service, ServiceKey, Thresholds,
};

/// Writes lines in one style.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    style: Style,
}

impl Line {
    pub(crate) fn new(style: Style) -> Line {
        Line { style }
    }

    pub(crate) fn service(self, f: &mut impl Write, command: &str, service: &Service) -> fmt::Result {
        self.service_key(f, command, service.key())?;
        write!(f, " -s {}", service.scheduler)?;
        if let Some(persistence) = service.persistence() {
            write!(f, " -p {}", persistence.timeout_secs())?;
            match persistence.granularity() {
                Granularity::Host => {}
                Granularity::Mask(mask) => write!(f, " -M {mask}")?,
                Granularity::Prefix(length) => write!(f, " -M {length}")?,
            }
        }
        if let Some(engine) = service.engine {
            write!(f, " --pe {engine}")?;
        }
        if service.flags.contains(Flags::ONE_PACKET) {
            f.write_str(" -o")?;
        }
        if Flags::SCHEDULER.iter().any(|&flag| service.flags.contains(flag)) {
            f.write_str(" -b ")?;
            let names = Flags::SCHEDULER.into_iter().zip(service.scheduler.flag_names());
            let set = names.filter(|(flag, _)| service.flags.contains(*flag));
            for (i, (_, name)) in set.enumerate() {
                write!(f, "{}{name}", if i > 0 { "," } else { "" })?;
            }
        }
        Ok(())
    }

    pub(crate) fn service_key(self, f: &mut impl Write, command: &str, key: &ServiceKey) -> fmt::Result {
        match *key {
            ServiceKey::Address { protocol, address, port } => {
                let option = match protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                    Protocol::Other(_) => "--xxx-service",
                };
                write!(f, "{command} {option} {}", Host(address, port))
            }
            ServiceKey::FirewallMark { family, mark } => {
                match self.style {
                    Style::Saved => write!(f, "{command} -f {}", mark.get().cast_signed())?,
                    Style::Complete => write!(f, "{command} -f {mark}")?,
                }
                if family == Family::Ipv6 { f.write_str(" -6") } else { Ok(()) }
            }
        }
    }

    pub(crate) fn destination(
        self,
        f: &mut impl Write,
        command: &str,
        service: &ServiceKey,
        destination: &Destination,
    ) -> fmt::Result {
        self.destination_key(f, command, service, &destination.key)?;
        let method = match destination.forwarding {
            Forwarding::Direct | Forwarding::Local => "-g",
            Forwarding::Tunnel(_) => "-i",
            Forwarding::Masquerade => "-m",
            Forwarding::Bypass | Forwarding::Other(_) => "(null)",
        };
        write!(f, " {method} -w {}", destination.weight)?;
        if self.style == Style::Complete && destination.thresholds != Thresholds::NONE {
            write!(f, " -x {} -y {}", destination.thresholds.upper(), destination.thresholds.lower())?;
        }
        match destination.forwarding {
            Forwarding::Tunnel(Encapsulation::Ipip) => f.write_str(" --tun-type ipip"),
            Forwarding::Tunnel(Encapsulation::Gue { port, checksum }) => {
                write!(f, " --tun-type gue --tun-port {port}{}", checksum_option(checksum))
            }
            Forwarding::Tunnel(Encapsulation::Gre { checksum }) => {
                write!(f, " --tun-type gre{}", checksum_option(checksum))
            }
            Forwarding::Tunnel(Encapsulation::Other { kind, .. }) => write!(f, " --tun-type {kind}"),
            _ => Ok(()),
        }
    }

    pub(crate) fn destination_key(
        self,
        f: &mut impl Write,
        command: &str,
        service: &ServiceKey,
        key: &DestinationKey,
    ) -> fmt::Result {
        self.service_key(f, command, service)?;
        write!(f, " -r {}", Host(key.address, key.port))
    }
}

fn checksum_option(checksum: Checksum) -> &'static str {
    match checksum {
        Checksum::None => " --tun-nocsum",
        Checksum::Full => " --tun-csum",
        Checksum::Remote => " --tun-remcsum",
        Checksum::Other(_) => " --tun-csum --tun-remcsum",
    }
}

/// An address and a port, in brackets for IPv6.
struct Host(IpAddr, u16);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}:{}", self.1),
            IpAddr::V6(v6) => match compatible(v6) {
                Some(v4) => write!(f, "[::{v4}]:{}", self.1),
                None => write!(f, "[{v6}]:{}", self.1),
            },
        }
    }
}

/// The IPv4 part of an address that the C library writes as `::192.0.2.1`, and Rust does not.
fn compatible(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let bits = address.to_bits();
    let low = u32::try_from(bits).ok()?;
    (low >> 16 != 0).then(|| low.into())
}
