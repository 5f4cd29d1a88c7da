//! What one HTTP response means.
//!
//! Owns the order of the rules: the status first, then header fields, then the body. It never reads a response.

use super::words::{BodyDigest, Hash};
use super::{Expect, Request};
use crate::finding::quoted;
use crate::verdict::Cause;

/// A response, read to its end.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub body: &'a [u8],
}

/// What is wrong with the response to `request`: the cause and what was seen. `digest` makes digests.
///
/// # Errors
/// It is not as it must be.
pub fn judge(
    request: &Request,
    response: &Response<'_>,
    digest: impl Fn(Hash, &[u8]) -> Vec<u8>,
) -> Result<(), (Cause, String)> {
    let (expect, path) = (&request.expect, &request.path);
    let Response { status, headers, body } = *response;
    if !expect.status.has(status) {
        let begins = if body.is_empty() { String::new() } else { format!(" and {}", quoted(body)) };
        let to = headers.iter().find(|(name, _)| *name == "location" && (300..400).contains(&status));
        let to = to.map_or_else(String::new, |(_, to)| format!(", to {}", quoted(to)));
        let expected = &expect.status;
        let detail =
            format!("{path}: the server answered with status {status}{to}{begins}, expected {expected}");
        return Err((Cause::HttpStatus, detail));
    }
    for (name, pattern) in &expect.headers {
        let values: Vec<&[u8]> =
            headers.iter().filter(|(found, _)| found == name).map(|(_, value)| *value).collect();
        if !values.iter().any(|value| pattern.matches(&String::from_utf8_lossy(value))) {
            let seen = match values.first() {
                Some(value) => format!("is {}", quoted(value)),
                None => "is not there".to_owned(),
            };
            let detail = format!("{path}: the header {name} {seen}, expected {pattern}");
            return Err((Cause::HttpHeader, detail));
        }
    }
    matches(expect, body).map_err(|what| (Cause::HttpBody, format!("{path}: {what}")))?;
    if let Some(wanted) = &expect.digest {
        let found = BodyDigest { hash: wanted.hash, octets: digest(wanted.hash, body) };
        if found != *wanted {
            let length = body.len();
            let detail =
                format!("{path}: the body has {length} octets and the digest {found}, expected {wanted}");
            return Err((Cause::HttpBody, detail));
        }
    }
    Ok(())
}

fn matches(expect: &Expect, body: &[u8]) -> Result<(), String> {
    if expect.body.is_empty() && expect.forbidden.is_empty() {
        return Ok(());
    }
    let at = |end: Option<u32>| end.map(|end| usize::try_from(end).unwrap_or(usize::MAX));
    let (first, last) = expect.within.map_or((None, None), |within| (at(within.min), at(within.max)));
    let end = last.map_or(body.len(), |last| last.saturating_add(1).min(body.len()));
    let text = String::from_utf8_lossy(body.get(first.unwrap_or(0)..end).unwrap_or_default());
    if let Some(pattern) = expect.body.iter().find(|pattern| !pattern.matches(&text)) {
        return Err(format!("the body is {}, expected {pattern}", quoted(body)));
    }
    match expect.forbidden.iter().find(|pattern| pattern.matches(&text)) {
        Some(pattern) => Err(format!("the body is {}, expected that {pattern} is not in it", quoted(body))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a digest anyone would want.
    fn digest(hash: Hash, body: &[u8]) -> Vec<u8> {
        vec![body.len() as u8; if hash == Hash::Md5 { 16 } else { 32 }]
    }

    fn judged(expect: Expect, status: u16, headers: &[(&str, &[u8])], body: &str) -> String {
        let request = Request { expect, ..Request::default() };
        match judge(&request, &Response { status, headers, body: body.as_bytes() }, digest) {
            Ok(()) => "up".to_owned(),
            Err((cause, detail)) => format!("{cause} {detail}"),
        }
    }

    #[test]
    fn the_status_is_one_of_a_set() {
        assert_eq!(judged(Expect::default(), 204, &[], ""), "up");
        assert_eq!(
            judged(Expect::default(), 503, &[], "busy\n"),
            "http_status /: the server answered with status 503 and \"busy\\n\", expected 200-299"
        );
        assert_eq!(
            judged(Expect::default(), 301, &[("location", b"https://x/")], ""),
            "http_status /: the server answered with status 301, to \"https://x/\", expected 200-299"
        );
        let expect = || Expect { status: "3xx".parse().unwrap(), ..Expect::default() };
        assert_eq!(judged(expect(), 301, &[], ""), "up");
        assert!(judged(expect(), 200, &[], "").starts_with("http_status"));
    }

    #[test]
    fn header_fields_must_be_there() {
        let server = vec![("server".to_owned(), "^nginx".parse().unwrap())];
        let expect = || Expect { headers: server.clone(), ..Expect::default() };
        assert_eq!(judged(expect(), 200, &[("server", b"x"), ("server", b"nginx/1")], ""), "up");
        assert_eq!(
            judged(expect(), 200, &[("server", b"x\xff")], ""),
            "http_header /: the header server is \"x\\xff\", expected /^nginx/"
        );
        assert_eq!(
            judged(expect(), 200, &[], ""),
            "http_header /: the header server is not there, expected /^nginx/"
        );
    }

    #[test]
    fn the_body_is_matched_where_it_is_said() {
        let expect = |body: &str, forbidden: &str, within: Option<&str>| Expect {
            body: vec![body.parse().unwrap()],
            forbidden: vec![forbidden.parse().unwrap()],
            within: within.map(|within| within.parse().unwrap()),
            ..Expect::default()
        };
        assert_eq!(judged(expect("ok", "error", None), 200, &[], "all ok"), "up");
        assert_eq!(
            judged(expect("ok", "error", None), 200, &[], "bad"),
            "http_body /: the body is \"bad\", expected /ok/"
        );
        assert_eq!(
            judged(expect("ok", "error", None), 200, &[], "ok, an error"),
            "http_body /: the body is \"ok, an error\", expected that /error/ is not in it"
        );
        assert_eq!(judged(expect("ok", "error", Some("0..4")), 200, &[], "ok, an error"), "up");
        assert_eq!(judged(expect("ok", "error", Some("4..")), 200, &[], "1234ok"), "up");
        assert!(judged(expect("ok", "error", Some("5..")), 200, &[], "1234ok").starts_with("http_body"));
        assert!(judged(expect("ok", "error", Some("99..")), 200, &[], "ok").starts_with("http_body"));
        assert!(judged(expect("ok", "error", Some("..0")), 200, &[], "ok").starts_with("http_body"));
    }

    #[test]
    fn the_digest_is_that_of_the_whole_body() {
        let expect = || Expect { digest: Some("02".repeat(16).parse().unwrap()), ..Expect::default() };
        assert_eq!(judged(expect(), 200, &[], "ab"), "up");
        let seen = judged(expect(), 200, &[], "abc");
        assert!(seen.starts_with("http_body /: the body has 3 octets and the digest md5:0303"), "{seen}");
    }
}
