//! The raw system calls: socket, bind, options, poll, send, receive. Nothing else in the crate is `unsafe`.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A generic-netlink socket, bound to a port that the kernel chooses.
pub(super) fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the result is checked.
    let raw = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_GENERIC) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` is a descriptor that was opened just above and belongs to no one else.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: sockaddr_nl is plain integers, for which all zeroes are valid.
    let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    // SAFETY: the address is valid for reads of the length given, and outlives the call.
    let result = unsafe {
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), mem::size_of_val(&address) as libc::socklen_t)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
}

/// Sets an option that is an integer.
pub(super) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value is valid for reads of the length given, and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads an option that is an integer.
pub(super) fn option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value: i32 = 0;
    let mut len = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the value is valid for writes of the length given, the length too; both outlive the call.
    let result =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// Sends to the kernel, which has processed all of it when this returns.
pub(super) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    loop {
        // SAFETY: the bytes are valid for reads of their length. Without an address, netlink sends to the kernel.
        let sent = unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        match usize::try_from(sent) {
            Ok(sent) if sent == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// Receives one datagram from the kernel before the deadline. Datagrams from other processes are dropped.
pub(super) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        // SAFETY: sockaddr_nl is plain integers, for which all zeroes are valid.
        let mut sender: libc::sockaddr_nl = unsafe { mem::zeroed() };
        let mut len = mem::size_of_val(&sender) as libc::socklen_t;
        // SAFETY: buffer and sender are valid for writes of the lengths given, the length too; all outlive the call.
        let got = unsafe {
            libc::recvfrom(
                fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                (&raw mut sender).cast(),
                &raw mut len,
            )
        };
        match usize::try_from(got) {
            // Who sends them all the time is not waited for longer.
            Ok(_) if sender.nl_pid != 0 => wait(fd, deadline)?,
            // With MSG_TRUNC this is the datagram's size, whatever fitted.
            Ok(got) if got > buffer.len() => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(got) => return Ok(got),
            Err(_) => {
                let error = io::Error::last_os_error();
                match error.kind() {
                    // Rare: the kernel answers most requests before the call that sends them returns.
                    io::ErrorKind::WouldBlock => wait(fd, deadline)?,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                }
            }
        }
    }
}

/// Waits until there is something to receive, or an error to fetch.
fn wait(fd: BorrowedFd<'_>, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX);
        // SAFETY: one pollfd, valid for reads and writes, which outlives the call.
        match unsafe { libc::poll(&raw mut poll, 1, millis) } {
            0 => {}
            1.. => return Ok(()),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
