//! The renewing of leases, on a thread of its own.
//!
//! Owns what is to be renewed, a netlink socket for that alone, and the agreement that nothing is renewed which the engine
//! has let go of. The kernel has one lock for all changes of interfaces (RTNL); whoever holds it for long, anywhere on the
//! machine, keeps a renewal waiting but no advert. It renews what it is asked to and once: an engine that hangs loses its
//! addresses.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::EventFd;

use crate::netlink::message::Lease;
use crate::netlink::{Kernel, NetlinkError, Order};
use crate::sys;

/// Renewals that are asked for within this time are one system call. A third of the shortest lease has room for it.
const TOGETHER: Duration = Duration::from_millis(50);
/// What it needs: nothing is on its stack but a batch of orders by reference.
const STACK: usize = 128 << 10;

/// The addresses of a virtual router with the interfaces they are on.
pub(crate) type Leases = Arc<[(u32, Lease)]>;

/// A renewal that the kernel refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Whose.
    pub(crate) member: u64,
    /// Which address, if it was one.
    pub(crate) address: Option<IpAddr>,
    /// Why.
    pub(crate) errno: Errno,
}

#[derive(Debug)]
struct Renewal {
    member: u64,
    leases: Leases,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Desk {
    due: Vec<Renewal>,
    /// What is being renewed just now.
    running: Vec<Renewal>,
    refused: Vec<Refused>,
    over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    /// Something is due, or it is over.
    asked: Condvar,
    /// What was running is done.
    done: Condvar,
}

impl Shared {
    /// A panic while it was locked left nothing half done: each change of the desk is one step.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's end.
#[derive(Debug)]
pub(crate) struct Renewer {
    shared: Arc<Shared>,
    /// Until the thread is there, and when it cannot be.
    kernel: Option<Kernel>,
    thread: Option<JoinHandle<()>>,
}

impl Renewer {
    /// One without its thread: see [`Self::start`]. `kernel` is for its use alone.
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self { shared: Arc::default(), kernel: Some(kernel), thread: None }
    }

    /// Starts the thread, in real time if `priority` says so. `bell` is rung when the kernel refuses something.
    pub(crate) fn start(&mut self, priority: Option<u8>, bell: Arc<EventFd>) -> std::io::Result<()> {
        let Some(mut kernel) = self.kernel.take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let work = move || {
            if let Some(priority) = priority {
                // The engine was granted it; if this thread is not, its leases have two thirds of their time left.
                let _ = sys::schedule_round_robin(i32::from(priority));
            }
            work(&shared, &mut kernel, &bell);
        };
        self.thread = Some(thread::Builder::new().name("leases".to_owned()).stack_size(STACK).spawn(work)?);
        Ok(())
    }

    /// Renews these addresses soon. It never waits for the kernel.
    pub(crate) fn renew(&self, member: u64, leases: &Leases, lifetime: Duration) {
        let mut desk = self.shared.desk();
        desk.due.retain(|renewal| renewal.member != member);
        desk.due.push(Renewal { member, leases: Arc::clone(leases), lifetime });
        drop(desk);
        self.shared.asked.notify_one();
    }

    /// Once this returns, nothing of this router is renewed any more. It waits only for a renewal of the same router that
    /// is with the kernel already, where what comes next would have to wait as well.
    pub(crate) fn forget(&self, member: u64) {
        let mut desk = self.shared.desk();
        desk.due.retain(|renewal| renewal.member != member);
        while desk.running.iter().any(|renewal| renewal.member == member) {
            desk = self.shared.done.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the kernel refused since the last time.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut self.shared.desk().refused)
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.shared.desk().over = true;
        self.shared.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, kernel: &mut Kernel, bell: &EventFd) {
    let mut batch: Vec<Renewal> = Vec::new();
    loop {
        let mut desk = shared.desk();
        while desk.due.is_empty() {
            if desk.over {
                return;
            }
            desk = shared.asked.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        drop(desk);
        thread::sleep(TOGETHER);
        let mut desk = shared.desk();
        if desk.over {
            return;
        }
        let Desk { due, running, .. } = &mut *desk;
        std::mem::swap(due, running);
        batch.extend(
            running.iter().map(|renewal| Renewal { leases: Arc::clone(&renewal.leases), ..*renewal }),
        );
        drop(desk);
        let mut refused = Vec::new();
        let done = renew(kernel, &batch, &mut refused);
        batch.clear();
        let mut desk = shared.desk();
        if done.is_err() {
            // Nothing is known of any of them.
            let all = desk.running.iter().map(|renewal| renewal.member);
            refused.extend(all.map(|member| Refused { member, address: None, errno: Errno::EIO }));
        }
        desk.running.clear();
        let rings = !refused.is_empty();
        desk.refused.append(&mut refused);
        drop(desk);
        shared.done.notify_all();
        if rings {
            let _ = bell.write(1);
        }
    }
}

fn renew(kernel: &mut Kernel, batch: &[Renewal], refused: &mut Vec<Refused>) -> Result<(), NetlinkError> {
    let all = || {
        batch.iter().flat_map(|renewal| {
            renewal.leases.iter().map(move |(interface, lease)| (renewal, *interface, lease))
        })
    };
    let orders = all().map(|(renewal, interface, address)| Order::PutAddress {
        interface,
        address,
        lifetime: renewal.lifetime,
    });
    kernel.execute(orders, |place, errno| {
        if let Some((renewal, _, lease)) = all().nth(place) {
            refused.push(Refused { member: renewal.member, address: Some(lease.address), errno });
        }
    })
}
