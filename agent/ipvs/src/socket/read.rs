//! Reading the table so that what comes out was there.
//!
//! The kernel dumps by position, in parts of up to 32 KiB, and never says that something changed between two parts: then
//! entries are missed or come twice, and the destinations of a service that went away are an empty list without an
//! error. So: an empty list is confirmed, a list in several parts is read until it comes out the same twice, and the list of
//! services is read again at the end.

use std::collections::HashSet;

use super::{Error, Ipvs, Outcome};
use crate::codec::{self, Reply, Request};
use crate::types::{Destination, DestinationStatus, Family, ServiceKey, ServiceStatus, Snapshot, Table};

/// How often a reading begins anew before it is given up.
const ROUNDS: u32 = 8;

impl Ipvs {
    /// Reads the whole table with its statistics and connection counts.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if others change it all the time; other [`Error`]s.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        for _ in 0..ROUNDS {
            if let Some(snapshot) = self.read_once()? {
                return Ok(snapshot);
            }
        }
        Err(Error::Unsettled { rounds: ROUNDS })
    }

    /// Reads the whole table.
    ///
    /// # Errors
    /// As [`Ipvs::snapshot`].
    pub fn table(&mut self) -> Result<Table, Error> {
        self.snapshot().map(|snapshot| snapshot.table())
    }

    /// Reads one service, without its destinations. `None` if there is no such service.
    ///
    /// # Errors
    /// [`Error`].
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceStatus>, Error> {
        let doing = "reading a service";
        let mut service = None;
        let outcome = self.exchange(doing, 0, &Request::GetService(key), key.family(), |reply| {
            if let Reply::Service(found) = reply {
                service = Some(found);
            }
        })?;
        match outcome {
            Outcome::Done { .. } => service.map(Some).ok_or(Error::Silent { doing }),
            Outcome::Refused(libc::ESRCH) => Ok(None),
            Outcome::Refused(errno) => Err(self.refused(doing, errno)),
        }
    }

    /// Reads the destinations of one service, newest first. `None` if there is no such service.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if others change them all the time; other [`Error`]s.
    pub fn destinations(&mut self, key: &ServiceKey) -> Result<Option<Vec<DestinationStatus>>, Error> {
        let mut before: Option<Vec<DestinationStatus>> = None;
        for _ in 0..ROUNDS {
            let (found, parts) = self.dump_destinations(key)?;
            if found.is_empty() {
                return Ok(self.service(key)?.map(|_| found));
            }
            if !distinct(found.iter().map(|status| status.destination.key)) {
                before = None;
                continue;
            }
            let configured = |status: &DestinationStatus| -> Destination { status.destination };
            let same = before.is_some_and(|b| b.iter().map(configured).eq(found.iter().map(configured)));
            // One part was filled in one go.
            if parts <= 1 || same {
                return Ok(Some(found));
            }
            before = Some(found);
        }
        Err(Error::Unsettled { rounds: ROUNDS })
    }

    /// One reading; `None` if it went wrong because of changes.
    fn read_once(&mut self) -> Result<Option<Snapshot>, Error> {
        let mut services = self.dump_services()?;
        if !distinct(services.iter().map(|status| *status.service.key())) {
            return Ok(None);
        }
        for status in &mut services {
            match self.destinations(status.service.key())? {
                Some(destinations) => status.destinations = destinations,
                None => return Ok(None),
            }
        }
        let again = self.dump_services()?;
        let same = services.iter().map(|s| s.service).eq(again.iter().map(|s| s.service));
        Ok(same.then_some(Snapshot { services }))
    }

    fn dump_services(&mut self) -> Result<Vec<ServiceStatus>, Error> {
        let mut services = Vec::new();
        self.ask("reading the services", codec::DUMP, &Request::GetServices, |reply| {
            if let Reply::Service(service) = reply {
                services.push(service);
            }
        })?;
        Ok(services)
    }

    /// The destinations as dumped, and in how many parts.
    fn dump_destinations(&mut self, key: &ServiceKey) -> Result<(Vec<DestinationStatus>, usize), Error> {
        let doing = "reading the destinations of a service";
        let family: Family = key.family();
        let mut destinations = Vec::new();
        let outcome = self.exchange(doing, codec::DUMP, &Request::GetDestinations(key), family, |reply| {
            if let Reply::Destination(destination) = reply {
                destinations.push(destination);
            }
        })?;
        match outcome {
            Outcome::Done { parts } => Ok((destinations, parts)),
            Outcome::Refused(errno) => Err(self.refused(doing, errno)),
        }
    }
}

fn distinct<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> bool {
    let mut seen = HashSet::new();
    keys.into_iter().all(|key| seen.insert(key))
}
