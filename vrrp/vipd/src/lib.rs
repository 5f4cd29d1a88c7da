//! The owner of this machine's virtual addresses.
//!
//! [`engine`] drives the virtual routers of `vrrp-core` with the sockets of [`port`](self) and the kernel's routing netlink;
//! it alone is on the way of an advert. What it tells ([`tale`]) is logged and passed on by threads that may be slow.

pub mod clerk;
pub mod clock;
pub mod daemon;
pub mod engine;
mod fence;
mod links;
mod macvlan;
mod netlink;
mod pages;
mod ping;
pub mod plan;
mod port;
mod realtime;
mod rehearsal;
mod renewer;
mod segment;
mod sys;
pub mod tale;
