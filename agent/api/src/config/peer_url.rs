//! Where the other director's page is: `https://director2.example.net:9530`.
//!
//! Owns its text form. What goes to another machine goes encrypted: plain HTTP is for this machine's own addresses, where a
//! tunnel may end. It resolves no name.

use std::fmt;
use std::net::IpAddr;

use super::Status;
use super::book::quoted;

/// The address of another director's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUrl {
    /// Whether TLS is spoken; always, unless the host is a loopback address.
    pub tls: bool,
    /// A host name or an address, IPv6 without brackets.
    pub host: String,
    /// The port; 9530 when none is written.
    pub port: u16,
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => write!(f, "{scheme}://[{address}]:{}", self.port),
            _ => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl PeerUrl {
    /// Reads one; the error says what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shown = quoted(text);
        let example = "write one such as \"https://director2.example.net:9530\"";
        let (scheme, rest) =
            text.split_once("://").ok_or(format!("{shown} is no address of a page; {example}"))?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(format!("{shown} begins neither with https:// nor with http://; {example}")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(format!(
                "{shown} holds a password; write it into a file and name that with credentials"
            ));
        }
        if rest.contains(['/', '?', '#']) {
            return Err(format!("{shown} has a path; leave all after the port out"));
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            None => Status::default().listen.port(),
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(format!("{shown}: the port is a number from 1 to 65535")),
            },
        };
        let address = host.parse::<IpAddr>().ok();
        let in_brackets = rest.starts_with('[');
        if !(address.is_some_and(|address| address.is_ipv6() == in_brackets)
            || (!in_brackets && is_name(host)))
        {
            return Err(format!("{shown} names no host; {example}"));
        }
        if !tls && !address.is_some_and(|address| address.is_loopback()) {
            return Err(format!(
                "{shown} would send the password unencrypted; write https://, or the loopback address of a tunnel"
            ));
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

/// Whether `host` can be a host name.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}
