//! What a verdict rests on: where the counters stand, by which rule they count, and what the latest probes saw.
//!
//! Owns the form in which `checkd` tells it. The counters are all that a restart needs to go on exactly where it was; the
//! rest is for people. Bounded: of the latest probes only [`RUNS_MAX`] runs are told, and equal ones in a row are one run.
//! It never judges.

use checker_core::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{CauseCode, verdict};

/// The most runs that are told of one server.
pub const RUNS_MAX: usize = 8;

/// What the verdict on one real server rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The verdict that results have settled. Another is shown while no probe can be run.
    #[serde(with = "verdict")]
    pub settled: Verdict,
    /// Results in a row that speak against it.
    pub away: u32,
    /// The verdict that they lead to.
    #[serde(with = "verdict")]
    pub toward: Verdict,
    /// Probes in a row that told nothing, counted up to `fall`.
    pub silent: u32,
    /// Whether it was judged before and that is forgotten: then one pass does not settle it.
    #[serde(default)]
    pub undecided: bool,
    /// Falls that flap damping still counts against it.
    #[serde(default)]
    pub falls: u32,
    /// What is asked and expected, in one line.
    pub check: String,
    /// Passes in a row that bring it up.
    pub rise: u32,
    /// Failures in a row that take it down.
    pub fall: u32,
    /// From the start of one probe to the start of the next, as it is probed now, in milliseconds.
    pub interval_ms: u64,
    /// The limit of one probe, in milliseconds.
    pub timeout_ms: u64,
    /// The latest probes, oldest first, at most [`RUNS_MAX`].
    #[serde(default)]
    pub runs: Vec<ProbeRun>,
}

/// Probes in a row that ended alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRun {
    /// How each ended.
    #[serde(with = "verdict")]
    pub verdict: Verdict,
    /// Why they did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseCode>,
    /// What the latest of them saw, in one line; bytes from the network are escaped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the first of them got back, in one line; empty when it got nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reply: String,
    /// How many there were.
    pub count: u64,
    /// When the first of them ended.
    pub since: Timestamp,
    /// When the latest of them ended.
    pub until: Timestamp,
    /// How long the latest answer took, in microseconds; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// The fastest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest_us: Option<u64>,
    /// The slowest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowest_us: Option<u64>,
}
