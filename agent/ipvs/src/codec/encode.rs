//! Writes requests. Every object is stated in full, so that an edit leaves nothing of what was there before.

use std::net::IpAddr;

use super::{CONTROLLER, FAMILY_NAME, command, controller, daemon, dest, family_number, svc, top};
use crate::edit::Edit;
use crate::types::{
    Destination, DestinationKey, Family, Flags, Forwarding, Granularity, Service, ServiceKey, SyncDaemon,
    SyncRole, Timeouts,
};

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// What the kernel can be asked.
#[derive(Debug, Clone, Copy)]
pub enum Request<'r> {
    /// The number of the IPVS family; goes to [`CONTROLLER`], and makes the kernel load `ip_vs`.
    GetFamily,
    /// The version; [`Reply::Info`](super::Reply::Info).
    GetInfo,
    /// All services; with [`DUMP`](super::DUMP).
    GetServices,
    /// One service.
    GetService(&'r ServiceKey),
    /// The destinations of a service; with [`DUMP`](super::DUMP). A missing service has none.
    GetDestinations(&'r ServiceKey),
    /// One change.
    Edit(&'r Edit),
    /// The timeouts.
    GetTimeouts,
    /// New timeouts; zeroes leave one as it is.
    SetTimeouts(&'r Timeouts),
    /// Zeroes the statistics of one service, or of all.
    Zero(Option<&'r ServiceKey>),
    /// The sync daemons that run; with [`DUMP`](super::DUMP).
    GetSyncDaemons,
    /// Starts a sync daemon; none of its role may run.
    StartSyncDaemon(&'r SyncDaemon),
    /// Stops the sync daemon of a role.
    StopSyncDaemon(SyncRole),
}

/// Appends a request to a buffer.
///
/// `family` is the number of the IPVS family (ignored for [`Request::GetFamily`]), `flags` are netlink's.
pub fn encode(buffer: &mut Vec<u8>, family: u16, flags: u16, sequence: u32, request: &Request<'_>) {
    let kind = if matches!(request, Request::GetFamily) { CONTROLLER } else { family };
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(&flags.to_ne_bytes());
    buffer.extend_from_slice(&sequence.to_ne_bytes());
    // The sender's port: the kernel fills in the socket's.
    buffer.extend_from_slice(&[0; 4]);
    // Command, version, two reserved bytes.
    buffer.extend_from_slice(&[command_of(request), 1, 0, 0]);
    body(buffer, request);
    let len = u32::try_from(buffer.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = buffer.get_mut(start..start + 4) {
        field.copy_from_slice(&len.to_ne_bytes());
    }
}

fn command_of(request: &Request<'_>) -> u8 {
    match request {
        Request::GetFamily => controller::GET_FAMILY,
        Request::GetInfo => command::GET_INFO,
        Request::GetServices | Request::GetService(_) => command::GET_SERVICE,
        Request::GetDestinations(_) => command::GET_DEST,
        Request::Edit(Edit::AddService(_)) => command::NEW_SERVICE,
        Request::Edit(Edit::SetService(_)) => command::SET_SERVICE,
        Request::Edit(Edit::RemoveService(_)) => command::DEL_SERVICE,
        Request::Edit(Edit::AddDestination { .. }) => command::NEW_DEST,
        Request::Edit(Edit::SetDestination { .. }) => command::SET_DEST,
        Request::Edit(Edit::RemoveDestination { .. }) => command::DEL_DEST,
        Request::GetTimeouts => command::GET_CONFIG,
        Request::SetTimeouts(_) => command::SET_CONFIG,
        Request::Zero(_) => command::ZERO,
        Request::GetSyncDaemons => command::GET_DAEMON,
        Request::StartSyncDaemon(_) => command::NEW_DAEMON,
        Request::StopSyncDaemon(_) => command::DEL_DAEMON,
    }
}

fn body(buffer: &mut Vec<u8>, request: &Request<'_>) {
    match *request {
        Request::GetFamily => text(buffer, controller::ATTR_FAMILY_NAME, FAMILY_NAME),
        Request::GetInfo
        | Request::GetServices
        | Request::GetTimeouts
        | Request::GetSyncDaemons
        | Request::Zero(None) => {}
        Request::StartSyncDaemon(daemon) => nest(buffer, top::DAEMON, |b| sync_daemon(b, daemon)),
        Request::StopSyncDaemon(role) => nest(buffer, top::DAEMON, |b| u32(b, daemon::STATE, role.number())),
        Request::GetService(key) | Request::GetDestinations(key) | Request::Zero(Some(key)) => {
            nest(buffer, top::SERVICE, |b| service_key(b, key));
        }
        Request::Edit(edit) => {
            nest(buffer, top::SERVICE, |b| match edit {
                Edit::AddService(service) | Edit::SetService(service) => self::service(b, service),
                _ => service_key(b, edit.service()),
            });
            match edit {
                Edit::AddDestination { destination, .. } | Edit::SetDestination { destination, .. } => {
                    nest(buffer, top::DEST, |b| self::destination(b, destination));
                }
                Edit::RemoveDestination { destination, .. } => {
                    nest(buffer, top::DEST, |b| destination_key(b, destination));
                }
                Edit::AddService(_) | Edit::SetService(_) | Edit::RemoveService(_) => {}
            }
        }
        Request::SetTimeouts(timeouts) => {
            u32(buffer, top::TIMEOUT_TCP, timeouts.tcp_secs());
            u32(buffer, top::TIMEOUT_TCP_FIN, timeouts.tcp_fin_secs());
            u32(buffer, top::TIMEOUT_UDP, timeouts.udp_secs());
        }
    }
}

fn service_key(buffer: &mut Vec<u8>, key: &ServiceKey) {
    u16(buffer, svc::AF, family_number(key.family()));
    match *key {
        ServiceKey::FirewallMark { mark, .. } => u32(buffer, svc::FWMARK, mark.get()),
        ServiceKey::Address { protocol, address: ip, port } => {
            u16(buffer, svc::PROTOCOL, protocol.number());
            address(buffer, svc::ADDR, ip);
            put(buffer, svc::PORT, &port.to_be_bytes());
        }
    }
}

fn service(buffer: &mut Vec<u8>, service: &Service) {
    service_key(buffer, service.key());
    text(buffer, svc::SCHED_NAME, service.scheduler.as_str());
    if let Some(engine) = service.engine {
        text(buffer, svc::PE_NAME, engine.as_str());
    }
    let persistence = service.persistence();
    let bits = service.flags.bits() | if persistence.is_some() { Flags::PERSISTENT_BIT } else { 0 };
    // Flags, then the mask of those that are stated: all.
    let mut flags = [0; 8];
    let (value, mask) = flags.split_at_mut(4);
    value.copy_from_slice(&bits.to_ne_bytes());
    mask.copy_from_slice(&u32::MAX.to_ne_bytes());
    put(buffer, svc::FLAGS, &flags);
    u32(buffer, svc::TIMEOUT, persistence.map_or(0, |p| p.timeout_secs()));
    // Wanted even without persistence; the values are those ipvsadm sends.
    match persistence.map_or(Granularity::Host, |p| p.granularity()) {
        Granularity::Mask(mask) => put(buffer, svc::NETMASK, &mask.octets()),
        Granularity::Prefix(length) => u32(buffer, svc::NETMASK, u32::from(length)),
        Granularity::Host if service.key().family() == Family::Ipv6 => u32(buffer, svc::NETMASK, 128),
        Granularity::Host => u32(buffer, svc::NETMASK, u32::MAX),
    }
}

fn destination_key(buffer: &mut Vec<u8>, key: &DestinationKey) {
    address(buffer, dest::ADDR, key.address);
    put(buffer, dest::PORT, &key.port.to_be_bytes());
    // Without it the service's family is assumed, in a removal too.
    u16(buffer, dest::ADDR_FAMILY, family_number(Family::of(key.address)));
}

fn destination(buffer: &mut Vec<u8>, destination: &Destination) {
    destination_key(buffer, &destination.key);
    u32(buffer, dest::FWD_METHOD, destination.forwarding.method());
    u32(buffer, dest::WEIGHT, destination.weight.get());
    u32(buffer, dest::U_THRESH, destination.thresholds.upper());
    u32(buffer, dest::L_THRESH, destination.thresholds.lower());
    if let Forwarding::Tunnel(encapsulation) = destination.forwarding {
        // What is left out is zero to the kernel, and IPIP is all zeroes; older kernels know none of the three.
        let (kind, port, flags) = encapsulation.to_kernel();
        if kind != 0 {
            put(buffer, dest::TUN_TYPE, &[kind]);
            put(buffer, dest::TUN_PORT, &port.to_be_bytes());
            u16(buffer, dest::TUN_FLAGS, flags);
        }
    }
}

fn sync_daemon(buffer: &mut Vec<u8>, sync: &SyncDaemon) {
    u32(buffer, daemon::STATE, sync.role.number());
    text(buffer, daemon::MCAST_IFN, sync.interface.as_str());
    u32(buffer, daemon::SYNC_ID, sync.id);
    u16(buffer, daemon::SYNC_MAXLEN, sync.max_length);
    match sync.group {
        IpAddr::V4(group) => put(buffer, daemon::MCAST_GROUP, &group.octets()),
        IpAddr::V6(group) => put(buffer, daemon::MCAST_GROUP6, &group.octets()),
    }
    // In host byte order, unlike every other port of the family.
    u16(buffer, daemon::MCAST_PORT, sync.port);
    put(buffer, daemon::MCAST_TTL, &[sync.ttl]);
}

fn put(buffer: &mut Vec<u8>, kind: u16, value: &[u8]) {
    attribute(buffer, kind, |b| b.extend_from_slice(value));
}

fn u16(buffer: &mut Vec<u8>, kind: u16, value: u16) {
    put(buffer, kind, &value.to_ne_bytes());
}

fn u32(buffer: &mut Vec<u8>, kind: u16, value: u32) {
    put(buffer, kind, &value.to_ne_bytes());
}

/// A string with its NUL.
fn text(buffer: &mut Vec<u8>, kind: u16, value: &str) {
    attribute(buffer, kind, |b| {
        b.extend_from_slice(value.as_bytes());
        b.push(0);
    });
}

/// 16 bytes; IPv4 in the first four.
fn address(buffer: &mut Vec<u8>, kind: u16, address: IpAddr) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(v4) => bytes[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => bytes = v6.octets(),
    }
    put(buffer, kind, &bytes);
}

/// An attribute that holds attributes.
fn nest(buffer: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    attribute(buffer, kind | NESTED, fill);
}

/// An attribute with whatever `fill` appends, padded to four bytes.
fn attribute(buffer: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; 2]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    fill(buffer);
    // No attribute of ours comes near 64 KiB.
    let len = u16::try_from(buffer.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = buffer.get_mut(start..start + 2) {
        field.copy_from_slice(&len.to_ne_bytes());
    }
    buffer.resize(start + usize::from(len).next_multiple_of(4), 0);
}
