//! What a fuzzer does with octets: everything that a packet from the network can meet.
//!
//! Owns the invariants that hold for any octets at all. Used by cargo-fuzz and by the test that needs no fuzzer.

use std::net::IpAddr;
use std::time::Duration;

use vrrp_core::announce::ArpFrame;
use vrrp_core::codec::{Authentication, Datagram, Outgoing, Protocol, Secret, Version, decode, vrid_of};
use vrrp_core::{Action, Input, RouterConfig, RouterSettings, State, Time, VirtualRouter};

const OURS: [u8; 4] = [10, 91, 0, 9];
const INTERVAL: Duration = Duration::from_secs(1);

/// Meets one packet; panics when something does not hold that must.
pub fn packet(octets: &[u8]) {
    let _ = ArpFrame::read(octets);
    if let Ok(datagram) = Datagram::from_ipv4(octets) {
        assert!(datagram.payload.len() <= octets.len());
        message(&datagram);
    }
    // The same octets as the payload of IPv6, whose header the kernel keeps to itself.
    let v6 = |last: u16| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, last]);
    for protocol in [Protocol::Vrrp, Protocol::Ah] {
        message(&Datagram {
            source: v6(1),
            destination: IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
            hop_limit: 255,
            protocol,
            header: &[],
            payload: octets,
        });
    }
}

fn message(datagram: &Datagram<'_>) {
    let _ = vrid_of(datagram);
    if let Ok(advert) = decode(datagram) {
        assert!(advert.addresses.len() <= 255);
        assert!(advert.interval.span() >= Duration::from_millis(10));
        written_again(datagram);
        for secret in [&b"s3cr3tXY"[..], b"x"] {
            let secret = Secret::new(secret).unwrap();
            let _ = advert.is_authentic(datagram, &Authentication::Password(secret.clone()));
            let _ = advert.is_authentic(datagram, &Authentication::Header(secret));
        }
    }
    for version in [Version::V2, Version::V3] {
        heard(datagram, version);
    }
}

/// What was understood can be said, and is understood the same.
fn written_again(datagram: &Datagram<'_>) {
    let Ok(advert) = decode(datagram) else { return };
    let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
    let outgoing = Outgoing {
        version: advert.version,
        vrid: advert.vrid,
        priority: advert.priority,
        interval: advert.interval,
        addresses: &addresses,
        authentication: &Authentication::None,
        checksum: advert.checksum,
        source: datagram.source,
        destination: datagram.destination,
    };
    let mut buffer = Vec::new();
    if outgoing.message(&mut buffer).is_err() {
        return;
    }
    let again = Datagram { protocol: Protocol::Vrrp, payload: &buffer, ..*datagram };
    let read = decode(&again).unwrap();
    assert_eq!((read.version, read.vrid, read.priority), (advert.version, advert.vrid, advert.priority));
    assert_eq!(read.interval, advert.interval);
    assert!(read.addresses.iter().eq(addresses.iter().copied()));
}

/// Routers that hear it, Backup and Active: no packet may put off a takeover for longer than the limit of learned intervals, and
/// no packet may make one let go of its addresses without yielding.
fn heard(datagram: &Datagram<'_>, version: Version) {
    let vrid = vrid_of(datagram).map_or(51, |vrid| vrid.get());
    for priority in [100, 255] {
        let mut settings = RouterSettings::new(vrid, vec![IpAddr::from([10, 91, 0, 100])]);
        (settings.version, settings.priority) = (version, priority);
        let mut router = VirtualRouter::new(RouterConfig::check(settings).unwrap());
        let mut now = Time::from_start(Duration::from_secs(10));
        router.handle(Input::LinkWentUp { source: IpAddr::from(OURS) }, now);
        router.handle(Input::Started { held: None }, now);
        drain(&mut router);
        now = now + INTERVAL / 2;
        let before = router.state();
        router.handle(Input::DatagramReceived(*datagram), now);
        assert!(!drain(&mut router), "addresses are let go of at once only for a fault");
        let yielded = before == State::Active && router.state() != State::Active;
        router.handle(Input::DeadlinePassed, now + vrrp_core::router::LINGERING);
        assert_eq!(drain(&mut router), yielded);
        let (at, _) = router.deadline().unwrap();
        assert!(
            at.since(now) <= INTERVAL * 10 * 4 + Duration::from_secs(1),
            "a takeover put off for too long"
        );
    }
}

/// Drains the commands, and says whether the last about the addresses was to release them.
fn drain(router: &mut VirtualRouter) -> bool {
    let mut released = false;
    for _ in 0..200 {
        match router.poll_action() {
            Some(Action::ReleaseAddresses) => released = true,
            Some(Action::ClaimAddresses { .. }) => released = false,
            Some(_) => {}
            None => return released,
        }
    }
    panic!("one packet makes commands without end");
}
