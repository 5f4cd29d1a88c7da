//! How a question is asked: header bits, EDNS and its options.
//!
//! Owns the choices that shape a query beside its question, with their defaults: recursion desired, nothing else. It
//! never says what must come back.

use std::fmt;

use super::prefix::Prefix;

/// How a question is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// RD: recursion is desired. Default: yes.
    pub recursion_desired: bool,
    /// AD: the asker understands the AD bit of a reply (RFC 6840 section 5.7). Default: no.
    pub authentic_data: bool,
    /// CD: the server is not to validate (RFC 4035 section 3.2.2). Default: no.
    pub checking_disabled: bool,
    /// Whether the letters of the name are in random case, which the reply must repeat. Default: no.
    pub mixed_case: bool,
    /// EDNS, if it is to be used. Default: no.
    pub edns: Option<Edns>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            recursion_desired: true,
            authentic_data: false,
            checking_disabled: false,
            mixed_case: false,
            edns: None,
        }
    }
}

/// EDNS of a query, RFC 6891.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edns {
    /// The version asked for; every server knows 0.
    pub version: u8,
    /// The largest datagram that may come back, in octets. Default: 1232.
    pub size: u16,
    /// DO: signatures are wanted (RFC 3225).
    pub dnssec_ok: bool,
    /// Whether the server is asked who it is (RFC 5001).
    pub nsid: bool,
    /// Whether a secondary is asked when its zone expires (RFC 7314).
    pub expire: bool,
    /// Whether a fresh client cookie is sent (RFC 7873).
    pub cookie: bool,
    /// The network that the answer is wanted for (RFC 7871).
    pub subnet: Option<Prefix>,
    /// The query is padded to a multiple of this (RFC 7830, RFC 8467).
    pub padding: Option<PaddingBlock>,
}

impl Default for Edns {
    fn default() -> Self {
        Self {
            version: 0,
            size: 1232,
            dnssec_ok: false,
            nsid: false,
            expire: false,
            cookie: false,
            subnet: None,
            padding: None,
        }
    }
}

/// The block length that queries are padded to, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaddingBlock(u16);

impl PaddingBlock {
    /// The longest.
    pub const MAX: u16 = 512;

    /// A block length; `None` when it is 0 or above [`PaddingBlock::MAX`].
    #[must_use]
    pub fn new(octets: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&octets).then_some(Self(octets))
    }

    /// The length.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for PaddingBlock {
    /// 128, as RFC 8467 section 4.1 recommends.
    fn default() -> Self {
        Self(128)
    }
}

/// Flags of a header that a reply must or must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u16);

/// A text that names no flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagError(String);

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no flag: use aa, tc, rd, ra, ad or cd", self.0)
    }
}

impl std::error::Error for FlagError {}

impl Flags {
    /// Every flag with its bit in the second word of a header.
    const ALL: [(&'static str, u16); 6] =
        [("aa", 0x0400), ("tc", 0x0200), ("rd", 0x0100), ("ra", 0x0080), ("ad", 0x0020), ("cd", 0x0010)];
    /// TC: the reply did not fit.
    pub const TC: Self = Self(0x0200);

    /// The flags among the bits of a header's second word.
    #[must_use]
    pub fn from_header(word: u16) -> Self {
        Self(word & Self::ALL.iter().fold(0, |all, (_, bit)| all | bit))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of these that are among `others`, too.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those of these that are not among `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// These and `others`.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl std::str::FromStr for Flags {
    type Err = FlagError;

    /// Reads one flag, in any case.
    fn from_str(text: &str) -> Result<Self, FlagError> {
        Self::ALL
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, bit)| Self(*bit))
            .ok_or_else(|| FlagError(text.chars().take(20).collect()))
    }
}

impl FromIterator<Self> for Flags {
    fn from_iter<I: IntoIterator<Item = Self>>(flags: I) -> Self {
        flags.into_iter().fold(Self::default(), Self::or)
    }
}

impl fmt::Display for Flags {
    /// `aa ra`; nothing when there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, _) in Self::ALL.iter().filter(|(_, bit)| self.0 & bit != 0) {
            write!(f, "{between}{name}")?;
            between = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_written() {
        let flags: Flags = ["AA", "cd", "ra"].iter().map(|text| text.parse::<Flags>().unwrap()).collect();
        assert_eq!(flags.to_string(), "aa ra cd");
        assert_eq!(Flags::from_header(0xffff).to_string(), "aa tc rd ra ad cd");
        assert_eq!(Flags::from_header(0x8580).without(flags).to_string(), "rd");
        assert_eq!(
            "qr".parse::<Flags>().unwrap_err().to_string(),
            "\"qr\" is no flag: use aa, tc, rd, ra, ad or cd"
        );
    }
}
