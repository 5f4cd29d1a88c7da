//! Reading the table so that what comes out was there.
//!
//! The kernel dumps by position, in parts of up to 32 KiB, and never says that something changed between two parts: then
//! entries are missed or come twice, and the destinations of a service that went away are an empty list without an
//! error. So: an empty list is confirmed, a list in several parts is read until it comes out the same twice, and the list of
//! services is read again at the end. (To miss an entry, one that was read before it must have gone; a second list that
//! still has that one was read before it went. Only an entry that goes and comes back each time escapes this.) The first of the
//! two may be that of an earlier reading, so a table that stays as it is is read once each time.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::{Error, Ipvs, Outcome};
use crate::codec::{self, Reply, Request};
use crate::types::{Destination, DestinationStatus, ServiceKey, ServiceStatus, Snapshot, Table};

/// How often a reading begins anew before it is given up.
const ROUNDS: u32 = 8;

/// The lists that came in several parts, as they were last read without doubt.
pub(super) type Known = HashMap<ServiceKey, Vec<Destination>>;

impl Ipvs {
    /// Reads the whole table with its statistics and connection counts.
    ///
    /// # Errors
    /// [`Error::Unsettled`] if others change it all the time; other [`Error`]s.
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        self.snapshot_while(|| {})
    }

    /// The same; `between` is called whenever some of it has been read. There is time then for something urgent, over another
    /// connection: what that changes is in the reading or not.
    ///
    /// # Errors
    /// As [`Ipvs::snapshot`].
    pub fn snapshot_while(&mut self, between: impl FnMut()) -> Result<Snapshot, Error> {
        let mut known = std::mem::take(&mut self.known);
        let result = snapshot(&mut Reading { ipvs: self, between }, &mut known);
        self.known = known;
        result
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
        let mut known = std::mem::take(&mut self.known);
        let result = destinations(&mut Reading { ipvs: self, between: || {} }, key, &mut known);
        self.known = known;
        result
    }
}

/// A reading under way.
struct Reading<'i, F> {
    ipvs: &'i mut Ipvs,
    between: F,
}

/// The kernel's lists as it gives them, torn where something changed meanwhile.
trait Dump {
    /// All services, without destinations.
    fn services(&mut self) -> Result<Vec<ServiceStatus>, Error>;

    /// The destinations of a service, none if it is not there, and in how many parts they came.
    fn destinations(&mut self, key: &ServiceKey) -> Result<(Vec<DestinationStatus>, usize), Error>;

    /// Whether a service is there.
    fn exists(&mut self, key: &ServiceKey) -> Result<bool, Error>;
}

impl<F: FnMut()> Dump for Reading<'_, F> {
    fn services(&mut self) -> Result<Vec<ServiceStatus>, Error> {
        let mut services = Vec::new();
        self.ipvs.ask("reading the services", codec::DUMP, &Request::GetServices, |reply| {
            if let Reply::Service(service) = reply {
                services.push(service);
            }
        })?;
        Ok(services)
    }

    fn destinations(&mut self, key: &ServiceKey) -> Result<(Vec<DestinationStatus>, usize), Error> {
        let doing = "reading the destinations of a service";
        let mut destinations = Vec::new();
        let request = Request::GetDestinations(key);
        let (ipvs, between) = (&mut *self.ipvs, &mut self.between);
        let take = |reply| {
            if let Reply::Destination(destination) = reply {
                destinations.push(destination);
            }
        };
        let outcome = ipvs.exchange_while(doing, codec::DUMP, &request, key.family(), take, between)?;
        match outcome {
            Outcome::Done { parts } => Ok((destinations, parts)),
            Outcome::Refused(errno) => Err(self.ipvs.refused(doing, errno)),
        }
    }

    fn exists(&mut self, key: &ServiceKey) -> Result<bool, Error> {
        self.ipvs.service(key).map(|service| service.is_some())
    }
}

fn snapshot(kernel: &mut impl Dump, known: &mut Known) -> Result<Snapshot, Error> {
    for _ in 0..ROUNDS {
        if let Some(snapshot) = read_once(kernel, known)? {
            return Ok(snapshot);
        }
    }
    Err(Error::Unsettled { rounds: ROUNDS })
}

/// One reading; `None` if it went wrong because of changes.
fn read_once(kernel: &mut impl Dump, known: &mut Known) -> Result<Option<Snapshot>, Error> {
    let mut services = kernel.services()?;
    // No list, no parts between which anything could change.
    if services.is_empty() {
        known.clear();
        return Ok(Some(Snapshot { services }));
    }
    if !distinct(services.iter().map(|status| *status.service.key())) {
        return Ok(None);
    }
    if known.len() > services.len() {
        let there: HashSet<&ServiceKey> = services.iter().map(|status| status.service.key()).collect();
        known.retain(|key, _| there.contains(key));
    }
    for status in &mut services {
        match destinations(kernel, status.service.key(), known)? {
            Some(destinations) => status.destinations = destinations,
            None => return Ok(None),
        }
    }
    let again = kernel.services()?;
    let same = services.iter().map(|s| s.service).eq(again.iter().map(|s| s.service));
    Ok(same.then_some(Snapshot { services }))
}

fn destinations(
    kernel: &mut impl Dump,
    key: &ServiceKey,
    known: &mut Known,
) -> Result<Option<Vec<DestinationStatus>>, Error> {
    let mut before = known.remove(key);
    for _ in 0..ROUNDS {
        let (found, parts) = kernel.destinations(key)?;
        if found.is_empty() {
            return Ok(kernel.exists(key)?.then_some(found));
        }
        // What is in there was told apart when it was read first.
        if let Some(list) =
            before.take_if(|before| before.iter().eq(found.iter().map(|one| &one.destination)))
        {
            known.insert(*key, list);
            return Ok(Some(found));
        }
        if !distinct(found.iter().map(|status| status.destination.key)) {
            before = None;
            continue;
        }
        // One part was filled in one go.
        if parts <= 1 {
            return Ok(Some(found));
        }
        before = Some(found.iter().map(|status| status.destination).collect());
    }
    Err(Error::Unsettled { rounds: ROUNDS })
}

fn distinct<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> bool {
    let mut seen = HashSet::new();
    keys.into_iter().all(|key| seen.insert(key))
}
