//! What EDNS adds to a reply.
//!
//! Owns the reading of an OPT record and of the options that checks look at, and the names of extended errors. Reading is
//! lenient: what can't be read ends it, and what was read before stands. It never judges.

use std::fmt::Write as _;

use super::kind::RecordType;
use super::reply::Reply;

/// Who the server is (RFC 5001).
pub(super) const NSID: u16 = 3;
/// The client's network (RFC 7871).
pub(super) const SUBNET: u16 = 8;
/// When a secondary's zone expires (RFC 7314).
pub(super) const EXPIRE: u16 = 9;
/// Cookies (RFC 7873).
pub(super) const COOKIE: u16 = 10;
/// Padding (RFC 7830).
pub(super) const PADDING: u16 = 12;
/// An extended error (RFC 8914).
const ERROR: u16 = 15;

/// Extended errors that are read from one reply.
const ERRORS_MAX: usize = 4;
/// Characters that are shown of a server's own words.
const WORDS_MAX: usize = 120;

/// The OPT record of a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options<'a> {
    /// The identity, if it was told.
    pub(super) nsid: Option<&'a [u8]>,
    /// Seconds until the zone expires, if it was told.
    pub(super) expire: Option<u32>,
    /// The cookies, if there are any.
    pub(super) cookie: Option<&'a [u8]>,
    /// Extended errors: code and text.
    pub(super) errors: Vec<(u16, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Reads the first OPT record of a reply; none and an unreadable one are the same here.
    pub(super) fn of(reply: &Reply<'a>) -> Self {
        let opt = reply
            .records()
            .map_while(Result::ok)
            .find(|record| record.section == 3 && record.rtype == RecordType::OPT);
        let data = opt.and_then(|opt| reply.message.slice(opt.data, opt.length).ok());
        data.map(Self::read).unwrap_or_default()
    }

    fn read(mut data: &'a [u8]) -> Self {
        let mut options = Self::default();
        while let Some((head, tail)) = data.split_first_chunk::<4>() {
            let [c0, c1, l0, l1] = *head;
            let Some((value, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes([l0, l1]))) else {
                break;
            };
            match u16::from_be_bytes([c0, c1]) {
                NSID => options.nsid = Some(value),
                EXPIRE => options.expire = value.try_into().ok().map(u32::from_be_bytes),
                COOKIE => options.cookie = Some(value),
                ERROR if options.errors.len() < ERRORS_MAX => {
                    if let Some((code, text)) = value.split_first_chunk::<2>() {
                        options.errors.push((u16::from_be_bytes(*code), text));
                    }
                }
                _ => {}
            }
            data = tail;
        }
        options
    }

    /// The extended errors in words, `; ` before each: `; extended error 6 (DNSSEC Bogus): …`.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        for (code, text) in &self.errors {
            let _ = write!(told, "; extended error {code}");
            if let Some(name) = error_name(*code) {
                let _ = write!(told, " ({name})");
            }
            if !text.is_empty() {
                let _ = write!(told, ": {}", words(text));
            }
        }
        told
    }
}

/// A server's own words, fit for one line.
pub(super) fn words(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let text = text.trim_end_matches('\0');
    let mut shown = String::new();
    for c in text.chars().take(WORDS_MAX) {
        match c {
            '"' | '\'' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(WORDS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// An identity as text when it is text, in base 16 when not.
pub(super) fn identity(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => octets.iter().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        }),
    }
}

/// The registry "Extended DNS Error Codes".
fn error_name(code: u16) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "Other Error",
        "Unsupported DNSKEY Algorithm",
        "Unsupported DS Digest Type",
        "Stale Answer",
        "Forged Answer",
        "DNSSEC Indeterminate",
        "DNSSEC Bogus",
        "Signature Expired",
        "Signature Not Yet Valid",
        "DNSKEY Missing",
        "RRSIGs Missing",
        "No Zone Key Bit Set",
        "NSEC Missing",
        "Cached Error",
        "Not Ready",
        "Blocked",
        "Censored",
        "Filtered",
        "Prohibited",
        "Stale NXDOMAIN Answer",
        "Not Authoritative",
        "Not Supported",
        "No Reachable Authority",
        "Network Error",
        "Invalid Data",
        "Signature Expired before Valid",
        "Too Early",
        "Unsupported NSEC3 Iterations Value",
        "Unable to conform to policy",
        "Synthesized",
        "Invalid Query Type",
    ];
    NAMES.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_far_as_they_go() {
        let data = b"\0\x03\0\x03ns1\0\x09\0\x04\0\0\x0e\x10\0\x0f\0\x07\0\x06no\nds\0\x0f\0\x02\0\x16\0\x63\0\x01x\0\x0a\0\x09";
        let options = Options::read(data);
        assert_eq!((options.nsid, options.expire, options.cookie), (Some(&b"ns1"[..]), Some(3600), None));
        assert_eq!(
            options.told(),
            "; extended error 6 (DNSSEC Bogus): no\\nds; extended error 22 (No Reachable Authority)"
        );
        assert_eq!(Options::read(b"\0\x03\0"), Options::default());
        assert_eq!(Options::read(b"\0\x09\0\x03abc").expire, None);
    }

    #[test]
    fn a_servers_words_stay_in_one_line() {
        assert_eq!(words(b"a\x1b[2J\r\n\0"), "a\\u{1b}[2J\\r\\n");
        assert!(words(&[b'a'; 5_000]).chars().count() < 130);
        assert_eq!(identity(b"ns1.test"), "ns1.test");
        assert_eq!(identity(b"\x01\xff"), "01ff");
    }
}
