//! Two workers: one for what holds a connection and its secrets, one for what holds next to nothing.
//!
//! Owns which probe goes to which, so that thousands of dead hosts that are pinged keep no secured check from its turn, nor the other
//! way round. Each starts with its first probe.

use std::sync::Arc;

use checker_core::dns::DnsCheck;

use super::{Done, Errand, Worker};
use crate::prober::Waker;
use crate::socket::Target;

/// Secured probes under way at most: each holds some tens of kilobytes.
const HEAVY_MAX: usize = 1_024;

/// Runs probes of both sorts.
#[derive(Debug)]
pub(crate) struct Workers {
    heavy: Worker,
    light: Worker,
}

impl Workers {
    /// Workers with nothing to do, for a prober of so many sockets.
    pub(crate) fn new(max_sockets: usize, waker: &Waker) -> Self {
        Self {
            heavy: Worker::new((max_sockets / 4).min(HEAVY_MAX), waker.clone()),
            light: Worker::new(max_sockets / 2, waker.clone()),
        }
    }

    /// As [`Worker::start_dns`].
    pub(crate) fn start_dns(&mut self, token: u64, check: Arc<DnsCheck>, target: Target, keep_reply: bool) {
        self.heavy.start_dns(token, check, target, keep_reply);
    }

    /// As [`Worker::start_errand`].
    pub(crate) fn start_errand(&mut self, token: u64, errand: Errand, target: Target) {
        let worker = match errand {
            Errand::Ping(_) | Errand::File(_) => &mut self.light,
            Errand::Talk(_) | Errand::Http(_) | Errand::Smtp(_) => &mut self.heavy,
        };
        worker.start_errand(token, errand, target);
    }

    /// The next probe that is over.
    pub(crate) fn next_done(&mut self) -> Option<Done> {
        self.heavy.next_done().or_else(|| self.light.next_done())
    }

    /// As [`Worker::has_refused`].
    pub(crate) fn has_refused(&self) -> bool {
        self.heavy.has_refused() || self.light.has_refused()
    }

    /// How many probes are under way, and how many wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        let ((running, waiting), (more, others)) = (self.heavy.load(), self.light.load());
        (running + more, waiting + others)
    }
}
