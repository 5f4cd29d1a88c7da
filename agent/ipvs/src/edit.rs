//! The changes that can be made to a table, one kernel request each.
//!
//! There is no edit that clears the table, and none will be added: whoever wants everything gone names it.
//! An edit only says what to do; it is carried out by `Ipvs::apply`, or by [`Edit::apply_to`] on a model.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::text::{Line, Style};
use crate::types::{Destination, DestinationKey, Service, ServiceEntry, ServiceKey, Table};

/// One change to the table.
///
/// Displayed as the line for `ipvsadm -R` that does the same: `-a -u 10.0.0.1:53 -r 10.1.53.2:53 -g -w 100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edit {
    /// Adds a service; it must not be there.
    AddService(Service),
    /// States everything about a service that is there. Its destinations, connections and statistics stay.
    SetService(Service),
    /// Removes a service with its destinations.
    RemoveService(ServiceKey),
    /// Adds a destination; it must not be there, nor may another with the same address and port.
    AddDestination {
        /// The service it is for, which must be there.
        service: ServiceKey,
        /// The destination.
        destination: Destination,
    },
    /// States everything about a destination that is there. Its connections and statistics stay.
    SetDestination {
        /// The service it is for.
        service: ServiceKey,
        /// The destination.
        destination: Destination,
    },
    /// Removes a destination.
    RemoveDestination {
        /// The service it is for.
        service: ServiceKey,
        /// Which one.
        destination: DestinationKey,
    },
}

impl Edit {
    /// The service that the edit is about.
    pub const fn service(&self) -> &ServiceKey {
        match self {
            Edit::AddService(service) | Edit::SetService(service) => service.key(),
            Edit::RemoveService(key) => key,
            Edit::AddDestination { service, .. }
            | Edit::SetDestination { service, .. }
            | Edit::RemoveDestination { service, .. } => service,
        }
    }

    /// The destination that the edit is about, if it is about one.
    pub const fn destination(&self) -> Option<&DestinationKey> {
        match self {
            Edit::AddService(_) | Edit::SetService(_) | Edit::RemoveService(_) => None,
            Edit::AddDestination { destination, .. } | Edit::SetDestination { destination, .. } => {
                Some(&destination.key)
            }
            Edit::RemoveDestination { destination, .. } => Some(destination),
        }
    }

    /// Does to a model of the table what the kernel would do, as far as keys go.
    ///
    /// # Errors
    /// [`Conflict`] where the kernel would refuse because something is there or is missing; the table is unchanged
    /// then.
    pub fn apply_to(&self, table: &mut Table) -> Result<(), Conflict> {
        match *self {
            Edit::AddService(service) => {
                if table.contains_key(service.key()) {
                    return Err(Conflict::ServiceExists(*service.key()));
                }
                table.insert(*service.key(), ServiceEntry::new(service));
            }
            Edit::SetService(service) => entry(table, service.key())?.service = service,
            Edit::RemoveService(key) => {
                table.remove(&key).ok_or(Conflict::ServiceMissing(key))?;
            }
            Edit::AddDestination { service, destination } => {
                let destinations = &mut entry(table, &service)?.destinations;
                if destinations.contains_key(&destination.key) {
                    return Err(Conflict::DestinationExists(service, destination.key));
                }
                destinations.insert(destination.key, destination);
            }
            Edit::SetDestination { service, destination } => {
                *entry(table, &service)?
                    .destinations
                    .get_mut(&destination.key)
                    .ok_or(Conflict::DestinationMissing(service, destination.key))? = destination;
            }
            Edit::RemoveDestination { service, destination } => {
                entry(table, &service)?
                    .destinations
                    .remove(&destination)
                    .ok_or(Conflict::DestinationMissing(service, destination))?;
            }
        }
        Ok(())
    }
}

fn entry<'t>(table: &'t mut Table, key: &ServiceKey) -> Result<&'t mut ServiceEntry, Conflict> {
    table.get_mut(key).ok_or(Conflict::ServiceMissing(*key))
}

/// An edit does not fit the table it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A service to be added is there.
    #[error("service {0} is already there")]
    ServiceExists(ServiceKey),
    /// A service is not there.
    #[error("there is no service {0}")]
    ServiceMissing(ServiceKey),
    /// A destination to be added is there.
    #[error("service {0} already has the destination {1}")]
    DestinationExists(ServiceKey, DestinationKey),
    /// A destination is not there.
    #[error("service {0} has no destination {1}")]
    DestinationMissing(ServiceKey, DestinationKey),
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Line::new(Style::Complete);
        match self {
            Edit::AddService(service) => line.service(f, "-A", service),
            Edit::SetService(service) => line.service(f, "-E", service),
            Edit::RemoveService(key) => line.service_key(f, "-D", key),
            Edit::AddDestination { service, destination } => line.destination(f, "-a", service, destination),
            Edit::SetDestination { service, destination } => line.destination(f, "-e", service, destination),
            Edit::RemoveDestination { service, destination } => {
                line.destination_key(f, "-d", service, destination)
            }
        }
    }
}
