//! How many of several verdicts must be good.
//!
//! Owns [`Need`] and the one verdict that several make: of several questions to one server, or of several servers. It never
//! looks at why one of them is what it is.

use std::fmt;
use std::str::FromStr;

use crate::verdict::Verdict;

/// How many must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Need {
    /// All.
    #[default]
    All,
    /// So many at least; `any` is one.
    AtLeast(u16),
}

/// A text that is no such number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedError(String);

impl fmt::Display for NeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not say how many must pass: use all, any or a number from 1", self.0)
    }
}

impl std::error::Error for NeedError {}

impl FromStr for Need {
    type Err = NeedError;

    fn from_str(text: &str) -> Result<Self, NeedError> {
        match text {
            "all" => Ok(Self::All),
            "any" => Ok(Self::AtLeast(1)),
            _ if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse() {
                Ok(count @ 1..) => Ok(Self::AtLeast(count)),
                _ => Err(NeedError(text.chars().take(20).collect())),
            },
            _ => Err(NeedError(text.chars().take(20).collect())),
        }
    }
}

impl Need {
    /// The verdict that `needed` ones make together. `advisory` ones that do not pass degrade it at most.
    ///
    /// It is Unknown, not Down, when those of which nothing is known could still have made it pass.
    pub fn combine(
        self,
        needed: impl IntoIterator<Item = Verdict>,
        advisory: impl IntoIterator<Item = Verdict>,
    ) -> Verdict {
        let (mut all, mut up, mut degraded, mut unknown) = (0u64, 0u64, 0u64, 0u64);
        for verdict in needed {
            all += 1;
            match verdict {
                Verdict::Up => up += 1,
                Verdict::Degraded => degraded += 1,
                Verdict::Unknown => unknown += 1,
                Verdict::Down => {}
            }
        }
        let least = match self {
            Self::All => all,
            Self::AtLeast(count) => u64::from(count),
        };
        if up + degraded < least {
            return if up + degraded + unknown < least { Verdict::Down } else { Verdict::Unknown };
        }
        if up >= least && advisory.into_iter().all(|verdict| verdict == Verdict::Up) {
            Verdict::Up
        } else {
            Verdict::Degraded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Degraded, Down, Unknown, Up};

    #[test]
    fn verdicts_are_combined() {
        for (need, needed, advisory, verdict) in [
            ("all", &[Up, Up][..], &[][..], Up),
            ("all", &[Up, Down], &[], Down),
            ("all", &[Up, Unknown], &[], Unknown),
            ("all", &[Down, Unknown], &[], Down),
            ("all", &[Up, Degraded], &[], Degraded),
            ("all", &[Up], &[Down], Degraded),
            ("any", &[Up, Down], &[], Up),
            ("any", &[Down, Down], &[Up], Down),
            ("any", &[Degraded, Down], &[], Degraded),
            ("2", &[Up, Up, Down], &[], Up),
            ("2", &[Up, Down, Unknown], &[], Unknown),
            ("2", &[Up, Down, Down], &[], Down),
            ("3", &[Up, Up], &[], Down),
        ] {
            let combined =
                need.parse::<Need>().unwrap().combine(needed.iter().copied(), advisory.iter().copied());
            assert_eq!(combined, verdict, "{need} {needed:?} {advisory:?}");
        }
        for text in ["", "0", "some", "-1", "65536", "1.5"] {
            assert!(text.parse::<Need>().is_err(), "{text}");
        }
    }
}
