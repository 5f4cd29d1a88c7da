//! What can go wrong between this process and the kernel, apart from single edits being refused.

use std::io;
use std::time::Duration;

use crate::codec::DecodeError;

/// Why the kernel could not be asked, or gave no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel knows no family of that name, even after it tried to load the module.
    #[error(
        "the running kernel has no IPVS: load it with `modprobe ip_vs`; if there is no such module, install the \
         distribution's full kernel package (CONFIG_IP_VS)"
    )]
    Missing,
    /// The process may not, not even read.
    #[error(
        "IPVS may not be read or changed: it needs the capability CAP_NET_ADMIN in the initial user namespace"
    )]
    Denied,
    /// No answer in time.
    #[error("no answer from the kernel within {waited:?} while {doing}")]
    Timeout {
        /// What was being done.
        doing: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// Answers were lost (`ENOBUFS`): what was sent has been done or refused, but which of both is not known.
    #[error(
        "the kernel's answers did not fit into the receive buffer and some are lost: read the table again"
    )]
    Overrun,
    /// Others changed the table faster than it could be read.
    #[error("the table changed during each of {rounds} readings: try again when others are done with it")]
    Unsettled {
        /// How often it was read.
        rounds: u32,
    },
    /// The kernel refused a request that is not an edit.
    #[error("{doing} was refused: {}", io::Error::from_raw_os_error(*errno))]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The kernel's error number.
        errno: i32,
    },
    /// The kernel agreed and said nothing.
    #[error("the kernel's answer is missing while {doing}")]
    Silent {
        /// What was being done.
        doing: &'static str,
    },
    /// The answer is not what IPVS would say.
    #[error("an answer of the kernel could not be read: {0}")]
    Decode(#[from] DecodeError),
    /// Trouble with the socket itself.
    #[error("{doing} failed: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(doing: &'static str, source: io::Error) -> Error {
        if source.raw_os_error() == Some(libc::ENOBUFS) {
            Error::Overrun
        } else {
            Error::Io { doing, source }
        }
    }

    pub(super) fn refused(doing: &'static str, errno: i32) -> Error {
        match errno {
            libc::EPERM => Error::Denied,
            libc::ENOENT => Error::Missing,
            errno => Error::Refused { doing, errno },
        }
    }
}
