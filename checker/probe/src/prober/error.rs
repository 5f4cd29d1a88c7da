//! What can go wrong with the engine itself.
//!
//! Owns the error of epoll, the waker and the watched descriptors. What goes wrong with a probe is an outcome, never an error.

use nix::errno::Errno;

/// What went wrong with the engine itself.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Epoll or the waker could not be set up, or waiting failed.
    #[error("{doing}: {errno}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the kernel said.
        #[source]
        errno: Errno,
    },
    /// No thread for more probes.
    #[error("starting a thread for probes: {0}; see the limit of threads (TasksMax, ulimit -u)")]
    Thread(#[source] std::io::Error),
    /// A thread that runs probes is no more.
    #[error("a thread that runs probes has ended")]
    LaneEnded,
}

pub(crate) fn system(doing: &'static str) -> impl FnOnce(Errno) -> ProbeError {
    move |errno| ProbeError::System { doing, errno }
}
