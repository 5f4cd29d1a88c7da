//! The spans the protocol counts with.
//!
//! Owns Skew_Time and the Active down interval (RFC 9568, 6.1; RFC 3768, 6.1), exact to the nanosecond: in whole
//! centiseconds the skew of a short interval is 0 for everybody, and all backups speak at once.

use std::time::Duration;

use crate::codec::{AdvertInterval, PRIORITY_OWNER, Version};

/// Skew_Time: what keeps a router of lower priority waiting longer. In version 2 it does not depend on the interval.
#[must_use]
pub fn skew(version: Version, priority: u8, active_interval: AdvertInterval) -> Duration {
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active_interval.span(),
    };
    whole * (256 - u32::from(priority)) / 256
}

/// Active_Down_Interval: how long a Backup waits for an advert of an Active router with this interval.
#[must_use]
pub fn down_interval(version: Version, priority: u8, active_interval: AdvertInterval) -> Duration {
    3 * active_interval.span() + skew(version, priority, active_interval)
}

/// The silence after which some Backup may have taken over, whatever its priority: the least a router that was
/// silent itself must count with.
#[must_use]
pub fn shortest_down_interval(version: Version, active_interval: AdvertInterval) -> Duration {
    down_interval(version, PRIORITY_OWNER - 1, active_interval)
}

/// How long a router that was out of step listens before it speaks: long enough to hear an Active router even if one of
/// its adverts is lost.
#[must_use]
pub fn listening_interval(version: Version, priority: u8, active_interval: AdvertInterval) -> Duration {
    2 * active_interval.span() + skew(version, priority, active_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v3(centiseconds: u16) -> AdvertInterval {
        AdvertInterval::from_centiseconds(centiseconds).unwrap()
    }

    #[test]
    fn spans_are_exact() {
        let micros = |span: Duration| span.as_nanos() as f64 / 1000.0;
        for (version, priority, interval, skew_us, down_us) in [
            (Version::V3, 100, v3(100), 609_375.0, 3_609_375.0),
            (Version::V3, 100, v3(10), 60_937.5, 360_937.5),
            (Version::V3, 100, v3(1), 6_093.75, 36_093.75),
            (Version::V3, 254, v3(1), 78.125, 30_078.125),
            (Version::V3, 253, v3(1), 117.187, 30_117.187),
            (Version::V3, 255, v3(100), 3_906.25, 3_003_906.25),
            (Version::V3, 1, v3(4095), 40_790_039.062, 163_640_039.062),
            (Version::V2, 100, AdvertInterval::from_seconds(1).unwrap(), 609_375.0, 3_609_375.0),
            (Version::V2, 100, AdvertInterval::from_seconds(10).unwrap(), 609_375.0, 30_609_375.0),
            (Version::V2, 1, AdvertInterval::from_seconds(255).unwrap(), 996_093.75, 765_996_093.75),
        ] {
            assert_eq!(micros(skew(version, priority, interval)), skew_us, "{priority} {interval:?}");
            assert_eq!(
                micros(down_interval(version, priority, interval)),
                down_us,
                "{priority} {interval:?}"
            );
        }
    }

    #[test]
    fn no_two_priorities_share_a_skew() {
        for priority in 1..255 {
            assert!(skew(Version::V3, priority, v3(1)) > skew(Version::V3, priority + 1, v3(1)));
        }
        assert!(skew(Version::V3, 255, v3(1)) > Duration::ZERO);
    }
}
