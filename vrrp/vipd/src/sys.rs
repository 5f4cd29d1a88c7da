//! The raw system calls that neither `nix` nor `socket2` has: an integer option, a packet socket's address, the real-time
//! scheduler, pages and memory that are not needed. Nothing else in the crate is `unsafe`.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sets an option of a socket that is an integer.
pub(crate) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
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

/// Binds a packet socket to an interface; frames of this Ethernet protocol arrive from then on (none for 0).
pub(crate) fn bind_packet(fd: BorrowedFd<'_>, interface: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain integers, for which all zeroes are valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the address is valid for reads of the length given, and outlives the call.
    let result = unsafe {
        libc::bind(fd.as_raw_fd(), (&raw const address).cast(), mem::size_of_val(&address) as libc::socklen_t)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Forgets which pages of a mapping are in memory; they are read again where they are needed.
///
/// # Safety
/// The mapping is of a file, and none of its pages was changed.
pub(crate) unsafe fn forget_pages(start: usize, length: usize) -> io::Result<()> {
    // SAFETY: by the caller's promise what is read there afterwards is what was there before.
    let result = unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives memory back that was freed: what reading the configuration took is not wanted again.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, touches only what is free, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Puts the calling thread under round-robin real-time scheduling. Threads and children it starts are not.
pub(crate) fn schedule_round_robin(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: the parameters are valid for reads and outlive the call; 0 is the calling thread.
    let result = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const parameters)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
