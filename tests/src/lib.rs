//! The test bed: real name servers, a client and a director in network namespaces of the test kernel.
//!
//! Owns what needs more than one crate of Holdfast, or none: the kernel tests and the demonstration are built on it. It
//! looks at Holdfast from outside only (its commands, its socket's answers, the kernel's table, the client's packets) and
//! never links a daemon's code.

#![forbid(unsafe_code)]

pub mod asker;
pub mod bed;
pub mod forwarding;
pub mod guest;
pub mod harness;
pub mod holdfast;
pub mod keepalived;
pub mod name_server;
pub mod netlink;
pub mod network;
pub mod patience;
pub mod question;
pub mod table;
pub mod witness;
