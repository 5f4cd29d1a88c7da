//! The kernel's IPVS table, read from `/proc/net/ip_vs`: quick, and independent of Holdfast's netlink code.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, Result, anyhow};

/// One destination of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its address and port.
    pub address: SocketAddr,
    /// `Route`, `Tunnel`, `Masq`.
    pub forwarding: String,
    /// Its weight.
    pub weight: u32,
    /// Connections being used.
    pub active: u64,
    /// Connections remembered.
    pub inactive: u64,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `UDP`, `TCP`.
    pub protocol: String,
    /// Its virtual address and port.
    pub address: SocketAddr,
    /// Its scheduler and flags.
    pub scheduler: String,
    /// Its destinations in the kernel's order.
    pub destinations: Vec<Destination>,
}

/// The whole table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its services in the kernel's order.
    pub services: Vec<Service>,
}

impl Table {
    /// Reads the table of the namespace that the calling thread is in.
    ///
    /// # Errors
    /// The kernel has none, or it has another form.
    pub fn read() -> Result<Self> {
        let path = "/proc/thread-self/net/ip_vs";
        parse(&fs::read_to_string(path).with_context(|| format!("cannot read {path} (module ip_vs)"))?)
    }

    /// Whether the real server is a destination of every service with that virtual address.
    #[must_use]
    pub fn serves(&self, vip: IpAddr, real: IpAddr) -> bool {
        let mut services = self.of(vip).peekable();
        services.peek().is_some() && services.all(|service| service.has(real))
    }

    /// Whether the real server is a destination of no service with that virtual address.
    #[must_use]
    pub fn lacks(&self, vip: IpAddr, real: IpAddr) -> bool {
        !self.of(vip).any(|service| service.has(real))
    }

    /// Services, destinations and weights in one order, without the counters: equal when nothing was changed.
    #[must_use]
    pub fn shape(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for Service { protocol, address, scheduler, destinations } in &self.services {
            lines.push(format!("{protocol} {address} {scheduler}"));
            lines.extend(destinations.iter().map(|destination| {
                let Destination { address: real, forwarding, weight, .. } = destination;
                format!("{protocol} {address} -> {real} {forwarding} {weight}")
            }));
        }
        lines.sort();
        lines
    }

    /// The services with that virtual address.
    pub fn of(&self, vip: IpAddr) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.address.ip() == vip)
    }

    /// The weights of the real server in the services with that virtual address.
    #[must_use]
    pub fn weights(&self, vip: IpAddr, real: IpAddr) -> Vec<u32> {
        let destinations = self.of(vip).flat_map(|service| &service.destinations);
        destinations
            .filter(|destination| destination.address.ip() == real)
            .map(|found| found.weight)
            .collect()
    }
}

impl Service {
    fn has(&self, real: IpAddr) -> bool {
        self.destinations.iter().any(|destination| destination.address.ip() == real)
    }
}

impl fmt::Display for Table {
    /// As people know it from `ipvsadm -Ln`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            writeln!(f, "{:<4} {} {}", service.protocol, service.address, service.scheduler)?;
            for destination in &service.destinations {
                let Destination { address, forwarding, weight, active, inactive } = destination;
                writeln!(
                    f,
                    "  -> {address:<21} {forwarding:<7} weight {weight:<4} active {active:<4} inactive {inactive}"
                )?;
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Table> {
    let mut table = Table::default();
    for line in text.lines() {
        let odd = || anyhow!("unexpected line in the kernel's table: {line:?}");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["IP", ..] | ["Prot", ..] | ["->", "RemoteAddress:Port", ..] => {}
            ["->", address, forwarding, weight, active, inactive] => {
                let service = table.services.last_mut().ok_or_else(odd)?;
                service.destinations.push(Destination {
                    address: socket(address).ok_or_else(odd)?,
                    forwarding: (*forwarding).to_owned(),
                    weight: weight.parse().map_err(|_| odd())?,
                    active: active.parse().map_err(|_| odd())?,
                    inactive: inactive.parse().map_err(|_| odd())?,
                });
            }
            [protocol @ ("UDP" | "TCP" | "SCTP"), address, scheduler @ ..] => table.services.push(Service {
                protocol: (*protocol).to_owned(),
                address: socket(address).ok_or_else(odd)?,
                scheduler: scheduler.join(" "),
                destinations: Vec::new(),
            }),
            ["FWM", ..] => table.services.push(Service {
                protocol: "FWM".to_owned(),
                address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                scheduler: words[1..].join(" "),
                destinations: Vec::new(),
            }),
            _ => return Err(odd()),
        }
    }
    Ok(table)
}

/// `C0000235:0035` or `[2001:0db8:…:0053]:0035`.
fn socket(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address: IpAddr = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?).into(),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  C0000235:0035 wrr ops
  -> 0A01350C:0035      Route   100    0          7         
  -> 0A01350B:0035      Route   0      1          0         
TCP  [2001:0db8:0000:0000:0000:0000:0000:0053]:0035 mh (mh-fallback)
";

    #[test]
    fn the_kernels_text_is_read() {
        let table = parse(TEXT).expect("a table");
        let vip: IpAddr = Ipv4Addr::new(192, 0, 2, 53).into();
        let (real, other) = (Ipv4Addr::new(10, 1, 53, 11).into(), Ipv4Addr::new(10, 1, 53, 99).into());
        assert!(table.serves(vip, real) && !table.lacks(vip, real));
        assert!(table.lacks(vip, other) && !table.serves(vip, other));
        assert_eq!(table.weights(vip, real), [0]);
        assert_eq!(table.services[0].scheduler, "wrr ops");
        assert_eq!(table.services[1].address.to_string(), "[2001:db8::53]:53");
        assert!(!table.serves(other, real), "no service is no service");
        assert!(parse("-> 0A01350B:0035 Route 0 1 0").is_err(), "a destination of nothing");
        assert!(parse("UDP C0000235 wrr").is_err());
    }
}
