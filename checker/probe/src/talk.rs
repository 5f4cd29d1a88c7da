//! Runs checks that talk over TCP or UDP.
//!
//! Owns their sockets and timers, many at once on one thread. What is expected and when a talk is over is
//! [`checker_core::talk`]'s. Its epoll descriptor can be watched by another loop, which calls [`TalkProber::run`] when it is
//! ready or a deadline has come. Sockets in flight are capped, what exceeds the cap waits. It never waits itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use checker_core::dns::Transport;
use checker_core::talk::{Input, Talk, TalkCheck};
use checker_core::{Cause, Finding, Time};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::clock;
use crate::prober::{ProbeError, system};
use crate::socket::{self, Target};

const EVENTS: usize = 128;
/// Pieces that are read from one socket before others get their turn.
const READS_MAX: usize = 16;
/// A whole datagram, so that its length is known.
const BUFFER: usize = 65_536;
/// Probes that may wait for a socket. Beyond that they end at once, Unknown.
const WAITING_MAX: usize = 200_000;

/// A probe that is over.
#[derive(Debug)]
pub struct Ended {
    /// The number that it was started with.
    pub token: u64,
    /// When it was begun.
    pub started: Time,
    /// What it found.
    pub finding: Finding,
}

#[derive(Debug)]
struct Probe {
    token: u64,
    started: Time,
    check: Arc<TalkCheck>,
    talk: Talk,
    fd: OwnedFd,
    connecting: bool,
}

#[derive(Debug, Default)]
struct Slot {
    /// Tells the users of this slot apart in timers and events.
    turn: u32,
    probe: Option<Probe>,
}

/// Runs such checks. See the module for how.
#[derive(Debug)]
pub struct TalkProber {
    max_sockets: usize,
    epoll: Epoll,
    slots: Vec<Slot>,
    free: Vec<u32>,
    timers: BinaryHeap<Reverse<(Time, u32, u32)>>,
    waiting: VecDeque<(u64, Arc<TalkCheck>, Target)>,
    ended: VecDeque<Ended>,
    buffer: Box<[u8]>,
}

impl AsFd for TalkProber {
    /// Readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl TalkProber {
    /// A prober with nothing to do.
    ///
    /// # Errors
    /// The kernel refuses epoll.
    pub fn new(max_sockets: usize) -> Result<Self, ProbeError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("opening epoll"))?;
        Ok(Self {
            max_sockets: max_sockets.max(1),
            epoll,
            slots: Vec::new(),
            free: Vec::new(),
            timers: BinaryHeap::new(),
            waiting: VecDeque::new(),
            ended: VecDeque::new(),
            buffer: vec![0; BUFFER].into(),
        })
    }

    /// Begins a probe now, or as soon as there is a socket for it.
    pub fn start(&mut self, token: u64, check: &Arc<TalkCheck>, target: Target) {
        if self.under_way() < self.max_sockets {
            self.begin(token, Arc::clone(check), target);
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((token, Arc::clone(check), target));
        } else {
            self.refuse(token, clock::now(), Cause::NoSocket);
        }
    }

    /// When [`TalkProber::run`] is to be called at the latest; `None` when nothing is under way.
    pub fn deadline(&mut self) -> Option<Time> {
        while let Some(Reverse((at, place, turn))) = self.timers.peek() {
            let current =
                self.slots.get(*place as usize).is_some_and(|s| s.turn == *turn && s.probe.is_some());
            if current {
                return Some(*at);
            }
            self.timers.pop();
        }
        None
    }

    /// The next probe that is over.
    pub fn next_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// Does what there is to be done now.
    ///
    /// # Errors
    /// The kernel does not say what is ready.
    pub fn run(&mut self) -> Result<(), ProbeError> {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(system("waiting for answers")(errno)),
            };
            let now = clock::now();
            for event in events.iter().take(count) {
                self.ready(event.data(), event.events(), now);
            }
            if count < EVENTS {
                break;
            }
        }
        // What has arrived was read first, so that a stall blames nobody whose answer waits in the socket.
        let now = clock::now();
        while let Some(at) = self.deadline()
            && at <= now
            && let Some(Reverse((_, place, _))) = self.timers.pop()
        {
            self.handle(place, Input::TimePassed, now);
        }
        while self.under_way() < self.max_sockets
            && let Some((token, check, target)) = self.waiting.pop_front()
        {
            self.begin(token, check, target);
        }
        Ok(())
    }

    fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn refuse(&mut self, token: u64, started: Time, cause: Cause) {
        let finding = Finding::failed(cause, cause.meaning().to_owned());
        self.ended.push_back(Ended { token, started, finding });
    }

    fn begin(&mut self, token: u64, check: Arc<TalkCheck>, target: Target) {
        let started = clock::now();
        let udp = check.transport == Transport::Udp;
        let opened = if udp { target.open_udp() } else { target.open_tcp() };
        let fd = match opened {
            Ok(fd) => fd,
            Err(cause) => return self.refuse(token, started, cause),
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // Sockets run out long before 32 bits do.
            (self.slots.len() - 1) as u32
        });
        let Some(slot) = self.slots.get_mut(place as usize) else { return };
        slot.turn = slot.turn.wrapping_add(1);
        let turn = slot.turn;
        let data = u64::from(place) << 32 | u64::from(turn);
        let flags = if udp { EpollFlags::EPOLLIN } else { EpollFlags::EPOLLOUT };
        let watched = self.epoll.add(&fd, EpollEvent::new(flags, data));
        let talk = Talk::new(&check, started);
        self.timers.push(Reverse((talk.deadline(), place, turn)));
        slot.probe = Some(Probe { token, started, check, talk, fd, connecting: !udp });
        if let Err(errno) = watched {
            self.handle(place, Input::Failed(crate::cause::opening(errno)), started);
        } else if udp {
            self.handle(place, Input::Connected, started);
        }
    }

    /// Tells the talk what happened, and sends what it wants to say then.
    fn handle(&mut self, place: u32, input: Input<'_>, now: Time) {
        let Some(slot) = self.slots.get_mut(place as usize) else { return };
        let Some(Probe { check, talk, fd, .. }) = slot.probe.as_mut() else { return };
        talk.handle(check, input, now);
        while let Some(octets) = talk.to_send(check) {
            let sent = match socket::send_all(fd, octets) {
                Ok(()) => Input::Sent,
                Err(errno) => Input::Failed(match (check.transport, errno) {
                    (Transport::Udp, Errno::ECONNREFUSED) => Cause::UdpRefused,
                    (Transport::Udp, errno) => crate::cause::opening(errno),
                    (_, errno) => crate::cause::waiting(errno, Transport::Tcp),
                }),
            };
            talk.handle(check, sent, now);
        }
        if talk.is_over()
            && let Some(probe) = slot.probe.take()
        {
            self.free.push(place);
            let Probe { token, started, talk, .. } = probe;
            if let Some(finding) = talk.into_finding() {
                self.ended.push_back(Ended { token, started, finding });
            }
        }
    }

    /// Something happened on a socket.
    fn ready(&mut self, data: u64, flags: EpollFlags, now: Time) {
        let (place, turn) = ((data >> 32) as u32, data as u32);
        for _ in 0..READS_MAX {
            let slot = self.slots.get_mut(place as usize).filter(|slot| slot.turn == turn);
            let Some(probe) = slot.and_then(|slot| slot.probe.as_mut()) else { return };
            let transport = probe.check.transport;
            if probe.connecting {
                match socket::connected(&probe.fd) {
                    Ok(()) if flags.contains(EpollFlags::EPOLLOUT) => {
                        probe.connecting = false;
                        let mut event = EpollEvent::new(EpollFlags::EPOLLIN, data);
                        match self.epoll.modify(&probe.fd, &mut event) {
                            Ok(()) => self.handle(place, Input::Connected, now),
                            Err(errno) => {
                                self.handle(place, Input::Failed(crate::cause::opening(errno)), now)
                            }
                        }
                    }
                    Ok(()) => return,
                    Err(errno) => {
                        self.handle(place, Input::Failed(crate::cause::waiting(errno, transport)), now);
                    }
                }
                continue;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            let input = match socket::receive(&probe.fd, &mut buffer) {
                Ok(0) if transport == Transport::Tcp => Some(Input::Closed),
                Ok(length) => Some(Input::Arrived(buffer.get(..length).unwrap_or_default())),
                Err(Errno::EAGAIN | Errno::EINTR) => None,
                Err(errno) => Some(Input::Failed(crate::cause::waiting(errno, transport))),
            };
            let done = input.is_none();
            if let Some(input) = input {
                self.handle(place, input, now);
            }
            self.buffer = buffer;
            if done {
                return;
            }
        }
    }
}
