//! Telling as `alertd` reports it: what waits, how each channel does, what was told.
//!
//! Owns the words of `alertd`'s section. No secret is in here, and no address of a web hook, which may hold one: a channel is
//! known by its name. It never decides who is told.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::Name;
use crate::section::{Section, SectionUpdate};

/// `alertd`'s section: its channels.
pub type AlertSection = Section<Channel, AlertHead, ChannelReport>;
/// A report of `alertd`.
pub type AlertUpdate = SectionUpdate<Channel, AlertHead, ChannelReport>;

/// How many troubles are told to peers.
pub const TOLD_MAX: usize = 500;
/// How many of those that are over.
pub const TOLD_OVER_MAX: usize = 200;
/// How long the name of a channel may be, in octets.
pub const CHANNEL_MAX: usize = 320;

/// Where notices go: `mail:staff@example.net`, `webhook:chat`, `command:pager`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A mail address.
    Mail(String),
    /// A web hook.
    Webhook(Name),
    /// A command.
    Command(Name),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(address) => write!(f, "mail:{address}"),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Command(name) => write!(f, "command:{name}"),
        }
    }
}

/// A text that is no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no channel")]
pub struct NoChannel(String);

impl FromStr for Channel {
    type Err = NoChannel;

    fn from_str(text: &str) -> Result<Self, NoChannel> {
        let no = || NoChannel(text.chars().take(80).collect());
        match text.split_once(':') {
            Some(("mail", address))
                if text.len() <= CHANNEL_MAX
                    && !address.is_empty()
                    && !address.contains(char::is_control) =>
            {
                Ok(Self::Mail(address.to_owned()))
            }
            Some(("webhook", name)) => name.parse().map(Self::Webhook).map_err(|_| no()),
            Some(("command", name)) => name.parse().map(Self::Command).map_err(|_| no()),
            _ => Err(no()),
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// `alertd`'s single facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertHead {
    /// Whether there is an `[alert]`; without one nobody is told.
    pub configured: bool,
    /// Notices that wait to be delivered, one for each channel.
    pub spool: u64,
    /// Since when the oldest of them waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Incidents that are open.
    pub incidents: u64,
    /// Of them those that wait: for quiet hours to end, for a route's hours, for the Active director.
    pub held: u64,
    /// Troubles that a silence or a drain keeps from being told.
    pub silenced: u64,
    /// Notices delivered since the spool was made.
    pub delivered: u64,
    /// Notices given up since then: too old, refused, too many.
    pub given_up: u64,
    /// Events that were never seen here, because the agent keeps only the latest.
    pub missed_events: u64,
    /// Why the spool can't be written; empty when it can.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub spool_error: String,
    /// The troubles that were told and stand, by their stable names, for the other director; at most [`TOLD_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// Those that were told and are over, at most [`TOLD_OVER_MAX`]: the latest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told_over: Vec<ToldOver>,
}

/// A trouble that was told and is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldOver {
    /// Its stable name.
    pub trouble: String,
    /// When it first began.
    pub since: Timestamp,
    /// When it last ended.
    pub until: Timestamp,
}

/// How one channel does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelReport {
    /// The routes that lead to it.
    pub routes: Vec<Name>,
    /// Notices that wait for it.
    pub waits: u64,
    /// Failures in a row.
    pub failures: u32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When something was last delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<Timestamp>,
    /// What the last failure was; empty when the last delivery went well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Timestamp>,
    /// What the latest test came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestReport>,
}

/// What a test of one channel came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Which test: [`crate::order::AlertTest::since`] of the order.
    pub asked_at: Timestamp,
    /// When it was answered; absent while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Whether it was accepted.
    #[serde(default)]
    pub accepted: bool,
    /// What was answered, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_read_as_they_are_written() {
        for text in ["mail:staff@example.net", "webhook:chat", "command:pager_1"] {
            let channel: Channel = text.parse().unwrap();
            assert_eq!(channel.to_string(), text);
            assert_eq!(
                serde_json::from_str::<Channel>(&serde_json::to_string(&channel).unwrap()).unwrap(),
                channel
            );
        }
        for text in [
            "",
            "mail:",
            "mail:a\nb",
            "webhook:a b",
            "pager:x",
            "staff@example.net",
            &format!("mail:{}", "a".repeat(400)),
        ] {
            assert!(text.parse::<Channel>().is_err(), "{text:?}");
        }
    }
}
