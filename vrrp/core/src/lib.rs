//! The Virtual Router Redundancy Protocol without sockets or clocks.
//!
//! Owns the advert codec, the interval arithmetic, the virtual router's state machine with its sync group, and the
//! announcement frames as bytes. It depends on nothing, does no I/O and never reads a clock: received bytes and
//! [`Time`] come in as arguments, commands go out as [`Action`]s.
//!
//! Read [`SyncGroup`] (what a driver drives) and [`Input`] and [`Action`] first, then [`VirtualRouter`]. A driver's
//! loop has four steps: wait for a socket or [`SyncGroup::deadline`]; [`SyncGroup::handle`] what came, sockets before the
//! deadline; carry out [`SyncGroup::poll_action`] until it is empty; wait again.

#![forbid(unsafe_code)]

pub mod announce;
pub mod arp;
pub mod codec;
pub mod config;
mod digest;
pub mod group;
pub mod interval;
pub mod router;
pub mod time;
pub mod track;

pub use config::{Announcements, ConfigError, RouterConfig, RouterSettings};
pub use group::{SyncGroup, Target};
pub use router::{
    Action, Deadline, Discrepancy, Event, IdentityChanged, Input, Order, Reason, State, Status,
    VirtualRouter, Why,
};
pub use time::Time;
