//! The text format of `ipvsadm --save --numeric` and `ipvsadm --restore`.
//!
//! Owns both directions: [`export`] writes a table as `ipvsadm -Sn` would, line for line; [`parse`] reads such lines
//! into a table. Never a host or service name, never a comment (the format has none), never a command that clears.

mod line;
mod order;
mod parse;

#[cfg(test)]
mod tests;

use crate::types::{Destination, Service, Snapshot, Table};

pub(crate) use line::Line;
pub use parse::{MAX_ERRORS, ParseError, Problem, parse};

/// What to do where `ipvsadm -Sn` would lose something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// The same bytes as `ipvsadm -Sn`: thresholds are left out, a firewall mark from 2³¹ is negative.
    #[default]
    Saved,
    /// All that `ipvsadm -R` can read: thresholds as `-x` and `-y`, marks as they are.
    Complete,
}

/// Writes a table, one line for each service and destination, in the order of `ipvsadm -Sn`.
///
/// That order compares addresses by a signed difference, so 192.0.2.1 comes before 10.0.0.1. Where three
/// addresses lie more than half of the address space apart it goes in circles, and the outcome depends on the
/// kernel's own order, which a table does not have: [`export_snapshot`] is exact there too.
///
/// Three things have no form that can be read back, and come out as `ipvsadm` prints them: a protocol that IPVS
/// does not balance (`--xxx-service`), a bypass destination (`(null)`), a local one (`-g`).
pub fn export(table: &Table, style: Style) -> String {
    write(
        table.values().map(|entry| (&entry.service, entry.destinations.values().collect())).collect(),
        style,
    )
}

/// Writes a snapshot, in the order that `ipvsadm -Sn` has for the same kernel's answer.
pub fn export_snapshot(snapshot: &Snapshot, style: Style) -> String {
    write(
        snapshot
            .services
            .iter()
            .map(|status| (&status.service, status.destinations.iter().map(|d| &d.destination).collect()))
            .collect(),
        style,
    )
}

fn write(mut services: Vec<(&Service, Vec<&Destination>)>, style: Style) -> String {
    let line = Line::new(style);
    let mut out = String::new();
    order::sort(&mut services, |(a, _), (b, _)| order::services(a.key(), b.key()));
    for (service, mut destinations) in services {
        order::sort(&mut destinations, |a, b| order::destinations(&a.key, &b.key));
        // Writing to a string cannot fail.
        let _ = line.service(&mut out, "-A", service);
        out.push('\n');
        for destination in destinations {
            let _ = line.destination(&mut out, "-a", service.key(), destination);
            out.push('\n');
        }
    }
    out
}
