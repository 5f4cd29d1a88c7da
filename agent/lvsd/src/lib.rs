//! `lvsd`: keeps the kernel's IPVS table as the facts demand.
//!
//! Owns the table and nothing else. It reads verdicts and orders from the agent, compares the whole table with what they
//! ask for once a second and whenever they change, and writes the difference. It never flushes, never obeys a command, and
//! leaves the table as it is when it ends.

#![forbid(unsafe_code)]

pub mod daemon;
pub mod kernel;
pub mod once;
pub mod reconcile;
mod report;
mod settings;
mod stubborn;
mod sync;
