//! The order of `ipvsadm -Sn`: its comparison, and the sort it goes through.
//!
//! The comparison is a signed 32-bit difference and so no order at all where values lie 2³¹ or more apart. What comes
//! out then depends on the sorting algorithm, and Rust's may panic on it; hence the merge sort of the C library here.

use std::net::IpAddr;

use crate::types::{DestinationKey, Family, ServiceKey};

/// Sorts by merging halves, the lower half rounded down, equals in their order: `qsort` of glibc.
pub(super) fn sort<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> i32 + Copy) {
    if items.len() < 2 {
        return;
    }
    let mut upper = items.split_off(items.len() / 2);
    let mut lower = std::mem::take(items);
    sort(&mut lower, compare);
    sort(&mut upper, compare);
    let (mut lower, mut upper) = (lower.into_iter().peekable(), upper.into_iter().peekable());
    while let (Some(a), Some(b)) = (lower.peek(), upper.peek()) {
        items.extend(if compare(a, b) <= 0 { lower.next() } else { upper.next() });
    }
    items.extend(lower);
    items.extend(upper);
}

fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// The first difference that is not zero.
fn first(differences: impl IntoIterator<Item = (u32, u32)>) -> i32 {
    differences.into_iter().map(|(a, b)| difference(a, b)).find(|&d| d != 0).unwrap_or(0)
}

/// An address as four words, most significant first; IPv4 in the first.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [v4.to_bits(), 0, 0, 0],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
        }
    }
}

fn addresses(a: IpAddr, b: IpAddr) -> i32 {
    // A first IPv4 address compares one word only, whatever the second is.
    let count = if a.is_ipv6() { 4 } else { 1 };
    first(words(a).into_iter().zip(words(b)).take(count))
}

/// By mark, family, protocol, address, port; a service without a mark has mark 0, one with a mark no address.
pub(super) fn services(a: &ServiceKey, b: &ServiceKey) -> i32 {
    let parts = |key: &ServiceKey| match *key {
        ServiceKey::Address { protocol, address, port } => {
            (0, Family::of(address), u32::from(protocol.number()), Some(address), u32::from(port))
        }
        ServiceKey::FirewallMark { family, mark } => (mark.get(), family, 0, None, 0),
    };
    let (a_mark, a_family, a_protocol, a_address, a_port) = parts(a);
    let (b_mark, b_family, b_protocol, b_address, b_port) = parts(b);
    match first([(a_mark, b_mark), (a_family as u32, b_family as u32), (a_protocol, b_protocol)]) {
        0 => {}
        different => return different,
    }
    if let (Some(a), Some(b)) = (a_address, b_address) {
        match addresses(a, b) {
            0 => {}
            different => return different,
        }
    }
    difference(a_port, b_port)
}

/// By address, then port.
pub(super) fn destinations(a: &DestinationKey, b: &DestinationKey) -> i32 {
    match addresses(a.address, b.address) {
        0 => difference(u32::from(a.port), u32::from(b.port)),
        different => different,
    }
}
