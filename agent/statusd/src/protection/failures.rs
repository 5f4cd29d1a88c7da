//! Who failed how often: a few wrong passwords are a slip, more have to wait.
//!
//! Owns one bucket per address (a /64 of IPv6), a limited number of them. It reads no clock.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many failures are free.
pub const FREE: u32 = 10;
/// One more is free again after this time.
pub const PER_FAILURE: Duration = Duration::from_secs(6);
/// The most addresses that are remembered.
const TRACKED: usize = 4_096;

/// Addresses that failed. Each has a moment at which all is forgotten; it moves away with every failure.
#[derive(Debug, Default)]
pub struct Failures {
    forgotten_at: BTreeMap<IpAddr, Instant>,
}

impl Failures {
    /// How long `from` has to wait before it may try again; `None` when it may now.
    pub fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let debt = self.forgotten_at.get(&network(from))?.saturating_duration_since(now);
        let most = PER_FAILURE * (FREE - 1);
        (debt > most).then(|| debt - most)
    }

    /// `from` has failed.
    pub fn note(&mut self, from: IpAddr, now: Instant) {
        let from = network(from);
        if self.forgotten_at.len() >= TRACKED && !self.forgotten_at.contains_key(&from) {
            self.forgotten_at.retain(|_, at| *at > now);
            // Who failed least is the one to forget.
            let least = self.forgotten_at.iter().min_by_key(|(_, at)| **at).map(|(from, _)| *from);
            if let Some(least) = least.filter(|_| self.forgotten_at.len() >= TRACKED) {
                self.forgotten_at.remove(&least);
            }
        }
        let at = self.forgotten_at.entry(from).or_insert(now);
        *at = (*at).max(now) + PER_FAILURE;
    }
}

/// What counts as one client: whoever has an IPv6 network has all of its addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_free_then_one_in_six_seconds() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..FREE {
            assert_eq!(failures.wait(from, start), None);
            failures.note(from, start);
        }
        assert_eq!(failures.wait(from, start), Some(PER_FAILURE));
        assert_eq!(failures.wait("192.0.2.2".parse().unwrap(), start), None);
        assert_eq!(failures.wait(from, start + PER_FAILURE), None);
        failures.note(from, start + PER_FAILURE);
        assert_eq!(failures.wait(from, start + PER_FAILURE), Some(PER_FAILURE));
        assert_eq!(failures.wait(from, start + PER_FAILURE * 20), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_mapped_ones_are_ipv4() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for n in 0..FREE {
            failures.note(format!("2001:db8::{n}").parse().unwrap(), start);
            failures.note("::ffff:192.0.2.1".parse().unwrap(), start);
        }
        assert!(failures.wait("2001:db8::ffff:1".parse().unwrap(), start).is_some());
        assert!(failures.wait("2001:db8:0:1::1".parse().unwrap(), start).is_none());
        assert!(failures.wait("192.0.2.1".parse().unwrap(), start).is_some());
    }

    #[test]
    fn many_addresses_cost_no_memory_and_do_not_hide_the_worst() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let worst: IpAddr = "192.0.2.1".parse().unwrap();
        (0..FREE).for_each(|_| failures.note(worst, start));
        for n in 0..20_000_u32 {
            failures.note(IpAddr::from(n.to_be_bytes()), start);
        }
        assert!(failures.forgotten_at.len() <= TRACKED);
        assert!(failures.wait(worst, start).is_some());
    }
}
