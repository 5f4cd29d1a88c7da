//! Names that are new with every probe.
//!
//! Owns the placeholders `{rand}`, `{epoch}` and `{server}` in a name and what they become, so that a cache can't answer
//! from memory. A [`Template`] always gives a well-formed name. It never reads a clock: all comes in as an argument.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::name::{Name, NameError};

/// A name with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template(Box<str>);

/// What the placeholders of one probe become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// Random, for this probe alone: ids, cookies and `{rand}` come from it.
    pub key: u64,
    /// Seconds since 1970, for `{epoch}` and the times of signatures.
    pub epoch: u64,
    /// The server that is asked, for `{server}`.
    pub server: IpAddr,
}

/// Why a text is no name with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A word in braces that is no placeholder.
    Placeholder(String),
    /// No name, even with the placeholders filled in.
    Name(NameError),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder(word) => {
                write!(
                    f,
                    "{word:?} is no placeholder: use {{rand}}, {{epoch}} or {{server}}, or write a brace as \\123"
                )
            }
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads a name with placeholders; `None` when the text has none, and is for [`Name`] to read.
    ///
    /// # Errors
    /// A word in braces is none of the placeholders, or the longest name that they can make is not well formed.
    pub fn parse(text: &str) -> Result<Option<(Self, Name)>, TemplateError> {
        let mut rest = text;
        let mut found = false;
        while let Some((_, tail)) = rest.split_once('{') {
            let word = ["rand}", "epoch}", "server}"].into_iter().find(|word| tail.starts_with(word));
            let Some(word) = word else {
                return Err(TemplateError::Placeholder(format!(
                    "{{{}",
                    tail.chars().take(20).collect::<String>()
                )));
            };
            found = true;
            rest = tail.get(word.len()..).unwrap_or_default();
        }
        if !found {
            return Ok(None);
        }
        let template = Self(text.into());
        // No address is longer in text than this one.
        let server = Ipv6Addr::from_bits(u128::MAX).into();
        let longest = template.filled(Circumstances { key: u64::MAX, epoch: 99_999_999_999, server });
        let longest = longest.parse().map_err(TemplateError::Name)?;
        Ok(Some((template, longest)))
    }

    /// The name for one probe.
    #[must_use]
    pub fn name(&self, circumstances: Circumstances) -> Option<Name> {
        self.filled(circumstances).parse().ok()
    }

    fn filled(&self, Circumstances { key, epoch, server }: Circumstances) -> String {
        let server = server.to_string().replace(['.', ':'], "-");
        let rand = format!("{:016x}", crate::schedule::mix(key ^ 0x7261_6e64));
        let epoch = epoch.min(99_999_999_999).to_string();
        // An IPv6 address may begin or end with a hyphen then; that is no matter to a name server.
        self.0.replace("{rand}", &rand).replace("{epoch}", &epoch).replace("{server}", &server)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.strip_suffix('.').unwrap_or(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let (template, longest) = Template::parse("{rand}.{epoch}.{server}.test.").unwrap().unwrap();
        assert_eq!(longest.labels().map(<[u8]>::len).collect::<Vec<_>>(), [16, 11, 39, 4]);
        assert_eq!(template.to_string(), "{rand}.{epoch}.{server}.test");
        let mut circumstances = Circumstances { key: 1, epoch: 1_700_000_000, server: [192, 0, 2, 1].into() };
        let first = template.name(circumstances).unwrap().to_string();
        assert!(first.ends_with(".1700000000.192-0-2-1.test"), "{first}");
        circumstances.key = 2;
        assert_ne!(template.name(circumstances).unwrap().to_string(), first);
        circumstances.server = Ipv6Addr::LOCALHOST.into();
        assert!(template.name(circumstances).unwrap().to_string().ends_with(".--1.test"));
        assert_eq!(Template::parse("plain.test"), Ok(None));
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["{random}.test", "{rand.test", "a{.test", "{}.test"] {
            assert!(matches!(Template::parse(text), Err(TemplateError::Placeholder(_))), "{text}");
        }
        // It is too long only once it is filled in.
        let text = format!("{}{{server}}.test", "a".repeat(30));
        assert!(matches!(Template::parse(&text), Err(TemplateError::Name(NameError::LabelTooLong(_)))));
    }
}
