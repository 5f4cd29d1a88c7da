//! The two sockets to the kernel's routing netlink.
//!
//! Owns sending, acknowledgements, dumps and the loss of notices. The kernel carries an order out before the call that
//! sends it returns, so nothing here waits for anybody but the kernel.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname, recvfrom,
    send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use socket2::{SockFilter, SockRef};

use super::codec::{Batch, messages};
use super::message::{Notice, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR};
use super::order::Order;
use crate::sys;

/// Orders that are sent at once: refusals of all of them have room in the socket.
const AT_ONCE: usize = 64;
/// The kernel fills datagrams of a dump up to 32 KiB.
const BUFFER: usize = 64 << 10;
/// Room for notices: the kernel's own bookkeeping makes each some kilobytes.
const NOTICE_ROOM: usize = 4 << 20;
const DONE: u16 = 3;
const ERROR: u16 = 2;

/// Why the kernel could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// A system call failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("{doing}: the kernel refuses: {source}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// Its reason.
        source: io::Error,
    },
    /// It did not answer.
    #[error("{0}: the kernel does not answer")]
    Silent(&'static str),
}

/// Asks and orders.
#[derive(Debug)]
pub(crate) struct Kernel {
    fd: OwnedFd,
    sequence: u32,
    batch: Batch,
    buffer: Vec<u8>,
}

impl Kernel {
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        let doing = "opening a routing netlink socket";
        let fd = open(0, SockFlag::empty()).map_err(|source| NetlinkError::Io { doing, source })?;
        // The kernel answers while it is asked; this is for a kernel that does not.
        let patience = TimeVal::seconds(2);
        setsockopt(&fd, sockopt::ReceiveTimeout, &patience)
            .map_err(|errno| NetlinkError::Io { doing, source: errno.into() })?;
        // A refusal need not carry the order back (Linux 4.2).
        let _ = sys::set_option(fd.as_fd(), libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        Ok(Self { fd, sequence: 0, batch: Batch::default(), buffer: vec![0; BUFFER] })
    }

    /// Carries out orders. `refused` hears of each that the kernel refused: its place and the reason.
    pub(crate) fn execute<'a>(
        &mut self,
        orders: impl IntoIterator<Item = Order<'a>>,
        mut refused: impl FnMut(usize, Errno),
    ) -> Result<(), NetlinkError> {
        let mut orders = orders.into_iter().peekable();
        let mut before = 0;
        while orders.peek().is_some() {
            self.batch.clear();
            let first = self.sequence.wrapping_add(1);
            while let Some(order) = orders.next_if(|_| self.batch.len() < AT_ONCE) {
                self.sequence = self.sequence.wrapping_add(1);
                let is_last = self.batch.len() + 1 == AT_ONCE || orders.peek().is_none();
                order.write(&mut self.batch, self.sequence, is_last);
            }
            self.carry_out(first, |at, errno| refused(before + at, errno))?;
            before += self.batch.len();
        }
        Ok(())
    }

    /// Sends the batch, whose messages are numbered from `first`. The kernel takes them in turn, and says so of the last one;
    /// of the others only what it refuses.
    fn carry_out(&mut self, first: u32, mut refused: impl FnMut(usize, Errno)) -> Result<(), NetlinkError> {
        let doing = "changing addresses";
        self.send(doing)?;
        loop {
            let length = self.receive(doing)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let at = message.sequence.wrapping_sub(first) as usize;
                if message.kind != ERROR || at >= self.batch.len() {
                    continue;
                }
                if let Some(errno) = errno(message.payload) {
                    refused(at, errno);
                }
                if at + 1 == self.batch.len() {
                    return Ok(());
                }
            }
        }
    }

    /// The number by which the kernel knows this socket: it stands in every notice of what was done through it.
    pub(crate) fn port(&self) -> Result<u32, NetlinkError> {
        let name = getsockname::<NetlinkAddr>(self.fd.as_raw_fd());
        let doing = "naming a routing netlink socket";
        name.map(|name| name.pid()).map_err(|errno| NetlinkError::Io { doing, source: errno.into() })
    }

    /// All links, then all addresses.
    pub(crate) fn survey(&mut self, mut take: impl FnMut(Notice)) -> Result<(), NetlinkError> {
        self.dump("listing the interfaces", RTM_GETLINK, &[0; 16], &mut take)?;
        self.addresses(&mut take)
    }

    /// All addresses.
    pub(crate) fn addresses(&mut self, take: &mut impl FnMut(Notice)) -> Result<(), NetlinkError> {
        self.dump("listing the addresses", RTM_GETADDR, &[0; 8], take)
    }

    fn dump(
        &mut self,
        doing: &'static str,
        kind: u16,
        header: &[u8],
        take: &mut impl FnMut(Notice),
    ) -> Result<(), NetlinkError> {
        const REQUEST_DUMP: u16 = 0x301;
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        self.batch.clear();
        self.batch.add(kind, REQUEST_DUMP, sequence, |batch| batch.fixed(header));
        self.send(doing)?;
        loop {
            let length = self.receive(doing)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        let source = errno(message.payload).unwrap_or(Errno::EIO).into();
                        return Err(NetlinkError::Refused { doing, source });
                    }
                    _ => Notice::read(message).into_iter().for_each(&mut *take),
                }
            }
        }
    }

    fn send(&self, doing: &'static str) -> Result<(), NetlinkError> {
        let sent = send(self.fd.as_raw_fd(), self.batch.bytes(), MsgFlags::empty());
        sent.map(drop).map_err(|errno| NetlinkError::Io { doing, source: errno.into() })
    }

    fn receive(&mut self, doing: &'static str) -> Result<usize, NetlinkError> {
        loop {
            match recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut self.buffer) {
                // From another process: not the kernel's word.
                Ok((_, Some(sender))) if sender.pid() != 0 => {}
                Ok((length, _)) => return Ok(length),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(NetlinkError::Silent(doing)),
                Err(errno) => return Err(NetlinkError::Io { doing, source: errno.into() }),
            }
        }
    }
}

/// The error number of an acknowledgement, if it is one of an error.
fn errno(payload: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    (code != 0).then(|| Errno::from_raw(-code))
}

/// Is told of every change of links and addresses.
#[derive(Debug)]
pub(crate) struct Monitor {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// What came of reading the [`Monitor`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Notices, and perhaps more to come.
    Notices,
    /// Nothing more for now.
    Nothing,
    /// Notices were lost: everything must be read anew.
    Overrun,
}

impl Monitor {
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let doing = "opening the socket that hears of changes";
        // The constants are small and positive.
        let fd = open(groups as u32, SockFlag::SOCK_NONBLOCK)
            .map_err(|source| NetlinkError::Io { doing, source })?;
        // Above the system's limit with CAP_NET_ADMIN, which an owner of addresses has.
        let _ = setsockopt(&fd, sockopt::RcvBufForce, &NOTICE_ROOM);
        Ok(Self { fd, buffer: vec![0; BUFFER] })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Wants to hear nothing of addresses that are put there through the socket of this number.
    pub(crate) fn ignore(&self, port: u32) -> Result<(), NetlinkError> {
        const LOAD_HALF: u16 = 0x28;
        const LOAD_WORD: u16 = 0x20;
        const EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        // A filter loads in network order what stands in the header in the machine's own.
        let program = [
            SockFilter::new(LOAD_HALF, 0, 0, 4),
            SockFilter::new(EQUAL, 0, 3, u32::from(RTM_NEWADDR.to_be())),
            SockFilter::new(LOAD_WORD, 0, 0, 12),
            SockFilter::new(EQUAL, 0, 1, port.to_be()),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ];
        let doing = "filtering notices";
        SockRef::from(&self.fd).attach_filter(&program).map_err(|source| NetlinkError::Io { doing, source })
    }

    /// Takes one datagram of notices, without waiting.
    pub(crate) fn read(&mut self, take: &mut impl FnMut(Notice)) -> Result<Heard, NetlinkError> {
        match recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut self.buffer) {
            // From another process: not the kernel's word.
            Ok((_, Some(sender))) if sender.pid() != 0 => Ok(Heard::Notices),
            Ok((length, _)) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                messages(bytes).filter_map(Notice::read).for_each(take);
                Ok(Heard::Notices)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Heard::Nothing),
            Err(Errno::ENOBUFS) => Ok(Heard::Overrun),
            Err(errno) => {
                Err(NetlinkError::Io { doing: "hearing of changes of interfaces", source: errno.into() })
            }
        }
    }
}

fn open(groups: u32, flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}
