//! How a real server is checked, as it comes out of the file.
//!
//! Owns the types for it: what is asked, where, and when. It reads nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use checker_core::dns::{DnsCheck, Timeout};
use checker_core::{
    ExecCheck, FileCheck, HttpCheck, LatencyLimits, PingCheck, SmtpCheck, TalkCheck, Verdict,
};

use super::ProbeMarks;

/// How one real server is checked: what is asked, where, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// `name`. Default the word of its kind, `dns`.
    pub name: String,
    /// `advisory`: it only warns. Default false.
    pub advisory: bool,
    /// Where the probe goes: the real server's address and the check's `port`, else its `port`, else the port of the first
    /// service of the check's protocol. The port in a DNS check is the same.
    pub target: SocketAddr,
    /// `probe_source`: the address the probe comes from.
    pub source: Option<IpAddr>,
    /// What its packets carry and leave by.
    pub marks: ProbeMarks,
    /// What is asked and expected.
    pub kind: CheckKind,
    /// When, and how many results make a verdict.
    pub rhythm: Rhythm,
}

impl Check {
    /// What is asked by DNS; `None` when it is another kind of check.
    #[must_use]
    pub fn dns(&self) -> Option<&DnsCheck> {
        match &self.kind {
            CheckKind::Dns(dns) => Some(dns),
            _ => None,
        }
    }
}

/// What is asked and expected.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// `check.dns`.
    Dns(Box<DnsCheck>),
    /// `check.tcp` and `check.udp`.
    Talk(TalkCheck),
    /// `check.http` and `check.https`.
    Http(Box<HttpCheck>),
    /// `check.ping`.
    Ping(PingCheck),
    /// `check.smtp`.
    Smtp(Box<SmtpCheck>),
    /// `check.file`, with its placeholders filled in.
    File(FileCheck),
    /// `check.exec`, with its placeholders filled in.
    Exec(ExecCheck),
}

impl CheckKind {
    /// The limit of one probe.
    #[must_use]
    pub fn timeout(&self) -> Timeout {
        match self {
            Self::Dns(check) => check.timeout,
            Self::Talk(check) => check.timeout,
            Self::Http(check) => check.timeout,
            Self::Ping(check) => check.timeout,
            Self::Smtp(check) => check.timeout,
            Self::File(check) => check.timeout,
            Self::Exec(check) => check.timeout,
        }
    }
}

/// When a check runs and how many results in a row change the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// `interval`: from the start of one probe to the start of the next. Default 2 s, 50 ms to 1 h, not below `timeout`.
    pub interval: Duration,
    /// `fast_interval`: the same while results speak against the verdict; a probe that takes longer is waited for. Default `interval`;
    /// not above it, 10 ms at least.
    pub fast_interval: Option<Duration>,
    /// `down_interval`: the longest while a server stays down; it is reached by doubling. Default `interval`; not below it.
    pub down_interval: Option<Duration>,
    /// `rise`: passes in a row that bring a down server up. Default 2, 1 to 100.
    pub rise: u32,
    /// `fall`: failures in a row that bring it down. Default 3, 1 to 100.
    pub fall: u32,
    /// `initial`: what a server counts as that was never seen before. Default unknown.
    pub initial: Verdict,
    /// `damping`: a server that falls again within this time after its return needs twice as many passes the next time.
    /// Default 0: not at all. At most one day.
    pub damping: Duration,
    /// `latency_warn` and `latency_max` of the kinds that do not judge latency themselves. Default none.
    pub latency: LatencyLimits,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            fast_interval: None,
            down_interval: None,
            rise: 2,
            fall: 3,
            initial: Verdict::Unknown,
            damping: Duration::ZERO,
            latency: LatencyLimits::default(),
        }
    }
}
