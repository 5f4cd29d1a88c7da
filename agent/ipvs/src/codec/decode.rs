//! Reads replies.

use std::net::IpAddr;

use super::attribute::{Attribute, DecodeError, GENERIC, Message, attributes, u32_at};
use super::{command, controller, daemon, dest, info, svc, top};
use crate::types::{
    ConnectionCounts, Destination, DestinationKey, DestinationStatus, Encapsulation, Family, Flags,
    Forwarding, Granularity, Info, Interface, Persistence, PersistenceEngine, Protocol, Scheduler, Service,
    ServiceKey, ServiceStatus, Stats, SyncDaemon, SyncRole, Thresholds, Timeouts, Version, Weight,
};

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Types below this are netlink's own.
const FIRST_FAMILY: u16 = 16;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// A request was done, or refused with this (positive) error number.
    Status(Option<i32>),
    /// A dump is complete, or was given up with this (positive) error number.
    Done(Option<i32>),
    /// The number of the family that was asked for.
    Family(u16),
    /// A service; its destinations come in replies of their own.
    Service(ServiceStatus),
    /// A destination.
    Destination(DestinationStatus),
    /// The version.
    Info(Info),
    /// The timeouts.
    Timeouts(Timeouts),
    /// A sync daemon that runs.
    SyncDaemon(SyncDaemon),
    /// Something this crate has no use for.
    Other,
}

/// Reads one message from the kernel.
///
/// `family` is the family of the service whose destinations were asked for: older kernels leave it out of them.
///
/// # Errors
/// [`DecodeError`] where the message is cut short, or lacks what makes it what it is.
pub fn decode(message: &Message<'_>, family: Family) -> Result<Reply, DecodeError> {
    match message.kind {
        ERROR => {
            let code = u32_at(message.payload, 0).ok_or(DecodeError::Truncated("status"))?;
            return Ok(Reply::Status(error_number(code)));
        }
        // Some kernels send no code with it.
        DONE => return Ok(Reply::Done(u32_at(message.payload, 0).and_then(error_number))),
        0..FIRST_FAMILY => return Ok(Reply::Other),
        _ => {}
    }
    let Some((&[command, ..], body)) = message.payload.split_first_chunk::<GENERIC>() else {
        return Err(DecodeError::Truncated("generic header"));
    };
    if message.kind == super::CONTROLLER {
        return if command == controller::NEW_FAMILY { family_id(body) } else { Ok(Reply::Other) };
    }
    match command {
        command::NEW_SERVICE => service(nest(body, top::SERVICE, "service")?).map(Reply::Service),
        command::NEW_DEST => {
            destination(nest(body, top::DEST, "destination")?, family).map(Reply::Destination)
        }
        command::NEW_DAEMON => sync_daemon(nest(body, top::DAEMON, "sync daemon")?).map(Reply::SyncDaemon),
        // The kernel answers with the command's "set" or, for the timeouts, "get" number.
        command::SET_INFO => decode_info(body),
        command::SET_CONFIG | command::GET_CONFIG => timeouts(body),
        _ => Ok(Reply::Other),
    }
}

/// Netlink's error numbers are negative.
fn error_number(code: u32) -> Option<i32> {
    match code.cast_signed() {
        0 => None,
        code => Some(code.wrapping_neg()),
    }
}

fn nest<'b>(body: &'b [u8], kind: u16, object: &'static str) -> Result<Attribute<'b>, DecodeError> {
    for attribute in attributes(body, object) {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(attribute);
        }
    }
    Err(DecodeError::Missing { object, attribute: kind })
}

/// The value of an attribute that must have been there.
fn need<T>(value: Option<T>, object: &'static str, attribute: u16) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { object, attribute })
}

fn family_id(body: &[u8]) -> Result<Reply, DecodeError> {
    nest(body, controller::ATTR_FAMILY_ID, "family")?.u16().map(Reply::Family)
}

fn decode_info(body: &[u8]) -> Result<Reply, DecodeError> {
    let (mut version, mut size) = (None, None);
    for attribute in attributes(body, "info") {
        let attribute = attribute?;
        match attribute.kind {
            info::VERSION => version = Some(attribute.u32()?),
            info::CONN_TAB_SIZE => size = Some(attribute.u32()?),
            _ => {}
        }
    }
    Ok(Reply::Info(Info {
        version: Version::from_number(need(version, "info", info::VERSION)?),
        connection_table_size: need(size, "info", info::CONN_TAB_SIZE)?,
    }))
}

/// A kernel built without one of the protocols leaves its timeout out.
fn timeouts(body: &[u8]) -> Result<Reply, DecodeError> {
    let (mut tcp, mut tcp_fin, mut udp) = (0, 0, 0);
    for attribute in attributes(body, "timeouts") {
        let attribute = attribute?;
        match attribute.kind {
            top::TIMEOUT_TCP => tcp = attribute.u32()?,
            top::TIMEOUT_TCP_FIN => tcp_fin = attribute.u32()?,
            top::TIMEOUT_UDP => udp = attribute.u32()?,
            _ => {}
        }
    }
    Ok(Reply::Timeouts(Timeouts::from_kernel(tcp, tcp_fin, udp)))
}

fn service(nest: Attribute<'_>) -> Result<ServiceStatus, DecodeError> {
    const OBJECT: &str = "service";
    let (mut family, mut protocol, mut address, mut port, mut mark) = (None, None, None, None, None);
    let (mut scheduler, mut flags, mut timeout, mut netmask, mut engine) = (None, None, None, None, None);
    let (mut stats, mut stats64) = (None, None);
    for attribute in nest.nested(OBJECT) {
        let a = attribute?;
        match a.kind {
            svc::AF => family = Some(a.family()?),
            svc::PROTOCOL => protocol = Some(Protocol::from_number(a.u16()?)),
            svc::ADDR => address = Some(a),
            svc::PORT => port = Some(a.port()?),
            svc::FWMARK => mark = std::num::NonZeroU32::new(a.u32()?),
            svc::SCHED_NAME => scheduler = Some(Scheduler::new(a.text()?).map_err(|_| a.invalid())?),
            svc::FLAGS => flags = Some(a.first_u32()?),
            svc::TIMEOUT => timeout = Some(a.u32()?),
            svc::NETMASK => netmask = Some(a),
            svc::PE_NAME => engine = Some(a),
            svc::STATS => stats = Some(a),
            svc::STATS64 => stats64 = Some(a),
            _ => {}
        }
    }
    let family = need(family, OBJECT, svc::AF)?;
    let key = match mark {
        Some(mark) => ServiceKey::FirewallMark { family, mark },
        None => ServiceKey::Address {
            protocol: need(protocol, OBJECT, svc::PROTOCOL)?,
            address: need(address, OBJECT, svc::ADDR)?.address(family)?,
            port: need(port, OBJECT, svc::PORT)?,
        },
    };
    let flags = need(flags, OBJECT, svc::FLAGS)?;
    let mut service = Service::new(key, need(scheduler, OBJECT, svc::SCHED_NAME)?);
    service.flags = Flags::from_bits(flags);
    if flags & Flags::PERSISTENT_BIT != 0 {
        let netmask = need(netmask, OBJECT, svc::NETMASK)?;
        let granularity = match family {
            Family::Ipv4 => Granularity::from_mask(netmask.mask()?),
            Family::Ipv6 => match netmask.u32()? {
                128 => Granularity::Host,
                length => Granularity::Prefix(u8::try_from(length).map_err(|_| netmask.invalid())?),
            },
        };
        let timeout = need(timeout, OBJECT, svc::TIMEOUT)?;
        // The granularity was read for the service's own family just above.
        let _ = service.set_persistence(Some(Persistence::from_kernel(timeout, granularity)));
    }
    if let Some(engine) = engine {
        let name = engine.text()?;
        if !name.is_empty() {
            service.engine = Some(PersistenceEngine::new(name).map_err(|_| engine.invalid())?);
        }
    }
    Ok(ServiceStatus { service, stats: either(stats64, stats)?, destinations: Vec::new() })
}

fn destination(nest: Attribute<'_>, family: Family) -> Result<DestinationStatus, DecodeError> {
    const OBJECT: &str = "destination";
    let (mut own_family, mut address, mut port, mut method, mut weight) = (None, None, None, None, None);
    let (mut upper, mut lower, mut kind, mut tunnel_port, mut tunnel_flags) = (0, 0, 0, 0, 0);
    let (mut stats, mut stats64) = (None, None);
    let mut connections = ConnectionCounts::default();
    for attribute in nest.nested(OBJECT) {
        let a = attribute?;
        match a.kind {
            dest::ADDR => address = Some(a),
            dest::PORT => port = Some(a.port()?),
            dest::FWD_METHOD => method = Some(a.u32()?),
            dest::WEIGHT => weight = Some(a.u32()?),
            dest::U_THRESH => upper = a.u32()?,
            dest::L_THRESH => lower = a.u32()?,
            dest::ACTIVE_CONNS => connections.active = a.u32()?,
            dest::INACT_CONNS => connections.inactive = a.u32()?,
            dest::PERSIST_CONNS => connections.persistent = a.u32()?,
            dest::ADDR_FAMILY => own_family = Some(a.family()?),
            dest::TUN_TYPE => kind = a.u8()?,
            dest::TUN_PORT => tunnel_port = a.port()?,
            dest::TUN_FLAGS => tunnel_flags = a.u16()?,
            dest::STATS => stats = Some(a),
            dest::STATS64 => stats64 = Some(a),
            _ => {}
        }
    }
    let address: IpAddr = need(address, OBJECT, dest::ADDR)?.address(own_family.unwrap_or(family))?;
    let key = DestinationKey { address, port: need(port, OBJECT, dest::PORT)? };
    let encapsulation = Encapsulation::from_kernel(kind, tunnel_port, tunnel_flags);
    let method = need(method, OBJECT, dest::FWD_METHOD)?;
    let weight = need(weight, OBJECT, dest::WEIGHT)?;
    let destination = Destination {
        key,
        forwarding: Forwarding::from_kernel(method, encapsulation),
        weight: Weight::from_kernel(weight),
        thresholds: Thresholds::from_kernel(upper, lower),
    };
    Ok(DestinationStatus { destination, stats: either(stats64, stats)?, connections })
}

/// What an older kernel does not say is as it would choose it.
fn sync_daemon(nest: Attribute<'_>) -> Result<SyncDaemon, DecodeError> {
    const OBJECT: &str = "sync daemon";
    let (mut role, mut interface, mut id) = (None, None, 0);
    let (mut group, mut port, mut ttl, mut max_length) =
        (SyncDaemon::GROUP, SyncDaemon::PORT, 1, SyncDaemon::MAX_LENGTH);
    for attribute in nest.nested(OBJECT) {
        let a = attribute?;
        match a.kind {
            daemon::STATE => role = Some(SyncRole::from_number(a.u32()?).ok_or_else(|| a.invalid())?),
            daemon::MCAST_IFN => interface = Some(Interface::new(a.text()?).map_err(|_| a.invalid())?),
            daemon::SYNC_ID => id = a.u32()?,
            daemon::SYNC_MAXLEN => max_length = a.u16()?,
            daemon::MCAST_GROUP => group = a.address(Family::Ipv4)?,
            daemon::MCAST_GROUP6 => group = a.address(Family::Ipv6)?,
            daemon::MCAST_PORT => port = a.u16()?,
            daemon::MCAST_TTL => ttl = a.u8()?,
            _ => {}
        }
    }
    let role = need(role, OBJECT, daemon::STATE)?;
    let interface = need(interface, OBJECT, daemon::MCAST_IFN)?;
    Ok(SyncDaemon { role, interface, id, group, port, ttl, max_length })
}

/// The wider of the two forms, which say the same; the other one is not even looked at.
fn either(wide: Option<Attribute<'_>>, narrow: Option<Attribute<'_>>) -> Result<Stats, DecodeError> {
    wide.or(narrow).map(decode_stats).transpose().map(Option::unwrap_or_default)
}

/// Both `STATS` and `STATS64`: the numbers are the same, the widths are not. Padding is 11 and skipped.
fn decode_stats(nest: Attribute<'_>) -> Result<Stats, DecodeError> {
    let mut stats = Stats::default();
    for attribute in nest.nested("statistics") {
        let a = attribute?;
        let field = match a.kind {
            1 => &mut stats.connections,
            2 => &mut stats.packets_in,
            3 => &mut stats.packets_out,
            4 => &mut stats.bytes_in,
            5 => &mut stats.bytes_out,
            6 => &mut stats.connections_per_sec,
            7 => &mut stats.packets_in_per_sec,
            8 => &mut stats.packets_out_per_sec,
            9 => &mut stats.bytes_in_per_sec,
            10 => &mut stats.bytes_out_per_sec,
            _ => continue,
        };
        *field = a.counter()?;
    }
    Ok(stats)
}
