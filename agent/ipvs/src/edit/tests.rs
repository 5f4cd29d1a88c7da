//! Edits on a model of the table, and as text.

use super::*;
use crate::text;
use crate::types::{Family, Forwarding, Scheduler, Thresholds, Weight};

fn destination(address: &str, weight: u16) -> Destination {
    Destination::new(
        DestinationKey::new(address.parse().unwrap(), 53),
        Forwarding::Direct,
        Weight::from(weight),
    )
}

#[test]
fn conflicts_leave_the_model_alone() {
    let start = text::parse("-A -u 10.0.0.1:53\n-a -u 10.0.0.1:53 -r 10.1.0.1 -w 5\n").unwrap();
    let here = *start.keys().next().unwrap();
    let gone = ServiceKey::firewall_mark(Family::Ipv6, 3).unwrap();
    let (there, other) = (destination("10.1.0.1", 9), destination("10.1.0.2", 9));
    let add = |service, destination| Edit::AddDestination { service, destination };
    let set = |service, destination| Edit::SetDestination { service, destination };
    let remove =
        |service, destination: Destination| Edit::RemoveDestination { service, destination: destination.key };
    let missing = Conflict::ServiceMissing(gone);
    let no_destination = Conflict::DestinationMissing(here, other.key);
    for (edit, expected) in [
        (Edit::AddService(Service::new(here, Scheduler::RR)), Conflict::ServiceExists(here)),
        (Edit::SetService(Service::new(gone, Scheduler::RR)), missing),
        (Edit::RemoveService(gone), missing),
        (add(gone, other), missing),
        (set(gone, other), missing),
        (remove(gone, other), missing),
        (add(here, there), Conflict::DestinationExists(here, there.key)),
        (set(here, other), no_destination),
        (remove(here, other), no_destination),
    ] {
        let mut table = start.clone();
        assert_eq!(edit.apply_to(&mut table), Err(expected), "{edit}");
        assert_eq!(table, start, "{edit}");
    }
    assert_eq!(missing.to_string(), "there is no service fwmark 3 (IPv6)");
}

#[test]
fn each_as_text() {
    let service = ServiceKey::new(crate::types::Protocol::Udp, "2001:db8::1".parse().unwrap(), 53).unwrap();
    let mut limited = destination("2001:db8::2", 7);
    limited.thresholds = Thresholds::new(20, 10).unwrap();
    let shown = [
        Edit::AddService(Service::new(service, Scheduler::MH)),
        Edit::SetService(Service::new(service, Scheduler::RR)),
        Edit::RemoveService(service),
        Edit::AddDestination { service, destination: limited },
        Edit::SetDestination { service, destination: destination("2001:db8::2", 0) },
        Edit::RemoveDestination { service, destination: limited.key },
    ]
    .map(|edit| edit.to_string());
    assert_eq!(
        shown,
        [
            "-A -u [2001:db8::1]:53 -s mh",
            "-E -u [2001:db8::1]:53 -s rr",
            "-D -u [2001:db8::1]:53",
            "-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -g -w 7 -x 20 -y 10",
            "-e -u [2001:db8::1]:53 -r [2001:db8::2]:53 -g -w 0",
            "-d -u [2001:db8::1]:53 -r [2001:db8::2]:53",
        ]
    );
}
