//! The limit on open descriptors.
//!
//! Owns its raising and how much of it probes may use. It never lowers it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::prober::{ProbeError, system};

/// How many descriptors this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit(pub u64);

impl DescriptorLimit {
    /// Raises the soft limit to the hard one and returns it.
    ///
    /// # Errors
    /// The limit can't be read. That it can't be raised is no error: the present one is returned.
    pub fn raise() -> Result<Self, ProbeError> {
        let (soft, hard) =
            getrlimit(Resource::RLIMIT_NOFILE).map_err(system("reading the limit on descriptors"))?;
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
        Ok(Self(if raised { hard } else { soft }))
    }

    /// How many of them probes may use, leaving some for the rest of the process.
    #[must_use]
    pub fn for_sockets(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX).saturating_sub(64).max(16)
    }
}
