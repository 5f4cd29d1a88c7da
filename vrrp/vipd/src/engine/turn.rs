//! The loop: one turn after another until it is told to stop.
//!
//! Owns the order within a turn: signals, notices, adverts, then the deadlines that are due; so an advert that lies in
//! a socket is heard before its silence is acted upon; before a takeover the sockets are looked at once more. What is read in one turn is bounded, and so is the share of time
//! that is spent on reading: a flood for one virtual router does not keep the deadlines of another waiting, nor this thread
//! from sleeping, for lack of which the kernel would end it.

use std::time::Duration;

use agent_api::config::OnExit;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollTimeout};
use nix::sys::signal::Signal;
use vrrp_core::arp::ArpInput;
use vrrp_core::codec::{Family, vrid_of};
use vrrp_core::{Input, State, Target, Time};

use super::{Command, Engine, EngineError, ports, token};
use crate::clock;
use crate::port::Carries;
use crate::tale::Tale;

/// Datagrams that are read from one socket in one turn: a millisecond's work.
const AT_ONCE: usize = 256;
/// After a turn with so many of them the next one begins a [`REST`] later: what comes meanwhile is read at once, so a flood
/// costs less than half of a processor, and the kernel drops what is more.
const MANY: u64 = 32;
const REST: Duration = Duration::from_millis(1);
/// The same after two turns with something to read that follow each other so closely: where many routers keep one beat, their
/// adverts come one by one, and each would cost a wake-up.
const CLOSE: Duration = Duration::from_micros(250);

impl Engine {
    /// Runs until SIGTERM, SIGINT or SIGQUIT, then lets go of everything in good order.
    ///
    /// # Errors
    /// The kernel no longer does what the engine cannot do without.
    pub fn run(&mut self) -> Result<(), EngineError> {
        let mut events = [EpollEvent::empty(); 64];
        self.tell_news(clock::now());
        loop {
            let next = self.deadline();
            self.rest(next);
            self.timer.set(next).map_err(EngineError::new("setting the timer"))?;
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(EngineError::new("waiting for something to do")(errno)),
            };
            let woken = || events.iter().take(count).map(EpollEvent::data);
            if woken().any(|token| token == token::TIMER) {
                self.timer.fired();
            }
            if woken().any(|token| token == token::SIGNALS) && self.read_signals() {
                self.stop();
                return Ok(());
            }
            if woken().any(|token| token == token::MONITOR) {
                self.hear(clock::now())?;
            }
            for token in woken() {
                if let Some((interface, carries)) = ports::of_token(token) {
                    self.read_adverts(interface, carries);
                } else if token >> 32 == token::SEGMENT >> 32 {
                    // The lower half.
                    self.read_arp(token as u32);
                } else if token >> 32 == token::PING >> 32 {
                    self.read_pings();
                }
            }
            self.serve_deadlines();
            if woken().any(|token| token == token::INBOX) {
                self.read_inbox();
            }
            self.tell_news(clock::now());
        }
    }

    /// Sleeps for a moment where there is much to read, but not over the next deadline.
    fn rest(&mut self, next: Option<Time>) {
        let read = std::mem::take(&mut self.read);
        if read == 0 {
            return;
        }
        let now = clock::now();
        let before = std::mem::replace(&mut self.last_read, now);
        if read < MANY && now.since(before) > CLOSE {
            return;
        }
        let left = next.map_or(REST, |at| at.since(now));
        std::thread::sleep(left.min(REST));
    }

    /// When something is to be done next.
    fn deadline(&mut self) -> Option<Time> {
        let cores = self.agenda.next();
        let frames = self.ports.segments().filter_map(|segment| segment.deadline()).min();
        [cores, frames, Some(self.slow_news)].into_iter().flatten().min()
    }

    fn serve_deadlines(&mut self) {
        // One moment for all that are due: those that begin together keep one beat, and a wake-up costs more than an advert.
        let mut now = clock::now();
        for group in 0..self.groups.len() {
            let Some(at) = self.agenda.due(group, now) else { continue };
            self.figures.lateness = self.figures.lateness.max(now.since(at));
            let before = self.read;
            self.listen_once_more(group);
            if self.read != before {
                now = clock::now();
            }
            if self.agenda.due(group, now).is_some() {
                self.feed(group, Target::All, Input::DeadlinePassed, now);
            }
        }
        for segment in self.ports.segments() {
            segment.pump(now);
        }
    }

    /// A Backup whose time is over looks whether an advert has come since this turn began: it may have begun long ago.
    fn listen_once_more(&mut self, group: usize) {
        let Some(known) = self.groups.get(group) else { return };
        for at in 0..known.core.routers().len() {
            let Some(known) = self.groups.get(group) else { return };
            let member = known.members.get(at).filter(|_| known.core.state(at) == Some(State::Backup));
            let Some((interface, family)) = member.and_then(|one| Some((one.on?, one.plan.family()))) else {
                continue;
            };
            let carriers: &[Carries] = match family {
                Family::Ipv4 => &[Carries::Ipv4, Carries::Ah],
                Family::Ipv6 => &[Carries::Ipv6],
            };
            for carries in carriers {
                self.read_adverts(interface, *carries);
            }
        }
    }

    /// Whether to stop.
    fn read_signals(&mut self) -> bool {
        while let Ok(Some(info)) = self.controls.signals.read_signal() {
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            match signal {
                Some(Signal::SIGHUP) => self.tell(Tale::ReloadWanted),
                Some(Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT) => return true,
                #[cfg(debug_assertions)]
                #[allow(clippy::panic, reason = "asked for by a test, see `daemon`")]
                Some(Signal::SIGUSR2) => panic!("asked for by SIGUSR2"),
                _ => {}
            }
        }
        false
    }

    fn read_adverts(&mut self, interface: u32, carries: Carries) {
        let mut buffer = std::mem::take(&mut self.datagram);
        for _ in 0..AT_ONCE {
            let Some(port) = self.ports.port(interface, carries) else { break };
            let received = port.receive(&mut buffer);
            let got = u64::from(matches!(received, Ok(Some(_))));
            (self.figures.heard, self.read) = (self.figures.heard + got, self.read + got);
            let datagram = match received {
                Ok(Some(Ok(datagram))) => datagram,
                // Too broken to say which virtual router it is for.
                Ok(Some(Err(_))) => continue,
                Ok(None) => break,
                // The interface went down, or the like; the kernel's notice says so, too.
                Err(_) => break,
            };
            let Some(vrid) = vrid_of(&datagram) else { continue };
            let Some((group, member)) = self.ports.route(interface, carries.family(), vrid.get()) else {
                continue;
            };
            self.feed(group, Target::Member(member), Input::DatagramReceived(datagram), clock::now());
        }
        self.datagram = buffer;
    }

    fn read_arp(&mut self, interface: u32) {
        let mut buffer = std::mem::take(&mut self.datagram);
        for _ in 0..AT_ONCE {
            let Some(frame) = self.ports.segment(interface).and_then(|segment| segment.receive(&mut buffer))
            else {
                break;
            };
            self.read += 1;
            self.heard_arp(interface, &frame, clock::now());
        }
        self.datagram = buffer;
    }

    /// Somebody says it has an address: one of ours?
    fn heard_arp(&mut self, interface: u32, frame: &vrrp_core::announce::ArpFrame, now: Time) {
        let own = self.links.get(interface).and_then(|interface| interface.link.mac);
        self.heard_watched(interface, frame, own, now);
        if own == Some(frame.sender_mac) {
            return;
        }
        let name = match self.links.get(interface) {
            Some(interface) => interface.link.name.as_str(),
            None => return,
        };
        let claimed = self.groups.iter().enumerate().find_map(|(group, known)| {
            let at = known.members.iter().position(|member| {
                (member.held && member.plan.vrrp().is_some())
                    && member.plan.addresses.iter().any(|placed| {
                        placed.lease.address == frame.sender && member.interface_of(placed) == name
                    })
            })?;
            Some((group, at))
        });
        if let Some((group, at)) = claimed {
            let input = Input::DuplicateSeen { address: frame.sender.into(), mac: frame.sender_mac };
            self.feed(group, Target::Member(at), input, now);
        }
    }

    fn read_inbox(&mut self) {
        let _ = self.controls.bell.read();
        self.hear_refusals();
        while let Ok(command) = self.controls.inbox.try_recv() {
            match command {
                Command::Reconfigure(plan) => self.reconfigure(*plan),
                Command::Order { router, order } => {
                    let input = order.map_or(Input::OrderLifted, Input::OrderGiven);
                    self.feed_named(&router, input);
                }
                Command::Service { router, works } => {
                    let wanted = |group: &&super::Group| *group.name == *router;
                    if let Some(at) = self.groups.iter().position(|group| wanted(&group)) {
                        self.feed_arp(at, ArpInput::ServiceSeen(works), clock::now());
                    }
                }
                Command::Tracking { router, weight, failed } => {
                    self.feed_named(&router, Input::TrackingChanged { weight, failed });
                }
            }
        }
    }

    fn feed_named(&mut self, router: &str, input: Input<'static>) {
        for group in 0..self.groups.len() {
            for at in 0..self.groups.get(group).map_or(0, |group| group.members.len()) {
                let member = self.groups.get(group).and_then(|group| group.members.get(at));
                if member.is_some_and(|member| &*member.plan.name == router) {
                    self.feed(group, Target::Member(at), input, clock::now());
                }
            }
        }
    }

    /// Addresses that are to be kept at the end, but not by one that has yielded them.
    fn let_go(&mut self, group: usize) {
        for at in 0..self.groups.get(group).map_or(0, |group| group.members.len()) {
            let Some(known) = self.groups.get(group) else { return };
            let lingers = known.core.state(at) != Some(State::Active)
                && known.members.get(at).is_some_and(|member| member.held);
            if lingers {
                self.release(group, at);
            }
        }
    }

    /// Ends in good order: the others hear of it before anything slow is done.
    fn stop(&mut self) {
        for group in 0..self.groups.len() {
            let keeps =
                |group: &super::Group| group.members.iter().all(|member| member.plan.on_exit == OnExit::Keep);
            if self.groups.get(group).is_some_and(keeps) {
                self.let_go(group);
                continue;
            }
            self.feed(group, Target::All, Input::StopRequested, clock::now());
            if let Some(group) = self.groups.get_mut(group) {
                group.members.iter_mut().for_each(|member| member.device = None);
            }
        }
        self.remove_devices();
        self.tell_news(clock::now());
    }
}
