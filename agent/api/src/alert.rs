//! Words about alerts: how grave a trouble is, when in the week something holds, what is silenced.
//!
//! Owns the order of severities, the arithmetic of weekly hours in a time zone, and an operator's silences. It never
//! decides who is told: that is the digest's.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{Name, RealServerId};

/// How grave a trouble is. In order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Should be looked at; clients are served.
    #[default]
    Warning,
    /// Clients are not served, or what protects them does not work.
    Critical,
}

impl Severity {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in the configuration, in JSON and in mails.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One span of the week: these days, from this minute to that one. One that ends before it begins goes on into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Days on which it begins, Monday first.
    pub days: [bool; 7],
    /// Minute of the day at which it begins, 0 to 1439.
    pub from: u16,
    /// Minute of the day before which it ends, 1 to 1440.
    pub to: u16,
}

impl Window {
    fn contains(&self, weekday: Weekday, minute: u16) -> bool {
        let begins = |day: Weekday| {
            self.days
                .get(usize::from(day.to_monday_zero_offset().unsigned_abs()))
                .copied()
                .unwrap_or_default()
        };
        if self.from < self.to {
            begins(weekday) && (self.from..self.to).contains(&minute)
        } else {
            (begins(weekday) && minute >= self.from) || (begins(weekday.previous()) && minute < self.to)
        }
    }
}

/// Hours of the week, in whatever time zone they are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours(pub Vec<Window>);

impl Hours {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `at` lies in them.
    #[must_use]
    pub fn contain(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(at);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        self.0.iter().any(|window| window.contains(local.weekday(), minute))
    }

    /// The first moment after `at` at which [`Self::contain`] says something else; none within nine days.
    ///
    /// A time that a change of the clocks skips is the moment after it; of one that comes twice the first counts.
    #[must_use]
    pub fn change_after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let now = self.contain(at, zone);
        let today = zone.to_datetime(at).date();
        let mut minutes: Vec<u16> =
            self.0.iter().flat_map(|window| [window.from, window.to % 1440]).collect();
        minutes.push(0);
        minutes.sort_unstable();
        minutes.dedup();
        for ahead in 0..9 {
            let day = today.checked_add(Span::new().days(ahead)).ok()?;
            for minute in &minutes {
                let time = Time::new(
                    i8::try_from(minute / 60).unwrap_or_default(),
                    i8::try_from(minute % 60).unwrap_or_default(),
                    0,
                    0,
                );
                let Ok(time) = time else { continue };
                let Ok(moment) = zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible() else {
                    continue;
                };
                if moment > at && self.contain(moment, zone) != now {
                    return Some(moment);
                }
            }
        }
        None
    }
}

/// What a silence is about: everything, a virtual server, a real server (in one virtual server or in all), or a virtual
/// router.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SilenceTarget {
    /// The virtual server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<Name>,
    /// The real server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server: Option<Name>,
    /// The virtual router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_router: Option<Name>,
}

impl SilenceTarget {
    /// Whether trouble with the real server `id` is meant.
    #[must_use]
    pub fn covers_server(&self, id: &RealServerId) -> bool {
        self.virtual_router.is_none()
            && self.virtual_server.as_ref().is_none_or(|name| *name == id.virtual_server)
            && self.real_server.as_ref().is_none_or(|name| *name == id.real_server)
    }

    /// Whether trouble with the whole virtual server `name` is meant.
    #[must_use]
    pub fn covers_pool(&self, name: &Name) -> bool {
        self.virtual_router.is_none()
            && self.real_server.is_none()
            && self.virtual_server.as_ref().is_none_or(|own| own == name)
    }

    /// Whether trouble with the virtual router `name` is meant.
    #[must_use]
    pub fn covers_router(&self, name: &Name) -> bool {
        self.virtual_server.is_none()
            && self.real_server.is_none()
            && self.virtual_router.as_ref().is_none_or(|own| own == name)
    }

    /// Whether everything is meant.
    #[must_use]
    pub fn covers_all(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for SilenceTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.virtual_server, &self.real_server, &self.virtual_router) {
            (Some(pool), Some(server), _) => write!(f, "{pool}/{server}"),
            (Some(name), None, _) | (None, Some(name), _) => write!(f, "{name}"),
            (None, None, Some(router)) => write!(f, "{router}"),
            (None, None, None) => f.write_str("everything"),
        }
    }
}

/// An operator's order to send no mail about something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// What it is about.
    #[serde(flatten)]
    pub target: SilenceTarget,
    /// Only troubles no graver than this; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Who gave the order: the user name the kernel vouches for, and in brackets whom it says it acts for.
    pub who: String,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends by itself. A silence always has an end.
    pub until: Timestamp,
}

impl Silence {
    /// Whether the order is in force at `now`.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

impl std::fmt::Display for Silence {
    /// What is not told: `resolver/dns1`, `everything up to warning`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.severity {
            Some(most) => write!(f, "{} up to {most}", self.target),
            None => write!(f, "{}", self.target),
        }
    }
}

#[cfg(test)]
mod tests;
