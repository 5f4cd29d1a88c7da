//! What a seed stands for: how many routers, how they are set up, how bad their network is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp_core::codec::{Authentication, ChecksumForm, Family, Secret, Version};
use vrrp_core::{RouterConfig, RouterSettings};

use super::dice::Dice;
use super::node::Node;

/// A seed's world before anything happens.
pub struct Scenario {
    pub nodes: Vec<Node>,
    pub lans: usize,
    /// The longest interval of all routers.
    pub interval: Duration,
    pub preempt_delay: Duration,
    pub version: Version,
    /// Whether claims may fail.
    pub claims_fail: bool,
}

impl Scenario {
    pub fn new(dice: &mut Dice) -> Self {
        let count = dice.between(2, 5) as usize;
        let lans = if dice.chance(200) { 2 } else { 1 };
        let version = if dice.chance(150) { Version::V2 } else { Version::V3 };
        let family = if version == Version::V3 && dice.chance(300) { Family::Ipv6 } else { Family::Ipv4 };
        let base = match version {
            Version::V2 => 1000 * dice.between(1, 2),
            Version::V3 => dice.choose(&[10, 20, 100, 100, 500, 1000, 1000, 3000]),
        };
        let mixed_intervals = version == Version::V3 && dice.chance(150);
        let ties = lans == 1 && dice.chance(150);
        let owners = if dice.chance(100) { dice.between(1, 2) } else { 0 };
        let unicast = dice.chance(250);
        let delayed = dice.chance(150);
        let last_advert = dice.chance(800);
        let authentication = match (version, dice.below(2)) {
            (Version::V2, 1) => Authentication::Password(Secret::new(b"s3cr3tXY").unwrap()),
            _ => Authentication::None,
        };
        // Distinct priorities from anywhere in the range, also neighbours.
        let mut priorities: Vec<u8> = Vec::new();
        while priorities.len() < count {
            let priority = if dice.chance(300) { dice.between(250, 254) } else { dice.between(1, 254) } as u8;
            if ties || !priorities.contains(&priority) {
                priorities.push(priority);
            }
        }
        for priority in priorities.iter_mut().take(if lans == 1 { owners as usize } else { 0 }) {
            *priority = 255;
        }
        let source = |lan: usize, node: usize| address(family, lan, node + 1);
        let mut interval = Duration::ZERO;
        let mut preempt_delay = Duration::ZERO;
        let nodes = (0..count)
            .map(|node| {
                let own =
                    Duration::from_millis(base) * if mixed_intervals && dice.chance(500) { 2 } else { 1 };
                let preempt = dice.chance(750);
                let delay = if delayed { own * dice.between(1, 8) as u32 } else { Duration::ZERO };
                let lease = Duration::from_secs(dice.choose(&[1, 3, 3, 3]));
                let checksum = dice.choose(&[ChecksumForm::PseudoHeader, ChecksumForm::Plain]);
                interval = interval.max(own);
                preempt_delay = preempt_delay.max(delay);
                let configs = (0..lans).map(|lan| {
                    let virtual_addresses = vec![address(family, lan, 100), address(family, lan, 101)];
                    let peers = (0..count).filter(|&peer| unicast && peer != node);
                    let settings = RouterSettings {
                        version,
                        priority: priorities[node],
                        preempt,
                        preempt_delay: delay,
                        authentication: authentication.clone(),
                        checksum,
                        peers: peers.map(|peer| source(lan, peer)).collect(),
                        lease,
                        last_advert,
                        ..RouterSettings::new(51, virtual_addresses).with_interval(own)
                    };
                    RouterConfig::check(settings).unwrap()
                });
                let sources = (0..lans).map(|lan| source(lan, node)).collect();
                let ppm = dice.between(0, 2000) as i64 - 1000;
                Node::new(configs.collect(), sources, dice.below(1_000_000_000_000), ppm)
            })
            .collect();
        let claims_fail = base >= 1000 && dice.chance(100);
        Self { nodes, lans, interval, preempt_delay, version, claims_fail }
    }

    /// Two routers of version 3, the first one better by enough for their clocks to run apart, and nothing peculiar.
    pub fn pair(dice: &mut Dice) -> Self {
        let interval = Duration::from_millis(dice.choose(&[10, 20, 100, 1000]));
        let worse = dice.between(1, 230);
        let better = dice.between(worse + 15, 254);
        let nodes = [better, worse].into_iter().enumerate().map(|(node, priority)| {
            let settings = RouterSettings {
                priority: priority as u8,
                ..RouterSettings::new(51, vec![address(Family::Ipv4, 0, 100)]).with_interval(interval)
            };
            let ppm = dice.between(0, 2000) as i64 - 1000;
            let config = RouterConfig::check(settings).unwrap();
            let source = address(Family::Ipv4, 0, node + 1);
            Node::new(vec![config], vec![source], dice.below(1_000_000_000_000), ppm)
        });
        let nodes = nodes.collect();
        let preempt_delay = Duration::ZERO;
        Self { nodes, lans: 1, interval, preempt_delay, version: Version::V3, claims_fail: false }
    }
}

fn address(family: Family, lan: usize, host: usize) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, 91, lan as u8, host as u8).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, lan as u16, host as u16).into(),
    }
}
