//! The engine: thousands of probes in flight on one thread.
//!
//! Owns the epoll loop, the timers and the sockets of all probes. A probe costs a connect, a send, a receive, and what gives the socket
//! back for another port; a socket, its registration with epoll and a close where there is no such socket yet. Sockets in flight are capped: what exceeds the cap
//! waits, and its time does not run meanwhile. What has arrived is always read before a probe may time out, so that a
//! stalled process does not blame a server whose answer waits in the socket. It judges nothing.

mod error;
mod ports;
mod probe;
mod waker;
mod words;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{After, Circumstances, DnsCheck, Exchange, Input, Outcome, Transport, Validation};
use checker_core::{Cause, Time};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::clock;
use crate::crypto::Ring;
use crate::random::Random;
use crate::socket::{self, Target};
use crate::talk::Ended;
use crate::worker::{Done, Errand, Workers};
pub use error::ProbeError;
pub(crate) use error::system;
pub use waker::Waker;
pub use words::{Finished, Settings, Stats};

use ports::Ports;
use probe::{Kind, Probe, TURN_MASK, event_parts};

/// Events taken from the kernel at a time.
const EVENTS: usize = 256;
/// Rounds of events that are handled before timers get their turn.
const ROUNDS_MAX: usize = 64;
/// Datagrams or pieces of a stream that are read from one socket before others get their turn.
const READS_MAX: usize = 64;
/// Octets of the receive buffer. The largest datagram is a quarter of it, but this much the allocator takes from the kernel as
/// it is: nothing is cleared, and only the pages that are used are ever there.
const BUFFER: usize = 1 << 18;
/// Probes that may wait for a socket. Beyond that they end at once, Unknown.
const WAITING_MAX: usize = 200_000;
/// Probes under way from which on it pays to gather their answers.
const GATHERED_MIN: usize = 4;
/// Sockets that nobody has are kept at most; a part of all there may be at most.
const PORTS_MAX: usize = 1_024;
const PORTS_PART: usize = 8;
/// The event that the waker makes; no probe has this place.
const WAKER: u64 = u64::MAX;
/// The event that a watched descriptor makes; no probe has this place either.
const WATCHED: u64 = u64::MAX - 1;

#[derive(Debug, Default)]
struct Slot {
    /// Tells the users of this slot apart in timers and events.
    turn: u32,
    /// In a box, for there stay as many slots as were ever used at once.
    probe: Option<Box<Probe>>,
}

#[derive(Debug)]
struct Waiting {
    token: u64,
    check: Arc<DnsCheck>,
    target: Target,
}

/// Runs probes. See the module for how.
#[derive(Debug)]
pub struct Prober {
    settings: Settings,
    epoll: Epoll,
    waker: Waker,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// When which probe wants to be called; entries of probes that are over are skipped.
    timers: BinaryHeap<Reverse<(Time, u32, u32)>>,
    waiting: VecDeque<Waiting>,
    ports: Ports,
    /// Runs what is secured.
    worker: Workers,
    /// What the worker has ended beside DNS.
    ended: VecDeque<Ended>,
    finished: VecDeque<Finished>,
    /// Sockets that the probes under way have or may still open.
    reserved: usize,
    random: Random,
    stats: Stats,
    buffer: Box<[u8]>,
}

impl Prober {
    /// An engine with nothing to do.
    ///
    /// # Errors
    /// The kernel refuses epoll or an event descriptor.
    pub fn new(settings: Settings) -> Result<Self, ProbeError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(system("opening epoll"))?;
        let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(system("opening an event descriptor"))?;
        epoll
            .add(&event, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))
            .map_err(system("watching the event descriptor"))?;
        let waker = Waker::new(event);
        // Whoever gathers nothing runs few probes: for those a socket of their own is the least.
        let most =
            if settings.gather.is_zero() { 0 } else { PORTS_MAX.min(settings.max_sockets / PORTS_PART) };
        Ok(Self {
            settings,
            epoll,
            ports: Ports::new(most),
            worker: Workers::new(settings.max_sockets, &waker),
            waker,
            ended: VecDeque::new(),
            slots: Vec::new(),
            free: Vec::new(),
            timers: BinaryHeap::new(),
            waiting: VecDeque::new(),
            finished: VecDeque::new(),
            reserved: 0,
            random: Random::default(),
            stats: Stats::default(),
            buffer: vec![0; BUFFER].into(),
        })
    }

    /// A handle that ends [`Prober::poll`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Lets [`Prober::poll`] end when `other` becomes readable.
    ///
    /// # Errors
    /// The kernel does not watch it.
    pub fn watch(&self, other: &impl AsFd) -> Result<(), ProbeError> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, WATCHED);
        self.epoll.add(other, event).map_err(system("watching another descriptor"))
    }

    /// Counts since the start, and what is under way.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (secured, queued) = self.worker.load();
        let in_flight = self.slots.len() - self.free.len() + secured;
        Stats { in_flight, waiting: self.waiting.len() + queued, opened: self.ports.opened(), ..self.stats }
    }

    /// Begins a probe now, or as soon as there are sockets for it. Its end comes out of [`Prober::next_finished`] with
    /// `token`, which means nothing here.
    pub fn start(&mut self, token: u64, check: &Arc<DnsCheck>, target: Target) {
        let check = Arc::clone(check);
        if check.transport.is_secured() {
            self.stats.started += 1;
            self.worker.start_dns(token, check, target, self.settings.keep_replies);
        } else if self.waiting.is_empty() && self.has_room(&check) {
            self.begin(token, check, target);
        } else if self.waiting.len() < WAITING_MAX {
            self.stats.waited += 1;
            self.waiting.push_back(Waiting { token, check, target });
        } else {
            self.refuse(token, &check);
        }
    }

    /// Begins a check of another kind. Its end comes out of [`Prober::next_ended`] with `token`.
    pub fn start_errand(&mut self, token: u64, errand: Errand, target: Target) {
        self.stats.started += 1;
        self.worker.start_errand(token, errand, target);
    }

    /// The next DNS probe that is over.
    pub fn next_finished(&mut self) -> Option<Finished> {
        while let Some(done) = self.worker.next_done() {
            match done {
                Done::Dns(finished) => return Some(finished),
                Done::Errand(ended) => self.ended.push_back(ended),
            }
        }
        self.finished.pop_front()
    }

    /// The next other probe that is over, of those that [`Prober::next_finished`] has come across: that one is asked first.
    pub fn next_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// When a probe wants the loop to run; `None` when none is under way.
    pub fn deadline(&mut self) -> Option<Time> {
        while let Some(Reverse((at, place, turn))) = self.timers.peek() {
            if self.slots.get(*place as usize).is_some_and(|slot| slot.turn == *turn && slot.probe.is_some())
            {
                return Some(*at);
            }
            self.timers.pop();
        }
        None
    }

    /// Runs the probes until one is over, the waker is used or it is `until`, whatever comes first. It may return earlier.
    ///
    /// # Errors
    /// Waiting failed; the engine is of no more use.
    pub fn poll(&mut self, until: Time) -> Result<(), ProbeError> {
        let wake = self.deadline().map_or(until, |at| at.min(until));
        let now = clock::now();
        let idle = self.finished.is_empty() && !self.worker.has_refused();
        let mut wait = if idle { wake.since(now) } else { Duration::ZERO };
        if !self.settings.gather.is_zero() && self.stats().in_flight >= GATHERED_MIN && !wait.is_zero() {
            let pause = self.settings.gather.min(wait);
            std::thread::sleep(pause);
            wait = wake.since(clock::now());
        }
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut woken = now;
        for _ in 0..ROUNDS_MAX {
            let count = match self.epoll.wait(&mut events, timeout(wait)) {
                Ok(count) => count,
                Err(Errno::EINTR) => break,
                Err(errno) => return Err(system("waiting for answers")(errno)),
            };
            self.stats.wakes += 1;
            woken = clock::now();
            self.ports.look();
            for event in events.iter().take(count) {
                self.ready(event.data(), event.events(), woken);
            }
            if count < EVENTS {
                self.ports.looked();
                break;
            }
            wait = Duration::ZERO;
        }
        self.expire(woken);
        while let Some(next) = self.waiting.front().map(|next| Arc::clone(&next.check))
            && self.has_room(&next)
            && let Some(Waiting { token, check, target }) = self.waiting.pop_front()
        {
            self.begin(token, check, target);
        }
        Ok(())
    }

    /// Whether all sockets that the check may need are to be had. A check that needs more than there are may run alone.
    fn has_room(&mut self, check: &DnsCheck) -> bool {
        let wanted = self.reserved + usize::from(check.tries.get());
        if wanted + self.ports.kept() > self.settings.max_sockets {
            self.ports.close_idle();
        }
        self.reserved == 0 || wanted <= self.settings.max_sockets
    }

    fn begin(&mut self, token: u64, check: Arc<DnsCheck>, target: Target) {
        let Ok(key) = self.random.next() else { return self.refuse(token, &check) };
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // Sockets run out long before 32 bits do.
            (self.slots.len() - 1) as u32
        });
        let started = clock::now();
        let circumstances = Circumstances { key, epoch: clock::epoch(), server: target.server().ip() };
        let validation = Validation::new(&check, circumstances, started);
        let keep = self.settings.keep_replies || validation.is_some();
        let exchange = Exchange::new(&check, circumstances, keep, started);
        self.reserved += usize::from(check.tries.get());
        self.stats.started += 1;
        if let Some(slot) = self.slots.get_mut(place as usize) {
            slot.turn = slot.turn.wrapping_add(1);
            let sockets = Vec::new();
            slot.probe =
                Some(Box::new(Probe { token, started, check, target, exchange, validation, sockets }));
        }
        self.drive(place, started);
        self.arm(place);
    }

    /// Ends a probe that could not be begun.
    fn refuse(&mut self, token: u64, check: &DnsCheck) {
        let now = clock::now();
        let circumstances = Circumstances { key: 0, epoch: 0, server: Ipv4Addr::UNSPECIFIED.into() };
        let mut exchange = Exchange::new(check, circumstances, false, now);
        for attempt in 0..check.tries.get() {
            exchange.handle(check, Input::TimePassed, now + check.spacing() * u32::from(attempt));
            exchange.handle(check, Input::Failed { attempt, cause: Cause::NoSocket }, now);
        }
        if let Some(outcome) = exchange.into_outcome() {
            self.finished.push_back(Finished { token, started: now, outcome });
        }
    }

    fn arm(&mut self, place: u32) {
        if let Some(slot) = self.slots.get(place as usize)
            && let Some((at, _)) = slot.probe.as_ref().and_then(|probe| probe.exchange.deadline())
        {
            self.timers.push(Reverse((at, place, slot.turn)));
        }
    }

    /// Calls the probes whose time has come.
    fn expire(&mut self, now: Time) {
        while let Some(at) = self.deadline()
            && at <= now
            && let Some(Reverse((_, place, _))) = self.timers.pop()
        {
            self.handle(place, Input::TimePassed, now);
            self.arm(place);
        }
    }

    fn handle(&mut self, place: u32, input: Input<'_>, now: Time) {
        if let Some(probe) = self.slots.get_mut(place as usize).and_then(|slot| slot.probe.as_mut()) {
            probe.exchange.handle(&probe.check, input, now);
        }
        self.drive(place, now);
    }

    /// Does what a probe wants done, and clears it away when it is over.
    fn drive(&mut self, place: u32, now: Time) {
        while let Some(slot) = self.slots.get_mut(place as usize)
            && let Some(probe) = slot.probe.as_mut()
        {
            while let Some(action) = probe.exchange.poll_action() {
                if let Err((attempt, cause)) =
                    probe.act(action, (&self.epoll, &mut self.ports), place, slot.turn)
                {
                    probe.exchange.handle(&probe.check, Input::Failed { attempt, cause }, now);
                }
            }
            if probe.exchange.is_over()
                && let Some(probe) = slot.probe.take()
            {
                self.over(place, *probe, now);
            } else {
                return;
            }
        }
    }

    /// Takes the outcome of a probe's exchange; a validating one goes on with another.
    fn over(&mut self, place: u32, probe: Probe, now: Time) {
        let Probe { token, started, check, target, exchange, validation, sockets } = probe;
        for conn in sockets.into_iter().flatten() {
            if conn.kind == (Kind::Udp { answered: true }) {
                self.ports.give_back(&target, conn.fd);
            }
        }
        let tries = usize::from(check.tries.get());
        let Some(mut outcome) = exchange.into_outcome() else { return };
        if let Some(mut validation) = validation {
            let key = self.random.next();
            if key.is_err() {
                let cause = Cause::NoSocket;
                let detail = "the kernel gives no random numbers".to_owned();
                outcome = Outcome { verdict: cause.blame().verdict(), cause: Some(cause), detail, ..outcome };
            }
            match validation.handle(outcome, &Ring, now) {
                After::Ask(check) => {
                    let key = key.unwrap_or_default();
                    let circumstances = Circumstances { key, epoch: 0, server: target.server().ip() };
                    let exchange = Exchange::new(&check, circumstances, true, now);
                    if let Some(slot) = self.slots.get_mut(place as usize) {
                        // What still comes for the sockets before is not meant for these.
                        slot.turn = slot.turn.wrapping_add(1);
                        let (validation, sockets) = (Some(validation), Vec::new());
                        slot.probe = Some(Box::new(Probe {
                            token,
                            started,
                            check,
                            target,
                            exchange,
                            validation,
                            sockets,
                        }));
                    }
                    return self.arm(place);
                }
                After::Over(whole) => outcome = whole,
            }
            if !self.settings.keep_replies {
                outcome.reply = None;
            }
        }
        self.free.push(place);
        self.reserved -= tries;
        self.finished.push_back(Finished { token, started, outcome });
    }

    /// Something happened on a socket.
    fn ready(&mut self, data: u64, flags: EpollFlags, now: Time) {
        if data == WATCHED {
            return;
        }
        if data == WAKER {
            self.waker.drain();
            return;
        }
        let (place, turn, attempt) = self.ports.owner(data).unwrap_or_else(|| event_parts(data));
        for round in 0..READS_MAX {
            let slot =
                self.slots.get_mut(place as usize).filter(|slot| slot.turn & TURN_MASK == turn & TURN_MASK);
            let Some(probe) = slot.and_then(|slot| slot.probe.as_mut()) else {
                if round == 0 {
                    self.ports.empty(data, &mut self.buffer);
                }
                return;
            };
            let Some(Some(conn)) = probe.sockets.get_mut(usize::from(attempt)) else { return };
            let input = match conn.kind {
                Kind::TcpConnecting => match socket::connected(&conn.fd) {
                    Ok(()) if flags.contains(EpollFlags::EPOLLOUT) => {
                        conn.kind = Kind::TcpConnected;
                        let mut event = EpollEvent::new(EpollFlags::EPOLLIN, data);
                        match self.epoll.modify(&conn.fd, &mut event) {
                            Ok(()) => Input::Connected { attempt },
                            Err(errno) => Input::Failed { attempt, cause: crate::cause::opening(errno) },
                        }
                    }
                    Ok(()) => return,
                    Err(errno) => {
                        Input::Failed { attempt, cause: crate::cause::waiting(errno, Transport::Tcp) }
                    }
                },
                Kind::Udp { .. } => match socket::receive(&conn.fd, &mut self.buffer) {
                    Ok(length) => Input::DatagramArrived {
                        attempt,
                        octets: self.buffer.get(..length).unwrap_or_default(),
                    },
                    Err(Errno::EAGAIN) => return,
                    Err(Errno::EINTR) => continue,
                    Err(errno) => {
                        Input::Failed { attempt, cause: crate::cause::waiting(errno, Transport::Udp) }
                    }
                },
                Kind::TcpConnected => match socket::receive(&conn.fd, &mut self.buffer) {
                    Ok(0) => Input::Closed { attempt },
                    Ok(length) => Input::OctetsArrived {
                        attempt,
                        octets: self.buffer.get(..length).unwrap_or_default(),
                    },
                    Err(Errno::EAGAIN) => return,
                    Err(Errno::EINTR) => continue,
                    Err(errno) => {
                        Input::Failed { attempt, cause: crate::cause::waiting(errno, Transport::Tcp) }
                    }
                },
            };
            let flooded = matches!(input, Input::DatagramArrived { .. });
            probe.exchange.handle(&probe.check, input, now);
            if flooded && !probe.exchange.is_over() && probe.exchange.strays() == 1 {
                socket::enlarge(&conn.fd);
            }
            // A flooded socket is better closed.
            if flooded && probe.exchange.is_over() && probe.exchange.strays() == 0 {
                conn.kind = Kind::Udp { answered: true };
            }
            self.drive(place, now);
        }
    }
}

/// A span in whole milliseconds, rounded up so that the loop does not spin just before a deadline.
fn timeout(wait: Duration) -> EpollTimeout {
    let ms = wait.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX)
}
