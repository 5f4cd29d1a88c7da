//! The UDP sockets of the engine, which outlive their probes.
//!
//! Owns their registration with epoll, whose each is, and those that nobody has. A socket whose probe was answered is parted from its port,
//! so that the next probe gets a fresh port on it: that takes half the time of a new socket and its registration. What is left in it (a
//! duplicate) the next look at epoll would tell, so it is handed on only after that. One that waits in vain, or met an error, is closed:
//! what may still come for it must not meet the next probe. It never sends and never judges.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use checker_core::Cause;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::socket::{self, Target};

/// Marks the event of such a socket; its descriptor is in the lower half. The place of no probe is this high.
const MARK: u64 = 1 << 63;
/// What is read from a socket that is given back, before it is rather closed: a duplicate or two.
const LEFT_MAX: usize = 4;

/// The try of a probe that a socket is for: the probe's place and turn, and the number of the try.
pub(super) type Owner = (u32, u32, u8);

/// What sockets must have in common to take each other's place: see [`Target::origin`].
type Origin = (bool, Option<SocketAddr>);

/// The UDP sockets. See the module.
#[derive(Debug)]
pub(super) struct Ports {
    /// By descriptor. Those of descriptors that are closed are out of date: whoever is named there has no such socket.
    owners: Vec<Owner>,
    /// Those that nobody has and in which nothing is left, by family and source.
    idle: BTreeMap<Origin, Vec<OwnedFd>>,
    /// Those parted before and since the look at epoll that is being handled.
    looked_at: Vec<(Origin, OwnedFd)>,
    parted: Vec<(Origin, OwnedFd)>,
    kept: usize,
    most: usize,
    opened: u64,
}

impl Ports {
    /// None yet; at most `most` that nobody has are kept.
    pub(super) fn new(most: usize) -> Self {
        let (looked_at, parted) = (Vec::new(), Vec::new());
        Self { owners: Vec::new(), idle: BTreeMap::new(), looked_at, parted, kept: 0, most, opened: 0 }
    }

    /// How many sockets there are that nobody has.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// How many were opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// Closes those that nobody has.
    pub(super) fn close_idle(&mut self) {
        self.idle.clear();
        self.looked_at.clear();
        self.parted.clear();
        self.kept = 0;
    }

    /// A socket with a fresh port, connected to the target; what arrives on it is an event of `owner`.
    pub(super) fn open(&mut self, epoll: &Epoll, target: &Target, owner: Owner) -> Result<OwnedFd, Cause> {
        let fd = match self.take(target) {
            Some(fd) => fd,
            None => {
                let fd = target.open_udp()?;
                self.opened += 1;
                epoll
                    .add(&fd, EpollEvent::new(EpollFlags::EPOLLIN, MARK | number(&fd) as u64))
                    .map_err(crate::cause::opening)?;
                fd
            }
        };
        let number = number(&fd);
        if self.owners.len() <= number {
            self.owners.resize(number + 1, (u32::MAX, 0, 0));
        }
        if let Some(entry) = self.owners.get_mut(number) {
            *entry = owner;
        }
        Ok(fd)
    }

    /// One of those that nobody has, connected to the target.
    fn take(&mut self, target: &Target) -> Option<OwnedFd> {
        let idle = self.idle.get_mut(&target.origin()?)?;
        let fd = idle.pop()?;
        self.kept -= 1;
        // Where that fails (the source address may be gone) a new socket says why.
        target.connect_again(&fd).ok().map(|()| fd)
    }

    /// Takes back the socket of a try that was answered, so that nothing more is to come for it.
    pub(super) fn give_back(&mut self, target: &Target, fd: OwnedFd) {
        let Some(origin) = target.origin().filter(|_| self.kept < self.most) else { return };
        if socket::part(&fd).is_ok() {
            self.parted.push((origin, fd));
            self.kept += 1;
        }
    }

    /// Notes that epoll has been looked at, before what it told is handled.
    pub(super) fn look(&mut self) {
        self.looked_at.append(&mut self.parted);
    }

    /// Notes that all is handled that epoll had to tell.
    pub(super) fn looked(&mut self) {
        for (origin, fd) in self.looked_at.drain(..) {
            self.idle.entry(origin).or_default().push(fd);
        }
    }

    /// Empties the socket of an event that is nobody's. One that has too much in it, or an error, is closed.
    pub(super) fn empty(&mut self, data: u64, buffer: &mut [u8]) {
        if data & MARK == 0 {
            return;
        }
        let mut is_good = |fd: &OwnedFd| MARK | number(fd) as u64 != data || is_emptied(fd, buffer);
        self.idle.values_mut().for_each(|idle| idle.retain(&mut is_good));
        self.looked_at.retain(|(_, fd)| is_good(fd));
        self.parted.retain(|(_, fd)| is_good(fd));
        self.kept =
            self.idle.values().map(Vec::len).sum::<usize>() + self.looked_at.len() + self.parted.len();
    }

    /// Whose an event is, if it is of such a socket.
    pub(super) fn owner(&self, data: u64) -> Option<Owner> {
        let number = usize::try_from(data & !MARK).ok().filter(|_| data & MARK != 0)?;
        self.owners.get(number).copied()
    }
}

fn number(fd: &OwnedFd) -> usize {
    // A descriptor is never negative.
    usize::try_from(fd.as_raw_fd()).unwrap_or(0)
}

/// Reads what is left. Says whether that was all, and no error.
fn is_emptied(fd: &OwnedFd, buffer: &mut [u8]) -> bool {
    for _ in 0..LEFT_MAX {
        match socket::receive(fd, buffer) {
            Ok(_) => {}
            Err(errno) => return errno == nix::errno::Errno::EAGAIN,
        }
    }
    false
}
