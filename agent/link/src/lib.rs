//! The agent's socket from the client's side: framing, calls, and two threads that stay connected.
//!
//! Owns how bytes become Varlink messages ([`frame`], [`message`]), one blocking [`Connection`] with timeouts, the
//! [`Reporter`] that keeps the agent told, the [`Watcher`] that keeps a copy of the state, and [`former_state`] for a daemon
//! that comes back. Every wait has an end, every buffer a limit. It decides nothing about the network.

#![forbid(unsafe_code)]

mod backoff;
mod changed;
mod client;
mod former;
pub mod frame;
pub mod message;
mod reporter;
mod socket;
mod wake;
mod watcher;

pub use changed::Changed;
pub use client::{CallError, Connection, Updates};
pub use former::{StateFileError, former_state, read_state_file};
pub use reporter::{Alertd, Ask, Checkd, Daemon, Lvsd, Reporter, Vipd};
pub use watcher::{Watched, Watcher};
