//! The kernel's routing netlink, as far as an owner of addresses needs it.
//!
//! Owns the messages ([`message`], [`order`]), how they lie in a buffer ([`codec`]) and the sockets: one to ask and order
//! ([`Kernel`]), one to be told ([`Monitor`]). It decides nothing and remembers nothing.

pub(crate) mod codec;
pub(crate) mod message;
mod order;
mod socket;

pub(crate) use message::Notice;
pub(crate) use order::Order;
pub(crate) use socket::{Heard, Kernel, Monitor, NetlinkError};
