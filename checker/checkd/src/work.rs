//! What is done for one probe.
//!
//! Owns the kinds of checks as they are run, and when two are the same work. It runs nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::DnsCheck;
use checker_core::{ExecCheck, TalkCheck};
use checker_probe::{Errand, Target};

/// What is done for one probe. Equal work may be done once for several servers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    pub(crate) target: Target,
    pub(crate) kind: Kind,
}

/// The kind of a check, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Dns(Arc<DnsCheck>),
    Talk(Arc<TalkCheck>),
    Errand(Errand),
    Exec(Arc<ExecCheck>),
}

impl Kind {
    /// The limit of one probe.
    pub(crate) fn timeout(&self) -> Duration {
        match self {
            Self::Dns(check) => check.timeout.get(),
            Self::Talk(check) => check.timeout.get(),
            Self::Errand(errand) => errand.timeout().get(),
            Self::Exec(check) => check.timeout.get(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(check) => {
                let over = check.transport.as_str();
                write!(f, "asks for {} over {over}, expects {}", check.question, check.expect.rcodes)
            }
            Self::Talk(check) => check.fmt(f),
            Self::Errand(errand) => errand.fmt(f),
            Self::Exec(check) => check.fmt(f),
        }
    }
}
