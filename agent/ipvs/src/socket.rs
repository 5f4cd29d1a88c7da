//! The netlink socket: reads the table, writes edits.
//!
//! The only part of the crate that does I/O. Owns one socket and opens it anew after trouble, so that a lost answer or a
//! reloaded module is over with the next call. Never waits without bound, never writes what it was not told to,
//! never decides what the table should be.

mod apply;
mod error;
mod link;
mod read;
#[allow(unsafe_code)]
mod sys;

use std::time::Duration;

pub use apply::{Applied, EditFailure, MAX_BATCH, Refusal};
pub use error::Error;
use link::{Link, Outcome};

use crate::codec::{self, Reply, Request};
use crate::types::{Family, Info, ServiceKey, SyncDaemon, SyncRole, Timeouts};

/// How to talk to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectOptions {
    /// How long to wait for each answer. The kernel answers at once, so this ends only what would never end.
    pub timeout: Duration,
    /// Bytes of receive buffer to ask for. The kernel's limit is passed over (`SO_RCVBUFFORCE`) where it allows that.
    pub receive_buffer: usize,
    /// The most edits in one send; at most [`MAX_BATCH`], and less where the buffers are too small for as many
    /// refusals.
    pub batch: usize,
}

impl Default for ConnectOptions {
    /// 5 seconds, 4 MiB, [`MAX_BATCH`].
    fn default() -> Self {
        ConnectOptions { timeout: Duration::from_secs(5), receive_buffer: 4 << 20, batch: MAX_BATCH }
    }
}

/// A connection to the IPVS of one network namespace: that of the calling thread when the socket is opened.
///
/// After [`Error::Overrun`], [`Error::Timeout`], [`Error::Missing`] and other trouble with the socket itself it is closed,
/// and the next call opens a new one; there is no need to drop the `Ipvs`.
#[derive(Debug)]
pub struct Ipvs {
    options: ConnectOptions,
    link: Option<Link>,
    written: u64,
    known: read::Known,
}

impl Ipvs {
    /// Connects with default options. Makes the kernel load the module `ip_vs` if it is not loaded.
    ///
    /// # Errors
    /// [`Error::Missing`] where the kernel has no IPVS, [`Error::Denied`] without `CAP_NET_ADMIN`, or trouble with the
    /// socket.
    pub fn connect() -> Result<Ipvs, Error> {
        Ipvs::connect_with(ConnectOptions::default())
    }

    /// Connects with other options.
    ///
    /// # Errors
    /// As [`Ipvs::connect`].
    pub fn connect_with(options: ConnectOptions) -> Result<Ipvs, Error> {
        let mut ipvs = Ipvs { options, link: None, written: 0, known: read::Known::default() };
        ipvs.link()?;
        Ok(ipvs)
    }

    /// How many requests have been sent that change something: edits, timeouts, zeroed statistics. A pass that finds
    /// nothing to do leaves this number alone.
    pub fn requests_written(&self) -> u64 {
        self.written
    }

    /// The version of IPVS in the kernel, and the size of its connection table.
    ///
    /// # Errors
    /// [`Error`]; also a way to ask whether IPVS is still there.
    pub fn info(&mut self) -> Result<Info, Error> {
        let mut info = None;
        self.ask("reading the version", 0, &Request::GetInfo, |reply| {
            if let Reply::Info(found) = reply {
                info = Some(found);
            }
        })?;
        info.ok_or(Error::Silent { doing: "reading the version" })
    }

    /// How long idle connections are kept.
    ///
    /// # Errors
    /// [`Error`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let mut timeouts = None;
        self.ask("reading the timeouts", 0, &Request::GetTimeouts, |reply| {
            if let Reply::Timeouts(found) = reply {
                timeouts = Some(found);
            }
        })?;
        timeouts.ok_or(Error::Silent { doing: "reading the timeouts" })
    }

    /// Sets how long idle connections are kept; zeroes leave one as it is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.link()?;
        self.written += 1;
        self.ask("setting the timeouts", 0, &Request::SetTimeouts(timeouts), |_| {})
    }

    /// Zeroes the statistics of a service and its destinations.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ESRCH` if there is no such service; other [`Error`]s.
    pub fn zero(&mut self, service: &ServiceKey) -> Result<(), Error> {
        self.link()?;
        self.written += 1;
        self.ask("zeroing statistics", 0, &Request::Zero(Some(service)), |_| {})
    }

    /// The sync daemons that run, at most one of each role.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = Vec::new();
        self.ask("reading the sync daemons", codec::DUMP, &Request::GetSyncDaemons, |reply| {
            if let Reply::SyncDaemon(found) = reply {
                daemons.push(found);
            }
        })?;
        Ok(daemons)
    }

    /// Starts a sync daemon. Other settings for one that runs mean to stop it first.
    ///
    /// # Errors
    /// [`Error::Refused`] with `EEXIST` if one of its role runs, `ENODEV` without the interface, `EINVAL` while there are
    /// destinations of another family than their service; other [`Error`]s.
    pub fn start_sync_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.link()?;
        self.written += 1;
        self.ask("starting a sync daemon", 0, &Request::StartSyncDaemon(daemon), |_| {})
    }

    /// Stops the sync daemon of a role.
    ///
    /// # Errors
    /// [`Error::Refused`] with `ESRCH` if none runs; other [`Error`]s.
    pub fn stop_sync_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        self.link()?;
        self.written += 1;
        self.ask("stopping a sync daemon", 0, &Request::StopSyncDaemon(role), |_| {})
    }

    /// The open socket; opens one if there is none.
    fn link(&mut self) -> Result<&mut Link, Error> {
        match self.link.take() {
            Some(link) => Ok(self.link.insert(link)),
            None => Ok(self.link.insert(Link::open(&self.options)?)),
        }
    }

    /// One request; a refusal is an error.
    fn ask(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &Request<'_>,
        take: impl FnMut(Reply),
    ) -> Result<(), Error> {
        match self.exchange(doing, flags, request, Family::Ipv4, take)? {
            Outcome::Done { .. } => Ok(()),
            Outcome::Refused(errno) => Err(self.refused(doing, errno)),
        }
    }

    /// One request; closes the socket after trouble with it.
    fn exchange(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &Request<'_>,
        family: Family,
        take: impl FnMut(Reply),
    ) -> Result<Outcome, Error> {
        self.exchange_while(doing, flags, request, family, take, || {})
    }

    /// The same, with something to do after each part of the answer.
    fn exchange_while(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &Request<'_>,
        family: Family,
        take: impl FnMut(Reply),
        between: impl FnMut(),
    ) -> Result<Outcome, Error> {
        let result = self.link()?.exchange(doing, flags, request, family, take, between);
        if result.is_err() {
            self.link = None;
        }
        result
    }

    /// What a refused read means. `ENOENT` is the answer to a family number that is no more: the module is unloaded.
    fn refused(&mut self, doing: &'static str, errno: i32) -> Error {
        let error = Error::refused(doing, errno);
        if matches!(error, Error::Missing) {
            self.link = None;
        }
        error
    }
}
