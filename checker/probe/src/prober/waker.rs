//! What ends the waiting of the engine from elsewhere.
//!
//! Owns an event descriptor, which the loop watches. It starts no thread and knows no probe.

use std::sync::Arc;

use nix::sys::eventfd::EventFd;

/// Ends a [`super::Prober::poll`] from another thread or a signal handler's thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    pub(super) fn new(event: EventFd) -> Self {
        Self(Arc::new(event))
    }

    /// Takes note of all uses so far. Never waits.
    pub(super) fn drain(&self) {
        let _ = self.0.read();
    }

    /// Ends the present or the next [`super::Prober::poll`].
    pub fn wake(&self) {
        // It fails only when it is already due.
        let _ = self.0.write(1);
    }
}
