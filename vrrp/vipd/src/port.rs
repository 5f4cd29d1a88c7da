//! The sockets that adverts go through: one for each interface and family.
//!
//! Owns what the IP layer must do for VRRP (RFC 9568, 5.1): hop limit 255, membership of the group, nothing from other
//! interfaces, no echo of our own, and a filter in the kernel that lets only our virtual router ids pass. It judges no
//! advert.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recv, recvmsg, setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};
use vrrp_core::codec::{Datagram, Family, Rejection, multicast_group};

use crate::sys;

/// IP protocol number of VRRP.
const VRRP: i32 = 112;
/// IP protocol number of the Authentication Header.
const AH: i32 = 51;
/// Internetwork control, as routing protocols use it.
const TRAFFIC_CLASS: u8 = 0xc0;
/// Room for adverts that come while we do something else: some thousand.
const ROOM: usize = 1 << 20;
/// Length of an IPv6 header.
const IPV6_HEADER: usize = 40;

/// What a port carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carries {
    /// VRRP over IPv4.
    Ipv4,
    /// VRRP over IPv6.
    Ipv6,
    /// VRRP behind an Authentication Header, over IPv4; for receiving only.
    Ah,
}

impl Carries {
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Ipv4 | Self::Ah => Family::Ipv4,
            Self::Ipv6 => Family::Ipv6,
        }
    }
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Port {
    socket: Socket,
    interface: u32,
    carries: Carries,
}

impl Port {
    /// Opens a socket on an interface and joins the group.
    pub(crate) fn open(name: &str, interface: u32, carries: Carries, vrids: &[u8]) -> io::Result<Self> {
        let (domain, protocol) = match carries {
            Carries::Ipv4 => (Domain::IPV4, VRRP),
            Carries::Ipv6 => (Domain::IPV6, VRRP),
            Carries::Ah => (Domain::IPV4, AH),
        };
        let socket = Socket::new(domain, Type::RAW.cloexec().nonblocking(), Some(Protocol::from(protocol)))?;
        let port = Self { socket, interface, carries };
        // Before anything can arrive.
        port.admit(vrids)?;
        let socket = &port.socket;
        socket.bind_device(Some(name.as_bytes()))?;
        if setsockopt(&port.socket, sockopt::RcvBufForce, &ROOM).is_err() {
            socket.set_recv_buffer_size(ROOM)?;
        }
        socket.set_priority(u32::from(TRAFFIC_CLASS) >> 5)?;
        match multicast_group(carries.family()) {
            IpAddr::V4(group) => {
                let index = InterfaceIndexOrAddress::Index(interface);
                socket.set_multicast_all_v4(false)?;
                socket.set_header_included_v4(true)?;
                socket.set_multicast_loop_v4(false)?;
                socket.join_multicast_v4_n(&group, &index)?;
            }
            IpAddr::V6(group) => {
                socket.set_multicast_all_v6(false)?;
                socket.set_header_included_v6(true)?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_if_v6(interface)?;
                socket.set_recv_hoplimit_v6(true)?;
                sys::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
                socket.join_multicast_v6(&group, interface)?;
            }
        }
        Ok(port)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Lets the kernel drop what is for none of these virtual routers: a neighbour's adverts cost us no wake-up.
    pub(crate) fn admit(&self, vrids: &[u8]) -> io::Result<()> {
        match self.carries {
            // Where the id is depends on the header in front.
            Carries::Ah => Ok(()),
            Carries::Ipv4 | Carries::Ipv6 => self.socket.attach_filter(&filter(self.carries, vrids)),
        }
    }

    /// Takes one datagram, without waiting. `None` when there is none.
    pub(crate) fn receive<'b>(
        &self,
        buffer: &'b mut [u8],
    ) -> io::Result<Option<Result<Datagram<'b>, Rejection>>> {
        match self.carries {
            Carries::Ipv4 | Carries::Ah => {
                let length = match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(length) => length,
                    Err(errno) => return nothing(errno),
                };
                Ok(Some(Datagram::from_ipv4(buffer.get(..length).unwrap_or_default())))
            }
            Carries::Ipv6 => self.receive_ipv6(buffer),
        }
    }

    fn receive_ipv6<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Result<Datagram<'b>, Rejection>>> {
        // Room for hop limit and packet information, with their headers.
        let mut control = [0_u8; 128];
        let (length, source, destination, hop_limit) = {
            let mut parts = [IoSliceMut::new(buffer)];
            let fd = self.socket.as_raw_fd();
            let received = recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT);
            let message = match received {
                Ok(message) => message,
                Err(errno) => return nothing(errno),
            };
            let (mut destination, mut hop_limit) = (None, None);
            for part in message.cmsgs()? {
                match part {
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                    }
                    ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
                    _ => {}
                }
            }
            (message.bytes, message.address.map(|address| address.ip()), destination, hop_limit)
        };
        let (Some(source), Some(destination), Some(hop_limit)) = (source, destination, hop_limit) else {
            return Ok(Some(Err(Rejection::Truncated)));
        };
        let payload = buffer.get(..length).unwrap_or_default();
        Ok(Some(Ok(Datagram::from_ipv6(source, destination, hop_limit, payload))))
    }

    /// Sends a whole packet, with its IP header.
    pub(crate) fn send(&self, packet: &[u8], destination: IpAddr) -> io::Result<()> {
        let to: SocketAddr = match destination {
            IpAddr::V4(address) => SocketAddrV4::new(address, 0).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, self.scope(address)).into(),
        };
        loop {
            match self.socket.send_to(packet, &SockAddr::from(to)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn scope(&self, address: Ipv6Addr) -> u32 {
        let is_local = address.is_unicast_link_local() || address.is_multicast();
        if is_local { self.interface } else { 0 }
    }
}

fn nothing<T>(errno: Errno) -> io::Result<Option<T>> {
    match errno {
        Errno::EAGAIN | Errno::EINTR => Ok(None),
        errno => Err(errno.into()),
    }
}

/// Puts an IPv6 header in front of a VRRP message.
pub(crate) fn ipv6_packet(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    message: &[u8],
    out: &mut Vec<u8>,
) {
    out.clear();
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    out.extend_from_slice(&[0x60 | TRAFFIC_CLASS >> 4, TRAFFIC_CLASS << 4, 0, 0, high, low]);
    out.extend_from_slice(&[112, hop_limit]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&destination.octets());
    debug_assert_eq!(out.len(), IPV6_HEADER);
    out.extend_from_slice(message);
}

/// A program that passes messages for these virtual router ids (`linux/bpf_common.h`).
///
/// The ids are a table of 256 bits in eight words. The program finds the word by the upper three bits of the id and
/// shifts it by the lower five.
fn filter(carries: Carries, vrids: &[u8]) -> Vec<SockFilter> {
    const LDX_MSH: u16 = 0xb1; // X = 4 * (byte & 0xf): length of the IPv4 header
    const LDX_IMM: u16 = 0x01;
    const LDB_IND: u16 = 0x50;
    const LD_IMM: u16 = 0x00;
    const LD_MEM: u16 = 0x60;
    const ST: u16 = 0x02;
    const TAX: u16 = 0x07;
    const AND: u16 = 0x54;
    const RSH_K: u16 = 0x74;
    const RSH_X: u16 = 0x7c;
    const JA: u16 = 0x05;
    const JEQ: u16 = 0x15;
    const RET: u16 = 0x06;
    let mut table = [0_u32; 8];
    for vrid in vrids {
        if let Some(word) = table.get_mut(usize::from(vrid >> 5)) {
            *word |= 1 << (vrid & 31);
        }
    }
    let plain = |code, k| SockFilter::new(code, 0, 0, k);
    let mut program = vec![
        // IPv4 comes with its header, IPv6 without.
        if carries == Carries::Ipv6 { plain(LDX_IMM, 0) } else { plain(LDX_MSH, 0) },
        plain(LDB_IND, 1),
        plain(ST, 0),
        plain(AND, 31),
        plain(TAX, 0),
        plain(LD_MEM, 0),
        plain(RSH_K, 5),
    ];
    // Each word takes three steps; from the last step of word i it is this far to the end of the table.
    for (word, left) in table.iter().zip((0..8_u32).rev()) {
        let index = 7 - left;
        program.push(SockFilter::new(JEQ, 0, 2, index));
        program.push(plain(LD_IMM, *word));
        program.push(plain(JA, left * 3));
    }
    program.push(plain(RSH_X, 0));
    program.push(plain(AND, 1));
    program.push(SockFilter::new(JEQ, 0, 1, 0));
    program.push(plain(RET, 0));
    program.push(plain(RET, 0xffff));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_header_is_written() {
        let mut out = Vec::new();
        let source = "fe80::1".parse().unwrap();
        let destination = "ff02::12".parse().unwrap();
        ipv6_packet(source, destination, 255, &[0x31, 51], &mut out);
        assert_eq!(out.len(), 42);
        assert_eq!(out[..8], [0x6c, 0, 0, 0, 0, 2, 112, 255]);
        assert_eq!(out[8..24], source.octets());
        assert_eq!(out[24..40], destination.octets());
        assert_eq!(out[40..], [0x31, 51]);
    }

    #[test]
    fn the_group_is_the_one_of_the_protocol() {
        assert_eq!(multicast_group(Carries::Ah.family()), IpAddr::from([224, 0, 0, 18]));
    }
}
