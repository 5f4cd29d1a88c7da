//! The words of an HTTP check: methods, paths, hosts, header fields, sets of statuses, digests.
//!
//! Owns their syntax, so that no text of a configuration can make two requests of one. It builds no request.

use std::fmt;
use std::str::FromStr;

use crate::tls::{ServerName, unhex};

/// A text that is no such word, with what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordError {
    text: String,
    remedy: &'static str,
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.text, self.remedy)
    }
}

impl std::error::Error for WordError {}

fn error(text: &str, remedy: &'static str) -> WordError {
    WordError { text: text.chars().take(80).collect(), remedy }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0 (RFC 1945), with a `Host` all the same.
    Http10,
    /// HTTP/1.1 (RFC 9112).
    Http11,
    /// HTTP/2 (RFC 9113); without TLS by prior knowledge.
    Http2,
}

/// What is done with a resource (RFC 9110 section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// It is fetched.
    #[default]
    Get,
    /// Only the header fields are.
    Head,
    /// Something is handed over.
    Post,
    /// It is asked what can be done.
    Options,
}

impl Method {
    /// Every method.
    pub const ALL: [(&'static str, Self); 4] =
        [("GET", Self::Get), ("HEAD", Self::Head), ("POST", Self::Post), ("OPTIONS", Self::Options)];

    /// As a request has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path of a request, with its query: `/health?full=1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestPath(String);

impl RequestPath {
    /// The longest.
    pub const MAX: usize = 2_048;

    /// The path, which begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestPath {
    /// `/`.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestPath {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let good = |b: u8| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b);
        if text.starts_with('/') && text.len() <= Self::MAX && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(error(text, "is no path: write one such as /health?full=1, with %20 for a blank"))
        }
    }
}

/// A server as a request names it: a host name or an address, with a port or without.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    name: ServerName,
    port: Option<u16>,
}

impl Host {
    /// The name without the port.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.name
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            address if address.contains(':') => write!(f, "[{address}]")?,
            name => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Host {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let bad = || error(text, "is no host: write one such as www.example.net or www.example.net:8080");
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
            _ => (text, None),
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let port =
            port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)).transpose()?;
        Ok(Self { name: bare.parse().map_err(|_| bad())?, port })
    }
}

/// A header field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// Its value, which may be a secret: it is never told.
    pub value: String,
}

impl Header {
    /// Reads `Name: value`.
    ///
    /// # Errors
    /// It is no header field, or one that is made by other means.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        let (name, value) = split(text)?;
        if ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"].contains(&&*name) {
            return Err(error(&name, "is made from the other keys: write `host` for the name of the server"));
        }
        let good = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
        if value.len() > 4_096 || !value.bytes().all(good) {
            return Err(error(&name, "has a value that is too long, or not all of ASCII"));
        }
        Ok(Self { name, value: value.to_owned() })
    }
}

/// Name, in lower case, and value of `Name: value`. The value of a request's header may be a secret, so it is not told.
pub(super) fn split(text: &str) -> Result<(String, &str), WordError> {
    let bad = |name| error(name, "is no header field: write one such as \"Accept: text/html\"");
    let (name, value) = text.split_once(':').ok_or_else(|| bad(text))?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(good) {
        return Err(bad(name));
    }
    Ok((name.to_ascii_lowercase(), value.trim()))
}

/// A set of statuses, as ranges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Statuses(Vec<(u16, u16)>);

impl Default for Statuses {
    /// Every success: 200 to 299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl Statuses {
    /// Whether it is one of them.
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    /// All that are in one of these sets.
    #[must_use]
    pub fn of(sets: impl IntoIterator<Item = Self>) -> Self {
        Self(sets.into_iter().flat_map(|set| set.0).collect())
    }
}

impl FromStr for Statuses {
    type Err = WordError;

    /// Reads `200`, `200-299` and `2xx`.
    fn from_str(text: &str) -> Result<Self, WordError> {
        let bad = || error(text, "is no HTTP status: write 200, 200-299 or 2xx");
        let status = |digits: &str| {
            let status: u16 = digits.parse().map_err(|_| bad())?;
            if (100..=599).contains(&status) && digits.len() == 3 { Ok(status) } else { Err(bad()) }
        };
        if let Some(class) = text.strip_suffix("xx") {
            let first = status(&format!("{class}00"))?;
            return Ok(Self(vec![(first, first + 99)]));
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (status(first)?, status(last)?),
            None => (status(text)?, status(text)?),
        };
        if first > last { Err(bad()) } else { Ok(Self(vec![(first, last)])) }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, (first, last)) in self.0.iter().enumerate() {
            f.write_str(if count == 0 { "" } else { ", " })?;
            match first == last {
                true => write!(f, "{first}")?,
                false => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// A function that makes a digest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// RFC 1321: what keepalived's `genhash` prints. It proves nothing against someone who wants to deceive.
    Md5,
    /// FIPS 180-4.
    Sha256,
}

/// The digest that a body must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyDigest {
    /// How it is made.
    pub hash: Hash,
    /// It.
    pub octets: Vec<u8>,
}

impl fmt::Display for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.hash {
            Hash::Md5 => "md5:",
            Hash::Sha256 => "sha256:",
        })?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl FromStr for BodyDigest {
    type Err = WordError;

    /// Reads hex digits with `md5:` or `sha256:` before them; without, their number tells which it is.
    fn from_str(text: &str) -> Result<Self, WordError> {
        let bad = || error(text, "is no digest: write md5: and 32 hex digits, or sha256: and 64");
        let (hash, digits) = match text.split_once(':') {
            Some(("md5", digits)) => (Hash::Md5, digits),
            Some(("sha256", digits)) => (Hash::Sha256, digits),
            Some(_) => return Err(bad()),
            None if text.len() == 32 => (Hash::Md5, text),
            None => (Hash::Sha256, text),
        };
        let octets = unhex(digits).ok_or_else(bad)?;
        let right = match hash {
            Hash::Md5 => octets.len() == 16,
            Hash::Sha256 => octets.len() == 32,
        };
        if right { Ok(Self { hash, octets }) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_statuses() {
        let read = |texts: &[&str]| Statuses::of(texts.iter().map(|text| text.parse().unwrap()));
        let set = read(&["2xx", "404", "500-503"]);
        for (status, has) in [(200, true), (299, true), (300, false), (404, true), (502, true), (504, false)]
        {
            assert_eq!(set.has(status), has, "{status}");
        }
        assert_eq!(set.to_string(), "200-299, 404, 500-503");
        assert!(Statuses::default().has(204) && !Statuses::default().has(301));
        for bad in ["", "20", "2000", "600", "6xx", "xx", "299-200", "200-", "+20", "-1", "0xx"] {
            assert!(bad.parse::<Statuses>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_text_makes_two_requests_of_one() {
        for bad in ["", "health", "/a b", "/a\r\nX: y", "/ü", "/#x", &"/".repeat(3_000)] {
            assert!(bad.parse::<RequestPath>().is_err(), "{bad:?}");
        }
        assert_eq!("/a?b=c&d=%20".parse::<RequestPath>().unwrap().as_str(), "/a?b=c&d=%20");
        for bad in
            ["", "no colon", "X\r\nY: z", "X: a\r\nY: z", ": x", "Host: x", "content-length: 3", "X: ü"]
        {
            assert!(Header::parse(bad).is_err(), "{bad:?}");
        }
        let header = Header::parse("X-Test:  a:b ").unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("x-test", "a:b"));
    }

    #[test]
    fn hosts() {
        for (text, shown, name) in [
            ("WWW.Test", "www.test", "www.test"),
            ("www.test:8080", "www.test:8080", "www.test"),
            ("2001:db8::1", "[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1"),
            ("192.0.2.1:80", "192.0.2.1:80", "192.0.2.1"),
        ] {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.name().as_str()), (shown, name));
        }
        for bad in ["", "a b", "x:0", "x:99999", "x:", "a/b", "a\r\n", "user@x"] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn digests() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(md5.parse::<BodyDigest>().unwrap().to_string(), format!("md5:{md5}"));
        let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha.to_uppercase().parse::<BodyDigest>().unwrap().to_string(), format!("sha256:{sha}"));
        assert_eq!(format!("sha256:{sha}").parse(), sha.parse::<BodyDigest>());
        for bad in ["", "md5:", &format!("md5:{sha}"), &format!("sha256:{md5}"), "sha1:00", &"x".repeat(32)] {
            assert!(bad.parse::<BodyDigest>().is_err(), "{bad}");
        }
    }
}
