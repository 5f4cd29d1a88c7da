//! Several checks of one server: what their verdicts come to together.
//!
//! Owns the rule, a pure function: `require` of the checks must pass. It never runs a check and knows no history, so the order in
//! which results arrive is of no matter. What can't be known stays Unknown: it neither passes nor fails.

use crate::verdict::Verdict;

/// The verdict on a server of whose checks `require` must pass.
///
/// When that many pass it is the worst of the best `require` verdicts. When so many fail that the others are not enough it is
/// Down. Otherwise it hangs on checks that can't be judged, and is Unknown. With no check at all it is Unknown.
#[must_use]
pub fn combined(verdicts: impl IntoIterator<Item = Verdict>, require: u32) -> Verdict {
    let (mut all, mut up, mut degraded, mut down) = (0_u32, 0_u32, 0_u32, 0_u32);
    for verdict in verdicts {
        all += 1;
        match verdict {
            Verdict::Up => up += 1,
            Verdict::Degraded => degraded += 1,
            Verdict::Down => down += 1,
            Verdict::Unknown => {}
        }
    }
    let require = require.clamp(1, all.max(1));
    if all == 0 {
        Verdict::Unknown
    } else if up >= require {
        Verdict::Up
    } else if up + degraded >= require {
        Verdict::Degraded
    } else if all - down < require {
        Verdict::Down
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use Verdict::{Degraded, Down, Unknown, Up};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_any_and_some_of_several() {
        for (verdicts, all, two, any) in [
            ([Up, Up, Up], Up, Up, Up),
            ([Up, Up, Degraded], Degraded, Up, Up),
            ([Up, Up, Down], Down, Up, Up),
            ([Up, Degraded, Down], Down, Degraded, Up),
            ([Up, Down, Down], Down, Down, Up),
            ([Down, Down, Down], Down, Down, Down),
            ([Up, Up, Unknown], Unknown, Up, Up),
            ([Up, Unknown, Unknown], Unknown, Unknown, Up),
            ([Unknown, Down, Up], Down, Unknown, Up),
            ([Unknown, Down, Down], Down, Down, Unknown),
            ([Unknown, Unknown, Unknown], Unknown, Unknown, Unknown),
        ] {
            let seen = [3, 2, 1].map(|require| combined(verdicts, require));
            assert_eq!(seen, [all, two, any], "{verdicts:?}");
        }
        assert_eq!(combined([], 1), Unknown);
        // A number that can't be reached means all; none means one.
        assert_eq!((combined([Up, Down], 9), combined([Up, Down], 0)), (Down, Up));
    }

    fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
        prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 1..8)
    }

    proptest! {
        #[test]
        fn the_order_is_of_no_matter(mut verdicts in verdicts(), require in 1_u32..8) {
            let before = combined(verdicts.iter().copied(), require);
            verdicts.reverse();
            prop_assert_eq!(combined(verdicts.iter().copied(), require), before);
            verdicts.sort();
            prop_assert_eq!(combined(verdicts, require), before);
        }

        /// A better result never makes the whole worse; what becomes unknown never takes a server down.
        #[test]
        fn better_is_never_worse(verdicts in verdicts(), at in 0_usize..8, require in 1_u32..8) {
            let at = at % verdicts.len();
            let with = |verdict| {
                let mut changed = verdicts.clone();
                changed[at] = verdict;
                combined(changed, require)
            };
            let rank = |verdict| match verdict { Up => 0, Degraded => 1, Unknown => 2, Down => 3 };
            let seen = [with(Up), with(Degraded), with(Unknown), with(Down)].map(rank);
            prop_assert!(seen.is_sorted(), "{:?}", seen);
        }
    }
}
