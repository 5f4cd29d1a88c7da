//! The words for what happens to a virtual router.
//!
//! Owns one line for each event and how grave it is. It knows no state.

use std::time::Duration;

use tracing::Level;
use vrrp_core::arp::{ArpEvent, ArpReason};
use vrrp_core::codec::Family;
use vrrp_core::router::{Discrepancy, Reason};
use vrrp_core::{Event, State};

/// How a virtual router is called where its families must be told apart.
#[must_use]
pub fn who(name: &str, family: Family) -> String {
    match family {
        Family::Ipv4 => name.to_owned(),
        Family::Ipv6 => format!("{name} (IPv6)"),
    }
}

/// What a state is called.
#[must_use]
pub const fn state(state: State) -> &'static str {
    match state {
        State::Initialize => "initialize",
        State::Backup => "backup",
        State::Active => "active",
    }
}

/// How grave an event is.
#[must_use]
pub const fn gravity(event: &Event) -> Level {
    match event {
        Event::StateChanged { to, reason, .. } => match (to, reason) {
            (State::Initialize, Reason::Stopped) | (State::Backup | State::Active, _) => Level::INFO,
            (State::Initialize, _) => Level::WARN,
        },
        Event::PriorityChanged { .. } => Level::INFO,
        Event::DiscrepancySeen { .. }
        | Event::LosingAdvertAnswered { .. }
        | Event::TimerLate { .. }
        | Event::LeaseLapsed
        | Event::AddressLost { .. }
        | Event::DuplicateSeen { .. } => Level::WARN,
    }
}

/// An event in one line. `priority` is the one the router speaks with.
#[must_use]
pub fn event(event: &Event, priority: u8) -> String {
    match event {
        Event::StateChanged { from, to, reason } => {
            format!("{} -> {}: {} (priority {priority})", state(*from), state(*to), self::reason(reason))
        }
        Event::PriorityChanged { from, to } => format!("priority {from} -> {to}"),
        Event::DiscrepancySeen { source, what } => format!("{source}: {}", discrepancy(what)),
        Event::LosingAdvertAnswered { source, priority: theirs } => {
            format!(
                "{source} spoke as active with priority {theirs}, below ours; answered and announced again"
            )
        }
        Event::TimerLate { late } => {
            format!("this program ran {} late; listening again before it takes over", span(*late))
        }
        Event::LeaseLapsed => "the lease of the addresses had run out; claimed them again".to_owned(),
        Event::AddressLost { address, count } => {
            format!("somebody removed {address} ({count} times so far); putting it back")
        }
        Event::DuplicateSeen { address, mac, count } => {
            format!(
                "{} says it has {address}, too (heard {count} times); announced it again",
                self::mac(*mac)
            )
        }
    }
}

/// Why a state changed.
#[must_use]
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Started => "takes part".to_owned(),
        Reason::Resumed => "found its addresses still held, goes on".to_owned(),
        Reason::Owner => "owns the addresses".to_owned(),
        Reason::ActiveFellSilent => "no advert for too long".to_owned(),
        Reason::ActiveLeft => "the active router left".to_owned(),
        Reason::Preempted => "the active router has a lower priority".to_owned(),
        Reason::BetterRouter { source, priority } => format!("{source} has priority {priority}"),
        Reason::Stalled { silent } => {
            format!("this program did not run for {}, another may have taken over", span(*silent))
        }
        Reason::LinkWentDown => "the interface went down".to_owned(),
        Reason::SourceLost => "the interface lost its address".to_owned(),
        Reason::TrackerFailed => "something it tracks has failed".to_owned(),
        Reason::GroupFault => "another member of its sync group cannot take part".to_owned(),
        Reason::GroupYielded => "another member of its sync group yielded".to_owned(),
        Reason::ClaimFailed => "the addresses could not be put on the interface".to_owned(),
        Reason::AddressesRemoved => "somebody keeps removing the addresses".to_owned(),
        Reason::Ordered => "by an operator's order".to_owned(),
        Reason::Stopped => "stopped".to_owned(),
    }
}

/// What is not as it is set here.
#[must_use]
pub fn discrepancy(what: &Discrepancy) -> String {
    match what {
        Discrepancy::Rejected(cause) => format!("its adverts are discarded: {cause}"),
        Discrepancy::AddressList => {
            "its adverts list other addresses than ours; set the same on both sides, some implementations discard ours"
                .to_owned()
        }
        Discrepancy::Interval(theirs) => {
            format!("its interval is {theirs:?}, another than ours; it is learned while it is active")
        }
        Discrepancy::IntervalLimited(theirs) => {
            format!("its interval is {theirs:?}, above the limit; learned only up to that")
        }
        Discrepancy::Checksum(theirs) => {
            format!("its checksums have another form than ours ({theirs:?}); it may not take ours")
        }
        Discrepancy::SecondOwner => {
            "it says it owns the addresses (priority 255), and so do we; only one can".to_owned()
        }
        Discrepancy::SamePriority => "it has our own priority; give each router another one".to_owned(),
    }
}

/// What a takeover by ARP reports, in one line.
#[must_use]
pub fn arp_event(event: &ArpEvent) -> String {
    match event {
        ArpEvent::StateChanged { from, to, reason } => {
            format!("{} -> {}: {}", state(*from), state(*to), arp_reason(*reason))
        }
        ArpEvent::DirectorFellSilent => "the director answers no more".to_owned(),
        ArpEvent::DirectorReturned => "the director answers again".to_owned(),
        ArpEvent::CutOff => {
            "neither the director nor a sentinel answers: this machine is cut off, and takes nothing"
                .to_owned()
        }
        ArpEvent::Reconnected => "this machine is not cut off any more".to_owned(),
        ArpEvent::DuplicateSeen { address, mac } => format!("{} says it has {address}, too", self::mac(*mac)),
        ArpEvent::AddressLost(address) => format!("somebody removed {address}; putting it back"),
    }
}

/// Why a takeover by ARP changed its state.
#[must_use]
pub const fn arp_reason(reason: ArpReason) -> &'static str {
    match reason {
        ArpReason::Started => "takes part",
        ArpReason::Resumed => "found its addresses still held, goes on",
        ArpReason::DirectorGone => "the director does not answer",
        ArpReason::ServiceGone => "the director answers, but its service fails",
        ArpReason::NobodyHasThem => "nobody has the addresses",
        ArpReason::DirectorBack => "the director is back",
        ArpReason::HandedOver => "the standby gave the addresses to us",
        ArpReason::Claimed => "another machine insists on having the addresses",
        ArpReason::LinkWentDown => "the interface went down",
        ArpReason::TrackerFailed => "something it tracks has failed",
        ArpReason::ClaimFailed => "the addresses could not be held",
        ArpReason::Ordered => "by an operator's order",
        ArpReason::Stopped => "stopped",
    }
}

/// A MAC address as people write it.
#[must_use]
pub fn mac(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// A span in the unit that suits it.
fn span(span: Duration) -> String {
    match span.as_millis() {
        0 => format!("{} µs", span.as_micros()),
        millis @ 1..10_000 => format!("{millis} ms"),
        _ => format!("{} s", span.as_secs()),
    }
}
