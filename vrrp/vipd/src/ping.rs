//! ICMP echo, to see whether a watched host is there.
//!
//! Owns one raw socket for each family, the requests and the reading of replies. Only replies to our own requests pass the
//! filter in the kernel. It draws no conclusion.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockaddrIn6, recv, recvmsg};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use vrrp_core::codec::Family;

/// Length of our requests: header and nothing behind it.
const LENGTH: usize = 8;

/// The socket of a family.
#[derive(Debug)]
pub(crate) struct Ping {
    socket: Socket,
    family: Family,
    /// Tells our own requests from those of other programs.
    identifier: u16,
}

impl Ping {
    pub(crate) fn open(family: Family, identifier: u16) -> io::Result<Self> {
        let (domain, protocol) = match family {
            Family::Ipv4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::Ipv6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW.cloexec().nonblocking(), Some(protocol))?;
        socket.attach_filter(&filter(family, identifier))?;
        Ok(Self { socket, family, identifier })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Asks a host. `interface` is where a link-local one is.
    pub(crate) fn ask(&self, address: IpAddr, interface: u32) -> io::Result<()> {
        let [a, b] = self.identifier.to_be_bytes();
        let (to, kind): (SocketAddr, u8) = match address {
            IpAddr::V4(_) => ((address, 0).into(), 8),
            IpAddr::V6(v6) => {
                let scope = if v6.is_unicast_link_local() { interface } else { 0 };
                (SocketAddrV6::new(v6, 0, 0, scope).into(), 128)
            }
        };
        // The kernel writes the checksum of ICMPv6.
        let sum = if kind == 8 { ones_complement(&[u16::from(kind) << 8, self.identifier]) } else { 0 };
        let [c, d] = sum.to_be_bytes();
        let request: [u8; LENGTH] = [kind, 0, c, d, a, b, 0, 0];
        self.socket.send_to(&request, &SockAddr::from(to)).map(drop)
    }

    /// Who answered, without waiting. `None` when nobody did.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<IpAddr> {
        match self.family {
            Family::Ipv4 => loop {
                match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(length) => {
                        let packet = buffer.get(..length)?;
                        let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
                        return Some(IpAddr::from(source));
                    }
                    Err(Errno::EINTR) => {}
                    Err(_) => return None,
                }
            },
            Family::Ipv6 => {
                let mut parts = [io::IoSliceMut::new(buffer)];
                let fd = self.socket.as_raw_fd();
                let message = recvmsg::<SockaddrIn6>(fd, &mut parts, None, MsgFlags::MSG_DONTWAIT).ok()?;
                message.address.map(|address| IpAddr::V6(address.ip()))
            }
        }
    }
}

/// The checksum of a few words (RFC 1071).
fn ones_complement(words: &[u16]) -> u16 {
    let sum: u32 = words.iter().map(|word| u32::from(*word)).sum();
    // Two words carry once at most.
    !((sum & 0xffff) as u16).wrapping_add((sum >> 16) as u16)
}

/// A program that passes echo replies with our identifier (`linux/bpf_common.h`).
fn filter(family: Family, identifier: u16) -> Vec<SockFilter> {
    const LDX_MSH: u16 = 0xb1; // X = 4 * (byte & 0xf): length of the IPv4 header
    const LDX_IMM: u16 = 0x01;
    const LDB_IND: u16 = 0x50;
    const LDH_IND: u16 = 0x48;
    const JEQ: u16 = 0x15;
    const RET: u16 = 0x06;
    let (header, reply) = match family {
        Family::Ipv4 => (SockFilter::new(LDX_MSH, 0, 0, 0), 0),
        Family::Ipv6 => (SockFilter::new(LDX_IMM, 0, 0, 0), 129),
    };
    vec![
        header,
        SockFilter::new(LDB_IND, 0, 0, 0),
        SockFilter::new(JEQ, 0, 3, reply),
        SockFilter::new(LDH_IND, 0, 0, 4),
        SockFilter::new(JEQ, 0, 1, u32::from(identifier)),
        SockFilter::new(RET, 0, 0, 0xffff),
        SockFilter::new(RET, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_request_is_zero() {
        let identifier = 0xabcd;
        let sum = ones_complement(&[0x0800, identifier]);
        let whole = [0x0800_u32, u32::from(sum), u32::from(identifier)].iter().sum::<u32>();
        assert_eq!((whole & 0xffff) + (whole >> 16), 0xffff);
    }

    #[test]
    fn the_own_machine_answers() {
        let ping = Ping::open(Family::Ipv4, 0x4866).unwrap();
        ping.ask([127, 0, 0, 1].into(), 0).unwrap();
        let mut buffer = [0; 256];
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let answer = loop {
            match ping.receive(&mut buffer) {
                Some(source) => break source,
                None => assert!(std::time::Instant::now() < deadline),
            }
        };
        assert_eq!(answer, IpAddr::from([127, 0, 0, 1]));
    }
}
