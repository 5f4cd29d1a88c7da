//! What the worker does beside DNS: checks that end in a finding.
//!
//! Owns the list of these kinds and what they have in common: a time limit that holds whatever a library does, the end of a probe
//! that could not be run, and a word on a certificate that ends soon. How each is run is in its own module.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::Timeout;
use checker_core::late;
use checker_core::{Cause, FileCheck, Finding, HttpCheck, PingCheck, SmtpCheck, TalkCheck, Time, Verdict};
use tokio::time::error::Elapsed;

use super::tls::Clients;
use super::{Broken, ping, smtp, talk, web, word};
use crate::clock;
use crate::socket::Target;
use crate::talk::Ended;

/// A check that is run beside the loop of sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// A talk over TLS.
    Talk(Arc<TalkCheck>),
    /// HTTP, secured or not.
    Http(Arc<HttpCheck>),
    /// SMTP, secured or not.
    Smtp(Arc<SmtpCheck>),
    /// Echo requests.
    Ping(Arc<PingCheck>),
    /// A word on disk.
    File(Arc<FileCheck>),
}

impl Errand {
    /// The limit of one probe.
    #[must_use]
    pub fn timeout(&self) -> Timeout {
        match self {
            Self::Talk(check) => check.timeout,
            Self::Http(check) => check.timeout,
            Self::Smtp(check) => check.timeout,
            Self::Ping(check) => check.timeout,
            Self::File(check) => check.timeout,
        }
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Talk(check) => check.fmt(f),
            Self::Http(check) => check.fmt(f),
            Self::Smtp(check) => check.fmt(f),
            Self::Ping(check) => check.fmt(f),
            Self::File(check) => check.fmt(f),
        }
    }
}

/// Runs one to its end.
///
/// `key` is what is random about it.
pub(super) async fn run(token: u64, errand: Errand, target: Target, key: u64, clients: &Clients) -> Ended {
    let started = clock::now();
    let finding = match &errand {
        Errand::Talk(check) => talk::run(check, &target, clients).await,
        Errand::Http(check) => web::run(check, &target, clients).await,
        Errand::Smtp(check) => smtp::run(check, &target, clients).await,
        Errand::Ping(check) => ping::run(check, &target, key).await,
        Errand::File(check) => word::run(check).await,
    };
    // A runtime that is late itself looks at what has come before it looks at the clock. Echo requests are judged at the end, by replies
    // that know themselves when they were read.
    let late = clock::now().since(started + errand.timeout().get());
    let finding = if matches!(errand, Errand::Ping(_)) { finding } else { late::in_time(finding, late) };
    Ended { token, started, finding }
}

/// The end of one that could not be run.
pub(super) fn refused(token: u64, cause: Cause) -> Ended {
    let finding = Finding::failed(cause, cause.meaning().to_owned());
    Ended { token, started: clock::now(), finding }
}

/// How far a probe has come: what is to blame when its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    /// The cause, when nothing comes from here on.
    pub(super) cause: Cause,
    /// What did not come.
    pub(super) missing: &'static str,
}

impl Phase {
    /// Waiting for a TCP connection.
    pub(super) const CONNECTING: Self = Self { cause: Cause::TcpTimeout, missing: "no connection" };
    /// Waiting for the end of a handshake.
    pub(super) const SECURING: Self =
        Self { cause: Cause::TlsTimeout, missing: "no end of the TLS handshake" };

    /// The time is over.
    pub(super) fn over(self, limit: Duration) -> Broken {
        Broken::new(self.cause, format!("{} within {} ms", self.missing, limit.as_millis()))
    }
}

/// The course of one probe.
#[derive(Debug)]
pub(super) struct Course {
    started: Time,
    limit: Timeout,
    pub(super) phase: Phase,
    /// What is said of a certificate that ends soon.
    pub(super) expiring: Option<String>,
}

impl Course {
    /// It begins now, and ends after `limit` at the latest.
    pub(super) fn new(limit: Timeout) -> Self {
        Self { started: clock::now(), limit, phase: Phase::CONNECTING, expiring: None }
    }

    /// What is found when it has ended with what came back in one line, was broken off, or ran out of time.
    pub(super) fn finding(self, result: Result<Result<String, Broken>, Elapsed>) -> Finding {
        let now = clock::now();
        let late = now.since(self.started + self.limit.get());
        let mut finding = match result {
            Ok(Ok(reply)) => Finding::passed(now.since(self.started), reply),
            Ok(Err(broken)) => broken.into(),
            Err(_) if let Some(late) = late::noticed_late(late) => return late,
            Err(_) => self.phase.over(self.limit.get()).into(),
        };
        degrade(&mut finding, self.expiring.as_deref());
        finding
    }
}

/// What passed with a certificate that ends soon is not well.
pub(super) fn degrade(finding: &mut Finding, expiring: Option<&str>) {
    if finding.verdict == Verdict::Up
        && let Some(detail) = expiring
    {
        finding.verdict = Verdict::Degraded;
        finding.cause = Some(Cause::TlsCertificateExpiring);
        detail.clone_into(&mut finding.detail);
    }
}

impl From<Broken> for Finding {
    fn from(Broken { cause, detail }: Broken) -> Self {
        Self::failed(cause, detail.unwrap_or_else(|| cause.meaning().to_owned()))
    }
}
