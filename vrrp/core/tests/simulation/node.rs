//! One machine: its clock, its addresses with their leases, and the routers on it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use vrrp_core::{RouterConfig, SyncGroup, Time};

/// A packet on its way or in a socket.
#[derive(Clone)]
pub struct Packet {
    pub lan: usize,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub payload: Rc<[u8]>,
}

/// A virtual router's addresses on one interface, as the kernel has them.
#[derive(Clone, Copy)]
pub struct Lease {
    pub given: u64,
    pub end: u64,
}

/// A machine. True times are nanoseconds.
pub struct Node {
    /// One for each LAN.
    pub configs: Vec<RouterConfig>,
    pub sources: Vec<IpAddr>,
    /// The daemon; `None` while it does not run.
    pub daemon: Option<SyncGroup>,
    pub leases: Vec<Option<Lease>>,
    /// When the router spoke last, if it has been Active since.
    pub spoke: Vec<Option<u64>>,
    /// Until when a router that yielded may keep its addresses.
    pub letting_go: Vec<Option<Time>>,
    pub link_up: Vec<bool>,
    pub stalled_until: Option<u64>,
    /// While stalled, packets wait in the socket; otherwise they are lost (a paused virtual machine).
    pub socket_keeps: bool,
    pub socket: VecDeque<Packet>,
    /// The deadline for which a wake-up is planned.
    pub planned: Option<Time>,
    /// Claims that will fail.
    pub failing_claims: u32,
    clock_offset: u64,
    /// Parts per million, by which the clock is fast.
    clock_ppm: i64,
}

impl Node {
    pub const SOCKET_LIMIT: usize = 64;

    pub fn new(configs: Vec<RouterConfig>, sources: Vec<IpAddr>, clock_offset: u64, clock_ppm: i64) -> Self {
        let lans = configs.len();
        Self {
            configs,
            sources,
            daemon: None,
            leases: vec![None; lans],
            spoke: vec![None; lans],
            letting_go: vec![None; lans],
            link_up: vec![true; lans],
            stalled_until: None,
            socket_keeps: true,
            socket: VecDeque::new(),
            planned: None,
            failing_claims: 0,
            clock_offset,
            clock_ppm,
        }
    }

    /// What the machine's clock says at a true time.
    pub fn clock(&self, now: u64) -> Time {
        let drift = i128::from(now) * i128::from(self.clock_ppm) / 1_000_000;
        let nanos = i128::from(self.clock_offset) + i128::from(now) + drift;
        Time::from_start(Duration::from_nanos(nanos as u64))
    }

    /// The true time at which the machine's clock says so, or a little later.
    pub fn true_time(&self, clock: Time) -> u64 {
        let local = clock.since_start().as_nanos() as i128 - i128::from(self.clock_offset);
        (local * 1_000_000 / (1_000_000 + i128::from(self.clock_ppm)) + 2).max(0) as u64
    }

    pub fn holds(&self, lan: usize, now: u64) -> bool {
        self.leases[lan].is_some_and(|lease| lease.end > now)
    }

    pub fn is_stalled(&self, now: u64) -> bool {
        self.stalled_until.is_some_and(|end| now < end)
    }
}
