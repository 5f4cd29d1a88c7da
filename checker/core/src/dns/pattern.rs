//! A regular expression that a text must match.
//!
//! Owns the limits under which one is compiled. Matching takes time linear in the text, whatever the expression. Two
//! patterns are equal when they are written alike.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};

/// The longest expression, in octets.
const LENGTH_MAX: usize = 1_000;
/// The most memory a compiled expression may take, in octets.
const SIZE_MAX: usize = 1 << 18;

/// A regular expression; it matches anywhere in a text unless it has `^` and `$`.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Why a text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Whether it matches somewhere in `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Where in `text` it matches first.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.0.find(text).map(|found| found.range())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let shown: String = text.chars().take(100).collect();
        if text.is_empty() {
            return Err(PatternError("a regular expression is empty: write what must match".to_owned()));
        }
        if text.len() > LENGTH_MAX {
            return Err(PatternError(format!(
                "the regular expression {shown:?}… is longer than {LENGTH_MAX} octets: make it shorter"
            )));
        }
        RegexBuilder::new(text)
            .size_limit(SIZE_MAX)
            .build()
            .map(Self)
            .map_err(|error| PatternError(format!("{shown:?} is no regular expression: {error}")))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_anywhere_and_are_bounded() {
        let pattern: Pattern = "v=spf1 .*all".parse().unwrap();
        assert!(pattern.matches("xv=spf1 mx -all") && !pattern.matches("v=spf2 -all"));
        assert_eq!(pattern, "v=spf1 .*all".parse().unwrap());
        for text in ["", "(", "a{5000}{5000}", &"a".repeat(1_001)] {
            assert!(text.parse::<Pattern>().is_err(), "{text:.20}");
        }
    }
}
