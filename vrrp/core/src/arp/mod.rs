//! Takeover without VRRP: a standby watches the director's own addresses and takes its virtual ones by gratuitous ARP.
//!
//! Owns the decisions of both machines. No word is exchanged between them that an old set-up without this program
//! would not understand: the standby sees the director by ARP and ICMP, and hands back by announcing the director's MAC.

mod config;
mod director;
mod machine;
mod standby;
#[cfg(test)]
mod tests;
mod words;

pub use config::{ArpConfig, ArpConfigError, ArpSettings, GiveBack, MOST_WATCHED, Role};
pub use machine::{ArpTransition, Takeover};
pub use words::{ArpAction, ArpEvent, ArpInput, ArpReason, ArpWhy};
