//! Runs probes over real sockets.
//!
//! Owns sockets, the epoll loop, the monotonic clock and the random ids. What is asked, how a reply is judged and when a
//! probe is over is `checker-core`'s: this crate does what [`checker_core::dns::Exchange`] says and tells it what
//! happened. One [`Prober`] on one thread runs thousands of probes at once, [`Lanes`] are several. It needs no privilege.

#![deny(unsafe_code)]

mod address;
mod cause;
pub mod clock;
mod crypto;
mod descriptors;
mod exec;
mod file;
mod lanes;
mod prober;
mod random;
mod socket;
mod talk;
mod worker;

pub use address::{AddressError, parse_server};
pub use descriptors::DescriptorLimit;
pub use exec::{AT_A_TIME, ExecRunner, may_become};
pub use lanes::Lanes;
pub use prober::{Finished, ProbeError, Prober, Settings, Stats, Waker};
pub use socket::{Interface, InterfaceError, Marks, Target, TargetError};
pub use talk::{Ended, TalkProber};
pub use worker::Errand;
