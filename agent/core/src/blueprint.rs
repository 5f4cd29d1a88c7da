//! The configuration as kernel objects: every service and every destination that could ever be in the table.
//!
//! Owns the translation from the configuration's words to the kernel's, done once when a configuration is loaded. What
//! the kernel could not hold is found here, before anything runs. It knows nothing of verdicts: that is [`crate::plan`].

use std::time::Duration;

use agent_api::config::{
    Adopt, Checksum, Config, Engine, Forwarding, RealServer, Scheduling, SorryServer, Tunnel, VirtualServer,
};
use agent_api::{AddressFamily, Name, Protocol, RealServerId, ServiceAddress};
use agent_ipvs::{
    Destination, DestinationKey, Encapsulation, Flags, Granularity, Persistence, PersistenceEngine,
    Scheduler, Service, ServiceEntry, ServiceKey, Table, Thresholds, ValueError, Weight,
};
use jiff::SignedDuration;

#[cfg(test)]
mod tests;

/// A part of the configuration that the kernel could not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("virtual server {virtual_server}: {source}")]
pub struct BlueprintError {
    /// The virtual server.
    pub virtual_server: Name,
    /// What is wrong.
    pub source: ValueError,
}

/// All pools of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// One for each virtual server and family that it serves.
    pub pools: Vec<Pool>,
    /// What becomes of services that are in no pool.
    pub adopt: Adopt,
    /// How long services of others are left before all are claimed.
    pub exclusive_grace: SignedDuration,
    /// How long the connections of a drained real server may last; absent: as long as they want.
    pub drain_deadline: Option<SignedDuration>,
}

/// One virtual server, or what it serves of one family: its kernel services and who may serve them.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// The virtual server.
    pub name: Name,
    /// Its kernel services.
    pub services: Vec<Service>,
    /// How many members must be up for it to count as working.
    pub quorum: u32,
    /// So many more before it counts as working again, and so many fewer before it counts as not.
    pub quorum_hysteresis: u32,
    /// How many members must stay in the table.
    pub min_serving: usize,
    /// How many failing checks take out within which time; absent: any number.
    pub ejection_rate: Option<(usize, SignedDuration)>,
    /// How long a member that returns takes to its full weight.
    pub slow_start: SignedDuration,
    /// The weight of a degraded member, in percent of its own.
    pub degraded_percent: u8,
    /// Who answers in each of the services while no member does, with weight 1.
    pub sorry: Vec<Option<Destination>>,
    /// Its real servers.
    pub members: Vec<Member>,
    /// Their indices in the order of their names, in which verdicts come.
    pub by_name: Vec<usize>,
}

/// One real server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub id: RealServerId,
    /// Its destination in each of the pool's services, in their order, with the configured weight.
    pub destinations: Vec<Destination>,
}

impl Blueprint {
    /// Translates `config`.
    ///
    /// # Errors
    /// The kernel could not hold a part of it.
    pub fn of(config: &Config) -> Result<Self, BlueprintError> {
        let of_all = config.virtual_servers.iter().map(|virtual_server| {
            pools(virtual_server)
                .map_err(|source| BlueprintError { virtual_server: virtual_server.name.clone(), source })
        });
        let lasting = |length: Duration| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
        Ok(Self {
            pools: of_all.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
            adopt: config.lvs.adopt,
            exclusive_grace: lasting(config.lvs.exclusive_grace),
            drain_deadline: config.lvs.drain_deadline.map(lasting),
        })
    }

    /// The table in which every real server serves.
    #[must_use]
    pub fn full_table(&self) -> Table {
        let mut table = Table::new();
        for pool in &self.pools {
            for (index, service) in pool.services.iter().enumerate() {
                let mut entry = ServiceEntry::new(*service);
                let destinations = pool.members.iter().filter_map(|member| member.destinations.get(index));
                entry.destinations = destinations.map(|one| (one.key, *one)).collect();
                table.insert(*service.key(), entry);
            }
        }
        table
    }

    /// What the kernel will do and hardly anybody means, a line each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        self.pools
            .iter()
            .flat_map(|pool| pool.services.iter().flat_map(|one| doubts(&pool.name, one)))
            .collect()
    }
}

/// The kernel's key of one of our services.
///
/// # Errors
/// The address is none that a service can have.
pub fn service_key(service: ServiceAddress) -> Result<ServiceKey, ValueError> {
    match service {
        ServiceAddress::Address { protocol, address } => {
            let protocol = match protocol {
                Protocol::Tcp => agent_ipvs::Protocol::Tcp,
                Protocol::Udp => agent_ipvs::Protocol::Udp,
                Protocol::Sctp => agent_ipvs::Protocol::Sctp,
            };
            ServiceKey::new(protocol, address.ip(), address.port())
        }
        ServiceAddress::FirewallMark { family, mark } => {
            let family = match family {
                AddressFamily::Ipv4 => agent_ipvs::Family::Ipv4,
                AddressFamily::Ipv6 => agent_ipvs::Family::Ipv6,
            };
            ServiceKey::firewall_mark(family, mark.get())
        }
    }
}

/// The other way round; none for services that the configuration has no words for.
#[must_use]
pub fn service_address(key: &ServiceKey) -> Option<ServiceAddress> {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            let protocol = match protocol {
                agent_ipvs::Protocol::Tcp => Protocol::Tcp,
                agent_ipvs::Protocol::Udp => Protocol::Udp,
                agent_ipvs::Protocol::Sctp => Protocol::Sctp,
                agent_ipvs::Protocol::Other(_) => return None,
            };
            Some(ServiceAddress::Address { protocol, address: (address, port).into() })
        }
        ServiceKey::FirewallMark { family, mark } => {
            let family = match family {
                agent_ipvs::Family::Ipv4 => AddressFamily::Ipv4,
                agent_ipvs::Family::Ipv6 => AddressFamily::Ipv6,
            };
            Some(ServiceAddress::FirewallMark { family, mark })
        }
    }
}

/// The pools of a virtual server: one for each family that it serves. A real server belongs to those whose packets it can
/// take, so that what is decided in a pool is decided among those who can stand in for each other.
fn pools(virtual_server: &VirtualServer) -> Result<Vec<Pool>, ValueError> {
    let families = [AddressFamily::Ipv4, AddressFamily::Ipv6];
    families
        .into_iter()
        .filter(|family| virtual_server.serves(*family))
        .map(|family| pool(virtual_server, family))
        .collect()
}

fn pool(virtual_server: &VirtualServer, family: AddressFamily) -> Result<Pool, ValueError> {
    let addresses: Vec<ServiceAddress> =
        virtual_server.service_addresses().filter(|address| address.family() == family).collect();
    let services = addresses.iter().map(|address| {
        let service = service(*address, &virtual_server.scheduling)?;
        service.check()?;
        Ok(service)
    });
    let services = services.collect::<Result<Vec<_>, ValueError>>()?;
    let takes = |real_server: &&RealServer| {
        real_server.forwarding == Forwarding::Tunnel || AddressFamily::of(real_server.address) == family
    };
    let members = virtual_server.real_servers.iter().filter(takes).map(|real_server| {
        let destinations = addresses.iter().zip(&services).map(|(address, service)| {
            let destination = destination(real_server, *address)?;
            service.check_destination(&destination)?;
            Ok(destination)
        });
        let destinations = destinations.collect::<Result<_, ValueError>>()?;
        Ok(Member { id: virtual_server.id_of(real_server), destinations })
    });
    let members = members.collect::<Result<Vec<Member>, ValueError>>()?;
    let mut by_name: Vec<usize> = (0..members.len()).collect();
    by_name.sort_unstable_by_key(|index| members.get(*index).map(|member| &member.id));
    let sorry = sorry_server(virtual_server, family);
    let sorry = addresses.iter().zip(&services).map(|(address, service)| {
        let Some(sorry) = sorry else { return Ok(None) };
        let destination = sorry_destination(sorry, *address)?;
        service.check_destination(&destination)?;
        Ok(Some(destination))
    });
    let lasting = |length: Duration| SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    let rate = virtual_server.ejection_rate;
    Ok(Pool {
        by_name,
        name: virtual_server.name.clone(),
        quorum: virtual_server.quorum,
        quorum_hysteresis: virtual_server.quorum_hysteresis,
        ejection_rate: rate
            .map(|rate| (usize::try_from(rate.servers).unwrap_or(usize::MAX), lasting(rate.per))),
        slow_start: lasting(virtual_server.slow_start),
        degraded_percent: virtual_server.degraded_weight_percent,
        sorry: sorry.collect::<Result<Vec<_>, ValueError>>()?,
        min_serving: virtual_server.min_serving_of(members.len()),
        members,
        services,
    })
}

fn service(address: ServiceAddress, scheduling: &Scheduling) -> Result<Service, ValueError> {
    let mut service = Service::new(service_key(address)?, Scheduler::new(&scheduling.scheduler)?);
    for (bit, flag) in [1, 2, 4].into_iter().zip(Flags::SCHEDULER) {
        if scheduling.flags & bit != 0 {
            service.flags = service.flags.with(flag);
        }
    }
    // What the firewall marks may be UDP; the kernel minds the flag for UDP only.
    if scheduling.one_packet && matches!(address.protocol(), Some(Protocol::Udp) | None) {
        service.flags = service.flags.with(Flags::ONE_PACKET);
    }
    if let Some(persistence) = scheduling.persistence {
        let granularity = match address.family() {
            AddressFamily::Ipv4 => {
                let host_bits = 32_u32.saturating_sub(u32::from(persistence.prefix));
                Granularity::mask(u32::MAX.checked_shl(host_bits).unwrap_or(0).into())?
            }
            AddressFamily::Ipv6 => Granularity::prefix(persistence.prefix)?,
        };
        let seconds = u32::try_from(persistence.timeout.as_secs()).unwrap_or(u32::MAX);
        service.set_persistence(Some(Persistence::new(seconds, granularity)?))?;
        service.engine = match persistence.engine {
            Some(Engine::Sip) => Some(PersistenceEngine::new("sip")?),
            None => None,
        };
    }
    Ok(service)
}

fn destination(real_server: &RealServer, service: ServiceAddress) -> Result<Destination, ValueError> {
    let target = real_server.destination(service);
    let forwarding = match real_server.forwarding {
        Forwarding::Direct => agent_ipvs::Forwarding::Direct,
        Forwarding::Tunnel => agent_ipvs::Forwarding::Tunnel(encapsulation(real_server.tunnel)),
        Forwarding::Nat => agent_ipvs::Forwarding::Masquerade,
    };
    let key = DestinationKey::new(target.ip(), target.port());
    let thresholds = Thresholds::new(real_server.upper_threshold, real_server.lower_threshold)?;
    Ok(Destination { thresholds, ..Destination::new(key, forwarding, Weight::new(real_server.weight)?) })
}

/// The sorry server of this family, or else one that can be reached by tunnel.
fn sorry_server(virtual_server: &VirtualServer, family: AddressFamily) -> Option<&SorryServer> {
    let all = &virtual_server.sorry_servers;
    let own = all.iter().find(|one| AddressFamily::of(one.address) == family);
    own.or_else(|| all.iter().find(|one| one.forwarding == Forwarding::Tunnel))
}

fn sorry_destination(sorry: &SorryServer, service: ServiceAddress) -> Result<Destination, ValueError> {
    let port = match service {
        ServiceAddress::Address { address, .. } => address.port(),
        ServiceAddress::FirewallMark { .. } => 0,
    };
    let forwarding = match sorry.forwarding {
        Forwarding::Direct => agent_ipvs::Forwarding::Direct,
        Forwarding::Tunnel => agent_ipvs::Forwarding::Tunnel(encapsulation(Tunnel::Ipip)),
        Forwarding::Nat => agent_ipvs::Forwarding::Masquerade,
    };
    let key = DestinationKey::new(sorry.address, sorry.port.unwrap_or(port));
    Ok(Destination::new(key, forwarding, Weight::new(1)?))
}

fn encapsulation(tunnel: Tunnel) -> Encapsulation {
    let kernels = |checksum| match checksum {
        Checksum::None => agent_ipvs::Checksum::None,
        Checksum::Full => agent_ipvs::Checksum::Full,
        Checksum::Remote => agent_ipvs::Checksum::Remote,
    };
    match tunnel {
        Tunnel::Ipip => Encapsulation::Ipip,
        Tunnel::Gue { port, checksum } => Encapsulation::Gue { port, checksum: kernels(checksum) },
        Tunnel::Gre { checksum } => Encapsulation::Gre { checksum: kernels(checksum) },
    }
}

/// What one service of a pool will do and hardly anybody means.
fn doubts(pool: &Name, service: &Service) -> Vec<String> {
    /// They choose by the number of connections, of which there are none with one-packet scheduling.
    const COUNTING: [&str; 7] = ["lc", "wlc", "lblc", "lblcr", "sed", "nq", "ovf"];
    let scheduler = service.scheduler.as_str();
    let one_packet = service.flags.contains(Flags::ONE_PACKET);
    let mut doubts = Vec::new();
    if one_packet && COUNTING.contains(&scheduler) {
        doubts.push(format!(
            "{pool}: one_packet leaves no connections to count, so scheduler {scheduler:?} always chooses alike for {}; take \
             \"rr\", \"wrr\" or \"mh\"",
            service.key()
        ));
    }
    if one_packet && service.persistence().is_some() {
        doubts.push(format!(
            "{pool}: one_packet and persistence together keep a client on its server for {}, so nothing is gained; remove one",
            service.key()
        ));
    }
    if matches!(scheduler, "sh" | "mh") && !service.flags.contains(Flags::SCHEDULER_1) {
        doubts.push(format!(
            "{pool}: without \"{scheduler}-fallback\" in scheduler_flags the clients of a drained or overloaded server are \
             refused by {}",
            service.key()
        ));
    }
    doubts
}
