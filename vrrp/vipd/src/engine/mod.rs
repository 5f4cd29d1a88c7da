//! The engine: virtual routers driven by sockets, the kernel's notices and one clock.
//!
//! Owns every descriptor on the way of an advert and the state of all virtual routers. What it learns it gives to the
//! cores; what they ask for it carries out at once. It decides nothing about an address, writes no file, logs
//! nothing and starts nothing: what is to be told goes to the [`Teller`] and is never waited for.

mod agenda;
mod carry;
mod core;
mod devices;
mod news;
mod notices;
mod ports;
mod reload;
mod start;
mod timer;
mod turn;
mod watching;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::mpsc::Receiver;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::signalfd::SignalFd;
use vrrp_core::arp::ArpInput;
use vrrp_core::{Input, Order, Target, Time};

use crate::fence::Fence;
use crate::links::Links;
use crate::macvlan::Parents;
use crate::netlink::{Kernel, Monitor};
use crate::plan::{MemberPlan, Placed, Plan};
use crate::renewer::{Leases, Renewer};
use crate::tale::{Figures, Note, Tale, Teller};
use agenda::Agenda;
use core::Core;
use ports::Ports;
use timer::Timer;

/// Why the engine cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct EngineError {
    doing: &'static str,
    why: String,
}

impl EngineError {
    fn new(doing: &'static str) -> impl Fn(nix::errno::Errno) -> Self {
        move |errno| Self { doing, why: errno.desc().to_owned() }
    }
}

impl From<crate::netlink::NetlinkError> for EngineError {
    fn from(error: crate::netlink::NetlinkError) -> Self {
        Self { doing: "talking with the kernel about interfaces and addresses", why: error.to_string() }
    }
}

/// What others want of the engine. Facts and wishes; what follows from them is the cores' to say.
#[derive(Debug)]
pub enum Command {
    /// Another configuration.
    Reconfigure(Box<Plan>),
    /// What an operator wants of a virtual router, or no longer wants.
    Order {
        /// The virtual router, by name.
        router: String,
        /// The order in force.
        order: Option<Order>,
    },
    /// What the trackers of a virtual router say, taken together.
    Tracking {
        /// The virtual router, by name.
        router: String,
        /// Sum of the weights that apply.
        weight: i32,
        /// Whether something without a weight has failed.
        failed: bool,
    },
    /// Whether the director's service works, for a standby that watches it; `None` while that is not known.
    Service {
        /// The virtual router, by name.
        router: String,
        /// Whether it works.
        works: Option<bool>,
    },
}

/// Where the engine hears of what it has no socket of its own for.
#[derive(Debug)]
pub struct Controls {
    /// Blocked in every thread; read here.
    pub signals: SignalFd,
    /// Commands.
    pub inbox: Receiver<Command>,
    /// Rings when there is a command.
    pub bell: std::sync::Arc<EventFd>,
}

/// One sync group.
struct Group {
    core: Core,
    members: Vec<Member>,
    name: std::sync::Arc<str>,
    /// Something about it changed that is to be told at the end of the turn.
    changed: bool,
}

/// One virtual router.
struct Member {
    plan: MemberPlan,
    /// Index of its interface, while there is one.
    on: Option<u32>,
    told: Told,
    /// What the renewing of leases knows it by.
    ticket: u64,
    /// Whether its addresses are ours to be there.
    held: bool,
    /// What was put on the interfaces last.
    leases: Leases,
    /// Whose packets are refused.
    refused: Vec<IpAddr>,
    /// Whether an address still has to show that it is nobody else's.
    doubtful: bool,
    trouble: carry::Trouble,
    /// Name of its virtual interface, if it has one.
    device: Option<String>,
}

impl Member {
    /// The interface its adverts go through.
    fn segment_name(&self) -> &str {
        self.device.as_deref().unwrap_or(&self.plan.interface)
    }

    /// The interface an address goes to.
    fn interface_of<'a>(&'a self, placed: &'a Placed) -> &'a str {
        placed.interface.as_deref().unwrap_or(self.segment_name())
    }
}

/// What the core was told of its interface last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Down,
    NoSource,
    Up(IpAddr),
}

/// The engine.
pub struct Engine {
    groups: Vec<Group>,
    agenda: Agenda,
    links: Links,
    ports: Ports,
    kernel: Kernel,
    renewer: Renewer,
    fence: Fence,
    monitor: Monitor,
    epoll: Epoll,
    timer: Timer,
    controls: Controls,
    teller: Teller,
    parents: Parents,
    announcement_rate: u32,
    /// Interfaces that are tracked, and whether they worked when that was told last.
    tracked: Vec<(String, Option<bool>)>,
    figures: Figures,
    /// Datagrams read in this turn, and when a turn read some last.
    read: u64,
    last_read: Time,
    /// Buffers that are used again: nothing is allocated for an advert.
    datagram: Vec<u8>,
    message: Vec<u8>,
    packet: Vec<u8>,
    missing: Vec<(usize, usize, IpAddr)>,
    /// What carrying out actions led to.
    after: VecDeque<(usize, Input<'static>)>,
    identification: u16,
    sequence: u32,
    slow_news: Time,
}

/// What a descriptor in the epoll set is for. The upper half of its number says it, the lower half is an interface.
mod token {
    pub(super) const SIGNALS: u64 = 0;
    pub(super) const MONITOR: u64 = 1;
    pub(super) const TIMER: u64 = 2;
    pub(super) const INBOX: u64 = 3;
    /// Adverts; see [`super::ports`].
    pub(super) const PORT: u64 = 1 << 32;
    /// ARP.
    pub(super) const SEGMENT: u64 = 8 << 32;
    /// ICMP.
    pub(super) const PING: u64 = 9 << 32;
}

fn watch(epoll: &Epoll, fd: BorrowedFd<'_>, token: u64) -> nix::Result<()> {
    epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))
}

impl Engine {
    /// An engine for `plan`. It looks at the interfaces, opens its sockets and takes up what an earlier run left;
    /// virtual routers take part from now on. `directory` is for what must be put back even after a crash.
    ///
    /// # Errors
    /// The kernel has no routing netlink for us, or no descriptor is left.
    pub fn start(
        plan: Plan,
        directory: Option<&Path>,
        controls: Controls,
        teller: Teller,
    ) -> Result<Self, EngineError> {
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(EngineError::new("opening an epoll set"))?;
        // Before the survey, so that no change falls in between.
        let monitor = Monitor::open()?;
        let renewing = Kernel::open()?;
        monitor.ignore(renewing.port()?)?;
        let mut engine = Self {
            groups: Vec::new(),
            agenda: Agenda::default(),
            links: Links::default(),
            ports: Ports::default(),
            kernel: Kernel::open()?,
            renewer: Renewer::new(renewing),
            fence: Fence::default(),
            monitor,
            epoll,
            timer: Timer::new().map_err(EngineError::new("making a timer"))?,
            controls,
            teller,
            parents: Parents::load(directory),
            announcement_rate: plan.announcement_rate,
            tracked: Vec::new(),
            figures: Figures::default(),
            read: 0,
            last_read: Time::ZERO,
            datagram: vec![0; 4096],
            message: Vec::with_capacity(8 + 255 * 16),
            packet: Vec::with_capacity(64 + 255 * 16),
            missing: Vec::new(),
            after: VecDeque::with_capacity(64),
            identification: 0,
            sequence: 0,
            slow_news: Time::ZERO,
        };
        let adding = EngineError::new("filling the epoll set");
        watch(&engine.epoll, std::os::fd::AsFd::as_fd(&engine.controls.signals), token::SIGNALS)
            .map_err(&adding)?;
        watch(&engine.epoll, engine.monitor.fd(), token::MONITOR).map_err(&adding)?;
        watch(&engine.epoll, engine.timer.fd(), token::TIMER).map_err(&adding)?;
        watch(&engine.epoll, std::os::fd::AsFd::as_fd(&*engine.controls.bell), token::INBOX)
            .map_err(&adding)?;
        engine.survey()?;
        engine.take_up(plan);
        Ok(engine)
    }

    /// Starts what must not wait behind an advert, nor an advert behind it. `priority` is what the engine was granted.
    ///
    /// # Errors
    /// There is no room for another thread.
    pub fn start_renewing(&mut self, priority: Option<u8>) -> std::io::Result<()> {
        self.renewer.start(priority, std::sync::Arc::clone(&self.controls.bell))
    }

    /// Takes note of what the kernel refused to renew.
    fn hear_refusals(&mut self) {
        for refused in self.renewer.refused() {
            let place = self.groups.iter().enumerate().find_map(|(group, known)| {
                let at = known.members.iter().position(|member| member.ticket == refused.member)?;
                known
                    .members
                    .get(at)
                    .filter(|member| member.held)
                    .map(|member| (group, at, member.plan.name.clone()))
            });
            // It has let go of them meanwhile.
            let Some((group, at, router)) = place else { continue };
            let address = refused.address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
            let note = Note::AddressRefused { address, errno: refused.errno };
            self.tell(Tale::Note { router: Some(router), note });
            self.feed(group, Target::Member(at), Input::ClaimFailed, crate::clock::now());
        }
    }

    /// Tells a takeover by ARP something.
    fn feed_arp(&mut self, group: usize, input: ArpInput, now: Time) {
        let Some(known) = self.groups.get_mut(group) else { return };
        known.core.handle_arp(input, now);
        self.carry_all(group, now);
    }

    /// Tells a group something and carries out what it asks for.
    fn feed(&mut self, group: usize, target: Target, input: Input<'_>, now: Time) {
        let Some(known) = self.groups.get_mut(group) else { return };
        known.core.handle(target, input, now);
        self.carry_all(group, now);
    }

    /// Carries out what a group asks for, and what comes of that.
    fn carry_all(&mut self, group: usize, now: Time) {
        self.carry(group, now);
        // A claim that failed leads to a release, and nothing more; this ends.
        while let Some((member, input)) = self.after.pop_front() {
            if let Some(known) = self.groups.get_mut(group) {
                known.core.handle(Target::Member(member), input, now);
                self.carry(group, now);
            }
        }
        if let Some(known) = self.groups.get(group) {
            self.agenda.set(group, known.core.deadline());
        }
    }

    fn tell(&self, tale: Tale) {
        self.teller.tell(tale);
    }
}
