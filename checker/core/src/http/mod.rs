//! A check by HTTP: what is requested, what must come back.
//!
//! Owns the settings of such a check and the judging of one response, which is a plain function. How a connection is made and
//! HTTP spoken is `checker-probe`'s. It never opens a socket, and computes no digest itself: that comes in as a function.

mod judge;
mod words;

use std::fmt;
use std::time::Duration;

use crate::dns::{Bounds, Pattern, Timeout};
use crate::tls::Tls;

pub use judge::{Response, judge};
pub use words::{BodyDigest, Hash, Header, Host, Method, RequestPath, Statuses, Version, WordError};

/// Octets of a body that are read unless it is told otherwise.
pub const BODY_MAX: usize = 256 << 10;
/// The most requests of one check.
pub const REQUESTS_MAX: usize = 16;

/// A check by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Whether the connection is secured, and how.
    pub tls: Option<Box<Tls>>,
    /// The version of HTTP. `None`: over TLS what the server chooses of 2 and 1.1, else 1.1.
    pub version: Option<Version>,
    /// What is requested, one after the other, each over a connection of its own. All must pass. Never empty.
    pub requests: Vec<Request>,
    /// How many redirections to the same server are followed.
    pub redirects: u8,
    /// Octets of a body that may come.
    pub body_max: usize,
    /// The limit of connecting, the handshake of TLS included; `None`: that of the probe.
    pub connect_timeout: Option<Duration>,
    /// The limit of the whole probe.
    pub timeout: Timeout,
}

/// One request and what must come back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// With what.
    pub path: RequestPath,
    /// The server as the request names it. `None`: the name of TLS, else its address.
    pub host: Option<Host>,
    /// Further header fields.
    pub headers: Vec<Header>,
    /// The body of the request.
    pub body: String,
    /// What must come back.
    pub expect: Expect,
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// The status is one of these.
    pub status: Statuses,
    /// Each of these header fields is there and matches: the name in lower case, the pattern.
    pub headers: Vec<(String, Pattern)>,
    /// Each of these matches the body.
    pub body: Vec<Pattern>,
    /// None of these does.
    pub forbidden: Vec<Pattern>,
    /// The octets of the body that patterns see, the first being 0.
    pub within: Option<Bounds<u32>>,
    /// The body has this digest.
    pub digest: Option<BodyDigest>,
}

impl fmt::Display for HttpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        for (count, request) in self.requests.iter().take(3).enumerate() {
            let Request { method, path, host, expect, .. } = request;
            let lead = if count == 0 { "requests" } else { ", and" };
            write!(f, "{lead} {method} {path}")?;
            if let Some(host) = host {
                write!(f, " of {host}")?;
            }
            write!(f, " over {scheme}, expects {expect}")?;
        }
        match self.requests.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        for (name, pattern) in &self.headers {
            write!(f, ", header {name} {pattern}")?;
        }
        for pattern in &self.body {
            write!(f, ", body {pattern}")?;
        }
        for pattern in &self.forbidden {
            write!(f, ", body not {pattern}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, ", body of digest {digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_words() {
        let request = Request {
            host: Some("www.test".parse().unwrap()),
            expect: Expect { body: vec!["ok".parse().unwrap()], ..Expect::default() },
            ..Request::default()
        };
        let secret = Header::parse("Authorization: Basic c2VjcmV0").unwrap();
        let other = Request { headers: vec![secret], ..Request::default() };
        let mut check = HttpCheck {
            tls: None,
            version: None,
            requests: vec![request, other],
            redirects: 0,
            body_max: BODY_MAX,
            connect_timeout: None,
            timeout: Timeout::default(),
        };
        let told = "requests GET / of www.test over http, expects status 200-299, body /ok/, and GET / over http, \
                    expects status 200-299";
        assert_eq!(check.to_string(), told);
        check.requests = vec![Request::default(); 5];
        assert!(check.to_string().ends_with("status 200-299, and 2 more"), "{check}");
    }
}
