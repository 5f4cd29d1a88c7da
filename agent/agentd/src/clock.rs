//! The two clocks.
//!
//! Owns the reading of them, for the ledger, which never reads one.

use std::time::Instant;

use agent_core::ledger::Now;
use checker_core::Time;
use jiff::{Timestamp, Unit};

/// Clocks that started with the process.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The time now. The wall clock is rounded to milliseconds: nobody reads more.
    pub fn now(&self) -> Now {
        let wall = Timestamp::now();
        Now {
            steady: Time::from_nanos(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            wall: wall.round(Unit::Millisecond).unwrap_or(wall),
        }
    }
}
