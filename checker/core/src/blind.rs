//! Whether a failure may be believed: is it the servers, or this machine's own end?
//!
//! Owns the rule. Sentinels are machines that have nothing to do with the service, such as the gateway. While most servers fail, a
//! failure counts only if a sentinel has answered just now; until that is known it is held back, and when no sentinel
//! answers it is discarded: this director is blind. A sentinel that never answered is worth nothing. It asks nobody and
//! reads no clock.

use std::time::Duration;

use crate::time::Time;

/// How long an answer of a sentinel is trusted.
const TRUSTED: Duration = Duration::from_millis(500);

/// What becomes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It counts.
    Counts,
    /// It is held back until the sentinels have been asked.
    Held,
    /// It says nothing of the server.
    Discarded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mood {
    #[default]
    Calm,
    Asking,
    Blind,
}

/// The watch over our own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    mood: Mood,
    /// When a sentinel last answered; `None` when none ever did.
    answered: Option<Time>,
}

impl Watch {
    /// The watch as a former run left it: a sentinel has answered, but not just now, and whether the director was blind.
    #[must_use]
    pub const fn restored(blind: bool) -> Self {
        Self { mood: if blind { Mood::Blind } else { Mood::Calm }, answered: Some(Time::ZERO) }
    }

    /// Whether any sentinel ever answered.
    #[must_use]
    pub const fn has_seen_one(&self) -> bool {
        self.answered.is_some()
    }

    /// Rules on a failure. `failing` of `total` servers fail, this one included.
    pub fn rule(&mut self, failing: usize, total: usize, now: Time) -> Ruling {
        let mostly = total >= 2 && failing.saturating_mul(2) > total;
        let Some(answered) = self.answered else { return Ruling::Counts };
        if !mostly {
            return if self.mood == Mood::Asking { Ruling::Held } else { Ruling::Counts };
        }
        match self.mood {
            Mood::Blind => Ruling::Discarded,
            Mood::Asking => Ruling::Held,
            Mood::Calm if now.since(answered) <= TRUSTED => Ruling::Counts,
            Mood::Calm => {
                self.mood = Mood::Asking;
                Ruling::Held
            }
        }
    }

    /// A sentinel has answered.
    pub fn sentinel_answered(&mut self, now: Time) {
        *self = Self { mood: Mood::Calm, answered: Some(now) };
    }

    /// All sentinels were asked, and none answered in time.
    pub fn sentinels_were_silent(&mut self) {
        if self.mood == Mood::Asking {
            self.mood = Mood::Blind;
        }
    }

    /// Most servers do not fail any more: whatever the sentinels say, this machine sees.
    pub fn servers_answered(&mut self) {
        self.mood = Mood::Calm;
    }

    /// Whether the sentinels are to be asked at once.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.mood == Mood::Asking
    }

    /// Whether failures are discarded.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.mood == Mood::Blind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ruling::{Counts, Discarded, Held};

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn few_failures_count_whatever_the_sentinels_do() {
        let mut watch = Watch::default();
        watch.sentinel_answered(at(0));
        assert_eq!(watch.rule(2, 4, at(10_000)), Counts);
        watch.sentinels_were_silent();
        assert!(!watch.is_blind());
    }

    #[test]
    fn most_failures_count_when_a_sentinel_answers() {
        let mut watch = Watch::default();
        watch.sentinel_answered(at(0));
        assert_eq!(watch.rule(3, 4, at(400)), Counts);
        assert_eq!(watch.rule(3, 4, at(1_000)), Held);
        assert!(watch.is_asking());
        watch.sentinel_answered(at(1_010));
        assert_eq!(watch.rule(4, 4, at(1_020)), Counts);
    }

    #[test]
    fn most_failures_are_discarded_when_none_answers() {
        let mut watch = Watch::default();
        watch.sentinel_answered(at(0));
        assert_eq!(watch.rule(3, 4, at(1_000)), Held);
        watch.sentinels_were_silent();
        assert!(watch.is_blind());
        assert_eq!(watch.rule(4, 4, at(2_000)), Discarded);
        watch.sentinel_answered(at(3_000));
        assert_eq!((watch.is_blind(), watch.rule(4, 4, at(3_100))), (false, Counts));
        // Or when the servers answer again.
        assert_eq!(watch.rule(4, 4, at(9_000)), Held);
        watch.sentinels_were_silent();
        watch.servers_answered();
        assert!(!watch.is_blind());
    }

    #[test]
    fn a_restart_makes_nobody_see_or_blind() {
        let now = at(9_000_000);
        assert_eq!(Watch::restored(true).rule(4, 4, now), Discarded);
        let mut calm = Watch::restored(false);
        assert_eq!((calm.rule(1, 4, now), calm.rule(4, 4, now)), (Counts, Held));
        calm.sentinels_were_silent();
        assert!(calm.is_blind());
    }

    #[test]
    fn a_sentinel_that_never_answered_is_worth_nothing() {
        let mut watch = Watch::default();
        watch.sentinels_were_silent();
        assert_eq!(watch.rule(4, 4, at(1_000)), Counts);
        // Nor is one server a multitude.
        watch.sentinel_answered(at(0));
        assert_eq!(watch.rule(1, 1, at(9_000)), Counts);
    }
}
