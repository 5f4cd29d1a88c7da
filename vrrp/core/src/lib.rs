//! The Virtual Router Redundancy Protocol without sockets or clocks.
//!
//! Owns the advert codec, the interval arithmetic, the virtual router's state machine with its sync group, and the
//! announcement frames as bytes. It depends on nothing, does no I/O and never reads a clock: received bytes and
//! [`Time`] come in as arguments, commands go out.

#![forbid(unsafe_code)]

pub mod announce;
pub mod codec;
mod digest;
pub mod time;

pub use time::Time;
