//! What a digest has to remember over a restart.
//!
//! Owns its form in the file. Any document that parses is taken up; numbers that are absurd only lead to things being held
//! against the state again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Standings;
use super::incident::Incident;
use super::peer::Over;

/// What a digest has to remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Random, made once: mails of two directors, or of two lives of one, never have one identity.
    pub install: String,
    /// Whether the agent was ever heard.
    pub started: bool,
    /// The last event that was handled.
    pub last_event: u64,
    /// When that happened.
    pub last_event_at: Timestamp,
    /// Events that were never seen.
    pub missed_events: u64,
    /// Everything is to be held against the state: events were missed.
    pub hold_all: bool,
    /// The last number given to an incident.
    pub next_number: u64,
    /// Since when the agent does not answer.
    pub agent_away_since: Option<Timestamp>,
    /// Troubles that stand.
    pub standing: Standings,
    /// Incidents that are open.
    pub incidents: Vec<Incident>,
    /// Troubles that were told and are over, the latest last.
    pub over: Vec<Over>,
}

impl Default for Saved {
    fn default() -> Self {
        Self {
            install: String::new(),
            started: false,
            last_event: 0,
            last_event_at: Timestamp::UNIX_EPOCH,
            missed_events: 0,
            hold_all: false,
            next_number: 0,
            agent_away_since: None,
            standing: Standings::new(),
            incidents: Vec::new(),
            over: Vec::new(),
        }
    }
}

impl Saved {
    /// Nothing is remembered; `install` is a random word.
    #[must_use]
    pub fn new(install: String) -> Self {
        Self { install, ..Self::default() }
    }
}
