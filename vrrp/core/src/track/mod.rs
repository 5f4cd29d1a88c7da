//! What a virtual router's priority hangs on beside its configuration.
//!
//! Owns the effect of each tracker, its hysteresis, and the sum of all. Where facts come from is the driver's business;
//! a fact that is unknown changes nothing, so a silent source never moves an address.

/// What a tracker does to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// While it is bad the router must not be Active. A number is bad when it is not 0.
    Fixed,
    /// A positive one is added to the priority while it is good, a negative one while it is bad.
    Priority(i16),
    /// As many points as this are taken off, by the share that is missing: none when all are up, all when none is.
    Score(u8),
    /// The number times this is added to the priority.
    Factor(i16),
}

/// One thing that is tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracker {
    /// What it does.
    pub effect: Effect,
    /// Good facts, one after the other, that make a bad one good. At least 1.
    pub rise: u32,
    /// Bad facts, one after the other, that make a good one bad. At least 1.
    pub fall: u32,
}

impl Tracker {
    /// One whose every fact counts.
    #[must_use]
    pub const fn new(effect: Effect) -> Self {
        Self { effect, rise: 1, fall: 1 }
    }
}

/// What was seen of something tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fact {
    /// Not known. It leaves what was known before; at the start that is taken as good.
    #[default]
    Unknown,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// So many of so many are up.
    Share {
        /// Up.
        up: u32,
        /// All.
        total: u32,
    },
    /// A number that was read.
    Number(i32),
}

impl Fact {
    /// Whether it counts as bad; `None` when it says nothing.
    #[must_use]
    pub const fn is_bad(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Good => Some(false),
            Self::Bad => Some(true),
            Self::Share { up, total } => Some(up < total),
            Self::Number(number) => Some(number != 0),
        }
    }
}

/// What all trackers make together, as [`crate::Input::TrackingChanged`] wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Added to the priority.
    pub weight: i32,
    /// Whether one without weight fails.
    pub failed: bool,
}

/// One tracker's part in the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it does.
    pub effect: Effect,
    /// What it was told last, known or not.
    pub told: Fact,
    /// What counts: what it was told, after rise and fall.
    pub counts: Fact,
    /// What it adds to the priority.
    pub weight: i32,
    /// Whether it keeps the router from being Active.
    pub failed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    tracker: Tracker,
    told: Fact,
    counts: Fact,
    /// Facts in a row that speak against what counts.
    against: u32,
}

impl Item {
    fn take(&mut self, fact: Fact) {
        self.told = fact;
        let Some(bad) = fact.is_bad() else {
            // A run is broken by what is not known: neither side has shown itself.
            self.against = 0;
            return;
        };
        let was_bad = self.counts.is_bad().unwrap_or(false);
        if bad == was_bad {
            self.against = 0;
            self.counts = fact;
            return;
        }
        self.against = self.against.saturating_add(1);
        let needed = if bad { self.tracker.fall } else { self.tracker.rise };
        if self.against >= needed {
            self.against = 0;
            self.counts = fact;
        }
    }

    fn part(&self) -> Part {
        let bad = self.counts.is_bad().unwrap_or(false);
        let (weight, failed) = match (self.tracker.effect, self.counts) {
            (Effect::Fixed, _) => (0, bad),
            (Effect::Priority(weight), _) => {
                let applies = if weight < 0 { bad } else { !bad };
                (if applies { i32::from(weight) } else { 0 }, false)
            }
            (Effect::Score(points), Fact::Share { up, total }) => (-missing(points, up, total), false),
            (Effect::Score(points), _) => (if bad { -i32::from(points) } else { 0 }, false),
            (Effect::Factor(factor), Fact::Number(number)) => {
                (number.saturating_mul(i32::from(factor)), false)
            }
            (Effect::Factor(_), _) => (0, false),
        };
        // More than this moves no priority further, and sums of many can't overflow.
        let weight = weight.clamp(-1_000, 1_000);
        Part { effect: self.tracker.effect, told: self.told, counts: self.counts, weight, failed }
    }
}

/// The points for what is missing, rounded up: a pool that is not whole never counts as whole.
fn missing(points: u8, up: u32, total: u32) -> i32 {
    if total == 0 {
        return 0;
    }
    let lacking = u64::from(total.saturating_sub(up)) * u64::from(points);
    // At most `points`.
    i32::try_from(lacking.div_ceil(u64::from(total))).unwrap_or(i32::from(points))
}

/// All trackers of a router, in the order of its configuration.
#[derive(Debug, Clone, Default)]
pub struct Trackers(Vec<Item>);

impl Trackers {
    /// Trackers of which nothing is known.
    #[must_use]
    pub fn new(trackers: impl IntoIterator<Item = Tracker>) -> Self {
        let item = |tracker| Item { tracker, told: Fact::Unknown, counts: Fact::Unknown, against: 0 };
        Self(trackers.into_iter().map(item).collect())
    }

    /// Takes note of what was seen of tracker number `index`, and says whether the sum changed. One that does not exist concerns
    /// nobody.
    pub fn tell(&mut self, index: usize, fact: Fact) -> bool {
        let before = self.sum();
        if let Some(item) = self.0.get_mut(index) {
            item.take(fact);
        }
        self.sum() != before
    }

    /// What they make together.
    #[must_use]
    pub fn sum(&self) -> Sum {
        self.parts().fold(Sum::default(), |sum, part| Sum {
            weight: sum.weight.saturating_add(part.weight),
            failed: sum.failed || part.failed,
        })
    }

    /// Each one's part.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.0.iter().map(Item::part)
    }
}

#[cfg(test)]
mod tests;
