//! The kernel's IPVS (IP Virtual Server, Linux's layer-4 load balancer) as a typed library.
//!
//! Speaks the generic-netlink family `IPVS` directly: no `ipvsadm` process, no shell, one socket. In parts that can be used
//! alone:
//!
//! - the types: [`Service`], [`Destination`], their keys, and a [`Table`] of them. Checked constructors refuse what the
//!   kernel would refuse late, change silently, or dump back differently.
//! - [`Edit`]: the six changes one can make. There is none that clears the table.
//! - [`text`]: the format of `ipvsadm -Sn`, both ways, so that tables can be kept, compared and reviewed as text.
//! - [`codec`]: requests and replies as bytes. Decoding is total: no input makes it panic.
//! - `Ipvs` (feature `socket`, on by default): the socket. Reads the table consistently, and writes batches
//!   of edits with every refusal told apart.
//!
//! # Reading and writing
//!
//! ```no_run
//! # #[cfg(feature = "socket")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use agent_ipvs::{Destination, DestinationKey, Edit, Forwarding, Ipvs, Protocol, Scheduler, Service, ServiceKey, Weight};
//!
//! let mut ipvs = Ipvs::connect()?;
//! let table = ipvs.table()?;
//! print!("{}", agent_ipvs::text::export(&table, agent_ipvs::text::Style::Complete));
//!
//! let key = ServiceKey::new(Protocol::Udp, "10.0.0.1".parse()?, 53)?;
//! let service = Service::new(key, Scheduler::WRR);
//! let server = DestinationKey::new("10.1.53.2".parse()?, 53);
//! let destination = Destination::new(server, Forwarding::Direct, Weight::new(100)?);
//! service.check_destination(&destination)?;
//! let applied = ipvs.apply(&[Edit::AddService(service), Edit::AddDestination { service: key, destination }])?;
//! for failure in &applied.failures {
//!     eprintln!("{failure}");
//! }
//! # Ok(()) }
//! # #[cfg(not(feature = "socket"))]
//! # fn main() {}
//! ```
//!
//! `examples/table.rs` prints the table of this namespace with what passed through it.
//!
//! # What goes wrong
//!
//! There are three kinds of trouble, each with a type of its own. [`ValueError`] and [`Conflict`]: a value or a combination that
//! the kernel can't hold, found before anything is sent. `EditFailure`: the kernel has refused one edit of several; it says which, why
//! (`Refusal`) and what to do, and the others are made all the same. `Error`: the kernel could not be asked, or its answer was lost;
//! what was sent may be done or not, so read the table again. All of them are texts for people when displayed.
//!
//! # What to know of the kernel
//!
//! - Names, numbers and limits are those of `include/uapi/linux/ip_vs.h`, Linux 6.1 and 6.12; what an older kernel does not know it ignores,
//!   and a reading shows it.
//! - The table belongs to a network namespace: the one that the thread is in when it connects.
//! - Every request, reading included, needs `CAP_NET_ADMIN` in the initial user namespace.
//! - The kernel announces no changes. Who shares the table with others must read it again.
//! - A service is known by protocol, address and port, or by firewall mark and family; a destination by address and
//!   port. All else is edited in place, and connections and statistics stay.

#![cfg_attr(not(feature = "socket"), forbid(unsafe_code))]

// The random tables are also for the test on a real kernel, which is outside of the crate.
#[cfg(test)]
extern crate self as agent_ipvs;
#[cfg(test)]
#[path = "../tests/tables/mod.rs"]
mod tables;

pub mod codec;
mod edit;
#[cfg(feature = "socket")]
mod socket;
pub mod text;
mod types;

pub use edit::{Conflict, Edit};
#[cfg(feature = "socket")]
pub use socket::{Applied, ConnectOptions, EditFailure, Error, Ipvs, MAX_BATCH, Refusal};
pub use types::{
    Checksum, ConnectionCounts, Destination, DestinationKey, DestinationStatus, Encapsulation, Family, Flags,
    Forwarding, Granularity, Info, Interface, MAX_TIMEOUT_SECS, Persistence, PersistenceEngine, Protocol,
    Scheduler, Service, ServiceEntry, ServiceKey, ServiceStatus, Snapshot, Stats, SyncDaemon, SyncRole,
    Table, Thresholds, Timeouts, ValueError, Version, Weight,
};
