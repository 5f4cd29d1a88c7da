//! DNS over TLS, HTTPS and QUIC: what a check says of them beside the question.
//!
//! Owns the settings of RFC 7858 (TLS), RFC 8484 (HTTPS) and RFC 9250 (QUIC). The course of such a probe is
//! [`super::Exchange`]'s, as of any other.

use std::fmt;
use std::str::FromStr;

use crate::tls::Tls;

/// How a secured connection is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Secure {
    /// Whom to trust, and as whom.
    pub tls: Tls,
    /// The request, over HTTPS.
    pub doh: Doh,
}

/// A request of RFC 8484.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Doh {
    /// Where it goes.
    pub path: DohPath,
    /// How the query is handed over.
    pub method: DohMethod,
    /// The version of HTTP, if it is to be one in particular.
    pub version: Option<HttpVersion>,
}

/// How a query is handed over in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DohMethod {
    /// As the body.
    #[default]
    Post,
    /// In the address, as base64url.
    Get,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

impl HttpVersion {
    /// `1.1` or `2`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        }
    }
}

impl FromStr for HttpVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "1" | "1.1" => Ok(Self::Http1),
            "2" => Ok(Self::Http2),
            _ => Err("write 1.1 or 2"),
        }
    }
}

impl FromStr for DohMethod {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "GET" | "get" => Ok(Self::Get),
            "POST" | "post" => Ok(Self::Post),
            _ => Err("write GET or POST"),
        }
    }
}

/// The path of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DohPath(String);

impl DohPath {
    /// The longest.
    pub const MAX: usize = 1_024;

    /// The path, which begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DohPath {
    /// `/dns-query`.
    fn default() -> Self {
        Self("/dns-query".to_owned())
    }
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DohPathError(String);

impl fmt::Display for DohPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no path: write one such as /dns-query", self.0)
    }
}

impl std::error::Error for DohPathError {}

impl FromStr for DohPath {
    type Err = DohPathError;

    /// Takes `/dns-query` and, as a URI template, `/dns-query{?dns}`.
    fn from_str(text: &str) -> Result<Self, DohPathError> {
        let path = text.strip_suffix("{?dns}").unwrap_or(text);
        let good = |b: u8| b.is_ascii_graphic() && !b"\"#<>?\\^`{|}".contains(&b);
        if path.starts_with('/') && path.len() <= Self::MAX && path.bytes().all(good) {
            Ok(Self(path.to_owned()))
        } else {
            Err(DohPathError(text.chars().take(80).collect()))
        }
    }
}

/// Octets as base64url without padding (RFC 4648 section 5), as a GET request carries them.
#[must_use]
pub fn base64url(octets: &[u8]) -> String {
    let plain = crate::tls::base64(octets);
    plain
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        for (text, path) in [
            ("/dns-query", "/dns-query"),
            ("/dns-query{?dns}", "/dns-query"),
            ("/", "/"),
            ("/a/b%20c~", "/a/b%20c~"),
        ] {
            assert_eq!(text.parse::<DohPath>().unwrap().as_str(), path);
        }
        for bad in
            ["", "dns-query", "/a b", "/a?x=1", "/ü", "https://x/dns-query", "/{?x}", &"/".repeat(2_000)]
        {
            assert!(bad.parse::<DohPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn queries_fit_into_an_address() {
        assert_eq!(base64url(&[0xfb, 0xff, 0xfe, 0x01]), "-__-AQ");
    }
}
