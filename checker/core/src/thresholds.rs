//! Rise and fall: when a server's verdict changes.
//!
//! Owns the counters of one server and the rule by which results of probes become a verdict. A result that agrees with
//! the verdict resets the counters; `fall` worse results in a row make it worse, `rise` better ones make it better. It
//! never runs a probe, keeps no time and knows nothing of other servers.

use crate::verdict::Verdict;

/// How many results in a row change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thresholds {
    rise: u32,
    fall: u32,
}

/// The most that `rise` and `fall` may be.
pub const THRESHOLD_MAX: u32 = 1000;

/// A threshold that is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdError {
    name: &'static str,
    value: u64,
}

impl std::fmt::Display for ThresholdError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} is out of bounds: use 1 to {THRESHOLD_MAX}", self.name, self.value)
    }
}

impl std::error::Error for ThresholdError {}

impl Thresholds {
    /// Thresholds: `rise` passes in a row for the way up, `fall` failures in a row for the way down.
    ///
    /// # Errors
    /// One of them is 0 or above [`THRESHOLD_MAX`].
    pub fn new(rise: u64, fall: u64) -> Result<Self, ThresholdError> {
        let checked = |name, value| match u32::try_from(value) {
            Ok(n @ 1..=THRESHOLD_MAX) => Ok(n),
            _ => Err(ThresholdError { name, value }),
        };
        Ok(Self { rise: checked("rise", rise)?, fall: checked("fall", fall)? })
    }

    /// Passes in a row that bring a server back.
    #[must_use]
    pub const fn rise(self) -> u32 {
        self.rise
    }

    /// Failures in a row that take a server down.
    #[must_use]
    pub const fn fall(self) -> u32 {
        self.fall
    }

    /// The same for a server that flaps: every fall soon after a return doubles the passes that bring it back, up to
    /// sixteen times as many.
    #[must_use]
    pub fn damped(self, falls: u32) -> Self {
        let rise = self.rise.saturating_mul(1 << falls.min(FALLS_MAX)).min(THRESHOLD_MAX.max(self.rise));
        Self { rise, ..self }
    }
}

/// Falls that damping counts at most.
pub const FALLS_MAX: u32 = 4;

impl Default for Thresholds {
    /// Rise 2, fall 3.
    fn default() -> Self {
        Self { rise: 2, fall: 3 }
    }
}

/// All of a [`Standing`]: who keeps it loses nothing by a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// The verdict that results have settled; Unknown when none has yet.
    pub settled: Verdict,
    /// Results in a row on one side of it.
    pub away: u32,
    /// The mildest of them: what it may become. Of no meaning while `away` is 0.
    pub toward: Verdict,
    /// Results in a row that told nothing, counted up to `fall`.
    pub silent: u32,
    /// Whether Unknown is shown in place of what is settled, because no probe could be run.
    pub blind: bool,
    /// Whether the latest result that told anything passed.
    pub passing: bool,
    /// Results in a row that agree with it, counted up to the threshold that they work towards; 0 when there was none.
    pub in_a_row: u32,
    /// Whether it was settled once and that is forgotten: then one pass is not enough.
    pub undecided: bool,
}

/// A change of the verdict that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: Verdict,
    /// What it is.
    pub to: Verdict,
}

/// Where one server stands.
///
/// The verdict that results have settled is kept apart from the one shown: while no probe can be run, Unknown is shown
/// and the settled one waits, so that afterwards neither a healthy server falls nor a sick one rises for free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing(Memory);

impl Standing {
    /// A server of which nothing is known: the first pass brings it up, `fall` failures in a row take it down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A server that counts as `verdict` before it was probed: Up falls after `fall` failures, Down rises after `rise`
    /// passes, Unknown is [`Standing::new`].
    #[must_use]
    pub fn starting(verdict: Verdict) -> Self {
        Self(Memory { settled: verdict, passing: verdict.passes(), ..Memory::default() })
    }

    /// A server as it was left.
    #[must_use]
    pub fn restored(memory: Memory) -> Self {
        Self(memory)
    }

    /// A server of which only the verdict and the latest results are known: `in_a_row` in a row that were `passing`.
    #[must_use]
    pub fn guessed(settled: Verdict, passing: bool, in_a_row: u32) -> Self {
        let mut memory = Memory { settled, passing, in_a_row, ..Memory::default() };
        if passing != settled.passes() || settled == Verdict::Unknown {
            // Results against the verdict had begun to count.
            memory.away = in_a_row;
            memory.toward = if passing { Verdict::Up } else { Verdict::Down };
        }
        Self(memory)
    }

    /// A server that was judged before, but of which only the latest results are still known: `in_a_row` in a row that
    /// were `passing`. It takes all of `rise` or of `fall` to settle it again.
    #[must_use]
    pub fn undecided(passing: bool, in_a_row: u32) -> Self {
        let Self(memory) = Self::guessed(Verdict::Unknown, passing, in_a_row);
        Self(Memory { undecided: true, ..memory })
    }

    /// What to keep for [`Standing::restored`].
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.0
    }

    /// Whether results speak against what is settled, or nothing is settled and there are results: the next one may
    /// matter.
    #[must_use]
    pub fn in_transition(&self) -> bool {
        self.0.away > 0
    }

    /// The verdict that is shown.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.0.blind { Verdict::Unknown } else { self.0.settled }
    }

    /// Takes the result of one probe; returns the change of the verdict that it made.
    ///
    /// A result of Unknown moves no counter. After `fall` of them in a row Unknown is shown, until one tells something.
    pub fn observe(&mut self, result: Verdict, thresholds: Thresholds) -> Option<Change> {
        let from = self.verdict();
        if result == Verdict::Unknown {
            let memory = &mut self.0;
            memory.silent = memory.silent.saturating_add(1).min(thresholds.fall);
            memory.blind |= memory.silent >= thresholds.fall;
        } else {
            self.0.silent = 0;
            self.0.blind = false;
            self.0.count(result, thresholds);
        }
        let to = self.verdict();
        (from != to).then_some(Change { from, to })
    }
}

impl Memory {
    /// Whether a change from what is settled to `verdict` is one for the better. Verdicts are ordered from good to bad.
    fn rises_to(&self, verdict: Verdict) -> bool {
        if self.settled == Verdict::Unknown { verdict.passes() } else { verdict < self.settled }
    }

    fn count(&mut self, result: Verdict, thresholds: Thresholds) {
        let passing = result.passes();
        let limit = if passing { thresholds.rise } else { thresholds.fall };
        let before = if self.passing == passing { self.in_a_row } else { 0 };
        self.in_a_row = before.saturating_add(1).min(limit);
        self.passing = passing;

        if result == self.settled {
            self.away = 0;
            return;
        }
        let rising = self.rises_to(result);
        let needed = match (self.settled, rising) {
            (Verdict::Unknown, true) if !self.undecided => 1,
            (_, true) => thresholds.rise,
            (_, false) => thresholds.fall,
        };
        if self.away == 0 || self.rises_to(self.toward) != rising {
            self.away = 0;
            self.toward = result;
        }
        self.away = self.away.saturating_add(1);
        // Of several results on one side, the mildest change is the one that all of them bear out.
        self.toward = if rising { self.toward.max(result) } else { self.toward.min(result) };
        if self.away >= needed {
            self.settled = self.toward;
            self.away = 0;
            self.undecided = false;
        }
    }
}

#[cfg(test)]
mod tests;
