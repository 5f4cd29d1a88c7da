//! What goes into the engine and what it tells.
//!
//! Owns the words between the engine and whoever drives it. There is no logic here.

use std::time::Duration;

use checker_core::Time;
use checker_core::dns::Outcome;

/// How a [`super::Prober`] behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The most sockets in flight.
    pub max_sockets: usize,
    /// When many probes are under way: what arrives within this span is taken together with one wake-up.
    /// Latencies are told to within it; zero tells them exactly and wakes up for every answer.
    pub gather: Duration,
    /// Whether outcomes hold the reply.
    pub keep_replies: bool,
}

impl Default for Settings {
    /// 4,000 sockets, no gathering, no replies kept.
    fn default() -> Self {
        Self { max_sockets: 4_000, gather: Duration::ZERO, keep_replies: false }
    }
}

/// A probe that is over.
#[derive(Debug)]
pub struct Finished {
    /// The number that it was started with.
    pub token: u64,
    /// When it was begun.
    pub started: Time,
    /// How it ended.
    pub outcome: Outcome,
}

/// Counts since the start, and what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Probes begun.
    pub started: u64,
    /// Probes that had to wait for a socket.
    pub waited: u64,
    /// Times that the loop was woken.
    pub wakes: u64,
    /// UDP sockets opened.
    pub opened: u64,
    /// Probes under way now.
    pub in_flight: usize,
    /// Probes waiting for a socket now.
    pub waiting: usize,
}
