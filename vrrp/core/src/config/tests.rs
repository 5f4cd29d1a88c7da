//! Every mistake has its error, all at once; the checked form says what was set.

use super::*;

fn settings() -> RouterSettings {
    RouterSettings::new(51, vec![address("10.91.0.100")])
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn errors(change: impl FnOnce(&mut RouterSettings)) -> Vec<ConfigError> {
    let mut settings = settings();
    change(&mut settings);
    RouterConfig::check(settings).err().unwrap_or_default()
}

#[test]
fn the_defaults_are_right() {
    let config = RouterConfig::check(settings()).unwrap();
    assert_eq!((config.vrid().get(), config.interval().centiseconds()), (51, 100));
    assert_eq!(config.learned_interval_limit().centiseconds(), 1000);
    assert_eq!(config.destinations().collect::<Vec<_>>(), [address("224.0.0.18")]);
    assert!(config.accepts());
}

#[test]
fn each_mistake_has_its_error() {
    use ConfigError as E;
    let six = address("fd91::100");
    let four = address("10.91.0.100");
    let seconds = Duration::from_secs;
    let secret = || Authentication::Password(crate::codec::Secret::new(b"x").unwrap());
    assert_eq!(errors(|s| s.vrid = 0), [E::Vrid]);
    assert_eq!(errors(|s| s.priority = 0), [E::Priority]);
    assert_eq!(
        errors(|s| (s.version, s.interval) = (Version::V2, Duration::from_millis(400))),
        [E::Interval(Version::V2)]
    );
    assert_eq!(errors(|s| s.interval = Duration::from_millis(5)), [E::Interval(Version::V3)]);
    assert_eq!(errors(|s| *s = s.clone().with_interval(seconds(41))), [E::Interval(Version::V3)]);
    assert_eq!(errors(|s| s.addresses.clear()), [E::NoAddress]);
    assert_eq!(errors(|s| (s.version, s.addresses) = (Version::V2, vec![])), [E::NoAddress]);
    assert_eq!(
        errors(|s| s.addresses = (0..=255u8).map(|n| IpAddr::from([10, 91, 1, n])).collect()),
        [E::TooManyAddresses]
    );
    assert_eq!(errors(|s| s.addresses.push(six)), [E::AddressFamily(six)]);
    assert_eq!(errors(|s| s.unlisted.push(six)), []);
    assert_eq!(errors(|s| s.unlisted.push(address("224.0.0.18"))), [E::NotAHost(address("224.0.0.18"))]);
    assert_eq!(errors(|s| s.unlisted.push(four)), [E::Twice(four)]);
    assert_eq!(
        errors(|s| (s.version, s.family, s.addresses) = (Version::V2, Family::Ipv6, vec![six])),
        [E::VersionForFamily]
    );
    assert_eq!(errors(|s| s.authentication = secret()), [E::Authentication]);
    assert_eq!(errors(|s| (s.version, s.authentication) = (Version::V2, secret())), []);
    assert_eq!(errors(|s| s.peers.push(six)), [E::PeerFamily(six)]);
    assert_eq!(errors(|s| s.learned_interval_limit = Duration::from_millis(990)), [E::LearnedIntervalLimit]);
    assert_eq!(errors(|s| s.lease = Duration::from_millis(999)), [E::Lease]);
    assert_eq!(errors(|s| s.announcements.rounds = 0), [E::Announcements]);
    assert_eq!(errors(|s| s.announcements.refresh = Some(Duration::ZERO)), [E::Announcements]);
    assert_eq!(errors(|s| s.start_delay = seconds(100_000)), [E::Delay]);
    assert_eq!(
        errors(|s| (s.vrid, s.priority, s.lease) = (0, 0, Duration::ZERO)),
        [E::Vrid, E::Priority, E::Lease]
    );
}

#[test]
fn an_owner_always_takes_its_addresses() {
    let owner = RouterSettings {
        priority: 255,
        preempt: false,
        accept: false,
        preempt_delay: Duration::from_secs(9),
        ..settings()
    };
    let config = RouterConfig::check(owner).unwrap();
    assert!(config.settings().preempt && config.accepts());
    assert_eq!(config.settings().preempt_delay, Duration::ZERO);
}

#[test]
fn lists_are_compared_as_sets() {
    let list: Vec<IpAddr> = ["10.91.0.100", "10.91.0.101", "10.91.0.7"].map(address).to_vec();
    let config = RouterConfig::check(RouterSettings::new(1, list.clone())).unwrap();
    assert!(config.lists(list.iter().copied()));
    assert!(config.lists(list.iter().rev().copied()));
    assert!(!config.lists(list.iter().take(2).copied()));
    assert!(!config.lists(list.iter().copied().chain([list[0]])));
    assert!(!config.lists([list[0], list[0], list[1]].into_iter()));
    assert!(!config.lists([list[0], list[1], address("10.91.0.8")].into_iter()));
}

#[test]
fn the_limit_of_learned_intervals_ends_where_the_protocol_does() {
    let config = RouterConfig::check(settings().with_interval(Duration::from_secs(30))).unwrap();
    assert_eq!(config.learned_interval_limit().centiseconds(), 4095);
}
