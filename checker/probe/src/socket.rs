//! Sockets for one try of a probe.
//!
//! Owns the system calls: a fresh non-blocking socket, bound to the source address if there is one, connected to the
//! server, so that the kernel drops what comes from elsewhere and tells us of a closed port. It never waits.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::str::FromStr;

use checker_core::Cause;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockopt,
    recv, send, setsockopt, socket, sockopt,
};

use crate::cause;

/// Where a probe goes, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    server: SocketAddr,
    source: Option<SocketAddr>,
    marks: Marks,
}

/// What the packets of a probe carry and leave by, beside their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// The interface or VRF that they leave by.
    pub interface: Option<Interface>,
    /// The mark that routing and filter rules see (`SO_MARK`). Takes CAP_NET_ADMIN or CAP_NET_RAW.
    pub mark: Option<u32>,
    /// The differentiated services code point, 0 to 63.
    pub dscp: Option<u8>,
    /// The port that they come from; `None`: a fresh one for each socket. Not for DNS, whose tries must not be taken for each other.
    pub port: Option<u16>,
}

/// The name of an interface of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interface {
    name: [u8; 15],
    length: u8,
}

/// A text that is no interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no interface of this machine: see `ip link`")]
pub struct InterfaceError(String);

impl FromStr for Interface {
    type Err = InterfaceError;

    /// Takes the name of an interface that is there.
    fn from_str(text: &str) -> Result<Self, InterfaceError> {
        let bad = || InterfaceError(text.chars().take(40).collect());
        if_nametoindex(text).map_err(|_| bad())?;
        Self::named(text).ok_or_else(bad)
    }
}

impl Interface {
    /// Takes the name of an interface that may come and go; `None` when it is too long for one. While it is not there probes are
    /// Unknown.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let mut name = [0; 15];
        // IFNAMSIZ is 16 with the zero octet at the end.
        name.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { name, length: text.len() as u8 })
    }

    fn name(&self) -> OsString {
        OsStr::from_bytes(self.name.get(..usize::from(self.length)).unwrap_or_default()).to_owned()
    }
}

/// Why there is no socket for echo requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PingError {
    /// `net.ipv4.ping_group_range` includes no group of this process.
    Forbidden,
    /// Another one.
    Other(Cause),
}

/// A source address of another family than the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the source address {source_address} and the server address {server} are not of one family: use IPv4 for both or IPv6 for both"
)]
pub struct TargetError {
    server: IpAddr,
    source_address: IpAddr,
}

impl Target {
    /// A server's address and port, and the address to probe it from (the kernel's choice when `None`). An IPv6
    /// link-local source is taken on the interface of the server's scope.
    ///
    /// # Errors
    /// The two addresses are of different families.
    pub fn new(server: SocketAddr, source: Option<IpAddr>) -> Result<Self, TargetError> {
        let source = match (server, source) {
            (_, None) => None,
            (SocketAddr::V4(_), Some(IpAddr::V4(source))) => Some((source, 0).into()),
            (SocketAddr::V6(server), Some(IpAddr::V6(source))) => {
                let scope = if source.is_unicast_link_local() { server.scope_id() } else { 0 };
                Some(std::net::SocketAddrV6::new(source, 0, 0, scope).into())
            }
            (server, Some(source)) => {
                return Err(TargetError { server: server.ip(), source_address: source });
            }
        };
        Ok(Self { server, source, marks: Marks::default() })
    }

    /// The same with these marks.
    #[must_use]
    pub fn with_marks(self, marks: Marks) -> Self {
        Self { marks, ..self }
    }

    /// The server's address and port.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    fn open(&self, kind: SockType) -> Result<OwnedFd, Cause> {
        let family = if self.server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, kind, flags, None).map_err(cause::opening)?;
        self.prepare(&fd, kind)?;
        Ok(fd)
    }

    /// Sets what its packets carry and leave by, and binds it to the source.
    fn prepare(&self, fd: &OwnedFd, kind: SockType) -> Result<(), Cause> {
        if self.marks != Marks::default() {
            self.set_marks(fd).map_err(cause::setting)?;
        }
        if let Some(port) = self.marks.port {
            // The last connection from there may still be known to the kernel; so that it does not keep the port, it ends with a reset.
            setsockopt(fd, sockopt::ReuseAddr, &true).map_err(cause::opening)?;
            if kind == SockType::Stream {
                let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(fd, sockopt::Linger, &at_once).map_err(cause::opening)?;
            }
            let any = if self.server.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            };
            let mut source = self.source.unwrap_or_else(|| SocketAddr::new(any, 0));
            source.set_port(port);
            bind(fd.as_raw_fd(), &SockaddrStorage::from(source)).map_err(cause::binding)?;
        } else if let Some(source) = self.source {
            if kind == SockType::Stream {
                // Leaves the choice of the port to `connect`, where it need not be unique on this machine. A kernel
                // that can't do that chooses here.
                let _ = setsockopt(fd, sockopt::IpBindAddressNoPort, &true);
            }
            bind(fd.as_raw_fd(), &SockaddrStorage::from(source)).map_err(cause::binding)?;
        }
        Ok(())
    }

    fn set_marks(&self, fd: &OwnedFd) -> Result<(), Errno> {
        let Marks { interface, mark, dscp, port: _ } = self.marks;
        if let Some(interface) = interface {
            setsockopt(fd, sockopt::BindToDevice, &interface.name())?;
        }
        if let Some(mark) = mark {
            setsockopt(fd, sockopt::Mark, &mark)?;
        }
        if let Some(dscp) = dscp {
            let class = i32::from(dscp) << 2;
            if self.server.is_ipv4() {
                setsockopt(fd, sockopt::Ipv4Tos, &class)?;
            } else {
                setsockopt(fd, sockopt::Ipv6TClass, &class)?;
            }
        }
        Ok(())
    }

    /// A UDP socket connected to the server. Everything that goes wrong here is local.
    pub(crate) fn open_udp(&self) -> Result<OwnedFd, Cause> {
        let fd = self.open(SockType::Datagram)?;
        connect(fd.as_raw_fd(), &SockaddrStorage::from(self.server)).map_err(cause::opening)?;
        Ok(fd)
    }

    /// What sockets must have in common to take each other's place: family and source. `None` where they carry marks, of which parting from
    /// the port takes some away.
    pub(crate) fn origin(&self) -> Option<(bool, Option<SocketAddr>)> {
        (self.marks == Marks::default()).then_some((self.server.is_ipv4(), self.source))
    }

    /// Connects a UDP socket of the same origin that was parted from its port.
    pub(crate) fn connect_again(&self, fd: &OwnedFd) -> Result<(), Errno> {
        connect(fd.as_raw_fd(), &SockaddrStorage::from(self.server))
    }

    /// A datagram socket for echo requests (ping_socket of Linux), connected to the server. It takes no privilege where
    /// `net.ipv4.ping_group_range` includes a group of this process.
    pub(crate) fn open_ping(&self) -> Result<OwnedFd, PingError> {
        let (family, protocol) = match self.server.is_ipv4() {
            true => (AddressFamily::Inet, SockProtocol::Icmp),
            false => (AddressFamily::Inet6, SockProtocol::IcmpV6),
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(family, SockType::Datagram, flags, protocol).map_err(|errno| match errno {
            Errno::EACCES | Errno::EPERM => PingError::Forbidden,
            other => PingError::Other(cause::opening(other)),
        })?;
        self.prepare(&fd, SockType::Datagram).map_err(PingError::Other)?;
        // Else the kernel keeps to itself that a host does not answer ARP, or that a router says so.
        let told = match self.server.is_ipv4() {
            true => setsockopt(&fd, sockopt::Ipv4RecvErr, &true),
            false => setsockopt(&fd, sockopt::Ipv6RecvErr, &true),
        };
        told.map_err(|errno| PingError::Other(cause::opening(errno)))?;
        connect(fd.as_raw_fd(), &SockaddrStorage::from(self.server))
            .map_err(|errno| PingError::Other(cause::opening(errno)))?;
        Ok(fd)
    }

    /// A TCP socket that is being connected to the server. What `connect` says at once is local.
    pub(crate) fn open_tcp(&self) -> Result<OwnedFd, Cause> {
        let fd = self.open(SockType::Stream)?;
        match connect(fd.as_raw_fd(), &SockaddrStorage::from(self.server)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(fd),
            // The kernel may be quick, on loopback.
            Err(Errno::ECONNREFUSED) => Err(Cause::TcpRefused),
            Err(errno) => Err(cause::opening(errno)),
        }
    }
}

/// Sends all of `octets` or fails.
pub(crate) fn send_all(fd: &OwnedFd, octets: &[u8]) -> Result<(), Errno> {
    match send(fd.as_raw_fd(), octets, MsgFlags::MSG_NOSIGNAL) {
        Ok(sent) if sent == octets.len() => Ok(()),
        // A query is far smaller than the emptiest socket buffer.
        Ok(_) => Err(Errno::ENOBUFS),
        Err(errno) => Err(errno),
    }
}

/// Parts a UDP socket from its server and its port, which is free at once, as if it were closed; a source address stays.
pub(crate) fn part(fd: &OwnedFd) -> Result<(), rustix::io::Errno> {
    rustix::net::connect_unspec(fd)
}

/// Receives what is there.
pub(crate) fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    recv(fd.as_raw_fd(), buffer, MsgFlags::empty())
}

/// How a connection attempt ended.
pub(crate) fn connected(fd: &OwnedFd) -> Result<(), Errno> {
    match getsockopt(fd, sockopt::SocketError)? {
        0 => Ok(()),
        raw => Err(Errno::from_raw(raw)),
    }
}

/// Makes room for as many datagrams as the system allows, for a socket that is being flooded.
pub(crate) fn enlarge(fd: &OwnedFd) {
    let _ = setsockopt(fd, sockopt::RcvBuf, &(4 << 20));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_must_agree() {
        let server: SocketAddr = "192.0.2.1:53".parse().unwrap();
        assert!(Target::new(server, Some("192.0.2.2".parse().unwrap())).is_ok());
        let error = Target::new(server, Some("::1".parse().unwrap())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the source address ::1 and the server address 192.0.2.1 are not of one family: use IPv4 for both or IPv6 for both"
        );
        // A link-local source lives on the server's interface.
        let server: SocketAddr = "[fe80::1%7]:53".parse().unwrap();
        let target = Target::new(server, Some("fe80::2".parse().unwrap())).unwrap();
        assert_eq!(target.source, Some("[fe80::2%7]:0".parse().unwrap()));
    }
}
